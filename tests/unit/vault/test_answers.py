"""Answers: groups and labels as pandas has them, pairs over complete rows, conditions found wherever they are kept."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support.rooms import call, cells, col, eq, integer, lit, mean, people, size, summary, total, where

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Cut, Field, Literal, Named
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Filter,
    How,
    Join,
    PerUnit,
    Reduced,
    Reduction,
    Select,
    Sort,
    Window,
    WindowFunction,
)
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.vault.answers_groups import groups, without_gaps
from cleanroom_kernel.vault.answers_predicates import fewest

NAMES = ["b", "a", None, "c", "a", "b"]


def grouped(*keys, keep_null=False, complete=False):
    series = [pl.Series(values, dtype=dtype) for values, dtype, _ in keys]
    return groups(series, [field for _, _, field in keys], keep_null=keep_null, complete=complete)


def by_label(found):
    return [found.labels[code] if code >= 0 else None for code in found.codes]


STRINGS = (NAMES, pl.String, Field(DType.STRING))
DECLARED = (NAMES, pl.String, Field(DType.STRING, categories=("c", "a", "b", "z")))
ORDERED = (NAMES, pl.String, Field(DType.STRING, categories=("c", "a", "b", "z"), ordered=True))
NUMBERS = ([30, None, -5, 10**15, 30, -5], pl.Int64, Field(DType.INTEGER))
CODES = ([3, 1, None, 7, 1, 3], pl.Int64, Field(DType.INTEGER, categories=(7, 1, 3)))
FLOATS = ([0.5, None, -1.5, 0.5, 2.0, 2.0], pl.Float64, Field(DType.FLOAT))
BITS = ([True, None, False, True, True, False], pl.Boolean, Field(DType.BOOLEAN))


PANDAS = {pl.String: "str", pl.Int64: "Int64", pl.Float64: "Float64", pl.Boolean: "boolean"}


# -- groups -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", [STRINGS, DECLARED, NUMBERS, CODES, FLOATS, BITS], ids="sdncfb")
@pytest.mark.parametrize("keep_null", [False, True])
def test_groups_are_those_of_pandas(key, keep_null):
    values = key[0]
    series = pd.Series(values, dtype=PANDAS[key[1]])
    expected = series.groupby(series, dropna=not keep_null).size()
    found = grouped(key, keep_null=keep_null)
    shown = [label for (label,) in found.labels]
    assert [None if pd.isna(label) else label for label in expected.index] == shown
    assert [None if label is None else label[0] for label in by_label(found)] == [
        value if value is not None or keep_null else None for value in values
    ]


@pytest.mark.parametrize("keep_null", [False, True])
def test_groups_of_two_keys_are_those_of_pandas(keep_null):
    frame = pd.DataFrame({"s": pd.Series(NAMES, dtype="str"), "b": pd.Series(BITS[0], dtype="boolean")})
    expected = frame.groupby(["s", "b"], dropna=not keep_null, observed=True).size()
    found = grouped(STRINGS, BITS, keep_null=keep_null)
    assert found.labels == [tuple(None if pd.isna(part) else part for part in label) for label in expected.index]
    counts = np.bincount(found.codes[found.codes >= 0], minlength=len(found.labels))
    assert counts.tolist() == expected.tolist()


def test_declared_labels_are_complete_and_public():
    found = grouped(DECLARED, complete=True)
    assert [label for (label,) in found.labels] == ["a", "b", "c", "z"]
    assert found.public.all()
    assert not grouped(STRINGS, complete=True).public.any()
    assert not grouped(DECLARED, STRINGS, complete=True).public.any(), "a missing combination would tell"


def test_an_order_that_is_declared_is_kept():
    assert [label for (label,) in grouped(ORDERED, complete=True).labels] == ["c", "a", "b", "z"]
    assert [label for (label,) in grouped(CODES, complete=True).labels] == [1, 3, 7]


def test_combinations_of_declared_labels_are_complete_until_they_are_too_many():
    found = grouped(DECLARED, BITS, complete=True, keep_null=True)
    assert len(found.labels) == 5 * 3
    assert found.public.all()
    wide = (list(range(6)), pl.Int64, Field(DType.INTEGER, categories=tuple(range(400))))
    assert len(grouped(wide, BITS, BITS, complete=True).labels) < 6


def test_a_value_that_is_not_declared_is_in_no_group():
    strings = (["a", "x"], pl.String, Field(DType.STRING, categories=("a",)))
    codes = ([1, 2], pl.Int64, Field(DType.INTEGER, categories=(1, 3)))
    assert grouped(strings, complete=True).codes.tolist() == [0, -1]
    assert grouped(codes, complete=True).codes.tolist() == [0, -1]


def test_keys_with_too_many_combinations_are_an_error_and_no_mixture():
    many = [(list(range(2000)), pl.Int64, Field(DType.INTEGER)) for _ in range(6)]
    with pytest.raises(OverflowError):
        grouped(*many)
    sparse = grouped(*many[:3])
    assert sparse.codes.tolist() == list(range(2000))


@pytest.mark.parametrize("every", [12, 10**12])
def test_codes_without_gaps_keep_their_order(every):
    codes, number = without_gaps(np.array([7, 3, 3, 11, 7]), every)
    assert (codes.tolist(), number) == ([1, 0, 0, 2, 1], 3)


def test_nothing_has_no_groups():
    assert grouped(([], pl.String, Field(DType.STRING))).labels == []
    assert grouped(([], pl.Int64, Field(DType.INTEGER))).labels == []


# -- tables -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def exact(room_of):
    """A room whose policy protects nothing: numbers are pandas' own."""
    found = people(200, ward=np.random.default_rng(1).choice(list("ABC"), 200))
    return room_of({"patients": found}, preset="permissive"), pd.DataFrame(found)


