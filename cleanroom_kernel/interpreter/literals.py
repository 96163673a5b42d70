"""Literals: Python values on their way into a plan, and static types on their way to pandas' dtypes and back."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.plan.expressions import Constant, Literal
from cleanroom_kernel.plan.schema import DType

MICROSECOND = np.timedelta64(1, "us")

PANDAS: dict[DType, str] = {
    DType.INTEGER: "int64",
    DType.FLOAT: "float64",
    DType.BOOLEAN: "bool",
    DType.STRING: "str",
    DType.DATETIME: "datetime64[us]",
    DType.DURATION: "timedelta64[us]",
}


def literal(value: Any, like: DType | None = None) -> Literal:
    """A public constant, read in the light of the column that it meets: a date as text is a date beside dates."""
    value = plain(value)
    if value is None:
        return Literal(None, like or DType.FLOAT)
    if isinstance(value, bool):
        return Literal(value, DType.BOOLEAN)
    if isinstance(value, int):
        return Literal(value, DType.INTEGER)
    if isinstance(value, float):
        return Literal(value, DType.FLOAT)
    if isinstance(value, str):
        if like in (DType.DATETIME, DType.DURATION):
            return literal(pd.Timestamp(value) if like is DType.DATETIME else pd.Timedelta(value))
        return Literal(value, DType.STRING)
    if isinstance(value, pd.Timestamp):
        if value.tz is not None:
            raise HandleError("Dates in the room have no time zone.", suggestion="Use .tz_localize(None) first.")
        return Literal(int((value - pd.Timestamp(0)) // MICROSECOND), DType.DATETIME)
    if isinstance(value, pd.Timedelta):
        return Literal(int(value // MICROSECOND), DType.DURATION)
    raise _no_constant(value)


def constant(value: Any, like: DType | None = None) -> Constant:
    """The value alone, as lists of values (isin, replace, map) hold it."""
    return literal(value, like).value


def plain(value: Any) -> Any:
    """`value` as one of None, bool, int, float, str, Timestamp, Timedelta. Lists and arrays are refused."""
    if isinstance(value, (list, tuple, set, dict, pd.Series, pd.DataFrame, pd.Index)) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    ):
        raise row_vector()
    if isinstance(value, np.ndarray):
        value = value[()]
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (np.datetime64, datetime.date)):
        value = pd.Timestamp(value)
        return None if value is pd.NaT else value
    if isinstance(value, (np.timedelta64, datetime.timedelta, pd.offsets.BaseOffset)):
        return _timedelta(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, pd.Interval):
        return str(value)
    return value


def row_vector() -> HandleError:
    return HandleError(
        "A list or array with one value per row cannot enter the rows of the room.",
        suggestion="Compute the column from other columns, map a dictionary, or merge a reference table on a category.",
        rule="no public row vectors",
    )


def dtype_of(dtype: Any) -> DType | None:
    """Static type for what pandas' astype and friends accept; None where it only changes how pandas shows a column."""
    if isinstance(dtype, str) and dtype in ("category", "object", "O"):
        return None
    if isinstance(dtype, pd.CategoricalDtype) or dtype is object:
        return None
    kind = pd.api.types.pandas_dtype(dtype)
    for matches, found in _KINDS:
        if matches(kind):
            return found
    raise HandleError(f"Columns of the room cannot have the dtype {dtype!r}.")


def from_micros(value: float, dtype: Any) -> Any:
    """A released date or duration, which travels in microseconds, as pandas would return it."""
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return pd.Timestamp(round(value), unit="us")
    return pd.Timedelta(round(value), unit="us")


def _timedelta(value: Any) -> pd.Timedelta | None:
    if isinstance(value, pd.offsets.DateOffset) and type(value) is pd.offsets.DateOffset:
        fixed = {name: amount for name, amount in value.kwds.items() if name in ("weeks", "days", "hours", "minutes")}
        if len(fixed) != len(value.kwds):
            raise HandleError(
                "Only offsets of a fixed length can be added here.", suggestion="Use pd.Timedelta(days=…)."
            )
        return pd.Timedelta(**fixed) * value.n
    value = pd.Timedelta(value)
    return None if value is pd.NaT else value


def _no_constant(value: Any) -> HandleError:
    return HandleError(f"A value of type {type(value).__name__} cannot stand beside a column of the room.")


_KINDS = (
    (pd.api.types.is_bool_dtype, DType.BOOLEAN),
    (pd.api.types.is_integer_dtype, DType.INTEGER),
    (pd.api.types.is_float_dtype, DType.FLOAT),
    (pd.api.types.is_datetime64_dtype, DType.DATETIME),
    (pd.api.types.is_timedelta64_dtype, DType.DURATION),
    (pd.api.types.is_string_dtype, DType.STRING),
)
