"""The owner's application, on a port and with a class of token of its own: sessions, experts, requests, and what left.

Promise: what is changed here is in the audit log with who did it. Answers hold names, counts and what experts wrote;
numbers of the data only as they were released, and as previews of requests (`reviewing.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from importlib.metadata import version

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from tornado import web

from cleanroom_kernel import audit
from cleanroom_kernel.audit import Ending, Entry, Verification
from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.protocol.airlock import Terms
from cleanroom_kernel.protocol.policy import Rulebook
from cleanroom_kernel.server import auth, memory, policies, reviewing
from cleanroom_kernel.server.address import Address
from cleanroom_kernel.server.app import Door, Handler, Nothing
from cleanroom_kernel.server.policies import Policies
from cleanroom_kernel.server.rehearsing import Rehearsals
from cleanroom_kernel.server.session import Session
from cleanroom_kernel.server.sessions import Sessions

_MOST_ENTRIES = 1000
_MOST_LEFT = 20_000
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?")


# -- what is answered -------------------------------------------------------------------------------------------------
class AuditPage(Struct, frozen=True):
    """Entries after `since`, and whether the whole log is what was once written."""

    verification: Verification
    intact: bool
    entries: list[Entry]


class Live(Struct, frozen=True):
    """A session that runs. `running` is the code of the cell that it is at; `memory`: bytes of its processes."""

    id: str
    expert: str
    address: str
    started: str
    last_activity: str
    execution_state: str
    running: str
    connections: int
    tier: str
    receipts: int
    memory: int


class Left(Struct, frozen=True):
    """A release, as the audit log has it. `sequence` is its entry there."""

    sequence: int
    time: str
    number: int
    expert: str
    session: str
    cell: str
    question: str
    title: str
    output_class: str
    rules: tuple[str, ...]
    units: str
    cells: int
    suppressed: int
    precision: str
    policy: str
    chain: str


class LeftInFull(Struct, frozen=True):
    """A release and the code of the cell that asked; "" where no cell did, or it was too long ago."""

    left: Left
    code: str


class LedgerPage(Struct, frozen=True):
    """What left after entry `since`. `verification` is null unless it was asked for: it reads the whole log."""

    entries: list[Left]
    verification: Verification | None


class OwnerRoom(Struct, frozen=True):
    """The room as its owner set it up. `settings` differ from the preset's; `schema` is null if it cannot be read."""

    room: str
    version: str
    address: str
    tier: str
    preset: str
    settings: dict[str, bool | int | float | str]
    terms: Terms
    schema: RoomSchema | None


class NewInvitation(Struct, frozen=True):
    """A new invitation, shown this once."""

    name: str
    invitation: str


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite, or to revoke."""

    name: str


class RoomFacts(Struct, frozen=True):
    """What the owner's application is told of its server."""

    schema: RoomSchema | None
    tier: str
    policies: Policies
    rehearsals: Rehearsals
    rulebook: Rulebook | None
    terms: Terms
    invitation_days: float
    address: Callable[[], Address]


# -- handlers ---------------------------------------------------------------------------------------------------------
class OwnerHandler(Handler):
    @property
    def door(self) -> Door:
        return self.application.settings["door"]

    @property
    def facts(self) -> RoomFacts:
        return self.application.settings["facts"]

    def number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not text.isdecimal():
            raise web.HTTPError(400)
        return int(text)

    def named(self) -> str:
        try:
            name = msgspec.json.decode(self.request.body, type=Named).name
        except ValueError:  # not only DecodeError: text that is no UTF-8
            raise web.HTTPError(400) from None
        if not _NAME.fullmatch(name):
            raise web.HTTPError(400)
        return name


class OwnerSessions(OwnerHandler):
    async def get(self) -> None:
        sessions = list(self.sessions)
        held = await asyncio.to_thread(memory.held_by, [session.pids for session in sessions])
        self.send([live(session, own) for session, own in zip(sessions, held, strict=True)])


class OwnerSession(OwnerHandler):
    async def delete(self, session_id: str) -> None:
        if not await self.sessions.end(session_id, Ending.OWNER):
            raise web.HTTPError(404)
        self.set_status(204)


class OwnerInterrupt(OwnerHandler):
    def post(self, session_id: str) -> None:
        session = next((session for session in self.sessions if session.id == session_id), None)
        if session is None:
            raise web.HTTPError(404)
        session.interrupt()
        self.set_status(204)


