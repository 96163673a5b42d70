"""Attacks by models and scores (M01 to M64 of the catalogue), each in two worlds that differ in one patient's secret.

The attacker knows everything but the secret and writes plans of their own; nothing here goes through the interpreter.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Perceptron, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import File, LearningRoom, fit_of, named, predicted, scored
from support.rooms import call, col, integer, lit, mean, where
from support.worlds import KEY, TARGET, N, is_target, not_target, outcome, stopped, table, world

from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Literal, Value
from cleanroom_kernel.plan.models import Argument, Estimator, Fit, Inspect, Method, Plain, Task
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import Take
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Array, FitSummary, Refusal, Release, Withheld


@pytest.fixture
def room_of(tmp_path):
    numbers = itertools.count()
    return lambda tables, **options: LearningRoom(tables, tmp_path / f"room{next(numbers)}", **options)


def patients(room):
    return room["patients"]


INDICATOR = integer(is_target())
AT_TARGET = call("where", is_target(), 1.0, 1e-9)  # a weight: all but nothing for everybody else
SECRET = integer(col("hiv"))


def alike(answer):
    """Kind, text and shape of an answer, without its numbers."""
    if isinstance(answer, Release):
        payload = answer.payload
        if isinstance(payload, Array):
            return "array", payload.shape, [value is None for value in payload.values]
        return payload if isinstance(payload, FitSummary) else type(payload)
    return (type(answer).__name__, str(answer)) if isinstance(answer, PlanError) else answer


def in_both(room_of, *questions, **options):
    """Answers in both worlds, which must look alike but for their numbers."""
    rooms = [world(room_of, secret, **options) for secret in (False, True)]
    answers = [[outcome(room, question) for question in questions] for room in rooms]
    assert [alike(answer) for answer in answers[0]] == [alike(answer) for answer in answers[1]]
    return answers


def ends_stopped(room_of, *questions, **options):
    for answers in in_both(room_of, *questions, **options):
        assert all(stopped(answer) for answer in answers), answers


def numbers(answer):
    payload = answer.payload
    return np.array([np.nan if value is None else value for value in payload.values], dtype=float)


# -- one patient in a coefficient -------------------------------------------------------------------------------------
JITTERED = call("add", INDICATOR, call("multiply", col("cost"), 1e-9))
SPIKE = call("where", is_target(), 1e6, col("cost"))
RARE = integer(call("less", col("serial"), 4))

DESIGNS = {
    "M01": named("cost", t=INDICATOR),
    "M02": named("cost", t=JITTERED),
    "M03": named("cost", t=RARE),
    "M04": named("age", t=SPIKE),
    "two that differ in the target": named("age", "cost", s=call("add", col("cost"), INDICATOR)),
}
COMPENSATED = {
    "a copy": call("add", col("cost"), INDICATOR),
    "a copy a thousand times as large": call("add", call("multiply", col("cost"), 1_000.0), INDICATOR),
    "a constant": call("add", 1.0, call("multiply", INDICATOR, 1e-3)),
}


@pytest.mark.parametrize("copy", COMPENSATED.values(), ids=COMPENSATED)
@pytest.mark.parametrize(
    "model", [LinearRegression(), LogisticRegression(C=np.inf, solver="newton-cholesky")], ids=["linear", "logistic"]
)
def test_no_other_coefficient_makes_up_for_a_hidden_one(room_of, model, copy):
    """cost and cost + 1 for the target have opposite coefficients, so hiding one of them is not enough; nor is it where
    the intercept makes up for a column that is 1 for everybody else.
    """
    task = Task.REGRESS if isinstance(model, LinearRegression) else Task.CLASSIFY
    for attribute in ("coef_", "intercept_"):
        found = []
        for secret in (False, True):
            room = world(room_of, secret)
            fit = fit_of(patients(room), model, named("age", "cost", s=copy), SECRET, task)
            answer = outcome(room, lambda room, fit=fit, name=attribute: Inspect(fit, name))
            found.append(None if stopped(answer) else numbers(answer))
        if found[0] is not None and found[1] is not None:
            np.testing.assert_allclose(*found, rtol=0.1, atol=0.01)


@pytest.mark.parametrize(
    "model", [LinearRegression(), Ridge(1e-6), Lasso(1e-6)], ids=lambda model: type(model).__name__
)
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_m01_to_m04_a_coefficient_of_one_patient_is_hidden(room_of, design, model):
    """Indicators, jittered, rare and spiky columns, and pairs that differ in one row."""

    def fit(room):
        return fit_of(patients(room), model, design, SECRET, Task.REGRESS)

    for answers in in_both(room_of, lambda room: Inspect(fit(room), "coef_")):
        assert stopped(answers[0]) or np.isnan(numbers(answers[0])[-1])


def test_m01_succeeds_without_protection(room_of):
    found = []
    for secret in (False, True):
        room = world(room_of, secret, preset="permissive")
        fit = fit_of(patients(room), LinearRegression(), DESIGNS["M01"], SECRET, Task.REGRESS)
        found.append(numbers(room.ask(Inspect(fit, "coef_")))[-1])
    assert found[1] - found[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC()], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_m07_the_sign_of_a_coefficient_is_not_one_patients_outcome(room_of, design, model):
    scaled = make_pipeline(StandardScaler(), model)
    name = scaled.steps[-1][0]

    def coefficients(room):
        return Inspect(fit_of(patients(room), scaled, design, col("hiv")), "coef_", (name,))

    for answers in in_both(room_of, coefficients):
        assert stopped(answers[0]) or np.isnan(numbers(answers[0])[-1])


def test_a_hidden_coefficient_is_not_told_by_predictions(room_of):
    """What the model says of a row with the rare feature would be the coefficient."""

    def question(room):
        fit = fit_of(patients(room), LinearRegression(), DESIGNS["M01"], SECRET, Task.REGRESS)
        rows = predicted(patients(room), fit, inputs=named("cost", t=lit(1)))
        return mean(rows, Value(rows.names[0]))

    ends_stopped(room_of, question)


def test_m05_a_model_that_interpolates_is_not_released(room_of):
    powers = {f"x{place}": call("sin", call("multiply", col("cost"), float(place))) for place in range(1, 20)}

    def fit(room):
        few = where(patients(room), call("less", col("serial"), 21))
        return fit_of(few, LinearRegression(), named(**powers), SECRET, Task.REGRESS)

    ends_stopped(room_of, lambda room: Inspect(fit(room), "coef_"), lambda room: File(fit(room)))


def test_superincreasing_targets_are_not_read_off_a_coefficient(room_of):
    """B03 in a regression: the intercept is the sum of 2**serial of those who are positive."""
    place = call("subtract", col("serial"), TARGET - 800)
    target = call("multiply", SECRET, call("power", 2.0, place))

    def fit(room):
        up_to_target = call("and", call("greater", place, 0), call("less_equal", place, 800))
        first = where(patients(room), up_to_target)
        return fit_of(first, LinearRegression(), named("cost"), target, Task.REGRESS)

    ends_stopped(room_of, lambda room: Inspect(fit(room), "intercept_"), lambda room: File(fit(room)))


def test_m06_two_models_with_and_without_one_patient(room_of):
    """The first is released; the second, which would tell the target by the difference, is not."""

    def coefficients(rows):
        return Inspect(fit_of(rows, LinearRegression(), named("age", "cost"), SECRET, Task.REGRESS), "coef_")

    for answers in in_both(
        room_of,
        lambda room: coefficients(patients(room)),
        lambda room: coefficients(where(patients(room), not_target())),
    ):
        assert isinstance(answers[0], Release)
        assert stopped(answers[1])


def test_m06_a_model_that_is_used_counts_as_released(room_of):
    """One of the two is exported, what the other says of a made-up row is asked for as a mean."""

    def fit(rows):
        return fit_of(rows, LinearRegression(), named("age", "cost"), SECRET, Task.REGRESS)

    def used(room):
        rows = predicted(
            patients(room), fit(where(patients(room), not_target())), inputs=named(age=lit(99), cost=lit(0.0))
        )
        return mean(rows, Value(rows.names[0]))

    for answers in in_both(room_of, lambda room: File(fit(patients(room))), used):
        assert isinstance(answers[0], Release)
        assert stopped(answers[1])


# -- weights ----------------------------------------------------------------------------------------------------------
WEIGHTED = {
    "M09 tree": (DecisionTreeRegressor(min_samples_leaf=300), Task.REGRESS),
    "M10 least squares": (LinearRegression(), Task.REGRESS),
    "M10 Ridge": (Ridge(), Task.REGRESS),
    "M26 scaler": (StandardScaler(), Task.TRANSFORM),
    "M29 KMeans": (KMeans(1), Task.CLUSTER),
}


@pytest.mark.parametrize(("model", "task"), WEIGHTED.values(), ids=WEIGHTED)
def test_weights_do_not_single_out_a_patient(room_of, model, task):
    """M09, M10, M26, M29: not even that such a model was fitted is said."""
    target = SECRET if task is Task.REGRESS else None

    def fit(room):
        features = named("cost") if task is Task.REGRESS else named(secret=SECRET)
        return fit_of(patients(room), model, features, target, task, weight=AT_TARGET)

    ends_stopped(room_of, fit, lambda room: File(fit(room)))


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(class_weight={0: 1e-12, 1: 1.0}), GaussianNB(), DecisionTreeClassifier()],
    ids=["M11", "M35", "tree"],
)
def test_m11_m35_a_class_of_one_is_not_learned(room_of, model):
    ends_stopped(room_of, lambda room: fit_of(patients(room), model, named(secret=SECRET), INDICATOR))


# -- models that remember ---------------------------------------------------------------------------------------------
REMEMBERING = {
    "M08 tree": DecisionTreeRegressor(),
    "M08 leaves of ten": DecisionTreeRegressor(min_samples_leaf=10),
    "M14 GradientBoosting": GradientBoostingRegressor(n_estimators=5),
    "M15 HistGradientBoosting": HistGradientBoostingRegressor(max_iter=3),
    "M14 AdaBoost": AdaBoostRegressor(n_estimators=3),
    "M17 neighbours": KNeighborsRegressor(1),
    "M17 SVR": SVR(max_iter=50),
    "M17 KernelRidge": KernelRidge(),
    "M33 isotonic": make_pipeline(SelectKBest(k=1), IsotonicRegression()),
    "M36 SGD": SGDRegressor(max_iter=1, shuffle=False),
    "M39 MLP": MLPRegressor((64,), max_iter=3),
}


@pytest.mark.parametrize("model", REMEMBERING.values(), ids=REMEMBERING)
def test_a_model_that_remembers_is_neither_released_nor_asked(room_of, model):
    """M19, M20: what it says of made-up rows would be its training rows; scores of rows of one's choice are, too."""

    def fit(room):
        return fit_of(patients(room), model, named("age", "cost"), SECRET, Task.REGRESS)

    def asked(room):
        rows = predicted(patients(room), fit(room), inputs=named(age=lit(99), cost=lit(500.0)))
        return mean(rows, Value(rows.names[0]))

    def chosen(room):
        rows = predicted(patients(room), fit(room), inputs=named(age=lit(99), cost=lit(500.0)))
        return Metric(rows, Score.MSE, lit(1), (Value(rows.names[0]),))

    ends_stopped(room_of, lambda room: File(fit(room)), asked, chosen)


