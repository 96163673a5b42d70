"""Row calls: a row function over a column's rows, in a worker that was forked for it.

A function may do what a filter may not: remember a row and answer for it in another. Its language has no memory
(`rowfunctions.language`), and nothing here relies on that. Rows come in an order that only the room's key knows, and
some of them are computed once more in a second worker that has no others: where an answer differs, it was not that of
its row, and there is none at all.

Promise: a column of answers, or one no for whatever went wrong: which row it was, how many, or what happened, goes to
the owner's log at most. How long it took is rounded up before anything else happens.
"""

from __future__ import annotations

import enum
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cleanroom_kernel.plan.expressions import Field, RowFunction
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.rowfunctions.layout import (
    DONE,
    NO_LOCK,
    NO_RESULT,
    NOT_ALLOWED,
    RAISED,
    Call,
    result_size,
)
from cleanroom_kernel.vault.rowbatches import Buffers, Unreadable, laid_out, packed, unpacked
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.values import POLARS

_LENGTH = struct.Struct(">I")
_READY, _MEMORY, _GO, _OVER = b"r", b"m", b"g", b"o"

_TWICE, _TWICE_AT_LEAST, _TWICE_SHARE = 8, 10_000, 20  # rows computed twice: an eighth, of many rows a twentieth
_FIRST_STEP = 0.008  # seconds; times are rounded up to this, twice this, and so on

Wait = Callable[[socket.socket, int], None]


class RowEnd(enum.Enum):
    """Why there is no answer. All but the last three depend on the rows, and are one no to the expert."""

    RAISED = "the function failed on some row"
    NO_RESULT = "an answer of another type than was promised, or too long"
    NOT_ALLOWED = "source that the room does not permit"
    DIED = "time, memory or a crash"
    DIFFERS = "answers that depend on other rows"
    UNREADABLE = "answers that cannot be read"
    UNLOCKED = "the worker says that it could not lock itself up"  # or the function does, having escaped its language
    INTERRUPTED = "interrupted"
    NO_WORKER = "no worker"
    NOT_PERMITTED = "not permitted"

    @property
    def depends_on_rows(self) -> bool:
        return self not in (RowEnd.INTERRUPTED, RowEnd.NO_WORKER, RowEnd.NOT_PERMITTED)


class RowFunctionEnded(Exception):
    """A row function has no answers."""

    def __init__(self, end: RowEnd) -> None:
        super().__init__(end.value)
        self.end = end


class Lost(Exception):
    """The parent of the workers is gone."""


class Line:
    """A line to the parent of row-function workers. `wait(stream, event)` returns when the stream may be ready."""

    def __init__(self, stream: socket.socket, wait: Wait) -> None:
        stream.setblocking(False)
        self._stream, self._wait = stream, wait
        if self._read() != _READY:
            raise Lost

    def close(self) -> None:
        self._stream.close()

    def answers(self, call: Call, columns: Sequence[Buffers]) -> bytes:
        """What the worker wrote. Raises Lost, and what `wait` raises."""
        body = call.encoded()
        self._write(_LENGTH.pack(len(body)) + body)
        word, descriptors = self._received()
        try:
            if word != _MEMORY or len(descriptors) != 2:
                raise Lost
            given, result = descriptors
            for start, part in laid_out(call, columns):
                _write_at(given, start, part)
            self._write(_GO)
            if self._read() != _OVER:
                raise Lost
            return os.pread(result, result_size(call), 0)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _write(self, rest: bytes) -> None:
        while rest:
            try:
                rest = rest[self._stream.send(rest) :]
            except BlockingIOError:
                self._wait(self._stream, select.POLLOUT)
            except OSError:
                raise Lost from None

    def _read(self) -> bytes:
        word, descriptors = self._received()
        for descriptor in descriptors:
            os.close(descriptor)
        return word

    def _received(self) -> tuple[bytes, list[int]]:
        while True:
            try:
                word, descriptors, _, _ = socket.recv_fds(self._stream, 1, 2)
            except BlockingIOError:
                self._wait(self._stream, select.POLLIN)
                continue
            except OSError:
                raise Lost from None
            if not word:
                raise Lost
            return word, list(descriptors)


def _write_at(descriptor: int, start: int, part: memoryview) -> None:
    while part:
        written = os.pwrite(descriptor, part, start)
        part, start = part[written:], start + written


class Lines(Protocol):
    """Where lines to the parent of workers come from."""

    def line(self) -> Line:
        """The one that there is, or a new one. Raises RowFunctionEnded."""

    def lose(self) -> None:
        """Have nothing more to do with the one that there is."""

    def pause(self, seconds: float) -> None:
        """Let so much time go by. Raises RowFunctionEnded when the expert interrupts."""


