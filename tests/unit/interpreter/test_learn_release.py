"""A released model is a genuine estimator in the expert's own variable, made of bytes that are checked."""

import hashlib

import numpy as np
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from cleanroom_kernel.interpreter import connection, learn_release
from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, VaultLost
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.protocol.release import Artifact
from tests.unit.interpreter.learn_fakes import FakeConnection, points

NUMBERS = ["age", "los"]


@pytest.fixture
def here(guarded_clinic):
    return guarded_clinic.room, guarded_clinic.room["stays"], guarded_clinic.tables["stays"]


def test_a_released_pipeline_predicts_other_data_as_the_one_that_was_scored(here):
    room, df, table = here
    scaler, model = StandardScaler(), LogisticRegression()
    pipe = make_pipeline(scaler, model).fit(df[NUMBERS], df.readmitted)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[NUMBERS], table.readmitted)
    room.release(pipe, "pipe.skops")
    assert type(pipe) is type(plain)
    assert pipe[-1] is model
    assert pipe[0] is scaler
    np.testing.assert_allclose(pipe.predict_proba(table[NUMBERS]), plain.predict_proba(table[NUMBERS]), atol=0.02)
    assert scaler.mean_ == pytest.approx(plain[0].mean_, rel=0.01)
    assert pipe.score(df[NUMBERS], df.readmitted) == pytest.approx(
        plain.score(table[NUMBERS], table.readmitted), abs=0.01
    )


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (LinearRegression(), NUMBERS),
        (DecisionTreeClassifier(max_depth=2, min_samples_leaf=300, random_state=0), NUMBERS),
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3, scoring="roc_auc"), NUMBERS),
        (
            make_pipeline(
                ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(), ["ward"])]),
                LogisticRegression(),
            ),
            [*NUMBERS, "ward"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_models_of_many_kinds_come_out_whole(here, model, names):
    room, df, table = here
    target = "cost" if isinstance(model, LinearRegression) else "readmitted"
    model.fit(df[names], df[target])
    scored = model.score(df[names], df[target])
    parameters = repr(model)
    room.release(model, "model.skops")
    assert repr(model) == parameters
    if isinstance(model, GridSearchCV):
        assert model.best_params_["C"] in (0.1, 1.0)
        from sklearn.metrics import roc_auc_score

        found = roc_auc_score(table[target], model.predict_proba(table[names])[:, 1])
    else:
        found = model.score(table[names], table[target])
    assert found == pytest.approx(scored, abs=0.02)


def test_the_result_shows_file_digest_receipt_and_report(here):
    room, df, _ = here
    model = LogisticRegression().fit(df[["age"]], df.readmitted)
    released = room.release(model, "age.skops")
    for text in (repr(released), released._repr_html_()):
        assert "age.skops" in text
        assert released.sha256 in text
        assert f"receipt {released.receipt.number}" in text
        assert "Training rows" in text
    assert room.receipts[-1] == released.receipt


def test_looking_at_a_release_releases_nothing(here):
    room, df, _ = here
    model = LogisticRegression().fit(df[["age"]], df.readmitted)
    before = len(room.receipts)
    found = room.would_release(lambda: room.release(model, "looked.skops"))
    assert found.rule.str.startswith("C10").any()
    assert len(room.receipts) == before
    assert "coef_" not in vars(model)


def test_what_may_not_leave_stays_as_it_was(here):
    from sklearn.neural_network import MLPClassifier

    room, df, table = here
    X_train, X_test, y_train, y_test = train_test_split(df[NUMBERS], df.readmitted, random_state=0)
    model = MLPClassifier(hidden_layer_sizes=(4,), max_iter=20, random_state=0).fit(X_train, y_train)
    with pytest.raises(CleanRoomRefusal):
        room.release(model, "network.skops")
    assert 0.5 < model.score(X_test, y_test) < 1
    with pytest.raises(ModelError):
        model.predict(table[NUMBERS])


@pytest.mark.parametrize("name", ["../up.skops", "/tmp/x.skops", "", "a b.skops", None, 3])
def test_a_file_has_a_name_and_no_path(here, name):
    room, df, _ = here
    model = LogisticRegression().fit(df[["age"]], df.readmitted)
    with pytest.raises(ModelError, match="no path"):
        room.release(model, name)


@pytest.mark.parametrize("thing", [LogisticRegression(), 3, "model"])
def test_only_a_model_of_the_vault_is_released(here, thing):
    with pytest.raises(ModelError, match="fitted in the vault"):
        here[0].release(thing, "model.skops")


def test_a_part_is_released_with_its_whole(here):
    room, df, _ = here
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(df[NUMBERS], df.readmitted)
    with pytest.raises(ModelError, match="part of a model"):
        room.release(pipe[-1], "part.skops")


# -- bytes ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def fake(permissive_world):
    made = FakeConnection()
    connection.use(made)
    yield made
    connection.use(permissive_world.room._connection)


def artifact(content: bytes, **changes):
    fields = {"name": "m.skops", "sha256": hashlib.sha256(content).hexdigest(), "content": content}
    return Artifact(**{**fields, "trusted": (), "report": "", **changes})


def fitted(fake):
    X, y = points()
    return LogisticRegression().fit(X, y)


def test_a_file_that_is_not_the_recorded_one_is_not_read(fake):
    content = skops.io.dumps(LogisticRegression().fit(np.eye(4)[:, :2], [0, 1, 0, 1]))
    model = fitted(fake)
    fake.artifact = artifact(content, sha256="0" * 64)
    with pytest.raises(VaultLost, match="not the one"):
        learn_release.release(model, "m.skops")
    assert "coef_" not in vars(model)


def test_types_outside_scikit_learn_and_numpy_are_not_trusted(fake):
    class Bad:
        pass

    content = skops.io.dumps({"model": LogisticRegression(), "other": Bad()})
    listed = tuple(skops.io.get_untrusted_types(data=content))
    model = fitted(fake)
    fake.artifact = artifact(content, trusted=listed)
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException):
        learn_release.release(model, "m.skops")


def test_the_question_is_the_fit_that_was_made(fake):
    model = fitted(fake)
    fake.artifact = artifact(skops.io.dumps(LogisticRegression().fit(np.eye(4)[:, :2], [0, 1, 0, 1])))
    learn_release.release(model, "m.skops")
    assert fake.exported == [(fake.asked[0], "m.skops")]
    assert model.predict(np.eye(2)).shape == (2,)
