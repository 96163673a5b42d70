"""Tracing: an expert's function of one value or one row becomes an expression, by calling it with a traced column.

Where the function asks for a truth value (`if x > 30`), both answers are tried, and the two results are joined by the
condition. So ordinary functions with branches, membership tests and text methods work; loops over data do not arise,
since there is no data. What cannot be traced becomes a row function (`calls`), and where that cannot be either, both
reasons are said.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.calls import by_row, by_value
from cleanroom_kernel.interpreter.errors import CleanRoomError, HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column, Frame, derived, method
from cleanroom_kernel.interpreter.joins import mapped
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, rehearse
from cleanroom_kernel.interpreter.terms import Term, choose, expressed, known
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Literal, type_of
from cleanroom_kernel.plan.schema import DType

MAX_PATHS = 400
MAX_RECURSION = 8  # of a function in itself: without a value it has no end of its own


class _Explorer:
    """One run of the function: answers given, and the conditions that were asked."""

    def __init__(self, answers: tuple[bool, ...]) -> None:
        self._answers = answers
        self.asked: list[Column] = []

    def decide(self, condition: Column) -> bool:
        position = len(self.asked)
        if _recursion() > MAX_RECURSION:
            raise _too_many()
        self.asked.append(condition)
        return self._answers[position] if position < len(self._answers) else True


def _too_many() -> HandleError:
    return HandleError("This function has too many branches.", suggestion="Use map with a dictionary, or pd.cut.")


def _recursion() -> int:
    """How often the function that runs most often at this moment does."""
    running: Counter[CodeType] = Counter()
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not _run.__code__:
        running[frame.f_code] += 1
        frame = frame.f_back
    return max(running.values())


_running: list[_Explorer] = []


class Traced(Column):
    """A value inside a function that is being traced. It also has what a text or a date of Python has."""

    def __bool__(self) -> bool:
        if not _running:
            raise HandleError("A column has no truth value.", suggestion="Use & | ~ and np.where.")
        condition = self if self._field.dtype is DType.BOOLEAN else self != ("" if self._is_text() else 0)
        return _running[-1].decide(condition)

    def __contains__(self, part: str) -> bool:
        return bool(self.str.contains(part, regex=False))

    def __getitem__(self, key: Any) -> Any:
        return self.str[key] if self._is_text() else super().__getitem__(key)

    def __len__(self) -> int:
        raise _untraceable("len", "Use column.str.len().")

    def __float__(self) -> float:
        raise _untraceable("float", "Use column.astype(float).")

    def __int__(self) -> int:
        raise _untraceable("int", "Use column.astype(int).")

    def __str__(self) -> str:
        raise _untraceable("str", "Use column.astype(str).")

    def __format__(self, spec: str) -> str:
        raise _untraceable("formatting", "Put texts together with +.")

    def __getattr__(self, name: str) -> Any:
        if self._is_text() and name in _TEXT_METHODS:
            return getattr(self.str, name)
        if name in _DATE_PARTS and self._field.dtype in (DType.DATETIME, DType.DURATION):
            found = getattr(self.dt, name)
            return (lambda: found) if name == "weekday" else found
        raise Unavailable(f"{name} of a value needs the value, which stays in the room.")

    def _is_text(self) -> bool:
        return self._field.dtype is DType.STRING


_TEXT_METHODS = {"lower", "upper", "strip", "lstrip", "rstrip", "startswith", "endswith", "capitalize", "casefold"}
_DATE_PARTS = {
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "quarter",
    "weekday",
    "dayofweek",
    "days",
    "total_seconds",
}


def _untraceable(what: str, suggestion: str) -> HandleError:
    return HandleError(f"{what}(…) of a value needs the value, which stays in the room.", suggestion=suggestion)


def replace_text(self: Traced, old: Any, new: Any = None, **options: Any) -> Any:
    """str.replace of a text, Series.replace of anything else."""
    if self._is_text() and isinstance(old, str) and isinstance(new, str):
        return self.str.replace(old, new, regex=False)
    return Column.replace(self, old, new, **options)


Traced.replace = replace_text  # type: ignore[attr-defined]


class Row:
    """One row inside a function that is being traced: `row["age"]`, `row.age`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __getitem__(self, name: Hashable) -> Any:
        if isinstance(name, list):
            return Row(self._frame[name])
        self._frame._twin[name]
        return _traced(self._frame._column(name))

    def __getattr__(self, name: str) -> Any:
        if name in self._frame._columns:
            return self[name]
        raise Unavailable(f"The row has no column {name!r}.")

    def get(self, name: Hashable, default: Any = None) -> Any:
        return self[name] if name in self._frame._columns else default

    def __contains__(self, name: Hashable) -> bool:
        return name in self._frame._columns

    def __iter__(self) -> Iterable[Any]:
        return iter([self[name] for name in self._frame._columns])

    def __len__(self) -> int:
        return len(self._frame._columns)


