"""Brought models: a model that was fitted to public data, as expressions over rows of the room.

Only numbers are read off a model, by the names listed here for its exact class, and put into a plan of arithmetic and
conditions. So nothing of the model itself reaches the vault, which sees what it sees of any formula that an expert
writes: numbers of the expert's choice. Pure; raises ModelError for what is not listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import compose, ensemble, impute, linear_model, pipeline, preprocessing, svm, tree

from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.literals import literal
from cleanroom_kernel.interpreter.terms import both, choose, either, negated
from cleanroom_kernel.plan.expressions import Call, Cast, Expression, Literal
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType

MOST_SPLITS = 2_500  # of all trees together: a plan has at most 20,000 nodes
MOST_FEATURES = 1_000
MOST_CLASSES = 10

_LARGEST = 500.0  # of an exponent: beyond it a probability is 0 or 1 to the last digit

Floats = NDArray[np.float64]
Inputs = list[tuple[str, Expression]]  # features by name, in order
Reader = Callable[[Any, Inputs], list[Expression]]


@dataclass(frozen=True)
class Formula:
    """A model as expressions: of its probabilities, one for each of `classes`, or of its one prediction."""

    classes: tuple[Any, ...]
    outputs: tuple[Expression, ...]

    @property
    def prediction(self) -> Expression:
        if not self.classes:
            return self.outputs[0]
        found = literal(self.classes[-1])
        chosen: Expression = found
        for place in reversed(range(len(self.classes) - 1)):
            # of equal ones the first, as argmax has it
            wins = [Call(Function.GREATER_EQUAL, (self.outputs[place], other)) for other in self.outputs[place + 1 :]]
            chosen = choose(_all(wins), literal(self.classes[place]), chosen)
        return choose(Call(Function.IS_NULL, (self.outputs[0],)), Literal(None, found.dtype), chosen)


def formula(model: Any, inputs: Inputs) -> Formula:
    """Raises ModelError for a kind of model, or of a step, that is not listed."""
    if len(inputs) > MOST_FEATURES:
        raise ModelError(f"A model that is brought has at most {MOST_FEATURES:,} features.")
    if type(model) is pipeline.Pipeline:
        for _, step in model.steps[:-1]:
            inputs = transformed(step, inputs)
        return formula(model.steps[-1][1], inputs)
    if type(model) not in _MODELS:
        raise _unlisted(model)
    classes: tuple[Any, ...] = ()
    if hasattr(model, "classes_"):
        classes = tuple(np.asarray(model.classes_).tolist())
        if len(classes) > MOST_CLASSES:
            raise ModelError(f"A classifier that is brought has at most {MOST_CLASSES} classes.")
    return Formula(classes, tuple(_MODELS[type(model)](model, inputs)))


def transformed(step: Any, inputs: Inputs) -> Inputs:
    """The features after a step."""
    if isinstance(step, str) and step == "passthrough":
        return inputs
    if type(step) is pipeline.Pipeline:
        for _, inner in step.steps:
            inputs = transformed(inner, inputs)
        return inputs
    if type(step) is compose.ColumnTransformer:
        return [
            column
            for _, inner, columns in step.transformers_
            if not (isinstance(inner, str) and inner == "drop")
            for column in transformed(inner, _chosen(inputs, columns))
        ]
    if type(step) not in _STEPS:
        raise _unlisted(step)
    return _STEPS[type(step)](step, inputs)


def _unlisted(model: Any) -> ModelError:
    listed = sorted({kind.__name__ for kind in (*_MODELS, *_STEPS)})
    return ModelError(
        f"{type(model).__name__} is not among the models that can be brought.",
        suggestion=f"These are, in a Pipeline as well: {', '.join(listed)}.",
    )


def _chosen(inputs: Inputs, columns: Any) -> Inputs:
    by_name = dict(inputs)
    wanted = [columns] if isinstance(columns, (str, int)) else list(columns)
    return [(one, by_name[one]) if isinstance(one, str) else inputs[int(one)] for one in wanted]


# -- numbers ----------------------------------------------------------------------------------------------------------
def _numbers(value: Any, size: int | None = None) -> Floats:
    """The numbers of an attribute, and nothing else of it."""
    try:
        found: Floats = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError("A number of this model is none.") from None
    if not np.isfinite(found).all() or (size is not None and found.size != size):
        raise ModelError("This model's numbers do not fit its features, or are not finite.")
    return found


def _constant(value: float) -> Literal:
    return Literal(float(value), DType.FLOAT)


def _number(of: Expression) -> Expression:
    return Cast(of, DType.FLOAT)


def _plus(parts: list[Expression]) -> Expression:
    """A sum as a balanced tree, so that long ones are not deep."""
    while len(parts) > 1:
        parts = [
            Call(Function.ADD, tuple(parts[at : at + 2])) if at + 1 < len(parts) else parts[at]
            for at in range(0, len(parts), 2)
        ]
    return parts[0]


def _times(of: Expression, by: float) -> Expression:
    return Call(Function.MULTIPLY, (of, _constant(by)))


def _all(conditions: list[Expression]) -> Expression:
    found = conditions[0]
    for condition in conditions[1:]:
        found = both(found, condition)
    return found


def _logistic(z: Expression) -> Expression:
    clipped = Call(Function.CLIP, (z,), (-_LARGEST, _LARGEST))
    grown = Call(Function.EXP, (Call(Function.NEGATE, (clipped,)),))
    return Call(Function.DIVIDE, (_constant(1.0), Call(Function.ADD, (_constant(1.0), grown))))


def _two(probability: Expression) -> list[Expression]:
    return [Call(Function.SUBTRACT, (_constant(1.0), probability)), probability]


def _softmax(scores: list[Expression]) -> list[Expression]:
    grown: list[Expression] = [
        Call(Function.EXP, (Call(Function.CLIP, (score,), (-_LARGEST, _LARGEST)),)) for score in scores
    ]
    total = _plus(grown)
    return [Call(Function.DIVIDE, (one, total)) for one in grown]


# -- linear models ----------------------------------------------------------------------------------------------------
def _weighted(weights: Floats, intercept: float, inputs: Inputs) -> Expression:
    parts = [_times(_number(of), weight) for (_, of), weight in zip(inputs, weights, strict=True)]
    return _plus([*parts, _constant(intercept)])


def _linear(model: Any, inputs: Inputs) -> list[Expression]:
    weights = _numbers(model.coef_, len(inputs)).ravel()
    return [_weighted(weights, float(_numbers(model.intercept_, 1).ravel()[0]), inputs)]


def _logistic_regression(model: Any, inputs: Inputs) -> list[Expression]:
    number = len(model.classes_)
    rows = 1 if number == 2 else number
    weights = _numbers(model.coef_, rows * len(inputs)).reshape(rows, len(inputs))
    intercepts = _numbers(model.intercept_, rows).ravel()
    scores = [_weighted(row, float(start), inputs) for row, start in zip(weights, intercepts, strict=True)]
    return _two(_logistic(scores[0])) if number == 2 else _softmax(scores)


# -- trees ------------------------------------------------------------------------------------------------------------
@dataclass
class _Count:
    """Splits that are left to be written."""

    left: int = MOST_SPLITS


def _grown(found: Any, inputs: list[Expression], values: Floats, count: _Count) -> list[Expression]:
    """One tree: an expression for each column of `values`, which has a row for each node. Children follow parents."""
    left, right = np.asarray(found.children_left, dtype=int), np.asarray(found.children_right, dtype=int)
    features, thresholds = np.asarray(found.feature, dtype=int), _numbers(found.threshold, len(left))
    count.left -= int((left >= 0).sum())
    if count.left < 0:
        raise ModelError(
            f"The trees of this model have more than {MOST_SPLITS:,} splits.",
            suggestion="Bring fewer or smaller trees (n_estimators, max_depth, max_leaf_nodes).",
        )
    made: list[list[Expression]] = [[] for _ in left]
    for node in reversed(range(len(left))):
        if left[node] < 0:
            made[node] = [_constant(value) for value in values[node]]
            continue
        if not node < min(left[node], right[node]) <= max(left[node], right[node]) < len(left):
            raise ModelError("This model's trees are none.")
        goes_left = Call(Function.LESS_EQUAL, (inputs[features[node]], _constant(thresholds[node])))
        made[node] = [choose(goes_left, yes, no) for yes, no in zip(made[left[node]], made[right[node]], strict=True)]
    return made[0]


def _prepared(model: Any, inputs: Inputs) -> list[Expression]:
    if model.n_features_in_ != len(inputs):
        raise ModelError("This model's numbers do not fit its features, or are not finite.")
    return [_number(of) for _, of in inputs]


def _complete(outputs: list[Expression], inputs: list[Expression]) -> list[Expression]:
    """Without a value of every feature there is no prediction: which way a tree goes then is a matter of its fit."""
    missing: Expression = Call(Function.IS_NULL, (inputs[0],))
    for of in inputs[1:]:
        missing = either(missing, Call(Function.IS_NULL, (of,)))
    return [choose(negated(missing), output, Literal(None, DType.FLOAT)) for output in outputs]


def _trees(model: Any, inputs: Inputs) -> list[Expression]:
    """A tree, or the mean of a forest's: of values, or of shares of classes."""
    given, count = _prepared(model, inputs), _Count()
    grown = []
    for one in getattr(model, "estimators_", [model]):
        values = _numbers(one.tree_.value)[:, 0, :]
        shares = values / values.sum(axis=1, keepdims=True) if hasattr(model, "classes_") else values
        grown.append(_grown(one.tree_, given, shares, count))
    means = [_times(_plus([one[place] for one in grown]), 1 / len(grown)) for place in range(len(grown[0]))]
    return _complete(means, given)


