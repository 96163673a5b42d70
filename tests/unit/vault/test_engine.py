"""The engine's own promises: depth, sharing, names, caches, seeds, and that no unit meets another."""

import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from cleanroom_kernel.plan.expressions import Call, Cast, IsIn, Literal, Named, Recode, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.models import Estimator, Fit, Method, Task
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    Filter,
    How,
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
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault import rows
from cleanroom_kernel.vault.columns import ROW, UNIT
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.rows import TooManyRows
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange

STAYS = TableSchema(
    "stays",
    (
        Column("stay", DType.INTEGER, Role.KEY, one_unit=True, unique=True),
        Column("person", DType.INTEGER, Role.UNIT),
        Column("age", DType.INTEGER),
        Column("cost", DType.FLOAT),
        Column("ward", DType.STRING),
        Column("grade", DType.STRING, categories=("low", "mid", "high"), ordered=True),
    ),
)
DRUGS = TableSchema(
    "drugs",
    (
        Column("stay", DType.INTEGER, Role.KEY, one_unit=True),
        Column("person", DType.INTEGER, Role.UNIT),
        Column("dose", DType.FLOAT),
    ),
)
WARDS = TableSchema("wards", (Column("ward", DType.STRING), Column("beds", DType.INTEGER)))
ROOM = RoomSchema("room", (STAYS, DRUGS, WARDS))
stays, drugs, wards = (Table(table) for table in ROOM.tables)

ROWS = 200


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    person = rng.integers(0, 40, ROWS)
    order = rng.permutation(ROWS)
    return {
        "stays": pl.DataFrame(
            {
                "stay": order,
                "person": person[order],
                "age": rng.integers(0, 90, ROWS),
                "cost": np.round(rng.normal(100, 30, ROWS), 2),
                "ward": rng.choice(["A", "B", "C"], ROWS),
                "grade": rng.choice(["low", "mid", "high"], ROWS),
            }
        ),
        "drugs": pl.DataFrame({"stay": np.arange(ROWS), "person": person, "dose": np.arange(ROWS) * 1.5}),
        "wards": pl.DataFrame({"ward": ["A", "B"], "beds": [10, 20]}),
    }


def engine_of(frames, seeds=None, predictor=None, budget=2**30):
    return Engine(Tables(ROOM, *arrange(ROOM, frames)), seeds or Seeds(None), predictor, budget)


@pytest.fixture
def engine(frames):
    return engine_of(frames)


def columns(relation, *names):
    return tuple(Named(name, Value(name)) for name in names or relation.fields)


def number(value):
    return Literal(value, DType.FLOAT if isinstance(value, float) else DType.INTEGER)


def over_age(relation, age):
    return Filter(relation, Call(Function.GREATER_EQUAL, (Value("age"), number(age))))


# -- what it gives ----------------------------------------------------------------------------------------------------
def test_rows_gives_declared_columns_units_and_rows_as_a_lazy_frame(engine, frames):
    frame = engine.rows(stays).collect().to_native().sort(ROW)
    assert frame.columns == [*stays.fields, UNIT, ROW]
    assert frame.select(list(stays.fields)).equals(frames["stays"])


def test_table_is_in_row_order_and_unordered_has_the_same_rows(engine, frames):
    ordered = engine.table(stays, columns(stays, "stay"))
    assert ordered.get_column("stay").equals(frames["stays"].get_column("stay"))
    assert ordered.get_column(ROW).to_list() == list(range(ROWS))
    unordered = engine.table(stays, columns(stays, "stay"), ordered=False)
    assert unordered.sort(ROW).equals(ordered)


def test_units_are_coded_in_the_order_of_their_identifiers(engine, frames):
    found = engine.table(stays, columns(stays, "person"))
    persons = np.unique(np.concatenate([frames[name].get_column("person") for name in ("stays", "drugs")]))
    assert (persons[found.get_column(UNIT).to_numpy()] == found.get_column("person").to_numpy()).all()
    assert engine.tables.n_units == len(persons)


def test_public_rows_have_no_units(engine):
    assert engine.table(wards, columns(wards)).columns == ["ward", "beds", ROW]


# -- depth and sharing ------------------------------------------------------------------------------------------------
def test_a_plan_of_1500_steps_is_evaluated(engine, frames):
    relation = stays
    for step in range(1_500):
        if step % 3 == 0:
            relation = over_age(relation, step % 7)
        elif step % 3 == 1:
            relation = Assign(relation, (Named("cost", Call(Function.ADD, (Value("cost"), number(1.0)))),))
        else:
            relation = Sort(relation, (Value("cost"),), (False,))
    found = engine.table(relation, columns(stays, "cost"))
    expected = frames["stays"].filter(pl.col("age") >= 6).get_column("cost").sort() + 500
    assert np.allclose(found.get_column("cost"), expected)


