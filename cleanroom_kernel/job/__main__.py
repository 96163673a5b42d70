"""The process that runs one job: code that an expert wrote and an owner read, beside the rows that it was given.

It is started by the server for one run, confined more than a vault (no file but programs and libraries, nothing to
write, no socket but its line), and killed when the run is over or its time is up.

Promise: it holds the named columns of one job and nothing else of the room. What the code prints goes nowhere. Once the
code runs, the process is the expert's: nothing that it says is believed.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Sequence

import pandas as pd
import pyarrow.ipc

from cleanroom_kernel.job.running import broken, run
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, Channel, ChannelClosed
from cleanroom_kernel.protocol.jobs import FromJob, JobLimits, Piece, Run, ToJob

_LIBRARIES = 2 << 30  # addresses for what the code imports


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cleanroom_kernel.job")
    parser.add_argument("--vault-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    os.umask(0o077)
    _silence()
    line: Channel[ToJob] = Channel(socket.socket(fileno=options.vault_fd), ToJob, limit=ANSWER_LIMIT)
    try:
        order, tables = _order(line)
        _limit(order.limits)
        line.send(_outcome(order, tables))
    except (ChannelClosed, OSError):
        return 1
    while True:  # until it is killed, as every run ends
        signal.pause()


def _silence() -> None:
    """Nothing that the code prints is kept, and it has no descriptor on which anybody would hear it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    warnings.simplefilter("ignore")


def _order(line: Channel[ToJob]) -> tuple[Run, dict[str, io.BytesIO]]:
    tables: dict[str, io.BytesIO] = {}
    while isinstance(message := line.receive(), Piece):
        tables.setdefault(message.table, io.BytesIO()).write(message.content)
    return message, tables


def _outcome(order: Run, tables: dict[str, io.BytesIO]) -> FromJob:
    try:
        return run(order.job, {name: _frame(content) for name, content in tables.items()})
    except BaseException as error:  # noqa: BLE001 - whatever it is, its message stays here
        return broken(error)


def _frame(content: io.BytesIO) -> pd.DataFrame:
    content.seek(0)
    frame: pd.DataFrame = pyarrow.ipc.open_stream(content).read_all().to_pandas()
    return frame


def _limit(limits: JobLimits) -> None:
    """Hard ones, which the code cannot raise. The time by the clock is the vault's to watch. Memory is counted as the
    process's own data; what is shared with nobody and counted nowhere is bounded by its addresses.
    """
    with open("/proc/self/statm") as statistics:
        mapped = int(statistics.read().split()[0]) * resource.getpagesize()
    processor = math.ceil(limits.seconds) * (os.cpu_count() or 1) + 1
    for which, most in (
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_AS, mapped + limits.memory + _LIBRARIES),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (least, least))


if __name__ == "__main__":
    sys.exit(main())
