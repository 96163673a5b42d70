"""Casts: one type to another, where what cannot be converted is null (rule S13).

Promise: how a value reads never depends on another row; so there is no guessing of date formats from a whole column.
Written for Polars, since Narwhals' cast raises on the first value that fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.values import POLARS

_DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
_DIRECTIVES = re.compile(r"%(?:[YymbBdjHIMSp%]|\.f)")
_DAY = 86_400_000_000  # microseconds


def is_widening(of: DType, to: DType) -> bool:
    """Whether a cast cannot fail and Narwhals does it as pandas."""
    return of is to or (of, to) in {
        (DType.BOOLEAN, DType.INTEGER),
        (DType.BOOLEAN, DType.FLOAT),
        (DType.INTEGER, DType.FLOAT),
    }


def cast(value: pl.Expr, of: DType, to: DType, date_format: str | None) -> pl.Expr:
    if of is DType.STRING and to is DType.DATETIME:
        return read_date(value, date_format)
    if to is DType.STRING:
        return _TEXT[of](value)
    if to is DType.BOOLEAN:
        return value.str.len_chars() > 0 if of is DType.STRING else value != 0
    if of is DType.STRING:
        value = value.str.strip_chars()
    converted = value.cast(POLARS[to], strict=False)
    return converted.fill_nan(None) if to is DType.FLOAT else converted


def read_date(text: pl.Expr, date_format: str | None) -> pl.Expr:
    """The date that each text says, in `date_format` (Python's directives) or in one of ISO 8601's."""
    text = text.str.strip_chars()
    if date_format is None:
        return pl.coalesce(*(_strptime(text, known) for known in _DATE_FORMATS))
    return _strptime(*_completed(text, date_format.replace(".%f", "%.f")))


def _strptime(text: pl.Expr, date_format: str) -> pl.Expr:
    return text.str.strptime(pl.Datetime("us"), date_format, strict=False, exact=True)


def _completed(text: pl.Expr, date_format: str) -> tuple[pl.Expr, str]:
    """A format without month, day or minute means the first of them."""
    found = set(_DIRECTIVES.findall(date_format))
    if "%" in _DIRECTIVES.sub("", date_format) or not found & {"%Y", "%y"} or ("%I" in found) != ("%p" in found):
        raise PlanError("This date format is not supported.", rule="date formats")
    missing = []
    if not found & {"%m", "%b", "%B", "%j"}:
        missing.append(("01", "%m"))
    if not found & {"%d", "%j"}:
        missing.append(("01", "%d"))
    if found & {"%H", "%I"} and "%M" not in found:
        missing.append(("00", "%M"))
    for value, directive in missing:
        text, date_format = text + f"|{value}", f"{date_format}|{directive}"
    return text, date_format


def _float_text(value: pl.Expr) -> pl.Expr:
    def write(column: pl.Series) -> pl.Series:
        return pl.Series([None if number is None else repr(number) for number in column.to_list()], dtype=pl.String)

    return value.map_batches(write, return_dtype=pl.String, is_elementwise=True)


def _boolean_text(value: pl.Expr) -> pl.Expr:
    return pl.when(value).then(pl.lit("True")).when(~value).then(pl.lit("False"))


def _date_text(value: pl.Expr) -> pl.Expr:
    """Always with the time of day; pandas leaves it out if all rows of a column are at midnight."""
    return value.dt.strftime("%Y-%m-%d %H:%M:%S") + _fraction_text(value.dt.microsecond())


def _duration_text(value: pl.Expr) -> pl.Expr:
    microseconds = value.dt.total_microseconds()
    days, rest = microseconds // _DAY, microseconds % _DAY
    sign = pl.when(days < 0).then(pl.lit("+")).otherwise(pl.lit(""))
    clock = rest.cast(pl.Datetime("us")).dt.strftime("%H:%M:%S")
    return pl.concat_str(days.cast(pl.String), pl.lit(" days "), sign, clock, _fraction_text(rest % 1_000_000))


def _fraction_text(microseconds: pl.Expr) -> pl.Expr:
    written = pl.lit(".") + microseconds.cast(pl.String).str.zfill(6)
    return pl.when(microseconds != 0).then(written).otherwise(pl.lit(""))


_TEXT: dict[DType, Callable[[pl.Expr], pl.Expr]] = {
    DType.INTEGER: lambda value: value.cast(pl.String),
    DType.FLOAT: _float_text,
    DType.BOOLEAN: _boolean_text,
    DType.STRING: lambda value: value,
    DType.DATETIME: _date_text,
    DType.DURATION: _duration_text,
}