def test_m12_m13_a_forest_with_as_many_leaves_as_patients_is_not_released(room_of):
    for draws in (True, False):
        model = RandomForestClassifier(10, min_samples_leaf=10, bootstrap=draws, random_state=42)
        ends_stopped(room_of, lambda room, model=model: File(fit_of(patients(room), model, ("age", "cost"), "hiv")))


def test_small_training_sets_are_not_scored(room_of):
    """M43: with ten rows of one's choice, a score is a question about each of them."""

    def question(room):
        few = Take(where(patients(room), call("greater_equal", col("serial"), TARGET)), 12)
        return scored(few, fit_of(few, DecisionTreeClassifier(), ("age",), "hiv"))

    ends_stopped(room_of, question)


def test_a_group_that_borrows_one_patients_label(room_of):
    """A tree is fitted to the target and a group with another feature; for a second group that shares the target's
    feature it predicts the target's label, and the accuracy there is that group's share of it, or of the other.
    """
    shares = integer(call("or", is_target(), call("equal", col("sex"), "M")))

    def question(room):
        training = where(patients(room), call("or", is_target(), call("equal", col("sex"), "F")))
        fit = fit_of(training, DecisionTreeClassifier(), named(shares=shares), "hiv")
        return scored(where(patients(room), call("equal", col("sex"), "M")), fit)

    ends_stopped(room_of, question)
    found = []
    for secret in (False, True):
        room = world(room_of, secret, preset="permissive")
        found.append(room.ask(question(room)).payload.values[0][0])
    assert abs(found[1] - found[0]) > 0.2, "without protection it tells"


