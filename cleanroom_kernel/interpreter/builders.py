"""Builders: pandas' element-wise methods as expressions. Pure: terms and constants in, an expression out.

Each takes the column as a Term and then the arguments of the pandas method of that name. Where pandas' rule for missing
values is not that of the plan's function, the builder spells it out, so that every engine answers as pandas does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.literals import constant, dtype_of, literal, plain
from cleanroom_kernel.interpreter.terms import (
    Operand,
    Term,
    both,
    call,
    choose,
    either,
    known,
    negated,
)
from cleanroom_kernel.plan.expressions import Cast, Constant, Expression, IsIn, Recode
from cleanroom_kernel.plan.functions import Function, common
from cleanroom_kernel.plan.schema import DType

Builder = Callable[..., Expression]


# -- operators --------------------------------------------------------------------------------------------------------
_ON_BOOLEANS = {Function.ADD: Function.OR, Function.MULTIPLY: Function.AND}


def binary(function: Function, reflected: bool = False) -> Builder:
    def build(left: Operand, right: Operand, fill_value: Any = None) -> Expression:
        if fill_value is not None:
            both_filled = build(_filled(left, fill_value), _filled(right, fill_value))
            return choose(_all_missing(left, right), None, known(both_filled, _joint_type(left, right)))
        if reflected:
            left, right = right, left
        if function in _ON_BOOLEANS and _is_boolean(left) and _is_boolean(right):
            return call(_ON_BOOLEANS[function], left, right)
        if function is Function.POWER:
            return _power(left, right)
        return call(function, left, right)

    return build


def unary(function: Function) -> Builder:
    return lambda of: call(function, of)


def not_missing(of: Term) -> Expression:
    return negated(call(Function.IS_NULL, of))


def _power(left: Operand, right: Operand) -> Expression:
    """Integers to a constant power stay integers, as in pandas."""
    power = call(Function.POWER, left, right)
    whole = isinstance(left, Term) and left.dtype is DType.INTEGER and not isinstance(right, Term)
    return Cast(power, DType.INTEGER) if whole and isinstance(plain(right), int) and plain(right) >= 0 else power


def _filled(value: Operand, fill: Any) -> Operand:
    return known(call(Function.COALESCE, value, fill), value.dtype) if isinstance(value, Term) else value


def _all_missing(*sides: Operand) -> Expression:
    tests = [call(Function.IS_NULL, side) for side in sides if isinstance(side, Term)]
    return tests[0] if len(tests) == 1 else both(*tests)


def _joint_type(*sides: Operand) -> DType:
    return common(tuple(side.dtype for side in sides if isinstance(side, Term))) or DType.FLOAT


def _is_boolean(value: Operand) -> bool:
    return value.dtype is DType.BOOLEAN if isinstance(value, Term) else isinstance(value, (bool, np.bool_))


# -- numbers ----------------------------------------------------------------------------------------------------------
def round_(of: Term, decimals: int = 0) -> Expression:
    return call(Function.ROUND, of, options=(int(decimals),))


def clip(of: Term, lower: Operand = None, upper: Operand = None) -> Expression:
    bounds = [None if _missing(bound) else bound for bound in (lower, upper)]
    if all(bound is None or _fits(bound, of.dtype) for bound in bounds):
        return call(Function.CLIP, of, options=[None if bound is None else constant(bound) for bound in bounds])
    result = of
    for bound, function in zip(bounds, (Function.LESS, Function.GREATER), strict=True):
        if bound is not None:
            dtype = bound.dtype if isinstance(bound, Term) else literal(bound).dtype
            clipped = choose(call(function, result, bound), bound, result)
            result = known(clipped, common((result.dtype, dtype)) or result.dtype)
    return result.expression


def _fits(bound: Operand, dtype: DType) -> bool:
    """Whether clipping at a constant keeps the column's type."""
    if isinstance(bound, Term):
        return False
    bound = plain(bound)
    return isinstance(bound, int) or (isinstance(bound, float) and dtype is DType.FLOAT)


def _missing(value: Operand) -> bool:
    return not isinstance(value, Term) and plain(value) is None


def extreme(function: Function) -> Builder:
    """np.maximum and np.minimum: missing where either side is missing."""

    def build(left: Operand, right: Operand) -> Expression:
        chosen = choose(call(function, left, right), left, right)
        nulls = [call(Function.IS_NULL, side) for side in (left, right) if isinstance(side, Term)]
        term = next(side for side in (left, right) if isinstance(side, Term))
        for null in nulls:
            chosen = choose(null, known(literal(None, term.dtype), term.dtype), chosen)
        return chosen

    return build


