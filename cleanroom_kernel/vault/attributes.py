"""Attributes: what of a fitted model may be looked at, each as it may be shown.

Promise: a closed list. What is not in a part's `shown`, `inference` or `labels`, nor in `PLAIN_ATTRIBUTES`, is
no answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from cleanroom_kernel.disclosure.candidate import Attribute
from cleanroom_kernel.disclosure.model_rules import PLAIN_ATTRIBUTES
from cleanroom_kernel.plan.models import Inspect
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.protocol.release import Label
from cleanroom_kernel.vault.parts import Part

# Numbers with a rule of their own, whether the model may be released or not.
_OF_FEATURES = frozenset({"feature_importances_"})
# Numbers of a search, which has findings of its own: how large its folds are.
_OF_SEARCH = frozenset({"best_index_", "best_params_", "mean_test_score"})


class Found(Struct, frozen=True, eq=False):
    attribute: Attribute
    own_rule: bool  # whether it may be shown of a model that is not released


def attribute_of(whole: Part, inspect: Inspect) -> Found:
    """Raises PlanError for what is no attribute that is shown."""
    part, position = _part(whole, inspect.path)
    name = inspect.attribute
    if name in PLAIN_ATTRIBUTES and hasattr(part.model, name):
        return Found(_plain(getattr(part.model, name)), own_rule=True)
    own = name in _OF_FEATURES or (name in _OF_SEARCH and not part.findings)
    if name in part.labels:
        labels = part.labels[name][position or 0]
        if all(type(label) is int for label in labels):
            return Found(Attribute(np.array(labels, dtype=np.int64), integers=True), own_rule=own)
        if any(isinstance(label, str) for label in labels):
            return Found(Attribute(np.empty(0), labels=labels), own_rule=own)
        numbers = np.array([np.nan if label is None else float(label) for label in labels])
        return Found(Attribute(numbers), own_rule=own)
    if name in part.shown and name.isidentifier():
        return Found(Attribute(part.shown[name]), own_rule=own)
    if name in part.inference:
        return Found(Attribute(part.inference[name]), own_rule=False)
    known = sorted({name for name in (*part.shown, *part.labels) if name.isidentifier()} | {"n_features_in_"})
    raise PlanError(
        f"{name} of {type(part.model).__name__} is not shown.",
        rule="attributes",
        suggestion=f"Shown: {', '.join(known)}.",
    )


def _part(whole: Part, path: tuple[str, ...]) -> tuple[Part, int | None]:
    """The part that a path of names leads to, and the position in a list of labels at its end."""
    part = whole
    for place, step in enumerate(path):
        if step in part.children:
            part = part.children[step]
        elif (
            place == len(path) - 1 and step.isdecimal() and any(int(step) < len(rows) for rows in part.labels.values())
        ):
            return part, int(step)
        else:
            raise PlanError(
                f"{type(part.model).__name__} has no part {step!r}.",
                rule="attributes",
                suggestion=f"Parts: {', '.join(part.children) or 'none'}.",
            )
    return part, None


def _plain(value: Any) -> Attribute:
    found = np.asarray(value)
    if found.dtype.kind in "iu" and found.ndim == 0:
        return Attribute(found, integers=True)
    labels: tuple[Label, ...] = tuple(found.ravel().tolist())
    return Attribute(np.empty(0), labels=labels)
