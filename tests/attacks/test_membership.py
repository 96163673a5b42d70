"""Who was in the training data (M1): a file that would tell does not leave, and what does leave does not tell.

Labels are drawn by lot here, so whoever is predicted better than others was seen before. The policies below let a model
hold far more leaf values than any preset does: such a model passes the rules for leaves, and only the membership test
stands in its way.
"""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from support.learning import File, LearningRoom, fit_of, sides
from support.rooms import call, col, lit, where

from cleanroom_kernel.plan.models import Inspect
from cleanroom_kernel.protocol.release import Refusal, Release, Withheld
from cleanroom_kernel.vault import membership
from cleanroom_kernel.vault.export import export

PEOPLE = 900
FEATURES = tuple(f"x{place}" for place in range(6))
LOOSE = {"leaf_share": 1e9, "minimum_units": 3, "jitter": 0, "membership_shadows": 4}

MANY_LEAVES = HistGradientBoostingClassifier(
    max_iter=12, min_samples_leaf=20, learning_rate=0.3, early_stopping=False, random_state=0
)


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(11)
    columns = {name: np.round(random.normal(50, 15, PEOPLE), 1) for name in FEATURES}
    return {"id": np.arange(PEOPLE), "hiv": (random.random(PEOPLE) < 0.5).astype(int), **columns}


def room_of(table, place, **settings):
    return LearningRoom({"t": table}, place, key=b"k" * 32, **settings)


def file_of(room, model, *, held_out=True):
    over = sides(room["t"])[0] if held_out else room["t"]
    return room.ask(File(fit_of(over, model, FEATURES, "hiv")))


def told_of(room):
    """What was released of membership tests."""
    return [one.payload for one in room.desk.beside if one.receipt.title.startswith("membership test")]


@pytest.mark.parametrize("held_out", [True, False], ids=["held out", "standing in"])
def test_a_model_that_remembers_its_patients_does_not_leave(held_out, table, tmp_path):
    room = room_of(table, tmp_path, **LOOSE)
    answer = file_of(room, MANY_LEAVES, held_out=held_out)
    assert isinstance(answer, Refusal), answer
    assert answer.rule == "membership test"
    assert "min_samples_leaf" in answer.suggestion
    (told,) = told_of(room)
    (found,), (low,), (high,) = told.values
    assert 0.6 < low < found < high
    assert ("random halves" in told.columns[0]) != held_out


def test_without_the_test_the_file_tells_who_was_in_it(table, tmp_path):
    """The attacker has the file and the rows, and does not know who of them is on which side of the split."""
    room = room_of(table, tmp_path, **LOOSE, membership_limit=1.0)
    answer = file_of(room, MANY_LEAVES)
    assert isinstance(answer, Release), answer
    assert "Membership test: none" in answer.payload.report
    model = skops.io.loads(answer.payload.content, trusted=list(answer.payload.trusted))
    X = pd.DataFrame({name: table[name] for name in FEATURES})
    chances = model.predict_proba(X)[np.arange(PEOPLE), table["hiv"]]
    inside = np.isin(np.arange(PEOPLE), members_of(room))
    assert roc_auc_score(inside, chances) > 0.7


def members_of(room):
    """Patients of the training side, which nobody outside of the vault knows."""
    fit = fit_of(sides(room["t"])[0], MANY_LEAVES, FEATURES, "hiv")
    return room.desk.learners.training(fit, room.desk.engine).units


def test_a_model_that_does_not_remember_leaves_with_its_number(table, tmp_path):
    room = room_of(table, tmp_path)
    answer = file_of(room, LogisticRegression(C=0.1))
    assert isinstance(answer, Release), answer
    (told,) = told_of(room)
    found = told.values[0][0]
    assert abs(found - 0.5) < 0.06
    assert found == pytest.approx(round(found, 2), abs=1e-12), "in steps of a hundredth, or coarser ones"
    (line,) = [line for line in answer.payload.report.splitlines() if "Membership test" in line]
    assert f"curve of {found:.2f}, 95 % from" in line
    assert "held out" in line


def test_the_number_is_one_for_each_fit_and_in_the_audit_log(table, tmp_path, monkeypatch):
    room = room_of(table, tmp_path)
    fit = fit_of(sides(room["t"])[0], LogisticRegression(), FEATURES, "hiv")
    assert isinstance(export(fit, "one.skops", room.desk), Release)
    assert any("membership test" in repr(event) for event in room.audited())
    monkeypatch.delattr(membership, "Attack")  # nobody is attacked a second time
    assert isinstance(export(fit, "two.skops", room.desk), Release)
    first, second = told_of(room)
    assert first == second


def test_too_few_patients_for_a_test_are_too_few_for_a_file(table, tmp_path):
    """Neither the number nor the file: the answer is the one that all withheld answers have."""
    few = {name: values[:60] for name, values in table.items()}
    room = room_of(few, tmp_path, evaluation_units=100)
    fit = fit_of(room["t"], LogisticRegression(), FEATURES[:2], "hiv")
    assert isinstance(room.ask(Inspect(fit, "coef_")), Release)
    assert isinstance(room.ask(File(fit)), Withheld)
    assert not told_of(room)


def test_a_fit_that_differs_by_one_patient_has_no_number_of_its_own(table, tmp_path):
    """Two tests of nearly the same patients would tell what one of them does to it."""
    room = room_of(table, tmp_path)
    assert isinstance(room.ask(File(fit_of(room["t"], LogisticRegression(), FEATURES, "hiv"))), Release)
    first = [call("equal", col(name), lit(float(table[name][0]))) for name in ("x0", "x1")]
    others = where(room["t"], call("not", call("and", *first)))
    answer = room.ask(File(fit_of(others, LogisticRegression(), FEATURES, "hiv")))
    assert isinstance(answer, Withheld), answer
    assert len(told_of(room)) == 1


def test_another_model_of_the_same_patients_has_a_number_of_its_own(table, tmp_path):
    """A number over the same patients repeats an earlier one, as a count does, only if it is of the same fit."""
    room = room_of(table, tmp_path, **LOOSE)
    assert isinstance(file_of(room, LogisticRegression(C=0.1)), Release)
    assert isinstance(file_of(room, MANY_LEAVES), Refusal)
    first, second = (told.values[0][0] for told in told_of(room))
    assert second > first + 0.1
