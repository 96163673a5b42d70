"""States: what can happen to a request, as two closed tables: one for answers that were frozen, one for jobs.

What is not in a table cannot happen. Nothing here knows how a request is kept.
"""

from __future__ import annotations

import enum

from cleanroom_kernel.protocol.airlock import State


class Step(enum.Enum):
    """What can happen to a request."""

    AGREE = "agree"  # an approval that needs another checker's
    APPROVE = "approve"
    REJECT = "reject"  # of an approved job: the approval is taken back
    RETURN = "return"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"
    START = "start"
    STOP = "stop"  # its expert interrupts it
    FINISH = "finish"
    FAIL = "fail"
    LOSE = "lose"  # its vault died while it ran


class Actor(enum.Enum):
    CHECKER = "checker"
    EXPERT = "expert"
    CLOCK = "clock"
    VAULT = "vault"


class Kind(enum.Enum):
    """What is asked for: an answer that the gate withheld, or that code may run beside the rows."""

    ANSWER = "answer"
    JOB = "job"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.ASKED, Step.AGREE): State.ASKED,
    (State.ASKED, Step.APPROVE): State.APPROVED,
    (State.ASKED, Step.REJECT): State.REJECTED,
    (State.ASKED, Step.RETURN): State.RETURNED,
    (State.ASKED, Step.EXPIRE): State.EXPIRED,
    (State.ASKED, Step.WITHDRAW): State.WITHDRAWN,
}

JOB_TRANSITIONS: dict[tuple[State, Step], State] = {
    **TRANSITIONS,
    (State.APPROVED, Step.REJECT): State.REJECTED,
    (State.APPROVED, Step.EXPIRE): State.EXPIRED,
    (State.APPROVED, Step.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Step.START): State.RUNNING,
    (State.RUNNING, Step.STOP): State.APPROVED,
    (State.RUNNING, Step.FINISH): State.DONE,
    (State.RUNNING, Step.FAIL): State.FAILED,
    (State.RUNNING, Step.LOSE): State.FAILED,
}

TABLES: dict[Kind, dict[tuple[State, Step], State]] = {Kind.ANSWER: TRANSITIONS, Kind.JOB: JOB_TRANSITIONS}

ACTORS: dict[Step, Actor] = {
    Step.AGREE: Actor.CHECKER,
    Step.APPROVE: Actor.CHECKER,
    Step.REJECT: Actor.CHECKER,
    Step.RETURN: Actor.CHECKER,
    Step.EXPIRE: Actor.CLOCK,
    Step.WITHDRAW: Actor.EXPERT,
    Step.START: Actor.EXPERT,
    Step.STOP: Actor.EXPERT,
    Step.FINISH: Actor.VAULT,
    Step.FAIL: Actor.VAULT,
    Step.LOSE: Actor.CLOCK,
}

# What time alone does to a request that nobody touches.
BY_TIME: dict[State, Step] = {State.ASKED: Step.EXPIRE, State.APPROVED: Step.EXPIRE, State.RUNNING: Step.LOSE}


class Decision(enum.Enum):
    """What a checker may say."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"


class AirlockError(ValueError):
    """Something that cannot be done with a request now. Words for whoever tried."""
