"""Preparing a room: every kind of source, every check, and files that only their owner can open."""

import gzip
import json
import os
import sqlite3
import stat
from datetime import datetime, timedelta

import polars as pl
import pytest

from cleanroom_kernel.demo import hospital
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault import sources
from cleanroom_kernel.vault.columns import ROW, UNIT
from cleanroom_kernel.vault.preparing import prepare
from cleanroom_kernel.vault.sources import Source
from cleanroom_kernel.vault.tables import MANIFEST, RoomError, open_room

VISITS = TableSchema(
    "visits",
    (
        Column("visit", DType.INTEGER, Role.KEY, one_unit=True, unique=True),
        Column("person", DType.STRING, Role.UNIT),
        Column("name", DType.STRING, Role.HIDDEN),
        Column("age", DType.INTEGER, lower=0, upper=120),
        Column("weight", DType.FLOAT),
        Column("smoker", DType.BOOLEAN),
        Column("ward", DType.STRING, categories=("A", "B")),
        Column("arrived", DType.DATETIME),
    ),
)
WARDS = TableSchema("wards", (Column("ward", DType.STRING), Column("beds", DType.INTEGER)))
ROOM = RoomSchema("room", (VISITS,))

CSV = """visit,person,name,age,weight,smoker,ward,arrived
3,p2,Ann,40,70.5,true,A,2024-01-05
1,p1,Bob,,,False,B,2024-01-06 10:30:00
2,p2,Ann,41,NaN,,A,
"""


def loaded(directory, table="visits"):
    return open_room(directory)[table]


def problems_of(tmp_path, text, schema=ROOM, **options):
    (tmp_path / "visits.csv").write_text(text)
    return prepare(schema, [Source("visits", str(tmp_path / "visits.csv"), **options)], tmp_path / "room").problems


def found(problems):
    return {(problem.column, problem.rule): problem.count for problem in problems}


@pytest.fixture
def frame():
    return pl.DataFrame(
        {
            "visit": [3, 1, 2],
            "person": ["p2", "p1", "p2"],
            "name": ["Ann", "Bob", "Ann"],
            "age": [40, None, 41],
            "weight": [70.5, None, float("nan")],
            "smoker": [True, False, None],
            "ward": ["A", "B", "A"],
            "arrived": [datetime(2024, 1, 5), datetime(2024, 1, 6, 10, 30), None],
        }
    )


def check_visits(directory):
    """The three visits, coded and sorted by unit, missing where the source said nothing."""
    table = loaded(directory)
    assert table.get_column(UNIT).to_list() == [0, 1, 1]
    assert table.get_column(ROW).to_list() == [1, 0, 2]
    assert table.get_column("f:person").to_list() == ["p1", "p2", "p2"]
    assert table.get_column("f:age").to_list() == [None, 40, 41]
    assert table.get_column("f:weight").to_list() == [None, 70.5, None]
    assert table.get_column("f:smoker").to_list() == [False, True, None]
    assert table.get_column("f:arrived").to_list() == [datetime(2024, 1, 6, 10, 30), datetime(2024, 1, 5), None]
    assert "f:name" not in table.columns


def test_a_csv_file_is_read_by_the_schemas_types(tmp_path):
    assert problems_of(tmp_path, CSV) == ()
    check_visits(tmp_path / "room")


def test_a_compressed_csv_file_is_read(tmp_path):
    (tmp_path / "v.csv.gz").write_bytes(gzip.compress(CSV.replace(",", ";").encode()))
    assert prepare(ROOM, [Source("visits", str(tmp_path / "v.csv.gz"))], tmp_path / "room").ready
    check_visits(tmp_path / "room")


def test_parquet_files_are_read_by_a_pattern(tmp_path, frame):
    frame[:1].write_parquet(tmp_path / "part-1.parquet")
    frame[1:].write_parquet(tmp_path / "part-2.parquet")
    assert prepare(ROOM, [Source("visits", str(tmp_path / "part-*.parquet"))], tmp_path / "room").ready
    check_visits(tmp_path / "room")


def fill_sqlite(path, frame):
    with sqlite3.connect(path) as connection:
        connection.execute("create table visits (visit, person, name, age, weight, smoker, ward, arrived)")
        rows = [(*row[:7], row[7] and str(row[7])) for row in frame.fill_nan(None).iter_rows()]
        connection.executemany("insert into visits values (?,?,?,?,?,?,?,?)", rows)
    connection.close()


def test_a_table_of_a_sqlite_file_is_read(tmp_path, frame):
    fill_sqlite(tmp_path / "hospital.db", frame)
    assert prepare(ROOM, [Source("visits", str(tmp_path / "hospital.db"))], tmp_path / "room").ready
    check_visits(tmp_path / "room")


