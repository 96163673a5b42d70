"""What may be done with the predictions of a model that is not released: scores of rows that a keyed split held out."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from support.learning import LearningRoom, fit_of, named, predicted, scored, sides
from support.rooms import call, col, eq, lit, mean, people, size, summary, where

from cleanroom_kernel.plan.aggregates import Correlation, Metric, Quantile, Score
from cleanroom_kernel.plan.expressions import Named, Value
from cleanroom_kernel.plan.models import Inspect, Method, Task
from cleanroom_kernel.plan.relations import Assign, Filter, Sort, Take
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault.predictions import held_out, used

KEY = b"k" * 32
FEATURES = ("age", "cost")
REMEMBERS = KNeighborsClassifier(1)
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    random = np.random.default_rng(0)
    table = people(3_000)
    table["hiv"] = (random.random(3_000) < 1 / (1 + np.exp(-(table["age"] - 60) / 15))).astype(int)
    columns = (Column("hiv", DType.INTEGER, categories=(0, 1)),)
    return LearningRoom({"t": table}, tmp_path_factory.mktemp("state"), columns=columns, key=KEY)


def refused(answer):
    return isinstance(answer, Refusal) and answer.rule == "model family"


# -- scores -----------------------------------------------------------------------------------------------------------
def test_the_other_side_of_a_split_may_be_scored(room):
    train, test = sides(room["t"])
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    assert isinstance(room.ask(scored(test, fit)), Release)
    assert isinstance(room.ask(scored(train, fit)), Release), "the training rows too: they were drawn as well"


def test_a_strict_policy_scores_only_what_may_be_released(tmp_path):
    table = people(3_000)
    table["hiv"] = table["hiv"].astype(int)
    strict = LearningRoom({"t": table}, tmp_path, key=KEY, preset="strict")
    train, test = sides(strict["t"])
    assert refused(strict.ask(scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))))
    assert not refused(strict.ask(scored(test, fit_of(train, LOGISTIC, FEATURES, "hiv"))))


def test_parts_of_the_other_side_may_be_scored(room):
    train, test = sides(room["t"])
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    assert isinstance(room.ask(scored(where(test, eq("sex", "F")), fit)), Release)


def test_hidden_columns_on_the_way_change_nothing(room):
    """The interpreter adds hidden columns here and there; the split is the same."""
    hidden = Assign(room["t"], (Named("__x", call("add", col("age"), 1)),))
    fit = fit_of(sides(room["t"])[0], REMEMBERS, FEATURES, "hiv")
    assert isinstance(room.ask(scored(sides(hidden)[1], fit)), Release)


def test_a_side_of_a_side_may_be_scored(room):
    outer_train, outer_test = sides(room["t"], seed=1)
    train, validation = sides(outer_train, seed=2)
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    for rows in (validation, outer_test):
        assert isinstance(room.ask(scored(rows, fit)), Release)


def of_a_fold(room, **options):
    """The sides of the second of four folds."""
    return sides(room["t"], folds=4, fold=1, **options)


def test_a_fold_may_be_scored(room):
    for options in ({}, {"by_unit": True}, {"stratify": Value("hiv")}):
        train, test = of_a_fold(room, **options)
        assert isinstance(room.ask(scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))), Release)


def test_folds_are_drawn_under_the_key_even_if_nobody_asked_for_it(room):
    by_order, shuffled = (
        room.desk.engine.table(of_a_fold(room, shuffle=shuffle)[1], named("age", "cost")) for shuffle in (False, True)
    )
    assert by_order.equals(shuffled)


def unsplit(room):
    return scored(room["t"], fit_of(room["t"], REMEMBERS, FEATURES, "hiv"))


def another_split(room):
    return scored(sides(room["t"], seed=2)[1], fit_of(sides(room["t"], seed=1)[0], REMEMBERS, FEATURES, "hiv"))


def fold_by_order(room):
    train, test = of_a_fold(room, shuffle=False)
    return scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))


def fold_of_other_folds(room):
    train, _ = of_a_fold(room)
    _, test = sides(room["t"], folds=4, fold=2)
    return scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))


def unshuffled(room):
    train, test = sides(room["t"], shuffle=False)
    return scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))


def chosen_training_rows(room):
    train, test = sides(room["t"])
    return scored(test, fit_of(where(train, eq("sex", "F")), REMEMBERS, FEATURES, "hiv"))


def first_training_rows(room):
    train, test = sides(room["t"])
    return scored(test, fit_of(Take(train, 500), REMEMBERS, FEATURES, "hiv"))


def sorted_training_rows(room):
    """A nearest neighbour among equals is the one that comes first."""
    train, test = sides(room["t"])
    return scored(test, fit_of(Sort(train, (col("age"),), (True,)), REMEMBERS, FEATURES, "hiv"))


def another_selection(room):
    """The split is of the same seed and size, but of other rows."""
    train, _ = sides(room["t"])
    _, test = sides(where(room["t"], call("greater", col("age"), 20)))
    return scored(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))


def weighted(room):
    train, test = sides(room["t"])
    return scored(test, fit_of(train, RandomForestClassifier(5), FEATURES, "hiv", weight=col("age")))


def other_features(room):
    """What the model says of a row of the asker's choosing: constants in the place of features."""
    train, test = sides(room["t"])
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    rows = predicted(test, fit, inputs=named(age=lit(99), cost=col("cost")))
    return Metric(rows, Score.ACCURACY, col("hiv"), (Value(rows.names[0]),))


def scaled_features(room):
    """A feature times zero is a constant, too."""
    train, test = sides(room["t"])
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    rows = predicted(test, fit, inputs=named(age=call("multiply", col("age"), 0), cost=col("cost")))
    return Metric(rows, Score.ACCURACY, col("hiv"), (Value(rows.names[0]),))


