"""Functions of scikit-learn that are given rows of the room. What is in no table says which of ours does the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cleanroom_kernel.interpreter import learn_curves, learn_validation, metrics, splitting
from cleanroom_kernel.interpreter.estimators import ModelError

Function = Callable[..., Any]

_SCORES = "model.feature_importances_, or the score of a model without the column, tells what a column is worth."
_INSTEAD: dict[str, str] = {
    "cross_val_predict": "Use train_test_split, and predict the rows that were held out.",
    **dict.fromkeys(("learning_curve", "validation_curve"), "Fit to parts of the rows (sample) and score each model."),
    "permutation_test_score": "Score a model on rows that were held out.",
    "permutation_importance": _SCORES,
    "partial_dependence": _SCORES,
    "compute_sample_weight": "class_weight='balanced' does the same inside the model.",
    "compute_class_weight": "class_weight='balanced' does the same inside the model.",
    "resample": "df.sample(frac=…) draws rows without replacement.",
}


_OURS: dict[str, Callable[[Function, tuple[Any, ...], dict[str, Any]], Any]] = {
    "train_test_split": splitting.train_test_split,
    "confusion_matrix": metrics.confusion_matrix,
    "cross_val_score": learn_validation.cross_val_score,
    "cross_validate": learn_validation.cross_validate,
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
