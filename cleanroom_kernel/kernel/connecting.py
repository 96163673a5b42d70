"""Connecting: an invitation becomes a saved connection, and what is asked of a room outside a kernel's own line.

Promise: a token goes to the server that the invitation names, over no proxy and along no redirect. A server that does
not answer as a room does is one of the listed problems, in words that the expert can act on.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from typing import Any

import msgspec

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.connections import Connection, InvitationError
from cleanroom_kernel.protocol.http import VERSION, WORDS, Problem, ProblemBody

_TIMEOUT = 10
# Who connects is not in a cell, which is what the protocol's own words are for.
_SAID = {
    Problem.UNKNOWN_TOKEN: "The room does not know this invitation. Copy the whole line, or ask for a new one.",
    Problem.REVOKED: "The owner has revoked this invitation. Ask for a new one.",
    Problem.LIMITED: "Too many failed logins came from this address. Wait a minute and try again.",
}
_LARGEST_ANSWER = 64 * 2**20  # a session's receipts, ten thousand at most


class Unanswered(Exception):
    """The room did not answer."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem, self.message = problem, message

    @property
    def body(self) -> ProblemBody:
        return ProblemBody(self.problem, self.message)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **keywords: Any) -> None:
        return None


def connect(invitation: str, name: str = "", prefix: str | None = None) -> tuple[str, Connection]:
    """Check that the server answers this token, then save the connection (0600) and install its kernel.

    Returns the connection and its name, which is `name` or one that fits. Raises `InvitationError`, whose text says
    what is wrong and what to do.
    """
    connection = connections.with_certificate(connections.parse(invitation))
    connection = msgspec.structs.replace(connection, signing_key=check(connection))
    name = name or fitting_name(connection)
    connections.install(connection, prefix=prefix, name=name)
    return name, connection


def fitting_name(connection: Connection) -> str:
    """The first room is `cleanroom`, and so is a new invitation to it; another room has its own name in its name."""
    first = connections.load()
    if first is None or (first.room, first.host) == (connection.room, connection.host):
        return connections.DEFAULT_NAME
    return f"{connections.DEFAULT_NAME}-{connection.room}"[:64]


def check(connection: Connection) -> str:
    """The key that the room's owner signs with. Raises `InvitationError` unless the server knows the token and speaks
    this package's protocol.
    """
    try:
        room = msgspec.json.decode(ask(connection, "/api/room"), type=dict[str, Any])
    except Unanswered as problem:
        raise InvitationError(_SAID.get(problem.problem, problem.message)) from None
    except ValueError:
        raise InvitationError(_no_room(connection)) from None
    if room.get("protocol") != VERSION:
        raise InvitationError(
            f"The server speaks version {room.get('protocol')} of the protocol, this package {VERSION}. "
            f"Install cleanroom-kernel {room.get('version')}."
        )
    return str(room.get("signing_key", ""))


def ask(connection: Connection, path: str) -> bytes:
    """The server's answer to `GET path`. Raises `Unanswered`."""
    request = urllib.request.Request(  # noqa: S310 - http or https by construction of the connection
        connection.url + path, headers={"Authorization": f"token {connection.token}"}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=connection.ssl_context()),
        _NoRedirects(),
    )
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            content = answer.read(_LARGEST_ANSWER + 1)
    except urllib.error.HTTPError as refused:
        raise _refused(connection, refused) from None
    except OSError as error:
        raise _silent(connection, getattr(error, "reason", error)) from None
    except ValueError:
        raise Unanswered(Problem.SERVER, _no_room(connection)) from None
    if len(content) > _LARGEST_ANSWER:
        raise Unanswered(Problem.SERVER, WORDS[Problem.SERVER].text)
    return content


def _refused(connection: Connection, refused: urllib.error.HTTPError) -> Unanswered:
    try:
        body = msgspec.json.decode(refused.read(_LARGEST_ANSWER), type=ProblemBody)
    except (OSError, ValueError):
        return Unanswered(Problem.SERVER, _no_room(connection))
    return Unanswered(body.problem, WORDS[body.problem].text)


def _silent(connection: Connection, reason: object) -> Unanswered:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unanswered(Problem.CERTIFICATE, WORDS[Problem.CERTIFICATE].text)
    return Unanswered(
        Problem.OFFLINE,
        f"The server at {connection.host}:{connection.port} does not answer ({reason}). "
        "Is it running, and is the address right?",
    )


def _no_room(connection: Connection) -> str:
    return f"What answers at {connection.host}:{connection.port} is no clean room. Is the address right?"
