"""Applying: what a fitted model says of rows, wherever it is carried out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from cleanroom_kernel.vault.quietly import LearningFailed, quietly

_MOST_ATTEMPTS = 400  # to find rows that a model cannot predict


def applied(model: BaseEstimator, method: str, X: pd.DataFrame) -> NDArray[Any]:
    """Answers for all rows; missing ones where the model has none. Which rows those are is found by halving, so that
    one patient's row does not decide over the others. Raises LearningFailed where the model has no answer at all.
    """
    parts: list[tuple[NDArray[np.intp], NDArray[Any]]] = []
    silent: list[NDArray[np.intp]] = []
    left = [np.arange(len(X))]
    attempts = 0
    while left:
        places = left.pop()
        attempts += 1
        try:
            with quietly("predict"):
                parts.append((places, outputs(model, method, X.iloc[places])))
        except LearningFailed:
            if len(places) == 1 or attempts > _MOST_ATTEMPTS:
                silent.append(places)
            else:
                left += [places[len(places) // 2 :], places[: len(places) // 2]]
    if not parts:
        raise LearningFailed("predict")
    shape = (len(X), parts[0][1].shape[1])
    if not silent:
        answers = np.empty(shape, dtype=parts[0][1].dtype)
    else:
        kind = object if parts[0][1].dtype.kind in "OUb" else np.float64
        answers = np.full(shape, None if kind is object else np.nan, dtype=kind)
    for places, found in parts:
        answers[places] = found
    return answers


def outputs(model: BaseEstimator, method: str, X: Any) -> NDArray[Any]:
    """What a model says of rows, as a table."""
    answers = getattr(model, method)(X)
    answers = answers.toarray() if sparse.issparse(answers) else np.asarray(answers)
    return answers.reshape(len(answers), -1)
