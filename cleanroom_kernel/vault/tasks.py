"""Tasks: the work of scikit-learn's that a vault has done in its worker, each kind a value.

Promise: a closed table. What is carried out follows from a task alone, so it is the same in whichever process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from cleanroom_kernel.plan.aggregates import Score
from cleanroom_kernel.vault.applying import applied
from cleanroom_kernel.vault.attacking import Attack, attacked
from cleanroom_kernel.vault.fits import fitted
from cleanroom_kernel.vault.quietly import quietly
from cleanroom_kernel.vault.scoring import Rows, score

Tell = Callable[[str, int, int], None]  # of which pieces, how many are done, and how many there are


class Fitting(Struct, frozen=True, eq=False):
    """An unfitted estimator and its rows, and whose they are, if it needs to know. Gives the model, fitted."""

    model: BaseEstimator
    X: pd.DataFrame
    y: NDArray[Any] | None
    weight: NDArray[np.float64] | None
    groups: NDArray[np.int32] | None


class Predicting(Struct, frozen=True, eq=False):
    """A fitted model and rows. Gives its answers, one row per row."""

    model: BaseEstimator
    method: str
    X: pd.DataFrame


class Scoring(Struct, frozen=True, eq=False):
    """Truth and predictions. Gives a `Scored`."""

    which: str
    rows: Rows
    options: dict[str, Any]
    of_a_model: bool


Task = Fitting | Predicting | Scoring | Attack

OPERATIONS: dict[type, str] = {Fitting: "fit", Predicting: "predict", Scoring: "score", Attack: "membership"}


def carry_out(task: Task, tell: Tell) -> Any:
    """What comes of a task. Raises LearningFailed."""
    return _DOERS[type(task)](task, tell)


def _fit(task: Fitting, tell: Tell) -> BaseEstimator:
    return fitted(task.model, task.X, task.y, task.weight, task.groups)


def _predict(task: Predicting, tell: Tell) -> NDArray[Any]:
    return applied(task.model, task.method, task.X)


def _score(task: Scoring, tell: Tell) -> Any:
    with quietly("score"):
        return score(Score(task.which), task.rows, task.options, of_a_model=task.of_a_model)


def _attack(task: Attack, tell: Tell) -> Any:
    with quietly("membership"):
        return attacked(task, tell)


_DOERS: dict[type, Callable[[Any, Tell], Any]] = {
    Fitting: _fit,
    Predicting: _predict,
    Scoring: _score,
    Attack: _attack,
}
