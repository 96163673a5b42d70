"""Saved connections and the kernel that Jupyter offers."""

from __future__ import annotations

import json
import os
import stat

import pytest

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.connections import Connection, InvitationError, install, load, parse, save

SHA = "ab" * 32
GOOD = f"cleanroom://room.example:8443/ward?sha256={SHA}#id.secret"


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_an_invitation_is_read():
    expected = Connection(room="ward", host="room.example", port=8443, token="id.secret", tls=True, fingerprint=SHA)
    assert parse(f"  {GOOD}\n") == expected
    assert expected.url == "https://room.example:8443"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_plain_invitation_is_for_this_machine(host):
    assert parse(f"cleanroom+plain://{host}:1/ward#t").url == f"http://{host}:1"


@pytest.mark.parametrize(
    ("invitation", "said"),
    [
        ("", "begins with cleanroom://"),
        ("https://room.example:8443/ward#t", "begins with cleanroom://"),
        ("cleanroom://room.example/ward#t", "incomplete"),
        ("cleanroom://room.example:x/ward#t", "incomplete"),
        ("cleanroom://room.example:8443/ward", "incomplete"),
        ("cleanroom://room.example:8443/#t", "incomplete"),
        ("cleanroom://room.example:8443/../etc#t", "incomplete"),
        ("cleanroom://room.example:8443/ward?sha256=12#t", "no fingerprint"),
        ("cleanroom+plain://room.example:8443/ward#t", "with TLS"),
        ("cleanroom+plain://192.168.0.1:8443/ward#t", "with TLS"),
    ],
)
def test_an_invitation_that_cannot_be_used_says_why(invitation, said):
    with pytest.raises(InvitationError, match=said):
        parse(invitation)


def test_a_saved_connection_is_read_by_its_user_alone(data):
    path = save(parse(GOOD))
    assert load() == parse(GOOD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.is_relative_to(data)
    assert os.listdir(path.parent) == [path.name]  # no temporary file is left


def test_no_connection_is_none(data):
    assert load() is None
    connections.path_of("cleanroom").parent.mkdir(parents=True)
    connections.path_of("cleanroom").write_text("no JSON")
    assert load() is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_connection_is_named_like_a_file(name):
    with pytest.raises(InvitationError, match="cannot name"):
        save(parse(GOOD), name)


def test_the_kernel_is_offered_without_its_token(data):
    folder = install(parse(GOOD))
    assert folder == data / "kernels" / "cleanroom"
    text = (folder / "kernel.json").read_text()
    specification = json.loads(text)
    assert specification["display_name"] == "Clean Room"
    assert specification["interrupt_mode"] == "message"
    assert specification["metadata"] == {"debugger": False}
    assert "secret" not in text
    assert "env" not in specification


def test_a_second_room_shows_its_name_and_a_prefix_is_obeyed(tmp_path):
    folder = install(parse(GOOD), prefix=tmp_path / "environment", name="second")
    assert folder == tmp_path / "environment" / "share" / "jupyter" / "kernels" / "second"
    assert json.loads((folder / "kernel.json").read_text())["display_name"] == "Clean Room (ward)"
    assert load("second") == parse(GOOD)


def test_jupyter_finds_the_kernel(data):
    from jupyter_client.kernelspec import KernelSpecManager

    install(parse(GOOD))
    assert KernelSpecManager().get_kernel_spec("cleanroom").display_name == "Clean Room"


def test_a_server_that_does_not_answer_is_said():
    with pytest.raises(InvitationError, match="does not answer"):
        connections.with_certificate(parse(f"cleanroom://127.0.0.1:1/ward?sha256={SHA}#t"))
