"""Quietly: what may be said when scikit-learn, or the process that it runs in, cannot carry something out.

Promise: nothing of scikit-learn's own warnings and errors, which might quote the data, is passed on (rule S13).
"""

from __future__ import annotations

import contextlib
import enum
import warnings
from collections.abc import Iterator

import numpy as np

from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.vault.rowcalls import RowFunctionEnded


class LearningFailed(Exception):
    """scikit-learn could not carry out `operation` on the data. Holds nothing of why.

    `few` says that the rows are of too few units to be told even that.
    """

    def __init__(self, operation: str, *, few: bool = False) -> None:
        super().__init__(operation)
        self.operation = operation
        self.few = few


class End(enum.Enum):
    """Why a task has no end of its own."""

    INTERRUPTED = "interrupted"
    TIME = "time"
    MEMORY = "memory"
    DIED = "died"
    NO_WORKER = "no worker"


class TaskEnded(Exception):
    """A task was ended from outside of scikit-learn. `operation` and `few` as in `LearningFailed`."""

    few = False

    def __init__(self, end: End, operation: str) -> None:
        super().__init__(end.value)
        self.end = end
        self.operation = operation


@contextlib.contextmanager
def quietly(operation: str, *, few: bool = False) -> Iterator[None]:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except (PlanError, TaskEnded, RowFunctionEnded):
        raise
    except Exception as error:
        raise LearningFailed(operation, few=few) from error
