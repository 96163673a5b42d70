"""Reductions: statistics over all rows of a column or frame. One table, pandas' name -> statistic of the plan.

Each is one question. What can be had from public numbers (any from a count, a mode from value counts) is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, caller, derived, method
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, rehearse
from cleanroom_kernel.interpreter.results import asked, endpoints_shown, laid_out, listed, scalar, whole
from cleanroom_kernel.interpreter.rowwise import ACROSS
from cleanroom_kernel.interpreter.terms import Term
from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import Statistic, Summary
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import type_of
from cleanroom_kernel.plan.relations import PerUnit, Reduced, Reduction
from cleanroom_kernel.plan.schema import DType, Role

Maker = Callable[..., Statistic]


def _quantile(of: Any, q: float = 0.5, interpolation: str = "linear") -> Statistic:
    if interpolation != "linear":
        raise HandleError("Quantiles are interpolated linearly here.")
    return aggregates.Quantile(of, float(q))


STATISTICS: dict[str, Maker] = {
    "count": lambda of: aggregates.Count(of),
    "sum": lambda of, min_count=0: aggregates.Sum(of),
    "mean": lambda of: aggregates.Mean(of),
    "median": lambda of: aggregates.Quantile(of, 0.5),
    "std": lambda of, ddof=1: aggregates.Variance(of, int(ddof), root=True),
    "var": lambda of, ddof=1: aggregates.Variance(of, int(ddof)),
    "min": lambda of: aggregates.Extreme(of, largest=False),
    "max": lambda of: aggregates.Extreme(of, largest=True),
    "quantile": _quantile,
    "nunique": lambda of, dropna=True: aggregates.Distinct(of),
}
_IGNORED = {"axis", "skipna", "numeric_only", "level", "engine", "engine_kwargs", "out", "dtype", "keepdims"}


def statistic(name: str, term: Term, rows: Relation, **options: Any) -> Statistic:
    """The statistic that pandas calls `name`, of one column."""
    if options.get("skipna") is False:
        raise HandleError("Missing values are left out of every statistic here.", suggestion="Drop skipna=False.")
    options = {key: value for key, value in options.items() if key not in _IGNORED}
    if name == "nunique" and term.field.role is Role.UNIT:
        return aggregates.Units()
    try:
        return STATISTICS[name](term.expression, **options)
    except HandleError:
        raise
    except TypeError:
        raise HandleError(f"{name} does not take {', '.join(options)} for rows in a clean room.") from None


def label_of(name: str, of: Hashable) -> str:
    """What a column of statistics is called in receipts."""
    return f"{name} of {of}" if of is not None else name


def term_of(column: Column) -> Term:
    return Term(column._expression, column._field)


ENDPOINTS = {"min", "max"}


def describing(column: Column, row: Hashable) -> Statistic | None:
    """The statistic in one row of describe; None where pandas leaves it out or the policy never shows it."""
    name = "nunique" if row == "unique" else row
    dtype = column._field.dtype
    temporal = dtype in (DType.DATETIME, DType.DURATION)
    of_numbers = temporal or dtype in (DType.INTEGER, DType.FLOAT)
    if name == "count":
        return statistic("count", term_of(column), column._rows)
    if name == "nunique":
        return None if of_numbers else statistic("nunique", term_of(column), column._rows)
    if not of_numbers or (name == "std" and temporal) or name in ("top", "freq"):
        return None
    if name in ENDPOINTS:
        return statistic(name, term_of(column), column._rows) if endpoints_shown() and not temporal else None
    if isinstance(name, str) and name.endswith("%"):
        return statistic("quantile", term_of(column), column._rows, q=float(name[:-1]) / 100)
    return statistic(str(name), term_of(column), column._rows)


# -- columns ----------------------------------------------------------------------------------------------------------
def _column_reduction(name: str) -> Callable[..., Any]:
    twin = getattr(pd.Series, name)

    def call(self: Column, *args: Any, **kwargs: Any) -> Any:
        rehearsal = rehearse(twin, self, *args, **kwargs)
        return reduce_column(self, name, rehearsal, _named(name, args, kwargs))

    return call


_POSITIONAL = {"quantile": ("q", "interpolation"), "nunique": ("dropna",)}


def _named(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(_POSITIONAL.get(name, ("axis", "skipna")), args, strict=False)), **kwargs}


def reduce_column(column: Column, name: str, rehearsal: Rehearsal, options: dict[str, Any]) -> Any:
    q = options.get("q")
    if name == "quantile" and isinstance(q, (list, tuple, np.ndarray, pd.Series, pd.Index)):
        return _quantiles(column, list(q), rehearsal)
    if name == "nunique" and column._field.role is Role.KEY:
        return _number_of_keys(column)
    with rehearsal.explaining():
        asking = statistic(name, term_of(column), column._rows, **options)
        question = Summary(column._rows, (aggregates.Column(label_of(name, column.name), asking),))
    return asked(question, scalar(rehearsal.value), rehearsal.value)


def _quantiles(column: Column, shares: list[float], rehearsal: Rehearsal) -> pd.Series:
    with rehearsal.explaining():
        question = Summary(
            column._rows,
            tuple(
                aggregates.Column(label_of(f"quantile {share}", column.name), _quantile(column._expression, share))
                for share in shares
            ),
        )
    return asked(question, listed(rehearsal.value, shares), rehearsal.value)


def _number_of_keys(column: Column) -> int:
    """Distinct values of a key that belongs to one unit are one row each in a group-by of that key."""
    if not column._field.one_unit:
        raise HandleError("Values of an identifier cannot be counted here.", rule="opaque columns")
    rows, name = contexts.named_in(column._rows, column._expression)
    each = PerUnit(rows, (name,), (Reduced("__size", Reduction.SIZE),))
    return asked(Summary(each, (aggregates.Column(label_of("nunique", column.name), aggregates.Size()),)), whole, 1)


# -- frames -----------------------------------------------------------------------------------------------------------
def without_identifiers(frame: Frame) -> Frame:
    """The frame without keys and free text, of which no statistic but a count exists."""
    return with_roles(frame, {Role.FEATURE})


def with_roles(frame: Frame, roles: set[Role]) -> Frame:
    names = [name for name, of in frame._columns.items() if type_of(of, frame._rows.fields).role in roles]
    twin = frame._twin.loc[:, [name in names for name in frame._columns]]
    return Frame(frame._rows, {name: frame._columns[name] for name in names}, twin, frame._index)


_OF_IDENTIFIERS = {"count": set(Role), "nunique": {Role.FEATURE, Role.UNIT}}


def _frame_reduction(name: str) -> Callable[..., Any]:
    twin = getattr(pd.DataFrame, name)

    def call(self: Frame, *args: Any, **kwargs: Any) -> Any:
        options = _named(name, args, kwargs)
        if options.get("axis") in (1, "columns"):
            return across(self, name, options)
        frame = with_roles(self, _OF_IDENTIFIERS.get(name, {Role.FEATURE}))
        rehearsal = rehearse(twin, frame, *args, **kwargs)
        return reduce_frame(frame, name, rehearsal, options)

    return call


def reduce_frame(frame: Frame, name: str, rehearsal: Rehearsal, options: dict[str, Any]) -> Any:
    template = rehearsal.value
    if isinstance(template, pd.DataFrame):
        return _frame_quantiles(frame, list(options["q"]), template)
    labels = list(frame._columns if template is None else template.index)
    if not labels:
        return pd.Series(dtype="float64") if template is None else template
    with rehearsal.explaining():
        asking = [
            aggregates.Column(
                label_of(name, label), statistic(name, term_of(frame._column(label)), frame._rows, **options)
            )
            for label in labels
        ]
        question = Summary(frame._rows, tuple(asking))
    return asked(question, listed(template, labels), template)


def _frame_quantiles(frame: Frame, shares: list[float], template: pd.DataFrame) -> pd.DataFrame:
    at, asking = {}, []
    for j, label in enumerate(template.columns):
        for i, share in enumerate(shares):
            at[i, j] = len(asking)
            asked_for = _quantile(frame._columns[label], share)
            asking.append(aggregates.Column(label_of(f"quantile {share}", label), asked_for))
    return asked(Summary(frame._rows, tuple(asking)), laid_out(template, at, set()), template)


def across(frame: Frame, name: str, options: dict[str, Any]) -> Column:
    """The same reduction within each row: an element-wise step."""
    if name not in ACROSS:
        raise HandleError(f"{name}(axis=1) is not available for rows in a clean room.")
    frame = without_identifiers(frame)
    rehearsal = rehearse(getattr(pd.DataFrame, name), frame, **{**options, "axis": 1})
    with rehearsal.explaining():
        expression = ACROSS[name]([term_of(frame._column(label)) for label in frame._columns])
    return derived(frame._rows, expression, rehearsal, frame)


for _name in STATISTICS:
    method(Column, name=_name)(_column_reduction(_name))
    method(Frame, name=_name)(_frame_reduction(_name))


# -- several at once --------------------------------------------------------------------------------------------------
@method(Column, name="agg")
def aggregate_column(self: Column, func: Any = None, axis: Any = 0, **options: Any) -> Any:
    if isinstance(func, str):
        return getattr(self, func)(**options)
    if not isinstance(func, (list, tuple)):
        return func(self)
    names = [each if isinstance(each, str) else each.__name__ for each in func]
    rehearsal = rehearse(pd.Series.agg, self, names)
    with rehearsal.explaining():
        asking = [
            aggregates.Column(label_of(name, self.name), statistic(name, term_of(self), self._rows)) for name in names
        ]
        question = Summary(self._rows, tuple(asking))
    return asked(question, listed(rehearsal.value, names), rehearsal.value)


@method(Frame, name="agg")
def aggregate_frame(self: Frame, func: Any = None, axis: Any = 0, **options: Any) -> Any:
    if isinstance(func, str):
        return getattr(self, func)(**options)
    if isinstance(func, dict):
        parts = {name: self._column(name).agg(functions) for name, functions in func.items()}
        tables = any(isinstance(part, pd.Series) for part in parts.values())
        return pd.DataFrame(parts) if tables else pd.Series(parts)
    if isinstance(func, (list, tuple)):
        return pd.DataFrame({name: self._column(name).agg(func) for name in without_identifiers(self)._columns})
    return func(self)


for _kind, _aggregate in ((Column, aggregate_column), (Frame, aggregate_frame)):
    method(_kind, name="aggregate")(_aggregate)


# -- any and all: from a released count -------------------------------------------------------------------------------
@method(Column, name="any")
def any_of(self: Column, **options: Any) -> np.bool_:
    return np.bool_(_truth(self).sum() > 0)


@method(Column, name="all")
def all_of(self: Column, **options: Any) -> np.bool_:
    return np.bool_((~_truth(self)).sum() == 0)


def _truth(column: Column) -> Column:
    return column if column._field.dtype is DType.BOOLEAN else column != 0


@method(Frame, name="any")
def any_of_columns(self: Frame, axis: Any = 0, **options: Any) -> Any:
    if axis in (1, "columns"):
        return across(self, "any", {})
    return _truths(self).sum() > 0


@method(Frame, name="all")
def all_of_columns(self: Frame, axis: Any = 0, **options: Any) -> Any:
    if axis in (1, "columns"):
        return across(self, "all", {})
    return (~_truths(self)).sum() == 0


def _truths(frame: Frame) -> Frame:
    result = without_identifiers(frame)
    for label in list(result._columns):
        result[label] = _truth(result._column(label))
    return result


# -- numbers of rows --------------------------------------------------------------------------------------------------
@method(Column, Frame, RowSet, name="__len__")
def length(self: Any) -> int:
    """The number of rows, through the gate: rounded as the policy rounds counts.

    list(df) calls this after `__iter__`, in one instruction, only to guess how many names come: nothing is asked then.
    """
    if self.__dict__.pop("_iterated", None) == caller():
        raise TypeError("no length is needed")
    return asked(Summary(self._rows, (aggregates.Column("rows", aggregates.Size()),)), whole, len(self._twin))


def _shape(self: Any) -> tuple[int, ...]:
    return (len(self),) if self._twin.ndim == 1 else (len(self), len(self._columns))


def _size(self: Any) -> int:
    return int(np.prod(_shape(self)))


def _empty(self: Any) -> bool:
    return len(self) == 0


for _kind in (Column, Frame, RowSet):
    _kind.shape = property(_shape)  # type: ignore[attr-defined]
    _kind.size = property(_size)  # type: ignore[attr-defined]
    _kind.empty = property(_empty)  # type: ignore[attr-defined]
