"""Fitting: fits, predictions, scores and tests in a worker of the vault's, which is ended when it takes too long, too
much, or the expert interrupts.

The server starts workers and ends them; the vault says when it needs another one and gets a line to it. Whatever
becomes of a worker, the vault lives on: handles are plans, models that were fitted before stay.

Promise: what is told while a task goes on is the time and how many of its pieces are done, never what they have found.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any, Protocol

from cleanroom_kernel.protocol.messages import WAITING, FitLimits, Progress, TurnOver, TurnWanted, WorkerWanted
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.vault.handover import Done, Failed, Handover, Job, Lost, Step
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.quietly import End, LearningFailed, TaskEnded
from cleanroom_kernel.vault.supply import Supply
from cleanroom_kernel.vault.tasks import OPERATIONS, Task, carry_out

_TELL_SECONDS = 1.0  # before the first word of progress, and between words


class Labour(Protocol):
    """Who carries out the tasks of a session."""

    def do(self, task: Task) -> Any:
        """What comes of `task`. Raises LearningFailed or TaskEnded."""


class Here:
    """Does tasks in this very process: where no expert waits who may interrupt."""

    def do(self, task: Task) -> Any:
        return carry_out(task, lambda what, done, total: None)


class Workers:
    """One worker at a time, as long as it lives. The first one was asked for already. With `turns`, work waits for the
    server's word: a worker may take all the machine's cores.
    """

    def __init__(self, lines: Lines, supply: socket.socket, limits: FitLimits, *, turns: bool = False) -> None:
        self._turns = turns
        self._lines, self._limits = lines, limits
        self._supply = Supply(supply, self._wait, owed=1)  # a worker is on its way
        self._line: Handover | None = None
        self._started = self._told = 0.0
        self._operation = ""
        self._step = Step("", 0, 0)

    def summon(self) -> None:
        """Have a worker ready soon; one that is there is ended."""
        if not self._supply.owed:
            self._supply.owed = 1
            self._lines.notify(WorkerWanted())

    def do(self, task: Task) -> Any:
        self._started = self._told = time.monotonic()
        self._operation = OPERATIONS[type(task)]
        self._step = Step("", 0, 0)
        try:
            with self._turn():
                outcome = self._carried_out(Job(task, self._limits.memory), self._worker())
        except Lost:
            self._replace()
            raise self._ended(End.DIED) from None
        except TaskEnded:
            self._replace()
            raise
        if isinstance(outcome, Done):
            return outcome.value
        assert isinstance(outcome, Failed)
        if outcome.memory:
            raise self._ended(End.MEMORY)
        raise LearningFailed(self._operation)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """What a task waits for others is not the task's own time."""
        if not self._turns:
            yield
            return
        self._lines.has_turn = False
        self._lines.notify(TurnWanted())
        try:
            while not self._lines.has_turn:
                self._lines.listen(_TELL_SECONDS)
                if self._lines.interrupted:
                    raise self._ended(End.INTERRUPTED)
                if not self._lines.has_turn:
                    self._lines.tell(Progress(int(time.monotonic() - self._started), WAITING, 0, 0))
            self._started = self._told = time.monotonic()
            yield
        finally:
            self._lines.notify(TurnOver())

    def _ended(self, end: End) -> TaskEnded:
        return TaskEnded(end, self._operation)

    def _carried_out(self, job: Job, line: Handover) -> Any:
        line.send(job)
        while isinstance(found := line.receive(), Step):
            self._step = found
        return found

    def _worker(self) -> Handover:
        if self._line is None:
            self.summon()
            descriptor = self._supply.next()
            if descriptor is None:
                raise self._ended(End.NO_WORKER)
            self._line = Handover(socket.socket(fileno=descriptor), self._wait)
        return self._line

    def _replace(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            self.summon()

    # -- while it works -----------------------------------------------------------------------------------------------
    def _wait(self, stream: socket.socket, event: int) -> None:
        """Until `stream` is ready. Raises TaskEnded when the time is up or the expert interrupts."""
        while True:
            now = time.monotonic()
            if now - self._started >= self._limits.seconds:
                raise self._ended(End.TIME)
            if now - self._told >= _TELL_SECONDS:
                self._told = now
                self._lines.tell(Progress(int(now - self._started), self._step.what, self._step.done, self._step.total))
            ready = self._lines.attend(stream, event, _TELL_SECONDS - (now - self._told))
            if self._lines.interrupted:
                raise self._ended(End.INTERRUPTED)
            if ready:
                return


# -- what is said of it -----------------------------------------------------------------------------------------------
_NAMES = {
    "fit": "fit",
    "predict": "prediction",
    "score": "score",
    "membership": "membership test",
    "computation": "computation",
}


def refusal_of(ended: TaskEnded, limits: FitLimits) -> Refusal:
    """Which limit it was and who can change it; nothing of the rows."""
    name = _NAMES[ended.operation]
    nothing = {"fit": " Nothing was fitted.", "membership": " Nothing was released."}.get(ended.operation, "")
    return {
        End.INTERRUPTED: _refusal(f"The {name} was interrupted.{nothing}", "Run the cell again to start anew."),
        End.TIME: _refusal(
            f"The {name} was ended after {limits.seconds:g} seconds, which is as long as this room lets one run.",
            "Take fewer rows, or fewer candidates, folds or trees; the owner can raise Fits.seconds.",
        ),
        End.MEMORY: _refusal(
            f"The {name} needed more than {limits.memory / 2**30:.2g} GB of memory, which is as much as this room lets "
            "one have.",
            "Use fewer features or rows, or smaller trees (max_depth, min_samples_leaf); the owner can raise "
            "Fits.memory.",
        ),
        End.DIED: _refusal(
            f"The process that worked on the {name} ended unexpectedly, most often for want of memory. Nothing else is "
            "lost.",
            "Try a smaller fit; the owner's log says how it ended.",
        ),
        End.NO_WORKER: _refusal(
            f"No process could be started for the {name}.", "Ask the owner: the server's log says why."
        ),
    }[ended.end]


def _refusal(message: str, suggestion: str) -> Refusal:
    return Refusal(Reason.FAILED, "fit", message, suggestion)
