"""The experts' application: a strict subset of Jupyter's kernels API, and nothing else.

Promise: every request carries a token in its Authorization header or is refused; a browser is refused whatever it
carries; an answer that is no answer is one of the listed problems, in JSON, without a word of ours from the inside.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.audit import Ending, Login
from cleanroom_kernel.protocol.http import WORDS, Problem, ProblemBody, RoomInfo
from cleanroom_kernel.protocol.websocket import EXPERT_LIMIT, SUBPROTOCOL, Acknowledged, Gap, say
from cleanroom_kernel.server import auth, budgets
from cleanroom_kernel.server.auditing import AuditFailed, Auditor
from cleanroom_kernel.server.session import Session
from cleanroom_kernel.server.sessions import Refused, Sessions

PING_SECONDS = 10
ACKNOWLEDGE_SECONDS = 1.0
CLOSED_BY_SERVER = 4000  # websocket close code: the session has ended, the close reason says why

_MOST_EPOCHS = 8
_MOST_SOCKETS = 16  # of one session
_STATUS = {
    Problem.UNKNOWN_TOKEN: 401,
    Problem.REVOKED: 403,
    Problem.LIMITED: 429,
    Problem.FULL: 503,
    Problem.NO_MEMORY: 503,
    Problem.ROOM_CLOSED: 503,
    Problem.AUDIT_FAILED: 503,
    Problem.ENDED: 404,
    Problem.NOT_PASSED_ON: 403,
    Problem.SERVER: 500,
}
_LOGIN_PROBLEM = {
    Login.MISSING: Problem.UNKNOWN_TOKEN,
    Login.UNKNOWN: Problem.UNKNOWN_TOKEN,
    Login.REVOKED: Problem.REVOKED,
    Login.EXPIRED: Problem.REVOKED,
}

log = logging.getLogger("cleanroom.server")


class Door(msgspec.Struct, frozen=True):
    """Who may come in at one port."""

    auditor: Auditor
    failures: auth.Failures
    rate: auth.Rate
    kind: auth.Kind
    messages_per_second: int


class Handler(web.RequestHandler):
    """Base of all handlers of both ports."""

    identity: auth.Identity

    async def prepare(self) -> None:
        try:
            self.identity = await self._enter(self.application.settings["door"])
        except AuditFailed:
            raise Refused(Problem.AUDIT_FAILED) from None

    async def _enter(self, door: Door) -> auth.Identity:
        address = self.request.remote_ip
        if "Origin" in self.request.headers:
            await self._turn_away_browser(door)
        if door.failures.limited(address):
            raise Refused(Problem.LIMITED)
        token = auth.token_of(self.request.headers.get("Authorization"))
        found = await door.auditor.look(lambda connection: auth.check(connection, token, door.kind))
        if isinstance(found, auth.Identity):
            if not door.rate.allows(found.invitation):
                raise Refused(Problem.LIMITED)
            return found
        door.failures.count(address)
        await door.auditor.record(audit.LoginRefused(address, found))
        if door.failures.limited(address):
            await door.auditor.record(audit.LoginRefused(address, Login.LIMITED))
        raise Refused(_LOGIN_PROBLEM[found])

    async def _turn_away_browser(self, door: Door) -> None:
        """Counted apart: a web page must not be able to silence the machine that it is shown on."""
        origin = f"browser at {self.request.remote_ip}"
        if not door.failures.limited(origin):
            door.failures.count(origin)
            await door.auditor.record(audit.LoginRefused(self.request.remote_ip, Login.ORIGIN))
        raise Refused(Problem.NOT_PASSED_ON)

    def send(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        problem, reason = (error.problem, error.reason) if isinstance(error, Refused) else (Problem.SERVER, "")
        if isinstance(error, web.HTTPError) and error.status_code < 500:
            problem = Problem.NOT_PASSED_ON
        else:
            status_code = _STATUS[problem]
        self.send(ProblemBody(problem, WORDS[problem].text, reason), status_code)

    def log_exception(self, kind: Any, value: Any, traceback: Any) -> None:
        if not isinstance(value, Refused):
            super().log_exception(kind, value, traceback)

    def set_default_headers(self) -> None:
        self.set_header("Server", "cleanroom")
        self.set_header("Cache-Control", "no-store")
        # No browser is let in; should one be led here all the same, it shows and runs nothing.
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("Referrer-Policy", "no-referrer")
        if self.request.protocol == "https":
            self.set_header("Strict-Transport-Security", "max-age=31536000")

    @property
    def sessions(self) -> Sessions:
        return self.application.settings["sessions"]


class Nothing(Handler):
    """Any other address, and only after a valid token."""

    async def prepare(self) -> None:
        await super().prepare()
        raise web.HTTPError(404)


class Room(Handler):
    def get(self) -> None:
        self.send(self.application.settings["room"])


class Kernels(Handler):
    def get(self) -> None:
        self.send([model(session) for session in self.sessions.of(self.identity)])

    async def post(self) -> None:
        """Nothing of the request's body is used: what a session is made of, the owner decides."""
        session = await self.sessions.create(self.identity, self.request.remote_ip)
        self.send(model(session), 201)


class Kernel(Handler):
    def get(self, session_id: str) -> None:
        self.send(model(self.sessions.get(session_id, self.identity)))

    async def delete(self, session_id: str) -> None:
        await self.sessions.get(session_id, self.identity).close(Ending.EXPERT)
        self.set_status(204)