def other_truth(room):
    """Accuracy against a constant is the share of a prediction."""
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))
    return Metric(rows, Score.ACCURACY, lit(1), (Value(rows.names[0]),))


def chosen_by_prediction(room):
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))
    chosen = Filter(rows, call("equal", Value(rows.names[0]), 1))
    return Metric(chosen, Score.ACCURACY, col("hiv"), (Value(rows.names[0]),))


CHOSEN = [
    unsplit, another_split, unshuffled, fold_by_order, fold_of_other_folds, chosen_training_rows, first_training_rows,
    sorted_training_rows, another_selection, weighted, other_features, scaled_features, other_truth,
    chosen_by_prediction,
]  # fmt: skip


@pytest.mark.parametrize("question", CHOSEN, ids=lambda question: question.__name__)
def test_where_the_asker_has_a_choice_there_is_no_score(room, question):
    metric = question(room)
    assert not all(held_out(metric, predict) for predict in used(metric.over, [metric.truth, *metric.predicted]))
    assert refused(room.ask(metric))


OF_A_LOGISTIC_REGRESSION = [question for question in CHOSEN if question not in (weighted, other_truth)]


@pytest.mark.parametrize("question", OF_A_LOGISTIC_REGRESSION, ids=lambda question: question.__name__)
def test_a_model_that_may_be_released_is_scored_anyway(room, question, monkeypatch):
    """The same questions of a logistic regression; a side that nobody drew is as good as any."""
    monkeypatch.setitem(globals(), "REMEMBERS", LOGISTIC)
    assert not refused(room.ask(question(room)))


# -- columns ----------------------------------------------------------------------------------------------------------
def questions_of(rows):
    """A filter, features of another model, a correlation."""
    chance = Value(rows.names[1])
    return [
        size(Filter(rows, call("greater", chance, 0.5))),
        mean(Filter(rows, call("greater", chance, 0.5)), "cost"),
        fit_of(rows, LogisticRegression(), (Named("chance", chance),), "hiv"),
        Correlation(rows, (Named("chance", chance), Named("cost", col("cost")))),
    ]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(("model", "allowed"), [(REMEMBERS, False), (LOGISTIC, True)], ids=["remembers", "released"])
def test_predictions_choose_no_rows_and_make_no_model_unless_the_model_may_be_released(room, model, allowed, place):
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, model, FEATURES, "hiv"), Method.PREDICT_PROBA, 2)
    answer = room.ask(questions_of(rows)[place])
    assert isinstance(answer, Release) if allowed else refused(answer)


def test_tables_of_predictions_are_made_of_the_sides_of_a_split(room):
    """A confusion matrix, the mean chance by sex, and the quantiles that a curve is drawn between."""
    train, test = sides(room["t"])
    fit = fit_of(train, REMEMBERS, FEATURES, "hiv")
    rows = predicted(test, fit)
    said = Value(rows.names[0])
    tables = [
        size(rows, by=(Named("truth", col("hiv")), Named("said", said))),
        mean(rows, said, by="sex"),
        summary(rows, Quantile(said, 0.5)),
    ]
    assert not any(refused(room.ask(table)) for table in tables)
    everybody = predicted(room["t"], fit)
    assert refused(room.ask(size(everybody, by=(Named("said", Value(everybody.names[0])),))))
    made_up = predicted(test, fit, inputs=named(age=lit(99), cost=col("cost")))
    assert refused(room.ask(mean(made_up, Value(made_up.names[0]))))


def test_predictions_that_lie_unused_beside_a_question_do_not_matter(room):
    """Handles carry the hidden columns of every model that was tried."""
    train, test = sides(room["t"])
    rows = predicted(test, fit_of(train, REMEMBERS, FEATURES, "hiv"))
    assert isinstance(room.ask(mean(rows, "cost")), Release)


def scaled(room, rows, fit):
    return predicted(rows, fit, Method.TRANSFORM, 2)


def test_a_scaler_outside_a_pipeline_passes_its_columns_on(room):
    """fit_transform(X_train), transform(X_test): the model that is fitted to it is scored, not released."""
    train, test = sides(room["t"])
    scaler = fit_of(train, MinMaxScaler(), FEATURES, None, Task.TRANSFORM)
    trained = scaled(room, train, scaler)
    fit = fit_of(trained, LogisticRegression(), tuple(Named(name, Value(name)) for name in trained.names), "hiv")
    assert isinstance(room.ask(fit), Release)
    tested = scaled(room, test, scaler)
    metric = scored(tested, fit, Score.ROC_AUC)
    assert isinstance(room.ask(metric), Release)
    assert refused(room.ask(Inspect(fit, "coef_")))


def test_columns_of_a_scaler_that_knows_extremes_are_not_computed_with(room):
    train, _ = sides(room["t"])
    trained = scaled(room, train, fit_of(train, MinMaxScaler(), FEATURES, None, Task.TRANSFORM))
    at_top = (Named("top", call("equal", Value(trained.names[1]), 1.0)),)
    assert refused(room.ask(fit_of(trained, LogisticRegression(), at_top, "hiv")))
    top = Assign(trained, (Named(trained.names[0], call("equal", Value(trained.names[1]), 1.0)),))
    assert refused(room.ask(fit_of(top, LogisticRegression(), (Named("top", Value(trained.names[0])),), "hiv")))


def test_a_model_that_nobody_was_allowed_to_fit_cannot_be_used(room):
    """A plan can hold a fit that was never asked for; the gate is asked then."""
    few = where(room["t"], call("greater_equal", col("age"), 94))
    train, test = sides(few)
    answer = room.ask(scored(test, fit_of(train, LogisticRegression(), FEATURES, "hiv")))
    assert not isinstance(answer, Release)
