"""Fits, attributes and files as answers of the gate."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from support.learning import File, LearningRoom, fit_of, named, predicted, scored, sides
from support.rooms import call, col, lit, people, where

from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.models import Inspect, Method, Task
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Artifact, FitSummary, Refusal, Release, Withheld

FEATURES = ("age", "cost")
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    random = np.random.default_rng(0)
    table = people(3_000)
    few = np.flatnonzero(table["cost"] < 30)
    table["gaps"] = np.where(table["cost"] < 30, np.nan, table["cost"])
    table["kind"] = np.where(table["cost"] < 30, 2, random.integers(0, 2, 3_000))
    table["half"] = np.where(table["sex"] == "F", np.nan, table["cost"])
    assert 0 < len(few) < 10
    table["hiv"] = (random.random(3_000) < 1 / (1 + np.exp(-(table["age"] - 60) / 15))).astype(int)
    public = {"code": ["a", "b"], "weight": [1, 2]}
    columns = (
        Column("hiv", DType.INTEGER, categories=(0, 1)),
        Column("sex", DType.STRING, categories=("F", "M")),
    )
    return LearningRoom({"t": table, "codes": public}, tmp_path_factory.mktemp("state"), columns=columns, key=b"k" * 32)


def test_a_fit_says_what_kind_of_model_it_is(room):
    summary = room.ask(fit_of(room["t"], LOGISTIC, FEATURES, "hiv")).payload
    assert summary == FitSummary(True, (), 2, (0, 1), FEATURES)
    remembering = room.ask(fit_of(room["t"], KNeighborsClassifier(), FEATURES, "hiv")).payload
    assert not remembering.releasable
    assert "keeps rows" in remembering.findings[0]


def test_a_fit_tells_nothing_that_depends_on_the_data(room):
    """Whether a forest's leaves are large enough is told to who asks for the forest."""
    fit = fit_of(room["t"], RandomForestClassifier(5, random_state=0), FEATURES, "hiv")
    assert room.ask(fit).payload == FitSummary(True, (), 2, (0, 1), FEATURES)
    refusal = room.ask(File(fit))
    assert isinstance(refusal, Refusal)
    assert "min_samples_leaf" in refusal.message


def test_a_fit_to_a_few_patients_is_withheld(room):
    few = where(room["t"], call("less", col("cost"), 30.0))
    assert isinstance(room.ask(fit_of(few, LinearRegression(), ("age",), "cost", Task.REGRESS)), Withheld)


def test_a_fit_to_a_public_table_is_refused(room):
    refused = room.ask(fit_of(room["codes"], LinearRegression(), ("weight",), "weight", Task.REGRESS))
    assert isinstance(refused, PlanError)


def test_a_score_of_a_public_table_is_refused(room):
    metric = Metric(room["codes"], Score.MSE, col("weight"), (lit(1),))
    assert isinstance(room.ask(metric), PlanError)


def test_what_scikit_learn_cannot_do_is_refused_without_its_words(room):
    """Half of the values are missing, which is nobody's secret; scikit-learn's message stays in the vault."""
    fit = fit_of(room["t"], LinearRegression(), ("half",), "age", Task.REGRESS)
    answer = room.ask(fit)
    assert (answer.rule, answer.message) == ("failed", "The model could not be fitted to these rows.")
    assert room.ask(fit) == answer


def test_a_method_that_the_model_has_not_is_refused(room):
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, LinearRegression(), FEATURES, "hiv", Task.REGRESS), Method.PREDICT_PROBA, 2)
    assert isinstance(room.ask(Metric(rows, Score.BRIER, col("hiv"), (Value(rows.names[1]),))), PlanError)


def test_a_wrong_number_of_names_is_refused(room):
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, GaussianNB(), FEATURES, "hiv"), Method.PREDICT_PROBA, 3)
    assert isinstance(room.ask(Metric(rows, Score.BRIER, col("hiv"), (Value(rows.names[1]),))), PlanError)


# -- attributes -------------------------------------------------------------------------------------------------------
def shown(room, fit, attribute, *path):
    payload = room.ask(Inspect(fit, attribute, path)).payload
    return payload.labels or np.array(payload.values, dtype=float).reshape(payload.shape)


