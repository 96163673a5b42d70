"""Fitted: estimators in the notebook that stand for models which were fitted in the vault.

Such an estimator stays the expert's own object. It carries a `Mark` (what was fitted, and which part of it this is),
and while its learned numbers are in the vault it is of a class derived from its own, `InVault`, which asks for each
attribute that ends in "_" when it is looked at, once. A display, a completion or a check whether it is fitted asks
nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, HandleError
from cleanroom_kernel.interpreter.estimators import class_of
from cleanroom_kernel.interpreter.learn_notes import say
from cleanroom_kernel.interpreter.learn_quietly import is_quiet, quietly
from cleanroom_kernel.interpreter.results import array, asked
from cleanroom_kernel.plan.models import Fit, Inspect
from cleanroom_kernel.protocol.release import FitSummary, Reason

KEY = "_clean_room"  # of the mark, in the estimator's own dictionary

Path = tuple[str, ...]


@dataclass(eq=False)
class Learned:
    """One model in the vault, shared by the marks of all its parts. `answers` are attributes that were released.

    `columns` has the twin's types and no rows; its labels are positions where the features came as an array.
    """

    fit: Fit
    summary: FitSummary
    columns: pd.DataFrame
    answers: dict[tuple[Path, str], Any] = field(default_factory=dict)

    @property
    def has_names(self) -> bool:
        return all(isinstance(label, str) for label in self.columns.columns)


@dataclass(frozen=True, eq=False)
class Mark:
    """`twin` is the same part of a model fitted to the twin's rows, if that could be fitted."""

    learned: Learned
    path: Path
    twin: Any = None

    def part(self, name: str, twin: Any = None) -> Mark:
        return Mark(self.learned, (*self.path, name), twin)


class NotShown(CleanRoomRefusal, AttributeError):
    """An attribute that the vault does not show of this model, or that it does not have."""


# -- marks ------------------------------------------------------------------------------------------------------------
def mark_of(model: Any) -> Mark | None:
    found = vars(model).get(KEY)
    return found if isinstance(found, Mark) else None


def mark(model: Any, made: Mark) -> Any:
    """Let `model`, and the parts that scikit-learn fits in place, stand for what was fitted in the vault."""
    forget(model)
    for name in [name for name in vars(model) if name.endswith("_") and not name.startswith("__")]:
        delattr(model, name)
    vars(model)[KEY] = made
    model.__class__ = _class_in_vault(class_of(model))
    for name, part in parts_in_place(model):
        mark(part, made.part(name, dict(parts_in_place(made.twin)).get(name)))
    return model


def forget(model: Any) -> None:
    """Make `model` and its parts ordinary again: they are fitted here, or were released."""
    if mark_of(model) is None:
        return
    settle(model)
    del vars(model)[KEY]
    for _, part in parts_in_place(model):
        forget(part)


def settle(model: Any) -> None:
    """Give `model` back its own class. Its mark stays, so that it goes on predicting rows of the room."""
    model.__class__ = class_of(model)


def is_here(model: Any) -> bool:
    """Whether the learned numbers are the estimator's own: it was fitted here, or released."""
    return not isinstance(model, InVault)


def parts_in_place(model: Any) -> list[tuple[str, Any]]:
    """Steps of a pipeline and of a union: the expert's own objects are fitted, not copies of them."""
    steps = getattr(model, "steps", None) or getattr(model, "transformer_list", None) or []
    return [(name, step) for name, step in steps if isinstance(step, BaseEstimator)]


# -- attributes -------------------------------------------------------------------------------------------------------
Structure = Callable[[Any, Mark], Any]

STRUCTURES: dict[tuple[str, str], Structure] = {}  # by class and attribute: what is put together here (learn_parts)


def attribute(model: Any, name: str) -> Any:
    """A learned attribute: known already, put together from the model's description, or released now."""
    made = mark_of(model)
    if made is None or name in vars(model):
        return object.__getattribute__(model, name)
    answers, key = made.learned.answers, (made.path, name)
    if key not in answers:
        structure = STRUCTURES.get((class_of(model).__name__, name))
        if structure is not None:
            answers[key] = structure(model, made)
        elif (plain := _plain(made, name)) is not None:
            answers[key] = plain
        else:
            if is_quiet() or _is_none(made, name):
                raise AttributeError(f"{class_of(model).__name__!r} object has no attribute {name!r}")
            return ask(made, name)
    return answers[key]


