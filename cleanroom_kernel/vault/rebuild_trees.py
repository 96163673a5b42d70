"""Rebuild, trees and forests: which feature each node looks at, its rounded threshold, and a rounded value per leaf.

Promise: no count of rows, no impurity and no value of an inner node is in a rebuilt tree. What stands in its place is
made of the importances of features that are shown, so that scikit-learn computes these again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.tree._tree import Tree

from cleanroom_kernel.vault.parts import Floats, Part
from cleanroom_kernel.vault.parts_trees import trees_of

_STRUCTURE = ("left_child", "right_child", "feature", "missing_go_to_left")
_ROUNDS = 2_000


def rebuilt_trees(part: Part, unfitted: Callable[[Any], Any]) -> Any:
    made = unfitted(part.model)
    trees = [
        plain_tree(tree, part.shown[f"threshold {place}"], part.shown[f"value {place}"])
        for place, tree in enumerate(trees_of(part.model))
    ]
    trees = with_importances(trees, part.shown["feature_importances_"])
    _describe(made, part.model)
    if not hasattr(part.model, "estimators_"):
        made.tree_ = trees[0]
        return made
    made.estimators_ = []
    for tree, fitted in zip(trees, part.model.estimators_, strict=True):
        one = _describe(unfitted(fitted), fitted)
        one.tree_ = tree
        one.n_features_in_ = fitted.n_features_in_
        made.estimators_.append(one)
    return made


def _describe(made: Any, model: Any) -> Any:
    """Facts of code and schema, and the classes, which passed rule S7."""
    made.n_outputs_ = 1
    if is_classifier(model):
        made.classes_ = model.classes_
        made.n_classes_ = model.n_classes_
    if hasattr(model, "max_features_"):
        made.max_features_ = model.max_features_
    return made


def plain_tree(tree: Any, thresholds: Floats, values: Floats) -> Any:
    state = tree.__getstate__()
    nodes = np.zeros_like(state["nodes"])
    for name in _STRUCTURE:
        nodes[name] = state["nodes"][name]
    nodes["threshold"] = thresholds
    return _made_of(tree, {**state, "nodes": nodes, "values": np.ascontiguousarray(values[:, np.newaxis, :])})


def _made_of(like: Any, state: dict[str, Any]) -> Any:
    made = Tree(like.n_features, np.asarray(like.n_classes, dtype=np.intp), like.n_outputs)
    made.__setstate__({name: state[name] for name in ("max_depth", "node_count", "nodes", "values")})
    return made


# -- importances ------------------------------------------------------------------------------------------------------
def with_importances(trees: list[Any], importances: Floats) -> list[Any]:
    """`trees` of whose nodes scikit-learn computes `importances`, as nearly as these trees can share them out."""
    wanted = np.nan_to_num(importances)
    if wanted.sum() <= 0:
        return trees
    splits = np.array([np.bincount(tree.feature[tree.feature >= 0], minlength=len(wanted)) > 0 for tree in trees])
    shares = _shared_out(splits, wanted / wanted.sum())
    return [_with_gains(tree, share) for tree, share in zip(trees, shares, strict=True)]


def _shared_out(splits: NDArray[np.bool_], wanted: Floats) -> Floats:
    """What each feature contributes to each tree: a tree's add up to one, and their mean over trees is `wanted`. By
    fitting rows and columns in turn, of a start that knows which features a tree looks at and no more.
    """
    shares = np.where(splits, wanted, 0.0)
    used = shares.sum(axis=1) > 0
    for _ in range(_ROUNDS):
        shares[used] /= shares[used].sum(axis=1, keepdims=True)
        means = shares[used].mean(axis=0)
        shares *= np.divide(wanted, means, out=np.zeros_like(wanted), where=means > 0)
    shares[used] /= shares[used].sum(axis=1, keepdims=True)
    return shares


def _with_gains(tree: Any, share: Floats) -> Any:
    """The first node that looks at a feature gains all of the feature's share; every node weighs one."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    nodes["weighted_n_node_samples"] = 1.0
    impurity = np.zeros(len(nodes))
    first = {int(feature): place for place, feature in reversed(list(enumerate(tree.feature))) if feature >= 0}
    for place in range(len(nodes) - 1, -1, -1):  # children come after their parents
        feature = int(tree.feature[place])
        if feature >= 0:
            below = impurity[tree.children_left[place]] + impurity[tree.children_right[place]]
            impurity[place] = below + (share[feature] if first[feature] == place else 0.0)
    nodes["impurity"] = impurity
    return _made_of(tree, {**state, "nodes": nodes})
