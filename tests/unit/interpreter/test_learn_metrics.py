"""Scores, confusion matrices and curves of predictions are those of scikit-learn on the same rows."""

import matplotlib as mpl
import numpy as np
import pytest
import sklearn.metrics
from sklearn.calibration import CalibrationDisplay, calibration_curve
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    accuracy_score,
    auc,
    average_precision_score,
    classification_report,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from cleanroom_kernel.interpreter.errors import CleanRoomError, HandleError
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.metrics import FROM_COUNTS, SCORERS
from cleanroom_kernel.plan.aggregates import Score

NUMBERS = ["age", "los"]

mpl.use("Agg")


@pytest.fixture
def of_two(clinic):
    """Truth, labels and probabilities of a model of two classes: as handles, and as arrays."""
    return predictions(clinic, "readmitted")


@pytest.fixture
def of_three(clinic):
    return predictions(clinic, "outcome")


def predictions(clinic, target):
    made = []
    for table in (clinic.room["stays"], clinic.tables["stays"]):
        model = LogisticRegression().fit(table[NUMBERS], table[target])
        made.append((table[target], model.predict(table[NUMBERS]), model.predict_proba(table[NUMBERS])))
    return made


OF_LABELS = [
    score.value
    for score in (
        Score.ACCURACY, Score.BALANCED_ACCURACY, Score.PRECISION, Score.RECALL, Score.F1, Score.MATTHEWS,
    )
]  # fmt: skip
OF_PROBABILITIES = [score.value for score in (Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER)]
OF_NUMBERS = [score.value for score in (Score.R2, Score.MSE, Score.RMSE, Score.MAE)]


def test_every_score_of_the_plan_is_tried_here():
    assert {*OF_LABELS, *OF_PROBABILITIES, *OF_NUMBERS} == {score.value for score in Score}


@pytest.mark.parametrize("name", [*OF_LABELS, *sorted(FROM_COUNTS - {"classification_report", "fbeta_score"})])
def test_scores_of_labels(of_two, name):
    (truth, labels, _), (y_true, y_pred, _) = of_two
    function = getattr(sklearn.metrics, name)
    found, expected = function(truth, labels), function(y_true, y_pred)
    for one, other in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
        np.testing.assert_allclose(np.asarray(one, dtype=float), np.asarray(other, dtype=float))


@pytest.mark.parametrize("name", OF_PROBABILITIES)
def test_scores_of_probabilities(of_two, name):
    (truth, _, chances), (y_true, _, probabilities) = of_two
    function = getattr(sklearn.metrics, name)
    assert function(truth, chances[:, 1]) == pytest.approx(function(y_true, probabilities[:, 1]))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_scores_of_numbers(clinic, name):
    found = []
    for table in (clinic.room["stays"], clinic.tables["stays"]):
        model = LinearRegression().fit(table[NUMBERS], table.cost)
        found.append(getattr(sklearn.metrics, name)(table.cost, model.predict(table[NUMBERS])))
    assert found[0] == pytest.approx(found[1])
    assert isinstance(found[0], float)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_averages_over_classes(of_three, average):
    (truth, labels, _), (y_true, y_pred, _) = of_three
    np.testing.assert_allclose(f1_score(truth, labels, average=average), f1_score(y_true, y_pred, average=average))


@pytest.mark.parametrize(
    "options", [{"multi_class": "ovr"}, {"multi_class": "ovo"}, {"multi_class": "ovr", "average": "weighted"}]
)
def test_areas_over_classes(of_three, options):
    (truth, _, chances), (y_true, _, probabilities) = of_three
    assert roc_auc_score(truth, chances, **options) == pytest.approx(roc_auc_score(y_true, probabilities, **options))


def test_a_label_can_be_the_positive_one(of_three):
    (truth, labels, _), (y_true, y_pred, _) = of_three
    found = f1_score(truth == "dead", labels == "dead", pos_label=True)
    assert found == pytest.approx(f1_score(y_true == "dead", y_pred == "dead"))


def test_reports_are_scikit_learns_own_of_released_counts(of_three):
    (truth, labels, _), (y_true, y_pred, _) = of_three
    assert classification_report(truth, labels) == classification_report(y_true, y_pred)
    table = classification_report(truth, labels, output_dict=True, target_names=["a", "b", "c"])
    assert table["a"]["support"] == (y_true == "dead").sum()
    for one, other in zip(
        precision_recall_fscore_support(truth, labels), precision_recall_fscore_support(y_true, y_pred), strict=True
    ):
        np.testing.assert_allclose(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"labels": ["home", "dead"]},
        {"labels": ["home", "dead", "elsewhere"]},
        {"normalize": "true"},
        {"normalize": "all"},
    ],
    ids=str,
)
def test_confusion_matrices_are_counts_of_truth_by_prediction(of_three, options):
    (truth, labels, _), (y_true, y_pred, _) = of_three
    found, expected = confusion_matrix(truth, labels, **options), confusion_matrix(y_true, y_pred, **options)
    np.testing.assert_allclose(found, expected)
    assert found.dtype == expected.dtype


