"""Distributions: value counts, the values that occur, the most common one, correlations."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.binning import cut
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.reductions import without_identifiers
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, rehearse
from cleanroom_kernel.interpreter.results import KEY, asked, carried, groups, setting, threshold_sign
from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import Correlation, Summary
from cleanroom_kernel.plan.expressions import Named
from cleanroom_kernel.protocol.release import Grid, Receipt


@method(Column)
def value_counts(
    self: Column,
    normalize: bool = False,
    sort: bool = True,
    ascending: bool = False,
    bins: Any = None,
    dropna: bool = True,
) -> Any:
    if bins is not None:
        found = cut(self, bins, include_lowest=True).value_counts(normalize, sort, ascending)
        found.index = pd.IntervalIndex(list(found.index))
        return found
    if self._field.role.is_opaque:
        return rows_per_key(self, sort, ascending)
    rehearsal = rehearse(pd.Series.value_counts, self, normalize, sort, ascending, None, dropna)
    return _counted(self._rows, [self], rehearsal, normalize, sort, ascending, dropna)


def rows_per_key(column: Column, sort: bool, ascending: bool) -> Column:
    """How many rows each patient has is a column of patients, not a result."""
    frame = Frame(column._rows, {column.name: column._expression}, column._twin.to_frame(), column._index)
    counts = frame.groupby(column.name).size().rename("count")
    return counts.sort_values(ascending=ascending) if sort else counts


@method(Frame, name="value_counts")
def value_counts_of_rows(
    self: Frame,
    subset: Sequence[Hashable] | None = None,
    normalize: bool = False,
    sort: bool = True,
    ascending: bool = False,
    dropna: bool = True,
) -> pd.Series:
    names = list(self._columns) if subset is None else list(subset)
    rehearsal = rehearse(pd.DataFrame.value_counts, self, subset, normalize, sort, ascending, dropna)
    return _counted(self._rows, [self._column(name) for name in names], rehearsal, normalize, sort, ascending, dropna)


def _counted(
    rows: Any,
    keys: list[Column],
    rehearsal: Rehearsal,
    normalize: bool,
    sort: bool,
    ascending: bool,
    dropna: bool,
) -> pd.Series:
    template = rehearsal.value
    if template is None:
        template = pd.Series(dtype="int64", name="count")
    by = tuple(Named(str(key.name), key._expression) for key in keys)
    question = Summary(rows, (aggregates.Column("rows", aggregates.Size()),), by=by, keep_null=not dropna)

    def build(grid: Grid, receipt: Receipt) -> pd.Series:
        counts = groups(grid, receipt, [key._twin for key in keys], template)
        if len(keys) == 1 and isinstance(keys[0]._twin.dtype, pd.CategoricalDtype):
            counts = _all_categories(counts)
        if normalize:
            total = counts.sum() if not receipt.suppressed else _total(rows, keys, dropna)
            counts = counts / total
        return counts.sort_values(ascending=ascending, kind="stable") if sort else counts

    return asked(question, build, template)


def _all_categories(counts: pd.Series) -> pd.Series:
    """Counts of categories that were not listed, as pandas has them: none, or too few to be told from none."""
    absent = counts.index.categories.difference(counts.index, sort=False)
    if absent.empty:
        return counts
    unknown = setting("minimum_units", 0) > 1
    index = pd.CategoricalIndex([*counts.index, *absent], dtype=counts.index.dtype, name=counts.index.name)
    values = [*counts, *[np.nan if unknown else 0] * len(absent)]
    result = pd.Series(values, index=index, name=counts.name, dtype=None if unknown else counts.dtype)
    more = {(label, None): threshold_sign() for label in absent} if unknown else {}
    return carried(result, counts, more=more)


def _total(rows: Any, keys: list[Column], dropna: bool) -> int:
    """The number of rows that shares refer to, where some of the counts are not shown."""
    first = Column(rows, keys[0]._expression, keys[0]._twin)
    return int(first.count()) if dropna and len(keys) == 1 else len(first)


# -- values that occur ------------------------------------------------------------------------------------------------
@method(Column)
def unique(self: Column) -> Any:
    """Declared categories, which are public, and a missing value where there may be one; nothing is asked then.
    Otherwise the labels that enough patients share.

    Of an identifier, a column with one row per value: it can be counted, joined and looked for with isin.
    """
    if self._field.role.is_opaque:
        return self.to_frame("key" if self.name is None else self.name).drop_duplicates().iloc[:, 0]
    declared = self._field.categories
    if declared is not None:
        gaps = [np.nan] if self._twin.isna().any() else []
        return pd.Series([*declared, *gaps], dtype=None if gaps else _dtype_without_categories(self)).to_numpy()
    return self.value_counts(dropna=False).index.sort_values().to_numpy()


def _dtype_without_categories(column: Column) -> Any:
    dtype = column._twin.dtype
    return None if isinstance(dtype, pd.CategoricalDtype) else dtype


@method(Column)
def mode(self: Column, dropna: bool = True) -> pd.Series:
    counts = self.value_counts(dropna=dropna)
    most = counts[counts == counts.max()].index.sort_values()
    return pd.Series(most, name=self.name).reset_index(drop=True)


@method(Frame, name="mode")
def modes(self: Frame, axis: Any = 0, numeric_only: bool = False, dropna: bool = True) -> pd.DataFrame:
    return pd.DataFrame({name: self._column(name).mode(dropna) for name in without_identifiers(self)._columns})


@method(Column)
def skew(self: Column, axis: Any = 0, skipna: bool = True, numeric_only: bool = False) -> float:
    """From the released mean, deviation and number, and one sum of cubes."""
    n = self.count()
    cubes = (((self - self.mean()) / self.std()) ** 3).sum()
    return cubes * n / ((n - 1) * (n - 2))


@method(Column)
def sem(self: Column, axis: Any = None, skipna: bool = True, ddof: int = 1, numeric_only: bool = False) -> float:
    return self.std(ddof=ddof) / np.sqrt(self.count())


@method(Column)
def dot(self: Column, other: Column) -> Any:
    return (self * other).sum()


def _hasnans(self: Column) -> bool:
    return bool(self.isna().any())


def _is_unique(self: Column) -> bool:
    if self._field.role.is_opaque:
        return not bool(self.duplicated().any())
    return len(self) == self.nunique() + (1 if self.isna().sum() == 1 else 0)


Column.hasnans = property(_hasnans)  # type: ignore[attr-defined]
Column.is_unique = property(_is_unique)  # type: ignore[attr-defined]


@method(Column)
def kurtosis(self: Column, axis: Any = 0, skipna: bool = True, numeric_only: bool = False) -> float:
    """From the released mean, deviation and number, and one sum of fourth powers."""
    n = self.count()
    fourths = (((self - self.mean()) / self.std()) ** 4).sum()
    share = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    return share * fourths - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


method(Column, name="kurt")(kurtosis)


@method(Frame, name="skew")
def skews(self: Frame, axis: Any = 0, skipna: bool = True, numeric_only: bool = False) -> pd.Series:
    frame = without_identifiers(self)
    columns = frame.select_dtypes("number") if numeric_only else frame
    return pd.Series({name: columns._column(name).skew() for name in columns._columns})


# -- correlations -----------------------------------------------------------------------------------------------------
@method(Frame)
def corr(self: Frame, method: Any = "pearson", min_periods: int = 1, numeric_only: bool = False) -> pd.DataFrame:
    _only_pearson(method)
    return _matrix(self, "corr", numeric_only, covariance=False)


@method(Frame)
def cov(self: Frame, min_periods: int | None = None, ddof: int = 1, numeric_only: bool = False) -> pd.DataFrame:
    return _matrix(self, "cov", numeric_only, covariance=True)


def _matrix(self: Frame, name: str, numeric_only: bool, covariance: bool) -> pd.DataFrame:
    frame = without_identifiers(self)
    rehearsal = rehearse(getattr(pd.DataFrame, name), frame, numeric_only=numeric_only)
    labels = list(rehearsal.value.columns) if rehearsal.value is not None else list(frame._columns)
    with rehearsal.explaining():
        columns = tuple(Named(str(label), frame._columns[label]) for label in labels)
        question = Correlation(frame._rows, columns, covariance)

    def build(grid: Grid, receipt: Receipt) -> pd.DataFrame:
        keys = [pd.Series(labels, dtype=object)]
        template = pd.DataFrame(dtype="float64", columns=labels, index=labels)
        table = groups(grid, receipt, keys, template, sort=False)
        table.index = pd.Index(labels)
        table.columns = pd.Index(labels)
        return table

    return asked(question, build, rehearsal.value)


@method(Column, name="corr")
def corr_with(self: Column, other: Column, method: Any = "pearson", min_periods: int | None = None) -> float:
    _only_pearson(method)
    return _pair(self, other, "corr")


@method(Column, name="cov")
def cov_with(self: Column, other: Column, min_periods: int | None = None, ddof: int = 1) -> float:
    return _pair(self, other, "cov")


def _pair(self: Column, other: Any, name: str) -> float:
    if not isinstance(other, Column):
        raise HandleError(f"{name} takes another column of the room.")
    rows, expression = contexts.align(self._rows, other._rows, other._expression)
    twin = pd.DataFrame({"x": self._twin, "y": other._twin})
    frame = Frame(rows, {"x": self._expression, "y": expression}, twin)
    return getattr(frame, name)().iloc[0, 1]


@method(Frame)
def corrwith(self: Frame, other: Column, axis: Any = 0, drop: bool = False, method: Any = "pearson") -> pd.Series:
    """The last column of one matrix of correlations."""
    frame = without_identifiers(self)
    frame["corrwith"] = other
    table = frame.corr(method)
    result = table["corrwith"].drop("corrwith").rename(None)
    result.attrs[KEY] = table.attrs[KEY]
    return result


def _only_pearson(method: Any) -> None:
    if method != "pearson":
        raise HandleError(
            "Rank correlations need an order of all patients' rows.", suggestion="corr() gives Pearson's correlation."
        )
