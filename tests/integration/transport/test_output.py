"""What leaves: hostile code in the interpreter against the server's rebuilding, and the owner's output policy."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
from harness import VAULT, Expert, Message, ask, cell, frame, kernel, run

from cleanroom_kernel import audit

LEAKS = (
    "LEAK-header",
    "LEAK-field",
    "LEAK-metadata",
    "LEAK-type",
    "LEAK-state",
    "LEAK-buffer",
    "LEAK-parent",
    "LEAK-payload",
    "LEAK-cleanroom",
    "LEAK-receipt",
    "LEAK-nested",
    "LEAK-channel",
)

FORGERIES = """
k = get_ipython().kernel; s = k.session
def send(kind, content, parent=None, **more):
    message = s.msg(kind, content, parent=parent, **more)
    s.send(k.iopub_socket, message)
mine = dict(k.get_parent())
header = s.msg_header('status'); header['username'] = header['date'] = header['session'] = 'LEAK-header'
s.send(k.iopub_socket, s.msg('status', {'execution_state': 'busy', 'x': 'LEAK-field'}, header=header, parent=mine))
send('stream', {'name': 'stdout', 'text': 'honest'}, mine, metadata={'m': 'LEAK-metadata'})
send('my_custom_type', {'a': 'LEAK-type'})
send('cleanroom_artifact', {'name': 'LEAK-type', 'sha256': '0'}, mine)
send('status', {'execution_state': 'LEAK-state'}, mine)
send('stream', {'name': 'LEAK-state', 'text': 'x'}, mine)
s.send(k.iopub_socket, 'clear_output', {'wait': False}, buffers=[b'LEAK-buffer'])
forged = s.msg('stream', {'name': 'stdout', 'text': 'orphan'})
forged['parent_header'] = {**mine['header'], 'username': 'LEAK-parent', 'extra': 'LEAK-parent'}
s.send(k.iopub_socket, forged)
forged['parent_header'] = {'msg_id': 'LEAK-parent', 'msg_type': 'execute_request', 'session': 'LEAK-parent'}
s.send(k.iopub_socket, forged)
send('display_data', {'data': {'text/plain': 'honest'}, 'metadata': {'cleanroom': {'receipts': ['LEAK-cleanroom']}}}, mine)
send('display_data', {'data': {'text/plain': {'not': 'LEAK-nested'}}, 'metadata': {}}, mine)
send('comm_open', {'comm_id': 'x', 'target_name': 't', 'data': {}, 'y': 'LEAK-field'}, mine, metadata={'version': 'LEAK-metadata'})
send('execute_reply', {'status': 'ok', 'x': 'LEAK-channel'}, mine)
get_ipython().payload_manager.write_payload({'source': 'page', 'data': {'text/plain': 'honest'}, 'start': 0, 'z': 'LEAK-payload'})
import json, types
original = s.send
def spiked(stream, message, *a, **kw):
    if isinstance(message, str) and message == 'execute_reply':
        kw['metadata'] = {'cleanroom': {'receipts': ['LEAK-receipt']}}
    return original(stream, message, *a, **kw)
