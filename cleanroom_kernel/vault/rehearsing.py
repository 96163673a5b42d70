"""Rehearsing: past questions, asked again in their order under a draft of a policy.

Promise: the room's ledger and audit log are read and not written; the answers are judged beside a ledger of the
rehearsal's own, in memory, and thrown away. What is said of each is words, rules and counts of cells, to the server
alone. A question is judged as of the day on which it was asked, by the real gate.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.gate import fail
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy, PolicyError, PolicySnapshot
from cleanroom_kernel.disclosure.rehearsal import Approval, History, Past, compare, enter, payload_of, said_by
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import decode
from cleanroom_kernel.plan.expressions import RowFunction
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.nodes import PlanError, digest, postorder
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel, ChannelClosed
from cleanroom_kernel.protocol.messages import OpenFailed
from cleanroom_kernel.protocol.rehearsal import Begun, Change, Finished, Judged, Judgement, Notice, Outcome, Rehearse
from cleanroom_kernel.protocol.release import Answer, Payload, Release
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.failures import FAILURES
from cleanroom_kernel.vault.opening import LateLearners
from cleanroom_kernel.vault.seeds import Seeds, room_key
from cleanroom_kernel.vault.session import FAILED, refusal_of
from cleanroom_kernel.vault.silence import described
from cleanroom_kernel.vault.tables import RoomError, Tables, open_room

LARGE = "its plan was too large to be kept"
UNREADABLE = "it cannot be read any more: the schema has changed, or it used a table that its expert brought"
CALLS = "it calls a function of its expert's for each row, which a rehearsal does not"
UNSAID = "the audit log does not say what became of it"


class Known(Struct, frozen=True):
    """A room as a rehearsal finds it."""

    tables: Tables
    database: sa.Engine
    key: bytes


def serve(server: socket.socket, log: Callable[[str], None]) -> None:
    """Carry out the one order that the server gives."""
    channel: Channel[Rehearse] = Channel(server, Rehearse, limit=REQUEST_LIMIT)
    order = channel.receive()
    try:
        policy = Policy.from_settings(order.draft).snapshot()
        known = Known(open_room(order.room), audit.engine(order.state), room_key(order.state))
    except (PolicyError, RoomError) as error:
        channel.send(OpenFailed(str(error)))
        return
    _limit(order.fits.memory)
    try:
        for notice in rehearse(known, policy, log):
            channel.send(notice)
    except (BrokenPipeError, ChannelClosed):  # nobody wants to know any more
        return


def rehearse(known: Known, policy: PolicySnapshot, log: Callable[[str], None]) -> Iterator[Notice]:
    """What the draft makes of each question that the room was asked."""
    with audit.reading(known.database) as source:
        history = History(source)
        yield Begun(len(history.questions))
        draft = Draft(known, policy, log)
        number = 0
        for step in history.steps:
            draft.now = step.time
            if isinstance(step, Approval):
                draft.approve(step, source)
                continue
            number += 1
            yield _judged(number, step, history, source, draft)
    yield Finished()


def _judged(number: int, past: Past, history: History, source: sa.Connection, draft: Draft) -> Judged:
    then = history.said(past.expert, [past.question])
    asked = draft.read(past)
    if isinstance(asked, str):
        return _row(number, past, "", then.verdict, then.verdict, Change.LEFT_OUT, why=asked)
    plan, title = asked
    names = (past.question, *(digest(node) for node in postorder(plan) if isinstance(node, Fit)))
    then = history.said(past.expert, names)
    if then.verdict.outcome is Outcome.UNKNOWN:
        return _row(number, past, title, then.verdict, then.verdict, Change.LEFT_OUT, why=UNSAID)
    now, payload = draft.ask(past, plan, names)
    found = compare(then.verdict, payload_of(source, then.answer), now, payload)
    return _row(number, past, title, then.verdict, now, found.change, found.shown, found.hidden, found.moved)


class Draft:
    """A desk at which the draft of a policy holds, beside a ledger of its own that begins empty."""

    def __init__(self, known: Known, policy: PolicySnapshot, log: Callable[[str], None]) -> None:
        self.now = 0
        self._log = log
        self._database = audit.scratch()
        ledger = Ledger(self._database, known.key, known.tables.n_units, known.tables.edition, lambda: self.now)
        seeds = Seeds(known.key if policy.keyed_seeds else None)
        learners = LateLearners(seeds, lambda: _learners(seeds, ledger, policy))
        engine = Engine(known.tables, seeds, lambda predict, using: learners.predict(predict, using))
        self._desk = Desk(known.tables.schema, engine, learners, policy, ledger, "", "")

    def read(self, past: Past) -> tuple[Aggregate, str] | str:
        """The question and its words, or why there is none."""
        if past.plan is None:
            return LARGE
        try:
            plan = decode(past.plan, self._desk.room, Aggregate)
        except PlanError:
            return UNREADABLE
        if any(isinstance(node, RowFunction) for node in postorder(plan)):
            return CALLS
        return plan, f"file of {describe(plan)}" if past.file is not None else describe(plan)

    def ask(self, past: Past, plan: Aggregate, names: Iterable[str]) -> tuple[Judgement, Payload | None]:
        """As the session that asked would have, had the draft been the policy."""
        desk = self._desk
        desk.expert, desk.session, desk.cell = past.expert, past.session, past.cell
        before = self._last()
        found = self._answered(past, plan)
        said = self._said(past.expert, names, before)
        if said is not None:
            return said, found.payload if isinstance(found, Release) else None
        if isinstance(found, Release):
            receipt = found.receipt
            return Judgement(Outcome.RELEASED, (), receipt.cells, receipt.suppressed, receipt.precision), found.payload
        rule = getattr(found, "rule", "policy")
        return Judgement(Outcome.WITHHELD if rule == "policy" else Outcome.REFUSED, (rule,)), None

    def approve(self, approval: Approval, source: sa.Connection) -> None:
        with self._database.begin() as connection:
            enter(approval, source, connection)

    def _answered(self, past: Past, plan: Aggregate) -> Answer:
        desk = self._desk
        try:
            if past.file is not None and isinstance(plan, Fit):
                from cleanroom_kernel.vault.export import export  # loads scikit-learn

                return export(plan, past.file, desk)
            return answer(plan, desk)
        except PlanError as error:
            return refusal_of(error)
        except FAILURES as error:
            self._log(described(error))
            asker = Asker(past.expert, past.session, past.cell)
            return fail(asker, past.question, describe(plan), FAILED, desk.policy, desk.ledger)

    def _last(self) -> int:
        with audit.reading(self._database) as connection:
            return audit.last(connection)

    def _said(self, expert: str, names: Iterable[str], since: int) -> Judgement | None:
        """What the rehearsal's own log says since, read like the room's."""
        said: dict[tuple[str, str], Judgement] = {}
        with audit.reading(self._database) as connection:
            for entry in audit.entries(connection, since):
                said.update(said_by(entry.event))
        return next((said[expert, name] for name in names if (expert, name) in said), None)


def _learners(seeds: Seeds, ledger: Ledger, policy: PolicySnapshot) -> object:
    from cleanroom_kernel.vault.learners import Learners

    return Learners(seeds, ledger.borders(policy))


def _row(
    number: int, past: Past, title: str, then: Judgement, now: Judgement, change: Change,
    shown: int = 0, hidden: int = 0, moved: int = 0, why: str = "",
) -> Judged:  # fmt: skip
    time = datetime.fromtimestamp(past.time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Judged(number, past.question, title, past.expert, time, then, now, change, shown, hidden, moved, why)


def _limit(memory: int) -> None:
    """Fits happen in this process; one that needs more than a session's may is none."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory if hard == resource.RLIM_INFINITY else min(memory, hard), hard))
