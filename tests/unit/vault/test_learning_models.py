"""Fitted, judged, exported: models of every family, against plain scikit-learn on the same rows."""

import hashlib
import io
import re
import warnings
import zipfile

import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import desk_of, fit_of, sides
from support.rooms import Room, people

from cleanroom_kernel.disclosure.words import band
from cleanroom_kernel.plan.models import Inspect, Task
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.export import export, question_of
from cleanroom_kernel.vault.reporting import policy_version

NUMBERS = ("age", "cost", "pressure")
MIXED = ("age", "cost", "los", "sex", "ward")
COLUMNS = (
    Column("hiv", DType.INTEGER, categories=(0, 1)),
    Column("sex", DType.STRING, categories=("F", "M")),
    Column("ward", DType.STRING, categories=("a", "b", "c")),
)


def by_type():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["age", "cost", "los"]),
            ("labels", OneHotEncoder(handle_unknown="ignore"), ["sex", "ward"]),
        ]
    )


TREE = {"max_depth": 3, "min_samples_leaf": 200, "random_state": 0}

BOOSTED = {"max_iter": 8, "max_leaf_nodes": 6, "min_samples_leaf": 200, "early_stopping": False, "random_state": 0}

MODELS = {
    "LinearRegression": (LinearRegression(), NUMBERS, "stay", Task.REGRESS),
    "Ridge": (Ridge(), NUMBERS, "stay", Task.REGRESS),
    "RidgeCV": (RidgeCV(), NUMBERS, "stay", Task.REGRESS),
    "Lasso": (Lasso(0.01), NUMBERS, "stay", Task.REGRESS),
    "ElasticNet": (ElasticNet(0.01), NUMBERS, "stay", Task.REGRESS),
    "BayesianRidge": (BayesianRidge(), NUMBERS, "stay", Task.REGRESS),
    "LinearSVR": (make_pipeline(StandardScaler(), LinearSVR()), NUMBERS, "stay", Task.REGRESS),
    "PoissonRegressor": (make_pipeline(StandardScaler(), PoissonRegressor()), NUMBERS, "stage", Task.REGRESS),
    "DummyRegressor": (DummyRegressor(), NUMBERS, "stay", Task.REGRESS),
    "DecisionTreeRegressor": (DecisionTreeRegressor(**TREE), NUMBERS, "stay", Task.REGRESS),
    "RandomForestRegressor": (RandomForestRegressor(8, **TREE), NUMBERS, "stay", Task.REGRESS),
    "polynomial": (make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge()), NUMBERS, "stay", Task.REGRESS),
    "LogisticRegression": (make_pipeline(StandardScaler(), LogisticRegression()), NUMBERS, "hiv", Task.CLASSIFY),
    "several classes": (make_pipeline(StandardScaler(), LogisticRegression()), NUMBERS, "stage", Task.CLASSIFY),
    "LinearSVC": (make_pipeline(StandardScaler(), LinearSVC()), NUMBERS, "hiv", Task.CLASSIFY),
    "RidgeClassifier": (RidgeClassifier(), NUMBERS, "hiv", Task.CLASSIFY),
    "GaussianNB": (GaussianNB(), NUMBERS, "hiv", Task.CLASSIFY),
    "DummyClassifier": (DummyClassifier(), NUMBERS, "hiv", Task.CLASSIFY),
    "DecisionTreeClassifier": (DecisionTreeClassifier(**TREE), NUMBERS, "hiv", Task.CLASSIFY),
    "RandomForestClassifier": (RandomForestClassifier(8, **TREE), NUMBERS, "hiv", Task.CLASSIFY),
    "HistGradientBoostingClassifier": (HistGradientBoostingClassifier(**BOOSTED), NUMBERS, "hiv", Task.CLASSIFY),
    "HistGradientBoosting of classes": (HistGradientBoostingClassifier(**BOOSTED), NUMBERS, "stage", Task.CLASSIFY),
    "HistGradientBoostingRegressor": (HistGradientBoostingRegressor(**BOOSTED), NUMBERS, "stay", Task.REGRESS),
    "GradientBoostingClassifier": (GradientBoostingClassifier(n_estimators=8, **TREE), NUMBERS, "hiv", Task.CLASSIFY),
    "GradientBoostingRegressor": (GradientBoostingRegressor(n_estimators=8, **TREE), NUMBERS, "stay", Task.REGRESS),
    "ExtraTreesClassifier": (ExtraTreesClassifier(4, **TREE), NUMBERS, "hiv", Task.CLASSIFY),
    "columns by type": (make_pipeline(by_type(), LogisticRegression()), MIXED, "hiv", Task.CLASSIFY),
    "columns for a forest": (make_pipeline(by_type(), RandomForestClassifier(4, **TREE)), MIXED, "hiv", Task.CLASSIFY),
    "PCA": (make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), NUMBERS, "hiv", Task.CLASSIFY),
    "SelectKBest": (make_pipeline(SelectKBest(k=2), LogisticRegression()), NUMBERS, "hiv", Task.CLASSIFY),
    "VarianceThreshold": (make_pipeline(VarianceThreshold(), GaussianNB()), NUMBERS, "hiv", Task.CLASSIFY),
    "union": (
        make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", PCA(1))]), LogisticRegression()),
        NUMBERS,
        "hiv",
        Task.CLASSIFY,
    ),
    "voting": (
        VotingClassifier(
            [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", GaussianNB())], voting="soft"
        ),
        NUMBERS,
        "hiv",
        Task.CLASSIFY,
    ),
    "stacking": (
        StackingClassifier([("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", GaussianNB())]),
        NUMBERS,
        "hiv",
        Task.CLASSIFY,
    ),
    "one against the rest": (
        make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
        NUMBERS,
        "stage",
        Task.CLASSIFY,
    ),
    "calibrated": (CalibratedClassifierCV(GaussianNB()), NUMBERS, "hiv", Task.CLASSIFY),
    "search": (
        GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}),
        NUMBERS,
        "hiv",
        Task.CLASSIFY,
    ),
    "KMeans": (KMeans(3, random_state=0), NUMBERS, None, Task.CLUSTER),
    "StandardScaler": (StandardScaler(), NUMBERS, None, Task.TRANSFORM),
    "SimpleImputer": (SimpleImputer(strategy="median"), ("los", "age"), None, Task.TRANSFORM),
    "OneHotEncoder": (OneHotEncoder(sparse_output=False), ("sex", "ward"), None, Task.TRANSFORM),
    "OrdinalEncoder": (OrdinalEncoder(), ("sex", "ward"), None, Task.TRANSFORM),
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    n = 6_000
    found = people(n)
    found["hiv"] = (random.random(n) < 1 / (1 + np.exp(-(found["age"] - 60) / 15))).astype(int)
    found["pressure"] = random.normal(120, 15, n)
    found["stay"] = found["pressure"] * 0.1 + found["age"] * 0.05 + random.normal(size=n)
    found["stage"] = np.digitize(found["age"] + random.normal(0, 15, n), [40, 70])
    found["ward"] = random.choice(["a", "b", "c"], n)
    found["los"] = np.where(random.random(n) < 0.1, np.nan, np.round(random.gamma(2, 3, n), 1))
    return found


