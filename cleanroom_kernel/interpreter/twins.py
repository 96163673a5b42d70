"""Twins: a few synthetic rows of every table, made from the declared schema alone.

Promise: no value of the data is used or guessed; the same schema gives the same rows. Units and keys are shared by all
tables of a room, so that joins and filters of twins keep rows as those of the data would. Dtypes are those with which
pandas would read such a table.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.literals import PANDAS
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema

UNITS = 24
ROWS = 60
SHARE_MISSING = 0.1

EARLIEST = pd.Timestamp("2019-01-01")
SPAN = pd.Timedelta(days=730)


class Twins:
    """The twins of a room's tables, by name."""

    def __init__(self, schema: RoomSchema) -> None:
        self._schema = schema
        self._made: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._made:
            self._made[name] = _twin(self._schema[name], self._schema.name)
        return self._made[name].copy()


def _twin(table: TableSchema, room: str) -> pd.DataFrame:
    slots = _slots(table, _random(room, table.name))
    return pd.DataFrame(
        {column.name: _column(column, slots, _random(room, table.name, column.name)) for column in table.visible}
    )


def _slots(table: TableSchema, random: np.random.Generator) -> np.ndarray:
    """One number per row, from which its unit and its keys follow: slots that agree modulo UNITS share a unit."""
    if table.unit is not None and table.unit.unique:
        return np.arange(UNITS)
    if any(column.unique for column in table.visible):
        return np.arange(ROWS)
    return np.sort(random.integers(0, ROWS, ROWS))


def _column(column: Column, slots: np.ndarray, random: np.random.Generator) -> pd.Series:
    values = _values(column, slots, random)
    if column.nullable and not column.unique and column.role in (Role.FEATURE, Role.TEXT):
        missing = random.random(len(slots)) < SHARE_MISSING
        missing[random.integers(len(slots))] = True
        return _with_missing(values, missing)
    return values


def _values(column: Column, slots: np.ndarray, random: np.random.Generator) -> pd.Series:
    if column.role is Role.UNIT:
        return _identifiers(column, slots % UNITS, "unit")
    if column.role is Role.KEY:
        numbers = slots if column.one_unit or column.unique else random.integers(0, 10, len(slots))
        return _identifiers(column, numbers, column.name)
    if column.role is Role.TEXT:
        return pd.Series([f"synthetic text {number}" for number in slots], dtype=PANDAS[DType.STRING])
    if column.categories is not None:
        chosen = np.resize(random.permutation(len(column.categories)), len(slots))
        random.shuffle(chosen)
        return pd.Series([column.categories[position] for position in chosen], dtype=PANDAS[column.dtype])
    if column.unique:
        return _identifiers(column, np.arange(len(slots)), column.name)
    return _MAKERS[column.dtype](column, len(slots), random)


def _identifiers(column: Column, numbers: np.ndarray, what: str) -> pd.Series:
    if column.dtype is DType.STRING:
        return pd.Series([f"{what}-{number:03d}" for number in numbers], dtype=PANDAS[DType.STRING])
    start = 1001 if column.lower is None else int(column.lower)
    return pd.Series(numbers + start).astype(PANDAS[column.dtype])


def _integers(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    lower, upper = _bounds(column, 0, 100)
    return pd.Series(random.integers(int(np.ceil(lower)), int(np.floor(upper)) + 1, n), dtype="int64")


def _floats(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    lower, upper = _bounds(column, 0.0, 100.0)
    return pd.Series(np.clip(np.round(random.uniform(lower, upper, n), 2), lower, upper))


def _booleans(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    return pd.Series(random.integers(0, 2, n).astype(bool))


def _strings(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    """Undeclared labels depend on the column's name alone, so that columns of one name join."""
    return pd.Series([f"{column.name} {number}" for number in random.integers(1, 7, n)], dtype=PANDAS[DType.STRING])


def _datetimes(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    lower, upper = _bounds(column, float(EARLIEST.value // 1000), float((EARLIEST + SPAN).value // 1000))
    micros = random.uniform(lower, upper, n).astype("int64") // 60_000_000 * 60_000_000
    return pd.Series(micros.astype("datetime64[us]"))


def _durations(column: Column, n: int, random: np.random.Generator) -> pd.Series:
    lower, upper = _bounds(column, 0.0, 30 * 86_400e6)
    return pd.Series(random.uniform(lower, upper, n).astype("int64").astype("timedelta64[us]"))


_MAKERS: dict[DType, Callable[[Column, int, np.random.Generator], pd.Series]] = {
    DType.INTEGER: _integers,
    DType.FLOAT: _floats,
    DType.BOOLEAN: _booleans,
    DType.STRING: _strings,
    DType.DATETIME: _datetimes,
    DType.DURATION: _durations,
}


def _bounds(column: Column, lower: float, upper: float) -> tuple[float, float]:
    if column.lower is None or column.upper is None:
        return lower, upper
    return column.lower, column.upper


def _with_missing(values: pd.Series, missing: np.ndarray) -> pd.Series:
    """As pandas reads them: integers with gaps are floats, booleans with gaps are objects."""
    if values.dtype == "bool":
        values = values.astype(object)
    return values.where(~missing)


def _random(*names: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(blake2b("\0".join(names).encode(), digest_size=8).digest(), "big"))
