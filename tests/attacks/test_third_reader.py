"""Attacks of a third reader: refusals that cost nothing, and numbers of rows that come by way of a model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from support.learning import File, LearningRoom, fit_of, named, predicted
from support.rooms import call, col, eq, integer, mean, size, summary, total, where
from support.worlds import is_target, outcome, table, value, world

from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.plan.aggregates import Units
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.models import Inspect, Task
from cleanroom_kernel.plan.relations import Side, Split
from cleanroom_kernel.protocol.release import Refusal, Release


@pytest.fixture
def room_of(tmp_path):
    numbers = itertools.count()
    return lambda tables, **options: LearningRoom(tables, tmp_path / f"room{next(numbers)}", **options)


# -- a no that depends on the data is charged, by whatever question it comes ------------------------------------------
def use_of_a_column_with_one_more_if_positive(room, known):
    """Its coefficient is hidden where too few have the column: `known` patients, and the target if positive."""
    first = call("less", col("serial"), known)
    column = integer(call("or", first, call("and", is_target(), col("hiv"))))
    fit = fit_of(room["patients"], LinearRegression(), named("age", x=column), "cost", Task.REGRESS)
    return mean(predicted(room["patients"], fit), Value("__predict_0"))


def test_that_a_model_hides_something_is_charged_when_it_is_used(room_of):
    room = world(room_of, False)
    answer = outcome(room, lambda room: use_of_a_column_with_one_more_if_positive(room, 4))
    assert isinstance(answer, Refusal), answer
    with room.ledger.book() as book:
        assert book.denials_of("ada") == 1


def test_refusals_to_use_models_run_into_the_budget_of_denials(room_of):
    room = world(room_of, False, denials=3)
    answers = [outcome(room, lambda room, n=n: use_of_a_column_with_one_more_if_positive(room, n)) for n in range(2, 6)]
    assert [answer.rule for answer in answers] == ["model family"] * 3 + ["denials"]


# -- numbers of rows of mixed selections ------------------------------------------------------------------------------
def filled_up(room):
    """1002 known patients, and the target if positive: 1000 rows, or 1005."""
    return where(room["patients"], call("or", call("less", col("serial"), 1002), call("and", is_target(), col("hiv"))))


def room_with(room_of, secret, key=0, **options):
    tables = {"patients": table(secret) | {"even": np.arange(2_000) % 2}}
    return room_of(tables, key=f"key {key}".ljust(32).encode(), **options)


def numbers_of_rows(room):
    """Rows and patients, as a model says them."""
    fit = fit_of(filled_up(room), LinearRegression(), named("cost"), "even", Task.REGRESS)
    answer = room.ask(Inspect(fit, "goodness_"))
    assert isinstance(answer, Release), answer
    assert "noise" in answer.receipt.precision
    return answer.payload.values[:2]


def test_how_many_rows_a_model_has_is_not_filled_up_to_the_edge_of_its_rounding(room_of):
    worlds = [[numbers_of_rows(room_with(room_of, secret, key)) for key in range(10)] for secret in (False, True)]
    for without, with_target in zip(*(zip(*found, strict=True) for found in worlds), strict=True):
        assert set(without) & set(with_target)
        assert abs(np.mean(with_target) - np.mean(without)) <= 1.5 * np.std([*without, *with_target])


def test_a_models_numbers_of_rows_have_the_noise_of_those_that_are_counted(room_of):
    """A second noise would halve the first."""
    rows, patients = numbers_of_rows(room_with(room_of, True))
    assert rows == value(room_with(room_of, True).ask(size(filled_up(room_with(room_of, True)))))
    counting = room_with(room_of, True)
    assert patients == value(counting.ask(summary(filled_up(counting), Units())))


# -- which patients a membership test is made on ----------------------------------------------------------------------
def test_a_held_out_side_is_not_filled_up_until_a_membership_test_is_made_on_it(room_of):
    """401 of 1002 patients are held out, or 402 of 1003: the test would say whether it found them enough."""

    def name(secret):
        room = room_with(room_of, secret, evaluation_units=402)
        train = Split(filled_up(room), Side.TRAIN, 0, 0.4)
        fit = fit_of(train, LogisticRegression(), named("cost", "age"), eq("sex", "F"))
        asked = room.ask(File(fit))
        assert room.desk.beside, asked
        return room.desk.beside[-1].payload.columns[0].partition(" on ")[2]

    found = {secret: name(secret) for secret in (False, True)}
    assert found[False] == found[True]


def test_a_report_says_no_more_of_how_many_there_are_than_its_receipt(room_of):
    """999 known patients, and the target if positive: of an exact number, the band is another."""
    for secret, key in itertools.product((False, True), range(2)):
        room = room_with(room_of, secret, key)
        some = call("or", call("less", col("serial"), 999), call("and", is_target(), col("hiv")))
        answer = room.ask(
            File(fit_of(where(room["patients"], some), StandardScaler(), named("cost"), task=Task.TRANSFORM))
        )
        assert isinstance(answer, Release), answer
        assert f"Training rows: of {answer.receipt.units} " in answer.payload.report


# -- one number under two policies ------------------------------------------------------------------------------------
def test_a_number_under_two_policies_does_not_show_its_noise(room_of):
    """The same draw, once as large as the other time, is what two of one's and one of the other's leave out."""
    found: list[list[float]] = [[], []]
    for secret in (False, True):
        for key in range(12):
            room = room_with(room_of, secret, key, free_noise=1.0)
            question = total(room["patients"], call("multiply", call("tanh", col("age")), col("positive")))
            once = value(room.ask(question))
            room.desk.policy = Policy.from_settings({"free_noise": 2.0}).snapshot()
            found[secret].append(2 * once - value(room.ask(question)))
    exact = [np.sum(np.tanh(table(secret)["age"]) * table(secret)["positive"]) for secret in (False, True)]
    off = np.subtract(found, np.reshape(exact, (2, 1)))
    assert off.std() > 1, off
