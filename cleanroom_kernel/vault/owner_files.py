"""Owner's files: read whole tables, on the owner's side, to propose a schema for them.

Promise: a CSV column becomes a number or a date only if every value in it reads as one, and one way only. Codes that
begin with a zero stay text, and dates whose day and month cannot be told apart are said to be so, never guessed.
"""

from __future__ import annotations

import gzip
import keyword
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import DType

_CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_DELIMITERS = ",;\t|"

INTEGER = r"^[+-]?\d{1,18}$"
DECIMAL = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
LEADING_ZERO = r"^[+-]?0\d"
# Dates that say themselves which part is which. Polars' %.f also accepts no fraction.
_CLEAR_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.fZ",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S%.f",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d-%b-%Y %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
)
_OFFSET_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z")
# The same text reads as a date in both of a pair, unless a day past the twelfth tells them apart.
_UNCLEAR_FORMATS = tuple(
    (f"%d{mark}%m{mark}%Y{time}", f"%m{mark}%d{mark}%Y{time}")
    for mark in "/-"
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M:%S %p")
)


class ProposalError(ValueError):
    """Nothing can be proposed. Its text names files, tables and columns, never a value."""


class OwnerTable(Struct, frozen=True):
    """A table as read; `typed` says that its source has types of its own (Parquet, a database)."""

    name: str
    frame: pl.DataFrame
    aliases: tuple[str, ...]
    typed: bool


class TypedColumn(Struct, frozen=True):
    """A column with the type proposed for it.

    `unclear_dates`: dates whose day and month cannot be told apart. `supported`: the schema has a type for it.
    """

    dtype: DType
    values: pl.Series
    remark: str = ""
    unclear_dates: bool = False
    supported: bool = True


def read_owner_files(paths: Iterable[Path], null_values: tuple[str, ...] = ()) -> list[OwnerTable]:
    tables = [table for path in paths for table in _read(Path(path), null_values)]
    taken: dict[str, str] = {}
    for table in tables:
        for alias in {table.name, *table.aliases}:
            if alias in taken:
                raise ProposalError(f"Two tables answer to the name {alias!r}; rename one of the files.")
            taken[alias] = table.name
    if not tables:
        raise ProposalError("No table was found in the files given.")
    return tables


def _read(path: Path, null_values: tuple[str, ...]) -> Iterator[OwnerTable]:
    if not path.is_file():
        raise ProposalError(f"{path.name}: no such file.")
    ending = next((e for e in (*_CSV_ENDINGS, ".parquet") if path.name.lower().endswith(e)), "")
    if ending == ".parquet":
        stem = path.name[: -len(ending)]
        frame = _with_nulls(pl.read_parquet(path), null_values)
        yield OwnerTable(_identifier(stem), frame, (path.name, f"{stem}.csv"), typed=True)
    elif ending:
        stem = path.name[: -len(ending)]
        aliases = tuple(dict.fromkeys((path.name, path.name.removesuffix(".gz"))))
        yield OwnerTable(_identifier(stem), _read_csv(path, null_values), aliases, typed=False)
    else:
        for name, frame in _read_database(path):
            aliases = () if name.isidentifier() else (name,)
            yield OwnerTable(_identifier(name), _with_nulls(frame, null_values), aliases, typed=True)


def _with_nulls(frame: pl.DataFrame, null_values: tuple[str, ...]) -> pl.DataFrame:
    """What stands for missing in the text columns of a source with types of its own."""
    if not null_values:
        return frame
    return frame.with_columns(pl.col(pl.String).replace(dict.fromkeys(null_values)))


