"""Outputs: which columns a fitted transformer gives, without its rows.

A transformer whose columns follow from its parameters and its inputs is fitted to random numbers here. Where they
depend on the data (the labels of an encoder, the features that a selector keeps), the vault is asked for those alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from cleanroom_kernel.interpreter.estimators import ModelError, class_of
from cleanroom_kernel.interpreter.learn_fitted import ask, mark_of
from cleanroom_kernel.interpreter.learn_twins import lowered, muted

_ROWS = 300
_STEPS = {"max_iter": 2, "n_init": 1, "max_no_improvement": 1}  # say nothing of the columns
_SELECTORS = frozenset(
    {"VarianceThreshold", "SelectKBest", "SelectPercentile", "SelectFromModel", "RFE", "SelectFpr", "SelectFdr"}
)


def names_out(model: Any, names: list[str]) -> list[str]:
    """Names of the columns that `model`, fitted in the vault to columns called `names`, gives."""
    kind = class_of(model).__name__
    if kind == "Pipeline":
        for _, step in model.steps:
            names = names_out(step, names) if isinstance(step, BaseEstimator) else names
        return names
    if kind == "ColumnTransformer":
        return _of_steps([(name, step, _chosen(by, names)) for name, step, by in model.transformers_], model)
    if kind == "FeatureUnion":
        return _of_steps([(name, step, names) for name, step in model.transformer_list], model)
    if kind == "OneHotEncoder":
        return _of_labels(model, names)
    if kind in _SELECTORS:
        return [name for name, keep in zip(names, support(model), strict=True) if keep]
    return _of_random_numbers(model, names)


def support(model: Any) -> np.ndarray:
    """Which features a selector keeps."""
    made = mark_of(model)
    assert made is not None
    kept = np.atleast_1d(ask(made, "get_support"))
    return np.resize(kept, int(model.n_features_in_)).astype(bool)


def _of_step(step: Any, names: list[str]) -> list[str]:
    if isinstance(step, BaseEstimator):
        return names_out(step, names)
    return names if step == "passthrough" else []


def _of_steps(steps: list[tuple[str, Any, list[str]]], model: Any) -> list[str]:
    """The columns of several steps side by side, each under the name of its step if the expert did not say no."""
    prefixed = model.verbose_feature_names_out is True
    return [
        f"{name}__{column}" if prefixed else column for name, step, given in steps for column in _of_step(step, given)
    ]


def _chosen(chosen: Any, names: list[str]) -> list[str]:
    listed = chosen if isinstance(chosen, list) else [chosen]
    return listed if all(isinstance(label, str) for label in listed) else list(np.asarray(names)[listed])


def _of_labels(model: Any, names: list[str]) -> list[str]:
    """As an encoder of the same labels gives them, fitted to rows in which each occurs."""
    if model.min_frequency is not None or model.max_categories is not None:
        raise ModelError(
            "Which categories are infrequent depends on the data.",
            suggestion="Group rare categories before the fit, or put encoder and model into one Pipeline.",
        )
    stored = [list(labels) for labels in model.categories_]
    most = max(map(len, stored))
    rows = pd.DataFrame({name: _repeated(labels, most) for name, labels in zip(names, stored, strict=True)})
    with muted():
        made = clone(model).set_params(categories=[np.asarray(labels) for labels in stored]).fit(rows)
        return list(made.get_feature_names_out(names))


def _repeated(labels: list[Any], most: int) -> list[Any]:
    return [labels[place % len(labels)] for place in range(most)]


def _of_random_numbers(model: Any, names: list[str]) -> list[str]:
    if getattr(model, "add_indicator", False):
        raise _unknown("Which columns have missing values depends on the data.")
    random = np.random.default_rng(0)
    rows = max(_ROWS, 3 * len(names))
    X = pd.DataFrame(random.integers(0, 50, (rows, len(names))) + random.random((rows, len(names))), columns=names)
    made = lowered(clone(model), _STEPS)
    if _learns_its_size(made):
        made.set_params(n_components=len(np.atleast_2d(model.explained_variance_ratio_).ravel()))
    try:
        with muted():
            made.fit(X, random.integers(0, 2, rows))
            if hasattr(made, "get_feature_names_out"):
                found = list(made.get_feature_names_out(names))
            else:
                found = [f"x{place}" for place in range(made.transform(X).shape[1])]
    except (ValueError, TypeError, AttributeError):
        raise _unknown("Which columns it gives is not known before.") from None
    if not found or len(found) >= rows:
        raise _unknown("How many columns it gives depends on the data.")
    return found


def _learns_its_size(model: Any) -> bool:
    size = getattr(model, "n_components", None)
    return isinstance(size, float) or size == "mle"


def _unknown(why: str) -> ModelError:
    return ModelError(why, suggestion="Put this step and the model into one Pipeline, which is fitted as a whole.")
