"""Tail: the last words of a process on stderr, for the owner's log."""

from __future__ import annotations

import asyncio
import os

_LIMIT = 2**16


class Tail:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._words = b""
        os.set_blocking(descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def words(self) -> str:
        self._read()
        return ascii(self._words.decode("utf-8", "replace"))

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        if self._descriptor < 0:
            return
        try:
            data = os.read(self._descriptor, _LIMIT)
        except BlockingIOError:
            return
        if not data:
            self.close()
        self._words = (self._words + data)[-_LIMIT:]