def test_an_expression_of_1900_levels_is_evaluated(engine, frames):
    expression = Value("cost")
    for _ in range(1_900):
        expression = Call(Function.ADD, (expression, number(1.0)))
    found = engine.table(stays, (Named("cost", expression),))
    assert np.allclose(found.get_column("cost"), frames["stays"].get_column("cost") + 1_900)


def test_an_expression_that_is_used_twice_at_every_level_is_computed_once_per_level(engine, frames):
    """Written out, it would have 2**200 terms."""
    expression = Value("cost")
    for _ in range(200):
        half = Call(Function.DIVIDE, (expression, number(2.0)))
        expression = Call(Function.ADD, (half, half))
    found = engine.table(stays, (Named("cost", expression),))
    assert np.allclose(found.get_column("cost"), frames["stays"].get_column("cost"))


def test_a_relation_that_is_used_twice_at_every_level_is_computed_once_per_level(engine, frames):
    relation = Select(stays, columns(stays, "stay", "person", "age"))
    for level in range(30):
        other = Select(relation, (Named("stay", Value("stay")), Named("person", Value("person"))))
        relation = Select(
            Join(Distinct(relation, ("stay",)), Distinct(other, ("stay",)), ("stay", "person"), ("stay", "person")),
            columns(relation, "stay", "person", "age"),
        )
        relation = over_age(relation, level % 3)
    found = engine.table(relation, columns(stays, "age"))
    assert found.get_column("age").equals(frames["stays"].filter(pl.col("age") >= 2).get_column("age"))


def test_only_columns_that_are_asked_for_are_read(frames):
    engine = engine_of(frames)
    read = []
    original = pl.LazyFrame.select

    def spy(self, *names, **named):
        read.extend(name for group in names if isinstance(group, list) for name in group)
        return original(self, *names, **named)

    pl.LazyFrame.select = spy
    try:
        engine.table(over_age(stays, 40), columns(stays, "cost"))
    finally:
        pl.LazyFrame.select = original
    assert {name for name in read if name.startswith("f:")} == {"f:age", "f:cost"}


# -- limits -----------------------------------------------------------------------------------------------------------
def test_a_join_beyond_the_limit_is_refused_before_it_is_made(engine, monkeypatch):
    monkeypatch.setattr("cleanroom_kernel.vault.relations_join.MOST_ROWS", ROWS * 2)
    other = Select(drugs, columns(drugs, "person", "dose"))
    with pytest.raises(TooManyRows):
        engine.table(Join(stays, other, ("person",), ("person",)), columns(stays, "age"))


def test_a_concatenation_counts_its_rows_before_it_is_refused(engine, monkeypatch):
    monkeypatch.setattr(rows, "MOST_ROWS", ROWS)
    few = Take(stays, ROWS // 2)
    assert engine.table(Concat((few, few)), columns(stays, "age")).height == ROWS
    half = over_age(stays, 45)
    with pytest.raises(TooManyRows):
        engine.table(Concat((stays, half)), columns(stays, "age"))
    rare = over_age(stays, 89)
    assert engine.table(Concat((rare, rare, rare)), columns(stays, "age")).height < ROWS


# -- names ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["*", "^.*$", "^__unit$", "^f:.*$", "f:age", "t:0", "o:0", "v:0", "j:0", "n:row", "", "ß\0"]
)
def test_no_name_of_a_column_is_more_than_a_name(engine, frames, name):
    if not name:
        with pytest.raises(PlanError):
            Named(name, Value("age"))
        return
    made = Assign(stays, (Named(name, Call(Function.ADD, (Value("age"), number(1)))),))
    ordered = Sort(over_age(made, 10), (Value(name),), (True,))
    window = Window(ordered, "w", WindowFunction.CUMSUM, ("person",), Value(name), (name,))
    per_person = PerUnit(window, ("person",), (Reduced("total", Reduction.SUM, Value(name)),))
    joined = Join(window, per_person, ("person",), ("person",))
    found = engine.table(joined, (Named("a", Value(name)), Named("b", Value("total"))))
    kept = frames["stays"].filter(pl.col("age") >= 10).sort("age", descending=True, maintain_order=True)
    assert found.get_column("a").to_list() == (kept.get_column("age") + 1).to_list()
    assert found.get_column("b").sum() > 0


