"""Predicates: conditions inside a measure, and how few units are on a side of one (rule C3a).

`where(age == 99, cost, 0)` asks about whoever is 99. The condition is looked at by itself, before any value is, so
that the answer cannot depend on the value. Conditions of filters are not looked at: their rows are the cell.

Promise: a condition is found through whatever columns it was put in on the way.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.measures import BY_VALUE, is_stored, space_of
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Expression, Named, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import children, digest, postorder
from cleanroom_kernel.plan.relations import Assign, Concat, Join, PerUnit, Select, Table, Window
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.columns import ROW, UNIT
from cleanroom_kernel.vault.engine import Engine


def fewest(of: Expression, over: Relation, engine: Engine) -> int | None:
    """Fewest units for which a condition inside `of` holds, or for which it does not; None without conditions."""
    conditions: dict[str, tuple[Relation, list[Expression]]] = {}
    for relation, condition in _conditions(of, over):
        conditions.setdefault(digest(relation), (relation, []))[1].append(condition)
    sides = [side for relation, some in conditions.values() for side in _sides(relation, some, over, engine)]
    return min(sides, default=None)


def _sides(relation: Relation, conditions: list[Expression], over: Relation, engine: Engine) -> Iterator[int]:
    named = tuple(Named(f"p{place}", condition) for place, condition in enumerate(conditions))
    frame = engine.table(relation, named, ordered=False)
    units = frame.get_column(UNIT).to_numpy()
    here = _still_there(frame, relation, over, engine)
    for place in range(len(named)):
        holds = frame.get_column(f"p{place}").fill_null(False).to_numpy()
        yield _distinct(units[here & holds], engine.tables.n_units)
        yield _distinct(units[here & ~holds], engine.tables.n_units)


def _still_there(frame: pl.DataFrame, relation: Relation, over: Relation, engine: Engine) -> NDArray[np.bool_]:
    """Rows of an earlier relation that are left in `over`; where `over` numbers its rows anew, those of its units."""
    if digest(relation) == digest(over):
        return np.ones(len(frame), dtype=bool)
    left = engine.table(over, (), ordered=False)
    if space_of(over) == BY_VALUE or space_of(over) != space_of(relation):
        return np.isin(frame.get_column(UNIT).to_numpy(), left.get_column(UNIT).to_numpy())
    rows = frame.get_column(ROW).to_numpy()
    return np.ones(len(rows), dtype=bool) if len(left) == len(rows) else np.isin(rows, left.get_column(ROW).to_numpy())


def _distinct(units: NDArray[np.int32], n_units: int) -> int:
    seen = np.zeros(n_units, dtype=bool)
    seen[units] = True
    return int(seen.sum())


# -- finding them -----------------------------------------------------------------------------------------------------
def _conditions(of: Expression, over: Relation) -> Iterator[tuple[Relation, Expression]]:
    """Boolean parts of a measure that name a column, but not the whole, which is judged as a measure itself."""
    seen: set[tuple[str, str]] = set()
    left = [(of, over, True)]
    while left:
        expression, relation, whole = left.pop()
        if (digest(expression), digest(relation)) in seen:
            continue
        seen.add((digest(expression), digest(relation)))
        if isinstance(expression, Value):
            made = list(_made_of(expression.name, relation))
            left += [(part, where, whole) for part, where in made]
            if made:
                continue
        else:
            left += [(child, relation, False) for child in children(expression) if isinstance(child, Expression)]
        if not whole and relation.has_units and _is_condition(expression, relation):
            yield relation, expression


def _is_condition(expression: Expression, relation: Relation) -> bool:
    if type_of(expression, relation.fields).dtype is not DType.BOOLEAN:
        return False
    if isinstance(expression, Call) and expression.function is Function.IS_NULL:
        # That a value is missing in the owner's table is no condition of the expert's.
        return not is_stored(expression.arguments[0], relation)
    return any(isinstance(part, Value) for part in postorder(expression))


def _made_of(name: str, relation: Relation) -> Iterator[tuple[Expression, Relation]]:
    """The expressions that a column was made of, with the relation that they stand over; none for a stored column."""
    while not isinstance(relation, Table):
        if isinstance(relation, (Assign, Select)):
            for column in relation.columns:
                if column.name == name:
                    yield column.of, relation.over
                    return
            relation = relation.over
        elif isinstance(relation, PerUnit):
            for reduced in relation.columns:
                if reduced.name == name and reduced.of is not None:
                    yield reduced.of, relation.over
            if name not in relation.by:
                return
            relation = relation.over
        elif isinstance(relation, Window):
            if relation.name == name:
                if relation.of is not None:
                    yield relation.of, relation.over
                return
            relation = relation.over
        elif isinstance(relation, Concat):
            for part in relation.parts:
                yield Value(name), part
            return
        elif isinstance(relation, Join):
            yield _side(name, relation)
            return
        else:
            relation = relation.over  # type: ignore[attr-defined]  # every relation that is left has one


def _side(name: str, relation: Join) -> tuple[Expression, Relation]:
    """The side of a join that a column comes from, under its name there."""
    shared = relation.left.fields.keys() & relation.right.fields.keys()
    for side, suffix in ((relation.left, relation.suffixes[0]), (relation.right, relation.suffixes[1])):
        for source in side.fields:
            if name == (source + suffix if source in shared else source) or name == source:
                return Value(source), side
    raise AssertionError("a column of a join comes from one of its sides")
