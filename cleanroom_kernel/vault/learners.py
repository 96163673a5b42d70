"""Learners: fitted models of a session, by what was asked, and their answers for rows.

Promise: a model is fitted by scikit-learn itself on the rows as they are; it stays here, and so do its predictions.
The same question gives the same model, whether it is still kept or fitted again. What goes wrong in scikit-learn is
said as `LearningFailed`, without its message, which might quote a value.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.plan.models import Fit, Method
from cleanroom_kernel.plan.nodes import PlanError, digest
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.estimators import build, family_of, nested
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.training import Training, features, training

MOST_MODELS = 24  # kept at a time

# Families that tell 1 from 1.0, or text from numbers, so that columns need their own types.
_TYPED = frozenset({Family.ENCODER, Family.IMPUTER, Family.VALUES, Family.COMPOSITE})


class LearningFailed(Exception):
    """scikit-learn could not carry out `operation` on the data. Holds nothing of why."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


class Fitted(Struct, frozen=True, eq=False):
    model: BaseEstimator
    as_numbers: bool


class Learners:
    def __init__(self, seeds: Seeds) -> None:
        self._seeds = seeds
        self._cores = os.cpu_count() or 1
        self._models: OrderedDict[str, Fitted] = OrderedDict()
        self._last: tuple[str, Training] | None = None

    def check(self, fit: Fit) -> None:
        """Raise PlanError or Forbidden for an estimator that is never fitted here."""
        build(fit.estimator, fit.task, self._seeds, self._cores)

    def fitted(self, fit: Fit, engine: Engine) -> Fitted:
        identity = digest(fit)
        if identity in self._models:
            self._models.move_to_end(identity)
            return self._models[identity]
        model = build(fit.estimator, fit.task, self._seeds, self._cores)
        as_numbers = not any(family_of(part) in _TYPED for part in (model, *_estimators(model)))
        rows = training(fit, engine, as_numbers=as_numbers)
        with _quietly("fit"):
            _fit(model, fit, rows)
        fitted = Fitted(model, as_numbers)
        self._models[identity] = fitted
        self._last = identity, rows
        if len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        return fitted

    def training(self, fit: Fit, engine: Engine) -> Training:
        """The rows that a model was fitted to."""
        if self._last is not None and self._last[0] == digest(fit):
            return self._last[1]
        rows = training(fit, engine, as_numbers=self.fitted(fit, engine).as_numbers)
        self._last = digest(fit), rows
        return rows

    def predict(self, predict: Predict, engine: Engine) -> NDArray[Any]:
        """One row per row of `predict.over`, in row order, and one column per name."""
        fitted = self.fitted(predict.fit, engine)
        if not hasattr(fitted.model, predict.method.value):
            raise PlanError(
                f"{type(fitted.model).__name__} has no {predict.method.value} with these parameters.",
                rule="estimators",
            )
        X = features(predict, engine, as_numbers=fitted.as_numbers)
        if len(X) == 0:
            return np.empty((0, len(predict.names)))
        with _quietly("predict"):
            answers = outputs(fitted.model, predict.method, X)
        if answers.shape[1] != len(predict.names):
            raise PlanError(
                f"{predict.method.value} gives another number of columns than {len(predict.names)}.",
                rule="estimators",
            )
        return answers


def outputs(model: BaseEstimator, method: Method, X: Any) -> NDArray[Any]:
    """What a model says of rows, as a table."""
    answers = getattr(model, method.value)(X)
    answers = answers.toarray() if sparse.issparse(answers) else np.asarray(answers)
    return answers.reshape(len(answers), -1)


def _fit(model: BaseEstimator, fit: Fit, rows: Training) -> None:
    given = () if fit.target is None else (rows.y,)
    if rows.weight is None:
        model.fit(rows.X, *given)
        return
    name = "sample_weight"
    if type(model).__name__ == "Pipeline":
        name = f"{model.steps[-1][0]}__sample_weight"
    model.fit(rows.X, *given, **{name: rows.weight})


def _estimators(model: BaseEstimator) -> list[BaseEstimator]:
    return [part for part in nested(model) if not hasattr(part, "split")]


@contextlib.contextmanager
def _quietly(operation: str) -> Iterator[None]:
    """scikit-learn's warnings and errors may quote the data; neither is passed on (rule S13)."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except PlanError:
        raise
    except Exception as error:  
        raise LearningFailed(operation) from error
