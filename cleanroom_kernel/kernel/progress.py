"""Progress: which session this kernel has, and how far its messages were delivered.

Promise: what is written survives kill -9 of the proxy kernel, so that Jupyter's restart of a crashed proxy finds the
session again and misses nothing. Messages are delivered on several channels, so only the number below which all were
delivered counts.
"""

from __future__ import annotations

import os
from pathlib import Path

_WIDTH = 20
_SESSION_WIDTH = 64


class Progress:
    def __init__(self, connection_file: Path) -> None:
        self._path = connection_file.with_name(f".cleanroom-{connection_file.stem}")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._delivered: set[int] = set()
        number, _, session = os.pread(self._file, _WIDTH + 1 + _SESSION_WIDTH, 0).decode().partition(" ")
        self.session = session.strip()
        self.delivered = int(number) if number.strip().isdecimal() else 0

    def begin(self, session: str) -> None:
        self.session, self.delivered = session, 0
        self._delivered.clear()
        self._write()

    def lost(self) -> None:
        self.begin("")

    def deliver(self, number: int) -> None:
        self._delivered.add(number)
        self._catch_up()

    def forget(self) -> None:
        """The session is over, and with it this file."""
        self.session = ""
        self._path.unlink(missing_ok=True)

    def _catch_up(self) -> None:
        while self.delivered + 1 in self._delivered:
            self.delivered += 1
            self._delivered.discard(self.delivered)
        self._write()

    def _write(self) -> None:
        # No fsync: this is about a process that crashes, not about the machine.
        os.pwrite(self._file, f"{self.delivered:0{_WIDTH}d} {self.session:<{_SESSION_WIDTH}}".encode(), 0)
