"""Forms: what a measure is made of, read off the plan alone, and whether the expert chose numbers inside it.

A sum of 2 * x + 7 is known from a sum of x, so only that is ever computed, judged and rounded: what is shown is scaled
and shifted afterwards. Otherwise the rounding could be undone by asking for a few shifts. A measure is *natural* if it
holds no number of the expert's (a column, a product of columns, a length of stay). A condition inside a measure,
where(age > 65, cost, 0), makes terms over the rows where it holds: these are compared with other numbers as if they
had been filtered. Everything else is *free*: clip(age, 98, 99) - 98 is a condition that looks like arithmetic, and
there is no end to such disguises. So no form is guessed at: free measures are judged by other rules (C17).

Promise: `form_of` is total. What it does not know is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.measures import ROWS, Measure
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Cast, Expression, Field, Literal, Recode, Value, types_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import children, data_fields, digest, postorder
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Filter,
    How,
    Join,
    PerUnit,
    Predict,
    Sample,
    Select,
    Sort,
    Split,
    Table,
    Take,
    Window,
)
from cleanroom_kernel.plan.relations import Distinct as DistinctRows
from cleanroom_kernel.plan.schema import DType

MOST_FUNCTIONS = 4  # in a natural measure, sums and differences apart: with more, constants are made of columns
_MOST_TERMS = 8
_POWERS = (2.0, 3.0, 0.5, -1.0)
# Of one column, without a number of the expert's choice. sign, floor, exp, sin and their like are not among them: with
# two of those, or some steps of arithmetic before, they tell few patients apart.
_PLAIN = frozenset({
    Function.SQRT, Function.LOG1P, Function.ROUND, Function.LOWER, Function.UPPER, Function.STRIP, Function.LENGTH,
    Function.YEAR, Function.MONTH, Function.DAY, Function.HOUR, Function.MINUTE, Function.SECOND, Function.QUARTER,
    Function.DAY_OF_WEEK, Function.DAY_OF_YEAR, Function.NORMALIZE, Function.DAYS, Function.TOTAL_SECONDS,
    Function.ADD, Function.COALESCE,
})  # fmt: skip


class Condition(Struct, frozen=True, eq=False):
    """Rows of `over` where `of`, a 0/1 expression, holds; or with `holds` False, where it does not."""

    over: Relation
    of: Expression
    holds: bool = True

    @property
    def key(self) -> tuple[str, str, bool]:
        return digest(self.over), digest(self.of), self.holds


class Term(Struct, frozen=True, eq=False):
    """A part of a measure: `measure` (an identity, or ROWS for ones) over the rows where all conditions hold."""

    measure: str
    conditions: tuple[Condition, ...] = ()

    @property
    def trace(self) -> str:
        """The measure under which its sums are compared with others."""
        return self.measure if self.measure == ROWS else f"sum of {self.measure}"


class Form(Struct, frozen=True, eq=False):
    """scale * core + offset, the core being the sum of the terms where it is not free.

    `core` is its exact identity and `field` its type. `nulls` says that a value is missing only where one is missing
    in the owner's table, so that this is no choice of the expert's. `functions` counts the functions inside.
    """

    core: str
    field: Field
    loose: Measure
    terms: tuple[Term, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    constant: float | None = None  # of a literal; not a number where its value is not worked out
    missing: bool = False  # whether it is the literal that stands for no value
    natural: bool = False
    free: bool = True
    nulls: bool = True
    functions: int = 0
    added: bool = False  # whether a natural measure is a sum or a difference of numbers
    predicted: bool = False  # whether the core is what a model predicted

    @property
    def name(self) -> str:
        """Exact identity of the whole."""
        return self.core if self.is_core else measures.hashed("affine", self.core, self.scale, self.offset)

    @property
    def is_core(self) -> bool:
        return self.scale == 1.0 and self.offset == 0.0

    @property
    def is_conditional(self) -> bool:
        return any(term.conditions for term in self.terms)

    @property
    def is_literal(self) -> bool:
        return self.constant is not None


Forms = dict[str, Form]


def form_of(expression: Expression, over: Relation) -> Form:
    return _forms_of((expression,), over)[0]


def _forms_of(expressions: tuple[Expression, ...], over: Relation) -> list[Form]:
    columns, loose, types = forms(over), measures.identities(over), types_of(expressions, over.fields)
    found: dict[int, Form] = {}
    for node in postorder(*expressions):
        assert isinstance(node, Expression)
        arguments = tuple(found[id(child)] for child in children(node))
        measure = measures.step(node, tuple(argument.loose for argument in arguments), loose, False)
        found[id(node)] = _step(_Place(node, types[id(node)], measure, over), arguments, columns)
    return [found[id(expression)] for expression in expressions]


def is_steered(expression: Expression, over: Relation) -> bool:
    """Whether numbers of the expert's choice are in what a score compares: in a truth, or in predictions that no model
    made. The mean error of a constant is the mean, shifted.
    """
    form = form_of(expression, over)
    if not form.field.dtype.is_numeric or form.constant in (0.0, 1.0):
        return False
    return not (form.is_core and (form.natural or form.predicted or is_binary(form.field)))


# -- selections -------------------------------------------------------------------------------------------------------
def is_mixed(over: Relation, keys: Iterable[Expression] = ()) -> bool:
    """Whether rows or groups are chosen by several columns at once in another way than one condition after another:
    whoever is positive, or one of these nine. So a group can be filled up until one patient decides if it is shown.
    Stacked rows are those of one part or another, and the first rows of an order are chosen by all of its keys.
    """
    # The outermost first: what is known of a relation is known of all that it is made of.
    chosen = [(node.where, node.over) for node in reversed(list(postorder(over))) if isinstance(node, Filter)]
    conditions = [(part, relation) for where, relation in chosen for part in _one_after_another(where)]
    return any(
        len(measures.decided_by(of, relation)) > 1 and not _is_of_one_measure(of, relation)
        for of, relation in (*conditions, *((key, over) for key in keys))
    ) or any(_is_joint(node) for node in postorder(over) if isinstance(node, (Concat, Take)) and node.has_units)


def _is_joint(relation: Concat | Take) -> bool:
    """Whether rows of a stack, or the first rows of some, are chosen in one go by several columns."""
    if isinstance(relation, Concat):
        chosen = {measures.chosen_by(part) for part in relation.parts}
        return len(chosen) > 1 and len(frozenset[str]().union(*chosen)) > 1
    orders = [node for node in postorder(relation) if isinstance(node, Sort)]
    return any(
        len(frozenset[str]().union(*(measures.decided_by(key, node.over) for key in node.by))) > 1 for node in orders
    )


def _one_after_another(condition: Expression) -> list[Expression]:
    """The conditions of which all must hold."""
    found, left = [], [condition]
    while left:
        part = left.pop()
        if isinstance(part, Call) and part.function is Function.AND:
            left.extend(part.arguments)
        else:
            found.append(part)
    return found


def _is_of_one_measure(of: Expression, over: Relation) -> bool:
    """A length of stay beyond seven days is one condition, though a stay is made of two dates."""
    inputs = [child for child in children(of) if isinstance(child, Expression) and not isinstance(child, Literal)]
    found = _forms_of((of, *inputs), over)
    if any(form.added for form in found):
        return False  # whose x + y is beyond 60, is whose x is, or who has a y of 1 and an x of 60
    return found[0].natural or (bool(inputs) and all(form.natural for form in found[1:]))


# -- columns ----------------------------------------------------------------------------------------------------------
def forms(relation: Relation) -> Forms:
    """The form of every column of a relation."""
    for node in () if "forms" in relation.__dict__ else postorder(relation):
        if isinstance(node, Relation) and "forms" not in node.__dict__:
            node.__dict__["forms"] = _columns(node)
    found: Forms = relation.__dict__["forms"]
    return found


def _columns(relation: Relation) -> Forms:
    if isinstance(relation, Table):
        loose = measures.identities(relation)
        return {name: _stored(loose[name], field) for name, field in relation.fields.items()}
    if isinstance(relation, Join):
        return _joined(relation)
    if isinstance(relation, Concat):
        return {name: _stacked(relation, name) for name in relation.fields}
    over = forms(relation.over)  # type: ignore[attr-defined]  # every relation that is left has one
    if isinstance(relation, (Filter, Take)):
        return over
    if isinstance(relation, (Select, Assign)):
        made = _forms_of(tuple(column.of for column in relation.columns), relation.over)
        named = {column.name: form for column, form in zip(relation.columns, made, strict=True)}
        return named if isinstance(relation, Select) else {**over, **named}
    if isinstance(relation, (Sort, Sample, Split, DistinctRows)):
        return {name: _settled(form, relation, name) for name, form in over.items()}
    if isinstance(relation, PerUnit):
        return _per_unit(relation, over)
    if isinstance(relation, Window):
        of = None if relation.of is None else _forms_of((relation.of,), relation.over)[0]
        return {**over, relation.name: _made(relation, relation.name, of)}
    if isinstance(relation, Predict):
        predicted = {name: _free(relation, name) for name in relation.names}
        return {**over, **{name: msgspec.structs.replace(form, predicted=True) for name, form in predicted.items()}}
    raise AssertionError(f"unhandled relation {type(relation).__name__}")


def _stored(identity: str, field: Field) -> Form:
    return Form(identity, field, Measure(identity), (Term(identity),), natural=True, free=False)


def _per_unit(relation: PerUnit, over: Forms) -> Forms:
    found = {name: _settled(over[name], relation, name) for name in relation.by}
    of = [column.of for column in relation.columns if column.of is not None]
    forms_of = dict(zip(map(id, of), _forms_of(tuple(of), relation.over), strict=True))
    return found | {
        column.name: _made(relation, column.name, None if column.of is None else forms_of[id(column.of)])
        for column in relation.columns
    }


def _made(relation: Relation, name: str, of: Form | None) -> Form:
    """A column that a window or a per-unit group-by makes: natural if what it is made of is.

    A value that the expert made missing is a zero in a sum, and rows that were joined to a few of them count for more:
    where patients could be chosen in this way, nothing is natural.
    """
    if (of is not None and not (of.natural and of.is_core and of.nulls)) or _multiplies_some(relation):
        return _condition_or_free(relation, name)
    loose, exactly = measures.identities(relation)[name], measures.identities(relation, exactly=True)[name]
    field = relation.fields[name]
    functions = 1 if of is None else of.functions + 1
    added = of is not None and of.added
    return Form(
        exactly, field, Measure(loose), (Term(loose),), natural=True, free=False, functions=functions, added=added
    )


def _joined(relation: Join) -> Forms:
    """Rows are numbered anew; and what is joined has nulls where it has no rows, which the expert may have chosen."""
    sides: list[Forms] = []
    for side, may_miss in ((relation.left, relation.how is not _INNER), (relation.right, relation.how is not _INNER)):
        keeps = not may_miss or (side is relation.left and relation.how is How.LEFT) or _is_whole(side)
        sides.append({name: msgspec.structs.replace(f, nulls=f.nulls and keeps) for name, f in forms(side).items()})
    found = measures.joined(relation, *sides)
    return {name: _settled(form, relation, name) for name, form in found.items()}


_INNER = How.INNER


def _is_whole(relation: Relation) -> bool:
    """Whether it has all rows, or units, of the owner's tables that it is made of."""
    chosen = (Filter, Take, Sample, Split, DistinctRows, Join)
    return not any(isinstance(node, chosen) for node in postorder(relation))


