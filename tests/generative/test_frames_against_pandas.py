"""Random programs of pandas calls give on handles what they give on the tables themselves, through a permissive gate.

A program is ordinary source code: some steps and one question. It runs once on a handle and once on the table; values,
dtypes, labels, order and names of the answers have to agree.
"""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from cleanroom_kernel.interpreter import connection, hooks_pandas
from cleanroom_kernel.plan.expressions import type_of
from cleanroom_kernel.plan.schema import DType
from tests.unit.interpreter.rooms import world

SIZES = (240, 60, 7)  # rows of the worlds that programs run in


@cache
def worlds(number):
    return world(number, rows=SIZES[number])


@pytest.fixture(scope="module", autouse=True)
def hooks():
    hooks_pandas.install(worlds(0).room)


# -- columns ----------------------------------------------------------------------------------------------------------
NUMBERS = [f"df[{name!r}]" for name in ("age", "los", "tests", "readmitted")]
CONSTANTS = ["0", "1", "2", "3", "7", "50", "0.5", "-1.5"]
ARITHMETIC = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} * {b} + 1)", "{b} - {a}", "{a} // 7 + {b}", "{a} % 5 - {b}",
    "np.maximum({a}, {b})", "{a} / 4", "{a} * 2 // 3",
]  # fmt: skip
FUNCTIONS = [
    "{a}.abs()", "-{a}", "{a}.round(0)", "{a}.clip(1, 20)", "{a}.fillna(0)", "{a}.isna().astype(int)",
    "np.log1p({a}.abs())", "np.sqrt({a}.abs())", "{a} ** 2", "{a}.where({a} > 2)", "{a}.mask({a} > 2, 1)",
    "{a}.between(1, 5).astype(int)", "{a}.replace(0, 9)", "np.floor({a})", "np.sign({a})", "{a}.astype(float)",
    "pd.Series(np.where({a} > 3, 1, 0), index=df.index)",
    "pd.Series(np.select([{a} > 30, {a} > 3], [2, 1], 0), index=df.index)", "{a}.apply(lambda v: 1 if v > 5 else 0)",
]  # fmt: skip
# pandas gives 32-bit integers here, whose powers overflow without a word; the room's do not.
PARTS = [
    f"df['admitted'].dt.{part}.astype('int64')"
    for part in ("year", "month", "day", "hour", "dayofweek", "dayofyear", "quarter")
]
MAPS = [
    "df['ward'].map({'north': 1, 'south': 2})",
    "df['ward'].map({'north': 1.5, 'south': 2, 'west': 0})",
    "df['code'].str.len()",
    "df['ward'].eq('north').astype(int)",
    "(df['admitted'] - pd.Timestamp('2020-01-01')).dt.days",
]
COMPARISONS = [">", ">=", "<", "<=", "==", "!="]
TESTS = [
    "df['ward'].isin(['north', 'east'])", "df['ward'].isin(['south'])", "df['code'].str.startswith('V')",
    "df['code'].str.contains('1')", "(df['code'].str[0] == 'E')", "(df['code'].str.lower() == 'i50')",
    "(df['code'].str.len() > 2)", "df['code'].str.contains('^I|2$')", "df['los'].isna()", "df['tests'].notna()",
    "df['ward'].isna()", "df['died']", "(df['admitted'] > '2020-09-01')", "(df['ward'] != 'west')",
    "df['ward'].str.contains('o')",
]  # fmt: skip
LABELS = [
    "df['ward']", "df['code']", "df['died']", "df['readmitted']", "(df['age'] // 25)",
    "df['admitted'].dt.month.astype('int64')",
    "df['code'].str[0]", "pd.cut(df['age'], [0, 18, 65, 100])", "df['ward'].fillna('none')", "df['tests']",
    "pd.cut(df['los'], [0, 2, 5, 100], labels=['short', 'usual', 'long'])", "df['ward'].str.upper()",
    "df['code'].replace({'V10': 'other', 'V22': 'other'})", "pd.qcut(df['age'], 3)",
    "df['age'].apply(lambda age: 'old' if age >= 65 else 'young' if age < 30 else 'middle')",
    "df['admitted'].dt.day_name()", "(df['los'] > 3)",
]  # fmt: skip


