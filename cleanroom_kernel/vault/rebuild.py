"""Rebuild: a fresh estimator from what may be shown of a fitted one.

Promise: nothing is copied from a fitted estimator but its parameters, without seeds, and facts of code and schema
(numbers of features, their names, classes that passed rule S7, which columns a step takes). Learned numbers come from
`Part.shown` and `Part.labels`, as they were rounded; a hidden coefficient is zero. Where an estimator keeps private
state beside that, it is made by fitting the fresh one to those very numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.preprocessing import LabelBinarizer, LabelEncoder
from sklearn.utils import Bunch

from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.vault.parts import Floats, Part
from cleanroom_kernel.vault.rebuild_boosting import rebuilt_boosting
from cleanroom_kernel.vault.rebuild_trees import rebuilt_trees


def rebuilt(part: Part) -> Any:
    """A fitted estimator of the same class that holds what may be shown, and nothing else."""
    made = _MAKERS[part.family](part)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(part.model, name) and not isinstance(getattr(type(part.model), name, None), property):
            setattr(made, name, getattr(part.model, name))
    return made


def unfitted(model: Any) -> Any:
    """The estimator as the expert described it: without seeds, folds and numbers of threads, which were the vault's."""
    made = clone(model)
    parameters = made.get_params(deep=True)
    ours = {name: None for name in parameters if name.rpartition("__")[2] in ("random_state", "n_jobs", "cv")}
    return made.set_params(**ours)


