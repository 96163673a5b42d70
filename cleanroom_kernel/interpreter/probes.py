"""Probes: how an expert's function of a group (`lambda x: (x > 7).mean()`) becomes a statistic.

The function is called once, with a probe in the place of the group. A probe is a column whose reductions do not ask but
say what they would ask. Rows that the function filters out are missing values to the statistic, which leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.reductions import STATISTICS
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression


@dataclass(frozen=True)
class Wanted:
    """A statistic by pandas' name, of an expression over the rows of the group-by."""

    name: str
    rows: Relation
    expression: Expression
    options: dict[str, Any]


class NoStatistic(HandleError):
    """A function gave something else of its group than a statistic."""


class Compound(Exception):
    """A function computes with several statistics of its group: each of them is to be had by itself first."""


def _compound(self: Wanted, *others: Any) -> Any:
    raise Compound


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"):
    setattr(Wanted, f"__{_operator}__", _compound)
    if hasattr(int, f"__r{_operator}__"):
        setattr(Wanted, f"__r{_operator}__", _compound)
for _operator in ("neg", "abs", "round", "float", "bool", "int"):
    setattr(Wanted, f"__{_operator}__", _compound)


class Probe(Column):
    """A column of the rows of one group, whichever that is."""

    def __len__(self) -> int:
        raise HandleError("The size of a group is a statistic of its own.", suggestion="agg('size')")


class FrameProbe(Frame):
    """The rows of one group, whichever that is."""

    def _column(self, name: Any) -> Probe:
        return Probe(self._rows, self._columns[name], self._twin[name], self._index)

    def __len__(self) -> int:
        raise HandleError("The size of a group is a statistic of its own.", suggestion="agg('size')")


def _saying(name: str) -> Callable[..., Wanted]:
    def call(self: Probe, *args: Any, **kwargs: Any) -> Wanted:
        options = dict(zip({"quantile": ("q",)}.get(name, ()), args, strict=False)) | kwargs
        return Wanted(name, self._rows, self._expression, options)

    return call


SAYABLE = (*STATISTICS, "first", "last", "any", "all")
for _name in SAYABLE:
    setattr(Probe, _name, _saying(_name))


def _of_rows(name: str) -> Callable[..., NoReturn]:
    def call(self: Probe, *args: Any, **kwargs: Any) -> NoReturn:
        raise NoStatistic(f"{name} gives a column of the group's rows.", suggestion="groupby(…)['x'].transform(…)")

    return call


for _name in ("shift", "diff", "pct_change", "cumsum", "cummax", "cummin", "ffill", "bfill", "rank", "rolling"):
    setattr(Probe, _name, _of_rows(_name))

_BY_FUNCTION: dict[Any, str] = {
    len: "size", sum: "sum", min: "min", max: "max", any: "any", all: "all",
    np.mean: "mean", np.sum: "sum", np.min: "min", np.max: "max", np.median: "median", np.std: "std", np.var: "var",
    np.nanmean: "mean", np.nansum: "sum", np.nanmedian: "median", np.size: "size",
}  # fmt: skip


def wanted(function: Any, probe: Probe | FrameProbe) -> Wanted:
    """What a name, a known function or an expert's own function asks of a group."""
    name = function if isinstance(function, str) else _BY_FUNCTION.get(function) or _method_name(function)
    if name is not None:
        expression = probe._expression if isinstance(probe, Probe) else next(iter(probe._columns.values()))
        return Wanted(_SYNONYMS.get(name, name), probe._rows, expression, {})
    found = function(probe)
    if isinstance(found, Wanted):
        rows, expression = contexts.align(probe._rows, found.rows, found.expression)
        return Wanted(found.name, rows, expression, found.options)
    raise NoStatistic(
        "A function of a group has to end in one statistic of it.",
        suggestion="For example: lambda x: (x > 7).mean(). Compute anything else from released statistics.",
    )


_SYNONYMS = {"average": "mean"}


def is_statistic(function: Any) -> bool:
    """Whether a function is one of pandas' or NumPy's reductions, known by what it is."""
    try:
        return function in _BY_FUNCTION or _method_name(function) is not None
    except TypeError:  # what cannot be hashed is none of them
        return False


def _method_name(function: Any) -> str | None:
    """pd.Series.mean and its like."""
    name = getattr(function, "__name__", "")
    return name if getattr(pd.Series, name, None) is function else None


class Answering:
    """The rows of one group, whichever that is, to a function that computes with several statistics of it.

    `reduce(column, name, options)` has the statistic of all groups, as a column of one row per patient or as a released
    Series, so what the function computes of them is computed for all groups at once.
    """

    def __init__(self, handle: Any, reduce: Callable[[Column, str, dict[str, Any]], Any]) -> None:
        self._handle = handle
        self._reduce = reduce

    def __getitem__(self, key: Any) -> Any:
        return self._of(self._handle[key._handle if isinstance(key, Answering) else key])

    def __getattr__(self, name: str) -> Any:
        if name in SAYABLE and isinstance(self._handle, Column):
            return lambda **options: self._reduce(self._handle, name, options)
        found = getattr(self._handle, name)
        if not callable(found):
            return self._of(found)
        return lambda *args, **options: self._of(
            found(*(_plain(each) for each in args), **{key: _plain(each) for key, each in options.items()})
        )

    def _of(self, value: Any) -> Any:
        return Answering(value, self._reduce) if isinstance(value, (Column, Frame)) else value


def _plain(value: Any) -> Any:
    return value._handle if isinstance(value, Answering) else value


def _forwarding(name: str) -> Callable[..., Any]:
    return lambda self, *others: self._of(getattr(self._handle, name)(*map(_plain, others)))


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne", "and",
                  "or", "invert", "neg", "radd", "rsub", "rmul", "rtruediv"):  # fmt: skip
    setattr(Answering, f"__{_operator}__", _forwarding(f"__{_operator}__"))
