"""Binning: cut, qcut and get_dummies. Edges and categories are public: given, declared by the owner, or released."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, derived
from cleanroom_kernel.interpreter.literals import constant
from cleanroom_kernel.interpreter.rehearsal import rehearse
from cleanroom_kernel.interpreter.results import endpoints_shown
from cleanroom_kernel.interpreter.terms import Term, call
from cleanroom_kernel.plan.expressions import Cast, Cut, Expression, Recode
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType


# -- cut and qcut -----------------------------------------------------------------------------------------------------
def cut(
    x: Column,
    bins: Any,
    right: bool = True,
    labels: Any = None,
    retbins: bool = False,
    precision: int = 3,
    include_lowest: bool = False,
    duplicates: str = "raise",
    ordered: bool = True,
) -> Any:
    edges = _even_edges(x, bins, right) if isinstance(bins, (int, np.integer)) else list(bins)
    options = {"right": right, "labels": labels, "precision": precision, "include_lowest": include_lowest}
    rehearsal = rehearse(pd.cut, x, edges, **options, duplicates=duplicates, ordered=ordered)
    if rehearsal.error is not None:
        raise rehearsal.error
    names = [str(name) for name in _categories(edges, options, duplicates, ordered)]
    numbers = tuple(float(constant(edge, x._field.dtype) or 0) for edge in _distinct(edges, duplicates))
    expression: Expression = Cut(x._expression, numbers, tuple(names), right, include_lowest)
    if labels is False:
        expression = Recode(expression, tuple(names), tuple(range(len(names))), DType.INTEGER, keep=False)
    result = derived(x._rows, expression, rehearsal, x, name=x.name)
    return (result, np.asarray(edges)) if retbins else result


def _distinct(edges: list[Any], duplicates: str) -> list[Any]:
    return list(dict.fromkeys(edges)) if duplicates == "drop" else edges


def _categories(edges: list[Any], options: dict[str, Any], duplicates: str, ordered: bool) -> list[Any]:
    """pandas' own names of the bins; with labels=False they are only numbered."""
    if options["labels"] is False:
        return list(range(len(_distinct(edges, duplicates)) - 1))
    nothing = pd.Series([], dtype="datetime64[us]" if isinstance(edges[0], pd.Timestamp) else "float64")
    return list(pd.cut(nothing, edges, **options, duplicates=duplicates, ordered=ordered).cat.categories)


def _even_edges(x: Column, bins: int, right: bool) -> list[float]:
    """pandas' edges for a number of bins of equal width."""
    low, high = endpoints(x)
    edges = np.linspace(low, high, bins + 1)
    spread = (high - low) * 0.001
    if right:
        edges[0] -= spread
    else:
        edges[-1] += spread
    return [float(edge) for edge in edges]


def endpoints(x: Column) -> tuple[float, float]:
    """Smallest and largest value where the policy shows them, else the owner's declared bounds."""
    if endpoints_shown():
        ends = x.agg(["min", "max"])
        return float(ends["min"]), float(ends["max"])
    if x._field.lower is None or x._field.upper is None:
        raise HandleError(
            "The smallest and the largest value are single patients' and are not shown.",
            suggestion="Give the edges: pd.cut(x, [0, 18, 65, 120]).",
        )
    return x._field.lower, x._field.upper


def qcut(
    x: Column,
    q: Any,
    labels: Any = None,
    retbins: bool = False,
    precision: int = 3,
    duplicates: str = "raise",
) -> Any:
    """Bins between released quantiles. Where the ends are not shown, the outer bins are open."""
    shares = np.linspace(0, 1, q + 1) if isinstance(q, (int, np.integer)) else np.asarray(q)
    inner = [float(share) for share in shares if 0 < share < 1]
    quantiles = [float(value) for value in x.quantile(inner)] if inner else []
    low, high = endpoints(x) if endpoints_shown() else (-np.inf, np.inf)
    edges = [low] * bool(shares[0] == 0) + quantiles + [high] * bool(shares[-1] == 1)
    return cut(x, edges, True, labels, retbins, precision, True, duplicates)


# -- get_dummies ------------------------------------------------------------------------------------------------------
def get_dummies(
    data: Any,
    prefix: Any = None,
    prefix_sep: Any = "_",
    dummy_na: bool = False,
    columns: Any = None,
    sparse: bool = False,
    drop_first: bool = False,
    dtype: Any = None,
) -> Frame:
    if isinstance(data, Column):
        frame, encoded = data.to_frame("x" if data.name is None else data.name), None
        encoded = list(frame._columns)
    else:
        frame = data
        encoded = list(columns) if columns is not None else _text_columns(frame)
    domains = {label: domain(frame._column(label)) for label in encoded}
    options = {"prefix_sep": prefix_sep, "dummy_na": dummy_na, "drop_first": drop_first, "dtype": dtype}
    twin = frame._twin.copy()
    for label, values in domains.items():
        known = _as_values(twin[label])
        twin[label] = pd.Categorical(known.where(known.isin(values)), categories=values)
    if isinstance(data, Column):
        twin = pd.get_dummies(twin.iloc[:, 0].rename(data.name), prefix, **options)
    else:
        twin = pd.get_dummies(twin, prefix, columns=encoded, **options)
    kept = [frame._columns[label] for label in frame._columns if label not in domains]
    made = [
        expression
        for label, values in domains.items()
        for expression in _indicators(frame._column(label), values, dummy_na, drop_first, dtype)
    ]
    names = list(twin.columns)
    twin.columns = pd.Index(names)
    return Frame(frame._rows, dict(zip(names, (*kept, *made), strict=True)), twin, frame._index)


def _as_values(twin: pd.Series) -> pd.Series:
    return twin.astype(object) if isinstance(twin.dtype, pd.CategoricalDtype) else twin


def _text_columns(frame: Frame) -> list[Hashable]:
    return list(frame._twin.select_dtypes(include=["object", "str", "category"]).columns)


def domain(column: Column) -> list[Any]:
    """The values that a column can take, sorted as pandas sorts them: declared, or released labels."""
    if isinstance(column._twin.dtype, pd.CategoricalDtype) and column._field.categories is not None:
        return list(column._twin.cat.categories)
    if column._field.categories is not None:
        return sorted(column._field.categories)
    if column._field.dtype is DType.BOOLEAN:
        return [False, True]
    return list(column.value_counts().dropna().index.sort_values())


def _indicators(column: Column, values: list[Any], dummy_na: bool, drop_first: bool, dtype: Any) -> list[Expression]:
    term = Term(column._expression, column._field)
    tests = [call(Function.EQUAL, term, _comparable(value)) for value in values]
    if dummy_na:
        tests.append(call(Function.IS_NULL, term))
    if drop_first:
        tests = tests[1:]
    kind = None if dtype is None else pd.api.types.pandas_dtype(dtype).kind
    target = {"i": DType.INTEGER, "u": DType.INTEGER, "f": DType.FLOAT}.get(kind or "b")
    return tests if target is None else [Cast(test, target) for test in tests]


def _comparable(value: Any) -> Any:
    """Interval categories are text to the plan."""
    return str(value) if isinstance(value, pd.Interval) else value
