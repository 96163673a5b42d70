"""`cleanroom doctor`: what this machine can do for a room, or a connection, and what is missing."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from cleanroom_kernel import audit
from cleanroom_kernel.cli.expert import check_server
from cleanroom_kernel.cli.owner import add_config
from cleanroom_kernel.cli.settings import DEFAULT_FILE, CommandError, load
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.server.sandbox import selftest
from cleanroom_kernel.server.sandbox.report import SandboxRefusedError
from cleanroom_kernel.server.sandbox.settings import Sandbox
from cleanroom_kernel.server.sandbox.uids import UidPool

_PACKAGES = ("ipykernel", "jupyter_client", "jupyterlab", "narwhals", "pandas", "polars", "scikit-learn", "skops")

Finding = tuple[str, str]  # "ok", "note" or "problem", and words


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("doctor", help="check this machine, its configuration and its connections")
    add_config(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    problems = 0
    for title, check in _CHECKS:
        for state, words in check(options):
            print(f"{state:<8} {title}: {words}")
            problems += state == "problem"
    return 1 if problems else 0


def _python(_: argparse.Namespace) -> Iterator[Finding]:
    yield (
        "ok",
        f"Python {platform.python_version()} at {sys.executable}, cleanroom-kernel {version('cleanroom-kernel')}",
    )
    yield "ok", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def _tls(_: argparse.Namespace) -> Iterator[Finding]:
    if shutil.which("openssl"):
        yield "ok", "openssl can make a certificate for addresses beyond this machine"
    else:
        yield "note", "openssl is not installed; beyond this machine the server needs Server.certfile and keyfile"


def _sandbox(_: argparse.Namespace) -> Iterator[Finding]:
    try:
        assessment, _layers = selftest.assess(Sandbox().snapshot(), real_data=True, uid=_free_uid())
    except SandboxRefusedError as refused:
        yield "problem", str(refused)
        return
    yield "ok", f"tier {assessment.tier.value}: {'; '.join(assessment.applied.words)}"
    for reason in assessment.reasons:
        yield "note", str(reason)


def _free_uid() -> int | None:
    """As root the server gives each interpreter a user id of its own."""
    return UidPool(*Sandbox().uid_range).take() if os.geteuid() == 0 else None


def _room(options: argparse.Namespace) -> Iterator[Finding]:
    if not Path(options.config or DEFAULT_FILE).exists():
        yield "note", "no configuration file here, so this machine serves no room"
        return
    try:
        settings = load(options.config, options.settings)
        policy, schema = settings.policy(), settings.schema()
    except CommandError as problem:
        yield "problem", str(problem)
        return
    yield "ok", f"room {schema.name!r} with {len(schema.tables)} tables, policy {policy.preset!r}"
    if not (settings.state / audit.DATABASE).exists():
        yield "note", "not opened yet: no audit log"
        return
    with audit.reading(audit.engine(settings.state)) as connection:
        found = audit.verify(connection)
    if found.broken_at is None:
        yield "ok", f"audit log whole, {found.entries} entries"
    else:
        yield "problem", f"the audit log is broken at entry {found.broken_at}"


def _connections(_: argparse.Namespace) -> Iterator[Finding]:
    folder = connections.path_of("x").parent
    saved = sorted(folder.glob("*.json")) if folder.exists() else []
    if not saved:
        yield "note", "none saved; `cleanroom connect` adds one"
    for path in saved:
        connection = connections.load(path.stem)
        if connection is None:
            yield "problem", f"{path} cannot be read; connect again"
            continue
        try:
            check_server(connection)
        except CommandError as problem:
            yield "problem", f"{path.stem}: {problem}"
        else:
            yield "ok", f"{path.stem}: room {connection.room!r} answers at {connection.host}:{connection.port}"


_CHECKS: tuple[tuple[str, Callable[[argparse.Namespace], Iterator[Finding]]], ...] = (
    ("software", _python),
    ("tls", _tls),
    ("sandbox", _sandbox),
    ("room", _room),
    ("connections", _connections),
)
