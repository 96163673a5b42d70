"""An honest exploration gets its answers: the measurement of benchmarks/usefulness.py, small and on real records."""

import ast

import numpy as np
import pandas as pd
import pytest

from benchmarks import usefulness
from benchmarks.usefulness import DATA_SETS, DataSet, cells, compared, reports
from cleanroom_kernel.interpreter import connection


@pytest.fixture
def clinic(tmp_path, monkeypatch):
    """Two thousand patients in a file, and a few questions about them, as a data set of the benchmark."""
    random = np.random.default_rng(0)
    age = random.integers(20, 90, 2_000)
    table = pd.DataFrame({"patient_id": np.arange(2_000), "age": age, "sex": random.choice(["F", "M"], 2_000)})
    table.to_csv(tmp_path / "stays.csv", index=False)
    questions = {
        "mean": "stays.age.mean()",
        "table": "stays.groupby('sex').age.agg(['mean', 'size'])",
        "very few": "stays[stays.age == 20].query('sex == \"F\" and age > 20').age.mean()",
        "nobody": "len(stays[stays.age > 200]) + stays.age.mean()",
        "extreme": "stays.age.max()",
    }
    monkeypatch.setitem(
        DATA_SETS, "clinic", DataSet({"stays": str(tmp_path / "stays.csv")}, "stays = room['stays']", questions)
    )
    yield "clinic"
    connection.use(None)


def test_answers_are_compared_with_the_truth_and_a_no_with_the_rule_that_spoke(clinic, monkeypatch):
    monkeypatch.delitem(DATA_SETS[clinic].questions, "very few")  # no number even in truth
    (report,) = reports([clinic], ["standard"])
    outcomes = {outcome.name: outcome for outcome in report.outcomes}
    assert outcomes["mean"].answered
    assert max(outcomes["mean"].errors) < 0.01
    assert len(outcomes["table"].errors) == outcomes["table"].asked == 4
    assert outcomes["nobody"].reason.startswith("withheld")
    assert "minimum count" in outcomes["nobody"].reason
    assert outcomes["extreme"].reason == "refused: endpoints"
    assert report.answered == 0.5
    assert [line.partition(":")[0] for line in report.unanswered()] == ["nobody", "extreme"]


def test_a_question_without_a_number_in_truth_is_a_mistake_in_the_table(clinic):
    with pytest.raises(AssertionError, match="very few"):
        next(reports([clinic], ["standard"]))


def test_numbers_are_compared_by_label():
    truth = pd.DataFrame({"n": [10.0, 20.0, np.nan]}, index=["a", "b", "c"])
    shown = pd.DataFrame({"n": [np.nan, 21.0]}, index=["a", "b"])
    outcome = compared("table", cells(truth), cells(shown), "")
    assert (outcome.asked, outcome.errors) == (2, (0.05,))
    assert cells(pd.Series([True, False]).mean()) == {"": 0.5}


@pytest.mark.parametrize("name", ["diabetes130", "mimic_iv_demo"])
def test_sixty_questions_end_with_an_expression(name):
    questions = DATA_SETS[name].questions
    assert len(questions) == 60
    assert all(isinstance(ast.parse(code.strip()).body[-1], ast.Expr) for code in questions.values())


def test_a_data_set_that_is_not_there_is_skipped_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(usefulness, "SHARED", tmp_path)
    assert "diabetes130 is not on this machine: skipped." in usefulness.run(["diabetes130"], ["standard"])


@pytest.mark.skipif(not all(map(lambda file: file.exists(), DATA_SETS["diabetes130"].files.values())),
                    reason="diabetes130 is not on this machine")  # fmt: skip
def test_the_standard_policy_answers_an_ordinary_exploration():
    """At least 95 % of the questions about diabetes130, with a median relative error under 1 %."""
    try:
        (report,) = reports(["diabetes130"], ["standard"])
    finally:
        connection.use(None)
    assert report.answered >= 0.95, report.unanswered()
    assert report.error(0.5) < 0.01
