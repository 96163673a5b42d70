"""Functions: what each function of the plan's table computes, written once for Narwhals and pandas' semantics.

Promise: the two tables together have a rule for every `Function`, each in one of them. `PORTABLE` rules are Narwhals
expressions. `NATIVE` rules are Polars expressions, for the few things that Narwhals cannot say on lazy Polars, or where
only NumPy gives the digits that pandas gives; they are given columns without NaN.

NaN stands for a missing value. A rule in `MAKES_NAN` may give it; it travels through the rules in `PASSES_NAN` as a
missing value would, and is made one before any other rule sees it. A rule in `READS_TWICE` writes its inputs more than
once, so that they must be columns, or deep expressions would grow beyond all bounds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.expressions_terms import Native, Options, Portable, Term, as_type, position
from cleanroom_kernel.vault.expressions_text import NATIVE_TEXT, PORTABLE_TEXT
from cleanroom_kernel.vault.values import NARWHALS

_DAY = 86_400_000_000  # microseconds
_LARGEST_POWER = 308  # of ten that a float holds


# -- arithmetic -------------------------------------------------------------------------------------------------------
def _arithmetic(operation: Callable[[Any, Any], Any]) -> Portable:
    def rule(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
        if all(term.dtype.is_numeric for term in terms):
            return operation(*(as_type(term, result) for term in terms))
        return operation(*(term.expression for term in terms))

    return rule


def _add(terms: tuple[Term, ...], options: Options, result: DType) -> nw.Expr:
    if result is DType.STRING:
        return nw.concat_str([term.expression for term in terms], ignore_nulls=False)
    return _arithmetic(operator.add)(terms, options, result)


def _divide(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    if terms[0].dtype is DType.DURATION:
        terms = tuple(Term(term.expression.dt.total_microseconds(), Field(DType.INTEGER)) for term in terms)
    return as_type(terms[0], result) / as_type(terms[1], result)


def _power(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    base, exponent = (as_type(term, result) for term in terms)
    one = ((base == 1.0).fill_null(False)) | ((exponent == 0.0).fill_null(False))  # even where the other is missing
    return nw.when(one).then(nw.lit(1.0)).otherwise(base**exponent)


def _negate(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    if result is DType.DURATION:
        return (terms[0].expression.dt.total_microseconds() * -1).cast(NARWHALS[result])
    return as_type(terms[0], result) * -1


def _absolute(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    if result is DType.DURATION:
        return terms[0].expression.dt.total_microseconds().abs().cast(NARWHALS[result])
    return as_type(terms[0], result).abs()


def _sign(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    value = as_type(terms[0], result)
    one, less = (nw.lit(number, nw.Int64()).cast(NARWHALS[result]) for number in (1, -1))
    return nw.when(value > 0).then(one).when(value < 0).then(less).otherwise(value)


def _clip(terms: tuple[Term, ...], options: Options, result: DType) -> nw.Expr:
    bounds = [None if bound is None or bound != bound else bound for bound in options]
    lower, upper = bounds
    if lower is not None and upper is not None and lower > upper:
        lower, upper = upper, lower  # as pandas does
    value = as_type(terms[0], result)
    if result is DType.INTEGER:
        lower = _inner_bound(lower, np.ceil)
        upper = _inner_bound(upper, np.floor)
    if lower is not None:
        value = nw.when(value < lower).then(nw.lit(lower, NARWHALS[result])).otherwise(value)
    if upper is not None:
        value = nw.when(value > upper).then(nw.lit(upper, NARWHALS[result])).otherwise(value)
    return value


def _inner_bound(bound: Any, towards: Callable[[float], float]) -> int | None:
    """The outermost integer inside a bound; None where every 64-bit integer is inside."""
    if bound is None:
        return None
    if isinstance(bound, float):
        bound = int(towards(bound)) if np.isfinite(bound) else int(np.sign(bound)) * 2**64
    return min(max(bound, -(2**63)), 2**63 - 1)


def _round(terms: tuple[Term, ...], options: Options, result: DType) -> nw.Expr:
    """NumPy's way: scale, round half to even, scale back."""
    decimals = max(-_LARGEST_POWER, min(int(options[0] or 0), _LARGEST_POWER))
    value = as_type(terms[0], result)
    if result is DType.INTEGER:
        if decimals >= 0:
            return value
        if decimals < -18:
            return value * 0
        scale = 10.0**-decimals
        return ((value.cast(nw.Float64()) / scale).round(0) * scale).cast(nw.Int64())
    scale = 10.0 ** abs(decimals)
    return (value * scale).round(0) / scale if decimals >= 0 else (value / scale).round(0) * scale


