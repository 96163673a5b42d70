"""Conditions that look like arithmetic, and numbers of the attacker's choice that undo the rounding (rule C17)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from support.learning import File, LearningRoom, fit_of, named
from support.rooms import call, col, eq, lit, mean, summary, total, where
from support.worlds import (
    KEY,
    N,
    all_stopped,
    both,
    is_target,
    last_tells_nothing,
    not_target,
    outcome,
    stopped,
    table,
    tells_little,
    value,
    world,
)

from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.rules import foresee
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Cast, Literal, Named, Recode
from cleanroom_kernel.plan.models import Inspect, Task
from cleanroom_kernel.plan.relations import Assign, Filter, How, Join, PerUnit, Reduced, Reduction, Sort
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Refusal, Release


def patients(room):
    return room["patients"]


def add(*arguments):
    return call("add", *arguments)


def times(one, other):
    return call("multiply", one, other)


# -- rounding ---------------------------------------------------------------------------------------------------------
SHIFTED = {
    "shifted": lambda c: add(col("positive"), c),
    "shifted by a part": lambda c: add(col("positive"), c / 7),
    "shifted from below": lambda c: call("subtract", c, call("negate", col("positive"))),
    "shifted and scaled back": lambda c: call("divide", add(times(col("positive"), 3), 3 * c), 3.0),
    "in two steps": lambda c: add(add(col("positive"), c / 2), c / 2),
    "as another type": lambda c: add(Cast(col("positive"), DType.FLOAT), c),
}


@pytest.mark.parametrize("name", SHIFTED)
def test_shifts_do_not_undo_the_rounding(room_of, name):
    """Every sum(x + c) is one released sum(x), shifted by c times the released number of rows."""
    room = world(room_of, True)
    shown = [value(room.ask(total(patients(room), SHIFTED[name](c)))) for c in (7, 14, 70, 700)]
    step = 7 / 7 if "part" in name else 7
    sums = [number - N * factor * step for number, factor in zip(shown, (1, 2, 10, 100), strict=True)]
    assert sums == pytest.approx([sums[0]] * 4, abs=1e-6)


@pytest.mark.parametrize("factor", [1.1, -1.0, 1.37])
def test_scales_do_not_undo_the_rounding(room_of, factor):
    room = world(room_of, True)
    one, other = (value(room.ask(mean(patients(room), of))) for of in (col("cost"), times(col("cost"), factor)))
    assert other == pytest.approx(factor * one)


@pytest.mark.parametrize("c", [0.5, 3.0, 11.0])
def test_a_disguised_shift_comes_with_noise(room_of, c):
    one = call("cos", times(0, col("age")))
    tells_little(room_of, lambda room: total(patients(room), add(col("positive"), times(c, one))))


def test_a_table_of_two_shifts_has_one_rounding(room_of):
    room = world(room_of, True)
    asked = summary(patients(room), *(a.Sum(add(col("positive"), c)) for c in (0, 1, 2, 3)), by=("ward",))
    grid = room.ask(asked).payload
    for rows in zip(*grid.values, strict=True):
        assert np.diff(rows) == pytest.approx([250.0] * 3)


# -- indicators -------------------------------------------------------------------------------------------------------
ONE_IF_TARGET = {
    "clip": call("subtract", call("clip", col("age"), options=(98, 99)), 98),
    "whole part": call("floor_divide", col("age"), 99),
    "power": call("power", call("divide", col("age"), 99.0), 10_000),
    "sign": call("clip", call("sign", call("subtract", col("age"), 98.5)), options=(0, None)),
    "rounded": call(
        "clip", call("round", call("divide", call("subtract", col("age"), 98.0), 1.5), options=(0,)), options=(0, 1)
    ),
    "exponential": call("exp", times(1_000.0, call("subtract", col("age"), 99.0))),
    "whole type": Cast(call("divide", col("age"), 99.0), DType.INTEGER),
    "recoded": Recode(col("age"), (99,), (5,), DType.INTEGER, keep=False),
}


@pytest.mark.parametrize("scale", [1e-3, 1.0])
@pytest.mark.parametrize("name", [name for name in ONE_IF_TARGET if name != "recoded"])
def test_an_indicator_by_arithmetic_comes_with_noise(room_of, name, scale):
    measure = add(col("age"), times(scale, times(ONE_IF_TARGET[name], col("positive"))))
    tells_little(room_of, lambda room: mean(patients(room), measure))


@pytest.mark.parametrize("name", ONE_IF_TARGET)
def test_an_indicator_alone_is_no_number(room_of, name):
    """Drawn in to what ten patients reach, it is the same for everybody."""
    all_stopped(room_of, lambda room: total(patients(room), times(ONE_IF_TARGET[name], col("positive"))))


@pytest.mark.parametrize("what", [a.Mean, a.Sum, a.Variance, lambda of: a.Quantile(of, 0.5)])
def test_every_statistic_of_a_free_measure_comes_with_noise(room_of, what):
    measure = add(col("cost"), times(1_000.0, times(ONE_IF_TARGET["clip"], col("positive"))))
    tells_little(room_of, lambda room: summary(patients(room), what(measure)))


def test_correlations_with_a_free_measure_come_with_noise(room_of):
    measure = add(col("age"), times(ONE_IF_TARGET["clip"], col("positive")))
    columns = (Named("x", measure), Named("y", col("cost")))

    def asked(room):
        return a.Correlation(patients(room), columns)

    for secret in (False, True):
        answer = outcome(world(room_of, secret), asked)
        assert isinstance(answer, Release)
        assert "noise" in answer.receipt.precision


def test_who_asks_again_gets_the_same_noise(room_of):
    """By an expression of the same core, in another table, of the same rows under another name."""
    room = world(room_of, True)
    free = call("clip", col("cost"), options=(100, 900))
    assigned = Assign(patients(room), (Named("z", free),))
    answers = [
        room.ask(mean(patients(room), free)),
        room.ask(mean(assigned, "z")),
        room.ask(summary(patients(room), a.Mean(free), a.Mean(add(free, 1)))),
        room.ask(mean(Filter(patients(room), call("greater_equal", col("age"), 0)), free)),
    ]
    assert len({value(answer) for answer in answers}) == 1


def test_free_measures_of_a_column_are_counted(room_of):
    """Not more numbers than noise of this size protects, whatever else is asked."""
    room = world(room_of, True, free_answers=6)
    for power in range(6):
        assert isinstance(room.ask(mean(patients(room), call("clip", col("cost"), options=(0, 900 + power)))), Release)
    refused = room.ask(mean(patients(room), call("clip", col("cost"), options=(0, 100))))
    assert isinstance(refused, Refusal)
    assert refused.rule == "free measures"
    assert isinstance(room.ask(mean(patients(room), "cost")), Release)
    assert isinstance(room.ask(mean(patients(room), call("clip", col("age"), options=(0, 50)))), Release)


@pytest.mark.parametrize("tail", [False, True])
def test_what_fails_for_a_few_is_not_seen(room_of, tail):
    """1 / (age - 99 * secret) and its like: a value that is missing or infinite for one patient is a middle one."""
    broken = call("log", call("subtract", 1.5, times(ONE_IF_TARGET["clip"], add(col("positive"), int(tail)))))
    for answers in both(room_of, lambda room: mean(patients(room), add(col("age"), broken))):
        assert all(isinstance(answer, Release) for answer in answers)


# -- conditions inside ------------------------------------------------------------------------------------------------
OLD = call("greater", col("age"), 60)
OLD_BUT_TARGET = call("and", OLD, not_target())
COLUMN = col("positive")
NOTHING = Literal(None, DType.INTEGER)
UNDER = {
    "where": lambda condition: call("where", condition, COLUMN, 0),
    "otherwise": lambda condition: call("where", call("not", condition), 0, COLUMN),
    "product": lambda condition: times(Cast(condition, DType.INTEGER), COLUMN),
    "product of truths": lambda condition: times(condition, col("hiv")),
    "nested": lambda condition: call("where", condition, call("where", eq("sex", "F"), COLUMN, 0), 0),
    "missing, then filled": lambda condition: call("coalesce", call("where", condition, COLUMN, NOTHING), 0),
    "added": lambda condition: add(col("age"), call("where", condition, COLUMN, 0)),
    "scaled": lambda condition: times(5, call("where", condition, COLUMN, 0)),
}  # fmt: skip


def asked(statistic, measure):
    return lambda room: summary(patients(room), statistic(measure))


@pytest.mark.parametrize("statistic", [a.Sum, a.Mean])
@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(["where", "product", "filter", "added"], 2)))
def test_a_condition_inside_a_measure_is_compared_like_a_filter(room_of, one, other, statistic):
    """Everybody over sixty in one form, and all of them but the target in another."""

    def question(form, condition):
        if form == "filter":
            return lambda room: summary(where(patients(room), condition), statistic(COLUMN))
        return asked(statistic, UNDER[form](condition))

    last_tells_nothing(room_of, question(one, OLD), question(other, OLD_BUT_TARGET))


@pytest.mark.parametrize("form", UNDER)
def test_a_condition_inside_a_measure_is_compared_in_each_form(room_of, form):
    last_tells_nothing(room_of, asked(a.Sum, UNDER[form](OLD)), asked(a.Sum, UNDER[form](OLD_BUT_TARGET)))


UNKNOWN = {
    "a power": call("power", 2, 3),
    "a filled constant": call("coalesce", call("where", call("greater", col("cost"), 500), 8, NOTHING), 0),
    "a sign": call("sign", lit(5)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_constant_that_is_not_worked_out_is_not_taken_for_a_missing_value(room_of, name):
    """Else where(old, x, 2 ** 3) were named like x over all rows, whatever it holds for the others."""
    for measure in (call("where", OLD, COLUMN, UNKNOWN[name]), call("where", OLD, UNKNOWN[name], COLUMN)):
        assert form_of(measure, patients(world(room_of, True))).free
    other = call("where", OLD_BUT_TARGET, COLUMN, UNKNOWN[name])
    for first, last in both(room_of, asked(a.Sum, call("where", OLD, COLUMN, UNKNOWN[name])), asked(a.Mean, other)):
        assert all(stopped(answer) or "noise" in answer.receipt.precision for answer in (first, last))


def test_two_conditions_together_are_one_filter(room_of):
    """Each holds for many; both hold for the target alone."""
    both_hold = times(times(Cast(OLD, DType.INTEGER), Cast(call("not", OLD_BUT_TARGET), DType.INTEGER)), COLUMN)
    all_stopped(room_of, asked(a.Sum, add(col("age"), both_hold)), asked(a.Mean, add(col("age"), both_hold)))


def test_a_condition_of_a_table_below_is_looked_up_there(room_of):
    """The column was made before rows were selected, and its condition's column was overwritten since."""

    def made(room, condition):
        first = Assign(patients(room), (Named("z", call("where", condition, COLUMN, 0)),))
        return Assign(where(first, eq("sex", "F")), (Named("age", lit(0)),))

    last_tells_nothing(
        room_of, lambda room: total(made(room, OLD), "z"), lambda room: total(made(room, OLD_BUT_TARGET), "z")
    )


