"""Measures: which numbers can be compared with which, read off plans alone.

Promise: two expressions with one identity are the same quantity up to scale and offset, whatever names, joins and
intermediate tables they came through; what is not recognised gets an identity of its own. Two relations of one space
number the same rows alike. Two selections with one name are the same rows of one space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import (
    Call,
    Cast,
    Cut,
    Expression,
    IsIn,
    Literal,
    Lookup,
    Recode,
    RowFunction,
    Value,
)
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import Node, data_fields, digest, fold, postorder
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    Filter,
    Join,
    PerUnit,
    Predict,
    Reduced,
    Reduction,
    Sample,
    Select,
    Sort,
    Split,
    Table,
    Take,
    Window,
)
from cleanroom_kernel.plan.schema import DType

Identities = dict[str, str]
Found = TypeVar("Found")

ROWS = "rows"  # the measure of counts: every row is one
UNITS = "units"

_STORED = "column "

# -- spaces -----------------------------------------------------------------------------------------------------------
_KEEP_ROWS = (Filter, Take, Assign, Select, Window, Predict)
_RENUMBER = (Sort, Sample, Split, PerUnit, Concat)

BY_VALUE = "values"  # rows that are made anew each time: told apart by unit and value
BY_UNIT = "units"  # rows of which only the unit is looked at


def space_of(relation: Relation) -> str:
    """Relations of one space share their row numbers, so that footprints of their rows can be compared.

    A sorted, drawn, stacked or per-unit table numbers its rows anew whenever its input changes: there, and in what is
    made from it, a row is known by its unit and its value instead.
    """
    spaces: dict[int, str] = {}
    for node in postorder(relation):
        if isinstance(node, Relation):
            spaces[id(node)] = _space(node, spaces)
    return spaces[id(relation)]


def _space(relation: Relation, spaces: dict[int, str]) -> str:
    if isinstance(relation, Table):
        return hashed("table", relation.name)
    if isinstance(relation, _KEEP_ROWS):
        return spaces[id(relation.over)]
    if isinstance(relation, _RENUMBER):
        return BY_VALUE
    if isinstance(relation, Distinct):
        # A join with it may be numbered by its left side alone, so it is a space of its own.
        over = spaces[id(relation.over)]
        return over if over == BY_VALUE else hashed("distinct", over, relation.by)
    if isinstance(relation, Join):
        left, right = spaces[id(relation.left)], spaces[id(relation.right)]
        unique = _keeps_numbers(relation)
        # Of two that multiply rows, the numbers may be too large to be made of those of the sides.
        if BY_VALUE in (left, right) or not (unique or all(_keeps_numbers(join) for join in _joins_in(relation))):
            return BY_VALUE
        return hashed("join", left, right, relation.left_on, relation.right_on, relation.how.value, unique)
    raise AssertionError(f"unhandled relation {type(relation).__name__}")


def _keeps_numbers(join: Join) -> bool:
    """Whether a row has the number that it has on the left side, and not one made of those of both."""
    return has_unique(join.right, join.right_on, join.left.has_units and join.right.has_units)


def _joins_in(join: Join) -> list[Join]:
    return [node for node in postorder(join.left, join.right) if isinstance(node, Join)]


def has_unique(relation: Relation, on: tuple[str, ...], per_unit: bool) -> bool:
    """Whether at most one row has any combination of values in the columns `on`, as the plan shows.

    With `per_unit`, at most one row of each unit: enough where the join demands equal units.
    """
    names = set(on)
    while True:
        if isinstance(relation, Table):
            return any(column.unique for column in relation.schema.visible if column.name in names)
        if isinstance(relation, (PerUnit, Distinct)) and set(relation.by) <= names:
            # Both group by unit as well, so that a key may come back for another unit.
            return per_unit or not relation.has_units
        if isinstance(relation, Select):
            sources = {column.name: column.of for column in relation.columns if column.name in names}
            names = {of.name for of in sources.values() if isinstance(of, Value)}
        elif isinstance(relation, Assign):
            names -= {column.name for column in relation.columns}
        elif isinstance(relation, Window):
            names -= {relation.name}
        elif isinstance(relation, Predict):
            names -= set(relation.names)
        elif not isinstance(relation, (Filter, Distinct, Sort, Take, Sample, Split)):
            return False
        relation = relation.over


# -- identities -------------------------------------------------------------------------------------------------------
def sum_of(expression: Expression, over: Relation) -> str:
    """The measure of sums and means of an expression."""
    return _of("sum", expression, over)


def squares_of(expression: Expression, over: Relation) -> str:
    """The measure of variances."""
    return _of("squares", expression, over)


def order_of(expression: Expression, over: Relation) -> str:
    """What quantiles and extremes look at."""
    return _of("order", expression, over)


def distinct_of(expression: Expression, over: Relation) -> str:
    return _of("distinct", expression, over)


def product_of(one: Expression, other: Expression, over: Relation) -> str:
    """The measure of covariances and correlations."""
    return "product of " + " and ".join(sorted([identity(one, over), identity(other, over)]))


def count_of(expression: Expression, over: Relation) -> str:
    """The measure of non-null counts. Of a stored column it is its own, so that a few missing values in each of many
    columns do not look like differencing; a null that the expert's code makes is a predicate like any other.
    """
    found = identity(expression, over)
    return f"present {found}" if found.startswith(_STORED) else ROWS


def is_stored(expression: Expression, over: Relation) -> bool:
    """Whether it is a column as the owner's table has it, under whatever name."""
    return identity(expression, over).startswith(_STORED)