def test_a_rule_of_ones_own_is_scored_like_a_model(clinic):
    df, table = clinic.room["stays"], clinic.tables["stays"]
    assert accuracy_score(df.readmitted, np.where(df.age > 60, 1, 0)) == pytest.approx(
        accuracy_score(table.readmitted, np.where(table.age > 60, 1, 0))
    )


# -- curves -----------------------------------------------------------------------------------------------------------
def test_curves_have_the_area_of_the_exact_ones(of_two):
    (truth, _, chances), (y_true, _, probabilities) = of_two
    false, true, thresholds = roc_curve(truth, chances[:, 1])
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.isinf(thresholds[0])
    assert (np.diff(thresholds) < 0).all()
    assert auc(false, true) == pytest.approx(roc_auc_score(y_true, probabilities[:, 1]), abs=0.01)
    precision, recall, thresholds = precision_recall_curve(truth, chances[:, 1])
    assert (precision[-1], recall[-1], recall[0]) == (1, 0, 1)
    assert len(thresholds) == len(precision) - 1
    assert auc(recall, precision) == pytest.approx(average_precision_score(y_true, probabilities[:, 1]), abs=0.02)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_is_that_of_the_same_bins(of_two, strategy):
    (truth, _, chances), (y_true, _, probabilities) = of_two
    found = calibration_curve(truth, chances[:, 1], n_bins=4, strategy=strategy)
    expected = calibration_curve(y_true, probabilities[:, 1], n_bins=4, strategy=strategy)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_points_lie_where_scikit_learn_has_them(of_two):
    """At each threshold, the rates are those of the exact curve."""
    (truth, _, chances), (y_true, _, probabilities) = of_two
    false, true, thresholds = roc_curve(truth, chances[:, 1])
    for rate, hits, threshold in zip(false, true, thresholds, strict=True):
        chosen = probabilities[:, 1] >= threshold
        assert rate == pytest.approx(chosen[y_true == 0].mean(), abs=0.005)
        assert hits == pytest.approx(chosen[y_true == 1].mean(), abs=0.005)


@pytest.mark.parametrize(
    "display", [RocCurveDisplay, PrecisionRecallDisplay, ConfusionMatrixDisplay, CalibrationDisplay]
)
def test_plots_say_what_scikit_learns_own_say(clinic, display):
    texts = []
    for table in (clinic.room["stays"], clinic.tables["stays"]):
        model = LogisticRegression().fit(table[NUMBERS], table.readmitted)
        shown = (
            display.from_estimator(model, table[NUMBERS], table.readmitted, name="mine")
            if (display is not ConfusionMatrixDisplay)
            else display.from_estimator(model, table[NUMBERS], table.readmitted)
        )
        legend = shown.ax_.get_legend()
        texts.append([text.get_text() for text in (legend.get_texts() if legend else shown.text_.ravel())])
        mpl.pyplot.close(shown.figure_)
    assert texts[0] == texts[1]


def test_plots_of_predictions_work_as_well(of_two):
    (truth, labels, chances), _ = of_two
    assert RocCurveDisplay.from_predictions(truth, chances[:, 1]).roc_auc > 0.7
    matrix = ConfusionMatrixDisplay.from_predictions(truth, labels, normalize="true").confusion_matrix
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    mpl.pyplot.close("all")


# -- what is not possible ---------------------------------------------------------------------------------------------
def test_weights_and_other_options_are_refused_by_name(of_two):
    (truth, labels, chances), _ = of_two
    with pytest.raises(ModelError, match="sample_weight"):
        accuracy_score(truth, labels, sample_weight=truth)
    with pytest.raises(ModelError, match="max_fpr"):
        roc_auc_score(truth, chances[:, 1], max_fpr=0.1)
    with pytest.raises(CleanRoomError, match="one value per row"):
        accuracy_score(truth, [0, 1])


def test_a_mistake_is_said_by_scikit_learn_before_anything_is_asked(clinic, of_three, of_two):
    (truth, labels, _), _ = of_three
    before = len(clinic.vault.questions)
    with pytest.raises(ValueError, match="multiclass but average='binary'"):
        f1_score(truth, labels)
    with pytest.raises(ValueError, match="must be a str among"):
        f1_score(truth, labels, average="all")
    with pytest.raises(HandleError, match=r"proba\[:, 1\]"):
        confusion_matrix(of_two[0][0], of_two[0][2])
    assert len(clinic.vault.questions) == before


def test_pairs_that_are_not_shown_are_missing_and_said_to_be(guarded_clinic, capsys):
    df = guarded_clinic.room["stays"]
    rare = np.where(df.age > 92, "rare", "usual")
    found = confusion_matrix(rare, np.where(df.los > 22, "rare", "usual"))
    assert np.isnan(found).any()
    assert "NaN in this matrix" in capsys.readouterr().out


def test_scorers_have_scikit_learns_names():
    assert set(SCORERS) <= set(sklearn.metrics.get_scorer_names())
