"""The vault's processes: `session` answers one interpreter, `prepare` lays out a room's tables, `rehearse` has past
questions judged by a draft of a policy.

Promise: what reaches standard error is our own words. No other process of the same user can read this one's memory.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec

from cleanroom_kernel.vault.failures import FAILURES
from cleanroom_kernel.vault.silence import close_memory, described, silence


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    close_memory()
    os.umask(0o077)
    log, output = silence("vault")
    if options.command == "prepare":
        return _prepare(log, output)
    if options.command == "rehearse":
        return _rehearse(options, log)
    return _session(options, log)


def _session(options: argparse.Namespace, log: Callable[[str], None]) -> int:
    from cleanroom_kernel.vault.session import serve  # imports warn, too, so they come after the silence

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the interpreter; we end when our lines do
    try:
        serve(
            socket.socket(fileno=options.interpreter_fd),
            socket.socket(fileno=options.server_fd),
            socket.socket(fileno=options.supply_fd),
            None if options.jobs_fd is None else socket.socket(fileno=options.jobs_fd),
            None if options.rows_fd is None else socket.socket(fileno=options.rows_fd),
            log,
        )
    except FAILURES as error:
        log(described(error))
        return 1
    return 0


def _rehearse(options: argparse.Namespace, log: Callable[[str], None]) -> int:
    from cleanroom_kernel.vault.rehearsing import serve

    try:
        serve(socket.socket(fileno=options.server_fd), log)
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
    session.add_argument("--supply-fd", type=int, required=True, help="where the server hands over lines to workers")
    session.add_argument("--jobs-fd", type=int, help="the same for the processes of jobs; without it there are none")
    session.add_argument("--rows-fd", type=int, help="the same for row functions; without it there are none")
    rehearsal = commands.add_parser("rehearse", help="judge past questions by the draft that the server sends")
    rehearsal.add_argument("--server-fd", type=int, required=True)
    commands.add_parser("prepare", help="read a job as JSON on standard input, prepare a room, report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