def _multiplies_some(relation: Relation) -> bool:
    """Whether rows are joined with, or stacked on, rows that were chosen."""
    if "multiplies" not in relation.__dict__:
        sides = [part for node in postorder(relation) if isinstance(node, (Join, Concat)) for part in children(node)]
        found = not all(_is_unchosen(side) for side in sides if isinstance(side, Relation))
        relation.__dict__["multiplies"] = found
    known: bool = relation.__dict__["multiplies"]
    return known


def _is_unchosen(relation: Relation) -> bool:
    chosen = (Filter, Take, Sample, Split, DistinctRows)
    return not any(isinstance(node, chosen) for node in postorder(relation))


def _stacked(relation: Concat, name: str) -> Form:
    parts = [forms(part)[name] for part in relation.parts]
    if not all(part.natural and part.is_core for part in parts):
        return _condition_or_free(relation, name)
    if len({part.core for part in parts}) == 1:
        return msgspec.structs.replace(parts[0], nulls=all(part.nulls for part in parts))
    loose, exactly = measures.identities(relation)[name], measures.identities(relation, exactly=True)[name]
    return Form(exactly, relation.fields[name], Measure(loose), (Term(loose),), natural=True, free=False)


def _settled(form: Form, relation: Relation, name: str) -> Form:
    """Where rows are numbered anew, conditions on the rows before cannot be looked up any more."""
    return _condition_or_free(relation, name) if form.is_conditional else form


