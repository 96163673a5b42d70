"""The owner's port, and TLS on the experts'."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import subprocess

import msgspec
import pytest
from harness import Expert, ask, cell, kernel, run

from cleanroom_kernel import audit
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.certificate import fingerprint


class Owner(Expert):
    """A client of the owner's port."""

    def __init__(self, server) -> None:
        super().__init__(server, server.invite("olga", auth.Kind.OWNER))
        self.server = OwnersPort(server)

    async def get(self, path):
        response = await self.fetch("GET", path)
        assert response.code == 200, response.body
        return json.loads(response.body)


class OwnersPort:
    def __init__(self, server) -> None:
        self.url = f"http://127.0.0.1:{server.address.owner_port}"


def test_the_owner_sees_sessions_experts_and_a_verified_log_and_can_end_a_session(server):
    async def scenario():
        owner, expert = Owner(server), Expert(server, server.invite("ivan"))
        socket = await expert.open()
        await ask(socket, "execute_request", cell("print('seen by the owner')"))
        sessions = await owner.get("/owner/api/sessions")
        assert {"id": socket.session, "expert": "ivan", "tier": "none"}.items() <= {
            key: value for session in sessions if session["id"] == socket.session for key, value in session.items()
        }.items()
        assert all(session["memory"] > 2**20 for session in sessions if session["id"] == socket.session)
        experts = await owner.get("/owner/api/experts")
        assert "ivan" in [known["name"] for known in experts]
        assert "digest" not in str(experts)
        first = await owner.get("/owner/api/audit?limit=2")
        assert first["intact"] is True
        assert [entry["sequence"] for entry in first["entries"]] == [1, 2]
        rest = await owner.get(f"/owner/api/audit?since={first['verification']['entries'] - 3}")
        assert "seen by the owner" in str(rest["entries"])
        assert (await owner.fetch("DELETE", f"/owner/api/sessions/{socket.session}")).code == 204
        while await socket.read_message() is not None:
            pass
        assert socket.close_reason == "owner"

    asyncio.run(scenario())
    assert audit.Ending.OWNER in [event.reason for event in server.events(audit.SessionEnded)]


def test_the_owner_sees_the_running_cell_and_can_interrupt_it(server):
    async def scenario():
        owner, expert = Owner(server), Expert(server, server.invite("igor"))
        socket = await expert.open()
        asking = asyncio.create_task(ask(socket, "execute_request", cell("import time; time.sleep(60)")))
        while True:
            (mine,) = [live for live in await owner.get("/owner/api/sessions") if live["id"] == socket.session]
            if mine["running"]:
                break
            await asyncio.sleep(0.05)
        assert (mine["running"], mine["execution_state"]) == ("import time; time.sleep(60)", "busy")
        path = f"/owner/api/sessions/{socket.session}/interrupt"
        assert (await expert.fetch("POST", path, body="{}")).code == 404
        while not asking.done():  # one that comes before the cell has begun waits for it
            assert (await owner.fetch("POST", path, body="{}")).code == 204
            await asyncio.wait([asking], timeout=1)
        assert [message.content["ename"] for message in asking.result() if message.kind == "execute_reply"] == [
            "KeyboardInterrupt"
        ]
        assert (await owner.fetch("POST", path.replace(socket.session, "0" * 32), body="{}")).code == 404

    asyncio.run(scenario())


def test_policy_changes_are_recorded_once_each(own_server):
    server = own_server(Policy={"minimum": 10})
    server.stop()
    server.start()
    server.stop()
    server.config["Policy"] = {"minimum": 5, "preset": "strict"}
    server.start()
    changes = [(event.preset, event.settings) for event in server.events(audit.PolicyChanged)]
    assert changes == [("standard", {"minimum": 10}), ("strict", {"minimum": 5})]
    assert len(server.events(audit.RoomOpened)) == 3
    assert len(server.events(audit.RoomClosed)) == 2


# -- TLS --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def tls(own_server, jupyter_directories):
    return own_server(tls="always")


def test_a_self_made_certificate_carries_a_notebook(tls):
    token = tls.invite()
    assert f"?sha256={tls.address.fingerprint}#" in tls.address.invitation(token)
    with kernel(tls.install(token, "tls")) as (_, client):
        assert run(client, "print('private')").text == "private\n"
    key = tls.state / "server.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_token_is_not_sent_to_a_server_with_another_certificate(tls):
    """The connection was made with another server's certificate: as with a man in the middle."""
    other = tls.state.parent / "other"
    other.mkdir()
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch -subj /CN=ward -keyout k"
    )
    subprocess.run([*command.split(), "-out", "c"], cwd=other, check=True, capture_output=True)
    invitation = tls.address.invitation(tls.invite(), "127.0.0.1")
    swapped = invitation.replace(tls.address.fingerprint, fingerprint(other / "c"))
    with pytest.raises(connections.InvitationError, match="another certificate"):
        connections.with_certificate(connections.parse(swapped))

    pinned = msgspec.structs.replace(connections.parse(swapped), certificate=(other / "c").read_text())
    connections.install(pinned, name="swapped")
    with kernel("swapped") as (_, client):
        result = run(client, "1")
    assert result.reply["ename"] == "CleanRoomAccess"
    assert "certificate" in result.reply["evalue"]
    assert tls.events(audit.LoginRefused) == []


def test_a_plain_client_gets_nothing_from_a_tls_port(tls):
    async def scenario():
        reader, writer = await asyncio.open_connection("127.0.0.1", tls.address.port)
        writer.write(b"GET /api/room HTTP/1.1\r\nHost: x\r\n\r\n")
        return await reader.read()

    with contextlib.suppress(ConnectionResetError):
        assert b"HTTP" not in asyncio.run(scenario())


def test_the_state_directory_is_the_owners_alone(tls):
    assert stat.S_IMODE(os.stat(tls.state).st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in tls.state.iterdir()} == {0}
