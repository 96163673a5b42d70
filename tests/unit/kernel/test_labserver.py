"""The extension's part in a real Jupyter server, with a stand-in for the room."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fake_room import SESSION, TOKEN, FakeRoom

from cleanroom_kernel.kernel import connections
from cleanroom_kernel.kernel.progress import Progress

EXTENSION = {"cleanroom_kernel.kernel.labserver": True}
NOBODY = "00000000-0000-0000-0000-000000000000"
WAITING = "import time; time.sleep(600)"  # a kernel that is running and no more


class Jupyter:
    """A Jupyter server with our extension. Every answer's text is kept."""

    def __init__(self, base: Path, environment: dict[str, str]) -> None:
        self.base, self.token, self.heard = base, secrets.token_hex(16), []
        runtime = base / "runtime"
        runtime.mkdir()
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"]
        command += [f"--ServerApp.jpserver_extensions={EXTENSION!r}", f"--ServerApp.root_dir={base}"]
        variables = {"JUPYTER_TOKEN": self.token, "JUPYTER_RUNTIME_DIR": str(runtime)}
        self.log = (base / "jupyter.log").open("w")
        self.process = subprocess.Popen(
            command, env={**environment, **variables}, stdout=self.log, stderr=self.log, cwd=base
        )
        while not list(runtime.glob("jpserver-*.json")):
            assert self.process.poll() is None, (base / "jupyter.log").read_text()
            time.sleep(0.05)
        (server,) = runtime.glob("jpserver-*.json")
        self.url = json.loads(server.read_text())["url"]

    def ask(self, path: str, body: object = None, token: str | None = None) -> tuple[int, object]:
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", f"token {self.token if token is None else token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            status, text = refused.code, refused.read().decode()
        self.heard.append(text)
        return status, text if text.startswith("<") else json.loads(text)

    def start(self, spec: str) -> str:
        status, kernel = self.ask("api/kernels", {"name": spec})
        assert status == 201, kernel
        return kernel["id"]

    def give_session(self, kernel: str, session: str) -> None:
        """As the proxy kernel does when its session is there."""
        Progress(self.base / "runtime" / f"kernel-{kernel}.json").begin(session)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def write_spec(data: Path, name: str, *arguments: str) -> None:
    folder = data / "kernels" / name
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-c", WAITING, *arguments, "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("jupyter")


@pytest.fixture(scope="module")
def jupyter(base):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("data", "config"):
            patch.setenv(f"JUPYTER_{name.upper()}_DIR", str(base / name))
        write_spec(base / "data", "plain")
        write_spec(base / "data", "ours", "-m", "cleanroom_kernel.kernel", "--connection", "ours")
        write_spec(base / "data", "unconnected", "-m", "cleanroom_kernel.kernel", "--connection", "nowhere")
        server = Jupyter(base, dict(os.environ))
        yield server
        server.close()


@pytest.fixture
def room():
    fake = FakeRoom()
    yield fake
    fake.close()


@pytest.fixture
def kernel(jupyter, room):
    """A running kernel of ours whose connection is to `room`."""
    connections.save(connections.parse(room.invitation()), "ours")
    return jupyter.start("ours")


@pytest.mark.parametrize(
    "path", ["connections", f"kernels/{NOBODY}", f"kernels/{NOBODY}/receipts", f"kernels/{NOBODY}/room"]
)
def test_nobody_is_answered_without_login(jupyter, path):
    assert jupyter.ask(f"cleanroom/{path}", token="")[0] == 403
    assert jupyter.ask("cleanroom/connections", {"invitation": "x"}, token="wrong")[0] == 403


def test_a_pasted_invitation_is_checked_saved_and_offered_as_a_kernel(jupyter, room):
    status, saved = jupyter.ask("cleanroom/connections", {"invitation": room.invitation("clinic"), "name": "pasted"})
    address = f"127.0.0.1:{room.port}"
    assert (status, saved) == (201, {"name": "pasted", "room": "clinic", "address": address, "tls": False})
    assert saved in jupyter.ask("cleanroom/connections")[1]
    assert "pasted" in jupyter.ask("api/kernelspecs")[1]["kernelspecs"]
    assert room.asked == [("/api/room", TOKEN)]


@pytest.mark.parametrize(
    ("invitation", "said"),
    [("hello", "begins with cleanroom://"), ("x" * 5000, "too long"), ("cleanroom+plain://127.0.0.1:9/r#t", "answer")],
)
def test_an_invitation_that_cannot_be_used_says_why(jupyter, invitation, said):
    status, failure = jupyter.ask("cleanroom/connections", {"invitation": invitation, "name": "broken"})
    assert status == 422
    assert said in failure["message"]
    assert connections.load("broken") is None


def test_what_is_no_invitation_is_not_looked_at(jupyter):
    assert jupyter.ask("cleanroom/connections", {"prefix": "/", "invitation": "x"})[0] == 400
    assert jupyter.ask("cleanroom/connections", ["x"])[0] == 400


def test_a_kernel_tells_its_room_and_its_session(jupyter, room, kernel):
    state = jupyter.ask(f"cleanroom/kernels/{kernel}")[1]
    assert state["connection"] == {
        "name": "ours",
        "room": "ward",
        "address": f"127.0.0.1:{room.port}",
        "tls": False,
    }
    assert (state["tier"], state["session"], state["problem"]) == ("A", None, None)
    jupyter.give_session(kernel, SESSION)
    state = jupyter.ask(f"cleanroom/kernels/{kernel}")[1]
    assert state["session"] == {
        "id": SESSION,
        "tier": "A",
        "execution_state": "idle",
        "receipts": 1,
        "expert": "ada",
    }


def test_receipts_come_as_the_room_sends_them_and_an_unknown_answer_is_null(jupyter, room, kernel):
    jupyter.give_session(kernel, SESSION)
    room.answers[f"/api/kernels/{SESSION}/receipts"] = [{"number": 7, "title": "mean of age"}]
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/receipts") == (200, [{"number": 7, "title": "mean of age"}])
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/room") == (200, None)


def test_only_three_questions_reach_the_room_and_only_about_the_kernels_own_session(jupyter, room, kernel):
    jupyter.give_session(kernel, "../../owner/api/sessions")
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/receipts")[0] == 502
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/channels")[0] == 404
    assert jupyter.ask(f"cleanroom/kernels/{kernel}")[1]["session"] is None
    assert {path for path, _ in room.asked} == {"/api/room"}


def test_a_token_that_was_turned_away_is_not_tried_again(jupyter, room, kernel):
    """Each try would count as a failed login, and soon everybody at this address would be kept out."""
    room.tokens.clear()
    for _ in range(3):
        assert jupyter.ask(f"cleanroom/kernels/{kernel}")[1]["problem"]["problem"] == "unknown token"
    assert len(room.asked) == 1
    room.tokens.add("id.newer")
    connections.save(connections.parse(room.invitation(token="id.newer")), "ours")
    assert jupyter.ask(f"cleanroom/kernels/{kernel}")[1]["problem"] is None


def test_a_room_out_of_reach_is_a_problem_in_words(jupyter, room, kernel):
    room.close()
    problem = jupyter.ask(f"cleanroom/kernels/{kernel}")[1]["problem"]
    assert problem["problem"] == "offline"
    assert "does not answer" in problem["message"]


def test_a_kernel_without_a_saved_connection_says_so(jupyter):
    state = jupyter.ask(f"cleanroom/kernels/{jupyter.start('unconnected')}")[1]
    assert state["problem"]["problem"] == "not connected"


def test_other_kernels_are_left_alone(jupyter):
    assert jupyter.ask(f"cleanroom/kernels/{jupyter.start('plain')}")[1]["connection"] is None
    assert jupyter.ask(f"cleanroom/kernels/{NOBODY}")[0] == 404


def test_an_experts_requests_and_budget_come_as_the_room_sends_them(jupyter, room, kernel):
    jupyter.give_session(kernel, SESSION)
    room.answers["/api/requests"] = [{"number": 1}]
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/requests") == (200, [{"number": 1}])
    room.answers["/api/budget"] = {"denials": 3, "suppressed_cells": 1, "days": 30}
    assert jupyter.ask(f"cleanroom/kernels/{kernel}/budget")[1]["denials"] == 3


# -- the owner's half -------------------------------------------------------------------------------------------------
def owner_line(room, token=TOKEN, host="127.0.0.1"):
    return f"cleanroom+owner://{host}:{room.port}/ward#{token}"


def test_an_owners_line_is_checked_and_kept_and_its_requests_are_passed_on(jupyter, room):
    assert jupyter.ask("cleanroom/owner") == (200, {"room": "", "address": ""})
    assert jupyter.ask("cleanroom/owner/room")[0] == 409
    room.answers["/owner/api/room"] = {"room": "ward"}
    room.answers["/owner/api/ledger?since=3"] = {"entries": []}
    assert jupyter.ask("cleanroom/owner", {"invitation": owner_line(room, "id.wrong")})[0] == 422
    status, kept = jupyter.ask("cleanroom/owner", {"invitation": owner_line(room)})
    assert (status, kept) == (201, {"room": "ward", "address": f"127.0.0.1:{room.port}"})
    assert jupyter.ask("cleanroom/owner/ledger?since=3") == (200, {"entries": []})
    assert room.asked[-1] == ("/owner/api/ledger?since=3", TOKEN)
    assert (jupyter.base / "data" / "cleanroom" / "owner.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [("hello", "begins with"), ("cleanroom+owner://example.org:1/ward#t", "127.0.0.1"),
     ("cleanroom+owner://127.0.0.1:9/ward#t", "does not answer"), ("cleanroom+owner://127.0.0.1:x/ward#t", "no line")],
)  # fmt: skip
def test_an_owners_line_that_cannot_be_used_says_why(jupyter, line, said):
    status, failure = jupyter.ask("cleanroom/owner", {"invitation": line})
    assert status == 422
    assert said in failure["message"]