def is_one(expression: Expression, over: Relation) -> bool:
    """Whether it is the constant 1, whatever column it was put in."""
    return _measure(expression, identities(over), False).identity == _literal(1.0)


def identity(expression: Expression, over: Relation) -> str:
    """What an expression measures over a relation, up to scale and offset."""
    return _measure(expression, identities(over), False).identity


def _of(what: str, expression: Expression, over: Relation) -> str:
    return f"{what} of {identity(expression, over)}"


def columns_of(expression: Expression, over: Relation) -> frozenset[str]:
    """The columns of patients' tables that an expression is made of, by whatever functions and steps on the way."""
    return _made_of([expression], _sources(over))


def decided_by(expression: Expression, over: Relation) -> frozenset[str]:
    """Also those that decided which rows it is made of, where it was joined, reduced or computed within a unit: that a
    patient has no row among the positive ones is a column of its own, whatever is selected of that row.
    """
    return _made_of([expression], _deciding(over))


def chosen_by(relation: Relation) -> frozenset[str]:
    """The columns of patients' tables by which rows of a relation were selected."""
    takes = any(isinstance(node, Take) for node in postorder(relation))
    found: frozenset[str] = frozenset()
    for node in postorder(relation):
        if isinstance(node, Filter):
            found |= decided_by(node.where, node.over)
        elif isinstance(node, Sort) and takes:
            found = found.union(*(decided_by(key, node.over) for key in node.by))
    return found


Sources = dict[str, frozenset[str]]


def _made_of(expressions: Iterable[Expression], sources: Sources) -> frozenset[str]:
    """An uploaded table is a source of its own: it says of each key what the expert chose."""
    nodes = list(postorder(*expressions))
    read = {node.name for node in nodes if isinstance(node, Value)}
    brought = frozenset(f"uploaded {node.reference.identity}" for node in nodes if isinstance(node, Lookup))
    return brought.union(*(sources[name] for name in read))


def _sources(relation: Relation) -> Sources:
    for node in () if "sources" in relation.__dict__ else postorder(relation):
        if isinstance(node, Relation) and "sources" not in node.__dict__:
            node.__dict__["sources"] = _sources_of(node)
    found: Sources = relation.__dict__["sources"]
    return found


