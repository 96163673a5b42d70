"""Attacks of a second reader of the gate's source: natural measures with made-up constants, rows that are repeated,
conditions that are put where nobody looks for them.
"""

from __future__ import annotations

import numpy as np
import pytest
from support.learning import LearningRoom
from support.rooms import call, col, eq, mean, size, summary, total, where
from support.worlds import KEY, TARGET, N, both, is_target, not_target, stopped, table, tells_little, value, world

from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Literal, Named
from cleanroom_kernel.plan.relations import Concat, How, Join, PerUnit, Reduced, Reduction, Select, Sort, Take
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Refusal


def patients(room):
    return room["patients"]


def add(*arguments):
    return call("add", *arguments)


def times(one, other):
    return call("multiply", one, other)


# -- constants that are made of columns -------------------------------------------------------------------------------
def one():
    return call("divide", col("age"), col("age"))


def between_98_and_99():
    """exp(exp(sqrt(exp(sin(1))))) is 98.9 or so."""
    found = one()
    for function in ("sin", "exp", "sqrt", "exp", "exp"):
        found = call(function, found)
    return found


CONSTANTS = {
    "quotient": one(),
    "inverse": times(call("divide", 1, col("age")), col("age")),
    "by another column": call("divide", call("divide", times(col("age"), col("cost")), col("cost")), col("age")),
}
OF_CONSTANTS = {
    "a sign": lambda one: call("sign", call("subtract", col("age"), between_98_and_99())),
    "a wave": lambda one: call("sin", add(col("positive"), one)),
    "a whole part": lambda one: call("floor_divide", col("age"), one),
    "a distance": lambda one: times(col("positive"), call("absolute", call("subtract", col("age"), one))),
}


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("made", OF_CONSTANTS)
def test_a_constant_that_is_made_of_columns_makes_a_free_measure(room_of, constant, made):
    """sum(positive * sign(age - 98.9)) is sum(positive) less twice what the only patient of 99 has; and sums of
    positive + 1, + sin(1), + sqrt(2), … undo the rounding of both.
    """
    measure = OF_CONSTANTS[made](CONSTANTS[constant])
    assert form_of(measure, patients(world(room_of, True))).free


@pytest.mark.parametrize(
    "measure",
    [
        call("divide", col("cost"), call("power", col("age"), 2)),
        call("log", add(col("cost"), 1)),
        add(add(add(add(add(col("age"), col("cost")), col("positive")), col("age")), col("cost")), col("positive")),
        call("power", call("subtract", col("cost"), col("age")), 2),
        call("divide", call("subtract", col("cost"), col("age")), col("age")),
    ],
    ids=["index", "logarithm", "score of many items", "squared difference", "relative change"],
)
def test_what_analysts_make_of_columns_is_natural(room_of, measure):
    assert form_of(measure, patients(world(room_of, True))).natural


# -- groups that are filled up, by conditions that are not in a filter ------------------------------------------------
TENTH = call("equal", call("modulo", col("serial"), 10), 0)
BLOCK = call("floor_divide", col("serial"), 10)


def stacked(room):
    tenths = where(patients(room), call("and", TENTH, col("hiv")))
    return Concat((where(patients(room), call("not", TENTH)), tenths))


def joined_with_the_positive(room):
    right = Select(where(patients(room), col("hiv")), (Named("id", col("id")), Named("there", col("serial"))))
    return Join(patients(room), right, ("id",), ("id",), How.LEFT)


def joined_with_their_number(room):
    right = PerUnit(where(patients(room), col("hiv")), ("id",), (Reduced("there", Reduction.SIZE),))
    return Join(patients(room), right, ("id",), ("id",), How.LEFT)