@pytest.mark.parametrize("name", [UNIT, ROW])
def test_a_column_cannot_come_out_under_a_name_of_ours(engine, name):
    made = Assign(stays, (Named(name, number(7)),))
    with pytest.raises(PlanError, match="reserved"):
        engine.rows(made)
    with pytest.raises(PlanError, match="reserved"):
        engine.table(made, columns(made, name))
    found = engine.table(made, (Named("x", Value(name)),))
    assert found.get_column("x").to_list() == [7] * ROWS
    assert found.get_column(UNIT).n_unique() == engine.table(stays, ()).get_column(UNIT).n_unique()


# -- units never meet -------------------------------------------------------------------------------------------------
@pytest.fixture
def colliding(frames):
    """The same stay numbers in `drugs`, of other persons: the owner's declaration holds in each table alone."""
    return engine_of(frames | {"drugs": frames["drugs"].with_columns(person=pl.lit(39) - pl.col("person"))})


def test_a_join_on_a_key_of_one_unit_demands_equal_units(colliding, frames):
    found = colliding.table(Join(stays, drugs, ("stay",), ("stay",)), (Named("x", Value("dose")),))
    codes = found.get_column(UNIT).to_numpy()
    swapped = frames["drugs"].with_columns(person=pl.lit(39) - pl.col("person"))
    same = frames["stays"].join(swapped, on=["stay", "person"])
    assert found.height == same.height < ROWS
    assert sorted(np.unique(codes)) == sorted(same.get_column("person").unique())


def stacked():
    narrow = Select(stays, (*columns(stays, "stay", "person"), Named("x", Value("cost"))))
    other = Select(drugs, (*columns(drugs, "stay", "person"), Named("x", Value("dose"))))
    return Concat((narrow, other))


def test_groups_of_a_key_of_one_unit_are_of_one_unit_even_where_tables_disagree(colliding):
    per_stay = PerUnit(stacked(), ("stay",), (Reduced("units", Reduction.NUNIQUE, Value("person")),))
    assert set(colliding.table(per_stay, columns(per_stay, "units")).get_column("units")) == {1}


def test_windows_and_distinct_stay_inside_one_unit_even_where_tables_disagree(colliding):
    both = stacked()
    shifted = Window(both, "before", WindowFunction.SHIFT, ("stay",), Value("x"))
    found = colliding.table(shifted, columns(shifted, "stay", "person", "before"))
    known = found.filter(pl.col("before").is_not_null())
    assert (
        known.get_column("stay").is_in(
            found.filter(pl.struct("stay", "person").is_duplicated()).get_column("stay").implode()
        )
    ).all()
    firsts = colliding.table(Distinct(both, ("stay",)), columns(both, "stay", "person"))
    assert firsts.height == found.unique(["stay", "person"]).height > ROWS


# -- draws ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("test", [0.25, 30])
@pytest.mark.parametrize("stratified", [True, False])
def test_a_split_is_scikit_learns(engine, frames, test, stratified):
    pandas = frames["stays"].to_pandas()
    stratify = pandas.ward if stratified else None
    sides = dict(zip(Side, train_test_split(pandas, test_size=test, random_state=5, stratify=stratify), strict=True))
    for side, expected in sides.items():
        relation = Split(stays, side, 5, test, stratify=Value("ward") if stratified else None)
        assert engine.table(relation, columns(stays, "stay")).get_column("stay").to_list() == expected.stay.tolist()


def test_a_split_by_unit_is_scikit_learns_and_parts_no_person(engine, frames):
    pandas = frames["stays"].to_pandas()
    train, test = next(GroupShuffleSplit(1, test_size=0.3, random_state=2).split(pandas, groups=pandas.person))
    found = {
        side: engine.table(Split(stays, side, 2, 0.3, by_unit=True), columns(stays, "stay", "person")) for side in Side
    }
    assert found[Side.TRAIN].get_column("stay").to_list() == pandas.stay.iloc[train].tolist()
    assert found[Side.TEST].get_column("stay").to_list() == pandas.stay.iloc[test].tolist()
    assert not set(found[Side.TRAIN].get_column("person")) & set(found[Side.TEST].get_column("person"))


def test_a_sample_is_pandas(engine, frames):
    expected = frames["stays"].to_pandas().sample(frac=0.2, random_state=9)
    assert engine.table(Sample(stays, 9, fraction=0.2), columns(stays, "stay")).get_column("stay").to_list() == list(
        expected.stay
    )


