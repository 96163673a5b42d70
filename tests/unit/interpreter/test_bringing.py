"""Models that were fitted elsewhere, in the room: their predictions are scikit-learn's; files are read with care."""

import io
import pickle
import warnings
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn import linear_model as lm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from cleanroom_kernel.cli.bringing import cell
from cleanroom_kernel.cli.settings import CommandError
from cleanroom_kernel.interpreter import bringing
from cleanroom_kernel.interpreter.bringing_models import MOST_SPLITS
from cleanroom_kernel.interpreter.estimators import ModelError

FEATURES = ["age", "tests", "los"]
CHOSEN = ["age", "tests", "ward"]


@pytest.fixture(scope="module")
def public():
    """Data of the expert's own, with columns like those of the room."""
    random = np.random.default_rng(3)
    X = pd.DataFrame(
        {
            "age": random.integers(0, 100, 400),
            "tests": random.integers(0, 40, 400).astype(float),
            "los": np.round(random.gamma(2, 3, 400), 1),
            "ward": random.choice(["north", "south"], 400),
        }
    )
    risk = X.age / 50 + X.tests / 20 + (X.ward == "north") + random.normal(0, 0.5, 400)
    return X, (risk > 2).astype(int), pd.cut(risk, [-9, 1, 2, 9], labels=["low", "mid", "high"]).astype(str), risk


MODELS = {
    "logistic": (lm.LogisticRegression(), 0, FEATURES),
    "logistic of three": (lm.LogisticRegression(), 1, FEATURES),
    "least squares": (lm.LinearRegression(), 2, FEATURES),
    "ridge": (lm.Ridge(), 2, FEATURES),
    "tree": (DecisionTreeClassifier(max_depth=4), 0, FEATURES),
    "forest of three": (RandomForestClassifier(5, max_depth=3, random_state=0), 1, FEATURES),
    "extra trees": (ExtraTreesRegressor(4, max_depth=3, random_state=0), 2, FEATURES),
    "boosting": (GradientBoostingClassifier(n_estimators=6, max_depth=2), 0, FEATURES),
    "boosting of three": (GradientBoostingClassifier(n_estimators=3, max_depth=2), 1, FEATURES),
    "boosted values": (GradientBoostingRegressor(n_estimators=6, max_depth=2), 2, FEATURES),
    "pipeline": (make_pipeline(SimpleImputer(), StandardScaler(), lm.LogisticRegression()), 0, FEATURES),
    "columns": (
        make_pipeline(
            ColumnTransformer(
                [
                    ("number", make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler()), ["tests"]),
                    ("text", OneHotEncoder(handle_unknown="ignore"), ["ward"]),
                    ("as it is", "passthrough", ["age"]),
                ]
            ),
            lm.LogisticRegression(),
        ),
        0,
        CHOSEN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_brought_predictions_are_scikit_learns_own(clinic, public, name):
    model, target, features = MODELS[name]
    X, *targets = public
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(X[features], targets[target])
    brought = clinic.room.bring(skops.io.dumps(fitted))
    table = clinic.tables["stays"].dropna(subset=["tests", "los", "ward"])
    stays = clinic.room["stays"].dropna(subset=["tests", "los", "ward"])
    if target == 2:
        expected = fitted.predict(table[features])
        assert brought.predict(stays[features]).sum() == pytest.approx(expected.sum(), rel=1e-9)
        assert brought.score(stays[features], stays.age) == pytest.approx(r2_score(table.age, expected), rel=1e-9)
        return
    probabilities = fitted.predict_proba(table[features])
    got = brought.predict_proba(stays[features])
    for place in range(probabilities.shape[1]):
        assert got[:, place].sum() == pytest.approx(probabilities[:, place].sum(), rel=1e-9)
        assert got[:, place].std() == pytest.approx(probabilities[:, place].std(ddof=1), rel=1e-9)
    counts = brought.predict(stays[features]).value_counts().to_dict()
    assert counts == pd.Series(fitted.predict(table[features])).value_counts().to_dict()
    if target == 0:
        truth = table.readmitted
        assert roc_auc_score(stays.readmitted, got[:, 1]) == pytest.approx(roc_auc_score(truth, probabilities[:, 1]))
        accuracy = accuracy_score(truth, fitted.predict(table[features]))
        assert brought.score(stays[features], stays.readmitted) == pytest.approx(accuracy)


def test_rows_without_a_feature_have_no_prediction(clinic, public):
    X, y, *_ = public
    stays, table = clinic.room["stays"], clinic.tables["stays"]
    complete = len(table.dropna(subset=FEATURES))
    for model in (lm.LogisticRegression(max_iter=500), DecisionTreeClassifier(max_depth=3)):
        brought = clinic.room.bring(model.fit(X[FEATURES], y))
        assert brought.predict_proba(stays[FEATURES])[:, 1].count() == complete
        assert brought.predict(stays[FEATURES]).count() == complete


def test_features_are_found_by_name_and_a_missing_one_is_named(clinic, public):
    X, y, *_ = public
    brought = clinic.room.bring(lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y))
    stays = clinic.room["stays"]
    by_name = brought.predict_proba(stays[["los", "ward", "tests", "age"]])[:, 1].sum()
    assert by_name == brought.predict_proba(stays[FEATURES])[:, 1].sum()
    with pytest.raises(ModelError, match="los"):
        brought.predict(stays[["age", "tests"]])


