"""Watch: an ear for the expert while the vault computes by itself, and a word of how long it has been at it.

Promise: what is told is the time alone. An interrupt ends the computation where it is: Polars' own queries are
cancelled, and between two steps of ours it is looked for. Nothing is kept of what was not finished.
"""

from __future__ import annotations

import time

import polars as pl
from polars.lazyframe.in_process import InProcessQuery

from cleanroom_kernel.protocol.messages import Progress
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.vault.failures import FAILURES
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.quietly import End, TaskEnded

INTERRUPTED = Refusal(
    Reason.FAILED, "interrupt", "The computation was interrupted.", "Run the cell again to start anew."
)

_TELL_SECONDS = 1.0  # before the first word of progress, and between words
_FIRST_LOOK, _LONGEST = 0.0005, 0.05  # seconds between two looks at a query; they grow, so that short ones stay short


class Watch:
    """Over one request at a time."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._cancelled: list[InProcessQuery] = []  # Polars ends the process if one that goes on is forgotten
        self._started = self._told = time.monotonic()

    def begin(self) -> None:
        self._started = self._told = time.monotonic()
        self._cancelled = [query for query in self._cancelled if not _is_over(query)]

    def look(self, seconds: float = 0.0) -> None:
        """Wait so long for a word of the server's. Raises TaskEnded if the expert has interrupted."""
        self._lines.listen(seconds)
        if self._lines.interrupted:
            raise TaskEnded(End.INTERRUPTED, "computation")
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            self._lines.tell(Progress(int(now - self._started), "", 0, 0))

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        query = frame.collect(background=True)
        seconds = _FIRST_LOOK
        try:
            while (found := query.fetch()) is None:
                self.look(seconds)
                seconds = min(2 * seconds, _LONGEST)
        except TaskEnded:
            query.cancel()
            self._cancelled.append(query)
            raise
        return found


def _is_over(query: InProcessQuery) -> bool:
    try:
        return query.fetch() is not None
    except FAILURES:
        return True


_current: Watch | None = None


def use(watch: Watch | None) -> None:
    """The watch of this process, whose vault has one expert."""
    global _current
    _current = watch


def look() -> None:
    """Between two steps of a computation. Raises TaskEnded if the expert has interrupted."""
    if _current is not None:
        _current.look()


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect() if _current is None else _current.collect(frame)
