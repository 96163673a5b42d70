"""Checks: the owner's rows against the owner's schema, before any session starts.

Promise: all problems at once, each with table, column, rule and count, and never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import Column, DType, RoomSchema, TableSchema


class Problem(Struct, frozen=True):
    """`column` is "" for a problem of the whole table; `count` is how many rows or values show it."""

    table: str
    column: str
    rule: str
    count: int
    message: str

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{where}: {self.message} [{self.rule}]"


def check_columns(table: TableSchema, found: Iterable[str]) -> Iterator[Problem]:
    """What the source has against what the schema declares. A hidden column need not be there."""
    found = list(found)
    declared = {column.name for column in table.columns}
    for column in table.visible:
        if column.name not in found:
            yield Problem(table.name, column.name, "missing column", 1, "The source has no such column.")
    for name in found:
        if name not in declared:
            message = "The schema does not declare this column; declare it, if only as hidden."
            yield Problem(table.name, name, "undeclared column", 1, message)


def check_values(table: TableSchema, frame: pl.DataFrame) -> Iterator[Problem]:
    """Typed columns under their declared names, those that the source lacks left out."""
    for column in table.visible:
        if column.name in frame.columns:
            yield from _check_column(table, column, frame)


def check_units(schema: RoomSchema) -> Iterator[Problem]:
    """All unit columns hold the same identifiers, so they must be of one type."""
    units = [(table, table.unit) for table in schema.tables if table.unit is not None]
    for table, unit in units[1:]:
        if unit.dtype is not units[0][1].dtype:
            message = f"Its type differs from the unit's type in table {units[0][0].name!r}."
            yield Problem(table.name, unit.name, "unit type", 1, message)


def _check_column(table: TableSchema, column: Column, frame: pl.DataFrame) -> Iterator[Problem]:
    values = frame.get_column(column.name)

    def problem(rule: str, count: int, message: str) -> Iterator[Problem]:
        if count:
            yield Problem(table.name, column.name, rule, count, message)

    missing = values.null_count()
    if column is table.unit:
        yield from problem("unit missing", missing, f"{missing:,} rows belong to no {column.name}.")
    elif not column.nullable:
        yield from problem("missing values", missing, f"{missing:,} rows have no value, though it is not nullable.")
    if column.unique:
        repeated = len(values) - missing - values.drop_nulls().n_unique()
        yield from problem("duplicate values", repeated, f"{repeated:,} rows repeat a value, though it is unique.")
    if column.one_unit and table.unit is not None and table.unit.name in frame.columns:
        shared = _shared_values(frame, column.name, table.unit.name)
        yield from problem("one unit", shared, f"{shared:,} values are shared by two or more units.")
    if column.lower is not None and column.upper is not None:
        outside = _outside(values, column.dtype, column.lower, column.upper)
        yield from problem("bounds", outside, f"{outside:,} values lie outside the declared bounds.")
    if column.categories is not None:
        unknown = int((~values.drop_nulls().is_in(list(column.categories))).sum())
        yield from problem("categories", unknown, f"{unknown:,} values are none of the declared categories.")


def _shared_values(frame: pl.DataFrame, key: str, unit: str) -> int:
    units = frame.lazy().drop_nulls(key).group_by(key).agg(pl.col(unit).n_unique().alias("units"))
    return int(units.filter(pl.col("units") > 1).select(pl.len()).collect().item())


def _outside(values: pl.Series, dtype: DType, lower: float, upper: float) -> int:
    numbers = values.cast(pl.Int64) if dtype in (DType.DATETIME, DType.DURATION) else values
    return int(((numbers < lower) | (numbers > upper)).sum())
