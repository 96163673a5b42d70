"""Selection and assignment: `df[…]`, `df[…] = …`, `loc`, `iloc`, for everything that does not point at a single row."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, caller, method
from cleanroom_kernel.interpreter.literals import literal, plain, row_vector
from cleanroom_kernel.interpreter.narrowing import chosen, filtered, taken
from cleanroom_kernel.interpreter.rehearsal import rehearse, stand_in
from cleanroom_kernel.interpreter.terms import choose, known
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Literal, type_of


# -- reading ----------------------------------------------------------------------------------------------------------
@method(Frame, name="__getitem__")
def columns_or_rows(self: Frame, key: Any) -> Any:
    if callable(key):
        key = key(self)
    if isinstance(key, Column):
        return filtered(self, key)
    if isinstance(key, Frame):
        return self.where(key)
    if isinstance(key, slice):
        return _slice(self, key)
    if isinstance(key, tuple) and (slice in map(type, key) or key not in self._columns):
        return self.iloc[key]
    found = self._twin[key]
    if isinstance(found, pd.Series):
        return self._column(key)
    return columns_of(self, found)


@method(Column, name="__getitem__")
def item(self: Column, key: Any) -> Any:
    if callable(key):
        key = key(self)
    if isinstance(key, Column):
        return filtered(self, key)
    if isinstance(key, slice):
        return _slice(self, key)
    raise _one_row()


def columns_of(frame: Frame, twin: pd.DataFrame) -> Frame:
    """The columns that `twin`, a selection from the frame's own, has."""
    names = list(twin.columns)
    if len(set(names)) < len(names):
        raise HandleError("A column was chosen twice.", suggestion="Choose each column once.")
    return Frame(frame._rows, {name: frame._columns[name] for name in names}, twin, frame._index)


def _slice(handle: Any, rows: slice) -> Any:
    """Rows from the start or up to the end; what lies between needs the number of rows, which is not known exactly."""
    start, stop, step = rows.start, rows.stop, rows.step
    if step not in (None, 1):
        raise HandleError("Rows of the room have no positions.", suggestion="Use sample(frac=…) for a part of them.")
    if start in (None, 0):
        if stop is None:
            return handle
        if isinstance(stop, (int, np.integer)) and stop > 0:
            return taken(handle, int(stop))
    elif stop is None and isinstance(start, (int, np.integer)) and start < 0:
        return taken(handle, int(start))
    raise HandleError(
        "Rows of the room have no positions.",
        suggestion="df[:n] and df[-n:] work; for parts use train_test_split, KFold or sample.",
    )


def _one_row() -> HandleError:
    return HandleError(
        "A single row is one patient's and stays in the room.",
        suggestion="Choose rows by a condition, and look at aggregates of them.",
    )