def _deciding(relation: Relation) -> Sources:
    for node in () if "deciding" in relation.__dict__ else postorder(relation):
        if isinstance(node, Relation) and "deciding" not in node.__dict__:
            node.__dict__["deciding"] = _deciding_of(node)
    found: Sources = relation.__dict__["deciding"]
    return found


def _deciding_of(relation: Relation) -> Sources:
    if isinstance(relation, Join):
        chosen = chosen_by(relation.right)
        right = {name: sources | chosen for name, sources in _deciding(relation.right).items()}
        return joined(relation, _deciding(relation.left), right)
    found = _sources_from(relation, _deciding)
    if isinstance(relation, PerUnit):
        chosen = chosen_by(relation.over)
        return {name: found[name] | (chosen if name not in relation.by else frozenset()) for name in found}
    if isinstance(relation, Window):
        ordered = _made_of([Value(name) for name in relation.order], _deciding(relation.over))
        return found | {relation.name: found[relation.name] | chosen_by(relation.over) | ordered}
    return found


def _sources_of(relation: Relation) -> Sources:
    return _sources_from(relation, _sources)


def _sources_from(relation: Relation, sources: Callable[[Relation], Sources]) -> Sources:
    """Sources of a relation's columns, from those of the relations that it is made of."""
    if isinstance(relation, Table):
        return {
            name: frozenset({f"{_STORED}{relation.name}.{name}"} if relation.has_units else ())
            for name in relation.fields
        }
    if isinstance(relation, Join):
        return joined(relation, sources(relation.left), sources(relation.right))
    if isinstance(relation, Concat):
        parts = [sources(part) for part in relation.parts]
        return {name: frozenset[str]().union(*(part[name] for part in parts)) for name in relation.fields}
    over = sources(relation.over)  # type: ignore[attr-defined]  # every relation that is left has one
    made: Sources = {}
    if isinstance(relation, (Select, Assign)):
        made = {column.name: _made_of([column.of], over) for column in relation.columns}
    elif isinstance(relation, PerUnit):
        made = {column.name: _made_of([column.of] if column.of else [], over) for column in relation.columns}
    elif isinstance(relation, Window):
        made = {relation.name: _made_of([relation.of] if relation.of else [], over)}
    elif isinstance(relation, Predict):
        made = dict.fromkeys(relation.names, _made_of([column.of for column in relation.inputs], over))
    return {name: made[name] if name in made else over[name] for name in relation.fields}


def identities(relation: Relation, *, exactly: bool = False) -> Identities:
    """Identity of every column of a relation: up to scale and offset, or `exactly`."""
    name = "exact identities" if exactly else "identities"
    for node in () if name in relation.__dict__ else postorder(relation):
        if isinstance(node, Relation) and name not in node.__dict__:
            node.__dict__[name] = _columns(node, exactly)
    found: Identities = relation.__dict__[name]
    return found


def _columns(relation: Relation, exactly: bool) -> Identities:
    def columns(of: Relation) -> Identities:
        return identities(of, exactly=exactly)

    def measured(of: Expression) -> str:
        return _measure(of, over, exactly).identity

    if isinstance(relation, Table):
        return {name: f"{_STORED}{relation.name}.{name}" for name in relation.fields}
    if isinstance(relation, Join):
        return joined(relation, columns(relation.left), columns(relation.right))
    if isinstance(relation, Concat):
        return {name: _same([columns(part)[name] for part in relation.parts]) for name in relation.fields}
    over = columns(relation.over)  # type: ignore[attr-defined]  # every relation that is left has one
    if isinstance(relation, (Filter, Sort, Take, Sample, Split, Distinct)):
        return over
    if isinstance(relation, Select):
        return {column.name: measured(column.of) for column in relation.columns}
    if isinstance(relation, Assign):
        return {**over, **{column.name: measured(column.of) for column in relation.columns}}
    if isinstance(relation, PerUnit):
        by = [over[name] for name in relation.by]
        made = {column.name: _reduced(column, by, relation.over, exactly) for column in relation.columns}
        return {name: over[name] for name in relation.by} | made
    if isinstance(relation, Window):
        of = None if relation.of is None else measured(relation.of)
        order = [over[name] for name in relation.order]
        groups = [over[name] for name in relation.by]
        made_of = (relation.function.value, groups, of, order, relation.periods)
        # A shift over some of a unit's rows is another than over all of them.
        rows = digest(relation.over) if exactly else ""
        return {**over, relation.name: hashed("window", *made_of, rows)}
    if isinstance(relation, Predict):
        asked = [measured(column.of) for column in relation.inputs] if exactly else []
        model = (digest(relation.fit), relation.method.value, asked)
        return {**over, **{name: hashed("predict", model, place) for place, name in enumerate(relation.names)}}
    raise AssertionError(f"unhandled relation {type(relation).__name__}")