@st.composite
def number(draw, depth=2):
    """Source of a numeric column of `df`."""
    kinds = ["plain", "part", "map"] + ["arithmetic", "function", "choice"] * (2 if depth else 0)
    kind = draw(st.sampled_from(kinds))
    if kind == "arithmetic":
        other = st.one_of(number(depth - 1), st.sampled_from(CONSTANTS))
        return f"({draw(st.sampled_from(ARITHMETIC)).format(a=draw(number(depth - 1)), b=draw(other))})"
    if kind == "function":
        return f"({draw(st.sampled_from(FUNCTIONS)).format(a=draw(number(depth - 1)))})"
    if kind == "choice":
        return f"{draw(number(depth - 1))}.where({draw(condition(depth - 1))}, {draw(st.sampled_from(CONSTANTS))})"
    return draw(st.sampled_from({"plain": NUMBERS, "part": PARTS, "map": MAPS}[kind]))


@st.composite
def condition(draw, depth=2):
    """Source of a boolean column of `df`."""
    kind = draw(st.sampled_from(["compare", "test"] + ["both", "not"] * (depth > 0)))
    if kind == "compare":
        comparison, bound = draw(st.sampled_from(COMPARISONS)), draw(st.sampled_from(CONSTANTS))
        return f"({draw(number(max(depth - 1, 0)))} {comparison} {bound})"
    if kind == "not":
        return f"(~{draw(condition(depth - 1))})"
    if kind == "both":
        return f"({draw(condition(depth - 1))} {draw(st.sampled_from('&|'))} {draw(condition(depth - 1))})"
    return draw(st.sampled_from(TESTS))


# -- steps ------------------------------------------------------------------------------------------------------------
WINDOWS = [
    "['los'].shift()", "['age'].cumsum()", ".cumcount()", "['los'].diff()", "['los'].transform('mean')",
    "['stay'].transform('count')", "['age'].rank()", "['los'].ffill()", "['age'].cummax()",
    "['tests'].transform('max')",
    "['age'].shift(-1)", "['los'].transform('first')", "['los'].transform(lambda x: x.fillna(x.mean()))",
    "['los'].transform(lambda x: x.rolling(2, min_periods=1).mean())", "['age'].transform(lambda x: x - x.shift())",
]  # fmt: skip
FIXED_STEPS = [
    "df = df.sort_values(['admitted', 'age'])",
    "df = df.sort_values('age', ascending=False, kind='stable')",
    "df = df.dropna(subset=['los'])",
    "df = df.drop_duplicates('pid')",
    "df = df.drop_duplicates(['pid', 'ward'], keep='last')",
    "df = df.head(20)",
    "df = df[-15:]",
    "df = df.sample(frac=0.6, random_state=3)",
    "df = df.sample(n=5, random_state=1)",
    "df = df.groupby('pid').head(2)",
    "df = df[df['pid'].isin(patients[patients['sex'] == 'F']['pid'])]",
    "df = pd.concat([df[df['age'] > 60], df[df['age'] < 30]])",
    "df = df.fillna({'los': 0})",
    "df = df.drop(df[df['age'] > 90].index)",
    "df = df.assign(new=lambda d: d['age'] + d['los'])",
    "df = df.reset_index(drop=True)",
    "df = df[df.duplicated(['pid'])]",
    "df = df.merge(patients, on='pid', how='left').drop(columns=['sex', 'born'])",
    "df = df.merge(patients, on='pid').drop(columns=['sex', 'born'])",
    "df = df.query('age > 40')",
    "df = df.query('los < 5 and died')",
    "df = df.query('20 < age < 70 or ward == \"north\"')",
    "df['new'] = df['pid'].map(df.groupby('pid')['los'].max())",
    "df = df.replace({'ward': {'north': 'north!'}})",
    "df = df.merge(patients[patients['sex'] == 'F'], on='pid', how='outer').drop(columns=['sex', 'born'])",
    "df = df.melt(['stay', 'pid', 'age', 'ward', 'code', 'died', 'readmitted', 'admitted', 'note', 'tests'], ['los'], "
    "value_name='los').drop(columns='variable')",
    "df['new'] = df['code'].str.split('1', n=1, expand=True)[1].str.len()",
    "df['new'] = df['code'].str.count('1')",
    "df['new'] = np.digitize(df['age'], [18, 65])",
    "df = df[df['pid'].duplicated()]",
    "df.loc[df['ward'] == 'west', 'ward'] = 'north'",
]


