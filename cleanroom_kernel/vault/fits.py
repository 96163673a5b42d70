"""Fits: scikit-learn's own fit of an estimator, wherever it is carried out."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from cleanroom_kernel.vault.quietly import quietly


def fitted(model: BaseEstimator, X: Any, y: Any, weight: Any, groups: Any) -> BaseEstimator:
    """`model`, fitted. `groups` are for the folds of a search, if it is to keep them whole. Raises LearningFailed."""
    with quietly("fit"):
        given = () if y is None else (y,)
        options = {} if groups is None else {"groups": groups}
        if weight is not None:
            within = f"{model.steps[-1][0]}__" if type(model).__name__ == "Pipeline" else ""
            options[f"{within}sample_weight"] = weight
        return model.fit(X, *given, **options)
