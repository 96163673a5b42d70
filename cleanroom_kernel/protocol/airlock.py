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


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner set for requests: who decides them, how many may wait and for how long."""

    checkers: int = 1
    open_requests: int = 10
    days: int = 14


class Standing(Struct, frozen=True, tag="standing", forbid_unknown_fields=True):
    """A request of one's own. `comment` is the last that a checker wrote; times are UTC, ISO 8601."""

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


class Standings(Struct, frozen=True, tag="standings", forbid_unknown_fields=True):
    """All requests of an expert, the newest first."""

    requests: tuple[Standing, ...]
