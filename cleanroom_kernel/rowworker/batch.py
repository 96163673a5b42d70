"""Batch: a worker's whole life: lock up, compile, call the function for each row, end.

Promise: it says one byte of how it went and the answers in the room that was made for them; nothing else of it is
looked at, its exit status neither.
"""

from __future__ import annotations

import gc
import mmap
import os
from typing import NoReturn

from cleanroom_kernel.rowfunctions.calling import NoResult, run
from cleanroom_kernel.rowfunctions.language import NotAllowed, made
from cleanroom_kernel.rowfunctions.layout import (
    DONE,
    NO_LOCK,
    NO_RESULT,
    NOT_ALLOWED,
    RAISED,
    Call,
    given_size,
    result_size,
)
from cleanroom_kernel.rowworker.locks import Locks, lock
from cleanroom_kernel.server.sandbox.syscalls import LayerError


def live(call: Call, given: int, result: int, locks: Locks, parent: int) -> NoReturn:
    """In the forked child, with descriptors of the sealed columns and of the room for answers. Never returns."""
    try:
        columns = mmap.mmap(given, given_size(call), mmap.MAP_SHARED, mmap.PROT_READ)
        room = mmap.mmap(result, result_size(call))
        room[0] = _worked(call, memoryview(columns), memoryview(room), locks, parent)
    finally:
        os._exit(0)


def _worked(call: Call, columns: memoryview, room: memoryview, locks: Locks, parent: int) -> int:
    try:
        lock(locks, parent, call.memory + len(columns) + len(room), call.seconds)
    except LayerError:
        return NO_LOCK
    try:
        function = made(call.source)
        gc.freeze()
        run(call, function, columns, room)
    except NotAllowed:
        return NOT_ALLOWED
    except NoResult:
        return NO_RESULT
    except BaseException:  # noqa: BLE001 - whatever it is, it is the same to whoever asks
        return RAISED
    return DONE
