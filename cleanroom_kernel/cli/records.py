"""`cleanroom audit`: read the audit log, and prove that it is whole."""

from __future__ import annotations

import argparse

import msgspec

from cleanroom_kernel import audit
from cleanroom_kernel.cli.owner import add_config
from cleanroom_kernel.cli.settings import CommandError, Settings, load


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("audit", help="show the audit log, or verify its chain")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    showing = actions.add_parser("show", help="what happened, oldest first")
    showing.add_argument("--since", type=int, default=0, metavar="N", help="only entries after number N")
    showing.add_argument("--json", action="store_true", help="one JSON object per line, with the chain's hashes")
    add_config(showing)
    showing.set_defaults(run=run_show)
    verifying = actions.add_parser("verify", help="recompute the chain of hashes")
    add_config(verifying)
    verifying.set_defaults(run=run_verify)


def run_show(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    with audit.reading(audit.engine(_existing(settings))) as connection:
        for entry in audit.entries(connection, options.since):
            print(msgspec.json.encode(entry).decode() if options.json else line(entry))
    return 0


def run_verify(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    with audit.reading(audit.engine(_existing(settings))) as connection:
        found = audit.verify(connection)
    if found.broken_at is not None:
        raise CommandError(
            f"The audit log is NOT whole: entry {found.broken_at} does not follow from the one before it. "
            "Keep the file as it is and find out who could write to it."
        )
    print(f"{found.entries} entries, the chain is whole. Last hash: {found.head}")
    return 0


def line(entry: audit.Entry) -> str:
    """One entry for a person to read: number, time, what happened, and its fields."""
    fields = msgspec.to_builtins(entry.event)
    kind = fields.pop("kind")
    code = fields.pop("code", None)
    words = ", ".join(f"{name} {_short(value)}" for name, value in fields.items() if value not in ("", None, [], {}))
    text = f"{entry.sequence:>6}  {entry.time}  {kind}: {words}"
    return text if code is None else text + "".join(f"\n{'':>10}| {row}" for row in code.splitlines())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _existing(settings: Settings):
    if not (settings.state / audit.DATABASE).exists():
        raise CommandError(f"There is no audit log in {settings.state}. It begins with `cleanroom serve`.")
    return settings.state