def _set(made: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _known(numbers: Floats, instead: float = 0.0) -> Floats:
    return np.where(np.isnan(numbers), instead, numbers)


# -- models of one part -----------------------------------------------------------------------------------------------
def _linear(part: Part) -> Any:
    made = unfitted(part.model) if hasattr(part.model, "get_params") else type(part.model)()
    if "a_" in part.shown:  # a sigmoid calibration
        return _set(made, a_=float(part.shown["a_"][0]), b_=float(part.shown["b_"][0]))
    intercept = _known(part.shown["intercept_"])
    _set(made, coef_=_known(part.shown["coef_"]), intercept_=float(intercept) if intercept.ndim == 0 else intercept)
    if is_classifier(part.model):
        _set(made, classes_=part.model.classes_)
    if hasattr(part.model, "_label_binarizer"):
        _set(made, _label_binarizer=LabelBinarizer(pos_label=1, neg_label=-1).fit(part.model.classes_))
    if hasattr(part.model, "_base_loss"):
        _set(made, _base_loss=made._get_loss())
    return made


def _bayes(part: Part) -> Any:
    return _set(unfitted(part.model), classes_=part.model.classes_, **part.shown)


def _constant(part: Part) -> Any:
    model = part.model
    made = _set(unfitted(model), n_outputs_=1)
    if not is_classifier(model):
        return _set(made, constant_=part.shown.get("constant_", np.asarray(model.constant)).reshape(1, 1))
    prior = part.shown.get("class_prior_")
    if prior is None:
        prior = (model.classes_ == model.constant).astype(float)
    return _set(
        made,
        classes_=model.classes_,
        n_classes_=len(model.classes_),
        class_prior_=prior,
        sparse_output_=False,
        _strategy=model.strategy,
    )


def _scaler(part: Part) -> Any:
    made = _set(unfitted(part.model), mean_=None, var_=None, scale_=None)
    for name, numbers in part.shown.items():
        _set(made, **{name: _known(numbers, 0.0 if name == "mean_" else 1.0)})
    return made


def _imputer(part: Part) -> Any:
    """Fitted to one row, the values that it fills in: that is its mean, its median and its most frequent row."""
    values = part.labels["statistics_"][0]
    if all(isinstance(value, (int, float)) for value in values):
        row = np.array([values], dtype=np.float64)
    else:
        row = np.array([values], dtype=object)
    return unfitted(part.model).fit(row)


def _encoder(part: Part) -> Any:
    """Fitted to rows in which each label occurs."""
    stored = part.labels["categories_"]
    longest = max(map(len, stored))
    columns = []
    for labels in stored:
        column = [labels[place % len(labels)] for place in range(longest)]
        has_text = any(isinstance(label, str) for label in labels)
        columns.append(pd.Series(column, dtype="str" if has_text else None))
    table = pd.concat(columns, axis=1)
    table.columns = pd.Index(getattr(part.model, "feature_names_in_", range(len(columns))))
    return unfitted(part.model).fit(table if hasattr(part.model, "feature_names_in_") else table.to_numpy())


def _stateless(part: Part) -> Any:
    return unfitted(part.model).fit(np.zeros((1, part.model.n_features_in_)))


def _selector(part: Part) -> Any:
    kept = part.shown["get_support"]
    made = unfitted(part.model)
    name = type(part.model).__name__
    if name == "VarianceThreshold":
        return _set(made, variances_=np.where(kept > 0, np.inf, -np.inf))
    if name == "SelectKBest":
        return _set(made.set_params(k=int(kept.sum())), scores_=kept, pvalues_=1 - kept)
    return _set(made, support_=kept > 0, ranking_=np.where(kept > 0, 1, 2), n_features_=int(kept.sum()))


def _components(part: Part) -> Any:
    made = _set(unfitted(part.model), **part.shown)
    return _set(made, n_components_=len(part.shown["components_"])) if "mean_" in part.shown else made


def _clusters(part: Part) -> Any:
    centres = part.shown["cluster_centers_"]
    return _set(unfitted(part.model), cluster_centers_=centres, _n_threads=1, _n_features_out=len(centres))


# -- composites -------------------------------------------------------------------------------------------------------
def _composite(part: Part) -> Any:
    return _COMPOSITES[type(part.model).__name__](part)


def _pipeline(part: Part) -> Any:
    steps = [(name, rebuilt(part.children[name]) if name in part.children else step) for name, step in part.model.steps]
    return _set(unfitted(part.model), steps=steps)


def _column_transformer(part: Part) -> Any:
    model = part.model
    steps = [
        (name, rebuilt(part.children[name]) if name in part.children else step, columns)
        for name, step, columns in model.transformers_
    ]
    copied = (
        "_columns",
        "_transformer_to_input_indices",
        "_remainder",
        "_n_features",
        "output_indices_",
        "sparse_output_",
    )
    made = _set(unfitted(model), **{name: getattr(model, name) for name in copied if hasattr(model, name)})
    return _set(made, transformers_=steps)


def _union(part: Part) -> Any:
    steps = [
        (name, rebuilt(part.children[name]) if name in part.children else step)
        for name, step in part.model.transformer_list
    ]
    return _set(unfitted(part.model), transformer_list=steps)


def _named(part: Part) -> tuple[list[Any], Bunch]:
    made = {name: rebuilt(part.children[name]) for name, _ in part.model.estimators if name in part.children}
    return list(made.values()), Bunch(**{name: made.get(name, "drop") for name, _ in part.model.estimators})


def _voting(part: Part) -> Any:
    models, by_name = _named(part)
    made = _set(unfitted(part.model), estimators_=models, named_estimators_=by_name)
    if is_classifier(part.model):
        _set(made, le_=_label_encoder(part.model.classes_), classes_=part.model.classes_)
    return made


def _stacking(part: Part) -> Any:
    models, by_name = _named(part)
    made = _set(
        unfitted(part.model),
        estimators_=models,
        named_estimators_=by_name,
        final_estimator_=rebuilt(part.children["final_estimator"]),
        stack_method_=list(part.model.stack_method_),
    )
    if is_classifier(part.model):
        _set(made, _label_encoder=_label_encoder(part.model.classes_), classes_=part.model.classes_)
    return made


def _label_encoder(classes: Any) -> LabelEncoder:
    return LabelEncoder().fit(classes)


def _one_vs_rest(part: Part) -> Any:
    models = [rebuilt(part.children[str(place)]) for place in range(len(part.model.estimators_))]
    binarizer = LabelBinarizer(sparse_output=True).fit(part.model.classes_)
    return _set(unfitted(part.model), estimators_=models, label_binarizer_=binarizer)


def _calibrated(part: Part) -> Any:
    pairs = []
    for place, pair in enumerate(part.model.calibrated_classifiers_):
        calibrators = [
            rebuilt(part.children[f"calibrator {place} {number}"]) for number in range(len(pair.calibrators))
        ]
        model = rebuilt(part.children[f"estimator {place}"])
        pairs.append(type(pair)(model, calibrators, classes=pair.classes, method=pair.method))
    return _set(unfitted(part.model), calibrated_classifiers_=pairs, classes_=part.model.classes_)


def _search(part: Part) -> Any:
    best = int(part.labels["best_index_"][0][0])
    return _set(
        unfitted(part.model),
        best_estimator_=rebuilt(part.children["best_estimator"]),
        best_index_=best,
        best_params_=part.model.cv_results_["params"][best],
        multimetric_=False,
    )


_COMPOSITES: dict[str, Callable[[Part], Any]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "VotingClassifier": _voting,
    "VotingRegressor": _voting,
    "StackingClassifier": _stacking,
    "StackingRegressor": _stacking,
    "OneVsRestClassifier": _one_vs_rest,
    "CalibratedClassifierCV": _calibrated,
    "GridSearchCV": _search,
    "RandomizedSearchCV": _search,
    "HalvingGridSearchCV": _search,
    "HalvingRandomSearchCV": _search,
}

_MAKERS: dict[Family, Callable[[Part], Any]] = {
    Family.LINEAR: _linear,
    Family.TREES: lambda part: rebuilt_trees(part, unfitted),
    Family.BOOSTED: lambda part: rebuilt_boosting(part, unfitted),
    Family.BAYES: _bayes,
    Family.CONSTANT: _constant,
    Family.SCALER: _scaler,
    Family.IMPUTER: _imputer,
    Family.ENCODER: _encoder,
    Family.STATELESS: _stateless,
    Family.SELECTOR: _selector,
    Family.COMPONENTS: _components,
    Family.CLUSTERS: _clusters,
    Family.COMPOSITE: _composite,
}
