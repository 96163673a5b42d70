"""The line breaks, or a process is killed, in the middle of a cell: nothing is lost, doubled or out of order."""

from __future__ import annotations

import os
import signal
import time

import pytest
from harness import VAULT, alive, collect, drain, eventually, kernel, run
from relay import Relay

from cleanroom_kernel import audit
from tests.integration import lives

LINES = 60
CELL = f"import sys, time\nfor i in range({LINES}):\n    print(i); sys.stdout.flush(); time.sleep(.05)\nkept = 'yes'"


@pytest.fixture
def relay(server):
    made = Relay(server.address.port)
    yield made
    made.close()


@pytest.fixture
def relayed(server, relay):
    """A kernel that reaches the shared server through the relay."""
    return server.install(server.invite("bob"), "relayed", port=relay.port)


def numbers(text):
    return [int(line) for line in text.splitlines() if line.isdigit()]


def printed_so_far(client, lines):
    """What a running cell has printed, when so many lines of it are here."""
    text = ""
    while len(numbers(text)) < lines:
        message = client.get_iopub_msg(timeout=30)
        text += message["content"]["text"] if message["msg_type"] == "stream" else ""
    return text


def test_a_cut_line_loses_nothing(relay, relayed):
    with kernel(relayed) as (_, client):
        cell = client.execute(CELL)
        time.sleep(0.8)
        relay.cut()
        time.sleep(1)
        relay.restore()
        result = collect(client, cell)
    assert result.status == "ok"
    assert numbers(result.text) == list(range(LINES))


def test_a_half_open_line_loses_nothing_in_either_direction(relay, relayed):
    """The second cell is sent into the dead line: only the server's acknowledgements tell that it never arrived."""
    with kernel(relayed) as (_, client):
        cell = client.execute(CELL)
        time.sleep(0.8)
        relay.swallow()
        second = client.execute("print('second')")
        time.sleep(1.2)
        relay.cut()
        time.sleep(0.4)
        relay.restore()
        result, after = collect(client, cell), collect(client, second)
    assert result.status == "ok"
    assert numbers(result.text) == list(range(LINES))
    assert after.text == "second\n"


def test_a_running_cell_is_told_that_the_line_is_down_and_back(relay, relayed):
    with kernel(relayed) as (_, client):
        cell = client.execute("import time; time.sleep(5); print('done')")
        time.sleep(0.5)
        relay.cut()
        time.sleep(3)
        relay.restore()
        result = collect(client, cell)
    assert "connection lost" in result.text
    assert "connection is back" in result.text
    assert result.text.rstrip().endswith("done")


def test_a_killed_proxy_finds_its_session_again(server, cleanroom):
    """Killed between two lines: what it has in hand at that moment, one message, may be lost or come twice."""
    with kernel(cleanroom) as (manager, client):
        cell = client.execute(CELL)
        heard = printed_so_far(client, lines=5)
        time.sleep(0.015)
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        time.sleep(0.3)
        manager.restart_kernel(now=True)
        result = collect(client, cell)
        assert result.status == "ok"
        assert numbers(heard + result.text) == list(range(LINES))
        drain(client)
        assert run(client, "print(kept)").text == "yes\n"


def processes(client):
    """Ids of the interpreter and the vault of a session, as they say themselves."""
    run(client, VAULT)
    text = run(client, "import os; print(os.getpid(), ask(b'pid').payload.values[0])").text
    return tuple(int(word) for word in text.split())


