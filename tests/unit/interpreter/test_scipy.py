"""scipy.stats of columns gives, from released statistics, what it gives of the rows without their gaps."""

import numpy as np
import pytest
from scipy import stats

from cleanroom_kernel.interpreter import hooks_scipy
from cleanroom_kernel.interpreter.errors import HandleError


@pytest.fixture(autouse=True)
def hooks(here):
    hooks_scipy.install()


def lengths(df):
    return df[df.died].los.dropna(), df[~df.died].los.dropna()


TESTS = {
    "two means": lambda df: stats.ttest_ind(*lengths(df)),
    "two means of unequal spread": lambda df: stats.ttest_ind(*lengths(df), equal_var=False, alternative="less"),
    "one mean": lambda df: stats.ttest_1samp(df.age, 48),
    "pairs": lambda df: stats.ttest_rel(df.age, df.age * 2 - 50),
    "several means": lambda df: stats.f_oneway(*(rows.age for _, rows in df.groupby("code"))),
    "a correlation": lambda df: stats.pearsonr(df.age, df.readmitted),
    "error of a mean": lambda df: [stats.sem(df.age)],
    "most common": lambda df: stats.mode(df.readmitted),
    "harmonic mean": lambda df: [stats.hmean(df.age + 1)],
    "geometric mean": lambda df: [stats.gmean(df.age + 1)],
    "skewness": lambda df: [stats.skew(df.age)],
    "rank of a value": lambda df: [stats.percentileofscore(df.age, 50)],
    "standard scores": lambda df: [np.abs(stats.zscore(df.age)).sum()],
}


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS.keys())
def test_a_statistic_is_that_of_the_rows(test, stays, table):
    ours, theirs = test(stays), test(table)
    assert [float(part) for part in ours] == pytest.approx([float(part) for part in theirs], rel=1e-9)


def test_a_line_through_two_columns_is_that_of_the_rows(stays, table):
    ours, theirs = stats.linregress(stays.age, stays.readmitted), stats.linregress(table.age, table.readmitted)
    for name in ("slope", "intercept", "rvalue", "pvalue"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name))


@pytest.mark.parametrize("name", ["mannwhitneyu", "ks_2samp", "spearmanr", "kruskal"])
def test_tests_of_ranks_are_refused_with_what_does_without(name, stays, here):
    before = len(here.vault.questions)
    with pytest.raises(HandleError, match="order of all patients' rows"):
        getattr(stats, name)(stays.age, stays.readmitted)
    assert len(here.vault.questions) == before


def test_public_numbers_are_tested_as_ever():
    assert stats.ttest_ind([1, 2, 3], [2, 3, 5]).statistic == pytest.approx(-1.2649, abs=0.001)
