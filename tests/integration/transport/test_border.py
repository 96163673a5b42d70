"""The experts' border: who comes in, what they can reach, and what an ill-behaved client achieves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time

import pytest
from harness import Expert, Message, ask, cell, eventually, frame, kernel, run
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClosedError

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.http import VERSION
from cleanroom_kernel.protocol.websocket import EXPERT_LIMIT, pack
from cleanroom_kernel.server import auth


def asynchronous(test):
    @functools.wraps(test)
    def run_test(*arguments, **keywords):
        return asyncio.run(test(*arguments, **keywords))

    return run_test


@pytest.fixture(scope="module")
def ada(server):
    return server.invite("ada")


# -- coming in --------------------------------------------------------------------------------------------------------
@asynchronous
async def test_the_room_says_its_name_and_version(server, ada):
    response = await Expert(server, ada).fetch("GET", "/api/room")
    facts = json.loads(response.body)
    assert (facts["room"], facts["protocol"]) == ("ward", VERSION)
    assert facts["kernel_info"]["language_info"]["name"] == "python"


@pytest.mark.parametrize("path", ["/api/room", "/api/kernels", "/", "/api/contents", "/api/terminals"])
@asynchronous
async def test_without_a_token_nothing_answers(own_server, path):
    server = own_server()
    for token in ("", "guess", "guess.guess"):
        response = await Expert(server, token).fetch("GET", path)
        assert (response.code, json.loads(response.body)["problem"]) == (401, "unknown token")


@pytest.mark.parametrize("path", ["/api/room", "/api/nothing"])
@asynchronous
async def test_a_browser_that_is_led_here_shows_and_runs_nothing(server, ada, path):
    headers = (await Expert(server, ada).fetch("GET", path)).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert (headers["Cache-Control"], headers["Server"]) == ("no-store", "cleanroom")


@asynchronous
async def test_requests_come_at_the_owners_rate_and_another_experts_are_not_held_up(own_server):
    server = own_server(requests_per_minute=60)
    fast, other = Expert(server, server.invite()), Expert(server, server.invite("bob"))
    codes = [(await fast.fetch("GET", "/api/room")).code for _ in range(70)]
    assert codes[:60] == [200] * 60
    assert 429 in codes
    assert (await other.fetch("GET", "/api/room")).code == 200


@asynchronous
async def test_a_flood_of_messages_is_read_slowly_and_answered_whole(own_server):
    server = own_server(messages_per_second=10)
    socket = await Expert(server, server.invite()).open()
    started = time.monotonic()
    asked = [frame("kernel_info_request", {}) for _ in range(25)]
    for _, data in asked:
        await socket.write_message(data, binary=True)
    replied = set()
    while len(replied) < len(asked):
        message = Message(await socket.read_message())
        if message.kind == "kernel_info_reply":
            replied.add(message.parent["msg_id"])
    assert replied == {identity for identity, _ in asked}
    assert time.monotonic() - started > 1  # three seconds' worth, of which the first and the last may be short


@asynchronous
async def test_with_a_token_there_is_nothing_but_the_subset(server, ada):
    for path in ("/", "/api/contents", "/api/terminals", "/api/kernels/x", "/owner/api/sessions", "/api/sessions"):
        response = await Expert(server, ada).fetch("GET", path)
        assert response.code == 404
        assert b"Traceback" not in response.body


@asynchronous
async def test_a_token_in_the_address_is_not_looked_at(own_server):
    server = own_server()
    token = server.invite()
    response = await Expert(server, "").fetch("GET", f"/api/room?token={token}")
    assert response.code == 401


@asynchronous
async def test_a_browser_is_refused_whatever_it_carries(server, ada):
    expert = Expert(server, ada)
    response = await expert.fetch("GET", "/api/room", headers={"Origin": server.url})
    assert response.code == 403
    made = await expert.open()
    with pytest.raises(HTTPClientError, match="403"):
        await expert.open(made.session, headers={"Origin": server.url})
    assert audit.Login.ORIGIN in [event.reason for event in server.events(audit.LoginRefused)]


@asynchronous
async def test_tokens_of_experts_and_owners_do_not_stand_in_for_each_other(server, ada):
    owner = server.invite("olga", auth.Kind.OWNER)
    assert (await Expert(server, owner).fetch("GET", "/api/room")).code == 401
    as_expert, as_owner = Expert(server, ada), Expert(server, owner)
    for expert in (as_expert, as_owner):
        expert.server = OwnersPort(server)
    assert (await as_expert.fetch("GET", "/owner/api/sessions")).code == 401
    assert (await as_owner.fetch("GET", "/owner/api/sessions")).code == 200


class OwnersPort:
    def __init__(self, server) -> None:
        self.url = f"http://127.0.0.1:{server.address.owner_port}"


@asynchronous
async def test_too_many_failed_logins_silence_an_address_for_a_while(own_server):
    server = own_server(login_failures=3, login_window=3.0)
    good, bad = Expert(server, server.invite()), Expert(server, "guess")
    codes = [(await bad.fetch("GET", "/api/room")).code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert (await good.fetch("GET", "/api/room")).code == 429
    assert server.events(audit.LoginRefused)[-1].reason is audit.Login.LIMITED
    await asyncio.sleep(3.1)
    assert (await good.fetch("GET", "/api/room")).code == 200


# -- sessions ---------------------------------------------------------------------------------------------------------
@asynchronous
async def test_another_experts_session_does_not_exist(server, ada):
    mine, theirs = Expert(server, ada), Expert(server, server.invite("eve"))
    socket = await mine.open()
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/receipts"), ("GET", "/room")):
        response = await theirs.fetch(method, f"/api/kernels/{socket.session}{path}")
        assert (response.code, json.loads(response.body)["reason"]) == (404, "")
    with pytest.raises(HTTPClientError, match="404"):
        await theirs.open(socket.session)
    assert json.loads((await theirs.fetch("GET", "/api/kernels")).body) == []
    listed = json.loads((await mine.fetch("GET", "/api/kernels")).body)
    assert socket.session in [model["id"] for model in listed]


@asynchronous
async def test_a_deleted_session_is_gone_and_says_why_to_its_own_expert(server, ada):
    expert = Expert(server, ada)
    socket = await expert.open()
    assert (await expert.fetch("DELETE", f"/api/kernels/{socket.session}")).code == 204
    while await socket.read_message() is not None:
        pass
    assert (socket.close_code, socket.close_reason) == (4000, "expert")
    response = await expert.fetch("GET", f"/api/kernels/{socket.session}")
    assert (response.code, json.loads(response.body)["reason"]) == (404, "expert")


@asynchronous
async def test_the_start_request_decides_nothing(server, ada):
    body = json.dumps({"name": "bash", "env": {"LD_PRELOAD": "x"}, "path": "/etc"})
    response = await Expert(server, ada).fetch("POST", "/api/kernels", body=body)
    assert json.loads(response.body)["name"] == "cleanroom"


@asynchronous
async def test_sessions_are_limited(own_server):
    server = own_server(max_sessions_per_expert=1)
    expert = Expert(server, server.invite())
    await expert.open()
    response = await expert.fetch("POST", "/api/kernels", body="{}")
    assert (response.code, json.loads(response.body)["problem"]) == (503, "full")


@asynchronous
async def test_a_session_is_not_admitted_where_memory_is_short(own_server):
    server = own_server(memory_reserve="900000G")
    response = await Expert(server, server.invite()).fetch("POST", "/api/kernels", body="{}")
    assert (response.code, json.loads(response.body)["problem"]) == (503, "no memory")
    assert "Server.memory_reserve" in (server.state.parent / "server.log").read_text()
    assert server.events(audit.SessionStarted) == []


@asynchronous
async def test_a_room_that_does_not_open_is_for_the_owner_to_see_to(own_server):
    server = own_server(Policy={"refuse to open": True})
    response = await Expert(server, server.invite()).fetch("POST", "/api/kernels", body="{}")
    assert (response.code, json.loads(response.body)["problem"]) == (503, "room closed")
    assert b"tables are not there" not in response.body
    assert "tables are not there" in (server.state.parent / "server.log").read_text()
    eventually(lambda: server.events(audit.SessionEnded))  # written while the answer is on its way
    assert [event.reason for event in server.events(audit.SessionEnded)] == [audit.Ending.FAILED]


# -- ill-behaved clients ----------------------------------------------------------------------------------------------
@asynchronous
async def test_only_the_one_subprotocol_is_spoken(server, ada):
    expert = Expert(server, ada)
    made = await expert.open()
    for offered in ([], ["v2.kernel.websocket.jupyter.org"]):
        with pytest.raises(HTTPClientError, match="400"):
            await expert.open(made.session, subprotocols=offered)


@asynchronous
async def test_an_oversized_frame_closes_its_line_and_spares_the_session(server, ada):
    expert = Expert(server, ada)
    socket = await expert.open()
    await ask(socket, "execute_request", cell("kept = 1"))
    with contextlib.suppress(WebSocketClosedError):  # the server may hang up before it has all been sent
        await socket.write_message(bytes(EXPERT_LIMIT + 1), binary=True)
    while await socket.read_message() is not None:
        pass
    again = await expert.open(socket.session)
    heard = await ask(again, "execute_request", cell("print(kept)"))
    assert "1\n" in [m.content.get("text") for m in heard]


def test_a_cell_that_is_too_large_is_refused_before_it_is_sent(cleanroom):
    with kernel(cleanroom) as (_, client):
        result = run(client, f"x = '{'x' * EXPERT_LIMIT}'")
        assert result.reply["ename"] == "CleanRoomRefusal"
        assert run(client, "print('fine')").text == "fine\n"


@asynchronous
async def test_broken_frames_are_dropped_and_recorded(server, ada):
    socket = await Expert(server, ada).open()
    good = frame("execute_request", cell("1"))[1]
    for broken in (b"", b"x" * 100, good[:-1], pack("shell", [b"{}"] * 4), pack("shell", [b"[", b"{}", b"{}", b"{}"])):
        await socket.write_message(broken, binary=True)
    heard = await ask(socket, "execute_request", cell("print('alive')"))
    assert "alive\n" in [m.content.get("text") for m in heard]
    refused = [event for event in server.events(audit.MessageRefused) if event.session == socket.session]
    assert [event.message_type for event in refused] == ["unreadable"] * 5


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("debug_request", "control"),
        ("connect_request", "shell"),
        ("usage_request", "control"),
        ("execute_request", "control"),
        ("made_up_request", "shell"),
        ("execute_request", "iopub"),
    ],
)
@asynchronous
async def test_requests_that_are_not_listed_are_answered_and_not_passed_on(server, ada, kind, channel):
    socket = await Expert(server, ada).open()
    heard = await ask(socket, kind, cell("print('ran')"), channel)
    assert [m.content["ename"] for m in heard if m.kind.endswith("_reply")] == ["CleanRoomRefusal"]
    assert not [m for m in heard if m.kind == "stream"]


@asynchronous
async def test_a_cell_is_recorded_before_it_runs(server, ada):
    socket = await Expert(server, ada).open()
    secret = "print('recorded first')"
    await ask(socket, "execute_request", cell(secret))
    (event,) = [e for e in server.events(audit.CellExecuted) if e.session == socket.session]
    assert (event.code, event.length, event.expert) == (secret, len(secret), "ada")


# -- revoking, culling ------------------------------------------------------------------------------------------------
def endings(server):
    return {(event.expert, event.reason) for event in server.events(audit.SessionEnded)}


def test_revoking_ends_running_sessions_and_is_said(server):
    name = server.install(server.invite("mallory"), "mallory")
    with kernel(name) as (_, client):
        assert run(client, "1").status == "ok"
        server.revoke("mallory")
        result = run(client, "1+1")
        assert result.reply["ename"] == "CleanRoomAccess"
        assert "revoked" in result.reply["evalue"]
        ended = eventually(
            lambda: [
                e for e in server.events(audit.SessionEnded) if (e.expert, e.reason.value) == ("mallory", "revoked")
            ]
        )
        assert ended
        assert run(client, "1+1").reply["ename"] == "CleanRoomAccess"
    assert [e.code for e in server.events(audit.CellExecuted) if e.expert == "mallory"] == ["1"]


def test_the_end_of_an_invitation_ends_running_sessions(server):
    made = server.transact(lambda connection: auth.invite(connection, "brief", days=1.0))
    with kernel(server.install(made.token, "brief")) as (_, client):
        assert run(client, "1").status == "ok"
        past = "UPDATE invitation SET expires = '2026-01-01T00:00:00Z' WHERE name = 'brief'"
        server.transact(lambda connection: connection.exec_driver_sql(past))
        result = run(client, "1+1")
        assert result.reply["ename"] == "CleanRoomAccess"
        assert "its time has run out" in result.reply["evalue"]
        eventually(lambda: ("brief", audit.Ending.REVOKED) in endings(server))


def test_a_wrong_token_is_said_in_the_cell(server):
    with kernel(server.install("0123456789abcdef.wrong", "wrong-token")) as (_, client):
        result = run(client, "1")
        assert result.reply["ename"] == "CleanRoomAccess"
        assert "cleanroom connect" in result.reply["evalue"]
        server.install(server.invite("late"), "wrong-token")  # the expert connects again meanwhile
        eventually(lambda: run(client, "1").status == "ok")


def test_an_idle_session_is_ended_and_the_next_cell_says_so(own_server, jupyter_directories):
    server = own_server(cull_idle_timeout=1.0, cull_interval=0.1, cull_connected=True)
    with kernel(server.install(server.invite(), "idle")) as (_, client):
        run(client, "kept = 1")
        eventually(lambda: audit.Ending.IDLE in [event.reason for event in server.events(audit.SessionEnded)])
        said = run(client, "print(kept)")
        assert said.reply["ename"] == "CleanRoomSessionEnded"
        assert "idle for longer" in said.reply["evalue"]
        assert run(client, "kept = 2; print(kept)").text == "2\n"


def test_a_connected_notebook_is_not_idle_unless_the_owner_says_so(own_server, jupyter_directories):
    server = own_server(cull_idle_timeout=0.5, cull_interval=0.1)
    with kernel(server.install(server.invite(), "connected")) as (_, client):
        run(client, "kept = 1; import time; time.sleep(1.5)")
        assert run(client, "print(kept)").text == "1\n"


# -- reading on -------------------------------------------------------------------------------------------------------
@asynchronous
async def test_a_client_reads_on_from_the_number_it_knows(server, ada):
    expert = Expert(server, ada)
    socket = await expert.open(query="?since=0")
    first = await ask(socket, "execute_request", cell("print('one'); print('two')"))
    numbers = [m.metadata["cleanroom"]["number"] for m in first]
    assert numbers == list(range(1, len(first) + 1))
    again = await expert.open(socket.session, query=f"?since={numbers[2]}")
    replayed = [await again.read_message() for _ in numbers[3:]]
    assert replayed == [m.data for m in first[3:]]


@asynchronous
async def test_what_a_small_journal_lost_is_said(own_server):
    """Replies are kept when output has to go: nobody waits for them in vain."""
    server = own_server(journal_bytes=2**16)
    expert = Expert(server, server.invite())
    socket = await expert.open()
    code = "for i in range(40):\n    display({'text/plain': 'x' * 5000}, raw=True)"
    data = frame("execute_request", cell(code))[1]
    await socket.write_message(data, binary=True)
    socket.close()
    await asyncio.sleep(1.5)
    again = await expert.open(socket.session, query="?since=0&epoch=e")
    words, kinds = [], []
    while "execute_reply" not in kinds:
        received = await asyncio.wait_for(again.read_message(), 10)
        if isinstance(received, str):
            words.append(json.loads(received))
        else:
            kinds.append(Message(received).kind)
    assert sum(word.get("missed", 0) for word in words) > 10
    assert kinds.count("display_data") < 20
