"""Public bounds: round a column's extremes outward, so that the bounds say nothing exact about whoever holds them.

Promise: every value lies within; a bound is 0, 1, 2 or 5 times a power of ten, or a multiple of such a step where the
values lie far from zero (years of birth, sodium); dates are rounded to years, long spans to decades.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import polars as pl

from cleanroom_kernel.plan.schema import DType

_STEPS_ACROSS = 5  # a range far from zero is covered by about this many steps
_LONG_SPAN = 10  # years
_EPOCH = datetime(1970, 1, 1)


def public_bounds(values: pl.Series, dtype: DType) -> tuple[float, float] | None:
    """Bounds to propose, or None if there is nothing to bound."""
    if dtype not in (DType.INTEGER, DType.FLOAT, DType.DATETIME, DType.DURATION):
        return None
    present = values.drop_nulls()
    if dtype is DType.FLOAT:
        present = present.filter(present.is_finite())
    if present.is_empty():
        return None
    if dtype is DType.DATETIME:
        return _calendar_bounds(present.min(), present.max())
    numbers = present.to_physical()
    return outward(float(numbers.min()), float(numbers.max()), whole=dtype is DType.INTEGER)


def outward(low: float, high: float, whole: bool = False) -> tuple[float, float]:
    """The range widened to round numbers; steps among whole numbers are at least five, or they would hide nothing."""
    if low == high == 0:
        return 0.0, 1.0
    if low <= 0 <= high:
        return 0.0 - _round_up(-low), _round_up(high)
    if high < 0:
        lower, upper = outward(-high, -low, whole)
        return -upper, -lower
    if low <= high - low or low == high:
        return 0.0, _round_up(high)
    step = max(_round_up((high - low) / _STEPS_ACROSS), 5.0 if whole else 0.0)
    return _multiple(low, step, down=True), _multiple(high, step, down=False)


def _round_up(number: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    if number <= 0:
        return 0.0
    power = math.floor(math.log10(number)) - 1
    candidates = (factor * _ten_to(power + more) for more in (0, 1, 2) for factor in (1, 2, 5))
    return next(candidate for candidate in candidates if candidate >= number)


def _ten_to(power: int) -> float:
    return float(f"1e{power}")  # correctly rounded, as a product of tenths is not


def _multiple(number: float, step: float, down: bool) -> float:
    count = math.floor(number / step) if down else math.ceil(number / step)
    multiple = float(f"{count * step:.12g}")
    if down:
        return multiple if multiple <= number else float(f"{(count - 1) * step:.12g}")
    return multiple if multiple >= number else float(f"{(count + 1) * step:.12g}")


def _calendar_bounds(first: datetime, last: datetime) -> tuple[float, float]:
    grid = 10 if last.year - first.year >= _LONG_SPAN else 1
    start = max(first.year // grid * grid, 1)
    end = (last.year // grid + 1) * grid
    return _epoch(start), _epoch(end)


def _epoch(year: int) -> float:
    """New Year in epoch microseconds; the last year that a date can hold is closed by its own end."""
    moment = datetime(year, 1, 1) if year <= 9999 else datetime(9999, 12, 31) + timedelta(hours=24, microseconds=-1)
    return float((moment - _EPOCH) // timedelta(microseconds=1)) + (1.0 if year > 9999 else 0.0)