@pytest.mark.parametrize(
    "relation",
    [
        Sample(over_age(stays, 1_000), 1, n=5),
        Sample(stays, 1, n=ROWS * 2),
        Split(over_age(stays, 1_000), Side.TRAIN, 1, 0.25),
        Split(Take(stays, 1), Side.TRAIN, 1, 0.25),
        Split(stays, Side.TEST, 1, ROWS * 2),
        Split(Take(stays, 3), Side.TEST, 1, 2, stratify=Value("age")),
        Split(over_age(stays, 1_000), Side.TEST, 1, 0.25, by_unit=True),
        Split(over_age(stays, 1_000), Side.TEST, 1, 0.25, stratify=Value("age")),
    ],
    ids=range(8),
)  # fmt: skip
def test_no_draw_fails_because_of_the_data(engine, relation):
    assert engine.table(relation, columns(stays, "age")).height <= ROWS


def test_keyed_seeds_repeat_and_cannot_be_told_without_the_key(frames):
    draw = Split(stays, Side.TEST, 5, 0.25)

    def drawn(seeds):
        return engine_of(frames, seeds).table(draw, columns(stays, "stay")).get_column("stay").to_list()

    assert drawn(Seeds(b"k" * 32)) == drawn(Seeds(b"k" * 32))
    assert len({tuple(drawn(Seeds(key))) for key in (None, b"k" * 32, b"l" * 32)}) == 3


# -- caches -----------------------------------------------------------------------------------------------------------
def test_an_answer_does_not_depend_on_what_is_kept(frames):
    """The same questions in any order, with and without room for a cache."""
    base = over_age(stays, 20)
    questions = [
        (base, columns(stays, "age", "cost")),
        (Sort(base, (Value("cost"),), (True,)), columns(stays, "stay", "ward")),
        (Split(base, Side.TRAIN, 3, 0.25), columns(stays, "stay", "cost")),
        (PerUnit(base, ("person",), (Reduced("m", Reduction.MEAN, Value("cost")),)), (Named("m", Value("m")),)),
        (base, (Named("twice", Call(Function.ADD, (Value("cost"), Value("cost")))), *columns(stays, "stay"))),
        (Join(base, drugs, ("stay",), ("stay",), How.LEFT), (Named("d", Value("dose")),)),
    ]
    without = engine_of(frames, budget=0)
    expected = [without.table(*question) for question in questions]
    for order in (range(len(questions)), reversed(range(len(questions))), [4, 0, 4, 1, 2, 0, 3, 5, 1]):
        kept = engine_of(frames)
        for place in order:
            assert kept.table(*questions[place]).equals(expected[place])
            assert kept.table(*questions[place], ordered=False).sort(ROW).equals(expected[place])


def test_the_store_holds_its_budget_and_drops_what_was_used_least():
    from cleanroom_kernel.vault.store import Store

    store = Store(budget=100)
    for key in "abc":
        store.put(key, key, 40)
    assert [store.get(key) for key in "abc"] == [None, "b", "c"]
    store.get("b")
    store.put("d", "d", 40)
    assert [store.get(key) for key in "bcd"] == ["b", None, "d"]
    store.put("e", "too large", 101)
    assert store.get("e") is None
    store.put("b", "new", 100)
    assert [store.get(key) for key in "bd"] == ["new", None]