@pytest.fixture(scope="module", params=["permissive", "standard"])
def desk(request, table, tmp_path_factory):
    room = Room({"t": table}, tmp_path_factory.mktemp("state"), columns=COLUMNS, preset=request.param)
    return desk_of(room)


def said(model, table):
    """What a model says of the table's rows: probabilities if it has any."""
    for method in ("predict_proba", "predict", "transform"):
        if hasattr(model, method):
            found = getattr(model, method)(table)
            return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=float)
    raise AssertionError("a model that says nothing")


def plainly_fitted(model, table, target):
    made = clone(model)
    unseeded = {name: 0 for name, value in made.get_params().items() if name.endswith("random_state") and value is None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made.set_params(**unseeded).fit(table, *([] if target is None else [target]))


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_is_scikit_learns_and_a_file_predicts_like_it(name, desk, table):
    """Unkeyed seeds: the same model. Released: the same but for the policy's rounding of parameters."""
    model, features, target, task = MODELS[name]
    fit = fit_of(desk.room_table, model, features, target, task)
    released = answer(fit, desk)
    assert isinstance(released, Release), released
    assert released.payload.releasable
    X = pd.DataFrame(table)[list(features)]
    ours = desk.learners.fitted(fit, desk.engine).model
    plain = plainly_fitted(model, X, None if target is None else pd.DataFrame(table)[target])
    np.testing.assert_allclose(said(ours, X), said(plain, X), atol=1e-6)

    file = export(fit, "model.skops", desk)
    assert isinstance(file, Release), file
    artifact = file.payload
    assert hashlib.sha256(artifact.content).hexdigest() == artifact.sha256
    rebuilt = skops.io.loads(artifact.content, trusted=list(artifact.trusted))
    assert type(rebuilt) is type(plain)
    exactly = desk.policy.preset == "permissive"
    difference = np.abs(said(rebuilt, X) - said(ours, X))
    if exactly:
        assert difference.max() < 1e-9
    else:
        assert difference.mean() < 0.05 * max(said(ours, X).std(), 0.02 * np.abs(said(ours, X)).max())


@pytest.mark.parametrize("name", ["LogisticRegression", "columns by type", "RandomForestClassifier"])
def test_a_file_needs_no_type_that_is_not_scikit_learns(name, desk):
    model, features, target, task = MODELS[name]
    artifact = export(fit_of(desk.room_table, model, features, target, task), "model.skops", desk).payload
    assert all(kind.startswith(("sklearn.", "numpy.", "scipy.")) for kind in artifact.trusted)
    assert b"ada" not in artifact.content
    assert "Learned numbers in the file" in artifact.report


def test_the_same_question_has_the_same_file(desk):
    model, features, target, task = MODELS["LogisticRegression"]
    fit = fit_of(desk.room_table, model, features, target, task)
    first, second = (export(fit, "model.skops", desk) for _ in range(2))
    assert first.payload == second.payload
    assert first.receipt.number != second.receipt.number, "each is a release of its own"


# -- trees ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier", "GradientBoostingRegressor"])
def test_a_released_forest_computes_the_importances_that_are_shown(name, desk):
    model, features, target, task = MODELS[name]
    fit = fit_of(desk.room_table, model, features, target, task)
    shown = answer(Inspect(fit, "feature_importances_", ()), desk).payload
    artifact = export(fit, "model.skops", desk).payload
    rebuilt = skops.io.loads(artifact.content, trusted=list(artifact.trusted))
    known = np.nan_to_num(np.array(shown.values, dtype=float))
    assert np.allclose(
        rebuilt.feature_importances_, known / known.sum(), atol=1e-3
    )  # a fraction of the step they are shown in


UNLIKE = {
    "early_stopping=False": HistGradientBoostingClassifier(early_stopping=True),
    "n_iter_no_change=None": GradientBoostingClassifier(n_iter_no_change=3),
    "learning_rate=0.3": HistGradientBoostingClassifier(learning_rate=0.9, early_stopping=False),
    "class_weight": HistGradientBoostingClassifier(class_weight="balanced", early_stopping=False),
    "subsample=1.0": GradientBoostingClassifier(subsample=0.5),
    "loss=": GradientBoostingClassifier(loss="exponential"),
}


@pytest.mark.parametrize("words", UNLIKE)
def test_boosting_that_the_rules_are_not_made_for_says_what_to_write(words, desk):
    refusal = export(fit_of(desk.room_table, UNLIKE[words], NUMBERS, "hiv"), "model.skops", desk)
    assert isinstance(refusal, Refusal)
    assert words in refusal.message


# -- reports ----------------------------------------------------------------------------------------------------------
def test_a_report_tells_train_and_test_and_lies_in_the_file(desk):
    train, _ = sides(desk.room_table)
    fit = fit_of(train, make_pipeline(StandardScaler(), LogisticRegression()), NUMBERS, "hiv")
    artifact = export(fit, "model.skops", desk).payload
    (line,) = [line for line in artifact.report.splitlines() if "Train and test" in line]
    on_train, held_out = (float(number) for number in re.findall(r"roc_auc_score ([\d.]+) .*, ([\d.]+) on", line)[0])
    assert 0.5 < held_out < 1
    assert abs(on_train - held_out) < 0.1
    told = [release.payload.values[0][0] for release in desk.beside]
    assert told[-2:] == pytest.approx([on_train, held_out], rel=1e-3)
    assert f"version {policy_version(desk.policy)}" in artifact.report
    with zipfile.ZipFile(io.BytesIO(artifact.content)) as file:
        assert file.read("README.md").decode() == artifact.report


def test_a_card_says_what_was_released_and_from_whom_and_how_it_was_made(desk):
    train, _ = sides(desk.room_table)
    fit = fit_of(train, make_pipeline(StandardScaler(), LogisticRegression(C=0.5)), NUMBERS, "hiv")
    start = len(desk.beside)
    report = export(fit, "model.skops", desk).payload.report
    sections = re.findall(r"^## (.*)$", report, re.MULTILINE)
    assert sections == ["Training data", "Evaluation", "Disclosure control", "Release", "Hyperparameters"]
    assert f"Question {question_of(fit, 'model.skops')[0]}." in report
    assert re.search(r"logisticregression__C +\| +0.5", report)
    assert f"of {band(4_500)} patients" in report
    numbers = [int(number) for number in re.findall(r"^- Receipt (\d+):", report, re.MULTILINE)]
    assert numbers == [release.receipt.number for release in desk.beside[start:]]
    strict = desk.policy.membership_limit < 1
    assert ("membership test of" in report) == strict
    assert len(numbers) == (3 if strict else 2)


def test_a_scaler_has_no_truth_that_a_patient_could_be_known_by(desk):
    model, features, target, task = MODELS["StandardScaler"]
    report = export(fit_of(desk.room_table, model, features, target, task), "m.skops", desk).payload.report
    assert "Membership test: none" in report


def test_a_model_of_all_rows_has_nothing_held_out(desk):
    model, features, target, task = MODELS["LogisticRegression"]
    assert (
        "nothing was held out"
        in export(fit_of(desk.room_table, model, features, target, task), "m.skops", desk).payload.report
    )


def test_another_number_in_the_policy_is_another_version(desk):
    other = msgspec.structs.replace(desk.policy, minimum_units=desk.policy.minimum_units + 1)
    assert policy_version(other) != policy_version(desk.policy) == policy_version(msgspec.structs.replace(desk.policy))
