"""Attacks of a reader who came late and knew the source: by equivalent expressions, other numbers for the same rows,
made-up truths, and whatever else of an answer might say more than its number.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from support.learning import LearningRoom, fit_of, named, predicted
from support.rooms import call, cells, col, eq, integer, lit, mean, size, summary, total, where
from support.worlds import (
    KEY,
    TARGET,
    N,
    all_stopped,
    both,
    is_target,
    last_tells_nothing,
    not_target,
    outcome,
    repeats,
    seen,
    stopped,
    table,
    world,
)

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.rules import foresee
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Cast, Cut, Literal, Named, Recode, Value
from cleanroom_kernel.plan.models import Inspect, Task
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    How,
    Join,
    PerUnit,
    Reduced,
    Reduction,
    Sample,
    Side,
    Sort,
    Split,
    Take,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Release, Withheld

SECRET = col("positive")
ONE_IF_TARGET = call("subtract", call("clip", col("age"), options=(98, 99)), 98)  # without any condition in it


@pytest.fixture
def learning_room_of(tmp_path):
    numbers = itertools.count()
    return lambda tables, **options: LearningRoom(tables, tmp_path / f"learning{next(numbers)}", **options)


def patients(room):
    return room["patients"]


def others(room):
    return where(patients(room), not_target())


def assigned(over, **columns):
    return Assign(over, tuple(Named(name, of) for name, of in columns.items()))


# -- the same quantity by another expression --------------------------------------------------------------------------
SAME = {
    "absolute": call("absolute", SECRET),
    "rounded": call("round", SECRET, options=(0,)),
    "clipped": call("clip", SECRET, options=(0, 1)),
    "squared": call("multiply", SECRET, SECRET),
    "without nulls": call("coalesce", SECRET, 0),
    "power": call("power", SECRET, 3),
    "and nothing of another column": call("add", SECRET, call("multiply", 0, col("age"))),
    "and a trifle of another column": call("add", SECRET, call("multiply", 1e-9, call("sin", col("age")))),
    "recoded": Recode(SECRET, (0, 1), (0, 1), DType.INTEGER, keep=False),
    "through text": Cast(Cast(SECRET, DType.STRING), DType.INTEGER),
}


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
@pytest.mark.parametrize("statistic", [total, mean])
def test_differencing_by_an_equivalent_expression(room_of, same, statistic):
    last_tells_nothing(room_of, lambda room: total(patients(room), SECRET), lambda room: statistic(others(room), same))


def test_differencing_of_two_equivalent_expressions(room_of):
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), SAME["absolute"]),
        lambda room: total(others(room), SAME["and nothing of another column"]),
    )


def test_the_variance_of_a_yes_or_no_is_its_share(room_of):
    last_tells_nothing(
        room_of,
        lambda room: summary(patients(room), a.Variance(SECRET)),
        lambda room: mean(others(room), SECRET),
    )


def test_a_tracker_of_equivalent_expressions(room_of):
    women = eq("sex", "F")
    last_tells_nothing(
        room_of,
        lambda room: total(where(patients(room), call("or", call("not", women), is_target())), SAME["absolute"]),
        lambda room: total(where(patients(room), women), SAME["clipped"]),
        lambda room: total(patients(room), SECRET),
    )


def test_an_equivalent_expression_of_a_column_per_patient(room_of):
    def per_patient(over):
        return PerUnit(over, ("id",), (Reduced("z", Reduction.MAX, SECRET),))

    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), SECRET),
        lambda room: total(per_patient(others(room)), call("absolute", col("z"))),
    )


def test_a_log_of_a_column_is_still_shown_beside_its_mean(room_of):
    """Not an attack: other functions of the same rows are what statistics is made of."""
    room = world(room_of, True)
    logged = call("log", call("add", col("cost"), 1))
    for question in (mean(patients(room), "cost"), mean(patients(room), logged), total(patients(room), logged),
                     summary(patients(room), a.Variance(col("cost"))), mean(patients(room), "cost", by="sex"),
                     mean(patients(room), logged, by="ward")):  # fmt: skip
        answer = room.ask(question)
        assert isinstance(answer, Release)
        assert not any(column.count(True) for column in answer.payload.suppressed)


# -- the same rows under other numbers --------------------------------------------------------------------------------
def with_wards(room_of, secret):
    wards = {"code": list("ABCDEFGH"), "beds": list(range(8))}
    unique = Column("code", DType.STRING, unique=True)
    return room_of({"patients": table(secret), "wards": wards}, key=KEY, columns=(unique,))


def merged(room, over, wards):
    return Join(over, wards(room), ("ward",), ("code",))


def plainly(room):
    return room["wards"]


def made_again(room):
    """The same table, of whose key the plan no longer shows that it is unique: rows are numbered in another way."""
    return assigned(room["wards"], code=col("code"))


@pytest.mark.parametrize("first_and_second", [(plainly, made_again), (made_again, plainly)])
def test_a_join_that_numbers_its_rows_in_another_way_is_compared(room_of, first_and_second):
    first, second = first_and_second
    for secret in (False, True):
        room = with_wards(room_of, secret)
        answer = room.ask(total(merged(room, patients(room), first), SECRET))
        assert isinstance(answer, Release)
        completing = room.ask(total(merged(room, others(room), second), SECRET))
        assert stopped(completing) or repeats(completing, [answer])


RENUMBERED = {
    "sorted": lambda over: Sort(over, (col("cost"),), (False,)),
    "drawn": lambda over: Sample(over, seed=4, fraction=1.0),
    "one per patient": lambda over: Distinct(over, ("id",)),
    "stacked": lambda over: Concat((where(over, eq("sex", "F")), where(over, eq("sex", "M")))),
    "with itself": lambda over: Join(over, PerUnit(over, ("id",), (Reduced("z", Reduction.SIZE),)), ("id",), ("id",)),
}


@pytest.mark.parametrize("renumber", RENUMBERED.values(), ids=RENUMBERED)
def test_differencing_through_rows_that_are_numbered_anew(room_of, renumber):
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), SECRET),
        lambda room: total(renumber(others(room)), SECRET),
    )


# -- other rows under the same name -----------------------------------------------------------------------------------
def visits(secret):
    """Two visits each; the patient of seven is the only one aged 99."""
    ids = np.repeat(np.arange(600), 2)
    return {
        "id": ids,
        "first": np.tile([1, 0], 600),
        "cost": np.arange(1_200) % 97 + 20.0,
        "age": np.where(ids == 7, 99, ids % 80),
        "hiv": np.where(ids == 7, secret, ids % 3 == 0).astype(bool),
    }


def numbered_visits(over):
    return Window(over, "place", WindowFunction.CUMCOUNT, ("id",))


def test_filters_before_and_after_a_window_are_not_the_same_rows(room_of):
    """First visits without the target's, if positive; and the first visits of what is left without that one. A name
    for both would let the second be shown if, and only if, they are the same rows.
    """
    not_his = call("not", call("and", call("and", call("equal", col("age"), 99), eq("first", 1)), col("hiv")))
    told = []
    for secret in (False, True):
        room = room_of({"visits": visits(secret)}, key=KEY)
        after = where(where(numbered_visits(room["visits"]), eq("place", 0)), not_his)
        before = where(numbered_visits(where(room["visits"], not_his)), eq("place", 0))
        told.append([seen(room.ask(total(after, "cost"))), seen(room.ask(mean(before, "cost")))])
    assert told[0] == told[1]


def test_predictions_for_other_inputs_are_not_the_same_column(learning_room_of):
    room = world(learning_room_of, True)
    fit = fit_of(patients(room), LinearRegression(), named("age", "cost"), SECRET, Task.REGRESS)
    real, made_up = (
        predicted(patients(room), fit, inputs=given) for given in (None, named(age=lit(99), cost=lit(0.0)))
    )
    chosen = [where(rows, call("greater", Value(rows.names[0]), 0.3)) for rows in (real, made_up)]
    assert len({measures.name_of(measures.selection(rows)) for rows in chosen}) == 2
    assert len({measures.statistic_of("Mean", Value(rows.names[0]), rows) for rows in (real, made_up)}) == 2


# -- conditions that are hidden ---------------------------------------------------------------------------------------
NARROW = call("and", call("greater_equal", col("serial"), TARGET), call("less", col("serial"), TARGET + 60))


@pytest.mark.parametrize("renumber", RENUMBERED.values(), ids=RENUMBERED)
def test_a_condition_of_many_of_whom_one_is_left(room_of, renumber):
    """Sixty patients have it when it is made a column; after a filter the target alone has."""

    def question(room):
        marked = renumber(assigned(patients(room), mark=NARROW))
        left = where(marked, call("less_equal", col("serial"), TARGET))
        return total(left, call("where", col("mark"), SECRET, call("modulo", col("serial"), 2)))

    all_stopped(room_of, question)


def test_a_public_table_makes_no_indicator(room_of):
    answers = []
    for secret in (False, True):
        room = room_of({"patients": table(secret), "old": {"age": [99], "mark": [1]}}, key=KEY)
        marked = Join(patients(room), room["old"], ("age",), ("age",), How.LEFT)
        mark = call("coalesce", col("mark"), 0)
        answers.append(
            [
                seen(room.ask(total(marked, call("multiply", mark, SECRET)))),
                seen(room.ask(total(marked, mark))),
                seen(room.ask(total(where(marked, call("not", call("is_null", col("mark")))), SECRET))),
                seen(room.ask(total(marked, call("where", call("is_null", col("mark")), lit(0), SECRET)))),
            ]
        )
    assert answers[0] == answers[1]
    assert all(isinstance(answer, Withheld) for answer in answers[0])


# -- made-up truths, targets and weights ------------------------------------------------------------------------------
def made_up(known):
    """What is known of everybody else, and the secret of one."""
    return call("where", is_target(), SECRET, known)


SCORES = {
    "accuracy": (Score.ACCURACY, made_up(integer(call("less", col("serial"), 701))), lit(1)),
    "mean error": (Score.MAE, made_up(call("divide", col("serial"), 1_000.0)), lit(0.0)),
    "in the prediction": (Score.MSE, call("divide", col("serial"), 1_000.0), made_up(lit(0.5))),
    "area": (Score.ROC_AUC, made_up(call("modulo", col("serial"), 2)), col("cost")),
}


def told_in_both(learning_room_of, *questions):
    told = []
    for secret in (False, True):
        room = world(learning_room_of, secret)
        told.append([outcome(room, question) for question in questions])
    return told


@pytest.mark.parametrize(("which", "truth", "prediction"), SCORES.values(), ids=SCORES)
def test_a_score_of_a_truth_that_is_known_but_for_one(learning_room_of, which, truth, prediction):
    """The score that the attacker can compute lies on the border of two that are shown: the secret decides which."""
    for answers in told_in_both(learning_room_of, lambda room: Metric(patients(room), which, truth, (prediction,))):
        assert isinstance(answers[0], Withheld)


def coefficients(rows, model, *, target=SECRET, weight=None, name="coef_"):
    return Inspect(fit_of(rows, model, named("age", "cost"), target, Task.REGRESS, weight=weight), name)


def test_an_intercept_of_a_target_that_is_known_but_for_one(learning_room_of):
    target = made_up(call("modulo", col("serial"), 3))
    for answers in told_in_both(
        learning_room_of,
        lambda room: coefficients(patients(room), LinearRegression(), target=target, name="intercept_"),
    ):
        assert isinstance(answers[0], Withheld)


WITHOUT_TARGET = {
    "zero": call("subtract", 1.0, ONE_IF_TARGET),
    "next to nothing": call("subtract", 1.0, call("multiply", ONE_IF_TARGET, 1.0 - 1e-9)),
    "of two": call("subtract", 2.0, call("multiply", ONE_IF_TARGET, 2.0)),
    "by a condition": call("where", is_target(), 0.0, 1.0),
}


@pytest.mark.parametrize("weight", WITHOUT_TARGET.values(), ids=WITHOUT_TARGET)
def test_two_models_with_and_without_weight_on_one_patient(learning_room_of, weight):
    for answers in told_in_both(
        learning_room_of,
        lambda room: coefficients(patients(room), LinearRegression()),
        lambda room: coefficients(patients(room), LinearRegression(), weight=weight),
    ):
        assert isinstance(answers[0], Release)
        assert stopped(answers[1])


def test_two_models_of_two_classes_that_are_one(learning_room_of):
    for answers in told_in_both(
        learning_room_of,
        lambda room: coefficients(patients(room), LinearRegression()),
        lambda room: coefficients(others(room), Ridge(1e-9)),
    ):
        assert isinstance(answers[0], Release)
        assert stopped(answers[1])


# -- what else an answer might say ------------------------------------------------------------------------------------
POSITIVE_TARGET = call("and", is_target(), col("hiv"))
NO_WARD = call("where", POSITIVE_TARGET, Literal(None, DType.STRING), col("ward"))
MARKED_WARD = call("where", POSITIVE_TARGET, lit("marked"), col("ward"))

LOOKS = {
    "null of one kept": lambda room: size(patients(room), by=(Named("g", NO_WARD),), keep_null=True),
    "null of one kept, with totals": lambda room: size(
        patients(room), by=(Named("g", NO_WARD), Named("s", col("sex"))), keep_null=True, margins=True
    ),
    "label of one": lambda room: size(patients(room), by=(Named("g", MARKED_WARD),)),
    "label of one, of two keys": lambda room: size(
        patients(room), by=(Named("g", MARKED_WARD), Named("s", col("sex")))
    ),
    "interval of one": lambda room: size(
        patients(room),
        by=(Named("g", Cut(call("add", col("age"), call("multiply", ONE_IF_TARGET, SECRET)), (0, 50, 99, 101),
                           ("young", "old", "marked"))),),
    ),
    "recoded label of one": lambda room: size(
        patients(room),
        by=(Named("g", Recode(integer(POSITIVE_TARGET), (0, 1), ("no", "yes"), DType.STRING, keep=False)),),
    ),
    "distinct values": lambda room: summary(
        patients(room), a.Distinct(call("where", POSITIVE_TARGET, 999, call("modulo", col("serial"), 7)))
    ),
    "quantile of a made-up column": lambda room: summary(
        patients(room), a.Quantile(call("multiply", ONE_IF_TARGET, SECRET), 0.999)
    ),
    "the last rows by the secret": lambda room: mean(
        Take(Sort(patients(room), (call("multiply", ONE_IF_TARGET, SECRET),), (True,)), 3), "cost"
    ),
    "a side of a split of few": lambda room: size(Split(where(patients(room), NARROW), Side.TEST, 0, 0.1)),
    "null by arithmetic": lambda room: summary(
        patients(room), a.Count(call("sqrt", call("subtract", 0.5, call("multiply", ONE_IF_TARGET, SECRET))))
    ),
    "division by zero": lambda room: summary(
        patients(room), a.Count(call("floor_divide", 1, call("subtract", 1, call("multiply", ONE_IF_TARGET, SECRET))))
    ),
    "too large for an integer": lambda room: summary(
        patients(room),
        a.Count(Cast(call("power", 10.0, call("multiply", 40, call("multiply", ONE_IF_TARGET, SECRET))),
                     DType.INTEGER)),
    ),
    "units of all but perhaps one": lambda room: summary(
        where(patients(room), call("or", not_target(), col("hiv"))), a.Units()
    ),
    "correlation with a made-up column": lambda room: a.Correlation(
        patients(room), (Named("x", call("multiply", ONE_IF_TARGET, SECRET)), Named("y", col("cost")))
    ),
    "first visit per patient and label": lambda room: size(
        PerUnit(assigned(patients(room), g=MARKED_WARD), ("id", "g"), (Reduced("n", Reduction.SIZE),)), by="g"
    ),
    "number of values per patient": lambda room: mean(
        PerUnit(patients(room), ("id",), (Reduced("n", Reduction.NUNIQUE, NO_WARD),)), "n"
    ),
}  # fmt: skip


def told(answer):
    """All of an answer but its numbers: what `seen` says, and the receipt without who asked and when."""
    if not isinstance(answer, Release):
        return seen(answer)
    receipt = answer.receipt
    return seen(answer), receipt.units, receipt.cells, receipt.suppressed, receipt.precision, receipt.rules


@pytest.mark.parametrize("question", LOOKS.values(), ids=LOOKS)
def test_neither_shape_nor_receipt_says_what_one_patient_has(room_of, question):
    with_and_without = [told(answers[0]) for answers in both(room_of, question)]
    assert with_and_without[0] == with_and_without[1]


@pytest.mark.parametrize("question", LOOKS.values(), ids=LOOKS)
def test_no_shown_number_changes_with_one_patients_secret(room_of, question):
    """The questions of above again: what they count moves by one at most, and that is not shown; or it comes with the
    noise of mixed selections, which is drawn anew where a patient more is in them (C19).
    """
    numbers = []
    for answers in both(room_of, question):
        shown = isinstance(answers[0], Release)
        if shown and "noise of" in answers[0].receipt.precision:
            return
        numbers.append(answers[0].payload.values if shown else None)
    assert numbers[0] == numbers[1]


def test_a_band_of_patients_is_as_coarse_as_their_count(room_of):
    """999 or 1,000 patients, on the border of two bands: several columns chose them, so that noise decides."""
    thousand = call("and", call("less", col("serial"), TARGET + 1), call("greater", col("serial"), TARGET - 1_000))
    chosen = call("and", thousand, call("or", not_target(), col("hiv")))
    answers = both(room_of, lambda room: mean(where(patients(room), chosen), "age"))
    for (answer,) in answers:
        assert "noise of" in answer.receipt.precision
        assert answer.receipt.units in ("100-999", "1,000-9,999")


def test_what_is_foreseen_depends_on_no_row(room_of):
    for question in LOOKS.values():
        told = {foresee(question(room), room.policy) for room in (world(room_of, secret) for secret in (False, True))}
        assert len(told) == 1


def test_another_way_to_ask_the_same_is_not_another_answer(room_of):
    """The border is fixed for a set of patients, whatever the question is called: asking again never helps."""
    room = world(room_of, True)
    few = [where(patients(room), call("less", col("serial"), number)) for number in range(10, 14)]
    for rows in few:
        ways = (
            size(rows),
            size(assigned(rows, z=col("cost"))),
            summary(rows, a.Count(col("serial"))),
            size(where(rows, call("greater_equal", col("serial"), 0))),
        )
        assert len({stopped(room.ask(question)) for question in ways}) == 1


def test_the_budget_of_a_column_is_not_renewed_by_another_expression(room_of):
    room = world(room_of, True, released_floor=12, released_share=0.0)
    disguises = list(SAME.values())
    answers = [
        room.ask(total(where(patients(room), call("less", call("modulo", col("serial"), 40), 20 + step)),
                       disguises[step % len(disguises)]))
        for step in range(20)
    ]  # fmt: skip
    assert sum(isinstance(answer, Release) for answer in answers) <= 12
    assert answers[-1].rule == "budget"


def test_colluding_experts_have_one_ledger_for_equivalent_expressions(room_of):
    room = world(room_of, True)
    first = room.ask(total(patients(room), SECRET), expert="ada")
    second = room.ask(total(others(room), SAME["absolute"]), expert="bob", session="s2")
    assert isinstance(first, Release)
    assert stopped(second) or repeats(second, [first])


def test_what_the_attacks_count_on_is_there(room_of):
    """The indicator without a condition is one of the target alone, and without protection it tells."""
    shown = []
    for secret in (False, True):
        room = world(room_of, secret, preset="permissive")
        assert cells(room.ask(total(patients(room), ONE_IF_TARGET))) == {(): 1}
        assert cells(room.ask(size(others(room)))) == {(): N - 1}
        shown.append(cells(room.ask(total(patients(room), call("multiply", ONE_IF_TARGET, SECRET)))))
    assert shown == [{(): 0}, {(): 1}]