def _traced(column: Column) -> Traced:
    return Traced(column._rows, column._expression, column._twin, column._index)


def traced(function: Callable[..., Any], given: Any, rows: Relation) -> tuple[Relation, Expression]:
    """The function's result as an expression, over `rows` or a context that they meet."""
    budget = [MAX_PATHS]

    def explore(answers: tuple[bool, ...], rows: Relation) -> tuple[Relation, Term | Literal]:
        budget[0] -= 1
        if budget[0] < 0:
            raise _too_many()
        explorer = _Explorer(answers)
        result = _run(function, given, explorer)
        if len(explorer.asked) <= len(answers):
            return _leaf(result, rows)
        condition = explorer.asked[len(answers)]
        rows, test = contexts.align(rows, condition._rows, condition._expression)
        rows, yes = explore((*answers, True), rows)
        rows, no = explore((*answers, False), rows)
        expression = choose(test, *_alike(yes, no))
        return rows, known(expression, type_of(expression, rows.fields).dtype)

    rows, result = explore((), rows)
    return rows, expressed(result)


def _alike(yes: Any, no: Any) -> tuple[Any, Any]:
    """Branches that are missing take the type of the other one."""
    if isinstance(yes, Literal) and yes.value is None and not isinstance(no, Literal):
        return Literal(None, no.dtype), no
    if isinstance(no, Literal) and no.value is None and not isinstance(yes, Literal):
        return yes, Literal(None, yes.dtype)
    if isinstance(yes, Literal) and isinstance(no, Literal):
        return (
            (Literal(None, no.dtype), no)
            if yes.value is None
            else (yes, Literal(no.value, no.dtype if no.value is not None else yes.dtype))
        )
    return yes, no


def _run(function: Callable[..., Any], given: Any, explorer: _Explorer) -> Any:
    _running.append(explorer)
    try:
        return function(given)
    except CleanRoomError:
        raise
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise HandleError(
            f"This function cannot be turned into a computation on columns ({type(error).__name__}).",
            suggestion="Write it with columns: np.where, np.select, map with a dictionary, .str and .dt.",
        ) from error
    finally:
        _running.pop()


def _leaf(result: Any, rows: Relation) -> tuple[Relation, Any]:
    if isinstance(result, Column):
        rows, expression = contexts.align(rows, result._rows, result._expression)
        return rows, Term(expression, result._field)
    return rows, expressed(result)


# -- pandas' apply and map --------------------------------------------------------------------------------------------
_CASTS: dict[Any, Callable[[Column], Column]] = {
    str: lambda column: column.astype(str),
    int: lambda column: column.astype(int),
    float: lambda column: column.astype(float),
    bool: lambda column: column.astype(bool),
    len: lambda column: column.str.len(),
}


@method(Column)
def apply(self: Column, func: Any, convert_dtype: Any = None, args: tuple[Any, ...] = (), **kwargs: Any) -> Any:
    if isinstance(func, str):
        return getattr(self, func)(*args, **kwargs)
    if isinstance(func, np.ufunc):
        return func(self, *args, **kwargs)
    if func in _CASTS:
        return _CASTS[func](self)
    rehearsal = _tried(pd.Series.apply, self, func, args=args, **kwargs)
    return _of_values(self, func, args, kwargs, rehearsal)


