"""Relations inside one unit: PerUnit, Window, Distinct.

Promise: rows of different units never meet. Where rows belong to units, the unit is one of the keys by which they are
grouped, whatever the plan's keys are and whatever the owner declared of them.
"""

from __future__ import annotations

from collections.abc import Callable

import narwhals as nw

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Expression, Field, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Distinct, PerUnit, Reduced, Reduction, Window, WindowFunction
from cleanroom_kernel.plan.schema import DType, Role
from cleanroom_kernel.vault.columns import ROW, UNIT, stored
from cleanroom_kernel.vault.expressions import names_in, project
from cleanroom_kernel.vault.expressions_terms import Term, no_nan, sort_key
from cleanroom_kernel.vault.rows import Context, Names, Rows, Rule, hidden, kept_columns, over
from cleanroom_kernel.vault.values import NARWHALS

_NUMBER = "n:row"


def _partition(relation: Relation, by: tuple[str, ...]) -> list[str]:
    """Columns that tell groups apart. A unit's code does so for its identifier, and is quicker."""
    if not relation.has_units:
        return [stored(name) for name in dict.fromkeys(by)]
    others = (name for name in dict.fromkeys(by) if not _is_identifier(relation, name))
    return [UNIT, *map(stored, others)]


def _is_identifier(relation: Relation, name: str) -> bool:
    return relation.has_units and relation.fields[name].role is Role.UNIT


def _present(by: tuple[str, ...]) -> nw.Expr:
    """Rows that have all keys, as pandas' groupby takes them."""
    return nw.all_horizontal(*(~nw.col(stored(name)).is_null() for name in by), ignore_nulls=False)


def _number(column: str, field: Field) -> nw.Expr:
    """Booleans as 0 and 1."""
    return nw.col(column).cast(nw.Int64()) if field.dtype is DType.BOOLEAN else nw.col(column)


# -- PerUnit ----------------------------------------------------------------------------------------------------------
def _truth(column: str, field: Field, of_null: bool) -> nw.Expr:
    return (nw.col(column) if field.dtype is DType.BOOLEAN else nw.col(column) != 0).fill_null(of_null)


def _key(column: str, field: Field) -> nw.Expr:
    return sort_key(Term(nw.col(column), field))


def _missing(column: str) -> str:
    return f"m:{column}"


REDUCTIONS: dict[Reduction, Callable[[str, Field], nw.Expr]] = {
    Reduction.SIZE: lambda _, __: nw.len(),
    Reduction.COUNT: lambda column, _: nw.col(column).count(),
    Reduction.SUM: lambda column, field: _number(column, field).sum(),
    Reduction.MEAN: lambda column, field: _number(column, field).mean(),
    Reduction.MIN: lambda column, field: _key(column, field).min(),
    Reduction.MAX: lambda column, field: _key(column, field).max(),
    # The first that is not missing: those that are missing come last.
    Reduction.FIRST: lambda column, _: nw.col(column).first(order_by=[_missing(column), ROW]),
    Reduction.LAST: lambda column, _: nw.col(column).last(order_by=[_missing(column), ROW]),
    Reduction.STD: lambda column, field: _number(column, field).std(ddof=1),
    Reduction.NUNIQUE: lambda column, _: nw.col(column).drop_nulls().n_unique(),
    Reduction.MEDIAN: lambda column, field: _number(column, field).median(),
    Reduction.ANY: lambda column, field: _truth(column, field, of_null=False).any(),
    Reduction.ALL: lambda column, field: _truth(column, field, of_null=True).all(),
}


