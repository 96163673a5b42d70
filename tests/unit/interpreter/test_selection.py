"""Choosing and setting rows and columns; what pandas says of a mistake is said before the vault is asked."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import DifferentRows, HandleError
from cleanroom_kernel.plan.nodes import Forbidden, PlanError

CHOICES = {
    "condition": lambda df: df[df.age > 50],
    "two conditions": lambda df: df[(df.age > 50) & ~(df.ward == "north")],
    "function": lambda df: df[lambda d: d.age > 50],
    "condition of other rows of the same table": lambda df: df[df.los > 2][df.age > 50],
    "loc with columns": lambda df: df.loc[df.age > 50, ["age", "los"]],
    "loc without a condition": lambda df: df.loc[:, ["age", "los"]],
    "loc with a slice of names": lambda df: df.loc[:, "age":"tests"],
    "iloc": lambda df: df.iloc[:, 2:5],
    "iloc with positions": lambda df: df.iloc[:, [2, 3]],
    "first rows": lambda df: df[:30],
    "last rows": lambda df: df.iloc[-30:],
    "head": lambda df: df.head(12),
    "drop by index": lambda df: df.drop(df[df.age > 50].index),
    "drop columns": lambda df: df.drop(["note", "code"], axis=1),
    "rows of an index": lambda df: df.loc[df[df.age > 50].index],
    "not in an index": lambda df: df[~df.index.isin(df[df.age > 50].index)],
    "filter names": lambda df: df.filter(like="a"),
    "reindex columns": lambda df: df.reindex(columns=["los", "age"]),
    "dtypes": lambda df: df.select_dtypes(exclude=["str", "datetime"]),
    "dropna of two": lambda df: df.dropna(subset=["los", "tests"]),
    "dropna with a threshold": lambda df: df[["los", "tests", "ward"]].dropna(thresh=2),
    "dropna where all are missing": lambda df: df[["los", "tests"]].dropna(how="all"),
    "largest": lambda df: df.nlargest(10, "age"),
}


@pytest.mark.filterwarnings("ignore:Boolean Series key")
@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES.keys())
def test_a_choice_has_the_rows_and_columns_that_pandas_chooses(choose, stays, table):
    ours, theirs = choose(stays), choose(table)
    assert ours.shape == theirs.shape
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_series_equal(ours.mean(numeric_only=True), _without_ids(theirs).mean(numeric_only=True))


def _without_ids(table):
    return table.drop(columns=["pid", "stay"], errors="ignore")


def _set(df, change):
    df = df.copy()
    change(df)
    return df


CHANGES = {
    "a computed column": lambda df: df.__setitem__("new", df.age * 2),
    "a constant": lambda df: df.__setitem__("new", 7),
    "text": lambda df: df.__setitem__("new", "x"),
    "nothing": lambda df: df.__setitem__("new", np.nan),
    "an attribute": lambda df: setattr(df, "los", df.los.fillna(0)),
    "where a condition holds": lambda df: df.loc.__setitem__((df.age > 50, "los"), 1.0),
    "missing where a condition holds": lambda df: df.loc.__setitem__((df.age > 50, "los"), np.nan),
    "a new column where a condition holds": lambda df: df.loc.__setitem__((df.age > 50, "new"), 1),
    "a value of the same rows": lambda df: df.loc.__setitem__((df.age > 50, "los"), df.loc[df.age > 50, "los"] * 2),
    "several columns": lambda df: df.__setitem__(["a", "b"], df[["age", "los"]]),
    "a whole column by loc": lambda df: df.loc.__setitem__((slice(None), "new"), df.age),
    "an inserted column": lambda df: df.insert(1, "new", df.age),
    "a popped column": lambda df: df.pop("los"),
    "a deleted column": lambda df: df.__delitem__("los"),
    "new names": lambda df: setattr(df, "columns", [name.upper() for name in df.columns]),
    "in place": lambda df: df.drop(columns=["note"], inplace=True),
    "fillna in place": lambda df: df.fillna({"los": 0.0}, inplace=True),
    "rename in place": lambda df: df.rename(columns={"los": "days"}, inplace=True),
    "a column of fewer rows": lambda df: df.__setitem__("new", df[df.age > 50].los),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_an_assignment_does_what_it_does_in_pandas(change, stays, table):
    ours, theirs = _set(stays, change), _set(table, change)
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_series_equal(ours.isna().sum(), theirs.isna().sum())
    numbers = [
        name for name in ("new", "los", "a", "b", "days", "LOS") if name in theirs and theirs[name].dtype != "str"
    ]
    for name in numbers:
        assert ours[name].sum() == pytest.approx(theirs[name].sum())


def test_a_copy_is_not_changed_with_its_original(stays):
    copy = stays.copy()
    stays["new"] = 1
    assert "new" not in copy


def test_a_column_keeps_its_values_when_the_table_changes(stays, table):
    age = stays.age
    stays["age"] = 0
    assert age.sum() == table.age.sum()


def test_repeated_assignments_under_conditions_stay_small_and_right(stays, table):
    """Each uses the column twice; written out, forty of them would be a million million nodes."""
    for df in (stays, table):
        for code in range(40):
            df.loc[df.code.str.contains(str(code)), "code"] = f"c{code}"
    pd.testing.assert_series_equal(
        stays.code.value_counts().sort_index(), table.code.value_counts().sort_index(), check_index_type=False
    )


MISTAKES = {
    "no such column": (lambda df: df["nope"], KeyError),
    "no such columns": (lambda df: df[["age", "nope"]], KeyError),
    "no such attribute": (lambda df: df.nope, AttributeError),
    "arithmetic with text": (lambda df: df.ward + 1, TypeError),
    "text methods of numbers": (lambda df: df.age.str.lower(), AttributeError),
    "dates of numbers": (lambda df: df.age.dt.year, AttributeError),
    "a mean of text": (lambda df: df.ward.mean(), TypeError),
    "drop of no column": (lambda df: df.drop(columns=["nope"]), KeyError),
    "a wrong argument": (lambda df: df.sort_values("age", upside="down"), TypeError),
    "two columns into one": (lambda df: df.__setitem__("x", df[["age", "los"]]), ValueError),
    "grouping by no column": (lambda df: df.groupby("nope"), KeyError),
    "choosing no column of groups": (lambda df: df.groupby("ward")["nope"], KeyError),
    "an identifier in arithmetic": (lambda df: df.pid + 1, Forbidden),
    "free text compared": (lambda df: df.note == "x", Forbidden),
    "free text as labels": (lambda df: df.groupby("note").size(), Forbidden),
    "an identifier in a filter": (lambda df: df[df.pid == 3], Forbidden),
    "dates as labels": (lambda df: df.groupby("admitted").size(), PlanError),
    "a long list": (lambda df: df.age.isin(list(range(2_000))), Forbidden),
    "a reserved name": (lambda df: df.__setitem__("__unit", 1), HandleError),
}


@pytest.mark.parametrize(("mistake", "error"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_raised_before_the_vault_is_asked(mistake, error, here):
    asked = len(here.vault.questions)
    with pytest.raises(error):
        mistake(here.room["stays"])
    assert len(here.vault.questions) == asked


def test_columns_of_two_tables_do_not_mix(stays, patients):
    with pytest.raises(DifferentRows, match="Merge the tables first"):
        stays.age + patients.born


VALUES = {
    "a cast of missing values": lambda df: df.tests.astype(int).sum(),
    "text that is no number": lambda df: pd.to_numeric(df.code, errors="raise").count(),
    "text that is no date": lambda df: pd.to_datetime(df.code).count(),
    "no row": lambda df: len(df[df.age > 1000]),
    "no row, then more": lambda df: len(df[df.age > 1000][["los"]].dropna()),
    "a group of no row": lambda df: len(df[df.age > 1000].groupby("ward").los.mean()),
}


@pytest.mark.parametrize("program", VALUES.values(), ids=VALUES.keys())
def test_what_only_the_twins_values_cause_is_not_raised(program, stays):
    """On the table, each is fine, or an error that the plan's static types do not have (rule S13)."""
    assert program(stays) >= 0


def test_a_twin_is_never_left_empty_by_a_filter(stays):
    assert len(stays[stays.age > 1000]._twin) > 0