# -- what is stored ---------------------------------------------------------------------------------------------------
STORING = {
    "M24 bins": KBinsDiscretizer(100, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    "M24 quantiles": QuantileTransformer(n_quantiles=1000),
    "M24 splines": SplineTransformer(),
    "M25 MinMax": MinMaxScaler(),
    "M25 MaxAbs": MaxAbsScaler(),
    "M25 Robust": RobustScaler(),
}


@pytest.mark.parametrize("model", STORING.values(), ids=STORING)
def test_m24_m25_order_statistics_are_not_released(room_of, model):
    def fit(room):
        return fit_of(patients(room), model, ("age", "cost"), None, Task.TRANSFORM)

    def threshold(room):
        rows = predicted(
            patients(room), fit(room), inputs=named("age", cost=lit(1.0)), method=Method.TRANSFORM, outputs=2
        )
        return mean(rows, Value(rows.names[1]))

    ends_stopped(room_of, lambda room: File(fit(room)), threshold)


@pytest.mark.parametrize(
    "model",
    [OneHotEncoder(), OneHotEncoder(min_frequency=10), OrdinalEncoder()],
    ids=["OneHot", "min_frequency", "Ordinal"],
)
def test_m22_m54_labels_of_a_few_are_not_released(room_of, model):
    rare = call("where", is_target(), "only one", col("ward"))

    def fit(room):
        return fit_of(patients(room), model, named(ward=rare), None, Task.TRANSFORM)

    ends_stopped(room_of, lambda room: File(fit(room)), lambda room: Inspect(fit(room), "categories_", ("0",)))


def test_m27_a_component_is_not_one_patients_row(room_of):
    spiky = named(t=call("multiply", INDICATOR, 1e9), secret=SECRET)

    def fit(room):
        return fit_of(patients(room), PCA(1), spiky, None, Task.TRANSFORM)

    ends_stopped(room_of, lambda room: Inspect(fit(room), "components_"), lambda room: File(fit(room)))


def test_m29_a_cluster_of_a_few_is_not_released(room_of):
    def fit(room):
        return fit_of(patients(room), KMeans(50, random_state=0), named(t=SPIKE, secret=SECRET), None, Task.CLUSTER)

    ends_stopped(room_of, lambda room: Inspect(fit(room), "cluster_centers_"), lambda room: File(fit(room)))


def test_m33_an_isotonic_calibration_is_not_released(room_of):
    model = CalibratedClassifierCV(GaussianNB(), method="isotonic")
    ends_stopped(room_of, lambda room: File(fit_of(patients(room), model, ("age", "cost"), "hiv")))


# -- scores and searches ----------------------------------------------------------------------------------------------
def model_of_everybody(room):
    return fit_of(patients(room), make_pipeline(StandardScaler(), LogisticRegression()), ("cost", "serial"), "hiv")


def test_m43_a_score_of_one_patient_is_withheld(room_of):
    for answers in in_both(room_of, lambda room: scored(where(patients(room), is_target()), model_of_everybody(room))):
        assert isinstance(answers[0], Withheld)


def test_m47_the_rank_of_the_only_positive_is_withheld(room_of):
    def question(room):
        rows = predicted(patients(room), model_of_everybody(room), Method.PREDICT_PROBA, 2)
        return Metric(rows, Score.ROC_AUC, INDICATOR, (Value(rows.names[1]),))

    for answers in in_both(room_of, question):
        assert isinstance(answers[0], Withheld)


def test_m44_an_error_that_one_patient_makes_up_is_withheld(room_of):
    wrong = call("where", is_target(), call("multiply", SECRET, 1e6), SECRET)

    def question(room):
        return Metric(patients(room), Score.MSE, SECRET, (wrong,))

    for answers in in_both(room_of, question):
        assert stopped(answers[0])


def test_scores_of_constants_are_means_and_are_audited_like_means(room_of):
    """A06 by accuracies: everybody, and everybody but the target."""

    def accuracy(rows):
        return Metric(rows, Score.ACCURACY, SECRET, (lit(1),))

    for answers in in_both(
        room_of, lambda room: accuracy(patients(room)), lambda room: accuracy(where(patients(room), not_target()))
    ):
        shown = [answer.payload.values[0][0] for answer in answers if isinstance(answer, Release)]
        assert len(set(shown)) <= 1


def test_m48_folds_of_one_are_not_told(room_of):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=KFold(100))

    def of_few(attribute):
        def question(room):
            few = where(patients(room), call("less", col("serial"), 1_000))
            return Inspect(fit_of(few, search, ("age",), "hiv"), attribute)

        return question

    ends_stopped(room_of, of_few("best_index_"), of_few("best_params_"), of_few("mean_test_score"))


