"""Labserver: the part of the JupyterLab extension that runs in the expert's own Jupyter server.

Promise: no token is in any answer, so none reaches the browser; whoever asks is logged in to this Jupyter server; what
is asked of a room is one of a few GETs about the session of a kernel that runs here and its expert's requests. A room
that turned a token away is not asked again with it: each try would count as a failed login.
"""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from msgspec import Struct
from tornado import web

from cleanroom_kernel.kernel import connecting, connections, ownerlab
from cleanroom_kernel.kernel.connecting import Unanswered
from cleanroom_kernel.kernel.connections import Connection, InvitationError
from cleanroom_kernel.kernel.ownerlab import Failure, LabHandler
from cleanroom_kernel.kernel.progress import session_of
from cleanroom_kernel.protocol.http import WORDS, Problem, ProblemBody, RoomInfo

PROXY_MODULE = "cleanroom_kernel.kernel"  # what the kernels of ours run

_KERNEL = r"([0-9a-f]+(?:-[0-9a-f]+){4})"
_SESSION = re.compile(r"[0-9a-f]{32}")
_OF_EXPERT = ("requests", "budget")  # not of one session
_TURNED_AWAY = (Problem.UNKNOWN_TOKEN, Problem.REVOKED)
_MOST_INVITATION = 4096


class SavedConnection(Struct, frozen=True):
    """A saved connection without its secrets. `name` is also the name of its kernel."""

    name: str
    room: str
    address: str
    tls: bool


class SessionFacts(Struct, frozen=True):
    """A session as its server knows it. `receipts` counts them."""

    id: str
    tier: str
    execution_state: str
    receipts: int
    expert: str = ""


class KernelState(Struct, frozen=True):
    """What a running kernel is connected to. `connection` is null for a kernel that is none of ours.

    `session` is null while there is none; `problem` says why the room was not asked in vain.
    """

    connection: SavedConnection | None = None
    version: str = ""
    tier: str = ""
    session: SessionFacts | None = None
    problem: ProblemBody | None = None


class Invitation(Struct, frozen=True, forbid_unknown_fields=True):
    """What the connection dialog sends. Without a name, one is found."""

    invitation: str
    name: str = ""


class Rooms:
    """The rooms, as far as their servers let this expert in."""

    def __init__(self) -> None:
        self._turned_away: dict[Connection, Problem] = {}

    async def ask(self, connection: Connection, path: str) -> bytes:
        """Raises `Unanswered`."""
        known = self._turned_away.get(connection)
        if known is not None:
            raise Unanswered(known, WORDS[known].text)
        try:
            return await asyncio.to_thread(connecting.ask, connection, path)
        except Unanswered as unanswered:
            if unanswered.problem in _TURNED_AWAY:
                self._turned_away[connection] = unanswered.problem
            raise

    async def state(self, name: str, session: str) -> KernelState:
        """Of the kernel with the saved connection `name`."""
        connection = connections.load(name)
        if connection is None:
            return KernelState(SavedConnection(name, "", "", False), problem=_body(Problem.NOT_CONNECTED))
        saved = described(name, connection)
        try:
            room = msgspec.json.decode(await self.ask(connection, "/api/room"), type=RoomInfo)
            facts = await self._session(connection, session) if session else None
        except Unanswered as unanswered:
            return KernelState(saved, problem=unanswered.body)
        except msgspec.DecodeError:
            return KernelState(saved, problem=_body(Problem.VERSION))
        return KernelState(saved, version=room.version, tier=room.tier, session=facts)

    async def _session(self, connection: Connection, session: str) -> SessionFacts | None:
        try:
            return msgspec.json.decode(await self.ask(connection, f"/api/kernels/{session}"), type=SessionFacts)
        except Unanswered as unanswered:
            if unanswered.problem is Problem.ENDED:
                return None
            raise


def described(name: str, connection: Connection) -> SavedConnection:
    return SavedConnection(name, connection.room, f"{connection.host}:{connection.port}", connection.tls)


def saved_connections() -> list[SavedConnection]:
    found = []
    for path in sorted((connections.directory() / "connections").glob("*.json")):
        connection = connections.load(path.stem)
        if connection is not None:
            found.append(described(path.stem, connection))
    return found


class Handler(LabHandler):
    @property
    def rooms(self) -> Rooms:
        return self.settings["cleanroom_rooms"]

    def kernel(self, kernel_id: str) -> tuple[str, str] | None:
        """Connection and session of a running kernel; None for one that is none of ours."""
        try:
            kernel = self.kernel_manager.get_kernel(kernel_id)
        except (KeyError, web.HTTPError):
            raise web.HTTPError(404, "no such kernel") from None
        arguments = kernel.kernel_spec.argv if kernel.kernel_spec is not None else []
        if PROXY_MODULE not in arguments:
            return None
        name = dict(pairwise(arguments)).get("--connection", connections.DEFAULT_NAME)
        session = session_of(Path(kernel.connection_file))
        return name, session if _SESSION.fullmatch(session) else ""


class Connections(Handler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(await asyncio.to_thread(saved_connections))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Do what `cleanroom connect` does with a pasted invitation."""
        try:
            wanted = msgspec.json.decode(self.request.body, type=Invitation)
        except msgspec.DecodeError:
            raise web.HTTPError(400, "no invitation") from None
        try:
            if len(wanted.invitation) > _MOST_INVITATION:
                raise InvitationError("This is too long for an invitation: it is one line.")
            name, connection = await asyncio.to_thread(connecting.connect, wanted.invitation, wanted.name)
        except InvitationError as problem:
            self.answer(Failure(str(problem)), 422)
            return
        self.answer(described(name, connection), 201)


class KernelStates(Handler):
    @web.authenticated
    @authorized
    async def get(self, kernel_id: str) -> None:
        ours = self.kernel(kernel_id)
        self.answer(KernelState() if ours is None else await self.rooms.state(*ours))


class FromRoom(Handler):
    """What the room's server says about the session of a kernel, word for word; null from one that has no answer."""

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str, what: str) -> None:
        name, session = self.kernel(kernel_id) or ("", "")
        connection = connections.load(name) if session else None
        try:
            if connection is None:
                raise Unanswered(Problem.NOT_CONNECTED, WORDS[Problem.NOT_CONNECTED].text)
            path = f"/api/{what}" if what in _OF_EXPERT else f"/api/kernels/{session}/{what}"
            content = await self.rooms.ask(connection, path)
        except Unanswered as unanswered:
            if unanswered.problem is Problem.NOT_PASSED_ON:
                self.answer(None)
            else:
                self.answer(unanswered.body, 502)
        else:
            self.finish(content)


def _body(problem: Problem) -> ProblemBody:
    return ProblemBody(problem, WORDS[problem].text)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    application = server.web_app
    application.settings["cleanroom_rooms"] = Rooms()
    base = application.settings["base_url"]
    application.add_handlers(
        ".*$",
        [
            (url_path_join(base, "cleanroom", "connections"), Connections),
            (url_path_join(base, "cleanroom", "kernels", _KERNEL), KernelStates),
            (url_path_join(base, "cleanroom", "kernels", _KERNEL, "(receipts|room|requests|budget)"), FromRoom),
            *ownerlab.handlers(base),
        ],
    )
