"""Seeds: an expert's seed becomes one that only this vault can compute (rule S9).

Promise: the same seed gives the same draw, in every session of a room, and says nothing to who lacks the key.
"""

from __future__ import annotations

import os
import secrets
import time
from hashlib import blake2b
from pathlib import Path

_KEY_FILE = "vault.key"
_KEY_BYTES = 32
_ATTEMPTS = 20


class Seeds:
    """`key` None leaves seeds as they are: draws are then scikit-learn's and pandas' own (the permissive policy)."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @property
    def keyed(self) -> bool:
        return self._key is not None

    def effective(self, seed: int, purpose: str) -> int:
        """32 bits for numpy, scikit-learn and their like."""
        if self._key is None:
            return seed % 2**32
        keyed = blake2b(f"{purpose}\n{seed}".encode(), key=self._key, digest_size=4)
        return int.from_bytes(keyed.digest(), "big")


def room_key(state: str | os.PathLike[str]) -> bytes:
    """The key in directory `state`, made on first use; vaults that start together agree on one."""
    path = Path(state) / _KEY_FILE
    try:
        _make_key(path)
    except FileExistsError:
        return _existing_key(path)
    return path.read_bytes()


def _make_key(path: Path) -> None:
    """Only one process can make the file; no links or renames, which the sandbox does not permit."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _existing_key(path: Path) -> bytes:
    """The key that is there; one that another vault is writing at this moment is complete within milliseconds."""
    for _ in range(_ATTEMPTS):
        key = path.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
        time.sleep(0.05)
    raise ValueError("the vault's key file is damaged")
