"""Records: requests and their steps in the database that also holds ledger and audit log.

Promise: what was frozen never changes. States change by the tables of `states` alone, in one transaction with the audit
entry that says who did it. A request whose time is up is shown so, whether that is written down or not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.airlock import LONGEST_TEXT, Standing, State, Terms
from cleanroom_kernel.requests.states import ACTORS, BY_TIME, TABLES, Actor, AirlockError, Kind, Step

MOST_LISTED = 500

metadata = sa.MetaData()

requests = sa.Table(
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

# Of requests that are jobs: which state of the tables they are for, and what became of them.
jobs = sa.Table(
    "airlock_jobs",
    metadata,
    sa.Column("number", sa.ForeignKey(requests.c.number), primary_key=True),
    sa.Column("name", sa.String, nullable=False, index=True),
    sa.Column("edition", sa.String, nullable=False),
    sa.Column("approval_days", sa.Integer, nullable=False),
    sa.Column("until", sa.String, nullable=False),  # what it is now lasts until then: an approval, a run
    sa.Column("result", sa.Integer),  # the request that its result waits as
)

steps = sa.Table(
    "airlock_steps",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.ForeignKey(requests.c.number), nullable=False, index=True),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("comment", sa.String, nullable=False),
    sa.Column("time", sa.String, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),  # of what was decided about
)

_CHANGING = {requests.name: {"state", "answer"}, jobs.name: {"until", "result"}, steps.name: set[str]()}


@sa.event.listens_for(requests, "after_create")
@sa.event.listens_for(jobs, "after_create")
@sa.event.listens_for(steps, "after_create")
def _refuse_changes(table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    """As with the audit log: no protection from who holds the file, but from mistakes of ours."""
    frozen = ", ".join(column.name for column in table.c if column.name not in _CHANGING[table.name])
    for change in (f"UPDATE OF {frozen}", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table.name}_refuses_{change.split()[0].lower()} BEFORE {change} ON {table.name} "
            "BEGIN SELECT RAISE(ABORT, 'what was frozen does not change'); END"
        )


def create(engine: sa.Engine) -> None:
    audit.create(engine, metadata)


# -- what people see --------------------------------------------------------------------------------------------------
class Said(Struct, frozen=True):
    """One step in a request's life."""

    step: Step
    person: str
    comment: str
    time: str


class Request(Struct, frozen=True):
    """A request as a checker sees it in a list. `expires` is when what it is now ends. `job` is the name of a job, ""
    for an answer; `result` the request that a job's result waits as, 0 for none.
    """

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
    job: str = ""
    result: int = 0

    @property
    def kind(self) -> Kind:
        return Kind.JOB if self.job else Kind.ANSWER

    @property
    def agreed(self) -> tuple[str, ...]:
        return tuple(said.person for said in self.steps if said.step in (Step.AGREE, Step.APPROVE))


class Asking(Struct, frozen=True):
    """Who asks for what, and why."""

    expert: str
    session: str
    cell: str
    question: str
    title: str
    reason: str


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
        job=request.job,
        result=request.result,
    )


# -- writing ----------------------------------------------------------------------------------------------------------
def write(
    connection: sa.Connection, asking: Asking, body: bytes, sha256: str, findings: tuple[str, ...], terms: Terms
) -> int:
    """A new request about `body`, with its record; its number."""
    check_text(asking.reason)
    now = datetime.now(UTC)
    number: int = connection.execute(
        requests.insert()
        .values(
            **msgspec.structs.asdict(asking),
            asked=written(now),
            expires=written(now + timedelta(days=terms.days)),
            checkers=terms.checkers,
            findings=msgspec.json.encode(findings).decode(),
            frozen=body,
            sha256=sha256,
            state=State.ASKED.value,
        )
        .returning(requests.c.number)
    ).scalar_one()
    audit.append(
        connection,
        audit.RequestMade(number=number, sha256=sha256, findings=findings, **msgspec.structs.asdict(asking)),
    )
    return number


def admit(connection: sa.Connection, expert: str, terms: Terms) -> None:
    """Raises AirlockError if as many of the expert's requests wait as may."""
    if open_of(connection, expert) >= terms.open_requests:
        raise AirlockError(f"{terms.open_requests} of your requests wait for the owner already, which is the limit.")


def open_of(connection: sa.Connection, expert: str) -> int:
    """How many of an expert's requests wait."""
    waiting = sa.and_(requests.c.state == State.ASKED.value, requests.c.expires > written(datetime.now(UTC)))
    query = sa.select(sa.func.count()).where(waiting, requests.c.expert == expert)
    return int(connection.execute(query).scalar_one())