def test_margins_of_two_keys_are_those_of_crosstab(exact):
    room, frame = exact
    answer = cells(room.ask(size(room["patients"], by=("ward", "sex"), margins=True)))
    expected = pd.crosstab(frame.ward, frame.sex, margins=True)
    for ward in expected.index:
        for sex in expected.columns:
            assert answer[ward, sex] == expected.loc[ward, sex]


def test_margins_of_one_key_are_a_total(exact):
    room, frame = exact
    answer = cells(room.ask(mean(room["patients"], "cost", by="ward", margins=True)))
    assert answer["All"] == pytest.approx(frame.cost.mean())


@pytest.mark.parametrize("covariance", [False, True])
def test_pairs_are_over_rows_where_both_are_known(room_of, covariance):
    found = people(300, seed=4)
    found["cost"] = np.where(np.arange(300) % 7 == 0, np.nan, found["cost"]).tolist()
    found["age"] = np.where(np.arange(300) % 11 == 0, np.nan, found["age"]).tolist()
    frame = pd.DataFrame(found)[["cost", "age", "hiv"]].astype(float)
    found["cost"] = [None if np.isnan(value) else value for value in found["cost"]]
    found["age"] = [None if np.isnan(value) else value for value in found["age"]]
    room = room_of({"patients": found}, preset="permissive")
    names = ("cost", "age", "hiv")
    columns = tuple(Named(name, col(name)) for name in names)
    answer = room.ask(a.Correlation(room["patients"], columns, covariance=covariance))
    expected = frame.cov() if covariance else frame.corr()
    assert np.array(answer.payload.values) == pytest.approx(expected.to_numpy())


