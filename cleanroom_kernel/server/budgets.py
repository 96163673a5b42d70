"""Budgets: what an expert has had of the denials and suppressed cells that a policy allows, over all their sessions.

Promise: numbers of an expert's own answers, as the gate counts them; nothing of anybody else's.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from msgspec import Struct

DAYS = 30  # over which the gate counts

_DENIALS = sa.table("ledger_denials", sa.column("expert"), sa.column("time"))
_ANSWERS = sa.table("ledger_answers", sa.column("expert"), sa.column("time"), sa.column("suppressed"))


class Spent(Struct, frozen=True):
    """In the last `days`, over all sessions of an expert."""

    denials: int
    suppressed_cells: int
    days: int = DAYS


def spent_by(connection: sa.Connection, expert: str) -> Spent:
    """Zero before a vault has made the ledger."""
    if not sa.inspect(connection).has_table(_DENIALS.name):
        return Spent(0, 0)
    since = int(time.time()) - DAYS * 24 * 3600
    denied = sa.select(sa.func.count()).select_from(_DENIALS).where(*_recent(_DENIALS, expert, since))
    hidden = sa.select(sa.func.coalesce(sa.func.sum(_ANSWERS.c.suppressed), 0)).where(*_recent(_ANSWERS, expert, since))
    return Spent(int(connection.execute(denied).scalar_one()), int(connection.execute(hidden).scalar_one()))


def _recent(table: sa.TableClause, expert: str, since: int) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.expert == expert, table.c.time > since
