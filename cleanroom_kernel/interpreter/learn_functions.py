"""Functions of scikit-learn that are given rows of the room. What is in no table says which of ours does the job."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from cleanroom_kernel.interpreter import learn_curves, learn_inspection, learn_validation, metrics, splitting
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column

Function = Callable[..., Any]

_SCORES = "model.feature_importances_, or the score of a model without the column, tells what a column is worth."
_INSTEAD: dict[str, str] = {
    "cross_val_predict": "Use train_test_split, and predict the rows that were held out.",
    "permutation_test_score": "Score a model on rows that were held out.",
    "permutation_importance": _SCORES,
    "compute_sample_weight": "class_weight='balanced' does the same inside the model.",
}


def _resample(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """shuffle is a resample of all rows without replacement. Nobody sees their order, so they are shuffled already."""
    if kwargs.get("replace", True) or kwargs.get("n_samples") is not None:
        raise ModelError(
            "Rows of the room are not drawn twice.", suggestion="df.sample(frac=…) draws some, and shuffle keeps all."
        )
    return args[0] if len(args) == 1 else list(args)


def _class_weight(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """scikit-learn's own, of as many labels as were counted."""
    given = dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    if given.get("sample_weight") is not None or not isinstance(given["y"], Column):
        raise ModelError("Class weights are of one column of the room, unweighted.")
    counts = given["y"].value_counts().dropna()
    return function(**{**given, "y": np.repeat(counts.index.to_numpy(), counts.to_numpy(dtype=int))})


_OURS: dict[str, Callable[[Function, tuple[Any, ...], dict[str, Any]], Any]] = {
    "train_test_split": splitting.train_test_split,
    "confusion_matrix": metrics.confusion_matrix,
    "cross_val_score": learn_validation.cross_val_score,
    "cross_validate": learn_validation.cross_validate,
    "learning_curve": learn_validation.learning_curve,
    "validation_curve": learn_validation.validation_curve,
    "partial_dependence": learn_inspection.partial_dependence,
    "resample": _resample,
    "compute_class_weight": _class_weight,
}


def call(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = function.__name__
    if name in _OURS:
        return _OURS[name](function, args, kwargs)
    if name in metrics.SCORES:
        return metrics.score(name, function, args, kwargs)
    if name in metrics.FROM_COUNTS:
        return metrics.from_counts(name, function, args, kwargs)
    if name in learn_curves.CURVES:
        return learn_curves.call(name, function, args, kwargs)
    raise ModelError(
        f"{name} is not available for rows in a clean room.",
        suggestion=_INSTEAD.get(name, f"Scores are: {', '.join(metrics.SCORES)}, confusion_matrix."),
    )
