"""A server in a process of its own: settings as JSON in argv, its address as JSON on stdout."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import msgspec
from traitlets.config import Config

from cleanroom_kernel.server.launching import Launcher, Plain
from cleanroom_kernel.server.main import serve
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher
from cleanroom_kernel.server.sandbox.settings import Sandbox


def announce(address) -> None:
    print(msgspec.json.encode(address).decode(), flush=True)


def launcher(config: Config) -> Launcher:
    """The sandbox where a test asks for it; the stub vault's own folder stands for the tables."""
    if "Sandbox" not in config:
        return Plain()
    state = Path(config.Server.state)
    state.mkdir(mode=0o700, exist_ok=True)
    snapshot = Sandbox(config=config).snapshot(protected=(state,))
    return SandboxLauncher.establish(snapshot, tables=[Path(__file__).parent], state=state, real_data=False)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    config = Config(json.loads(sys.argv[1]))
    asyncio.run(serve(config, launcher=launcher(config), ready=announce))
