"""User ids for confined processes. Promise: no two live sessions share one, on this machine, between servers too.

Only a server that runs as root can change users. A session's user owns nothing, so that file permissions alone already
keep it from everything that is not public on the machine.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path


class NoUidLeftError(OSError):
    """Every id of `Sandbox.uid_range` is in use."""


class UidPool:
    """Hands out ids of a range; the highest is kept for vaults, which share their ledger's files and trust."""

    def __init__(self, lowest: int, highest: int) -> None:
        self._sessions = range(lowest, highest)
        self._claims: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self.vault = highest

    def take(self) -> int:
        """An id that no process of the machine runs as and no other server holds."""
        in_use = set(_running_uids())
        with self._lock:
            for uid in self._sessions:
                if uid not in self._claims and uid not in in_use and (claim := _claim(uid)) is not None:
                    self._claims[uid] = claim
                    return uid
        raise NoUidLeftError("no user id is free: widen Sandbox.uid_range")

    def give_back(self, uid: int) -> bool:
        """Free `uid` unless a process still runs as it; says whether it is free. Call again later if not."""
        if uid in set(_running_uids()):
            return False
        with self._lock:
            claim = self._claims.pop(uid, None)
        if claim is not None:
            claim.close()
        return True


def _claim(uid: int) -> socket.socket | None:
    """Claim `uid` machine-wide. The kernel drops the claim when the server dies, however it dies."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0cleanroom-kernel-uid-{uid}")
    except OSError:
        claim.close()
        return None
    return claim


def _running_uids() -> Iterator[int]:
    """Real ids, from status: the owner of /proc/N itself is root for a process that hides its memory."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                status = (directory / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):  # it ended while we were looking
                continue
            yield int(status.split("\nUid:\t", 1)[1].split("\t", 1)[0])


_CHOWN, _KILL, _SETGID, _SETUID, _SYS_ADMIN = 0, 5, 6, 7, 21


def may_make_namespaces() -> bool:
    """Whether this process may make namespaces without a user namespace around them."""
    return _has_capabilities(_SYS_ADMIN)


def may_change_user(uid: int) -> bool:
    """Whether this process may run another as `uid`, hand it files, and kill it. Root of a container often may not."""
    mapped = all(_is_mapped(uid, Path(f"/proc/self/{kind}_map")) for kind in ("uid", "gid"))
    return mapped and _has_capabilities(_CHOWN, _KILL, _SETGID, _SETUID)


def _is_mapped(number: int, mapping: Path) -> bool:
    """A user namespace has a list of (first inside, first outside, how many)."""
    rows = (map(int, line.split()) for line in mapping.read_text().splitlines())
    return any(first <= number < first + count for first, _, count in rows)


def _has_capabilities(*numbers: int) -> bool:
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("\nCapEff:\t", 1)[1].split("\n", 1)[0], 16)
    return all(effective >> number & 1 for number in numbers)


def unreachable_for(uid: int, *, read: Iterable[str], write: Iterable[str] = (), parents: bool) -> str | None:
    """The first path that user `uid` may not read or write, or, with `parents`, may not even get to."""
    for paths, right in ((read, _READ), (write, _READ | _WRITE)):
        for path in paths:
            real = Path(os.path.realpath(path))
            for above in reversed(real.parents) if parents else ():
                if not _permits(above, uid, _ENTER):
                    return str(above)
            if not _permits(real, uid, right | (_ENTER if real.is_dir() else 0)):
                return str(real)
    return None


_READ, _WRITE, _ENTER = 0o4, 0o2, 0o1


def _permits(place: Path, uid: int, wanted: int) -> bool:
    status = place.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == uid else 0
    return (status.st_mode >> shift) & wanted == wanted
