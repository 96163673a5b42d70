"""Precision: how exactly a number may be shown (rule C7).

Promise: pure arithmetic. A rounded number is the decimal that it looks like: no digit hides behind the last one shown.
"""

from __future__ import annotations

import math

import numpy as np

from cleanroom_kernel.disclosure.candidate import Floats

_SLACK = 1 + 1e-12  # an influence of 0.1 computed as 0.1000…01 still has the base 0.1


def base_for(influence: float) -> float:
    """Least of 1, 2 or 5 x 10^n that is not below `influence`: rounded to its multiples, a number shows no digit that
    one unit could have decided. Zero where nothing has influence.
    """
    if not influence > 0 or math.isinf(influence):
        return 0.0
    exponent = math.floor(math.log10(influence))
    steps = ((1, exponent), (2, exponent), (5, exponent), (1, exponent + 1), (2, exponent + 1))
    bases = (_decimal(mantissa, power) for mantissa, power in steps)
    return next(base for base in bases if base * _SLACK >= influence)


def to_multiple(value: float, base: float) -> float:
    """The multiple of `base` (1, 2 or 5 x 10^n, or 0 for no rounding) nearest to `value`.

    Ties go up, not to even: else a change by one base could show as two steps.
    """
    if base <= 0 or not math.isfinite(value):
        return value
    exponent = math.floor(math.log10(base) + 1e-9)
    mantissa = round(base / 10.0**exponent)
    return _decimal(math.floor(value / base + 0.5) * mantissa, exponent)


def to_digits(value: float, digits: int) -> float:
    """`value` with at most so many significant digits."""
    if value == 0 or not math.isfinite(value) or digits >= 17:
        return value
    return float(f"{value:.{digits - 1}e}")


def all_to_digits(values: Floats, digits: int) -> Floats:
    return np.array([to_digits(float(value), digits) for value in values.ravel()]).reshape(values.shape)


def to_count(value: float, base: int) -> int:
    """A count as a multiple of `base`."""
    return math.floor(value / base + 0.5) * base


def _decimal(mantissa: int, exponent: int) -> float:
    """mantissa x 10^exponent as the float that prints so."""
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent
