"""Launching: how the server starts the processes of a session.

Promise: a process inherits the descriptors it is given and no others, and no environment of the server's. `Launcher`
is the seam where the sandbox comes in; `Plain` confines nothing and says so in its tier.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal, Protocol

from cleanroom_kernel.server.places import private_directory, remove

Role = Literal["vault", "interpreter", "worker", "job", "rows"]

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


class Process(Protocol):
    """A started process of a session."""

    popen: subprocess.Popen[bytes]

    def interrupt(self) -> None:
        """SIGINT to the process itself, through whatever is around it."""

    def close(self) -> None:
        """Kill it, wait until it is gone, and remove what was made for it. Safe to call again."""


class Launcher(Protocol):
    """`tier` and `layers` say how well the interpreter is confined, for the audit log and for everybody's eyes.

    `cell_timeout` is how many seconds a cell may run; 0 for no limit.
    """

    tier: str
    layers: tuple[str, ...]
    cell_timeout: float

    async def launch(self, role: Role, command: Sequence[str], *, fds: Sequence[int], stderr: int) -> Process:
        """Start `command` (a module's name, or the path of a script, and arguments)."""


class Plain:
    """No confinement: for a room of synthetic data, and for tests."""

    tier = "none"
    layers: tuple[str, ...] = ()
    cell_timeout = 0.0

    async def launch(self, role: Role, command: Sequence[str], *, fds: Sequence[int], stderr: int) -> Process:
        home = private_directory()
        target, *arguments = command
        popen = subprocess.Popen(
            [sys.executable, "-I", "-B", *([target] if target.endswith(".py") else ["-m", target]), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**ENVIRONMENT, "HOME": str(home), "TMPDIR": str(home), "MPLCONFIGDIR": str(home)},
            cwd=home,
            close_fds=True,
            pass_fds=tuple(fds),
            start_new_session=True,
        )
        return PlainProcess(popen, home)


class PlainProcess:
    def __init__(self, popen: subprocess.Popen[bytes], home: str) -> None:
        self.popen = popen
        self._home = home

    def interrupt(self) -> None:
        self.popen.send_signal(signal.SIGINT)  # does nothing when it has ended

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        remove(self._home)
