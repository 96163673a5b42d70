"""`cleanroom policy`: the disclosure policy in numbers and in words, and what another one would have changed."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import signal
import sys

from cleanroom_kernel import audit
from cleanroom_kernel.cli.owner import add_config, confinement, database
from cleanroom_kernel.cli.settings import CommandError, Settings, load
from cleanroom_kernel.disclosure.policy import Policy, PolicySnapshot
from cleanroom_kernel.disclosure.rules import explain
from cleanroom_kernel.protocol.rehearsal import Change, Judged, Judgement, Rehearse
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.fits import Fits
from cleanroom_kernel.server.rehearsing import SECONDS, Rehearsal, RehearsalEnding, Rehearsed
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher

_TELL_SECONDS = 0.5


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("policy", help="show, explain or check the disclosure policy")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, words in (
        ("show", run_show, "every setting with its value and what it means"),
        ("explain", run_explain, "the rule book in words, with this room's numbers"),
        ("check", run_check, "whether the configuration's policy is valid"),
    ):
        action = actions.add_parser(name, help=words)
        add_config(action)
        action.set_defaults(run=run)
    rehearsing = actions.add_parser("rehearse", help="what this policy would change about everything asked so far")
    rehearsing.add_argument("--seconds", type=float, default=SECONDS, help="stop after so long (default: %(default)g)")
    rehearsing.add_argument("--all", action="store_true", help="list what stays the same, too")
    rehearsing.add_argument("--as", dest="person", default=getpass.getuser(), metavar="NAME", help="who rehearses")
    add_config(rehearsing)
    rehearsing.set_defaults(run=run_rehearse)


def run_show(options: argparse.Namespace) -> int:
    print(page(load(options.config, options.settings).policy()))
    return 0


def run_explain(options: argparse.Namespace) -> int:
    print(explain(load(options.config, options.settings).policy()))
    return 0


def run_check(options: argparse.Namespace) -> int:
    policy = load(options.config, options.settings).policy()
    print(f"The policy is valid (preset {policy.preset!r}).")
    return 0


def run_rehearse(options: argparse.Namespace) -> int:
    """Judge the past by the configuration's policy. The server may run meanwhile, or not."""
    settings = load(options.config, options.settings)
    settings.policy()
    if not (settings.state / audit.DATABASE).exists():
        raise CommandError(f"There is no ledger in {settings.state}. It begins with `cleanroom serve`.")
    launcher = confinement(settings)
    room, fits = str(settings.state / "room"), Fits(config=settings.config).snapshot()
    order = Rehearse(room, str(settings.state), settings.policy_settings(), fits)
    found = asyncio.run(_rehearsed(launcher, settings, order, options.person, options.seconds))
    print(report(found, everything=options.all))
    return 0 if found.ending is RehearsalEnding.DONE else 1


async def _rehearsed(
    launcher: SandboxLauncher, settings: Settings, order: Rehearse, person: str, seconds: float
) -> Rehearsed:
    auditor = Auditor(database(settings))
    try:
        rehearsal = Rehearsal(launcher, auditor, order, person, seconds)
        running = asyncio.create_task(rehearsal.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, rehearsal.cancel)
        while not running.done():
            await asyncio.wait([running], timeout=_TELL_SECONDS)
            summary = rehearsal.standing().summary
            print(f"\r{summary.judged} of {summary.questions} questions", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        await running
        return rehearsal.standing()
    finally:
        auditor.close()


def report(found: Rehearsed, *, everything: bool) -> str:
    """A line for each question that the draft would change, and the numbers of them all."""
    rows = [row for row in found.rows if everything or row.change is not Change.SAME]
    lines = [line for row in rows for line in _row(row)]
    summary = found.summary
    total = (
        f"{summary.judged} of {summary.questions} questions: {summary.passes} would newly pass, {summary.fails} newly "
        f"fail, {summary.changes} change, {summary.same} stay the same, {summary.left_out} left out."
    )
    ended = "" if found.ending is RehearsalEnding.DONE else f"Not finished: {found.message or found.ending.value}."
    return "\n".join([*lines, total, *([ended] if ended else [])])


def _row(row: Judged) -> list[str]:
    head = f"{row.number:>5}  {row.change.value:<8}  {row.expert}: {row.title or row.question}"
    if row.change is Change.LEFT_OUT:
        return [head, f"{'':>17}{row.why}"]
    counted = ((row.shown, "newly shown"), (row.hidden, "newly hidden"), (row.moved, "with another number"))
    cells = "; ".join(f"{count} {'cell' if count == 1 else 'cells'} {words}" for count, words in counted if count)
    lines = [head, f"{'':>17}then {_verdict(row.then)}", f"{'':>17}now  {_verdict(row.now)}"]
    return [*lines, f"{'':>17}{cells}"] if cells else lines


def _verdict(verdict: Judgement) -> str:
    if verdict.rules:
        return f"{verdict.outcome.value}: {', '.join(verdict.rules)}"
    suppressed = f", {verdict.suppressed} suppressed" if verdict.suppressed else ""
    return f"{verdict.outcome.value}: {verdict.cells} shown{suppressed}; {verdict.precision}"


def page(policy: PolicySnapshot) -> str:
    """One line per setting; a star marks what differs from the preset."""
    preset = Policy.from_settings({"preset": policy.preset}).snapshot()
    lines = []
    for name in PolicySnapshot.__struct_fields__:
        value = getattr(policy, name)
        mark = "*" if value != getattr(preset, name) else " "
        lines.append(f"{mark} {name:<22} {value!s:<12} {Policy.class_traits()[name].help}")
    return "\n".join(lines)
