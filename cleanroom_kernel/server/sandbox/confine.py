"""Confine the calling process, once and for good. Promise: every layer ordered is in force and measured, or LayerError.

The order matters. Limits come first, while they may still be lowered; then the user, whose change clears the death
signal that comes next; no_new_privs, which Landlock and seccomp require; Landlock, which needs system calls that
seccomp refuses; seccomp last. The caller must have a single thread, because Landlock before ABI 8 confines the calling
thread alone. Runs in the confined process: standard library only.
"""

from __future__ import annotations

import errno
import os

from cleanroom_kernel.server.sandbox import identity, landlock, limits, seccomp
from cleanroom_kernel.server.sandbox.syscalls import LayerError


def confine(orders: dict) -> dict:
    """Apply `orders` (an encoded `orders.Orders`) and return what was applied (an encoded `report.Measured`)."""
    _refuse_undeclared_descriptors(set(orders["descriptors"]))
    program = None if orders["program"] is None else seccomp.read_program(orders["program"])
    if _status()["Threads"] != "1":
        raise LayerError("confine", "THREADS")

    os.umask(0o077)
    os.chdir(orders["directory"])
    limits.apply(orders["limits"])
    identity.assume(orders["uid"])
    identity.die_with_parent()
    identity.hide_memory()
    identity.renounce_privileges()
    abi = None
    if orders["grants"] is not None:
        abi = landlock.restrict(orders["grants"], at_most=orders["landlock_abi_at_most"])
    if program is not None:
        seccomp.load(program)
    return _measure(orders, abi)


def _refuse_undeclared_descriptors(declared: set[int]) -> None:
    """An open file that nobody listed reaches past every other layer."""
    listed = [int(name) for name in os.listdir("/proc/self/fd")]
    if any(_is_open(descriptor) for descriptor in listed if descriptor not in declared | {0, 1, 2}):
        raise LayerError("confine", "DESCRIPTORS")


def _is_open(descriptor: int) -> bool:
    """Whether a listed descriptor outlived the listing, which uses one itself."""
    try:
        os.fstat(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return False
    return True


def _measure(orders: dict, abi: int | None) -> dict:
    """Read back from the kernel what is in force, and refuse to go on if it is less than was ordered."""
    status = _status()
    measured = {
        "landlock_abi": abi,
        "seccomp": status.get("Seccomp") == "2",
        "uid": os.getuid(),
        "no_new_privs": identity.has_renounced_privileges(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16),
    }
    if not measured["no_new_privs"] or measured["capabilities"] or orders["uid"] not in (None, measured["uid"]):
        raise LayerError("identity", "NOT IN FORCE")
    if orders["program"] is not None and not measured["seccomp"]:
        raise LayerError("seccomp", "NOT IN FORCE")
    return measured


def _status() -> dict[str, str]:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
