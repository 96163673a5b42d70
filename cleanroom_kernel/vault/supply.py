"""Supply: how the server hands a vault the line to a process that it has started for it."""

from __future__ import annotations

import array
import os
import select
import socket
from collections.abc import Callable

Wait = Callable[[socket.socket, int], None]


class Supply:
    """`wait(stream, event)` returns when the stream may be ready, or raises to give up. `owed` counts words of the
    server that are still to come.
    """

    def __init__(self, stream: socket.socket, wait: Wait, owed: int = 0) -> None:
        stream.setblocking(False)
        self._stream, self._wait, self.owed = stream, wait, owed

    def next(self) -> int | None:
        """The server's last word that is owed: a byte, and with it a line if a process could be started. Lines that
        nobody has waited for before are of no use.
        """
        while True:
            self._wait(self._stream, select.POLLIN)
            descriptors = array.array("i")
            try:
                _, found, _, _ = self._stream.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
            except BlockingIOError:
                continue
            for _, _, data in found:
                descriptors.frombytes(data)
            self.owed -= 1
            if self.owed <= 0:
                return descriptors[0] if descriptors else None
            for descriptor in descriptors:
                os.close(descriptor)
