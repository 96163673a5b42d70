"""Kinds: how a statistic of the plan is judged and rounded, from code and schema alone.

Promise: whether a measure is 0/1 is a matter of static types, never of the values that occur: else the way in which a
number is rounded would tell whether one value does.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.measures import is_one
from cleanroom_kernel.plan.aggregates import (
    Count,
    Distinct,
    Extreme,
    Mean,
    Quantile,
    Size,
    Statistic,
    Sum,
    Units,
    Variance,
)
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Field, type_of
from cleanroom_kernel.plan.schema import DType


def kind_of(statistic: Statistic, over: Relation) -> Kind:
    if isinstance(statistic, (Size, Count)):
        return Kind.COUNT
    if isinstance(statistic, Units):
        return Kind.UNITS
    if isinstance(statistic, Distinct):
        return Kind.DISTINCT
    if isinstance(statistic, Sum):
        if is_one(statistic.of, over):
            return Kind.COUNT  # df.assign(n=1).n.sum()
        return Kind.SELECTED if is_binary(type_of(statistic.of, over.fields)) else Kind.SUM
    if isinstance(statistic, Mean):
        return Kind.SHARE if is_binary(type_of(statistic.of, over.fields)) else Kind.MEAN
    if isinstance(statistic, Variance):
        return Kind.DEVIATION if statistic.root else Kind.VARIANCE
    if isinstance(statistic, Quantile):
        return Kind.QUANTILE
    if isinstance(statistic, Extreme):
        return Kind.EXTREME
    raise AssertionError(f"unhandled statistic {type(statistic).__name__}")


def is_binary(field: Field) -> bool:
    """Whether a field can hold nothing but 0 and 1, as its type says."""
    if field.dtype is DType.BOOLEAN:
        return True
    if field.dtype is not DType.INTEGER:
        return False
    if field.categories is not None:
        return set(field.categories) <= {0, 1}
    return field.lower == 0 and field.upper == 1
