"""Reviewing: the owner's side of the airlock, over the owner's port, and what the owner set for it.

Promise: who decides is who the token says, never who the request says. What a request shows of its frozen answer is in
these answers alone, which no expert's token opens.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta, Struct
from tornado import web
from traitlets import Bool, Integer
from traitlets.config import Configurable

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import AirlockError, Decision
from cleanroom_kernel.protocol.airlock import LONGEST_TEXT, State, Terms
from cleanroom_kernel.server.app import Handler
from cleanroom_kernel.server.auditing import Auditor

log = logging.getLogger("cleanroom.server")


class Airlock(Configurable):
    """Requests of experts: for answers that the policy withheld, and for jobs to run."""

    checkers = Integer(
        1, min=1, max=2, help="How many persons must approve a request. With 2, nobody's approval counts twice."
    ).tag(config=True)
    open_requests = Integer(10, min=0, help="Most requests of one expert that may wait; 0 lets nobody ask.").tag(
        config=True
    )
    days = Integer(14, min=1, help="Days after which a request that nobody decided expires.").tag(config=True)

    approval_days = Integer(14, min=1, help="Days for which a job that was approved may be run.").tag(config=True)
    jobs_by_rule = Bool(
        True,
        help="Whether the numbers of an approved job may leave by rule, rounded and counted against the budgets of the "
        "columns that it reads. False: every result of a job waits for a checker, as tables and tensors always do.",
    ).tag(config=True)

    def snapshot(self) -> Terms:
        return Terms(
            checkers=self.checkers,
            open_requests=self.open_requests,
            days=self.days,
            approval_days=self.approval_days,
            by_rule=self.jobs_by_rule,
        )


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What a checker sends."""

    decision: Decision
    comment: Annotated[str, Meta(max_length=LONGEST_TEXT)] = ""


class Cannot(Struct, frozen=True):
    """Why a decision was not taken, for the checker to read."""

    message: str


class OwnerRequests(Handler):
    async def get(self) -> None:
        wanted = self.get_query_argument("state", "")
        states = {state.value: state for state in State}
        if wanted and wanted not in states:
            raise web.HTTPError(400)
        self.send(await self.auditor.look(lambda connection: airlock.queue(connection, states.get(wanted))))

    @property
    def auditor(self) -> Auditor:
        return self.application.settings["door"].auditor


class OwnerRequest(OwnerRequests):
    async def get(self, number: str) -> None:  # type: ignore[override]
        try:
            self.send(await self.auditor.look(lambda connection: airlock.examine(connection, int(number))))
        except AirlockError:
            raise web.HTTPError(404) from None

    async def post(self, number: str) -> None:
        try:
            verdict = msgspec.json.decode(self.request.body, type=Verdict)
        except msgspec.DecodeError:
            raise web.HTTPError(400) from None
        person = self.identity.name

        def decide(connection: sa.Connection) -> airlock.Request:
            return airlock.decide(connection, int(number), person, verdict.decision, verdict.comment)

        try:
            self.send(await self.auditor.transact(decide))
        except AirlockError as error:
            self.send(Cannot(str(error)), 409)


async def watch_expiry(auditor: Auditor, interval: float) -> None:
    """Write down what has expired. What is shown is right without it."""
    while True:
        await asyncio.sleep(interval)
        try:
            if await auditor.look(airlock.is_any_late):
                await auditor.transact(airlock.expire)
        except (sa.exc.SQLAlchemyError, RuntimeError) as error:
            log.error("expired requests could not be written down: %s", type(error).__name__)


ROUTES: list[Any] = [
    (r"/owner/api/requests", OwnerRequests),
    (r"/owner/api/requests/([0-9]{1,15})", OwnerRequest),
]