class RowFunctions:
    """Runs the row functions of a session's plans."""

    def __init__(self, seeds: Seeds, lines: Lines, limits: RowLimits) -> None:
        self._seeds, self._lines, self._limits = seeds, lines, limits

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        """The answers for the rows of `columns`, in their order. Raises RowFunctionEnded."""
        if not self._limits.permitted:
            raise RowFunctionEnded(RowEnd.NOT_PERMITTED)
        rows = len(columns[0])
        if rows == 0:
            return pl.Series([], dtype=POLARS[function.dtype])
        began = time.monotonic()
        try:
            order = self._order(function, rows)
            answers = self._computed(function, fields, columns, order)
            again = order[np.sort(self._chosen(function, rows))]
            if not _same(answers.gather(_places(order)[again]), self._computed(function, fields, columns, again)):
                raise RowFunctionEnded(RowEnd.DIFFERS)
        except RowFunctionEnded as ended:
            if ended.end.depends_on_rows:
                self._lines.pause(_until(began))
            raise
        self._lines.pause(_until(began))
        return answers.gather(_places(order))

    def _computed(
        self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series], order: NDArray[np.int64]
    ) -> pl.Series:
        found = [packed(column.gather(order), field.dtype) for column, field in zip(columns, fields, strict=True)]
        call = Call(
            function.source,
            len(order),
            tuple(given for given, _ in found),
            function.names,
            function.dtype.value,
            function.skips_missing,
            self._limits.memory,
            self._limits.seconds,
        )
        line = self._lines.line()
        try:
            memory = line.answers(call, [buffers for _, buffers in found])
        except (Lost, OSError):  # the parent is gone, or there is no memory for so many rows
            self._lines.lose()
            raise RowFunctionEnded(RowEnd.DIED) from None
        except RowFunctionEnded:
            self._lines.lose()
            raise
        if memory[0] != DONE:
            raise RowFunctionEnded(_ENDS.get(memory[0], RowEnd.UNREADABLE))
        try:
            return unpacked(call, memory)
        except Unreadable:
            raise RowFunctionEnded(RowEnd.UNREADABLE) from None

    # -- which rows, in which order -----------------------------------------------------------------------------------
    def _order(self, function: RowFunction, rows: int) -> NDArray[np.int64]:
        return self._random("order of rows", function).permutation(rows)

    def _chosen(self, function: RowFunction, rows: int) -> NDArray[np.int64]:
        number = max(min(-(-rows // _TWICE), _TWICE_AT_LEAST), rows // _TWICE_SHARE)
        return self._random("rows computed twice", function).choice(rows, number, replace=False)

    def _random(self, purpose: str, function: RowFunction) -> np.random.Generator:
        words = [self._seeds.effective(place, f"{purpose} {digest(function)}") for place in range(4)]
        return np.random.default_rng(words)


class _None:
    """Where there are no row functions."""

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        raise RowFunctionEnded(RowEnd.NO_WORKER)


NO_ROW_FUNCTIONS = _None()

_ENDS = {
    0: RowEnd.DIED,
    RAISED: RowEnd.RAISED,
    NO_RESULT: RowEnd.NO_RESULT,
    NOT_ALLOWED: RowEnd.NOT_ALLOWED,
    NO_LOCK: RowEnd.UNLOCKED,
}


def _places(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each row is in an order."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def _same(one: pl.Series, other: pl.Series) -> bool:
    return bool(one.eq_missing(other).all())


def _until(began: float) -> float:
    """Seconds until a time at which what began then may end: 8 ms after it, 16, 32, and so on."""
    passed = time.monotonic() - began
    step = _FIRST_STEP
    while step < passed:
        step *= 2
    return step - passed


# -- what is said of it -----------------------------------------------------------------------------------------------
RULE = "row functions"

_WORDS = {
    RowEnd.INTERRUPTED: ("The row function was interrupted.", "Run the cell again to start anew."),
    RowEnd.NO_WORKER: ("No process could be started to call the function.", "Ask the owner: the log says why."),
    RowEnd.NOT_PERMITTED: (
        "In this room no function of yours is called for each row.",
        "Write it with columns (np.where, np.select, map with a dictionary, .str, .dt), or ask the owner to set "
        "RowFunctions.permitted.",
    ),
}
_FAILED = (
    "The function has no answers for these rows. It failed on some of them, took too long or too much memory, answered "
    "with another type than it did on the synthetic rows or with more than a few thousand texts, or its answers depend "
    "on other rows. Which of these it was is not said, and it counts as a denial.",
    "Let it answer for missing and unexpected values (pd.isna, .get, try), declare what it answers with "
    "(def f(value) -> float), and try it on such values of your own.",
)


def refusal_of(ended: RowFunctionEnded) -> Refusal:
    """One no for all that depends on the rows."""
    message, suggestion = _WORDS.get(ended.end, _FAILED)
    return Refusal(Reason.FAILED, RULE, message, suggestion)
