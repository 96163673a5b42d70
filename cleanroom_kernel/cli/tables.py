"""`cleanroom tables`: propose a schema for the owner's files, and check files against a schema."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from cleanroom_kernel.cli.owner import add_config
from cleanroom_kernel.cli.preparing import prepare
from cleanroom_kernel.cli.settings import CommandError, load, write_new
from cleanroom_kernel.vault.owner_files import ProposalError
from cleanroom_kernel.vault.proposal import Proposal, render, schema_json
from cleanroom_kernel.vault.propose import propose


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("tables", help="propose a schema, or check tables against one")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    proposing = actions.add_parser("propose", help="read files and write a schema to edit")
    proposing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV, Parquet, SQLite or DuckDB")
    proposing.add_argument("--output", type=Path, default=Path("schema.json"), help="where to write the schema")
    proposing.add_argument("--null", action="append", default=[], metavar="TEXT", help="a text that stands for missing")
    proposing.add_argument("--unit", metavar="COLUMN", help="the column that names the patient, if none is recognised")
    proposing.add_argument("--public", action="append", default=[], metavar="TABLE", help="a table that is no secret")
    proposing.add_argument("--minimum-units", type=int, default=10, help="least patients behind a listed category")
    proposing.add_argument("--room", default="room", help="name of the room")
    proposing.set_defaults(run=run_propose)
    checking = actions.add_parser("check", help="check the configured tables against their schema, and prepare them")
    add_config(checking)
    checking.set_defaults(run=run_check)


def run_propose(options: argparse.Namespace) -> int:
    proposal = proposal_for(
        options.files,
        null_values=tuple(options.null),
        minimum_units=options.minimum_units,
        room=options.room,
        unit=options.unit,
        public=tuple(options.public),
    )
    write_new(options.output, schema_json(proposal).decode() + "\n")
    print(render(proposal))
    print(
        f"\nWrote {options.output}. Read it through before you serve it: what it shows, experts see.", file=sys.stderr
    )
    return 0


def proposal_for(files: list[Path], **options: Any) -> Proposal:
    """`vault.propose.propose`, with its problems as the command's."""
    try:
        return propose(files, **options)
    except ProposalError as problem:
        raise CommandError(str(problem)) from None


def run_check(options: argparse.Namespace) -> int:
    print(prepare(load(options.config, options.settings)))
    return 0
