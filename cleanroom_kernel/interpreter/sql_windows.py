"""SQL windows: `lag(x) over (partition by patient order by day)`, as the group-by of pandas that computes the same.

Inside a patient they give a column of the same rows. Over an attribute they give the released statistic of each row's
group; an order over rows of different patients is refused, as it is in pandas.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.sql_expressions import Reader, unavailable

_WHOLE = {exp.Sum: "sum", exp.Avg: "mean", exp.Min: "min", exp.Max: "max", exp.Count: "count", exp.Stddev: "std",
          exp.FirstValue: "first", exp.LastValue: "last"}  # fmt: skip
_RUNNING = {exp.Sum: "cumsum", exp.Min: "cummin", exp.Max: "cummax"}


def computed(reader: Reader, node: exp.Expression) -> exp.Expression:
    """`node` with every window in it replaced by a column of the reader's frame, which is added there."""
    windows = list(node.find_all(exp.Window))
    if not windows:
        return node
    known: dict[exp.Expression, exp.Expression] = {}
    for window in windows:
        name = f"window {len(reader.frame.columns)}"
        reader.frame = reader.frame.assign(**{name: _window(reader, window)})
        known[window] = exp.column(name)
    return node.copy().transform(lambda part: known[part].copy() if part in known else part, copy=False)


def _window(reader: Reader, node: exp.Window) -> Any:
    keys = {f"key {i}": reader.column(part) for i, part in enumerate(node.args.get("partition_by") or [])}
    if not keys:
        raise HandleError(
            "A window over all rows mixes patients.",
            suggestion="PARTITION BY the patient's id, or a key of one patient.",
        )
    if node.args.get("spec") is not None:
        raise HandleError("Windows have no frame of rows here.", suggestion="Leave ROWS BETWEEN … out.")
    order = node.args.get("order")
    orders = [] if order is None else list(order.expressions)
    ranks = {f"rank {i}": reader.column(each.this) for i, each in enumerate(orders)}
    function = node.this.this if isinstance(node.this, (exp.IgnoreNulls, exp.RespectNulls)) else node.this
    of = _argument(reader, function)
    table = reader.frame.assign(**keys, **ranks, **({} if of is None else {"of": of}))
    if ranks:
        ascending = [not each.args.get("desc") for each in orders]
        table = table.sort_values(list(ranks), ascending=ascending, kind="stable")
    groups = table.groupby(list(keys))
    return _computed(groups, function, bool(ranks), reader)


def _argument(reader: Reader, function: exp.Expression) -> Any:
    if function.this is None or isinstance(function.this, exp.Star):
        return None
    return reader.column(function.this)


def _computed(groups: Any, function: exp.Expression, ordered: bool, reader: Reader) -> Any:
    if isinstance(function, exp.RowNumber):
        return groups.cumcount() + 1
    if isinstance(function, (exp.Lag, exp.Lead)):
        offset = function.args.get("offset")
        periods = 1 if offset is None else int(reader.value(offset))
        found = groups["of"].shift(periods if isinstance(function, exp.Lag) else -periods)
        default = function.args.get("default")
        return found if default is None else found.fillna(reader.value(default))
    if isinstance(function, exp.Count):
        counted = "key 0" if isinstance(function.this, exp.Star) else "of"
        return groups.cumcount() + 1 if ordered and counted == "key 0" else groups[counted].transform("count")
    if ordered and type(function) in _RUNNING:
        return getattr(groups["of"], _RUNNING[type(function)])()
    if type(function) not in _WHOLE or (ordered and not isinstance(function, exp.FirstValue)):
        raise unavailable(function)
    return groups["of"].transform(_WHOLE[type(function)])