def _per_unit(relation: PerUnit, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    fields = relation.over.fields
    wanted = {f"v:{number}": column for number, column in enumerate(relation.columns) if column.name in needed}
    by = [stored(name) for name in dict.fromkeys(relation.by)]
    pending = project(rows.pending, fields, _reduction_inputs(wanted), [*by, *hidden(relation)], context)

    groups = _partition(relation.over, relation.by)
    identifiers = [nw.col(name).any_value().alias(name) for name in by if name not in groups]
    reduced = [
        REDUCTIONS[column.reduction](name, _input_field(column, relation)).alias(name)
        for name, column in wanted.items()
    ]
    frame = pending.frame.filter(_present(relation.by)).group_by(*groups).agg(*identifiers, *reduced)

    columns = [_finished(name, column, relation).alias(stored(column.name)) for name, column in wanted.items()]
    keys = [stored(name) for name in dict.fromkeys(relation.by) if name in needed]
    frame = _in_key_order(frame, relation, groups).select(
        *keys, *columns, *([UNIT] if relation.has_units else []), nw.col(_NUMBER).cast(nw.Int64()).alias(ROW)
    )
    return Rows(pending.then(frame, operations=5), rows.most, rows.most)


def _reduction_inputs(wanted: dict[str, Reduced]) -> dict[str, Expression]:
    outputs: dict[str, Expression] = {}
    for name, column in wanted.items():
        if column.of is None:
            continue
        outputs[name] = column.of
        missing = Call(Function.IS_NULL, (column.of,))
        if column.reduction is Reduction.FIRST:
            outputs[_missing(name)] = missing
        if column.reduction is Reduction.LAST:
            outputs[_missing(name)] = Call(Function.NOT, (missing,))
    return outputs


def _in_key_order(frame: nw.LazyFrame, relation: PerUnit, groups: list[str]) -> nw.LazyFrame:
    order: dict[str, nw.Expr] = {}
    for name in dict.fromkeys(relation.by):
        # Codes of units are in the order of their identifiers.
        identifier = _is_identifier(relation.over, name)
        order[f"o:{name}"] = nw.col(UNIT) if identifier else _key(stored(name), relation.fields[name])
    keyed = frame.with_columns(**order)
    return keyed.with_row_index(_NUMBER, order_by=[*order, *groups])


def _input_field(column: Reduced, relation: PerUnit) -> Field:
    return Field(DType.INTEGER) if column.of is None else _type_of(column.of, relation)


def _finished(name: str, column: Reduced, relation: PerUnit) -> nw.Expr:
    """A reduction's result in its static type."""
    field = relation.fields[column.name]
    value = nw.col(name)
    if column.reduction in (Reduction.MIN, Reduction.MAX) and field.ordered and field.categories is not None:
        places = list(range(len(field.categories)))
        return value.replace_strict(places, list(field.categories), default=None, return_dtype=NARWHALS[field.dtype])
    return no_nan(name, field.dtype).cast(NARWHALS[field.dtype])


def _needs_of_per_unit(relation: PerUnit, needed: Names) -> tuple[Names, ...]:
    inputs = (column.of for column in relation.columns if column.name in needed and column.of is not None)
    return (frozenset(relation.by) | names_in(inputs),)


# -- Window -----------------------------------------------------------------------------------------------------------
_INPUT, _RESULT = "v:window", "w:window"

WINDOWS: dict[WindowFunction, Callable[[Window, Field], nw.Expr]] = {
    WindowFunction.SHIFT: lambda window, _: nw.col(_INPUT).shift(window.periods),
    WindowFunction.CUMSUM: lambda _, field: _number(_INPUT, field).cum_sum(),
    WindowFunction.CUMCOUNT: lambda _, __: nw.col(ROW).cum_count(),
    WindowFunction.CUMMAX: lambda _, field: _number(_INPUT, field).cum_max(),
    WindowFunction.CUMMIN: lambda _, field: _number(_INPUT, field).cum_min(),
    WindowFunction.FFILL: lambda _, __: nw.col(_INPUT).fill_null(strategy="forward"),
    WindowFunction.BFILL: lambda _, __: nw.col(_INPUT).fill_null(strategy="backward"),
    WindowFunction.RANK: lambda _, field: _key(_INPUT, field).rank("average"),
}


def _window(relation: Window, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    if relation.name not in needed:
        return rows
    field = relation.fields[relation.name]
    of = Field(DType.INTEGER) if relation.of is None else _type_of(relation.of, relation)
    keep = kept_columns(relation.over, (needed - {relation.name}) | set(relation.by))
    outputs: dict[str, Expression] = {} if relation.of is None else {_INPUT: relation.of}
    order = {f"o:{number}": Value(name) for number, name in enumerate(relation.order)}
    pending = project(rows.pending, relation.over.fields, outputs | order, keep, context, keys=tuple(order))

    missing = {_missing(name): nw.col(name).is_null() for name in order}  # they come last
    frame = pending.frame.with_columns(**missing) if missing else pending.frame
    places = [place for name in order for place in (_missing(name), name)]
    ordered = {} if relation.function is WindowFunction.RANK else {"order_by": [*places, ROW]}
    result = WINDOWS[relation.function](relation, of).over(*_partition(relation.over, relation.by), **ordered)
    if relation.function is WindowFunction.CUMCOUNT:
        result = result - 1
    frame = frame.with_columns(result.cast(NARWHALS[field.dtype]).alias(_RESULT))
    shown = nw.when(_present(relation.by)).then(no_nan(_RESULT, field.dtype))
    columns = [name for name in kept_columns(relation, needed) if name != stored(relation.name)]
    frame = frame.select(*columns, shown.alias(stored(relation.name)))
    return rows.with_pending(pending.then(frame, operations=4))


def _needs_of_window(relation: Window, needed: Names) -> tuple[Names, ...]:
    if relation.name not in needed:
        return (needed,)
    inputs = set() if relation.of is None else names_in([relation.of])
    return ((needed - {relation.name}) | set(relation.by) | set(relation.order) | inputs,)


# -- Distinct ---------------------------------------------------------------------------------------------------------
def _distinct(relation: Distinct, inputs: tuple[Rows, ...], needed: Names, _: Context) -> Rows:
    """Missing keys count as equal, as in pandas' drop_duplicates."""
    (rows,) = inputs
    identifiers = [name for name in dict.fromkeys(relation.by) if _is_identifier(relation, name)]
    missing = {_missing(name): nw.col(stored(name)).is_null() for name in identifiers}
    frame = rows.pending.frame.with_columns(**missing) if missing else rows.pending.frame
    row = nw.col(ROW)
    chosen = (row.max() if relation.last else row.min()).over(*_partition(relation, relation.by), *missing)
    frame = frame.filter(row == chosen).select(*kept_columns(relation, needed))
    return rows.with_pending(rows.pending.then(frame, operations=3))


def _needs_of_distinct(relation: Distinct, needed: Names) -> tuple[Names, ...]:
    return (needed | set(relation.by),)


def _type_of(expression: Expression, relation: PerUnit | Window) -> Field:
    return type_of(expression, relation.over.fields)


RULES: dict[type[Relation], Rule] = {
    PerUnit: Rule(over, _needs_of_per_unit, _per_unit),
    Window: Rule(over, _needs_of_window, _window),
    Distinct: Rule(over, _needs_of_distinct, _distinct),
}
