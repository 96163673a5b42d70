"""Workers: the processes that fit a vault's models, run its jobs or call row functions, started and killed when the
vault asks.

Promise: a vault has one of a kind at most; the one that it had is gone before there is another. A worker that ends by
itself is said so in the owner's log. After `close` there is none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Any

from cleanroom_kernel.server.launching import Launcher, Role
from cleanroom_kernel.server.watched import Watched

MODULES: dict[Role, str] = {
    "worker": "cleanroom_kernel.vault.worker",
    "job": "cleanroom_kernel.job",
    "rows": "cleanroom_kernel.rowworker",
}
_LOCKS = ("landlock", "seccomp")  # of a row-function worker, which applies those of its server's tier at least

log = logging.getLogger("cleanroom.server")


class Workers:
    """`theirs` is the vault's end of the line on which it is given lines to workers."""

    def __init__(self, launcher: Launcher, role: Role = "worker") -> None:
        self._launcher, self._role = launcher, role
        self._ours, self.theirs = socket.socketpair()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: Watched | None = None

    def wanted(self) -> None:
        """End the worker that there is, and give the vault a new one."""
        self._begin(self._give())

    def over(self) -> None:
        """End the worker that there is."""
        self._begin(self._finish())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def pids(self) -> list[int]:
        return [] if self._worker is None else [self._worker.process.popen.pid]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()
        self._ours.close()
        self.theirs.close()

    async def _finish(self) -> None:
        async with self._turn:
            await self._end()

    async def _give(self) -> None:
        async with self._turn:
            await self._end()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                try:
                    command = [MODULES[self._role], "--vault-fd", str(theirs.fileno()), *self._options()]
                    self._worker = await Watched.launch(
                        self._launcher, self._role, command, (theirs.fileno(),), _forget
                    )
                except OSError as error:
                    log.error("a vault's %s did not start: %r", self._role, error)
                self._answer([] if self._worker is None else [ours.fileno()])

    def _options(self) -> list[str]:
        if self._role != "rows":
            return []
        layers = {layer.lower() for layer in self._launcher.layers}
        return ["--required", *(lock for lock in _LOCKS if lock in layers)]

    def _answer(self, descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._ours, [b"w"], descriptors)
        except OSError as error:  # the vault is gone, which its pair says
            log.info("nobody takes a worker: %r", error)

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()


def _forget(_code: int) -> None:
    """Its vault finds out by its line."""
