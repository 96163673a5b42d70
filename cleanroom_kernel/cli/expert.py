"""Expert's command: `cleanroom connect` stores a connection and offers its kernel to Jupyter."""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request

from cleanroom_kernel.cli.settings import CommandError
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.protocol import http

_TIMEOUT = 10


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
        connection = connections.with_certificate(connections.parse(invitation))
        check_server(connection)
        connections.install(connection, prefix=prefix, name=name)
    except connections.InvitationError as problem:
        raise CommandError(str(problem)) from None
    return connection


def check_server(connection: connections.Connection) -> None:
    # The scheme is http or https by construction of the connection.
    request = urllib.request.Request(  # noqa: S310
        f"{connection.url}/api/room", headers={"Authorization": f"token {connection.token}"}
    )
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=_TIMEOUT, context=connection.ssl_context()
        ) as answer:
            room = json.load(answer)
    except urllib.error.HTTPError as refused:
        raise CommandError(_words(refused)) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        raise CommandError(
            f"The server at {connection.host}:{connection.port} does not answer ({reason}). "
            "Is it running, and is the address right?"
        ) from None
    if room.get("protocol") != http.VERSION:
        raise CommandError(
            f"The server speaks version {room.get('protocol')} of the protocol, this package {http.VERSION}. "
            f"Install cleanroom-kernel {room.get('version')}."
        )


def _words(refused: urllib.error.HTTPError) -> str:
    try:
        problem = http.Problem(json.load(refused).get("problem"))
    except (ValueError, AttributeError):
        return f"The server refused with status {refused.code}. Is this a clean room's address?"
    return http.WORDS[problem].text
