"""Handles: what stands for rows in the expert's process, a plan and a twin. `Frame` is a DataFrame, `Column` a Series.

Promise: a handle holds no row of the data and is inert. Nothing here talks to the vault. What pandas offers on top is
registered on the two classes by the other modules, one table or module per family (`method`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, stand_in
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Field, type_of

Defined = TypeVar("Defined", bound=Callable[..., Any])

TWIN_KEEPS = 5  # rows of a twin that are kept where a condition would leave none

Index = tuple[Expression, ...]  # one expression per level; none for pandas' default index, whose labels say nothing


class Handle:
    """Base class of everything that stands for rows."""

    __hash__ = None  # type: ignore[assignment]
    __pandas_priority__ = 10_000  # pandas' own objects leave mixed arithmetic to handles

    _rows: Relation
    _twin: Any
    _index: Index
    _pandas: type

    def _twin_of(self) -> Any:
        return self._twin

    def __getattr__(self, name: str) -> Any:
        self._raise_from_property(name)
        raise self._unavailable(name)

    def _raise_from_property(self, name: str) -> None:
        """Python asks here as well when a property raises an AttributeError; its own words are the better ones."""
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            own.fget(self)

    def _unavailable(self, name: str) -> Exception:
        if name.startswith("_") or not hasattr(self._pandas, name):
            return AttributeError(f"{self._pandas.__name__!r} object has no attribute {name!r}")
        return Unavailable(
            f"{self._pandas.__name__}.{name} is not available for rows in a clean room.",
            suggestion="dir() of it lists what is; aggregates (mean, groupby, value_counts, …) give pandas objects.",
        )


class Column(Handle):
    """A column of rows that stay in the room: `_expression` over `_rows`. Behaves like a pandas Series."""

    _pandas = pd.Series

    def __init__(self, rows: Relation, expression: Expression, twin: pd.Series, index: Index = ()) -> None:
        self._rows, self._expression = contexts.settled(rows, expression)
        self._twin = twin
        self._index = index
        self._field = type_of(self._expression, self._rows.fields)

    _field: Field

    @property
    def name(self) -> Hashable:
        return self._twin.name

    @name.setter
    def name(self, name: Hashable) -> None:
        self._twin = self._twin.rename(name)

    def __dir__(self) -> Iterable[str]:
        return [name for name in dir(type(self)) if not name.startswith("_")]


class Frame(Handle):
    """Rows that stay in the room: `_columns` are expressions over `_rows`. Behaves like a pandas DataFrame."""

    _pandas = pd.DataFrame

    def __init__(
        self, rows: Relation, columns: dict[Hashable, Expression], twin: pd.DataFrame, index: Index = ()
    ) -> None:
        self.__dict__.update(_rows=rows, _columns=columns, _twin=twin, _index=index)

    _columns: dict[Hashable, Expression]

    def _column(self, name: Hashable) -> Column:
        return Column(self._rows, self._columns[name], self._twin[name], self._index)

    def _become(self, other: Frame) -> None:
        """Take over all of `other`, as pandas' inplace methods do."""
        self.__dict__.update(other.__dict__)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_columns", ()):
            return self._column(name)
        self._raise_from_property(name)
        raise self._unavailable(name)

    def __dir__(self) -> Iterable[str]:
        columns = [name for name in self._columns if isinstance(name, str) and name.isidentifier()]
        return [*columns, *(name for name in dir(type(self)) if not name.startswith("_"))]


class RowSet(Handle):
    """The rows of a context, without columns: a handle's index, or one side of a split. `loc` and `iloc` take it.

    `_twin` holds the labels of the twin's rows, as in the index of the twins of other handles of that context.
    """

    _pandas = pd.Index

    def __init__(self, rows: Relation, twin: pd.Index, index: Index = ()) -> None:
        self._rows = rows
        self._twin = twin
        self._index = index


def method(*kinds: type[Handle], name: str | None = None) -> Callable[[Defined], Defined]:
    """Register a function as a method of `kinds`, under pandas' documentation where it has no text of its own."""

    def register(function: Defined) -> Defined:
        known = name or function.__name__
        for kind in kinds:
            model = getattr(kind._pandas, known, None)
            if function.__doc__ is None and isinstance(model.__doc__, str):
                function.__doc__ = model.__doc__
            setattr(kind, known, function)
        return function

    return register


def derived(
    rows: Relation, expression: Expression, rehearsal: Rehearsal, like: Handle, *, name: Hashable = None
) -> Column:
    """A column from a plan and the rehearsal of the same step; `like` gives the index of a twin that has to be made."""
    kind = type(like) if isinstance(like, Column) else Column
    if rehearsal.error is None:
        return kind(rows, expression, rehearsal.value, like._index)
    with rehearsal.explaining():
        field = type_of(expression, rows.fields)
    return kind(rows, expression, stand_in(field, like._twin.index, name), like._index)


def frame_of(like: Frame, rows: Relation, columns: dict[Hashable, Expression], rehearsal: Rehearsal) -> Frame:
    """A frame from plans and a rehearsal of the same step."""
    if rehearsal.error is None and list(rehearsal.value.columns) != list(columns):
        raise HandleError("pandas would align these by their labels.", suggestion="Use columns of one DataFrame.")
    settled: dict[Hashable, Expression] = {}
    for name, expression in columns.items():
        rows, settled[name] = contexts.settled(rows, expression)
    with rehearsal.explaining():
        fields = {name: type_of(expression, rows.fields) for name, expression in settled.items()}
    twin = rehearsal.value
    if rehearsal.error is not None:
        index = like._twin.index
        twin = pd.DataFrame({name: stand_in(field, index, name) for name, field in fields.items()}, index=index)
    return Frame(rows, settled, twin, like._index)


def narrowed(handle: Any, rows: Relation, kept: NDArray[np.bool_]) -> Any:
    """`handle` with the rows of the context `rows`, narrowed from its own; `kept` marks the twin's rows that remain.

    A twin is never left empty where it had rows: its values answer for nothing, its types still have to.
    """
    if not kept.any():
        kept = np.arange(len(kept)) < TWIN_KEEPS
    return moved(handle, rows, handle._twin[kept])


def moved(handle: Any, rows: Relation, twin: Any) -> Any:
    """`handle` over `rows`, on which its expressions mean the same, with another twin."""
    if isinstance(handle, Frame):
        return Frame(rows, dict(handle._columns), twin, handle._index)
    if isinstance(handle, Column):
        return type(handle)(rows, handle._expression, twin, handle._index)
    return RowSet(rows, twin)


def caller() -> tuple[int, int]:
    """The instruction of the code that called a method of a handle: its frame and the position in it."""
    frame = sys._getframe(2)
    return id(frame), frame.f_lasti


def is_handle(value: Any) -> bool:
    return isinstance(value, Handle)
