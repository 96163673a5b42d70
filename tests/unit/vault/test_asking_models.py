"""Scores and model files through the airlock: frozen whole, shown by their report, handed over byte for byte."""

import hashlib

import msgspec
import pytest
import skops.io
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from support.learning import LearningRoom, fit_of, scored
from support.rooms import call, col, where
from support.worlds import KEY, not_target, table

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.plan.aggregates import Score
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.models import Task
from cleanroom_kernel.protocol.airlock import Standing
from cleanroom_kernel.protocol.messages import AskOwner
from cleanroom_kernel.protocol.release import Artifact, Refusal, Release, Withheld
from cleanroom_kernel.vault import asking
from cleanroom_kernel.vault.export import export

FILE = "model.skops"


@pytest.fixture
def room(tmp_path):
    return LearningRoom({"patients": table(secret=True)}, tmp_path, key=KEY)


def ridge(over):
    return fit_of(over, Ridge(), ("age", "cost"), "serial", Task.REGRESS)


def ask(room, aggregate, name=None):
    return asking.ask_owner(AskOwner(1, encode(aggregate), "to compare", name), aggregate, room.desk)


def examine(room, number):
    with audit.reading(room.database) as connection:
        return airlock.examine(connection, number)


def approve(room, number):
    with room.database.begin() as connection:
        airlock.decide(connection, number, "olga", Decision.APPROVE, "")


def test_a_file_that_differs_by_one_patient_from_a_released_one_is_the_owners_to_let_out(room):
    assert isinstance(export(ridge(room["patients"]), FILE, room.desk), Release)
    fit = ridge(where(room["patients"], not_target()))
    assert isinstance(export(fit, FILE, room.desk), Withheld)
    asked = ask(room, fit, FILE)
    assert isinstance(asked, Standing)
    seen = examine(room, asked.number)
    assert seen.request.findings == ("membership test", "differs too little from what was released before")
    assert isinstance(seen.preview, Artifact)
    assert (seen.preview.content, seen.preview.name) == (b"", FILE)
    assert "Ridge" in seen.preview.report
    assert isinstance(asking.collect(asked.number, room.desk), Refusal)
    approve(room, asked.number)
    got = asking.collect(asked.number, room.desk)
    assert isinstance(got.payload, Artifact)
    assert hashlib.sha256(got.payload.content).hexdigest() == got.payload.sha256 == seen.preview.sha256
    model = skops.io.loads(got.payload.content, trusted=list(got.payload.trusted))
    assert model.coef_.shape == (2,)
    assert isinstance(export(fit, FILE, room.desk), Withheld)  # the question itself stays withheld


def test_a_model_that_stores_rows_is_nobodys_to_let_out(room):
    fit = fit_of(room["patients"], KNeighborsRegressor(), ("age", "cost"), "serial", Task.REGRESS)
    refused = ask(room, fit, FILE)
    assert isinstance(refused, Refusal)
    assert refused.rule == "model family"
    assert asking.requests_of(room.desk).requests == ()


def test_that_a_model_was_fitted_is_not_asked_for(room):
    assert ask(room, ridge(room["patients"])) == asking.NOT_FOR_ASKING
    assert (
        ask(room, scored(room["patients"], ridge(room["patients"]), Score.R2), "score.skops") == asking.NOT_FOR_ASKING
    )


def test_a_score_of_one_patient_is_a_row_and_is_not_frozen(room):
    one = where(room["patients"], call("greater", col("age"), 98))
    asked = ask(room, scored(one, ridge(room["patients"]), Score.MSE))
    seen = examine(room, asked.number)
    assert (seen.preview, seen.request.findings) == (None, ("no value could be computed",))


def test_a_score_of_few_is_frozen_as_a_number_and_counts_once_it_is_approved(room):
    fit = ridge(room["patients"])
    few = where(room["patients"], call("greater", col("age"), 93))
    score = scored(few, fit, Score.R2)
    assert isinstance(room.ask(score), Withheld)
    asked = ask(room, score)
    preview = examine(room, asked.number).preview
    assert preview.columns == (Score.R2.value,)
    approve(room, asked.number)
    got = asking.collect(asked.number, room.desk)
    assert msgspec.msgpack.encode(got.payload) == msgspec.msgpack.encode(preview)
    with room.database.begin() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM ledger_numbers WHERE measure LIKE '%r2_score%'")
        assert rows.scalar_one() == 1
