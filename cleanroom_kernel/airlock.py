"""Airlock: answers that the gate withheld, frozen, and what people decided about them.

Promise: what was frozen never changes, and what is approved is exactly that. States change by one closed table, in one
transaction with the audit entry that says who did it; the approval itself enters the answer into the ledger, so that
from that moment no other answer is judged without it. Nobody decides twice, and an expert decides nothing.
"""

from __future__ import annotations

import enum
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.airlock import LONGEST_TEXT, Standing, State, Terms
from cleanroom_kernel.protocol.release import Artifact, Payload

_MOST_LISTED = 500
_PAYLOADS: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)


# -- the table of states ----------------------------------------------------------------------------------------------
class Step(enum.Enum):
    """What can happen to a request that waits."""

    AGREE = "agree"  # an approval that needs another checker's
    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


class Actor(enum.Enum):
    CHECKER = "checker"
    EXPERT = "expert"
    CLOCK = "clock"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.ASKED, Step.AGREE): State.ASKED,
    (State.ASKED, Step.APPROVE): State.APPROVED,
    (State.ASKED, Step.REJECT): State.REJECTED,
    (State.ASKED, Step.RETURN): State.RETURNED,
    (State.ASKED, Step.EXPIRE): State.EXPIRED,
    (State.ASKED, Step.WITHDRAW): State.WITHDRAWN,
}

ACTORS: dict[Step, Actor] = {
    Step.AGREE: Actor.CHECKER,
    Step.APPROVE: Actor.CHECKER,
    Step.REJECT: Actor.CHECKER,
    Step.RETURN: Actor.CHECKER,
    Step.EXPIRE: Actor.CLOCK,
    Step.WITHDRAW: Actor.EXPERT,
}


class Decision(enum.Enum):
    """What a checker may say."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"


class AirlockError(ValueError):
    """Something that cannot be done with a request now. Words for whoever tried."""


# -- records ----------------------------------------------------------------------------------------------------------
metadata = sa.MetaData()

_requests = sa.Table(
    "airlock_requests",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("expert", sa.String, nullable=False, index=True),
    sa.Column("session", sa.String, nullable=False),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("question", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("asked", sa.String, nullable=False),
    sa.Column("expires", sa.String, nullable=False),
    sa.Column("checkers", sa.Integer, nullable=False),
    sa.Column("findings", sa.String, nullable=False),
    sa.Column("frozen", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("answer", sa.Integer),  # in the ledger, once it is approved
)

_steps = sa.Table(
    "airlock_steps",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.ForeignKey(_requests.c.number), nullable=False, index=True),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("comment", sa.String, nullable=False),
    sa.Column("time", sa.String, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),  # of what was decided about
)

_CHANGING = {"state", "answer"}
_LISTED = [column for column in _requests.c if column.name != "frozen"]  # which can be large


@sa.event.listens_for(_requests, "after_create")
def _refuse_changes(_table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    """As with the audit log: no protection from who holds the file, but from mistakes of ours."""
    frozen = ", ".join(column.name for column in _requests.c if column.name not in _CHANGING)
    _refuse(connection, "airlock_requests", f"UPDATE OF {frozen}")
    _refuse(connection, "airlock_requests", "DELETE")


@sa.event.listens_for(_steps, "after_create")
def _refuse_changes_of_steps(_table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    _refuse(connection, "airlock_steps", "UPDATE")
    _refuse(connection, "airlock_steps", "DELETE")


def _refuse(connection: sa.Connection, table: str, change: str) -> None:
    connection.exec_driver_sql(
        f"CREATE TRIGGER {table}_refuses_{change.split()[0].lower()} BEFORE {change} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'what was frozen does not change'); END"
    )


def create(engine: sa.Engine) -> None:
    audit.create(engine, metadata)


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


class Asking(Struct, frozen=True):
    """Who asks for what, and why."""

    expert: str
    session: str
    cell: str
    question: str
    title: str
    reason: str


# -- what people see --------------------------------------------------------------------------------------------------
class Said(Struct, frozen=True):
    """One step in a request's life."""

    step: Step
    person: str
    comment: str
    time: str


