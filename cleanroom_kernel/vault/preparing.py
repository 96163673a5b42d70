"""Preparing: read the owner's tables, check them against the schema, and lay them out for the vaults.

Promise: nothing is written unless everything fits; the report says all that does not, without a value.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import RoomSchema, TableSchema
from cleanroom_kernel.vault.checks import Problem, check_columns, check_units, check_values
from cleanroom_kernel.vault.conversion import convert
from cleanroom_kernel.vault.sources import Source, SourceError, open_source
from cleanroom_kernel.vault.tables import write_room


class Job(Struct, frozen=True, forbid_unknown_fields=True):
    schema: RoomSchema
    sources: tuple[Source, ...]
    directory: str


class TableReport(Struct, frozen=True):
    name: str
    rows: int
    units: int
    columns: int


class Report(Struct, frozen=True):
    """What was prepared, or why nothing was."""

    tables: tuple[TableReport, ...] = ()
    units: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.problems

    def words(self) -> str:
        if self.problems:
            return "\n".join(["The tables do not fit their schema:", *(f"  - {problem}" for problem in self.problems)])
        lines = [
            f"  - {table.name}: {table.rows:,} rows, {table.columns} columns"
            + (f", {table.units:,} units" if table.units else ", public")
            for table in self.tables
        ]
        return "\n".join([f"Prepared {len(self.tables)} tables of {self.units:,} units:", *lines])


def prepare(schema: RoomSchema, sources: Sequence[Source], directory: str | os.PathLike[str]) -> Report:
    problems = [*check_units(schema), *_check_sources(schema, sources)]
    by_table = {source.table: source for source in sources}
    frames: dict[str, pl.DataFrame] = {}
    for table in schema.tables:
        if table.name in by_table:
            frames[table.name], found = _load(table, by_table[table.name])
            problems += found
    if problems:
        return Report(problems=tuple(problems))
    tables = write_room(directory, schema, frames)
    reports = tuple(
        TableReport(table.name, frames[table.name].height, tables.units[table.name], len(table.visible))
        for table in schema.tables
    )
    return Report(reports, tables.n_units)


def _check_sources(schema: RoomSchema, sources: Sequence[Source]) -> list[Problem]:
    named = [source.table for source in sources]
    declared = {table.name for table in schema.tables}
    problems = [Problem(name, "", "no source", 1, "No source is given.") for name in sorted(declared - set(named))]
    for name in dict.fromkeys(named):
        if name not in declared:
            problems.append(Problem(name, "", "unknown table", 1, "The schema declares no such table."))
        elif named.count(name) > 1:
            problems.append(Problem(name, "", "several sources", named.count(name), "More than one source is given."))
    return problems


def _load(table: TableSchema, source: Source) -> tuple[pl.DataFrame, list[Problem]]:
    """The table in its declared types, as far as it has them, and what is wrong with it."""
    try:
        opened = open_source(source)
        problems = list(check_columns(table, opened.columns))
        there = [column for column in table.visible if column.name in opened.columns]
        raw = opened.read([column.name for column in there])
    except SourceError as error:
        return pl.DataFrame(), [Problem(table.name, "", "unreadable source", 1, f"Its source: {error}.")]
    columns, unreadable = [], set()
    for column in there:
        converted = convert(raw.get_column(column.name), column.dtype, source.date_formats.get(column.name))
        columns.append(converted.values)
        if converted.failures:
            message = f"{converted.failures:,} values are not of type {column.dtype.value}."
            problems.append(Problem(table.name, column.name, "wrong type", converted.failures, message))
            unreadable.add(column.name)
    frame = pl.DataFrame(columns)
    # What could not be read is missing now; that is not a second problem.
    checked = check_values(table, frame)
    missing = ("missing values", "unit missing")
    problems += [one for one in checked if not (one.column in unreadable and one.rule in missing)]
    return frame, problems
