"""Group-bys: statistics of many patients, or rows per patient; and what becomes of an expert's function of a group."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.nodes import Forbidden
from tests.unit.interpreter.compare import same

STATISTICS = {
    "one column": lambda df: df.groupby("ward").los.mean(),
    "several columns": lambda df: df.groupby("ward")[["los", "age"]].median(),
    "all numeric columns": lambda df: df.drop(columns=["pid", "stay"]).groupby("ward").mean(numeric_only=True),
    "two keys": lambda df: df.groupby(["ward", "died"]).los.sum(),
    "a computed key": lambda df: df.groupby(df.admitted.dt.month).size(),
    "a named and a computed key": lambda df: df.groupby(["ward", df.age > 50]).los.mean(),
    "bins as a key": lambda df: df.groupby(pd.cut(df.age, [0, 30, 60, 100])).los.mean(),
    "missing keys kept": lambda df: df.groupby("ward", dropna=False).size(),
    "keys as columns": lambda df: df.groupby(["ward", "died"], as_index=False).agg({"los": "mean", "age": "max"}),
    "sizes as a column": lambda df: df.groupby("ward", as_index=False).size(),
    "one name": lambda df: df.groupby("ward").los.agg("std"),
    "several names": lambda df: df.groupby("ward").los.agg(["mean", "std", "count"]),
    "names by column": lambda df: df.groupby("ward").agg({"los": ["mean", "max"], "age": "min"}),
    "named results": lambda df: df.groupby("ward").agg(n=("age", "size"), share=("died", "mean"), long=("los", "max")),
    "named results of a column": lambda df: df.groupby("ward").los.agg(mean="mean", n="count"),
    "NumPy's functions": lambda df: df.groupby("ward").age.agg([np.mean, np.median]),
    "len": lambda df: df.groupby("ward").agg({"age": len}),
    "an own function": lambda df: df.groupby("ward").los.agg(lambda los: (los > 5).mean()),
    "an own function that filters": lambda df: df.groupby("ward").los.agg(lambda los: los[los > 3].mean()),
    "an own quantile": lambda df: df.groupby("ward").los.agg(lambda los: los.quantile(0.9)),
    "an own function of the rows": lambda df: df.groupby("ward").apply(lambda rows: (rows.los * rows.age).sum()),
    "distinct values": lambda df: df.groupby("ward").code.nunique(),
    "patients": lambda df: df.groupby("ward").pid.nunique(),
    "a quantile": lambda df: df.groupby("ward").los.quantile(0.25),
    "description": lambda df: df.groupby("died").los.describe(),
    "counts in groups": lambda df: df.groupby("ward").code.value_counts().sort_index(),
    "shares in groups": lambda df: df.groupby("ward").died.value_counts(normalize=True).sort_index(),
    "skewness": lambda df: df.los.skew(),
    "skewness by column": lambda df: df[["age", "los"]].skew(),
    "first rows of patients": lambda df: df.groupby("pid").nth(0).age.sum(),
    "number of groups": lambda df: df.groupby(["ward", "died"]).ngroups,
    "one group": lambda df: df.groupby("ward").get_group("north").los.mean(),
    "groups one by one": lambda df: pd.Series({name: group.los.mean() for name, group in df.groupby("ward")}),
    "a Series by another": lambda df: df.los.groupby(df.ward).mean(),
    "unsorted groups": lambda df: df.groupby("ward", sort=False).los.mean().sort_index(),
    "transform": lambda df: (df.los - df.groupby("ward").los.transform("mean")).abs().mean(),
    "cross table": lambda df: pd.crosstab(df.ward, df.died),
    "cross table of three": lambda df: pd.crosstab([df.ward, df.readmitted], df.died),
    "cross table with totals": lambda df: pd.crosstab(df.ward, df.died, margins=True),
    "cross table in shares": lambda df: pd.crosstab(df.ward, df.died, normalize="columns"),
    "cross table of shares with totals": lambda df: pd.crosstab(df.ward, df.died, normalize=True, margins=True),
    "cross table of values": lambda df: pd.crosstab(df.ward, df.died, values=df.los, aggfunc="mean"),
    "pivot table": lambda df: df.pivot_table("los", "ward", "died"),
    "pivot table without columns": lambda df: df.pivot_table(index="ward", values="los", aggfunc="sum"),
    "of a public table": None,
}
STATISTICS.pop("of a public table")


@pytest.mark.parametrize("program", STATISTICS.values(), ids=STATISTICS.keys())
def test_statistics_of_groups_are_the_objects_that_pandas_gives(program, stays, table):
    same(program(stays), program(table))


ROWS = {
    "size": lambda df: df.groupby("pid").size(),
    "mean": lambda df: df.groupby("pid").los.mean(),
    "first after a sort": lambda df: df.sort_values(["admitted", "age"]).groupby("pid").los.first(),
    "last": lambda df: df.sort_values(["admitted", "age"]).groupby("pid").los.last(),
    "var": lambda df: df.groupby("pid").los.var(),
    "median": lambda df: df.groupby("pid").age.median(),
    "own function": lambda df: df.groupby("pid").los.agg(lambda los: (los > 3).sum()),
    "apply": lambda df: df.groupby("pid").apply(lambda rows: rows.los.max()),
    "transform": lambda df: df.groupby("pid").los.transform("max"),
    "transform own": lambda df: df.groupby("pid").los.transform(lambda los: los.mean()),
    "shift": lambda df: df.groupby("pid").los.shift(2),
    "diff": lambda df: df.groupby("pid").age.diff(),
    "pct_change": lambda df: df.groupby("pid").readmitted.cumsum(),
    "rank": lambda df: df.groupby("pid").age.rank(),
    "cumcount": lambda df: df.groupby("pid").cumcount(),
    "value counts of patients": lambda df: df.pid.value_counts(),
    "two keys": lambda df: df.groupby(["pid", "ward"]).size(),
    "looked up": lambda df: df.pid.map(df.groupby("pid").los.max()),
    "of a stay": lambda df: df.groupby("stay").age.max(),
}


@pytest.mark.parametrize("program", ROWS.values(), ids=ROWS.keys())
def test_a_group_by_the_patient_gives_a_column_that_stays(program, here, stays, table):
    asked = len(here.vault.questions)
    ours, theirs = program(stays), program(table)
    assert isinstance(ours, Column)
    assert len(here.vault.questions) == asked
    assert (ours.sum(), ours.count(), len(ours)) == pytest.approx((theirs.sum(), theirs.count(), len(theirs)))
    assert ours.mean() == pytest.approx(theirs.mean())


def test_a_group_by_the_patient_gives_a_table_that_joins_and_counts(stays, patients, table, people):
    def program(df, who):
        per_patient = df.groupby("pid").agg(n=("stay", "count"), longest=("los", "max"), wards=("ward", "nunique"))
        joined = who.merge(per_patient.reset_index(), on="pid", how="left")
        return joined.groupby("sex")[["n", "longest", "wards"]].mean()

    same(program(stays, patients), program(table, people))


def test_columns_of_one_group_by_are_columns_of_one_table(stays, table):
    def program(df):
        groups = df.groupby("pid")
        return pd.DataFrame({"n": groups.size(), "mean": groups.los.mean()}).corr()

    same(program(stays), program(table))


def test_a_window_in_the_order_of_a_sort_belongs_to_the_unsorted_table(stays, table):
    for df in (stays, table):
        df["before"] = df.sort_values(["admitted", "age"]).groupby("pid").los.shift()
        df["visit"] = df.sort_values("admitted").groupby("pid").cumcount()
    same(stays.groupby("visit").before.mean(), table.groupby("visit").before.mean())
    same(stays[stays.visit == 0].los.mean(), table[table.visit == 0].los.mean())


def test_a_pivot_by_stay_is_a_table_of_stays(stays, table):
    wide, wanted = (df.pivot_table("los", "pid", "ward", aggfunc="max") for df in (stays, table))
    assert isinstance(wide, Frame)
    same(wide.mean(), wanted.mean())


@pytest.mark.parametrize(
    "program",
    [
        lambda df: df.groupby("ward").los.cumsum(),
        lambda df: df.groupby("ward").los.shift(),
        lambda df: df.groupby("ward").los.first(),
        lambda df: df.groupby("ward").head(1),
        lambda df: df.drop_duplicates("ward"),
        lambda df: df.duplicated(["ward"]),
    ],
)
def test_what_would_mix_rows_of_different_patients_is_refused(program, stays):
    with pytest.raises(Forbidden, match="different patients"):
        program(stays)


@pytest.mark.parametrize(
    "program",
    [
        lambda df: list(df.groupby("pid")),
        lambda df: df.groupby("pid").get_group(100),
        lambda df: df.groupby("pid").describe(),
        lambda df: df.groupby("ward").los.agg(lambda los: len(los)),
        lambda df: df.groupby("ward").los.agg(lambda los: los.iloc[0]),
        lambda df: df.groupby("ward").los.agg(lambda los: 3),
        lambda df: df.groupby("pid").los.quantile(0.9),
        lambda df: df.groupby({"a": 1}),
        lambda df: df.groupby("ward").rolling(3),
        lambda df: df.groupby("ward").los.plot(),
    ],
)
def test_what_a_group_by_cannot_do_here_says_so(program, stays):
    with pytest.raises((HandleError, Unavailable)):
        program(stays)
