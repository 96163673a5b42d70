"""Delivery: the signed receipt that goes with a released file, and how anybody checks it.

Promise: a file passes only if a receipt says its digest and the owner's key signed that receipt, every word of it. What
is signed is one canonical form of the receipt, so that no other reading of it has the same signature.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec
from msgspec import Struct

SUFFIX = ".receipt.json"

_CONTEXT = b"cleanroom delivery 1\n"  # so that no signature of another kind of words is one of a delivery
_KEY = re.compile(r"[0-9a-f]{64}")


class Delivery(Struct, frozen=True, forbid_unknown_fields=True):
    """What left, by which release. `report` is the release report, in Markdown; `chain` is the audit log's hash."""

    name: str
    sha256: str
    size: int
    room: str
    expert: str
    number: int
    question: str
    title: str
    rules: tuple[str, ...]
    units: str
    precision: str
    policy: str
    time: str
    chain: str
    report: str


class Signed(Struct, frozen=True, forbid_unknown_fields=True):
    """`key` is the owner's public key and `signature` its Ed25519 signature of the delivery, both in hexadecimal."""

    delivery: Delivery
    key: str
    signature: str


class NotVerified(ValueError):
    """The file is not what a receipt of this owner's says. The text is for whoever holds the file."""


def signed_bytes(delivery: Delivery) -> bytes:
    return _CONTEXT + msgspec.json.encode(delivery, order="deterministic")


def read(content: bytes) -> Signed:
    try:
        return msgspec.json.decode(content, type=Signed)
    except (ValueError, RecursionError):
        raise NotVerified("The receipt cannot be read: it is not one, or it was changed.") from None


def verify(signed: Signed, content: bytes, key: str) -> Delivery:
    """What the owner of `key` says of this very file. Raises NotVerified."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if _KEY.fullmatch(key) is None:
        raise NotVerified("This is no owner's public key: 64 digits and letters a to f are expected.")
    if not hmac.compare_digest(signed.key, key):
        raise NotVerified("The receipt was signed by somebody else than this owner.")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(
            bytes.fromhex(signed.signature), signed_bytes(signed.delivery)
        )
    except (InvalidSignature, ValueError):
        raise NotVerified("The receipt was changed after the owner signed it.") from None
    if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), signed.delivery.sha256):
        raise NotVerified("The file is not the one that was released: its digest is another than the receipt's.")
    return signed.delivery
