"""Seeds: an expert's seed becomes one that only this vault can compute (rule S9).

Promise: the same seed gives the same draw, in every session of a room, and says nothing to who lacks the key.
"""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from pathlib import Path

_KEY_FILE = "vault.key"
_KEY_BYTES = 32


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
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError("the vault's key file is damaged")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{_KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, never replaces the key of a vault that was quicker
    except FileExistsError:
        pass
    finally:
        draft.unlink()
