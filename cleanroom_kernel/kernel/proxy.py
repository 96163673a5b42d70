"""The proxy kernel: what JupyterLab starts, and what passes between it and the room.

Promise: every request gets its reply, from the room or, when the room cannot be reached, from here with the reason and
what to do about it. Messages are passed on as they are; the room has made them, the room's server has checked them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import signal
import time
from collections import OrderedDict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.artifacts import Announced, Damaged, Shelf
from cleanroom_kernel.kernel.link import Link, Outgoing
from cleanroom_kernel.kernel.progress import Progress
from cleanroom_kernel.kernel.sockets import LocalRequest, Sockets
from cleanroom_kernel.protocol.http import ARTIFACT_MESSAGE, Problem, RoomInfo, error_reply
from cleanroom_kernel.protocol.jupyter import Header, Key, Parent, encode, kernel_info, read_header, read_parent
from cleanroom_kernel.protocol.websocket import EXPERT_LIMIT, pack, unpack

_MOST_ROUTES = 20_000
_INFO_SECONDS = 1.5  # for the room to say its Python version, before Jupyter gets an answer without it
_SAY_LOST_SECONDS = 2  # a line that is back sooner is not worth a word
_LOOK_SECONDS = 0.25
_FAREWELL_SECONDS = 0.05

_ENDINGS = {
    "idle": "It was idle for longer than the owner allows.",
    "age": "It was older than the owner allows.",
    "owner": "The owner ended it.",
    "expert": "It was shut down.",
    "stopped": "The server was stopped.",
    "": "The server was restarted.",
}


class InFlight:
    """A request that the room has yet to answer."""

    def __init__(self, request: LocalRequest, outgoing: Outgoing) -> None:
        self.request, self.outgoing = request, outgoing
        self.since = time.monotonic()

    @property
    def is_cell(self) -> bool:
        return self.request.header.msg_type == "execute_request"


class Mark(msgspec.Struct, frozen=True):
    number: int = 0


class Metadata(msgspec.Struct, frozen=True):
    cleanroom: Mark = Mark()


class Proxy:
    def __init__(self, connection_file: Path, connection: str, patience: float) -> None:
        self._patience = patience
        self._process = secrets.token_hex(4)
        self._sockets = Sockets(connection_file, self._from_client)
        self._progress = Progress(connection_file)
        self._link = Link(lambda: connections.load(connection), self._progress, self)
        self._shelf = Shelf(Path.cwd(), connections.directory() / "artifacts.json")
        self._routes: OrderedDict[Key, tuple[bytes, ...]] = OrderedDict()
        self._waiting: dict[Key, InFlight] = {}
        self._info: dict[str, Any] | None = None
        self._info_known = asyncio.Event()
        self._ended: str | None = None  # why the last session ended, until the expert was told
        self._down_since: float | None = None
        self._told_lost: list[Header] = []
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        self._until_stopped()
        for pump in (self._link.run(), self._watch(), self._watch_parent()):
            self._background(pump)
        await self._stop.wait()
        await asyncio.sleep(_FAREWELL_SECONDS)
        for task in self._tasks:
            task.cancel()
        self._sockets.close()

    def _until_stopped(self) -> None:
        """Jupyter interrupts by message; a Ctrl-C in its terminal is not for us."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)

    def _background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """A pump that fails takes the kernel with it: Jupyter restarts it, and the session is found again."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._stop.set()
            raise task.exception()

    async def _watch_parent(self) -> None:
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(1)
        self._stop.set()

    # -- from Jupyter -------------------------------------------------------------------------------------------------
    def _from_client(self, request: LocalRequest) -> None:
        self._routes[request.key] = request.routing
        if len(self._routes) > _MOST_ROUTES:
            self._routes.popitem(last=False)
        match request.header.msg_type:
            case "kernel_info_request":
                self._background(self._introduce(request))
            case "shutdown_request":
                self._background(self._shut_down(request))
            case "interrupt_request" if self._link.problem is not None:
                self._interrupt_offline(request)
            case _:
                self._pass_on(request)

    def _pass_on(self, request: LocalRequest) -> None:
        expects_reply = request.header.msg_type.endswith("_request")
        data = pack(request.channel, request.parts)
        if len(data) > EXPERT_LIMIT:
            self._fail(request, Problem.TOO_LARGE)
        elif self._ended is not None and expects_reply:
            self._tell_ended(request)
        else:
            outgoing = self._link.send(data)
            if expects_reply:
                self._waiting[request.key] = InFlight(request, outgoing)
            if self._link.problem is not None:
                self._link.try_again()

    async def _introduce(self, request: LocalRequest) -> None:
        """Answered here, so that a room that is slow or away does not keep the notebook from opening."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._info_known.wait(), _INFO_SECONDS)
        info = self._info or kernel_info(platform.python_version(), "Clean Room Kernel (not connected)")
        self._answer(request, info)

    async def _shut_down(self, request: LocalRequest) -> None:
        """Jupyter says so when the expert shuts down or restarts: then the session is no longer wanted. When this
        process just disappears, the session stays, and its next process finds it again."""
        await self._link.end_session()
        self._progress.forget()
        restart = msgspec.json.decode(request.parts[3], type=dict[str, Any]).get("restart", False)
        content = {"status": "ok", "restart": restart}
        self._sockets.publish("shutdown_reply", self._sockets.message("shutdown_reply", request.header, content))
        self._answer(request, content)
        self._stop.set()

    def _interrupt_offline(self, request: LocalRequest) -> None:
        """Cells that have not left yet are not run; one that may be running goes on."""
        for waiting in list(self._waiting.values()):
            if self._link.withdraw(waiting.outgoing):
                self._fail(waiting.request, self._link.problem or Problem.OFFLINE)
        self._answer(request, {"status": "ok"})

    # -- from the room ------------------------------------------------------------------------------------------------
    def arrived(self, data: bytes) -> None:
        try:
            channel, parts = unpack(data)
            header, parent = read_header(parts[0]), read_parent(parts[1])
            number = msgspec.json.decode(parts[2], type=Metadata).cleanroom.number
        except ValueError:
            return  # no message of a server of this version
        if number <= self._link.received:
            return
        parts[2] = self._in_own_bytes(parts[2])
        for missing in range(self._link.received + 1, number):
            self._progress.deliver(missing)
        self._link.received = number
        if header.msg_type == ARTIFACT_MESSAGE:
            self._keep(parent, parts)
            self._progress.deliver(number)
        elif channel == "iopub":
            self._sockets.publish(header.msg_type, parts, lambda: self._progress.deliver(number))
        else:
            self._route(channel, header, parent, parts)
            self._progress.deliver(number)

    def _in_own_bytes(self, metadata: bytes) -> bytes:
        """A message that was handed over but not yet noted when the process died is delivered again by the next one.
        Jupyter's clients fail on a signature that they have seen, so that must not be the same bytes."""
        return encode({**msgspec.json.decode(metadata, type=dict[str, Any]), "proxy": self._process})

    def _route(self, channel: str, header: Header, parent: Parent, parts: list[bytes]) -> None:
        if header.msg_type.endswith("_reply"):
            self._waiting.pop(parent.key, None)
        # Jupyter's clients use their session as identity: that outlives this process, our own record does not.
        routing = self._routes.get(parent.key, (parent.session.encode(),))
        self._sockets.reply(channel, routing, parts)

    def _keep(self, parent: Parent, parts: list[bytes]) -> None:
        try:
            announced = msgspec.json.decode(parts[3], type=Announced)
            sentence = self._shelf.write(announced, parts[4]).sentence
            shown = {"text/plain": sentence, "text/markdown": f"{sentence}\n\n{announced.report}"}
            kind, content = "display_data", {"data": shown, "metadata": {}, "transient": {}}
        except Damaged as damaged:
            kind, content = "stream", {"name": "stderr", "text": f"[clean room: {damaged}]\n"}
        except OSError as error:
            text = f"[clean room: the released file could not be written here: {error.strerror}. Release it again.]\n"
            kind, content = "stream", {"name": "stderr", "text": text}
        message = self._sockets.message(kind, None, content)
        self._sockets.publish(kind, [message[0], parts[1], *message[2:]])

    # -- the line -----------------------------------------------------------------------------------------------------
    def room_known(self, info: RoomInfo) -> None:
        self._info = info.kernel_info
        self._info_known.set()

    def line_up(self) -> None:
        self._down_since = None
        for parent in self._told_lost:
            self._tell(parent, "[clean room: the connection is back]")
        self._told_lost = []

    def line_down(self, problem: Problem) -> None:
        self._down_since = self._down_since or time.monotonic()
        self._info_known.set()
        if problem is not Problem.OFFLINE:
            self._fail_untried(problem)

    def session_lost(self, reason: str) -> None:
        """Whoever runs a cell is told once: in the cell that was running, or else in the next one."""
        lost = [waiting for waiting in self._waiting.values() if waiting.outgoing.tried]
        told = reason == "revoked" or any(waiting.is_cell for waiting in lost)
        self._ended = None if told else reason
        self._told_lost = []
        self._fail_lost(lost, reason)

    def missed(self, count: int) -> None:
        message = f"[clean room: {count} messages were lost while the notebook was disconnected]\n"
        self._sockets.publish("stream", self._sockets.message("stream", None, {"name": "stderr", "text": message}))

    def _fail_lost(self, lost: list[InFlight], reason: str) -> None:
        problem = Problem.REVOKED if reason == "revoked" else Problem.ENDED
        for waiting in lost:
            self._fail(waiting.request, problem, _ENDINGS.get(reason, ""))

    def _fail_untried(self, problem: Problem) -> None:
        for waiting in list(self._waiting.values()):
            if self._link.withdraw(waiting.outgoing):
                self._fail(waiting.request, problem)

    async def _watch(self) -> None:
        """Give up on requests that have waited too long for the line; tell running cells that it is down."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._down_since is None or self._link.problem is None:
                continue
            moment = time.monotonic()
            for waiting in list(self._waiting.values()):
                if moment - waiting.since > self._patience and self._link.withdraw(waiting.outgoing):
                    self._fail(waiting.request, self._link.problem)
                elif moment - self._down_since > _SAY_LOST_SECONDS and waiting.is_cell and waiting.outgoing.tried:
                    self._tell_lost(waiting.request.header)

    def _tell_lost(self, parent: Header) -> None:
        if parent not in self._told_lost:
            self._told_lost.append(parent)
            self._tell(
                parent,
                "[clean room: connection lost; the cell goes on running, its output follows when the line is back]",
            )

    # -- answers of our own -------------------------------------------------------------------------------------------
    def _fail(self, request: LocalRequest, problem: Problem, more: str = "") -> None:
        self._waiting.pop(request.key, None)
        content = error_reply(problem, more)
        is_cell = request.header.msg_type == "execute_request"
        shown = {key: content[key] for key in ("ename", "evalue", "traceback")} if is_cell else None
        self._answer(request, content, shown)

    def _tell_ended(self, request: LocalRequest) -> None:
        reason = self._ended or ""
        if request.header.msg_type == "execute_request":
            self._ended = None
            self._link.try_again()
        self._fail(request, Problem.ENDED, _ENDINGS.get(reason, ""))

    def _answer(self, request: LocalRequest, content: dict[str, Any], error: dict[str, Any] | None = None) -> None:
        header = request.header
        self._publish("status", header, {"execution_state": "busy"})
        if error is not None:
            self._publish("error", header, error)
        kind = header.msg_type.removesuffix("_request") + "_reply"
        self._sockets.reply(request.channel, request.routing, self._sockets.message(kind, header, content))
        self._publish("status", header, {"execution_state": "idle"})

    def _tell(self, parent: Header, text: str) -> None:
        self._publish("stream", parent, {"name": "stderr", "text": f"{text}\n"})

    def _publish(self, kind: str, parent: Header, content: dict[str, Any]) -> None:
        self._sockets.publish(kind, self._sockets.message(kind, parent, content))
