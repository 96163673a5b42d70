"""Calls: a function that cannot be traced becomes a row function, after it was run on the twin.

Promise: what goes to the room has answered on synthetic rows, in the very language that it will be run in; an error
there is the expert's own, at their line.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.capturing import Captured, captured
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.expressions import MAX_INPUTS, Expression, Field, RowFunction, type_of
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.rowfunctions.calling import answers_of
from cleanroom_kernel.rowfunctions.language import NotAllowed, made
from cleanroom_kernel.rowfunctions.layout import LONGEST_TEXT, Call
from cleanroom_kernel.rowfunctions.names import is_missing

Function = Callable[..., Any]

_OF_DATES = (DType.DATETIME, DType.DURATION)
_MEANT = "A row function answers with a number, a truth value or a text, of one kind for all rows, or with nothing."


def by_value(
    column: Column, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, skips_missing: bool = False
) -> Column:
    """`function(value, *args, **kwargs)` for every value of a column."""
    found = captured(function, args, kwargs)
    given = [_given(column._twin, column._field.dtype)]
    answers = _rehearsed(found, given, (), skips_missing, [column._field])
    dtype = _promised(found, answers)
    expression = RowFunction(found.source, (column._expression,), dtype, (), skips_missing)
    twin = _twin(answers, dtype, column._twin.index, column.name)
    return Column(column._rows, expression, twin, column._index)


def by_row(frame: Frame, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Column:
    """`function(row, *args, **kwargs)` for every row of a frame."""
    found = captured(function, args, kwargs)
    rows = frame._rows
    names, inputs = [], []
    for name in _named(found, frame):
        rows, expression = contexts.settled(rows, frame._columns[name])
        names.append(name)
        inputs.append(expression)
    fields = [type_of(expression, rows.fields) for expression in inputs]
    given = [_given(frame._twin[name], field.dtype) for name, field in zip(names, fields, strict=True)]
    answers = _rehearsed(found, given, tuple(names), False, fields)
    dtype = _promised(found, answers)
    expression = RowFunction(found.source, tuple(inputs), dtype, tuple(names))
    return Column(rows, expression, _twin(answers, dtype, frame._twin.index, None), frame._index)


def _named(found: Captured, frame: Frame) -> list[str]:
    """The columns that a function of a row names, or all that it may see where it takes the row as a whole."""
    columns = [name for name in frame._columns if isinstance(name, str)]
    named = [name for name in columns if name in found.words]
    if found.whole or not named:
        visible = [name for name in columns if name in named or not _is_opaque(frame._columns[name], frame)]
        if len(visible) > MAX_INPUTS:
            raise HandleError(
                f"The function takes rows of {len(visible)} columns; a row function reads at most {MAX_INPUTS}.",
                suggestion='Select the columns first: df[["age", "los"]].apply(f, axis=1).',
            )
        return visible
    return named


def _is_opaque(expression: Expression, frame: Frame) -> bool:
    rows, settled = contexts.settled(frame._rows, expression)
    return type_of(settled, rows.fields).role.is_opaque


# -- on the twin ------------------------------------------------------------------------------------------------------
def _rehearsed(
    found: Captured, given: list[list[Any]], names: tuple[str, ...], skips_missing: bool, fields: list[Field]
) -> list[Any]:
    """The answers on the twin. An error is the expert's own, but for those that made-up texts alone may cause."""
    try:
        made(found.source)
        function = made(copy.deepcopy(found.tree), found.filename)
    except NotAllowed as refused:
        raise HandleError(
            f"This function cannot be run in the room: {refused.message}",
            suggestion="Leave that out, or write it with columns (np.where, np.select, .str, .dt).",
            rule="row functions",
        ) from None
    call = Call(found.source, len(given[0]), (), names, "", skips_missing, 0, 0.0)
    made_up = any(field.dtype is DType.STRING and field.categories is None for field in fields)
    failed: list[Exception] = []

    def tolerant(value: Any) -> Any:
        try:
            return function(value)
        except (LookupError, ValueError) as error:
            if not made_up:
                raise
            failed.append(error)
            return None

    answers = answers_of(call, tolerant, given)
    if failed and found.promised is None and all(map(is_missing, answers)):
        failed[0].add_note(
            "The texts of the synthetic rows are made up. If those of the room are others, say what the function "
            "answers with: def f(value) -> float."
        )
        raise failed[0]
    return answers


def _given(twin: pd.Series, dtype: DType) -> list[Any]:
    """A twin's values as the function will get those of the room."""
    convert: dict[DType, Callable[[Any], Any]] = {
        DType.INTEGER: int,
        DType.FLOAT: float,
        DType.BOOLEAN: bool,
        DType.STRING: str,
        DType.DATETIME: lambda value: pd.Timestamp(value).to_pydatetime(),
        DType.DURATION: lambda value: pd.Timedelta(value).to_pytimedelta(),
    }
    missing = None if dtype in _OF_DATES else math.nan
    return [missing if pd.isna(value) else convert[dtype](value) for value in twin]


def _promised(found: Captured, answers: list[Any]) -> DType:
    """The type that a function answers with: the one it declares, or that of its answers on the twin."""
    kinds = {type(answer) for answer in answers if not is_missing(answer)}
    seen = _of_kinds(kinds)
    if found.promised is None:
        if seen is None:
            raise HandleError(
                "The function answers with nothing on the synthetic rows.",
                suggestion="Declare what it answers with: def f(value) -> float.",
            )
        return seen
    if seen not in _FITS[found.promised]:
        raise HandleError(f"The function declares {found.promised.value} and answers otherwise.", suggestion=_MEANT)
    return found.promised


_FITS: dict[DType, tuple[DType | None, ...]] = {
    DType.FLOAT: (None, DType.FLOAT, DType.INTEGER, DType.BOOLEAN),
    DType.INTEGER: (None, DType.INTEGER, DType.BOOLEAN),
    DType.BOOLEAN: (None, DType.BOOLEAN),
    DType.STRING: (None, DType.STRING),
}


def _of_kinds(kinds: set[type]) -> DType | None:
    if not kinds:
        return None
    if kinds <= {bool}:
        return DType.BOOLEAN
    if kinds <= {bool, int}:
        return DType.INTEGER
    if kinds <= {bool, int, float}:
        return DType.FLOAT
    if kinds == {str}:
        return DType.STRING
    raise HandleError(
        f"The function answers with {' and '.join(sorted(kind.__name__ for kind in kinds))}.", suggestion=_MEANT
    )


def _twin(answers: list[Any], dtype: DType, index: pd.Index, name: Hashable) -> pd.Series:
    if dtype is DType.STRING and any(len(a.encode()) > LONGEST_TEXT for a in answers if isinstance(a, str)):
        raise HandleError(
            f"A text that a row function answers with may have {LONGEST_TEXT} bytes.",
            suggestion="Answer with a shorter text, or a category.",
        )
    kinds = {DType.FLOAT: "float64", DType.INTEGER: "int64", DType.BOOLEAN: "bool", DType.STRING: "str"}
    if any(map(is_missing, answers)):
        kinds |= {DType.INTEGER: "float64", DType.BOOLEAN: "object"}
    filled = [None if is_missing(answer) else answer for answer in answers]
    return pd.Series(filled, index=index, name=name, dtype=kinds[dtype])  # type: ignore[call-overload]
