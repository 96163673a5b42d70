"""The sandbox as a session uses it: confirmed processes, ids of their own, nothing left of a start given up."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from test_escapes import has_landlock

from cleanroom_kernel.server.sandbox import profiles, provider
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.process import LaunchError
from cleanroom_kernel.server.sandbox.profiles import GrantError
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher
from cleanroom_kernel.server.sandbox.settings import Sandbox

pytestmark = pytest.mark.skipif(not has_landlock(), reason="no tier that these tests could use")

TARGETS = Path(__file__).parent / "targets"
ROLES = ("vault", "interpreter", "worker", "rows")
WAITING = [str(TARGETS / "waiting.py")]


def establish(tmp_path):
    (tmp_path / "state").mkdir(exist_ok=True)
    config = Sandbox(extra_readonly=[str(TARGETS)]).snapshot(protected=[tmp_path])
    return SandboxLauncher.establish(config, tables=[TARGETS], state=tmp_path / "state", real_data=True)


@pytest.fixture
def output():
    reader, writer = os.pipe()
    yield writer
    for end in (reader, writer):
        os.close(end)


def test_all_roles_are_handed_over_confirmed(tmp_path, output):
    launcher = establish(tmp_path)

    async def start():
        return await asyncio.gather(*(launcher.launch(role, WAITING, fds=(), stderr=output) for role in ROLES))

    processes = asyncio.run(start())
    try:
        assert [process.applied.profile for process in processes] == list(ROLES)
        assert all(process.applied.measured.seccomp for process in processes)
        assert launcher.tier in ("A", "B")
        assert "seccomp" in launcher.layers
    finally:
        for process in processes:
            process.close()


def test_a_worker_reads_no_table_and_keeps_nothing(tmp_path):
    config = Sandbox().snapshot(protected=[tmp_path])
    worker, vault = profiles.worker(config), profiles.vault(config, tables=[TARGETS], state=tmp_path)
    assert set(vault.read) - set(worker.read) == {os.path.realpath(TARGETS)}
    assert (worker.state, worker.scratch, worker.program) == ((), 0, "cell")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give sessions users of their own")
def test_every_interpreter_has_a_user_of_its_own_and_gives_it_back(tmp_path, output):
    launcher = establish(tmp_path)
    if launcher.assessment.applied.measured.uid == 0:
        pytest.skip("this Python cannot be read by another user in this tier")

    async def start(count):
        return await asyncio.gather(
            *(launcher.launch("interpreter", WAITING, fds=(), stderr=output) for _ in range(count))
        )

    first = asyncio.run(start(3))
    taken = {process.applied.measured.uid for process in first}
    for process in first:
        process.close()
    assert len(taken) == 3
    (again,) = asyncio.run(start(1))
    again.close()
    assert again.applied.measured.uid in taken


def test_a_start_that_nobody_waits_for_any_more_leaves_no_process(tmp_path, output, monkeypatch):
    """Even when the event loop that asked is gone by the time it is up."""
    launcher = establish(tmp_path)
    started = []
    monkeypatch.setattr(provider, "launch", lambda *a, **k: started.append(launch(*a, **k)) or started[-1])

    async def give_up():
        starting = asyncio.create_task(launcher.launch("interpreter", WAITING, fds=(), stderr=output))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(give_up())
    deadline = time.monotonic() + 30
    while not started or started[0].popen.poll() is None:
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.01)
    assert started[0].applied  # it had come up


def test_a_start_that_fails_is_an_error_of_the_operating_system(tmp_path, output):
    """As a session expects of any way of starting a process."""
    launcher = establish(tmp_path)
    (tmp_path / "state").rmdir()

    async def start():
        await launcher.launch("vault", WAITING, fds=(), stderr=output)

    with pytest.raises((LaunchError, FileNotFoundError)) as failure:
        asyncio.run(start())
    assert isinstance(failure.value, OSError)


def test_data_where_every_interpreter_reads_is_a_fault_of_the_settings(tmp_path):
    config = Sandbox().snapshot(protected=["/usr/share/cleanroom-hospital"])
    with pytest.raises(GrantError, match="move it elsewhere"):
        SandboxLauncher.establish(config, tables=[], state=tmp_path, real_data=True)
