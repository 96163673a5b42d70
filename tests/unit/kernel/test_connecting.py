"""From an invitation to a saved connection, and what goes wrong on the way."""

from __future__ import annotations

import json

import pytest
from fake_room import INFO, TOKEN, FakeRoom

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.connecting import Unanswered, ask, check, connect
from cleanroom_kernel.kernel.connections import InvitationError, load, parse
from cleanroom_kernel.protocol.http import Problem


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def room():
    fake = FakeRoom()
    yield fake
    fake.close()


def test_an_invitation_that_the_server_knows_is_saved_and_its_kernel_has_a_logo(room, data):
    name, connection = connect(room.invitation())
    assert (name, load(name)) == ("cleanroom", connection)
    assert json.loads((data / "kernels" / name / "kernel.json").read_text())["display_name"] == "Clean Room"
    assert (data / "kernels" / name / connections.LOGO).read_text().startswith("<svg")
    assert room.asked == [("/api/room", TOKEN)]


def test_another_room_has_a_name_of_its_own_and_a_new_invitation_replaces_the_old(room):
    room.tokens |= {"id.newer"}
    assert connect(room.invitation())[0] == "cleanroom"
    assert connect(room.invitation("clinic"))[0] == "cleanroom-clinic"
    assert connect(room.invitation(token="id.newer"))[0] == "cleanroom"
    assert load("cleanroom").token == "id.newer"
    assert load("cleanroom-clinic").room == "clinic"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda room: room.tokens.clear(), "does not know this invitation"),
        (lambda room: room.answers.update({"/api/room": INFO | {"protocol": 99, "version": "9.9"}}), "kernel 9.9"),
        (lambda room: room.answers.update({"/api/room": b"<html>"}), "no clean room"),
        (lambda room: room.answers.update({"/api/room": [1]}), "no clean room"),
        (lambda room: room.answers.clear(), "does not pass on"),
    ],
)
def test_a_server_that_does_not_answer_as_a_room_does_is_not_saved(room, spoil, said):
    spoil(room)
    with pytest.raises(InvitationError, match=said):
        connect(room.invitation())
    assert load() is None


def test_no_server_at_all_is_said(room):
    room.close()
    with pytest.raises(Unanswered, match="does not answer") as silent:
        ask(parse(room.invitation()), "/api/room")
    assert silent.value.problem is Problem.OFFLINE


def test_a_token_follows_no_redirect(room):
    elsewhere = FakeRoom()
    room.redirect = f"http://127.0.0.1:{elsewhere.port}/api/room"
    with pytest.raises(InvitationError):
        check(parse(room.invitation()))
    assert elsewhere.asked == []
    elsewhere.close()


def test_a_token_goes_over_no_proxy(room, monkeypatch):
    proxy = FakeRoom()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    check(parse(room.invitation()))
    assert proxy.asked == []
    assert room.asked == [("/api/room", TOKEN)]
    proxy.close()
