"""Session: one vault process answering one interpreter, for the server that started both.

Promise: every request gets exactly one reply, in order; nothing that a request holds or causes ends the process. What
fails while it is answered is one fixed refusal; what failed, and where, goes to the owner's log, without its message,
which might quote a value. The server hears of every release before the interpreter does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.gate import fail, refuse
from cleanroom_kernel.disclosure.ledger import Asked, PolicyMoved
from cleanroom_kernel.disclosure.rules import foresee
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import Limits, decode
from cleanroom_kernel.plan.models import Fit, file_of
from cleanroom_kernel.plan.nodes import Forbidden, Node, PlanError, digest
from cleanroom_kernel.protocol.airlock import FOR_THE_OWNER, Standing, Standings
from cleanroom_kernel.protocol.budget import Budgets
from cleanroom_kernel.protocol.channel import BadFrame
from cleanroom_kernel.protocol.messages import (
    VERSION,
    Answered,
    AskBudget,
    AskOwner,
    Began,
    Collect,
    Delivered,
    Denied,
    Disclose,
    Export,
    Foresee,
    Foreseen,
    Hello,
    InterpreterRequest,
    ListRequests,
    Opened,
    OpenFailed,
    Released,
    Reply,
    RunJob,
    SubmitJob,
    Upload,
    Uploaded,
    VaultNotice,
    Welcome,
    Withdraw,
)
from cleanroom_kernel.protocol.release import (
    Answer,
    Artifact,
    Payload,
    Reason,
    Refusal,
    Release,
    Results,
    Withheld,
)
from cleanroom_kernel.vault import asking, jobs, rowcalls, uploads, watch
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.budgets import budgets_of
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.failures import FAILURES
from cleanroom_kernel.vault.lines import Ended, Lines
from cleanroom_kernel.vault.memory import SHORT
from cleanroom_kernel.vault.opening import OpeningError, adopt, open_desk
from cleanroom_kernel.vault.quietly import TaskEnded
from cleanroom_kernel.vault.rowcalls import RowFunctionEnded
from cleanroom_kernel.vault.silence import described
from cleanroom_kernel.vault.tables import TablesChanged
from cleanroom_kernel.vault.welcome import welcome

Log = Callable[[str], None]
Wanted = TypeVar("Wanted", bound=Node)
Computed = TypeVar("Computed")
Reaction = Welcome | Foreseen | Answer | Standing | Standings | Budgets | Uploaded

MALFORMED = Refusal(Reason.MALFORMED, "protocol", "This is not a request of this room.", "")
OVERSIZED = Refusal(
    Reason.OVERSIZED, "limits", "The request is too large.", "Release an intermediate result, or use shorter lists."
)
REPLAYED = Refusal(Reason.REPLAYED, "protocol", "This request number was used before.", "")
VERSIONS = Refusal(
    Reason.INVALID,
    "protocol",
    "Interpreter and vault are of different versions.",
    "Ask the owner to restart the server.",
)
FAILED = Refusal(
    Reason.FAILED,
    "failed",
    "This could not be computed.",
    "Try a simpler way; the owner's log says where.",
)

CHANGED = Refusal(
    Reason.FAILED,
    "tables",
    "The room's tables are not those that were prepared, so nothing is answered.",
    "Ask the owner: the server's log says which file it is, and the room has to be prepared again.",
)
PREPARED_ANEW = Refusal(
    Reason.FAILED,
    "tables",
    "The owner has prepared the room's tables anew, so this session answers nothing more.",
    "Restart the kernel and run the notebook again: it then works on the new tables.",
)


def serve(
    interpreter: socket.socket,
    server: socket.socket,
    supply: socket.socket,
    jobs: socket.socket | None,
    rows: socket.socket | None,
    log: Log,
) -> None:
    """Open the room that the server names, and answer until the session is over."""
    lines = Lines(interpreter, server)
    try:
        desk = _opened(lines, supply, jobs, rows, log)
        if desk is not None:
            _answer_all(lines, Session(desk, log, lines.notify))
    except Ended:
        return


def _opened(
    lines: Lines, supply: socket.socket, jobs: socket.socket | None, rows: socket.socket | None, log: Log
) -> Desk | None:
    opening = lines.opening()
    try:
        desk = open_desk(opening, lines, supply, jobs, rows)
    except OpeningError as error:
        lines.notify(OpenFailed(str(error)))
        return None
    except FAILURES as error:
        log(described(error))
        lines.notify(OpenFailed("The room could not be opened; the vault's log says where it failed."))
        return None
    lines.notify(Opened(VERSION, welcome(desk)))
    return desk


def _answer_all(lines: Lines, session: Session) -> None:
    watched = watch.Watch(lines)
    watch.use(watched)
    while True:
        try:
            request = lines.request()
        except BadFrame as bad:
            lines.reply(Reply(0, OVERSIZED if bad.oversized else MALFORMED))
            continue
        watched.begin()
        reply, notices = session.step(request, lines.cell)
        for notice in notices:
            lines.notify(notice)
        if not lines.reply(reply):
            lines.reply(Reply(reply.number, FAILED))


class Session:
    """What the vault says to each request. `notify` is for the one thing that the server must hear before there is an
    answer: which question is worked on.
    """

    def __init__(self, desk: Desk, log: Log, notify: Callable[[VaultNotice], None]) -> None:
        self._desk = desk
        self._log = log
        self._notify = notify
        self._last = 0
        self._has_begun = False

    def step(self, request: InterpreterRequest, cell: str) -> tuple[Reply, list[VaultNotice]]:
        """The reply to a request of `cell`, and what the server must hear first."""
        if request.number <= self._last:
            return Reply(request.number, REPLAYED), []
        self._last = request.number
        self._desk.cell = cell
        self._has_begun = False
        reaction = self._reaction(request)
        beside, self._desk.beside = self._desk.beside, []
        told = [Released(release.receipt) for release in beside]
        over = [Answered()] if self._has_begun else []
        return Reply(request.number, reaction), [*told, *self._notices(reaction, request), *over]

    def _reaction(self, request: InterpreterRequest) -> Reaction:
        try:
            while True:
                try:
                    return self._settled(request)
                except PolicyMoved as moved:
                    adopt(moved, self._desk)
                    self._notify(Opened(VERSION, welcome(self._desk)))
        except TablesChanged as changed:
            self._log(str(changed))
            return PREPARED_ANEW if changed.again else CHANGED
        except FAILURES as error:  # of ours, as in writing an answer down
            self._log(described(error))
            return FAILED

    def _settled(self, request: InterpreterRequest) -> Reaction:
        try:
            return self._answered(request)
        except PlanError as error:
            return self._refused(refusal_of(error))

    def _answered(self, request: InterpreterRequest) -> Reaction:
        if isinstance(request, Hello):
            self._desk.ledger.look_for_policy()
            return welcome(self._desk) if request.version == VERSION else VERSIONS
        if isinstance(request, Disclose):
            aggregate = self._plan(request.plan, Aggregate)
            return self._computed(request, aggregate, lambda: answer(aggregate, self._desk))
        if isinstance(request, Foresee):
            return Foreseen(foresee(self._plan(request.plan, Aggregate), self._desk.policy))
        if isinstance(request, Export):
            from cleanroom_kernel.vault.export import export  # loads scikit-learn, see LateLearners

            fit = self._plan(request.plan, Fit)
            return self._computed(request, fit, lambda: export(fit, request.name, self._desk))
        if isinstance(request, AskOwner):
            aggregate = self._plan(request.plan, Aggregate)
            return self._computed(request, aggregate, lambda: asking.ask_owner(request, aggregate, self._desk))
        if isinstance(request, ListRequests):
            return asking.requests_of(self._desk)
        if isinstance(request, AskBudget):
            return budgets_of(self._desk)
        if isinstance(request, Withdraw):
            return asking.withdraw(request.request, self._desk)
        if isinstance(request, Collect):
            return asking.collect(request.request, self._desk)
        if isinstance(request, SubmitJob):
            return jobs.submit(request, self._desk)
        if isinstance(request, RunJob):
            return jobs.run(request.request, self._desk)
        if isinstance(request, Upload):
            return uploads.take(request.reference, self._desk)
        raise AssertionError(f"unhandled request {type(request).__name__}")

    def _plan(self, body: bytes, wanted: type[Wanted]) -> Wanted:
        return decode(body, self._desk.room, wanted, self._desk.references)

    def _computed(
        self, request: Disclose | Export | AskOwner, aggregate: Aggregate, compute: Callable[[], Computed]
    ) -> Computed | Answer:
        """What fails on the data is a data-dependent no, and charged like one; so is what this process dies of."""
        self._has_begun = True
        self._notify(Began(self._desk.cell, digest(aggregate), describe(aggregate)))
        try:
            with self._desk.ledger.keeping(self._asked(request, aggregate)):
                return compute()
        except PlanError:
            raise
        except TaskEnded:  # of the vault's own computing: the expert's wish, which says nothing of the rows
            return refuse(self._asker(), digest(aggregate), watch.INTERRUPTED, self._desk.ledger)
        except RowFunctionEnded as ended:
            return self._without_answers(aggregate, ended)
        except FAILURES as error:
            self._log(described(error))
            desk = self._desk
            words = SHORT if isinstance(error, MemoryError) else FAILED
            return fail(self._asker(), digest(aggregate), describe(aggregate), words, desk.policy, desk.ledger)

    def _without_answers(self, aggregate: Aggregate, ended: RowFunctionEnded) -> Answer:
        """What depends on the rows is a denial; why it happened is for the owner."""
        self._log(f"row function: {ended.end.value}")
        refusal, desk = rowcalls.refusal_of(ended), self._desk
        if not ended.end.depends_on_rows:
            return refuse(self._asker(), digest(aggregate), refusal, desk.ledger)
        return fail(self._asker(), digest(aggregate), describe(aggregate), refusal, desk.policy, desk.ledger)

    def _asked(self, request: Disclose | Export | AskOwner, aggregate: Aggregate) -> Asked:
        """For rehearsals of other policies."""
        file = None if isinstance(request, Disclose) else request.name
        question = file_of(aggregate, file) if isinstance(aggregate, Fit) and file is not None else digest(aggregate)
        return Asked(self._asker(), question, request.plan, file)

    def _refused(self, refusal: Refusal) -> Refusal:
        """Written to the audit log, without the question: it was no valid one."""
        return refuse(self._asker(), "", refusal, self._desk.ledger)

    def _asker(self) -> Asker:
        return Asker(self._desk.expert, self._desk.session, self._desk.cell)

    def _notices(self, reaction: Reaction, request: InterpreterRequest) -> list[VaultNotice]:
        if isinstance(reaction, Release):
            files = _files_of(reaction.payload)
            return [Released(reaction.receipt), *(Delivered(reaction.receipt, file) for file in files)]
        if isinstance(reaction, Withheld):
            return [Denied(self._desk.cell, "withheld", "policy", self._question(request))]
        if isinstance(reaction, Refusal):
            question = self._question(request) if reaction.rule in FOR_THE_OWNER else ""
            return [Denied(self._desk.cell, "refusal", reaction.rule, question)]
        return []

    def _question(self, request: InterpreterRequest) -> str:
        """Digest of a statistic or score, which the owner can be asked for."""
        if not isinstance(request, Disclose):
            return ""
        aggregate = self._plan(request.plan, Aggregate)
        return digest(aggregate) if isinstance(aggregate, asking.ASKED_FOR) else ""


def _files_of(payload: Payload) -> tuple[Artifact, ...]:
    """What is delivered to the expert's machine as well."""
    if isinstance(payload, Results):
        return payload.files
    return (payload,) if isinstance(payload, Artifact) else ()


def refusal_of(error: PlanError) -> Refusal:
    """What is wrong with a plan, in full: it depends on code and schema alone."""
    reason = Reason.INVALID
    if isinstance(error, Limits):
        reason = Reason.OVERSIZED
    elif isinstance(error, Forbidden):
        reason = Reason.FORBIDDEN
    return Refusal(reason, error.rule, error.message, error.suggestion)
