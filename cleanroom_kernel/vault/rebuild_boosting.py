"""Rebuild, boosted trees: as single trees, with a rounded start in place of the first guess, and zero where it hides.

Promise: no edges of bins, no scores of training, no counts, gains or sums of an inner node are in a rebuilt model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from cleanroom_kernel.vault.parts import Part
from cleanroom_kernel.vault.rebuild_trees import plain_tree, with_importances

_STRUCTURE = ("left", "right", "feature_idx", "missing_go_to_left", "is_leaf", "depth")
_MISSING_BIN = 255


def rebuilt_boosting(part: Part, unfitted: Callable[[Any], Any]) -> Any:
    made = unfitted(part.model)
    if is_classifier(part.model):
        made.classes_ = part.model.classes_
    made.n_trees_per_iteration_ = part.model.n_trees_per_iteration_
    return _of_nodes(made, part) if hasattr(part.model, "_predictors") else _of_trees(made, part)


def _of_nodes(made: Any, part: Part) -> Any:
    number = iter(range(part.model.n_iter_ * made.n_trees_per_iteration_))
    made._predictors = [[_predictor(one, part, next(number)) for one in stage] for stage in part.model._predictors]
    made._baseline_prediction = part.shown["baseline"].reshape(1, -1)
    made._loss = made._get_loss(sample_weight=None)
    made._preprocessor = None
    made._bin_mapper = _no_bins(part.model.n_features_in_)
    made.is_categorical_ = None
    made.do_early_stopping_ = False
    made.train_score_ = made.validation_score_ = np.empty(0)
    return made


def _predictor(fitted: Any, part: Part, place: int) -> TreePredictor:
    nodes = np.zeros_like(fitted.nodes)
    for name in _STRUCTURE:
        nodes[name] = fitted.nodes[name]
    nodes["num_threshold"] = part.shown[f"threshold {place}"]
    nodes["value"] = np.nan_to_num(part.shown[f"value {place}"])
    none = np.zeros((0, 8), dtype=np.uint32)
    return TreePredictor(nodes, none, none)


def _no_bins(n_features: int) -> _BinMapper:
    """Predicting asks it for labels, of which there are none, and for nothing else."""
    bins = _BinMapper(n_bins=_MISSING_BIN + 1)
    bins.is_categorical_ = np.zeros(n_features, dtype=np.uint8)
    bins.bin_thresholds_ = [np.empty(0) for _ in range(n_features)]
    bins.n_bins_non_missing_ = np.ones(n_features, dtype=np.uint32)
    bins.missing_values_bin_idx_ = _MISSING_BIN
    return bins


def _of_trees(made: Any, part: Part) -> Any:
    model = part.model
    made.n_estimators_ = model.n_estimators_
    made.max_features_ = model.max_features_
    made.init_ = _start(part)
    if is_classifier(model):
        made.n_classes_ = model.n_classes_
    made._loss = made._get_loss(sample_weight=None)
    made.train_score_ = np.empty(0)
    trees = [
        plain_tree(
            one.tree_, part.shown[f"threshold {place}"], np.nan_to_num(part.shown[f"value {place}"])[:, np.newaxis]
        )
        for place, one in enumerate(model.estimators_.ravel())
    ]
    trees = with_importances(trees, part.shown["feature_importances_"])
    made.estimators_ = np.empty(model.estimators_.shape, dtype=object)
    for place, (tree, fitted) in enumerate(zip(trees, model.estimators_.ravel(), strict=True)):
        one = type(fitted)(**{**fitted.get_params(), "random_state": None})
        one.tree_, one.n_outputs_, one.n_features_in_ = tree, 1, fitted.n_features_in_
        made.estimators_.ravel()[place] = one
    return made


def _start(part: Part) -> Any:
    """An estimator that says the rounded baseline, fitted to a few made-up rows."""
    start = float(part.shown["baseline"][0])
    if is_classifier(part.model):
        chance = float(expit(start))
        made = DummyClassifier(strategy="prior").fit(np.zeros((2, 1)), part.model.classes_)
        made.class_prior_ = np.array([1 - chance, chance])
        return made
    return DummyRegressor(strategy="constant", constant=start).fit(np.zeros((1, 1)), np.array([start]))
