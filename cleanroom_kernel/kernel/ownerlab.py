"""Ownerlab: the owner's half of the JupyterLab extension, in the owner's own Jupyter server.

Promise: the owner's token stays in one file that only its user can read and in this process; it is sent to this machine
alone. What the browser can have done with it is the closed list `PASSED_ON`.
"""

from __future__ import annotations

import asyncio
import http.client
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from msgspec import Struct
from tornado import web

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.connections import InvitationError

PASSED_ON: tuple[tuple[str, str], ...] = (
    ("GET", "room"),
    ("GET", "sessions"),
    ("DELETE", "sessions/[0-9a-f]{32}"),
    ("POST", "sessions/[0-9a-f]{32}/interrupt"),
    ("GET", "requests"),
    ("GET", "requests/[0-9]{1,15}"),
    ("POST", "requests/[0-9]{1,15}"),
    ("GET", "ledger"),
    ("GET", "ledger/[0-9]{1,15}"),
    ("GET", "policy"),
    ("POST", "policy"),
    ("GET", "rehearsal"),
    ("POST", "rehearsal"),
    ("DELETE", "rehearsal"),
    ("GET", "experts"),
    ("POST", "experts"),
    ("POST", "experts/revoke"),
)

_SCHEME = "cleanroom+owner"
_TIMEOUT = 30  # seconds; verifying a long log takes some
_LARGEST_ANSWER = 64 * 2**20
_LARGEST_BODY = 2**14
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OwnerConnection(Struct, frozen=True, forbid_unknown_fields=True):
    """The owner's port of one room, on this machine."""

    room: str
    host: str
    port: int
    token: str


class OwnerState(Struct, frozen=True):
    """Which room's owner this Jupyter server speaks for; "" for none."""

    room: str = ""
    address: str = ""


class OwnerInvitation(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner pastes."""

    invitation: str


class Failure(Struct, frozen=True):
    """Body of an answer that is no answer."""

    message: str


class Silent(Exception):
    """The room's server does not answer. Words for the owner."""


def parse(invitation: str) -> OwnerConnection:
    """`cleanroom+owner://127.0.0.1:port/room#TOKEN`."""
    try:
        parts = urlsplit(invitation.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvitationError("This is no line of `cleanroom invite --owner`.") from None
    room = parts.path.strip("/")
    if parts.scheme != _SCHEME or not port or not room or not parts.fragment:
        raise InvitationError(f"The line begins with {_SCHEME}://. `cleanroom invite --owner NAME` prints it.")
    if host not in _LOOPBACK:
        raise InvitationError("The owner's port is on the server's machine: 127.0.0.1, or a tunnel that ends there.")
    return OwnerConnection(room, host, port, parts.fragment)


def load() -> OwnerConnection | None:
    try:
        return msgspec.json.decode(_path().read_bytes(), type=OwnerConnection)
    except (OSError, msgspec.DecodeError):
        return None


def save(connection: OwnerConnection) -> None:
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connections.write_private(path, msgspec.json.encode(connection))


def exchange(connection: OwnerConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and content. Raises `Silent`."""
    line = http.client.HTTPConnection(connection.host, connection.port, timeout=_TIMEOUT)
    try:
        line.request(method, f"/owner/api/{path}", body, {"Authorization": f"token {connection.token}"})
        answer = line.getresponse()
        content = answer.read(_LARGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Silent(f"The server at {connection.host}:{connection.port} does not answer. Is it running?") from error
    finally:
        line.close()
    if len(content) > _LARGEST_ANSWER:
        raise Silent("The server's answer is too large to be shown.")
    return answer.status, content


def _path() -> Any:
    return connections.directory() / "owner.json"


def _state(connection: OwnerConnection | None) -> OwnerState:
    return OwnerState() if connection is None else OwnerState(connection.room, f"{connection.host}:{connection.port}")


class LabHandler(APIHandler):
    """Base of ours. Whoever may use kernels on this server may use what it is connected to."""

    auth_resource = "kernels"
    _track_activity = False  # a panel that looks is no use of the server

    def answer(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.finish(msgspec.json.encode(value))


class Owner(LabHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(_state(await asyncio.to_thread(load)))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Keep a pasted line, if the server knows it."""
        try:
            wanted = msgspec.json.decode(self.request.body, type=OwnerInvitation)
        except msgspec.DecodeError:
            raise web.HTTPError(400, "no invitation") from None
        try:
            connection = parse(wanted.invitation)
            status, _ = await asyncio.to_thread(exchange, connection, "GET", "room")
            if status != http.client.OK:
                raise InvitationError("The room does not know this line. Copy all of it, or make a new one.")
            await asyncio.to_thread(save, connection)
        except (InvitationError, Silent) as problem:
            self.answer(Failure(str(problem)), 422)
        else:
            self.answer(_state(connection), 201)


class Passed(LabHandler):
    """One request of the list, with the owner's token."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        await self._pass(path)

    @web.authenticated
    @authorized
    async def post(self, path: str) -> None:
        await self._pass(path)

    @web.authenticated
    @authorized
    async def delete(self, path: str) -> None:
        await self._pass(path)

    async def _pass(self, path: str) -> None:
        method = self.request.method or ""
        if not any(method == known and re.fullmatch(pattern, path) for known, pattern in PASSED_ON):
            raise web.HTTPError(404, "not passed on")
        connection = await asyncio.to_thread(load)
        if connection is None:
            self.answer(Failure("This Jupyter server speaks for no owner yet."), 409)
            return
        if len(self.request.body) > _LARGEST_BODY:
            raise web.HTTPError(413, "too large")
        query = f"?{self.request.query}" if self.request.query else ""
        body = self.request.body if method == "POST" else None
        try:
            status, content = await asyncio.to_thread(exchange, connection, method, path + query, body)
        except Silent as silent:
            self.answer(Failure(str(silent)), 502)
            return
        if status in (401, 403):  # of the room, not of this server: the browser must not log the owner out
            self.answer(Failure("The room no longer knows this owner. Paste a new line."), 409)
            return
        self.set_status(status)
        self.finish(content)


def handlers(base: str) -> list[tuple[str, type[LabHandler]]]:
    return [
        (url_path_join(base, "cleanroom", "owner"), Owner),
        (url_path_join(base, "cleanroom", "owner", "([a-z0-9/]{1,100})"), Passed),
    ]
