"""Learners: fitted models of a session, by what was asked, and their answers for rows.

Promise: a model is fitted by scikit-learn itself on the rows as they are; it stays here, and so do its predictions.
The same question gives the same model, whether it is still kept or fitted again. What goes wrong in scikit-learn is
said as `LearningFailed`, without its message, which might quote a value.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.class_weight import compute_sample_weight

from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.candidate import Footprint
from cleanroom_kernel.disclosure.footprint import Sketcher, footprint
from cleanroom_kernel.disclosure.measures import BY_UNIT, BY_VALUE
from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.plan.aggregates import Metric
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.models import Fit, Task
from cleanroom_kernel.plan.nodes import PlanError, digest
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.vault.cleaning import complete, few, of_common_labels
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.estimators import build, by_patient, family_of, nested
from cleanroom_kernel.vault.examining import examined
from cleanroom_kernel.vault.fitting import Here, Labour
from cleanroom_kernel.vault.parts import Part
from cleanroom_kernel.vault.quietly import LearningFailed, TaskEnded, quietly
from cleanroom_kernel.vault.scoring import Rows, Scored
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tasks import Fitting, Predicting, Scoring
from cleanroom_kernel.vault.tasks import Task as Work
from cleanroom_kernel.vault.training import Training, features, training

MOST_MODELS = 24  # kept at a time

_ODD = np.int64(-7046029254386353131)

# Families that tell 1 from 1.0, or text from numbers, so that columns need their own types.
_TYPED = frozenset({Family.ENCODER, Family.IMPUTER, Family.VALUES, Family.COMPOSITE})


class Fitted(Struct, frozen=True, eq=False):
    """`whole` says that rows with missing values had to be left out."""

    model: BaseEstimator
    as_numbers: bool
    whole: bool


class Counted(Struct, frozen=True, eq=False):
    """Numbers about the rows of a fit, by which every fit is judged."""

    units: int
    units_per_class: tuple[int, ...]
    effective_units: float
    footprint: Footprint
    by_unit: Footprint


class Learners:
    """`borders` say how many units are too few to be told of; without them, nothing is left out of a fit. `labour`
    does the work of scikit-learn's.
    """

    def __init__(self, seeds: Seeds, borders: Borders | None = None, labour: Labour | None = None) -> None:
        self._seeds = seeds
        self.borders = borders
        self._labour: Labour = Here() if labour is None else labour
        self._cores = os.cpu_count() or 1
        self._models: OrderedDict[str, Fitted] = OrderedDict()
        self._last: tuple[str, Training] | None = None
        self._found: OrderedDict[str, Any] = OrderedDict()
        self.settled: dict[str, bool] = {}  # by question: what the gate has said already in this session

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
        given = training(fit, engine, as_numbers=as_numbers)
        try:
            model, rows, whole = self._carried_out(model, self._common(fit, given))
        except (LearningFailed, TaskEnded) as failure:
            failure.few = few(given.units, self.borders)
            raise
        fitted = Fitted(model, as_numbers, whole)
        self._models[identity] = fitted
        self._last = identity, rows
        if len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        return fitted

    def _carried_out(self, model: BaseEstimator, rows: Training) -> tuple[BaseEstimator, Training, bool]:
        """A fitted model, its rows, and whether some with missing values had to be left out."""
        try:
            return self._fit(model, rows), rows, False
        except LearningFailed:
            kept = complete(_columns(rows), rows.units, self.borders)
            if kept is None:
                raise
            rows = rows.at(kept)
            return self._fit(model, rows), rows, True

    def _fit(self, model: BaseEstimator, rows: Training) -> BaseEstimator:
        groups = rows.units if by_patient(model) else None
        fitted: BaseEstimator = self.do(Fitting(model, rows.X, rows.y, rows.weight, groups))
        return fitted

    def do(self, task: Work) -> Any:
        """What comes of `task`. Raises LearningFailed or TaskEnded."""
        return self._labour.do(task)

    def training(self, fit: Fit, engine: Engine) -> Training:
        """The rows that a model was fitted to."""
        if self._last is not None and self._last[0] == digest(fit):
            return self._last[1]
        fitted = self.fitted(fit, engine)
        rows = self._common(fit, training(fit, engine, as_numbers=fitted.as_numbers))
        if fitted.whole:
            kept = complete(_columns(rows), rows.units, self.borders)
            assert kept is not None, "what was left out before is left out again"
            rows = rows.at(kept)
        self._last = digest(fit), rows
        return rows

    def taken(self, fit: Fit, over: Relation, engine: Engine) -> Training:
        """Other rows as the fit would have taken them."""
        fitted = self.fitted(fit, engine)
        other = msgspec.structs.replace(fit, over=over)
        rows = self._common(other, training(other, engine, as_numbers=fitted.as_numbers))
        kept = complete(_columns(rows), rows.units, self.borders) if fitted.whole else None
        return rows if kept is None else rows.at(kept)

    def _common(self, fit: Fit, rows: Training) -> Training:
        if fit.task is not Task.CLASSIFY or rows.y is None:
            return rows
        return rows.at(of_common_labels(rows.y, rows.units, self.borders))

    def counted(self, fit: Fit, engine: Engine, sketcher: Sketcher) -> Counted:
        def count() -> Counted:
            with quietly("fit"):
                return _count(self.fitted(fit, engine).model, self.training(fit, engine), sketcher)

        found: Counted = self._remembered(f"counted {digest(fit)}", count)
        return found

    def part(self, fit: Fit, engine: Engine, policy: PolicySnapshot) -> Part:
        """The fitted model, taken apart and judged. Takes about as long as a fit."""

        def examine() -> Part:
            with quietly("examine"):
                return examined(self.fitted(fit, engine).model, self.training(fit, engine), policy)

        found: Part = self._remembered(f"part {digest(fit)}", examine)
        return found

    def _remembered(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = make()
            if len(self._found) > 2 * MOST_MODELS:
                self._found.popitem(last=False)
        return self._found[key]

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
        answers: NDArray[Any] = self.do(Predicting(fitted.model, predict.method.value, X))
        if answers.shape[1] != len(predict.names):
            raise PlanError(
                f"{predict.method.value} gives another number of columns than {len(predict.names)}.",
                rule="estimators",
            )
        return answers

    def score(self, metric: Metric, rows: Rows, *, of_a_model: bool, few: bool) -> Scored:
        """`few` says that the rows are of too few units to be told that there is no score."""
        try:
            scored: Scored = self.do(Scoring(metric.score.value, rows, dict(metric.options), of_a_model))
        except (LearningFailed, TaskEnded) as failure:
            failure.few = few
            raise
        return scored


def _columns(rows: Training) -> list[Any]:
    return [part for part in (rows.X, rows.y, rows.weight) if part is not None]


def _count(model: BaseEstimator, rows: Training, sketcher: Sketcher) -> Counted:
    counted = rows.units if rows.weight is None else rows.units[rows.weight > 0]
    classes: tuple[int, ...] = ()
    if is_classifier(model) and rows.y is not None:
        with_weight = rows.y if rows.weight is None else rows.y[rows.weight > 0]
        classes = tuple(len(np.unique(counted[with_weight == name])) for name in np.unique(rows.y))
        classes += (0,) * (2 - len(classes))  # that there is one class alone says something of everybody
    # A row that counts for less than most is another row.
    content = rows.units.astype(np.int64) * _ODD ^ rows.content.view(np.int64) ^ _relative(rows).view(np.int64)
    return Counted(
        units=len(np.unique(counted)),
        units_per_class=classes,
        effective_units=min(_effective(rows, weights) for weights in _weights(model, rows)),
        footprint=footprint(rows.units, content, sketcher, BY_VALUE),
        by_unit=footprint(rows.units, rows.units.astype(np.int64), sketcher, BY_UNIT),
    )


def _relative(rows: Training) -> NDArray[np.float64]:
    """Weights as multiples of the one that most rows have."""
    if rows.weight is None:
        return np.ones(len(rows.units))
    usual = float(np.median(rows.weight)) if len(rows.weight) else 0.0
    return (rows.weight / usual if usual > 0 else rows.weight) + 0.0  # -0.0 is 0.0


def _weights(model: BaseEstimator, rows: Training) -> Iterator[NDArray[np.float64]]:
    """Weights of rows, once without and once with each weighting of classes."""
    given = np.ones(len(rows.units)) if rows.weight is None else np.abs(rows.weight)
    yield given
    for part in (model, *_estimators(model)):
        by_class = getattr(part, "class_weight", None)
        if isinstance(by_class, dict):
            yield given * compute_sample_weight(by_class, rows.y)


def _effective(rows: Training, weights: NDArray[np.float64]) -> float:
    per_unit = np.bincount(rows.units, weights=weights)
    squares = float((per_unit**2).sum())
    return float(per_unit.sum() ** 2 / squares) if squares > 0 else 0.0


def _estimators(model: BaseEstimator) -> list[BaseEstimator]:
    return [part for part in nested(model) if not hasattr(part, "split")]
