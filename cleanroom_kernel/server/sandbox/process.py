"""A confined process, seen from the server. Promise: it counts as started only when it has said what confines it, and
after `close` nothing of it is left: no process, no directory, no claim to a user id.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
from contextlib import ExitStack

import msgspec

from cleanroom_kernel.server.sandbox.cgroups import Group
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.profiles import Profile
from cleanroom_kernel.server.sandbox.report import Applied, Layer, Measured, Remark

_CREDENTIALS = struct.Struct("3i")
_MOST_BYTES = 1 << 16


class LaunchError(OSError):
    """A confined process did not come up; an OSError, like every other way of not starting.

    `layer` is the one that failed, if the loader got as far as to say.
    """

    def __init__(self, layer: Layer | None, reason: str) -> None:
        super().__init__(f"{layer.value if layer else 'start'}: {reason}")
        self.layer = layer
        self.reason = reason


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the loader sends back: exactly one of the two."""

    applied: Measured | None = None
    failed: tuple[Layer, str] | None = None


class Promised(msgspec.Struct, frozen=True):
    """What a launch set out to apply, until the process has said what it did."""

    profile: Profile
    layers: Layers
    group: Group | None
    remarks: tuple[Remark, ...]

    def applied(self, measured: Measured) -> Applied:
        wrapped = self.layers.bubblewrap
        return Applied(
            profile=self.profile.name,
            tier=self.layers.tier,
            bubblewrap=None if wrapped is None else wrapped.version,
            program=self.profile.program if self.layers.seccomp else None,
            measured=measured,
            cgroup=self.group is not None,
            remarks=self.remarks,
        )


class Confined:
    """A process that confines itself; `confirm` before the first byte of untrusted code goes in.

    `fileno` becomes readable when the process has reported, so that an event loop can wait for that and then `confirm`.
    `popen` is bubblewrap where that is used; `pid` is the process itself, once confirmed.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], control: socket.socket, promised: Promised, kept: ExitStack
    ) -> None:
        self.popen = popen
        self.applied: Applied | None = None
        self.pid: int | None = None
        self._control = control
        self._promised = promised
        self._kept = kept
        self._pidfd: int | None = None

    def fileno(self) -> int:
        return self._control.fileno()

    def confirm(self, timeout: float) -> Applied:
        """What is in force. Raises LaunchError, with the process gone, if that is less than was asked for."""
        try:
            self.pid, answer = self._answer(timeout)
            self._pidfd = os.pidfd_open(self.pid)
            if answer.applied is None:
                raise LaunchError(*answer.failed)
            if self._promised.group is not None:
                self._promised.group.admit(self.pid)
            self.applied = self._promised.applied(answer.applied)
        except ProcessLookupError:
            self.close()
            raise LaunchError(None, "ended after it reported") from None
        except BaseException:
            self.close()
            raise
        return self.applied

    def _answer(self, timeout: float) -> tuple[int, Answer]:
        if not _wait_for(self._control.fileno(), timeout):
            raise LaunchError(None, "no report in time")
        try:
            data, ancillary, _, _ = self._control.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
        except ConnectionResetError:  # it ended with its orders unread
            data, ancillary = b"", []
        if not data:
            raise LaunchError(None, "ended before it reported")
        # the kernel says who sent this, in our own numbering, whatever namespace the sender is in
        pid, _, _ = _CREDENTIALS.unpack(ancillary[0][2])
        return pid, msgspec.json.decode(data, type=Answer)

    def interrupt(self) -> None:
        """Send SIGINT to the process itself, through whatever is around it. Nothing happens if it has ended."""
        self._signal(signal.SIGINT)

    def close(self) -> None:
        """Kill it, wait until it is gone, and remove what was made for it. Safe to call again."""
        self._signal(signal.SIGKILL)
        self.popen.kill()
        self.popen.wait()
        if self._pidfd is not None:
            _wait_for(self._pidfd, None)  # inside bubblewrap it ends a moment after its parent
            os.close(self._pidfd)
            self._pidfd = None
        self._control.close()
        self._kept.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is None:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return


def _wait_for(descriptor: int, seconds: float | None) -> bool:
    """Whether `descriptor` became readable in time. Not by select, which takes no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
