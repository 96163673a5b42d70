"""No released model holds a row, an array with an entry per row, or one patient's value: scanned, class by class.

Every feature is unique to the last digit, so a number of the table in a rebuilt estimator was copied from a patient.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from support.learning import desk_of, fit_of
from support.rooms import Room

from cleanroom_kernel.disclosure.model_rules import FAMILY, RELEASED, Family
from cleanroom_kernel.plan.models import Task
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.estimators import _class
from cleanroom_kernel.vault.export import export
from cleanroom_kernel.vault.rebuild import rebuilt

N = 1_499  # a prime: no array has as many entries by chance
FEATURES = ("x0", "x1", "x2")

SINGLE = sorted(name for name, family in FAMILY.items() if family in RELEASED - {Family.COMPOSITE, Family.ENCODER})
NOT_RELEASED = sorted(name for name, family in FAMILY.items() if family not in RELEASED)

HISTOGRAMS = {"max_iter": 3, "max_leaf_nodes": 4, "min_samples_leaf": 100, "early_stopping": False}
SETTINGS = {
    "DecisionTreeClassifier": {"max_depth": 3, "min_samples_leaf": 150},
    "DecisionTreeRegressor": {"max_depth": 3, "min_samples_leaf": 150},
    "ExtraTreeClassifier": {"max_depth": 2, "min_samples_leaf": 150},
    "ExtraTreeRegressor": {"max_depth": 2, "min_samples_leaf": 150},
    "RandomForestClassifier": {"n_estimators": 4, "max_depth": 3, "min_samples_leaf": 150},
    "RandomForestRegressor": {"n_estimators": 4, "max_depth": 3, "min_samples_leaf": 150},
    "ExtraTreesClassifier": {"n_estimators": 4, "max_depth": 2, "min_samples_leaf": 150},
    "ExtraTreesRegressor": {"n_estimators": 4, "max_depth": 2, "min_samples_leaf": 150},
    "RFE": {"n_features_to_select": 2},
    "SelectKBest": {"k": 2},
    "MissingIndicator": {"features": "all"},
    "HistGradientBoostingClassifier": HISTOGRAMS,
    "HistGradientBoostingRegressor": HISTOGRAMS,
    "GradientBoostingClassifier": {"n_estimators": 3, "max_leaf_nodes": 4, "min_samples_leaf": 100},
    "GradientBoostingRegressor": {"n_estimators": 3, "max_leaf_nodes": 4, "min_samples_leaf": 100},
    "LogisticRegressionCV": {"l1_ratios": (0.0,), "Cs": 2, "use_legacy_attributes": False},
    "KernelPCA": {"n_components": 2},
    "KMeans": {"n_clusters": 3},
    "MiniBatchKMeans": {"n_clusters": 3},
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(5)
    X = random.normal(100, 15, (N, 3)) + random.random((N, 3)) * 1e-6
    label = (X[:, 0] + random.normal(0, 40, N) > 100).astype(int)
    target = X[:, 1] * 0.3 + random.normal(50, 3, N)
    return {"id": np.arange(N), "label": label, "target": target} | dict(zip(FEATURES, X.T, strict=True))


@pytest.fixture(scope="module")
def desk(table, tmp_path_factory):
    return desk_of(Room({"t": table}, tmp_path_factory.mktemp("state"), key=b"k" * 32), b"k" * 32)


def an_instance(name):
    kind = _class(name)
    settings = dict(SETTINGS.get(kind.__name__, {}))
    if kind.__name__ in ("RFE", "SelectFromModel"):
        settings["estimator"] = _class("sklearn.linear_model.Ridge")()
    return kind(**settings)


def task_of(model):
    found = get_tags(model).estimator_type
    return Task.TRANSFORM if found is None or hasattr(model, "get_support") else Task(found)


def fit_for(desk, model):
    task = task_of(model)
    supervised = task in (Task.CLASSIFY, Task.REGRESS) or hasattr(model, "get_support")
    target = "label" if task is Task.CLASSIFY or hasattr(model, "score_func") else "target"
    return fit_of(desk.room_table, model, FEATURES, target if supervised else None, task)


def numbers_in(thing, seen=None) -> Iterator[np.ndarray]:
    """Every array and number that an object holds, in whatever depth, private attributes too."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (str, bytes, type)) or thing is None:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        if thing.dtype.names:
            for name in thing.dtype.names:
                yield thing[name]
        elif thing.dtype == object:
            for item in thing.ravel():
                yield from numbers_in(item, seen)
        else:
            yield thing
    elif isinstance(thing, (bool, int, float, np.generic)):
        yield np.array(thing)
    elif isinstance(thing, dict):
        for item in thing.values():
            yield from numbers_in(item, seen)
    elif isinstance(thing, (list, tuple, set)):
        for item in thing:
            yield from numbers_in(item, seen)
    elif hasattr(thing, "__getstate__") and not callable(thing):
        yield from numbers_in(thing.__getstate__(), seen)


def copied(model, table) -> list[float]:
    """Values of the table that the object holds, to the last digit."""
    values = np.concatenate([table[name] for name in (*FEATURES, "target")])
    held = [array.ravel() for array in numbers_in(model) if array.dtype.kind == "f"]
    return list(np.intersect1d(values, np.concatenate([np.empty(0), *held])))


def shapes(model):
    return [array.shape for array in numbers_in(model)]


@pytest.mark.parametrize("name", SINGLE)
def test_a_released_model_holds_no_value_of_a_patient(name, desk, table):
    fit = fit_for(desk, an_instance(name))
    assert isinstance(answer(fit, desk), Release)
    part = desk.learners.part(fit, desk.engine, desk.policy)
    assert not part.all_findings, part.all_findings
    made = rebuilt(part)
    assert isinstance(made, BaseEstimator)
    assert not copied(made, table)
    assert not [shape for shape in shapes(made) if N in shape]


def test_the_scan_finds_what_is_there(desk, table):
    """The control: fitted models that are not rebuilt do hold patients' values and arrays with an entry per row."""
    neighbours = desk.learners.fitted(fit_for(desk, an_instance("sklearn.neighbors.KNeighborsClassifier")), desk.engine)
    assert len(copied(neighbours.model, table)) >= N
    clusters = desk.learners.fitted(fit_for(desk, an_instance("sklearn.cluster.KMeans")), desk.engine)
    assert [shape for shape in shapes(clusters.model) if N in shape]
    scaler = desk.learners.fitted(fit_for(desk, an_instance("sklearn.preprocessing.MinMaxScaler")), desk.engine)
    assert copied(scaler.model, table)


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
@pytest.mark.parametrize("name", NOT_RELEASED)
def test_what_has_no_rule_is_not_released(name, desk):
    fit = fit_for(desk, an_instance(name))
    released = answer(fit, desk)
    if isinstance(released, Release):
        assert not released.payload.releasable
        assert name.rpartition(".")[2] in " ".join(released.payload.findings)
    assert isinstance(export(fit, "model.skops", desk), Refusal)
