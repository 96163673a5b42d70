"""System calls that the standard library lacks, through ctypes. Promise: a failure is an exception, never a flag.

Runs in the confined process before the first import of anything else: standard library only. `ctypes.util` is avoided
on purpose, since `find_library` executes ldconfig, which a confined process may not.
"""

from __future__ import annotations

import ctypes
import errno
import os

_LIBC = ctypes.CDLL(None, use_errno=True)

_NUMBERS = {
    "x86_64": {"capset": 126, "seccomp": 317},
    "aarch64": {"capset": 91, "seccomp": 277},
}
_EVERYWHERE = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}


class LayerError(Exception):
    """A layer that was asked for cannot be applied. `layer` and `reason` are words of ours or errno names."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer
        self.reason = reason


def call(layer: str, name: str, *arguments: int | bytes | ctypes.Array | None) -> int:
    """Make system call `name`; on failure raise LayerError for `layer`."""
    number = _EVERYWHERE.get(name) or _NUMBERS.get(os.uname().machine, {}).get(name)
    if number is None:
        raise LayerError(layer, "MACHINE")
    # the C prototype is variadic: without c_long an int would be passed as 32 bits
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _LIBC.syscall.restype = ctypes.c_long
    return _checked(layer, _LIBC.syscall(ctypes.c_long(number), *converted))


def prctl(layer: str, option: int, value: int = 0) -> int:
    """prctl with the unused arguments zero, which the kernel requires of the newer options."""
    return _checked(layer, _LIBC.prctl(ctypes.c_int(option), *(ctypes.c_ulong(x) for x in (value, 0, 0, 0))))


def _checked(layer: str, result: int) -> int:
    if result < 0:
        raise LayerError(layer, errno.errorcode.get(ctypes.get_errno(), "UNKNOWN"))
    return result
