"""SQL windows: `lag(x) over (partition by patient order by day)`, as the group-by of pandas that computes the same.

Inside a patient they give a column of the same rows. Over an attribute they give the released statistic of each row's
group; an order over rows of different patients is refused, as it is in pandas.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.sql_reader import Reader, unavailable

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
    order = node.args.get("order")
    orders = [] if order is None else list(order.expressions)
    ranks = {f"rank {i}": reader.column(each.this) for i, each in enumerate(orders)}
    for name, each in zip(ranks, orders, strict=True):
        if each.args.get("desc") and pd.api.types.is_string_dtype(ranks[name].dtype):
            raise HandleError("Texts are ordered upwards in a window here.", suggestion="Order by a number or a date.")
    function = node.this.this if isinstance(node.this, (exp.IgnoreNulls, exp.RespectNulls)) else node.this
    of = _argument(reader, function)
    table = reader.frame.assign(**keys, **ranks, **({} if of is None else {"of": of}))
    if ranks:
        ascending = [not each.args.get("desc") for each in orders]
        table = table.sort_values(list(ranks), ascending=ascending, kind="stable")
    rows = _Rows(table, list(keys), list(ranks))
    if isinstance(function, (exp.Rank, exp.DenseRank)):
        return _ranked(rows, isinstance(function, exp.DenseRank))
    frame = _frame(reader, node.args.get("spec"), bool(ranks))
    if isinstance(frame, int):
        return _rolled(rows, function, frame)
    return _computed(rows, function, frame == _RUNNING_FRAME, reader)


class _Rows:
    """The rows of a window in their order."""

    def __init__(self, table: Any, keys: list[str], ranks: list[str]) -> None:
        self.table, self.keys, self.ranks = table, keys, ranks

    def __getitem__(self, name: str) -> Any:
        return self.groups[name]

    @property
    def groups(self) -> Any:
        return self.table.groupby(self.keys)

    def with_column(self, name: str, column: Any) -> _Rows:
        return _Rows(self.table.assign(**{name: column}), self.keys, self.ranks)


_WHOLE_FRAME, _RUNNING_FRAME = "whole", "running"


def _frame(reader: Reader, spec: exp.WindowSpec | None, ordered: bool) -> str | int:
    """All rows of the patient, those up to this one, or the number of the last ones."""
    if spec is None:
        return _RUNNING_FRAME if ordered else _WHOLE_FRAME
    start, end = (
        part.upper() if isinstance(part, str) else part for part in (spec.args.get("start"), spec.args.get("end"))
    )
    side = str(spec.args.get("start_side")).upper()
    if start == "UNBOUNDED" and end in ("CURRENT ROW", None):
        return _RUNNING_FRAME
    if start == "UNBOUNDED" and end == "UNBOUNDED":
        return _WHOLE_FRAME
    if isinstance(start, exp.Literal) and side == "PRECEDING" and end in ("CURRENT ROW", None):
        return int(reader.value(start)) + 1
    raise HandleError(
        "Windows reach back from this row here.", suggestion="ROWS BETWEEN 3 PRECEDING AND CURRENT ROW, or UNBOUNDED."
    )


def _argument(reader: Reader, function: exp.Expression) -> Any:
    if function.this is None or isinstance(function.this, exp.Star):
        return None
    return reader.column(function.this)


def _ranked(rows: _Rows, dense: bool) -> Any:
    """Rows of equal order share a rank: it changes where one of the columns differs from the row before."""
    position = rows.groups.cumcount()
    changed = position == 0
    for name in rows.ranks:
        now, before = rows.table[name], rows[name].shift(1)
        changed = changed | (now != before) & ~(now.isna() & before.isna())
    step = changed.astype(int) if dense else (position + 1).where(changed, 0)
    stepped = rows.with_column("step", step)["step"]
    return stepped.cumsum() if dense else stepped.cummax()


def _rolled(rows: _Rows, function: exp.Expression, width: int) -> Any:
    names = {exp.Sum: "sum", exp.Avg: "mean", exp.Min: "min", exp.Max: "max", exp.Count: "count"}
    if type(function) not in names or isinstance(function.this, exp.Star):
        raise unavailable(function)
    return getattr(rows["of"].rolling(width, min_periods=1), names[type(function)])()


def _computed(rows: _Rows, function: exp.Expression, running: bool, reader: Reader) -> Any:
    if isinstance(function, exp.RowNumber):
        return rows.groups.cumcount() + 1
    if isinstance(function, (exp.Lag, exp.Lead)):
        offset = function.args.get("offset")
        periods = 1 if offset is None else int(reader.value(offset))
        found = rows["of"].shift(periods if isinstance(function, exp.Lag) else -periods)
        default = function.args.get("default")
        return found if default is None else found.fillna(reader.value(default))
    if isinstance(function, exp.FirstValue):
        return rows["of"].transform("first")
    if running and isinstance(function, (exp.Count, exp.Avg)):
        return _running_mean(rows, function)
    if isinstance(function, exp.Count):
        return rows[rows.keys[0] if isinstance(function.this, exp.Star) else "of"].transform("count")
    if running and type(function) in _RUNNING:
        return getattr(rows["of"], _RUNNING[type(function)])()
    if type(function) not in _WHOLE or running:
        raise unavailable(function)
    return rows["of"].transform(_WHOLE[type(function)])


def _running_mean(rows: _Rows, function: exp.Expression) -> Any:
    """A running number, and a running sum by it."""
    if isinstance(function.this, exp.Star):
        return rows.groups.cumcount() + 1
    number = rows.with_column("there", rows.table["of"].notna().astype(int))["there"].cumsum()
    if isinstance(function, exp.Count):
        return number
    return rows.with_column("filled", rows.table["of"].fillna(0))["filled"].cumsum() / number
