"""Which columns belong to the same rows, and how an expression is carried between contexts."""

import pytest

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import DifferentRows
from cleanroom_kernel.plan.expressions import Call, Literal, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.relations import (
    Filter,
    PerUnit,
    Reduced,
    Reduction,
    Sample,
    Sort,
    Table,
    Take,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import DType
from tests.unit.interpreter.rooms import SCHEMA

STAYS = Table(SCHEMA["stays"])
AGE = Value("age")


def over(age):
    return Call(Function.GREATER, (AGE, Literal(age, DType.INTEGER)))


def cumsum(rows, name="__sum"):
    return Window(rows, name, WindowFunction.CUMSUM, ("pid",), AGE)


def kinds(rows):
    path = contexts.path_of(rows)
    return [type(step).__name__ for step in (*path.narrowed, *(step for kept in path.kept for step in kept))]


def test_equal_contexts_meet_in_themselves_even_when_they_were_built_twice():
    assert digest(contexts.meet(Filter(STAYS, over(3)), Filter(STAYS, over(3)))) == digest(Filter(STAYS, over(3)))


def test_a_column_is_carried_to_rows_that_were_narrowed_from_its_own():
    narrow = Filter(STAYS, over(3))
    assert contexts.meet(STAYS, narrow) is narrow


def test_a_window_before_a_filter_is_computed_before_it_whichever_came_first():
    """The sum runs over all of a patient's rows, also where the filter was written down first."""
    met = contexts.meet(Filter(STAYS, over(3)), cumsum(STAYS))
    assert isinstance(met, Filter)
    assert isinstance(met.over, Window)


def test_a_window_after_a_filter_stays_after_it():
    met = contexts.meet(cumsum(Filter(STAYS, over(3))), cumsum(STAYS, "__other"))
    assert isinstance(met, Window)
    assert isinstance(met.over, Filter)
    assert isinstance(met.over.over, Window)


def test_columns_that_two_contexts_added_are_both_known_where_they_meet():
    met = contexts.meet(cumsum(STAYS, "__a"), cumsum(STAYS, "__b"))
    assert {"__a", "__b"} <= set(met.fields)


@pytest.mark.parametrize(
    "other",
    [Filter(STAYS, over(4)), Sample(STAYS, 1, 0.5), Table(SCHEMA["patients"])],
    ids=["filter", "sample", "table"],
)
def test_rows_that_were_narrowed_differently_do_not_meet(other):
    with pytest.raises(DifferentRows):
        contexts.meet(Filter(STAYS, over(3)), other)


def test_the_same_rows_are_needed_where_numbers_of_rows_have_to_agree():
    with pytest.raises(DifferentRows):
        contexts.meet(STAYS, Filter(STAYS, over(3)), exact=True)
    assert contexts.meet(STAYS, cumsum(STAYS), exact=True).has_units


def test_a_filtered_column_is_missing_for_the_other_rows():
    rows, expression = contexts.align(STAYS, Filter(STAYS, over(3)), AGE)
    assert rows is STAYS
    assert isinstance(expression, Call)
    assert expression.function is Function.WHERE
    assert type_of(expression, STAYS.fields).dtype is DType.INTEGER


def test_a_sort_does_not_change_which_value_belongs_to_a_row():
    _, expression = contexts.align(STAYS, Sort(STAYS, (AGE,), (False,)), AGE)
    assert expression is AGE


@pytest.mark.parametrize("narrow", [Take(STAYS, 5), Sample(STAYS, 1, n=5), cumsum(Filter(STAYS, over(3)))])
def test_what_was_computed_of_fewer_rows_cannot_come_back_without_them(narrow):
    name = "__sum" if isinstance(narrow, Window) else "age"
    with pytest.raises(DifferentRows):
        contexts.align(STAYS, narrow, Value(name))


def test_a_hidden_column_of_an_expression_comes_back_as_the_expression():
    rows, value = contexts.settled(Filter(STAYS, over(3)), long_sum(30))
    assert isinstance(value, Value)
    _, expression = contexts.align(STAYS, rows, value)
    assert contexts.names_in(expression) == {"age"}


def long_sum(length):
    total = AGE
    for _ in range(length):
        total = Call(Function.ADD, (total, AGE))
    return total


def test_a_large_expression_is_computed_once_in_a_hidden_column():
    rows, value = contexts.settled(STAYS, long_sum(30))
    assert isinstance(value, Value)
    assert value.name.startswith("__")
    again, same = contexts.settled(rows, long_sum(30))
    assert again is rows
    assert same.name == value.name


def test_a_small_expression_stays_as_it_is():
    small = over(3)
    rows, expression = contexts.settled(STAYS, small)
    assert rows is STAYS
    assert expression is small


def test_repeated_use_of_a_column_does_not_multiply_the_plan():
    """Forty assignments that each use the column twice are 2**40 nodes as a tree."""
    rows, value = STAYS, AGE
    for _ in range(40):
        rows, value = contexts.settled(rows, Call(Function.ADD, (value, value)))
    assert len(kinds(rows)) <= 40


def test_group_bys_of_the_same_rows_by_the_same_unit_are_one_context():
    first = PerUnit(STAYS, ("pid",), (Reduced("__size", Reduction.SIZE),))
    second = PerUnit(STAYS, ("pid",), (Reduced("__mean", Reduction.MEAN, AGE),))
    met = contexts.meet(first, second)
    assert set(met.fields) == {"pid", "__size", "__mean"}


def test_group_bys_by_different_keys_are_not():
    first = PerUnit(STAYS, ("pid",), (Reduced("__size", Reduction.SIZE),))
    second = PerUnit(STAYS, ("stay",), (Reduced("__size", Reduction.SIZE),))
    with pytest.raises(DifferentRows):
        contexts.meet(first, second)


def test_membership_is_true_for_the_rows_that_filters_kept():
    member = contexts.membership(STAYS, Filter(Filter(STAYS, over(3)), over(4)))
    assert type_of(member, STAYS.fields).dtype is DType.BOOLEAN
