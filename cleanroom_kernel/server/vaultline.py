"""The line to a vault.

Promise: notices are passed on in the order in which the vault sent them, and `settled` returns only when all that it
had sent were. A frame that is no notice, or too large, closes the line: the vault is trusted, so that is a fault.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

import msgspec

from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, frame
from cleanroom_kernel.protocol.messages import Close, ServerMessage, VaultNotice

_LENGTH = 4  # bytes in front of each frame


class VaultLine(asyncio.Protocol):
    """The server's end. Frames are parsed in the event loop's own callback, so that `settled` can tell from the socket
    whether anything is still unread."""

    def __init__(self, notice: Callable[[VaultNotice], None]) -> None:
        self._notice = notice
        self._buffer = bytearray()
        self._decoder: msgspec.msgpack.Decoder[VaultNotice] = msgspec.msgpack.Decoder(VaultNotice)
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport
        self._unread = select.poll()

    @classmethod
    async def open(cls, ours: socket.socket, notice: Callable[[VaultNotice], None]) -> VaultLine:
        line = cls(notice)
        line._unread.register(ours, select.POLLIN)
        await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            length = int.from_bytes(self._buffer[:_LENGTH], "big")
            if length > ANSWER_LIMIT:
                raise ValueError("a vault's notice beyond the size limit")
            if len(self._buffer) < _LENGTH + length:
                return
            body = bytes(self._buffer[_LENGTH : _LENGTH + length])
            del self._buffer[: _LENGTH + length]
            self._notice(self._decoder.decode(body))

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set()

    def send(self, message: ServerMessage) -> None:
        if not self._lost.is_set():
            self._transport.write(frame(msgspec.msgpack.encode(message)))

    async def settled(self) -> None:
        while not self._lost.is_set() and (self._buffer or self._unread.poll(0)):
            await asyncio.sleep(0.001 if self._buffer else 0)

    async def close(self, patience: float) -> None:
        """Say Close and wait a little: a vault that ends by itself leaves its files in order."""
        self.send(Close())
        try:
            await asyncio.wait_for(self._lost.wait(), patience)
        except TimeoutError:
            self._transport.abort()
