"""Conversion: a column as it stands in a source, to the type that the schema declares.

Promise: a value that is not of that type is null afterwards and counted, so that nothing is read as something else.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.expressions_casts import read_date
from cleanroom_kernel.vault.owner_files import typed_column
from cleanroom_kernel.vault.values import POLARS

_TRUTH = {"true": True, "t": True, "1": True, "1.0": True, "false": False, "f": False, "0": False, "0.0": False}


class Converted(Struct, frozen=True):
    values: pl.Series
    failures: int  # values that are not of the declared type


def convert(found: pl.Series, declared: DType, date_format: str | None) -> Converted:
    if declared is DType.DATETIME and found.dtype == pl.String:
        converted = _text_to_dates(found, date_format)
    else:
        rule = _RULES[declared].get(_family(found.dtype))
        if rule is None:
            empty = pl.Series(found.name, [None] * len(found), dtype=POLARS[declared])
            return Converted(empty, len(found) - found.null_count())
        converted = pl.select(rule(pl.lit(found))).to_series().alias(found.name)
    failures = int(converted.null_count() - found.null_count())
    if declared is DType.FLOAT:
        converted = converted.fill_nan(None)
    return Converted(converted, failures)


def _family(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "float"
    families = {pl.Boolean: "boolean", pl.String: "text", pl.Date: "date", pl.Duration: "duration", pl.Null: "nothing"}
    if isinstance(dtype, pl.Datetime):
        return "moment" if dtype.time_zone is None else "zoned moment"
    return families.get(dtype.base_type(), "other")


def _text_to_dates(text: pl.Series, date_format: str | None) -> pl.Series:
    """In the format given, or in the one format that reads the whole column, or else in ISO 8601."""
    if date_format is None:
        guessed = typed_column(text, typed=True)
        if guessed.dtype is DType.DATETIME:
            return guessed.values.alias(text.name)
    return pl.select(read_date(pl.lit(text), date_format)).to_series().alias(text.name)


Rule = Callable[[pl.Expr], pl.Expr]


def _nothing(dtype: DType) -> Rule:
    return lambda value: value.cast(POLARS[dtype])


def _whole(value: pl.Expr) -> pl.Expr:
    """Whole numbers that are stored as floats; NaN is nothing, not a failure, and so becomes no integer either."""
    number = value.cast(pl.Float64)
    return pl.when(number == number.round(0)).then(number).cast(pl.Int64, strict=False)


def _text_to_integer(value: pl.Expr) -> pl.Expr:
    return value.str.strip_chars().str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)


def _text_to_float(value: pl.Expr) -> pl.Expr:
    return value.str.strip_chars().cast(pl.Float64, strict=False)


def _text_to_truth(value: pl.Expr) -> pl.Expr:
    lowered = value.str.strip_chars().str.to_lowercase()
    return lowered.replace_strict(list(_TRUTH), list(_TRUTH.values()), default=None, return_dtype=pl.Boolean)


def _number_to_truth(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_in([0, 1])).then(value == 1)


def _utc(value: pl.Expr) -> pl.Expr:
    return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))


_RULES: dict[DType, dict[str, Rule]] = {
    DType.INTEGER: {
        "integer": lambda value: value.cast(pl.Int64, strict=False),
        "boolean": lambda value: value.cast(pl.Int64),
        "float": _whole,
        "text": _text_to_integer,
        "nothing": _nothing(DType.INTEGER),
    },
    DType.FLOAT: {
        "integer": lambda value: value.cast(pl.Float64),
        "float": lambda value: value.cast(pl.Float64),
        "text": _text_to_float,
        "nothing": _nothing(DType.FLOAT),
    },
    DType.BOOLEAN: {
        "boolean": lambda value: value,
        "integer": _number_to_truth,
        "float": _number_to_truth,
        "text": _text_to_truth,
        "nothing": _nothing(DType.BOOLEAN),
    },
    DType.STRING: {
        "text": lambda value: value,
        "integer": lambda value: value.cast(pl.String),
        "nothing": _nothing(DType.STRING),
    },
    DType.DATETIME: {
        "date": lambda value: value.cast(pl.Datetime("us")),
        "moment": lambda value: value.cast(pl.Datetime("us")),
        "zoned moment": _utc,
        "nothing": _nothing(DType.DATETIME),
    },
    DType.DURATION: {
        "duration": lambda value: value.cast(pl.Duration("us")),
        "integer": lambda value: value.cast(pl.Duration("us")),  # microseconds, as in the schema
        "nothing": _nothing(DType.DURATION),
    },
}