def test_what_is_kept_of_one_question_serves_the_next_about_the_same_rows(room_of):
    """Pairs with gaps in the same columns, groups by the same key: asked in one vault, one after the other."""
    found = people(300, seed=5)
    for name, step in (("cost", 7), ("age", 11)):
        found[name] = [None if place % step == 0 else float(value) for place, value in enumerate(found[name])]
    frame = pd.DataFrame(found)
    numbers = frame[["cost", "age", "hiv"]].astype(float)
    room = room_of({"patients": found}, preset="permissive")
    for names in (["cost", "age"], ["hiv", "age", "cost"], ["cost", "hiv"]):
        answer = room.ask(a.Correlation(room["patients"], tuple(Named(name, col(name)) for name in names)))
        assert np.array(answer.payload.values) == pytest.approx(numbers[names].corr().to_numpy())
    for name in ("cost", "age", "cost"):
        for statistic, expected in ((a.Mean, "mean"), (a.Sum, "sum"), (a.Count, "count")):
            answer = room.ask(summary(room["patients"], statistic(col(name)), by="sex"))
            assert cells(answer) == pytest.approx(frame.groupby("sex")[name].agg(expected).to_dict())


def test_the_same_expression_twice_is_computed_once(exact):
    room, frame = exact
    answer = room.ask(summary(room["patients"], a.Mean(col("cost")), a.Sum(col("cost")), by="ward"))
    assert cells(answer, 0) == pytest.approx(frame.groupby("ward").cost.mean().to_dict())
    assert cells(answer, 1) == pytest.approx(frame.groupby("ward").cost.sum().to_dict())


# -- conditions -------------------------------------------------------------------------------------------------------
@pytest.fixture
def room(room_of):
    found = {**people(100, seed=2), "n": np.arange(100)}
    visits = {"id": np.repeat(np.arange(100), 2), "pain": np.tile([1, 5], 100), "day": np.arange(200)}
    return room_of({"patients": found, "visits": visits, "wards": {"sex": ["F", "M"], "beds": [3, 4]}})


def less(name, value):
    return call("less", col(name), value)


def if_few(few, over=None):
    return call("where", less("n", few), col("cost"), 0.0)


def engine_of(room):
    return room._engine


def few_of(room, of, over):
    return fewest(of, over, engine_of(room))


def test_a_measure_without_conditions_has_none(room):
    for of in (col("cost"), call("add", col("cost"), 1.0), col("hiv"), less("n", 3), integer(less("n", 3))):
        found = few_of(room, of, room["patients"])
        assert found == (3 if of is not col("hiv") and isinstance(of, type(integer(lit(1)))) else None)


@pytest.mark.parametrize(("few", "fewest_side"), [(3, 3), (97, 3), (50, 50), (0, 0)])
def test_the_smaller_side_of_a_condition_counts(room, few, fewest_side):
    assert few_of(room, if_few(few), room["patients"]) == fewest_side


def test_a_boolean_column_inside_a_measure_is_a_condition(room):
    found = few_of(room, call("multiply", col("cost"), integer(col("hiv"))), room["patients"])
    assert 10 < found < 50


def test_a_missing_value_of_the_owners_is_no_condition(room):
    filled = call("where", call("is_null", col("cost")), 0.0, col("cost"))
    assert few_of(room, filled, room["patients"]) is None
    hidden = call("where", less("n", 3), Literal(None, DType.FLOAT), col("cost"))
    assert few_of(room, call("where", call("is_null", hidden), 0.0, 1.0), room["patients"]) == 3


def put_in_a_column(room):
    return Assign(room["patients"], (Named("z", if_few(3)),)), col("z")


def renamed(room):
    over, _ = put_in_a_column(room)
    return Select(over, (Named("id", col("id")), Named("y", call("add", col("z"), 1.0)))), col("y")


def sorted_after(room):
    over, of = put_in_a_column(room)
    return Sort(over, (col("age"),), (True,)), of


def per_patient(room):
    over, of = put_in_a_column(room)
    return PerUnit(over, ("id",), (Reduced("s", Reduction.SUM, of), Reduced("n", Reduction.SIZE))), col("s")


def shifted(room):
    over, of = put_in_a_column(room)
    return Window(over, "w", WindowFunction.SHIFT, ("id",), of), col("w")


