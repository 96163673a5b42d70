"""The vault's two processes: `session` answers one interpreter, `prepare` lays out a room's tables.

Promise: whatever libraries or the runtime print (warnings, panics) goes nowhere, because it may quote a value; what
reaches standard error is our own words. No other process of the same user can read this one's memory.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec
import numpy as np

from cleanroom_kernel.vault.failures import FAILURES, described

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    _close_memory()
    os.umask(0o077)
    log, output = _silence()
    if options.command == "prepare":
        return _prepare(log, output)
    return _session(options, log)


def _session(options: argparse.Namespace, log: Callable[[str], None]) -> int:
    from cleanroom_kernel.vault.session import serve  # imports warn, too, so they come after the silence

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the interpreter; we end when our lines do
    try:
        serve(socket.socket(fileno=options.interpreter_fd), socket.socket(fileno=options.server_fd), log)
    except FAILURES as error:
        log(described(error))
        return 1
    return 0


def _prepare(log: Callable[[str], None], output: BinaryIO) -> int:
    from cleanroom_kernel.vault.preparing import Job, prepare

    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
        report = prepare(job.schema, job.sources, job.directory)
    except FAILURES as error:
        log(described(error))
        return 1
    output.write(msgspec.json.encode(report))
    output.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cleanroom_kernel.vault")
    commands = parser.add_subparsers(dest="command", required=True)
    session = commands.add_parser("session", help="answer one interpreter")
    session.add_argument("--interpreter-fd", type=int, required=True)
    session.add_argument("--server-fd", type=int, required=True)
    commands.add_parser("prepare", help="read a job as JSON on standard input, prepare a room, report as JSON")
    return parser


def _close_memory() -> None:
    """Neither core dumps nor a debugger of the same user. In the sandbox it is so already, and cannot be changed."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0:
        return
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _silence() -> tuple[Callable[[str], None], BinaryIO]:
    """Our own log and output, on copies of the descriptors that nobody else in this process knows."""
    own_error, own_output = os.dup(2), os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")

    def log(words: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(own_error, f"vault: {words}\n".encode(errors="replace"))

    return log, os.fdopen(own_output, "wb")


if __name__ == "__main__":
    sys.exit(main())