def test_a_dead_interpreter_is_said_in_its_cell_and_replaced(server, cleanroom):
    with kernel(cleanroom) as (_, client):
        before = len(server.events(audit.InterpreterDied))
        result = run(client, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        assert result.reply["ename"] == "CleanRoomInterpreterDied"
        assert "variables are gone" in result.reply["evalue"]
        assert [m["content"]["ename"] for m in result.of("error")] == ["CleanRoomInterpreterDied"]
        assert run(client, "print('again')").text == "again\n"
        assert server.events(audit.InterpreterDied)[before:][0].code == -signal.SIGKILL


def test_a_dead_interpreter_shows_as_restarting(cleanroom):
    with kernel(cleanroom) as (_, client):
        client.execute("import os; os._exit(1)")
        while True:
            message = client.get_iopub_msg(timeout=10)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "restarting":
                break


def test_an_interpreter_that_never_comes_up_ends_in_a_clear_word(own_server, jupyter_directories):
    server = own_server(interpreter_startup="no_such_module")
    with kernel(server.install(server.invite(), "broken")) as (_, client):
        replies = [run(client, "1").reply["ename"] for _ in range(4)]
    assert replies[-1] == "CleanRoomClosed"
    assert set(replies) <= {"CleanRoomInterpreterDied", "CleanRoomClosed", "aborted"}
    assert "no_such_module" in (server.state.parent / "server.log").read_text()


NEXT_VAULT = """
from cleanroom_kernel.interpreter.supply import Supply
supply = Supply(socket.socket(fileno=InterpreterApp.instance().settings.supply))
def renew():
    global vault
    word, line = supply.next()
    vault = line and Channel(line, Reply, limit=ANSWER_LIMIT)
    return word
"""


def test_a_dead_vault_is_recorded_and_replaced_under_the_running_cell(server, cleanroom):
    with kernel(cleanroom) as (_, client):
        interpreter, vault = processes(client)
        run(client, NEXT_VAULT)
        before = len(server.events(audit.VaultDied))
        cell = client.execute("print(renew()); kept = ask(b'release'); print(ask(b'pid').payload.values[0])")
        eventually(lambda: "renew()" in server.events(audit.CellExecuted)[-1].code)
        os.kill(vault, signal.SIGKILL)
        result = collect(client, cell)
        assert "ended by signal 9" in result.text
        assert "at_work=False" in result.text
        assert int(result.text.split()[-1]) not in (vault, interpreter)
        # what the new vault releases is the running cell's
        assert [receipt["cell"] for receipt in result.metadata["cleanroom"]["receipts"]] == [cell]
        assert run(client, "print(kept.payload.values)").text == "(1.0,)\n"
        assert len(server.events(audit.VaultDied)) == before + 1


def test_vaults_that_die_one_after_the_other_end_in_a_clear_word(own_server, jupyter_directories):
    server = own_server()
    with kernel(server.install(server.invite(), "dying")) as (manager, client):
        processes(client)
        run(client, NEXT_VAULT)
        cell = client.execute("while vault: word = renew()\nprint(vault, word.words)")
        for _ in range(5):
            lives.kill(server, "stub vault")
        result = collect(client, cell)
        assert "None The vault ended by signal 9" in result.text
        assert "could not be started again" in result.text
        refused = run(client, "1+1")
        assert refused.reply["ename"] == "CleanRoomVaultDied"
        assert "Restart the kernel" in refused.reply["evalue"]
        manager.restart_kernel(now=False)
        client.wait_for_ready(timeout=30)
        drain(client)
        assert run(client, "1+1").status == "ok"


def test_killing_the_server_leaves_no_process_and_loses_no_entry(own_server, jupyter_directories):
    server = own_server()
    name = server.install(server.invite(), "killed")
    with kernel(name) as (_, client):
        interpreter, vault = processes(client)
        cell = client.execute("import time; time.sleep(60)")
        eventually(lambda: any("sleep(60)" in event.code for event in server.events(audit.CellExecuted)))
        server.kill()
        eventually(lambda: not alive(interpreter) and not alive(vault))
        server.start()
        result = collect(client, cell)
        assert result.reply["ename"] == "CleanRoomSessionEnded"
        assert "The server was restarted" in result.reply["evalue"]
        assert run(client, "print('anew')").text == "anew\n"
    assert [event for event in server.events(audit.CellExecuted) if "sleep(60)" in event.code]


def test_a_room_that_is_away_is_said_in_the_cell(own_server, jupyter_directories):
    server = own_server()
    name = server.install(server.invite(), "away", patience=1.0)
    server.stop()
    with kernel(name) as (_, client):
        result = run(client, "1+1")
        assert result.reply["ename"] == "CleanRoomOffline"
        assert len(result.reply["traceback"]) == 1  # no traceback of ours
        server.start()
        eventually(lambda: run(client, "print('there')").text == "there\n")


def test_an_interrupt_cancels_cells_that_wait_for_the_line(relay, relayed):
    with kernel(relayed) as (manager, client):
        run(client, "1")
        relay.cut()
        time.sleep(0.5)
        cell = client.execute("print('never')")
        time.sleep(0.2)
        manager.interrupt_kernel()
        assert collect(client, cell, timeout=5).reply["ename"] == "CleanRoomOffline"
        relay.restore()
        assert run(client, "print('now')").text == "now\n"


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
def test_an_interrupt_reaches_a_cell_that_has_not_begun(cleanroom, delay):
    """The notebook is ready before its interpreter is: an interrupt must not fall between them.

    Cell and interrupt come by two sockets, where one may overtake the other: so wait until the cell is with the kernel,
    which then answers what came after it by the same socket.
    """
    with kernel(cleanroom) as (manager, client):
        cell = client.execute("import time; time.sleep(20)")
        client.kernel_info(reply=True, timeout=10)
        time.sleep(delay)
        manager.interrupt_kernel()
        assert collect(client, cell).reply["ename"] == "KeyboardInterrupt"
