"""Element-wise steps: every function of the plan is within reach, and each gives pandas' values."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.plan.expressions import Call
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import postorder

STEPS = {
    "add": lambda df: df.age + df.los,
    "reflected": lambda df: 1 - df.age,
    "named": lambda df: df.age.sub(3).mul(2).rsub(1),
    "named with a fill value": lambda df: df.los.add(df.tests, fill_value=0),
    "divide": lambda df: df.age / (df.los + 1),
    "floor divide": lambda df: df.age // 7,
    "modulo": lambda df: df.age % 7,
    "negative modulo": lambda df: (df.age - 50) % 7,
    "power": lambda df: df.age**2,
    "fractional power": lambda df: df.age**0.5,
    "negate": lambda df: -df.los,
    "absolute": lambda df: (df.age - 50).abs(),
    "equal": lambda df: df.ward == "north",
    "not equal": lambda df: df.ward != "north",
    "less": lambda df: df.los < 3,
    "less equal": lambda df: df.los <= 3,
    "greater": lambda df: df.los.gt(3),
    "greater equal": lambda df: df.los.ge(3),
    "and": lambda df: df.died & (df.age > 3),
    "or": lambda df: df.died | (df.age > 90),
    "xor": lambda df: df.died ^ (df.age > 50),
    "not": lambda df: ~df.died,
    "sum of conditions": lambda df: (df.died + (df.age > 50)).astype(int),
    "isna": lambda df: df.los.isna(),
    "fillna": lambda df: df.los.fillna(df.los.mean()),
    "fillna with a column": lambda df: df.los.fillna(df.tests),
    "combine first": lambda df: df.los.combine_first(df.age),
    "where": lambda df: df.los.where(df.age > 50, 0),
    "where of a function": lambda df: df.los.where(lambda los: los > 2),
    "mask": lambda df: df.los.mask(df.age > 50),
    "clip": lambda df: df.los.clip(1, 5),
    "clip at a column": lambda df: df.los.clip(upper=df.tests),
    "clip integers at a fraction": lambda df: df.age.clip(0.5, 50.5),
    "round": lambda df: df.los.round(),
    "builtin round": lambda df: round(df.los),
    "floor": lambda df: np.floor(df.los),
    "ceil": lambda df: np.ceil(df.los),
    "exp": lambda df: np.exp(df.los / 10),
    "log": lambda df: np.log(df.age + 1),
    "log of zero": lambda df: np.isfinite(np.log(df.age)),
    "log1p": lambda df: np.log1p(df.los),
    "log2": lambda df: np.log2(df.age + 1),
    "log10": lambda df: np.log10(df.age + 1),
    "sqrt": lambda df: np.sqrt(df.age),
    "sign": lambda df: np.sign(df.age - 50),
    "sin": lambda df: np.sin(df.los),
    "cos": lambda df: np.cos(df.los),
    "tanh": lambda df: np.tanh(df.los),
    "maximum": lambda df: np.maximum(df.los, 3),
    "minimum of columns": lambda df: np.minimum(df.los, df.tests),
    "square": lambda df: np.square(df.age),
    "isnan": lambda df: np.isnan(df.los),
    "lower": lambda df: df.code.str.lower(),
    "upper": lambda df: df.ward.str.upper(),
    "strip": lambda df: df.code.str.strip(),
    "lstrip": lambda df: df.code.str.lstrip("V"),
    "length": lambda df: df.code.str.len(),
    "contains": lambda df: df.ward.str.contains("o", regex=False),
    "contains a pattern": lambda df: df.code.str.contains("^[VI]"),
    "contains in any case": lambda df: df.code.str.contains("v", case=False),
    "does not contain": lambda df: ~df.ward.str.contains("o"),
    "startswith": lambda df: df.code.str.startswith(("V", "E")),
    "endswith": lambda df: df.code.str.endswith("1"),
    "slice": lambda df: df.code.str[1:],
    "first character": lambda df: df.code.str[0],
    "a character that is not there": lambda df: df.code.str.get(5),
    "replace in text": lambda df: df.code.str.replace("V", "W"),
    "replace a pattern": lambda df: df.code.str.replace(r"\d+", "#", regex=True),
    "first piece": lambda df: df.code.str.split("1").str[0],
    "second piece": lambda df: (df.ward + "-" + df.code).str.split("-").str[1],
    "a piece that is not there": lambda df: df.code.str.split("1").str[1],
    "last piece": lambda df: df.code.str.split("1").str[-1],
    "first word": lambda df: (df.ward + " " + df.code).str.split().str[0],
    "capitalize": lambda df: df.ward.str.capitalize(),
    "put together": lambda df: df.code + "-" + df.ward,
    "year": lambda df: df.admitted.dt.year,
    "month": lambda df: df.admitted.dt.month,
    "day": lambda df: df.admitted.dt.day,
    "hour": lambda df: df.admitted.dt.hour,
    "minute": lambda df: df.admitted.dt.minute,
    "second": lambda df: df.admitted.dt.second,
    "quarter": lambda df: df.admitted.dt.quarter,
    "weekday": lambda df: df.admitted.dt.weekday,
    "day of year": lambda df: df.admitted.dt.dayofyear,
    "normalize": lambda df: df.admitted.dt.normalize().dt.hour,
    "month name": lambda df: df.admitted.dt.month_name(),
    "days": lambda df: (df.admitted - pd.Timestamp("2020-03-01")).dt.days,
    "seconds": lambda df: (df.admitted - df.admitted.dt.normalize()).dt.total_seconds(),
    "later": lambda df: (df.admitted + pd.Timedelta(days=400)).dt.year,
    "before a date as text": lambda df: df.admitted < "2020-06-01",
    "isin": lambda df: df.ward.isin(["north", None]),
    "between": lambda df: df.age.between(10, 20, inclusive="left"),
    "map": lambda df: df.ward.map({"north": 1, "south": 2.5}),
    "map a Series": lambda df: df.ward.map(pd.Series({"north": "n", "south": "s"})),
    "replace": lambda df: df.ward.replace({"north": "n"}),
    "replace a list": lambda df: df.age.replace([1, 2, 3], 0),
    "replace by missing": lambda df: df.ward.replace("north", np.nan),
    "replace a pattern by a value": lambda df: df.code.replace("^V.*", "other", regex=True),
    "astype int": lambda df: df.died.astype(int),
    "astype str": lambda df: df.age.astype(str),
    "astype bool": lambda df: df.age.astype(bool),
    "astype category": lambda df: df.ward.astype("category").cat.codes,
    "np.where": lambda df: np.where(df.age > 50, "old", "young"),
    "np.select": lambda df: np.select([df.age > 60, df.los > 3], [df.age, 1], default=0),
    "to_numeric": lambda df: pd.to_numeric(df.age.astype(str)),
    "cut": lambda df: pd.cut(df.age, [0, 30, 60, 101], right=False),
    "cut into numbers": lambda df: pd.cut(df.age, [-1, 30, 60, 100], labels=False),
    "sum within rows": lambda df: df[["age", "los", "tests"]].sum(axis=1),
    "mean within rows": lambda df: df[["age", "los", "tests"]].mean(axis=1),
    "largest within rows": lambda df: df[["age", "los", "tests"]].max(axis=1),
    "count within rows": lambda df: df[["los", "tests", "ward"]].count(axis=1),
    "any within rows": lambda df: df[["los", "tests"]].isna().any(axis=1),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_a_step_gives_pandas_values(step, stays, table):
    ours, theirs = step(stays), pd.Series(step(table))
    if pd.api.types.is_numeric_dtype(theirs.dtype) or theirs.dtype == bool:
        assert ours.sum() == pytest.approx(float(theirs.sum()), rel=1e-9)
        assert ours.count() == theirs.count()
        assert ours.nunique() == theirs.nunique()
    else:
        found = ours.value_counts().sort_index()
        wanted = theirs.value_counts().sort_index()
        found.index, wanted.index = found.index.astype(str), wanted.index.astype(str)
        pd.testing.assert_series_equal(found.sort_index(), wanted.sort_index(), check_names=False)


def test_every_function_of_the_plan_is_within_reach(here):
    """One row in the plan's table, one in the vault's engine, one here."""
    reached = set()
    for step in STEPS.values():
        column = step(here.room["stays"])
        nodes = [*postorder(column._rows), *postorder(column._expression)]
        reached |= {node.function for node in nodes if isinstance(node, Call)}
    assert reached == set(Function)


FRAMES = {
    "isna": lambda df: df.isna(),
    "fillna of all": lambda df: df[["los", "tests"]].fillna(0),
    "fillna by column": lambda df: df.fillna({"los": 0, "ward": "none"}),
    "fillna with means": lambda df: df[["los", "tests"]].fillna(df[["los", "tests"]].mean()),
    "replace in all columns": lambda df: df.replace("north", np.nan),
    "replace by column": lambda df: df.replace({"ward": {"north": "n"}, "age": {1: 0}}),
    "round leaves text alone": lambda df: df.round(0),
    "astype by column": lambda df: df.astype({"age": float, "died": int}),
    "scaled": lambda df: (df[["age", "los"]] - df[["age", "los"]].mean()) / df[["age", "los"]].std(),
    "times a number": lambda df: df[["age", "los"]] * 2,
    "compared": lambda df: df[["age", "los"]] > 3,
    "of two tables": lambda df: df[["age", "los"]] + df[["age", "los"]],
    "log": lambda df: np.log1p(df[["age", "los"]]),
    "by column": lambda df: df[["age", "los"]].apply(lambda column: column - column.mean()),
    "where": lambda df: df[["age", "los"]].where(df[["age", "los"]] > 3),
}


@pytest.mark.parametrize("step", FRAMES.values(), ids=FRAMES.keys())
def test_a_frame_does_by_column_what_a_column_does(step, stays, table):
    ours, theirs = step(stays), step(table)
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_series_equal(ours.count(), theirs.count())
    means = ours.mean(numeric_only=True)
    pd.testing.assert_series_equal(means, theirs.mean(numeric_only=True)[means.index])
    assert set(theirs.mean(numeric_only=True).index) - set(means.index) <= {"pid", "stay"}


def test_a_column_changed_in_place_warns_that_its_table_is_not(stays):
    """As in pandas 3, where df["los"].fillna(0, inplace=True) leaves df alone."""
    with pytest.warns(pd.errors.ChainedAssignmentError):
        stays.los.fillna(0, inplace=True)
    assert stays.los.isna().sum() > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda df: df.los.fillna(0, limit=3),
        lambda df: df.code.str.split("1", expand=True),
        lambda df: df.admitted.dt.to_period("W"),
        lambda df: df.los.interpolate(),
        lambda df: np.fft.fft(df.los),
        lambda df: df.los.quantile(0.5, interpolation="nearest"),
    ],
)
def test_what_is_not_available_says_so(call, stays):
    with pytest.raises((HandleError, Unavailable)) as caught:
        call(stays)
    assert any(word in caught.value.message for word in ("available", "here", "stay in the room"))
