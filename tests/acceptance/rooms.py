"""Real rooms for tests and benchmarks: the owner's server as a process, kernels started as JupyterLab starts them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.manager import start_new_kernel

COMMAND = [sys.executable, "-m", "cleanroom_kernel.cli.main"]


@dataclass
class Room:
    """A served room. `base` is the owner's directory, `jupyter` the expert's Jupyter data directory."""

    base: Path
    jupyter: Path
    process: subprocess.Popen

    @property
    def config(self) -> Path:
        return self.base / "cleanroom_config.py"

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return cleanroom(*arguments, "--config", str(self.config), check=check)


def cleanroom(*arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run the `cleanroom` command as a user would."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=check, cwd=cwd)


def write_config(base: Path, sources: dict, **policy) -> Path:
    """`policy` are settings of the policy; a group of others goes by its name, as in Fits={"seconds": 5.0}."""
    groups = {name: policy.pop(name) for name in list(policy) if name[0].isupper()}
    lines = ["c = get_config()", f"c.Room.sources = {sources!r}", "c.Server.port = 0", "c.Server.owner_port = 0"]
    for group, settings in {"Policy": policy, **groups}.items():
        lines += [f"c.{group}.{name} = {value!r}" for name, value in settings.items()]
    path = base / "cleanroom_config.py"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


@contextlib.contextmanager
def serving(base: Path, sources: dict, **policy) -> Iterator[Room]:
    """Serve `base/schema.json` over `sources`, with one expert invited and connected."""
    config = write_config(base, sources, **policy)
    log = (base / "server.log").open("w")
    process = subprocess.Popen([*COMMAND, "serve", "--config", str(config)], stdout=log, stderr=log)
    try:
        address = base / "cleanroom-state" / "address.json"
        until(lambda: address.exists() or process.poll() is not None, 120)
        assert process.poll() is None, (base / "server.log").read_text()
        room = Room(base, base / "jupyter", process)
        invitation = room.command("invite", "ada").stdout.strip()
        environment = {**os.environ, "JUPYTER_DATA_DIR": str(room.jupyter)}
        subprocess.run([*COMMAND, "connect", invitation], check=True, env=environment, capture_output=True)
        yield room
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@dataclass
class Kernel:
    """A running kernel and the outputs of its cells."""

    manager: object
    client: object
    folder: Path

    def run(self, code: str, timeout: float = 300) -> Cell:
        """Execute one cell and wait for its reply and its idle status."""
        request = self.client.execute(code)
        cell = Cell()
        end = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            cell.add(kind, content)
        while cell.reply is None:
            message = self.client.get_shell_msg(timeout=max(0.1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                cell.reply = message
        return cell

    def value(self, code: str) -> str:
        """Text of a cell that must succeed."""
        cell = self.run(code)
        assert cell.error is None, cell.text
        return cell.text


@dataclass
class Cell:
    """What one cell gave: texts in order, MIME bundles, an error."""

    texts: list[str] = field(default_factory=list)
    bundles: list[dict] = field(default_factory=list)
    error: dict | None = None
    reply: dict | None = None

    def add(self, kind: str, content: dict) -> None:
        if kind == "stream":
            self.texts.append(content["text"])
        elif kind in ("execute_result", "display_data"):
            self.bundles.append(content["data"])
            self.texts.append(content["data"].get("text/plain", ""))
        elif kind == "error":
            self.error = content
            self.texts.append("\n".join(content["traceback"]) or f"{content['ename']}: {content['evalue']}")

    @property
    def text(self) -> str:
        return "".join(self.texts)


@contextlib.contextmanager
def kernel(name: str, folder: Path, jupyter: Path | None = None) -> Iterator[Kernel]:
    """A kernel in `folder`; with `jupyter`, the Clean Room kernel installed there."""
    with environment(JUPYTER_DATA_DIR=str(jupyter)) if jupyter else contextlib.nullcontext():
        manager, client = start_new_kernel(kernel_name=name, cwd=str(folder), startup_timeout=120)
    try:
        yield Kernel(manager, client, folder)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def until(true, seconds: float) -> None:
    """Wait for a condition that another process brings about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


__all__ = ["Cell", "Kernel", "Room", "cleanroom", "environment", "kernel", "serving", "until", "write_config"]