def _float(method: str) -> Portable:
    def rule(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
        return getattr(as_type(terms[0], result), method)()

    return rule


# -- comparison and logic ---------------------------------------------------------------------------------------------
def _compare(operation: Callable[[Any, Any], Any], of_null: bool) -> Portable:
    """A comparison with a missing value is false, but for "not equal", as for NaN in pandas."""

    def rule(terms: tuple[Term, ...], _: Options, __: DType) -> nw.Expr:
        one, other = _comparable(terms)
        return operation(one, other).fill_null(of_null)

    return rule


def _comparable(terms: tuple[Term, ...]) -> tuple[nw.Expr, ...]:
    dtypes = {term.dtype for term in terms}
    if len(dtypes) > 1:
        widest = DType.FLOAT if DType.FLOAT in dtypes else DType.INTEGER
        return tuple(as_type(term, widest) for term in terms)
    return tuple(term.expression for term in terms)


def _order(operation: Callable[[Any, Any], Any]) -> Portable:
    plain = _compare(operation, of_null=False)

    def rule(terms: tuple[Term, ...], options: Options, result: DType) -> nw.Expr:
        categories = _shared_order(terms)
        if categories is None:
            return plain(terms, options, result)
        return operation(*(position(term, categories) for term in terms)).fill_null(False)

    return rule


def _shared_order(terms: tuple[Term, ...]) -> tuple[Any, ...] | None:
    """The order of categories that both sides keep to: of one column, and a constant or a column that is among them."""
    ordered = [term.field.categories for term in terms if term.field.ordered and term.field.categories is not None]
    if not ordered:
        return None
    known = set(ordered[0])
    fits = all(term.field.categories is not None and known >= set(term.field.categories) for term in terms)
    return ordered[0] if fits and all(order == ordered[0] for order in ordered) else None


def _logic(operation: Callable[[Any, Any], Any]) -> Portable:
    return lambda terms, _, __: operation(terms[0].expression, terms[1].expression)


def _not(terms: tuple[Term, ...], _: Options, __: DType) -> nw.Expr:
    return ~terms[0].expression


def _is_null(terms: tuple[Term, ...], _: Options, __: DType) -> nw.Expr:
    return terms[0].expression.is_null()


def _coalesce(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    return nw.coalesce(*(as_type(term, result) for term in terms))


def _where(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    return nw.when(terms[0].expression).then(as_type(terms[1], result)).otherwise(as_type(terms[2], result))


# -- dates ------------------------------------------------------------------------------------------------------------
def _date(part: Callable[[Any], nw.Expr]) -> Portable:
    def rule(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
        return part(terms[0].expression.dt).cast(NARWHALS[result])

    return rule


def _days(terms: tuple[Term, ...], _: Options, __: DType) -> nw.Expr:
    return terms[0].expression.dt.total_microseconds() // _DAY


def _total_seconds(terms: tuple[Term, ...], _: Options, __: DType) -> nw.Expr:
    return terms[0].expression.dt.total_microseconds() / 1_000_000


# -- NumPy ------------------------------------------------------------------------------------------------------------
def _numpy(function: Callable[..., Any]) -> Native:
    """A NumPy function of floats that gives NaN for NaN: missing in, missing out."""

    def compute(columns: list[pl.Series]) -> pl.Series:
        with np.errstate(all="ignore"):
            result = function(*(column.to_numpy() for column in columns))
        return pl.Series(result, dtype=pl.Float64).fill_nan(None)

    def rule(terms: tuple[Term, ...], _: Options) -> pl.Expr:
        floats = [term.expression.cast(pl.Float64) for term in terms]
        return pl.map_batches(floats, compute, return_dtype=pl.Float64, is_elementwise=True)

    return rule


def _whole(function: Callable[[Any, Any], Any], of_integers: Callable[[Any, Any], Any]) -> Native:
    """Floor division and remainder: of integers exactly (by zero: null), of floats as NumPy does."""
    of_floats = _numpy(function)

    def rule(terms: tuple[Term, ...], options: Options) -> pl.Expr:
        if DType.FLOAT in {term.dtype for term in terms}:
            return of_floats(terms, options)
        one, other = (term.expression.cast(pl.Int64) for term in terms)
        return of_integers(one, other)

    return rule


NATIVE: dict[Function, Native] = {
    Function.FLOOR_DIVIDE: _whole(np.floor_divide, operator.floordiv),
    Function.MODULO: _whole(np.mod, operator.mod),
    Function.LOG1P: _numpy(np.log1p),
    Function.LOG2: _numpy(np.log2),
    Function.LOG10: _numpy(np.log10),
    Function.TANH: _numpy(np.tanh),
    **NATIVE_TEXT,
}

PORTABLE: dict[Function, Portable] = {
    Function.ADD: _add,
    Function.SUBTRACT: _arithmetic(operator.sub),
    Function.MULTIPLY: _arithmetic(operator.mul),
    Function.DIVIDE: _divide,
    Function.POWER: _power,
    Function.NEGATE: _negate,
    Function.ABSOLUTE: _absolute,
    Function.EQUAL: _compare(operator.eq, of_null=False),
    Function.NOT_EQUAL: _compare(operator.ne, of_null=True),
    Function.LESS: _order(operator.lt),
    Function.LESS_EQUAL: _order(operator.le),
    Function.GREATER: _order(operator.gt),
    Function.GREATER_EQUAL: _order(operator.ge),
    Function.AND: _logic(operator.and_),
    Function.OR: _logic(operator.or_),
    Function.XOR: _logic(operator.xor),
    Function.NOT: _not,
    Function.IS_NULL: _is_null,
    Function.COALESCE: _coalesce,
    Function.WHERE: _where,
    Function.CLIP: _clip,
    Function.ROUND: _round,
    Function.FLOOR: _float("floor"),
    Function.CEIL: _float("ceil"),
    Function.EXP: _float("exp"),
    Function.LOG: _float("log"),
    Function.SQRT: _float("sqrt"),
    Function.SIGN: _sign,
    Function.SIN: _float("sin"),
    Function.COS: _float("cos"),
    **PORTABLE_TEXT,
    Function.YEAR: _date(lambda of: of.year()),
    Function.MONTH: _date(lambda of: of.month()),
    Function.DAY: _date(lambda of: of.day()),
    Function.HOUR: _date(lambda of: of.hour()),
    Function.MINUTE: _date(lambda of: of.minute()),
    Function.SECOND: _date(lambda of: of.second()),
    Function.QUARTER: _date(lambda of: (of.month() - 1) // 3 + 1),
    Function.DAY_OF_WEEK: _date(lambda of: of.weekday() - 1),  # Monday is 0
    Function.DAY_OF_YEAR: _date(lambda of: of.ordinal_day()),
    Function.NORMALIZE: _date(lambda of: of.truncate("1d")),
    Function.DAYS: _days,
    Function.TOTAL_SECONDS: _total_seconds,
}

_F = Function

MAKES_NAN = frozenset({_F.ADD, _F.SUBTRACT, _F.MULTIPLY, _F.DIVIDE, _F.POWER, _F.LOG, _F.SQRT, _F.SIN, _F.COS})

PASSES_NAN = MAKES_NAN - {_F.POWER} | {_F.NEGATE, _F.ABSOLUTE, _F.ROUND, _F.FLOOR, _F.CEIL, _F.EXP}

READS_TWICE = frozenset({_F.POWER, _F.SIGN, _F.CLIP})
