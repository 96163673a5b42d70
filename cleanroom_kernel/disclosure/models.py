"""Models: what a fitted model must be like to be released (rules C9 to C11), and how exactly its parameters are shown.

Promise: pure. A fitted part of a model comes here as facts, numbers about units; every kind of fact has one judge. A
finding names the rule and what to change, and nothing of the data but that the rule was broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from cleanroom_kernel.disclosure.candidate import Booleans, CellEvidence, Floats, Integers, Kind, Membership
from cleanroom_kernel.disclosure.checks import CELL_CHECKS, Finding, Verdict, verdicts
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import base_for, to_digits, to_multiple
from cleanroom_kernel.disclosure.risks import APPLIES

_SLACK = 1 + 1e-9
_WITHOUT_DRAWS = 0.5  # without a keyed bootstrap it is known which rows made a leaf: half as many leaves

Cells = tuple[tuple[Kind, CellEvidence], ...]


# -- facts ------------------------------------------------------------------------------------------------------------
class Never(Struct, frozen=True):
    """A kind of model, or a setting of one, that is not released whatever the data."""

    why: str


class Design(Struct, frozen=True):
    """A linear model. `leverage` is the most that one unit counts in a fitted value, summed over its rows."""

    units: int
    parameters: int
    leverage: float
    shown: int  # coefficients that are not hidden


class Leaves(Struct, frozen=True, eq=False):
    """A tree or a forest: `values` learned values in all; each leaf is a cell, judged like one of a table.

    `cells` is empty where there are too many values anyway.
    """

    units: int
    values: int
    draws: bool  # whether each tree has its own, keyed sample of the rows
    cells: Cells


class Groups(Struct, frozen=True, eq=False):
    """Means of groups of rows (classes, clusters), each a cell; with so many learned values in all."""

    what: str
    units: int
    values: int
    cells: Cells


class Labels(Struct, frozen=True, eq=False):
    """Labels that a model stores and nobody has declared: how many units have each."""

    units: Integers


class Uncovered(Struct, frozen=True):
    """Features of which too few units differ, with parameters that no later part hides."""

    features: tuple[str, ...]


class Directions(Struct, frozen=True):
    """Principal components and their like: `parameters` numbers from so many units."""

    units: int
    parameters: int
    leverage: float
    weak: bool  # whether too few units make up one of the features


class Folds(Struct, frozen=True):
    """Scores within a fit: the fewest units, and the fewest of one class, that a fold was scored on."""

    units: int
    units_per_class: int


Facts = Never | Design | Leaves | Groups | Labels | Uncovered | Directions | Folds


def findings(name: str, facts: tuple[Facts, ...], policy: PolicySnapshot) -> tuple[str, ...]:
    """What stands in the way of releasing a part, in words; nothing if it may be released."""
    judged = (_JUDGES[type(fact)](fact, policy) for fact in facts)
    return tuple(f"{name}: {finding}" for finding in judged if finding)


# -- judges -----------------------------------------------------------------------------------------------------------
def _never(fact: Never, policy: PolicySnapshot) -> str:
    return fact.why


def _design(fact: Design, policy: PolicySnapshot) -> str:
    free = fact.units - fact.parameters >= policy.residual_units
    enough = fact.units >= policy.units_per_parameter * fact.parameters
    if free and enough and fact.leverage <= policy.leverage * _SLACK and (fact.shown or not policy.minimum_units):
        return ""
    return (
        f"it needs at least {policy.units_per_parameter} patients for each feature, and no patient may decide a fitted "
        f"value by more than {policy.leverage:.0%}. Use fewer features, group rare categories, or clip extreme values."
    )


def _leaves(fact: Leaves, policy: PolicySnapshot) -> str:
    share = policy.leaf_share * (1 if fact.draws else _WITHOUT_DRAWS)
    if fact.values <= share * fact.units and all_pass(fact.cells, policy):
        return ""
    return (
        f"each leaf needs what a cell of a table needs (at least {policy.minimum_units} patients, as many of each "
        f"class), and all trees together at most {share:.1%} as many leaf values as there are patients. Raise "
        "min_samples_leaf, or use fewer or shallower trees."
    )


def _groups(fact: Groups, policy: PolicySnapshot) -> str:
    enough = fact.units >= policy.units_per_parameter * fact.values
    if enough and all_pass(fact.cells, policy):
        return ""
    return (
        f"each {fact.what} needs what a cell of a table needs (at least {policy.minimum_units} patients, as many that "
        f"differ), and there must be {policy.units_per_parameter} patients for each learned value. Use fewer features "
        f"or fewer {fact.what}s."
    )


def _labels(fact: Labels, policy: PolicySnapshot) -> str:
    if (fact.units >= _least(policy)).all():
        return ""
    return (
        f"it stores labels that the owner did not declare and fewer than {policy.minimum_units} patients may have. "
        "Group rare labels first, or use pd.get_dummies."
    )


def _uncovered(fact: Uncovered, policy: PolicySnapshot) -> str:
    if not fact.features or policy.minimum_units == 0:
        return ""
    listed = ", ".join(fact.features[:8]) + (" …" if len(fact.features) > 8 else "")
    return (
        f"too few patients differ in {listed}. Leave these out, or group rare categories; in a linear model their "
        "coefficients would be hidden instead."
    )


def _directions(fact: Directions, policy: PolicySnapshot) -> str:
    enough = fact.units >= policy.units_per_parameter * fact.parameters
    if policy.minimum_units == 0 or (enough and not fact.weak and fact.leverage <= policy.leverage * _SLACK):
        return ""
    return (
        f"it needs {policy.units_per_parameter} patients for each learned number, and features that differ in at least "
        f"{policy.minimum_units} patients. Use fewer components or features."
    )


def _folds(fact: Folds, policy: PolicySnapshot) -> str:
    if fact.units >= policy.evaluation_units and fact.units_per_class >= policy.minimum_units:
        return ""
    return f"each fold must be scored on at least {policy.evaluation_units} patients. Use fewer folds."


_JUDGES: dict[type, Callable[[Any, PolicySnapshot], str]] = {
    Never: _never,
    Design: _design,
    Leaves: _leaves,
    Groups: _groups,
    Labels: _labels,
    Uncovered: _uncovered,
    Directions: _directions,
    Folds: _folds,
}


# -- membership -------------------------------------------------------------------------------------------------------
def is_untested(membership: Membership, policy: PolicySnapshot) -> bool:
    """Whether a file would leave without a test that its model needs."""
    return policy.membership_limit < 1 and membership.applies and membership.area is None


def remembered(membership: Membership, policy: PolicySnapshot) -> str:
    """What stands in the way of a file whose model remembers who was in its training data. It follows from a number
    that was released already, so it tells all.
    """
    area = membership.area
    if area is None or not membership.applies or area <= policy.membership_limit:
        return ""
    return (
        f"This model remembers its training patients: they can be told from others with an area under the ROC curve of "
        f"{area:.2g}, and the policy lets out models with at most {policy.membership_limit:g} (0.5 is by lot)."
    )


def all_pass(cells: Cells, policy: PolicySnapshot) -> bool:
    """Whether every cell would be shown in a table."""
    return all(bool(passing(kind, evidence, policy).all()) for kind, evidence in cells)


def passing(kind: Kind, evidence: CellEvidence, policy: PolicySnapshot) -> Booleans:
    """Cells that would be shown in a table; the jitter of the least number is taken in full."""
    least = np.full(len(evidence.units), _least(policy), dtype=np.int64)
    made = [Finding(check, CELL_CHECKS[check](evidence, least, policy)) for check in APPLIES[kind]]
    shown: Booleans = verdicts(made, len(evidence.units)) == Verdict.RELEASE
    return shown


def _least(policy: PolicySnapshot) -> int:
    return policy.minimum_units + policy.jitter


# -- features and coefficients ----------------------------------------------------------------------------------------
class FeatureEvidence(Struct, frozen=True, eq=False):
    """Of each feature: the effective number of units by their squared deviations, and how many differ from the rest."""

    effective: Floats
    differing: Integers


def weak(features: FeatureEvidence, policy: PolicySnapshot) -> Booleans:
    """Features that stand for a few units, such as a rare category (rule C9). Constant ones are among them, so that
    none and a few look the same.
    """
    few = features.differing < policy.minimum_units
    spread = features.effective >= policy.minimum_units
    found: Booleans = few | ~spread
    return found if policy.minimum_units else np.zeros(len(few), dtype=bool)


class Estimates(Struct, frozen=True, eq=False):
    """Learned numbers, exact, and what single units can do to each: `influence` is the most that one can move it,
    `step` what several can, `effective` the effective number of units by how far they move it.
    """

    values: Floats
    influence: Floats
    step: Floats
    effective: Floats

    @classmethod
    def exactly(cls, values: Floats) -> Estimates:
        """Numbers that no unit can move: they follow from code, or from others that were rounded already."""
        none = np.zeros(values.shape)
        return cls(values, none, none, np.full(values.shape, np.inf))


def shown(estimates: Estimates, hidden: Booleans, policy: PolicySnapshot) -> Floats:
    """Learned numbers as they may be shown; NaN for those that may not (rule C7)."""
    result = np.full(estimates.values.shape, np.nan)
    visible = ~hidden & ~_few_decide(estimates, policy)
    for place in np.ndindex(result.shape):
        if visible[place]:
            result[place] = shown_number(float(estimates.values[place]), float(estimates.step[place]), policy)
    return result


def shown_number(value: float, step: float, policy: PolicySnapshot) -> float:
    if policy.influence_rounding:
        value = to_multiple(value, base_for(step))
    return to_digits(value, policy.parameter_digits)


def _few_decide(estimates: Estimates, policy: PolicySnapshot) -> Booleans:
    if policy.minimum_units == 0:
        return np.zeros(estimates.values.shape, dtype=bool)
    few = ~(estimates.effective >= policy.effective_units)
    if policy.influence_rounding:
        bases = np.vectorize(base_for, otypes=[float])(estimates.step)
        few |= ~(estimates.influence <= bases * _SLACK) & (estimates.influence > 0)
    found: Booleans = few
    return found
