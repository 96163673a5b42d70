"""Estimators become descriptions that the vault builds again; twins say what is wrong with the code."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import make_scorer, recall_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators

from cleanroom_kernel.disclosure.model_rules import FAMILY
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.estimators import ModelError, describe, public_name, task_of
from cleanroom_kernel.interpreter.learn_twins import fitted_twin
from cleanroom_kernel.plan.models import Items, Plain, Task
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.vault.estimators import build
from cleanroom_kernel.vault.seeds import Seeds

COLUMNS = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1, 2, 1], "s": pd.Series(["x", "y", "x"], dtype="str")})


def rebuilt(model, task=Task.CLASSIFY):
    return build(describe(model, COLUMNS), task, Seeds(None))


def arguments(model):
    return {argument.name: argument.value for argument in describe(model, COLUMNS).arguments}


# -- names and parameters ---------------------------------------------------------------------------------------------
def test_names_are_those_of_the_rule_book():
    known = {public_name(kind) for _, kind in all_estimators()}
    assert set(FAMILY) <= known


def test_only_what_the_expert_has_set_is_described():
    assert arguments(LogisticRegression()) == {}
    found = arguments(LogisticRegression(C=np.float64(0.5), max_iter=100, verbose=1))
    assert list(found) == ["C"]
    assert type(found["C"].value) is float
    assert arguments(SimpleImputer(missing_values=float("nan"))) == {}


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(C=0.1, class_weight={0: 1, 1: 3}),
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()),
        VotingClassifier([("a", LogisticRegression()), ("b", "drop")], voting="soft", weights=[1, 2]),
        GridSearchCV(RandomForestClassifier(), {"max_depth": [2, None], "min_samples_leaf": np.arange(1, 3)}, cv=3),
        GridSearchCV(LogisticRegression(), [{"C": [1]}, {"C": (2, 3)}], cv=StratifiedKFold(3), scoring="roc_auc"),
        make_pipeline(
            ColumnTransformer([("n", StandardScaler(), ["a"]), ("o", OneHotEncoder(drop="first"), ["s"])]),
            LogisticRegression(),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_vault_builds_the_same_estimator(model):
    """But for seeds and what decides nothing, which are the vault's own."""
    ours, theirs = rebuilt(model).get_params(deep=True), model.get_params(deep=True)
    assert set(ours) == set(theirs)
    decided = {"random_state", "n_jobs", "verbose", "cv"}
    for name, value in theirs.items():
        if name.rpartition("__")[2] not in decided and not isinstance(value, (BaseEstimator, list, dict)):
            assert ours[name] == value or (value != value), name


def test_arrays_of_candidates_become_lists():
    found = arguments(RidgeCV(alphas=np.logspace(-1, 1, 3)))["alphas"]
    assert isinstance(found, Items)
    assert [item.value for item in found.items] == [0.1, 1.0, 10.0]
    with pytest.raises(ModelError, match="at most"):
        describe(RidgeCV(alphas=np.arange(5_000.0)), COLUMNS)


def test_columns_that_a_function_chooses_are_named():
    columns = ColumnTransformer(
        [
            ("n", StandardScaler(), make_column_selector(dtype_include="number")),
            ("o", OneHotEncoder(), slice(2, 3)),
            ("i", "passthrough", pd.Index(["a"])),
        ]
    )
    steps = arguments(make_pipeline(columns, LogisticRegression()))["steps"].items
    transformers = next(a.value for a in steps[0].items[1].arguments if a.name == "transformers")
    chosen = [[name.value for name in step.items[2].items] for step in transformers.items]
    assert chosen == [["a", "b"], ["s"], ["a"]]


def test_types_are_named():
    assert arguments(OneHotEncoder(dtype=int))["dtype"] == Plain("int64") or (
        arguments(OneHotEncoder(dtype=int))["dtype"].value == "int64"
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (LogisticRegression(random_state=np.random.RandomState(0)), "random_state=0"),
        (FunctionTransformer(np.log1p), "before the fit"),
        (GridSearchCV(LogisticRegression(), {}, scoring=make_scorer(recall_score)), "scoring='roc_auc'"),
        (LogisticRegression(class_weight=object()), "numbers, texts, lists"),
    ],
    ids=["generator", "function", "scorer", "object"],
)
def test_what_cannot_be_described_says_what_to_write(model, words):
    with pytest.raises(ModelError) as refused:
        describe(model, COLUMNS)
    assert words in str(refused.value)


def test_a_class_of_the_notebook_is_not_sent():
    mine = type("Mine", (LogisticRegression,), {"__module__": "__main__"})
    with pytest.raises(ModelError, match="class of your own"):
        describe(mine(), COLUMNS)


