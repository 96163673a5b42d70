"""Joins: tables of one room by the keys of a patient, public tables by a category, and look-ups by key."""

import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import DifferentRows, HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.nodes import Forbidden
from tests.unit.interpreter.compare import same

JOINS = {
    "inner": lambda df, who: df.merge(who, on="pid"),
    "left": lambda df, who: who.merge(df, on="pid", how="left"),
    "right": lambda df, who: df.merge(who, on="pid", how="right"),
    "outer": lambda df, who: df[df.age > 80].merge(who[who.sex == "F"], on="pid", how="outer"),
    "outer by different names": lambda df, who: df[df.age > 80].merge(
        who.rename(columns={"pid": "person"})[who.sex == "F"], left_on="pid", right_on="person", how="outer"
    ),
    "outer of indexes": lambda df, who: (
        df[df.age > 80].groupby("pid")[["los"]].max().join(who[who.sex == "F"].set_index("pid"), how="outer")
    ),
    "by common names": lambda df, who: df.merge(who),
    "by different names": lambda df, who: df.merge(
        who.rename(columns={"pid": "person"}), left_on="pid", right_on="person"
    ),
    "with suffixes": lambda df, who: df.merge(df[["stay", "age", "los"]], on="stay", suffixes=("", "_again")),
    "on an index": lambda df, who: df.merge(who.set_index("pid"), left_on="pid", right_index=True),
    "of indexes": lambda df, who: df.groupby("pid")[["los"]].max().join(who.set_index("pid")),
    "after filters": lambda df, who: df[df.age > 50].merge(who[who.sex == "F"], on="pid"),
    "of three": lambda df, who: df.merge(who, on="pid").merge(
        df.groupby("pid").size().rename("n").reset_index(), on="pid"
    ),
    "function": lambda df, who: pd.merge(df, who, on="pid"),
}


@pytest.mark.parametrize("join", JOINS.values(), ids=JOINS.keys())
def test_a_join_has_the_columns_and_rows_that_pandas_has(join, stays, patients, table, people):
    ours, theirs = join(stays, patients), join(table, people)
    assert isinstance(ours, Frame)
    assert list(ours.columns) == list(theirs.columns)
    same(ours.count(), theirs.count())
    numbers = [name for name in theirs if name not in ("pid", "person", "stay") and theirs[name].dtype.kind in "if"]
    same(ours[numbers].mean(), theirs[numbers].mean())


def test_a_public_table_of_the_room_joins_on_a_category(here, stays, table):
    ours = stays.merge(here.room["wards"], on="ward", how="left").groupby("beds").los.mean()
    same(ours, table.merge(here.tables["wards"], on="ward", how="left").groupby("beds").los.mean())


def test_a_small_table_of_the_experts_joins_on_a_category(stays, table):
    names = pd.DataFrame({"code": ["V10", "E11"], "chapter": ["external", "endocrine"], "weight": [1, 2]})
    for how in ("left", "inner"):
        ours, theirs = (df.merge(names, on="code", how=how) for df in (stays, table))
        same(ours.chapter.value_counts().sort_index(), theirs.chapter.value_counts().sort_index())
        same(ours.weight.sum(), theirs.weight.sum())
        assert len(ours) == len(theirs)


def test_a_table_of_the_experts_with_several_rows_per_key_is_refused(stays):
    with pytest.raises(HandleError, match="several rows per key"):
        stays.merge(pd.DataFrame({"code": ["V10", "V10"], "x": [1, 2]}), on="code")


def test_the_experts_table_never_joins_on_an_identifier(stays):
    with pytest.raises(Forbidden):
        stays.merge(pd.DataFrame({"pid": [100, 101], "x": [1, 2]}), on="pid")


def test_a_join_that_would_pair_different_patients_is_refused(stays, patients):
    with pytest.raises(Forbidden, match="pair rows of different patients"):
        stays.merge(patients.rename(columns={"sex": "code"})[["code", "born"]], on="code")


