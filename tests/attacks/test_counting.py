"""Attacks by counting (A01 to A24 of the catalogue): cells, differences, trackers, duplicates and denials."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.rooms import call, cells, col, eq, isin, mean, number, people, size, summary, total, where
from support.worlds import (
    KEY,
    TARGET,
    all_stopped,
    both,
    is_target,
    last_tells_nothing,
    not_target,
    outcome,
    repeats,
    stopped,
    table,
    value,
    world,
    would_succeed,
)

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Literal, Named, Value
from cleanroom_kernel.plan.nodes import Forbidden
from cleanroom_kernel.plan.relations import Assign, Concat, Join, PerUnit, Reduced, Reduction, Sort, Table, Take
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Release, Withheld


def patients(room):
    return room["patients"]


# -- one person's cell ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "question",
    [
        lambda room: mean(where(patients(room), eq("id", 5)), "hiv"),  # A01
        lambda room: mean(patients(room), call("multiply", call("equal", col("id"), 5), col("positive"))),  # A02
        lambda room: summary(patients(room), a.Distinct(Value("id"))),  # A20
        lambda room: size(patients(room), by="id"),  # A19
        lambda room: total(patients(room), isin("id", [5])),  # A19
        lambda room: mean(Assign(patients(room), (Named("id2", call("add", col("id"), 1)),)), "id2"),  # A15
    ],
    ids=["A01", "A02", "A20", "A19-labels", "A19-isin", "A15"],
)
def test_the_identifier_of_a_patient_is_no_value(room_of, question):
    for answers in both(room_of, question):
        assert isinstance(answers[0], Forbidden)


def test_a03_a_point_filter_on_quasi_identifiers(room_of):
    all_stopped(
        room_of,
        lambda room: total(where(patients(room), is_target()), "hiv"),
        lambda room: mean(where(patients(room), is_target()), "positive"),
        lambda room: size(where(patients(room), call("and", is_target(), col("hiv")))),
        lambda room: summary(where(patients(room), is_target()), a.Count(col("hiv"))),
        lambda room: summary(where(patients(room), is_target()), a.Units()),
    )


def test_nobody_and_a_few_look_the_same(room_of):
    """Zero, one and nine patients get the very same answer."""
    room = world(room_of, True)
    answers = [room.ask(size(where(patients(room), call("less", col("serial"), few)))) for few in (0, 1, 5, 9)]
    assert set(map(type, answers)) == {Withheld}
    assert len({(answer.message, answer.suggestion) for answer in answers}) == 1


# -- differences ------------------------------------------------------------------------------------------------------
def all_of(measure):
    return lambda room: total(patients(room), measure)


def others(measure):
    return lambda room: total(where(patients(room), not_target()), measure)


def spread(over, **options):
    return summary(over, a.Variance(col("cost"), **options))


def correlated(over):
    return a.Correlation(over, (Named("x", col("cost")), Named("y", col("age"))))


def by_patient(over):
    return PerUnit(over, ("id",), (Reduced("z", Reduction.SUM, col("positive")),))


def two_parts(room):
    return Concat((where(patients(room), eq("sex", "F")), where(patients(room), eq("sex", "M"))))


POSITIVE_OR_TARGET = call("or", col("hiv"), is_target())

DIFFERENCES = {
    "A04-sum": (all_of("hiv"), others("hiv")),
    "A04-number": (all_of("positive"), others("positive")),
    "A04-cost": (all_of("cost"), others("cost")),
    "A04-mean": (all_of("positive"), lambda room: mean(where(patients(room), not_target()), "positive")),
    "A04-size": (
        lambda room: size(where(patients(room), col("hiv"))),
        lambda room: size(where(patients(room), POSITIVE_OR_TARGET)),
    ),
    "A04-count-of-holding": (lambda room: size(where(patients(room), POSITIVE_OR_TARGET)), all_of("hiv")),
    "A04-holding-twice": (all_of("hiv"), all_of(POSITIVE_OR_TARGET)),
    "A04-share-of-holding": (
        lambda room: size(where(patients(room), POSITIVE_OR_TARGET)),
        lambda room: mean(where(patients(room), eq("sex", "F")), "hiv"),
        lambda room: mean(where(patients(room), call("or", eq("sex", "F"), is_target())), "hiv"),
    ),
    "A04-renamed": (
        all_of("positive"),
        lambda room: total(Assign(where(patients(room), not_target()), (Named("z", col("positive")),)), "z"),
    ),
    "A04-per-unit": (all_of("positive"), lambda room: total(by_patient(where(patients(room), not_target())), "z")),
    "A04-variance": (
        lambda room: spread(patients(room)),
        lambda room: spread(where(patients(room), not_target()), root=True),
    ),
    "A04-median": (
        lambda room: summary(patients(room), a.Quantile(col("cost"), 0.5)),
        lambda room: summary(where(patients(room), not_target()), a.Quantile(col("cost"), 0.25)),
    ),
    "A04-correlation": (
        lambda room: correlated(patients(room)),
        lambda room: correlated(where(patients(room), not_target())),
    ),
    "A04-first-rows": (all_of("positive"), lambda room: total(Take(patients(room), TARGET), "positive"),
                       lambda room: total(Take(patients(room), TARGET + 1), "positive")),
    "A04-concatenated": (lambda room: total(two_parts(room), "positive"), others("positive")),
    "A05-complement": (
        all_of("positive"),
        lambda room: total(where(patients(room), call("not", call("and", is_target(), eq("ward", "C")))), "positive"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differencing(room_of, name):
    last_tells_nothing(room_of, *DIFFERENCES[name])


def test_differencing_by_a_measure_that_is_scaled_and_shifted(room_of):
    """The sum repeats the released one, and is scaled and shifted only then."""
    scaled = call("add", call("multiply", col("positive"), 3), 1)
    for everybody, rest in both(room_of, all_of("positive"), others(scaled)):
        assert value(rest) == 3 * value(everybody) + 2_000
        assert "as released before" in rest.receipt.precision


def test_differencing_works_without_the_gate(room_of):
    would_succeed(room_of, *DIFFERENCES["A04-sum"], tells=lambda everybody, others: everybody - others)
    would_succeed(room_of, *DIFFERENCES["A04-size"], tells=lambda positive, either: either - positive)


@pytest.mark.parametrize("order", [1, -1])
def test_differencing_in_either_order(room_of, order):
    last_tells_nothing(room_of, *DIFFERENCES["A04-mean"][::order])


def tracker(room):
    """Three counts of ordinary groups that add up to the target."""
    women = eq("sex", "F")
    return [
        lambda room: total(where(patients(room), call("or", is_target(), women)), "hiv"),
        lambda room: total(where(patients(room), call("or", is_target(), call("not", women))), "hiv"),
        lambda room: total(patients(room), "hiv"),
    ]


def test_a06_a_general_tracker(room_of):
    last_tells_nothing(room_of, *tracker(None))


NUMBERED = {
    "the table": lambda rows: rows,
    "sorted": lambda rows: Sort(rows, (col("cost"),), (False,)),
    "per patient": lambda rows: PerUnit(rows, ("id",), (Reduced("positive", Reduction.SUM, col("positive")),)),
    "stacked": lambda rows: Concat(
        (where(rows, call("less", col("cost"), 500)), where(rows, call("greater_equal", col("cost"), 500)))
    ),
}


@pytest.mark.parametrize("ways", [way for way in itertools.product(NUMBERED, repeat=3) if len(set(way)) > 1])
def test_a06_a_tracker_across_orders_of_the_rows(room_of, ways):
    """Each number over the rows in another order, where they have other numbers: units are the same in all of them."""
    women = eq("sex", "F")
    chosen = [
        lambda room: where(patients(room), call("or", is_target(), women)),
        lambda room: where(patients(room), call("or", is_target(), call("not", women))),
        patients,
    ]
    questions = [
        lambda room, rows=rows, way=way: total(NUMBERED[way](rows(room)), "positive")
        for rows, way in zip(chosen, ways, strict=True)
    ]
    last_tells_nothing(room_of, *questions)


TWICE = {
    "stacked": lambda rows: Concat((rows, where(rows, is_target()))),
    "stacked, and sorted": lambda rows: Sort(Concat((rows, where(rows, is_target()))), (col("cost"),), (False,)),
    "joined with its own": lambda rows: Join(rows, Concat((rows, where(rows, is_target()))), ("id",), ("id",)),
}


@pytest.mark.parametrize("way", TWICE)
@pytest.mark.parametrize("statistic", ["sum", "rows"])
@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_one_patient_that_come_twice_are_a_difference(room_of, way, statistic, order):
    """The patients are the same, but one of them has a row more."""
    name = "positive_x" if way.startswith("joined") else "positive"

    def asked(rows, column):
        if statistic == "rows":
            return size(where(rows, call("equal", col(column), 1)))
        return total(rows, column)

    questions = [
        lambda room: asked(patients(room), "positive"),
        lambda room: asked(TWICE[way](patients(room)), name),
    ]
    last_tells_nothing(room_of, *questions[::order])


def test_orders_of_the_rows_do_not_stand_in_the_way_of_an_honest_expert(room_of):
    """Totals by ward, by sex and of everybody, of the table, sorted and stacked."""
    room = world(room_of, True)
    for way in ("the table", "sorted", "stacked"):
        rows = NUMBERED[way](patients(room))
        for by in ((), ("ward",), ("sex",)):
            assert not stopped(room.ask(summary(rows, a.Sum(col("positive")), by=by)))


def test_a06_a_tracker_of_many_parts(room_of):
    """Eight wards, one of them without the target: the last one completes a total that was released."""
    ward_of_target = "ABCDEFGH"[TARGET % 8]
    questions = [lambda room: total(patients(room), "hiv")]
    for ward in "ABCDEFGH":
        condition = eq("ward", ward)
        if ward == ward_of_target:
            condition = call("and", condition, not_target())
        questions.append(lambda room, condition=condition: total(where(patients(room), condition), "hiv"))
    last_tells_nothing(room_of, *questions)


def test_a06_a_tracker_with_coefficients(room_of):
    """2 (A or t) - (A and B) - (A and not B) - … : pieces counted twice do not hide the target."""
    young, women = call("less", col("age"), 50), eq("sex", "F")
    last_tells_nothing(
        room_of,
        lambda room: total(where(patients(room), call("or", young, women)), "positive"),
        lambda room: total(where(patients(room), call("and", young, women)), "positive"),
        lambda room: total(where(patients(room), call("or", young, is_target())), "positive"),
        lambda room: total(where(patients(room), women), "positive"),
    )


def test_a09_margins_are_of_shown_cells(room_of):
    """What is suppressed is in no total, so that a total minus the shown cells is nobody."""
    found = people(300, seed=1)
    found["ward"] = np.array(["A"] * 150 + ["B"] * 146 + ["C"] * 4)
    found["sex"] = np.array(["F", "M"] * 150)
    room = room_of({"patients": found}, count_base=1, influence_rounding=False, significant_digits=17)
    answer = room.ask(size(patients(room), by=("ward", "sex"), margins=True))
    shown = cells(answer)
    assert ("C", "F") not in shown
    assert shown["All", "All"] == shown["A", "All"] + shown["B", "All"] == 296
    assert repeats(room.ask(size(patients(room))), [answer])


def test_a09_a_total_asked_elsewhere_is_withheld_if_it_completes_a_suppressed_cell(room_of):
    found = people(300, seed=1)
    found["ward"] = np.array(["A"] * 150 + ["B"] * 146 + ["C"] * 4)
    room = room_of({"patients": found})
    shown = cells(room.ask(total(patients(room), "cost", by="ward")))
    assert set(shown) == {"A", "B"}
    assert stopped(room.ask(total(patients(room), "cost")))


def test_a09_the_other_way_round_the_smallest_shown_cell_goes(room_of):
    """Secondary suppression: with the total known, the small cell is hidden behind another."""
    found = people(300, seed=1)
    found["ward"] = np.array(["A"] * 150 + ["B"] * 146 + ["C"] * 4)
    room = room_of({"patients": found})
    assert isinstance(room.ask(total(patients(room), "cost")), Release)
    assert set(cells(room.ask(total(patients(room), "cost", by="ward")))) == {"A"}


# -- groups in which all are alike ------------------------------------------------------------------------------------
def alike(room_of, positives):
    """Ward A has so many positives among 50."""
    found = people(500, seed=3)
    found["ward"] = np.array(["A"] * 50 + ["B"] * 450)
    found["hiv"] = np.array([True] * positives + [False] * (50 - positives) + [False, True, True] * 150)
    found["positive"] = found["hiv"].astype(int)
    return room_of({"patients": found}, key=KEY)


@pytest.mark.parametrize("measure", ["hiv", "positive"])
@pytest.mark.parametrize("positives", [0, 3, 47, 50])
def test_a07_a08_none_or_all_of_a_group(room_of, positives, measure):
    """ "Nobody in ward A" and "everybody in ward A" say something of each of them."""
    room = alike(room_of, positives)
    shown = cells(room.ask(mean(patients(room), measure, by="ward")))
    assert shown.get("A", ...) is ...
    room = alike(room_of, positives)
    shown = cells(room.ask(total(patients(room), measure, by="ward")))
    assert shown.get("A", ...) is ...


def test_a07_a_zero_cell_looks_like_a_small_one(room_of):
    answers = []
    for positives in (0, 3, 9):
        room = alike(room_of, positives)
        answers.append(room.ask(size(patients(room), by=("ward", "hiv"))))
    assert [cells(answer).get(("A", True), ...) for answer in answers] == [..., ..., ...]
    assert len({answer.payload.rows for answer in answers}) == 1


# -- denials ----------------------------------------------------------------------------------------------------------
def test_a10_a_denial_does_not_decide_between_nine_and_ten(room_of):
    """A pad of nine others and the target, if positive. The border is blurred and the pad itself is never shown."""
    for pad in (8, 9, 10, 11, 12):
        chosen = call("or", call("less", col("serial"), pad), call("and", is_target(), col("hiv")))
        questions = [
            lambda room, chosen=chosen: size(where(patients(room), chosen)),
            lambda room, pad=pad: size(where(patients(room), call("less", col("serial"), pad))),
        ]
        told = []
        for secret in (False, True):
            room = world(room_of, secret)
            told.append([stopped(outcome(room, question)) for question in questions])
        # Whatever the first answer is, the second never completes it to a difference of one.
        assert not all(answer == [False, False] for answer in told) or told[0] == told[1]


def test_a11_searching_by_denials_ends_with_the_budget_of_denials(room_of):
    """One bit for each no, and so many of them."""
    room = world(room_of, True, denials=20)
    answers = [
        room.ask(
            mean(where(patients(room), call("and", is_target(), call("greater", col("cost"), float(step)))), "hiv")
        )
        for step in range(25)
    ]
    assert [type(answer).__name__ for answer in answers] == ["Withheld"] * 20 + ["Refusal"] * 5
    assert answers[-1].rule == "denials"
    assert isinstance(room.ask(size(patients(room))), type(answers[-1])), "even harmless new questions"


def test_asking_the_same_again_is_not_charged(room_of):
    room = world(room_of, True, denials=3)
    question = mean(where(patients(room), is_target()), "hiv")
    for _ in range(10):
        assert isinstance(room.ask(question), Withheld)
    assert isinstance(room.ask(size(patients(room))), Release)


def test_denials_are_counted_for_each_expert(room_of):
    room = world(room_of, True, denials=1)
    assert isinstance(room.ask(mean(where(patients(room), is_target()), "hiv"), expert="eve"), Withheld)
    assert stopped(room.ask(size(patients(room)), expert="eve"))
    assert isinstance(room.ask(size(patients(room)), expert="ada"), Release)


def test_suppressed_cells_have_a_budget_of_their_own(room_of):
    room = world(room_of, True, suppressed_cells=100)
    ages = Named("band", call("floor_divide", col("cost"), 400))
    for step in range(40):
        answer = room.ask(summary(patients(room), a.Mean(col("age")), a.Mean(call("equal", col("serial"), step)),
                                  by=(ages,)))  # fmt: skip
        if stopped(answer):
            break
    assert answer.rule == "denials"


# -- one patient, many rows -------------------------------------------------------------------------------------------
def visits(n_target=500):
    """Clinic X has seen one patient five hundred times, and five others once."""
    ids = np.concatenate([np.full(n_target, 0), np.arange(1, 6), np.arange(6, 606)])
    return {
        "id": ids,
        "clinic": np.array(["X"] * (n_target + 5) + ["Y"] * 600),
        "cost": np.concatenate([np.full(n_target, 100.0), np.arange(605) % 50 + 20.0]),
    }


def test_a16_five_hundred_visits_of_one_patient(room_of):
    room = room_of({"visits": visits()})
    shown = cells(room.ask(mean(room["visits"], "cost", by="clinic")))
    assert set(shown) == {"Y"}
    shown = cells(room.ask(size(room["visits"], by="clinic")))
    assert set(shown) == {"Y"}


def test_a16_many_rows_of_one_patient_among_enough_others(room_of):
    """Enough patients, but two thirds of the rows are one patient's."""
    found = visits()
    found["clinic"][505:] = "X"
    room = room_of({"visits": found})
    assert stopped(room.ask(mean(room["visits"], "cost")))
    assert stopped(room.ask(size(room["visits"])))
    assert isinstance(room.ask(summary(room["visits"], a.Units())), Release)


