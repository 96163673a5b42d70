"""Entry point of the proxy kernel: `python -m cleanroom_kernel.kernel -f CONNECTION_FILE --connection NAME`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from cleanroom_kernel.kernel.connections import DEFAULT_NAME
from cleanroom_kernel.kernel.proxy import Proxy

PATIENCE_SECONDS = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="cleanroom_kernel.kernel", description="The Clean Room proxy kernel.")
    parser.add_argument("-f", dest="connection_file", type=Path, required=True, help="Jupyter's connection file")
    parser.add_argument("--connection", default=DEFAULT_NAME, help="name of the saved connection to a room")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, help="seconds that a request waits for a room out of reach"
    )
    arguments = parser.parse_args()
    asyncio.run(run(arguments.connection_file, arguments.connection, arguments.patience))


async def run(connection_file: Path, connection: str, patience: float) -> None:
    await Proxy(connection_file, connection, patience).run()


if __name__ == "__main__":
    main()
