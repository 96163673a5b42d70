"""Channel: length-prefixed msgpack frames over a stream socket, read with a limit before anything is parsed.

Promise: a frame longer than the limit is drained, not stored; a frame that does not decode raises `BadFrame` and
leaves the channel usable; nothing here knows what a message means.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

_HEADER = struct.Struct(">I")
_CHUNK = 1 << 20

REQUEST_LIMIT = 4 * 2**20  # bytes from the untrusted side
ANSWER_LIMIT = 256 * 2**20  # bytes from the trusted side: a released model may be large

Received = TypeVar("Received")


class ChannelClosed(ConnectionError):
    """The other end is gone."""


class BadFrame(ValueError):
    """A frame that is too large or no message of this border. `oversized` tells which."""

    def __init__(self, *, oversized: bool) -> None:
        super().__init__("frame beyond the size limit" if oversized else "not a message of this border")
        self.oversized = oversized


class Channel(Generic[Received]):
    """One end of a border. `receives` is the (union of) struct types that may arrive here."""

    def __init__(self, stream: socket.socket, receives: Any, *, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._buffer = bytearray()
        self._to_drain = 0
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Received] = msgspec.msgpack.Decoder(receives)

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def send(self, message: msgspec.Struct) -> None:
        self._stream.sendall(frame(self._encoder.encode(message)))

    def receive(self) -> Received:
        """The next message. Raises `BadFrame` (the channel stays usable) or `ChannelClosed`.

        What has arrived of a frame is kept in the channel, so that a KeyboardInterrupt while waiting loses nothing, nor
        a BlockingIOError of a stream that does not block.
        """
        self._drain()
        self._fill(_HEADER.size)
        (length,) = _HEADER.unpack_from(self._buffer)
        if length > self._limit:
            self._buffer.clear()
            self._to_drain = length
            self._drain()
        self._fill(_HEADER.size + length)
        body = bytes(self._buffer[_HEADER.size :])
        self._buffer.clear()
        try:
            return self._decoder.decode(body)
        except (ValueError, RecursionError):  # not only DecodeError: text that is no UTF-8
            raise BadFrame(oversized=False) from None

    def __iter__(self) -> Iterator[Received]:
        """Messages until the other end closes; bad frames raise."""
        while True:
            try:
                yield self.receive()
            except ChannelClosed:
                return

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            self._buffer += self._chunk(min(size - len(self._buffer), _CHUNK))

    def _drain(self) -> None:
        """The rest of a frame that is too large, then the error, even if waiting for the rest was interrupted."""
        if self._to_drain:
            while self._to_drain > 0:
                self._to_drain -= len(self._chunk(min(self._to_drain, _CHUNK)))
            raise BadFrame(oversized=True)

    def _chunk(self, most: int) -> bytes:
        chunk = self._stream.recv(most)
        if not chunk:
            raise ChannelClosed("the other end closed the channel")
        return chunk


def frame(body: bytes) -> bytes:
    """`body` with its length in front, as the channel reads it."""
    return _HEADER.pack(len(body)) + body
