"""Attacks with a model that the attacker brings: its predictions are whatever function of the columns is wanted.

A formula with one patient's indicator in its numbers is written by hand or grown as a tree. In two worlds that differ
by the secret of that patient, what is said must look alike, and a number that is shown must come with noise.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import LearningRoom
from support.rooms import col, integer, total
from support.worlds import KEY, TARGET, outcome, seen, stopped, table

from cleanroom_kernel.interpreter.bringing_models import formula
from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.protocol.release import Release, Withheld

SECRET = col("positive")
INPUTS = [("age", Value("age")), ("serial", Value("serial"))]
PUBLIC = pd.DataFrame({"age": np.r_[np.arange(20, 100), 99], "serial": np.r_[np.full(80, -1), TARGET]})
IS_TARGET = (PUBLIC.age == 99).astype(int)  # what everybody knows: the target is the only patient of 99


def steep():
    """A logistic regression that is 0 for all but the target, whose weights are those of the indicator."""
    model = LogisticRegression().fit(PUBLIC, IS_TARGET)
    model.coef_, model.intercept_ = np.array([[200.0, 0.0]]), np.array([-98.5 * 200.0])
    return model


def weighing(weight):
    """Least squares by hand: the target's serial number makes a weight of choice."""
    model = LinearRegression().fit(PUBLIC, IS_TARGET)
    model.coef_, model.intercept_ = np.array([weight, 0.0]), -98.0 * weight
    return model


BY_TREE = DecisionTreeClassifier(max_depth=1).fit(PUBLIC[["age", "serial"]], IS_TARGET)
OF_VALUES = DecisionTreeRegressor(max_depth=2).fit(PUBLIC[["age", "serial"]], IS_TARGET * 0.5 + 0.25)


def outputs(model):
    return formula(model, INPUTS).outputs[-1]


def predicted(model):
    return formula(model, INPUTS).prediction


SCORES = {
    "a tree's label against the secret": (Score.ACCURACY, predicted(BY_TREE)),
    "a tree's share against the secret": (Score.BRIER, outputs(BY_TREE)),
    "a tree's values": (Score.MSE, outputs(OF_VALUES)),
    "a steep probability": (Score.BRIER, outputs(steep())),
    "a steep label": (Score.F1, predicted(steep())),
    "the area of a steep probability": (Score.ROC_AUC, outputs(steep())),
    "a weight of choice": (Score.MAE, outputs(weighing(1e6))),
    "logarithmic loss": (Score.LOG_LOSS, outputs(steep())),
}


def world(place, secret):
    return LearningRoom({"patients": table(secret)}, place / str(secret), key=KEY)


@pytest.mark.parametrize(("which", "prediction"), SCORES.values(), ids=SCORES)
def test_a_score_of_one_patients_indicator_is_withheld_or_noise(tmp_path, which, prediction):
    answers = []
    for secret in (False, True):
        room = world(tmp_path, secret)
        answers.append(outcome(room, lambda room: Metric(room["patients"], which, SECRET, (prediction,))))
    assert seen(answers[0]) == seen(answers[1])
    for answer in answers:
        assert stopped(answer) or "noise" in answer.receipt.precision


@pytest.mark.parametrize("model", [BY_TREE, steep()], ids=["tree", "steep"])
def test_the_sum_of_one_patients_indicator_times_the_secret_is_withheld_or_noise(room_of, model):
    from support.rooms import call
    from support.worlds import world as plain_world

    product = call("multiply", outputs(model), integer(col("hiv")))
    answers = [
        outcome(plain_world(room_of, secret), lambda room: total(room["patients"], product)) for secret in (0, 1)
    ]
    assert seen(answers[0]) == seen(answers[1])
    for answer in answers:
        assert stopped(answer) or "noise" in answer.receipt.precision


def test_rows_that_a_brought_model_chooses_are_compared_like_any_filter(room_of):
    """All but the target, by a tree's label, beside all."""
    from support.rooms import call, where
    from support.worlds import world as plain_world

    others = call("equal", predicted(BY_TREE), 0)
    for secret in (False, True):
        room = plain_world(room_of, secret)
        first = room.ask(total(room["patients"], SECRET))
        assert isinstance(first, Release)
        again = room.ask(total(where(room["patients"], others), SECRET))
        assert isinstance(again, Withheld) or again.payload.values == first.payload.values


def test_scores_of_brought_models_use_up_the_budget_of_numbers_of_choice(tmp_path):
    room = LearningRoom({"patients": table(True)}, tmp_path, key=KEY, free_answers=3)
    public = pd.DataFrame({"age": np.arange(20, 99), "serial": np.arange(79)})
    told = []
    for slope in range(1, 6):
        model = LogisticRegression().fit(public, public.age > 50)
        model.coef_ = np.array([[slope / 100, 0.0]])
        model.intercept_ = np.array([-slope / 2])
        told.append(room.ask(Metric(room["patients"], Score.BRIER, SECRET, (outputs(model),))))
    assert [isinstance(answer, Release) for answer in told] == [True] * 3 + [False] * 2
    assert told[-1].rule == "free measures"