s.send = spiked
"""  # noqa: E501


def forge(server):
    """All that reaches the expert of a cell that forges what it can."""

    async def heard():
        socket = await Expert(server, server.invite("forger")).open()
        identity, data = frame("execute_request", cell(FORGERIES))
        await socket.write_message(data, binary=True)
        frames = []
        while True:
            try:
                received = await asyncio.wait_for(socket.read_message(), 2)
            except TimeoutError:
                return socket.session, identity, [Message(data) for data in frames]
            frames.append(received)

    return asyncio.run(heard())


@pytest.fixture(scope="module")
def forged(server):
    return forge(server)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_forged_message_brings_nothing_out(forged, leak):
    _, _, messages = forged
    assert leak in FORGERIES
    carriers = [m.kind for m in messages if m.kind != "execute_input" and leak.encode() in m.data]
    assert carriers == []


def test_the_forgers_honest_messages_still_arrive(forged):
    """The messages around the forgeries did reach the server, so that the test above tests something."""
    _, identity, messages = forged
    texts = [m.content.get("text") for m in messages if m.kind == "stream"]
    assert {"honest", "orphan"} <= set(texts)
    replies = [m for m in messages if m.kind == "execute_reply" and m.parent["msg_id"] == identity]
    assert [m.content["status"] for m in replies] == ["ok"]
    assert replies[0].metadata["cleanroom"]["receipts"] == []
    assert replies[0].content["payload"][0]["data"] == {"text/plain": "honest"}


def test_a_parent_that_was_never_asked_is_no_parent(forged):
    _, identity, messages = forged
    parents = [m.parent for m in messages if m.content.get("text") == "orphan"]
    assert [parent.get("msg_id") for parent in parents] == [identity, None]


def test_what_was_dropped_is_in_the_audit_log(forged, server):
    session = forged[0]
    dropped = {(event.why, event.what) for event in server.events(audit.OutputDropped) if event.session == session}
    assert (audit.Drop.MESSAGE_TYPE, "my_custom_type") in dropped
    assert (audit.Drop.MALFORMED, "status") in dropped
    assert (audit.Drop.BUFFERS, "clear_output") in dropped


# -- the owner's output policy ----------------------------------------------------------------------------------------
@pytest.fixture
def strict(own_server, jupyter_directories):
    return own_server(
        OutputPolicy={
            "mime_types": ["text/plain", "image/*"],
            "message_types": [
                "status",
                "execute_input",
                "stream",
                "display_data",
                "execute_result",
                "error",
                "execute_reply",
            ],
            "max_message_bytes": 50_000,
            "max_cell_bytes": 200_000,
            "max_cell_messages": 500,
        }
    )


def test_the_owners_output_policy_holds_and_is_said_in_the_cell(strict):
    name = strict.install(strict.invite(), "strict")
    with kernel(name) as (_, client):
        table = run(client, "display({'text/html': '<b>x</b>', 'text/plain': 'x'}, raw=True)")
        assert table.of("display_data")[0]["content"]["data"] == {"text/plain": "x"}
        assert table.text == "[clean room: output of type text/html dropped by the owner's policy]\n"

        only = run(client, "for _ in range(3): display({'application/x': 'x'}, raw=True)")
        assert only.of("display_data") == []
        assert only.text == "[clean room: output of type application/x dropped by the owner's policy]\n"

        large = run(client, "print('y' * 60_000)")
        assert large.text == "[clean room: output truncated: stream beyond the owner's size limit]\n"

        huge = run(client, "import sys\nfor _ in range(10): print('z' * 40_000); sys.stdout.flush()")
        assert huge.text.count("z") in range(160_000, 200_001)
        assert huge.text.count("[clean room: output truncated") == 1

        many = run(client, "import sys\nfor i in range(600): print(i); sys.stdout.flush()")
        assert "more messages than the owner's limit" in many.text
        assert "450\n" in many.text  # a flush can split a line in two
        assert "\n501\n" not in many.text

        asked = run(client, "try: input('?')\nexcept KeyboardInterrupt: print('interrupted')")
        assert "interrupted" in asked.text

        client.complete("pri")
        assert client.get_shell_msg(timeout=10)["content"]["ename"] == "CleanRoomRefusal"
    counted = {(e.why.value, e.what): e.count for e in strict.events(audit.OutputDropped)}
    assert counted["MIME type", "application/x"] == 3
    assert counted["size", "stream"] == 1


def test_an_enormous_output_costs_the_server_no_memory(strict):
    """It is drained where it arrives, not stored."""
    with kernel(strict.install(strict.invite(), "enormous")) as (_, client):
        before = peak(strict.process.pid)
        result = run(client, "print('x' * 150_000_000)", timeout=60)
        assert "output truncated" in result.text
        assert peak(strict.process.pid) - before < 50 * 2**20


def peak(pid):
    with open(f"/proc/{pid}/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_message_of_endless_parts_ends_its_interpreter_not_the_server(server, cleanroom):
    """libzmq would store them all before anybody could count."""
    with kernel(cleanroom) as (_, client):
        result = run(
            client,
            "import time\nk = get_ipython().kernel\nk.iopub_socket.send_multipart([b'x'] * 5000)\ntime.sleep(20)",
        )
        assert result.reply["ename"] == "CleanRoomInterpreterDied"
        assert run(client, "print('anew')").text == "anew\n"


# -- receipts and artifacts -------------------------------------------------------------------------------------------
def test_receipts_come_with_the_reply_of_their_cell_and_can_be_listed(server):
    async def scenario():
        expert = Expert(server, server.invite("ada"))
        socket = await expert.open()
        await ask(socket, "execute_request", cell(VAULT))
        one = await ask(socket, "execute_request", cell("ask(b'release'); ask(b'withhold'); ask(b'release')"))
        none = await ask(socket, "execute_request", cell("1+1"))
        listed = await expert.fetch("GET", f"/api/kernels/{socket.session}/receipts")
        return one, none, listed.body

    one, none, listed = asyncio.run(scenario())
    reply = next(m for m in one if m.kind == "execute_reply")
    found = reply.metadata["cleanroom"]
    assert [receipt["number"] for receipt in found["receipts"]] == [1, 2]
    assert {receipt["cell"] for receipt in found["receipts"]} == {reply.parent["msg_id"]}
    assert [denied["kind"] for denied in found["denied"]] == ["withheld"]
    assert next(m for m in none if m.kind == "execute_reply").metadata["cleanroom"]["receipts"] == []
    assert listed.count(b'"mean of age"') == 2


def test_the_room_is_described_by_the_vault_and_the_session_names_its_expert(server):
    async def scenario():
        expert = Expert(server, server.invite("ada"))
        socket = await expert.open()
        session = f"/api/kernels/{socket.session}"
        return (await expert.fetch("GET", f"{session}/room")).body, (await expert.fetch("GET", session)).body

    room, session = map(json.loads, asyncio.run(scenario()))
    assert [column["name"] for column in room["schema"]["tables"][0]["columns"]] == ["patient", "age"]
    assert (room["preset"], room["units"]) == ("standard", {"patients": "100-999"})
    assert session["expert"] == "ada"


def test_receipts_belong_to_the_cell_that_ran_although_all_cells_were_sent_at_once(server):
    async def scenario():
        socket = await Expert(server, server.invite("ada")).open()
        await ask(socket, "execute_request", cell(VAULT))
        sent = [frame("execute_request", cell("import time; time.sleep(.1); ask(b'release'); 1")) for _ in range(4)]
        for _, data in sent:
            await socket.write_message(data, binary=True)
        replies = {}
        while len(replies) < 4:
            message = Message(await asyncio.wait_for(socket.read_message(), 10))
            if message.kind == "execute_reply":
                replies[message.parent["msg_id"]] = message.metadata["cleanroom"]["receipts"]
        return [identity for identity, _ in sent], replies

    sent, replies = asyncio.run(scenario())
    assert {identity: [r["cell"] for r in replies[identity]] for identity in sent} == {i: [i] for i in sent}


def test_a_released_file_lands_in_the_notebooks_folder(server, cleanroom, tmp_path):
    (tmp_path / "taken.skops").write_bytes(b"the expert's own")
    with kernel(cleanroom, cwd=str(tmp_path)) as (_, client):
        run(client, VAULT)
        saved = run(client, "export(b'model', 'm.skops'); None")
        (shown,) = saved.of("display_data")
        assert shown["content"]["data"]["text/plain"] == f"Saved to {tmp_path / 'm.skops'}."
        assert "# Report" in shown["content"]["data"]["text/markdown"]
        assert (tmp_path / "m.skops").read_bytes() == b"model"
        run(client, "export(b'better model', 'm.skops'); None")
        assert (tmp_path / "m.skops").read_bytes() == b"better model"
        aside = run(client, "export(b'model', 'taken.skops'); None")
        assert "taken-2.skops" in aside.of("display_data")[0]["content"]["data"]["text/plain"]
    assert (tmp_path / "taken.skops").read_bytes() == b"the expert's own"
    delivered = server.events(audit.Delivered)[-1]
    assert (delivered.name, delivered.sha256) == ("taken.skops", hashlib.sha256(b"model").hexdigest())
