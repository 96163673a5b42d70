"""SQL's dates: parts, differences, intervals and days of moments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.sql_reader import VALUES, Reader, Value, choose, text_of

_PARTS = {"YEAR": "year", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
          "QUARTER": "quarter", "DOY": "dayofyear"}  # fmt: skip


def _extract(reader: Reader, node: exp.Extract) -> Value:
    return part_of(reader.column(node.expression), str(node.this.name or node.this).upper())


def part_of(column: Value, part: str) -> Value:
    is_duration = pd.api.types.is_timedelta64_dtype(column.dtype)
    if part == "EPOCH":
        return (column if is_duration else column - pd.Timestamp(0)).dt.total_seconds()
    if is_duration and part in ("DAY", "DAYS"):
        return column.dt.days
    if part in ("DOW", "DAYOFWEEK"):
        return (column.dt.dayofweek + 1) % 7  # Sunday is 0
    if part not in _PARTS or is_duration:
        raise HandleError(
            f"{part} is no part of a date here.", suggestion=f"There are: {', '.join(_PARTS)}, EPOCH, DOW."
        )
    return getattr(column.dt, _PARTS[part])


def _part(part: str) -> Callable[[Reader, exp.Expression], Value]:
    return lambda reader, node: part_of(reader.column(node.this), part)


def _day_of(reader: Reader, node: exp.Expression) -> Value:
    return _moments(reader.column(node.this)).dt.normalize()


def _moments(column: Value) -> Value:
    return column if pd.api.types.is_datetime64_any_dtype(column.dtype) else pd.to_datetime(column)


def _trunc(reader: Reader, node: exp.Expression) -> Value:
    if str(node.args["unit"].name).upper() != "DAY":
        raise HandleError(
            "Dates are cut to days here.", suggestion="Take EXTRACT(YEAR FROM …) and EXTRACT(MONTH FROM …)."
        )
    return _day_of(reader, node)


_SECONDS = {"DAY": 86_400, "HOUR": 3_600, "MINUTE": 60, "SECOND": 1}


def _date_diff(reader: Reader, node: exp.Expression) -> Value:
    """How many borders of a unit lie between two moments, or, where the dialect has it so, how many whole units."""
    unit = node.args.get("unit")
    part = "DAY" if unit is None else str(unit.name).upper().rstrip("S")
    later, earlier = _moments(reader.column(node.this)), _moments(reader.column(node.expression))
    if part in ("YEAR", "MONTH") and node.args.get("date_part_boundary"):
        years = later.dt.year - earlier.dt.year
        return years if part == "YEAR" else years * 12 + later.dt.month - earlier.dt.month
    if part not in _SECONDS:
        raise HandleError(
            f"{part} is no unit of a difference here.", suggestion="There are: DAY, HOUR, MINUTE, SECOND."
        )
    if not node.args.get("date_part_boundary") and part != "DAY":
        elapsed = (later - earlier).dt.total_seconds() / _SECONDS[part]
        return choose(elapsed >= 0, np.floor(elapsed), np.ceil(elapsed))
    borders = (later.dt.normalize() - earlier.dt.normalize()).dt.days
    for finer, (name, times) in enumerate((("hour", 24), ("minute", 60), ("second", 60))):
        if _SECONDS[part] > (3_600, 60, 1)[finer]:
            break
        borders = borders * times + getattr(later.dt, name) - getattr(earlier.dt, name)
    return borders


def _written(reader: Reader, node: exp.Expression) -> Value:
    return reader.column(node.this).dt.strftime(text_of(reader, node.args["format"]))


def _interval(reader: Reader, node: exp.Interval) -> Value:
    amount, unit = reader.value(node.this), node.args.get("unit")
    return pd.Timedelta(f"{amount} {unit.name.lower()}" if unit is not None else str(amount))


def _shifted(sign: int) -> Callable[[Reader, exp.Expression], Value]:
    def read(reader: Reader, node: exp.Expression) -> Value:
        unit = node.args.get("unit")
        amount = reader.value(node.expression)
        if not isinstance(amount, pd.Timedelta):
            amount = pd.Timedelta(f"{amount} {unit.name.lower() if unit is not None else 'day'}")
        return reader.column(node.this) + sign * amount

    return read


VALUES |= {
    exp.Extract: _extract,
    exp.Year: _part("YEAR"),
    exp.Month: _part("MONTH"),
    exp.Day: _part("DAY"),
    exp.Hour: _part("HOUR"),
    exp.TsOrDsToDate: _day_of,
    exp.Date: _day_of,
    exp.TimestampTrunc: _trunc,
    exp.DatetimeTrunc: _trunc,
    exp.TimeToStr: _written,
    exp.DateTrunc: _trunc,
    exp.DateDiff: _date_diff,
    exp.TimestampDiff: _date_diff,
    exp.DatetimeDiff: _date_diff,
    exp.Interval: _interval,
    exp.DateAdd: _shifted(1),
    exp.DateSub: _shifted(-1),
    exp.DatetimeAdd: _shifted(1),
    exp.DatetimeSub: _shifted(-1),
    exp.TimestampAdd: _shifted(1),
    exp.TimestampSub: _shifted(-1),
}