def take(connection: sa.Connection, request: Request, step: Step, person: str, comment: str) -> None:
    """One step by the table, with its record."""
    after = TABLES[request.kind].get((request.state, step))
    if after is None:
        raise AirlockError(f"Request {request.number} is {request.state.value}; {_CANNOT[step]}.")
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
        steps.insert().values(
            number=request.number, step=step.value, person=person, comment=comment, time=f"{entry.time[:19]}Z",
            sha256=request.sha256,
        )
    )  # fmt: skip
    connection.execute(requests.update().where(requests.c.number == request.number).values(state=after.value))


_CANNOT: dict[Step, str] = {
    **dict.fromkeys(Step, "it can no longer be changed"),
    **dict.fromkeys((Step.START, Step.STOP, Step.FINISH, Step.FAIL), "it cannot run"),
}


# -- reading ----------------------------------------------------------------------------------------------------------
def listed(connection: sa.Connection, *where: Any, limit: int | None = None) -> list[Request]:
    """Requests with their steps, the newest first."""
    return _read(connection, *where, limit=limit, derive=True)


def one(connection: sa.Connection, number: int) -> Request:
    found = listed(connection, requests.c.number == number)
    if not found:
        raise AirlockError(f"There is no request {number}.")
    return found[0]


def own(connection: sa.Connection, number: int, expert: str) -> Request:
    """Of somebody else's the same is said as of one that does not exist."""
    found = listed(connection, requests.c.number == number, requests.c.expert == expert)
    if not found:
        raise AirlockError(f"You have no request {number}.")
    return found[0]


def frozen_of(connection: sa.Connection, number: int) -> bytes:
    body: bytes = connection.execute(sa.select(requests.c.frozen).where(requests.c.number == number)).scalar_one()
    return body


def expire(connection: sa.Connection) -> None:
    """Write down which requests have waited, stood or run too long."""
    for request in _read(connection, *_late(), derive=False):
        take(connection, request, BY_TIME[request.state], "", "")


def is_any_late(connection: sa.Connection) -> bool:
    query = sa.select(requests.c.number).select_from(_JOINED).where(*_late()).limit(1)
    return connection.execute(query).first() is not None


_JOINED = requests.outerjoin(jobs, requests.c.number == jobs.c.number)
_LISTED = [column for column in requests.c if column.name not in ("frozen", "answer")]  # which can be large


def _late() -> tuple[Any, ...]:
    now = written(datetime.now(UTC))
    waits = sa.and_(requests.c.state == State.ASKED.value, requests.c.expires <= now)
    standing = requests.c.state.in_([State.APPROVED.value, State.RUNNING.value])
    return (sa.or_(waits, sa.and_(standing, jobs.c.until <= now)),)


def _read(connection: sa.Connection, *where: Any, limit: int | None = None, derive: bool) -> list[Request]:
    query = sa.select(*_LISTED, jobs.c.name, jobs.c.until, jobs.c.result).select_from(_JOINED).where(*where)
    rows = connection.execute(query.order_by(requests.c.number.desc()).limit(limit)).all()
    taken: dict[int, list[Said]] = {row.number: [] for row in rows}
    for start in range(0, len(rows), 500):  # a statement takes only so many values
        some = [row.number for row in rows[start : start + 500]]
        for row in connection.execute(sa.select(steps).where(steps.c.number.in_(some)).order_by(steps.c.id)):
            taken[row.number].append(Said(Step(row.step), row.person, row.comment, row.time))
    now = written(datetime.now(UTC)) if derive else ""
    return [_made(row, tuple(taken[row.number]), now) for row in rows]


def _made(row: Any, taken: tuple[Said, ...], now: str) -> Request:
    """`now` is empty where a state is wanted as it is written down."""
    state, kind = State(row.state), Kind.ANSWER if row.name is None else Kind.JOB
    expires = row.expires if state is State.ASKED or kind is Kind.ANSWER else row.until
    if now and expires <= now and state in BY_TIME:
        state = TABLES[kind].get((state, BY_TIME[state]), state)
    return Request(
        number=row.number,
        expert=row.expert,
        session=row.session,
        cell=row.cell,
        question=row.question,
        title=row.title,
        reason=row.reason,
        state=state,
        asked=row.asked,
        expires=expires,
        checkers=row.checkers,
        findings=tuple(msgspec.json.decode(row.findings, type=list[str])),
        sha256=row.sha256,
        steps=taken,
        job=row.name or "",
        result=row.result or 0,
    )


# -- words and times --------------------------------------------------------------------------------------------------
def check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise AirlockError(f"Reasons and comments have at most {LONGEST_TEXT:,} characters.")


def same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
