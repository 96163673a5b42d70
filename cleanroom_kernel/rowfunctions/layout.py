"""Layout: how a batch of rows lies in memory on its way to a row-function worker, and how its answers lie there.

Promise: every size follows from the call alone, so that a worker can neither be given more than was written nor answer
in more room than was made. What a worker writes is looked at as hostile by whoever reads it (`vault.rowcalls`).
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

NUMBERS = ("integer", "float", "datetime", "duration")  # eight bytes a value
RESULTS = ("integer", "float", "boolean", "string")

MOST_TEXTS = 4_096  # different texts that a function may answer with
LONGEST_TEXT = 200  # bytes of one in UTF-8

STATUS = 8  # bytes before the answers
DONE, RAISED, NOT_ALLOWED, NO_RESULT, NO_LOCK = 1, 2, 3, 4, 5
MISSING_FLAG = 2  # of a truth value

_WORDS = 8


class Given(NamedTuple):
    """One column of a call. `texts` and `bytes` are those of a column of strings: how many different, how long."""

    kind: str
    nulls: bool = False
    texts: int = 0
    bytes: int = 0


class Call(NamedTuple):
    """One run of a row function: over `rows` rows of the columns `given`. With `names`, it gets a row of these, else a
    value. `memory` and `seconds` are the worker's; `skips_missing` leaves out what is missing.
    """

    source: str
    rows: int
    given: tuple[Given, ...]
    names: tuple[str, ...]
    result: str
    skips_missing: bool
    memory: int
    seconds: float

    def encoded(self) -> bytes:
        return json.dumps(self._asdict() | {"given": [list(column) for column in self.given]}).encode()

    @classmethod
    def decoded(cls, body: bytes) -> Call:
        found: dict[str, Any] = json.loads(body)
        columns = tuple(Given(*column) for column in found.pop("given"))
        return cls(**(found | {"given": columns, "names": tuple(found["names"])}))


class Block(NamedTuple):
    """`size` bytes from `start`."""

    start: int
    size: int

    @property
    def slice(self) -> slice:
        return slice(self.start, self.start + self.size)


def _blocks(sizes: list[int], start: int = 0) -> list[Block]:
    found = []
    for size in sizes:
        found.append(Block(start, size))
        start += math.ceil(size / _WORDS) * _WORDS
    return found


def _sizes_of(column: Given, rows: int) -> list[int]:
    """Of its marks for missing values, and its values: numbers, truth values, or codes, ends and letters of texts."""
    nulls = rows if column.nulls else 0
    if column.kind in NUMBERS:
        return [nulls, 8 * rows, 0, 0]
    if column.kind == "boolean":
        return [nulls, rows, 0, 0]
    return [nulls, 4 * rows, 8 * (column.texts + 1), column.bytes]


def given_blocks(call: Call) -> list[list[Block]]:
    """For each column: marks, values, ends of texts, letters."""
    blocks = _blocks([size for column in call.given for size in _sizes_of(column, call.rows)])
    return [blocks[place : place + 4] for place in range(0, len(blocks), 4)]


def given_size(call: Call) -> int:
    return _end(given_blocks(call)[-1][-1])


def result_blocks(call: Call) -> list[Block]:
    """Values, marks for missing ones (of integers), lengths of texts, letters."""
    texts = min(call.rows, MOST_TEXTS) if call.result == "string" else 0
    values = {"integer": 8, "float": 8, "boolean": 1, "string": 4}[call.result] * call.rows
    marks = call.rows if call.result == "integer" else 0
    return _blocks([values, marks, 4 * texts, LONGEST_TEXT * texts], STATUS)


def result_size(call: Call) -> int:
    return _end(result_blocks(call)[-1])


def _end(last: Block) -> int:
    return max(last.start + math.ceil(last.size / _WORDS) * _WORDS, _WORDS)
