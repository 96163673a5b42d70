"""Validation: cross_val_score and cross_validate, one fit in the vault and one score for each split."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold

from cleanroom_kernel.interpreter import metrics, splitting
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.learn_fitted import mark_of

_TAKEN = frozenset({"estimator", "X", "y", "groups", "scoring", "cv", "n_jobs", "verbose", "return_train_score"})


def cross_val_score(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> np.ndarray:
    given = _bound(function, args, kwargs)
    if not (given.get("scoring") is None or isinstance(given["scoring"], str)):
        raise ModelError("A score in the room has a name.", suggestion="scoring='roc_auc'")
    return _validated(given)["test_score"]


def cross_validate(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, np.ndarray]:
    return _validated(_bound(function, args, kwargs))


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    others = {name for name, value in given.items() if value is not None} - _TAKEN
    if others:
        raise ModelError(f"{function.__name__} takes no {', '.join(sorted(others))} in a clean room.")
    given["cv"] = _splitter(given.get("cv"), given["estimator"])
    return given


def _splitter(cv: Any, estimator: Any) -> Any:
    """scikit-learn's own rule: so many folds, stratified for a classifier."""
    if cv is None or isinstance(cv, (int, np.integer)):
        kind = StratifiedKFold if is_classifier(estimator) else KFold
        return kind(5 if cv is None else int(cv))
    if not hasattr(cv, "split"):
        raise ModelError("Folds are a number or one of scikit-learn's splitters here.", suggestion="cv=5")
    return cv


def _validated(given: dict[str, Any]) -> dict[str, np.ndarray]:
    X, y = given["X"], given.get("y")
    scoring = given.get("scoring")
    names = {"score": scoring} if scoring is None or isinstance(scoring, str) else {name: name for name in scoring}
    found: dict[str, list[float]] = {"fit_time": [], "score_time": []}
    for train, test in splitting.split(given["cv"], X, y, given.get("groups")):
        model = clone(given["estimator"])
        start = time.perf_counter()
        model.fit(X.iloc[train], *(() if y is None else (y.iloc[train],)))
        fitted = time.perf_counter()
        sides = {"test": test, "train": train} if given.get("return_train_score") else {"test": test}
        for side, rows in sides.items():
            for name, scorer in names.items():
                made = mark_of(model)
                assert made is not None
                value = metrics.score_of(model, made, X.iloc[rows], None if y is None else y.iloc[rows], scorer)
                found.setdefault(f"{side}_{name}", []).append(value)
        found["fit_time"].append(fitted - start)
        found["score_time"].append(time.perf_counter() - fitted)
    return {name: np.array(values) for name, values in found.items()}
