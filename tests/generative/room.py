"""A small room for random programs: two tables of patients, one public table, and strategies for their rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange
from cleanroom_kernel.vault.values import POLARS

GRADES = ("low", "mid", "high")

INTEGERS = [0, 1, -1, 2, 3, 7, -12, 40]
FLOATS = [0.0, 1.0, -1.0, 0.1, 0.3, 2.5, -2.5, 3.5, 100.0, -7.25, 1e10, float("inf")]
STRINGS = ["", "a", "B", "abc", "bab", " x ", "a.b", "Äö", "12", "-3", "1.5", "2020-01-31", "2021-02-03 04:05:06"]
DATES = [datetime(2020, 2, 29), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2024, 7, 1, 12, 30, 5)]
DURATIONS = [timedelta(0), timedelta(days=-1, seconds=1), timedelta(hours=30), timedelta(days=3, microseconds=7)]

VALUES = {
    DType.INTEGER: INTEGERS,
    DType.FLOAT: FLOATS,
    DType.BOOLEAN: [True, False],
    DType.STRING: STRINGS,
    DType.DATETIME: DATES,
    DType.DURATION: DURATIONS,
}

VISITS = TableSchema(
    "visits",
    (
        Column("visit", DType.INTEGER, Role.KEY, one_unit=True, unique=True),
        Column("person", DType.STRING, Role.UNIT),
        Column("n", DType.INTEGER),
        Column("x", DType.FLOAT),
        Column("flag", DType.BOOLEAN),
        Column("s", DType.STRING),
        Column("at", DType.DATETIME),
        Column("took", DType.DURATION),
        Column("grade", DType.STRING, categories=GRADES, ordered=True),
    ),
)
LABS = TableSchema(
    "labs",
    (
        Column("person", DType.STRING, Role.UNIT),
        Column("visit", DType.INTEGER, Role.KEY, one_unit=True),
        Column("n", DType.INTEGER),
        Column("s", DType.STRING),
        Column("x", DType.FLOAT),
    ),
)
WARDS = TableSchema("wards", (Column("s", DType.STRING), Column("beds", DType.INTEGER), Column("w", DType.FLOAT)))
ROOM = RoomSchema("room", (VISITS, LABS, WARDS))


def values_of(column: Column) -> st.SearchStrategy:
    if column.categories is not None:
        return st.none() | st.sampled_from(column.categories)
    return st.none() | st.sampled_from(VALUES[column.dtype])


@st.composite
def frames(draw) -> dict[str, pl.DataFrame]:
    """Rows for each table. A visit belongs to one person, in both tables."""
    persons = ["p3", "p1", "p2", "p10"]
    owner = draw(st.lists(st.sampled_from(persons), min_size=8, max_size=8))
    visits = draw(st.lists(st.integers(0, 7), unique=True, max_size=8))
    labs = draw(st.lists(st.integers(0, 7), max_size=10))
    keys = {
        "visits": {"visit": visits, "person": [owner[visit] for visit in visits]},
        "labs": {"visit": labs, "person": [owner[visit] for visit in labs]},
        "wards": {},
    }
    sizes = {"visits": len(visits), "labs": len(labs), "wards": draw(st.integers(0, 5))}
    made = {}
    for table in ROOM.tables:
        columns = []
        for column in table.columns:
            values = keys[table.name].get(column.name)
            if values is None:
                size = sizes[table.name]
                values = draw(st.lists(values_of(column), min_size=size, max_size=size))
            columns.append(pl.Series(column.name, values, dtype=POLARS[column.dtype]))
        made[table.name] = pl.DataFrame(columns)
    return made


def engine_of(tables: dict[str, pl.DataFrame], predictor=None) -> Engine:
    return Engine(Tables(ROOM, *arrange(ROOM, tables)), Seeds(None), predictor)