class Indexer:
    """Base of loc and iloc: `self[rows]`, `self[rows, columns]`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getitem__(self, key: Any) -> Any:
        rows, columns = self._parts(key)
        handle = self._handle if columns is None else self._columns(columns)
        return self._rows(handle, rows)

    def _parts(self, key: Any) -> tuple[Any, Any]:
        if callable(key):
            key = key(self._handle)
        if isinstance(key, tuple) and isinstance(self._handle, Frame):
            rows, columns = key
            return rows(self._handle) if callable(rows) else rows, columns
        return key, None

    def _columns(self, columns: Any) -> Any:
        raise AssertionError("defined by loc and iloc")

    def _selected(self, found: Any) -> Any:
        if isinstance(found, pd.Series):
            return self._handle._column(found.name)
        return columns_of(self._handle, found)

    def _rows(self, handle: Any, rows: Any) -> Any:
        if isinstance(rows, Column):
            return filtered(handle, rows)
        if isinstance(rows, RowSet):
            return chosen(handle, rows)
        if isinstance(rows, slice):
            return self._slice(handle, rows)
        if isinstance(rows, (list, np.ndarray, pd.Series, pd.Index)):
            raise row_vector()
        raise _one_row()

    def _slice(self, handle: Any, rows: slice) -> Any:
        return _slice(handle, rows)


class Loc(Indexer):
    def _columns(self, columns: Any) -> Any:
        return self._selected(self._handle._twin.loc[:, columns])

    def _slice(self, handle: Any, rows: slice) -> Any:
        if rows != slice(None):
            raise HandleError("Rows of the room have no labels.", suggestion="Use conditions, or iloc[:n].")
        return handle

    def __setitem__(self, key: Any, value: Any) -> None:
        rows, columns = self._parts(key)
        if isinstance(self._handle, Column):
            _assign_column(self._handle, rows, value)
        else:
            for label in _labels(self._handle, columns):
                _assign(self._handle, label, value, rows)


class ILoc(Indexer):
    def _columns(self, columns: Any) -> Any:
        return self._selected(self._handle._twin.iloc[:, columns])

    def __setitem__(self, key: Any, value: Any) -> None:
        rows, columns = self._parts(key)
        if rows != slice(None) or columns is None:
            raise HandleError("Rows of the room have no positions.", suggestion="Use df.loc[condition, column] = …")
        found = self._columns(columns)
        for label in found._columns if isinstance(found, Frame) else [found.name]:
            _assign(self._handle, label, value)


def _labels(frame: Frame, columns: Any) -> list[Hashable]:
    if columns is None:
        return list(frame._columns)
    if isinstance(columns, str) or (isinstance(columns, Hashable) and not isinstance(columns, slice)):
        return [columns]
    if isinstance(columns, (list, pd.Index)) and all(isinstance(label, str) for label in columns):
        return list(columns)
    return list(frame._twin.loc[:, columns].columns)


# -- assignment -------------------------------------------------------------------------------------------------------
@method(Frame, name="__setitem__")
def set_columns(self: Frame, key: Any, value: Any) -> None:
    if isinstance(key, Column):
        for label in list(self._columns):
            _assign(self, label, value._column(label) if isinstance(value, Frame) else value, key)
    elif isinstance(key, Frame):
        self._become(self.mask(key, value))
    elif isinstance(key, (list, pd.Index)):
        for position, label in enumerate(key):
            _assign(self, label, _part(value, position, len(key)))
    else:
        _assign(self, key, value)


@method(Column, name="__setitem__")
def set_item(self: Column, key: Any, value: Any) -> None:
    _assign_column(self, key, value)


def _part(value: Any, position: int, length: int) -> Any:
    """What one of several assigned columns gets."""
    if isinstance(value, Frame):
        if len(value._columns) != length:
            raise ValueError("Columns must be same length as key")
        return value._column(list(value._columns)[position])
    if isinstance(value, (list, tuple)) and len(value) == length:
        return value[position]
    return value


def _assign_column(column: Column, rows: Any, value: Any) -> None:
    frame = Frame(column._rows, {column.name: column._expression}, column._twin.to_frame(column.name), column._index)
    _assign(frame, column.name, value, rows)
    column.__dict__.update(frame._column(column.name).__dict__)


def _assign(frame: Frame, label: Hashable, value: Any, rows: Any = None) -> None:
    """`frame[label] = value`, for the rows where the condition `rows` holds, or all."""
    if isinstance(label, str) and label.startswith("__"):
        raise HandleError("Column names cannot start with two underscores.")
    value = _one_column(value)
    condition = _condition(frame, rows)
    rehearsal = rehearse(_assigned, frame, label, value, condition)
    with rehearsal.explaining():
        context, expression = _expressed(frame, label, value)
        if condition is not None:
            context, mask = contexts.align(context, condition._rows, condition._expression)
            dtype = type_of(expression, context.fields).dtype
            old = frame._columns.get(label, Literal(None, dtype))
            expression = choose(mask, known(expression, dtype), old)
        context, expression = contexts.settled(context, expression)
        field = type_of(expression, context.fields)
    twin = rehearsal.value
    if rehearsal.error is not None:
        twin = frame._twin.copy()
        twin[label] = stand_in(field, twin.index)
    frame.__dict__.update(_rows=context, _columns={**frame._columns, label: expression}, _twin=twin)


def _assigned(twin: pd.DataFrame, label: Hashable, value: Any, condition: pd.Series | None) -> pd.DataFrame:
    twin = twin.copy()
    if condition is None:
        twin[label] = value
    else:
        twin.loc[condition, label] = value
    return twin


def _one_column(value: Any) -> Any:
    if not isinstance(value, Frame):
        return value
    if len(value._columns) != 1:
        raise ValueError("Cannot set a DataFrame with multiple columns to a single column")
    return value._column(next(iter(value._columns)))


def _condition(frame: Frame, rows: Any) -> Column | None:
    if isinstance(rows, Column):
        return rows
    if isinstance(rows, RowSet):
        member = contexts.membership(frame._rows, rows._rows)
        return Column(frame._rows, member, pd.Series(frame._twin.index.isin(rows._twin), index=frame._twin.index))
    if rows is None or (isinstance(rows, slice) and rows == slice(None)):
        return None
    raise row_vector() if isinstance(rows, (list, np.ndarray, pd.Series, pd.Index)) else _one_row()


def _expressed(frame: Frame, label: Hashable, value: Any) -> tuple[Relation, Expression]:
    """The assigned value over the frame's rows. A missing value takes the type of what it replaces."""
    if isinstance(value, Column):
        return contexts.align(frame._rows, value._rows, value._expression)
    old = frame._columns.get(label)
    like = None if old is None else type_of(old, frame._rows.fields).dtype
    return frame._rows, literal(value, like if plain(value) is None else None)


