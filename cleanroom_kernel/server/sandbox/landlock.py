"""Landlock: which files the process may open. Promise: every right that this kernel's Landlock knows is denied unless
granted, from ABI 1 (Linux 5.13) on. No right to execute, to make sockets or devices, or to use TCP or UDP is ever
granted. Runs in the confined process: standard library only.
"""

from __future__ import annotations

import os
import stat
import struct

from cleanroom_kernel.server.sandbox.syscalls import LayerError, call

_QUERY_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14

_FILE_RIGHTS_ADDED = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: 1 << 15, 9: 1 << 16}
"""ABI version -> rights that it added: execute to make-symlink; refer; truncate; device ioctl; resolve-unix."""
_NETWORK_RIGHTS_ADDED = {4: 0b0011, 10: 0b1100}
"""Bind and connect: TCP, then UDP."""
_SCOPES_ADDED = {6: 0b11}
"""Abstract unix sockets and signals reach processes of the same confinement only."""
_ATTRIBUTE_BYTES = {1: 8, 4: 16, 6: 24}
"""Size of struct landlock_ruleset_attr by the ABI that extended it; a kernel refuses a longer one."""

_READ = _READ_FILE | _READ_DIR
RIGHTS = {
    "read": _READ,
    "device": _READ_FILE | _WRITE_FILE,
    # what SQLite needs of its directory: files made, resized, locked and removed, no directories
    "state": _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _REMOVE_FILE,
    "scratch": _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _REMOVE_FILE | _MAKE_DIR | _REMOVE_DIR | _REFER,
}
_OF_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE
"""The kernel refuses a rule that gives a plain file a directory's rights."""


def version() -> int:
    """This kernel's Landlock ABI. Raises LayerError when it has none."""
    return call("landlock", "landlock_create_ruleset", None, 0, _QUERY_VERSION)


def restrict(grants: list[list[str]], *, at_most: int | None = None) -> int:
    """Deny this thread everything but `grants`, for good; returns the ABI used.

    A grant is [path, key of RIGHTS, "required" or "optional"]; an optional path may be absent. `at_most` pretends that
    the kernel is older.
    """
    abi = version() if at_most is None else min(version(), at_most)
    handled = _known(_FILE_RIGHTS_ADDED, abi)
    attribute = struct.pack("=QQQ", handled, _known(_NETWORK_RIGHTS_ADDED, abi), _known(_SCOPES_ADDED, abi))
    size = _ATTRIBUTE_BYTES[max(known for known in _ATTRIBUTE_BYTES if known <= abi)]
    ruleset = call("landlock", "landlock_create_ruleset", attribute[:size], size, 0)
    for path, kind, presence in grants:
        _grant(ruleset, path, RIGHTS[kind] & handled, optional=presence == "optional")
    call("landlock", "landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
    return abi


def _known(added: dict[int, int], abi: int) -> int:
    rights = 0
    for since, right in added.items():
        if since <= abi:
            rights |= right
    return rights


def _grant(ruleset: int, path: str, rights: int, *, optional: bool) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        if optional:
            return
        raise LayerError("landlock", "ENOENT") from None
    except OSError as error:
        raise LayerError("landlock", type(error).__name__) from None
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _OF_A_FILE
    call("landlock", "landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    os.close(place)
