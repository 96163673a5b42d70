"""The server's settings: what they refuse, and that each says what it is for."""

from __future__ import annotations

import ssl
import stat
import time

import pytest
from traitlets import TraitError
from traitlets.config import Config

from cleanroom_kernel.audit import Ending
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.server import certificate, memory
from cleanroom_kernel.server.address import Address
from cleanroom_kernel.server.main import ConfigurationError, Server
from cleanroom_kernel.server.sessions import Limits, Sessions


def server(tmp_path, **traits):
    return Server(config=Config({"Server": {"room": "/rooms/ward", "state": str(tmp_path), **traits}}))


def test_every_setting_has_a_help_text():
    assert {name for name, trait in Server.class_traits(config=True).items() if len(trait.help) < 25} == set()


def test_loopback_speaks_plainly_unless_asked(tmp_path):
    assert server(tmp_path).tls_files() is None
    assert server(tmp_path, ip="::1").tls_files() is None
    assert server(tmp_path, tls="always").tls_files() == (tmp_path / "server.crt", tmp_path / "server.key")


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "192.168.1.2", "clean-room.example"])
def test_other_addresses_are_served_with_tls_or_not_at_all(tmp_path, ip):
    assert server(tmp_path, ip=ip).tls_files() is not None
    with pytest.raises(ConfigurationError, match="in the clear"):
        server(tmp_path, ip=ip, tls="never").tls_files()


def test_a_certificate_needs_its_key(tmp_path):
    with pytest.raises(ConfigurationError, match="belong together"):
        server(tmp_path, certfile="a.pem").tls_files()
    files = server(tmp_path, certfile="a.pem", keyfile="b.pem").tls_files()
    assert [path.name for path in files] == ["a.pem", "b.pem"]


def test_a_self_made_certificate_is_made_once_and_its_key_is_private(tmp_path):
    made = certificate.self_made(tmp_path / "state", "ward")
    digest = certificate.fingerprint(made[0])
    assert stat.S_IMODE(made[1].stat().st_mode) == 0o600
    assert certificate.fingerprint(certificate.self_made(tmp_path / "state", "ward")[0]) == digest
    assert certificate.context(*made).minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_openssl_the_owner_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate.shutil, "which", lambda *_, **__: None)
    with pytest.raises(certificate.NoCertificate, match=r"Server\.certfile"):
        certificate.self_made(tmp_path, "ward")


@pytest.mark.parametrize(
    ("host", "fingerprint", "asked"),
    [("127.0.0.1", "", None), ("0.0.0.0", "ab" * 32, "room.example"), ("::1", "", None)],
)
def test_an_invitation_is_what_the_kernel_understands(host, fingerprint, asked):
    address = Address(host, 8443, 8444, "ward", fingerprint)
    connection = connections.parse(address.invitation("id.secret", asked))
    assert (connection.host, connection.port, connection.room) == (asked or host, 8443, "ward")
    assert (connection.token, connection.fingerprint, connection.tls) == ("id.secret", fingerprint, bool(fingerprint))


def test_a_vault_has_half_of_the_machine_unless_the_owner_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 16 << 30)
    assert server(tmp_path).memory_of_a_vault == 8 << 30
    assert server(tmp_path, vault_memory="3G").memory_of_a_vault == 3 << 30
    with pytest.raises(TraitError, match="512M"):
        server(tmp_path, vault_memory="100M")


# -- how long a session lasts -----------------------------------------------------------------------------------------
class OldSession:
    """A session's age and state, as `outlived` looks at it."""

    def __init__(self, idle=0.0, age=0.0, connected=True, busy=False, was_connected=True):
        moment = time.monotonic()
        self.last_activity, self.born = moment - idle, moment - age
        self.sockets = {1} if connected else set()
        self.busy, self.was_connected = busy, was_connected


LIMITS = {
    "max_sessions": 1,
    "max_sessions_per_expert": 1,
    "memory_reserve": 0,
    "cull_idle_timeout": 0.0,
    "cull_interval": 1.0,
    "cull_connected": False,
    "cull_busy": False,
    "max_session_age": 0.0,
    "connect_timeout": 60.0,
}


@pytest.mark.parametrize(
    ("limits", "session", "ending"),
    [
        ({}, {"idle": 1e6, "age": 1e6}, None),
        ({"cull_idle_timeout": 10.0}, {"idle": 11, "connected": False}, Ending.IDLE),
        ({"cull_idle_timeout": 10.0}, {"idle": 9, "connected": False}, None),
        ({"cull_idle_timeout": 10.0}, {"idle": 11}, None),
        ({"cull_idle_timeout": 10.0, "cull_connected": True}, {"idle": 11}, Ending.IDLE),
        ({"cull_idle_timeout": 10.0, "cull_connected": True}, {"idle": 11, "busy": True}, None),
        ({"cull_idle_timeout": 10.0, "cull_busy": True}, {"idle": 11, "busy": True, "connected": False}, Ending.IDLE),
        ({"max_session_age": 10.0}, {"age": 11, "busy": True}, Ending.AGE),
        ({}, {"age": 61, "connected": False, "was_connected": False}, Ending.IDLE),
        ({}, {"age": 59, "connected": False, "was_connected": False}, None),
    ],
)
def test_a_session_lasts_as_long_as_the_owner_lets_it(limits, session, ending):
    sessions = Sessions(None, Limits(**{**LIMITS, **limits}))
    assert sessions.outlived(OldSession(**session), time.monotonic()) is ending
