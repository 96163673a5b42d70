"""SQL over the room's tables gives what a database gives of the same tables; DuckDB is the judge."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter import hooks_pandas, magics
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Frame
from cleanroom_kernel.plan.nodes import Forbidden

duckdb = pytest.importorskip("duckdb")

ROWS = {
    "chosen columns": "select pid, age, los * 2 as twice from stays",
    "everything": "select * from patients",
    "a condition": "select pid, los from stays where age > 50 and ward = 'north'",
    "unknown is not true": "select pid from stays where not (los > 3)",
    "unknown or true": "select pid from stays where los > 3 or age > 50",
    "unlike": "select pid from stays where ward <> 'north'",
    "missing": "select pid, age from stays where los is null or tests is not null and died",
    "lists and ranges": "select pid, age from stays where code in ('V10', 'E11') and age between 20 and 60",
    "not in": "select pid, age from stays where ward not in ('north')",
    "patterns": "select pid, code from stays where code like 'I%' or code ilike 'v_0'",
    "case": "select pid, case when age >= 65 then 'old' when age < 18 then 'young' else 'adult' end g from stays",
    "case of a value": "select pid, case ward when 'north' then 1 when 'south' then 2 end as w from stays",
    "case with unknowns": "select pid, case when los > 3 then 1 else 0 end as long_stay from stays",
    "coalesce and nullif": "select pid, coalesce(los, 0) a, nullif(age, 50) b from stays",
    "text": "select pid, upper(ward) u, length(code) n, substring(code, 1, 1) s, left(code, 2) l from stays",
    "text joined": "select pid, code || '-' || ward as both_ from stays where ward is not null",
    "numbers": "select pid, round(los) r, abs(age - 50) a, greatest(age, tests) g, sqrt(age) q from stays",
    "casts": "select pid, cast(age as double) f, cast(readmitted as varchar) t, died::int i from stays",
    "dates": "select pid, extract(year from admitted) y, extract(month from admitted) m from stays",
    "days between": "select pid, date_diff('day', date '2020-01-01', admitted::date) d from stays",
    "later": "select pid from stays where admitted >= timestamp '2020-06-01' and admitted < date '2020-09-01'",
    "inner join": "select s.pid, s.age, p.born from stays s join patients p on s.pid = p.pid",
    "join using": "select pid, s.age, p.sex from stays s join patients p using (pid)",
    "left join with a condition": "select s.pid, p.born from stays s "
    "left join patients p on s.pid = p.pid and p.sex = 'F'",
    "inner join with a condition": "select s.pid from stays s "
    "join patients p on s.pid = p.pid and s.age > p.born - 1930",
    "comma join": "select s.pid, p.born from stays s, patients p where s.pid = p.pid and p.sex = 'M'",
    "right join": "select s.age, p.pid from stays s right join patients p on s.pid = p.pid",
    "full join": "select a.los, p.born from (select * from stays where age > 60) a "
    "full join (select * from patients where sex = 'F') p on a.pid = p.pid",
    "a public table": "select s.pid, w.beds from stays s left join wards w on s.ward = w.ward",
    "per patient": "select pid, count(*) n, max(los) longest, avg(age) a from stays group by pid",
    "per patient, chosen": "select pid, count(los) n from stays group by pid having count(*) > 4",
    "join of a group": "with n as (select pid, count(*) as stays from stays group by pid) "
    "select s.pid, s.age, n.stays from stays s join n on s.pid = n.pid where n.stays > 3",
    "with": "with old as (select * from stays where age > 65), dead as (select * from old where died) "
    "select pid, age from dead",
    "in a query": "select pid, los from stays where pid in (select pid from patients where sex = 'F')",
    "not in a query": "select pid, los from stays where pid not in (select pid from stays where died)",
    "above a value": "select pid, age from stays where age > (select avg(age) from stays)",
    "union all": "select pid, age from stays where age > 90 union all select pid, age from stays where age < 9",
    "a window": "select pid, age, row_number() over (partition by pid order by admitted) as k from stays",
    "a window backwards": "select pid, age, row_number() over (partition by pid order by admitted desc) k from stays",
    "days": "select pid, admitted::date - date '2020-01-01' as days from stays",
    "per patient and ward": "select pid, ward, count(*) n from stays group by pid, ward",
    "lag": "select pid, admitted - lag(admitted) over (partition by pid order by admitted) as gap from stays",
    "lead": "select pid, lead(age, 1, 0) over (partition by pid order by admitted) as next_age from stays",
    "running sum": "select pid, sum(age) over (partition by pid order by admitted) as total from stays",
    "ranks": "select pid, rank() over (partition by pid order by age) as r from stays",
    "dense ranks": "select pid, dense_rank() over (partition by pid order by code, age desc) as r from stays",
    "ranks with gaps": "select pid, rank() over (partition by pid order by los nulls last) as r from stays",
    "rolling mean": "select pid, avg(age) over (partition by pid order by admitted rows between 2 preceding "
    "and current row) as m from stays",
    "running mean": "select pid, avg(los) over (partition by pid order by admitted) as m from stays",
    "running number": "select pid, count(los) over (partition by pid order by admitted) as n from stays",
    "last of all": "select pid, last_value(age) over (partition by pid order by admitted rows between unbounded "
    "preceding and unbounded following) as a from stays",
    "hours between": "select pid, date_diff('hour', timestamp '2020-01-01 12:30:00', admitted) h from stays",
    "months between": "select pid, date_diff('month', timestamp '2019-11-20', admitted) m from stays",
    "written dates": "select pid, strftime(admitted, '%Y-%m') m from stays",
    "pieces": "select pid, split_part(ward, 'o', 2) as p from stays where ward is not null",
    "share of a patient": "select pid, age * 1.0 / sum(age) over (partition by pid) as share from stays where age > 0",
    "first stay of each": "select * from (select pid, age, row_number() over (partition by pid order by admitted) k "
    "from stays) t where k = 1",
    "distinct": "select distinct pid, ward from stays",
}
RELEASED = {
    "one number": "select count(*) as n from stays",
    "several numbers": "select avg(age) a, count(distinct pid) p, sum(case when died then 1 else 0 end) d from stays",
    "by an attribute": "select ward, avg(los) as mean, count(*) as n from stays group by ward order by ward nulls last",
    "by number": "select code, died, count(*) n from stays group by 1, 2 order by 1, 2",
    "by an expression": "select extract(year from admitted) as y, count(*) n from stays group by y order by y",
    "with having": "select code, avg(age) a from stays group by code having avg(age) > 49 order by a desc",
    "in terms of groups": "select code, sum(readmitted) * 100.0 / count(*) as rate from stays "
    "group by code order by code",
    "filtered aggregates": "select code, count(*) filter (where died) as d from stays group by code order by code",
    "counted where": "select code, count_if(died) d, count_if(los > 3) l from stays group by code order by code",
    "quantiles": "select code, percentile_cont(0.25) within group (order by age) q from stays "
    "group by code order by code",
    "of a join": "select p.sex, avg(s.los) a from stays s join patients p on s.pid = p.pid "
    "group by p.sex order by p.sex",
    "of groups of patients": "select n, count(*) c from (select pid, count(*) n from stays group by pid) t "
    "group by n order by n",
    "distinct labels": "select distinct code from stays order by code",
    "of a released table": "with n as (select code, count(*) c from stays group by code) "
    "select max(c) m, sum(c) s from n",
    "the largest": "select code, count(*) n from stays group by code order by n desc, code limit 2",
}


@pytest.fixture
def database(here):
    connection = duckdb.connect()
    for name, table in here.tables.items():
        connection.register(name, table)
    return connection


def expected(database, query):
    found = database.execute(query).df()
    return found.astype({name: "float64" for name in found if found[name].dtype.kind in "iuf"})


@pytest.mark.parametrize("query", ROWS.values(), ids=ROWS.keys())
def test_rows_have_the_columns_and_values_that_a_database_gives(query, here, database):
    """Rows stay, so they are compared by sums, and texts by their counts."""
    ours, theirs = here.room.sql(query, dialect="duckdb"), expected(database, query)
    assert isinstance(ours, Frame)
    assert list(ours.columns) == list(theirs.columns)
    assert len(ours) == len(theirs)
    for name in theirs:
        if name in ("pid", "stay", "note"):
            assert ours[name].count() == theirs[name].count()
        elif theirs[name].dtype.kind in "fb":
            assert ours[name].sum() == pytest.approx(theirs[name].sum())
            assert ours[name].count() == theirs[name].count()
        elif theirs[name].dtype.kind == "m":
            assert ours[name].dt.total_seconds().sum() == pytest.approx(theirs[name].dt.total_seconds().sum())
        else:
            assert ours[name].value_counts().to_dict() == theirs[name].value_counts().to_dict()


@pytest.mark.parametrize("query", RELEASED.values(), ids=RELEASED.keys())
def test_groups_of_attributes_are_released_as_a_database_gives_them(query, here, database):
    ours, theirs = here.room.sql(query, dialect="duckdb"), expected(database, query)
    assert isinstance(ours, pd.DataFrame)
    assert list(ours.columns) == list(theirs.columns)
    assert len(ours) == len(theirs)
    for name in theirs:
        if theirs[name].dtype.kind == "f":
            assert np.allclose(ours[name].astype(float), theirs[name], equal_nan=True)
        else:
            assert ours[name].fillna("").tolist() == theirs[name].fillna("").tolist()


def test_whole_numbers_divide_to_whole_numbers_as_in_postgresql(here, table):
    found = here.room.sql("select pid, age / 7 as weeks, (age - 50) / 7 as signed from stays")
    assert found.weeks.sum() == (table.age // 7).sum()
    assert found.signed.sum() == np.trunc((table.age - 50) / 7).sum()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select distinct ward, pid from stays limit 5 offset 5", "positions"),
        ("select sum(age) over (order by admitted) from stays", "mixes patients"),
        ("select ntile(4) over (partition by pid order by age) from stays", "NTILE"),
        (
            "select sum(age) over (partition by pid order by age rows between 1 following and 2 following) from stays",
            "reach back",
        ),
        ("select s.pid from stays s join patients p on s.age > p.born", "equal keys"),
        ("delete from stays", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("select from where", "cannot be read"),
        ("select * from nothing", "no table"),
        ("select json_extract(note, '$.a') from stays", "not in the SQL"),
        ("select pid from stays s, patients p where s.pid = p.pid", "several tables"),
    ],
)
def test_what_cannot_be_asked_says_so(query, words, here):
    before = len(here.vault.questions)
    with pytest.raises(HandleError, match=words):
        here.room.sql(query)
    assert len(here.vault.questions) == before


def test_a_join_across_patients_is_refused(here):
    with pytest.raises(Forbidden):
        here.room.sql("select a.age, b.age from stays a join stays b on a.ward = b.ward")


def test_a_window_over_an_attribute_cannot_put_patients_in_order(here):
    with pytest.raises(Forbidden):
        here.room.sql("select row_number() over (partition by ward order by age) from stays")


def test_pandas_readers_answer_queries_of_the_rooms_tables(here, table):
    hooks_pandas.install(here.room)
    ours = pd.read_sql_query("SELECT s.age, p.sex FROM hosp.stays s INNER JOIN hosp.patients p ON s.pid = p.pid", None)
    assert isinstance(ours, Frame)
    assert list(ours.columns) == ["age", "sex"]
    assert len(pd.read_sql("stays", None)) == len(table)
    assert pd.read_sql("select count(*) as n from `proj.data.stays`", con=None).n[0] == len(table)


def test_queries_of_other_tables_go_to_their_own_database(here):
    import sqlite3

    hooks_pandas.install(here.room)
    own = sqlite3.connect(":memory:")
    pd.DataFrame({"a": [1, 2]}).to_sql("mine", own, index=False)
    assert pd.read_sql_query("select sum(a) as s from mine", own).s[0] == 3


@pytest.mark.parametrize("name", ["stays.csv", "data/stays.csv.gz", "/home/me/STAYS.CSV", "stays.parquet", "stays"])
def test_files_are_found_by_the_name_of_the_table(name, here):
    hooks_pandas.install(here.room)
    assert isinstance(pd.read_csv(name), Frame)
    assert isinstance(pd.read_parquet(name), Frame)


def test_a_file_of_the_experts_own_is_read_unless_the_owner_gave_its_name(here, tmp_path):
    hooks_pandas.install(here.room)
    for name in ("wards.csv", "stays.csv"):
        pd.DataFrame({"own": [1]}).to_csv(tmp_path / name, index=False)
    assert list(pd.read_csv(tmp_path / "wards.csv")) == ["own"]
    assert isinstance(pd.read_csv(tmp_path / "stays.csv"), Frame)


def test_the_magic_answers_and_names_the_answer(here):
    class Shell:
        def register_magic_function(self, function, kind, name):
            if name == "sql":
                self.magic = function

        def push(self, names):
            self.names = names

    shell = Shell()
    magics.install(shell, here.room)
    assert shell.magic("select count(*) n from stays").n[0] == 240
    assert shell.magic("few ", "select pid, age from stays") is None
    assert isinstance(shell.names["few"], Frame)
