"""Sockets: the proxy kernel's side towards Jupyter on the same machine.

Promise: five ZeroMQ sockets as every Jupyter kernel has them. No channel waits for another, and nothing on iopub is
lost to a subscriber that has not subscribed yet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zmq
from msgspec import Struct

from cleanroom_kernel.protocol.jupyter import Header, Key, Signer, encode, now, read_header
from cleanroom_kernel.protocol.websocket import BadMessage

FIRST_SUBSCRIBER_SECONDS = 2
_LINGER_MILLISECONDS = 1000

Sent = Callable[[], None]


class LocalRequest(Struct, frozen=True):
    """A message from a client on this machine; `routing` is where its reply goes."""

    channel: str
    routing: tuple[bytes, ...]
    header: Header
    parts: tuple[bytes, ...]

    @property
    def key(self) -> Key:
        return self.header.key


class Sockets:
    def __init__(self, connection_file: Path, handle: Callable[[LocalRequest], None]) -> None:
        facts = json.loads(connection_file.read_text())
        self.name = connection_file.stem.removeprefix("kernel-")
        self._facts, self._handle = facts, handle
        self._signer = Signer(facts["key"].encode(), facts.get("signature_scheme") or "hmac-sha256")
        self._context = zmq.Context()
        self._loop = asyncio.get_running_loop()
        self._requests = {name: self._bind(name, zmq.ROUTER, self._receiver(name)) for name in _REQUEST_CHANNELS}
        self._iopub = self._bind("iopub", zmq.XPUB, self._subscription)
        self._heart = self._bind("hb", zmq.REP, self._beat)
        # A PUB socket drops what nobody has subscribed to: give the first subscriber a moment, once.
        self._held: list[tuple[list[bytes], Sent | None]] | None = []
        self._loop.call_later(FIRST_SUBSCRIBER_SECONDS, self._let_go)
        self._count = 0

    def close(self) -> None:
        for made in (*self._requests.values(), self._iopub, self._heart):
            made.stop()
        self._context.destroy(linger=_LINGER_MILLISECONDS)

    # -- out ----------------------------------------------------------------------------------------------------------
    def reply(self, channel: str, routing: Sequence[bytes], parts: Sequence[bytes]) -> None:
        self._requests[channel].send([*routing, *self._signer.close(parts)])

    def publish(self, kind: str, parts: Sequence[bytes], sent: Sent | None = None) -> None:
        """Send on iopub; `sent` is called when the message has been handed over."""
        frames = [f"kernel.{self.name}.{kind}".encode(), *self._signer.close(parts)]
        if self._held is not None:
            self._held.append((frames, sent))
            return
        self._iopub.send(frames)
        if sent is not None:
            sent()

    def message(self, kind: str, parent: Header | None, content: dict[str, Any]) -> list[bytes]:
        """Parts of a message of our own."""
        self._count += 1
        header = Header(f"{self.name}_proxy_{self._count}", kind, session=self.name, username="cleanroom", date=now())
        return [encode(header), encode(parent) if parent is not None else b"{}", b"{}", encode(content)]

    # -- in -----------------------------------------------------------------------------------------------------------
    def _receiver(self, channel: str) -> Callable[[list[bytes]], None]:
        def receive(frames: list[bytes]) -> None:
            try:
                routing, parts = self._signer.open(frames)
                request = LocalRequest(channel, tuple(routing), read_header(parts[0]), tuple(parts))
            except BadMessage:
                return  # not from a client of ours: it does not hold the connection file's key
            self._handle(request)

        return receive

    def _subscription(self, frames: list[bytes]) -> None:
        if frames[0][:1] != b"\x01":
            return
        topic = frames[0][1:]
        content = {"subscription": topic.decode("utf-8", "replace")}
        self._iopub.send([topic or b"welcome", *self._signer.close(self.message("iopub_welcome", None, content))])
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        for frames, sent in held:
            self._iopub.send(frames)
            if sent is not None:
                sent()

    def _beat(self, frames: list[bytes]) -> None:
        self._heart.send(frames)

    def _bind(self, name: str, kind: int, received: Callable[[list[bytes]], None]) -> Watched:
        made = self._context.socket(kind)
        made.linger = _LINGER_MILLISECONDS
        made.sndhwm = 0  # on the expert's own machine a slow reader costs memory, not output
        if kind == zmq.ROUTER:
            made.router_handover = True  # a client that reconnects keeps its identity
        transport, ip, port = self._facts["transport"], self._facts["ip"], self._facts[f"{name}_port"]
        made.bind(f"tcp://{ip}:{port}" if transport == "tcp" else f"ipc://{ip}-{port}")
        return Watched(made, self._loop, received)


_REQUEST_CHANNELS = ("shell", "control", "stdin")


class Watched:
    """One ZeroMQ socket in the event loop.

    Its descriptor tells edges only, and a send can swallow one: so events are looked at after each send as well.
    """

    def __init__(
        self, made: zmq.Socket[bytes], loop: asyncio.AbstractEventLoop, received: Callable[[list[bytes]], None]
    ) -> None:
        self._socket, self._loop, self._received = made, loop, received
        self._looking = False
        loop.add_reader(made.fd, self._look)
        self._look_soon()

    def send(self, frames: Sequence[bytes]) -> None:
        self._socket.send_multipart(frames, zmq.NOBLOCK)
        self._look_soon()

    def stop(self) -> None:
        self._loop.remove_reader(self._socket.fd)

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        while not self._socket.closed and self._socket.events & zmq.POLLIN:
            self._received(self._socket.recv_multipart(zmq.NOBLOCK))