class OwnerAudit(OwnerHandler):
    async def get(self) -> None:
        since, limit = self.number("since", 0), min(self.number("limit", 100), _MOST_ENTRIES)
        self.send(await self.door.auditor.look(lambda connection: page(connection, since, limit)))


class OwnerLedger(OwnerHandler):
    async def get(self) -> None:
        since, verified = self.number("since", 0), bool(self.number("verify", 0))
        self.send(await self.door.auditor.look(lambda connection: ledger(connection, since, verified=verified)))


class OwnerRelease(OwnerHandler):
    async def get(self, sequence: str) -> None:
        found = await self.door.auditor.look(lambda connection: in_full(connection, int(sequence)))
        if found is None:
            raise web.HTTPError(404)
        self.send(found)


class OwnerExperts(OwnerHandler):
    async def get(self) -> None:
        self.send(await self.door.auditor.look(auth.invited))

    async def post(self) -> None:
        name = self.named()
        by, days = self.identity.name, self.facts.invitation_days
        made = await self.door.auditor.transact(lambda connection: auth.invite(connection, name, by=by, days=days))
        self.send(NewInvitation(name, self.facts.address().invitation(made.token)), 201)


class OwnerRevocation(OwnerHandler):
    async def post(self) -> None:
        name = self.named()
        revoked = await self.door.auditor.transact(
            lambda connection: auth.revoke(connection, name, auth.Kind.EXPERT, self.identity.name)
        )
        if not revoked:
            raise web.HTTPError(404)
        self.set_status(204)


class OwnersRoom(OwnerHandler):
    def get(self) -> None:
        facts, address = self.facts, self.facts.address()
        self.send(
            OwnerRoom(
                room=address.room,
                version=version("cleanroom-kernel"),
                address=f"{address.host}:{address.port}",
                tier=facts.tier,
                preset=facts.policies.current.preset,
                settings=facts.policies.current.settings,
                terms=facts.terms,
                schema=facts.schema,
            )
        )


def page(connection: sa.Connection, since: int, limit: int) -> AuditPage:
    verification = audit.verify(connection)
    return AuditPage(verification, verification.intact, list(audit.entries(connection, since, limit)))


def ledger(connection: sa.Connection, since: int, *, verified: bool) -> LedgerPage:
    entries = [left(entry) for entry in audit.releases(connection, since, _MOST_LEFT)]
    return LedgerPage(entries, audit.verify(connection) if verified else None)


def in_full(connection: sa.Connection, sequence: int) -> LeftInFull | None:
    """The release that an entry of the audit log records; None for another entry."""
    found = next(iter(audit.entries(connection, sequence - 1, 1)), None)
    if found is None or found.sequence != sequence or not isinstance(found.event, audit.Released):
        return None
    return LeftInFull(left(found), audit.code_of(connection, found.event.session, found.event.cell))


def left(entry: Entry) -> Left:
    assert isinstance(entry.event, audit.Released), "a release"
    return Left(sequence=entry.sequence, time=entry.time, chain=entry.chain, **msgspec.structs.asdict(entry.event))


def live(session: Session, held: int) -> Live:
    return Live(
        id=session.id,
        expert=session.identity.name,
        address=session.address,
        started=session.started,
        last_activity=session.last_date,
        execution_state="busy" if session.busy else "idle",
        running=session.running,
        connections=len(session.sockets),
        tier=session.tier,
        receipts=len(session.receipts),
        memory=held,
    )


def make(door: Door, sessions: Sessions, facts: RoomFacts) -> web.Application:
    session = r"/owner/api/sessions/([0-9a-f]{32})"
    return web.Application(
        [
            (r"/owner/api/room", OwnersRoom),
            (r"/owner/api/sessions", OwnerSessions),
            (session, OwnerSession),
            (rf"{session}/interrupt", OwnerInterrupt),
            (r"/owner/api/audit", OwnerAudit),
            (r"/owner/api/ledger", OwnerLedger),
            (r"/owner/api/ledger/([0-9]{1,15})", OwnerRelease),
            (r"/owner/api/experts", OwnerExperts),
            (r"/owner/api/experts/revoke", OwnerRevocation),
            *reviewing.ROUTES,
            *policies.ROUTES,
        ],
        default_handler_class=Nothing,
        door=door,
        sessions=sessions,
        facts=facts,
        policies=facts.policies,
        rehearsals=facts.rehearsals,
        rulebook=facts.rulebook,
    )