@pytest.mark.parametrize("below", ["sorted", "per patient"])
def test_a_condition_that_cannot_be_looked_up_makes_a_free_measure(room_of, below):
    def made(room, condition):
        first = Assign(patients(room), (Named("z", call("where", condition, COLUMN, 0)),))
        if below == "sorted":
            return Sort(first, (col("age"),), (False,))
        return PerUnit(first, ("id",), (Reduced("z", Reduction.MAX, col("z")),))

    assert form_of(col("z"), made(world(room_of, True), OLD)).free


def test_the_gate_still_answers_conditions_of_many(room_of):
    room = world(room_of, True)
    for measure in (UNDER["where"](OLD), UNDER["product"](OLD), UNDER["added"](OLD)):
        assert not stopped(room.ask(total(patients(room), measure)))


# -- what is joined to one patient ------------------------------------------------------------------------------------
def value_of_one(room, how):
    """A table of all patients with a column that is the target's secret, and zero for everybody else."""
    target = PerUnit(where(patients(room), is_target()), ("id",), (Reduced("z", Reduction.SUM, COLUMN),))
    joined = Join(patients(room), target, ("id",), ("id",), How.LEFT)
    if how == "filled":
        return Assign(joined, (Named("zz", call("coalesce", col("z"), 0)),))
    if how == "summed":
        return PerUnit(
            joined, ("id",), (Reduced("zz", Reduction.SUM, col("z")), Reduced("age", Reduction.MAX, col("age")))
        )
    counted = PerUnit(
        Join(patients(room), where(patients(room), call("and", is_target(), col("hiv"))), ("id",), ("id",), How.LEFT),
        ("id",),
        (Reduced("zz", Reduction.COUNT, col("cost_y")), Reduced("age", Reduction.MAX, col("age_x"))),
    )
    assert how == "counted"
    return counted


