"""Shaping: names, order and kind of columns, the index, and copies. Nothing here changes a row."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle, RowSet, method, moved
from cleanroom_kernel.interpreter.narrowing import without
from cleanroom_kernel.interpreter.selection import columns_of
from cleanroom_kernel.plan.expressions import Expression


def _renamed(frame: Frame, twin: pd.DataFrame) -> Frame:
    """The same columns in the same order under the names of `twin`."""
    names = list(twin.columns)
    if len(set(names)) < len(names):
        raise HandleError("Two columns would have the same name.", suggestion="Give each column its own name.")
    return Frame(frame._rows, dict(zip(names, frame._columns.values(), strict=True)), twin, frame._index)


def _done(frame: Frame, result: Frame, inplace: bool) -> Any:
    return frame._become(result) if inplace else result


# -- names ------------------------------------------------------------------------------------------------------------
@method(Frame)
def rename(self: Frame, mapper: Any = None, *, inplace: bool = False, **options: Any) -> Any:
    return _done(self, _renamed(self, self._twin.rename(mapper, **options)), inplace)


@method(Column, name="rename")
def rename_column(self: Column, index: Any = None, *, inplace: bool = False, **options: Any) -> Any:
    if callable(index) or isinstance(index, dict):
        raise HandleError("Rows of the room have no labels to rename.")
    result = moved(self, self._rows, self._twin.rename(index))
    return self.__dict__.update(result.__dict__) if inplace else result


def _renaming(name: str) -> Callable[..., Frame]:
    twin = getattr(pd.DataFrame, name)

    def call(self: Frame, *args: Any, **kwargs: Any) -> Frame:
        return _renamed(self, twin(self._twin, *args, **kwargs))

    return call


for _name in ("add_prefix", "add_suffix"):
    method(Frame, name=_name)(_renaming(_name))


@method(Frame)
def set_axis(self: Frame, labels: Any, *, axis: Any = 0, **options: Any) -> Frame:
    if axis not in (1, "columns"):
        raise HandleError("Rows of the room have no labels.", suggestion="set_axis(labels, axis=1) names columns.")
    return _renamed(self, self._twin.set_axis(labels, axis=1))


def _get_columns(self: Frame) -> pd.Index:
    return self._twin.columns


def _set_columns(self: Frame, labels: Any) -> None:
    twin = self._twin.copy()
    twin.columns = labels
    self._become(_renamed(self, twin))


Frame.columns = property(_get_columns, _set_columns)  # type: ignore[attr-defined]


# -- choice and order of columns --------------------------------------------------------------------------------------
@method(Frame)
def drop(
    self: Frame,
    labels: Any = None,
    *,
    axis: Any = 0,
    index: Any = None,
    columns: Any = None,
    level: Any = None,
    inplace: bool = False,
    errors: str = "raise",
) -> Any:
    if axis in (1, "columns"):
        columns, labels = labels, None
    rows = index if index is not None else labels
    result = self
    if rows is not None:
        if not isinstance(rows, RowSet):
            raise HandleError(
                "Rows of the room have no labels.", suggestion="Drop them by a condition: df[~condition]."
            )
        result = without(result, rows)
    if columns is not None:
        result = columns_of(result, result._twin.drop(columns=columns, errors=errors))
    return _done(self, result, inplace)


def _choosing(name: str) -> Callable[..., Frame]:
    twin = getattr(pd.DataFrame, name)

    def call(self: Frame, *args: Any, **kwargs: Any) -> Frame:
        return columns_of(self, twin(self._twin, *args, **kwargs))

    return call


method(Frame, name="select_dtypes")(_choosing("select_dtypes"))


@method(Frame, name="filter")
def filter_columns(self: Frame, items: Any = None, like: Any = None, regex: Any = None, axis: Any = None) -> Frame:
    if axis in (0, "index"):
        raise HandleError("Rows of the room have no labels.")
    return columns_of(self, self._twin.filter(items, like, regex, axis=1))


@method(Frame)
def reindex(
    self: Frame, labels: Any = None, *, columns: Any = None, axis: Any = None, fill_value: Any = np.nan
) -> Frame:
    names = columns if columns is not None else labels if axis in (1, "columns") else None
    if names is None:
        raise HandleError("Rows of the room have no labels.", suggestion="reindex(columns=…) arranges columns.")
    result = self.copy()
    for name in names:
        if name not in result._columns:
            result[name] = fill_value
    return columns_of(result, result._twin[list(names)])


# -- kind -------------------------------------------------------------------------------------------------------------
@method(Frame, Column)
def copy(self: Any, deep: bool = True) -> Any:
    return moved(self, self._rows, self._twin)


@method(Frame, Column, name="__copy__")
def shallow(self: Any) -> Any:
    return self.copy()


@method(Frame, Column, name="__deepcopy__")
def deep(self: Any, memo: dict[int, Any]) -> Any:
    return self.copy()


@method(Frame, Column)
def pipe(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return func(self, *args, **kwargs)


@method(Column)
def to_frame(self: Column, name: Hashable = None) -> Frame:
    twin = self._twin.to_frame() if name is None else self._twin.to_frame(name)
    return Frame(self._rows, {twin.columns[0]: self._expression}, twin, self._index)


@method(Frame)
def squeeze(self: Frame, axis: Any = None) -> Any:
    return self._column(next(iter(self._columns))) if len(self._columns) == 1 else self


@method(Frame, Column)
def infer_objects(self: Any, copy: bool = True) -> Any:
    return moved(self, self._rows, self._twin.infer_objects())


@method(Frame, Column)
def convert_dtypes(self: Any, *args: Any, **options: Any) -> Any:
    """Types of the room's columns are declared, and every one of them can have missing values already."""
    return self.copy()


