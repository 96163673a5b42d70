"""Fitting: fits in a worker of the vault's, which is ended when it takes too long, too much, or the expert interrupts.

The server starts workers and ends them; the vault says when it needs another one and gets a line to it. Whatever
becomes of a worker, the vault lives on: handles are plans, models that were fitted before stay.

Promise: what is told while a fit goes on is the time and how many of its pieces are done, never what they have found.
"""

from __future__ import annotations

import array
import select
import socket
import time
from typing import Any, Protocol

from sklearn.base import BaseEstimator

from cleanroom_kernel.protocol.messages import FitLimits, Progress, WorkerWanted
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.vault.estimators import by_patient
from cleanroom_kernel.vault.fits import carry_out
from cleanroom_kernel.vault.handover import Failed, Fitted, Handover, Job, Lost, Step
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.quietly import End, FitEnded, LearningFailed
from cleanroom_kernel.vault.training import Training

_TELL_SECONDS = 1.0  # before the first word of progress, and between words


class Fitter(Protocol):
    """Who carries out the fits of a session."""

    def fit(self, model: BaseEstimator, rows: Training) -> BaseEstimator:
        """`model`, fitted. Raises LearningFailed or FitEnded."""


class Here:
    """Fits in this very process: where no expert waits who may interrupt."""

    def fit(self, model: BaseEstimator, rows: Training) -> BaseEstimator:
        return carry_out(model, rows.X, rows.y, rows.weight, _groups(model, rows))


def _groups(model: BaseEstimator, rows: Training) -> Any:
    return rows.units if by_patient(model) else None


class Workers:
    """One worker at a time, as long as it lives. The first one was asked for already."""

    def __init__(self, lines: Lines, supply: socket.socket, limits: FitLimits) -> None:
        self._lines, self._supply, self._limits = lines, supply, limits
        supply.setblocking(False)
        self._asked = True  # a worker is on its way
        self._line: Handover | None = None
        self._started = self._told = 0.0
        self._step = Step("", 0, 0)

    def summon(self) -> None:
        """Have a worker ready soon; one that is there is ended."""
        if not self._asked:
            self._asked = True
            self._lines.notify(WorkerWanted())

    def fit(self, model: BaseEstimator, rows: Training) -> BaseEstimator:
        self._started = self._told = time.monotonic()
        self._step = Step("", 0, 0)
        job = Job(model, rows.X, rows.y, rows.weight, _groups(model, rows), self._limits.memory)
        try:
            outcome = self._carried_out(job, self._worker())
        except Lost:
            self._replace()
            raise FitEnded(End.DIED) from None
        except FitEnded:
            self._replace()
            raise
        if isinstance(outcome, Fitted):
            return outcome.model
        assert isinstance(outcome, Failed)
        if outcome.memory:
            raise FitEnded(End.MEMORY)
        raise LearningFailed("fit")

    def _carried_out(self, job: Job, line: Handover) -> Any:
        line.send(job)
        while isinstance(found := line.receive(), Step):
            self._step = found
        return found

    def _worker(self) -> Handover:
        if self._line is None:
            self.summon()
            descriptor = self._supplied()
            self._asked = False
            if descriptor is None:
                raise FitEnded(End.NO_WORKER)
            self._line = Handover(socket.socket(fileno=descriptor), self._wait)
        return self._line

    def _supplied(self) -> int | None:
        """The server's next word on this line: a byte, and with it a worker's line if one could be started."""
        while True:
            self._wait(self._supply, select.POLLIN)
            descriptors = array.array("i")
            try:
                _, found, _, _ = self._supply.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
            except BlockingIOError:
                continue
            for _, _, data in found:
                descriptors.frombytes(data)
            return descriptors[0] if descriptors else None

    def _replace(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            self.summon()

    # -- while it works -----------------------------------------------------------------------------------------------
    def _wait(self, stream: socket.socket, event: int) -> None:
        """Until `stream` is ready. Raises FitEnded when the time is up or the expert interrupts."""
        while True:
            now = time.monotonic()
            if now - self._started >= self._limits.seconds:
                raise FitEnded(End.TIME)
            if now - self._told >= _TELL_SECONDS:
                self._told = now
                self._lines.tell(Progress(int(now - self._started), self._step.what, self._step.done, self._step.total))
            ready = self._lines.attend(stream, event, _TELL_SECONDS - (now - self._told))
            if self._lines.interrupted:
                raise FitEnded(End.INTERRUPTED)
            if ready:
                return


# -- what is said of it -----------------------------------------------------------------------------------------------
def refusal_of(ended: FitEnded, limits: FitLimits) -> Refusal:
    """Which limit it was and who can change it; nothing of the rows."""
    return {
        End.INTERRUPTED: _refusal("The fit was interrupted. Nothing was fitted.", "Run the cell again to start anew."),
        End.TIME: _refusal(
            f"The fit was ended after {limits.seconds:g} seconds, which is as long as this room lets a fit run.",
            "Fit to fewer rows, or try fewer candidates, folds or trees; the owner can raise Fits.seconds.",
        ),
        End.MEMORY: _refusal(
            f"The fit needed more than {limits.memory / 2**30:.2g} GB of memory, which is as much as this room lets a "
            "fit have.",
            "Use fewer features or rows, or smaller trees (max_depth, min_samples_leaf); the owner can raise "
            "Fits.memory.",
        ),
        End.DIED: _refusal(
            "The process that fitted the model ended unexpectedly, most often for want of memory. Nothing else is "
            "lost.",
            "Try a smaller fit; the owner's log says how it ended.",
        ),
        End.NO_WORKER: _refusal(
            "No process could be started to fit the model.", "Ask the owner: the server's log says why."
        ),
    }[ended.end]


def _refusal(message: str, suggestion: str) -> Refusal:
    return Refusal(Reason.FAILED, "fit", message, suggestion)
