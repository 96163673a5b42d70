"""Rebuild, trees and forests: which feature each node looks at, its rounded threshold, and a rounded value per leaf.

Promise: no count of rows, no impurity and no value of an inner node is in a rebuilt tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.tree._tree import Tree

from cleanroom_kernel.vault.parts import Floats, Part
from cleanroom_kernel.vault.parts_trees import trees_of

_STRUCTURE = ("left_child", "right_child", "feature", "missing_go_to_left")


def rebuilt_trees(part: Part, unfitted: Callable[[Any], Any]) -> Any:
    made = unfitted(part.model)
    trees = [
        _tree(tree, part.shown[f"threshold {place}"], part.shown[f"value {place}"])
        for place, tree in enumerate(trees_of(part.model))
    ]
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


def _tree(tree: Any, thresholds: Floats, values: Floats) -> Any:
    state = tree.__getstate__()
    nodes = np.zeros_like(state["nodes"])
    for name in _STRUCTURE:
        nodes[name] = state["nodes"][name]
    nodes["threshold"] = thresholds
    made = Tree(tree.n_features, np.asarray(tree.n_classes, dtype=np.intp), tree.n_outputs)
    made.__setstate__(
        {
            "max_depth": state["max_depth"],
            "node_count": state["node_count"],
            "nodes": nodes,
            "values": np.ascontiguousarray(values[:, np.newaxis, :]),
        }
    )
    return made