def _read_csv(path: Path, null_values: tuple[str, ...]) -> pl.DataFrame:
    """Every column as text: what a column is, is decided on all of it, never on its first rows."""
    try:
        return pl.read_csv(
            path,
            separator=_delimiter(path),
            infer_schema=False,
            null_values=list(null_values),
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError:
        # The reader's own message quotes the line it stumbled over.
        raise ProposalError(f"{path.name}: this file does not read as one table with a header line.") from None


def _delimiter(path: Path) -> str:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        header = file.readline()
    return max(_DELIMITERS, key=header.count)


def _read_database(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """What a file is, its first bytes say: `.db` is used for both."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3"):
        yield from _read_sqlite(path)
    elif start[8:12] == b"DUCK":
        yield from _read_duckdb(path)
    else:
        raise ProposalError(f"{path.name}: neither CSV, Parquet, DuckDB nor SQLite.")


def _read_sqlite(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    import sqlalchemy as sa

    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    )
    with engine.connect() as connection:
        for name in sa.inspect(connection).get_table_names():
            query = sa.select(sa.text("*")).select_from(sa.table(name))
            yield name, pl.read_database(query, connection, infer_schema_length=None)
    engine.dispose()


def _read_duckdb(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    try:
        import duckdb
    except ImportError:
        raise ProposalError(f"{path.name}: reading DuckDB files needs 'cleanroom-kernel[duckdb]'.") from None

    with duckdb.connect(str(path), read_only=True) as connection:
        for (name,) in connection.execute("select table_name from duckdb_tables() order by 1").fetchall():
            columns = connection.execute(
                "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index", [name]
            ).fetchall()
            # Polars has no calendar interval; as text it is at least seen, and can be recoded.
            chosen = ", ".join(
                f"cast({_quoted(column)} as varchar) as {_quoted(column)}" if kind == "INTERVAL" else _quoted(column)
                for column, kind in columns
            )
            yield name, connection.sql(f"select {chosen} from {_quoted(name)}").pl()  # noqa: S608 (quoted)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _identifier(name: str) -> str:
    cleaned = re.sub(r"\W+", "_", name).strip("_") or "table"
    return f"t_{cleaned}" if cleaned[0].isdigit() or keyword.iskeyword(cleaned) else cleaned


def typed_column(values: pl.Series, typed: bool) -> TypedColumn:
    """The schema's type for a column, and the column in it."""
    kind = values.dtype
    blank = pl.Series(values.name, [None], dtype=pl.String).new_from_index(0, len(values))
    if values.null_count() == len(values):
        return TypedColumn(DType.STRING, blank)
    if kind == pl.Boolean:
        return TypedColumn(DType.BOOLEAN, values)
    if kind.is_integer():
        return TypedColumn(DType.INTEGER, values.cast(pl.Int64, strict=False))
    if kind.is_float() or kind.is_decimal():
        return TypedColumn(DType.FLOAT, values.cast(pl.Float64))
    if kind == pl.Duration:
        return TypedColumn(DType.DURATION, values.cast(pl.Duration("us")))
    if kind == pl.Date:
        return TypedColumn(DType.DATETIME, values.cast(pl.Datetime("us")))
    if isinstance(kind, pl.Datetime):
        utc = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else values
        return TypedColumn(DType.DATETIME, utc.cast(pl.Datetime("us")), "Read as UTC." if kind.time_zone else "")
    if kind in (pl.String, pl.Categorical, pl.Enum):
        text = values.cast(pl.String)
        return _typed_text(text, numbers_too=not typed)
    return TypedColumn(DType.STRING, blank, supported=False)


def _typed_text(text: pl.Series, numbers_too: bool) -> TypedColumn:
    """Text from a typed source stays text even if it looks like numbers: its owner chose so. Dates are parsed."""
    seen = text.drop_nulls().unique()
    if numbers_too:
        if seen.str.contains(INTEGER).all():
            if not seen.str.contains(LEADING_ZERO).any():
                return TypedColumn(DType.INTEGER, text.cast(pl.Int64))
            return TypedColumn(DType.STRING, text, "Digits with leading zeros: a code, kept as text.")
        if seen.str.contains(DECIMAL).all() and not seen.str.contains(LEADING_ZERO).any():
            return TypedColumn(DType.FLOAT, text.cast(pl.Float64))
        if seen.str.to_lowercase().is_in(["true", "false"]).all():
            return TypedColumn(DType.BOOLEAN, text.str.to_lowercase() == "true")
    return _typed_dates(text, seen) or TypedColumn(DType.STRING, text)


def _typed_dates(text: pl.Series, seen: pl.Series) -> TypedColumn | None:
    if not seen.str.contains(r"\d{4}").all():
        return None
    for form in _CLEAR_FORMATS:
        if _reads(seen, form):
            return TypedColumn(DType.DATETIME, text.str.to_datetime(form, time_unit="us", strict=False))
    for form in _OFFSET_FORMATS:
        if _reads(seen, form):
            utc = text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
            return TypedColumn(DType.DATETIME, utc.dt.replace_time_zone(None), "Read as UTC.")
    for pair in _UNCLEAR_FORMATS:
        readable = [form for form in pair if _reads(seen, form)]
        if len(readable) == 2:
            return TypedColumn(DType.STRING, text, unclear_dates=True)
        if readable:
            order = "day first" if readable[0].startswith("%d") else "month first"
            values = text.str.to_datetime(readable[0], time_unit="us", strict=False)
            return TypedColumn(DType.DATETIME, values, f"Dates are written {order}.")
    return None


def _reads(seen: pl.Series, form: str) -> bool:
    """Whether every text reads in this format; a few are tried first, as most formats fail at once."""
    zone = "UTC" if form.endswith("%z") else None
    for part in (seen.head(50), seen):
        if part.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False).null_count():
            return False
    return True
