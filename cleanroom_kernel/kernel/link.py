"""Link: the proxy kernel's line to the room.

Promise: what is sent arrives once and in order for as long as the session lives, however often the line breaks: the
server says what it has received, and the rest is sent again. Why the line is down is always one of the listed
problems. A token goes only to the server that the invitation names.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from cleanroom_kernel.kernel.connections import Connection
from cleanroom_kernel.kernel.progress import Progress
from cleanroom_kernel.protocol.http import VERSION, Problem, ProblemBody, RoomInfo
from cleanroom_kernel.protocol.websocket import SERVER_LIMIT, SUBPROTOCOL, Acknowledged, Gap, hear

CLOSED_BY_SERVER = 4000

_CONNECT_SECONDS = 10
_START_SECONDS = 120  # for the server to start a session
_END_SECONDS = 4
_PING_SECONDS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


class Trouble(Exception):
    def __init__(self, problem: Problem, reason: str = "") -> None:
        super().__init__(problem.value)
        self.problem, self.reason = problem, reason


class Outgoing:
    """One frame for the server. `tried`: it may have arrived."""

    __slots__ = ("data", "tried")

    def __init__(self, data: bytes) -> None:
        self.data, self.tried = data, False


class Listener(Protocol):
    def room_known(self, info: RoomInfo) -> None: ...
    def line_up(self) -> None: ...
    def line_down(self, problem: Problem) -> None: ...
    def session_lost(self, reason: str) -> None: ...
    def missed(self, count: int) -> None: ...
    def arrived(self, data: bytes) -> None: ...


class Link:
    def __init__(self, load: Callable[[], Connection | None], progress: Progress, listener: Listener) -> None:
        self._load, self._progress, self._listener = load, progress, listener
        self._client = AsyncHTTPClient()
        self._connection: Connection | None = None
        self._tls: ssl.SSLContext | None = None
        self._socket: WebSocketClientConnection | None = None
        self._unacknowledged: deque[Outgoing] = deque()
        self._acknowledged = 0
        self._epoch = secrets.token_hex(8)
        self._again = asyncio.Event()
        self._is_up = False
        self._closed: asyncio.Future[None] | None = None
        self.problem: Problem | None = None  # why the line is down; None while it is up or not yet tried
        self.received = progress.delivered  # number of the last message that arrived

    def send(self, data: bytes) -> Outgoing:
        outgoing = Outgoing(data)
        self._unacknowledged.append(outgoing)
        self._write(outgoing)
        return outgoing

    def withdraw(self, outgoing: Outgoing) -> bool:
        """Take back a frame that was never tried. False when it may have arrived."""
        if outgoing.tried or outgoing not in self._unacknowledged:
            return False
        self._unacknowledged.remove(outgoing)
        return True

    def try_again(self) -> None:
        """Do not wait for the end of a pause: somebody is waiting for the line."""
        self._again.set()

    async def end_session(self) -> None:
        """Tell the server that the notebook is done. If it cannot be told, it will find out by itself."""
        if self._progress.session and self._connection is not None:
            try:
                await self._request("DELETE", f"/api/kernels/{self._progress.session}", _END_SECONDS)
            except Trouble:
                return

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._connect()
                pause = _FIRST_PAUSE
                trouble = await self._until_closed()
            except Trouble as caught:
                trouble = caught
            self._hang_up()
            if trouble.problem is Problem.ENDED:
                self._lose_session(trouble.reason)
                if not self._unacknowledged:  # a new one is started when it is wanted
                    self.problem = Problem.ENDED
                    await self._pause(None)
                continue
            self.problem = trouble.problem
            self._listener.line_down(trouble.problem)
            await self._pause(pause if trouble.problem is Problem.OFFLINE else None)
            pause = min(pause * 2, _LONGEST_PAUSE)

    # -- connecting ---------------------------------------------------------------------------------------------------
    async def _connect(self) -> None:
        connection = self._load()  # anew each time: the expert may have connected again meanwhile
        if connection is None:
            raise Trouble(Problem.NOT_CONNECTED)
        if connection != self._connection:
            self._connection, self._tls = connection, connection.ssl_context()
        info = _decoded(await self._request("GET", "/api/room", _CONNECT_SECONDS), RoomInfo)
        if info.protocol != VERSION:
            raise Trouble(Problem.VERSION)
        self._listener.room_known(info)
        if self._progress.session:
            await self._request("GET", f"/api/kernels/{self._progress.session}", _CONNECT_SECONDS)
        else:
            made = _decoded(await self._request("POST", "/api/kernels", _START_SECONDS, b"{}"), dict[str, Any])
            self._begin(str(made["id"]))
        await self._open()

    def _begin(self, session: str) -> None:
        self._progress.begin(session)
        self.received, self._acknowledged, self._epoch = 0, 0, secrets.token_hex(8)

    async def _open(self) -> None:
        query = f"session_id={self._epoch}&epoch={self._epoch}&since={self.received}"
        url = self._connection.url.replace("http", "ws", 1)
        request = self._http(f"{url}/api/kernels/{self._progress.session}/channels?{query}", "GET", _CONNECT_SECONDS)
        self._closed = asyncio.get_running_loop().create_future()
        try:
            self._socket = await websocket_connect(
                request,
                on_message_callback=partial(self._heard, self._closed),
                subprotocols=[SUBPROTOCOL],
                ping_interval=_PING_SECONDS,
                ping_timeout=_PING_SECONDS,
                max_message_size=SERVER_LIMIT,
            )
        except HTTPClientError as error:
            raise _trouble(error) from None
        except (OSError, StreamClosedError, TimeoutError):
            raise Trouble(Problem.OFFLINE) from None
        if self._socket.selected_subprotocol != SUBPROTOCOL:
            raise Trouble(Problem.SERVER)

    async def _until_closed(self) -> Trouble:
        await self._closed
        if self._socket.close_code == CLOSED_BY_SERVER:
            return Trouble(Problem.ENDED, self._socket.close_reason or "")
        return Trouble(Problem.OFFLINE)

    def _heard(self, closed: asyncio.Future[None], data: bytes | str | None) -> None:
        """The server's first word says what it has; then the line is up."""
        if closed.done():
            return
        if data is None:
            closed.set_result(None)
        elif isinstance(data, bytes):
            self._listener.arrived(data)
        else:
            match hear(data):
                case Acknowledged(received):
                    self._acknowledge(received)
                case Gap(count):
                    self._listener.missed(count)

    def _acknowledge(self, received: int) -> None:
        for _ in range(received - self._acknowledged):
            self._unacknowledged.popleft()
        self._acknowledged = received
        if not self._is_up:
            self._is_up, self.problem = True, None
            for outgoing in list(self._unacknowledged):
                self._write(outgoing)
            self._listener.line_up()

    def _write(self, outgoing: Outgoing) -> None:
        if not self._is_up:
            return
        outgoing.tried = True
        try:
            self._socket.write_message(outgoing.data, binary=True)
        except WebSocketClosedError:
            self._is_up = False  # it is kept, and sent again

    # -- disconnecting ------------------------------------------------------------------------------------------------
    def _hang_up(self) -> None:
        self._is_up = False
        if self._closed is not None:
            self._closed.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _lose_session(self, reason: str) -> None:
        """What was on its way to a session that is gone is for nobody."""
        self._progress.lost()
        self._unacknowledged = deque(outgoing for outgoing in self._unacknowledged if not outgoing.tried)
        self._listener.session_lost(reason)

    async def _pause(self, seconds: float | None) -> None:
        """Without a time, until somebody asks: the owner or the expert has to act first."""
        self._again.clear()
        try:
            await asyncio.wait_for(self._again.wait(), seconds)
        except TimeoutError:
            return

    # -- HTTP ---------------------------------------------------------------------------------------------------------
    async def _request(self, method: str, path: str, timeout: float, body: bytes | None = None) -> HTTPResponse:
        try:
            return await self._client.fetch(self._http(self._connection.url + path, method, timeout, body))
        except HTTPClientError as error:
            raise _trouble(error) from None
        except ssl.SSLCertVerificationError:
            raise Trouble(Problem.CERTIFICATE) from None
        except (OSError, StreamClosedError, TimeoutError):
            raise Trouble(Problem.OFFLINE) from None

    def _http(self, url: str, method: str, timeout: float, body: bytes | None = None) -> HTTPRequest:
        return HTTPRequest(
            url,
            method=method,
            body=body,
            headers={"Authorization": f"token {self._connection.token}", "Content-Type": "application/json"},
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=timeout,
            follow_redirects=False,  # a token goes to one server only
            ssl_options=self._tls,
        )


def _trouble(error: HTTPClientError) -> Trouble:
    if error.code == 599 or error.response is None:  # tornado's code for "no answer"
        return Trouble(Problem.OFFLINE)
    try:
        body = msgspec.json.decode(error.response.body, type=ProblemBody)
    except ValueError:
        return Trouble(Problem.SERVER)
    return Trouble(body.problem, body.reason)


def _decoded(response: HTTPResponse, kind: Any) -> Any:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except ValueError:
        raise Trouble(Problem.SERVER) from None
