"""Long and wide forms of rows, inside one patient, and pivot tables of attributes."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Frame
from cleanroom_kernel.plan.nodes import Forbidden
from tests.unit.interpreter.compare import same

MELTS = {
    "chosen columns": lambda df: df.melt(id_vars=["pid", "ward"], value_vars=["age", "los"]),
    "one key": lambda df: df[["pid", "age", "readmitted"]].melt("pid"),
    "named": lambda df: df.melt("pid", ["los", "tests"], var_name="what", value_name="number"),
    "the function": lambda df: pd.melt(df, id_vars="pid", value_vars=["age"]),
    "after a filter": lambda df: df[df.died].assign(double=df.age * 2).melt("pid", ["age", "double"]),
}


@pytest.mark.parametrize("melt", MELTS.values(), ids=MELTS.keys())
def test_columns_under_each_other_are_those_of_pandas(melt, stays, table):
    ours, theirs = melt(stays), melt(table)
    assert isinstance(ours, Frame)
    assert list(ours.columns) == list(theirs.columns)
    what, number = theirs.columns[-2:]
    same(ours.groupby(what)[number].agg(["mean", "count"]), theirs.groupby(what)[number].agg(["mean", "count"]))
    same(ours.head(300)[number].sum(), theirs.head(300)[number].sum())


def test_texts_and_numbers_are_not_melted_into_one_column(stays):
    with pytest.raises(ValueError, match="different types"):
        stays.melt("pid", ["age", "ward"])


UNSTACKS = {
    "of a group-by": lambda df: df.groupby(["pid", "code"]).los.max().unstack(),
    "of sizes": lambda df: df.groupby(["pid", "code"]).size().unstack(),
    "filled": lambda df: df.groupby(["pid", "code"]).size().unstack(fill_value=0),
    "of a table of one column": lambda df: df.groupby(["pid", "code"])[["los"]].mean().los.unstack(),
    "by name": lambda df: df.groupby(["pid", "readmitted"]).age.min().unstack("readmitted"),
    "pivoted": lambda df: df.pivot_table(values="los", index="pid", columns="code", aggfunc="sum"),
}


@pytest.mark.parametrize("unstack", UNSTACKS.values(), ids=UNSTACKS.keys())
def test_labels_beside_each_other_give_one_row_per_patient(unstack, stays, table):
    ours, theirs = unstack(stays), unstack(table)
    assert isinstance(ours, Frame)
    assert list(ours.columns) == list(theirs.columns)
    same(ours.count(), theirs.count())
    same(ours.mean(), theirs.mean())
    assert len(ours) == len(theirs)


def test_one_row_for_many_patients_is_not_made(stays):
    with pytest.raises((HandleError, Forbidden)):
        stays.set_index(["ward", "code"]).los.unstack()


PIVOTS = {
    "one value": lambda df: df.pivot_table("los", "ward", "died"),
    "values in order": lambda df: df.pivot_table(index="ward", values=["los", "age"]),
    "values by label": lambda df: df.pivot_table(index="ward", columns="died", values=["los", "age"]),
    "several functions": lambda df: df.pivot_table("los", "ward", aggfunc=["mean", "count"]),
    "rows without a value": lambda df: df.pivot_table("empty", "ward", "code"),
    "columns without a value": lambda df: df.pivot_table("empty", "code", "ward"),
    "margins": lambda df: df.pivot_table("los", "ward", "died", "mean", margins=True),
    "margins of sums": lambda df: df.pivot_table("age", "ward", "code", "sum", margins=True, margins_name="total"),
    "kept": lambda df: df.pivot_table("empty", "ward", "code", dropna=False),
}


@pytest.mark.parametrize("pivot", PIVOTS.values(), ids=PIVOTS.keys())
def test_a_pivot_of_attributes_is_that_of_pandas(pivot, stays, table):
    ours, theirs = (
        pivot(df.assign(empty=df.los.where((df.ward != "north") & (df.code != "V10")))) for df in (stays, table)
    )
    same(ours, theirs)


def test_a_pivot_keeps_rows_that_are_not_shown(guarded_alone):
    """Missing and not shown are different things, and the picture says which."""
    stays = guarded_alone.room["stays"]
    rare = stays.assign(kind=np.where((stays.age == 7) & (stays.ward == "north"), "rare", "usual"))
    table = rare.pivot_table("los", "kind")
    assert list(table.index) == ["rare", "usual"]
    assert table.los.isna().tolist() == [True, False]
