"""Validation: cross_val_score, cross_validate and the two curves, one fit in the vault and one score for each split.

A curve over numbers of training rows draws them by lot from the training side, patients whole where the folds keep them
whole: which rows come first is nobody's to choose here. So it is scikit-learn's with shuffle=True, for other draws.
"""

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
from cleanroom_kernel.interpreter.handles import RowSet
from cleanroom_kernel.interpreter.learn_fitted import mark_of
from cleanroom_kernel.interpreter.narrowing import random_seed
from cleanroom_kernel.plan.relations import Side, Split

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


def validation_curve(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores on training and test rows: one row for each value of the parameter, one column for each fold."""
    given = _bound(function, args, kwargs, "param_name", "param_range")
    folds = list(_folds(given))
    found = [
        _both_scores(clone(given["estimator"]).set_params(**{given["param_name"]: value}), folds, given)
        for value in given["param_range"]
    ]
    train, test = (np.array([scores[side] for scores in found]) for side in (0, 1))
    return train, test


def learning_curve(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Numbers of training rows, and scores on them and on test rows: one row for each number, one column for each fold.

    Numbers are shares of a released count, so they are about as exact as that is.
    """
    given = _bound(function, args, kwargs, "train_sizes", "shuffle", "random_state")
    sizes = [_size(size) for size in given.get("train_sizes", np.linspace(0.1, 1.0, 5))]
    folds = list(_folds(given))
    seed = random_seed(given.get("random_state") or 0)
    most = len(given["X"].iloc[folds[0][0]])
    numbers = np.array([size if isinstance(size, int) else int(size * most) for size in sizes])
    by_unit = splitting.KINDS[type(given["cv"]).__name__].by_unit
    found = [
        _both_scores(given["estimator"], [(_drawn(train, size, seed, by_unit), test) for train, test in folds], given)
        for size in sizes
    ]
    train, test = (np.array([scores[side] for scores in found]) for side in (0, 1))
    return numbers, train, test


def _size(size: Any) -> float | int:
    if isinstance(size, (int, np.integer)) and size > 0:
        return int(size)
    if isinstance(size, (float, np.floating)) and 0 < size <= 1:
        return float(size)
    raise ValueError(f"train_sizes are shares above 0 and up to 1, or numbers of rows: {size!r} is neither.")


def _drawn(train: RowSet, size: float | int, seed: int, by_unit: bool) -> RowSet:
    """So many rows of a training side, which are themselves a side of a split of it."""
    if size == 1.0 and isinstance(size, float):
        return train
    number = size if isinstance(size, int) else round(len(train._twin) * size)
    kept = train._twin[: min(max(number, 1), len(train._twin))]
    return RowSet(Split(train._rows, Side.TEST, seed, size, by_unit=by_unit), kept)


def _both_scores(
    estimator: Any, folds: list[tuple[RowSet, RowSet]], given: dict[str, Any]
) -> tuple[list[float], list[float]]:
    """On training rows and on test rows, by fold."""
    X, y = given["X"], given.get("y")
    scores: tuple[list[float], list[float]] = ([], [])
    for train, test in folds:
        model = clone(estimator)
        model.fit(X.iloc[train], *(() if y is None else (y.iloc[train],)))
        for side, rows in zip(scores, (train, test), strict=True):
            side.append(_score(model, X, y, rows, given.get("scoring")))
    return scores


def _score(model: Any, X: Any, y: Any, rows: RowSet, scorer: Any) -> float:
    made = mark_of(model)
    assert made is not None
    return metrics.score_of(model, made, X.iloc[rows], None if y is None else y.iloc[rows], scorer)


def _folds(given: dict[str, Any]) -> Any:
    return splitting.split(given["cv"], given["X"], given.get("y"), given.get("groups"))


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *more: str) -> dict[str, Any]:
    """Arguments by name; those of `more` are taken beside the ones that all take."""
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    others = {name for name, value in given.items() if value is not None} - _TAKEN - set(more)
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
    for train, test in _folds(given):
        model = clone(given["estimator"])
        start = time.perf_counter()
        model.fit(X.iloc[train], *(() if y is None else (y.iloc[train],)))
        fitted = time.perf_counter()
        sides = {"test": test, "train": train} if given.get("return_train_score") else {"test": test}
        for side, rows in sides.items():
            for name, scorer in names.items():
                found.setdefault(f"{side}_{name}", []).append(_score(model, X, y, rows, scorer))
        found["fit_time"].append(fitted - start)
        found["score_time"].append(time.perf_counter() - fitted)
    return {name: np.array(values) for name, values in found.items()}
