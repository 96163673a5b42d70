"""Predictions: what a fitted model says of rows of the room, as columns of the same rows.

They are hidden columns of the context of X, so that they stand beside its own columns and the target's.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.estimators import ModelError, class_of
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.learn_fitted import Learned, Mark
from cleanroom_kernel.interpreter.learn_outputs import names_out
from cleanroom_kernel.interpreter.learn_twins import filled, muted
from cleanroom_kernel.interpreter.rehearsal import stand_in
from cleanroom_kernel.plan.expressions import Expression, Field, Named, Value
from cleanroom_kernel.plan.models import Method, Task
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.relations import Predict

_WHOLE = "best_estimator"  # the one part that says what the whole says


class Matrix(Frame):
    """Columns without names, as scikit-learn gives them in an array: `proba[:, 1]` is a Column."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, np.integer)):
            raise HandleError(
                "A single row is one patient's and stays in the room.", suggestion="[:, 1] chooses a column."
            )
        return super().__getitem__(key)  # type: ignore[misc]

    def __iter__(self) -> Any:
        raise HandleError("Rows of the room cannot be gone through.", suggestion="[:, 1] chooses a column.")


def features_of(X: Any) -> tuple[Named, ...]:
    """The columns of a table as named features; those of an array are called as scikit-learn calls them."""
    if isinstance(X, Column):
        raise ValueError(
            "Expected 2D array, got 1D array instead: one column of the room.\nChoose it as a table: df[['column']]."
        )
    return tuple(
        Named(label if isinstance(label, str) else f"x{place}", expression)
        for place, (label, expression) in enumerate(X._columns.items())
    )


def predicted(model: Any, made: Mark, method: Method, X: Frame) -> Column | Frame:
    """What `model` says of the rows of X by `method`."""
    if any(step != _WHOLE for step in made.path):
        raise ModelError(
            "A part of a model that was fitted in the vault is not applied alone.",
            suggestion="Use the whole model, or fit this step by itself.",
        )
    inputs = _inputs(made.learned, X, class_of(model).__name__)
    labels = _columns(model, made, method, X, [column.name for column in inputs])
    stem = f"__{method.value}_{_identity(made.learned, method, inputs)}"
    names = tuple(f"{stem}_{place}" for place in range(len(labels) if labels is not None else 1))
    rows = X._rows
    if names[0] not in rows.fields:
        rows = Predict(rows, made.learned.fit, method, inputs, names)
    twin = _twin([rows.fields[name] for name in names], method, X._twin.index, labels)
    if labels is None:
        return Column(rows, Value(names[0]), twin[0].rename(None), X._index)
    kind = Frame if method is Method.TRANSFORM and isinstance(labels[0], str) else Matrix
    columns: dict[Any, Expression] = {label: Value(name) for label, name in zip(labels, names, strict=True)}
    return kind(rows, columns, twin, X._index)


def _identity(learned: Learned, method: Method, inputs: tuple[Named, ...]) -> str:
    """The same for the same predictions, whatever else is in the context."""
    parts = (digest(learned.fit), method.value, *map(digest, inputs))
    return blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


# -- inputs -----------------------------------------------------------------------------------------------------------
def _inputs(learned: Learned, X: Frame, kind: str) -> tuple[Named, ...]:
    """The features as they were in the fit. Names count where both sides have them, else positions."""
    inputs = features_of(X)
    expected = learned.fit.feature_names
    if learned.has_names and all(isinstance(label, str) for label in X._columns):
        fitted = BaseEstimator()
        fitted.feature_names_in_ = np.array(expected, dtype=object)
        _check_feature_names(fitted, X._twin, reset=False)
    if len(inputs) != len(expected):
        raise ValueError(f"X has {len(inputs)} features, but {kind} is expecting {len(expected)} features as input.")
    return tuple(Named(name, column.of) for name, column in zip(expected, inputs, strict=True))


# -- outputs ----------------------------------------------------------------------------------------------------------
def _columns(model: Any, made: Mark, method: Method, X: Frame, names: list[str]) -> list[Any] | None:
    """Labels of the output's columns; None where it is a single one, without a label."""
    classes = len(made.learned.summary.classes)
    if method is Method.TRANSFORM:
        _check_numbers(made, X)
        found = names_out(model, names)
        plain = _get_output_config("transform", model)["dense"] == "default"
        return list(range(len(found))) if plain else list(found)
    if method in (Method.PREDICT_PROBA, Method.PREDICT_LOG_PROBA):
        return list(range(classes))
    if method is Method.DECISION_FUNCTION and made.learned.fit.task is Task.CLASSIFY and classes > 2:
        pairs = getattr(model, "decision_function_shape", "ovr") == "ovo"
        return list(range(classes * (classes - 1) // 2 if pairs else classes))
    return None


def _check_numbers(made: Mark, X: Frame) -> None:
    """A column that a model gives is a number; the twin tells where it would be text."""
    if made.twin is None:
        return
    try:
        with muted():
            found = made.twin.transform(filled(X._twin))
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    if any(isinstance(value, str) for value in np.asarray(found[:1]).ravel()):
        raise ModelError(
            "This transformer gives text, which no column of a model can be.",
            suggestion="Put it and the steps after it into one Pipeline.",
        )


def _twin(fields: list[Field], method: Method, index: pd.Index, labels: list[Any] | None) -> pd.DataFrame:
    if method is Method.PREDICT_PROBA:
        weights = 1.0 + (np.arange(len(index))[:, np.newaxis] + np.arange(len(fields))) % 9
        return pd.DataFrame(weights / weights.sum(axis=1, keepdims=True), index=index, columns=labels)
    made = pd.concat([stand_in(field, index) for field in fields], axis=1)
    made.columns = pd.RangeIndex(len(fields)) if labels is None else pd.Index(labels)
    return made
