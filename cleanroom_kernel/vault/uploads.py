"""Uploads: the public tables that an expert brings to a session.

Promise: the audit log has the table's names, its size and the identity of its content before a question can use it.
"""

from __future__ import annotations

from cleanroom_kernel import audit
from cleanroom_kernel.plan.references import MAX_CELLS, Reference
from cleanroom_kernel.protocol.messages import Uploaded
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.vault.desk import Desk

MOST_TABLES = 20

TOO_MANY = Refusal(
    Reason.OVERSIZED,
    "limits",
    f"A session takes {MOST_TABLES} uploaded tables of at most {MAX_CELLS:,} cells.",
    "Put the columns of one key into one table, or restart the kernel.",
)


def take(reference: Reference, desk: Desk) -> Uploaded | Refusal:
    """The same content again is the same table, whatever its name."""
    identity = reference.identity
    if identity not in desk.references:
        if len(desk.references) >= MOST_TABLES:
            return TOO_MANY
        with desk.ledger.book() as book:
            audit.append(
                book.connection,
                audit.Uploaded(
                    desk.session,
                    desk.expert,
                    desk.cell,
                    reference.name,
                    identity,
                    reference.n_rows,
                    tuple(key.name for key in reference.keys),
                    tuple(column.name for column in reference.attributes),
                ),
            )
        desk.references[identity] = reference
    return Uploaded(identity)
