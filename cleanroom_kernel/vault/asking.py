"""Asking: an expert's requests to the owner, as far as the vault has to do with them.

Promise: what an expert hears here depends on code, schema and earlier answers alone. A question is frozen only after
the gate has withheld it (or cells of it); one that is refused by its structure, and one about rows, is never asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import AirlockError
from cleanroom_kernel.disclosure import airlock as freezing
from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.gate import hand_over
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.aggregates import Correlation, Metric, Summary
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.protocol.airlock import FOR_THE_OWNER, Standing, Standings
from cleanroom_kernel.protocol.messages import AskOwner
from cleanroom_kernel.protocol.release import Answer, Reason, Refusal, Release
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk

ASKED_FOR = (Summary, Correlation, Metric)

NOT_FOR_ASKING = Refusal(
    Reason.FORBIDDEN,
    "request",
    "The owner can be asked for statistics, scores and model files that the policy withheld, and for nothing else.",
    "Ask for the statistic itself: room.request_release(lambda: …, reason)",
)
TOTALS = Refusal(
    Reason.UNSUPPORTED,
    "request",
    "Totals are made of the groups that may be shown, so a table with totals is not asked for.",
    "Ask for it without margins=True.",
)
NOTHING_WITHHELD = Refusal(
    Reason.INVALID,
    "request",
    "Nothing of this result is withheld.",
    "Use it as it is.",
)
NO_REASON = Refusal(
    Reason.INVALID, "request", "The owner decides by your reason, so there must be one.", "Say what you need it for."
)


@dataclass(frozen=True)
class Question:
    """What is asked for: its identity and its words, as gate and ledger know them, and the way to its answer."""

    identity: str
    title: str
    compute: Callable[[], Answer]


def ask_owner(request: AskOwner, aggregate: Aggregate, desk: Desk) -> Standing | Answer:
    """The request as it stands now: a new one, or the one that this repeats."""
    if isinstance(aggregate, Fit) and request.name is not None:
        return _ask(_of_file(aggregate, request.name, desk), request.reason, desk)
    if request.name is not None or not isinstance(aggregate, ASKED_FOR):
        return NOT_FOR_ASKING
    if isinstance(aggregate, Summary) and aggregate.margins:
        return TOTALS
    question = Question(digest(aggregate), describe(aggregate), lambda: answer(aggregate, desk))
    return _ask(question, request.reason, desk)


def requests_of(desk: Desk) -> Standings:
    with desk.ledger.book() as book:
        return Standings(airlock.standings(book.connection, desk.expert))


def withdraw(number: int, desk: Desk) -> Standing | Refusal:
    try:
        with desk.ledger.book() as book:
            return airlock.withdraw(book.connection, number, desk.expert)
    except AirlockError as error:
        return _refused(error)


def collect(number: int, desk: Desk) -> Answer:
    """What the owner approved."""
    try:
        return hand_over(_asker(desk), number, desk.ledger)
    except AirlockError as error:
        return _refused(error)


def _of_file(fit: Fit, name: str, desk: Desk) -> Question:
    from cleanroom_kernel.vault.export import export, question_of  # loads scikit-learn, as in the session

    return Question(*question_of(fit, name), lambda: export(fit, name, desk))


def _ask(question: Question, reason: str, desk: Desk) -> Standing | Answer:
    if not reason.strip():
        return NO_REASON
    usual = question.compute()
    no = _not_to_be_asked(usual)
    if no is not None:
        return no
    try:
        with desk.ledger.book() as book:
            known = airlock.asked_before(book.connection, desk.expert, question.identity, reason)
            if known is not None:
                return known
            airlock.admit(book.connection, desk.expert, desk.terms)
        with desk.ledger.reviewing(question.identity) as review:
            question.compute()
        return freezing.ask(_asker(desk), review, question.title, reason, desk.policy, desk.ledger, desk.terms)
    except AirlockError as error:
        return _refused(error)


def _not_to_be_asked(usual: Answer) -> Answer | None:
    if isinstance(usual, Refusal) and usual.rule not in FOR_THE_OWNER:
        return usual
    if isinstance(usual, Release) and not usual.receipt.suppressed:
        return NOTHING_WITHHELD
    return None


def _refused(error: AirlockError) -> Refusal:
    return Refusal(Reason.FORBIDDEN, "request", str(error), "room.requests() shows how yours stand.")


def _asker(desk: Desk) -> Asker:
    return Asker(desk.expert, desk.session, desk.cell)