def stacked(room):
    over, _ = renamed(room)
    return Concat((over, over)), col("y")


def joined_left(room):
    over, of = put_in_a_column(room)
    return Join(over, room["wards"], ("sex",), ("sex",), How.LEFT), of


def joined_right(room):
    over, _ = renamed(room)
    return Join(room["visits"], over, ("id",), ("id",)), col("y")


def joined_both(room):
    over, _ = put_in_a_column(room)
    return Join(over, over, ("id",), ("id",)), col("z_y")


@pytest.mark.parametrize(
    "kept",
    [put_in_a_column, renamed, sorted_after, per_patient, shifted, stacked, joined_left, joined_right, joined_both],
    ids=lambda kept: kept.__name__,
)
def test_a_condition_is_found_wherever_it_was_kept(room, kept):
    over, of = kept(room)
    assert few_of(room, of, over) == 3


def test_only_rows_that_are_left_count(room):
    """Twenty patients of whom one is left by a later filter."""
    over = Assign(room["patients"], (Named("z", if_few(20)),))
    left = Filter(over, call("or", eq("n", 7), call("greater", col("n"), 40)))
    assert few_of(room, col("z"), left) == 1
    assert few_of(room, col("z"), Sort(left, (col("age"),), (True,))) <= 20


def test_conditions_on_public_tables_are_no_ones(room):
    many = Assign(room["wards"], (Named("big", call("where", less("beds", 4), 1.0, 0.0)),))
    over = Join(room["patients"], many, ("sex",), ("sex",))
    assert few_of(room, col("big"), over) is None


def test_a_window_without_a_column_and_a_count_have_no_conditions(room):
    over, _ = put_in_a_column(room)
    counted = Window(over, "w", WindowFunction.CUMCOUNT, ("id",))
    assert few_of(room, col("w"), counted) is None
    per = PerUnit(over, ("id",), (Reduced("k", Reduction.SIZE), Reduced("s", Reduction.SUM, col("z"))))
    assert few_of(room, col("k"), per) is None
    assert few_of(room, col("cost"), counted) is None


def test_bins_are_labels_that_the_code_declares(room):
    bins = Named("band", Cut(col("age"), (0.0, 40.0, 70.0, 100.0), ("young", "middle", "old")))
    assert list(cells(room.ask(size(room["patients"], by=(bins,))))) == ["young", "middle", "old"]


def test_a_count_of_a_condition_and_the_total_of_it_agree(room):
    old = call("greater", col("age"), 50)
    assert cells(room.ask(total(room["patients"], old))) == cells(room.ask(size(where(room["patients"], old))))


def test_columns_of_all_kinds_can_stand_in_one_table(exact):
    room, frame = exact
    statistics = (a.Size(), a.Units(), a.Count(col("cost")), a.Distinct(col("sex")), a.Sum(col("age")),
                  a.Mean(col("hiv")), a.Variance(col("cost"), ddof=0), a.Quantile(col("age"), 0.25),
                  a.Extreme(col("age"), False))  # fmt: skip
    answer = room.ask(summary(room["patients"], *statistics, by="ward"))
    by = frame.groupby("ward")
    expected = [by.size(), by.id.nunique(), by.cost.count(), by.sex.nunique(), by.age.sum(), by.hiv.mean(),
                by.cost.var(ddof=0), by.age.quantile(0.25), by.age.min()]  # fmt: skip
    for place, column in enumerate(expected):
        assert cells(answer, place) == pytest.approx(column.to_dict())


def test_a_declared_column_of_a_room_is_grouped_by_its_declaration(room_of):
    found = people(300)
    found["ward"] = ["A"] * 200 + ["B"] * 100
    declared = Column("ward", DType.STRING, categories=("B", "A", "C"), ordered=True)
    room = room_of({"patients": found}, columns=(declared,))
    assert list(cells(room.ask(size(room["patients"], by="ward")))) == ["B", "A", "C"]
