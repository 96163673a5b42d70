"""Unsettled: questions that vaults before this one died of.

Promise: such a death is a data-dependent no and is charged like one, once; so nobody learns for nothing from a question
that takes too much memory. A question that the dead vault had answered costs nothing more.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.protocol.messages import Unsettled


def settle(owed: tuple[Unsettled, ...], policy: PolicySnapshot, ledger: Ledger) -> None:
    for one in owed:
        asker = Asker(one.expert, one.session, one.cell)
        failed = f"{one.question} failed"  # as the gate charges it, so that the question can be asked again
        with ledger.book() as book:
            if book.answered(one.question, policy) is None and not book.was_withheld(one.question, policy):
                book.withhold(asker, failed, one.title, ("vault died",), policy)