def test_a_brought_model_is_not_fitted_on_but_its_score_is_a_feature(clinic, public):
    X, y, *_ = public
    brought = clinic.room.bring(lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y))
    stays = clinic.room["stays"]
    for call in (brought.fit, brought.partial_fit):
        with pytest.raises(ModelError, match="a feature") as refused:
            call(stays[FEATURES], stays.readmitted)
        assert refused.value.rule == "S11"


# -- what is not brought ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [GaussianNB(), CalibratedClassifierCV(cv=2)], ids=lambda model: type(model).__name__)
def test_models_that_are_not_listed_are_refused_by_name(clinic, public, model):
    X, y, *_ = public
    with pytest.raises(ModelError, match=f"{type(model).__name__} is not among"):
        clinic.room.bring(model.fit(X[FEATURES], y))


def test_a_class_that_calls_itself_like_a_listed_one_is_none(clinic, public):
    X, y, *_ = public

    class LogisticRegression(lm.LogisticRegression):
        pass

    with pytest.raises(ModelError, match="not among"):
        clinic.room.bring(LogisticRegression().fit(X[FEATURES], y))


def test_a_model_of_the_room_is_not_brought_and_neither_is_one_that_was_not_fitted(clinic):
    for what in (lm.LogisticRegression(), 7, object()):
        with pytest.raises(ModelError):
            clinic.room.bring(what)


def test_too_many_splits_are_said_before_anything_is_sent(clinic, public):
    X, y, *_ = public
    forest = RandomForestClassifier(100, random_state=0).fit(X[FEATURES], y)
    assert sum((one.tree_.feature >= 0).sum() for one in forest.estimators_) > MOST_SPLITS
    with pytest.raises(ModelError, match="more than 2,500 splits"):
        clinic.room.bring(forest)


# -- files ------------------------------------------------------------------------------------------------------------
class Evil:
    def __init__(self):
        self.n_features_in_ = 1

    def __reduce__(self):
        return print, ("run",)


def zipped(entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in entries:
            packed.writestr(name, body)
    return content.getvalue()


def test_pickles_are_not_read(capsys):
    written = io.BytesIO()
    joblib.dump(Evil(), written)
    for content in (pickle.dumps(Evil()), written.getvalue(), b"", b"PK\x03\x04 nothing"):
        with pytest.raises(ModelError, match="Pickles"):
            bringing.loaded(content)
    assert capsys.readouterr().out == ""


def test_a_file_of_foreign_types_is_refused_and_nothing_of_it_is_made(public, monkeypatch):
    X, y, *_ = public
    model = lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y)
    model.extra_ = Evil()
    content = skops.io.dumps(model)
    monkeypatch.setattr(skops.io, "loads", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ModelError, match=r"types that no listed model is made of: .*Evil"):
        bringing.loaded(content)


@pytest.mark.parametrize("kind", ["unpacked", "entries", "packed"])
def test_zip_bombs_are_not_unpacked(kind, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was unpacked"))
    if kind == "packed":
        content = b"PK" + bytes(bringing.MOST_BYTES)
    elif kind == "entries":
        content = _unpatched([(str(place), b"") for place in range(bringing.MOST_ENTRIES + 1)])
    else:
        content = _unpatched([("schema.json", bytes(bringing.MOST_UNPACKED + 1))])
        assert len(content) < 100_000
    with pytest.raises(ModelError, match="at most"):
        bringing.loaded(content)


_REAL = zipfile.ZipFile.open


def _unpatched(entries):
    patched, zipfile.ZipFile.open = zipfile.ZipFile.open, _REAL
    try:
        return zipped(entries)
    finally:
        zipfile.ZipFile.open = patched


def test_numbers_that_are_none_are_no_model(clinic, public):
    X, y, *_ = public
    model = lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y)
    for weights in (np.full((1, 3), np.nan), np.ones((1, 4)), np.array([["a", "b", "c"]])):
        model.coef_ = weights
        with pytest.raises(ModelError, match="number"):
            clinic.room.bring(model)


def test_a_path_is_read_where_the_code_runs(clinic, public, tmp_path):
    X, y, *_ = public
    skops.io.dump(lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y), tmp_path / "m.skops")
    assert "LogisticRegression" in repr(clinic.room.bring(tmp_path / "m.skops"))
    with pytest.raises(ModelError, match="cleanroom bring"):
        clinic.room.bring("nowhere.skops")


def test_the_command_prints_a_cell_that_brings_the_very_file(clinic, public, tmp_path):
    X, y, *_ = public
    model = lm.LogisticRegression(max_iter=500).fit(X[FEATURES], y)
    skops.io.dump(model, tmp_path / "m.skops")
    namespace = {"room": clinic.room}
    exec(cell(tmp_path / "m.skops", "mine"), namespace)
    expected = clinic.room.bring(model).predict_proba(clinic.room["stays"][FEATURES])[:, 1].sum()
    assert namespace["mine"].predict_proba(clinic.room["stays"][FEATURES])[:, 1].sum() == expected


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [(None, "m", "no file"), (b"pickle", "m", "skops"), (zipped([("a", b"")]), "1m", "variable")],
    ids=["missing", "pickle", "name"],
)
def test_what_the_command_cannot_bring_is_said(tmp_path, content, name, words):
    if content is not None:
        (tmp_path / "m.skops").write_bytes(content)
    with pytest.raises(CommandError, match=words):
        cell(tmp_path / "m.skops", name)
