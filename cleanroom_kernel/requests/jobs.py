"""Jobs: code that waits for an owner's approval, and what became of its runs.

Promise: an approval is of exactly these bytes (source, inputs, declared result), for one expert and one state of the
tables; it ends by itself. A job that is done does not run again.
"""

from __future__ import annotations

import difflib
import hashlib
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel.protocol.airlock import State, Terms
from cleanroom_kernel.protocol.jobs import Declared, Job, Reads, Rows, Scalar
from cleanroom_kernel.requests.records import (
    Asking,
    Request,
    frozen_of,
    jobs,
    one,
    own,
    requests,
    steps,
    take,
    write,
    written,
)
from cleanroom_kernel.requests.states import AirlockError, Step

_GRACE = 60  # seconds after which a run whose vault says nothing is lost
_JOB: msgspec.msgpack.Decoder[Job] = msgspec.msgpack.Decoder(Job)


class JobView(Struct, frozen=True):
    """What a checker sees of a job. `diff` is against the source that was last approved under this name, which is
    request `before`; 0 where none was.
    """

    name: str
    source: str
    reads: tuple[Reads, ...]
    results: tuple[str, ...]
    edition: str
    before: int
    diff: str
    outcome: str


class Started(Struct, frozen=True):
    """A job whose run has begun."""

    request: Request
    job: Job


def identity(job: Job) -> str:
    """Digest of all that an approval is about."""
    return hashlib.sha256(msgspec.msgpack.encode(job)).hexdigest()


def submit(connection: sa.Connection, asking: Asking, job: Job, edition: str, terms: Terms) -> int:
    """Write a job down, for the owner to read; its number."""
    body = msgspec.msgpack.encode(job)
    findings = tuple(f"reads {one.table}: {', '.join(one.columns)}" for one in job.reads)
    number = write(connection, asking, body, identity(job), findings, terms)
    connection.execute(
        jobs.insert().values(
            number=number,
            name=job.name,
            edition=edition,
            approval_days=terms.approval_days,
            until=written(datetime.now(UTC) + timedelta(days=terms.days)),
        )
    )
    return number


def approved(connection: sa.Connection, number: int) -> None:
    """The approval holds from now on, for as many days as the owner had set when the job was handed in."""
    days = connection.execute(sa.select(jobs.c.approval_days).where(jobs.c.number == number)).scalar_one()
    _last_until(connection, number, datetime.now(UTC) + timedelta(days=days))


# -- runs -------------------------------------------------------------------------------------------------------------
def start(connection: sa.Connection, number: int, expert: str, edition: str, seconds: float) -> Started:
    """Begin to run an approved job of one's own. Raises AirlockError where it may not run, and RuntimeError if the
    bytes are not those that were approved.
    """
    request = own(connection, number, expert)
    if not request.job:
        raise AirlockError(f"Request {number} is no job.")
    if request.state is State.APPROVED and _edition(connection, number) != edition:
        raise AirlockError("The tables are not those that it was approved for. Hand it in again.")
    take(connection, request, Step.START, expert, "")
    body = frozen_of(connection, number)
    approvals = sa.select(steps.c.sha256).where(steps.c.number == number, steps.c.step == Step.APPROVE.value)
    seen = connection.execute(approvals).scalar_one()
    if not hashlib.sha256(body).hexdigest() == request.sha256 == seen:
        raise RuntimeError("a job is not the one that was approved")
    _last_until(connection, number, datetime.now(UTC) + timedelta(seconds=seconds + _GRACE))
    return Started(request, _JOB.decode(body))


def stop(connection: sa.Connection, number: int, expert: str) -> None:
    """Its expert has interrupted it: the approval is what it was."""
    take(connection, one(connection, number), Step.STOP, expert, "")
    days = connection.execute(sa.select(jobs.c.approval_days).where(jobs.c.number == number)).scalar_one()
    since = connection.execute(
        sa.select(steps.c.time).where(steps.c.number == number, steps.c.step == Step.APPROVE.value)
    ).scalar_one()
    _last_until(connection, number, datetime.fromisoformat(since) + timedelta(days=days))


def fail(connection: sa.Connection, number: int, why: str) -> None:
    """`why` is for the owner: which limit, or the class of an error and a line of the source."""
    take(connection, one(connection, number), Step.FAIL, "", why)


def finish(connection: sa.Connection, number: int, *, answer: int | None, result: int | None) -> None:
    """It gave what was declared: as an answer of the ledger's, or as a request that waits."""
    take(connection, one(connection, number), Step.FINISH, "", "")
    connection.execute(requests.update().where(requests.c.number == number).values(answer=answer))
    connection.execute(jobs.update().where(jobs.c.number == number).values(result=result))


def answer_of(connection: sa.Connection, number: int, expert: str) -> int:
    """Number in the ledger of what a job of one's own gave. Raises AirlockError where there is none."""
    request = own(connection, number, expert)
    answer = connection.execute(sa.select(requests.c.answer).where(requests.c.number == number)).scalar()
    if request.state is not State.DONE or answer is None:
        raise AirlockError(f"Request {number} has given nothing: it is {request.state.value}.")
    return int(answer)


# -- for the owner ----------------------------------------------------------------------------------------------------
def view(connection: sa.Connection, request: Request) -> JobView:
    job = _JOB.decode(frozen_of(connection, request.number))
    before = _approved_before(connection, request)
    last = "" if before is None else _JOB.decode(frozen_of(connection, before)).source
    failed = [said.comment for said in request.steps if said.step in (Step.FAIL, Step.LOSE)]
    return JobView(
        name=job.name,
        source=job.source,
        reads=job.reads,
        results=tuple(_in_words(declared) for declared in job.results),
        edition=_edition(connection, request.number),
        before=before or 0,
        diff="" if before is None else _difference(last, job.source, before, request.number),
        outcome=failed[-1] if failed else "",
    )


def _approved_before(connection: sa.Connection, request: Request) -> int | None:
    approvals = (
        sa.select(jobs.c.number)
        .join(steps, steps.c.number == jobs.c.number)
        .where(jobs.c.name == request.job, jobs.c.number < request.number, steps.c.step == Step.APPROVE.value)
    )
    return connection.execute(approvals.order_by(jobs.c.number.desc()).limit(1)).scalar()


def _difference(before: str, now: str, number: int, this: int) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), now.splitlines(), f"request {number}", f"request {this}", lineterm=""
    )
    return "\n".join(lines)


def _in_words(declared: Declared) -> str:
    if isinstance(declared, Scalar):
        return f"{declared.name}: one {declared.of.value}"
    if isinstance(declared, Rows):
        columns = ", ".join(f"{column.name} ({column.of.value})" for column in declared.columns)
        return f"{declared.name}: a table of at most {declared.rows} rows: {columns}"
    return f"{declared.name}: tensors of at most {declared.numbers:,} numbers"


def _edition(connection: sa.Connection, number: int) -> str:
    found: str = connection.execute(sa.select(jobs.c.edition).where(jobs.c.number == number)).scalar_one()
    return found


def _last_until(connection: sa.Connection, number: int, moment: datetime) -> None:
    connection.execute(jobs.update().where(jobs.c.number == number).values(until=written(moment)))
