"""A notebook in the real processes: load lines, SQL, seaborn and scipy inside the sandbox, on the built-in hospital."""

import importlib.util

import pytest

from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import kernel, serving

pytestmark = pytest.mark.skipif(importlib.util.find_spec("seaborn") is None, reason="seaborn is not installed")

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}

LOAD = """
import pandas as pd
import seaborn as sns
from scipy import stats
encounters = pd.read_parquet("data/encounters.parquet")
encounters["long"] = encounters.los_days > 7
print(encounters.shape[1])
"""
SQL = """%%sql by_department
SELECT department, COUNT(*) AS n, AVG(los_days) AS days
FROM encounters WHERE age >= 18 GROUP BY department ORDER BY department
"""
ROWS = """
gaps = room.sql('''
    SELECT patient_id, age, admitted - LAG(discharged) OVER (PARTITION BY patient_id ORDER BY admitted) AS gap
    FROM encounters
''')
print(round((gaps.gap.dt.days <= 30).mean(), 2))
"""
PLOTS = """
axes = sns.countplot(data=encounters, x="department")
print(len(axes.patches), bool(sns.heatmap(encounters[["age", "los_days", "charlson"]].corr()).collections))
"""
TESTS = """
found = stats.ttest_ind(encounters[encounters.sex == "female"].age, encounters[encounters.sex == "male"].age)
print(found.pvalue >= 0)
"""


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 2_000)
    with (
        serving(base, TABLES, preset="standard") as room,
        kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter) as running,
    ):
        running.value(LOAD)
        yield running


@pytest.fixture(scope="module")
def encounters():
    return hospital.generate(2_000)["encounters"].to_pandas()


def test_the_magic_answers_with_the_truth_up_to_rounding(expert, encounters):
    expert.value(SQL)
    shown = expert.value("print(by_department.set_index('department').days.dropna().to_dict())")
    truth = encounters[encounters.age >= 18].groupby("department").los_days.mean()
    assert eval(shown) == pytest.approx({name: truth[name] for name in eval(shown)}, rel=0.05)
    assert len(eval(shown)) > 3


def test_a_window_in_sql_is_computed_inside_each_patient(expert, encounters):
    ordered = encounters.sort_values("admitted")
    gaps = ordered.admitted - ordered.groupby("patient_id").discharged.shift()
    assert float(expert.value(ROWS)) == pytest.approx((gaps.dt.days <= 30).mean(), abs=0.02)


def test_seaborn_and_scipy_are_hooked_inside_the_sandbox(expert):
    bars, heat = expert.value(PLOTS).split("\n")[0].split()
    assert int(bars) > 3
    assert heat == "True"
    assert "True" in expert.value(TESTS)


def test_what_is_refused_is_a_card_that_says_what_to_write(expert):
    cell = expert.run("encounters.to_csv('rows.csv')")
    assert cell.error["ename"] == "Unavailable"
    assert "room.release" in cell.text
    assert not (expert.folder / "rows.csv").exists()


def test_tables_have_their_declared_columns_alone(expert):
    names = expert.value("print(sorted(room['patients'].columns))")
    hidden = {"name", "postcode", "medical_record_number"}
    assert hidden <= set(hospital.generate(10)["patients"].columns)
    assert not any(f"'{name}'" in names for name in hidden)
