"""Jobs: what an expert may do with code for the owner to read: hand it in, and run it once it is approved.

Promise: a job runs only as it was approved, for the expert who handed it in, over the tables that it was approved for.
What its expert hears of a run that failed is that it failed; class and line of the error are for the owner.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TypeVar

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import AirlockError
from cleanroom_kernel.disclosure import jobs as judging
from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.ledger import PolicyMoved
from cleanroom_kernel.protocol.airlock import Standing, State
from cleanroom_kernel.protocol.jobs import Broke, Produced, Run, Tensors
from cleanroom_kernel.protocol.messages import SubmitJob
from cleanroom_kernel.protocol.release import Answer, Reason, Refusal, Release
from cleanroom_kernel.requests import jobs
from cleanroom_kernel.requests.jobs import Started
from cleanroom_kernel.requests.records import Asking, admit, own, standing_of
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.failures import FAILURES
from cleanroom_kernel.vault.jobinputs import check, columns_read, job_key, pieces, units_of
from cleanroom_kernel.vault.jobline import End, JobEnded
from cleanroom_kernel.vault.jobresults import Unfit, results_of
from cleanroom_kernel.vault.opening import adopt

Written = TypeVar("Written")

NO_REASON = Refusal(
    Reason.INVALID, "jobs", "The owner decides by your reason as well, so there must be one.", "Say what it is for."
)
NO_TENSORS = Refusal(
    Reason.UNSUPPORTED,
    "jobs",
    "This room takes no tensors from jobs: the package safetensors is not installed.",
    "Give back a table, or ask the owner to install cleanroom-kernel[tensors].",
)
NO_JOBS = Refusal(Reason.UNSUPPORTED, "jobs", "No jobs are run in this room.", "Ask the owner.")


def submit(request: SubmitJob, desk: Desk) -> Standing | Refusal:
    """The job as it stands now: a new one, or the one that this repeats."""
    job = request.job
    if desk.runner is None:
        return NO_JOBS
    if not request.reason.strip():
        return NO_REASON
    if any(isinstance(one, Tensors) for one in job.results) and importlib.util.find_spec("safetensors") is None:
        return NO_TENSORS
    check(job, desk.room)
    edition = desk.engine.tables.edition
    asking = Asking(
        desk.expert, desk.session, desk.cell, f"{jobs.identity(job)} {edition}", f"job {job.name}", request.reason
    )
    try:
        with desk.ledger.book() as book:
            known = airlock.asked_before(book.connection, desk.expert, asking.question, request.reason)
            if known is not None:
                return known
            admit(book.connection, desk.expert, desk.terms)
            number = jobs.submit(book.connection, asking, job, edition, desk.terms)
            return standing_of(own(book.connection, number, desk.expert))
    except AirlockError as error:
        return _refused(error)


def run(number: int, desk: Desk) -> Answer | Standing:
    """What an approved job gives: a release, or the request as which its result waits. What is done is told again."""
    if desk.runner is None:
        return NO_JOBS
    try:
        before = _done(number, desk)
        if before is not None:
            return before
        with desk.ledger.book() as book:
            edition, seconds = desk.engine.tables.edition, desk.runner.limits.seconds
            started = jobs.start(book.connection, number, desk.expert, edition, seconds)
    except AirlockError as error:
        return _refused(error)
    return _carried_out(started, desk)


def _done(number: int, desk: Desk) -> Answer | Standing | None:
    with desk.ledger.book() as book:
        request = own(book.connection, number, desk.expert)
        if request.state is not State.DONE:
            admit(book.connection, desk.expert, desk.terms)  # its result may have to wait
            return None
        if request.result:
            return standing_of(own(book.connection, request.result, desk.expert))
    return judging.hand_over(_asker(desk), number, desk.ledger)


def _carried_out(started: Started, desk: Desk) -> Answer | Standing:
    job, number = started.job, started.request.number
    assert desk.runner is not None
    try:
        key = job_key(desk.runner.key, jobs.identity(job))
        said = desk.runner.run(pieces(job, desk.engine.tables, key), Run(job, desk.runner.limits))
        if isinstance(said, Broke):
            return _failed(started, f"{said.error} in line {said.line}", desk)
        return _under_policy(lambda: _settled(started, said, desk), desk)
    except JobEnded as ended:
        if ended.end in (End.INTERRUPTED, End.NO_PROCESS):
            _under_policy(lambda: _stop(number, desk), desk)
            return _STOPPED[ended.end]
        return _failed(started, ended.end.value, desk)
    except Unfit as unfit:
        return _failed(started, str(unfit), desk)
    except FAILURES:  # of ours
        _failed(started, "it could not be carried out; the log says where", desk)
        raise


def _under_policy(write: Callable[[], Written], desk: Desk) -> Written:
    """What is written when the job has run already: a policy that was put in force meanwhile is the one that counts."""
    while True:
        try:
            return write()
        except PolicyMoved as moved:
            adopt(moved, desk)


def _stop(number: int, desk: Desk) -> None:
    with desk.ledger.book() as book:
        jobs.stop(book.connection, number, desk.expert)


def _settled(started: Started, produced: Produced, desk: Desk) -> Release | Standing:
    job = started.job
    candidate = judging.JobCandidate(
        asker=_asker(desk),
        number=started.request.number,
        job=job,
        results=results_of(job, produced, desk.policy),
        counts=judging.counts_of(job, dict(produced.scalars)),
        units=units_of(job, desk.engine.tables),
        columns=columns_read(job, desk.room),
    )
    return judging.settle(candidate, desk.policy, desk.ledger, desk.terms)


def _failed(started: Started, why: str, desk: Desk) -> Refusal:
    number, title = started.request.number, started.request.title
    _under_policy(lambda: judging.fail(_asker(desk), number, title, why, desk.policy, desk.ledger), desk)
    return FAILED


FAILED = Refusal(
    Reason.FAILED,
    "jobs",
    "The job failed. What went wrong is not told, because it may depend on rows.",
    "The owner can read the class of the error and the line (`cleanroom requests show`); mend it and hand it in again.",
)
_STOPPED = {
    End.INTERRUPTED: Refusal(
        Reason.FAILED, "jobs", "The job was interrupted. Its approval stands.", "Run it again when you like."
    ),
    End.NO_PROCESS: Refusal(
        Reason.FAILED, "jobs", "No process could be started for the job. Its approval stands.", "Ask the owner."
    ),
}


def _refused(error: AirlockError) -> Refusal:
    return Refusal(Reason.FORBIDDEN, "jobs", str(error), "room.requests() shows how yours stand.")


def _asker(desk: Desk) -> Asker:
    return Asker(desk.expert, desk.session, desk.cell)
