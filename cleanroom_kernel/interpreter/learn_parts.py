"""Parts of models in the vault: attributes that are estimators, or that follow from the expert's own description.

Each is put together from the unfitted parts of the estimator at hand, marked as the part that it is in the vault, and
from the few numbers that the vault shows (the best candidate of a search, its scores, the labels of an encoder).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid
from sklearn.utils import Bunch

from cleanroom_kernel.interpreter.estimators import columns_chosen
from cleanroom_kernel.interpreter.learn_fitted import STRUCTURES, Mark, ask, mark


def _part(made: Mark, name: str, unfitted: Any, twin: Any = None) -> Any:
    return mark(clone(unfitted), made.part(name, twin))


# -- searches ---------------------------------------------------------------------------------------------------------
def _candidates(model: Any) -> list[dict[str, Any]]:
    return list(ParameterGrid(model.param_grid))


def _best_index(model: Any, made: Mark) -> int:
    return int(np.ravel(ask(made, "best_index_"))[0])


def _best_params(model: Any, made: Mark) -> dict[str, Any]:
    return _candidates(model)[_best_index(model, made)]


def _described_params(model: Any, made: Mark) -> dict[str, Any]:
    """Of a search that draws its candidates, or drops them: names and values by turns, as the vault tells them."""
    told = np.ravel(ask(made, "best_params_")).tolist()
    return dict(zip(told[::2], told[1::2], strict=True))


def _best_score(model: Any, made: Mark) -> float:
    return float(_mean_scores(made)[_best_index(model, made)])


def _mean_scores(made: Mark) -> np.ndarray:
    return np.ravel(ask(made, "mean_test_score")).astype(float)


def _best_estimator(model: Any, made: Mark) -> Any:
    best = clone(model.estimator).set_params(**clone(model.best_params_, safe=False))
    return _part(made, "best_estimator", best, made.twin and getattr(made.twin, "best_estimator_", None))


def _cv_results(model: Any, made: Mark) -> dict[str, Any]:
    """The columns of scikit-learn's table that there are: candidates, their mean scores and ranks."""
    candidates, scores = _candidates(model), _mean_scores(made)
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    ranks = np.empty(len(scores), dtype=np.int32)
    ranks[order] = np.searchsorted(-scores[order], -scores[order]) + 1
    names = sorted({name for candidate in candidates for name in candidate})
    columns = {f"param_{name}": _objects([candidate.get(name) for candidate in candidates]) for name in names}
    return {**columns, "params": candidates, "mean_test_score": scores, "rank_test_score": ranks}


def _objects(values: list[Any]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _scorer(model: Any, made: Mark) -> Any:
    return check_scoring(model.estimator, model.scoring)


# -- several models ---------------------------------------------------------------------------------------------------
def _named(model: Any, made: Mark) -> dict[str, Any]:
    return {name: _part(made, name, step) for name, step in model.estimators if isinstance(step, BaseEstimator)}


def _each(model: Any, made: Mark) -> list[Any]:
    return list(_named(model, made).values())


def _by_name(model: Any, made: Mark) -> Bunch:
    return Bunch(**{name: step for name, step in model.estimators if isinstance(step, str)}, **_named(model, made))


def _final(model: Any, made: Mark) -> Any:
    default = LogisticRegression() if is_classifier(model) else RidgeCV()
    return _part(made, "final_estimator", default if model.final_estimator is None else model.final_estimator)


def _one_per_class(model: Any, made: Mark) -> list[Any]:
    classes = len(made.learned.summary.classes)
    return [_part(made, str(place), model.estimator) for place in range(1 if classes == 2 else classes)]


# -- columns ----------------------------------------------------------------------------------------------------------
def _transformers(model: Any, made: Mark) -> list[tuple[str, Any, Any]]:
    """Names, fitted parts and columns of a ColumnTransformer; what is left over comes last."""
    columns = made.learned.columns
    found: list[tuple[str, Any, Any]] = []
    used: set[Any] = set()
    for name, step, by in model.transformers:
        chosen = columns_chosen(by, columns)
        used |= set(_labels(chosen, columns))
        found.append((name, _part(made, name, step) if isinstance(step, BaseEstimator) else step, chosen))
    left = [label for label in columns.columns if label not in used]
    if left:
        step = model.remainder
        found.append(("remainder", _part(made, "remainder", step) if isinstance(step, BaseEstimator) else step, left))
    return found


def _labels(chosen: Any, columns: Any) -> list[Any]:
    """Columns that are chosen by labels, by positions or by a list of truth values."""
    listed = chosen if isinstance(chosen, list) else [chosen]
    if all(isinstance(label, str) for label in listed):
        return listed
    return list(columns.columns[np.asarray(listed)])


def _transformers_by_name(model: Any, made: Mark) -> Bunch:
    return Bunch(**{name: step for name, step, _ in model.transformers_})


def _categories(model: Any, made: Mark) -> list[np.ndarray]:
    return [np.atleast_1d(ask(made, "categories_", str(place))) for place in range(int(model.n_features_in_))]


STRUCTURES.update(
    {
        ("GridSearchCV", "best_index_"): _best_index,
        ("GridSearchCV", "best_params_"): _best_params,
        ("GridSearchCV", "best_score_"): _best_score,
        ("GridSearchCV", "best_estimator_"): _best_estimator,
        ("GridSearchCV", "cv_results_"): _cv_results,
        ("GridSearchCV", "scorer_"): _scorer,
        **{
            (kind, name): structure
            for kind in ("RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
            for name, structure in (
                ("best_index_", _best_index),
                ("best_params_", _described_params),
                ("best_score_", _best_score),
                ("best_estimator_", _best_estimator),
                ("scorer_", _scorer),
            )
        },
        ("ColumnTransformer", "transformers_"): _transformers,
        ("ColumnTransformer", "named_transformers_"): _transformers_by_name,
        ("OneHotEncoder", "categories_"): _categories,
        ("OrdinalEncoder", "categories_"): _categories,
        ("OneVsRestClassifier", "estimators_"): _one_per_class,
        ("StackingClassifier", "final_estimator_"): _final,
        ("StackingRegressor", "final_estimator_"): _final,
        **{
            (f"{what}{kind}", name): structure
            for what in ("Voting", "Stacking")
            for kind in ("Classifier", "Regressor")
            for name, structure in (("estimators_", _each), ("named_estimators_", _by_name))
        },
    }
)
