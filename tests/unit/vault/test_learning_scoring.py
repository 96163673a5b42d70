"""Scores are scikit-learn's own, and their influence is what leaving out a unit really does."""

import numpy as np
import pytest
from sklearn import metrics

from cleanroom_kernel.plan.aggregates import Score
from cleanroom_kernel.vault.scoring import Rows, score


def rows(which, seed, n=120, classes=2, single=False):
    random = np.random.default_rng(seed)
    units = np.arange(n) if single else random.integers(0, n // 2, n)
    _, units = np.unique(units, return_inverse=True)
    if which in (Score.R2, Score.MSE, Score.RMSE, Score.MAE):
        truth = random.normal(size=n)
        predicted = truth + random.normal(size=n)
    elif which in (Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER):
        truth = random.integers(0, 2, n)
        predicted = np.clip(np.round(0.3 * truth + 0.6 * random.random(n), 2), 0.01, 0.99)
    else:
        truth = random.integers(0, classes, n)
        predicted = np.where(random.random(n) < 0.7, truth, random.integers(0, classes, n))
    return Rows(truth, predicted, units, int(units.max()) + 1)


def left_out(which, found, options):
    """The largest change, by really leaving out each unit."""
    whole = getattr(metrics, which.value)(found.truth, found.predicted, **options)
    moved = []
    for unit in range(found.n_units):
        kept = found.units != unit
        moved.append(getattr(metrics, which.value)(found.truth[kept], found.predicted[kept], **options) - whole)
    return whole, np.abs(moved).max()


@pytest.mark.parametrize("single", [True, False], ids=["one row each", "several rows each"])
@pytest.mark.parametrize("which", list(Score), ids=lambda which: which.name)
def test_the_influence_is_that_of_leaving_out_a_unit(which, single):
    for seed in range(4):
        found = rows(which, seed, single=single)
        scored = score(which, found, {})
        whole, most = left_out(which, found, {})
        assert scored.value == pytest.approx(whole, abs=1e-12)
        if which is Score.AVERAGE_PRECISION:
            assert scored.influence == pytest.approx(most, rel=0.35)
        elif which is Score.RMSE:
            assert scored.influence == pytest.approx(most, rel=0.1)
        elif which is Score.ROC_AUC and not single:
            assert most <= scored.influence <= 2 * most
        else:
            assert scored.influence == pytest.approx(most, rel=1e-6)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("which", [Score.PRECISION, Score.RECALL, Score.F1])
def test_scores_of_several_classes_have_exact_influence_too(which, average):
    found = rows(which, 1, classes=3)
    whole, most = left_out(which, found, {"average": average})
    scored = score(which, found, {"average": average})
    assert (scored.value, scored.influence) == (pytest.approx(whole), pytest.approx(most))


@pytest.mark.parametrize(
    "options", [{"multi_class": "ovr"}, {"multi_class": "ovo"}, {"multi_class": "ovr", "average": "weighted"}]
)
def test_areas_of_several_classes_bound_the_influence(options):
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 90)
    chance = np.eye(3)[truth] + random.random((90, 3))
    found = Rows(truth, chance / chance.sum(axis=1, keepdims=True), np.arange(90), 90)
    _, most = left_out(Score.ROC_AUC, found, options)
    assert most <= score(Score.ROC_AUC, found, options).influence <= 6 * most


def test_a_score_that_one_unit_makes_up_has_few_effective_units():
    errors = np.zeros(100)
    errors[3] = 1e6
    found = Rows(errors, np.zeros(100), np.arange(100), 100)
    assert score(Score.MSE, found, {}).effective == pytest.approx(1.0)


def test_precision_counts_the_units_that_were_predicted():
    """A precision over two predicted patients is about two patients, however many were scored."""
    predicted = np.zeros(100, dtype=int)
    predicted[:2] = 1
    found = Rows(np.tile([0, 1], 50), predicted, np.arange(100), 100)
    assert score(Score.PRECISION, found, {}).counts == (50, 50, 2)


def test_losses_that_a_few_units_have_are_counted():
    """Whether there is any error at all would tell of the one unit that could have one."""
    errors = np.zeros(100)
    errors[:3] = [5.0, 6.0, 7.0]
    found = Rows(errors, np.zeros(100), np.arange(100), 100)
    assert score(Score.MSE, found, {}).counts == (3,)
    assert score(Score.MAE, Rows(np.zeros(100), np.zeros(100), np.arange(100), 100), {}).counts == (0,)


def test_an_accuracy_of_no_model_counts_who_is_right_and_who_is_wrong():
    truth = np.tile([0, 1], 50)
    found = Rows(truth, np.where(np.arange(100) < 4, 1 - truth, truth), np.arange(100), 100)
    assert score(Score.ACCURACY, found, {}).counts == (50, 50)
    assert score(Score.ACCURACY, found, {}, of_a_model=False).counts == (50, 50, 4, 96)