def test_m49_nobody_chooses_the_validation_rows(room_of):
    splitter = Estimator("sklearn.model_selection.PredefinedSplit", (Argument("test_fold", Plain(0)),))
    spec = Estimator(
        "sklearn.model_selection.GridSearchCV",
        (
            Argument("estimator", Estimator("sklearn.tree.DecisionTreeClassifier")),
            Argument("param_grid", Plain(None)),
            Argument("cv", splitter),
        ),
    )
    ends_stopped(room_of, lambda room: Fit(patients(room), spec, Task.CLASSIFY, named("age"), col("hiv")))


def test_m55_selected_columns_carry_no_bit_of_one_patient(room_of):
    def fit(room):
        return fit_of(patients(room), SelectKBest(k=1), named("cost", t=INDICATOR), col("hiv"), Task.TRANSFORM)

    ends_stopped(room_of, lambda room: File(fit(room)))


@pytest.mark.parametrize(
    "attribute", ["n_iter_", "loss_curve_", "_fit_X", "__class__", "labels_", "estimators_samples_"]
)
def test_m32_m56_what_is_not_listed_is_not_shown(room_of, attribute):
    """M13, M32, M40, M41, M56: traces of the training, labels and masks of rows, private state."""
    model = RandomForestClassifier(3, max_depth=2, min_samples_leaf=200, random_state=1)
    ends_stopped(room_of, lambda room: Inspect(fit_of(patients(room), model, ("age", "cost"), "hiv"), attribute))