def joined(relation: Join, left: dict[str, Found], right: dict[str, Found]) -> dict[str, Found]:
    merged = {one for one, other in zip(relation.left_on, relation.right_on, strict=True) if one == other}
    shared = (left.keys() & right.keys()) - merged
    columns = {name + relation.suffixes[0] if name in shared else name: found for name, found in left.items()}
    for name, found in right.items():
        if name not in merged:
            columns[name + relation.suffixes[1] if name in shared else name] = found
    return columns


def _reduced(column: Reduced, by: list[str], over: Relation, exactly: bool) -> str:
    """A sum of sums is a sum, and so is a sum of counts; everything else is new, and depends on the rows it is of."""
    of = None if column.of is None else _measure(column.of, identities(over, exactly=exactly), exactly).identity
    if not exactly and column.reduction is Reduction.SUM:
        assert of is not None, "checked when the column was built"
        return of
    if not exactly and column.reduction is Reduction.SIZE:
        return ROWS
    return hashed("reduced", column.reduction.value, of, by, digest(over) if exactly else "")


def _same(found: list[str]) -> str:
    return found[0] if len(set(found)) == 1 else hashed("concat", found)


# -- expressions ------------------------------------------------------------------------------------------------------
class Measure(msgspec.Struct, frozen=True):
    identity: str
    constant: bool = False


_SYMMETRIC = {Function.ADD, Function.MULTIPLY, Function.EQUAL, Function.NOT_EQUAL, Function.AND, Function.OR}
_MIRRORED = {Function.GREATER: Function.LESS, Function.GREATER_EQUAL: Function.LESS_EQUAL}
_NUMBERS = (DType.INTEGER, DType.FLOAT, DType.BOOLEAN)


def _measure(expression: Expression, columns: Identities, exactly: bool) -> Measure:
    return fold(expression, lambda node, arguments: step(node, arguments, columns, exactly))


def step(node: Node, arguments: tuple[Measure, ...], columns: Identities, exactly: bool) -> Measure:
    if isinstance(node, Value):
        return Measure(columns[node.name])
    if isinstance(node, Literal):
        value = float(node.value) if isinstance(node.value, (int, float)) else node.value
        return Measure(_literal(value), constant=True)
    if arguments and all(argument.constant for argument in arguments):
        return Measure(hashed(type(node).__name__, data_fields(node), _names(arguments)), constant=True)
    if not exactly and isinstance(node, Cast) and node.dtype in _NUMBERS:
        return arguments[0]
    if isinstance(node, Call):
        moving = None if exactly else _affine(node, arguments)
        return moving or Measure(_call(node, arguments))
    if isinstance(node, (IsIn, Recode, Cast, Cut, Lookup, RowFunction)):
        return Measure(hashed(type(node).__name__, data_fields(node), _names(arguments)))
    raise AssertionError(f"unhandled expression {type(node).__name__}")


