"""Narrowing: the steps that keep some of the rows, or put them in order. Every handle has them, columns come along."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, method, moved, narrowed
from cleanroom_kernel.interpreter.rehearsal import rehearse
from cleanroom_kernel.interpreter.terms import Term, call, known, negated
from cleanroom_kernel.plan.expressions import Cast, Expression, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Distinct, Filter, Sample, Sort, Take, Window, WindowFunction
from cleanroom_kernel.plan.schema import DType


def filtered(handle: Any, condition: Column) -> Any:
    """The rows of `handle` where `condition` is true."""
    rehearse(lambda twin, mask: twin[mask], handle, condition)
    rows, where = contexts.align(handle._rows, condition._rows, condition._expression)
    mask = condition._twin
    if not mask.index.equals(handle._twin.index) and mask.index.is_unique:
        mask = mask.reindex(handle._twin.index)
    kept = np.resize(np.equal(mask.to_numpy(dtype=object, na_value=False), True), len(handle._twin))
    return narrowed(handle, Filter(rows, where), kept.astype(bool))


def chosen(handle: Any, rows: RowSet) -> Any:
    """The rows of `handle` that are in a set of rows made from the same context."""
    target = contexts.meet(handle._rows, rows._rows)
    return narrowed(handle, target, handle._twin.index.isin(rows._twin))


def without(handle: Any, rows: RowSet) -> Any:
    """The rows of `handle` that are not among `rows`, which come from it by conditions."""
    member = contexts.membership(handle._rows, rows._rows)
    return narrowed(handle, Filter(handle._rows, negated(member)), ~handle._twin.index.isin(rows._twin))


@method(Frame, Column)
def head(self: Any, n: int = 5) -> Any:
    return taken(self, n)


@method(Frame, Column)
def tail(self: Any, n: int = 5) -> Any:
    return taken(self, -n)


def taken(handle: Any, n: int) -> Any:
    """The first `n` rows, or the last where `n` is negative."""
    twin = handle._twin.head(n) if n > 0 else handle._twin.tail(-n)
    return moved(handle, Take(handle._rows, n), twin)


@method(Frame, Column)
def sample(
    self: Any,
    n: int | None = None,
    frac: float | None = None,
    replace: bool = False,
    weights: Any = None,
    random_state: Any = None,
    axis: Any = None,
    ignore_index: bool = False,
) -> Any:
    if replace or weights is not None:
        raise HandleError("Samples in the room are drawn without replacement and without weights.")
    seed = random_seed(random_state)
    rows = Sample(self._rows, seed, frac, 1 if n is None and frac is None else n)
    share = frac if frac is not None else 0.5
    order = np.random.default_rng(seed).permutation(len(self._twin))[: max(1, round(share * len(self._twin)))]
    twin = self._twin.iloc[order]
    return moved(self, rows, twin.reset_index(drop=True) if ignore_index else twin)


def random_seed(random_state: Any) -> int:
    """A seed from what scikit-learn and pandas accept; without one, from NumPy's global generator as they do."""
    if random_state is None:
        return int(np.random.randint(2**31 - 1))
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    draw = random_state.integers if isinstance(random_state, np.random.Generator) else random_state.randint
    return int(draw(2**31 - 1))


@method(Frame)
def sort_values(
    self: Frame,
    by: Hashable | list[Hashable],
    *,
    axis: Any = 0,
    ascending: bool | list[bool] = True,
    inplace: bool = False,
    kind: str = "quicksort",
    na_position: str = "last",
    ignore_index: bool = False,
    key: Any = None,
) -> Any:
    names = list(by) if isinstance(by, list) else [by]
    twin = self._twin.sort_values(by, ascending=ascending, kind="stable", ignore_index=ignore_index)
    result = _sorted(self, [self._columns[name] for name in names], ascending, na_position, key, twin)
    return self._become(result) if inplace else result


@method(Column, name="sort_values")
def sort_column(
    self: Column,
    *,
    axis: Any = 0,
    ascending: bool = True,
    inplace: bool = False,
    kind: str = "quicksort",
    na_position: str = "last",
    ignore_index: bool = False,
    key: Any = None,
) -> Column:
    twin = self._twin.sort_values(ascending=ascending, kind="stable", ignore_index=ignore_index)
    return _sorted(self, [self._expression], ascending, na_position, key, twin)


@method(Frame, Column)
def sort_index(self: Any, *, ascending: bool = True, inplace: bool = False, **options: Any) -> Any:
    if not self._index:
        raise HandleError("Rows of the room have no index to sort by.", suggestion="Use sort_values.")
    result = _sorted(self, list(self._index), ascending, "last", None, self._twin.sort_index(ascending=ascending))
    return self._become(result) if inplace and isinstance(self, Frame) else result