class Request(Struct, frozen=True):
    """A request as a checker sees it in a list."""

    number: int
    expert: str
    session: str
    cell: str
    question: str
    title: str
    reason: str
    state: State
    asked: str
    expires: str
    checkers: int
    findings: tuple[str, ...]
    sha256: str
    steps: tuple[Said, ...]

    @property
    def agreed(self) -> tuple[str, ...]:
        return tuple(said.person for said in self.steps if said.step in (Step.AGREE, Step.APPROVE))


class Examined(Struct, frozen=True):
    """A request with what it is about. For checkers alone: `preview` holds numbers that the gate withheld."""

    request: Request
    preview: Payload | None
    output_class: str
    units: str
    cells: int
    precision: str
    code: str  # of the cell that asked


# -- the expert's steps -----------------------------------------------------------------------------------------------
def ask(connection: sa.Connection, asking: Asking, frozen: Frozen, findings: tuple[str, ...], terms: Terms) -> Standing:
    """Write a request down. Raises AirlockError if too many of the expert's wait already."""
    _check_text(asking.reason)
    admit(connection, asking.expert, terms)
    body, now = msgspec.msgpack.encode(frozen), datetime.now(UTC)
    sha256 = hashlib.sha256(body).hexdigest()
    number = connection.execute(
        _requests.insert()
        .values(
            **msgspec.structs.asdict(asking),
            asked=_written(now),
            expires=_written(now + timedelta(days=terms.days)),
            checkers=terms.checkers,
            findings=msgspec.json.encode(findings).decode(),
            frozen=body,
            sha256=sha256,
            state=State.ASKED.value,
        )
        .returning(_requests.c.number)
    ).scalar_one()
    audit.append(
        connection,
        audit.RequestMade(number=number, sha256=sha256, findings=findings, **msgspec.structs.asdict(asking)),
    )
    return standing_of(_request(connection, number))


def admit(connection: sa.Connection, expert: str, terms: Terms) -> None:
    """Raises AirlockError if as many of the expert's requests wait as may."""
    if open_of(connection, expert) >= terms.open_requests:
        raise AirlockError(f"{terms.open_requests} of your requests wait for the owner already, which is the limit.")


def open_of(connection: sa.Connection, expert: str) -> int:
    """How many of an expert's requests wait."""
    waiting = sa.and_(_requests.c.state == State.ASKED.value, _requests.c.expires > _written(datetime.now(UTC)))
    query = sa.select(sa.func.count()).where(waiting, _requests.c.expert == expert)
    return int(connection.execute(query).scalar_one())


def asked_before(connection: sa.Connection, expert: str, question: str, reason: str) -> Standing | None:
    """The request that this one repeats: the same question that still waits or was approved, or for the same reason."""
    query = (
        sa.select(*_LISTED)
        .where(_requests.c.expert == expert, _requests.c.question == question)
        .order_by(_requests.c.number.desc())
    )
    for request in _read(connection, query):
        settled = request.state in (State.ASKED, State.APPROVED)
        if settled or (request.reason == reason and request.state in (State.REJECTED, State.RETURNED)):
            return standing_of(request)
    return None


def withdraw(connection: sa.Connection, number: int, expert: str) -> Standing:
    request = _own(connection, number, expert)
    _take(connection, request, Step.WITHDRAW, expert, "")
    return standing_of(_request(connection, number))


def standings(connection: sa.Connection, expert: str) -> tuple[Standing, ...]:
    query = sa.select(*_LISTED).where(_requests.c.expert == expert)
    query = query.order_by(_requests.c.number.desc()).limit(_MOST_LISTED)
    return tuple(map(standing_of, _read(connection, query)))