# -- missing values and choices ---------------------------------------------------------------------------------------
def fillna(of: Term, value: Operand = None) -> Expression:
    if isinstance(value, (dict, pd.Series)):
        raise HandleError("fillna takes one value or one column here.", suggestion="Fill with a constant or a column.")
    constant_ = not isinstance(value, Term) and plain(value) is not None
    if constant_ and common((literal(value, of.dtype).dtype, of.dtype)) is None:
        raise HandleError(
            f"A column has one type in the room, so one of {of.dtype.value}s cannot be filled with {plain(value)!r}.",
            suggestion="df.fillna({'column': value}) fills the columns that it names.",
        )
    return call(Function.COALESCE, of, value)


def where(of: Term, cond: Operand, other: Operand = None) -> Expression:
    return choose(cond, of, other)


def mask(of: Term, cond: Operand, other: Operand = None) -> Expression:
    return choose(cond, other, of)


def between(of: Term, left: Operand, right: Operand, inclusive: str = "both") -> Expression:
    lower = Function.GREATER_EQUAL if inclusive in ("both", "left") else Function.GREATER
    upper = Function.LESS_EQUAL if inclusive in ("both", "right") else Function.LESS
    return both(call(lower, of, left), call(upper, of, right))


def isin(of: Term, values: Iterable[Any]) -> Expression:
    found = [plain(value) for value in values]
    member = IsIn(of.expression, _of_type([value for value in found if value is not None], of.dtype))
    return either(member, call(Function.IS_NULL, of)) if None in found else member


def map_(of: Term, func: Any = None, na_action: str | None = None, **others: Any) -> Expression:
    mapping = func if func is not None else others.get("arg")
    if isinstance(mapping, pd.Series):
        mapping = mapping.to_dict()
    if not isinstance(mapping, Mapping):
        raise HandleError("map takes a dictionary or a function of one value.")
    return _recoded(of, list(mapping), list(mapping.values()), keep=False)


def replace(of: Term, to_replace: Any = None, value: Any = None, regex: Any = False) -> Expression:
    if regex is not False and not isinstance(regex, bool):
        to_replace, regex = regex, True
    old, new = _replacements(to_replace, value)
    if not regex:
        return _recoded(of, old, new, keep=True)
    result = of
    if of.dtype is DType.STRING:
        for pattern, text in zip(old, new, strict=True):
            result = known(_substituted(result, pattern, text), DType.STRING)
    return result.expression


def _substituted(of: Term, pattern: Any, text: Any) -> Expression:
    """pandas' regex replace: text takes the place of the match, anything else that of the whole value."""
    pattern = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    if isinstance(text, str):
        return call(Function.REPLACE, of, options=(pattern, text, True))
    return choose(contains(of, pattern), text, of)


def _replacements(to_replace: Any, value: Any) -> tuple[list[Any], list[Any]]:
    if isinstance(to_replace, pd.Series):
        to_replace = to_replace.to_dict()
    if isinstance(to_replace, dict):
        return list(to_replace), list(to_replace.values())
    if not isinstance(to_replace, (list, tuple, set, np.ndarray, pd.Index)):
        return [to_replace], [value]
    old = list(to_replace)
    return old, list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * len(old)


def _recoded(of: Term, old: list[Any], new: list[Any], keep: bool) -> Expression:
    pairs = {plain(key): plain(value) for key, value in zip(old, new, strict=True)}
    for_null = pairs.pop(None, None)
    pairs = {key: value for key, value in pairs.items() if _fits_type(key, of.dtype)}
    kept, values = _of_type(list(pairs), of.dtype), list(pairs.values())
    dtype = _type_of_values([*values, for_null], of.dtype)
    if keep and dtype is not of.dtype and of.field.categories is not None and set(of.field.categories) <= set(kept):
        keep = False
    result = of.expression
    if kept or not keep:
        target = (common((of.dtype, dtype)) or dtype) if keep else dtype
        result = Recode(of.expression, kept, tuple(constant(value, target) for value in values), target, keep)
    if for_null is None:
        return result
    return choose(call(Function.IS_NULL, of), for_null, known(result, dtype))


def _of_type(values: list[Any], dtype: DType) -> tuple[Constant, ...]:
    """Those of `values` that a column of type `dtype` can hold; the others equal none of its values."""
    return tuple(constant(value, dtype) for value in values if _fits_type(value, dtype))


def _fits_type(value: Any, dtype: DType) -> bool:
    return common((literal(value).dtype, dtype)) is not None


def _type_of_values(values: list[Any], default: DType) -> DType:
    types = [literal(value).dtype for value in values if value is not None]
    if not types:
        return default
    found = common(tuple(types))
    if found is None:
        raise HandleError("The new values are of different types.", suggestion="Use only text, or only numbers.")
    return found


# -- conversions ------------------------------------------------------------------------------------------------------
def astype(of: Term, dtype: Any, errors: str = "raise") -> Expression:
    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None:
        labels = [value for value in dtype.categories if isinstance(value, (str, int, float, bool))]
        return _recoded(of, labels, labels, keep=False)
    wanted = dtype_of(dtype)
    if wanted is None or wanted is of.dtype or of.field.role.is_opaque:
        return of.expression
    if wanted is DType.BOOLEAN:
        return call(Function.NOT_EQUAL, of, "" if of.dtype is DType.STRING else 0)
    return Cast(of.expression, wanted)


def to_numeric(arg: Term, errors: str = "raise", downcast: str | None = None) -> Expression:
    return arg.expression if arg.dtype.is_numeric else Cast(arg.expression, DType.FLOAT)


def to_datetime(arg: Term, errors: str = "raise", format: str | None = None, **hints: Any) -> Expression:
    if set(hints) - {"infer_datetime_format", "utc", "cache", "exact"}:
        raise HandleError(f"to_datetime does not take {', '.join(hints)} here.", suggestion="Use format=.")
    if arg.dtype is DType.DATETIME:
        return arg.expression
    return Cast(arg.expression, DType.DATETIME, None if format in ("mixed", "ISO8601") else format)


# -- text -------------------------------------------------------------------------------------------------------------
def contains(of: Term, pat: str, case: bool = True, flags: int = 0, na: Any = False, regex: bool = True) -> Expression:
    case = case and not flags & re.IGNORECASE
    found = call(Function.CONTAINS, of, options=(str(pat), bool(case), bool(regex)))
    return _with_missing(found, na)


def match(of: Term, pat: str, case: bool = True, flags: int = 0, na: Any = False) -> Expression:
    return contains(of, f"^(?:{pat})", case, flags, na)


def fullmatch(of: Term, pat: str, case: bool = True, flags: int = 0, na: Any = False) -> Expression:
    return contains(of, f"^(?:{pat})$", case, flags, na)


def starts(function: Function) -> Builder:
    def build(of: Term, pat: str | tuple[str, ...], na: Any = False) -> Expression:
        patterns = (pat,) if isinstance(pat, str) else tuple(pat)
        tests = [call(function, of, options=(pattern,)) for pattern in patterns]
        found = tests[0]
        for test in tests[1:]:
            found = either(found, test)
        return _with_missing(found, na)

    return build


def _with_missing(found: Expression, na: Any) -> Expression:
    """pandas' text predicates say False of a missing text unless told otherwise."""
    return found if na is None or plain(na) is None else call(Function.COALESCE, known(found, DType.BOOLEAN), bool(na))


def substring(of: Term, start: int | None = None, stop: int | None = None, step: int | None = None) -> Expression:
    if step not in (None, 1):
        raise HandleError("Text can only be sliced step by step here.")
    return call(Function.SLICE, of, options=(start or 0, stop))


def character(of: Term, i: int) -> Expression:
    """One character; missing where the text is shorter."""
    one = call(Function.SLICE, of, options=(i, None if i == -1 else i + 1))
    long_enough = call(Function.GREATER, known(call(Function.LENGTH, of), DType.INTEGER), i if i >= 0 else -i - 1)
    return choose(long_enough, known(one, DType.STRING), None)


def piece(position: int, separator: str | None) -> Builder:
    """One piece of a text that is split: what comes before it is cut off, then what comes after."""
    mark = r"\s+" if separator is None else re.escape(separator)

    def build(of: Term) -> Expression:
        text = known(call(Function.STRIP, of), DType.STRING) if separator is None else of
        if position < 0:
            return call(Function.REPLACE, text, options=(f"(?s)^.*{mark}", "", True))
        before = f"(?s)^(?:.*?{mark}){{{position}}}"
        rest = text
        if position:
            rest = known(call(Function.REPLACE, text, options=(before, "", True)), DType.STRING)
        found = call(Function.REPLACE, rest, options=(f"(?s){mark}.*$", "", True))
        if not position:
            return found
        enough = call(Function.CONTAINS, text, options=(before, True, True))
        return choose(enough, known(found, DType.STRING), None)

    return build


def remainder(position: int, separator: str | None) -> Builder:
    """What is left of a text after so many separators; missing where there are fewer."""
    mark = r"\s+" if separator is None else re.escape(separator)
    before = f"(?s)^(?:.*?{mark}){{{position}}}"

    def build(of: Term) -> Expression:
        text = known(call(Function.STRIP, of), DType.STRING) if separator is None else of
        enough = call(Function.CONTAINS, text, options=(before, True, True))
        return choose(enough, known(call(Function.REPLACE, text, options=(before, "", True)), DType.STRING), None)

    return build


def extracted(pattern: str, flags: int, number: int) -> Builder:
    """What a group of the first match holds; missing without a match."""
    marked = f"(?i){pattern}" if flags & re.IGNORECASE else pattern
    first = f"(?s)^(?s:.*?)(?:{marked}).*$"

    def build(of: Term) -> Expression:
        found = known(call(Function.REPLACE, of, options=(first, rf"\{number}", True)), DType.STRING)
        return choose(call(Function.CONTAINS, of, options=(marked, True, True)), found, None)

    return build


