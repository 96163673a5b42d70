"""Row-wise: reductions within one row (`axis=1`) as expressions. Missing values are left out, as pandas has it."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from cleanroom_kernel.interpreter.literals import literal
from cleanroom_kernel.interpreter.terms import Term, call, choose, either, known, negated
from cleanroom_kernel.plan.expressions import Cast, Expression
from cleanroom_kernel.plan.functions import Function, common
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import DType


def _joined(function: Function, parts: list[Expression]) -> Expression:
    return reduce(lambda one, other: call(function, one, other), parts)


def _is_null(term: Term) -> Expression:
    return call(Function.IS_NULL, term)


def total(terms: list[Term]) -> Expression:
    zero = [call(Function.COALESCE, _as_number(term), 0) for term in terms]
    return _joined(Function.ADD, zero)


def count(terms: list[Term]) -> Expression:
    return _joined(Function.ADD, [Cast(negated(_is_null(term)), DType.INTEGER) for term in terms])


def mean(terms: list[Term]) -> Expression:
    """Zero present values give 0/0, which is missing."""
    return call(Function.DIVIDE, known(total(terms), DType.FLOAT), known(count(terms), DType.INTEGER))


def extreme(function: Function) -> Callable[[list[Term]], Expression]:
    def build(terms: list[Term]) -> Expression:
        best = terms[0]
        for term in terms[1:]:
            dtype = common((best.dtype, term.dtype))
            if dtype is None:
                raise PlanError("The columns are of different types.")
            better = either(_is_null(best), call(function, term, best))
            kept = choose(known(better, DType.BOOLEAN), term, best)
            best = known(choose(_is_null(term), best, known(kept, dtype)), dtype)
        return best.expression

    return build


def anything(terms: list[Term]) -> Expression:
    return _joined(Function.OR, [_truth(term) for term in terms])


def everything(terms: list[Term]) -> Expression:
    return _joined(Function.AND, [_truth(term) for term in terms])


def _truth(term: Term) -> Expression:
    return term.expression if term.dtype is DType.BOOLEAN else call(Function.NOT_EQUAL, term, literal(0))


def _as_number(term: Term) -> Term:
    return known(Cast(term.expression, DType.INTEGER), DType.INTEGER) if term.dtype is DType.BOOLEAN else term


ACROSS: dict[str, Callable[[list[Term]], Expression]] = {
    "sum": total,
    "count": count,
    "mean": mean,
    "min": extreme(Function.LESS),
    "max": extreme(Function.GREATER),
    "any": anything,
    "all": everything,
}
