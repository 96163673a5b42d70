"""What must still work inside: the interpreter's kernel with the usual libraries, and a vault with its engines."""

import os
import queue
import secrets
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from host import CONFIGURATIONS, found_bubblewrap
from jupyter_client import BlockingKernelClient
from test_escapes import usable

from cleanroom_kernel.protocol.channel import frame
from cleanroom_kernel.server.sandbox import profiles
from cleanroom_kernel.server.sandbox.fonts import FontCache
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.uids import UidPool

TARGETS = Path(__file__).parent / "targets"
LIBRARIES_AT = str(Path(np.__file__).parents[1])  # below the prefix, as a rule, and granted with it
CHANNELS = ("shell", "iopub", "stdin", "control")

LIBRARIES = """
import numpy as np, pandas as pd, ssl, sqlite3, tempfile, asyncio, concurrent.futures
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
x, y = np.random.default_rng(0).normal(size=(500, 4)), np.arange(500) % 2
RandomForestClassifier(n_estimators=4, n_jobs=2).fit(x, y)
HistGradientBoostingClassifier(max_iter=3).fit(x, y)
KMeans(2, n_init=1).fit(x)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
print(pd.DataFrame(x).groupby(y).mean().shape)
"""
FIGURE = """
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2, 3]); plt.title("title"); plt.show()
"""
DENIED = """
import os, socket, subprocess
for attempt in (
    lambda: open("/etc/passwd"), lambda: open("/tmp/x", "w"), lambda: socket.socket(), os.fork,
    lambda: subprocess.run(["id"]), lambda: os.system("id") and (_ for _ in ()).throw(OSError),
):
    try:
        attempt()
    except OSError:
        continue
    print("open", attempt)
print("tried")
"""


@pytest.fixture(scope="module")
def font_cache():
    return FontCache.build()


def layers_of(tier):
    if not usable(tier):
        pytest.skip(f"{tier}: this machine lacks a layer")
    return CONFIGURATIONS[tier](found_bubblewrap())


def free_uid():
    return UidPool(*SandboxConfig().uid_range).take() if os.geteuid() == 0 else None


class Kernel:
    """The interpreter's kernel, without a room, and a client of it."""

    def __init__(self, tier, font_cache, directory, stack):
        key = secrets.token_hex(16)
        connection = {"transport": "ipc", "ip": f"{directory}/s", "key": key, "signature_scheme": "hmac-sha256"}
        listening = {}
        for port, name in enumerate(CHANNELS, 1):
            made = stack.enter_context(socket.socket(socket.AF_UNIX))
            made.bind(f"{directory}/s-{port}")
            made.listen()
            listening[name] = made.fileno()
            connection[f"{name}_port"] = port
        vault, _ = (stack.enter_context(end) for end in socket.socketpair())
        supply, _ = (stack.enter_context(end) for end in socket.socketpair())
        reader, self.lifeline = os.pipe()
        stack.callback(os.close, self.lifeline)
        settings = {"key": key, "sockets": listening, "vault": vault.fileno(), "supply": supply.fileno(), "startup": ""}
        os.write(self.lifeline, frame(msgspec.json.encode(settings)))
        self.process = launch(
            ["cleanroom_kernel.interpreter", str(reader)],
            profile=profiles.interpreter(SandboxConfig(extra_readonly=(LIBRARIES_AT,))),
            layers=layers_of(tier),
            pass_fds=(*listening.values(), vault.fileno(), supply.fileno(), reader),
            stderr=subprocess.PIPE,
            uid=free_uid(),
            font_cache=font_cache,
        )
        stack.callback(self.process.popen.stderr.close)
        stack.callback(self.process.close)
        os.close(reader)
        self.process.confirm(30)
        self.client = BlockingKernelClient()
        self.client.load_connection_info({**connection, "hb_port": 0})
        self.client.start_channels(hb=False)
        stack.callback(self.client.stop_channels)
        self.until_ready()

    def until_ready(self):
        """By requests on the shell channel, since the sockets accept before the kernel runs; until the subscription to
        outputs, which takes a moment longer, brings something."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.client.kernel_info()
            try:
                self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                assert self.process.popen.poll() is None, self.process.popen.stderr.read().decode()
            else:
                return
        raise TimeoutError

    def outputs(self, code=None, request=None):
        """(type, content) of a cell's outputs until it is idle."""
        request = request or self.client.execute(code, store_history=False)
        seen = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return seen
            seen.append((message["msg_type"], message["content"]))


@pytest.mark.parametrize("tier", ["A", "B", "A-"])
def test_the_kernel_works_with_the_usual_libraries(tier, font_cache, tmp_path):
    directory = Path(os.path.relpath(tmp_path)) if len(str(tmp_path)) > 80 else tmp_path
    with ExitStack() as stack:
        kernel = Kernel(tier, font_cache, directory, stack)
        texts = [content.get("text") for kind, content in kernel.outputs(LIBRARIES) if kind in ("stream", "error")]
        assert texts == ["(2, 4)\n"]

        figure = kernel.outputs(FIGURE)
        assert [kind for kind, _ in figure] == ["status", "execute_input", "display_data"]  # and no warning
        assert figure[-1][1]["data"]["image/png"]

        assert [content["text"] for kind, content in kernel.outputs(DENIED) if kind == "stream"] == ["tried\n"]

        request = kernel.client.execute(
            "import time; print('sleeping', flush=True); time.sleep(60)", store_history=False
        )
        while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
            continue
        kernel.process.interrupt()
        assert [content["ename"] for kind, content in kernel.outputs(request=request) if kind == "error"] == [
            "KeyboardInterrupt"
        ]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"g": rng.integers(0, 7, 20_000), "x": rng.normal(size=20_000)})
    frame.write_ipc(directory / "t.arrow")
    frame.write_parquet(directory / "t.parquet")
    frame.write_csv(directory / "t.csv")
    return directory


@pytest.mark.parametrize("tier", ["A", "B", "A-"])
def test_a_vault_works_with_its_engines_and_keeps_its_ledger(tier, tables, tmp_path):
    profile = profiles.vault(SandboxConfig(), tables=[tables, TARGETS, LIBRARIES_AT], state=tmp_path)
    process = launch(
        [str(TARGETS / "vault_work.py"), str(tables), str(tmp_path)],
        profile=profile,
        layers=layers_of(tier),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        process.confirm(30)
        output, errors = process.popen.communicate(timeout=60)
        done = msgspec.json.decode(output) if output else errors.decode()
        assert done == ["polars", "pyarrow", "scikit-learn", "sqlite", "denied", "hidden"]
        assert {path.name for path in tmp_path.iterdir()} == {"delete.sqlite", "wal.sqlite"}
    finally:
        process.close()
