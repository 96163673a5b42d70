"""Files that are the owner's alone. Promise: a server starts over none that another user of the machine can open."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotPrivate(ValueError):
    """Another user can open a file of the owner's. The text says which one and what to run."""


def check_private(paths: Iterable[Path]) -> None:
    """Raises NotPrivate. What is not there yet will be made private."""
    for path in paths:
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            wanted = "700" if path.is_dir() else "600"
            raise NotPrivate(
                f"{path} can be opened by other users of this machine (its mode is {mode:o}), so the server does not "
                f"start. Run: chmod {wanted} {str(path)!r}"
            )


def of_state(state: Path) -> list[Path]:
    """The state directory and what lies directly in it, but for what others are meant to read."""
    return [state, *(path for path in sorted(state.glob("*")) if path.is_file() and path.name not in PUBLIC)]


PUBLIC = frozenset({"server.crt", "address.json"})
