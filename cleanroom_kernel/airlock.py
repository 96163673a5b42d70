"""Airlock: answers that the gate withheld, frozen, and what people decided about them and about jobs.

Promise: what was frozen never changes, and what is approved is exactly that. States change by closed tables, in one
transaction with the audit entry that says who did it; the approval of an answer itself enters it into the ledger, so
that from that moment no other answer is judged without it. Nobody decides twice, and an expert decides nothing.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.airlock import Standing, State, Terms
from cleanroom_kernel.protocol.release import Artifact, Payload, Results
from cleanroom_kernel.requests import jobs
from cleanroom_kernel.requests.records import (
    MOST_LISTED,
    Asking,
    Request,
    admit,
    check_text,
    create,
    expire,
    frozen_of,
    is_any_late,
    listed,
    one,
    own,
    requests,
    same_person,
    standing_of,
    steps,
    take,
    write,
)
from cleanroom_kernel.requests.states import AirlockError, Decision, Kind, Step

__all__ = [
    "AirlockError", "Asking", "Decision", "Examined", "Frozen", "Request", "Row", "Step", "admit", "answer_of",
    "approved", "ask", "asked_before", "create", "decide", "examine", "expire", "is_any_late", "queue",
    "standings", "withdraw",
]  # fmt: skip

_PAYLOADS: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)


# -- what is frozen ---------------------------------------------------------------------------------------------------
class Row(Struct, frozen=True):
    """A row that the ledger gets when the answer is approved."""

    table: str
    values: dict[str, Any]


class Frozen(Struct, frozen=True):
    """An answer as it would leave: `payload` are the bytes, empty where nothing could be computed.

    `answer` and `numbers` are what the ledger must hold of it; `units`, `precision` and `output_class` are what its
    receipt will say.
    """

    payload: bytes
    answer: Row
    numbers: tuple[Row, ...]
    output_class: str
    units: str
    cells: int
    precision: str

    @property
    def is_empty(self) -> bool:
        return not self.payload


_FROZEN: msgspec.msgpack.Decoder[Frozen] = msgspec.msgpack.Decoder(Frozen)
_LEDGER = {"ledger_answers", "ledger_numbers", "ledger_charges"}


# -- what people see --------------------------------------------------------------------------------------------------
class Examined(Struct, frozen=True):
    """A request with what it is about. For checkers alone: `preview` holds numbers that the gate withheld. `job` is
    what there is to see of a job beside its code.
    """

    request: Request
    preview: Payload | None
    output_class: str
    units: str
    cells: int
    precision: str
    code: str  # of the cell that asked, or of the job
    job: jobs.JobView | None = None


# -- the expert's steps -----------------------------------------------------------------------------------------------
def ask(connection: sa.Connection, asking: Asking, frozen: Frozen, findings: tuple[str, ...], terms: Terms) -> Standing:
    """Write a request down. Raises AirlockError if too many of the expert's wait already."""
    admit(connection, asking.expert, terms)
    return freeze(connection, asking, frozen, findings, terms)


def freeze(
    connection: sa.Connection, asking: Asking, frozen: Frozen, findings: tuple[str, ...], terms: Terms
) -> Standing:
    """The same for what was let in before: a job's result."""
    body = msgspec.msgpack.encode(frozen)
    number = write(connection, asking, body, hashlib.sha256(body).hexdigest(), findings, terms)
    return standing_of(one(connection, number))


def asked_before(connection: sa.Connection, expert: str, question: str, reason: str) -> Standing | None:
    """The request that this one repeats: the same question that still waits or was let, or for the same reason."""
    for request in listed(connection, requests.c.expert == expert, requests.c.question == question):
        settled = request.state in (State.ASKED, State.APPROVED, State.RUNNING, State.DONE)
        if settled or (request.reason == reason and request.state in (State.REJECTED, State.RETURNED, State.FAILED)):
            return standing_of(request)
    return None


def withdraw(connection: sa.Connection, number: int, expert: str) -> Standing:
    take(connection, own(connection, number, expert), Step.WITHDRAW, expert, "")
    return standing_of(one(connection, number))


def standings(connection: sa.Connection, expert: str) -> tuple[Standing, ...]:
    return tuple(map(standing_of, listed(connection, requests.c.expert == expert, limit=MOST_LISTED)))


