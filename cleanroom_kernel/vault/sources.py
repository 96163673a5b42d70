"""Sources: where an owner's rows are, and how they are read.

Promise: hidden columns are never read, and an error says which source failed and how, never what was in it.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from msgspec import Struct

try:
    import duckdb
except ImportError:
    duckdb = None

_DELIMITERS = ",;\t|"
_CSV = (".csv", ".tsv", ".txt")
_ADBC = "adbc+"
_PARTITION = 50_000  # rows fetched from a database at a time


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the rows of `table` are.

    `location` is a CSV file (also .gz), a Parquet file or a pattern of several, a SQLite or DuckDB file, an SQLAlchemy
    URL, or `adbc+` and a URI for which an ADBC driver is installed (adbc+postgresql://…). In a database the rows are
    those of `query`, else of the table `from_table`, else of the table that is called like ours. `null_values` are
    texts that stand for nothing; `date_formats` say how columns of text spell dates, where they do not say it
    themselves.
    """

    table: str
    location: str
    from_table: str | None = None
    query: str | None = None
    null_values: tuple[str, ...] = ()
    separator: str | None = None
    date_formats: dict[str, str] = {}


class SourceError(ValueError):
    """A source that cannot be read. Its text holds no value."""


class Opened(Struct, frozen=True):
    """A source's columns, and the way to read some of them."""

    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], pl.DataFrame]


def open_source(source: Source) -> Opened:
    """Raises SourceError."""
    try:
        opened = _opener(source)(source)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - readers' own messages quote the lines that they stumble over
        raise _unreadable(source, error) from None
    return Opened(opened.columns, lambda names: _read(source, opened, names))


def _read(source: Source, opened: Opened, names: Sequence[str]) -> pl.DataFrame:
    try:
        frame = opened.read(names)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001
        raise _unreadable(source, error) from None
    nulls = list(source.null_values)
    texts = [name for name in frame.columns if frame.schema[name] in (pl.String, pl.Categorical, pl.Enum)]
    text = [pl.col(name).cast(pl.String) for name in texts]
    return frame.with_columns(
        pl.when(~column.is_in(nulls)).then(column).name.keep() if nulls else column for column in text
    )


def _unreadable(source: Source, error: Exception) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError("there is no such file")
    return SourceError(f"it cannot be read ({type(error).__name__})")


def _opener(source: Source) -> Callable[[Source], Opened]:
    if source.location.startswith(_ADBC):
        return _open_adbc
    if "://" in source.location:
        return _open_database
    name = os.path.basename(source.location).lower().removesuffix(".gz")
    if name.endswith(_CSV):
        return _open_csv
    if name.endswith((".parquet", ".pq")) or "*" in name or os.path.isdir(source.location):
        return _open_parquet
    return _open_database_file


# -- files ------------------------------------------------------------------------------------------------------------
def _open_csv(source: Source) -> Opened:
    path = Path(source.location)
    options: dict[str, Any] = {
        "separator": source.separator or _delimiter(path),
        "infer_schema": False,  # every column as text: what a column is, the schema says
        "encoding": "utf8-lossy",
    }
    header = pl.read_csv(path, n_rows=0, **options)
    return Opened(tuple(header.columns), lambda names: pl.read_csv(path, columns=list(names), **options))


def _delimiter(path: Path) -> str:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        header = file.readline()
    return max(_DELIMITERS, key=header.count)


def _open_parquet(source: Source) -> Opened:
    scan = pl.scan_parquet(source.location)
    return Opened(tuple(scan.collect_schema().names()), lambda names: scan.select(names).collect())


# -- databases --------------------------------------------------------------------------------------------------------
def _open_database_file(source: Source) -> Opened:
    """What a file is, its first bytes say: `.db` is used for both kinds."""
    with open(source.location, "rb") as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3"):
        url = sa.URL.create(
            "sqlite", database=f"file:{Path(source.location).resolve()}", query={"mode": "ro", "uri": "true"}
        )
        return _open_sql(source, url)
    if start[8:12] == b"DUCK":
        return _open_duckdb(source)
    raise SourceError("it is neither CSV, Parquet, SQLite, DuckDB nor a database URL")