@st.composite
def step(draw):
    kind = draw(st.sampled_from(["filter", "assign", "assign where", "window", "label", "fixed", "fixed"]))
    if kind == "filter":
        return f"df = df[{draw(condition())}]"
    if kind == "assign":
        return f"df[{draw(st.sampled_from(['new', 'los', 'age']))!r}] = {draw(number())}"
    if kind == "assign where":
        return f"df.loc[{draw(condition())}, 'los'] = {draw(st.sampled_from(['0', '3', 'np.nan']))}"
    if kind == "window":
        rows = draw(st.sampled_from(["df", "df.sort_values(['admitted', 'age'])"]))
        return f"df['new'] = {rows}.groupby('pid'){draw(st.sampled_from(WINDOWS))}"
    if kind == "label":
        return f"df['code'] = {draw(st.sampled_from(LABELS[:7]))}.astype(str).fillna('none')"
    return draw(st.sampled_from(FIXED_STEPS))


# -- questions --------------------------------------------------------------------------------------------------------
STATISTICS = ("mean", "sum", "count", "std", "var", "median", "min", "max", "nunique")
FIXED_QUESTIONS = [
    "len(df)", "df.shape", "df.isna().sum()", "df.isna().mean()", "df[['age', 'los', 'readmitted']].describe()",
    "df['los'].describe()", "df[['age', 'los']].corr()", "df['age'].corr(df['los'])", "df['pid'].nunique()",
    "df[['age', 'los']].quantile([0.25, 0.5])", "df.groupby('ward').size()", "df.count()",
    "pd.get_dummies(df['code'].str[0]).mean().sum()", "df[['age', 'los']].sum(axis=1).sum()",
    "df[['age', 'los']].max(axis=1).mean()",
    "df.pivot_table(index='ward', values='los', aggfunc='mean')", "df.groupby('code')[['los', 'age']].mean()",
    "df.groupby('code')['los'].describe()", "np.where(df['age'] > 50, 1, 0).mean()", "df['ward'].mode()",
    "df.groupby('pid').agg(n=('stay', 'count'), worst=('los', 'max'), wards=('ward', 'nunique')).mean()",
    "df.groupby(['ward', 'died'], dropna=False).agg(n=('age', 'size'), mean=('los', 'mean'))",
    "df.groupby('ward').agg(share=('age', lambda age: (age > 50).mean()))",
    "df['ward'].value_counts(normalize=True).sort_index()",
    "df.groupby('ward')['code'].value_counts().sort_index()", "df[['age', 'los']].agg(['mean', 'std'])",
    "df.pivot_table(index='ward', columns='died', values='los')", "df['age'].agg(['mean', 'sum'])",
    "df[['ward', 'code']].nunique()", "df.groupby('ward', as_index=False)['los'].mean()", "df.groupby('code').ngroups",
    "df.groupby('ward')['los'].quantile(0.25)", "df.groupby('ward').apply(lambda rows: rows['los'].mean())",
    "df.groupby('ward')['los'].apply(lambda x: x.mean() / x.std())",
    "df.groupby('pid')['los'].apply(lambda x: x.max() - x.min()).mean()",
    "df.pivot_table(index='pid', columns='code', values='age', aggfunc='sum').count().sum()",
    "df.groupby(['pid', 'code'])['age'].max().unstack().mean().sum()",
    "df.pivot_table(index='code', columns='ward', values=['los', 'age'])",
    "df['los'].kurtosis()", "np.histogram(df['age'], [0, 20, 50, 101])[0].tolist()",
    "df[['age', 'los']].mean(axis=1).mean()", "df.groupby('ward').los.agg(['mean', 'count'])",
]  # fmt: skip