def _affine(node: Call, arguments: tuple[Measure, ...]) -> Measure | None:
    """The argument that `node` only scales or shifts, if it does."""
    if node.function in (Function.NEGATE, Function.NOT):
        return arguments[0]
    if node.function in (Function.ADD, Function.SUBTRACT, Function.MULTIPLY):
        moving = [argument for argument in arguments if not argument.constant]
        return moving[0] if len(moving) == 1 else None
    if node.function is Function.DIVIDE and arguments[1].constant:
        return arguments[0]
    if node.function is Function.WHERE and arguments[1].constant and arguments[2].constant:
        return arguments[0]
    return None


def _call(node: Call, arguments: tuple[Measure, ...]) -> str:
    names = _names(arguments)
    function = node.function
    if function in _MIRRORED:
        function, names = _MIRRORED[function], names[::-1]
    if function in _SYMMETRIC:
        names = sorted(names)
    return hashed(function.value, list(node.options), names)


def _names(arguments: tuple[Measure, ...]) -> list[str]:
    return [argument.identity for argument in arguments]


def _literal(value: float | str | None) -> str:
    return hashed("literal", value)


def hashed(*parts: Any) -> str:
    return blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()


# -- selections -------------------------------------------------------------------------------------------------------
Conditions = frozenset[str]


def selection(relation: Relation) -> Conditions:
    """The conditions on a space's rows, as the code states them."""
    conditions: Conditions = frozenset()
    while isinstance(relation, _KEEP_ROWS):
        if isinstance(relation, Filter):
            conditions |= _conditions(relation.where, relation.over)
        elif isinstance(relation, Take):
            return conditions | {digest(relation)}  # which rows it takes depends on all that came before
        relation = relation.over
    return conditions | {space_of(relation) if isinstance(relation, Table) else digest(relation)}


def is_known(expression: Expression, over: Relation) -> Conditions:
    """The condition that an expression is not null, as statistics have it; part of the measure for stored columns."""
    return frozenset({hashed("known", _measure(expression, identities(over, exactly=True), True).identity)})


def has_value(expression: Expression, over: Relation, value: bool | int | float | str | None) -> Conditions:
    """The condition that an expression has a value: a filter's equality and a group's label are the same."""
    return frozenset({_has(_measure(expression, identities(over, exactly=True), True), value)})


def is_at(identity: str, value: float) -> Conditions:
    """The same of what has an exact identity."""
    return frozenset({_has(Measure(identity), value)})


def holds(of: Expression, over: Relation, value: bool) -> Conditions:
    """The condition that a 0/1 expression is true, as a filter has it, or that it is not."""
    return _conditions(of, over) if value else has_value(of, over, False)


def name_of(conditions: Conditions) -> str:
    return hashed(sorted(conditions))


def statistic_of(what: str, expression: Expression, over: Relation) -> str:
    """A statistic with exactly what it is of: equal ones over the same rows are the same number."""
    return f"{what} of {_measure(expression, identities(over, exactly=True), True).identity}"


def _conditions(where: Expression, over: Relation) -> Conditions:
    columns = identities(over, exactly=True)
    found: set[str] = set()
    left = [where]
    while left:
        part = left.pop()
        if isinstance(part, Call) and part.function is Function.AND:
            left.extend(part.arguments)
        elif isinstance(part, Call) and part.function is Function.EQUAL and isinstance(part.arguments[1], Literal):
            found.add(_has(_measure(part.arguments[0], columns, True), part.arguments[1].value))
        elif isinstance(part, Call) and part.function is Function.NOT:
            found.add(_has(_measure(part.arguments[0], columns, True), False))
        else:
            found.add(_has(_measure(part, columns, True), True))
    return frozenset(found)


def _has(measure: Measure, value: bool | int | float | str | None) -> str:
    # As in pandas, True is 1.
    return hashed("is", measure.identity, float(value) if isinstance(value, (bool, int, float)) else value)
