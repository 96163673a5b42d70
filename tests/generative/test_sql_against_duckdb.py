"""Random queries over handles give what DuckDB gives of the tables: three-valued conditions, CASE, groups, windows."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.interpreter import (
    connection,
    hooks_pandas,
    startup,  # noqa: F401 - registers the methods of handles
)
from tests.unit.interpreter.rooms import world

duckdb = pytest.importorskip("duckdb")


@cache
def here():
    made = world(rows=120)
    hooks_pandas.install(made.room)
    database = duckdb.connect()
    for name, table in made.tables.items():
        database.register(name, table)
    return made, database


NUMBERS = ["s.age", "s.los", "s.tests", "p.born", "s.readmitted"]
CONSTANTS = ["0", "1", "3.5", "7", "50", "1960"]
TEXTS = ["s.ward", "s.code", "p.sex"]
PATTERNS = ["'%o%'", "'V%'", "'I__'", "'%1'", "'%'"]
LABELS = ["s.ward", "s.code", "p.sex", "s.died", "upper(s.ward)", "extract(year from s.admitted)",
          "case when s.age > 50 then 'old' when s.age is null then 'none' else 'young' end",
          "coalesce(s.ward, 'none')", "left(s.code, 1)"]  # fmt: skip


@st.composite
def number(draw, depth=2):
    if depth and draw(st.booleans()):
        form = draw(
            st.sampled_from(
                ["({a} + {b})", "({a} - {b})", "({a} * {b})", "coalesce({a}, {b})", "nullif({a}, {b})", "abs({a})",
                 "case when {c} then {a} else {b} end", "case when {c} then {a} end", "greatest({a}, {b})",
                 "({a} / (abs({b}) + 1.0))", "floor({a})", "cast({a} as double)"]
            )
        )  # fmt: skip
        return form.format(a=draw(number(depth - 1)), b=draw(number(depth - 1)), c=draw(condition(depth - 1)))
    return draw(st.sampled_from(NUMBERS + CONSTANTS[:3]))


@st.composite
def condition(draw, depth=2):
    if depth and draw(st.booleans()):
        form = draw(
            st.sampled_from(["({c} and {d})", "({c} or {d})", "(not {c})", "(({c}) is true)", "(({c}) is null)"])
        )
        return form.format(c=draw(condition(depth - 1)), d=draw(condition(depth - 1)))
    form = draw(
        st.sampled_from(
            ["({a} {o} {k})", "({a} {o} {b})", "({a} between {k} and {b})", "({t} like {p})", "({t} not like {p})",
             "({a} is null)", "({t} is not null)", "({t} in ('north', 'V10', 'F'))", "({t} not in ('north', 'E11'))",
             "s.died", "(s.pid in (select pid from stays where age > {k}))", "({t} = 'south')", "({t} <> 'south')",
             "({a} > (select avg(age) from stays))"]
        )
    )  # fmt: skip
    return form.format(
        a=draw(number(max(depth - 1, 0))),
        b=draw(number(0)),
        k=draw(st.sampled_from(CONSTANTS)),
        o=draw(st.sampled_from(["<", "<=", ">", ">=", "=", "<>"])),
        t=draw(st.sampled_from(TEXTS)),
        p=draw(st.sampled_from(PATTERNS)),
    )


SOURCES = ["stays s join patients p on s.pid = p.pid", "stays s left join patients p on s.pid = p.pid and p.sex = 'F'"]
WINDOWS = [
    "row_number() over (partition by s.pid order by s.admitted)",
    "lag(s.age) over (partition by s.pid order by s.admitted desc)",
    "sum(s.age) over (partition by s.pid order by s.admitted)",
    "max(s.los) over (partition by s.pid)",
    "count(*) over (partition by s.pid)",
    "rank() over (partition by s.pid order by s.age desc, s.code)",
    "dense_rank() over (partition by s.pid order by s.los nulls last)",
    "avg(s.los) over (partition by s.pid order by s.admitted rows between 2 preceding and current row)",
    "date_diff('hour', lag(s.admitted) over (partition by s.pid order by s.admitted), s.admitted)",
]


@st.composite
def queries(draw):
    """A query and the names of its columns of numbers."""
    source, where = draw(st.sampled_from(SOURCES)), draw(condition())
    kind = draw(st.sampled_from(["rows", "window", "window", "groups", "patients"]))
    value = draw(number())
    if kind == "rows":
        return f"select s.pid, {value} as v from {source} where {where}"
    if kind == "window":
        return f"select s.pid, {draw(st.sampled_from(WINDOWS))} as v from {source} where {where}"
    if kind == "patients":
        return (
            f"select avg(n) as n, avg(v) as v from (select s.pid, count(*) as n, max({value}) as v "
            f"from {source} where {where} group by s.pid) t"
        )
    having = draw(st.sampled_from(["", " having count(*) > 3"]))
    return (
        f"select {draw(st.sampled_from(LABELS))} as k, count(*) as n, avg({value}) as v, count({value}) as c "
        f"from {source} where {where} group by 1{having} order by n desc, k nulls last"
    )


@given(query=queries())
@settings(max_examples=100, deadline=None)
def test_a_query_gives_what_a_database_gives(query):
    made, database = here()
    connection.use(made.room._connection)
    theirs = database.execute(query).df()
    ours = made.room.sql(query, dialect="duckdb")
    assert list(ours.columns) == list(theirs.columns)
    assert len(ours) == len(theirs)
    for name in {"n", "v", "c"} & set(theirs.columns):
        assert float(ours[name].count()) == float(theirs[name].count())
        assert float(ours[name].sum()) == pytest.approx(float(theirs[name].astype(float).sum()), rel=1e-9, abs=1e-6)