class Receipts(Handler):
    def get(self, session_id: str) -> None:
        self.send(self.sessions.get(session_id, self.identity).receipts)


class Description(Handler):
    """Tables and policy, as the vault tells them to the interpreter as well."""

    def get(self, session_id: str) -> None:
        self.send(self.sessions.get(session_id, self.identity).welcome)


class Budget(Handler):
    """What an expert has had of what the policy allows, over all their sessions."""

    async def get(self) -> None:
        expert = self.identity.name
        auditor: Auditor = self.application.settings["door"].auditor
        self.send(await auditor.look(lambda connection: budgets.spent_by(connection, expert)))


class Requests(Handler):
    """How an expert's own requests to the owner stand. Their values come through the notebook alone."""

    async def get(self) -> None:
        expert = self.identity.name
        auditor: Auditor = self.application.settings["door"].auditor
        self.send(await auditor.look(lambda connection: airlock.standings(connection, expert)))


class Channels(Handler, WebSocketHandler):
    """One client's websocket: what it sends goes to its session, and it reads the session's journal at its own pace."""

    _session: Session
    _epoch = ""
    _reading: asyncio.Task[None] | None = None
    _second = _in_second = 0

    def check_origin(self, origin: str) -> bool:
        return False

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    async def get(self, session_id: str) -> None:
        self._session = self.sessions.get(session_id, self.identity)
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if len(self._session.sockets) >= _MOST_SOCKETS:
            raise Refused(Problem.FULL)
        if SUBPROTOCOL not in [name.strip() for name in offered.split(",")]:
            raise web.HTTPError(400)
        await super().get(session_id)

    def open(self, session_id: str) -> None:
        session = self._session
        if session.ending is not None:
            self.end(session.ending)
            return
        self.set_nodelay(True)  # or small messages wait for each other's acknowledgement, 40 ms each
        session.sockets.add(self)
        session.was_connected = True
        self._epoch = self.get_query_argument("epoch", "")[:64]
        if self._epoch:
            session.epochs.setdefault(self._epoch, 0)
            while len(session.epochs) > _MOST_EPOCHS:
                session.epochs.popitem(last=False)
        since = self.get_query_argument("since", "")
        number = min(int(since), session.journal.head) if since.isdecimal() else session.journal.head
        session.journal.place(self, number)
        self._reading = asyncio.create_task(self._read(number))

    async def on_message(self, message: str | bytes) -> None:
        """The next message is read when this one is dealt with, so that waiting here is what slows a flood down."""
        if isinstance(message, str):
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > self.application.settings["door"].messages_per_second:
            await asyncio.sleep(max(second + 1 - time.monotonic(), 0))
        if self._session.ending is not None:
            return
        if self._epoch:
            self._session.epochs[self._epoch] = self._session.epochs.get(self._epoch, 0) + 1
        self._session.receive(message)

    def on_close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._session.journal.leave(self)
        self._session.sockets.discard(self)

    def end(self, reason: Ending) -> None:
        self.close(CLOSED_BY_SERVER, reason.value)

    async def _read(self, number: int) -> None:
        journal = self._session.journal
        acknowledging = asyncio.create_task(self._acknowledge()) if self._epoch else None
        try:
            while True:
                expected = number + 1
                for entry in list(journal.after(number)):
                    if entry.number > expected and self._epoch:
                        await self.write_message(say(Gap(entry.number - expected)))
                    await self.write_message(entry.data, binary=True)
                    number, expected = entry.number, entry.number + 1
                    journal.place(self, number)
                await journal.changed(number)
        except WebSocketClosedError:
            return
        finally:
            if acknowledging is not None:
                acknowledging.cancel()

    async def _acknowledge(self) -> None:
        """Tell our own kind of client what has arrived, so that it can send again what has not."""
        said = -1
        while True:
            received = self._session.epochs.get(self._epoch, 0)
            if received != said:
                said = received
                try:
                    await self.write_message(say(Acknowledged(received)))
                except WebSocketClosedError:
                    return
            await asyncio.sleep(ACKNOWLEDGE_SECONDS)


def model(session: Session) -> dict[str, Any]:
    """Jupyter's kernel model, with the confinement's tier beside it."""
    return {
        "id": session.id,
        "name": "cleanroom",
        "expert": session.identity.name,
        "last_activity": session.last_date,
        "execution_state": "busy" if session.busy else "idle",
        "connections": len(session.sockets),
        "tier": session.tier,
        "receipts": len(session.receipts),
    }


def make(door: Door, sessions: Sessions, room: RoomInfo) -> web.Application:
    return web.Application(
        [
            (r"/api/room", Room),
            (r"/api/requests", Requests),
            (r"/api/budget", Budget),
            (r"/api/kernels", Kernels),
            (r"/api/kernels/([0-9a-f]{32})", Kernel),
            (r"/api/kernels/([0-9a-f]{32})/receipts", Receipts),
            (r"/api/kernels/([0-9a-f]{32})/room", Description),
            (r"/api/kernels/([0-9a-f]{32})/channels", Channels),
        ],
        default_handler_class=Nothing,
        door=door,
        sessions=sessions,
        room=room,
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PING_SECONDS,
        websocket_max_message_size=EXPERT_LIMIT,
        log_function=_log,
    )


def _log(handler: web.RequestHandler) -> None:
    """Method, path and status: no query, no header."""
    level = logging.DEBUG if handler.get_status() < 400 else logging.INFO
    log.log(level, "%s %s %d", handler.request.method, handler.request.path, handler.get_status())