def _sorted(
    handle: Any, by: list[Expression], ascending: bool | list[bool], na_position: str, key: Any, twin: Any
) -> Any:
    if na_position != "last" or key is not None:
        raise HandleError("Rows are sorted by values here, missing ones last.", suggestion="Compute the key first.")
    directions = ascending if isinstance(ascending, list) else [ascending] * len(by)
    return moved(handle, Sort(handle._rows, tuple(by), tuple(not upwards for upwards in directions)), twin)


@method(Frame)
def nlargest(self: Frame, n: int, columns: Hashable | list[Hashable], keep: str = "first") -> Frame:
    return self.sort_values(columns, ascending=False).head(n)


@method(Frame)
def nsmallest(self: Frame, n: int, columns: Hashable | list[Hashable], keep: str = "first") -> Frame:
    return self.sort_values(columns).head(n)


@method(Column, name="nlargest")
def largest(self: Column, n: int = 5, keep: str = "first") -> Column:
    return self.sort_values(ascending=False).head(n)


@method(Column, name="nsmallest")
def smallest(self: Column, n: int = 5, keep: str = "first") -> Column:
    return self.sort_values().head(n)


@method(Column, name="dropna")
def present(self: Column, *, axis: Any = 0, inplace: bool = False, how: Any = None, ignore_index: bool = False) -> Any:
    return _not_null(self, [Term(self._expression, self._field)], "any", None, self._twin.notna())


@method(Frame)
def dropna(
    self: Frame,
    *,
    axis: Any = 0,
    how: str | None = None,
    thresh: int | None = None,
    subset: Any = None,
    inplace: bool = False,
    ignore_index: bool = False,
) -> Any:
    if axis in (1, "columns"):
        raise HandleError(
            "Which columns have missing values depends on the data.",
            suggestion="Look at df.isna().mean() and drop columns by name.",
        )
    names = list(self._columns) if subset is None else [subset] if isinstance(subset, str) else list(subset)
    found = self._twin[names].notna()
    if thresh is not None:
        mask = found.sum(axis=1) >= thresh
    else:
        mask = found.any(axis=1) if how == "all" else found.all(axis=1)
    terms = [Term(column._expression, column._field) for column in map(self._column, names)]
    result = _not_null(self, terms, how or "any", thresh, mask)
    return self._become(result) if inplace else result


def _not_null(handle: Any, terms: list[Term], how: str, thresh: int | None, mask: pd.Series) -> Any:
    tests = [negated(call(Function.IS_NULL, term)) for term in terms]
    if thresh is None:
        where = _joined(Function.OR if how == "all" else Function.AND, tests)
    else:
        counts = [Cast(test, DType.INTEGER) for test in tests]
        total = known(_joined(Function.ADD, counts), DType.INTEGER)
        where = call(Function.GREATER_EQUAL, total, thresh)
    return narrowed(handle, Filter(handle._rows, where), mask.to_numpy())


def _joined(function: Function, parts: list[Expression]) -> Expression:
    result = parts[0]
    for part in parts[1:]:
        result = call(function, result, part)
    return result


@method(Frame)
def drop_duplicates(
    self: Frame,
    subset: Any = None,
    *,
    keep: Any = "first",
    inplace: bool = False,
    ignore_index: bool = False,
) -> Any:
    if keep not in ("first", "last"):
        raise HandleError("drop_duplicates keeps the first or the last row here.")
    rows, names = key_names(self, subset)
    twin = self._twin.drop_duplicates(subset, keep=keep, ignore_index=ignore_index)
    result = moved(self, Distinct(rows, names, last=keep == "last"), twin)
    return self._become(result) if inplace else result


@method(Frame)
def duplicated(self: Frame, subset: Any = None, keep: Any = "first") -> Column:
    if keep != "first":
        raise HandleError("duplicated marks all but the first row here.")
    rows, names = key_names(self, subset)
    name = contexts.hidden_name("cumcount", rows, *map(Value, names))
    rows = Window(rows, name, WindowFunction.CUMCOUNT, names)
    later = call(Function.GREATER, known(Value(name), DType.INTEGER), 0)
    return Column(rows, later, self._twin.duplicated(subset), self._index)


@method(Column, name="duplicated")
def duplicated_values(self: Column, keep: Any = "first") -> Column:
    name = "value" if self.name is None else self.name
    return self.to_frame(name).duplicated(name, keep).rename(self.name)


def key_names(frame: Frame, subset: Any) -> tuple[Any, tuple[str, ...]]:
    """The context with the columns of `subset` under names, for the steps that take names."""
    wanted = list(frame._columns) if subset is None else [subset] if isinstance(subset, str) else list(subset)
    for label in wanted:
        frame._twin[label]
    rows, names = frame._rows, []
    for label in wanted:
        rows, name = contexts.named_in(rows, frame._columns[label])
        names.append(name)
    return rows, tuple(names)
