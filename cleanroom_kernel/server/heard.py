"""Heard: a message from the interpreter, taken apart. Promise: nothing in it is believed yet."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cleanroom_kernel.protocol.jupyter import Key, read_header, read_parent, split
from cleanroom_kernel.protocol.websocket import BadMessage
from cleanroom_kernel.server.zmtp import Part


class Heard(Struct, frozen=True):
    """`key` is of the request that it claims to follow from; `content` is None where a part was beyond the limit."""

    kind: str
    key: Key
    metadata: bytes
    content: bytes | None
    buffers: tuple[bytes, ...]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Heard:
        """The signature is not looked at: this socket has one peer, which holds the key and may be hostile."""
        _, _, (header, parent, metadata, content, *buffers) = split(parts)
        if header is None or parent is None or metadata is None:
            raise BadMessage("envelope beyond the size limit")
        whole = None if any(buffer is None for buffer in buffers) else content
        return cls(read_header(header).msg_type, read_parent(parent).key, metadata, whole, tuple(buffers))
