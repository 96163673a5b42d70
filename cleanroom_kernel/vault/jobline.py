"""Job line: one run of a job in a process of its own, which the server starts and kills.

Promise: whatever that process does (says nothing, never reads, floods its line, dies), the vault hears one outcome
before the deadline and lives on; what it says is one bounded message of a closed union. It is killed when the run is
over, whatever the outcome.
"""

from __future__ import annotations

import enum
import math
import select
import socket
import time
from collections.abc import Iterable

import msgspec

from cleanroom_kernel.protocol.channel import BadFrame, Channel, ChannelClosed, frame
from cleanroom_kernel.protocol.jobs import MOST_RESULT, FromJob, JobLimits, Piece, Run, ToJob
from cleanroom_kernel.protocol.messages import JobOver, JobWanted, Progress
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.supply import Supply

_TELL_SECONDS = 1.0
_CHUNK = 4 << 20


class End(enum.Enum):
    """Why a run gave no answer."""

    TIME = "it took longer than a job may"
    DIED = "its process ended, most often for want of memory"
    MALFORMED = "what its process said is no answer of a job"
    INTERRUPTED = "its expert interrupted it"
    NO_PROCESS = "no process could be started"


class JobEnded(Exception):
    def __init__(self, end: End) -> None:
        super().__init__(end.value)
        self.end = end


class JobRunner:
    """`supply` is the line on which the server gives lines to jobs' processes. `key` is the room's."""

    def __init__(self, lines: Lines, supply: socket.socket, limits: JobLimits, key: bytes) -> None:
        self._lines, self._supply = lines, Supply(supply, self._wait)
        self.limits, self.key = limits, key
        self._started = self._told = 0.0

    def run(self, pieces: Iterable[Piece], run: Run) -> FromJob:
        """What the job's process answers. Raises JobEnded."""
        self._started = self._told = time.monotonic()
        self._lines.notify(JobWanted())
        self._supply.owed += 1
        line: socket.socket | None = None
        try:
            descriptor = self._supply.next()
            if descriptor is None:
                raise JobEnded(End.NO_PROCESS)
            line = socket.socket(fileno=descriptor)
            line.setblocking(False)
            for piece in pieces:
                self._send(line, piece)
            self._send(line, run)
            return self._answer(line)
        finally:
            if line is not None:
                line.close()
            self._lines.notify(JobOver())

    def _send(self, line: socket.socket, message: ToJob) -> None:
        rest = memoryview(frame(msgspec.msgpack.encode(message)))
        while rest:
            try:
                rest = rest[line.send(rest[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(line, select.POLLOUT)
            except OSError:
                raise JobEnded(End.DIED) from None

    def _answer(self, line: socket.socket) -> FromJob:
        channel: Channel[FromJob] = Channel(line, FromJob, limit=MOST_RESULT)
        while True:
            self._wait(line, select.POLLIN)
            try:
                return channel.receive()
            except BlockingIOError:
                continue
            except BadFrame:
                raise JobEnded(End.MALFORMED) from None
            except (ChannelClosed, OSError):
                raise JobEnded(End.DIED) from None

    def _wait(self, stream: socket.socket, event: int) -> None:
        """Until `stream` is ready. Raises JobEnded when the time is up or the expert interrupts."""
        while True:
            now = time.monotonic()
            if now - self._started >= self.limits.seconds:
                raise JobEnded(End.TIME)
            if now - self._told >= _TELL_SECONDS:
                self._told = now
                self._lines.tell(Progress(math.floor(now - self._started), "job", 0, 0))
            rest = min(_TELL_SECONDS - (now - self._told), self.limits.seconds - (now - self._started))
            ready = self._lines.attend(stream, event, rest)
            if self._lines.interrupted:
                raise JobEnded(End.INTERRUPTED)
            if ready:
                return
