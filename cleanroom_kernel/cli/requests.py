"""`cleanroom requests`: what experts ask the owner to let out, and the owner's word on it."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterable

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import AirlockError, Decision, Examined, Request
from cleanroom_kernel.cli.owner import add_config, database
from cleanroom_kernel.cli.settings import CommandError, load
from cleanroom_kernel.protocol.airlock import State
from cleanroom_kernel.protocol.release import Array, Artifact, FitSummary, Grid, Payload

_DONE = {
    State.APPROVED: "Approved. The expert gets exactly these numbers with request.result().",
    State.REJECTED: "Rejected.",
    State.RETURNED: "Returned with your comment.",
    State.ASKED: "Noted. It needs another checker's approval.",
}


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("requests", help="requests of experts for answers that the policy withheld")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="requests, the newest first")
    listing.add_argument("--state", choices=[state.value for state in State], help="only those")
    add_config(listing)
    listing.set_defaults(run=run_list)

    showing = actions.add_parser("show", help="reason, code, findings and the numbers that would leave")
    showing.add_argument("number", type=int)
    add_config(showing)
    showing.set_defaults(run=run_show)

    for decision, words in (
        (Decision.APPROVE, "let out exactly what `show` shows"),
        (Decision.REJECT, "say no"),
        (Decision.RETURN, "say what to change"),
    ):
        deciding = actions.add_parser(decision.value, help=words)
        deciding.add_argument("number", type=int)
        needed = decision is Decision.RETURN
        deciding.add_argument("--comment", default="", required=needed, help="words for the expert")
        deciding.add_argument("--as", dest="person", default=getpass.getuser(), metavar="NAME", help="who decides")
        add_config(deciding)
        deciding.set_defaults(run=run_decide, decision=decision)


def run_list(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    state = State(options.state) if options.state else None
    with audit.reading(database(settings)) as connection:
        found = airlock.queue(connection, state)
    for request in found:
        print(_line(request))
    if not found:
        print("There are no requests." if state is None else f"There are no requests that are {state.value}.")
    return 0


def run_show(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    try:
        with audit.reading(database(settings)) as connection:
            print("\n".join(words(airlock.examine(connection, options.number))))
    except AirlockError as problem:
        raise CommandError(str(problem)) from None
    return 0


def run_decide(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    try:
        with database(settings).begin() as connection:
            request = airlock.decide(connection, options.number, options.person, options.decision, options.comment)
    except AirlockError as problem:
        raise CommandError(str(problem)) from None
    print(f"Request {request.number}: {_DONE[request.state]}")
    return 0


def words(examined: Examined) -> list[str]:
    """All that a checker needs. What an expert wrote is shown as text, whatever is in it."""
    request = examined.request
    lines = [
        _line(request),
        "",
        f"Asked     {request.asked}, expires {request.expires}; needs {request.checkers} checker(s)",
        f"Question  {request.question[:16]}",
        f"Patients  {examined.units or 'not known'}",
        f"Rounding  {examined.precision or 'none'}",
        f"Digest    {request.sha256}",
        "",
        "Reason",
        *_indented(request.reason),
        "",
        "What the rules say against it",
        *_indented("\n".join(request.findings)),
        "",
        "What would leave",
        *_indented("\n".join(_preview(examined.preview))),
    ]
    if examined.code:
        lines += ["", "Code of the cell", *_indented(examined.code)]
    for said in request.steps:
        lines += ["", f"{said.time}  {plain(said.person)}: {said.step.value}", *_indented(said.comment)]
    return lines


def _line(request: Request) -> str:
    return f"{request.number:>5}  {request.state.value:<9}  {plain(request.expert)}: {plain(request.title)}"


def _preview(payload: Payload | None) -> list[str]:
    if payload is None:
        return ["nothing: no value could be computed"]
    if isinstance(payload, Grid):
        labels = [" / ".join(map(str, row)) for row in payload.rows]
        rows = zip(*payload.values, strict=True)
        return _table(
            [["", *payload.columns], *([label, *map(_number, row)] for label, row in zip(labels, rows, strict=True))]
        )
    if isinstance(payload, Artifact):
        return [f"the file {payload.name}", *payload.report.splitlines()]
    if isinstance(payload, Array):
        return [f"{len(payload.values or payload.labels)} numbers: {payload.values or payload.labels}"]
    assert isinstance(payload, FitSummary)
    return ["that the model was fitted"]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.12g}"


def _indented(text: str) -> Iterable[str]:
    return [f"    {line}" for line in plain(text).splitlines()] or ["    –"]


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )
