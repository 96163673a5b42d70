"""Fits: scikit-learn's own fit of an estimator, wherever it is carried out."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from cleanroom_kernel.vault.quietly import quietly


def carry_out(model: BaseEstimator, X: Any, y: Any, weight: Any) -> BaseEstimator:
    """`model`, fitted. Raises LearningFailed."""
    with quietly("fit"):
        given = () if y is None else (y,)
        if weight is None:
            return model.fit(X, *given)
        name = "sample_weight"
        if type(model).__name__ == "Pipeline":
            name = f"{model.steps[-1][0]}__sample_weight"
        return model.fit(X, *given, **{name: weight})
