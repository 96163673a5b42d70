"""Per unit: a group-by whose keys include the unit gives rows (one per patient), which stay in the room like any other.

Windows (shift, cumsum, rank …) and transform give a column of the same rows. They keep every row, so what they compute
can be assigned to the table that they came from, whatever order was chosen in between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import msgspec
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.grouped import aggregation_pairs, named_options
from cleanroom_kernel.interpreter.grouping import Grouping
from cleanroom_kernel.interpreter.handles import Column, Frame, moved
from cleanroom_kernel.interpreter.probes import FrameProbe, Probe, Wanted, wanted
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, stand_in
from cleanroom_kernel.interpreter.terms import call, known
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Cast, Expression, Literal, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import (
    Distinct,
    Filter,
    How,
    Join,
    PerUnit,
    Reduced,
    Reduction,
    Sort,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import DType

REDUCTIONS = {reduction.value: reduction for reduction in Reduction}
WINDOWS = ("shift", "cumsum", "cummax", "cummin", "ffill", "bfill", "rank")


# -- one row per unit -------------------------------------------------------------------------------------------------
def size(grouping: Grouping) -> Any:
    rehearsal = grouping.rehearsed(lambda groups: groups.size(), as_index=grouping.as_index)
    return _reduced(grouping, [Wanted("size", grouping.rows, Value(""), {})], rehearsal, series=grouping.as_index)


def reduce(grouping: Grouping, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    labels = grouping.labels() if name in ("count", "nunique") else grouping.statistical_labels()
    rehearsal = grouping.rehearsed(
        lambda groups: getattr(groups, name)(*args, **kwargs), labels, as_index=grouping.as_index
    )
    if isinstance(rehearsal.value, pd.DataFrame):
        keys = {key.name for key in grouping.keys}
        labels = [label for label in rehearsal.value.columns if label not in keys or grouping.as_index]
    options = named_options(name, args, kwargs)
    asking = [Wanted(name, grouping.rows, grouping.frame._columns[label], options) for label in labels]
    return _reduced(grouping, asking, rehearsal, series=grouping.is_series and grouping.as_index)


def aggregate(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    labels = grouping.labels() if func is None or isinstance(func, dict) else grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: groups.agg(func, *args, **kwargs), labels, as_index=grouping.as_index)
    pairs = aggregation_pairs(func, kwargs, labels)
    with rehearsal.explaining():
        asking = [wanted(function, _probe(grouping, label)) for label, function in pairs]
    single = grouping.is_series and grouping.as_index and func is not None and not isinstance(func, (list, dict))
    return _reduced(grouping, asking, rehearsal, series=single)


def apply(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    rehearsal = grouping.rehearsed(lambda groups: groups.apply(func, *args, **kwargs))
    frame = grouping.frame
    probe = (
        _probe(grouping, grouping.chosen)
        if grouping.is_series
        else FrameProbe(frame._rows, frame._columns, frame._twin, frame._index)
    )
    with rehearsal.explaining():
        asking = [wanted(lambda group: func(group, *args, **kwargs), probe)]
    return _reduced(grouping, asking, rehearsal, series=True)


def _probe(grouping: Grouping, label: Hashable) -> Probe:
    column = grouping.column(label)
    return Probe(column._rows, column._expression, column._twin, column._index)


def _reduced(grouping: Grouping, asking: list[Wanted], rehearsal: Rehearsal, series: bool) -> Any:
    rows = contexts.meet(grouping.rows, *(found.rows for found in asking))
    rows, names = _key_names(grouping, rows)
    with rehearsal.explaining():
        parts = [_reduction(found) for found in asking]
        per_unit = PerUnit(rows, names, tuple({part.name: part for part, _ in parts}.values()))
    keys = tuple(Value(name) for name in names)
    columns = [finish(Value(part.name)) for part, finish in parts]
    if series:
        twin = rehearsal.value if rehearsal.error is None else _blank(per_unit, columns[0], grouping)
        return Column(per_unit, columns[0], twin, keys)
    twin = rehearsal.value
    if twin is None:
        raise rehearsal.error or HandleError("This group-by is not available here.")
    if grouping.as_index:
        return Frame(per_unit, dict(zip(twin.columns, columns, strict=True)), twin, keys)
    return Frame(per_unit, dict(zip(twin.columns, (*keys, *columns), strict=True)), twin)


def _blank(per_unit: PerUnit, expression: Expression, grouping: Grouping) -> pd.Series:
    index = grouping.keys[0].twin.drop_duplicates().sort_values()
    return stand_in(type_of(expression, per_unit.fields), pd.Index(index, name=grouping.keys[0].name), grouping.chosen)


def _reduction(found: Wanted) -> tuple[Reduced, Callable[[Expression], Expression]]:
    """The reduced column of the plan, and what is still to be computed of it."""
    name, finish = found.name, lambda value: value
    if name == "var":
        name, finish = "std", lambda value: call(Function.POWER, known(value, DType.FLOAT), 2)
    if name == "quantile" and found.options.get("q", 0.5) == 0.5:
        name = "median"
    if name not in REDUCTIONS:
        raise HandleError(
            f"{name} per patient is not available in a clean room.", suggestion=f"There are: {', '.join(REDUCTIONS)}."
        )
    reduction = REDUCTIONS[name]
    of = None if reduction is Reduction.SIZE else found.expression
    hidden = "__size" if of is None else contexts.hidden_name(name, of)
    return Reduced(hidden, reduction, of), finish


def _key_names(grouping: Grouping, rows: Relation) -> tuple[Relation, tuple[str, ...]]:
    names = []
    for key in grouping.keys:
        rows, name = contexts.named_in(rows, key.expression)
        names.append(name)
    return rows, tuple(names)


# -- one value per row ------------------------------------------------------------------------------------------------
def transform(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The statistic of a row's own patient, by a join back on the keys."""
    if isinstance(func, str) and func in (*WINDOWS, "cumcount"):
        return window(grouping, func, kwargs)
    labels = grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: groups.transform(func, *args, **kwargs), labels)
    rows, columns = grouping.rows, {}
    with rehearsal.explaining():
        for label in labels:
            rows, columns[label] = _joined_back(grouping, rows, wanted(func, _probe(grouping, label)))
    return _alongside(grouping, rows, columns, rehearsal)


