"""The owner's application, on a port and with a class of token of its own: sessions, experts, and the audit log."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from tornado import web

from cleanroom_kernel import audit
from cleanroom_kernel.audit import Ending, Entry, Verification
from cleanroom_kernel.server import auth, reviewing
from cleanroom_kernel.server.app import Door, Handler, Nothing, model
from cleanroom_kernel.server.session import Session
from cleanroom_kernel.server.sessions import Sessions

_MOST_ENTRIES = 1000


class AuditPage(Struct, frozen=True):
    """Entries after `since`, and whether the whole log is what was once written."""

    verification: Verification
    intact: bool
    entries: list[Entry]


class OwnerSessions(Handler):
    def get(self) -> None:
        self.send([detailed(session) for session in self.sessions])


class OwnerSession(Handler):
    async def delete(self, session_id: str) -> None:
        if not await self.sessions.end(session_id, Ending.OWNER):
            raise web.HTTPError(404)
        self.set_status(204)


class OwnerAudit(Handler):
    async def get(self) -> None:
        since, limit = self._number("since", 0), min(self._number("limit", 100), _MOST_ENTRIES)
        door: Door = self.application.settings["door"]
        self.send(await door.auditor.look(lambda connection: page(connection, since, limit)))

    def _number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not text.isdecimal():
            raise web.HTTPError(400)
        return int(text)


class OwnerExperts(Handler):
    async def get(self) -> None:
        door: Door = self.application.settings["door"]
        self.send(await door.auditor.look(auth.invited))


def page(connection: Any, since: int, limit: int) -> AuditPage:
    verification = audit.verify(connection)
    return AuditPage(verification, verification.intact, list(audit.entries(connection, since, limit)))


def detailed(session: Session) -> dict[str, Any]:
    return {**model(session), "address": session.address}


def make(door: Door, sessions: Sessions) -> web.Application:
    return web.Application(
        [
            (r"/owner/api/sessions", OwnerSessions),
            (r"/owner/api/sessions/([0-9a-f]{32})", OwnerSession),
            (r"/owner/api/audit", OwnerAudit),
            (r"/owner/api/experts", OwnerExperts),
            *reviewing.ROUTES,
        ],
        default_handler_class=Nothing,
        door=door,
        sessions=sessions,
    )
