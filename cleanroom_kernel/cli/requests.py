"""`cleanroom requests`: what experts ask the owner to let out or to let run, and the owner's word on it."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterable

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import AirlockError, Decision, Examined, Request
from cleanroom_kernel.cli.owner import add_config, database
from cleanroom_kernel.cli.settings import CommandError, load
from cleanroom_kernel.protocol.airlock import State
from cleanroom_kernel.protocol.release import Array, Artifact, FitSummary, Grid, Payload, Results
from cleanroom_kernel.requests.jobs import JobView

_DONE = {
    State.APPROVED: "Approved. The expert gets exactly what `show` shows.",
    State.REJECTED: "Rejected.",
    State.RETURNED: "Returned with your comment.",
    State.ASKED: "Noted. It needs another checker's approval.",
}

_APPROVED_JOB = "Approved. The expert may run exactly this code over these tables until {until}."


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("requests", help="requests of experts: answers withheld, and jobs to run")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="requests, the newest first")
    listing.add_argument("--state", choices=[state.value for state in State], help="only those")
    add_config(listing)
    listing.set_defaults(run=run_list)

    showing = actions.add_parser("show", help="reason, code, findings and what would leave or run")
    showing.add_argument("number", type=int)
    add_config(showing)
    showing.set_defaults(run=run_show)

    for decision, words in (
        (Decision.APPROVE, "let out, or run, exactly what `show` shows"),
        (Decision.REJECT, "say no, or take back the approval of a job that has not run"),
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
    job = request.job and request.state is State.APPROVED
    print(f"Request {request.number}: {_APPROVED_JOB.format(until=request.expires) if job else _DONE[request.state]}")
    return 0


def words(examined: Examined) -> list[str]:
    """All that a checker needs. What an expert wrote is shown as text, whatever is in it."""
    request = examined.request
    if examined.job is not None:
        return [*_of_job(examined.job, request), *_said(request)]
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
    return [*lines, *_said(request)]


def _of_job(job: JobView, request: Request) -> list[str]:
    """What a checker reads before code may run beside the rows."""
    lines = [
        _line(request),
        "",
        f"Asked     {request.asked}, needs {request.checkers} checker(s)",
        f"Ends      {request.expires}, as {request.state.value}",
        f"Tables    as of edition {job.edition or 'unknown'}",
        f"Digest    {request.sha256}",
        f"Result    {f'waits as request {request.result}' if request.result else job.outcome or 'none yet'}",
        "",
        "Reason",
        *_indented(request.reason),
        "",
        "What it reads, with pseudonyms for patients and keys",
        *_indented("\n".join(f"{one.table}: {', '.join(one.columns)}" for one in job.reads)),
        "",
        "What it may give back",
        *_indented("\n".join(job.results)),
        "",
        "Code",
        *_indented(job.source),
    ]
    if job.before:
        lines += ["", f"Changes since request {job.before}, approved under this name"]
        lines += _indented(job.diff or "none")
    return lines


def _said(request: Request) -> list[str]:
    lines = []
    for said in request.steps:
        lines += ["", f"{said.time}  {plain(said.person) or 'the room'}: {said.step.value}", *_indented(said.comment)]
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
    if isinstance(payload, Results):
        return _of_result(payload)
    if isinstance(payload, Array):
        return [f"{len(payload.values or payload.labels)} numbers: {payload.values or payload.labels}"]
    assert isinstance(payload, FitSummary)
    return ["that the model was fitted"]


def _of_result(payload: Results) -> list[str]:
    lines = _table([[name, _number(value)] for name, value in payload.scalars]) if payload.scalars else []
    for named in payload.tables:
        grid = named.grid
        values = zip(*grid.values, strict=True) if grid.values else ((),) * len(grid.rows)
        rows = [[*map(str, keys), *map(_number, row)] for keys, row in zip(grid.rows, values, strict=True)]
        lines += ["", f"{named.name}, {len(rows)} rows", *_table([[*grid.keys, *grid.columns], *rows])]
    for file in payload.files:
        lines += ["", f"the file {file.name}", *file.report.splitlines()]
    return lines


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
