"""Terms: what a builder of expressions is given for a column, and the few ways to put terms together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cleanroom_kernel.interpreter.literals import literal
from cleanroom_kernel.plan.expressions import Call, Constant, Expression, Field
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType


class Term(NamedTuple):
    """A column inside a builder: its expression and its static type."""

    expression: Expression
    field: Field

    @property
    def dtype(self) -> DType:
        return self.field.dtype


Operand = Any  # a Term, or a Python value that becomes a constant


def expressed(value: Operand, like: DType | None = None) -> Expression:
    """The expression of an operand; a constant is read in the light of the type that it meets."""
    if isinstance(value, Term):
        return value.expression
    return value if isinstance(value, Expression) else literal(value, like)


def call(function: Function, *arguments: Operand, options: Iterable[Constant] = ()) -> Expression:
    """`function` of `arguments`, constants among which take the type of the first column."""
    like = next((argument.dtype for argument in arguments if isinstance(argument, Term)), None)
    return Call(function, tuple(expressed(argument, like) for argument in arguments), tuple(options))


def choose(condition: Operand, yes: Operand, no: Operand) -> Expression:
    """`yes` where `condition` holds, else `no`."""
    like = next((value.dtype for value in (yes, no) if isinstance(value, Term)), None)
    like = like or _constant_type(yes) or _constant_type(no)
    return Call(Function.WHERE, (expressed(condition), expressed(yes, like), expressed(no, like)))


def known(expression: Expression, dtype: DType) -> Term:
    """An expression of which the builder knows the type."""
    return Term(expression, Field(dtype))


def both(one: Expression, other: Expression) -> Expression:
    return Call(Function.AND, (one, other))


def either(one: Expression, other: Expression) -> Expression:
    return Call(Function.OR, (one, other))


def negated(condition: Expression) -> Expression:
    return Call(Function.NOT, (condition,))


def _constant_type(value: Operand) -> DType | None:
    if isinstance(value, (Term, Expression)):
        return None
    found = literal(value)
    return None if found.value is None else found.dtype