@method(Column, name="map")
def map_values(self: Column, func: Any = None, na_action: Any = None, **options: Any) -> Column:
    function = options.get("arg", func)
    if not callable(function) or (isinstance(function, (Column, type)) and function not in _CASTS):
        return mapped(self, func, na_action, **options)
    if na_action != "ignore" or isinstance(function, (type, np.ufunc)):
        return self.apply(function)
    rehearsal = _tried(pd.Series.map, self, function, na_action=na_action)
    return _of_values(self, function, (), {}, rehearsal, skips_missing=True)


@method(Column, Frame, name="transform")
def transform(self: Any, func: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
    return self.apply(func, *args, **kwargs)


def _tried(twin: Callable[..., Any], *args: Any, **kwargs: Any) -> Rehearsal:
    """A rehearsal of an expert's function, which may not know the twin's values: no key of its dictionary, say."""
    try:
        return rehearse(twin, *args, **kwargs)
    except (KeyError, IndexError) as error:
        return Rehearsal(error=error)


def _of_values(
    column: Column,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    rehearsal: Rehearsal,
    *,
    skips_missing: bool = False,
) -> Column:
    """Traced; what cannot be is called in the room, after it was on the twin."""
    try:
        return _by_value(column, lambda value: func(value, *args, **kwargs), rehearsal)
    except HandleError as error:
        untraceable = error
    with _beside(untraceable):
        return by_value(column, func, args, kwargs, skips_missing=skips_missing)


@contextlib.contextmanager
def _beside(untraceable: HandleError) -> Iterator[None]:
    """A function that cannot be called in the room either is told both reasons."""
    try:
        yield
    except HandleError as error:
        error.add_note(f"Nor can it be turned into a computation on columns: {untraceable}")
        raise error from None


def _by_value(column: Column, function: Callable[[Any], Any], rehearsal: Rehearsal) -> Column:
    with rehearsal.explaining():
        rows, expression = traced(function, _traced(column), column._rows)
    return _untraced(derived(rows, expression, rehearsal, column, name=column.name))


def _untraced(column: Column) -> Column:
    return Column(column._rows, column._expression, column._twin, column._index)


@method(Frame, name="apply")
def apply_to_frame(
    self: Frame,
    func: Any,
    axis: Any = 0,
    raw: bool = False,
    result_type: Any = None,
    args: tuple[Any, ...] = (),
    **kwargs: Any,
) -> Any:
    """By column, `func` gets each column as a handle; by row, it is traced, or called in the room."""
    if axis in (1, "columns"):
        rehearsal = _tried(pd.DataFrame.apply, self, func, axis=1, args=args, **kwargs)
        try:
            with rehearsal.explaining():
                rows, expression = traced(lambda row: func(row, *args, **kwargs), Row(self), self._rows)
            return derived(rows, expression, rehearsal, self)
        except HandleError as error:
            untraceable = error
        with _beside(untraceable):
            return by_row(self, func, args, kwargs)
    call = (lambda column: getattr(column, func)(*args, **kwargs)) if isinstance(func, str) else func
    results = {
        name: call(self._column(name), *args, **kwargs) if call is func else call(self._column(name))
        for name in self._columns
    }
    if all(isinstance(result, Column) for result in results.values()):
        frame = self.copy()
        for name, result in results.items():
            frame[name] = result
        return frame
    if any(isinstance(result, Column) for result in results.values()):
        raise HandleError("apply has to give a column for every column, or a number for every column.")
    return pd.DataFrame(results) if any(isinstance(r, pd.Series) for r in results.values()) else pd.Series(results)


@method(Frame, name="map")
def map_frame(self: Frame, func: Callable[[Any], Any], na_action: Any = None, **kwargs: Any) -> Frame:
    result = self.copy()
    for name in self._columns:
        result[name] = self._column(name).apply(func, **kwargs)
    return result


method(Frame, name="applymap")(map_frame)
