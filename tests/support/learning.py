"""Models as plans, and a room in this process in which they can be fitted."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from support.rooms import Room

from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Named, Value
from cleanroom_kernel.plan.models import (
    Argument,
    Estimator,
    Fit,
    Items,
    Mapping,
    Method,
    Parameter,
    Plain,
    Task,
)
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import Predict, Side, Split, Table
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.estimators import public_name
from cleanroom_kernel.vault.export import export
from cleanroom_kernel.vault.learners import Learners
from cleanroom_kernel.vault.seeds import Seeds


class LearningDesk(Desk):
    """A desk whose room's first table is at hand."""

    @property
    def room_table(self) -> Table:
        return Table(self.room.tables[0])


def desk_of(room: Room, key: bytes | None = None) -> LearningDesk:
    """A desk whose engine can predict. `key` keys the seeds, unless the policy says that they are not keyed."""
    seeds = Seeds(key if room.policy.keyed_seeds else None)
    learners = Learners(seeds, room.ledger.borders(room.policy))
    engine = Engine(room._engine.tables, seeds, learners.predict)
    return LearningDesk(room.schema, engine, learners, room.policy, room.ledger, "ada", "s1", "cell-1")


class LearningRoom(Room):
    """A room in which models can be asked for. An export is a question like any other: `room.ask(File(fit))`."""

    def __init__(self, tables: Any, state: Any, **options: Any) -> None:
        super().__init__(tables, state, **options)
        self.desk = desk_of(self, self.key)

    def ask(self, aggregate: Any, expert: str = "ada", session: str = "s1") -> Any:
        """The answer, or the PlanError that the session would make a refusal of."""
        try:
            if isinstance(aggregate, File):
                return export(aggregate.fit, "model.skops", self.desk)
            return answer(aggregate, self.desk)
        except PlanError as no:
            return no


@dataclass(frozen=True)
class File:
    """The wish for a fitted model as a file."""

    fit: Fit


def spec(model: Any) -> Estimator:
    """A description of an unfitted estimator or a splitter, as the interpreter would send it."""
    defaults = _parameters(type(model)()) if _has_defaults(model) else {}
    arguments = []
    for name, value in _parameters(model).items():
        default = defaults.get(name, ...)
        if not _same(value, default):
            arguments.append(Argument(name, parameter(value)))
    return Estimator(public_name(type(model)), tuple(arguments))


def parameter(value: Any) -> Parameter:
    if isinstance(value, BaseEstimator) or hasattr(value, "get_n_splits"):
        return spec(value)
    if isinstance(value, (list, tuple)):
        return Items(tuple(parameter(item) for item in value), isinstance(value, tuple))
    if isinstance(value, dict):
        return Mapping(tuple(value), tuple(parameter(item) for item in value.values()))
    if isinstance(value, np.ndarray):
        return parameter(value.tolist())
    return Plain(value.item() if isinstance(value, np.generic) else value)


def _parameters(model: Any) -> dict[str, Any]:
    if isinstance(model, BaseEstimator):
        return model.get_params(deep=False)
    return {name: getattr(model, name) for name in inspect.signature(type(model)).parameters if hasattr(model, name)}


def _has_defaults(model: Any) -> bool:
    try:
        type(model)()
    except TypeError:
        return False
    return True


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one is other or repr(one) == repr(other))


def named(*names: str, **more: Expression) -> tuple[Named, ...]:
    return (*(Named(name, Value(name)) for name in names), *(Named(name, of) for name, of in more.items()))


def fit_of(
    over: Relation,
    model: BaseEstimator,
    features: tuple[Named, ...] | tuple[str, ...],
    target: str | Expression | None = None,
    task: Task = Task.CLASSIFY,
    weight: Expression | None = None,
) -> Fit:
    columns = named(*features) if all(isinstance(name, str) for name in features) else features
    return Fit(over, spec(model), task, columns, Value(target) if isinstance(target, str) else target, weight)


def predicted(
    over: Relation, fit: Fit, method: Method = Method.PREDICT, outputs: int = 1, inputs: Any = None
) -> Predict:
    names = tuple(f"__{method.value}_{place}" for place in range(outputs))
    return Predict(over, fit, method, fit.features if inputs is None else inputs, names)


def scored(over: Relation, fit: Fit, which: Score = Score.ACCURACY, **options: Any) -> Metric:
    """A score on the rows of `over`; of probabilities of the second class where the score takes them."""
    ranked = which in (Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER)
    method = Method.PREDICT_PROBA if ranked else Method.PREDICT
    rows = predicted(over, fit, method, 2 if ranked else 1)
    assert fit.target is not None
    return Metric(rows, which, fit.target, (Value(rows.names[-1]),), tuple(options.items()))


def sides(over: Relation, seed: int = 0, test: float = 0.25, **options: Any) -> tuple[Split, Split]:
    return (Split(over, Side.TRAIN, seed, test, **options), Split(over, Side.TEST, seed, test, **options))
