"""Parts, composites: pipelines and other estimators that are made of estimators, taken apart.

Promise: each part is examined on the rows and columns that it was fitted to, or, where a part was fitted to predictions
of others (stacking), on predictions of the finished others in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import check_cv
from sklearn.model_selection._search_successive_halving import _SubsampleMetaSplitter
from sklearn.utils import _safe_indexing

from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.models import Estimates, Facts, Folds, Never, findings, shown
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.protocol.release import Label
from cleanroom_kernel.vault.estimators import by_patient
from cleanroom_kernel.vault.parts import Floats, Origin, Part, Seen
from cleanroom_kernel.vault.parts_linear import line

Examine = Callable[[Any, Seen, PolicySnapshot], Part]

_BOUNDED = frozenset(
    {
        None, "accuracy", "balanced_accuracy", "roc_auc", "roc_auc_ovr", "average_precision", "f1", "f1_macro",
        "f1_micro", "f1_weighted", "precision", "recall", "neg_brier_score",
    }
)  # fmt: skip
_CONSTANTS = (bool, int, float, str)
_STEP_OF_SCORE = 5.0  # units of a fold


def compose(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    """The parts of a composite; `examine` is for each of them."""
    return _COMPOSITES[type(model).__name__](model, seen, policy, examine)


def _part(model: Any, children: dict[str, Part], outputs: Iterable[Origin] = (), **more: Any) -> Part:
    return Part(model, Family.COMPOSITE, children=children, outputs=tuple(outputs), **more)


# -- columns ----------------------------------------------------------------------------------------------------------
def _pipeline(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    children: dict[str, Part] = {}
    weight, outputs = seen.weight, seen.columns
    here = _without_weight(seen)
    for place, (name, step) in enumerate(model.steps):
        if step is None or step == "passthrough":
            continue
        last = place == len(model.steps) - 1
        child = examine(step, _with_weight(here, weight) if last else here, policy)
        children[name] = child
        outputs = child.outputs
        if not last:
            scaled = child.family is Family.SCALER
            here = here.passed_on(step.transform(here.X), child.outputs, scaled=scaled)
    return _part(model, children, outputs)


def _column_transformer(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    children: dict[str, Part] = {}
    facts: tuple[Facts, ...] = ()
    outputs: list[tuple[int, tuple[Origin, ...]]] = []
    for name, step, _ in model.transformers_:
        chosen = model._transformer_to_input_indices[name]
        if isinstance(step, str) or len(chosen) == 0:
            continue
        columns = tuple(seen.columns[place] for place in chosen)
        here = _without_weight(seen).passed_on(_safe_indexing(seen.X, chosen, axis=1), columns)
        children[name] = examine(step, here, policy)
        outputs.append((model.output_indices_[name].start, children[name].outputs))
    if model.transformer_weights:
        facts = (Never("transformer_weights are not supported in a released file."),)
    ordered = [origin for _, origins in sorted(outputs, key=lambda one: one[0]) for origin in origins]
    return _part(model, children, ordered, findings=findings("ColumnTransformer", facts, policy))


def _union(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    here = _without_weight(seen)
    chosen = [(name, step) for name, step in model.transformer_list if not isinstance(step, str)]
    children = {name: examine(step, here, policy) for name, step in chosen}
    return _part(model, children, [origin for child in children.values() for origin in child.outputs])


def _without_weight(seen: Seen) -> Seen:
    return _with_weight(seen, None)


def _with_weight(seen: Seen, weight: Floats | None) -> Seen:
    return replace(seen, weight=weight)


# -- several models ---------------------------------------------------------------------------------------------------
def _voting(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    here = _with_target(seen, _encoded(model, seen, "le_"))
    names = [name for name, step in model.estimators if not isinstance(step, str)]
    return _part(
        model, {name: examine(step, here, policy) for name, step in zip(names, model.estimators_, strict=True)}
    )


def _stacking(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    here = _with_target(seen, _encoded(model, seen, "_label_encoder"))
    names = [name for name, step in model.estimators if not isinstance(step, str)]
    children = {name: examine(step, here, policy) for name, step in zip(names, model.estimators_, strict=True)}
    predicted = np.asarray(model.transform(seen.X))
    columns = tuple(Origin(f"prediction {place}") for place in range(predicted.shape[1]))
    children["final_estimator"] = examine(model.final_estimator_, here.passed_on(predicted, columns), policy)
    facts: tuple[Facts, ...] = ()
    if any(child.hides for child in children.values()):
        facts = (Never("a part of it hides coefficients, which the last estimator has seen."),)
    return _part(model, children, findings=findings(type(model).__name__, facts, policy))


def _one_vs_rest(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    classes = model.classes_[1:] if len(model.estimators_) == 1 else model.classes_
    children = {}
    for place, (name, step) in enumerate(zip(classes, model.estimators_, strict=True)):
        children[str(place)] = examine(step, _with_target(seen, (seen.y == name).astype(np.int64)), policy)
    return _part(model, children)


def _calibrated(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    if model.method != "sigmoid":
        fact = Never("an isotonic calibration keeps single predictions. Use method='sigmoid'.")
        return _part(model, {}, findings=findings("CalibratedClassifierCV", (fact,), policy))
    pairs = model.calibrated_classifiers_
    folds = list(_folds(model, seen)) if len(pairs) > 1 else [(np.arange(seen.size),) * 2]
    children: dict[str, Part] = {}
    for place, (pair, (train, test)) in enumerate(zip(pairs, folds, strict=True)):
        children[f"estimator {place}"] = examine(pair.estimator, seen.at(train), policy)
        here = seen.at(test)
        scores = _scores(pair.estimator, here.X)
        names = pair.classes[1:] if len(pair.calibrators) == 1 else pair.classes
        for number, (name, calibrator) in enumerate(zip(names, pair.calibrators, strict=True)):
            truth = (here.y == name).astype(np.float64)
            one = here.passed_on(scores[:, number : number + 1], (Origin("score"),))
            children[f"calibrator {place} {number}"] = line(
                calibrator, one, truth, calibrator.predict(scores[:, number]), policy
            )
    return _part(model, children)


def _scores(model: Any, X: Any) -> Floats:
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(X)).reshape(X.shape[0], -1)
    chance = np.asarray(model.predict_proba(X))
    return chance[:, 1:] if chance.shape[1] == 2 else chance


def _search(model: Any, seen: Seen, policy: PolicySnapshot, examine: Examine) -> Part:
    """The best candidate, and how well the candidates did: means over folds, in steps of some units."""
    tests = [test for _, test in _smallest_folds(model, seen)]
    sizes = [len(np.unique(seen.units[test])) for test in tests]
    fewest = min(sizes, default=0)
    facts: list[Facts] = [Folds(fewest, _fewest_of_a_class(model, seen, tests))]
    if seen.weight is not None:
        facts.append(Never("it was fitted with weights."))
    scores = np.asarray(model.cv_results_["mean_test_score"], dtype=np.float64)
    bounded = model.scoring in _BOUNDED and is_classifier(model)
    none = np.zeros(len(scores))
    learned = Estimates(scores, none, none + _STEP_OF_SCORE / max(fewest, 1), none + np.inf)
    hidden = np.full(len(scores), not bounded and policy.minimum_units > 0)
    means = shown(learned, hidden, policy)
    return _part(
        model,
        {"best_estimator": examine(model.best_estimator_, seen, policy)},
        findings=findings(type(model).__name__, tuple(facts), policy),
        labels={
            "best_index_": ((int(model.best_index_),),),
            "best_params_": (_described(model.cv_results_["params"][int(model.best_index_)]),),
            "mean_test_score": (tuple(means.tolist()),),
        },
    )


def _described(parameters: dict[str, Any]) -> tuple[Label, ...]:
    """Names and values by turns; a value that is no constant is described by its name alone."""
    pairs = ((name, value if isinstance(value, _CONSTANTS) else None) for name, value in parameters.items())
    return tuple(part for pair in pairs for part in pair)


def _fewest_of_a_class(model: Any, seen: Seen, tests: list[NDArray[np.intp]]) -> int:
    if not is_classifier(model):
        return seen.n_units
    counts = [len(np.unique(seen.units[test][seen.y[test] == name])) for test in tests for name in np.unique(seen.y)]
    return min(counts, default=0)


def _folds(model: Any, seen: Seen) -> Any:
    """The folds of the fit; their seeds are fixed, so they are the same again."""
    splitter = check_cv(5 if model.cv is None else model.cv, seen.y, classifier=not is_regressor(model))
    return splitter.split(seen.X, seen.y, seen.units if by_patient(model) else None)


def _smallest_folds(model: Any, seen: Seen) -> Any:
    """The folds on which candidates were scored; of a search by halves, those of its first round, which has the fewest
    rows. Its draws have a fixed seed, so they are the same again.
    """
    if getattr(model, "resource", "") != "n_samples":
        return _folds(model, seen)
    rounds = _SubsampleMetaSplitter(
        base_cv=check_cv(5 if model.cv is None else model.cv, seen.y, classifier=not is_regressor(model)),
        fraction=model.n_resources_[0] / seen.size,
        subsample_test=True,
        random_state=model.random_state,
    )
    return rounds.split(seen.X, seen.y, **({"groups": seen.units} if by_patient(model) else {}))


def _encoded(model: Any, seen: Seen, attribute: str) -> NDArray[Any] | None:
    return getattr(model, attribute).transform(seen.y) if is_classifier(model) else seen.y


def _with_target(seen: Seen, y: NDArray[Any] | None) -> Seen:
    return replace(seen, y=y)


_COMPOSITES: dict[str, Callable[[Any, Seen, PolicySnapshot, Examine], Part]] = {
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
