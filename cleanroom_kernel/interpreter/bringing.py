"""Bringing: a model that was fitted elsewhere, applied to rows of the room: `model = room.bring("public.skops")`.

The file is read here, in the process that holds no row: skops' format with types of a closed list, never a pickle, and
never more than so many bytes, packed or not. What reaches the vault is a formula (`bringing_models.py`), so what the
room knows of brought predictions is what it knows of any numbers that an expert makes up.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import skops.io
from sklearn.base import BaseEstimator

from cleanroom_kernel.interpreter import metrics
from cleanroom_kernel.interpreter.bringing_models import Formula, formula
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.learn_fitted import mark_of
from cleanroom_kernel.interpreter.learn_predictions import Matrix
from cleanroom_kernel.interpreter.learn_twins import filled, muted
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.plan.aggregates import Score
from cleanroom_kernel.plan.expressions import Value

MOST_BYTES = 16 * 2**20  # of a file
MOST_UNPACKED = 64 * 2**20
MOST_ENTRIES = 2_000

# Types beside those that skops itself takes for safe: what listed models are made of, and nothing that runs anything.
TRUSTED = frozenset({"sklearn.tree._tree.Tree", "numpy.dtype"})

_FORMATS = "A file of skops (skops.io.dump), which holds no code."


class Brought:
    """A model that was brought. Its predictions are columns of the room, made with numbers of your choice: scores of
    them come with the policy's noise, and count against its budget of such numbers.
    """

    def __init__(self, model: BaseEstimator) -> None:
        self._model = model
        names = getattr(model, "feature_names_in_", None)
        self._names = None if names is None else [str(name) for name in names]
        self._number = int(model.n_features_in_)
        formula(model, [(name, Value(name)) for name in self._feature_names()])  # says now what cannot be brought

    def predict(self, X: Frame) -> Column:
        found, twin = self._formula(X), self._twin(X, "predict")
        return Column(X._rows, found.prediction, pd.Series(twin, index=X._twin.index), X._index)

    def predict_proba(self, X: Frame) -> Frame:
        found = self._formula(X)
        if not found.classes:
            raise ModelError(f"{type(self._model).__name__} predicts no probabilities.")
        twin = pd.DataFrame(self._twin(X, "predict_proba"), index=X._twin.index)
        return Matrix(X._rows, dict(enumerate(found.outputs)), twin, X._index)

    def score(self, X: Frame, y: Column, scoring: str | None = None) -> float:
        """By a name of scikit-learn's ("roc_auc"), else accuracy or R2."""
        if not isinstance(y, Column):
            raise row_vector()
        is_classifier = bool(self._formula(X).classes)
        name = scoring or ("accuracy" if is_classifier else "r2")
        if name not in metrics.SCORERS:
            raise ModelError(f"scoring={name!r} is not available here.", suggestion=f"There are: {_SCORERS}.")
        which, sign, options = metrics.SCORERS[name]
        if which in (Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER):
            table = self.predict_proba(X)
            columns = [table._column(place) for place in table._columns]
            predictions = columns[1:] if len(columns) == 2 else columns
        else:
            predictions = [self.predict(X)]
        return sign * metrics.ask(which, y, predictions, options)

    def fit(self, *_: Any, **__: Any) -> NoReturn:
        """Not possible: a fit in the vault starts from nothing but rows (rule S11)."""
        raise ModelError(
            "A model that was brought is not fitted on: warm_start and partial_fit would let out the difference that a "
            "few rows make to numbers that you know.",
            suggestion="Fit a model of the room on top: its score is a feature, "
            "LogisticRegression().fit(X.assign(score=brought.predict_proba(X)[:, 1]), y).",
            rule="S11",
        )

    partial_fit = fit

    def __repr__(self) -> str:
        return f"Brought({self._model!r})"

    # -- parts --------------------------------------------------------------------------------------------------------
    def _feature_names(self) -> list[str]:
        return self._names or [f"x{place}" for place in range(self._number)]

    def _formula(self, X: Frame) -> Formula:
        if not isinstance(X, Frame):
            raise ModelError("A brought model is applied to a table of the room.", suggestion="model.predict(df[[…]])")
        return formula(self._model, list(zip(self._feature_names(), self._columns(X).values(), strict=True)))

    def _columns(self, X: Frame) -> dict[Any, Any]:
        """By name where the model has names, else by position."""
        if self._names is not None:
            missing = [name for name in self._names if name not in X._columns]
            if missing:
                raise ModelError(f"The model was fitted with {', '.join(missing[:5])}, which these rows do not have.")
            return {name: X._columns[name] for name in self._names}
        if len(X._columns) != self._number:
            raise ModelError(f"The model takes {self._number} features, and these rows have {len(X._columns)}.")
        return dict(X._columns)

    def _twin(self, X: Frame, method: str) -> Any:
        with muted():
            return getattr(self._model, method)(filled(X._twin[list(self._columns(X))]))


_SCORERS = ", ".join(metrics.SCORERS)


def bring(what: Any) -> Brought:
    """A fitted model of scikit-learn, a file of skops or its bytes. Raises ModelError."""
    model = what if isinstance(what, BaseEstimator) else loaded(_content(what))
    if isinstance(model, BaseEstimator) and mark_of(model) is not None:
        raise ModelError("This model was fitted in the room: use it as it is.")
    if not hasattr(model, "n_features_in_"):
        raise ModelError("Only fitted models of scikit-learn are brought.", suggestion=_FORMATS)
    return Brought(model)


def _content(what: Any) -> bytes:
    if isinstance(what, (bytes, bytearray)):
        return bytes(what)
    if not isinstance(what, (str, os.PathLike)):
        raise ModelError("A model is brought as itself, as bytes or as the path of a file.", suggestion=_FORMATS)
    try:
        with Path(what).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError:
        raise ModelError(
            "There is no such file where this notebook's code runs, which is on the owner's machine.",
            suggestion="`cleanroom bring FILE` on your own prints a cell that brings it.",
        ) from None


def loaded(content: bytes) -> Any:
    """What a file of skops holds. Nothing of it is made before its size and every type in it were looked at."""
    if len(content) > MOST_BYTES:
        raise ModelError(f"A model that is brought has at most {MOST_BYTES >> 20} MB.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise ModelError(
            "This is no file of skops. Pickles (joblib among them) are not read: they can run anything.",
            suggestion=_FORMATS,
        ) from None
    # what is read of an entry is never more than the size that it says
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
        raise ModelError(f"Unpacked, a model that is brought has at most {MOST_UNPACKED >> 20} MB.")
    try:
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - TRUSTED)
        if foreign:
            raise ModelError(f"The file holds types that no listed model is made of: {', '.join(foreign[:5])}.")
        return skops.io.loads(content, trusted=sorted(TRUSTED))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError("The file could not be read as one of skops.", suggestion=_FORMATS) from error
