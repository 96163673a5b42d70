"""Standard errors and goodness of fit: what they would tell of one patient beside the coefficients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from support.learning import LearningRoom, fit_of, named
from support.rooms import call, col, integer, where
from support.worlds import is_target, not_target, outcome, stopped, world

from cleanroom_kernel.plan.models import Inspect, Task
from cleanroom_kernel.protocol.release import Release

NUMBERS = ("standard_errors_", "clustered_errors_", "goodness_")
SECRET = integer(col("hiv"))
INDICATOR = integer(is_target())
MODELS = {
    "linear": (LinearRegression(), Task.REGRESS),
    "logistic": (LogisticRegression(C=np.inf), Task.CLASSIFY),
    "counts": (PoissonRegressor(alpha=0), Task.REGRESS),
}
COLUMNS = {
    "an indicator": named("cost", t=INDICATOR),
    "a few": named("cost", t=integer(call("less", col("serial"), 4))),
    "a spike": named("age", t=call("where", is_target(), 1e6, col("cost"))),
    "two that differ in one row": named("age", "cost", s=call("add", col("cost"), INDICATOR)),
}


@pytest.fixture
def room_of(tmp_path):
    numbers = itertools.count()
    return lambda tables, **options: LearningRoom(tables, tmp_path / f"room{next(numbers)}", **options)


def asked(model, features, attribute, rows=lambda room: room["patients"]):
    estimator, task = MODELS[model]
    return lambda room: Inspect(fit_of(rows(room), estimator, features, SECRET, task), attribute)


def shown(answer):
    return np.array([np.nan if value is None else value for value in answer.payload.values], dtype=float)


@pytest.mark.parametrize("attribute", NUMBERS)
@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("model", MODELS)
def test_what_statistics_say_of_a_model_is_hidden_where_a_coefficient_is(room_of, model, columns, attribute):
    """With a column of its own the target is out of the residuals: scales with and without it were its residual."""
    for secret in (False, True):
        answer = outcome(world(room_of, secret), asked(model, columns, attribute))
        if not stopped(answer):
            told = shown(answer)[2:] if attribute == "goodness_" else shown(answer)
            assert np.isnan(told).all()


def test_two_scales_tell_the_targets_residual_without_protection(room_of):
    found = []
    for secret in (False, True):
        room = world(room_of, secret, preset="permissive")
        features = (named("cost"), COLUMNS["an indicator"])
        one, other = (shown(room.ask(asked("linear", of, "goodness_")(room))) for of in features)
        found.append(one[2] * (one[0] - 2) - other[2] * (other[0] - 3))
    assert abs(found[1] - found[0]) > 0.1


@pytest.mark.parametrize("attribute", NUMBERS)
def test_models_with_and_without_one_patient_are_not_compared(room_of, attribute):
    others = asked("linear", named("age", "cost"), attribute, lambda room: where(room["patients"], not_target()))
    for secret in (False, True):
        room = world(room_of, secret)
        assert isinstance(outcome(room, asked("linear", named("age", "cost"), attribute)), Release)
        assert stopped(outcome(room, others))


def test_the_scale_has_one_rounding_whatever_columns_stand_beside(room_of):
    """Every error is the rounded scale times a number of the features alone, so that both worlds have one ratio."""
    ratios = []
    for secret in (False, True):
        room = world(room_of, secret)
        errors, goodness = (
            shown(room.ask(asked("linear", named("age", "cost"), name)(room))) for name in (NUMBERS[0], NUMBERS[2])
        )
        ratios.append(errors / np.sqrt(goodness[2]))
    np.testing.assert_allclose(*ratios, rtol=1e-12)


def test_numbers_of_rows_are_rounded_like_counts(room_of):
    room = world(room_of, True)
    rows, units = shown(room.ask(asked("linear", named("age", "cost"), "goodness_")(room)))[:2]
    assert rows % 5 == units % 5 == 0


def test_a_penalised_model_has_no_standard_errors(room_of):
    room = world(room_of, True)
    fit = fit_of(room["patients"], Ridge(), named("age", "cost"), SECRET, Task.REGRESS)
    for attribute in NUMBERS:
        assert stopped(outcome(room, lambda room, name=attribute: Inspect(fit, name)))
