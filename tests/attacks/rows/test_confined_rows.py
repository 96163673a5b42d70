"""The parent of row-function workers in the sandbox, as the server starts it: it forks, and has nothing else."""

import asyncio
import os
import socket

import polars as pl
import pytest
from support.rowparents import waiting

from cleanroom_kernel.plan.expressions import Field, RowFunction, Value
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.rowworker.locks import available
from cleanroom_kernel.server.sandbox import profiles
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher
from cleanroom_kernel.server.sandbox.settings import Sandbox
from cleanroom_kernel.server.workers import Workers
from cleanroom_kernel.vault.rowcalls import Line, RowFunctions
from cleanroom_kernel.vault.seeds import Seeds

pytestmark = pytest.mark.skipif(set(available()) != {"landlock", "seccomp"}, reason="no locks on this machine")


class Lines:
    def __init__(self, line):
        self._line = line

    def line(self):
        return self._line

    def lose(self):
        self._line.close()

    def pause(self, seconds):
        pass


def test_it_calls_functions_in_this_machines_tier(tmp_path):
    """Through the server's own way of starting and giving it."""
    (tmp_path / "state").mkdir()
    config = Sandbox().snapshot(protected=[tmp_path])
    launcher = SandboxLauncher.establish(config, tables=[tmp_path], state=tmp_path / "state", real_data=True)

    async def called():
        workers = Workers(launcher, "rows")
        assert set(workers._options()) > {"--required", "seccomp"} or launcher.tier == "A-"
        try:
            workers.wanted()
            _, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, workers.theirs, 1, 1)
            line = await asyncio.to_thread(Line, socket.socket(fileno=descriptors[0]), waiting)
            measured = workers._worker.process.applied.measured
            functions = RowFunctions(Seeds(b"k" * 32), Lines(line), RowLimits())
            doubled = RowFunction("answer = lambda x: x * 2", (Value("x"),), DType.FLOAT)
            column = pl.Series([1.0, None, 3.0])
            answers = await asyncio.to_thread(functions.answers, doubled, [Field(DType.FLOAT)], [column])
            line.close()
            return measured, answers.to_list()
        finally:
            await workers.close()

    measured, answers = asyncio.run(called())
    assert answers == [2.0, None, 6.0]
    assert measured.seccomp
    assert measured.no_new_privs
    assert not measured.capabilities


def test_it_reads_what_a_fits_worker_reads_and_no_table(tmp_path):
    config = Sandbox().snapshot(protected=[tmp_path])
    rows, worker = profiles.rows(config), profiles.worker(config)
    assert rows.read == worker.read
    assert (rows.state, rows.scratch, rows.program) == ((), 0, "forking")
    assert os.path.realpath(tmp_path) not in rows.read
