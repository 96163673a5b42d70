"""matplotlib's font list, made once by the server. Promise: interpreters draw without a writable disk.

Without it every interpreter would look at every font for a second, and then fail to keep what it found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

_BUILD = "import matplotlib.font_manager"
_TIMEOUT_SECONDS = 120


class FontCache(Struct, frozen=True):
    """The files of matplotlib's cache directory, by name."""

    files: dict[str, bytes]

    @classmethod
    def build(cls) -> FontCache:
        """Let matplotlib make its list in a directory of ours. Empty where matplotlib is not installed."""
        if find_spec("matplotlib") is None:
            return cls({})
        with tempfile.TemporaryDirectory(prefix="cleanroom-fonts-") as directory:
            # a home without fonts: those of the server's user could not be opened from inside
            environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "MPLCONFIGDIR": directory}
            subprocess.run(
                [sys.executable, "-I", "-c", _BUILD],
                env=environment,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_TIMEOUT_SECONDS,
            )
            return cls({path.name: path.read_bytes() for path in sorted(Path(directory).glob("*.json"))})

    def in_memory(self) -> dict[str, int]:
        """Descriptors that bubblewrap copies the files from; the caller closes them."""
        descriptors = {}
        for name, content in self.files.items():
            descriptor = os.memfd_create(name)
            os.write(descriptor, content)
            os.lseek(descriptor, 0, os.SEEK_SET)
            descriptors[name] = descriptor
        return descriptors

    def copy(self, owner: int | None) -> str:
        """A new directory with the files, for one process: it must own it, though Landlock lets it write nothing."""
        directory = tempfile.mkdtemp(prefix="cleanroom-fonts-")
        for name, content in self.files.items():
            path = os.path.join(directory, name)
            Path(path).write_bytes(content)
            if owner is not None:
                os.chown(path, owner, owner)
        if owner is not None:
            os.chown(directory, owner, owner)
        return directory


def discard(directory: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