def _boosted(model: Any, inputs: Inputs) -> list[Expression]:
    if model.init not in (None, "zero"):
        raise ModelError("Boosting that starts from another model cannot be brought.")
    given, count = _prepared(model, inputs), _Count()
    rate, members = float(model.learning_rate), np.asarray(model.estimators_, dtype=object)
    start = _numbers(model._raw_predict_init(np.zeros((1, len(inputs)))), members.shape[1]).ravel()
    scores = []
    for place, stages in enumerate(members.T):
        parts = [_grown(one.tree_, given, _numbers(one.tree_.value)[:, 0, :] * rate, count)[0] for one in stages]
        scores.append(_plus([*parts, _constant(start[place])]))
    if not hasattr(model, "classes_"):
        return _complete(scores, given)
    if model.loss != "log_loss":
        raise ModelError("Only boosting with log_loss has probabilities that can be brought.")
    return _complete(_two(_logistic(scores[0])) if len(scores) == 1 else _softmax(scores), given)


# -- steps before a model ---------------------------------------------------------------------------------------------
def _standard(step: Any, inputs: Inputs) -> Inputs:
    size = len(inputs)
    means = _numbers(step.mean_, size) if step.with_mean else np.zeros(size)
    scales = _numbers(step.scale_, size) if step.with_std else np.ones(size)
    return _moved(inputs, 1 / scales, -means / scales)


