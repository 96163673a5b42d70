"""What notebooks do beyond the conformance suite, each on plain ipykernel and through the clean room."""

from __future__ import annotations

import threading
import time

import pytest
from harness import collect, drain, kernel, reply_to, run


@pytest.fixture(scope="module", params=["python3", "cleanroom"])
def pair(request, cleanroom):
    with kernel(request.param) as (manager, client):
        yield manager, client


@pytest.fixture
def client(pair):
    drain(pair[1])
    return pair[1]


def send(client, kind, content, channel="shell", buffers=None, **header):
    message = client.session.msg(kind, content)
    message["header"].update(header)
    sockets = {"shell": client.shell_channel, "control": client.control_channel}
    client.session.send(sockets[channel].socket, message, buffers=buffers)
    return message["header"]["msg_id"]


def first(client, kind):
    while True:
        message = client.get_iopub_msg(timeout=10)
        if message["msg_type"] == kind:
            return message


def test_an_interrupt_ends_a_cell_with_keyboardinterrupt(pair, client):
    threading.Timer(0.7, pair[0].interrupt_kernel).start()
    result = run(client, "import time; time.sleep(15)")
    assert result.reply["ename"] == "KeyboardInterrupt"


def test_input_and_getpass_ask_the_client_that_ran_the_cell(client):
    cell = client.execute("a = input('name? '); import getpass; b = getpass.getpass('pw? '); print(a + b)")
    question = client.get_stdin_msg(timeout=10)
    assert question["content"] == {"prompt": "name? ", "password": False}
    assert question["parent_header"]["msg_id"] == cell
    client.input("bob")
    assert client.get_stdin_msg(timeout=10)["content"]["password"] is True
    client.input("x")
    assert collect(client, cell).text == "bobx\n"


def test_a_display_is_updated_under_its_identity(client):
    result = run(client, "h = display('a', display_id='zz'); h.update('b')")
    assert [k for k in result.kinds() if "display" in k] == ["display_data", "update_display_data"]
    assert result.of("update_display_data")[0]["content"]["transient"] == {"display_id": "zz"}


def test_clear_output_waits_if_asked(client):
    result = run(client, "from IPython.display import clear_output; print(1); clear_output(wait=True); print(2)")
    assert [m["content"]["wait"] for m in result.of("clear_output")] == [True]


def test_a_widget_opens_and_hears_its_front_end(client):
    result = run(client, "import ipywidgets as w; s = w.IntSlider(value=3); display(s)")
    opened = result.of("comm_open")
    (slider,) = [m for m in opened if m["content"]["data"]["state"].get("_model_name") == "IntSliderModel"]
    assert slider["metadata"]["version"].startswith("2.")
    data = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    send(client, "comm_msg", {"comm_id": slider["content"]["comm_id"], "data": data})
    assert run(client, "print(s.value)").text == "42\n"


def test_binary_buffers_of_a_comm_arrive_both_ways(client):
    run(
        client,
        """
from comm import get_comm_manager
got = []
def target(comm, message):
    def heard(m):
        got.append(bytes(m['buffers'][0]))
        comm.send({'x': 1}, buffers=[b'\\x00\\xff' * 1000, b'abc'])
    comm.on_msg(heard)
get_comm_manager().register_target('t', target)""",
    )
    send(client, "comm_open", {"comm_id": "c1", "target_name": "t", "data": {}})
    send(client, "comm_msg", {"comm_id": "c1", "data": {}}, buffers=[b"\x80\x00raw"])
    assert [bytes(b) for b in first(client, "comm_msg")["buffers"]] == [b"\x00\xff" * 1000, b"abc"]
    assert "\\x80\\x00raw" in run(client, "print(got)").text


def test_comm_info_lists_open_comms(client):
    run(client, "from comm import create_comm; keep = create_comm(target_name='mine')")
    reply = reply_to(client, client.comm_info())
    assert "mine" in {comm["target_name"] for comm in reply["content"]["comms"].values()}


