"""Parts, trees and forests: every leaf is a cell of a table, over the rows that the tree was fitted to.

Promise: reads rows, decides nothing beyond the rules it is handed. In a forest with samples of its own for each tree,
leaves are counted over the sample: a row that was drawn twice counts twice, its unit once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from cleanroom_kernel.disclosure.candidate import CellEvidence, Kind
from cleanroom_kernel.disclosure.evidence import summed
from cleanroom_kernel.disclosure.grouping import contributions
from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.models import (
    Estimates,
    Facts,
    Leaves,
    Never,
    findings,
    shown,
    shown_number,
    weak,
)
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import to_digits
from cleanroom_kernel.vault.parts import Floats, Part, Seen

_STEP_OF_IMPORTANCE = 10.0  # units: an importance is a mean over units, many times over


def examine(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    trees = trees_of(model)
    number = sum(tree.n_leaves for tree in trees) * _values_per_leaf(model)
    draws = bool(getattr(model, "bootstrap", False)) and policy.keyed_seeds
    most = policy.leaf_share * seen.n_units
    samples = list(_samples(model, seen)) if number <= most else []
    cells = [_leaf_cells(model, tree, places, seen, policy) for tree, places in zip(trees, samples, strict=False)]
    facts: list[Facts] = [Leaves(seen.n_units, number, draws, tuple(cell for one in cells for cell in one))]
    if getattr(model, "criterion", "") == "absolute_error":
        facts.append(Never("leaves that hold medians are single values. Use criterion='squared_error'."))
    if seen.weak.any():
        facts.append(Never("it follows features of which a parameter is hidden."))
    if seen.weight is not None:  # a leaf of many is the value of the one who has all the weight
        facts.append(Never("it was fitted with weights."))
    learned = {"feature_importances_": importances(model, seen, policy)}
    found = findings(type(model).__name__, tuple(facts), policy)
    if not found:
        learned |= _shown_trees(trees, cells, seen, policy)
    return Part(model, Family.TREES, findings=found, shown=learned)


def trees_of(model: Any) -> list[Any]:
    """The low-level trees of a tree or a forest."""
    return [one.tree_ for one in getattr(model, "estimators_", [model])]


def importances(model: Any, seen: Seen, policy: PolicySnapshot) -> Floats:
    """Importances of features that enough units make up, in steps of some units' weight; NaN for the others."""
    values = np.asarray(model.feature_importances_, dtype=np.float64)
    hidden = seen.weak | weak(seen.evidence, policy)
    if seen.weight is not None or seen.n_units < policy.units_per_parameter * len(values):
        hidden = np.ones(len(values), dtype=bool)
    step = np.full(len(values), _STEP_OF_IMPORTANCE / seen.n_units)
    none = np.zeros(len(values))
    return shown(Estimates(values, none, step, none + np.inf), hidden, policy)


# -- leaves -----------------------------------------------------------------------------------------------------------
def _values_per_leaf(model: Any) -> int:
    return max(int(np.max(model.n_classes_)) - 1, 1) if is_classifier(model) else 1


def _samples(model: Any, seen: Seen) -> Iterator[NDArray[np.intp]]:
    """Places of the rows that each tree was fitted to."""
    everything = np.arange(seen.size)
    if getattr(model, "bootstrap", False):
        yield from (np.asarray(places) for places in model.estimators_samples_)
    else:
        yield from (everything for _ in trees_of(model))


def _leaf_cells(
    model: Any, tree: Any, places: NDArray[np.intp], seen: Seen, policy: PolicySnapshot
) -> tuple[tuple[Kind, CellEvidence], ...]:
    """Leaves in the order of their numbers in the tree; for classes after the first, one column each."""
    leaves = np.flatnonzero(tree.children_left < 0)
    numbers = np.searchsorted(leaves, tree.apply(np.ascontiguousarray(seen.numbers[places], dtype=np.float32)))
    rows = seen.grouped(numbers, len(leaves), places)
    truth = seen.y[places]
    if not is_classifier(model):
        measured = summed(contributions(rows, truth.astype(np.float64)), Kind.MEAN, policy.minimum_units)
        return ((Kind.MEAN, measured.evidence),)
    return tuple(
        (Kind.SHARE, summed(contributions(rows, (truth == name) * 1.0), Kind.SHARE, policy.minimum_units).evidence)
        for name in model.classes_[1:]
    )


# -- trees as they may be shown ---------------------------------------------------------------------------------------
def _shown_trees(trees: list[Any], cells: list[Any], seen: Seen, policy: PolicySnapshot) -> dict[str, Floats]:
    """For tree i: `threshold i` of every node, and `value i`, one row per node, zero where it is no leaf."""
    whole = [bool(whole) for whole in (np.floor(seen.numbers) == seen.numbers).all(axis=0)]
    learned = {}
    for place, (tree, columns) in enumerate(zip(trees, cells, strict=True)):
        learned[f"threshold {place}"] = np.array(
            [
                0.0 if feature < 0 else snapped(float(threshold), whole[feature], policy)
                for feature, threshold in zip(tree.feature, tree.threshold, strict=True)
            ]
        )
        learned[f"value {place}"] = _shown_values(tree, columns, policy)
    return learned


def snapped(threshold: float, whole: bool, policy: PolicySnapshot) -> float:
    """A threshold that lies between two values says little of either; one between whole numbers, nothing."""
    if whole:
        threshold = float(np.floor(threshold))
    return to_digits(threshold, policy.significant_digits)


def _shown_values(tree: Any, columns: tuple[tuple[Kind, CellEvidence], ...], policy: PolicySnapshot) -> Floats:
    leaves = np.flatnonzero(tree.children_left < 0)
    values = np.zeros(tree.value.shape[::2])
    exact = tree.value[:, 0, :]
    steps = np.stack([evidence.step for _, evidence in columns], axis=1)
    if values.shape[1] > 1:
        steps = steps * stretched(exact[leaves], columns)[:, np.newaxis]
    for row, leaf in enumerate(leaves):
        if values.shape[1] == 1:
            values[leaf, 0] = shown_number(float(exact[leaf, 0]), float(steps[row, 0]), policy)
            continue
        later = [shown_number(float(v), float(s), policy) for v, s in zip(exact[leaf, 1:], steps[row], strict=True)]
        values[leaf] = _shares([max(1 - sum(later), 0.0), *later])
    return values


def stretched(exact: Floats, columns: tuple[tuple[Kind, CellEvidence], ...]) -> Floats:
    """By how much class weights move the shares of each leaf further than its patients do: a class of a few that weighs
    as much as all others is a number of which each of them is a large part.
    """
    later = np.stack([evidence.total / evidence.rows for _, evidence in columns], axis=1)
    plain = np.column_stack([1 - later.sum(axis=1), later])
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(plain > 0, exact / plain, 1.0)
    largest: Floats = np.maximum(times.max(axis=1), 1.0)
    return largest


def _shares(parts: list[float]) -> Floats:
    """Rounded shares that add up to one."""
    total = sum(parts)
    return np.array([round(part / total, 12) for part in parts])
