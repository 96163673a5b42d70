"""Who the process is: its user, its capabilities, its parent. Promise: after `assume`, no privilege is left to drop.

Runs in the confined process: standard library only.
"""

from __future__ import annotations

import os
import signal
import struct

from cleanroom_kernel.server.sandbox.syscalls import LayerError, call, prctl

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 1, 4, 38, 39
_CAPABILITY_VERSION_3 = 0x20080522


def assume(uid: int | None) -> None:
    """Become user `uid` (the group of the same number, no other groups), or stay; lose every capability."""
    if uid is not None:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            raise LayerError("identity", type(error).__name__) from None
    # root stays root in name only: with no capability left and no exec to regain one
    call("identity", "capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent dies. After `assume`, since the kernel forgets this on a change of user."""
    prctl("identity", _PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_memory() -> None:
    """Not dumpable: no core file, and no other process of the same user may attach or read memory."""
    prctl("identity", _PR_SET_DUMPABLE, 0)


def renounce_privileges() -> None:
    """no_new_privs: Landlock and seccomp demand it of a process without capabilities."""
    prctl("identity", _PR_SET_NO_NEW_PRIVS, 1)


def has_renounced_privileges() -> bool:
    return prctl("identity", _PR_GET_NO_NEW_PRIVS) == 1
