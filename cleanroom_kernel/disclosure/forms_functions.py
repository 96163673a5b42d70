"""Functions: the form of an expression from those of its arguments.

Promise: `step` is total. A function without a rule here, and whatever a rule does not know, makes a free measure. What
a row function answers is free, and so is everything that is made of it, a condition too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
from msgspec import Struct

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.forms_terms import Condition, Form, Forms, Term, crossed, is_binary, several, under
from cleanroom_kernel.disclosure.measures import ROWS, Measure
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Cast, Expression, Field, Literal, Lookup, Recode, RowFunction, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import children, data_fields
from cleanroom_kernel.plan.schema import DType

MOST_FUNCTIONS = 4  # in a natural measure, sums and differences apart: with more, constants are made of columns
_POWERS = (2.0, 3.0, 0.5, -1.0)
# Of one column, without a number of the expert's choice. sign, floor, exp, sin and their like are not among them: with
# two of those, or some steps of arithmetic before, they tell few patients apart.
_PLAIN = frozenset({
    Function.SQRT, Function.LOG1P, Function.ROUND, Function.LOWER, Function.UPPER, Function.STRIP, Function.LENGTH,
    Function.YEAR, Function.MONTH, Function.DAY, Function.HOUR, Function.MINUTE, Function.SECOND, Function.QUARTER,
    Function.DAY_OF_WEEK, Function.DAY_OF_YEAR, Function.NORMALIZE, Function.DAYS, Function.TOTAL_SECONDS,
    Function.ADD, Function.COALESCE,
})  # fmt: skip


class Place(Struct, frozen=True, eq=False):
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
        return isinstance(self.node, (Recode, Cast, Lookup)) or (
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


def _nulls(arguments: tuple[Form, ...]) -> bool:
    return all(argument.nulls for argument in arguments)


def step(place: Place, arguments: tuple[Form, ...], columns: Forms) -> Form:
    node = place.node
    if isinstance(node, Value):
        return columns[node.name]
    if isinstance(node, Literal):
        return _literal(node, place)
    if isinstance(node, RowFunction) or any(argument.unknown for argument in arguments):
        return msgspec.structs.replace(place.free(arguments), nulls=False, unknown=True)
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


def _literal(node: Literal, place: Place) -> Form:
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


def _folded(place: Place, arguments: tuple[Form, ...]) -> Form:
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
def _negate(place: Place, arguments: tuple[Form, ...]) -> Form | None:
    return _moved(arguments[0], -1.0, 0.0)


def _add(place: Place, arguments: tuple[Form, ...]) -> Form | None:
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
    terms = several(*one.terms, *other.terms)
    if terms is None:
        return None
    return Form(
        place.core(named=(one.core, other.core, repr(one.scale / other.scale))), place.field, place.loose, terms,
        one.scale, one.offset + sign * other.offset, free=False, nulls=_nulls(arguments),
    )  # fmt: skip


def _multiply(place: Place, arguments: tuple[Form, ...]) -> Form | None:
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
    terms = several(*(crossed(a, b) for a in one.terms for b in other.terms))
    if terms is None:
        return None
    core = place.core(named=(one.core, other.core))
    return Form(core, place.field, place.loose, terms, one.scale * other.scale, free=False, nulls=_nulls(arguments))


def _divide(place: Place, arguments: tuple[Form, ...]) -> Form | None:
    above, below = arguments
    if below.is_literal:
        return _moved(above, 1.0 / _number(below), 0.0) if _number(below) else None
    if above.is_literal and below.natural and not below.offset and math.isfinite(_number(above)) and _number(above):
        inverse = place.natural((below,), _number(above) / below.scale)
        return msgspec.structs.replace(inverse, core=measures.hashed("inverse", below.core))
    if not (above.natural and below.natural) or above.offset or below.offset or place.is_of_one_kind:
        return None
    return place.natural(arguments, above.scale / below.scale)


def _power(place: Place, arguments: tuple[Form, ...]) -> Form | None:
    of, exponent = arguments
    if not (exponent.is_literal and exponent.constant in _POWERS and of.natural and not of.offset and of.scale > 0):
        return None
    core = place.natural((of, exponent), of.scale**exponent.constant)
    return None if core.free else core


def _absolute(place: Place, arguments: tuple[Form, ...]) -> Form | None:
    (of,) = arguments
    return place.natural(arguments, abs(of.scale)) if of.natural and not of.offset else None


def _logarithm(place: Place, arguments: tuple[Form, ...]) -> Form | None:
    """Also of x + 1, as everyone writes it."""
    of = arguments[0]
    natural = of.natural and of.scale == 1.0 and of.offset in (0.0, 1.0)
    if not natural or _has_options(place):
        return None
    found = place.natural(arguments)
    return msgspec.structs.replace(found, core=place.core(*arguments))


def _where(place: Place, arguments: tuple[Form, ...]) -> Form | None:
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
    terms = several(*(under(of, term) for form, of in kept for term in form.terms))
    if terms is None:
        return None
    names = tuple(form.core if not form.is_literal else form.name for form in (then, other))
    core = place.core(named=(condition.name, *names))
    return Form(core, place.field, place.loose, terms, scales.pop(), free=False, nulls=_nulls((then, other)))


def _chosen_of_two(
    place: Place, where: Callable[[bool], Condition], condition: Form, then: Form, other: Form
) -> Form | None:
    """One number where a condition holds and another where it does not: a shifted and scaled condition."""
    high, low = _number(then), _number(other)
    if high == low or not (math.isfinite(high) and math.isfinite(low)):
        return None
    binary = Field(DType.BOOLEAN)
    core = measures.hashed("holds", condition.name)
    return Form(core, binary, place.loose, (Term(ROWS, (where(True),)),), high - low, low, free=False)


def _coalesce(place: Place, arguments: tuple[Form, ...]) -> Form | None:
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
    terms = several(*(under(known, term) for term in of.terms))
    if terms is None:
        return None
    return Form(place.core(named=(of.core,)), place.field, place.loose, terms, of.scale, free=False)


_RULES: dict[Function, Callable[[Place, tuple[Form, ...]], Form | None]] = {
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


def _has_options(place: Place) -> bool:
    return isinstance(place.node, Call) and bool(place.node.options)


def _argument(place: Place, position: int) -> Expression:
    assert isinstance(place.node, Call)
    return place.node.arguments[position]


def _conditions(place: Place, condition: Form) -> Callable[[bool], Condition]:
    """The condition of a `where`, and its opposite."""
    of = _argument(place, 0)
    return lambda holds: Condition(place.over, of, holds)
