"""matplotlib's font list, made once by the server. Promise: interpreters draw without a writable disk.

Without it every interpreter would look at every font for a second, and then fail to keep what it found.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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

    @contextmanager
    def copied(self, owner: int | None) -> Iterator[str]:
        """A directory with the files, for one process: it must own it, though Landlock lets it write nothing."""
        with tempfile.TemporaryDirectory(prefix="cleanroom-fonts-") as directory:
            for name, content in self.files.items():
                Path(directory, name).write_bytes(content)
            if owner is None:
                yield directory
                return
            # a root that lacks DAC_OVERRIDE, as in a container, can use only what is its own: the directory goes last,
            # and comes back before it is removed
            for path in (*Path(directory).iterdir(), directory):
                os.chown(path, owner, owner)
            try:
                yield directory
            finally:
                os.chown(directory, os.geteuid(), -1, follow_symlinks=False)
