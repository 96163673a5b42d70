"""Curves of scores, partial dependence and searches that drop candidates: scikit-learn's own, with unkeyed seeds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the classes public
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from cleanroom_kernel.interpreter.errors import CleanRoomRefusal
from cleanroom_kernel.interpreter.estimators import ModelError

NUMBERS = ["age", "los"]
LOGISTIC = LogisticRegression(max_iter=1000, tol=1e-10)


@pytest.fixture
def df(clinic):
    return clinic.room["stays"]


@pytest.fixture
def table(clinic):
    return clinic.tables["stays"]


# -- validation curve -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cv", [3, KFold(3, shuffle=True, random_state=0), GroupKFold(3)], ids=str)
def test_a_validation_curve_is_scikit_learns_own(df, table, cv):
    options = {"param_name": "C", "param_range": [0.001, 1.0], "cv": cv, "scoring": "roc_auc"}
    ours = validation_curve(LOGISTIC, df[NUMBERS], df.readmitted, groups=df.pid, **options)
    theirs = validation_curve(LOGISTIC, table[NUMBERS], table.readmitted, groups=table.pid, **options)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape == (2, 3)
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_validation_curve_has_the_same_folds_for_every_value(df):
    """Without a seed, too: each call of split draws anew."""
    twice = {"param_name": "C", "param_range": [1.0, 1.0], "cv": ShuffleSplit(2, test_size=0.3)}
    train, test = validation_curve(LOGISTIC, df[NUMBERS], df.readmitted, **twice)
    assert (train[0] == train[1]).all()
    assert (test[0] == test[1]).all()


def test_a_parameter_of_a_step_is_named_like_in_scikit_learn(df):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    train, _ = validation_curve(
        model, df[NUMBERS], df.readmitted, param_name="logisticregression__C", param_range=[0.1, 1], cv=2
    )
    assert train.shape == (2, 2)
    with pytest.raises(ValueError, match="Invalid parameter"):
        validation_curve(model, df[NUMBERS], df.readmitted, param_name="D", param_range=[1], cv=2)


# -- learning curve ---------------------------------------------------------------------------------------------------
def test_a_learning_curve_is_of_rows_that_are_drawn_from_each_training_side(df, table):
    """As train_test_split draws them: the same model, fitted and scored plainly."""
    X, y = table[NUMBERS], table.readmitted
    sizes, train, test = learning_curve(
        LOGISTIC, df[NUMBERS], df.readmitted, train_sizes=[0.2, 0.5, 1.0], cv=3, scoring="roc_auc", random_state=7
    )
    expected = np.empty((2, 3, 3))
    for fold, (inside, outside) in enumerate(StratifiedKFold(3).split(X, y)):
        for place, share in enumerate((0.2, 0.5, 1.0)):
            drawn = inside if share == 1.0 else train_test_split(inside, test_size=share, random_state=7)[1]
            model = clone(LOGISTIC).fit(X.iloc[drawn], y.iloc[drawn])
            for side, rows in enumerate((drawn, outside)):
                chances = model.predict_proba(X.iloc[rows])[:, 1]
                expected[side, place, fold] = roc_auc_score(y.iloc[rows], chances)
    np.testing.assert_allclose([train, test], expected, atol=1e-6)
    inside = len(next(StratifiedKFold(3).split(X, y))[0])
    assert list(sizes) == [int(share * inside) for share in (0.2, 0.5, 1.0)]


def test_a_learning_curve_takes_numbers_of_rows(df):
    sizes, train, test = learning_curve(LOGISTIC, df[NUMBERS], df.readmitted, train_sizes=[150, 300], cv=2)
    assert list(sizes) == [150, 300]
    assert train.shape == test.shape == (2, 2)


def test_patients_stay_whole_in_what_is_drawn(df, capsys):
    _, train, _ = learning_curve(
        LOGISTIC, df[NUMBERS], df.readmitted, groups=df.pid, train_sizes=[0.5], cv=GroupKFold(2)
    )
    assert train.shape == (1, 2)
    assert "both sides" not in capsys.readouterr().out


@pytest.mark.parametrize("size", [0.0, 1.5, -3, "half"])
def test_a_size_that_is_no_share_and_no_number_is_an_error(df, size):
    with pytest.raises(ValueError, match="train_sizes"):
        learning_curve(LOGISTIC, df[NUMBERS], df.readmitted, train_sizes=[size], cv=2)


def test_what_a_curve_cannot_take_is_said(df):
    with pytest.raises(ModelError, match="exploit_incremental_learning"):
        learning_curve(LOGISTIC, df[NUMBERS], df.readmitted, exploit_incremental_learning=True)


def test_a_model_that_may_not_be_released_has_curves_of_keyed_folds(guarded_clinic):
    """Its training rows are a side of a side, which nobody chose."""
    df = guarded_clinic.room["stays"]
    tree = DecisionTreeClassifier(random_state=0)
    _, train, test = learning_curve(tree, df[NUMBERS], df.readmitted, train_sizes=[0.5, 1.0], cv=3)
    assert (train > test).all()
    assert ((test > 0.4) & (test < 1)).all()


# -- partial dependence -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("feature", ["age", 1])
def test_partial_dependence_is_scikit_learns_own(df, table, feature):
    ours = partial_dependence(
        clone(LOGISTIC).fit(df[NUMBERS], df.readmitted), df[NUMBERS], [feature], grid_resolution=5
    )
    plain = clone(LOGISTIC).fit(table[NUMBERS], table.readmitted)
    name = NUMBERS[feature] if feature == 1 else feature
    values = {name: ours["grid_values"][0]}
    theirs = partial_dependence(plain, table[NUMBERS].astype(float), [name], custom_values=values)
    np.testing.assert_allclose(ours["average"], theirs["average"], atol=1e-6)
    low, high = table[name].quantile([0.05, 0.95])
    np.testing.assert_allclose(ours["grid_values"][0], np.linspace(low, high, 5))


def test_partial_dependence_of_a_regression_and_of_several_classes(df, table):
    values = {"age": [30.0, 60.0, 90.0]}
    for model, target in ((LinearRegression(), "cost"), (clone(LOGISTIC), "outcome")):
        ours = partial_dependence(clone(model).fit(df[NUMBERS], df[target]), df[NUMBERS], ["age"], custom_values=values)
        theirs = partial_dependence(
            clone(model).fit(table[NUMBERS], table[target]),
            table[NUMBERS].astype(float),
            ["age"],
            custom_values=values,
            method="brute",
        )
        np.testing.assert_allclose(ours["average"], theirs["average"], rtol=1e-6)


def test_partial_dependence_is_for_models_that_may_be_released(guarded_clinic):
    """What a model says of rows that are made up is a release of the model."""
    df = guarded_clinic.room["stays"]
    forest = RandomForestClassifier(20, random_state=0).fit(df[NUMBERS], df.readmitted)
    with pytest.raises(CleanRoomRefusal, match="cannot be released"):
        partial_dependence(forest, df[NUMBERS], ["age"], custom_values={"age": [30.0, 60.0]})
    model = clone(LOGISTIC).fit(df[NUMBERS], df.readmitted)
    found = partial_dependence(model, df[NUMBERS], ["age"], grid_resolution=4)
    assert (np.diff(found["average"][0]) > 0).all()


def test_what_partial_dependence_cannot_do_says_what_it_can(df):
    model = clone(LOGISTIC).fit(df[NUMBERS], df.readmitted)
    with pytest.raises(ModelError, match="averages"):
        partial_dependence(model, df[NUMBERS], ["age"], kind="individual")
    with pytest.raises(ModelError, match="one feature"):
        partial_dependence(model, df[NUMBERS], ["age", "los"])
    with pytest.raises(ModelError, match="at most 50"):
        partial_dependence(model, df[NUMBERS], ["age"], grid_resolution=100)


# -- searches that draw or drop candidates ----------------------------------------------------------------------------
GRID = {"C": [0.001, 0.01, 0.1, 1.0, 10.0]}
SEARCHES = {
    "halving": lambda: HalvingGridSearchCV(LOGISTIC, GRID, cv=3, min_resources=300, random_state=0, scoring="accuracy"),
    "drawn and halved": lambda: HalvingRandomSearchCV(
        LOGISTIC, GRID, n_candidates=4, cv=3, min_resources=300, random_state=0, scoring="accuracy"
    ),
    "drawn": lambda: RandomizedSearchCV(LOGISTIC, GRID, n_iter=3, cv=3, random_state=0, scoring="accuracy"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_drops_candidates_is_scikit_learns_own(df, table, name):
    ours = SEARCHES[name]().fit(df[NUMBERS], df.readmitted)
    theirs = SEARCHES[name]().fit(table[NUMBERS], table.readmitted)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-6)
    np.testing.assert_allclose(ours.best_estimator_.coef_, theirs.best_estimator_.coef_, rtol=1e-5)
    assert ours.score(df[NUMBERS], df.readmitted) == pytest.approx(theirs.score(table[NUMBERS], table.readmitted))


def test_a_search_by_halves_is_judged_by_its_smallest_round(guarded_clinic):
    df = guarded_clinic.room["stays"]
    options = {"cv": 3, "scoring": "accuracy", "random_state": 0}
    large = HalvingGridSearchCV(LOGISTIC, GRID, min_resources=600, **options).fit(df[NUMBERS], df.readmitted)
    assert large.best_params_["C"] in GRID["C"]
    small = HalvingGridSearchCV(LOGISTIC, GRID, min_resources=60, **options).fit(df[NUMBERS], df.readmitted)
    with pytest.raises(CleanRoomRefusal, match="each fold must be scored on at least 50 patients"):
        small.best_params_  # noqa: B018
