"""A parent of row-function workers beside the tests, for engines in the tests' own process."""

from __future__ import annotations

import atexit
import contextlib
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import polars as pl

from cleanroom_kernel.plan.expressions import Field, RowFunction
from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.vault.rowcalls import Line, RowFunctions
from cleanroom_kernel.vault.seeds import Seeds

PARENT = [sys.executable, "-I", "-B", "-m", "cleanroom_kernel.rowworker"]


class Parent:
    """One process; `paused` are the seconds for which answers were held back."""

    def __init__(self, command: Sequence[str] = PARENT, required: Sequence[str] = ("landlock", "seccomp")) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*command, "--vault-fd", str(theirs.fileno()), "--required", *required],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        self._line = Line(ours, waiting)
        self.paused: list[float] = []

    def line(self) -> Line:
        return self._line

    def lose(self) -> None:
        self._line.close()

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def close(self) -> None:
        self._line.close()
        self.process.kill()
        self.process.wait()

    def functions(self, limits: RowLimits | None = None, seeds: Seeds | None = None) -> RowFunctions:
        return RowFunctions(seeds or Seeds(b"k" * 32), self, limits or RowLimits())


def waiting(stream: socket.socket, event: int) -> None:
    ready = select.poll()
    ready.register(stream, event)
    assert ready.poll(20_000), "the parent says nothing"


class OnDemand:
    """Row functions of a parent that is started when the first one is called, and ends with the tests."""

    def __init__(self) -> None:
        self._made: RowFunctions | None = None

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        if self._made is None:
            made = Parent(required=())
            atexit.register(made.close)
            self._made = made.functions()
        return self._made.answers(function, fields, columns)


ON_DEMAND = OnDemand()


@contextlib.contextmanager
def parent(**options) -> Iterator[Parent]:
    made = Parent(**options)
    try:
        yield made
    finally:
        made.close()
