"""Leaves as equations: who knows every row but the labels reads them off enough leaf values (M12-M15).

Each leaf of a tree or a boosted tree tells a sum of its rows' labels; trees over the same rows tell overlapping sums. A
model with about as many leaves as rows gives them all away. Labels here are drawn by lot, so that nothing but memory
of the training rows can tell them. What a released model leaves is what a table of its leaves would tell, too: that
these hundred patients have it somewhat more often than those.
"""

import numpy as np
import pytest
import skops.io
from scipy.special import expit
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from support.learning import File, LearningRoom, fit_of

from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault.parts_boosting import trees_of

ROWS, SHARE, NAMED = 2_000, 0.3, 200
FEATURES = tuple(f"x{place}" for place in range(6))

LARGE = {
    "trees": ExtraTreesClassifier(40, min_samples_leaf=10, random_state=0),
    "boosting": HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=31, min_samples_leaf=10, early_stopping=False, random_state=0
    ),
    "single boosting": GradientBoostingClassifier(n_estimators=60, max_depth=5, min_samples_leaf=10, random_state=0),
}
SMALL = {
    "forest": RandomForestClassifier(5, max_leaf_nodes=8, min_samples_leaf=100, random_state=0),
    "trees": ExtraTreesClassifier(5, max_leaf_nodes=8, min_samples_leaf=100, random_state=0),
    "boosting": HistGradientBoostingClassifier(
        max_iter=8, max_leaf_nodes=6, min_samples_leaf=100, early_stopping=False, random_state=0
    ),
    "single boosting": GradientBoostingClassifier(
        n_estimators=8, max_leaf_nodes=6, min_samples_leaf=100, random_state=0
    ),
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(11)
    columns = {name: np.round(random.normal(50, 15, ROWS), 1) for name in FEATURES}
    return {"id": np.arange(ROWS), "hiv": (random.random(ROWS) < SHARE).astype(int), **columns}


@pytest.fixture
def room(table, tmp_path):
    return LearningRoom({"t": table}, tmp_path, key=b"k" * 32)


def known(table):
    return np.column_stack([table[name] for name in FEATURES])


def equations_of(model, X):
    """Rows of a leaf, and the sum of their labels by the leaf's value."""
    if hasattr(model, "estimators_") and not hasattr(model, "init_"):
        for tree in (one.tree_ for one in model.estimators_):
            at = tree.apply(X.astype(np.float32))
            for leaf in np.unique(at):
                yield at == leaf, (at == leaf).sum() * tree.value[leaf, 0, 1]
        return
    boosted = hasattr(model, "_predictors")
    chance = None if boosted else model.init_.class_prior_[1]
    raw = np.full(len(X), float(model._baseline_prediction.ravel()[0]) if boosted else np.log(chance / (1 - chance)))
    for tree in trees_of(model):
        at, values, p = tree.leaves(X), tree.values[tree.is_leaf], expit(raw)
        rate = model.learning_rate if boosted else 1.0
        for leaf, value in enumerate(values):
            inside = at == leaf
            yield inside, p[inside].sum() + value * (p * (1 - p))[inside].sum() / rate
        raw += values[at] * (1.0 if boosted else model.learning_rate)


def advantage(model, table):
    """How much better than chance those are told who the equations say are the likeliest: 0 is by lot, 1 is surely."""
    X, truth = known(table), table["hiv"]
    inside, sums = zip(*equations_of(model, X), strict=True)
    sizes = np.sqrt(np.sum(inside, axis=1))
    design, known_sums = np.array(inside, dtype=float) / sizes[:, np.newaxis], np.array(sums) / sizes
    overall = np.full(ROWS, truth.mean())
    ridge = design @ design.T + 1e-6 * np.eye(len(design))
    found = overall + design.T @ np.linalg.solve(ridge, known_sums - design @ overall)
    return (truth[np.argsort(-found)[:NAMED]].mean() - truth.mean()) / (1 - truth.mean())


@pytest.mark.parametrize("name", LARGE)
def test_a_model_of_many_leaves_gives_labels_away_and_is_refused(name, room, table):
    model = LARGE[name]
    exact = type(model)(**model.get_params()).fit(known(table), table["hiv"])
    assert advantage(exact, table) > 0.7  # so the attack works
    answer = room.ask(File(fit_of(room["t"], model, FEATURES, "hiv")))
    assert isinstance(answer, Refusal)
    assert "Raise min_samples_leaf" in answer.message


@pytest.mark.parametrize("name", SMALL)
def test_a_model_that_is_released_tells_of_groups_alone(name, room, table):
    answer = room.ask(File(fit_of(room["t"], SMALL[name], FEATURES, "hiv")))
    assert isinstance(answer, Release), answer
    model = skops.io.loads(answer.payload.content, trusted=list(answer.payload.trusted))
    assert advantage(model, table) < 0.3