def _condition_or_free(relation: Relation, name: str) -> Form:
    if not is_binary(relation.fields[name]):
        return _free(relation, name)
    core, loose = measures.identities(relation, exactly=True)[name], measures.identities(relation)[name]
    term = Term(ROWS, (Condition(relation, Value(name)),))
    return Form(core, relation.fields[name], Measure(loose), (term,), free=False)


def _free(relation: Relation, name: str) -> Form:
    core, loose = measures.identities(relation, exactly=True)[name], measures.identities(relation)[name]
    return Form(core, relation.fields[name], Measure(loose), nulls=False)


# -- expressions ------------------------------------------------------------------------------------------------------
class _Place(Struct, frozen=True, eq=False):
    """An expression, its type and loose identity, and the relation that it stands over."""

    node: Expression
    field: Field
    loose: Measure
    over: Relation

    def core(self, *arguments: Form, named: tuple[str, ...] = ()) -> str:
        names = named or tuple(argument.name for argument in arguments)
        return measures.hashed(type(self.node).__name__, data_fields(self.node), list(names))

    def free(self, arguments: tuple[Form, ...]) -> Form:
        return Form(self.core(*arguments), self.field, self.loose, nulls=_nulls(arguments) and not self._makes_nulls)

    @property
    def _makes_nulls(self) -> bool:
        return isinstance(self.node, (Recode, Cast)) or (
            isinstance(self.node, Call) and self.node.function in (Function.WHERE, Function.DIVIDE, Function.LOG)
        )

    @property
    def is_of_one_kind(self) -> bool:
        """Whether all arguments are made of the same columns: x / x is a number that the expert chose."""
        made_of = {measures.columns_of(of, self.over) for of in children(self.node) if isinstance(of, Expression)}
        return len(made_of) == 1

    def natural(self, arguments: tuple[Form, ...], scale: float = 1.0) -> Form:
        """Of natural arguments, whose scales were taken out."""
        added = isinstance(self.node, Call) and self.node.function in (Function.ADD, Function.SUBTRACT)
        functions = sum(argument.functions for argument in arguments) + (not added)
        if functions > MOST_FUNCTIONS:
            return self.free(arguments)
        core = self.core(named=tuple(argument.core for argument in arguments))
        return Form(
            core, self.field, self.loose, (Term(self.loose.identity),), scale,
            natural=True, free=False, nulls=_nulls(arguments), functions=functions,
            added=(added and arguments[0].field.dtype.is_numeric) or any(argument.added for argument in arguments),
        )  # fmt: skip