def test_a_prediction_is_asked_for_once(frames):
    asked = []

    def predictor(relation, engine):
        asked.append(relation)
        return np.ones((engine.table(relation.over, relation.inputs).height, 2)) * [0.25, 0.75]

    inputs = columns(stays, "age")
    fit = Fit(stays, Estimator("sklearn.linear_model.LogisticRegression"), Task.CLASSIFY, inputs, Value("ward"))
    predicted = Predict(over_age(stays, 50), fit, Method.PREDICT_PROBA, inputs, ("p0", "p1"))
    engine = engine_of(frames, predictor=predictor)
    assert set(engine.table(predicted, columns(predicted, "p1")).get_column("p1")) == {0.75}
    assert engine.table(predicted, columns(predicted, "p0", "age")).get_column("age").min() >= 50
    assert len(asked) == 1
    engine.table(predicted, columns(predicted, "cost"))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("labels", "dtype"), [(["x", "y"], pl.String), ([3, 4], pl.Int64), ([True, False], pl.Boolean)]
)  # fmt: skip
def test_predicted_classes_have_the_targets_type(frames, labels, dtype):
    kinds = {pl.String: DType.STRING, pl.Int64: DType.INTEGER, pl.Boolean: DType.BOOLEAN}
    target = Recode(Value("ward"), ("A", "B", "C"), (labels[0], labels[1], labels[0]), kinds[dtype], False)
    fit = Fit(stays, Estimator("sklearn.tree.DecisionTreeClassifier"), Task.CLASSIFY, columns(stays, "age"), target)
    predicted = Predict(stays, fit, Method.PREDICT, columns(stays, "age"), ("guess",))
    engine = engine_of(frames, predictor=lambda *_: np.array([labels[place % 2] for place in range(ROWS)])[:, None])
    assert engine.table(predicted, columns(predicted, "guess")).get_column("guess").to_list() == labels * (ROWS // 2)


# -- semantics that pandas cannot show --------------------------------------------------------------------------------
def test_null_keys_match_nothing(engine):
    nothing = Recode(Value("ward"), ("A",), (None,), DType.STRING, True)
    left = Assign(stays, (Named("ward", nothing),))
    right = Concat(
        (wards, Select(Take(wards, 1), (Named("ward", Literal(None, DType.STRING)), Named("beds", number(7)))))
    )
    inner = engine.table(Join(left, right, ("ward",), ("ward",)), (Named("beds", Value("beds")),))
    assert set(inner.get_column("beds")) == {20}
    assert engine.table(Join(left, right, ("ward",), ("ward",), How.LEFT), ()).height == ROWS


def test_integers_divided_by_zero_are_missing_and_floats_infinite(engine):
    zero = Call(Function.MULTIPLY, (Value("age"), number(0)))
    found = engine.table(
        Take(over_age(stays, 1), 1),
        (
            Named("floor", Call(Function.FLOOR_DIVIDE, (Value("age"), zero))),
            Named("rest", Call(Function.MODULO, (Value("age"), zero))),
            Named("true", Call(Function.DIVIDE, (Value("age"), zero))),
            Named("none", Call(Function.DIVIDE, (zero, zero))),
        ),
    )
    assert found.row(0)[:4] == (None, None, float("inf"), None)


def test_ordered_categories_are_compared_and_sorted_by_their_order(engine, frames):
    high = Filter(stays, Call(Function.GREATER, (Value("grade"), Literal("low", DType.STRING))))
    assert set(engine.table(high, columns(stays, "grade")).get_column("grade")) == {"mid", "high"}
    ordered = engine.table(Sort(stays, (Value("grade"),), (False,)), columns(stays, "grade")).get_column("grade")
    assert ordered.unique(maintain_order=True).to_list() == ["low", "mid", "high"]
    worst = PerUnit(stays, ("person",), (Reduced("worst", Reduction.MAX, Value("grade")),))
    places = pd.Categorical(frames["stays"]["grade"].to_list(), ["low", "mid", "high"], ordered=True)
    expected = pd.Series(places).groupby(frames["stays"]["person"].to_numpy()).max()
    assert engine.table(worst, columns(worst, "worst")).get_column("worst").to_list() == list(expected)


def test_a_number_too_large_for_an_integer_is_missing(engine):
    huge = Cast(Call(Function.MULTIPLY, (Value("cost"), number(1e300))), DType.INTEGER)
    assert engine.table(Take(stays, 1), (Named("x", huge),)).get_column("x").to_list() == [None]


def test_a_list_is_compared_by_value_whatever_the_kind_of_number(engine, frames):
    found = engine.table(Filter(stays, IsIn(Value("age"), (30.0, "30", 31.5, None))), columns(stays, "age"))
    assert set(found.get_column("age")) <= {30}
    assert found.height == frames["stays"].filter(pl.col("age") == 30).height


@pytest.mark.parametrize(
    "expression",
    [
        Call(Function.CONTAINS, (Value("ward"),), ("(?=x)", True, True)),
        Call(Function.CONTAINS, (Value("ward"),), ("(a{1000}){1000}", True, True)),
        Call(Function.REPLACE, (Value("ward"),), ("a", "\\q", True)),
        Cast(Value("ward"), DType.DATETIME, "%Q"),
        Cast(Value("ward"), DType.DATETIME, "%H:%M"),
        Recode(Value("ward"), ("A",), ("text",), DType.INTEGER, False),
    ],
    ids=range(6),
)
def test_what_the_engine_cannot_do_is_refused_from_the_plan_alone(frames, expression):
    empty = engine_of({name: frame.clear() for name, frame in frames.items()})
    for engine in (empty, engine_of(frames)):
        with pytest.raises(PlanError):
            engine.table(stays, (Named("x", expression),))


def test_a_plan_of_many_steps_takes_time_in_proportion(engine):
    """Not a measurement: a plan four times as deep must not take far more than four times as long."""

    def seconds(depth):
        relation = stays
        for step in range(depth):
            relation = over_age(relation, -step)
        started = time.perf_counter()
        engine.table(relation, columns(stays, "age"))
        return time.perf_counter() - started

    seconds(50)
    assert seconds(1_200) < 20 * seconds(300)
