"""Requests: what an expert's clients have asked, and in which order it reaches the interpreter.

Promise: a reply finds the request that it answers once, and by the server's own record of it; a cell is passed on only
when the cell before it was answered, so that a release always belongs to the cell that is running.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator

from cleanroom_kernel.protocol.jupyter import Header, Key, encode
from cleanroom_kernel.server.shapes import ExecuteRequest

_MOST_REMEMBERED = 10_000
_MOST_WAITING = 10_000
_MOST_WAITING_BYTES = 64 * 2**20


class Request:
    """One message from a client. `parent` is its header as the server repeats it in what follows from it."""

    def __init__(self, channel: str, header: Header, parts: list[bytes]) -> None:
        self.channel, self.header, self.parts = channel, header, parts
        self.cell: ExecuteRequest | None = None
        self.parent = encode(header)
        self.started = ""
        self.overtime: asyncio.TimerHandle | None = None
        self.is_running = False  # the interpreter has begun with it, as far as one can tell

    @property
    def key(self) -> Key:
        return self.header.key

    @property
    def reply_type(self) -> str:
        return self.header.msg_type.removesuffix("_request") + "_reply"

    @property
    def line(self) -> str:
        """The subshell that it is for; "" for the main one."""
        return self.header.subshell_id or ""

    def stop_clock(self) -> None:
        if self.overtime is not None:
            self.overtime.cancel()


class Book:
    """All recent requests, and those that the interpreter has yet to answer."""

    def __init__(self) -> None:
        self._parents: OrderedDict[Key, bytes] = OrderedDict()
        self._open: dict[Key, Request] = {}

    def remember(self, request: Request) -> None:
        self._parents[request.key] = request.parent
        if len(self._parents) > _MOST_REMEMBERED:
            self._parents.popitem(last=False)

    def expect_reply(self, request: Request) -> None:
        self._open[request.key] = request

    def parent_of(self, key: Key) -> bytes | None:
        return self._parents.get(key)

    def answered(self, key: Key, reply_type: str, channel: str) -> Request | None:
        """The open request that this reply answers, which is open no more; None for a reply nobody asked for."""
        request = self._open.get(key)
        if request is None or (request.reply_type, request.channel) != (reply_type, channel):
            return None
        del self._open[key]
        request.stop_clock()
        return request

    def running(self) -> Iterator[Request]:
        """Cells at the interpreter."""
        return (request for request in self._open.values() if request.cell is not None)

    def abandon(self) -> list[Request]:
        """All open requests, which are open no more: there is nobody left to answer them."""
        abandoned = list(self._open.values())
        for request in abandoned:
            request.stop_clock()
        self._open.clear()
        return abandoned


class Line:
    """The shell messages for one (sub)shell, in order."""

    def __init__(self, pass_on: Callable[[Request], Awaitable[None]], abort: Callable[[Request], None]) -> None:
        self._pass_on, self._abort = pass_on, abort
        self._waiting: asyncio.Queue[tuple[int, Request]] = asyncio.Queue()
        self._bytes = 0
        self._last = 0
        self._aborted = 0  # cells up to this number are not run
        self._running: Request | None = None
        self._free = asyncio.Event()
        self._free.set()

    def put(self, request: Request) -> bool:
        """False when too much is waiting."""
        size = sum(map(len, request.parts))
        if self._waiting.qsize() >= _MOST_WAITING or self._bytes + size > _MOST_WAITING_BYTES:
            return False
        self._last += 1
        self._bytes += size
        self._waiting.put_nowait((self._last, request))
        return True

    def answered(self, request: Request, *, failed: bool) -> None:
        """As in any kernel, a cell that fails takes the waiting ones with it, unless it asked not to."""
        if request is self._running:
            self._running = None
            self._free.set()
        if failed and not request.cell.silent and request.cell.stop_on_error:
            self.abort_waiting()

    @property
    def has_work(self) -> bool:
        return self._running is not None or not self._waiting.empty()

    def abort_waiting(self) -> None:
        self._aborted = self._last

    async def run(self) -> None:
        while True:
            number, request = await self._waiting.get()
            if request.cell is not None:
                await self._free.wait()
            self._bytes -= sum(map(len, request.parts))
            if request.cell is not None:
                if number <= self._aborted:
                    self._abort(request)
                    continue
                self._free.clear()
                self._running = request
            await self._pass_on(request)
