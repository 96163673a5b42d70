"""Sockets: the proxy kernel's side towards Jupyter on the same machine.

Promise: five ZeroMQ sockets as every Jupyter kernel has them. No channel waits for another, and nothing on iopub is
lost to a subscriber that has not subscribed yet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from msgspec import Struct

from cleanroom_kernel.protocol.jupyter import Header, Key, Signer, encode, now, read_header
from cleanroom_kernel.protocol.websocket import BadMessage

FIRST_SUBSCRIBER_SECONDS = 2
_POLL_MILLISECONDS = 100
_LINGER_MILLISECONDS = 1000

Published = Callable[[], None]


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
    def __init__(self, connection_file: Path) -> None:
        facts = json.loads(connection_file.read_text())
        self.name = connection_file.stem.removeprefix("kernel-")
        self._facts = facts
        self._signer = Signer(facts["key"].encode(), facts.get("signature_scheme") or "hmac-sha256")
        self._context = zmq.asyncio.Context()
        self._requests = {channel: self._bind(channel, zmq.ROUTER) for channel in ("shell", "control", "stdin")}
        self._iopub = self._bind("iopub", zmq.XPUB)
        self._heart = self._bind("hb", zmq.REP)
        self._subscribed = asyncio.Event()
        self._outgoing: asyncio.Queue[tuple[list[bytes], Published | None]] = asyncio.Queue()
        self._count = 0

    def pumps(self, handle: Callable[[LocalRequest], Awaitable[None]]) -> list[Awaitable[None]]:
        return [
            *(self._receive(channel, handle) for channel in self._requests),
            self._publish_all(),
            self._welcome(),
            self._beat(),
        ]

    def close(self) -> None:
        self._context.destroy(linger=_LINGER_MILLISECONDS)

    # -- out ----------------------------------------------------------------------------------------------------------
    async def reply(self, channel: str, routing: Sequence[bytes], parts: Sequence[bytes]) -> None:
        await self._requests[channel].send_multipart([*routing, *self._signer.close(parts)])

    def publish(self, kind: str, parts: Sequence[bytes], published: Published | None = None) -> None:
        """Queue for iopub; `published` is called when the message has been handed over."""
        topic = f"kernel.{self.name}.{kind}".encode()
        self._outgoing.put_nowait(([topic, *self._signer.close(parts)], published))

    def message(self, kind: str, parent: Header | None, content: dict[str, Any]) -> list[bytes]:
        """Parts of a message of our own."""
        self._count += 1
        header = Header(f"{self.name}_proxy_{self._count}", kind, session=self.name, username="cleanroom", date=now())
        return [encode(header), encode(parent) if parent is not None else b"{}", b"{}", encode(content)]

    # -- pumps --------------------------------------------------------------------------------------------------------
    async def _receive(self, channel: str, handle: Callable[[LocalRequest], Awaitable[None]]) -> None:
        while True:
            frames = await self._requests[channel].recv_multipart()
            try:
                routing, parts = self._signer.open(frames)
                request = LocalRequest(channel, tuple(routing), read_header(parts[0]), tuple(parts))
            except BadMessage:
                continue  # not from a client of ours: it does not hold the connection file's key
            await handle(request)

    async def _publish_all(self) -> None:
        """A PUB socket drops what nobody has subscribed to: give the first subscriber a moment, once."""
        try:
            await asyncio.wait_for(self._subscribed.wait(), FIRST_SUBSCRIBER_SECONDS)
        except TimeoutError:
            self._subscribed.set()
        while True:
            frames, published = await self._outgoing.get()
            await self._iopub.send_multipart(frames)
            if published is not None:
                published()

    async def _welcome(self) -> None:
        while True:
            if not await self._iopub.poll(_POLL_MILLISECONDS):
                continue  # polled with an end: zmq.asyncio can miss the edge of a subscription
            event = await self._iopub.recv()
            if event[:1] == b"\x01":
                content = {"subscription": event[1:].decode("utf-8", "replace")}
                frames = self._signer.close(self.message("iopub_welcome", None, content))
                await self._iopub.send_multipart([event[1:], *frames] if event[1:] else [b"welcome", *frames])
                self._subscribed.set()

    async def _beat(self) -> None:
        while True:
            await self._heart.send_multipart(await self._heart.recv_multipart())

    def _bind(self, name: str, kind: int) -> zmq.asyncio.Socket:
        made = self._context.socket(kind)
        made.linger = _LINGER_MILLISECONDS
        if kind == zmq.ROUTER:
            made.router_handover = True  # a client that reconnects keeps its identity
        transport, ip, port = self._facts["transport"], self._facts["ip"], self._facts[f"{name}_port"]
        made.bind(f"tcp://{ip}:{port}" if transport == "tcp" else f"ipc://{ip}-{port}")
        return made
