"""What a row function answers is, to the gate, whatever the attacker wants it to be: one patient's indicator above all.

In the two worlds of the other attacks: who knows everything but one patient's secret learns hardly more.
"""

import itertools

import pytest
from support.rooms import call, cells, col, lit, mean, size, summary, total, where
from support.worlds import KEY, all_stopped, both, outcome, stopped, table, tells_little, value, world, would_succeed

from cleanroom_kernel.disclosure.forms import form_of, forms, is_steered
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import decode, encode
from cleanroom_kernel.plan.expressions import Cast, Named, RowFunction
from cleanroom_kernel.plan.nodes import PlanError, digest
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    Filter,
    How,
    Join,
    PerUnit,
    Reduced,
    Reduction,
    Sort,
    Take,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Release


def of_row(body, dtype=DType.FLOAT, names=("age", "positive", "serial")):
    return RowFunction(f"answer = lambda row: {body}", tuple(map(col, names)), dtype, names)


AIMED = of_row("row.age + (1.0 if row.age == 99 and row.positive else 0.0)")
TARGET_IF_POSITIVE = of_row("row.age == 99 and row.positive == 1", DType.BOOLEAN)
FILLED = of_row("row.serial < 9 or (row.age == 99 and row.positive == 1)", DType.BOOLEAN)


def patients(room):
    return room["patients"]


def test_the_attack_is_one_without_protection(room_of):
    would_succeed(room_of, lambda room: total(patients(room), AIMED), tells=lambda found: found)


@pytest.mark.parametrize("what", [a.Mean, a.Sum])
def test_an_indicator_by_a_row_function_comes_with_noise(room_of, what):
    tells_little(room_of, lambda room: summary(patients(room), what(AIMED)), keys=6)


def test_a_condition_of_it_is_a_condition_and_its_measure_free(room_of):
    """One that holds for the target alone is no number; one that holds for many comes with noise."""

    def weighed(condition):
        return call("where", condition, call("add", col("cost"), 1_000.0), col("cost"))

    wide = of_row("row.age > 60 and not (row.age == 99 and row.positive)", DType.BOOLEAN)
    all_stopped(room_of, lambda room: mean(patients(room), weighed(TARGET_IF_POSITIVE)))
    tells_little(room_of, lambda room: mean(patients(room), weighed(wide)), keys=6)


def test_an_indicator_alone_is_no_number(room_of):
    all_stopped(room_of, lambda room: total(patients(room), Cast(TARGET_IF_POSITIVE, DType.INTEGER)))
    all_stopped(room_of, lambda room: size(where(patients(room), TARGET_IF_POSITIVE)))


def test_missing_answers_are_no_way_to_choose(room_of):
    """A number of those that are not missing is one of rows that a function chose."""
    chosen = of_row("1.0 if row.serial < 9 or (row.age == 99 and row.positive) else None")
    answers = [
        [stopped(outcome(world(room_of, secret), lambda room: summary(patients(room), a.Count(chosen))))]
        for secret in (False, True)
    ]
    assert answers[0] == [True]


def test_a_label_that_few_share_is_not_named(room_of):
    label = of_row("'the target' if row.age == 99 else ('old' if row.age > 60 else 'young')", DType.STRING)
    for answers in both(room_of, lambda room: size(patients(room), by=(Named("group", label),))):
        assert isinstance(answers[0], Release)
        assert set(cells(answers[0])) <= {"old", "young", "(other)"}
        assert "the target" not in repr(answers[0])


def test_forty_questions_and_no_more(room_of):
    """Free measures are charged to the columns that they are made of, whatever the function."""
    room = room_of({"patients": table(True)}, key=KEY, free_answers=3)
    answers = [room.ask(mean(patients(room), of_row(f"row.age + {n} * row.positive"))) for n in range(1, 6)]
    assert [isinstance(answer, Release) for answer in answers] == [True, True, True, False, False]


# -- how it counts, whatever is made of it ----------------------------------------------------------------------------
@pytest.fixture
def room(room_of):
    return room_of({"patients": table(True), "visits": table(False)}, key=KEY)


def made_of(room):
    """Columns that a row function's answers went into, on every way that there is."""
    assigned = Assign(patients(room), (Named("f", TARGET_IF_POSITIVE), Named("g", AIMED)))
    yield assigned, "f"
    yield assigned, "g"
    yield Sort(assigned, (col("age"),), (False,)), "f"
    yield Filter(assigned, call("greater", col("age"), 20)), "f"
    yield Take(Sort(assigned, (col("age"),), (False,)), 100), "f"
    yield Concat((assigned, assigned)), "f"
    yield PerUnit(assigned, ("id",), (Reduced("f", Reduction.ANY, col("f")),)), "f"
    yield PerUnit(assigned, ("id",), (Reduced("f", Reduction.SUM, col("g")),)), "f"
    yield Window(assigned, "f2", WindowFunction.CUMSUM, ("id",), col("g")), "f2"
    yield Join(assigned, patients(room), ("id",), ("id",), How.INNER), "f"
    yield Assign(assigned, (Named("h", call("not", col("f"))),)), "h"
    yield Assign(assigned, (Named("h", Cast(col("f"), DType.INTEGER)),)), "h"
    yield Assign(assigned, (Named("h", call("where", col("f"), 1, 0)),)), "h"
    yield Assign(assigned, (Named("h", call("where", col("f"), col("cost"), lit(0.0))),)), "h"
    yield Assign(assigned, (Named("h", call("multiply", call("add", col("g"), 1.0), col("cost"))),)), "h"


