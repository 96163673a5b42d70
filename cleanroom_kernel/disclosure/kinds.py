"""Kinds: how a statistic of the plan is judged and rounded, from code and schema alone.

Promise: whether a measure is 0/1 is a matter of static types, never of the values that occur: else the way in which a
number is rounded would tell whether one value does.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.forms_terms import is_binary
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


def kind_of(statistic: Statistic, over: Relation) -> Kind:
    if isinstance(statistic, (Size, Count)):
        return Kind.COUNT
    if isinstance(statistic, Units):
        return Kind.UNITS
    if isinstance(statistic, Distinct):
        return Kind.DISTINCT
    if isinstance(statistic, Sum) and is_one(statistic.of, over):
        return Kind.COUNT  # df.assign(n=1).n.sum()
    if isinstance(statistic, (Sum, Mean)):
        binary = is_binary(form_of(statistic.of, over).field)
        if isinstance(statistic, Sum):
            return Kind.SELECTED if binary else Kind.SUM
        return Kind.SHARE if binary else Kind.MEAN
    if isinstance(statistic, Variance):
        return Kind.DEVIATION if statistic.root else Kind.VARIANCE
    if isinstance(statistic, Quantile):
        return Kind.QUANTILE
    if isinstance(statistic, Extreme):
        return Kind.EXTREME
    raise AssertionError(f"unhandled statistic {type(statistic).__name__}")