@pytest.mark.parametrize("how", ["filled", "summed", "counted"])
@pytest.mark.parametrize("measure", ["added", "alone"])
def test_a_value_that_was_joined_to_one_patient_is_no_natural_measure(room_of, how, measure):
    of = col("zz") if measure == "alone" else add(col("age"), add(col("zz"), col("zz")))
    for secret in (False, True):
        room = world(room_of, secret)
        rows = value_of_one(room, how)
        assert not form_of(of, rows).natural
        answer = room.ask(total(rows, of))
        assert stopped(answer) or "noise" in answer.receipt.precision


# -- groups that are filled up ----------------------------------------------------------------------------------------
def test_groups_filled_up_to_the_border_do_not_name_who_is_positive(room_of):
    """In each block of ten, nine are in the group whatever they have; with the tenth, if positive, it were shown."""
    tenth = call("equal", call("modulo", col("serial"), 10), 0)
    key = call("where", call("or", col("hiv"), call("not", tenth)), call("floor_divide", col("serial"), 10), NOTHING)
    room = world(room_of, True)
    found = table(True)
    positive = [block for block in range(N // 10) if found["hiv"][block * 10]]
    answer = room.ask(summary(patients(room), a.Size(), by=(Named("block", key),)))
    named = set() if stopped(answer) else {label for (label,) in answer.payload.rows}
    assert len(named & set(positive)) <= 0.05 * len(positive)


@pytest.mark.parametrize(
    ("condition", "mixed"),
    [
        (call("greater", col("age"), 60), False),
        (call("and", call("greater", col("age"), 60), col("hiv")), False),
        (call("or", call("greater", col("age"), 60), call("less", col("age"), 20)), False),
        (call("greater", call("multiply", col("age"), col("cost")), 60), False),
        (call("or", call("greater", col("age"), 60), col("hiv")), True),
        (call("greater", call("add", col("age"), times(100, col("positive"))), 60), True),
        (call("not", call("and", call("greater", col("age"), 60), col("hiv"))), True),
    ],
)
def test_conditions_that_mix_columns_are_told_from_those_that_follow_each_other(room_of, condition, mixed):
    room = world(room_of, True)
    assert is_mixed(where(patients(room), condition)) is mixed
    assert is_mixed(patients(room), [condition]) is (mixed or condition.function.value == "and")


# -- scores and models ------------------------------------------------------------------------------------------------
def everybody(room):
    return patients(room)


def others(room):
    return where(patients(room), not_target())


def accuracy(rows):
    return lambda room: a.Metric(rows(room), a.Score.ACCURACY, SECRET, (lit(1),))


SECRET = col("positive")


@pytest.mark.parametrize("first", ["mean", "accuracy"])
def test_a_score_of_a_constant_is_compared_with_the_mean_of_the_truth(tmp_path, first):
    numbers = itertools.count()

    def room_of(tables, **options):
        return LearningRoom(tables, tmp_path / str(next(numbers)), **options)

    one = {"mean": lambda room: mean(everybody(room), SECRET), "accuracy": accuracy(everybody)}[first]
    other = {"mean": accuracy(others), "accuracy": lambda room: mean(others(room), SECRET)}[first]
    for earlier, last in both(room_of, one, other):
        assert not stopped(earlier)
        assert stopped(last)


TWINS = {
    "the same": lambda column: column,
    "absolute": lambda column: call("absolute", column),
    "shifted": lambda column: add(column, 1),
    "by another column": lambda column: times(column, col("age")),
}


@pytest.mark.parametrize("feature", TWINS)
@pytest.mark.parametrize("target", ["the same", "absolute", "by another column"])
def test_models_of_one_target_are_compared_whatever_they_are_made_of(tmp_path, feature, target):
    """With the target and without: the difference of two coefficients would tell the secret."""

    def coefficients(rows, number):
        room = LearningRoom({"patients": table(True)}, tmp_path / str(number), key=KEY)
        features = (Named("x", TWINS[feature](col("cost"))),)
        first = fit_of(patients(room), LinearRegression(), named("cost"), SECRET, Task.REGRESS)
        second = fit_of(rows(room), LinearRegression(), features, TWINS[target](SECRET), Task.REGRESS)
        return [room.ask(Inspect(fit, "coef_")) for fit in (first, second)]

    assert [stopped(answer) for answer in coefficients(others, 0)] == [False, True]
    assert [stopped(answer) for answer in coefficients(everybody, 1)] == [False, False]


@pytest.mark.parametrize("given", ["target", "weight"])
def test_a_model_of_a_free_target_or_free_weights_is_not_shown(tmp_path, given):
    room = LearningRoom({"patients": table(True)}, tmp_path, key=KEY)
    free = call("subtract", 1.0, times(1e-3, times(ONE_IF_TARGET["clip"], SECRET)))
    target, weight = (add(col("age"), free), None) if given == "target" else (col("age"), free)
    fit = fit_of(patients(room), LinearRegression(), named("cost"), target, Task.REGRESS, weight=weight)
    answer = room.ask(Inspect(fit, "coef_"))
    assert isinstance(answer, Refusal)
    assert "of your choice" in answer.message


def test_who_asks_what_will_happen_is_told_of_the_noise(room_of):
    """From the code alone: nobody has to spend a number to learn that a measure is free."""
    room = world(room_of, True)
    told = {
        name: " ".join(foresee(mean(patients(room), of), room.policy))
        for name, of in {"free": call("clip", col("cost"), options=(0, 9)), "natural": col("cost")}.items()
    }
    assert "C17" in told["free"]
    assert "C17" not in told["natural"]


# -- noes about models ------------------------------------------------------------------------------------------------
def test_a_model_that_is_refused_for_what_the_data_are_counts_among_the_denials(tmp_path):
    """Whether a leaf of twelve known patients takes in the target, if positive, decides whether the tree is refused."""
    room = LearningRoom({"patients": table(True)}, tmp_path, key=KEY, denials=3)
    answers = []
    for step in range(5):
        known = call("less", call("modulo", call("add", col("serial"), step), 200), 1)
        leaf = (Named("leaf", Cast(call("or", known, call("and", is_target(), col("hiv"))), DType.INTEGER)),)
        fit = fit_of(patients(room), DecisionTreeClassifier(random_state=0), leaf, "positive")
        answers.append(room.ask(File(fit)))
    assert all(stopped(answer) for answer in answers)
    assert answers[-1].rule == "denials"


@pytest.mark.parametrize("padded", range(49, 53))
def test_a_score_of_patients_who_were_put_together_has_a_wide_border(tmp_path, padded):
    """Forty-nine known patients, and the target if positive."""
    chosen = call("or", call("less", col("serial"), padded), call("and", is_target(), col("hiv")))
    for secret in (False, True):
        room = LearningRoom({"patients": table(secret)}, tmp_path / str(secret), key=KEY)
        score = a.Metric(where(patients(room), chosen), a.Score.ACCURACY, col("positive"), (lit(1),))
        assert stopped(room.ask(score))
