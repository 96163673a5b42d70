"""Row lines: where a session's vault has its line to the parent of row-function workers from, and how it waits there.

Promise: the vault waits with an ear for the server: an interrupt ends a run, and so does a parent that says nothing
long after its workers must have ended.
"""

from __future__ import annotations

import socket
import time

from cleanroom_kernel.protocol.messages import RowLimits, RowWorkersWanted
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.rowcalls import Line, Lost, RowEnd, RowFunctionEnded
from cleanroom_kernel.vault.supply import Supply

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 30.0  # beside the worker's own time: for a parent to start


class RowLines:
    """`supply` is the line on which the server gives lines to parents."""

    def __init__(self, lines: Lines, supply: socket.socket, limits: RowLimits) -> None:
        self._lines, self._supply, self._limits = lines, Supply(supply, self._wait), limits
        self._line: Line | None = None
        self._deadline = 0.0
        self._late = RowEnd.NO_WORKER  # what it means if nothing comes any more

    def line(self) -> Line:
        self._deadline = time.monotonic() + self._limits.seconds + _GRACE_SECONDS
        if self._line is None:
            self._late = RowEnd.NO_WORKER
            self._lines.notify(RowWorkersWanted())
            self._supply.owed += 1
            descriptor = self._supply.next()
            if descriptor is None:
                raise RowFunctionEnded(RowEnd.NO_WORKER)
            try:
                self._line = Line(socket.socket(fileno=descriptor), self._wait)
            except Lost:
                raise RowFunctionEnded(RowEnd.NO_WORKER) from None
        self._late = RowEnd.DIED
        return self._line

    def lose(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def pause(self, seconds: float) -> None:
        self._lines.rest(seconds)
        if self._lines.interrupted:
            raise RowFunctionEnded(RowEnd.INTERRUPTED)

    def _wait(self, stream: socket.socket, event: int) -> None:
        """Until `stream` is ready. Raises RowFunctionEnded when the expert interrupts, or nothing comes any more."""
        while True:
            if time.monotonic() >= self._deadline:
                raise RowFunctionEnded(self._late)
            ready = self._lines.attend(stream, event, _LOOK_SECONDS)
            if self._lines.interrupted:
                raise RowFunctionEnded(RowEnd.INTERRUPTED)
            if ready:
                return
