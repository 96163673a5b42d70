"""Watched: a process of a session, its last words, and the moment of its death.

Promise: a death that nobody asked for is reported once, with its status; after `close` nothing of the process is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence

from cleanroom_kernel.server.launching import Launcher, Process, Role
from cleanroom_kernel.server.tail import Tail

log = logging.getLogger("cleanroom.server")


class Watched:
    """Made by `launch`. `ended` is given the exit status, negative for a signal."""

    def __init__(self, name: str, process: Process, stderr: int, ended: Callable[[int], None]) -> None:
        self.process = process
        self._name, self._report, self._tail = name, ended, Tail(stderr)
        self._pidfd = os.pidfd_open(process.popen.pid)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pidfd, self._ended)

    @classmethod
    async def launch(
        cls, launcher: Launcher, role: Role, command: Sequence[str], fds: Sequence[int], ended: Callable[[int], None]
    ) -> Watched:
        """Raises OSError when it does not start."""
        with contextlib.ExitStack() as failing, contextlib.ExitStack() as theirs:
            read_end, write_end = os.pipe()
            failing.callback(os.close, read_end)
            theirs.callback(os.close, write_end)
            process = await launcher.launch(role, command, fds=fds, stderr=write_end)
            failing.pop_all()
            return cls(role, process, read_end, ended)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        code = self.process.popen.wait()
        log.error("%s ended with status %s; its last words: %s", self._name, code, self._tail.words())
        self._report(code)

    async def close(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        await asyncio.to_thread(self.process.close)
        self._tail.close()