def _ndim(self: Handle) -> int:
    return self._twin.ndim


def _dtype(self: Column) -> Any:
    return self._twin.dtype


def _dtypes(self: Handle) -> Any:
    return self._twin.dtypes


def _attributes(self: Handle) -> dict[str, Any]:
    return {}


Frame.ndim = property(_ndim)  # type: ignore[attr-defined]
Column.ndim = property(_ndim)  # type: ignore[attr-defined]
Column.dtype = property(_dtype)  # type: ignore[attr-defined]
Column.dtypes = property(_dtype)  # type: ignore[attr-defined]
Frame.dtypes = property(_dtypes)  # type: ignore[attr-defined]
Frame.attrs = property(_attributes)  # type: ignore[attr-defined]
Column.attrs = property(_attributes)  # type: ignore[attr-defined]


# -- index ------------------------------------------------------------------------------------------------------------
def _index(self: Any) -> RowSet:
    return RowSet(self._rows, self._twin.index, self._index)


Frame.index = property(_index)  # type: ignore[attr-defined]
Column.index = property(_index)  # type: ignore[attr-defined]


@method(Frame)
def set_index(
    self: Frame,
    keys: Any,
    *,
    drop: bool = True,
    append: bool = False,
    inplace: bool = False,
    verify_integrity: bool = False,
) -> Any:
    twin = self._twin.set_index(keys, drop=drop, append=append)
    labels = list(keys) if isinstance(keys, list) else [keys]
    if append or not all(isinstance(label, Hashable) and label in self._columns for label in labels):
        raise HandleError("Rows of the room are indexed by their own columns.", suggestion="set_index('column')")
    levels = tuple(self._columns[label] for label in labels)
    columns = {name: self._columns[name] for name in twin.columns}
    return _done(self, Frame(self._rows, columns, twin, levels), inplace)