@st.composite
def question(draw):
    kind = draw(st.sampled_from(["column", "group", "agg", "counts", "table", "units", "fixed", "fixed"]))
    statistic = draw(st.sampled_from(STATISTICS))
    label = draw(st.sampled_from(LABELS))
    if kind == "column":
        return f"{draw(number())}.{statistic}()"
    if kind == "group":
        return f"{draw(number(1))}.rename('x').groupby({label}, observed=True).{statistic}()"
    if kind == "agg":
        keys = draw(st.sampled_from([["ward"], ["code", "ward"], ["died"], ["readmitted", "code"]]))
        names = draw(st.lists(st.sampled_from(STATISTICS), min_size=1, max_size=3, unique=True))
        return f"df.groupby({keys}, as_index={draw(st.booleans())}).agg({{'los': {names}, 'age': 'mean'}})"
    if kind == "counts":
        return f"{label}.value_counts(dropna={draw(st.booleans())}).sort_index()"
    if kind == "table":
        columns = draw(st.sampled_from(["code", "readmitted"]))
        options = draw(st.sampled_from(["", ", margins=True", ", normalize='index'", ", normalize=True"]))
        return f"pd.crosstab({label}.rename('row'), df[{columns!r}].rename('column'){options})"
    if kind == "units":
        inner = draw(st.sampled_from(["sum", "mean", "first", "last", "median", "max", "std", "nunique"]))
        return f"df.groupby('pid')['los'].{inner}().{statistic}()"
    return draw(st.sampled_from(FIXED_QUESTIONS))


@st.composite
def programs(draw):
    steps = draw(st.lists(step(), max_size=4))
    return "\n".join(["df = df.copy()", *steps, f"answer = {draw(question())}"])


# -- the comparison ---------------------------------------------------------------------------------------------------
def run(program, df, patients):
    """The names that the program leaves behind."""
    names = {"df": df, "patients": patients, "pd": pd, "np": np}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(program, "program", "exec"), names)
    return names


KINDS = {
    DType.INTEGER: "iuf",  # with gaps, pandas has floats
    DType.FLOAT: "fiu",  # an integer to a power, a clipped one: pandas' type depends on values
    DType.BOOLEAN: "bO",
    DType.STRING: "OT",
    DType.DATETIME: "M",
    DType.DURATION: "m",
}


def twins_fit_their_plans(frame):
    assert list(frame._twin.columns) == list(frame._columns)
    for name, expression in frame._columns.items():
        dtype = frame._twin[name].dtype
        kind = "T" if isinstance(dtype, (pd.StringDtype, pd.CategoricalDtype)) else dtype.kind
        assert kind in KINDS[type_of(expression, frame._rows.fields).dtype], name


# In pandas the dtype of these depends on the data (whether a condition ever holds, whether a gap arises); types of a
# plan never do. So of their answers only the values are compared.
TYPED_BY_DATA = ("where", "mask", "np.nan", "map(", "select", "shift", "diff", "transform", "ffill", "loc[", "max()")


def same(program, ours, theirs):
    options = {"check_exact": False, "rtol": 1e-9}
    if any(name in program for name in TYPED_BY_DATA):
        options |= {"check_dtype": False, "check_index_type": False}
    if isinstance(theirs, str) or (isinstance(theirs, (pd.DataFrame, pd.Series)) and len(theirs) == 0):
        return  # of no rows at all, pandas gives what their dtype happens to be: an empty text for a sum of no labels
    if isinstance(theirs, pd.DataFrame):
        assert_frame_equal(ours, theirs, **options)
    elif isinstance(theirs, pd.Series):
        assert_series_equal(ours, theirs, **options)
    elif isinstance(theirs, tuple):
        assert ours == theirs
    else:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)


@given(program=programs(), number=st.sampled_from(range(len(SIZES))))
@settings(max_examples=300, deadline=None)
def test_a_program_gives_what_pandas_gives(program, number):
    here = worlds(number)
    connection.use(here.room._connection)
    try:
        theirs = run(program, here.tables["stays"], here.tables["patients"])["answer"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return  # no program that pandas itself would run
    names = run(program, here.room["stays"], here.room["patients"])
    same(program, names["answer"], theirs)
    twins_fit_their_plans(names["df"])
