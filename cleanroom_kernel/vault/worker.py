"""The worker: a process of the vault's that does one task after another, and may be killed at any moment.

It is started by the server and not forked by the vault: a fork of a process in which Polars or OpenMP have run
deadlocks, and a vault's sandbox knows no second process.

Promise: it reads no file of the room and opens no line of its own; what it is given stays in its memory until the next
job. It says what came of a task, a failure or how far it is, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from cleanroom_kernel.vault.handover import Done, Failed, Handover, Job, Lost, Step
from cleanroom_kernel.vault.quietly import LearningFailed
from cleanroom_kernel.vault.silence import close_memory, described, silence
from cleanroom_kernel.vault.steps import Steps
from cleanroom_kernel.vault.tasks import carry_out


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cleanroom_kernel.vault.worker")
    parser.add_argument("--vault-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    close_memory()
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever wants an end of it kills it
    log, _ = silence("worker")
    line = Handover(socket.socket(fileno=options.vault_fd), _wait)
    try:
        _work(line)
    except Lost:
        return 0
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said without its message
        log(described(error))
        return 1


def _work(line: Handover) -> None:
    busy = threading.Lock()  # trees are counted by the threads that grow them

    def tell(what: str, done: int, total: int) -> None:
        with busy:
            line.send(Step(what, done, total))

    steps = Steps(tell)
    steps.install()
    while True:
        job = line.receive()
        steps.begin()
        line.send(_done(job, steps))


def _done(job: Job, steps: Steps) -> Done | Failed:
    try:
        with _memory(job.memory):
            return Done(carry_out(job.task, steps.tell))
    except LearningFailed as failed:
        return Failed(memory=_was_short(failed))


def _was_short(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _memory(most: int) -> Iterator[None]:
    """At most so many bytes of the process's own; libraries that are mapped do not count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _wait(stream: Any, event: int) -> None:
    ready = select.poll()
    ready.register(stream, event)
    ready.poll()


if __name__ == "__main__":
    sys.exit(main())
