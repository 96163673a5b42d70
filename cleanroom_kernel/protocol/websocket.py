"""Websocket frames: Jupyter messages as `v1.kernel.websocket.jupyter.org` writes them, and a few words beside them.

Promise: `unpack` accepts nothing that `pack` could not have made, and looks at no byte that the frame does not hold.
Binary frames are Jupyter messages; text frames are the server's words to our own proxy kernel about the line itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from cleanroom_kernel.protocol.channel import ANSWER_LIMIT

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
CHANNELS = frozenset(("shell", "control", "stdin", "iopub"))

EXPERT_LIMIT = 16 * 2**20  # bytes of one frame from the expert's side
SERVER_LIMIT = ANSWER_LIMIT + 2**20  # bytes of one frame from the server: a released file and its envelope
MOST_PARTS = 4 + 1024  # header, parent, metadata, content, buffers

_WORD = 8


class BadMessage(ValueError):
    """Bytes that are no message of this border."""


def pack(channel: str, parts: Sequence[bytes]) -> bytes:
    """One frame: a table of offsets, then the channel's name, then the parts."""
    name = channel.encode()
    offset = _WORD * (len(parts) + 3)
    offsets = [offset]
    for piece in (name, *parts):
        offset += len(piece)
        offsets.append(offset)
    table = b"".join(number.to_bytes(_WORD, "little") for number in (len(offsets), *offsets))
    return b"".join((table, name, *parts))


def unpack(data: bytes) -> tuple[str, list[bytes]]:
    """The channel and the parts (at least four) of a frame. Raises `BadMessage`."""
    count = int.from_bytes(data[:_WORD], "little")
    if not 6 <= count <= MOST_PARTS + 2 or len(data) < _WORD * (count + 1):
        raise BadMessage("frame with a broken table of offsets")
    offsets = [int.from_bytes(data[_WORD * i : _WORD * (i + 1)], "little") for i in range(1, count + 1)]
    if offsets[0] != _WORD * (count + 1) or offsets[-1] != len(data) or sorted(offsets) != offsets:
        raise BadMessage("frame with a broken table of offsets")
    name, *parts = (data[start:end] for start, end in itertools.pairwise(offsets))
    channel = name.decode("ascii", "replace")
    if channel not in CHANNELS:
        raise BadMessage("frame for no known channel")
    return channel, parts


# -- words about the line ---------------------------------------------------------------------------------------------
class Acknowledged(Struct, frozen=True, tag="acknowledged", forbid_unknown_fields=True):
    """The server has received this many messages of this client's present life."""

    received: int


class Gap(Struct, frozen=True, tag="gap", forbid_unknown_fields=True):
    """So many messages were dropped from the server's journal before this client could read them."""

    missed: int


Word = Acknowledged | Gap

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)


def say(word: Word) -> str:
    return _ENCODER.encode(word).decode()


def hear(text: str) -> Word:
    try:
        return _DECODER.decode(text)
    except ValueError:
        raise BadMessage("not a word about the line") from None