def test_a12_duplicates_of_one_patient_are_one_patient(room_of):
    def twelve_times(room):
        one = where(patients(room), is_target())
        return mean(Concat((one,) * 12), "cost")

    all_stopped(room_of, twelve_times)


def test_a13_a_public_table_cannot_multiply_a_patient(room_of):
    """A join with fifty public rows gives fifty rows of one patient."""
    room = room_of({"patients": table(True), "fan": {"ward": ["C"] * 50, "n": list(range(50))}}, key=KEY)
    fan = Join(where(patients(room), is_target()), room["fan"], ("ward",), ("ward",))
    assert not room["fan"].has_units
    assert stopped(room.ask(mean(fan, "cost")))
    assert stopped(room.ask(size(fan)))


def test_a20_how_many_values_are_unique(room_of):
    """Values that few share are not counted, so nobody's uniqueness shows."""
    room = world(room_of, True)
    shown = number(room.ask(summary(patients(room), a.Distinct(col("serial")))))
    assert shown == 0
    everybody = number(room.ask(summary(patients(room), a.Distinct(col("age")))))
    assert everybody == len(set(table(True)["age"].tolist())) - 1  # 99 is the target's alone


def test_a23_two_experts_share_one_ledger(room_of):
    room = world(room_of, True)
    first = room.ask(total(patients(room), "hiv"), expert="ada")
    assert repeats(room.ask(total(where(patients(room), not_target()), "hiv"), expert="bob", session="s2"), [first])


