"""Labels: LabelEncoder on columns of the room. Its labels are public (declared, or released), so it is fitted here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cleanroom_kernel.interpreter.binning import domain
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column


def _fit(model: Any, given: dict[str, Any]) -> Any:
    return model.fit(domain(_column(given)))


def _transform(model: Any, given: dict[str, Any]) -> Column:
    """Labels that the encoder does not know become missing values; an error would tell that there are some."""
    return _column(given).map({label: place for place, label in enumerate(model.classes_.tolist())})


def _fit_transform(model: Any, given: dict[str, Any]) -> Column:
    return _transform(_fit(model, given), given)


def _inverse_transform(model: Any, given: dict[str, Any]) -> Column:
    return _column(given).map(dict(enumerate(model.classes_.tolist())))


def _column(given: dict[str, Any]) -> Column:
    found = given["y"]
    if not isinstance(found, Column):
        raise ModelError("LabelEncoder takes one column of the room.", suggestion="LabelEncoder().fit(df['label'])")
    return found


METHODS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "fit": _fit,
    "transform": _transform,
    "fit_transform": _fit_transform,
    "inverse_transform": _inverse_transform,
}
