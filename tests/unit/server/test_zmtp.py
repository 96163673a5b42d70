"""Our end of ZMTP against libzmq's, and against a peer that breaks the rules."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import tempfile

import pytest
import zmq
import zmq.asyncio

from cleanroom_kernel.server.zmtp import Link, ZmtpError

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04XPUB"


def scenario(test):
    @functools.wraps(test)
    def run():
        with tempfile.TemporaryDirectory(prefix="zmtp-") as directory:
            asyncio.run(asyncio.wait_for(test(os.path.join(directory, "s")), 20))

    del run.__wrapped__  # pytest would ask for a fixture
    return run


async def linked(path, kind, ours, limit=10_000):
    context = zmq.asyncio.Context()
    peer = context.socket(kind)
    peer.linger = 0
    peer.bind(f"ipc://{path}")
    link = await Link.connect(path, ours, b"identity", limit)
    return context, peer, link


@scenario
async def test_a_dealer_and_a_router_exchange_messages(path):
    context, peer, link = await linked(path, zmq.ROUTER, "DEALER")
    link.send([b"early", b""])  # before the handshake: kept until it is over
    await link.greeted()
    assert await peer.recv_multipart() == [b"identity", b"early", b""]
    sizes = (0, 1, 255, 256, 5000)
    link.send([bytes(size) for size in sizes])
    assert [len(part) for part in (await peer.recv_multipart())[1:]] == list(sizes)
    await peer.send_multipart([b"identity", *(bytes(size) for size in sizes)])
    assert [len(part) for part in await link.receive()] == list(sizes)
    context.destroy(0)


@scenario
async def test_a_subscriber_hears_a_publisher(path):
    context, peer, link = await linked(path, zmq.XPUB, "SUB")
    await link.greeted()
    assert await peer.recv() == b"\x01"
    await peer.send_multipart([b"topic", b"body"])
    assert await link.receive() == [b"topic", b"body"]
    context.destroy(0)


@scenario
async def test_a_part_beyond_the_limit_is_drained_and_reported_and_the_next_message_is_whole(path):
    context, peer, link = await linked(path, zmq.XPUB, "SUB", limit=1000)
    await link.greeted()
    await peer.recv()
    await peer.send_multipart([b"head", bytes(5_000_000), b"tail"])
    await peer.send_multipart([b"next"])
    assert await link.receive() == [b"head", None, b"tail"]
    assert await link.receive() == [b"next"]
    context.destroy(0)


@scenario
async def test_many_parts_share_one_limit(path):
    context, peer, link = await linked(path, zmq.XPUB, "SUB", limit=1000)
    await link.greeted()
    await peer.recv()
    await peer.send_multipart([bytes(400)] * 5)
    assert [part is None for part in await link.receive()] == [False, False, True, True, True]
    context.destroy(0)


@scenario
async def test_a_peer_that_goes_away_is_an_error(path):
    context, peer, link = await linked(path, zmq.XPUB, "SUB")
    await link.greeted()
    peer.close()
    with pytest.raises(ZmtpError):
        await link.receive()
    await link.drained()
    context.destroy(0)


def rude(data, greet=True):
    """What our end makes of a peer that says `data` after (or instead of) a proper handshake."""

    async def run():
        with tempfile.TemporaryDirectory(prefix="zmtp-") as directory, socket.socket(socket.AF_UNIX) as listening:
            path = os.path.join(directory, "s")
            listening.bind(path)
            listening.listen()
            link = await Link.connect(path, "SUB", b"", 1000)
            peer, _ = listening.accept()
            with peer:
                peer.sendall((GREETING + READY if greet else b"") + data)
                peer.shutdown(socket.SHUT_WR)
                await link.greeted()
                while True:
                    await link.receive()

    return asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize(
    ("data", "greet", "said"),
    [
        (b"HTTP/1.1 400" + bytes(60), False, "greeting"),
        (GREETING.replace(b"NULL", b"PLAI"), False, "greeting"),
        (GREETING + b"\x00\x05hello", False, "READY"),
        (GREETING + b"\x06" + (2**40).to_bytes(8, "big"), False, "READY"),
        (b"\xff", True, "flags"),
        (b"\x01\x00" * 3000, True, "parts"),
        (b"\x04\x00" * 101, True, "commands"),
        (b"\x06" + (2**40).to_bytes(8, "big"), True, "commands"),
        (b"\x00\x05he", True, "gone"),
        (b"\x02" + (2**62).to_bytes(8, "big") + b"x", True, "gone"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_an_error(data, greet, said):
    with pytest.raises(ZmtpError, match=said):
        rude(data, greet)
