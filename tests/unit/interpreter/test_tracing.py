"""Functions of one value or one row, and queries as text, become expressions."""

import datetime

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError
from tests.unit.interpreter.compare import same


def age_band(age):
    if not age >= 18:
        return "child"
    if age < 65:
        return "adult"
    return "old"


def chapter(code):
    if code.startswith("V"):
        return "external"
    if code[0] == "E" or "50" in code:
        return "chronic"
    return code.lower()


def risk(row):
    score = 0
    if row["age"] > 65 and row["los"] > 5:
        score += 2
    if row.died or row["ward"] in ("north", "west"):
        score += 1
    return score


VALUES = {
    "branches": lambda df: df.age.apply(age_band),
    "branches on text": lambda df: df.code.apply(chapter),
    "a conditional expression": lambda df: df.los.apply(lambda los: 1 if los > 3 else 0),
    "arithmetic": lambda df: df.age.apply(lambda age: age * 2 + 1),
    "a missing value tested": lambda df: df.los.apply(lambda los: -1 if pd.isna(los) else los),
    "membership": lambda df: df.code.apply(lambda code: code in ["V10", "E11"]).astype(int),
    "nothing in one branch": lambda df: df.age.apply(lambda age: age if age > 50 else None),
    "a ufunc": lambda df: df.age.apply(np.sqrt),
    "a type": lambda df: df.age.apply(float),
    "lengths": lambda df: df.code.apply(len),
    "arguments": lambda df: df.age.apply(lambda age, add: age + add, args=(3,)),
    "map with a function": lambda df: df.age.map(lambda age: age // 10),
    "parts of a date": lambda df: df.admitted.apply(lambda day: day.year * 100 + day.month),
    "text methods": lambda df: df.code.apply(lambda code: code.replace("V", "W").lower()[:2]),
    "a row": lambda df: df.apply(risk, axis=1),
    "a row's arithmetic": lambda df: df.apply(lambda row: row.age * row["readmitted"], axis=1),
    "all values of a table": lambda df: df[["age", "readmitted"]].map(lambda value: value + 1).age,
    "not": lambda df: df.died.apply(lambda died: 0 if not died else 1),
}


@pytest.mark.parametrize("program", VALUES.values(), ids=VALUES.keys())
def test_a_function_of_a_value_gives_what_pandas_apply_gives(program, stays, table):
    ours, theirs = program(stays), program(table)
    if theirs.dtype.kind in "ifb":
        same(ours.sum(), float(theirs.sum()))
        same(ours.count(), theirs.count())
    else:
        found, wanted = ours.value_counts().sort_index(), theirs.value_counts().sort_index()
        pd.testing.assert_series_equal(found, wanted, check_names=False, check_index_type=False)


UNTRACEABLE = {  # and no row functions either
    "a lookup in a dict of made-up texts": lambda df: df.code.apply(lambda code: {"V10": 1}[code]),
    "a list": lambda df: df.age.apply(lambda age: [age, age]),
    "no such day": lambda df: df.age.apply(lambda age: datetime.date(2020, 1, age)),
    "one number for one column": lambda df: df[["age", "los"]].apply(lambda c: c if c.name == "age" else 3),
}


@pytest.mark.parametrize("program", UNTRACEABLE.values(), ids=UNTRACEABLE.keys())
def test_a_function_that_needs_the_value_itself_says_what_to_write_instead(program, stays):
    with pytest.raises((HandleError, ValueError, KeyError)):
        program(stays)


def test_a_mistake_inside_the_function_is_the_functions_own(stays):
    with pytest.raises(ZeroDivisionError):
        stays.age.apply(lambda age: 1 / 0)


def test_numbers_by_column_are_a_series(stays, table):
    ours, theirs = (df[["age", "los"]].apply(lambda column: column.isna().sum()) for df in (stays, table))
    same(ours, theirs)


LIMIT = 40

QUERIES = [
    "age > 40",
    "age > 40 and los < 5",
    "age > 40 or died",
    "not died",
    "(age > 40) & (los < 5) | died",
    "20 < age <= 70",
    "ward == 'north'",
    "ward in ['north', 'west']",
    "ward not in ['north', 'west']",
    "ward == ['north', 'south']",
    "age > @LIMIT",
    "age > @limit",
    "age * 2 > los + 50",
    "code.str.startswith('V')",
    "los.isna()",
    "ward.notnull() and age % 2 == 0",
    "admitted > '2020-09-01'",
    "`age` > 40",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_keeps_the_rows_that_pandas_keeps(query, stays, table):
    limit = 50
    ours, theirs = stays.query(query, engine="python"), table.query(query, engine="python")
    assert limit == 50
    assert len(ours) == len(theirs)
    same(ours.age.sum(), theirs.age.sum())


def test_a_formula_makes_a_column(stays, table):
    ours, theirs = (df.eval("burden = age * los") for df in (stays, table))
    same(ours.burden.sum(), theirs.burden.sum())
    same(stays.eval("age + 1").mean(), table.eval("age + 1").mean())


@pytest.mark.parametrize(
    "query",
    ["__import__('os').system('true')", "age.__class__", "[x for x in age]", "(lambda: age)()", "age if died else los",
     "age >", "open('x')", "age.to_csv('x')", "age"],
)  # fmt: skip
def test_a_query_holds_nothing_but_conditions(query, stays):
    with pytest.raises(HandleError):
        stays.query(query)
