"""Vault: one life of a session's vault, its line to the server, and the worker that fits its models.

Promise: its notices are passed on in order, and its death, or that it never opened, is reported once. A question that
it was working on when it died is known, so that a crash is no way round the budget of denials. After `close` nothing of
it is left: no process, no socket, no worker.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import Protocol

from cleanroom_kernel.protocol.messages import (
    Answered,
    Began,
    JobOver,
    JobWanted,
    Open,
    Opened,
    OpenFailed,
    RowWorkersWanted,
    ServerMessage,
    TurnGiven,
    TurnOver,
    TurnWanted,
    VaultNotice,
    Welcome,
    WorkerWanted,
)
from cleanroom_kernel.server.launching import Launcher
from cleanroom_kernel.server.turns import Turns
from cleanroom_kernel.server.vaultline import VaultLine
from cleanroom_kernel.server.watched import Watched
from cleanroom_kernel.server.workers import Workers

_CLOSE_SECONDS = 2  # for a vault to end by itself

log = logging.getLogger("cleanroom.server")


class StartFailed(RuntimeError):
    """The processes did not come up. The reason is in the owner's log."""


class Listener(Protocol):
    def noticed(self, notice: VaultNotice) -> None: ...
    def vault_died(self, code: int) -> None: ...


class Vault:
    def __init__(
        self, launcher: Launcher, command: Sequence[str], timeout: float, turns: Turns, listener: Listener
    ) -> None:
        self._launcher, self._command, self._timeout, self._listener = launcher, command, timeout, listener
        self._turns, self._expert = turns, ""
        self._workers, self._jobs, self._rows = Workers(launcher), Workers(launcher, "job"), Workers(launcher, "rows")
        self._opened: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self._line: VaultLine | None = None
        self._process: Watched | None = None
        self._closed = False
        self._burial: asyncio.Task[None] | None = None
        self.began: Began | None = None  # what it is working on, or was when it died

    async def start(self, interpreter: socket.socket, opening: Open) -> Welcome:
        """Return what it says of the room, once that is open. `interpreter` is its end of the line to one; what the
        caller has of it is the caller's to close. Raises `StartFailed`.
        """
        self._expert = opening.expert
        ours, theirs = socket.socketpair()
        try:
            supplies = [workers.theirs for workers in (self._workers, self._jobs, self._rows)]
            with theirs, supplies[0], supplies[1], supplies[2]:
                line = await VaultLine.open(ours, self._notice)
                line.send(opening)  # it waits there, and nothing else can come before it
                self._line = line
                descriptors = [end.fileno() for end in (interpreter, theirs, *supplies)]
                options = ("--interpreter-fd", "--server-fd", "--supply-fd", "--jobs-fd", "--rows-fd")
                named = [word for pair in zip(options, map(str, descriptors), strict=True) for word in pair]
                self._process = await Watched.launch(
                    self._launcher, "vault", [*self._command, *named], descriptors, self._died
                )
            return await asyncio.wait_for(asyncio.shield(self._opened), self._timeout)
        except (OSError, TimeoutError) as error:
            log.error("a vault did not start: %r", error)
            raise StartFailed("the vault did not start") from error

    @property
    def pids(self) -> list[int]:
        """Of it and its workers, as far as they run."""
        own = [] if self._process is None else [self._process.process.popen.pid]
        return [*own, *self._workers.pids, *self._jobs.pids, *self._rows.pids]

    def send(self, message: ServerMessage) -> None:
        if self._line is not None:
            self._line.send(message)

    async def settled(self) -> None:
        """Return when every notice that it has already sent was passed on."""
        if self._line is not None:
            await self._line.settled()

    async def close(self) -> None:
        self._closed = True
        self._turns.over(self)
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()
        if self._line is not None:
            await self._line.close(_CLOSE_SECONDS)
        if self._process is not None:
            await self._process.close()
        await self._workers.close()
        await self._jobs.close()
        await self._rows.close()

    def _died(self, code: int) -> None:
        if not self._closed:
            self._burial = asyncio.create_task(self._report_death(code))

    async def _report_death(self, code: int) -> None:
        await self.settled()  # what it said before it died comes first
        self._turns.over(self)
        if self._closed:
            return
        if not self._opened.done():
            self._opened.set_exception(StartFailed(f"the vault ended with status {code}"))
        else:
            self._listener.vault_died(code)

    def _notice(self, notice: VaultNotice) -> None:
        if isinstance(notice, Opened | OpenFailed):
            if self._opened.done():
                if isinstance(notice, Opened):  # under another policy
                    self._listener.noticed(notice)
                return
            if isinstance(notice, Opened):
                self._opened.set_result(notice.welcome)
            else:
                log.error("the vault could not open the room: %s", notice.message)
                self._opened.set_exception(StartFailed("the vault could not open the room"))
        elif isinstance(notice, WorkerWanted):
            if not self._closed:
                self._workers.wanted()
        elif isinstance(notice, RowWorkersWanted):
            if not self._closed:
                self._rows.wanted()
        elif isinstance(notice, JobWanted):
            if not self._closed:
                self._jobs.wanted()
        elif isinstance(notice, JobOver):
            if not self._closed:
                self._jobs.over()
        elif isinstance(notice, TurnWanted):
            if not self._closed:
                self._turns.want(self, self._expert, lambda: self.send(TurnGiven()))
        elif isinstance(notice, TurnOver):
            self._turns.over(self)
        elif isinstance(notice, Began):
            self.began = notice
        elif isinstance(notice, Answered):
            self.began = None
        else:
            self._listener.noticed(notice)
