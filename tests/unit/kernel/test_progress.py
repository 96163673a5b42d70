"""What a proxy kernel remembers over its own death."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from cleanroom_kernel.kernel.progress import Progress


@pytest.fixture
def connection_file(tmp_path):
    return tmp_path / "kernel-1.json"


def test_a_new_kernel_has_no_session(connection_file):
    progress = Progress(connection_file)
    assert (progress.session, progress.delivered) == ("", 0)


def test_session_and_number_are_found_again(connection_file):
    progress = Progress(connection_file)
    progress.begin("0123456789abcdef0123456789abcdef")
    for number in (1, 2, 3):
        progress.deliver(number)
    again = Progress(connection_file)
    assert (again.session, again.delivered) == ("0123456789abcdef0123456789abcdef", 3)


def test_only_what_has_no_gap_below_counts(connection_file):
    """A reply can overtake output that still waits for its subscriber."""
    progress = Progress(connection_file)
    progress.begin("s")
    for number in (1, 3, 4):
        progress.deliver(number)
    assert Progress(connection_file).delivered == 1
    progress.deliver(2)
    assert Progress(connection_file).delivered == 4


def test_a_new_session_counts_from_the_start(connection_file):
    progress = Progress(connection_file)
    progress.begin("a")
    progress.deliver(1)
    progress.deliver(5)
    progress.begin("b")
    progress.deliver(1)
    assert (Progress(connection_file).session, Progress(connection_file).delivered) == ("b", 1)


def test_a_finished_session_leaves_no_file(connection_file, tmp_path):
    progress = Progress(connection_file)
    progress.begin("a")
    progress.forget()
    assert os.listdir(tmp_path) == []
    progress.deliver(1)


def test_the_file_is_private(connection_file, tmp_path):
    Progress(connection_file)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_survives_kill_minus_nine(connection_file):
    code = (
        "import sys, time, pathlib; from cleanroom_kernel.kernel.progress import Progress\n"
        "p = Progress(pathlib.Path(sys.argv[1])); p.begin('kept'); p.deliver(1)\n"
        "print('now', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, connection_file], stdout=subprocess.PIPE)
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    again = Progress(connection_file)
    assert (again.session, again.delivered) == ("kept", 1)
