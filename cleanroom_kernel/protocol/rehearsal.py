"""Rehearsal: past questions judged again by a draft of a policy, as vault, server and owner speak of it.

Promise: names, words of the schema and of the expert's code, rules and counts; no value of the data. No expert's
message has any of it.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from cleanroom_kernel.protocol.messages import FitLimits, OpenFailed


class Change(enum.Enum):
    """What a draft would do to a question."""

    PASSES = "passes"  # it was not answered, and would be
    FAILS = "fails"  # it was answered, and would not be
    CHANGES = "changes"  # other cells or other numbers, or another kind of no
    SAME = "same"
    LEFT_OUT = "left out"  # it cannot be judged again: `why` says so


class Outcome(enum.Enum):
    RELEASED = "released"
    WITHHELD = "withheld"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the audit log does not say


class Judgement(Struct, frozen=True):
    """What became of a question: `rules` that spoke against it, or the size and the precision of what was released."""

    outcome: Outcome
    rules: tuple[str, ...] = ()
    cells: int = 0
    suppressed: int = 0
    precision: str = ""


class Judged(Struct, frozen=True, tag="judged"):
    """One question, then and now. `shown`, `hidden` and `moved` count cells: newly shown, newly hidden, and those whose
    number is another. `why`: what kept it from being judged.
    """

    number: int  # in the order in which they were first asked
    question: str
    title: str
    expert: str
    time: str  # UTC, ISO 8601
    then: Judgement
    now: Judgement
    change: Change
    shown: int = 0
    hidden: int = 0
    moved: int = 0
    why: str = ""


# -- server -> vault --------------------------------------------------------------------------------------------------
class Rehearse(Struct, frozen=True, tag="rehearse", forbid_unknown_fields=True):
    """The only message: where the room lies, and the settings of the draft, `preset` included."""

    room: str
    state: str
    draft: dict[str, bool | int | float | str]
    fits: FitLimits = FitLimits()


# -- vault -> server --------------------------------------------------------------------------------------------------
class Begun(Struct, frozen=True, tag="begun"):
    """So many questions are to be judged."""

    questions: int


class Finished(Struct, frozen=True, tag="finished"):
    """All were."""


Notice = Begun | Judged | Finished | OpenFailed