def test_splitters_are_described_like_estimators():
    found = arguments(GridSearchCV(LogisticRegression(), {}, cv=KFold(4, shuffle=True, random_state=1)))["cv"]
    assert found.name == "sklearn.model_selection.KFold"
    assert {argument.name for argument in found.arguments} == {"n_splits", "shuffle", "random_state"}


@pytest.mark.parametrize(
    ("model", "task"),
    [
        (LogisticRegression(), Task.CLASSIFY),
        (make_pipeline(StandardScaler(), RidgeCV()), Task.REGRESS),
        (make_pipeline(StandardScaler()), Task.TRANSFORM),
        (GridSearchCV(LogisticRegression(), {}), Task.CLASSIFY),
    ],
    ids=["classifier", "regressor", "transformer", "search"],
)
def test_tasks_follow_from_scikit_learns_tags(model, task):
    assert task_of(model) is task


def test_an_estimator_without_a_task_is_refused():
    with pytest.raises(ModelError, match="neither"):
        task_of(GaussianMixture())


# -- twins ------------------------------------------------------------------------------------------------------------
X = pd.DataFrame({"a": [0.0, 1.0, np.nan, 3.0], "b": [1.0, 0.0, 1.0, 0.5]})
ONE_CLASS, TWO_CLASSES = pd.Series([1, 1, 1, 1]), pd.Series([0, 1, 0, 1])
TEXT = X.assign(s=pd.Series(["x", None, "y", "x"], dtype="str"))


@pytest.mark.parametrize(
    ("model", "table", "target"),
    [
        (LogisticRegression(), X, ONE_CLASS),
        (GridSearchCV(LogisticRegression(), {"C": [1]}, cv=10), X, TWO_CLASSES),
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=1)), X, TWO_CLASSES),
        (RandomForestClassifier(500, n_jobs=2), X, TWO_CLASSES),
    ],
    ids=["one class", "too few for folds", "no convergence", "missing values"],
)
def test_what_only_the_twins_rows_cause_is_not_raised(model, table, target, recwarn):
    fitted_twin(model, table, target, None)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("model", "table", "words"),
    [
        (LogisticRegression(C=-1), X, "'C' parameter"),
        (make_pipeline(StandardScaler(), LogisticRegression(solver="x")), X, "'solver' parameter"),
        (LogisticRegression(), TEXT, "could not convert string"),
        (ColumnTransformer([("n", StandardScaler(), ["nope"])]), X, "not columns"),
        (GridSearchCV(LogisticRegression(), {"nope": [1]}), X, "Invalid parameter"),
        (GridSearchCV(LogisticRegression(), {"C": [1, 2], "nope": [1]}), X, "Invalid parameter"),
        (LogisticRegression(penalty="l1", solver="lbfgs"), X, "supports only"),
        (LogisticRegression(), X.rename(columns={"a": 1}), "string names"),
    ],
    ids=["parameter", "nested parameter", "text", "column", "grid", "later name", "combination", "names"],
)
def test_what_is_wrong_with_the_code_is_raised_in_scikit_learns_words(model, table, words):
    with pytest.raises((ValueError, TypeError, KeyError), match=words):
        fitted_twin(model, table, TWO_CLASSES, None)


def test_a_mistake_costs_no_question(clinic):
    df = clinic.room["stays"]
    before = len(clinic.vault.questions)
    for model, names in ((LogisticRegression(C=-1), ["age"]), (LogisticRegression(), ["age", "ward"])):
        with pytest.raises(ValueError, match=r"parameter|could not convert"):
            model.fit(df[names], df.ill)
    with pytest.raises(ValueError, match="Expected 2D array"):
        LogisticRegression().fit(df.age, df.ill)
    with pytest.raises(TypeError, match=r"LogisticRegression\.fit\(\) got an unexpected keyword argument"):
        LogisticRegression().fit(df[["age"]], df.ill, weights=1)
    with pytest.raises(PlanError, match="astype"):
        LogisticRegression().fit(df[["age"]], df.cost)
    with pytest.raises(HandleError, match="one value per row"):
        LogisticRegression().fit(df[["age"]], [0, 1])
    assert len(clinic.vault.questions) == before


def test_features_that_differ_from_the_fits_are_named(clinic):
    df = clinic.room["stays"]
    model = LogisticRegression().fit(df[["age", "los"]], df.ill)
    with pytest.raises(ValueError, match="unseen at fit time:\n- cost"):
        model.predict(df[["age", "cost"]])
    with pytest.raises(ValueError, match="same order"):
        model.predict(df[["los", "age"]])


def test_a_twin_is_light(clinic):
    """A large model costs the notebook no more than a small one before the vault has it."""
    twin = fitted_twin(RandomForestClassifier(10_000, n_jobs=2), X.fillna(0), TWO_CLASSES, None)
    assert len(twin.estimators_) < 10