def test_whatever_it_goes_into_is_free_and_chooses_as_several_columns_do(room):
    number = 0
    for relation, name in made_of(room):
        form = forms(relation)[name]
        assert form.free, (type(relation).__name__, name)
        assert form.unknown
        assert not form.natural
        chosen = call("greater", Cast(col(name), DType.FLOAT), 0.5)
        assert is_mixed(Filter(relation, chosen))
        assert is_mixed(relation, (col(name),))
        assert is_mixed(Take(Sort(relation, (col(name),), (False,)), 100))
        assert is_steered(col(name), relation)
        number += 1
    assert number == 15


def test_rows_that_it_orders_joins_or_makes_one_are_chosen_by_it(room):
    assigned = Assign(patients(room), (Named("f", TARGET_IF_POSITIVE),))
    sorted_by_it = Sort(assigned, (col("f"),), (False,))
    first = Reduced("cost", Reduction.FIRST, col("cost"))
    assert forms(PerUnit(sorted_by_it, ("id",), (first,)))["cost"].unknown
    assert not forms(PerUnit(assigned, ("id",), (first,)))["cost"].unknown
    shifted = Window(assigned, "before", WindowFunction.SHIFT, ("id",), col("cost"), ("f",))
    assert forms(shifted)["before"].unknown
    other = Assign(patients(room), (Named("f", TARGET_IF_POSITIVE),))
    for relation in (
        Distinct(assigned, ("id", "f")),
        PerUnit(assigned, ("id", "f"), (first,)),
        Join(assigned, other, ("id", "f"), ("id", "f"), How.INNER),
    ):
        assert is_mixed(relation)
        assert not is_mixed(assigned)


def test_of_one_column_it_is_as_free_as_of_several(room):
    one = RowFunction("answer = lambda age: age == 99", (col("age"),), DType.BOOLEAN)
    constant = RowFunction("answer = lambda age: 1.0", (lit(1),), DType.FLOAT)
    for of in (one, constant):
        assert form_of(of, patients(room)).free
        assert form_of(of, patients(room)).unknown
    assert is_mixed(Filter(patients(room), one))


def test_a_group_filled_up_to_the_border_has_the_wide_border(room_of):
    """Nine known patients and the target, if positive: whether they are shown says so in few rooms."""

    def shown(secret, number):
        room = room_of({"patients": table(secret)}, key=bytes([number]) * 32)
        return isinstance(room.ask(size(where(patients(room), FILLED))), Release)

    assert not any(shown(False, number) for number in range(8))
    assert sum(shown(True, number) for number in range(8)) <= 2


# -- the plan ---------------------------------------------------------------------------------------------------------
def test_it_travels_whole_and_is_told_apart_by_its_source(room):
    question = mean(patients(room), AIMED)
    again = decode(encode(question), room.schema, a.Summary)
    assert digest(again) == digest(question)
    other = of_row("row.age + (2.0 if row.age == 99 and row.positive else 0.0)")
    assert digest(mean(patients(room), other)) != digest(question)
    assert "row function(age, positive, serial)" in describe(question)
    assert "99" not in describe(question)


WRONG = {
    "without end": lambda: RowFunction("x" * 20_001, (col("age"),), DType.FLOAT),
    "empty": lambda: RowFunction("", (col("age"),), DType.FLOAT),
    "without columns": lambda: RowFunction("answer = len", (), DType.FLOAT),
    "of two values": lambda: RowFunction("answer = len", (col("age"), col("cost")), DType.FLOAT),
    "of one column twice": lambda: of_row("1.0", names=("age", "age")),
    "of too many columns": lambda: of_row("1.0", names=tuple(f"c{n}" for n in range(65))),
    "that answers with dates": lambda: RowFunction("answer = len", (col("age"),), DType.DATETIME),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG.keys())
def test_one_that_cannot_be_is_not_built(make):
    with pytest.raises(PlanError):
        make()


def test_identifiers_are_not_read(room):
    with pytest.raises(PlanError, match="role 'unit'"):
        _ = Assign(patients(room), (Named("f", RowFunction("answer = len", (col("id"),), DType.FLOAT)),)).fields


def test_asking_again_gives_the_same_number(room):
    first, again = (value(room.ask(mean(patients(room), AIMED))) for _ in range(2))
    assert first == again
    assert len(set(itertools.chain([first, again]))) == 1
