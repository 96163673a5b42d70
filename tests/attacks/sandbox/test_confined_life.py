"""Limits, death and interruption of confined processes, measured from outside."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from host import CONFIGURATIONS, found_bubblewrap
from test_escapes import usable

from cleanroom_kernel.server.sandbox import profiles
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.uids import UidPool

TARGETS = Path(__file__).parent / "targets"
MEGABYTE = 1 << 20
BOTH = pytest.mark.parametrize("tier", ["A", "B"])


@pytest.fixture
def start(request):
    """Start a target of this folder in a tier; everything started is closed at the end."""
    started = []

    def begin(tier, script, *arguments, config=None, **options):
        if not usable(tier):
            pytest.skip(f"{tier}: this machine lacks a layer")
        config = config or SandboxConfig()
        config = msgspec.structs.replace(config, extra_readonly=(str(TARGETS),))
        process = launch(
            [str(TARGETS / script), *arguments],
            profile=profiles.interpreter(config),
            layers=CONFIGURATIONS[tier](found_bubblewrap()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            uid=UidPool(*config.uid_range).take() if os.geteuid() == 0 else None,
            **options,
        )
        started.append(process)
        process.confirm(30)
        return process

    yield begin
    for process in started:
        process.close()
        process.popen.stdout.close()
        process.popen.stderr.close()


def measured(process):
    output, errors = process.popen.communicate(timeout=60)
    return msgspec.json.decode(output) if output else errors.decode()


def alive(pid):
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):  # it may end between the two looks
        return False
    return "State:\tZ" not in status


def gone_within(pid, seconds):
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# -- limits ------------------------------------------------------------------------------------------------------------
@BOTH
def test_memory_stops_at_the_limit(start, tier):
    assert measured(start(tier, "bombs.py", "memory", config=SandboxConfig(memory_limit=1024 * MEGABYTE))) < 1024


@BOTH
def test_open_files_stop_at_the_limit(start, tier):
    assert measured(start(tier, "bombs.py", "files")) < 256


def test_threads_stop_at_the_limit_where_they_are_counted_apart(start):
    assert measured(start("A", "bombs.py", "threads")) < 64


def test_where_threads_are_not_counted_apart_the_report_says_so(start):
    process = start("B", "bombs.py", "threads", config=SandboxConfig(nproc=64))
    limited = measured(process) < 64
    assert limited != any("number of threads" in word for word in process.applied.words)


def test_processor_time_ends_even_a_process_that_ignores_the_warning(start):
    process = start("B", "bombs.py", "processor", config=SandboxConfig(cpu_seconds=1))
    process.popen.communicate(timeout=60)
    assert process.popen.returncode == -signal.SIGKILL


def test_scratch_space_is_bounded_in_bubblewrap(start):
    assert 0 < measured(start("A", "bombs.py", "scratch", config=SandboxConfig(scratch=8 * MEGABYTE))) <= 8


def test_there_is_no_scratch_space_without_bubblewrap(start):
    process = start("B", "bombs.py", "scratch", config=SandboxConfig(scratch=8 * MEGABYTE))
    assert measured(process) == 0
    assert any("scratch" in word for word in process.applied.words)


@BOTH
def test_nothing_is_writable_by_default(start, tier):
    assert measured(start(tier, "bombs.py", "scratch")) == 0


# -- death -------------------------------------------------------------------------------------------------------------
@BOTH
def test_a_process_ends_with_its_server(tier, request):
    """Killed outright, so that the server can do nothing about it; with a change of user where there can be one."""
    if not usable(tier):
        pytest.skip(f"{tier}: this machine lacks a layer")
    python, identity = sys.executable, []
    if os.geteuid() == 0:
        python, identity = request.getfixturevalue("public_python"), ["200999"]
    left = Path(tempfile.mkdtemp(prefix="cleanroom-test-", dir="/var/tmp"))
    left.chmod(0o755)
    request.addfinalizer(lambda: shutil.rmtree(left))
    command = [python, str(Path(__file__).parent / "server.py"), tier, str(left), *identity]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        pid = int(server.stdout.readline())
        assert alive(pid)
        assert f"Uid:\t{(identity or [os.getuid()])[0]}" in Path(f"/proc/{pid}/status").read_text()
        server.kill()
    assert gone_within(pid, 5)


@BOTH
def test_closing_leaves_no_process(start, tier):
    process = start(tier, "waiting.py")
    process.popen.stdout.readline()
    assert alive(process.pid)
    process.close()
    assert not alive(process.pid)
    process.close()  # again, and it is no error


@BOTH
def test_a_process_outlives_the_thread_that_asked_for_it(start, tier):
    """The kernel's notion of a parent is a thread: sessions are started from pools, whose threads come and go."""
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(start, tier, "waiting.py").result()
    process.popen.stdout.readline()
    assert not gone_within(process.pid, 0.3)


# -- interruption ------------------------------------------------------------------------------------------------------
@BOTH
def test_the_server_can_interrupt_the_process_itself(start, tier):
    process = start(tier, "waiting.py")
    process.popen.stdout.readline()
    process.interrupt()
    assert process.popen.stdout.readline() == b"interrupted\n"
    assert process.popen.wait(10) == 0
