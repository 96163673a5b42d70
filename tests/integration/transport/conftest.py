"""One server for most tests, and a Jupyter data directory that is not the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import RunningServer


@pytest.fixture(scope="session", autouse=True)
def jupyter_directories(tmp_path_factory):
    before = dict(os.environ)
    os.environ["JUPYTER_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    os.environ["JUPYTER_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = RunningServer(tmp_path_factory.mktemp("room") / "state", max_sessions_per_expert=20)
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path):
    """Make servers with settings of the test's own; those still running are stopped at its end."""
    made = []

    def make(**settings):
        made.append(RunningServer(tmp_path / f"room{len(made)}" / "state", **settings))
        return made[-1]

    (tmp_path / "room0").mkdir()
    (tmp_path / "room1").mkdir()
    yield make
    for running in made:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def cleanroom(server):
    """Name of a kernel in the shared server."""
    return server.install(server.invite())
