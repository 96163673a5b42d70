"""Silence: a process that holds rows says nothing but our own words, and nobody else reads its memory.

Promise: whatever libraries or the runtime print (warnings, panics) goes nowhere, because it may quote a value. Of an
error, its class and the lines of our own code are said; its message goes nowhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4

_PACKAGE = Path(__file__).parents[1]
_MOST_PLACES = 12


def close_memory() -> None:
    """Neither core dumps nor a debugger of the same user. In the sandbox it is so already, and cannot be changed."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0:
        return
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def silence(name: str) -> tuple[Callable[[str], None], BinaryIO]:
    """A log and an output of our own, on copies of the descriptors that nobody else in this process knows."""
    own_error, own_output = os.dup(2), os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")

    def log(words: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(own_error, f"{name}: {words}\n".encode(errors="replace"))

    return log, os.fdopen(own_output, "wb")


def described(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{Path(frame.filename).relative_to(_PACKAGE)}:{frame.lineno}"
        for frame in reversed(frames)
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    return f"{type(error).__name__} at {' < '.join(places[:_MOST_PLACES])}"