def is_binary(field: Field) -> bool:
    """Whether a field can hold nothing but 0 and 1, as its type says."""
    if field.dtype is DType.BOOLEAN:
        return True
    if field.dtype is not DType.INTEGER:
        return False
    if field.categories is not None:
        return set(field.categories) <= {0, 1}
    return field.lower == 0 and field.upper == 1


def _nulls(arguments: tuple[Form, ...]) -> bool:
    return all(argument.nulls for argument in arguments)


def _step(place: _Place, arguments: tuple[Form, ...], columns: Forms) -> Form:
    node = place.node
    if isinstance(node, Value):
        return columns[node.name]
    if isinstance(node, Literal):
        return _literal(node, place)
    if arguments and all(argument.is_literal for argument in arguments):
        return _folded(place, arguments)
    if isinstance(node, Cast) and _keeps_values(node, arguments[0]):
        return arguments[0]
    if isinstance(node, Call) and node.function in _RULES and _is_arithmetic(node, place.field, arguments):
        return _RULES[node.function](place, arguments) or place.free(arguments)
    if is_binary(place.field):
        term = Term(ROWS, (Condition(place.over, node),))
        return Form(place.core(*arguments), place.field, place.loose, (term,), free=False, nulls=_nulls(arguments))
    if isinstance(node, Call) and node.function in _PLAIN and not _chosen_options(node):
        if all(argument.natural and argument.is_core for argument in arguments):
            return place.natural(arguments)
    elif isinstance(node, Cast) and arguments[0].natural and arguments[0].is_core and node.format is None:
        return msgspec.structs.replace(place.natural(arguments), nulls=False)
    elif isinstance(node, Recode) and node.keep and all(value is None for value in node.new):
        return msgspec.structs.replace(arguments[0], nulls=False)  # rows without a value are not in the number
    return place.free(arguments)


