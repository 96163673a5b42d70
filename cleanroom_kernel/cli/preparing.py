"""Preparing: have a vault process read the owner's tables, check them against the schema and lay them out.

Promise: this process never reads a row. The report that comes back names tables, columns, rules and counts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from cleanroom_kernel.cli.settings import CommandError, Settings
from cleanroom_kernel.vault.preparing import Job, Report
from cleanroom_kernel.vault.sources import Source


def prepare(settings: Settings) -> str:
    """Words on what was prepared. Raises CommandError with the whole report if a table breaks its schema."""
    schema = settings.schema()
    sources = tuple(_source(settings.base, name, given) for name, given in settings.room.sources.items())
    _check_names(settings, {table.name for table in schema.tables}, {source.table for source in sources})
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    job = Job(schema=schema, sources=sources, directory=str(settings.state / "room"))
    process = subprocess.run(
        [sys.executable, "-m", "cleanroom_kernel.vault", "prepare"],
        input=msgspec.json.encode(job),
        stdout=subprocess.PIPE,
        check=False,
    )
    if process.returncode != 0 or not process.stdout:
        raise CommandError("The tables could not be prepared: the vault process ended before it could report.")
    report = msgspec.json.decode(process.stdout, type=Report)
    if report.problems:
        raise CommandError(_problems(report))
    return report.words()


def _source(base: Path, table: str, given: Any) -> Source:
    described = {"location": given} if isinstance(given, str) else dict(given)
    location = described.get("location")
    if not isinstance(location, str):
        raise CommandError(f"Room.sources[{table!r}] needs a file name, or a mapping with 'location'.")
    if "://" not in location:
        described["location"] = str(base / location)
    try:
        return msgspec.convert({"table": table, **described}, Source)
    except msgspec.ValidationError as wrong:
        raise CommandError(f"Room.sources[{table!r}] is not valid: {wrong}") from None


def _check_names(settings: Settings, declared: set[str], sourced: set[str]) -> None:
    if missing := declared - sourced:
        raise CommandError(
            f"The schema declares {_list(missing)}, but Room.sources does not say where the rows are. "
            f"Add c.Room.sources = {{...}} to the configuration in {settings.base}."
        )
    if unknown := sourced - declared:
        raise CommandError(f"Room.sources names {_list(unknown)}, which the schema does not declare.")


def _problems(report: Report) -> str:
    lines = [f"  - {problem}" for problem in report.problems]
    return "\n".join(["The tables do not fit their schema; nothing was opened.", *lines])


def _list(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
