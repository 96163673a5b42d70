"""Messages of the inner borders: interpreter <-> vault, server <-> vault, and the server's word to an interpreter.

Promise: closed unions of frozen values; whatever does not decode into one of them is not acted on. The interpreter is
hostile: a request from it carries a number, plan bytes and short names, or a public table of a bounded size.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cleanroom_kernel.plan.references import Reference
from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.protocol.airlock import RequestId, Standing, Standings, Terms, Text
from cleanroom_kernel.protocol.budget import Budgets
from cleanroom_kernel.protocol.jobs import Job, JobLimits
from cleanroom_kernel.protocol.release import Artifact, Receipt, Refusal, Release, Withheld

VERSION = 1

RequestNumber = Annotated[int, Meta(ge=1, le=2**53)]
PlanBytes = Annotated[bytes, Meta(max_length=2 * 2**20)]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]


class Setting(Struct, frozen=True, forbid_unknown_fields=True):
    """One number of the policy, as the expert may read it."""

    name: str
    value: bool | int | float | str
    help: str


# -- interpreter -> vault ---------------------------------------------------------------------------------------------
class Hello(Struct, frozen=True, tag="hello", forbid_unknown_fields=True):
    number: RequestNumber
    version: int


class Disclose(Struct, frozen=True, tag="disclose", forbid_unknown_fields=True):
    """Ask for an aggregate. `plan` is codec bytes of one `plan.aggregates.Aggregate`."""

    number: RequestNumber
    plan: PlanBytes


class Foresee(Struct, frozen=True, tag="foresee", forbid_unknown_fields=True):
    """Ask which structural rules apply to an aggregate. Never touches a row."""

    number: RequestNumber
    plan: PlanBytes


class Export(Struct, frozen=True, tag="export", forbid_unknown_fields=True):
    """Ask for a fitted model as a file. `plan` is codec bytes of a `plan.models.Fit`."""

    number: RequestNumber
    plan: PlanBytes
    name: FileName


class AskOwner(Struct, frozen=True, tag="ask-owner", forbid_unknown_fields=True):
    """Ask the owner for an answer that the gate withheld. With a `name`, for a fitted model as a file of that name."""

    number: RequestNumber
    plan: PlanBytes
    reason: Text
    name: FileName | None = None


class ListRequests(Struct, frozen=True, tag="list-requests", forbid_unknown_fields=True):
    """How one's own requests stand."""

    number: RequestNumber


class AskBudget(Struct, frozen=True, tag="ask-budget", forbid_unknown_fields=True):
    """What one has had of what the policy allows."""

    number: RequestNumber


class Withdraw(Struct, frozen=True, tag="withdraw", forbid_unknown_fields=True):
    number: RequestNumber
    request: RequestId


class SubmitJob(Struct, frozen=True, tag="submit-job", forbid_unknown_fields=True):
    """Ask the owner to let code run beside the rows."""

    number: RequestNumber
    job: Job
    reason: Text


class RunJob(Struct, frozen=True, tag="run-job", forbid_unknown_fields=True):
    """Run a job that the owner approved."""

    number: RequestNumber
    request: RequestId


class Collect(Struct, frozen=True, tag="collect", forbid_unknown_fields=True):
    """Have an answer that the owner approved."""

    number: RequestNumber
    request: RequestId


class Upload(Struct, frozen=True, tag="upload", forbid_unknown_fields=True):
    """Bring a public table of the expert's, for the questions of this session to look things up in."""

    number: RequestNumber
    reference: Reference


InterpreterRequest = (
    Hello
    | SubmitJob
    | RunJob
    | Disclose
    | Foresee
    | Export
    | AskOwner
    | ListRequests
    | AskBudget
    | Withdraw
    | Collect
    | Upload
)


# -- vault -> interpreter ---------------------------------------------------------------------------------------------
class Welcome(Struct, frozen=True, tag="welcome", forbid_unknown_fields=True):
    """The room as the expert may see it: public schema, policy in numbers, bands of the tables' units."""

    version: int
    schema: RoomSchema
    preset: str
    settings: tuple[Setting, ...]
    units: dict[str, str]  # table -> band of distinct units, e.g. "10,000-99,999"


class Foreseen(Struct, frozen=True, tag="foreseen", forbid_unknown_fields=True):
    rules: tuple[str, ...]


class Uploaded(Struct, frozen=True, tag="uploaded", forbid_unknown_fields=True):
    """The vault has the table. `identity` is what its content is called in plans."""

    identity: str


WAITING = "waiting for its turn"


class Progress(Struct, frozen=True, tag="progress", forbid_unknown_fields=True):
    """A fit goes on: for so many seconds, with `done` of `total` pieces (fits, trees) behind it, if it has any; or it
    waits for its turn, which `what` says then.

    Time and the estimator's description alone: no score, no loss, nothing that was found.
    """

    seconds: int
    what: str
    done: int
    total: int


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to request `number`; 0 where the request was too broken to have one. Progress may come before it."""

    number: int
    answer: Welcome | Foreseen | Release | Withheld | Refusal | Standing | Standings | Budgets | Uploaded | Progress


# -- server -> vault --------------------------------------------------------------------------------------------------
class FitLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one fit may take: bytes of memory, and seconds; and after how many seconds no more shadow models are begun
    for a membership test.
    """

    memory: int = 4 << 30
    seconds: float = 240.0
    membership: float = 60.0


