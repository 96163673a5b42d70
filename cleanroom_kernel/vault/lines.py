"""Lines: the vault's two borders, to the interpreter and to the server, read side by side.

Promise: whatever the interpreter sends or fails to read, what the server says is heard: before every request, and while
a reply waits to be taken. Nothing here knows what a request means.
"""

from __future__ import annotations

import select
import socket
import time

import msgspec

from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, REQUEST_LIMIT, BadFrame, Channel, ChannelClosed, frame
from cleanroom_kernel.protocol.messages import (
    CellStarted,
    InterpreterRequest,
    Interrupt,
    Open,
    Progress,
    Reply,
    ServerMessage,
    TurnGiven,
    VaultNotice,
)


class Ended(BaseException):
    """The session is over: the server said so, or one of the lines is gone. No failure, which others might handle."""


class Lines:
    """`cell` is the notebook cell that the server passed on last; `interrupted` says that the expert has interrupted
    since the last request came, `has_turn` that heavy work may go on.
    """

    def __init__(self, interpreter: socket.socket, server: socket.socket) -> None:
        self.cell = ""
        self.interrupted = self.has_turn = False
        self._number = 0
        self._to_interpreter, self._to_server = interpreter, server
        for stream in (interpreter, server):
            stream.setblocking(False)
        self._interpreter: Channel[InterpreterRequest] = Channel(interpreter, InterpreterRequest, limit=REQUEST_LIMIT)
        self._server: Channel[ServerMessage] = Channel(server, ServerMessage, limit=REQUEST_LIMIT)

    def opening(self) -> Open:
        """The server's first message."""
        while True:
            self._wait((self._to_server, select.POLLIN))
            message = self._heard()
            if isinstance(message, Open):
                return message
            if message is not None:
                raise Ended

    def request(self) -> InterpreterRequest:
        """The interpreter's next request, after everything that the server said before. Raises BadFrame or Ended."""
        while True:
            self._wait((self._to_interpreter, select.POLLIN), (self._to_server, select.POLLIN))
            self._hear()
            try:
                request = self._interpreter.receive()
            except BlockingIOError:
                continue
            except (ChannelClosed, OSError):
                raise Ended from None
            # The server passes a cell on after telling us; so its word is here by now, if not before.
            self._hear()
            self.interrupted = False
            self._number = request.number
            return request

    def attend(self, stream: socket.socket, event: int, seconds: float) -> bool:
        """Wait for another stream of ours, or so long, with an ear for the server. Whether the stream is ready."""
        ready = self._wait((stream, event), (self._to_server, select.POLLIN), seconds=max(seconds, 0.0))
        self._hear()
        return stream.fileno() in ready

    def listen(self, seconds: float) -> None:
        """Wait for a word of the server's, at most so long."""
        self._wait((self._to_server, select.POLLIN), seconds=seconds)
        self._hear()

    def rest(self, seconds: float) -> None:
        """Let so much time go by, or until the expert interrupts, with an ear for the server."""
        end = time.monotonic() + seconds
        while not self.interrupted and (left := end - time.monotonic()) > 0:
            self._wait((self._to_server, select.POLLIN), seconds=left)
            self._hear()

    def tell(self, progress: Progress) -> None:
        """A word to the interpreter on its request, if it has room for one: who does not listen is not waited for."""
        if self._wait((self._to_interpreter, select.POLLOUT), seconds=0.0):
            self._send(self._to_interpreter, msgspec.msgpack.encode(Reply(self._number, progress)))

    def reply(self, reply: Reply) -> bool:
        """Whether it was small enough to send."""
        body = msgspec.msgpack.encode(reply)
        if len(body) > ANSWER_LIMIT:
            return False
        self._send(self._to_interpreter, body)
        return True

    def notify(self, notice: VaultNotice) -> None:
        self._send(self._to_server, msgspec.msgpack.encode(notice))

    def _hear(self) -> None:
        while (message := self._heard()) is not None:
            if isinstance(message, Interrupt):
                self.interrupted = True
            elif isinstance(message, TurnGiven):
                self.has_turn = True
            elif isinstance(message, CellStarted):
                self.cell = message.cell
            else:
                raise Ended

    def _heard(self) -> ServerMessage | None:
        """What the server said, if it said anything more."""
        try:
            return self._server.receive()
        except BlockingIOError:
            return None
        except (ChannelClosed, BadFrame, OSError):
            raise Ended from None

    def _send(self, stream: socket.socket, body: bytes) -> None:
        rest = memoryview(frame(body))
        while rest:
            try:
                rest = rest[stream.send(rest) :]
            except BlockingIOError:
                self._wait((stream, select.POLLOUT), (self._to_server, select.POLLIN))
                self._hear()
            except OSError:
                raise Ended from None

    def _wait(self, *wanted: tuple[socket.socket, int], seconds: float | None = None) -> frozenset[int]:
        """Descriptors of the streams that are ready, or gone."""
        poll = select.poll()
        events: dict[int, int] = {}
        for stream, event in wanted:
            events[stream.fileno()] = events.get(stream.fileno(), 0) | event
        for descriptor, event in events.items():
            poll.register(descriptor, event)
        return frozenset(descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000))
