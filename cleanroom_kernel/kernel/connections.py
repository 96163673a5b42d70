"""Connections: where an expert's rooms are, and the kernels that Jupyter offers for them.

Promise: a token lies in one file that only its user can read, never in a kernel specification, an environment or a
log. A server is known by the certificate that its invitation names: the token is sent to no other.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import re
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
from jupyter_core.paths import jupyter_data_dir
from msgspec import Struct

DEFAULT_NAME = "cleanroom"
LOGO = "logo-svg.svg"  # the name under which Jupyter looks for it

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_TIMEOUT = 10


_INCOMPLETE = "The invitation is incomplete: it has the form cleanroom://host:port/room#token."


class InvitationError(ValueError):
    """An invitation that cannot be used. The text says why and what to do."""


class Connection(Struct, frozen=True, forbid_unknown_fields=True):
    """One room. `certificate` is the one that `fingerprint` names; without both, public authorities are trusted.
    `signing_key` is the owner's, by which released files are verified; the room told it when the connection was made.
    """

    room: str
    host: str
    port: int
    token: str
    tls: bool
    fingerprint: str = ""
    certificate: str = ""
    signing_key: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def ssl_context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        if not self.certificate:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate itself is known, so its names say nothing more
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self.certificate)
        return context


def parse(invitation: str) -> Connection:
    """`cleanroom://host:port/room?sha256=FINGERPRINT#TOKEN`, or `cleanroom+plain://…` on this machine."""
    try:
        parts = urlsplit(invitation.strip())
    except ValueError:  # brackets that belong to no address
        raise InvitationError(_INCOMPLETE) from None
    room, token = parts.path.strip("/"), parts.fragment
    if parts.scheme not in ("cleanroom", "cleanroom+plain"):
        raise InvitationError("An invitation begins with cleanroom://. Copy the whole line that the owner sent you.")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or not _NAME.fullmatch(room) or not token:
        raise InvitationError(_INCOMPLETE)
    fingerprint = parse_qs(parts.query).get("sha256", [""])[0].lower()
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise InvitationError("The invitation's sha256 is no fingerprint: 64 digits and letters a to f are expected.")
    tls = parts.scheme == "cleanroom"
    if not tls and not _is_loopback(host):
        raise InvitationError("cleanroom+plain:// is for a server on this machine. Ask the owner to serve with TLS.")
    return Connection(room=room, host=host, port=port, token=token, tls=tls, fingerprint=fingerprint)


def with_certificate(connection: Connection) -> Connection:
    """Fetch the server's certificate and keep it if it is the one that the invitation names. Sends no token."""
    if not connection.tls or not connection.fingerprint:
        return connection
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((connection.host, connection.port), _TIMEOUT) as plain,
            unchecked.wrap_socket(plain, server_hostname=connection.host) as wrapped,
        ):
            found = wrapped.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise InvitationError(f"The server at {connection.host}:{connection.port} does not answer ({error}).") from None
    if not hmac.compare_digest(hashlib.sha256(found).hexdigest(), connection.fingerprint):
        raise InvitationError(
            "The server shows another certificate than the invitation names, so nothing was sent to it. Ask the owner "
            "for a new invitation."
        )
    return msgspec.structs.replace(connection, certificate=ssl.DER_cert_to_PEM_cert(found))


# -- files ------------------------------------------------------------------------------------------------------------
def directory() -> Path:
    return Path(jupyter_data_dir()) / "cleanroom"


def path_of(name: str) -> Path:
    return directory() / "connections" / f"{name}.json"


def save(connection: Connection, name: str = DEFAULT_NAME) -> Path:
    if not _NAME.fullmatch(name):
        raise InvitationError(f"{name!r} cannot name a connection: use letters, digits, '_', '.' and '-'.")
    path = path_of(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(connection))
    return path


def load(name: str = DEFAULT_NAME) -> Connection | None:
    """The saved connection, or None."""
    try:
        return msgspec.json.decode(path_of(name).read_bytes(), type=Connection)
    except (OSError, msgspec.DecodeError):
        return None


def saved() -> list[Connection]:
    """All of them."""
    names = sorted(path.stem for path in (directory() / "connections").glob("*.json"))
    return [found for name in names if (found := load(name)) is not None]


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` in one step; only this user can read it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(temporary, path)


def install(connection: Connection, *, prefix: str | os.PathLike[str] | None = None, name: str = DEFAULT_NAME) -> Path:
    """Save the connection and offer its kernel to Jupyter: for this user, or in `prefix`. Returns the kernel's folder.

    The first room is "Clean Room"; one saved under another name shows its room.
    """
    save(connection, name)
    share = Path(prefix) / "share" / "jupyter" if prefix is not None else Path(jupyter_data_dir())
    folder = share / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    specification = {
        "argv": [
            sys.executable,
            "-m",
            "cleanroom_kernel.kernel",
            "-f",
            "{connection_file}",
            "--connection",
            name,
        ],
        "display_name": "Clean Room" if name == DEFAULT_NAME else f"Clean Room ({connection.room})",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": False},
    }
    (folder / "kernel.json").write_text(json.dumps(specification, indent=1) + "\n")
    (folder / LOGO).write_bytes((Path(__file__).parent / LOGO).read_bytes())
    return folder


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