@method(Frame)
def reset_index(
    self: Frame, level: Any = None, *, drop: bool = False, inplace: bool = False, names: Any = None, **options: Any
) -> Any:
    if level is not None:
        raise HandleError("reset_index takes all levels of the index here.")
    if not self._index and not drop:
        raise HandleError(
            "Row numbers stay in the room, so they cannot become a column.", suggestion="Use reset_index(drop=True)."
        )
    twin = self._twin.reset_index(drop=drop, names=names)
    levels: tuple[Expression, ...] = () if drop else self._index
    columns = dict(zip(twin.columns, (*levels, *self._columns.values()), strict=True))
    return _done(self, Frame(self._rows, columns, twin), inplace)


@method(Column, name="reset_index")
def reset_column(
    self: Column, level: Any = None, *, drop: bool = False, name: Any = None, inplace: bool = False, **options: Any
) -> Any:
    if drop and level is not None and not self._index:
        return self  # a level that pandas adds, as to rolling windows of groups, and that rows of the room never had
    if drop:
        return Column(self._rows, self._expression, self._twin.reset_index(drop=True))
    return (self.to_frame() if name is None else self.to_frame(name)).reset_index(level)


@method(Column)
def droplevel(self: Column, level: Any, axis: Any = 0) -> Column:
    return reset_column(self, level, drop=True)


@method(Frame, Column)
def rename_axis(self: Any, mapper: Any = None, *, axis: Any = 0, **options: Any) -> Any:
    return moved(self, self._rows, self._twin.rename_axis(mapper, axis=axis))


# -- arrays -----------------------------------------------------------------------------------------------------------
# NumPy's shapes of the same rows. A handle is as much of an array as scikit-learn's hooks and ufuncs need.
def _itself(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self


def _flat(self: Frame, *args: Any, **kwargs: Any) -> Any:
    """A table of one column as that column; more would lie between each other."""
    if len(self._columns) != 1:
        raise HandleError("Only a table of one column is flat.", suggestion="Use the table as it is, or one column.")
    return self._column(next(iter(self._columns)))


for _name in ("to_numpy", "ravel", "flatten"):
    method(Column, name=_name)(_itself)
for _name in ("ravel", "flatten"):
    method(Frame, name=_name)(_flat)
method(Frame, name="to_numpy")(_itself)


class Values(Column):
    """`.values` of a column: NumPy divides by n where pandas divides by n - 1."""

    def std(self, ddof: int = 0, **options: Any) -> Any:
        return Column.std(self, ddof=ddof, **options)  # type: ignore[attr-defined]

    def var(self, ddof: int = 0, **options: Any) -> Any:
        return Column.var(self, ddof=ddof, **options)  # type: ignore[attr-defined]


def _values(self: Column) -> Column:
    return Values(self._rows, self._expression, self._twin, self._index)


Column.values = property(_values)  # type: ignore[attr-defined]
Frame.values = property(_itself)  # type: ignore[attr-defined]


@method(Column)
def reshape(self: Column, *shape: Any) -> Any:
    """A column as a table of one column, `reshape(-1, 1)`, or itself, `reshape(-1)`."""
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    if wanted == (-1, 1):
        return self.to_frame(0 if self.name is None else self.name)
    if wanted == (-1,):
        return self
    raise HandleError("A column of the room can only become a table of one column.", suggestion="Use reshape(-1, 1).")


@method(RowSet)
def to_series(self: RowSet, index: Any = None, name: Hashable = None) -> Column:
    if len(self._index) != 1:
        raise HandleError("Row numbers stay in the room.", suggestion="Set an index first: df.set_index('column').")
    twin = self._twin.to_series(name=name)
    return Column(self._rows, self._index[0], twin, self._index)


@method(RowSet, name="isin")
def rows_in(self: RowSet, values: Any) -> Column:
    if isinstance(values, RowSet) and not self._index:
        member = contexts.membership(self._rows, values._rows)
        return Column(self._rows, member, pd.Series(self._twin.isin(values._twin), index=self._twin))
    return self.to_series().isin(values)


def _names(self: RowSet) -> Any:
    return self._twin.name


RowSet.name = property(_names)  # type: ignore[attr-defined]
RowSet.names = property(lambda self: self._twin.names)  # type: ignore[attr-defined]
