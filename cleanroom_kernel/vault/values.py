"""Values: the plan's types and constants as Narwhals, Polars and Python have them.

Promise: a float column inside the vault never holds NaN; what pandas calls missing is null everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import narwhals as nw
import polars as pl

from cleanroom_kernel.plan.expressions import Constant
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import DType

NARWHALS: dict[DType, Any] = {
    DType.INTEGER: nw.Int64(),
    DType.FLOAT: nw.Float64(),
    DType.BOOLEAN: nw.Boolean(),
    DType.STRING: nw.String(),
    DType.DATETIME: nw.Datetime("us"),
    DType.DURATION: nw.Duration("us"),
}

POLARS: dict[DType, pl.DataType] = {
    DType.INTEGER: pl.Int64(),
    DType.FLOAT: pl.Float64(),
    DType.BOOLEAN: pl.Boolean(),
    DType.STRING: pl.String(),
    DType.DATETIME: pl.Datetime("us"),
    DType.DURATION: pl.Duration("us"),
}

_TEMPORAL = (DType.DATETIME, DType.DURATION)


def literal(value: Constant, dtype: DType) -> nw.Expr:
    """A constant column."""
    if value is None or value != value:
        return nw.lit(None, NARWHALS[dtype])
    if dtype in _TEMPORAL:
        return nw.lit(value, nw.Int64()).cast(NARWHALS[dtype])
    return nw.lit(float(value) if dtype is DType.FLOAT else value, NARWHALS[dtype])


def as_stored(expression: nw.Expr, dtype: DType) -> nw.Expr:
    """`expression` of type `dtype` in the form in which constants are compared with it: dates as microseconds."""
    return expression.cast(nw.Int64()) if dtype in _TEMPORAL else expression


class NoMatch(ValueError):
    """A constant that no value of the column can equal."""


def matching(value: Constant, dtype: DType) -> bool | int | float | str:
    """`value` as the value of a `dtype` column that pandas would find equal to it. Raises NoMatch."""
    if dtype is DType.STRING:
        if isinstance(value, str):
            return value
    elif isinstance(value, (bool, int, float)) and not isinstance(value, str):
        if dtype is DType.FLOAT:
            return _float(value)
        if math.isfinite(value) and value == int(value) and -(2**63) <= value < 2**63:
            if dtype is not DType.BOOLEAN:
                return int(value)
            if value in (0, 1):
                return bool(value)
    raise NoMatch


def converted(value: Constant, dtype: DType) -> bool | int | float | str | None:
    """`value` as a new value of a `dtype` column; the kind must fit, which depends on the plan alone."""
    if value is None or value != value:
        return None
    try:
        return matching(value, dtype)
    except NoMatch:
        raise PlanError(f"A new value of type {type(value).__name__} is no {dtype.value}.") from None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise NoMatch from None
