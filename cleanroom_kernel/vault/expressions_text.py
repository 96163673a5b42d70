"""Functions of text. Patterns are for an engine of linear time, so that none of them can hold up the vault.

Promise: a pattern or replacement that the engine does not read is refused from the plan alone.
"""

from __future__ import annotations

import narwhals as nw
import polars as pl

from cleanroom_kernel.plan.expressions import Constant
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.expressions_terms import Native, Options, Portable, Term
from cleanroom_kernel.vault.values import NARWHALS


def _text(method: str) -> Portable:
    return lambda terms, _, __: getattr(terms[0].expression.str, method)()


def _length(terms: tuple[Term, ...], _: Options, result: DType) -> nw.Expr:
    return terms[0].expression.str.len_chars().cast(NARWHALS[result])


def _contains(terms: tuple[Term, ...], options: Options, _: DType) -> nw.Expr:
    pattern, case, regex = str(options[0]), options[1], options[2]
    if regex:
        _check_pattern(pattern)
    elif not case:
        pattern = pl.escape_regex(pattern)
    if not case:
        pattern = f"(?i){pattern}"
    return terms[0].expression.str.contains(pattern, literal=bool(case and not regex)).fill_null(False)


def _check_pattern(pattern: str) -> None:
    """Refuse what the linear-time engine does not read, before and whatever the data."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        raise PlanError(
            "This regular expression is not supported.",
            rule="patterns",
            suggestion="Use one without look-around and back-references.",
        ) from None


def _edge(method: str) -> Portable:
    """`startswith` and its kin: plain text, false where the value is missing."""
    return lambda terms, options, _: getattr(terms[0].expression.str, method)(str(options[0])).fill_null(False)


def _replace(terms: tuple[Term, ...], options: Options, _: DType) -> nw.Expr:
    pattern, replacement, regex = str(options[0]), str(options[1]), bool(options[2])
    if regex:
        _check_pattern(pattern)
        replacement = rust_replacement(replacement)
    return terms[0].expression.str.replace_all(pattern, replacement, literal=not regex)


def rust_replacement(replacement: str) -> str:
    r"""Python's `\1` and `\g<name>` in the notation of the engine, where `$` needs doubling."""
    parts: list[str] = []
    rest = replacement
    while rest:
        before, backslash, after = rest.partition("\\")
        parts.append(before.replace("$", "$$"))
        if not backslash:
            break
        part, rest = _escape(after)
        parts.append(part)
    return "".join(parts)


_PLAIN_ESCAPES = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def _escape(after: str) -> tuple[str, str]:
    """What the escape at the start of `after` means, and what follows it."""
    digits = after[: 2 if after[1:2].isdecimal() else 1]
    if digits.isdecimal() and digits.isascii() and digits[0] != "0":
        return f"${{{digits}}}", after[len(digits) :]
    if after.startswith("g<") and ">" in after:
        name, _, rest = after[2:].partition(">")
        if name.isidentifier() or name.isdecimal():
            return f"${{{name}}}", rest
    if after[:1] in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[after[0]], after[1:]
    raise PlanError("This replacement text is not supported.", rule="patterns", suggestion=r"Use \1 or plain text.")


def _slice(terms: tuple[Term, ...], options: Options) -> pl.Expr:
    """Python's text[start:stop] on characters."""
    text = terms[0].expression
    length = text.str.len_chars().cast(pl.Int64)
    begin, end = (_clamped(option, length) for option in options)
    end = length if options[1] is None else end
    return text.str.slice(begin, pl.max_horizontal(end - begin, pl.lit(0)))


def _clamped(index: Constant, length: pl.Expr) -> pl.Expr:
    number = max(-(2**40), min(int(index or 0), 2**40))  # longer than any text
    if number < 0:
        return pl.max_horizontal(length + number, pl.lit(0))
    return pl.min_horizontal(pl.lit(number), length)


NATIVE_TEXT: dict[Function, Native] = {Function.SLICE: _slice}

PORTABLE_TEXT: dict[Function, Portable] = {
    Function.LOWER: _text("to_lowercase"),
    Function.UPPER: _text("to_uppercase"),
    Function.STRIP: _text("strip_chars"),
    Function.LENGTH: _length,
    Function.CONTAINS: _contains,
    Function.STARTS_WITH: _edge("starts_with"),
    Function.ENDS_WITH: _edge("ends_with"),
    Function.REPLACE: _replace,
}
