"""Interrupts: when SIGINT goes to an interpreter.

Promise: an interrupt reaches the cell that the expert meant. An interpreter between cells ignores it, so one that
comes early is kept until the cell has begun; one that nobody asked for comes when a cell has run too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from cleanroom_kernel.protocol.jupyter import Key
from cleanroom_kernel.server.pair import Pair
from cleanroom_kernel.server.requests import Book, Line, Request

_BEGIN_SECONDS = 0.05  # from an interpreter's word that a cell begins until the cell itself can be interrupted
_GRACE_SECONDS = 10  # between the interrupt of a cell that runs too long and the end of its interpreter


class Interrupts:
    """`limit` is how many seconds a cell may run, 0 for no limit; `pair` is set by the session."""

    pair: Pair

    def __init__(self, book: Book, lines: Mapping[str, Line], limit: float, tell: Callable[[bytes, str], None]) -> None:
        self._book, self._lines, self._limit, self._tell = book, lines, limit, tell
        self._due = False

    def ask(self) -> None:
        """The expert interrupts."""
        if any(request.is_running for request in self._book.running()):
            self.pair.interrupt()
        else:
            self._due = any(line.has_work for line in self._lines.values())

    def passed_on(self, request: Request) -> None:
        """A cell is on its way to the interpreter."""
        request.is_running = request.cell is not None and request.cell.silent  # nothing tells that it has begun
        if self._limit:
            request.overtime = asyncio.get_running_loop().call_later(self._limit, self._overtime, request)

    def begun(self, key: Key) -> None:
        """The interpreter says that it begins with a cell. If that is not true, only its own expert is interrupted."""
        for request in self._book.running():
            request.is_running |= request.key == key
        if self._due:
            self._due = False
            asyncio.get_running_loop().call_later(_BEGIN_SECONDS, self.pair.interrupt)

    def answered(self) -> None:
        """A cell has ended: an interrupt that was kept for it is for no other."""
        self._due = False

    def _overtime(self, request: Request) -> None:
        """Ask first; code that does not listen loses its interpreter."""
        limit = f"{self._limit:g} seconds, which is as long as the owner lets a cell run"
        self._tell(request.parent, f"[clean room: interrupted after {limit}]")
        self.pair.interrupt()
        request.overtime = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self.pair.kill_interpreter)
