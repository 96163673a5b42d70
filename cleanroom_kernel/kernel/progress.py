"""Progress: which session this kernel has, and how far its messages were delivered.

Promise: what is noted survives kill -9 of the proxy kernel, so that Jupyter's restart of a crashed proxy finds the
session again and misses nothing but, at worst, the one message that was being handed over: that may be lost or come
twice. Messages are delivered on several channels, so only the number below which all were delivered counts.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

_NUMBER = struct.Struct("=Q")  # eight aligned bytes: written at once or not at all
_SESSION = 64


class Progress:
    def __init__(self, connection_file: Path) -> None:
        self._path = _path_beside(connection_file)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, _NUMBER.size + _SESSION)
        # Memory of the file itself: it outlives the process, and a note costs no system call.
        self._memory = mmap.mmap(descriptor, _NUMBER.size + _SESSION)
        os.close(descriptor)
        self._later: set[int] = set()
        (self.delivered,) = _NUMBER.unpack_from(self._memory)
        self.session = self._memory[_NUMBER.size :].rstrip(b"\0").decode()

    def begin(self, session: str) -> None:
        self.session, self.delivered = session, 0
        self._later.clear()
        self._note()
        self._memory[_NUMBER.size :] = session.encode().ljust(_SESSION, b"\0")

    def lost(self) -> None:
        self.begin("")

    def deliver(self, number: int) -> None:
        self._later.add(number)
        while self.delivered + 1 in self._later:
            self.delivered += 1
            self._later.discard(self.delivered)
        self._note()

    def forget(self) -> None:
        """The session is over, and with it this file."""
        self.session = ""
        self._path.unlink(missing_ok=True)

    def _note(self) -> None:
        _NUMBER.pack_into(self._memory, 0, self.delivered)


def session_of(connection_file: Path) -> str:
    """The session of the kernel that has this connection file, for who is not that kernel; "" while it has none."""
    try:
        noted = _path_beside(connection_file).read_bytes()
    except OSError:
        return ""
    return noted[_NUMBER.size :].rstrip(b"\0").decode("ascii", "replace")


def _path_beside(connection_file: Path) -> Path:
    return connection_file.with_name(f".cleanroom-{connection_file.stem}")