def filled(left: bool, fill: str = " ") -> Builder:
    """Texts filled to a length; longer ones as they are."""

    def build(of: Term, width: int, fillchar: str = fill) -> Expression:
        padding = fillchar * width
        joined = call(Function.ADD, padding, of) if left else call(Function.ADD, of, padding)
        cut = (-width, None) if left else (0, width)
        short = known(call(Function.SLICE, known(joined, DType.STRING), options=cut), DType.STRING)
        long = call(Function.GREATER_EQUAL, known(call(Function.LENGTH, of), DType.INTEGER), width)
        return choose(long, of, short)

    return build


def occurrences(of: Term, pat: str, flags: int = 0) -> Expression:
    """How often a pattern occurs: by how much a text grows if each match is two letters in the place of one."""
    pattern = f"(?i){pat}" if flags & re.IGNORECASE else pat
    lengths = [
        call(Function.LENGTH, known(call(Function.REPLACE, of, options=(pattern, mark, True)), DType.STRING))
        for mark in ("xx", "x")
    ]
    return call(Function.SUBTRACT, *lengths)


def only(letters: str) -> Builder:
    """Whether a text has letters of one kind alone; one without any has not."""
    return lambda of: call(Function.CONTAINS, of, options=(f"^{letters}+$", True, True))


def text_replace(of: Term, pat: Any, repl: str | None = None, case: bool = True, regex: bool = False) -> Expression:
    if isinstance(pat, dict):
        result = of
        for old, new in pat.items():
            result = known(text_replace(result, old, new, case, regex), DType.STRING)
        return result.expression
    if isinstance(pat, re.Pattern):
        pat, regex = pat.pattern, True
    if not case:
        pat, regex = f"(?i){pat if regex else re.escape(pat)}", True
    if not isinstance(repl, str):
        raise HandleError("str.replace takes text as the replacement here.")
    return call(Function.REPLACE, of, options=(pat, repl, regex))


def trimmed(left: bool, right: bool) -> Builder:
    def build(of: Term, to_strip: str | None = None) -> Expression:
        if to_strip is None and left and right:
            return call(Function.STRIP, of)
        characters = r"\s" if to_strip is None else "[" + re.escape(to_strip) + "]"
        ends = [f"^{characters}+"] * left + [f"{characters}+$"] * right
        return call(Function.REPLACE, of, options=("|".join(ends), "", True))

    return build


def capitalize(of: Term) -> Expression:
    first = known(call(Function.UPPER, known(substring(of, 0, 1), DType.STRING)), DType.STRING)
    rest = known(call(Function.LOWER, known(substring(of, 1), DType.STRING)), DType.STRING)
    return call(Function.ADD, first, rest)


def concatenated(of: Term, others: Operand, sep: str = "") -> Expression:
    left = known(call(Function.ADD, of, sep), DType.STRING) if sep else of
    return call(Function.ADD, left, others)


# -- dates ------------------------------------------------------------------------------------------------------------
def names_of(function: Function, names: Iterable[str], start: int) -> Builder:
    """month_name and day_name."""

    def build(of: Term) -> Expression:
        words = tuple(names)
        numbers = tuple(range(start, start + len(words)))
        return Recode(call(function, of), numbers, words, DType.STRING, keep=False)

    return build


_WRITTEN = {"%Y": (0, 4), "%m": (5, 7), "%d": (8, 10), "%H": (11, 13), "%M": (14, 16), "%S": (17, 19)}


def written(of: Term, date_format: str) -> Expression:
    """strftime of parts that are numbers: pieces of the date as text."""
    date_format = date_format.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    text = known(Cast(of.expression, DType.STRING), DType.STRING)
    parts: list[Operand] = []
    for piece_ in re.split(r"(%.)", date_format):
        if piece_.startswith("%"):
            if piece_ not in _WRITTEN:
                raise HandleError(f"{piece_} is not written here.", suggestion=f"There are: {', '.join(_WRITTEN)}.")
            parts.append(known(call(Function.SLICE, text, options=_WRITTEN[piece_]), DType.STRING))
        elif piece_:
            parts.append(literal(piece_))
    result = parts[0]
    for part in parts[1:]:
        result = known(call(Function.ADD, result, part), DType.STRING)
    return result.expression if isinstance(result, Term) else choose(call(Function.IS_NULL, of), None, result)


def floor_to_day(of: Term, freq: str) -> Expression:
    if str(freq).upper() not in ("D", "1D"):
        raise HandleError("Dates can be floored to whole days here.", suggestion="dt.floor('D'), dt.year, dt.month, …")
    return call(Function.NORMALIZE, of)