def test_a_query_at_a_database_url_is_read(tmp_path, frame):
    fill_sqlite(tmp_path / "hospital.db", frame)
    source = Source("visits", f"sqlite:///{tmp_path}/hospital.db", query="select * from visits where visit < 9;")
    assert prepare(ROOM, [source], tmp_path / "room").ready
    check_visits(tmp_path / "room")


@pytest.mark.parametrize("chosen", [{}, {"query": "select * from visits where visit < 9;"}])
def test_a_table_is_read_by_adbc(tmp_path, frame, chosen):
    pytest.importorskip("adbc_driver_sqlite")
    fill_sqlite(tmp_path / "hospital.db", frame)
    source = Source("visits", f"adbc+sqlite:///{tmp_path}/hospital.db", **chosen)
    assert prepare(ROOM, [source], tmp_path / "room").ready
    check_visits(tmp_path / "room")


def test_a_driver_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(sources.SourceError, match=r"cleanroom-kernel\[adbc\]"):
        sources.open_source(Source("visits", "adbc+postgresql://somewhere/hospital"))


def test_a_table_of_a_duckdb_file_is_read(tmp_path, frame):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "hospital.duckdb")) as connection:
        connection.register("given", frame.to_arrow())
        connection.execute("create table stays as select *, interval '90 minutes' as los from given")
    schema = RoomSchema("room", (TableSchema("visits", (*VISITS.columns, Column("los", DType.DURATION))),))
    source = Source("visits", str(tmp_path / "hospital.duckdb"), from_table="stays")
    report = prepare(schema, [source], tmp_path / "room")
    assert report.problems == ()
    check_visits(tmp_path / "room")
    assert loaded(tmp_path / "room").get_column("f:los").to_list() == [timedelta(minutes=90)] * 3


def test_without_duckdb_the_report_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "x.duckdb").write_bytes(b"\0" * 8 + b"DUCK" + b"\0" * 8)
    monkeypatch.setattr("cleanroom_kernel.vault.sources.duckdb", None)
    (problem,) = prepare(ROOM, [Source("visits", str(tmp_path / "x.duckdb"))], tmp_path / "room").problems
    assert "cleanroom-kernel[duckdb]" in problem.message


def test_mixed_types_of_a_sqlite_column_are_counted_not_guessed(tmp_path, frame):
    fill_sqlite(tmp_path / "hospital.db", frame)
    with sqlite3.connect(tmp_path / "hospital.db") as connection:
        connection.execute("insert into visits values (4, 'p3', '', 'forty', 1, 0, 'A', null)")
    connection.close()
    assert found(prepare(ROOM, [Source("visits", str(tmp_path / "hospital.db"))], tmp_path / "room").problems) == {
        ("age", "wrong type"): 1
    }


def test_texts_that_stand_for_nothing_are_nothing(tmp_path):
    assert problems_of(tmp_path, CSV.replace("Ann,41", "Ann,?"), null_values=("?",)) == ()
    assert loaded(tmp_path / "room").get_column("f:age").to_list() == [None, 40, None]


def test_a_date_format_can_be_given(tmp_path):
    text = CSV.replace("2024-01-05", "05/01/2024").replace("2024-01-06 10:30:00", "06/01/2024")
    assert found(problems_of(tmp_path, text)) == {("arrived", "wrong type"): 2}
    assert problems_of(tmp_path, text, date_formats={"arrived": "%d/%m/%Y"}) == ()
    assert loaded(tmp_path / "room").get_column("f:arrived").to_list()[0] == datetime(2024, 1, 6)


def test_all_problems_are_reported_at_once_and_without_a_value(tmp_path):
    text = """visit,person,age,weight,smoker,ward,extra
1,p1,40,12 kg,true,A,x
1,p2,140,70,maybe,C,x
2,,41,70,true,Q,x
"""
    problems = problems_of(tmp_path, text)
    assert found(problems) == {
        ("arrived", "missing column"): 1,
        ("extra", "undeclared column"): 1,
        ("weight", "wrong type"): 1,
        ("smoker", "wrong type"): 1,
        ("visit", "duplicate values"): 1,
        ("visit", "one unit"): 1,
        ("person", "unit missing"): 1,
        ("age", "bounds"): 1,
        ("ward", "categories"): 2,
    }
    words = " ".join(str(problem) for problem in problems)
    assert not {"12 kg", "140", "maybe", "p1", "Q"} & set(words.replace(".", " ").replace(":", " ").split())
    assert not (tmp_path / "room").exists()