def _is_arithmetic(node: Call, field: Field, arguments: tuple[Form, ...]) -> bool:
    """What is 0/1 is one condition, whatever it is made of; but where(condition, 1, 0) is that condition."""
    if node.function is Function.WHERE and arguments[1].is_literal and arguments[2].is_literal:
        return True
    return field.dtype is not DType.STRING and not is_binary(field)


def _literal(node: Literal, place: _Place) -> Form:
    number = float(node.value) if isinstance(node.value, (bool, int, float)) else math.nan
    missing = node.value is None or (isinstance(node.value, float) and math.isnan(node.value))
    return Form(place.core(), place.field, place.loose, constant=number, missing=missing)


_FOLDED: dict[Function, Callable[..., float]] = {
    Function.ADD: lambda a, b: a + b,
    Function.SUBTRACT: lambda a, b: a - b,
    Function.MULTIPLY: lambda a, b: a * b,
    Function.DIVIDE: lambda a, b: a / b if b else math.nan,
    Function.NEGATE: lambda a: -a,
}


def _folded(place: _Place, arguments: tuple[Form, ...]) -> Form:
    """A constant: its value where it is needed for scales and shifts, else one that nothing is made of."""
    function = place.node.function if isinstance(place.node, Call) else None
    value = math.nan
    if function in _FOLDED:
        value = _FOLDED[function](*(argument.constant for argument in arguments))
    elif isinstance(place.node, Cast) and place.node.dtype.is_numeric and arguments[0].field.dtype.is_numeric:
        value = arguments[0].constant if arguments[0].constant is not None else math.nan
    return Form(place.core(*arguments), place.field, place.loose, constant=value)


def _keeps_values(node: Cast, of: Form) -> bool:
    whole = of.field.dtype in (DType.INTEGER, DType.BOOLEAN) and of.is_core
    return node.dtype.is_numeric and (node.dtype is DType.FLOAT or whole) and of.field.dtype.is_numeric


def _chosen_options(node: Call) -> bool:
    """Whether a function takes numbers or words that the expert chose; digits to round to are few."""
    if node.function is Function.ROUND:
        digits = node.options[0]
        return not (digits is None or (isinstance(digits, int) and 0 <= digits <= 6))
    return bool(node.options)


