"""Inspection: partial dependence, as released means of what a model says where one feature is set to a number.

What a model says of rows that are made up is a release of the model. So this is for models that may be released, as the
vault decides; of another one the refusal says what to change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.learn_fitted import Mark, mark_of
from cleanroom_kernel.interpreter.learn_predictions import predicted
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.plan.models import Method, Task

MOST_VALUES = 50  # of a grid: each is a column of predictions for all rows

_TAKEN = frozenset(
    {
        "estimator",
        "X",
        "features",
        "percentiles",
        "grid_resolution",
        "custom_values",
        "response_method",
        "method",
        "kind",
    }
)


def partial_dependence(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bunch:
    """Of one feature. `average` has one row for each thing that the model says (one, or one per class), and one column
    for each value of the feature; `grid_values` are those.
    """
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    others = {name for name, value in given.items() if value is not None} - _TAKEN
    if others or given.get("kind", "average") != "average":
        raise ModelError(
            "partial_dependence gives averages in a clean room, of all rows alike.",
            suggestion="Leave out sample_weight, categorical_features and kind.",
        )
    model, X = given["estimator"], given["X"]
    made = mark_of(model)
    if made is None:
        raise ModelError("This model was fitted outside of the room.", suggestion="Fit it to rows of the room.")
    if not isinstance(X, Frame):
        raise row_vector()
    name = _feature(given["features"], X)
    grid = _grid(X._column(name), name, given)
    method = _method(model, made, given.get("response_method", "auto"))
    columns = [column for value in grid for column in _said(model, made, method, X, name, value)]
    means = side_by_side(columns, [f"{name} {place}" for place in range(len(columns))]).mean().to_numpy(dtype=float)
    return Bunch(average=means.reshape(len(grid), -1).T, grid_values=[grid])


def _feature(features: Any, X: Frame) -> Any:
    """The label of the one column that is meant by name or by place."""
    found = [features] if isinstance(features, (str, int, np.integer)) else list(features)
    if len(found) != 1:
        raise ModelError("partial_dependence takes one feature at a time here.", suggestion="features=['age']")
    if isinstance(found[0], str):
        if found[0] not in X._columns:
            raise ValueError(f"Feature {found[0]!r} not in feature_names")
        return found[0]
    return list(X._columns)[int(found[0])]


def _grid(column: Column, name: Any, given: dict[str, Any]) -> np.ndarray:
    """Values of the expert's choice, or evenly spaced ones between two released quantiles."""
    chosen = given.get("custom_values")
    if chosen:
        values = np.asarray(next(iter(chosen.values())))
    else:
        if not column._field.dtype.is_numeric:
            raise ModelError("This feature has no quantiles.", suggestion=f"custom_values={{{name!r}: [...]}}")
        low, high = (float(column.quantile(share)) for share in given.get("percentiles", (0.05, 0.95)))
        values = np.linspace(low, high, given.get("grid_resolution", MOST_VALUES))
    if not 0 < len(values) <= MOST_VALUES:
        raise ModelError(f"A grid has at most {MOST_VALUES} values here.", suggestion=f"grid_resolution={MOST_VALUES}")
    return values


def _method(model: Any, made: Mark, wanted: str) -> Method:
    """scikit-learn's own choice: chances of a classifier, else distances from the boundary."""
    if made.learned.fit.task is Task.REGRESS:
        return Method.PREDICT
    if wanted != "auto":
        return Method(wanted)
    return Method.PREDICT_PROBA if hasattr(model, "predict_proba") else Method.DECISION_FUNCTION


def _said(model: Any, made: Mark, method: Method, X: Frame, name: Any, value: Any) -> list[Column]:
    """What the model says of all rows if the feature has this value: of two classes, of the second one."""
    changed = X.assign(**{name: value}) if isinstance(name, str) else _with_value(X, name, value)
    answers = predicted(model, made, method, changed)
    if isinstance(answers, Column):
        return [answers]
    columns = [answers._column(label) for label in answers._columns]
    return columns[1:] if len(columns) == 2 else columns


def _with_value(X: Frame, name: Any, value: Any) -> Frame:
    changed = X.copy()
    changed[name] = value
    return changed
