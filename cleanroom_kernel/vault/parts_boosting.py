"""Parts, boosted trees: every leaf is a cell of a table, and its value one step of Newton's from its rows' residuals.

With gradients g and second derivatives h of the loss, a leaf's value is -rate · Σg / (Σh + l2) over its rows, on top of
what the trees before it say. Leaving out one unit moves it by |rate · g_u + value · h_u| / (Σh - h_u + l2), exactly,
the trees before it as they are. All of it is computed anew from the rows; a model whose leaves are not what comes out
is not one that these rules are about.

A leaf that would be suppressed in a table is hidden here: its tree then says nothing of its rows, which is zero, and
the others go on. That a leaf is hidden tells what a suppressed cell tells.

Promise: reads rows, decides nothing beyond the rules it is handed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from cleanroom_kernel.disclosure.candidate import CellEvidence, Kind
from cleanroom_kernel.disclosure.evidence import STEPS, summed
from cleanroom_kernel.disclosure.grouping import Grouped, contributions
from cleanroom_kernel.disclosure.model_rules import LOSSES, MOST_LEARNING_RATE, Family
from cleanroom_kernel.disclosure.models import Estimates, Facts, Leaves, Never, findings, passing, shown
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.vault.parts import Floats, Part, Seen, means
from cleanroom_kernel.vault.parts_trees import importances, snapped

_MOST_HIDDEN = 0.25  # of the leaves
_HIDDEN = (
    "Leaves that a table would not show, for want of patients or because nearly all have the same outcome, say nothing "
    "in the file: what the other trees say counts there."
)

_SAME = 1e-3  # scikit-learn keeps gradients in single precision
_NO_BITSETS = np.zeros((0, 8), dtype=np.uint32)


@dataclass(frozen=True)
class Tree:
    """One tree of either kind of boosting. Arrays have one entry per node; `output` is the class that it is for."""

    output: int
    features: NDArray[np.intp]
    thresholds: Floats
    values: Floats
    is_leaf: NDArray[np.bool_]
    source: Any

    def leaves(self, X: Floats) -> NDArray[np.int32]:
        """For each row the place of its leaf among the leaves."""
        number = np.cumsum(self.is_leaf) - 1
        if not isinstance(self.source, TreePredictor):
            return number[self.source.apply(np.ascontiguousarray(X, dtype=np.float32))].astype(np.int32)
        nodes = self.source.nodes.copy()
        nodes["value"] = number
        told = TreePredictor(nodes, _NO_BITSETS, _NO_BITSETS)
        nowhere = np.zeros(X.shape[1], dtype=np.uint32)
        return told.predict(np.ascontiguousarray(X), _NO_BITSETS, nowhere, 1).astype(np.int32)


@dataclass(frozen=True)
class _Leaf:
    """What is known of the leaves of one tree: evidence as of a table's cells, and how exactly values may be shown."""

    cells: tuple[Kind, CellEvidence]
    estimates: Estimates