def _joined_back(grouping: Grouping, rows: Relation, found: Wanted) -> tuple[Relation, Expression]:
    source, names = _key_names(grouping, contexts.meet(grouping.rows, found.rows))
    part, finish = _reduction(found)
    per_unit = PerUnit(source, names, (part,))
    name = contexts.hidden_name(part.reduction.value, per_unit)
    per_unit = PerUnit(source, names, (msgspec.structs.replace(part, name=name),))
    rows = contexts.meet(rows, source)
    if name not in rows.fields:
        before, _ = _unsorted(rows, set(names))
        joined = Join(before, per_unit, names, names, How.LEFT)
        rows = joined if before is rows else contexts.meet(rows, joined)
    return rows, finish(Value(name))


def window(grouping: Grouping, name: str, options: dict[str, Any]) -> Any:
    """shift, cumsum, rank … within each patient, in the order of the rows."""
    labels = grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: getattr(groups, name)(**options), labels)
    _check_options(name, options)
    rows, columns = grouping.rows, {}
    with rehearsal.explaining():
        for label in labels:
            periods = int(options.get("periods", 1))
            rows, columns[label] = _windowed(grouping, rows, name, grouping.frame._columns[label], periods)
    return _alongside(grouping, rows, columns, rehearsal)


_OPTIONS = {"shift": {"periods"}, "diff": {"periods"}, "pct_change": {"periods"}}


def _check_options(name: str, options: dict[str, Any]) -> None:
    usual = {"ascending": True, "method": "average", "na_option": "keep", "pct": False, "numeric_only": False}
    left = {key for key, value in options.items() if key not in usual or value != usual[key]}
    if left - _OPTIONS.get(name, set()):
        raise HandleError(f"{name} does not take {', '.join(sorted(left))} for rows in a clean room.")


def changes(grouping: Grouping, name: str, options: dict[str, Any]) -> Any:
    """diff and pct_change: a column and its shifted self."""
    labels = grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: getattr(groups, name)(**options), labels)
    _check_options(name, options)
    rows, columns = grouping.rows, {}
    with rehearsal.explaining():
        for label in labels:
            now = grouping.frame._columns[label]
            rows, before = _windowed(grouping, rows, "shift", now, int(options.get("periods", 1)))
            if name == "diff":
                columns[label] = call(Function.SUBTRACT, now, before)
            else:
                ratio = known(call(Function.DIVIDE, now, before), DType.FLOAT)
                columns[label] = call(Function.SUBTRACT, ratio, 1)
    return _alongside(grouping, rows, columns, rehearsal)