THERE = call("or", call("not", call("is_null", col("there"))), call("not", TENTH))
NOTHING = Literal(None, DType.INTEGER)
FILLED_UP = {
    "stacked": (stacked, BLOCK),
    "not missing after a join": (lambda room: where(joined_with_the_positive(room), THERE), BLOCK),
    "counted, then joined": (lambda room: where(joined_with_their_number(room), THERE), BLOCK),
    "by a label": (joined_with_the_positive, call("where", THERE, BLOCK, NOTHING)),
    "first of an order": (
        lambda room: Take(
            Sort(patients(room), (times(TENTH, call("subtract", 1, col("positive"))),), (False,)), N - N // 13
        ),
        BLOCK,
    ),
}


@pytest.mark.parametrize("name", FILLED_UP)
def test_groups_are_filled_up_in_no_other_way(room_of, name):
    """As in test_disguises: nine of each ten are there whatever they have, and the tenth if positive."""
    rows, key = FILLED_UP[name]
    room = world(room_of, True)
    found = table(True)
    positive = {block for block in range(N // 10) if found["hiv"][block * 10]}
    answer = room.ask(size(rows(room), by=(Named("block", key),)))
    named = set() if stopped(answer) else {label for (label,) in answer.payload.rows}
    assert len(named & positive) <= 0.05 * len(positive)


def test_a_sum_beyond_a_number_mixes_its_columns(room_of):
    """serial + positive > 1233 is whoever comes later, and the patient number 1233 if positive."""
    room = world(room_of, True)
    both_of_them = add(col("serial"), col("positive"))
    assert is_mixed(where(patients(room), call("greater", both_of_them, 1233)))
    per_patient = PerUnit(patients(room), ("id",), (Reduced("z", Reduction.MAX, both_of_them),))
    assert is_mixed(where(per_patient, call("greater", col("z"), 1233)))


def test_a_number_of_distinct_values_has_the_border_of_its_groups(room_of):
    """Ten blocks are counted if they are large enough: one that is filled up by one patient adds one."""
    block = call("where", call("or", call("not", TENTH), col("hiv")), BLOCK, NOTHING)
    room = world(room_of, True)
    answer = room.ask(summary(patients(room), a.Distinct(block)))
    assert stopped(answer) or answer.payload.values[0][0] <= 2


@pytest.mark.parametrize(
    "rows",
    [
        lambda room: Concat((where(patients(room), eq("sex", "F")), where(patients(room), eq("sex", "M")))),
        lambda room: Take(Sort(where(patients(room), eq("sex", "F")), (col("age"),), (True,)), 100),
        lambda room: where(joined_with_the_positive(room), call("greater", col("age"), 60)),
    ],
    ids=["stacked by one column", "the oldest", "filtered after a join"],
)
def test_one_condition_after_another_is_still_told_from_those(room_of, rows):
    assert not is_mixed(rows(world(room_of, True)))


def test_a_free_measure_is_charged_to_what_decided_its_rows(room_of):
    """A number of rows per patient is made of no column, but says who was selected."""
    few = call("or", call("less", col("age"), 50), call("and", is_target(), col("hiv")))

    def asked(room, number):
        right = PerUnit(where(patients(room), few), ("id",), (Reduced("n", Reduction.SIZE),))
        rows = Join(patients(room), right, ("id",), ("id",), How.LEFT)
        free = [call("tanh", times(call("coalesce", col("n"), 0), 0.3 + place / 100)) for place in range(number)]
        return room.ask(summary(rows, *map(a.Mean, free)))

    assert not stopped(asked(world(room_of, True), 10))
    answer = asked(world(room_of, True), 50)
    assert isinstance(answer, Refusal)
    assert answer.rule == "free measures"


# -- the same rows, or all but one of them: the answer is the same ----------------------------------------------------
POSITIVE = col("hiv")
BUT_ONE = call("and", POSITIVE, not_target())
# The same, without a part that holds for all but one.
BUT_ONE_IN_PARTS = call(
    "or",
    call("and", POSITIVE, call("less", col("serial"), TARGET)),
    call("and", POSITIVE, call("greater", col("serial"), TARGET)),
)
NUMBERS_OF_THE_REST = {
    "patients": lambda room: summary(where(patients(room), BUT_ONE), a.Units()),
    "values": lambda room: summary(where(patients(room), BUT_ONE), a.Count(col("age"))),
    "shifted sum": lambda room: total(where(patients(room), BUT_ONE), add(col("cost"), 5)),
}


@pytest.mark.parametrize("share", [POSITIVE, call("not", POSITIVE)], ids=["positive", "negative"])
def test_a_share_is_compared_with_a_number_of_rows(room_of, share):
    """580 of 2000, and 580 or so of the others."""
    for shown, rest in both(
        room_of,
        lambda room: mean(patients(room), share),
        lambda room: size(where(patients(room), call("and", share, not_target()))),
    ):
        assert not stopped(shown)
        assert stopped(rest)
    room = world(room_of, True)
    asked = [mean(patients(room), share), size(where(patients(room), share)), total(patients(room), share)]
    assert not any(stopped(room.ask(question)) for question in asked)


@pytest.mark.parametrize("what", [mean, total])
def test_a_sum_of_zeros_and_ones_is_compared_with_a_number_of_rows(room_of, what):
    rest = call("and", eq("positive", 1), not_target())
    for zeros_and_ones, others in both(
        room_of,
        lambda room: what(patients(room), "positive"),
        lambda room: size(where(patients(room), rest)),
    ):
        assert not stopped(zeros_and_ones)
        assert stopped(others)


OTHER_NAMES = {
    "a declared condition": lambda room: size(where(patients(room), BUT_ONE)),
    "a function of it": lambda room: total(where(patients(room), not_target()), call("log1p", col("positive"))),
    "a root of it": lambda room: mean(where(patients(room), not_target()), call("sqrt", col("positive"))),
    "under a condition": lambda room: total(patients(room), call("where", not_target(), col("positive"), 0)),
    "spread": lambda room: summary(where(patients(room), not_target()), a.Variance(col("positive"))),
}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_zeros_and_ones_that_nobody_declared_are_known_by_any_name(room_of, name):
    for first, others in both(room_of, lambda room: total(patients(room), "positive"), OTHER_NAMES[name]):
        assert not stopped(first)
        assert stopped(others)


@pytest.mark.parametrize("codes", [(1, 2), (0, 2, 5)], ids=["of two codes", "of three codes"])
def test_a_sum_of_codes_is_a_combination_of_their_counts(room_of, codes):
    """The number of rows, how many have each code but for the target, and the sum of all codes: a combination of
    several is withheld where it would tell of somebody; a pair, whether it would or not.
    """
    answers = []
    for secret in (False, True):
        patients_of = table(secret)
        group = np.where(patients_of["hiv"], 1, 0) + np.where(np.arange(N) % 5 == 0, 1, 0)
        group[TARGET] = int(secret)
        patients_of["code"] = np.array(codes)[np.minimum(group, len(codes) - 1)]
        room = room_of({"patients": patients_of}, key=KEY)
        counts = [size(where(patients(room), call("and", eq("code", code), not_target()))) for code in codes[1:]]
        asked = [room.ask(question) for question in (size(patients(room)), *counts, total(patients(room), "code"))]
        answers.append([stopped(answer) for answer in asked])
    assert answers[True] == [*(False for _ in codes), True]
    assert len(codes) > 2 or answers[False] == answers[True]


def test_zeros_and_ones_that_nobody_declared_are_explored_as_ever(room_of):
    room = world(room_of, True)
    asked = [
        total(patients(room), "positive"),
        mean(patients(room), "positive"),
        size(where(patients(room), eq("positive", 1))),
        size(patients(room), by="positive"),
        mean(where(patients(room), call("greater", col("age"), 60)), "positive"),
        mean(patients(room), "positive", by="ward"),
        total(patients(room), "positive", by="sex"),
        summary(patients(room), a.Mean(col("positive")), a.Variance(col("positive")), a.Count(col("positive"))),
        total(patients(room), times(2, add(col("positive"), 1))),
    ]
    assert not any(stopped(room.ask(question)) for question in asked)


TARGET_IF_POSITIVE = call("and", is_target(), POSITIVE)
OVER = call("or", call("less", col("serial"), 1002), TARGET_IF_POSITIVE)
FILLED_TO_THE_EDGE = {
    "rows": lambda room: size(where(patients(room), OVER)),
    "patients": lambda room: summary(where(patients(room), OVER), a.Units()),
    "values": lambda room: summary(where(patients(room), OVER), a.Count(col("age"))),
    "ones": lambda room: total(where(patients(room), OVER), call("greater", col("cost"), 500)),
    "share": lambda room: mean(where(patients(room), OVER), call("greater", col("cost"), 500)),
    "sum": lambda room: total(where(patients(room), OVER), "age"),
    "shifted sum": lambda room: total(where(patients(room), OVER), add(col("age"), 1000)),
    "mean": lambda room: mean(where(patients(room), OVER), "age"),
    "median": lambda room: summary(where(patients(room), OVER), a.Quantile(col("age"), 0.5)),
    "variance": lambda room: summary(where(patients(room), OVER), a.Variance(col("age"))),
    "group": lambda room: size(patients(room), by=(Named("over", OVER),)),
    "filled up below": lambda room: size(
        Concat((where(patients(room), call("less", col("serial"), 1002)), where(patients(room), TARGET_IF_POSITIVE)))
    ),
}


@pytest.mark.parametrize("name", FILLED_TO_THE_EDGE)
def test_a_number_is_not_filled_up_to_the_edge_of_its_rounding(room_of, name):
    """1002 known patients and the target, if positive, would be 1000 or 1005: noise is under the rounding."""
    tells_little(room_of, FILLED_TO_THE_EDGE[name], keys=6)


def test_nor_is_the_band_of_its_units(room_of):
    """997 known patients and the target, if positive: 995 or 1000."""
    over = call("or", call("less", col("serial"), 997), TARGET_IF_POSITIVE)
    bands = [
        room_of({"patients": table(secret)}, key=f"key {key}".ljust(32).encode())
        .ask(size(where(patients(world(room_of, secret)), over)))
        .receipt.units
        for secret in (False, True)
        for key in range(6)
    ]
    assert len(set(bands[:6])) == len(set(bands[6:])) == 2


def test_whoever_counts_the_same_rows_in_many_ways_gets_one_noise(room_of):
    """In another order, under one condition more that holds for all, as values."""
    room = world(room_of, True)
    rows = where(patients(room), OVER)
    asked = [
        size(rows),
        size(Sort(rows, (col("cost"),), (False,))),
        size(where(rows, call("greater_equal", col("age"), 0))),
        summary(rows, a.Count(col("age"))),
    ]
    answers = [room.ask(question) for question in asked]
    assert [stopped(answer) for answer in answers] == [False] * 4
    assert len({value(answer) for answer in answers}) == 1


def test_honest_numbers_of_several_columns_are_off_by_little(room_of):
    """Of thirty phenotypes, hardly a count is off by more than three steps of five, and no condition that comes after
    another is blurred.
    """
    room = world(room_of, True)
    found = table(True)
    off = []
    for age in range(40, 70):
        either = call("or", call("greater", col("age"), age), eq("ward", "A"))
        truth = ((found["age"] > age) | (found["ward"] == "A")).sum()
        off.append(room.ask(size(where(patients(room), either))).payload.values[0][0] - truth)
    assert np.median(np.abs(off)) <= 6
    assert np.max(np.abs(off)) <= 25
    after = size(where(patients(room), call("and", call("greater", col("age"), 40), eq("ward", "A"))))
    answer = world(room_of, True).ask(after)
    assert "noise" not in answer.receipt.precision
    assert abs(answer.payload.values[0][0] - ((found["age"] > 40) & (found["ward"] == "A")).sum()) <= 2.5


@pytest.mark.parametrize("name", NUMBERS_OF_THE_REST)
def test_numbers_of_another_name_are_compared_with_numbers_of_rows(room_of, name):
    """Whether one patient is among the positive is no reason to answer, or not to."""
    for rows, rest in both(room_of, lambda room: size(where(patients(room), POSITIVE)), NUMBERS_OF_THE_REST[name]):
        assert not stopped(rows)
        assert stopped(rest)


@pytest.mark.parametrize(
    "first",
    [
        lambda room: total(patients(room), call("where", POSITIVE, col("cost"), 0)),
        lambda room: total(where(patients(room), POSITIVE), "cost"),
    ],
    ids=["where", "filter"],
)
def test_a_term_over_all_but_one_is_withheld_whether_they_are_or_not(room_of, first):
    rest = call("where", BUT_ONE_IN_PARTS, col("cost"), 0)
    for rows, others in both(room_of, first, lambda room: total(patients(room), rest)):
        assert not stopped(rows)
        assert stopped(others)


def test_one_condition_may_be_written_as_a_filter_and_inside_a_measure(room_of):
    room = world(room_of, True)
    old = call("greater", col("age"), 60)
    asked = [
        mean(where(patients(room), old), "cost"),
        total(patients(room), call("where", old, col("cost"), 0)),
        size(where(patients(room), old)),
        total(patients(room), call("where", call("not", old), col("cost"), 0)),
        summary(where(patients(room), old), a.Units(), a.Count(col("age")), a.Sum(add(col("cost"), 1))),
    ]
    assert not any(stopped(room.ask(question)) for question in asked)


def test_rows_that_are_told_apart_by_values_are_compared_by_patients_too(room_of):
    """In the order of something, rows have no common numbers, and other values under another function."""

    def ordered(room, *functions, rows=patients):
        return summary(Sort(rows(room), (col("cost"),), (False,)), *(a.Sum(of) for of in functions))

    def others(room):
        return where(patients(room), not_target())

    positive = col("positive")
    first, second = (positive, call("log10", add(positive, 1))), (call("log1p", positive),)
    for all_of_them, rest in both(
        room_of, lambda room: ordered(room, *first), lambda room: ordered(room, *second, rows=others)
    ):
        assert not stopped(all_of_them)
        assert stopped(rest)
    room = world(room_of, True)
    costs = (col("cost"), call("log10", add(col("cost"), 1))), (call("log1p", col("cost")),)
    assert not any(stopped(room.ask(ordered(room, *some))) for some in costs)


# -- scores -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("but_one", [False, True])
def test_a_score_of_predictions_of_choice_comes_with_noise(tmp_path, but_one):
    room = LearningRoom({"patients": table(True)}, tmp_path, key=KEY)
    target = call("subtract", call("clip", col("age"), options=(98, 99)), 98)
    for shift in (0.1, 0.1002, 0.1004, 0.1006, 0.1008):
        predicted = add(times(target, 0.5 + shift if but_one else 0.0), -shift)
        answer = room.ask(a.Metric(patients(room), a.Score.MAE, col("positive"), (predicted,)))
        assert stopped(answer) or "noise" in answer.receipt.precision


# -- rows per patient -------------------------------------------------------------------------------------------------
def test_numbers_of_selected_rows_per_patient_are_no_weights_of_choice(room_of):
    visits = {name: np.concatenate([column, column]) for name, column in table(True).items()}
    visits["visit"] = np.repeat([0, 1], N)

    def weighted(selected, of):
        per_patient = PerUnit(
            where(patients(room), selected),
            ("id",),
            (Reduced("n", Reduction.SIZE), Reduced("p", Reduction.MAX, col("positive"))),
        )
        return room.ask(total(per_patient, times(col("n"), of)))

    room = room_of({"patients": visits}, key=KEY)
    young = call("or", call("equal", col("visit"), 0), call("less", col("age"), 90))
    young_and_target = call("or", young, call("equal", col("age"), 99))
    assert not stopped(weighted(young, col("p")))
    assert stopped(weighted(young_and_target, call("log1p", col("p"))))
