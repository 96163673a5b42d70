"""Membership inference, as we do it ourselves: what ranks patients, how far a ranking is to be believed, and that
shadow models are made of halves of the patients.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from cleanroom_kernel.vault import attacking
from cleanroom_kernel.vault.attacking import LOSS, RATIO, Attack, area, attacked, confidence, interval
from cleanroom_kernel.vault.quietly import LearningFailed

PEOPLE = 600


@st.composite
def rankings(draw):
    members = draw(st.lists(st.booleans(), min_size=4, max_size=60).filter(lambda found: 1 < sum(found) < len(found)))
    statistic = draw(st.lists(st.integers(-3, 3), min_size=len(members), max_size=len(members)))
    return np.array(members), np.array(statistic, dtype=float)


@given(rankings())
@settings(max_examples=60, deadline=None)
def test_the_area_is_scikit_learns(ranking):
    members, statistic = ranking
    assert area(members, statistic) == pytest.approx(roc_auc_score(members, statistic), abs=1e-12)


def test_the_interval_is_about_what_a_bootstrap_of_patients_gives():
    random = np.random.default_rng(3)
    members = random.random(400) < 0.6
    statistic = random.normal(0.5 * members, 1)
    low, high = interval(members, statistic)
    drawn = [random.integers(0, 400, 400) for _ in range(400)]
    expected = np.quantile([area(members[some], statistic[some]) for some in drawn], [0.025, 0.975])
    assert [low, high] == pytest.approx(expected, abs=0.015)


def test_nobody_is_sure_beyond_zero_and_one():
    assert interval(np.array([True, True, False, False]), np.array([3.0, 4.0, 1.0, 2.0])) == (1.0, 1.0)


# -- attacks ----------------------------------------------------------------------------------------------------------
def people(classes=2, seed=0):
    X, y = make_classification(
        PEOPLE, 8, n_informative=4, n_classes=classes, flip_y=0.3, random_state=seed, n_clusters_per_class=1
    )
    return pd.DataFrame(X, columns=[f"x{place}" for place in range(8)]), y


def attack_on(model, *, held_out=True, classes=2, shadows=8, y=None, copies=1, seconds=60.0):
    X, labels = people(classes)
    y = labels if y is None else y(X, labels)
    members = np.random.default_rng(5).permutation(PEOPLE) < PEOPLE * 2 // 3
    places = np.repeat(np.arange(PEOPLE), copies)
    X, y, inside = X.iloc[places].reset_index(drop=True), y[places], members[places]
    rows = inside if held_out else np.ones(len(places), dtype=bool)
    target = model.fit(X[rows], y[rows])
    told = []
    found = attacked(
        Attack(target, model, X, y, None, places, PEOPLE, members if held_out else None, shadows, seconds, 1),
        lambda *step: told.append(step),
    )
    return found, told


def found_by(model, **options):
    found, _ = attack_on(model, **options)
    return area(found.members, found.statistic)


def noise(X, y):
    return np.random.default_rng(9).normal(size=len(X))


OVERFITTED = {
    "a tree": (DecisionTreeClassifier(random_state=0), {}),
    "a forest": (RandomForestClassifier(20, random_state=0), {}),
    "several classes": (DecisionTreeClassifier(random_state=0), {"classes": 3}),
    "a regression": (DecisionTreeRegressor(random_state=0), {"y": noise}),
}
REGULAR = {
    "logistic": (LogisticRegression(C=0.1), {}),
    "without chances": (LinearSVC(C=0.01), {"classes": 3}),
    "a distance": (RidgeClassifier(), {}),
    "a regression": (Ridge(), {"y": noise}),
    "a shallow tree": (DecisionTreeClassifier(max_depth=2, min_samples_leaf=50), {}),
}


@pytest.mark.parametrize("held_out", [True, False], ids=["held out", "standing in"])
@pytest.mark.parametrize("name", OVERFITTED)
def test_a_model_that_remembers_is_found(name, held_out):
    model, options = OVERFITTED[name]
    assert found_by(model, held_out=held_out, **options) > 0.65


@pytest.mark.parametrize("name", REGULAR)
def test_a_model_that_does_not_is_not(name):
    model, options = REGULAR[name]
    assert found_by(model, **options) < 0.6


def test_shadow_models_find_more_than_the_loss_alone():
    """Who is easy to predict, in or out, hides who is remembered."""
    forest = RandomForestClassifier(20, min_samples_leaf=3, random_state=0)
    with_shadows, _ = attack_on(forest)
    alone, _ = attack_on(forest, shadows=0)
    assert (with_shadows.attack, alone.attack) == (RATIO, LOSS)
    assert area(with_shadows.members, with_shadows.statistic) > area(alone.members, alone.statistic)


def test_shadow_models_are_of_opposite_halves_of_patients(monkeypatch):
    halves = []
    fitted = attacking.fitted

    def watched(model, X, y, weight, groups):
        halves.append(X.index // 3)
        return fitted(model, X, y, weight, groups)

    monkeypatch.setattr(attacking, "fitted", watched)
    _, told = attack_on(LogisticRegression(), copies=3, shadows=4)
    assert len(halves) == 4
    for half in halves:
        _, rows = np.unique(half, return_counts=True)
        assert (rows == 3).all(), "a patient's rows stay together"
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert set(one) | set(other) == set(range(PEOPLE))
        assert not set(one) & set(other)
    assert told == [("shadow models", done, 4) for done in range(5)]


def test_without_time_there_are_fewer_shadow_models():
    found, _ = attack_on(LogisticRegression(), shadows=40, seconds=0.0)
    assert (found.attack, found.shadows) == (LOSS, 0)


def test_a_half_that_cannot_be_fitted_is_left_out():
    """One patient has a class of their own, which one half of each pair has never seen."""

    def one_of_a_kind(X, y):
        return np.where(np.arange(PEOPLE) == 0, 2, y)

    assert 0.4 < found_by(LogisticRegression(C=0.1), y=one_of_a_kind) < 0.6


def test_nobody_to_tell_from_others_is_a_failure():
    X, y = people()
    model = LogisticRegression().fit(X, y)
    attack = Attack(model, model, X, y, None, np.arange(PEOPLE), PEOPLE, np.ones(PEOPLE, dtype=bool), 0, 1.0, 1)
    with pytest.raises(LearningFailed):
        attacked(attack, lambda *_: None)


def test_confidence_is_missing_where_a_model_has_no_word_for_the_truth():
    X, y = people()
    model = LogisticRegression().fit(X[y < 1 + 1], y)
    other = np.where(np.arange(PEOPLE) < 3, 7, y)
    assert np.isnan(confidence(model, X, other)[:3]).all()
    assert np.isfinite(confidence(model, X, other)[3:]).all()