def _is_none(made: Mark, name: str) -> bool:
    if name == "feature_names_in_" and not made.learned.has_names:
        return True
    return made.twin is not None and not hasattr(made.twin, name)


def ask(made: Mark, name: str, *path: str) -> Any:
    """The attribute `name` from the vault, kept once it was released."""
    answers, key = made.learned.answers, ((*made.path, *path), name)
    if key in answers:
        return answers[key]
    if is_quiet():
        raise AttributeError(name)
    try:
        return asked(
            Inspect(made.learned.fit, name, key[0]),
            lambda payload, receipt: answers.setdefault(key, _shown(name, array(payload))),
            np.zeros(1),
        )
    except CleanRoomRefusal as refused:
        if refused.reason is not Reason.INVALID:
            raise
        raise NotShown(refused.message, suggestion=refused.suggestion, rule=refused.rule) from None


def _shown(name: str, found: np.ndarray) -> Any:
    """A released attribute; a number that is missing in it is one that the policy hides."""
    hidden = int(np.isnan(found).sum()) if found.dtype.kind == "f" else 0
    if hidden:
        say(f"{hidden} of {found.size} numbers of {name} are hidden (NaN): too few patients would decide them.")
    return _value(found)


def _plain(made: Mark, name: str) -> Any:
    """What the summary of the fit says of the whole model."""
    if made.path:
        return None
    learned = made.learned
    if name == "n_features_in_":
        return learned.summary.n_features
    if name == "classes_" and learned.summary.classes:
        return _value(np.array(learned.summary.classes))
    if name == "feature_names_in_" and learned.has_names:
        return np.array(learned.fit.feature_names, dtype=object)
    return None


def _value(found: np.ndarray) -> Any:
    """As scikit-learn keeps it: texts as objects, a single number as such."""
    return found.astype(object) if found.dtype.kind == "U" else found[()]


# -- the class --------------------------------------------------------------------------------------------------------
class InVault:
    """Mixed into the class of an estimator whose learned numbers are in the vault."""

    _class_outside: type

    def __getattribute__(self, name: str) -> Any:
        if name.endswith("_") and not name.startswith("_"):
            return attribute(self, name)
        with quietly():
            return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        with quietly():
            return sorted({*super().__dir__(), *_names_of_the_twin(self)})

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Any:
        made = super().__sklearn_clone__()  # type: ignore[misc]
        made.__class__ = class_of(self)
        return made

    def __copy__(self) -> Any:
        made = mark_of(self)
        copied = self.__sklearn_clone__()
        return copied if made is None else mark(copied, made)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.__copy__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise HandleError(
            "This model was fitted in the vault and is not here to be saved.",
            suggestion="room.release(model, 'file.skops') writes it to your own machine.",
        )

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """The table of attributes of the diagram: those that were released so far."""
        from sklearn.utils._repr_html.fitted_attributes import AttrsDict

        made = mark_of(self)
        answers = {} if made is None else made.learned.answers
        shown = {name: value for (path, name), value in answers.items() if made is not None and path == made.path}
        return AttrsDict(
            fitted_attrs={name: _for_the_table(value) for name, value in shown.items()},
            estimator_class=class_of(self),
            doc_link=doc_link,
        )


def _for_the_table(value: Any) -> dict[str, Any]:
    about = {"shape": value.shape, "dtype": value.dtype} if isinstance(value, np.ndarray) else {}
    return {"type_name": type(value).__name__, **about, "value": value}


def _names_of_the_twin(model: Any) -> list[str]:
    made = mark_of(model)
    twin = None if made is None else made.twin
    return [] if twin is None else [name for name in vars(twin) if name.endswith("_") and not name.startswith("_")]


@functools.cache
def _class_in_vault(kind: type) -> type:
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind)(kind.__name__, (InVault, kind), {**names, "_class_outside": kind})