def standing_of(request: Request) -> Standing:
    decided = [said for said in request.steps if ACTORS[said.step] is Actor.CHECKER]
    settled = decided if request.state is not State.ASKED else []
    return Standing(
        number=request.number,
        question=request.question,
        title=request.title,
        reason=request.reason,
        state=request.state,
        comment=settled[-1].comment if settled else "",
        asked=request.asked,
        decided=settled[-1].time if settled else "",
        expires=request.expires,
        agreed=len(request.agreed),
        checkers=request.checkers,
        cell=request.cell,
    )


def approved(connection: sa.Connection, number: int, expert: str) -> tuple[int, bytes]:
    """Of an approved request of one's own: the answer's number in the ledger and the frozen bytes.

    Raises AirlockError if it is not approved, and RuntimeError if the bytes are not those that were approved.
    """
    request = _own(connection, number, expert)
    if request.state is not State.APPROVED:
        raise AirlockError(f"Request {number} is not approved: it is {request.state.value}.")
    row = connection.execute(sa.select(_requests).where(_requests.c.number == number)).one()
    seen = connection.execute(
        sa.select(_steps.c.sha256).where(_steps.c.number == number, _steps.c.step == Step.APPROVE.value)
    ).scalar_one()
    if not hashlib.sha256(row.frozen).hexdigest() == row.sha256 == seen:
        raise RuntimeError("a frozen answer is not the one that was approved")
    return row.answer, _FROZEN.decode(row.frozen).payload


# -- the checkers' steps ----------------------------------------------------------------------------------------------
def queue(connection: sa.Connection, state: State | None = None, limit: int = _MOST_LISTED) -> list[Request]:
    """Requests, the newest first."""
    query = sa.select(*_LISTED).order_by(_requests.c.number.desc()).limit(limit)
    return [request for request in _read(connection, query) if state is None or request.state is state]


def examine(connection: sa.Connection, number: int) -> Examined:
    request = _request(connection, number)
    body = connection.execute(sa.select(_requests.c.frozen).where(_requests.c.number == number)).scalar_one()
    frozen = _FROZEN.decode(body)
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
    _check_text(comment)
    request = _request(connection, number)
    if decision is Decision.RETURN and not comment.strip():
        raise AirlockError("A request is returned with a comment that says what to change.")
    if _same(person, request.expert):
        raise AirlockError("Nobody decides a request of their own.")
    if any(_same(person, earlier) for earlier in request.agreed):
        raise AirlockError(f"{person} has approved this request already; it needs another checker.")
    step = Step(decision.value)
    if step is Step.APPROVE and request.state is State.ASKED:
        if _frozen(connection, number).is_empty:
            raise AirlockError("There is nothing to approve: no value could be computed. Reject or return it.")
        if len(request.agreed) + 1 < request.checkers:
            step = Step.AGREE
    _take(connection, request, step, person, comment)
    if step is Step.APPROVE:
        _enter(connection, number)
    return _request(connection, number)


def expire(connection: sa.Connection) -> None:
    """Write down which requests have waited too long."""
    late = sa.select(*_LISTED).where(
        _requests.c.state == State.ASKED.value, _requests.c.expires <= _written(datetime.now(UTC))
    )
    for request in _read(connection, late, derive=False):
        _take(connection, request, Step.EXPIRE, "", "")


def is_any_late(connection: sa.Connection) -> bool:
    late = _requests.c.expires <= _written(datetime.now(UTC))
    query = sa.select(_requests.c.number).where(_requests.c.state == State.ASKED.value, late).limit(1)
    return connection.execute(query).first() is not None