def approved(connection: sa.Connection, number: int, expert: str) -> tuple[int, bytes]:
    """Of an approved request of one's own: the answer's number in the ledger and the frozen bytes.

    Raises AirlockError if it is not approved, and RuntimeError if the bytes are not those that were approved.
    """
    request = own(connection, number, expert)
    if request.kind is not Kind.ANSWER:
        raise AirlockError(f"Request {number} is a job: run it with room.run_job({number}).")
    if request.state is not State.APPROVED:
        raise AirlockError(f"Request {number} is not approved: it is {request.state.value}.")
    row = connection.execute(sa.select(requests).where(requests.c.number == number)).one()
    if not hashlib.sha256(row.frozen).hexdigest() == row.sha256 == _approved_digest(connection, number):
        raise RuntimeError("a frozen answer is not the one that was approved")
    return row.answer, _FROZEN.decode(row.frozen).payload


def answer_of(connection: sa.Connection, number: int) -> int | None:
    """Number in the ledger of a request's answer, once it is approved."""
    return connection.execute(sa.select(requests.c.answer).where(requests.c.number == number)).scalar()


# -- the checkers' steps ----------------------------------------------------------------------------------------------
def queue(connection: sa.Connection, state: State | None = None, limit: int = MOST_LISTED) -> list[Request]:
    """Requests, the newest first."""
    return [request for request in listed(connection, limit=limit) if state is None or request.state is state]


def examine(connection: sa.Connection, number: int) -> Examined:
    request = one(connection, number)
    if request.kind is Kind.JOB:
        view = jobs.view(connection, request)
        return Examined(request, None, "job", "", 0, "", view.source, view)
    frozen = _FROZEN.decode(frozen_of(connection, number))
    return Examined(
        request=request,
        preview=None if frozen.is_empty else _preview(_PAYLOADS.decode(frozen.payload)),
        output_class=frozen.output_class,
        units=frozen.units,
        cells=frozen.cells,
        precision=frozen.precision,
        code=audit.code_of(connection, request.session, request.cell),
    )


def decide(connection: sa.Connection, number: int, person: str, decision: Decision, comment: str) -> Request:
    """Say yes, no, or what to change. Raises AirlockError where this person cannot, or it is too late."""
    check_text(comment)
    request = one(connection, number)
    if decision is Decision.RETURN and not comment.strip():
        raise AirlockError("A request is returned with a comment that says what to change.")
    if same_person(person, request.expert):
        raise AirlockError("Nobody decides a request of their own.")
    step = Step(decision.value)
    if request.state is State.ASKED and any(same_person(person, earlier) for earlier in request.agreed):
        raise AirlockError(f"{person} has approved this request already; it needs another checker.")
    if step is Step.APPROVE and request.state is State.ASKED:
        if request.kind is Kind.ANSWER and _FROZEN.decode(frozen_of(connection, number)).is_empty:
            raise AirlockError("There is nothing to approve: no value could be computed. Reject or return it.")
        if len(request.agreed) + 1 < request.checkers:
            step = Step.AGREE
    take(connection, request, step, person, comment)
    if step is Step.APPROVE:
        _APPROVED[request.kind](connection, number)
    return one(connection, number)


# -- parts ------------------------------------------------------------------------------------------------------------
def _approved_digest(connection: sa.Connection, number: int) -> str:
    """Of the bytes that the last approval was about."""
    approvals = sa.select(steps.c.sha256).where(steps.c.number == number, steps.c.step == Step.APPROVE.value)
    digest: str = connection.execute(approvals.order_by(steps.c.id.desc()).limit(1)).scalar_one()
    return digest


def _enter(connection: sa.Connection, number: int) -> None:
    """The approved answer becomes one of the ledger's, with all that later answers are compared with."""
    frozen = _FROZEN.decode(frozen_of(connection, number))
    now = int(datetime.now(UTC).timestamp())
    answer = _insert(connection, msgspec.structs.replace(frozen.answer, values={**frozen.answer.values, "time": now}))
    for row in frozen.numbers:
        _insert(connection, msgspec.structs.replace(row, values={**row.values, "answer": answer}))
    connection.execute(requests.update().where(requests.c.number == number).values(answer=answer))


_APPROVED = {Kind.ANSWER: _enter, Kind.JOB: jobs.approved}


def _insert(connection: sa.Connection, row: Row) -> int:
    assert row.table in _LEDGER, "an approval writes to the ledger alone"
    table = sa.table(row.table, sa.column("id"), *(sa.column(name) for name in row.values))
    inserted: int = connection.execute(table.insert().values(row.values).returning(table.c.id)).scalar_one()
    return inserted


def _preview(payload: Payload) -> Payload:
    """A file is looked at by its report; its bytes stay."""
    if isinstance(payload, Results):
        files = tuple(msgspec.structs.replace(file, content=b"") for file in payload.files)
        return msgspec.structs.replace(payload, files=files)
    return msgspec.structs.replace(payload, content=b"") if isinstance(payload, Artifact) else payload
