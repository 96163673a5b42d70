"""A JupyterLab of the expert's with the extension of this source tree, and a browser that looks at it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.rooms import until

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENT = 60_000  # ms, for a machine with other work
EXTENSION = "cleanroom_kernel.kernel.labserver"


@dataclass
class Lab:
    """A running JupyterLab. `folder` holds the notebooks, `data` is its Jupyter data directory."""

    url: str
    token: str
    folder: Path
    data: Path

    def address(self, notebook: str = "") -> str:
        tree = f"/tree/{notebook}" if notebook else ""
        return f"{self.url}lab{tree}?reset&token={self.token}"

    def notebook(self, name: str, *cells: str, kernel: str = "cleanroom") -> str:
        """Write a notebook; its name."""
        made = [
            {
                "cell_type": "code",
                "id": f"cell-{i}",
                "metadata": {},
                "source": cell,
                "outputs": [],
                "execution_count": None,
            }
            for i, cell in enumerate(cells)
        ]
        spec = {"display_name": "Clean Room", "language": "python", "name": kernel}
        content = {"cells": made, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).write_text(json.dumps(content))
        return name


def announced_url(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    """The address in a starting JupyterLab's file, which is there, and empty, before it is written."""

    def announced() -> list[str]:
        return [text for path in runtime.glob("jpserver-*.json") if (text := path.read_text()).endswith("}")]

    until(lambda: process.poll() is not None or announced(), 120)
    assert process.poll() is None, log.read_text()
    (server,) = announced()
    return json.loads(server)["url"]


@contextlib.contextmanager
def lab(base: Path, data: Path) -> Iterator[Lab]:
    folder, config, runtime, extensions = (base / name for name in ("work", "config", "runtime", "extensions"))
    for directory in (folder, runtime, extensions):
        directory.mkdir(parents=True)
    (extensions / "cleanroom-kernel").symlink_to(ROOT / "cleanroom_kernel" / "labextension")
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "JUPYTER_DATA_DIR": str(data),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_TOKEN": token,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    command += [
        f"--LabApp.extra_labextensions_path={extensions}",
        f"--LabApp.workspaces_dir={base}/workspaces",
    ]
    command += ["--LabApp.expose_app_in_browser=True"]  # as `jupyterapp`, for its commands
    command += [f"--ServerApp.jpserver_extensions={ {EXTENSION: True}!r}"]
    with (base / "lab.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield Lab(announced_url(process, runtime, base / "lab.log"), token, folder, data)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()