def _open_database(source: Source) -> Opened:
    return _open_sql(source, sa.make_url(source.location))


def _open_sql(source: Source, url: sa.URL) -> Opened:
    engine = sa.create_engine(url)
    chosen = _rows_of(source)
    with engine.connect() as connection:
        columns = tuple(connection.execute(sa.select(sa.text("*")).select_from(chosen).limit(0)).keys())

    def read(names: Sequence[str]) -> pl.DataFrame:
        wanted = sa.select(*(sa.column(name) for name in names)).select_from(chosen)
        with engine.connect() as connection:
            result = connection.execution_options(stream_results=True).execute(wanted)
            parts = [_frame(names, part) for part in result.partitions(_PARTITION)]
        engine.dispose()
        return _stacked(names, parts)

    return Opened(columns, read)


def _rows_of(source: Source) -> Any:
    if source.query is not None:
        return sa.text(f"({source.query.strip().rstrip(';')}) AS source")
    schema, _, name = (source.from_table or source.table).rpartition(".")
    return sa.table(name, schema=schema or None)


def _frame(names: Sequence[str], rows: Iterable[Any]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True))
    return pl.DataFrame([_series(name, values) for name, values in zip(names, columns, strict=True)])


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """Values of one type as they are; of several, as SQLite allows, as text, which the schema's type then reads."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and float in kinds:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    if len(kinds) <= 1:
        return pl.Series(name, values)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _stacked(names: Sequence[str], parts: list[pl.DataFrame]) -> pl.DataFrame:
    if not parts:
        return pl.DataFrame({name: pl.Series(name, [], dtype=pl.Null) for name in names})
    for name in names:
        kinds = {part.schema[name] for part in parts} - {pl.Null}
        if len(kinds) > 1:
            numbers = all(kind.is_numeric() for kind in kinds)
            parts = [part.with_columns(pl.col(name).cast(pl.Float64 if numbers else pl.String)) for part in parts]
    return pl.concat(parts, how="vertical_relaxed")


def _open_adbc(source: Source) -> Opened:
    """By Arrow, for databases whose drivers speak it: no row becomes a Python object on the way."""
    if find_spec("adbc_driver_manager") is None:
        raise SourceError("reading by ADBC needs 'cleanroom-kernel[adbc]' and the driver of your database")
    uri, chosen = source.location.removeprefix(_ADBC), _chosen(source)

    def read(names: str, limit: str = "") -> pl.DataFrame:
        query = f"select {names} from {chosen} as source{limit}"  # noqa: S608 - owner's
        return pl.read_database_uri(query, uri, engine="adbc")

    return Opened(tuple(read("*", " limit 0").columns), lambda names: read(", ".join(map(_quoted, names))))


def _chosen(source: Source) -> str:
    if source.query is not None:
        return f"({source.query.strip().rstrip(';')})"
    return ".".join(_quoted(part) for part in (source.from_table or source.table).split("."))


def _open_duckdb(source: Source) -> Opened:
    if duckdb is None:
        raise SourceError("reading DuckDB files needs 'cleanroom-kernel[duckdb]'")
    chosen = _chosen(source)
    with duckdb.connect(source.location, read_only=True) as connection:
        described = connection.execute(f"describe select * from {chosen} as source").fetchall()  # noqa: S608 - owner's
    kinds = {column: kind for column, kind, *_ in described}

    def read(names: Sequence[str]) -> pl.DataFrame:
        selected = ", ".join(_duckdb_column(name, kinds[name]) for name in names)
        with duckdb.connect(source.location, read_only=True) as connection:
            return connection.sql(f"select {selected} from {chosen} as source").pl()  # noqa: S608 - owner's

    return Opened(tuple(kinds), read)


def _duckdb_column(name: str, kind: str) -> str:
    """Polars has no calendar interval: microseconds instead."""
    quoted = _quoted(name)
    return f"cast(epoch({quoted}) * 1000000 as bigint) as {quoted}" if kind == "INTERVAL" else quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