@method(Frame, name="__delitem__")
def delete(self: Frame, label: Hashable) -> None:
    twin = self._twin.drop(columns=[label])
    columns = {name: expression for name, expression in self._columns.items() if name != label}
    self.__dict__.update(_columns=columns, _twin=twin)


@method(Frame, name="__setattr__")
def set_attribute(self: Frame, name: str, value: Any) -> None:
    if name in self._columns:
        _assign(self, name, value)
    elif isinstance(getattr(Frame, name, None), property):
        object.__setattr__(self, name, value)
    else:
        raise HandleError(f"There is no column {name!r} to set.", suggestion=f"df[{name!r}] = … makes one.")


@method(Frame)
def assign(self: Frame, **columns: Any) -> Frame:
    result = self.copy()
    for name, value in columns.items():
        _assign(result, name, value(result) if callable(value) else value)
    return result


@method(Frame)
def insert(self: Frame, loc: int, column: Hashable, value: Any, allow_duplicates: bool = False) -> None:
    if column in self._columns:
        raise ValueError(f"cannot insert {column}, already exists")
    _assign(self, column, value)
    order = [name for name in self._columns if name != column]
    order.insert(loc, column)
    self._become(columns_of(self, self._twin[order]))


@method(Frame)
def pop(self: Frame, item: Hashable) -> Column:
    taken_out = self[item]
    del self[item]
    return taken_out


@method(Frame)
def get(self: Frame, key: Any, default: Any = None) -> Any:
    return self[key] if key in self._columns else default


@method(Frame, name="__contains__")
def contains(self: Frame, label: object) -> bool:
    return label in self._columns


@method(Frame, name="__iter__")
def names(self: Frame) -> Iterator[Hashable]:
    self.__dict__["_iterated"] = caller()
    return iter(self._columns)


@method(Frame)
def keys(self: Frame) -> pd.Index:
    return self._twin.columns


@method(Frame)
def items(self: Frame) -> Iterator[tuple[Hashable, Column]]:
    return ((name, self._column(name)) for name in list(self._columns))


Frame.loc = property(Loc)  # type: ignore[attr-defined]
Frame.iloc = property(ILoc)  # type: ignore[attr-defined]
Column.loc = property(Loc)  # type: ignore[attr-defined]
Column.iloc = property(ILoc)  # type: ignore[attr-defined]
