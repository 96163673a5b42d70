"""Locks: what a worker takes away from itself before it reads a line of the expert's. It can never be undone.

Promise: afterwards the process has its memory, a bounded part of a processor, and an end: no file, no descriptor, no
socket, no other process, no signal to one, no way to put off its alarm. A layer that is wanted and cannot be had is a
LayerError, and nothing of the expert's runs.
"""

from __future__ import annotations

import math
import os
import resource
import signal
from collections.abc import Iterable
from typing import NamedTuple

from cleanroom_kernel.server.sandbox import identity, landlock, limits, seccomp
from cleanroom_kernel.server.sandbox.syscalls import LayerError

LAYERS = ("landlock", "seccomp")
_PAGE = resource.getpagesize()
_MOST_DESCRIPTORS = 4096


class Locks(NamedTuple):
    """Layers to apply, the program that seccomp needs, and the size of the parent's memory in bytes."""

    layers: tuple[str, ...]
    program: bytes | None
    size: int

    @classmethod
    def of(cls, layers: Iterable[str]) -> Locks:
        wanted = tuple(layers)
        with open("/proc/self/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * _PAGE
        return cls(wanted, seccomp.read_program("row") if "seccomp" in wanted else None, size)


def lock(locks: Locks, parent: int, memory: int, seconds: float) -> None:
    """Everything, for the rest of this process's life. `memory` is what it may need beyond its parent's size."""
    identity.die_with_parent()
    if os.getppid() != parent:
        raise LayerError("parent", "GONE")
    identity.hide_memory()
    identity.renounce_privileges()
    os.closerange(0, _MOST_DESCRIPTORS)
    if "landlock" in locks.layers:
        landlock.restrict([])
    limits.apply(
        {
            "memory": locks.size + memory,
            "cpu": math.ceil(seconds),
            "file_size": 0,
            "open_files": 0,
            "processes": 0,
            "core": 0,
            "locked_memory": 0,
            "stack": 8 << 20,
        }
    )
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)  # the kernel's own: nobody has to be there to end it
    if locks.program is not None:
        seccomp.load(locks.program)


def available() -> tuple[str, ...]:
    """The layers that this process could apply, found by trying in a child."""
    return tuple(layer for layer in LAYERS if _works(layer))


def _works(layer: str) -> bool:
    parent, locks = os.getpid(), Locks.of([layer])  # a confined parent's child may not read of itself any more
    child = os.fork()
    if child == 0:
        status = 1
        try:
            lock(locks, parent, 64 << 20, 5.0)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0
