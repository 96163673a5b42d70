"""Desk: everything that answering one session's questions takes, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.plan.references import Reference
from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.protocol.airlock import Terms
from cleanroom_kernel.protocol.messages import FitLimits
from cleanroom_kernel.protocol.release import Release
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.jobline import JobRunner


@dataclass
class Desk:
    """`cell` is the notebook cell that asks, as the server said last; `beside` are releases that an answer contains,
    other than itself; `references` are the tables that the expert uploaded, by identity. All else stays for the
    session.
    """

    room: RoomSchema
    engine: Engine
    learners: Any
    policy: PolicySnapshot
    ledger: Ledger
    expert: str
    session: str
    cell: str = ""
    fits: FitLimits = field(default_factory=FitLimits)
    terms: Terms = field(default_factory=Terms)
    beside: list[Release] = field(default_factory=list)
    runner: JobRunner | None = None
    furnished: Callable[[PolicySnapshot], tuple[Engine, Any]] | None = None  # engine and learners for another policy
    references: dict[str, Reference] = field(default_factory=dict)
