"""Rehearsal: what was asked and what became of it, from ledger and audit log; and how two answers differ.

Promise: the room's database is read and never written. What comes out is words, rules and counts of cells.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.disclosure.ledger import FAILED
from cleanroom_kernel.disclosure.records import answers, charges, footprints, numbers, questions, releases
from cleanroom_kernel.protocol.rehearsal import Change, Judgement, Outcome
from cleanroom_kernel.protocol.release import Grid, Label, Number, Payload

_PAYLOADS: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)
_REPEATED = ("asked before",)  # a withheld answer that was withheld again, for what it was withheld for first


class Past(Struct, frozen=True):
    """A question that an expert asked. `plan` is null for one that was too large to be kept."""

    entry: int
    question: str
    expert: str
    session: str
    cell: str
    time: int
    file: str | None
    plan: bytes | None


class Approval(Struct, frozen=True):
    """The owner let out an answer, which counts from then on whatever the policy."""

    entry: int
    time: int
    answer: int


class Said(Struct, frozen=True):
    """What the audit log says last of a question: `answer` is the ledger's, where it was released."""

    verdict: Judgement
    answer: int | None = None


class History:
    """All that was asked, and what became of it, as one state of the database has it."""

    def __init__(self, connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(questions).order_by(questions.c.id)).all()
        past = [
            Past(
                entry=row.entry, question=row.question, expert=row.expert, session=row.session, cell=row.cell,
                time=row.time, file=row.file, plan=None if row.plan is None else zlib.decompress(row.plan),
            )
            for row in rows
        ]  # fmt: skip
        given = connection.execute(sa.select(releases.c.number, releases.c.answer))
        answer_of: dict[int, int] = {row.number: row.answer for row in given}
        approvals: list[Approval] = []
        self._said: dict[tuple[str, str], Said] = {}
        for entry in audit.entries(connection):
            event = entry.event
            if isinstance(event, audit.RequestStep) and event.step == airlock.Step.APPROVE.value:
                approvals.append(Approval(entry.sequence, _seconds(entry.time), event.number))
            for (expert, question), verdict in said_by(event):
                answer = answer_of.get(event.number) if isinstance(event, audit.Released) else None
                self._said[expert, question] = Said(verdict, answer)
        self.questions = tuple(past)
        self.steps: tuple[Past | Approval, ...] = tuple(
            sorted([*past, *_entered(connection, approvals)], key=lambda step: step.entry)
        )

    def said(self, expert: str, questions: Iterable[str]) -> Said:
        """Of the first of these that the log knows: a question's own identity, then those of the fits it uses."""
        found = (self._said.get((expert, question)) for question in questions)
        return next((said for said in found if said is not None), Said(Judgement(Outcome.UNKNOWN)))


def said_by(event: audit.AnyEvent) -> Iterator[tuple[tuple[str, str], Judgement]]:
    """Whose question an event settles, and how. What the owner let out is no verdict of the gate's."""
    if isinstance(event, audit.Released):
        if not any(rule.startswith("airlock") for rule in event.rules):
            verdict = Judgement(Outcome.RELEASED, (), event.cells, event.suppressed, event.precision)
            yield (event.expert, event.question), verdict
    elif isinstance(event, audit.Withheld):
        question = event.question.removesuffix(FAILED)
        if event.rules != _REPEATED:
            outcome = Outcome.WITHHELD if question == event.question else Outcome.REFUSED
            yield (event.expert, question), Judgement(outcome, event.rules)
    elif isinstance(event, audit.Refused) and event.question:
        yield (event.expert, event.question), Judgement(Outcome.REFUSED, (event.rule,))


def payload_of(connection: sa.Connection, answer: int | None) -> Payload | None:
    if answer is None:
        return None
    body = connection.execute(sa.select(answers.c.payload).where(answers.c.id == answer)).scalar_one()
    return _PAYLOADS.decode(body)


def enter(approval: Approval, source: sa.Connection, draft: sa.Connection) -> None:
    """Copy an approved answer from the room's ledger to a rehearsal's, with what later answers are compared with."""
    answer = _row(source, answers, answers.c.id == approval.answer)
    known = draft.execute(sa.select(answers.c.id).where(answers.c.key == answer["key"])).scalar()
    if known is not None:
        return
    copied = draft.execute(answers.insert().values(_without_id(answer)).returning(answers.c.id)).scalar_one()
    for number in source.execute(sa.select(numbers).where(numbers.c.answer == approval.answer)).mappings():
        over = _row(source, footprints, footprints.c.id == number["footprint"])
        there = draft.execute(sa.select(footprints.c.id).where(footprints.c.digest == over["digest"])).scalar()
        if there is None:
            made = footprints.insert().values(_without_id(over)).returning(footprints.c.id)
            there = draft.execute(made).scalar_one()
        draft.execute(numbers.insert().values({**_without_id(number), "answer": copied, "footprint": there}))
    for charge in source.execute(sa.select(charges).where(charges.c.answer == approval.answer)).mappings():
        draft.execute(charges.insert().values({**_without_id(charge), "answer": copied}))


class Difference(Struct, frozen=True):
    """Between two answers to one question: numbers of cells."""

    change: Change
    shown: int = 0
    hidden: int = 0
    moved: int = 0


def compare(then: Judgement, before: Payload | None, now: Judgement, after: Payload | None) -> Difference:
    if then.outcome is Outcome.UNKNOWN:
        return Difference(Change.LEFT_OUT)
    if Outcome.RELEASED not in (then.outcome, now.outcome):
        return Difference(Change.SAME if then.outcome is now.outcome else Change.CHANGES)
    old, new = _cells(before), _cells(after)
    shown, hidden = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    if then.outcome is not now.outcome:
        passes = now.outcome is Outcome.RELEASED
        return Difference(Change.PASSES if passes else Change.FAILS, shown, hidden)
    moved = sum(old[cell] != new[cell] for cell in old.keys() & new.keys())
    return Difference(Change.CHANGES if shown or hidden or moved else Change.SAME, shown, hidden, moved)


def _cells(payload: Payload | None) -> dict[tuple[Any, ...], Number | Label | bytes]:
    """What an answer shows, by place. A model's parts are one cell."""
    if payload is None:
        return {}
    if not isinstance(payload, Grid):
        return {(): msgspec.msgpack.encode(payload)}
    return {
        (column, *_typed(labels)): value
        for column, values, hidden in zip(payload.columns, payload.values, payload.suppressed, strict=True)
        for labels, value, is_hidden in zip(payload.rows, values, hidden, strict=True)
        if not is_hidden
    }


def _typed(labels: tuple[Label, ...]) -> tuple[tuple[str, Label], ...]:
    """1, 1.0 and True are three labels."""
    return tuple((type(label).__name__, label) for label in labels)


def _entered(connection: sa.Connection, approvals: list[Approval]) -> Iterator[Approval]:
    """With the ledger's number of the answer in the place of the request's."""
    for approval in approvals:
        answer = airlock.answer_of(connection, approval.answer)
        if answer is not None:
            yield msgspec.structs.replace(approval, answer=answer)


def _row(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> Any:
    return connection.execute(sa.select(table).where(where)).mappings().one()


def _without_id(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).astimezone(UTC).timestamp())
