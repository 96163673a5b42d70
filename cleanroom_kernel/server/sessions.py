"""Sessions: all of them, whose they are, and when they have lasted long enough.

Promise: a session is found by its own expert only (to others it does not exist); an invitation that is revoked, or
whose time has run out, ends its sessions within `REVOCATION_SECONDS`, and runs no cell from the moment of revoking.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator

import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel.audit import Ending
from cleanroom_kernel.protocol.http import Problem
from cleanroom_kernel.server import auth, memory
from cleanroom_kernel.server.auth import Identity
from cleanroom_kernel.server.session import Host, Session
from cleanroom_kernel.server.vault import StartFailed

log = logging.getLogger("cleanroom.server")

REVOCATION_SECONDS = 1.0

_MOST_REMEMBERED = 1000  # ended sessions whose reason can still be told


class Limits(Struct, frozen=True):
    """How many sessions, and how long. Zero stands for no limit of time."""

    max_sessions: int
    max_sessions_per_expert: int
    memory_reserve: int  # bytes that must be left for another session
    cull_idle_timeout: float
    cull_interval: float
    cull_connected: bool
    cull_busy: bool
    max_session_age: float
    connect_timeout: float  # for a session that no client ever connected to


class Refused(Exception):
    """The request cannot be served. `reason` says why a session ended, where that is the problem."""

    def __init__(self, problem: Problem, reason: str = "") -> None:
        super().__init__(problem.value)
        self.problem, self.reason = problem, reason


class Sessions:
    def __init__(self, host: Host, limits: Limits) -> None:
        self._host, self._limits = host, limits
        self._live: dict[str, Session] = {}
        self._ended: OrderedDict[str, tuple[str, Ending]] = OrderedDict()
        self._starting = 0

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._live.values()))

    async def create(self, identity: Identity, address: str) -> Session:
        """Raises `Refused`."""
        mine = sum(session.identity.name == identity.name for session in self)
        if len(self._live) >= self._limits.max_sessions or mine >= self._limits.max_sessions_per_expert:
            raise Refused(Problem.FULL)
        if self._limits.memory_reserve and memory.available() < self._limits.memory_reserve:
            log.error("a session was not admitted: less memory is left than Server.memory_reserve")
            raise Refused(Problem.NO_MEMORY)
        session = Session(self._host, identity, address, self._forget)
        self._live[session.id] = session
        try:
            await session.start()
        except StartFailed:
            await session.close(Ending.FAILED)
            raise Refused(Problem.ROOM_CLOSED) from None
        return session

    def get(self, session_id: str, identity: Identity) -> Session:
        """Raises `Refused`, in the same way for a session of somebody else as for none."""
        session = self._live.get(session_id)
        if session is not None and session.identity.name == identity.name:
            return session
        owner, reason = self._ended.get(session_id, ("", None))
        raise Refused(Problem.ENDED, reason.value if reason is not None and owner == identity.name else "")

    def of(self, identity: Identity) -> list[Session]:
        return [session for session in self if session.identity.name == identity.name]

    async def end(self, session_id: str, reason: Ending) -> bool:
        """For the owner: whoever's it is. False where there is none."""
        session = self._live.get(session_id)
        if session is None:
            return False
        await session.close(reason)
        return True

    async def end_all(self, reason: Ending) -> None:
        await asyncio.gather(*(session.close(reason) for session in self))

    def _forget(self, session: Session) -> None:
        self._live.pop(session.id, None)
        self._ended[session.id] = (session.identity.name, session.ending)
        if len(self._ended) > _MOST_REMEMBERED:
            self._ended.popitem(last=False)

    # -- watching -----------------------------------------------------------------------------------------------------
    async def watch_revocations(self) -> None:
        while True:
            await asyncio.sleep(REVOCATION_SECONDS)
            invitations = {session.identity.invitation for session in self}
            for invitation in await self._revoked(invitations) if invitations else ():
                for session in self:
                    if session.identity.invitation == invitation:
                        await session.close(Ending.REVOKED)

    async def _revoked(self, invitations: set[str]) -> set[str]:
        try:
            return await self._host.auditor.look(lambda connection: auth.ended_among(connection, invitations))
        except sa.exc.SQLAlchemyError as error:
            # No cell runs meanwhile: each asks again, in its own transaction.
            log.error("the invitations cannot be read: %s", type(error).__name__)
            return set()

    async def watch_age(self) -> None:
        while True:
            await asyncio.sleep(self._limits.cull_interval)
            for session in self:
                reason = self.outlived(session, time.monotonic())
                if reason is not None:
                    await session.close(reason)

    def outlived(self, session: Session, moment: float) -> Ending | None:
        limits = self._limits
        if limits.max_session_age and moment - session.born > limits.max_session_age:
            return Ending.AGE
        if not session.was_connected and moment - session.born > limits.connect_timeout:
            return Ending.IDLE
        kept = (session.busy and not limits.cull_busy) or (bool(session.sockets) and not limits.cull_connected)
        if limits.cull_idle_timeout and moment - session.last_activity > limits.cull_idle_timeout and not kept:
            return Ending.IDLE
        return None
