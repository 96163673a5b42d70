"""Places: short-lived directories that only the server's own user can enter."""

from __future__ import annotations

import shutil
import tempfile


def private_directory() -> str:
    """A new directory with mode 0700 and a path short enough for a unix socket in it."""
    return tempfile.mkdtemp(prefix="cleanroom-")


def remove(directory: str) -> None:
    """Remove it with what untrusted code may have left in it; what cannot be removed is no reason to stop."""
    shutil.rmtree(directory, ignore_errors=True)