def examine(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    name = type(model).__name__
    why = _settings(model, seen)
    learned = {"feature_importances_": importances(model, seen, policy)} if _has_importances(model) else {}
    if why:
        return Part(model, Family.BOOSTED, findings=findings(name, (Never(why),), policy), shown=learned)
    trees = trees_of(model)
    number = sum(int(tree.is_leaf.sum()) for tree in trees)
    small = number <= policy.leaf_share * seen.n_units
    leaves = list(_leaves(model, trees, seen, policy)) if small else []
    facts: list[Facts] = [Leaves(seen.n_units, number, draws=False, cells=())]
    if seen.weak.any():
        facts.append(Never("it follows features of which a parameter is hidden."))
    if any(leaf.estimates.values.size == 0 for leaf in leaves):
        facts.append(Never("its leaf values are not the plain ones that the rules are made for."))
        return Part(model, Family.BOOSTED, findings=findings(name, tuple(facts), policy), shown=learned)
    values = [shown(leaf.estimates, ~passing(*leaf.cells, policy), policy) for leaf in leaves]
    baseline = shown(start := _baseline(model, seen), np.zeros(start.values.shape, dtype=bool), policy)
    hidden = sum(int(np.isnan(part).sum()) for part in values)
    if np.isnan(baseline).any() or hidden > _MOST_HIDDEN * number:
        facts.append(Never("too many of its leaves are none that a table would show. Raise min_samples_leaf."))
    found = findings(name, tuple(facts), policy)
    if not found:
        whole = [bool(is_whole) for is_whole in (np.floor(seen.numbers) == seen.numbers).all(axis=0)]
        learned |= {"baseline": baseline}
        for place, (tree, of_leaves) in enumerate(zip(trees, values, strict=True)):
            learned |= _shown_tree(place, tree, of_leaves, whole, policy)
    notes = (_HIDDEN,) if hidden and not found else ()
    return Part(model, Family.BOOSTED, findings=found, notes=notes, shown=learned)


def trees_of(model: Any) -> list[Tree]:
    if hasattr(model, "_predictors"):
        return [_of_nodes(output, one) for stage in model._predictors for output, one in enumerate(stage)]
    return [_of_tree(output, one.tree_) for stage in model.estimators_ for output, one in enumerate(stage)]


def _of_nodes(output: int, predictor: Any) -> Tree:
    nodes = predictor.nodes
    return Tree(
        output=output,
        features=nodes["feature_idx"].astype(np.intp),
        thresholds=nodes["num_threshold"].astype(np.float64),
        values=nodes["value"].astype(np.float64),
        is_leaf=nodes["is_leaf"].astype(bool),
        source=predictor,
    )


def _of_tree(output: int, tree: Any) -> Tree:
    return Tree(output, tree.feature, tree.threshold, tree.value[:, 0, 0], tree.children_left < 0, tree)


def _has_importances(model: Any) -> bool:
    return hasattr(model, "feature_importances_")


# -- settings ---------------------------------------------------------------------------------------------------------
def _settings(model: Any, seen: Seen) -> str:
    """What of the description is not what the rules are made for, with what to write instead; nothing of the rows but
    how many there are.
    """
    name = type(model).__name__
    is_histogram = name.startswith("Hist")
    stops = model.do_early_stopping_ if is_histogram else model.n_iter_no_change is not None
    if seen.weight is not None or getattr(model, "class_weight", None) is not None:
        return "it was fitted with weights. Leave out sample_weight and class_weight."
    if model.loss not in LOSSES:
        return f"its loss is another than the plain one. Use loss={' or '.join(map(repr, sorted(LOSSES)))}."
    if model.learning_rate > MOST_LEARNING_RATE:
        return f"single trees count too much. Use learning_rate={MOST_LEARNING_RATE} or less."
    if stops:
        switch = "early_stopping=False, with max_iter" if is_histogram else "n_iter_no_change=None, with n_estimators"
        return f"when it stops depends on single patients. Use {switch} of your choice."
    if is_histogram and model.is_categorical_ is not None:
        return "it keeps labels. Use pd.get_dummies or OneHotEncoder, and categorical_features=None."
    if not is_histogram and (model.subsample < 1 or model.init is not None):
        return "its trees are of other rows than the rules count. Use subsample=1.0 and init=None."
    if not is_histogram and is_classifier(model) and len(model.classes_) > 2:
        return "for more than two classes there is no rule. Use HistGradientBoostingClassifier."
    return ""


# -- leaves -----------------------------------------------------------------------------------------------------------
def _leaves(model: Any, trees: list[Tree], seen: Seen, policy: PolicySnapshot) -> Iterator[_Leaf]:
    """The leaves of each tree, in order: the residuals are what the trees before it have left."""
    outputs = max(tree.output for tree in trees) + 1
    truth = _truth(model, seen, outputs)
    raw = np.repeat(_exact_baseline(model, outputs)[np.newaxis], seen.size, axis=0)
    # scikit-learn applies the rate when a tree is made, or when it is used
    made, used = (model.learning_rate, 1.0) if hasattr(model, "_predictors") else (1.0, model.learning_rate)
    slack = float(getattr(model, "l2_regularization", 0.0))
    stage: Floats = raw.copy()
    for tree in trees:
        if tree.output == 0:
            stage = raw.copy()
        gradient, second = _derivatives(model, truth, stage, tree.output)
        codes = tree.leaves(seen.numbers)
        values = tree.values[tree.is_leaf]
        rows = seen.grouped(codes, len(values))
        yield _Leaf(
            _cells(model, rows, truth[:, tree.output], policy),
            _estimates(rows, gradient, second, values, made, slack, exactly=policy.minimum_units == 0),
        )
        raw[:, tree.output] += used * values[codes]


def _truth(model: Any, seen: Seen, outputs: int) -> Floats:
    """One column for each output: the target, or whether it is the class."""
    if not is_classifier(model):
        return seen.y.astype(np.float64)[:, np.newaxis]
    names = model.classes_[-outputs:]
    return (seen.y[:, np.newaxis] == names[np.newaxis]).astype(np.float64)


def _derivatives(model: Any, truth: Floats, raw: Floats, output: int) -> tuple[Floats, Floats]:
    if not is_classifier(model):
        return raw[:, output] - truth[:, output], np.ones(len(raw))
    chance = expit(raw[:, 0]) if raw.shape[1] == 1 else softmax(raw, axis=1)[:, output]
    return chance - truth[:, output], chance * (1 - chance)


def _cells(model: Any, rows: Grouped, truth: Floats, policy: PolicySnapshot) -> tuple[Kind, CellEvidence]:
    kind = Kind.SHARE if is_classifier(model) else Kind.MEAN
    return kind, summed(contributions(rows, truth), kind, policy.minimum_units).evidence


def _estimates(
    rows: Grouped, gradient: Floats, second: Floats, values: Floats, rate: float, slack: float, *, exactly: bool
) -> Estimates:
    """Values of leaves and how far each unit moves them; none, if they are not what the formula gives."""
    by_unit, curved = contributions(rows, gradient), contributions(rows, second)
    leaf = np.repeat(np.arange(len(values)), np.diff(by_unit.bounds))
    total = np.bincount(leaf, weights=by_unit.sums, minlength=len(values))
    curve = np.bincount(leaf, weights=curved.sums, minlength=len(values)) + slack
    if exactly:
        return Estimates.exactly(values)
    expected = -rate * total / curve
    if not np.allclose(values, expected, rtol=_SAME, atol=_SAME * float(np.abs(expected).max(initial=0.0))):
        return Estimates.exactly(np.empty(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        left = curve[leaf] - curved.sums
        moved = np.abs(rate * by_unit.sums + values[leaf] * curved.sums) / np.where(left > 0, left, 0.0)
    largest, third, effective = (np.zeros(len(values)) for _ in range(3))
    for place, (start, end) in enumerate(zip(by_unit.bounds[:-1], by_unit.bounds[1:], strict=True)):
        some = np.sort(moved[start:end])
        largest[place], third[place] = some[-1], some[-min(len(some), 3)]
        effective[place] = some.sum() ** 2 / (some**2).sum() if some[-1] > 0 else np.inf
    return Estimates(values, largest, STEPS * third, effective)


# -- baseline ---------------------------------------------------------------------------------------------------------
def _exact_baseline(model: Any, outputs: int) -> Floats:
    """What is said before the first tree."""
    if hasattr(model, "_baseline_prediction"):
        return np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    if is_classifier(model):
        chance = model.init_.class_prior_[1]
        return np.array([np.log(chance / (1 - chance))])
    return np.asarray(model.init_.constant_, dtype=np.float64).ravel()


def _baseline(model: Any, seen: Seen) -> Estimates:
    """A mean or the logarithms of shares, moved by a unit as these are."""
    outputs = 1 if not is_classifier(model) or len(model.classes_) == 2 else len(model.classes_)
    mean, moved = means(seen, _truth(model, seen, outputs))
    if is_classifier(model):
        moved = moved / (mean * (1 - mean) if outputs == 1 else mean)
    some = np.sort(np.abs(moved), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(some[-1] > 0, some.sum(axis=0) ** 2 / (some**2).sum(axis=0), np.inf)
    return Estimates(_exact_baseline(model, outputs), some[-1], STEPS * some[-min(len(some), 3)], effective)


# -- as it may be shown -----------------------------------------------------------------------------------------------
def _shown_tree(
    place: int, tree: Tree, of_leaves: Floats, whole: list[bool], policy: PolicySnapshot
) -> dict[str, Floats]:
    """`threshold i` and `value i` of every node of tree i; a leaf has no threshold, and an inner node no value."""
    values = np.zeros(len(tree.values))
    values[tree.is_leaf] = of_leaves
    thresholds = [
        0.0 if leaf else snapped(float(threshold), whole[feature], policy)
        for leaf, feature, threshold in zip(tree.is_leaf, tree.features, tree.thresholds, strict=True)
    ]
    return {f"threshold {place}": np.array(thresholds), f"value {place}": values}