def test_a23_two_vaults_share_one_ledger(room_of, tmp_path):
    first = world(room_of, True, state=tmp_path / "shared")
    second = world(room_of, True, state=tmp_path / "shared")
    answer = first.ask(total(patients(first), "hiv"))
    assert repeats(second.ask(total(where(patients(second), not_target()), "hiv")), [answer])
    assert isinstance(second.ask(total(where(patients(second), eq("sex", "F")), "hiv")), Release)
    assert stopped(first.ask(total(where(patients(first), call("or", eq("sex", "M"), is_target())), "hiv")))


def test_a24_days_with_few_patients_have_no_cell(room_of):
    found = people(400, seed=5)
    found["day"] = np.concatenate([np.zeros(200, int), np.ones(197, int), np.full(3, 2)])
    room = room_of({"patients": found})
    assert set(cells(room.ask(size(patients(room), by="day")))) == {0, 1}


# -- nulls as predicates ----------------------------------------------------------------------------------------------
def hidden_cost(condition):
    return call("where", condition, col("cost"), Literal(None, DType.FLOAT))


def test_b17_a_null_that_the_attacker_makes_is_a_predicate(room_of):
    all_stopped(room_of, lambda room: total(patients(room), call("is_null", hidden_cost(not_target()))))
    last_tells_nothing(
        room_of,
        lambda room: size(patients(room)),
        lambda room: summary(patients(room), a.Count(hidden_cost(not_target()))),
    )


def test_missing_values_of_a_stored_column_are_no_attack(room_of):
    """Three missing values in each of two columns do not make their counts differences of one another."""
    found = people(400, seed=5)
    found["cost"] = [None if place < 3 else cost for place, cost in enumerate(found["cost"].tolist())]
    found["age"] = [None if 10 <= place < 13 else age for place, age in enumerate(found["age"].tolist())]
    room = room_of({"patients": found})
    answers = [
        room.ask(size(patients(room))),
        room.ask(summary(patients(room), a.Count(col("cost")), a.Count(col("age")), a.Mean(col("cost")))),
    ]
    assert all(isinstance(answer, Release) and not any(map(any, answer.payload.suppressed)) for answer in answers)


def test_table_and_value_helpers_name_the_target(room_of):
    """The worlds are what the attacks assume: one patient aged 99, whose secret alone differs."""
    zero, one = table(False), table(True)
    assert (zero["age"] == 99).sum() == 1
    assert [name for name in zero if not np.array_equal(zero[name], one[name])] == ["hiv", "positive"]
    permissive = world(room_of, True, preset="permissive")
    assert value(outcome(permissive, lambda room: total(where(room["patients"], is_target()), "positive"))) == 1
    assert isinstance(permissive["patients"], Table)
