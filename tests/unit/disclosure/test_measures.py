"""Measures: the same quantity is recognised through names, joins and intermediate tables; nothing else is."""

import pytest
from support.rooms import call, col, eq, integer, isin, lit, where

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.measures import BY_VALUE, identity, selection, space_of, statistic_of, sum_of
from cleanroom_kernel.plan.expressions import Cast, Cut, Named, Recode
from cleanroom_kernel.plan.models import Estimator, Fit, Method, Task
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    Join,
    PerUnit,
    Predict,
    Reduced,
    Reduction,
    Sample,
    Select,
    Side,
    Sort,
    Split,
    Table,
    Take,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import Column, DType, Role, TableSchema

VISITS = Table(
    TableSchema(
        "visits",
        (
            Column("id", DType.INTEGER, Role.UNIT),
            Column("visit", DType.INTEGER, Role.KEY, one_unit=True),
            Column("cost", DType.FLOAT),
            Column("days", DType.INTEGER),
            Column("ill", DType.BOOLEAN),
            Column("ward", DType.STRING),
            Column("start", DType.DATETIME),
        ),
    )
)
PEOPLE = Table(TableSchema("people", (Column("id", DType.INTEGER, Role.UNIT), Column("cost", DType.FLOAT))))
WARDS = Table(TableSchema("wards", (Column("ward", DType.STRING), Column("beds", DType.INTEGER))))

COST = identity(col("cost"), VISITS)


def renamed(over=VISITS):
    return Select(over, (Named("id", col("id")), Named("z", col("cost"))))


@pytest.mark.parametrize(
    ("expression", "over"),
    [
        (call("multiply", col("cost"), 2.0), VISITS),
        (call("add", 5, call("divide", col("cost"), 3)), VISITS),
        (call("subtract", 1, col("cost")), VISITS),
        (call("negate", col("cost")), VISITS),
        (Cast(col("cost"), DType.INTEGER), VISITS),
        (col("cost"), where(VISITS, col("ill"))),
        (col("z"), renamed()),
        (col("z"), Assign(VISITS, (Named("z", call("multiply", col("cost"), 2)),))),
        (col("cost"), Sort(VISITS, (col("days"),), (True,))),
        (col("cost"), Take(VISITS, 100)),
        (col("cost"), Sample(VISITS, seed=1, n=100)),
        (col("cost"), Split(VISITS, Side.TRAIN, seed=1, test=0.5)),
        (col("cost"), Distinct(VISITS, ("id",))),
        (col("cost"), Join(VISITS, WARDS, ("ward",), ("ward",))),
        (col("cost_x"), Join(VISITS, PEOPLE, ("id",), ("id",))),
        (col("cost"), Concat((VISITS, where(VISITS, col("ill"))))),
        (col("z"), PerUnit(VISITS, ("id",), (Reduced("z", Reduction.SUM, col("cost")),))),
        (col("cost"), Window(VISITS, "w", WindowFunction.CUMCOUNT, ("id",))),
    ],
)
def test_the_same_quantity_has_one_identity(expression, over):
    assert identity(expression, over) == COST
    assert sum_of(expression, over) == sum_of(col("cost"), VISITS)


@pytest.mark.parametrize(
    ("expression", "over"),
    [
        (col("days"), VISITS),
        (call("power", col("cost"), 2.0), VISITS),
        (call("multiply", col("cost"), col("days")), VISITS),
        (call("divide", 1, col("cost")), VISITS),
        (col("cost"), PEOPLE),
        (col("cost_y"), Join(VISITS, PEOPLE, ("id",), ("id",))),
        (col("z"), PerUnit(VISITS, ("id",), (Reduced("z", Reduction.MAX, col("cost")),))),
        (col("w"), Window(VISITS, "w", WindowFunction.SHIFT, ("id",), col("cost"))),
        (Cast(col("cost"), DType.STRING), VISITS),
        (Cut(col("cost"), (0.0, 1.0), ("a",)), VISITS),
        (Recode(col("days"), (1,), (2,), DType.INTEGER, True), VISITS),
        (isin("days", [1]), VISITS),
    ],
)
def test_another_quantity_has_another_identity(expression, over):
    assert identity(expression, over) != COST


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call("less", col("cost"), 5), call("greater", lit(5), col("cost"))),
        (call("multiply", col("cost"), col("days")), call("multiply", col("days"), col("cost"))),
        (call("where", eq("days", 3), 1, 0), eq("days", 3)),
        (integer(call("not", col("ill"))), col("ill")),
        (call("add", lit(1), lit(2)), call("add", lit(1), lit(2))),
    ],
)
def test_two_ways_to_write_one_quantity(one, other):
    assert identity(one, VISITS) == identity(other, VISITS)


