"""Proposal: a drafted schema with remarks in words, and how both are shown to the owner.

Promise: the schema goes to a file, the remarks to the owner's terminal. Of the data, the remarks hold labels that
enough units share, and nothing else.
"""

from __future__ import annotations

import msgspec
import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import Column, DType, RoomSchema


class Note(Struct, frozen=True):
    """A remark on a table, or on one of its columns; `check` asks the owner for a decision."""

    table: str
    column: str
    text: str
    check: bool = False


class Proposal(Struct, frozen=True):
    schema: RoomSchema
    notes: tuple[Note, ...]
    left_out: tuple[str, ...] = ()


def schema_json(proposal: Proposal) -> bytes:
    """The schema as the file for the owner to edit."""
    return msgspec.json.format(msgspec.json.encode(proposal.schema), indent=2)


_LEGEND = """\
Lines marked ! need a decision before the schema is used. To decide otherwise, edit the schema file.
The unit column comes first: every rule counts its different values, so it must be one number per person everywhere.
Hidden columns are not loaded. Keys join and count, but no expert sees or computes with them.
Open list: rare labels are not listed, since a declared list is public. A label of an open list is shown only when
enough units share it. To close a list, recode its rare labels in the data, then declare all that remain as categories.
Bounds are rounded outward. Replace them by what is possible (an age, a score) rather than by what occurs.
"""


def render(proposal: Proposal) -> str:
    """The proposal for the terminal: one line per column, its notes below it; `!` marks what needs a decision."""
    lines = [f"Proposed schema of room {proposal.schema.name}", "", *_LEGEND.splitlines()]
    for table in proposal.schema.tables:
        kind = "public reference table" if table.unit is None else f"unit column {table.unit.name}"
        lines += ["", f"{table.name} ({kind})", *_note_lines(proposal, table.name, "")]
        width = max(len(column.name) for column in table.columns)
        for column in table.columns:
            lines.append(
                f"    {column.name:<{width}}  {column.dtype.value:<8}  {column.role.value:<7}{_domain(column)}"
            )
            lines += _note_lines(proposal, table.name, column.name)
        declared = {column.name for column in table.columns}
        dropped = dict.fromkeys(n.column for n in proposal.notes if n.table == table.name and n.column not in declared)
        lines += [line for name in dropped if name for line in _note_lines(proposal, table.name, name)]
    for name in proposal.left_out:
        lines += ["", f"{name} (left out)", *_note_lines(proposal, name, "")]
    return "\n".join(lines) + "\n"


def _note_lines(proposal: Proposal, table: str, column: str) -> list[str]:
    chosen = (note for note in proposal.notes if note.table == table and note.column == column)
    return [f"  {'!' if note.check else ' '}     {note.text}" for note in chosen]


def _domain(column: Column) -> str:
    parts = []
    if column.categories is not None:
        count = len(column.categories)
        parts.append("1 category" if count == 1 else f"{count} categories")
    if column.lower is not None and column.upper is not None:
        if column.dtype is DType.DATETIME:
            years = pl.Series([column.lower, column.upper]).cast(pl.Int64).cast(pl.Datetime("us")).dt.year()
            parts.append(f"from {years[0]}, before {years[1]}")
        else:
            parts.append(f"{_number(column.lower)} to {_number(column.upper)}")
    if column.one_unit:
        parts.append("one unit per value")
    if column.unique:
        parts.append("unique")
    return f"  [{'; '.join(parts)}]" if parts else ""


def _number(bound: float) -> str:
    return f"{bound:,.15g}" if abs(bound) >= 10_000 else f"{bound:.15g}"
