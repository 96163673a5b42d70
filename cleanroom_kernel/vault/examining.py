"""Examining: a fitted model as parts, each judged by the rules of its family.

Promise: every part of every model goes through exactly one row of `_EXAMINERS`; what is of a family that has no row is
not released.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cleanroom_kernel.disclosure.model_rules import RELEASED, WHY_NOT, Family
from cleanroom_kernel.disclosure.models import Never, Uncovered, findings
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.vault import parts_boosting, parts_columns, parts_linear, parts_trees
from cleanroom_kernel.vault.estimators import family_of, nested
from cleanroom_kernel.vault.parts import MOST_CELLS, Origin, Part, Seen
from cleanroom_kernel.vault.parts_composites import compose
from cleanroom_kernel.vault.training import Training


def examined(model: Any, training: Training, policy: PolicySnapshot) -> Part:
    """The model that was fitted to `training`, taken apart."""
    found, units = np.unique(training.units, return_inverse=True)
    seen = Seen(
        X=training.X,
        columns=tuple(
            Origin(str(name), field) for name, field in zip(training.X.columns, training.fields, strict=True)
        ),
        y=training.y,
        weight=training.weight,
        units=units.astype(np.int32),
        n_units=len(found),
    )
    whole = examine(model, seen, policy)
    return _covered(whole, policy)


def kinds_of(model: Any) -> tuple[str, ...]:
    """Why models of this kind are never released, if so: from the classes of its parts alone."""
    parts = [part for part in (model, *nested(model)) if not hasattr(part, "split")]
    families = [(type(part).__name__, family_of(part)) for part in parts]
    return tuple(
        dict.fromkeys(WHY_NOT[family].format(name=name) for name, family in families if family not in RELEASED)
    )


def examine(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    family = family_of(model)
    if family is Family.COMPOSITE:
        return compose(model, seen, policy, examine)
    if family not in RELEASED:
        return _never(model, family, seen, policy)
    if seen.size * len(seen.columns) > MOST_CELLS:
        fact = Never("there are too many rows and columns to examine it. Use fewer features.")
        return Part(model, family, findings=findings(type(model).__name__, (fact,), policy))
    return _EXAMINERS[family](model, seen, policy)


def _never(model: Any, family: Family, seen: Seen, policy: PolicySnapshot) -> Part:
    learned = {}
    if hasattr(model, "feature_importances_"):
        learned["feature_importances_"] = parts_trees.importances(model, seen, policy)
    return Part(
        model,
        family,
        findings=(WHY_NOT[family].format(name=type(model).__name__),),
        shown=learned,
        outputs=_as_many_as(model, seen),
    )


def _as_many_as(model: Any, seen: Seen) -> tuple[Origin, ...]:
    """Columns of a transformer that is not released: nobody will look at what is hidden in them."""
    if not hasattr(model, "transform"):
        return ()
    return tuple(Origin(f"{place}") for place in range(model.transform(seen.X[:1]).shape[1]))


def _stateless(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    facts = []
    name = type(model).__name__
    if name == "MissingIndicator" and model.features != "all":
        facts.append(Never("it would tell in which columns a value is missing at all. Use features='all'."))
    return Part(model, Family.STATELESS, findings=findings(name, tuple(facts), policy), outputs=_computed(model, seen))


def _computed(model: Any, seen: Seen) -> tuple[Origin, ...]:
    powers = getattr(model, "powers_", None)
    if powers is not None:
        return tuple(Origin(f"term {place}", None, bool(seen.weak[row > 0].any())) for place, row in enumerate(powers))
    if type(model).__name__ == "Normalizer":
        return tuple(Origin(column.name, None, bool(seen.weak.any())) for column in seen.columns)
    return tuple(Origin(column.name, None, column.weak) for column in seen.columns)


_EXAMINERS: dict[Family, Callable[[Any, Seen, PolicySnapshot], Part]] = {
    Family.LINEAR: parts_linear.examine,
    Family.TREES: parts_trees.examine,
    Family.BOOSTED: parts_boosting.examine,
    Family.BAYES: parts_columns.bayes,
    Family.CONSTANT: parts_columns.constant,
    Family.SCALER: parts_columns.scaler,
    Family.IMPUTER: parts_columns.imputer,
    Family.ENCODER: parts_columns.encoder,
    Family.STATELESS: _stateless,
    Family.SELECTOR: parts_columns.selector,
    Family.COMPONENTS: parts_columns.components,
    Family.CLUSTERS: parts_columns.clusters,
}


# -- what nobody hides ------------------------------------------------------------------------------------------------
def _covered(whole: Part, policy: PolicySnapshot) -> Part:
    """A model that gives columns itself must not have hidden anything of them: there is nobody to hide the rest."""
    names = tuple(origin.name for origin in whole.outputs if origin.weak)
    if not names:
        return whole
    told = findings(type(whole.model).__name__, (Uncovered(names),), policy)
    return replace(whole, findings=(*whole.findings, *told))