def test_a_column_that_two_parts_fill_differently_is_its_own():
    other = Select(VISITS, (Named("id", col("id")), Named("z", call("multiply", col("cost"), col("cost")))))
    stacked = Concat((renamed(), other))
    assert identity(col("z"), stacked) not in (COST, identity(col("z"), other))


def test_predictions_are_known_by_model_method_and_place():
    features = (Named("days", col("days")),)
    fit = Fit(VISITS, Estimator("sklearn.linear_model.LogisticRegression"), Task.CLASSIFY, features, col("ill"))
    predicted = Predict(VISITS, fit, Method.PREDICT_PROBA, features, ("p0", "p1"))
    again = Predict(where(VISITS, col("ill")), fit, Method.PREDICT_PROBA, features, ("a", "b"))
    assert identity(col("p1"), predicted) == identity(col("b"), again) != identity(col("p0"), predicted)
    assert identity(col("cost"), predicted) == COST


def test_measures_of_one_column_are_told_apart():
    made = [
        sum_of(col("cost"), VISITS),
        measures.squares_of(col("cost"), VISITS),
        measures.order_of(col("cost"), VISITS),
        measures.distinct_of(col("cost"), VISITS),
        measures.product_of(col("cost"), col("days"), VISITS),
    ]
    assert len(set(made)) == 5
    assert made[-1] == measures.product_of(col("days"), col("cost"), VISITS)


def test_counting_what_the_owner_left_out_is_its_own_measure_and_what_the_expert_hides_is_not():
    assert measures.count_of(col("cost"), VISITS) != measures.ROWS
    hidden = call("where", col("ill"), col("cost"), call("divide", col("cost"), 0))
    assert measures.count_of(hidden, VISITS) == measures.ROWS


def test_the_constant_one_is_recognised_wherever_it_is_kept():
    assert measures.is_one(lit(1), VISITS)
    assert measures.is_one(col("n"), Assign(VISITS, (Named("n", lit(1.0)),)))
    assert not measures.is_one(lit(2), VISITS)
    assert not measures.is_one(col("days"), VISITS)


def test_counting_rows_per_unit_and_adding_up_is_counting_rows():
    per_unit = PerUnit(VISITS, ("id",), (Reduced("n", Reduction.SIZE),))
    assert identity(col("n"), per_unit) == measures.ROWS


# -- spaces -----------------------------------------------------------------------------------------------------------
def test_rows_are_numbered_alike_by_what_keeps_them():
    base = space_of(VISITS)
    assert space_of(Take(where(Assign(VISITS, (Named("z", col("cost")),)), col("ill")), 5)) == base
    assert space_of(Window(VISITS, "w", WindowFunction.CUMCOUNT, ("id",))) == base
    assert space_of(PEOPLE) != base


def test_rows_that_are_numbered_anew_are_known_by_value():
    anew = [
        Sort(VISITS, (col("days"),), (True,)),
        Sample(VISITS, seed=1, n=5),
        Split(VISITS, Side.TEST, seed=1, test=0.5),
        PerUnit(VISITS, ("id",), (Reduced("n", Reduction.SIZE),)),
        Concat((VISITS, VISITS)),
    ]
    assert {space_of(relation) for relation in anew} == {BY_VALUE}
    assert space_of(Distinct(anew[0], ("id",))) == BY_VALUE
    assert space_of(Join(anew[0], WARDS, ("ward",), ("ward",))) == BY_VALUE


def test_joins_are_spaces_of_their_own():
    one = Join(VISITS, WARDS, ("ward",), ("ward",))
    assert space_of(one) == space_of(Join(where(VISITS, col("ill")), WARDS, ("ward",), ("ward",)))
    assert space_of(one) != space_of(VISITS)
    assert space_of(Distinct(VISITS, ("id",))) != space_of(VISITS)
    assert space_of(Distinct(VISITS, ("id",))) != space_of(Distinct(VISITS, ("visit",)))