def test_a_subshell_runs_while_a_cell_is_busy(client):
    assert "kernel subshells" in client.kernel_info(reply=True, timeout=10)["content"]["supported_features"]
    send(client, "create_subshell_request", {}, "control")
    subshell = client.get_control_msg(timeout=10)["content"]["subshell_id"]
    drain(client)
    busy = client.execute("import time; time.sleep(3)")
    time.sleep(0.3)
    content = {"code": "print('sub')", "silent": False, "store_history": False, "user_expressions": {}}
    aside = send(client, "execute_request", {**content, "allow_stdin": False}, subshell_id=subshell)
    printed = first(client, "stream")
    assert (printed["content"]["text"].strip(), printed["parent_header"]["msg_id"]) == ("sub", aside)
    assert printed["parent_header"]["subshell_id"] == subshell
    collect(client, busy)
    send(client, "delete_subshell_request", {"subshell_id": subshell}, "control")
    assert client.get_control_msg(timeout=10)["content"]["status"] == "ok"


def test_history_of_this_session_can_be_read(client):
    run(client, "qq = 1234", store_history=True)
    asked = client.history(hist_access_type="range", raw=True, output=False, session=0, start=0, stop=100)
    assert "qq = 1234" in [line[2] for line in reply_to(client, asked)["content"]["history"]]


def test_user_expressions_and_payloads_come_with_the_reply(client):
    result = run(client, "get_ipython().set_next_input('hey')", user_expressions={"a": "1+1", "b": "1/0"})
    assert result.reply["user_expressions"]["a"]["data"]["text/plain"] == "2"
    assert result.reply["user_expressions"]["b"]["ename"] == "ZeroDivisionError"
    assert result.reply["payload"] == [{"source": "set_next_input", "text": "hey", "replace": False}]


def test_late_output_of_a_thread_belongs_to_its_cell(client):
    cell = client.execute(
        "import threading, time\ndef late():\n    time.sleep(.4); print('late')\nthreading.Thread(target=late).start()"
    )
    assert first(client, "stream")["parent_header"]["msg_id"] == cell


def test_matplotlib_draws_inline(client):
    result = run(client, "%matplotlib inline\nimport matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    assert any("image/png" in m["content"]["data"] for m in result.of("display_data"))


def test_three_thousand_flushed_prints_arrive_in_order(client):
    result = run(client, "import sys\nfor i in range(3000):\n    print(i); sys.stdout.flush()", timeout=60)
    assert result.text.split() == [str(i) for i in range(3000)]


def test_an_output_of_twenty_megabytes_arrives(client):
    result = run(client, "display({'text/plain': 'x' * 20_000_000}, raw=True)", timeout=60)
    assert [len(m["content"]["data"]["text/plain"]) for m in result.of("display_data")] == [20_000_000]


def test_a_failing_cell_aborts_those_that_wait(client):
    failing, waiting = client.execute("import time; time.sleep(.4); 1/0"), client.execute("print('no')")
    replies = {}
    while len(replies) < 2:
        reply = client.get_shell_msg(timeout=10)
        replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    assert replies == {failing: "error", waiting: "aborted"}
    assert run(client, "print('yes')").text == "yes\n"


def test_a_failing_cell_spares_the_others_if_it_says_so(client):
    client.execute("1/0", stop_on_error=False)
    assert run(client, "print('still')").text == "still\n"


def test_completion_knows_types_and_inspection_finds_docs(client):
    run(client, "def documented(a):\n    'Says what it does.'")
    reply = reply_to(client, client.complete("documen"))["content"]
    assert "documented" in reply["matches"]
    assert reply["metadata"]["_jupyter_types_experimental"][0]["type"] == "function"
    found = reply_to(client, client.inspect("documented"))["content"]
    assert "Says what it does." in found["data"]["text/plain"]


def test_a_restart_forgets_variables(pair, client):
    run(client, "zzz = 1")
    pair[0].restart_kernel(now=False)
    client.wait_for_ready(timeout=30)
    drain(client)
    assert run(client, "print('zzz' in globals())").text == "False\n"


def test_the_debugger_is_not_offered_and_not_passed_on(cleanroom):
    """Its protocol shows raw variables and is none that the server reads."""
    with kernel(cleanroom) as (_, client):
        assert "debugger" not in client.kernel_info(reply=True, timeout=10)["content"]["supported_features"]
        send(client, "debug_request", {"type": "request", "seq": 1, "command": "initialize"}, "control")
        reply = client.get_control_msg(timeout=10)
        assert (reply["msg_type"], reply["content"]["ename"]) == ("debug_reply", "CleanRoomRefusal")
