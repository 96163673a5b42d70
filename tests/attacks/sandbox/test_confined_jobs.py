"""A job in the sandbox: code beside rows that tries the network, files, other processes and its own limits.

The code runs twice, unconfined as a control: an attempt that never works proves nothing.
"""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_escapes import has_landlock

from cleanroom_kernel.protocol.channel import Channel
from cleanroom_kernel.protocol.jobs import MOST_RESULT, Cell, FromJob, Job, JobLimits, Produced, Reads, Run, Scalar
from cleanroom_kernel.server.sandbox import profiles
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher
from cleanroom_kernel.server.sandbox.settings import Sandbox

pytestmark = pytest.mark.skipif(not has_landlock(), reason="no tier that these tests could use")

ATTEMPTS = """
import os, socket, subprocess, sys, ctypes

def works(attempt):
    try:
        return int(bool(attempt()))
    except (OSError, ValueError):
        return 0

def reads(path):
    with open(path, "rb") as file:
        return file.read(1)

def writes(path):
    with open(path, "wb") as file:
        return file.write(b"x")

def connects():
    with socket.create_connection(("127.0.0.1", PORT), timeout=5):
        return True

def peeks():
    iovec = type("iovec", (ctypes.Structure,), {"_fields_": [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]})
    here = ctypes.create_string_buffer(8)
    local, remote = iovec(ctypes.addressof(here), 8), iovec(ctypes.addressof(here), 8)
    libc = ctypes.CDLL(None, use_errno=True)
    # of a parent's memory nothing is known here: what counts is whether the call is let through at all
    libc.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return ctypes.get_errno() in (0, 14)

result = {
    "network": works(connects),
    "resolver": works(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "table": works(lambda: reads(SECRET)),
    "listing": works(lambda: os.listdir(os.path.dirname(SECRET))),
    "file": works(lambda: writes(FREE)),
    "temporary": works(lambda: writes("/tmp/cleanroom-job-attempt")),
    "program": works(lambda: subprocess.run([sys.executable, "-c", ""]).returncode == 0),
    "fork": works(lambda: os.waitpid(os.fork() or os._exit(0), 0)),
    "parent": works(lambda: reads(f"/proc/{os.getppid()}/maps")),
    "memory": works(peeks),
    "signal": works(lambda: os.kill(os.getppid(), 0) is None),
    "shared": works(lambda: os.memfd_create("x") > 0),
}
"""
NAMES = (
    "network", "resolver", "table", "listing", "file", "temporary", "program", "fork", "parent", "memory", "signal",
    "shared",
)  # fmt: skip


@pytest.fixture
def source(tmp_path):
    """The attempts, on a listening port and files of this test's."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "table.arrow").write_text("rows")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        constants = {"PORT": listening.getsockname()[1], "SECRET": str(data / "table.arrow"), "FREE": str(data / "new")}
        yield "".join(f"{name} = {value!r}\n" for name, value in constants.items()) + ATTEMPTS
    Path("/tmp/cleanroom-job-attempt").unlink(missing_ok=True)


def job(source):
    return Job("attempts", source, (Reads("t", ("x",)),), tuple(Scalar(name, Cell.COUNT) for name in NAMES))


def said(line, source):
    line.settimeout(120)
    channel = Channel(line, FromJob, limit=MOST_RESULT)
    channel.send(Run(job(source), JobLimits(memory=1 << 30, seconds=60.0)))
    found = channel.receive()
    assert isinstance(found, Produced), found
    return found.scalars


def unconfined(source):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-B", "-m", "cleanroom_kernel.job", "--vault-fd", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        try:
            return said(ours, source)
        finally:
            process.kill()
            process.wait()


def confined(source, tmp_path):
    (tmp_path / "state").mkdir()
    config = Sandbox().snapshot(protected=[tmp_path])
    launcher = SandboxLauncher.establish(config, tables=[tmp_path / "data"], state=tmp_path / "state", real_data=True)
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with ours, theirs, os.fdopen(reader), os.fdopen(writer):
        command = ["cleanroom_kernel.job", "--vault-fd", str(theirs.fileno())]
        process = asyncio.run(launcher.launch("job", command, fds=(theirs.fileno(),), stderr=writer))
        try:
            assert process.applied.measured.seccomp
            return said(ours, source)
        finally:
            process.close()


def test_code_beside_the_rows_reaches_nothing_else(source, tmp_path):
    assert set(confined(source, tmp_path).values()) == {0}
    control = unconfined(source)
    # a limit on the size of files holds for every job; what belongs to another user is closed to some who test this
    sure = set(NAMES) - {"file", "temporary", "parent", "memory", "signal"}
    assert {name for name in sure if control[name]} == sure


def test_a_jobs_profile_reads_no_table_and_keeps_nothing(tmp_path):
    config = Sandbox().snapshot(protected=[tmp_path])
    made, worker = profiles.job(config), profiles.worker(config)
    assert made.read == worker.read
    assert (made.state, made.scratch, made.program, made.limits["file_size"]) == ((), 0, "cell", 0)
