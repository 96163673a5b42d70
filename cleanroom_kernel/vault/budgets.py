"""Budgets: what an expert is told of what they have had (rules C8, C15 and C17).

Promise: only counts that the gate itself goes by, of the asking expert, or of the room's declared columns.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.ledger import WINDOW
from cleanroom_kernel.protocol.budget import Budget, Budgets
from cleanroom_kernel.vault.desk import Desk

DAYS = WINDOW // (24 * 3600)


def budgets_of(desk: Desk) -> Budgets:
    policy = desk.policy
    columns = {f"column {table.name}.{column.name}" for table in desk.room.public().tables for column in table.visible}
    with desk.ledger.book() as book:
        own = (
            Budget("withheld answers", book.denials_of(desk.expert), policy.denials, DAYS),
            Budget("suppressed cells", book.suppressed_for(desk.expert), policy.suppressed_cells, DAYS),
        )
        noisy = tuple(
            Budget(
                f"numbers with noise made of {column.removeprefix('column ')}", used, policy.free_answers, shared=True
            )
            for column, used in sorted(book.charges().items())
            if column in columns
        )
    return Budgets(own + noisy)
