"""Jupyter's wire protocol, as far as a relay needs it: headers, and frames signed with a connection's key.

Promise: values and pure functions, no sockets. What does not verify or parse raises `BadMessage`. A message is known
by (msg_id, msg_type): a manager and its client count in the same sequence, so msg_id alone is not unique.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cleanroom_kernel.protocol.websocket import BadMessage

VERSION = "5.4"  # of Jupyter's protocol
DELIMITER = b"<IDS|MSG>"
HEADER_LIMIT = 16 * 2**10

_REMEMBERED_SIGNATURES = 2**16

Name = Annotated[str, Meta(max_length=256)]
Key = tuple[str, str]


class Header(Struct, frozen=True):
    """A message's header; fields that are not in Jupyter's own list do not survive reading it."""

    msg_id: Name
    msg_type: Name
    session: Name = ""
    username: Name = ""
    date: Name = ""
    version: Name = VERSION
    subshell_id: Name | UnsetType | None = UNSET

    @property
    def key(self) -> Key:
        return self.msg_id, self.msg_type


class Parent(Struct, frozen=True):
    """What a parent header says of the request it repeats; empty where there is none."""

    msg_id: Name = ""
    msg_type: Name = ""
    session: Name = ""

    @property
    def key(self) -> Key:
        return self.msg_id, self.msg_type


_ENCODER = msgspec.json.Encoder()
_HEADERS = msgspec.json.Decoder(Header)
_PARENTS = msgspec.json.Decoder(Parent)


def encode(value: Any) -> bytes:
    return _ENCODER.encode(value)


def read_header(part: bytes) -> Header:
    if len(part) > HEADER_LIMIT:
        raise BadMessage("header beyond the size limit")
    try:
        return _HEADERS.decode(part)
    except (ValueError, RecursionError):  # not only DecodeError: text that is no UTF-8
        raise BadMessage("not a header") from None


def read_parent(part: bytes) -> Parent:
    if len(part) > HEADER_LIMIT:
        raise BadMessage("parent header beyond the size limit")
    try:
        return _PARENTS.decode(part)
    except (ValueError, RecursionError):  # not only DecodeError: text that is no UTF-8
        raise BadMessage("not a parent header") from None


def now() -> str:
    return datetime.now(UTC).isoformat()


class Signer:
    """Signs and checks the four JSON parts of a message with a connection's key, as Jupyter does."""

    def __init__(self, key: bytes, scheme: str = "hmac-sha256") -> None:
        self._key = key
        self._hash = scheme.removeprefix("hmac-")
        if self._hash not in hashlib.algorithms_available:
            raise ValueError(f"signature scheme {scheme!r} is not available")
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def sign(self, parts: Sequence[bytes]) -> bytes:
        """Empty without a key: Jupyter's way to say that messages are not signed."""
        if not self._key:
            return b""
        mac = hmac.new(self._key, digestmod=self._hash)
        for part in parts[:4]:
            mac.update(part)
        return mac.hexdigest().encode()

    def close(self, parts: Sequence[bytes]) -> list[bytes]:
        """Frames to send, without the routing frames in front."""
        return [DELIMITER, self.sign(parts), *parts]

    def open(self, frames: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Routing frames and parts of a received message. A signature is good once, so that none can be replayed."""
        routing, signature, parts = split(frames)
        if self._key:
            if not hmac.compare_digest(signature, self.sign(parts)):
                raise BadMessage("wrong signature")
            if signature in self._seen:
                raise BadMessage("signature used before")
            self._seen[signature] = None
            if len(self._seen) > _REMEMBERED_SIGNATURES:
                self._seen.popitem(last=False)
        return routing, parts


def split(frames: Sequence[bytes]) -> tuple[list[bytes], bytes, list[bytes]]:
    """Routing frames, signature and parts (at least four), with no check of the signature."""
    try:
        position = list(frames).index(DELIMITER)
    except ValueError:
        raise BadMessage("message without delimiter") from None
    routing, rest = list(frames[:position]), list(frames[position + 1 :])
    if len(rest) < 5:
        raise BadMessage("message with parts missing")
    return routing, rest[0], rest[1:]


def kernel_info(python: str, banner: str) -> dict[str, Any]:
    """The answer to a kernel_info_request: the same for every room but for its interpreter's Python version.

    No debugger: its protocol is none that this server reads.
    """
    return {
        "status": "ok",
        "protocol_version": VERSION,
        "implementation": "cleanroom",
        "implementation_version": "1",
        "language_info": {
            "name": "python",
            "version": python,
            "mimetype": "text/x-python",
            "codemirror_mode": {"name": "ipython", "version": 3},
            "pygments_lexer": "ipython3",
            "nbconvert_exporter": "python",
            "file_extension": ".py",
        },
        "banner": banner,
        "help_links": [],
        "supported_features": ["kernel subshells"],
    }
