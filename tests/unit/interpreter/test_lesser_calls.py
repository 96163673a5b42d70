"""The smaller calls of pandas and NumPy that notebooks make, each as pandas answers it."""

import io

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError
from tests.unit.interpreter.compare import same

CALLS = {
    "values that occur": lambda df: sorted(df.ward.dropna().unique()),
    "their number": lambda df: len(df.ward.unique()),
    "number without gaps": lambda df: len(df.ward.dropna().unique()),
    "repeated values": lambda df: df.pid.duplicated().sum(),
    "kurtosis": lambda df: df.los.kurtosis(),
    "NumPy's deviation": lambda df: df.age.values.std(),
    "NumPy's variance": lambda df: df.age.values.var(),
    "a flat table": lambda df: df[["age"]].values.ravel().sum(),
    "first piece of a text": lambda df: df.ward.str.split("o", n=1, expand=True)[0].value_counts().sort_index(),
    "rest of a text": lambda df: df.ward.str.split("o", n=1, expand=True)[1].value_counts().sort_index(),
    "two pieces assigned": lambda df: (
        df.assign(a=df.code.str.split("1", n=1, expand=True)[0]).a.value_counts().sort_index()
    ),
    "occurrences": lambda df: df.code.str.count("1|2").sum(),
    "digits": lambda df: df.code.str.isdigit().sum(),
    "dates as text": lambda df: df.admitted.dt.strftime("%Y-%m").value_counts().sort_index(),
    "days as text": lambda df: df.admitted.dt.strftime("%d.%m.%Y %H:%M").value_counts().sort_index(),
    "chosen categories": lambda df: (
        df.code.astype(pd.CategoricalDtype(["V10", "V22", "E11", "I50", "I21"])).value_counts().sort_index()
    ),
    "counts of integers": lambda df: np.bincount(df.readmitted).tolist(),
    "a histogram": lambda df: np.histogram(df.age, bins=5)[0].tolist(),
    "bins by number": lambda df: np.digitize(df.age, [18, 65]).sum(),
    "stacked": lambda df: np.vstack([df[["age"]], df[["age"]]]).sum().sum(),
    "zeros": lambda df: np.zeros_like(df.los).sum(),
    "largest": lambda df: np.amax(df.age),
    "spread of groups": lambda df: df.groupby("ward").los.apply(lambda g: g.max() - g.min()),
    "ratio of groups": lambda df: df.groupby("ward").apply(lambda rows: rows.los.sum() / rows.age.mean()),
    "spread of patients": lambda df: df.groupby("pid").los.apply(lambda g: g.max() - g.min()).mean(),
    "share of patients": lambda df: (
        df.groupby("pid").apply(lambda rows: (rows.age > 50).sum() / rows.age.count()).mean()
    ),
    "a statistic beside a computed one": lambda df: df.groupby("ward").agg(
        mean=("los", "mean"), spread=("age", lambda age: age.max() - age.min())
    ),
    "computed ones by column": lambda df: df.groupby("ward").agg({"age": lambda x: x.max() - x.min(), "los": "mean"}),
    "computed of patients": lambda df: (
        df.groupby("pid").agg(days=("admitted", lambda x: x.max() - x.min()), n=("stay", "count")).n.mean()
    ),
    "span of patients": lambda df: df.groupby("pid").admitted.apply(lambda x: x.max() - x.min()).dt.days.mean(),
    "several quantiles of groups": lambda df: df.groupby("ward").los.quantile([0.25, 0.75]),
    "rows per value of a patient": lambda df: df.groupby("pid").ward.value_counts().mean(),
    "first date": lambda df: [df.admitted.min()],
    "span of dates": lambda df: (df.admitted.max() - df.admitted.min()).days,
    "months": lambda df: df.admitted.dt.to_period("M").value_counts().sort_index(),
    "groups of months": lambda df: df.groupby(df.admitted.dt.to_period("M")).los.mean(),
    "a part of a text": lambda df: df.code.str.extract(r"([A-Z])")[0].value_counts().sort_index(),
    "parts of a text": lambda df: df.code.str.extract(r"([A-Z])(?P<number>\d+)").number.value_counts().sort_index(),
    "no part of a text": lambda df: df.code.str.extract("(x)", expand=False).notna().sum(),
    "filled texts": lambda df: df.code.str.zfill(5).value_counts().sort_index(),
    "filled on the right": lambda df: df.ward.str.ljust(6, "-").value_counts().sort_index(),
    "letters": lambda df: df.ward.str.isalpha().sum(),
    "error of the mean": lambda df: df.age.sem(),
    "product of columns": lambda df: df.age.dot(df.readmitted),
    "gaps": lambda df: df.los.hasnans,
    "unique": lambda df: [df.pid.is_unique, df.stay.is_unique, df.age.is_unique],
    "counts of even bins": lambda df: df.age.value_counts(bins=4),
    "codes of labels": lambda df: df.code.astype("category").cat.codes.sum(),
    "labels as categories": lambda df: df.code.astype("category").value_counts().sort_index(),
    "groups of categories": lambda df: df.groupby(df.code.astype("category"), observed=True).los.mean(),
    "renamed categories": lambda df: (
        df.ward.astype("category").cat.rename_categories({"north": "N"}).astype(str).value_counts().sort_index()
    ),
    "largest values": lambda df: df.age.nlargest(10).sum(),
    "where rows come from": lambda df: (
        df.merge(df[df.died][["stay", "code"]], on="stay", how="left", indicator=True)
        ._merge.astype(str)
        .value_counts()
        .sort_index()
    ),
    "pivot by functions": lambda df: df.pivot_table(index="ward", values="los", aggfunc={"los": "mean"}),
    "groups": lambda df: list(df.groupby("ward").groups),
    "rows of a group": lambda df: df.loc[df.groupby("ward").groups["north"]].los.mean(),
    "latest of each patient": lambda df: df[
        df.sort_values("admitted", ascending=False).groupby("pid").cumcount() == 0
    ].age.sum(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_call_gives_what_pandas_gives(call, stays, table):
    ours, theirs = call(stays), call(table)
    if isinstance(theirs, list):
        assert ours == theirs
    else:
        same(ours, theirs)


def test_declared_values_are_listed_without_a_question(stays, here):
    before = len(here.vault.questions)
    assert stays.ward.unique()[:3].tolist() == ["north", "south", "west"]
    assert pd.isna(stays.ward.unique()[3])
    assert len(here.vault.questions) == before


def test_numbers_of_labels_are_in_their_order(stays, table):
    codes, labels = pd.factorize(stays.code)
    assert list(labels) == sorted(table.code.unique())
    assert codes.value_counts().sort_index().tolist() == table.code.value_counts().sort_index().tolist()


@pytest.mark.parametrize("function", [np.cumsum, np.argsort, np.sort, np.argmax, np.diff])
def test_an_order_over_all_patients_says_where_there_is_one(function, stays):
    with pytest.raises(HandleError, match="Within a patient"):
        function(stays.los)


def test_a_released_table_can_be_saved(stays):
    target = io.BytesIO()
    stays.groupby("ward")[["los"]].mean().to_parquet(target)
    assert len(pd.read_parquet(target)) == 3


def test_pieces_without_a_number_are_no_columns(stays):
    with pytest.raises(HandleError, match="n=1"):
        stays.ward.str.split("o", expand=True)
