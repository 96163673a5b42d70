"""The airlock's side of the border: how a question that the gate withheld stands with the owner, as its expert sees it.

Promise: plain frozen values without a number of the data. What the owner is shown of a frozen answer is in
`cleanroom_kernel.airlock`, and in no message to an expert.
"""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta, Struct

FOR_THE_OWNER = ("budget", "denials", "free measures")  # refusals that only say that the owner must be asked
LONGEST_TEXT = 2_000  # characters of a reason or a comment

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
RequestId = Annotated[int, Meta(ge=1, le=2**53)]


class State(enum.Enum):
    ASKED = "asked"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RUNNING = "running"  # of jobs alone, as are the next two
    DONE = "done"
    FAILED = "failed"


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner set for requests: who decides them, how many may wait and for how long; for how long a job may run
    that was approved, and whether rules may let its numbers out or a person must.
    """

    checkers: int = 1
    open_requests: int = 10
    days: int = 14
    approval_days: int = 14
    by_rule: bool = True


class Standing(Struct, frozen=True, tag="standing", forbid_unknown_fields=True):
    """A request of one's own. `comment` is the last that a checker wrote; times are UTC, ISO 8601. `job` is the name of
    a job, "" for an answer; `result` is the request that a job's result waits as, 0 for none.
    """

    number: int
    question: str  # digest of the plan
    title: str
    reason: str
    state: State
    comment: str
    asked: str
    decided: str  # "" until it was
    expires: str
    agreed: int  # checkers who have approved so far
    checkers: int  # of so many
    cell: str
    job: str = ""
    result: int = 0


class Standings(Struct, frozen=True, tag="standings", forbid_unknown_fields=True):
    """All requests of an expert, the newest first."""

    requests: tuple[Standing, ...]
