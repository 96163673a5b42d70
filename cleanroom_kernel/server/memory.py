"""Memory: how much of it this machine has, and has left, for the sessions that ask to come in.

Promise: where a control group allows the server less than the machine has, that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

_PROCESSES = Path("/proc")
_MEMINFO = _PROCESSES / "meminfo"
_GROUP = Path("/sys/fs/cgroup")  # this process's own, where a container has mounted it; else the machine's


def total(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> int:
    """Bytes."""
    allowed = _number(group / "memory.max")
    return min(_of(meminfo, "MemTotal"), allowed) if allowed is not None else _of(meminfo, "MemTotal")


def available(meminfo: Path = _MEMINFO, group: Path = _GROUP) -> int:
    """Bytes that new processes can have without anything being swapped out or killed."""
    free = _of(meminfo, "MemAvailable")
    allowed, used = _number(group / "memory.max"), _number(group / "memory.current")
    return free if allowed is None or used is None else min(free, max(allowed - used + _cache(group), 0))


def held_by(groups: Iterable[Iterable[int]], processes: Path = _PROCESSES) -> list[int]:
    """For each group of processes: bytes that they and all that they started have to themselves. Files that are mapped,
    such as the prepared tables, are the room's and do not count. A process that ends meanwhile has none.
    """
    facts = {int(path.name): _facts(path / "status") for path in processes.iterdir() if path.name.isdecimal()}
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in facts.items():
        children.setdefault(parent, []).append(pid)
    return [sum(facts[pid][1] for pid in _with_descendants(group, children) if pid in facts) for group in groups]


def _with_descendants(group: Iterable[int], children: Mapping[int, list[int]]) -> set[int]:
    waiting, found = list(group), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def _facts(status: Path) -> tuple[int, int]:
    """Parent and own bytes of a process."""
    try:
        lines = status.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0, 0
    found = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    own = found.get("RssAnon")
    return int(found["PPid"][0]), int(own[0]) * 1024 if own else 0


def _cache(group: Path) -> int:
    """Pages of files, which the kernel gives back when they are needed; the prepared tables are such."""
    for line in (group / "memory.stat").read_text().splitlines():
        name, _, size = line.partition(" ")
        if name == "inactive_file":
            return int(size)
    return 0


def _of(meminfo: Path, name: str) -> int:
    for line in meminfo.read_text().splitlines():
        found, _, rest = line.partition(":")
        if found == name:
            return int(rest.split()[0]) * 1024
    raise OSError(f"{meminfo} does not tell {name}")


def _number(path: Path) -> int | None:
    """None where there is no such file, or no limit in it."""
    if not path.is_file():
        return None
    text = path.read_text().strip()
    return int(text) if text.isdecimal() else None