def _min_max(step: Any, inputs: Inputs) -> Inputs:
    if step.clip:
        raise ModelError("A MinMaxScaler that clips cannot be brought.")
    return _moved(inputs, _numbers(step.scale_, len(inputs)), _numbers(step.min_, len(inputs)))


def _moved(inputs: Inputs, by: Floats, then: Floats) -> Inputs:
    return [
        (name, Call(Function.ADD, (_times(_number(of), float(scale)), _constant(float(offset)))))
        for (name, of), scale, offset in zip(inputs, by, then, strict=True)
    ]


def _imputed(step: Any, inputs: Inputs) -> Inputs:
    if step.add_indicator:
        raise ModelError("A SimpleImputer with indicators cannot be brought.")
    values = _numbers(step.statistics_, len(inputs))
    return [
        (name, Call(Function.COALESCE, (_number(of), _constant(float(value)))))
        for (name, of), value in zip(inputs, values, strict=True)
    ]


def _identity(step: Any, inputs: Inputs) -> Inputs:
    """What a ColumnTransformer makes of "passthrough"."""
    if step.func is not None:
        raise ModelError("A FunctionTransformer with a function cannot be brought.")
    return inputs


def _one_hot(step: Any, inputs: Inputs) -> Inputs:
    if step.drop is not None or step.handle_unknown == "infrequent_if_exist":
        raise ModelError("A OneHotEncoder that drops or joins categories cannot be brought.")
    found = []
    for (name, of), categories in zip(inputs, step.categories_, strict=True):
        for value in np.asarray(categories).tolist():
            is_it = Call(Function.EQUAL, (of, literal(value)))
            found.append((f"{name}_{value}", choose(is_it, _constant(1.0), _constant(0.0))))
    if len(found) > MOST_FEATURES:
        raise ModelError(f"A model that is brought has at most {MOST_FEATURES:,} features.")
    return found


_LINEAR = (
    linear_model.LinearRegression, linear_model.Ridge, linear_model.RidgeCV, linear_model.Lasso, linear_model.LassoCV,
    linear_model.ElasticNet, linear_model.ElasticNetCV, linear_model.HuberRegressor, linear_model.SGDRegressor,
    svm.LinearSVR,
)  # fmt: skip

_MODELS: dict[type, Reader] = {
    **dict.fromkeys(_LINEAR, _linear),
    linear_model.LogisticRegression: _logistic_regression,
    linear_model.LogisticRegressionCV: _logistic_regression,
    tree.DecisionTreeClassifier: _trees,
    tree.DecisionTreeRegressor: _trees,
    ensemble.RandomForestClassifier: _trees,
    ensemble.RandomForestRegressor: _trees,
    ensemble.ExtraTreesClassifier: _trees,
    ensemble.ExtraTreesRegressor: _trees,
    ensemble.GradientBoostingClassifier: _boosted,
    ensemble.GradientBoostingRegressor: _boosted,
}

_STEPS: dict[type, Callable[[Any, Inputs], Inputs]] = {
    preprocessing.StandardScaler: _standard,
    preprocessing.MinMaxScaler: _min_max,
    impute.SimpleImputer: _imputed,
    preprocessing.OneHotEncoder: _one_hot,
    preprocessing.FunctionTransformer: _identity,
}
