"""Relations that keep, drop, stack or compute columns for rows: Table, Filter, Select, Assign, Concat."""

from __future__ import annotations

import narwhals as nw

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Named
from cleanroom_kernel.plan.relations import Assign, Concat, Filter, Select, Table
from cleanroom_kernel.vault.columns import ROW, stored
from cleanroom_kernel.vault.expressions import compute, names_in, project
from cleanroom_kernel.vault.pending import Pending
from cleanroom_kernel.vault.rows import (
    LARGEST_BOUND,
    Context,
    Names,
    Rows,
    Rule,
    hidden,
    kept_columns,
    numbered,
    over,
    within_limits,
)
from cleanroom_kernel.vault.values import NARWHALS

_PART = "n:part"


def _table(relation: Table, _: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    frame = context.tables[relation.name]
    lazy = nw.from_native(frame.lazy().select(kept_columns(relation, needed)))
    return Rows(Pending(lazy), bound=frame.height, most=frame.height)


def _filter(relation: Filter, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    keep = kept_columns(relation, needed)
    pending, (condition,) = compute(rows.pending, relation.over.fields, (relation.where,), keep, context)
    # What comes out constant has no length of its own to filter by.
    where = condition.expression & ~nw.col(ROW).is_null()
    return rows.with_pending(pending.then(pending.frame.filter(where).select(*keep), operations=2))


def _needs_of_filter(relation: Filter, needed: Names) -> tuple[Names, ...]:
    return (needed | names_in([relation.where]),)


def _wanted(columns: tuple[Named, ...], needed: Names) -> list[Named]:
    return [column for column in columns if column.name in needed]


def _select(relation: Select, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    outputs = {stored(column.name): column.of for column in _wanted(relation.columns, needed)}
    return rows.with_pending(project(rows.pending, relation.over.fields, outputs, hidden(relation), context))


def _needs_of_select(relation: Select, needed: Names) -> tuple[Names, ...]:
    return (frozenset(names_in(column.of for column in _wanted(relation.columns, needed))),)


def _assign(relation: Assign, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    outputs = {stored(column.name): column.of for column in _wanted(relation.columns, needed)}
    keep = [column for column in kept_columns(relation, needed) if column not in outputs]
    return rows.with_pending(project(rows.pending, relation.over.fields, outputs, keep, context))


def _needs_of_assign(relation: Assign, needed: Names) -> tuple[Names, ...]:
    wanted = _wanted(relation.columns, needed)
    return (needed - {column.name for column in wanted} | names_in(column.of for column in wanted),)


def _concat(relation: Concat, inputs: tuple[Rows, ...], needed: Names, _: Context) -> Rows:
    keep = kept_columns(relation, needed)
    total = sum(rows.bound for rows in inputs)
    parts, bound = [], 0
    for place, (part, rows) in enumerate(zip(relation.parts, inputs, strict=True)):
        frame = rows.pending.frame.select(*_as_in(relation, part, needed))
        if total > LARGEST_BOUND:
            parts.append(frame.select(*keep, nw.lit(place).alias(_PART)))
        else:
            parts.append(frame.with_columns(nw.col(ROW) + bound).select(*keep))
        bound += rows.bound
    operations = sum(rows.pending.operations for rows in inputs) + 3
    stacked = nw.concat(parts, how="vertical")
    pending = Pending(stacked).then(stacked, operations)
    stacked_rows = within_limits(Rows(pending, total, most=sum(rows.most for rows in inputs)))
    if total <= LARGEST_BOUND:
        return stacked_rows
    return Rows(numbered(stacked_rows.pending, keep, (_PART, ROW)), stacked_rows.most, stacked_rows.most)


def _as_in(whole: Concat, part: Relation, needed: Names) -> list[nw.Expr]:
    """A part's columns, in the types of the whole."""
    columns = [nw.col(name) for name in hidden(whole)]
    for name, field in whole.fields.items():
        if name in needed:
            column = nw.col(stored(name))
            columns.append(column if part.fields[name].dtype is field.dtype else column.cast(NARWHALS[field.dtype]))
    return columns


RULES: dict[type[Relation], Rule] = {
    Table: Rule(lambda _: (), lambda _, __: (), _table),
    Filter: Rule(over, _needs_of_filter, _filter),
    Select: Rule(over, _needs_of_select, _select),
    Assign: Rule(over, _needs_of_assign, _assign),
    Concat: Rule(lambda relation: relation.parts, lambda relation, needed: (needed,) * len(relation.parts), _concat),
}
