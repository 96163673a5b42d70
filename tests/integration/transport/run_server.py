"""A server in a process of its own: settings as JSON in argv, its address as JSON on stdout."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import msgspec
from traitlets.config import Config

from cleanroom_kernel.server.main import serve


def announce(address) -> None:
    print(msgspec.json.encode(address).decode(), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(serve(Config(json.loads(sys.argv[1])), ready=announce))