class Unsettled(Struct, frozen=True, forbid_unknown_fields=True):
    """A question that a vault was working on when it died. The next vault of the room charges it."""

    session: str
    expert: str
    cell: str
    question: str
    title: str


class RowLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one run of a row function may take: bytes of memory beside its rows, and seconds; whether there are any."""

    memory: int = 256 << 20
    seconds: float = 20.0
    permitted: bool = True


class Open(Struct, frozen=True, tag="open", forbid_unknown_fields=True):
    """First message on a session's server link: where the prepared room lies, for whom, under which policy.

    `policy` maps trait names of `disclosure.policy.Policy` to values, `preset` included, and is in force since
    `policy_entry` of the audit log; with null, no later one is looked for. `state` is the directory that
    holds the database of ledger and audit log and the vault's key; `room` the directory of prepared tables. `memory` is
    how many bytes the vault may have beside the tables that it maps, 0 for no limit. With `turns`, heavy work waits
    until the server says that it may begin.
    """

    session: str
    expert: str
    room: str
    state: str
    policy: dict[str, bool | int | float | str]
    policy_entry: int | None = None
    fits: FitLimits = FitLimits()
    rows: RowLimits = RowLimits()
    terms: Terms = Terms()
    jobs: JobLimits = JobLimits()
    memory: int = 0
    turns: bool = False
    unsettled: tuple[Unsettled, ...] = ()


class CellStarted(Struct, frozen=True, tag="cell", forbid_unknown_fields=True):
    """The server has passed on an execute request: releases from now on belong to this cell."""

    cell: str


class Interrupt(Struct, frozen=True, tag="interrupt", forbid_unknown_fields=True):
    """The expert interrupts: a fit that goes on is to be ended."""


class TurnGiven(Struct, frozen=True, tag="turn", forbid_unknown_fields=True):
    """The vault's heavy work may begin."""


class Close(Struct, frozen=True, tag="close", forbid_unknown_fields=True):
    """End of the session."""


ServerMessage = Open | CellStarted | Interrupt | TurnGiven | Close


# -- vault -> server --------------------------------------------------------------------------------------------------
class Opened(Struct, frozen=True, tag="opened", forbid_unknown_fields=True):
    """`welcome` is what the interpreter is told too; the server shows it to the expert from a hand it trusts."""

    version: int
    welcome: Welcome


class OpenFailed(Struct, frozen=True, tag="open-failed", forbid_unknown_fields=True):
    """The room could not be opened. Words for the owner; the expert is told to ask the owner."""

    message: str


class Released(Struct, frozen=True, tag="released", forbid_unknown_fields=True):
    """A release happened (already in ledger and audit log). Trusted: the interpreter cannot forge it."""

    receipt: Receipt


class Denied(Struct, frozen=True, tag="denied", forbid_unknown_fields=True):
    """A question was withheld or refused; `rule` is "policy" for every withheld answer.

    `question` is the digest of one that the owner can be asked for.
    """

    cell: str
    kind: str  # "withheld" or "refusal"
    rule: str
    question: str = ""


class Delivered(Struct, frozen=True, tag="delivered", forbid_unknown_fields=True):
    """A released file on its way to the expert's machine."""

    receipt: Receipt
    artifact: Artifact


class JobWanted(Struct, frozen=True, tag="job-wanted", forbid_unknown_fields=True):
    """The vault needs a process for one job. The answer comes on the line of jobs, as a worker's on that of supply."""


class JobOver(Struct, frozen=True, tag="job-over", forbid_unknown_fields=True):
    """The job's process is to be killed, whether it has ended or not."""


class WorkerWanted(Struct, frozen=True, tag="worker", forbid_unknown_fields=True):
    """The vault needs a process that fits models, in the place of the one it has, which is to be killed.

    The answer comes on the line of supply: one byte, and with it a socket to the new worker if there is one.
    """


class RowWorkersWanted(Struct, frozen=True, tag="row-workers", forbid_unknown_fields=True):
    """The vault needs a parent of row-function workers, in the place of the one it has. The answer comes as that to
    `WorkerWanted` does, on a line of its own.
    """


class Began(Struct, frozen=True, tag="began", forbid_unknown_fields=True):
    """The vault looks at rows for this question, so that a death before it has `Answered` is known to be one of it."""

    cell: str
    question: str
    title: str


class TurnWanted(Struct, frozen=True, tag="turn-wanted", forbid_unknown_fields=True):
    """The vault has heavy work to do."""


class TurnOver(Struct, frozen=True, tag="turn-over", forbid_unknown_fields=True):
    """The heavy work is done, or is not wanted any more."""


class Answered(Struct, frozen=True, tag="answered", forbid_unknown_fields=True):
    """The question that was `Began` is in the ledger, whatever became of it."""


VaultNotice = (
    Opened
    | JobWanted
    | JobOver
    | OpenFailed
    | Released
    | Denied
    | Delivered
    | WorkerWanted
    | RowWorkersWanted
    | TurnWanted
    | TurnOver
    | Began
    | Answered
)


# -- server -> interpreter --------------------------------------------------------------------------------------------
class VaultReplaced(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a vault that died, in words for the expert. A line to a new one comes with it, if there is one.

    `at_work`: it died while it looked at rows for a question; else what it was asked can be asked again unnoticed.
    """

    words: str
    at_work: bool