# -- selections -------------------------------------------------------------------------------------------------------
ILL = where(VISITS, col("ill"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (where(ILL, eq("ward", "A")), where(where(VISITS, eq("ward", "A")), col("ill"))),
        (where(VISITS, call("and", col("ill"), eq("ward", "A"))), where(ILL, eq("ward", "A"))),
        (Assign(ILL, (Named("z", col("cost")),)), ILL),
        (where(VISITS, eq("ill", True)), ILL),
        (where(VISITS, call("not", col("ill"))), where(VISITS, eq("ill", False))),
    ],
)
def test_one_selection_written_in_two_ways(one, other):
    assert selection(one) == selection(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ILL, VISITS),
        (ILL, where(VISITS, call("not", col("ill")))),
        (
            where(VISITS, call("greater", col("days"), 1)),
            where(VISITS, call("greater", call("add", col("days"), 1), 1)),
        ),
        (Take(VISITS, 5), Take(ILL, 5)),
        (VISITS, PEOPLE),
        (Sort(ILL, (col("days"),), (True,)), Sort(VISITS, (col("days"),), (True,))),
    ],
)
def test_two_selections_are_not_mistaken_for_one(one, other):
    assert selection(one) != selection(other)


def test_a_groups_label_is_the_same_condition_as_a_filter():
    by_label = selection(VISITS) | measures.has_value(col("ward"), VISITS, "A")
    assert by_label == selection(where(VISITS, eq("ward", "A")))
    assert measures.name_of(by_label) == measures.name_of(selection(where(VISITS, eq("ward", "A"))))
    assert measures.has_value(col("days"), VISITS, 1) == measures.has_value(col("days"), VISITS, 1.0)
    assert measures.has_value(col("ward"), VISITS, None) != measures.is_known(col("ward"), VISITS)


def test_a_statistic_is_of_exactly_its_expression():
    """What is the same up to scale is compared; what is repeated must be the very number."""
    doubled = call("multiply", col("cost"), 2)
    assert sum_of(doubled, VISITS) == sum_of(col("cost"), VISITS)
    assert statistic_of("Mean", doubled, VISITS) != statistic_of("Mean", col("cost"), VISITS)
    assert statistic_of("Mean", col("z"), renamed()) == statistic_of("Mean", col("cost"), VISITS)


def test_exactly_a_sum_per_unit_depends_on_which_rows_it_is_of():
    def per_unit(over):
        return PerUnit(over, ("id",), (Reduced("z", Reduction.SUM, col("cost")), Reduced("n", Reduction.SIZE)))

    for name in "zn":
        assert statistic_of("Sum", col(name), per_unit(ILL)) != statistic_of("Sum", col(name), per_unit(VISITS))
        assert identity(col(name), per_unit(ILL)) == identity(col(name), per_unit(VISITS))


# -- what has no rule -------------------------------------------------------------------------------------------------
def test_what_has_no_rule_is_a_bug_and_not_a_measure():
    """A new node of the plan must be thought about here before anything of it can leave."""
    from cleanroom_kernel.disclosure import kinds, words
    from cleanroom_kernel.plan.aggregates import Statistic
    from cleanroom_kernel.plan.bases import Aggregate
    from cleanroom_kernel.plan.expressions import Expression

    class Unknown(Aggregate, frozen=True, eq=False):
        def _check(self) -> None:
            """Anything goes."""

    with pytest.raises(AssertionError, match="unhandled expression"):
        identity(Expression(), VISITS)
    with pytest.raises(AssertionError, match="unhandled expression"):
        words.expression(Expression())
    with pytest.raises(AssertionError, match="unhandled statistic"):
        kinds.kind_of(Statistic(), VISITS)
    with pytest.raises(AssertionError, match="unhandled statistic"):
        words._statistic(Statistic(), frozenset())
    with pytest.raises(AssertionError, match="unhandled aggregate"):
        words.describe(Unknown())
    with pytest.raises(AssertionError, match="unhandled relation"):
        measures._space(object(), {})
