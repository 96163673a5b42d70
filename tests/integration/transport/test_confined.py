"""The same transport with its processes in the sandbox: inherited sockets are all that it needs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request

import pytest
from harness import VAULT, kernel, run

from cleanroom_kernel import audit

ASSESS = """
from cleanroom_kernel.server.sandbox import selftest, uids
from cleanroom_kernel.server.sandbox.report import SandboxRefusedError
from cleanroom_kernel.server.sandbox.settings import Sandbox
try:
    print(selftest.assess(Sandbox().snapshot(), real_data=False)[0].tier.value)
except SandboxRefusedError:
    print("none")
"""


@pytest.fixture(scope="module")
def reachable():
    """Whether any tier is in reach here; a machine without Landlock and seccomp cannot run this file."""
    found = subprocess.run([sys.executable, "-c", ASSESS], capture_output=True, text=True, check=True)
    if found.stdout.strip() == "none":
        pytest.skip("no sandbox tier is in reach on this machine")


@pytest.fixture
def confined(own_server, jupyter_directories, reachable):
    """Make servers that confine, with settings of the sandbox's."""

    def make(settings, **more):
        server = own_server(Sandbox=settings, **more)
        return server, server.invite()

    return make


def test_a_confined_interpreter_does_what_a_notebook_needs(confined):
    server, token = confined({})
    with kernel(server.install(token, "confined")) as (manager, client):
        assert run(client, "import pandas as pd; print(pd.Series([1, 2]).sum())").text == "3\n"
        assert "image/png" in str(
            run(client, "%matplotlib inline\nimport matplotlib.pyplot as plt; plt.plot([1]); plt.show()").messages
        )
        run(client, VAULT)
        assert run(client, "print(ask(b'release').receipt.title)").text == "mean of age\n"
        threading.Timer(0.5, manager.interrupt_kernel).start()
        assert run(client, "import time; time.sleep(15)").reply["ename"] == "KeyboardInterrupt"
        assert run(client, "import socket; socket.socket()").reply["status"] == "error"
        (tier,) = server.events(audit.SandboxTier)
        request = urllib.request.Request(f"{server.url}/api/room", headers={"Authorization": f"token {token}"})
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["tier"] == tier.tier != "none"


def test_the_room_is_furnished_before_the_first_cell(confined):
    """The interpreter's real start-up, confined, against a vault that only says what the room is called."""
    server, token = confined({}, interpreter_startup=None)
    with kernel(server.install(token, "furnished")) as (_, client):
        assert "patients" in run(client, "print(room)").text


def test_a_cell_that_runs_too_long_is_interrupted_and_told_why(confined):
    server, token = confined({"cell_timeout": 2})
    with kernel(server.install(token, "overtime")) as (_, client):
        result = run(client, "import time; time.sleep(30)")
        assert result.reply["ename"] == "KeyboardInterrupt"
        assert "interrupted after 2 seconds" in result.text
        assert run(client, "print('still here')").text == "still here\n"