def test_attributes_are_scikit_learns_rounded(room):
    fit = fit_of(room["t"], LOGISTIC, FEATURES, "hiv")
    exact = room.desk.learners.fitted(fit, room.desk.engine).model
    assert shown(room, fit, "coef_", "logisticregression") == pytest.approx(exact[-1].coef_, abs=0.1)
    assert shown(room, fit, "mean_", "standardscaler") == pytest.approx(exact[0].mean_, rel=0.01)
    assert shown(room, fit, "n_features_in_") == 2
    assert shown(room, fit, "classes_") == (0, 1)
    assert shown(room, fit, "feature_names_in_") == FEATURES


def test_attributes_and_file_show_the_same_numbers(room):
    import skops.io

    fit = fit_of(room["t"], LOGISTIC, FEATURES, "hiv")
    artifact = room.ask(File(fit)).payload
    assert isinstance(artifact, Artifact)
    model = skops.io.loads(artifact.content, trusted=list(artifact.trusted))
    assert (shown(room, fit, "coef_", "logisticregression") == model[-1].coef_).all()
    assert (shown(room, fit, "scale_", "standardscaler") == model[0].scale_).all()


def test_importances_are_shown_of_a_forest_that_is_not_released(room):
    fit = fit_of(room["t"], RandomForestClassifier(5, random_state=0), FEATURES, "hiv")
    exact = room.desk.learners.fitted(fit, room.desk.engine).model
    assert shown(room, fit, "feature_importances_") == pytest.approx(exact.feature_importances_, abs=0.01)


def test_labels_of_an_encoder_are_shown(room):
    fit = fit_of(room["t"], OneHotEncoder(), ("sex",), None, Task.TRANSFORM)
    assert shown(room, fit, "categories_", "0") == ("F", "M")


def test_a_search_shows_its_best_candidate_and_mean_scores(room):
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.001, 1.0], "solver": ["lbfgs"]}, cv=3)
    fit = fit_of(room["t"], search, FEATURES, "hiv")
    exact = room.desk.learners.fitted(fit, room.desk.engine).model
    best = int(shown(room, fit, "best_index_").ravel()[0])
    assert best == exact.best_index_
    assert shown(room, fit, "mean_test_score") == pytest.approx(exact.cv_results_["mean_test_score"], abs=0.01)
    assert shown(room, fit, "best_params_") == ("C", exact.best_params_["C"], "solver", "lbfgs")
    assert np.isfinite(shown(room, fit, "coef_", "best_estimator")).all()


@pytest.mark.parametrize(
    ("attribute", "path"),
    [("nonsense_", ()), ("coef_", ("nowhere",)), ("coef_", ()), ("coef_", ("logisticregression", "0"))],
)
def test_what_there_is_not_is_refused_with_what_there_is(room, attribute, path):
    refused = room.ask(Inspect(fit_of(room["t"], LOGISTIC, FEATURES, "hiv"), attribute, path))
    assert isinstance(refused, PlanError)
    assert refused.suggestion


# -- rows that are left out -------------------------------------------------------------------------------------------
def test_a_few_rows_with_missing_values_are_left_out(room):
    """As scikit-learn would fit without them; a fit that a few patients' gaps would stop tells of them."""
    fit = fit_of(room["t"], LinearRegression(), named(x=col("gaps")), "age", Task.REGRESS)
    assert isinstance(room.ask(fit), Release)
    others = where(room["t"], call("greater_equal", col("cost"), 30.0))
    same = fit_of(others, LinearRegression(), named(x=col("cost")), "age", Task.REGRESS)
    models = [room.desk.learners.fitted(one, room.desk.engine).model for one in (fit, same)]
    assert models[0].coef_ == pytest.approx(models[1].coef_)


def test_rows_that_a_model_cannot_predict_are_missing(room):
    fit = fit_of(room["t"], GaussianNB(), named(x=col("cost")), "hiv")
    rows = predicted(room["t"], fit, inputs=named(x=col("gaps")))
    answers = room.desk.learners.predict(rows, room.desk.engine)[:, 0]
    cost = np.array(room.desk.engine.table(room["t"], named("cost")).get_column("cost"))
    assert (np.isnan(answers) == (cost < 30)).all()


def test_rare_labels_are_left_out_of_a_fit_and_of_a_score(room):
    train, test = sides(room["t"])
    fit = fit_of(train, GaussianNB(), FEATURES, "kind")
    assert room.ask(fit).payload.classes == (0, 1)
    assert isinstance(room.ask(scored(test, fit)), Release)
