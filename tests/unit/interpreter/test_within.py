"""Functions of the rows of one group: filled, shifted, rolled and compared inside a patient as pandas does it."""

import numpy as np
import pytest

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.plan.nodes import Forbidden
from tests.unit.interpreter.compare import same

FUNCTIONS = {
    "filled with the patient's mean": lambda x: x.fillna(x.mean()),
    "filled forwards, then backwards": lambda x: x.ffill().bfill(),
    "above the patient's median": lambda x: (x > x.median()).astype(int),
    "in deviations": lambda x: (x - x.mean()) / x.std(),
    "change": lambda x: x - x.shift(1),
    "change by name": lambda x: x.diff(),
    "share of the total": lambda x: x / x.sum(),
    "rolling mean": lambda x: x.rolling(3).mean(),
    "rolling mean of a few": lambda x: x.rolling(3, min_periods=1).mean(),
    "rolling sum": lambda x: x.rolling(2, min_periods=1).sum(),
    "rolling largest": lambda x: x.rolling(3, min_periods=2).max(),
    "rolling smallest": lambda x: x.rolling(4, min_periods=1).min(),
    "rolling deviation": lambda x: x.rolling(3, min_periods=2).std(),
    "rolling number": lambda x: x.rolling(3, min_periods=1).count(),
    "running largest": lambda x: x.cummax(),
    "of the shifted": lambda x: x.shift(1).rolling(2, min_periods=1).mean(),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_of_a_patients_rows_is_computed_inside_the_patient(function, stays, table):
    ours, theirs = (df.sort_values(["pid", "admitted"]) for df in (stays, table))
    ours["new"], theirs["new"] = (
        ours.groupby("pid").los.transform(function),
        theirs.groupby("pid").los.transform(function),
    )
    same(ours.new.count(), theirs.new.count())
    same((ours.new * ours.age).sum(), (theirs.new * theirs.age).sum())


def test_several_columns_are_filled_at_once(stays, table):
    ours, theirs = (
        df.sort_values("admitted").groupby("pid")[["los", "tests"]].transform(lambda x: x.ffill())
        for df in (stays, table)
    )
    same(ours.sum(), theirs.sum())
    same(ours.count(), theirs.count())


def test_attributes_fill_with_released_statistics(stays, table):
    ours, theirs = (df.groupby("code").los.transform(lambda x: x.fillna(x.median())) for df in (stays, table))
    same(ours.sum(), theirs.sum())
    assert ours.isna().sum() == 0


def test_a_rolling_group_by_stands_beside_its_rows(stays, table):
    ours, theirs = (df.sort_values("admitted") for df in (stays, table))
    for df in (ours, theirs):
        df["mean"] = df.groupby("pid").los.rolling(2, min_periods=1).mean().reset_index(level=0, drop=True)
        df["high"] = df.groupby("pid")["age"].rolling(3, min_periods=1).max().droplevel(0)
    same(ours[["mean", "high"]].sum(), theirs[["mean", "high"]].sum())
    same((ours["mean"] * ours.age).sum(), (theirs["mean"] * theirs.age).sum())


def test_windows_over_an_attribute_mix_patients_and_are_refused(stays):
    with pytest.raises(Forbidden):
        stays.groupby("ward").los.transform(lambda x: x.ffill())
    with pytest.raises(Forbidden):
        stays.groupby("ward").los.rolling(3).mean()


@pytest.mark.parametrize("window", ["3D", 0, 100])
def test_windows_of_time_or_of_many_rows_say_what_there_is(window, stays):
    with pytest.raises(HandleError, match="number of rows"):
        stays.groupby("pid").los.rolling(window)


def test_a_function_that_gives_neither_says_so(stays):
    with pytest.raises(HandleError, match="column of its rows"):
        stays.groupby("pid").los.transform(lambda x: "text")


def test_known_statistics_are_transformed_as_ever(stays, table):
    same(stays.groupby("pid").los.transform(np.mean).sum(), table.groupby("pid").los.transform("mean").sum())


def test_apply_of_one_column_fills_as_well(stays, table):
    ours, theirs = (df.sort_values("admitted").groupby("pid").los.apply(lambda x: x.ffill()) for df in (stays, table))
    same(ours.sum(), theirs.sum())