def test_m34_an_outlier_model_says_nothing_of_the_target(room_of):
    def question(room):
        fit = fit_of(patients(room), IsolationForest(random_state=0), ("age", "cost"), None, Task.DETECT)
        rows = predicted(patients(room), fit)
        return mean(where(rows, call("equal", Value(rows.names[0]), -1)), "cost")

    ends_stopped(room_of, question)


@pytest.mark.parametrize("model", [GaussianProcessRegressor(), Perceptron()], ids=lambda model: type(model).__name__)
def test_m17_m36_more_models_that_are_not_released(room_of, model):
    task, target = (Task.REGRESS, SECRET) if "Regressor" in type(model).__name__ else (Task.CLASSIFY, col("hiv"))

    def fit(room):
        some = where(patients(room), call("less", col("serial"), 300))
        return fit_of(some, model, ("age", "cost"), target, task)

    ends_stopped(room_of, lambda room: File(fit(room)))


def test_m03_a_wide_but_honest_model_loses_only_its_rare_columns(room_of):
    """The control of the first tests: of the others, coefficients are shown."""

    def fit(room):
        return fit_of(patients(room), LinearRegression(), named("age", "cost", t=RARE), SECRET, Task.REGRESS)

    for answers in in_both(room_of, lambda room: Inspect(fit(room), "coef_"), lambda room: File(fit(room))):
        shown = numbers(answers[0])
        assert np.isfinite(shown[:2]).all()
        assert np.isnan(shown[2])
        assert "zero in a released file: t." in answers[1].payload.report