def test_a_cross_join_pairs_patients_and_is_refused(stays, patients):
    with pytest.raises(HandleError):
        stays.merge(patients, on="pid", how="cross")


@pytest.mark.parametrize("join", ["outer", "left"])
def test_rows_of_a_public_table_that_match_nobody_are_not_shown(join, here, stays):
    with pytest.raises(Forbidden, match="which of its rows have no patient"):
        here.room["wards"].merge(stays, on="ward", how=join)
    with pytest.raises(HandleError):
        stays.merge(pd.DataFrame({"code": ["V10"], "x": [1]}), on="code", how="outer")


def test_an_outer_join_is_in_the_order_of_its_keys(stays, patients, table, people):
    """So that what follows it by position, as the first rows do, is what pandas has."""
    ours, theirs = (
        df[df.age > 80].merge(who[who.sex == "F"], on="pid", how="outer").head(40)
        for df, who in ((stays, patients), (table, people))
    )
    same(ours[["los", "born"]].sum(), theirs[["los", "born"]].sum())


LOOKUPS = {
    "patients of another table": lambda df, who: df[df.pid.isin(who[who.sex == "F"].pid)],
    "patients of the same table": lambda df, who: df[df.pid.isin(df[df.died].pid)],
    "not among them": lambda df, who: df[~df.pid.isin(df[df.died].pid)],
    "unique patients": lambda df, who: df[df.pid.isin(df[df.died].pid.unique())],
    "patients with many stays": lambda df, who: df[df.pid.isin(df.pid.value_counts()[lambda n: n > 4].index)],
    "stays": lambda df, who: df[df.stay.isin(df[df.age > 50].stay)],
    "a mapped number": lambda df, who: df[df.pid.map(who.set_index("pid").born) > 1960],
}


@pytest.mark.parametrize("look", LOOKUPS.values(), ids=LOOKUPS.keys())
def test_looking_up_by_key_keeps_the_rows_that_pandas_keeps(look, stays, patients, table, people):
    ours, theirs = look(stays, patients), look(table, people)
    assert len(ours) == len(theirs)
    same(ours.los.mean(), theirs.los.mean())


def test_labels_of_another_column_are_looked_up_as_released_values(stays, table):
    ours, theirs = (df[df.code.isin(df[df.age > 98].code)] for df in (stays, table))
    assert len(ours) == len(theirs)


STACKS = {
    "rows": lambda df: pd.concat([df[df.age > 60], df[df.age < 30]]),
    "rows with other columns": lambda df: pd.concat([df[["pid", "age"]], df[["pid", "age", "los"]]]),
    "columns side by side": lambda df: pd.concat([df[["age"]], df[["los"]]], axis=1),
    "columns and a new name": lambda df: pd.concat([df[["age"]], df.los.rename("days")], axis=1),
    "a dictionary of columns": lambda df: pd.DataFrame({"a": df.age, "b": df.los * 2, "c": 1}),
}


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS.keys())
def test_tables_are_stacked_and_put_side_by_side(stack, stays, table):
    ours, theirs = stack(stays), stack(table)
    assert ours.shape == theirs.shape
    assert list(ours.columns) == list(theirs.columns)
    numbers = [name for name in theirs if name not in ("pid", "stay") and theirs[name].dtype.kind in "if"]
    same(ours[numbers].sum(), theirs[numbers].sum())


def test_columns_side_by_side_are_stacked_as_one(stays, table):
    assert isinstance(pd.concat([stays.age, stays.los]), Column)
    same(pd.concat([stays.age, stays.los]).mean(), pd.concat([table.age, table.los]).mean())


def test_rows_of_different_tables_are_not_put_side_by_side(stays, patients):
    with pytest.raises(DifferentRows):
        pd.concat([stays.age, patients.born], axis=1)


def test_rows_of_the_room_are_not_stacked_with_public_ones(stays):
    with pytest.raises(HandleError):
        pd.concat([stays, pd.DataFrame({"age": [1]})])
