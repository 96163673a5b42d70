"""ZMTP: the server's end of a ZeroMQ socket that untrusted code holds the other end of.

Promise: limits come before storage. A part beyond the limit is drained, not kept, and reported as None; the peer's
number of parts, bytes and commands per message is bounded; while nobody reads here, the peer's own memory fills, not
ours. (libzmq bounds neither the number of parts of a message nor what it keeps of an unfinished one.) Speaks ZMTP 3.0
with the NULL mechanism, RFC 23, as the connecting DEALER or SUB.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_GREETING = _SIGNATURE + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
_MORE, _LONG, _COMMAND = 1, 2, 4

_BUFFER = 2**20
_CHUNK = 2**18
_MOST_PARTS = 2048
_MOST_COMMANDS = 100
_COMMAND_LIMIT = 2**12

Part = bytes | None
"""None for a part that was beyond the limit."""


class ZmtpError(ConnectionError):
    """The peer does not speak ZMTP as agreed, or is gone."""


class Link:
    """One connection to one socket of the interpreter."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int) -> None:
        self._reader, self._writer, self._limit = reader, writer, limit
        self._commands = 0
        self._held: list[bytes] | None = []  # libzmq takes traffic before its own READY for a broken handshake

    @classmethod
    async def connect(cls, path: str, kind: Literal["DEALER", "SUB"], identity: bytes, limit: int) -> Link:
        """Connect without waiting for the peer: what is sent now is read when the interpreter is up."""
        reader, writer = await asyncio.open_unix_connection(path, limit=_BUFFER)
        link = cls(reader, writer, limit)
        ready = b"\x05READY" + _property(b"Socket-Type", kind.encode()) + _property(b"Identity", identity)
        writer.write(_GREETING + _frame(ready, _COMMAND))
        if kind == "SUB":
            link.send([b"\x01"])  # subscribe to everything
        return link

    def send(self, parts: Sequence[bytes]) -> None:
        last = len(parts) - 1
        data = b"".join(_frame(part, _MORE if i < last else 0) for i, part in enumerate(parts))
        if self._held is None:
            self._writer.write(data)
        else:
            self._held.append(data)

    async def drained(self) -> None:
        """Return when the peer has taken most of what was sent, or is gone (which `receive` tells)."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    @property
    def backlog(self) -> int:
        return self._writer.transport.get_write_buffer_size() + sum(map(len, self._held or ()))

    async def greeted(self) -> None:
        """Return when the interpreter is up and has answered. To be awaited once, before `receive`."""
        greeting = await self._exactly(len(_GREETING))
        if greeting[:1] != b"\xff" or greeting[9:10] != b"\x7f" or greeting[10] < 3 or greeting[12:17] != b"NULL\0":
            raise ZmtpError("the peer's greeting is not ZMTP 3 with mechanism NULL")
        flags, size = await self._head()
        if not flags & _COMMAND or size > _COMMAND_LIMIT or not (await self._exactly(size)).startswith(b"\x05READY"):
            raise ZmtpError("the peer did not say READY")
        self._writer.write(b"".join(self._held or ()))
        self._held = None

    async def receive(self) -> list[Part]:
        """The next message. Raises `ZmtpError` when the peer is gone or breaks the rules."""
        parts: list[Part] = []
        room = self._limit
        while True:
            flags, size = await self._head()
            if flags & _COMMAND:
                await self._skip_command(size)
                continue
            if size > room:
                await self._drain(size)
                parts.append(None)
            else:
                parts.append(await self._exactly(size))
                room -= size
            if not flags & _MORE:
                return parts
            if len(parts) > _MOST_PARTS:
                raise ZmtpError("a message of too many parts")

    def close(self) -> None:
        self._writer.close()

    async def _head(self) -> tuple[int, int]:
        flags = (await self._exactly(1))[0]
        if flags & ~(_MORE | _LONG | _COMMAND):
            raise ZmtpError("a frame with unknown flags")
        return flags, int.from_bytes(await self._exactly(8 if flags & _LONG else 1), "big")

    async def _skip_command(self, size: int) -> None:
        self._commands += 1
        if size > _COMMAND_LIMIT or self._commands > _MOST_COMMANDS:
            raise ZmtpError("commands that were not agreed")
        await self._drain(size)

    async def _drain(self, size: int) -> None:
        while size > 0:
            size -= len(await self._exactly(min(size, _CHUNK)))

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise ZmtpError("the peer is gone") from None


def _frame(body: bytes, flags: int) -> bytes:
    if len(body) > 255:
        return bytes((flags | _LONG,)) + len(body).to_bytes(8, "big") + body
    return bytes((flags, len(body))) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value