def test_the_refusal_of_a_model_says_why_and_what_to_do(room_of):
    room = world(room_of, True)
    answer = room.ask(File(fit_of(patients(room), KNeighborsRegressor(1), ("age",), SECRET, Task.REGRESS)))
    assert isinstance(answer, Refusal)
    assert "keeps rows of its training data" in answer.message


# -- errors as answers (B17 to B19 in models) -------------------------------------------------------------------------
NOTHING = Literal(None, DType.FLOAT)
MISSING = call("where", call("and", is_target(), col("hiv")), NOTHING, col("cost"))
INFINITE = call("divide", 1.0, integer(call("not", call("and", is_target(), col("hiv")))))
ODD_CLASS = call("where", call("and", is_target(), col("hiv")), 2, integer(call("equal", col("sex"), "F")))


@pytest.mark.parametrize("stored", [None, np.inf], ids=["missing", "infinite"])
def test_a_stored_value_of_one_patient_does_not_make_a_fit_fail(tmp_path, stored):
    """The same, where the table itself has it: the fit is made without that row."""
    answers = []
    for secret in (False, True):
        patients_of = table(secret)
        patients_of["x"] = [stored if secret and place == TARGET else 1.0 * (place % 50) for place in range(N)]
        room = LearningRoom({"patients": patients_of}, tmp_path / str(secret), key=KEY)
        answers.append(room.ask(fit_of(room["patients"], LinearRegression(), ("age", "x"), "cost", Task.REGRESS)))
    assert all(isinstance(answer, Release) for answer in answers)
    assert alike(answers[0]) == alike(answers[1])


@pytest.mark.parametrize("poison", [MISSING, INFINITE], ids=["missing", "infinite"])
def test_a_value_of_one_patient_does_not_make_a_fit_fail(room_of, poison):
    """The fit would fail if and only if the target is positive."""

    def fit(room):
        return fit_of(patients(room), LinearRegression(), named("age", x=poison), col("cost"), Task.REGRESS)

    assert in_both(room_of, fit)


@pytest.mark.parametrize("poison", [MISSING, INFINITE], ids=["missing", "infinite"])
def test_a_value_of_one_patient_does_not_make_a_prediction_or_a_score_fail(room_of, poison):
    def question(room):
        fit = fit_of(patients(room), LinearRegression(), named("age", x=col("cost")), SECRET, Task.REGRESS)
        rows = predicted(patients(room), fit, inputs=named("age", x=poison))
        return Metric(rows, Score.MSE, SECRET, (Value(rows.names[0]),))

    assert in_both(room_of, question)


def test_a_class_of_one_patient_does_not_make_a_fit_be_withheld(room_of):
    """The third class would have one patient if and only if the target is positive."""

    def fit(room):
        return fit_of(patients(room), GaussianNB(), ("age", "cost"), ODD_CLASS)

    def metric(room):
        return Metric(patients(room), Score.ACCURACY, ODD_CLASS, (integer(call("equal", col("ward"), "A")),))

    assert in_both(room_of, fit, metric)


def test_whether_a_few_share_a_class_is_not_told_by_a_failure(room_of):
    """The target and one whose outcome is known: a single class cannot be fitted, two of one patient each may not."""

    def fit(room):
        known = call("and", call("equal", col("serial"), TARGET + 1), col("hiv"))
        two = where(patients(room), call("or", is_target(), known))
        return fit_of(two, LogisticRegression(), ("cost",), "hiv")

    def regression(room):
        alone = where(patients(room), is_target())
        return fit_of(alone, LinearRegression(), named(x=MISSING), SECRET, Task.REGRESS)

    for answers in in_both(room_of, fit, regression):
        assert all(isinstance(answer, Withheld) for answer in answers)


def test_failures_are_charged_like_denials(room_of):
    """Each is an answer about the data; after so many of them the owner must be asked."""
    room = world(room_of, True, denials=3)
    missing = call("where", call("equal", col("sex"), "F"), NOTHING, col("cost"))  # of half of them

    def fit(place):
        over = where(patients(room), call("greater", col("serial"), place))
        return fit_of(over, LinearRegression(), named(x=missing), SECRET, Task.REGRESS)

    answers = [room.ask(fit(place)) for place in range(4)]
    assert [answer.rule for answer in answers] == ["failed", "failed", "failed", "denials"]