def cumcount(grouping: Grouping, ascending: bool = True) -> Column:
    if not ascending:
        raise HandleError("cumcount counts upwards here.", suggestion="Sort the rows the other way first.")
    rehearsal = grouping.rehearsed(lambda groups: groups.cumcount())
    rows, expression = _windowed(grouping, grouping.rows, "cumcount", None, 1)
    return Column(rows, expression, rehearsal.value, grouping.frame._index)


def _windowed(
    grouping: Grouping, rows: Relation, name: str, of: Expression | None, periods: int
) -> tuple[Relation, Expression]:
    """A window, placed before a sort by columns where there is one: then it also belongs to the unsorted rows."""
    rows, names = _key_names(grouping, rows)
    of = None if of is None else contexts.unfolded(rows, of)
    over, sort = _unsorted(rows, {*names, *(contexts.names_in(of) if of is not None else ())})
    order: tuple[str, ...] | None = ()
    if sort is not None:
        over, order = _ordered(over, sort, names)
    if order is None:
        over, order = rows, ()
    draft = Window(over, "__window", WindowFunction(name), names, of, order, periods)
    hidden = contexts.hidden_name(name, draft)
    if hidden in rows.fields:
        return rows, Value(hidden)
    placed: Relation = msgspec.structs.replace(draft, name=hidden)
    return (contexts.meet(rows, placed) if over is not rows else placed), Value(hidden)


def _unsorted(rows: Relation, needed: set[str]) -> tuple[Relation, Sort | None]:
    """The rows before a last sort, if the columns `needed` are there already; and that sort."""
    path = contexts.path_of(rows)
    if path.narrowed and isinstance(path.narrowed[-1], Sort) and needed <= set(path.narrowed[-1].over.fields):
        return path.narrowed[-1].over, path.narrowed[-1]
    return rows, None


def _ordered(over: Relation, sort: Sort, keys: tuple[str, ...]) -> tuple[Relation, tuple[str, ...] | None]:
    """The columns of a sort under names, for a window's own order; None where it cannot have it."""
    names = []
    for by, descending in zip(sort.by, sort.descending, strict=True):
        if isinstance(by, Value) and by.name in keys:
            continue
        field = type_of(by, over.fields)
        if field.role.is_opaque or (descending and field.dtype is DType.STRING):
            return over, None
        over, name = contexts.named_in(over, _backwards(by, field.dtype) if descending else by)
        names.append(name)
    return over, tuple(names)


def _backwards(by: Expression, dtype: DType) -> Expression:
    """What ascends as `by` descends. Missing values come last either way."""
    if dtype is DType.DATETIME:
        return call(Function.SUBTRACT, Literal(0, dtype), by)
    return call(Function.NEGATE, Cast(by, DType.INTEGER) if dtype is DType.BOOLEAN else by)


def _alongside(grouping: Grouping, rows: Relation, columns: dict[Hashable, Expression], rehearsal: Rehearsal) -> Any:
    frame = grouping.frame
    if grouping.is_series:
        expression = columns[grouping.chosen]
        twin = rehearsal.value
        if twin is None:
            twin = stand_in(type_of(expression, rows.fields), frame._twin.index, grouping.chosen)
        return Column(rows, expression, twin, frame._index)
    if rehearsal.value is None:
        raise rehearsal.error or PlanError("This group-by is not available here.")
    return Frame(rows, {label: columns[label] for label in rehearsal.value.columns}, rehearsal.value, frame._index)


# -- some rows of each unit -------------------------------------------------------------------------------------------
def first_rows(grouping: Grouping, n: int) -> Frame:
    """groupby(…).head(n), or tail(1) as n = -1."""
    rows, names = _key_names(grouping, grouping.rows)
    twin = grouping.rehearsed(lambda groups: groups.head(n) if n > 0 else groups.tail(-n)).value
    if abs(n) == 1:
        return moved(grouping.frame, Distinct(rows, names, last=n < 0), grouping.frame._twin.loc[twin.index])
    if n < 0:
        raise HandleError("tail takes one row per patient here.", suggestion="Sort the other way and use head(n).")
    rows, position = _windowed(grouping, rows, "cumcount", None, 1)
    early = call(Function.LESS, known(position, DType.INTEGER), n)
    return moved(grouping.frame, Filter(rows, early), grouping.frame._twin.loc[twin.index])
