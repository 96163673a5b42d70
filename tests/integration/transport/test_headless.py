"""Clients other than a notebook in a browser: nbclient, and jupyter_server's own kernel manager."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import nbformat
import pytest
from harness import eventually, kernel, run
from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.multikernelmanager import AsyncMultiKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cleanroom_kernel.kernel.progress import Progress


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])


def test_nbclient_executes_a_notebook(cleanroom):
    executed = NotebookClient(notebook("x = 20", "print(x + 1)", "x + 2"), kernel_name=cleanroom, timeout=30).execute()
    assert executed.cells[1].outputs[0].text == "21\n"
    assert executed.cells[2].outputs[0].data["text/plain"] == "22"
    assert executed.metadata.language_info["name"] == "python"


def test_nbclient_stops_at_an_error_and_names_it(cleanroom):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(notebook("1/0", "print('no')"), kernel_name=cleanroom, timeout=30).execute()


def test_nbclient_names_a_dead_interpreter(cleanroom):
    with pytest.raises(CellExecutionError, match="CleanRoomInterpreterDied"):
        NotebookClient(notebook("import os; os._exit(1)"), kernel_name=cleanroom, timeout=30).execute()


@pytest.mark.parametrize("unnoted", [0, 2], ids=["all noted", "two messages handed over and not yet noted"])
def test_a_crashed_proxy_is_restarted_by_jupyter_and_keeps_its_variables(cleanroom, unnoted):
    """As JupyterLab's server does it: its restarter sees the process gone and starts it again. What the process had
    handed over but not noted is delivered again, which must not look like a replayed signature."""

    async def scenario():
        kernels = AsyncMultiKernelManager(kernel_manager_class="jupyter_client.ioloop.AsyncIOLoopKernelManager")
        identity = await kernels.start_kernel(kernel_name=cleanroom)
        manager = kernels.get_kernel(identity)
        assert isinstance(manager, AsyncIOLoopKernelManager)
        manager.autorestart = True
        manager.start_restarter()
        client = manager.blocking_client()
        client.start_channels()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, client.wait_for_ready, 30)
        assert (await loop.run_in_executor(None, run, client, "kept = 'kept'")).status == "ok"
        first = manager.provisioner.pid
        os.kill(first, signal.SIGKILL)
        forget_last(manager.connection_file, unnoted)
        await loop.run_in_executor(None, eventually, lambda: manager.provisioner.pid not in (None, first))
        await loop.run_in_executor(None, client.wait_for_ready, 30)
        result = await loop.run_in_executor(None, run, client, "print(kept)")
        client.stop_channels()
        await kernels.shutdown_all()
        return result.text

    assert asyncio.run(scenario()) == "kept\n"


def forget_last(connection_file, messages):
    noted = Progress(Path(connection_file))
    session, delivered = noted.session, noted.delivered
    noted.begin(session)
    for number in range(1, delivered - messages + 1):
        noted.deliver(number)


def test_a_new_notebook_hears_of_its_own_cells_only(cleanroom):
    """The interpreter comes up after the notebook is ready, and says nothing about it."""
    with kernel(cleanroom) as (_, client):
        cell = client.execute("1+1")
        heard = []
        while not heard or heard[-1]["content"].get("execution_state") != "idle":
            heard.append(client.get_iopub_msg(timeout=10))
        assert {message["parent_header"].get("msg_id") for message in heard} == {cell}