def test_what_is_passed_on_is_a_closed_list(jupyter, room):
    room.answers["/owner/api/room"] = {"room": "ward"}
    jupyter.ask("cleanroom/owner", {"invitation": owner_line(room)})
    asked = len(room.asked)
    for path in ("audit", "sessions/../audit", "requests/x", f"sessions/{SESSION}/kill", "experts/remove"):
        assert jupyter.ask(f"cleanroom/owner/{path}")[0] == 404
    assert jupyter.ask("cleanroom/owner/room", {})[0] == 404  # a POST
    assert jupyter.ask("cleanroom/owner/room", token="")[0] == 403
    assert len(room.asked) == asked


def test_an_owner_whom_the_room_no_longer_knows_stays_logged_in_here(jupyter, room):
    room.answers["/owner/api/room"] = {"room": "ward"}
    jupyter.ask("cleanroom/owner", {"invitation": owner_line(room)})
    room.tokens.clear()
    status, failure = jupyter.ask("cleanroom/owner/room")
    assert (status, "Paste a new line" in failure["message"]) == (409, True)


def test_no_token_reached_the_browser(jupyter, room, kernel):
    jupyter.ask("cleanroom/connections")
    jupyter.ask(f"cleanroom/kernels/{kernel}")
    assert len(jupyter.heard) > 2
    assert not any("secret" in text or TOKEN in text for text in jupyter.heard)