# -- parts ------------------------------------------------------------------------------------------------------------
def _take(connection: sa.Connection, request: Request, step: Step, person: str, comment: str) -> None:
    """One step by the table, with its record."""
    after = TRANSITIONS.get((request.state, step))
    if after is None:
        raise AirlockError(f"Request {request.number} is {request.state.value}; it can no longer be changed.")
    entry = audit.append(
        connection,
        audit.RequestStep(
            number=request.number,
            expert=request.expert,
            step=step.value,
            state=after.value,
            person=person,
            comment=comment,
            sha256=request.sha256,
        ),
    )
    connection.execute(
        _steps.insert().values(
            number=request.number, step=step.value, person=person, comment=comment, time=_seconds(entry.time),
            sha256=request.sha256,
        )
    )  # fmt: skip
    connection.execute(_requests.update().where(_requests.c.number == request.number).values(state=after.value))


def _enter(connection: sa.Connection, number: int) -> None:
    """The approved answer becomes one of the ledger's, with all that later answers are compared with."""
    frozen = _frozen(connection, number)
    now = int(datetime.now(UTC).timestamp())
    answer = _insert(connection, msgspec.structs.replace(frozen.answer, values={**frozen.answer.values, "time": now}))
    for row in frozen.numbers:
        _insert(connection, msgspec.structs.replace(row, values={**row.values, "answer": answer}))
    connection.execute(_requests.update().where(_requests.c.number == number).values(answer=answer))


def _insert(connection: sa.Connection, row: Row) -> int:
    assert row.table in _LEDGER, "an approval writes to the ledger alone"
    table = sa.table(row.table, sa.column("id"), *(sa.column(name) for name in row.values))
    inserted: int = connection.execute(table.insert().values(row.values).returning(table.c.id)).scalar_one()
    return inserted


def _frozen(connection: sa.Connection, number: int) -> Frozen:
    body = connection.execute(sa.select(_requests.c.frozen).where(_requests.c.number == number)).scalar_one()
    return _FROZEN.decode(body)


def _own(connection: sa.Connection, number: int, expert: str) -> Request:
    """Of somebody else's the same is said as of one that does not exist."""
    found = _read(connection, sa.select(*_LISTED).where(_requests.c.number == number, _requests.c.expert == expert))
    if not found:
        raise AirlockError(f"You have no request {number}.")
    return found[0]


def _request(connection: sa.Connection, number: int) -> Request:
    found = _read(connection, sa.select(*_LISTED).where(_requests.c.number == number))
    if not found:
        raise AirlockError(f"There is no request {number}.")
    return found[0]


def _read(connection: sa.Connection, query: sa.Select[Any], *, derive: bool = True) -> list[Request]:
    """Requests with their steps. One that has waited too long is expired, whether that is written down or not."""
    rows = connection.execute(query).all()
    steps: dict[int, list[Said]] = {row.number: [] for row in rows}
    for start in range(0, len(rows), 500):  # a statement takes only so many values
        some = [row.number for row in rows[start : start + 500]]
        for row in connection.execute(sa.select(_steps).where(_steps.c.number.in_(some)).order_by(_steps.c.id)):
            steps[row.number].append(Said(Step(row.step), row.person, row.comment, row.time))
    now = _written(datetime.now(UTC))
    return [_made(row, tuple(steps[row.number]), late=derive and row.expires <= now) for row in rows]


def _made(row: Any, steps: tuple[Said, ...], *, late: bool) -> Request:
    state = State(row.state)
    return Request(
        number=row.number,
        expert=row.expert,
        session=row.session,
        cell=row.cell,
        question=row.question,
        title=row.title,
        reason=row.reason,
        state=State.EXPIRED if late and state is State.ASKED else state,
        asked=row.asked,
        expires=row.expires,
        checkers=row.checkers,
        findings=tuple(msgspec.json.decode(row.findings, type=list[str])),
        sha256=row.sha256,
        steps=steps,
    )


def _preview(payload: Payload) -> Payload:
    """A file is looked at by its report; its bytes stay."""
    return msgspec.structs.replace(payload, content=b"") if isinstance(payload, Artifact) else payload


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise AirlockError(f"Reasons and comments have at most {LONGEST_TEXT:,} characters.")


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _seconds(time: str) -> str:
    return f"{time[:19]}Z"
