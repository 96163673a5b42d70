"""Calling: a row function over a batch of rows, from memory to memory.

Promise: rows come in the order in which they lie there, one call each; an answer that is not of the promised type ends
the run.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from cleanroom_kernel.rowfunctions.language import Function
from cleanroom_kernel.rowfunctions.layout import (
    LONGEST_TEXT,
    MISSING_FLAG,
    NUMBERS,
    Block,
    Call,
    Given,
    given_blocks,
    result_blocks,
)
from cleanroom_kernel.rowfunctions.names import Row, is_missing

_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)


class NoResult(TypeError):
    """The function answered with something that is not of its type."""


# -- columns ----------------------------------------------------------------------------------------------------------
def columns(call: Call, memory: memoryview) -> list[list[Any]]:
    """The columns of a call as lists of Python's own values; what is missing is NaN, a missing date None."""
    return [_column(column, blocks, memory) for column, blocks in zip(call.given, given_blocks(call), strict=True)]


def _column(column: Given, blocks: list[Block], memory: memoryview) -> list[Any]:
    nulls, values, ends, letters = (memory[block.slice] for block in blocks)
    found = _values(column, values, ends, letters)
    if column.nulls:
        missing = None if column.kind in ("datetime", "duration") else math.nan
        found = [missing if null else value for value, null in zip(found, nulls, strict=True)]
    return found


def _values(column: Given, values: memoryview, ends: memoryview, letters: memoryview) -> list[Any]:
    if column.kind == "boolean":
        return [value != 0 for value in values]
    if column.kind in NUMBERS:
        numbers = values.cast("d" if column.kind == "float" else "q").tolist()
        if column.kind == "datetime":
            return [_EPOCH + number * _MICROSECOND for number in numbers]
        return [number * _MICROSECOND for number in numbers] if column.kind == "duration" else numbers
    places = ends.cast("q").tolist()
    body = bytes(letters)
    texts = [body[start:end].decode() for start, end in pairwise(places)] or [""]
    return [texts[code] for code in values.cast("i").tolist()]


def rows(call: Call, given: list[list[Any]]) -> Iterable[Any]:
    """What the function is called with, one after another."""
    if not call.names:
        return given[0]
    names = {name: place for place, name in enumerate(call.names)}
    return (Row(names, values) for values in zip(*given, strict=True))


# -- answers ----------------------------------------------------------------------------------------------------------
def run(call: Call, function: Function, given: memoryview, result: memoryview) -> None:
    """Call `function` for every row. Raises what it raises, or NoResult."""
    values, marks, lengths, letters = (result[block.slice] for block in result_blocks(call))
    answers = map(_each(call, function), rows(call, columns(call, given)))
    if call.result == "float":
        _floats(answers, values.cast("d"))
    elif call.result == "integer":
        _integers(answers, values.cast("q"), marks)
    elif call.result == "boolean":
        _truths(answers, values)
    else:
        _texts(answers, values.cast("i"), lengths.cast("i"), letters)


def answers_of(call: Call, function: Function, given: list[list[Any]]) -> list[Any]:
    """For the twin: the answers as they are, without a promised type."""
    return list(map(_each(call, function), rows(call, given)))


def _each(call: Call, function: Function) -> Function:
    """What is called for a row."""
    if not call.skips_missing:
        return function
    return lambda value: None if is_missing(value) else function(value)


def _floats(answers: Iterable[Any], out: memoryview) -> None:
    for place, answer in enumerate(answers):
        if type(answer) is float:
            out[place] = answer
        else:
            out[place] = _number(answer)


def _number(answer: Any) -> float:
    if answer is None:
        return math.nan
    if type(answer) not in (int, bool):
        raise NoResult("float")
    return float(answer)


def _integers(answers: Iterable[Any], out: memoryview, marks: memoryview) -> None:
    for place, answer in enumerate(answers):
        if type(answer) in (int, bool):
            if not -(2**63) <= answer < 2**63:
                raise NoResult("integer")
            out[place] = answer
        elif is_missing(answer):
            marks[place] = 1
        elif type(answer) is float and answer.is_integer() and abs(answer) < 2**53:
            out[place] = int(answer)
        else:
            raise NoResult("integer")


def _truths(answers: Iterable[Any], out: memoryview) -> None:
    for place, answer in enumerate(answers):
        if type(answer) is bool:
            out[place] = answer
        elif is_missing(answer):
            out[place] = MISSING_FLAG
        else:
            raise NoResult("boolean")


def _texts(answers: Iterable[Any], codes: memoryview, lengths: memoryview, letters: memoryview) -> None:
    known: dict[str, int] = {}
    for place, answer in enumerate(answers):
        if type(answer) is str:
            code = known.get(answer)
            if code is None:
                code = known[answer] = _keep(answer, len(known), lengths, letters)
            codes[place] = code
        elif is_missing(answer):
            codes[place] = -1
        else:
            raise NoResult("string")


def _keep(answer: str, code: int, lengths: memoryview, letters: memoryview) -> int:
    body = answer.encode()
    if code >= len(lengths) or len(body) > LONGEST_TEXT:
        raise NoResult("string")
    lengths[code] = len(body)
    letters[code * LONGEST_TEXT : code * LONGEST_TEXT + len(body)] = body
    return code
