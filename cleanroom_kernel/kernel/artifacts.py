"""Artifacts: released files, written to the expert's folder.

Promise: a file is written whole or not at all, only under a plain name in the given folder, only if its digest is the
one announced; and it replaces a file only if that one was written here before and not changed since.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from cleanroom_kernel.kernel.connections import write_private
from cleanroom_kernel.protocol.delivery import SUFFIX, Signed

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_MOST_NUMBERS = 1000


class Announced(Struct, frozen=True):
    """What the server says of a file."""

    name: str
    sha256: str
    report: str = ""
    trusted: tuple[str, ...] = ()
    signed: Signed | None = None


class Damaged(ValueError):
    """The file is not what was announced. The text is for the expert."""


class Written(Struct, frozen=True):
    path: Path
    replaced: bool
    asked_for: str

    @property
    def sentence(self) -> str:
        if self.path.name != self.asked_for:
            return f"Saved as {self.path}: another file is already called {self.asked_for}."
        return f"Saved to {self.path}" + (", in place of the earlier release." if self.replaced else ".")


class Shelf:
    """A folder for released files, and the record of what was written by us (kept elsewhere)."""

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder, self._record = folder, record

    def write(self, announced: Announced, content: bytes) -> Written:
        if not _NAME.fullmatch(announced.name):
            raise Damaged("A released file came under a name that is no plain file name; it was not written.")
        digest = hashlib.sha256(content).hexdigest()
        if not hmac.compare_digest(digest, announced.sha256):
            raise Damaged(f"{announced.name} arrived damaged and was not written. Release it again.")
        written = self._put(announced.name, content)
        if announced.signed is not None:
            self._put(written.path.name + SUFFIX, msgspec.json.format(msgspec.json.encode(announced.signed)))
        return written

    def _put(self, name: str, content: bytes) -> Written:
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".cleanroom-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o666 & ~_umask())
            written = self._place(Path(temporary), name)
        finally:
            Path(temporary).unlink(missing_ok=True)
        self._remember(written.path, hashlib.sha256(content).hexdigest())
        return written

    def _place(self, temporary: Path, name: str) -> Written:
        target = self._folder / name
        if self._is_ours(target):
            os.replace(temporary, target)
            return Written(target, replaced=True, asked_for=name)
        stem, suffix = os.path.splitext(name)
        for number in range(_MOST_NUMBERS):
            target = self._folder / (name if number == 0 else f"{stem}-{number + 1}{suffix}")
            try:
                os.link(temporary, target)  # unlike a rename, this never replaces
            except FileExistsError:
                continue
            return Written(target, replaced=False, asked_for=name)
        raise Damaged(f"{name} was not written: there are too many files of this name.")

    def _is_ours(self, path: Path) -> bool:
        if path.is_symlink() or not path.is_file():
            return False
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._records().get(str(path.resolve())) == digest

    def _records(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}

    def _remember(self, path: Path, digest: str) -> None:
        self._record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._record, msgspec.json.encode({**self._records(), str(path.resolve()): digest}))


def _umask() -> int:
    """Python can read the mask only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
