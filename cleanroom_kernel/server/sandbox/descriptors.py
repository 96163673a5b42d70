"""Which open files a confined process may inherit. Promise: none that could be pointed at something new."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterable
from typing import IO

Output = int | IO[bytes] | None


class DescriptorError(ValueError):
    """A descriptor that would be a way out of the sandbox."""


def require_channels(passed: Iterable[int]) -> None:
    for descriptor in passed:
        if not _is_channel(descriptor):
            raise DescriptorError(f"descriptor {descriptor} is neither a pipe nor a unix stream socket")


def require_own_output(*outputs: Output) -> None:
    """The server's own output would outlive the process, and would keep whoever waits for its end waiting."""
    for output in outputs:
        if output in (subprocess.PIPE, subprocess.DEVNULL):
            continue
        if output is None or not _is_channel(output if isinstance(output, int) else output.fileno()):
            raise DescriptorError("stdout and stderr are a pipe or DEVNULL, never the server's own")


def _is_channel(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        return True
    if not stat.S_ISSOCK(mode):
        return False
    with socket.socket(fileno=os.dup(descriptor)) as probe:
        # a datagram socket, connected or not, sends to any socket file it names
        return probe.family == socket.AF_UNIX and probe.type in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
