"""Rehearsing: past questions judged by a draft of the policy, in a vault process of its own, for the owner alone.

Promise: one at a time, for so many seconds at most; after `run` nothing of the process is left. Who rehearsed what, and
how it ended, is in the audit log. What the vault says goes to the owner's port and to no expert.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import socket
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import msgspec
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, frame
from cleanroom_kernel.protocol.messages import OpenFailed
from cleanroom_kernel.protocol.rehearsal import Begun, Change, Finished, Judged, Notice, Rehearse
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.launching import Launcher, Process
from cleanroom_kernel.server.tail import Tail

VAULT = "cleanroom_kernel.vault"
SECONDS = 300.0  # that one rehearsal may take

_LENGTH = 4  # bytes in front of each frame

log = logging.getLogger("cleanroom.server")


class RehearsalEnding(enum.Enum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    TIME = "out of time"
    FAILED = "failed"


class RehearsalSummary(Struct, frozen=True):
    """Numbers of questions: all, those judged so far, and what the draft would do to them."""

    questions: int
    judged: int
    passes: int
    fails: int
    changes: int
    same: int
    left_out: int


class Rehearsed(Struct, frozen=True):
    """A rehearsal as it stands. `rows` begin after the `since` that was asked for; `message` says why it failed."""

    by: str
    ending: RehearsalEnding
    settings: dict[str, bool | int | float | str]
    seconds: float
    summary: RehearsalSummary
    rows: list[Judged]
    message: str = ""


class Rehearsal:
    """One rehearsal: `run` it once; `cancel` ends it."""

    def __init__(
        self, launcher: Launcher, auditor: Auditor, order: Rehearse, by: str, seconds: float = SECONDS
    ) -> None:
        self._launcher, self._auditor, self._order = launcher, auditor, order
        self._by, self._seconds = by, seconds
        self._began = time.monotonic()
        self._took: float | None = None
        self._questions = 0
        self._rows: list[Judged] = []
        self._message = ""
        self._cancelled = asyncio.Event()
        self.ending = RehearsalEnding.RUNNING

    def cancel(self) -> None:
        self._cancelled.set()

    def standing(self, since: int = 0) -> Rehearsed:
        found = Counter(row.change for row in self._rows)
        return Rehearsed(
            by=self._by,
            ending=self.ending,
            settings=self._order.draft,
            seconds=round(time.monotonic() - self._began if self._took is None else self._took, 1),
            summary=RehearsalSummary(
                questions=self._questions,
                judged=len(self._rows),
                passes=found[Change.PASSES],
                fails=found[Change.FAILS],
                changes=found[Change.CHANGES],
                same=found[Change.SAME],
                left_out=found[Change.LEFT_OUT],
            ),
            rows=self._rows[since:],
            message=self._message,
        )

    async def run(self) -> None:
        draft = self._order.draft
        settings = {name: value for name, value in draft.items() if name != "preset"}
        await self._auditor.record(audit.PolicyRehearsed(self._by, str(draft.get("preset", "standard")), settings))
        ending = RehearsalEnding.FAILED
        try:
            ending = await self._bounded()
        except OSError as error:
            log.error("a rehearsal did not start: %r", error)
            self._message = "The vault process could not be started."
        finally:
            self._took = time.monotonic() - self._began
            self.ending = ending
            summary = self.standing(len(self._rows)).summary
            await self._auditor.record(
                audit.RehearsalEnded(
                    self._by, ending.value, summary.questions, summary.judged, summary.passes, summary.fails,
                    summary.changes,
                )
            )  # fmt: skip

    async def _bounded(self) -> RehearsalEnding:
        judging = asyncio.create_task(self._judged())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait([judging, cancelled], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if judging.done():
                return judging.result()
            return RehearsalEnding.CANCELLED if cancelled.done() else RehearsalEnding.TIME
        finally:
            for task in (judging, cancelled):
                task.cancel()
            await asyncio.gather(judging, cancelled, return_exceptions=True)

    async def _judged(self) -> RehearsalEnding:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        with ExitStack() as kept:
            tail = Tail(read_end)
            kept.callback(tail.close)
            try:
                command = [VAULT, "rehearse", "--server-fd", str(theirs.fileno())]
                process = await self._launcher.launch("vault", command, fds=(theirs.fileno(),), stderr=write_end)
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
                os.close(write_end)
            try:
                return await self._heard(ours, tail)
            finally:
                await asyncio.shield(asyncio.to_thread(_end, process))

    async def _heard(self, ours: socket.socket, tail: Tail) -> RehearsalEnding:
        reader, writer = await asyncio.open_connection(sock=ours)
        decoder: msgspec.msgpack.Decoder[Notice] = msgspec.msgpack.Decoder(Notice)
        try:
            writer.write(frame(msgspec.msgpack.encode(self._order)))
            while True:
                match decoder.decode(await _frame(reader)):
                    case Begun(questions):
                        self._questions = questions
                    case Judged() as row:
                        self._rows.append(row)
                    case Finished():
                        return RehearsalEnding.DONE
                    case OpenFailed(message):
                        self._message = message
                        return RehearsalEnding.FAILED
        except asyncio.IncompleteReadError:
            log.error("a rehearsal's vault ended before it was done; its last words: %s", tail.words())
            self._message = "The vault process ended before it was done; the server's log has its last words."
            return RehearsalEnding.FAILED
        finally:
            writer.close()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    if length > ANSWER_LIMIT:
        raise ValueError("a vault's notice beyond the size limit")
    return await reader.readexactly(length)


def _end(process: Process) -> None:
    process.close()


class Rehearsals:
    """At most one rehearsal at a time; the last one is kept to be looked at."""

    def __init__(self, launcher: Launcher, auditor: Auditor, room: str, state: str, fits: Any) -> None:
        self._launcher, self._auditor = launcher, auditor
        self._room, self._state, self._fits = room, state, fits
        self.last: Rehearsal | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self.last is not None and self.last.ending is RehearsalEnding.RUNNING

    def begin(self, draft: dict[str, bool | int | float | str], by: str) -> Rehearsal:
        """Call it only while none runs."""
        assert not self.is_running, "one rehearsal at a time"
        order = Rehearse(self._room, self._state, draft, self._fits)
        self.last = Rehearsal(self._launcher, self._auditor, order, by)
        self._task = asyncio.create_task(self.last.run())
        return self.last

    async def close(self) -> None:
        if self.last is not None and self._task is not None:
            self.last.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
