"""Journal: a session's outgoing frames, numbered, kept for as long as the bounds allow, read by cursors.

Promise: every reader sees each kept frame once and in order, or is told how many it missed. A slow or absent reader
costs no more memory than the bounds. When space runs out, output goes first: a lost reply would leave a client
waiting for ever, a lost line of output is said to be lost.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import NamedTuple


class Entry(NamedTuple):
    number: int
    data: bytes


class Journal:
    def __init__(self, most_bytes: int, most_entries: int) -> None:
        self._most_bytes, self._most_entries = most_bytes, most_entries
        self._entries: OrderedDict[int, bytes] = OrderedDict()
        self._expendable: deque[int] = deque()
        self._bytes = 0
        self.head = 0  # number of the newest frame
        self._cursors: dict[object, int] = {}
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()

    def append(self, data: bytes, *, expendable: bool) -> None:
        """Number `self.head + 1` is for the next frame, and its maker may write it inside."""
        self.head += 1
        self._entries[self.head] = data
        self._bytes += len(data)
        if expendable:
            self._expendable.append(self.head)
        while len(self._entries) > 1 and (self._bytes > self._most_bytes or len(self._entries) > self._most_entries):
            self._evict()
        self._changed.set()

    def after(self, number: int) -> Iterator[Entry]:
        """Kept frames with higher numbers. Numbers that are missing were evicted."""
        oldest = next(iter(self._entries), self.head + 1)
        for candidate in range(max(number + 1, oldest), self.head + 1):
            data = self._entries.get(candidate)
            if data is not None:
                yield Entry(candidate, data)

    async def changed(self, number: int) -> None:
        """Return when there is a frame beyond `number`."""
        while self.head <= number:
            self._changed.clear()
            await self._changed.wait()

    # -- readers ------------------------------------------------------------------------------------------------------
    def place(self, reader: object, number: int) -> None:
        """Where `reader` is. Writers wait for readers that are slow but there."""
        self._cursors[reader] = number
        self._moved.set()

    def leave(self, reader: object) -> None:
        self._cursors.pop(reader, None)
        self._moved.set()

    @property
    def pressed(self) -> bool:
        """Whether some present reader is so far behind that it may lose frames soon."""
        if not self._cursors:
            return False
        slowest = min(self._cursors.values())
        if self.head - slowest > self._most_entries // 2:
            return True
        if self._bytes <= self._most_bytes // 2:
            return False
        return sum(len(entry.data) for entry in self.after(slowest)) > self._most_bytes // 2

    async def relieved(self) -> None:
        """Return when no present reader is far behind."""
        while self.pressed:
            self._moved.clear()
            await self._moved.wait()

    def _evict(self) -> None:
        number = self._expendable.popleft() if self._expendable else next(iter(self._entries))
        self._bytes -= len(self._entries.pop(number))