# -- rules of functions: a form, or None where the measure is free ----------------------------------------------------
def _negate(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    return _moved(arguments[0], -1.0, 0.0)


def _add(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    sign = -1.0 if isinstance(place.node, Call) and place.node.function is Function.SUBTRACT else 1.0
    one, other = arguments
    if other.is_literal:
        return _moved(one, 1.0, sign * _number(other))
    if one.is_literal:
        return _moved(other, sign, _number(one))
    if one.free or other.free or abs(one.scale) != abs(other.scale):
        return None
    if one.natural and other.natural and one.scale == other.scale:
        found = place.natural((one, other), one.scale)
        return msgspec.structs.replace(found, offset=one.offset + sign * other.offset)
    terms = _several(*one.terms, *other.terms)
    if terms is None:
        return None
    return Form(
        place.core(named=(one.core, other.core, repr(one.scale / other.scale))), place.field, place.loose, terms,
        one.scale, one.offset + sign * other.offset, free=False, nulls=_nulls(arguments),
    )  # fmt: skip


def _multiply(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    one, other = arguments
    if other.is_literal or one.is_literal:
        number, of = (_number(other), one) if other.is_literal else (_number(one), other)
        return _moved(of, number, 0.0)
    if one.free or other.free or one.offset or other.offset:
        return None
    if one.natural and other.natural:
        if place.is_of_one_kind and one.core != other.core:
            return None
        return place.natural(arguments, one.scale * other.scale)
    terms = _several(*(_crossed(a, b) for a in one.terms for b in other.terms))
    if terms is None:
        return None
    core = place.core(named=(one.core, other.core))
    return Form(core, place.field, place.loose, terms, one.scale * other.scale, free=False, nulls=_nulls(arguments))


def _divide(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    above, below = arguments
    if below.is_literal:
        return _moved(above, 1.0 / _number(below), 0.0) if _number(below) else None
    if above.is_literal and below.natural and not below.offset and math.isfinite(_number(above)) and _number(above):
        inverse = place.natural((below,), _number(above) / below.scale)
        return msgspec.structs.replace(inverse, core=measures.hashed("inverse", below.core))
    if not (above.natural and below.natural) or above.offset or below.offset or place.is_of_one_kind:
        return None
    return place.natural(arguments, above.scale / below.scale)


def _power(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    of, exponent = arguments
    if not (exponent.is_literal and exponent.constant in _POWERS and of.natural and not of.offset and of.scale > 0):
        return None
    core = place.natural((of, exponent), of.scale**exponent.constant)
    return None if core.free else core


def _absolute(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    (of,) = arguments
    return place.natural(arguments, abs(of.scale)) if of.natural and not of.offset else None


def _logarithm(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    """Also of x + 1, as everyone writes it."""
    of = arguments[0]
    natural = of.natural and of.scale == 1.0 and of.offset in (0.0, 1.0)
    if not natural or _has_options(place):
        return None
    found = place.natural(arguments)
    return msgspec.structs.replace(found, core=place.core(*arguments))


def _where(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    condition, then, other = arguments
    where = _conditions(place, condition)
    if then.missing or other.missing:  # rows without a value are not in the number: as if filtered
        kept_one = other if then.missing else then
        return None if kept_one.is_literal else msgspec.structs.replace(kept_one, nulls=False)
    if then.is_literal and other.is_literal:
        return _chosen_of_two(place, where, condition, then, other)
    branches = [(then, where(True)), (other, where(False))]
    kept = [(form, of) for form, of in branches if not (form.is_literal and form.constant == 0.0)]
    scales = {form.scale for form, _ in kept}
    if any(form.is_literal or form.free or form.offset for form, _ in kept) or len(scales) > 1:
        return None
    terms = _several(*(_under(of, term) for form, of in kept for term in form.terms))
    if terms is None:
        return None
    names = tuple(form.core if not form.is_literal else form.name for form in (then, other))
    core = place.core(named=(condition.name, *names))
    return Form(core, place.field, place.loose, terms, scales.pop(), free=False, nulls=_nulls((then, other)))


def _chosen_of_two(
    place: _Place, where: Callable[[bool], Condition], condition: Form, then: Form, other: Form
) -> Form | None:
    """One number where a condition holds and another where it does not: a shifted and scaled condition."""
    high, low = _number(then), _number(other)
    if high == low or not (math.isfinite(high) and math.isfinite(low)):
        return None
    binary = Field(DType.BOOLEAN)
    core = measures.hashed("holds", condition.name)
    return Form(core, binary, place.loose, (Term(ROWS, (where(True),)),), high - low, low, free=False)


def _coalesce(place: _Place, arguments: tuple[Form, ...]) -> Form | None:
    """fillna(0), and a column filled from another. Any other number is one that the expert chose."""
    of, *others = arguments
    if len(others) != 1 or of.free or of.offset:
        return None
    (other,) = others
    zero = other.is_literal and other.constant == 0.0
    if of.nulls and of.natural:
        if zero:
            return msgspec.structs.replace(place.natural((of,), of.scale), functions=of.functions)
        return place.natural(arguments) if other.natural and of.is_core and other.is_core else None
    if not zero:
        return None
    known = Condition(place.over, Call(Function.IS_NULL, (_argument(place, 0),)), holds=False)
    terms = _several(*(_under(known, term) for term in of.terms))
    if terms is None:
        return None
    return Form(place.core(named=(of.core,)), place.field, place.loose, terms, of.scale, free=False)


_RULES: dict[Function, Callable[[_Place, tuple[Form, ...]], Form | None]] = {
    Function.NEGATE: _negate,
    Function.ADD: _add,
    Function.SUBTRACT: _add,
    Function.MULTIPLY: _multiply,
    Function.DIVIDE: _divide,
    Function.POWER: _power,
    Function.ABSOLUTE: _absolute,
    Function.LOG: _logarithm,
    Function.LOG2: _logarithm,
    Function.LOG10: _logarithm,
    Function.WHERE: _where,
    Function.COALESCE: _coalesce,
}


# -- parts ------------------------------------------------------------------------------------------------------------
def _number(form: Form) -> float:
    return math.nan if form.constant is None else form.constant


def _moved(form: Form, scale: float, offset: float) -> Form | None:
    """scale * form + offset."""
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0.0:
        return None
    return msgspec.structs.replace(form, scale=form.scale * scale, offset=form.offset * scale + offset)


def _has_options(place: _Place) -> bool:
    return isinstance(place.node, Call) and bool(place.node.options)


def _argument(place: _Place, position: int) -> Expression:
    assert isinstance(place.node, Call)
    return place.node.arguments[position]


def _conditions(place: _Place, condition: Form) -> Callable[[bool], Condition]:
    """The condition of a `where`, and its opposite."""
    of = _argument(place, 0)
    return lambda holds: Condition(place.over, of, holds)


def _under(condition: Condition, term: Term) -> Term:
    return Term(term.measure, _joint(term.conditions, (condition,)))


def _crossed(one: Term, other: Term) -> Term:
    """The product of two terms."""
    conditions = _joint(one.conditions, other.conditions)
    if one.measure == ROWS or other.measure == ROWS:
        return Term(other.measure if one.measure == ROWS else one.measure, conditions)
    return Term(measures.hashed("product", sorted([one.measure, other.measure])), conditions)


def _joint(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple({condition.key: condition for condition in (*one, *other)}.values())


def _several(*terms: Term) -> tuple[Term, ...] | None:
    """Different terms; None if there are too many."""
    found = {(term.measure, tuple(sorted(map(repr, (c.key for c in term.conditions))))): term for term in terms}
    return tuple(found.values()) if 0 < len(found) <= _MOST_TERMS else None
