"""Supply: where the server hands over the line to a new vault, when the one that there was has died.

Promise: waiting for it can be interrupted, and after the server's last word (there will be none) nobody waits again.
"""

from __future__ import annotations

import select
import socket

import msgspec

from cleanroom_kernel.protocol.messages import VaultReplaced

_MOST = 2**16  # bytes of one word
_NO_SERVER = VaultReplaced("The room's server has ended.", at_work=True)


class Supply:
    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._last: VaultReplaced | None = None

    def next(self) -> tuple[VaultReplaced, socket.socket | None]:
        """What the server says of a vault that died, and the line to the one after it. Without a line there is none,
        now or later.
        """
        if self._last is not None:
            return self._last, None
        ready = select.poll()
        ready.register(self._stream, select.POLLIN)
        ready.poll()
        body, descriptors, _, _ = socket.recv_fds(self._stream, _MOST, 1, socket.MSG_CMSG_CLOEXEC)
        word = msgspec.msgpack.decode(body, type=VaultReplaced) if body else _NO_SERVER
        if not descriptors:
            self._last = word
            return word, None
        return word, socket.socket(fileno=descriptors[0])
