"""Real rooms whose processes are killed: finding a process of a session by what it is."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Protocol

from tests.acceptance.rooms import until

WORDS = {
    "vault": "session",
    "stub vault": "--server-fd",
    "worker": "cleanroom_kernel.vault.worker",
    "interpreter": "cleanroom_kernel.interpreter",
}


class Served(Protocol):
    """Something whose `process` is a server."""

    process: subprocess.Popen


def children() -> dict[int, list[int]]:
    """Processes by their parent."""
    found: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        found.setdefault(parent, []).append(int(place.name))
    return found


def below(pid: int) -> list[int]:
    """All processes below one, those that were started last at the end."""
    tree, found, look = children(), [], [pid]
    while look:
        look = [child for parent in look for child in tree.get(parent, [])]
        found += look
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_one(pid: int, role: str) -> bool:
    """Whether a process is a vault, a worker or an interpreter, and not what confines it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return is_alive(pid) and WORDS[role] in words and "bwrap" not in words[0]


def processes(room: Served, role: str) -> list[int]:
    return [pid for pid in below(room.process.pid) if is_one(pid, role)]


def kill(room: Served, role: str) -> int:
    """Kill the only process of a kind, which may have to start yet, and wait until it is gone."""
    until(lambda: len(processes(room, role)) == 1, 30)
    (pid,) = processes(room, role)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_one(pid, role), 20)
    return pid
