"""Control groups (version 2), where systemd has delegated one. Promise: an addition to the per-process limits, never
their replacement; a group that the server does not own is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_CONTROLLERS = frozenset({"memory", "pids"})
_MEMBERSHIP = Path("/proc/self/cgroup")
_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


class Group(Struct, frozen=True):
    """A control group of ours."""

    path: Path

    def admit(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """The kernel removes only groups without processes; its files are not ours to delete."""
        self.path.rmdir()


def delegated(membership: Path = _MEMBERSHIP, mounts: tuple[Path, ...] = _MOUNTS) -> Path | None:
    """The server's own group, if it is marked as delegated and has the controllers that we set."""
    own = [line[3:] for line in membership.read_text().splitlines() if line.startswith("0::")]
    for mount in mounts if own else ():
        group = mount / own[0].lstrip("/")
        controllers = group / "cgroup.controllers"
        if controllers.is_file() and set(controllers.read_text().split()) >= _CONTROLLERS and _is_ours(group):
            return group
    return None


def _is_ours(group: Path) -> bool:
    """systemd marks a delegated group, or hands it to the user; root could write any, which makes none its own."""
    if "user.delegate" in os.listxattr(group):
        return os.getxattr(group, "user.delegate") == b"1"
    return os.geteuid() != 0 and group.stat().st_uid == os.geteuid()


def prepare(group: Path) -> Group:
    """Let `group` have limited children: it may hold no process itself, so the server moves into a leaf."""
    leaf = group / "server"
    leaf.mkdir(exist_ok=True)
    (leaf / "cgroup.procs").write_text(str(os.getpid()))
    (group / "cgroup.subtree_control").write_text("+memory +pids")
    return Group(group)


def create(parent: Group, name: str, *, memory: int, tasks: int) -> Group:
    """A child group with its limits set, still empty."""
    path = parent.path / name
    path.mkdir()
    (path / "memory.max").write_text(str(memory))
    swap = path / "memory.swap.max"
    if swap.exists():  # absent on a kernel without swap accounting
        swap.write_text("0")
    (path / "pids.max").write_text(str(tasks))
    return Group(path)
