"""Expert's command: `cleanroom connect` stores a connection and offers its kernel to Jupyter."""

from __future__ import annotations

import argparse

from cleanroom_kernel.cli.settings import CommandError
from cleanroom_kernel.kernel import connecting, connections


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("connect", help="store an owner's invitation and add the kernel 'Clean Room'")
    parser.add_argument("invitation", metavar="STRING", help="the line that the owner sent you")
    parser.add_argument("--name", default=connections.DEFAULT_NAME, help="a name of its own, to keep several rooms")
    parser.add_argument("--prefix", help="install the kernel there instead of for this user")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    connection = connect(options.invitation, options.name, options.prefix)
    print(f"Connected to room {connection.room!r} at {connection.host}:{connection.port}.")
    print("Start JupyterLab and choose the kernel 'Clean Room'.")
    return 0


def connect(invitation: str, name: str = connections.DEFAULT_NAME, prefix: str | None = None) -> connections.Connection:
    """Check that the server answers this token, then save the connection (0600) and install the kernel."""
    try:
        _, connection = connecting.connect(invitation, name, prefix)
    except connections.InvitationError as problem:
        raise CommandError(str(problem)) from None
    return connection


def check_server(connection: connections.Connection) -> None:
    try:
        connecting.check(connection)
    except connections.InvitationError as problem:
        raise CommandError(str(problem)) from None
