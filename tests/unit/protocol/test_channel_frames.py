"""The inner borders' channel against bytes that are no message."""

from __future__ import annotations

import socket

import pytest

from cleanroom_kernel.protocol.channel import BadFrame, Channel, frame
from cleanroom_kernel.protocol.messages import CellStarted


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x80", b"\x82\xa4type\xa4cell\xa4cell\xa1\xff", b"\x91" * 5000 + b"\x90"]
)
def test_a_bad_frame_is_refused_and_the_next_one_is_read(body):
    """Text that is no UTF-8 among them: msgspec raises another error for it than for the rest."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours, CellStarted, limit=10_000)
        theirs.sendall(frame(body))
        Channel(theirs, CellStarted, limit=10_000).send(CellStarted("c"))
        with pytest.raises(BadFrame):
            channel.receive()
        assert channel.receive() == CellStarted("c")