def test_a_table_without_a_source_and_a_source_without_a_table_are_problems(tmp_path):
    problems = prepare(ROOM, [Source("visit", "nowhere.csv")], tmp_path / "room").problems
    assert [(problem.table, problem.rule) for problem in problems] == [
        ("visits", "no source"),
        ("visit", "unknown table"),
    ]


def test_a_source_that_cannot_be_read_is_a_problem_that_quotes_nothing(tmp_path):
    (tmp_path / "visits.parquet").write_bytes(b"secret" * 10)
    (problem,) = prepare(ROOM, [Source("visits", str(tmp_path / "visits.parquet"))], tmp_path / "room").problems
    assert problem.rule == "unreadable source"
    assert "secret" not in problem.message


def test_units_are_coded_over_the_whole_room_and_public_tables_have_none(tmp_path):
    other = TableSchema("labs", (Column("person", DType.STRING, Role.UNIT), Column("x", DType.FLOAT)))
    schema = RoomSchema("room", (VISITS, other, WARDS))
    (tmp_path / "visits.csv").write_text(CSV)
    (tmp_path / "labs.csv").write_text("person,x\np0,1\np2,2\n")
    (tmp_path / "wards.csv").write_text("ward,beds\nA,3\n")
    sources = [Source(name, str(tmp_path / f"{name}.csv")) for name in ("visits", "labs", "wards")]
    report = prepare(schema, sources, tmp_path / "room")
    room = open_room(tmp_path / "room")
    assert report.units == room.n_units == 3
    assert room["labs"].get_column(UNIT).to_list() == [0, 2]
    assert room["visits"].get_column(UNIT).to_list() == [1, 2, 2]
    assert UNIT not in room["wards"].columns
    assert room.units == {"visits": 2, "labs": 2, "wards": 0}


def test_unit_columns_of_different_types_are_a_problem(tmp_path):
    other = TableSchema("labs", (Column("person", DType.INTEGER, Role.UNIT), Column("x", DType.FLOAT)))
    problems = prepare(RoomSchema("room", (VISITS, other)), [], tmp_path / "room").problems
    assert ("labs", "unit type") in {(problem.table, problem.rule) for problem in problems}


def test_only_the_owner_of_the_files_can_open_them(tmp_path):
    problems_of(tmp_path, CSV)
    room = tmp_path / "room"
    assert stat.S_IMODE(room.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in room.iterdir()} == {0o600}


def test_preparing_again_replaces_the_room_and_leaves_nothing_behind(tmp_path):
    problems_of(tmp_path, CSV)
    problems_of(tmp_path, CSV.replace("70.5", "71.5"))
    assert loaded(tmp_path / "room").get_column("f:weight").to_list() == [None, 71.5, None]
    assert len(list((tmp_path / "room").iterdir())) == 2


def test_a_room_of_another_schema_is_not_opened(tmp_path):
    problems_of(tmp_path, CSV)
    with pytest.raises(RoomError, match="another schema"):
        open_room(tmp_path / "room", RoomSchema("room", (VISITS, WARDS)))


def test_a_changed_file_is_not_opened_but_a_copied_one_is(tmp_path):
    problems_of(tmp_path, CSV)
    (arrow,) = (tmp_path / "room").glob("*.arrow")
    os.utime(arrow)
    check_visits(tmp_path / "room")
    content = bytearray(arrow.read_bytes())
    content[len(content) // 2] ^= 1
    arrow.write_bytes(content)
    with pytest.raises(RoomError, match="was changed"):
        open_room(tmp_path / "room")


def test_a_room_that_was_never_prepared_or_lost_a_file_is_not_opened(tmp_path):
    with pytest.raises(RoomError, match="not been prepared"):
        open_room(tmp_path)
    problems_of(tmp_path, CSV)
    next((tmp_path / "room").glob("*.arrow")).unlink()
    with pytest.raises(RoomError, match="visits"):
        open_room(tmp_path / "room")


def test_a_damaged_manifest_is_not_opened(tmp_path):
    problems_of(tmp_path, CSV)
    manifest = tmp_path / "room" / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(RoomError, match="another schema or version"):
        open_room(tmp_path / "room")
    manifest.write_text("{")
    with pytest.raises(RoomError, match="manifest"):
        open_room(tmp_path / "room")


def test_the_synthetic_hospital_fits_its_schema(tmp_path):
    hospital.write(tmp_path, patients=300)
    schema = hospital.room_schema()
    sources = [Source(table.name, str(tmp_path / f"{table.name}.parquet")) for table in schema.tables]
    report = prepare(schema, sources, tmp_path / "room")
    assert report.problems == ()
    assert report.units == 300
