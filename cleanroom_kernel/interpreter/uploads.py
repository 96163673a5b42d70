"""Uploads: public tables of the expert's own (codes and groups, drugs and classes) that the room's rows are joined to.

The expert has the table as it is; the vault gets its cells once, and a merge is a look-up by the key. To the gate what
is looked up is of the expert's choice, like a number that they wrote into the code.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.elementwise import on_column
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.literals import dtype_of, plain
from cleanroom_kernel.interpreter.terms import Term
from cleanroom_kernel.plan.expressions import Expression, Lookup
from cleanroom_kernel.plan.references import Attribute, Cell, Reference
from cleanroom_kernel.plan.schema import DType


class Uploaded:
    """A public table in the room. `df.merge(reference, on=…)` joins it; `reference["column"]` is for `map`."""

    def __init__(self, reference: Reference, table: pd.DataFrame) -> None:
        self._reference = reference
        self._table = table

    @property
    def keys(self) -> list[str]:
        return [key.name for key in self._reference.keys]

    @property
    def columns(self) -> pd.Index:
        return self._table.columns

    @property
    def shape(self) -> tuple[int, int]:
        return self._table.shape

    def to_pandas(self) -> pd.DataFrame:
        """The table itself, which is yours."""
        return self._table.copy()

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, name: str) -> UploadedColumn:
        if name not in self._table.columns or name in self.keys:
            raise KeyError(name)
        return UploadedColumn(self, name)

    def _ipython_key_completions_(self) -> list[str]:
        return [column.name for column in self._reference.attributes]

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self._reference.attributes)
        return (
            f"Uploaded table {self._reference.name!r} ({len(self):,} rows, key {', '.join(self.keys)}): {names}\n"
            f"df.merge(…, on={self.keys[0]!r}, how='left') joins it to rows of the room."
        )


class UploadedColumn:
    """A column of an uploaded table, as `df.code.map(reference["group"])` takes it."""

    def __init__(self, table: Uploaded, name: str) -> None:
        self.table = table
        self.name = name

    def of(self, column: Column) -> Column:
        return _looked_up(self.table, [column], self.name)


def upload(table: Any, name: str, vault: Connection, key: str | Sequence[str] | None = None) -> Uploaded:
    """Bring a table to the vault. Raises HandleError, PlanError or CleanRoomRefusal."""
    if not isinstance(table, pd.DataFrame):
        raise HandleError("upload takes a pandas DataFrame.", suggestion="room.upload(pd.read_csv('codes.csv'), …)")
    if isinstance(table.columns, pd.MultiIndex) or not all(isinstance(label, str) for label in table.columns):
        raise HandleError("Columns of an uploaded table are named by texts.")
    if all(isinstance(level, str) for level in table.index.names):
        key = list(table.index.names) if key is None else key
        table = table.reset_index()
    keys = [str(table.columns[0])] if key is None else [key] if isinstance(key, str) else list(key)
    missing = [label for label in keys if label not in table.columns]
    if missing:
        raise KeyError(missing[0])
    table = table[[*keys, *(label for label in table.columns if label not in keys)]].reset_index(drop=True)
    columns = {label: _attribute(str(label), table[label]) for label in table.columns}
    attributes = tuple(column for label, column in columns.items() if label not in keys)
    reference = Reference(name, tuple(columns[label] for label in keys), attributes)
    vault.upload(reference)
    return Uploaded(reference, table)


def _attribute(name: str, values: pd.Series) -> Attribute:
    """A column's cells; those of numbers with gaps are whole where they were."""
    cells = [plain(value) for value in values]
    known = [value for value in cells if value is not None]
    dtype = _dtype(values, known)
    if dtype is DType.INTEGER and values.dtype.kind == "f":
        dtype = DType.FLOAT
    if dtype in (DType.DATETIME, DType.DURATION):
        raise HandleError(f"Column {name!r} holds dates.", suggestion="Upload text or numbers: df.date.dt.year.")
    return Attribute(name, dtype, tuple(_cell(value, dtype, name) for value in cells))


def _dtype(values: pd.Series, known: list[Any]) -> DType:
    found = None if values.dtype == object else dtype_of(values.dtype)
    if found is None:
        kinds = {type(value) for value in known}
        one = {frozenset({bool}): DType.BOOLEAN, frozenset({int}): DType.INTEGER}.get(frozenset(kinds))
        found = one or (DType.FLOAT if kinds and kinds <= {int, float} else DType.STRING)
    return found


def _cell(value: Any, dtype: DType, name: str) -> Cell:
    if value is None:
        return None
    if dtype is DType.STRING and not isinstance(value, str):
        raise HandleError(f"Column {name!r} mixes text and numbers.", suggestion=f"df[{name!r}].astype(str)")
    cell: Cell = float(value) if dtype is DType.FLOAT else value
    return cell


# -- joining ----------------------------------------------------------------------------------------------------------
def merged(
    left: Frame, table: Uploaded, how: str, left_on: list[Hashable], right_on: list[str], suffixes: Any
) -> Frame:
    """pandas' left or inner merge of rows of the room with an uploaded table."""
    if how not in ("left", "inner"):
        raise HandleError(f"how={how!r} shows which rows of the table match nobody.", suggestion="Use how='left'.")
    if sorted(right_on) != sorted(table.keys):
        raise HandleError(
            f"The uploaded table {table._reference.name!r} joins on its key: {', '.join(table.keys)}.",
            suggestion="Name another key when you upload it: room.upload(df, name=…, key=…).",
        )
    by_key = dict(zip(right_on, left_on, strict=True))
    keys = [left._column(by_key[key]) for key in table.keys]
    result = left.copy()
    names = [label for label in table.columns if label not in table.keys]
    taken = set(result._columns) & set(names)
    if taken:
        result = result.rename(columns={label: f"{label}{suffixes[0] or ''}" for label in taken})
    for label in names:
        result[f"{label}{suffixes[1] or ''}" if label in taken else label] = _looked_up(table, keys, label)
    for key, own in by_key.items():
        if key != own:
            result[key] = left._column(own)
    return result if how == "left" else result[_looked_up(table, keys, None)]


def _looked_up(table: Uploaded, keys: list[Column], label: str | None) -> Column:
    """A column of the table for each row of the room; without a label, whether it has the row's key."""

    def build(of: Term, *others: Term) -> Expression:
        return Lookup((of.expression, *(other.expression for other in others)), table._reference, label)

    def twin(first: pd.Series, *others: pd.Series) -> pd.Series:
        return _of_twin(table, [first, *others], label)

    found = on_column(keys[0], build, twin, tuple(keys[1:]), {})
    return found if label is None else found.rename(label)


def _of_twin(table: Uploaded, keys: list[pd.Series], label: str | None) -> pd.Series:
    """What pandas' merge gives; where no synthetic key is in the table, any of its rows stand for the missing ones."""
    index = pd.MultiIndex.from_arrays(keys) if len(keys) > 1 else pd.Index(keys[0])
    own = table._table.set_index(table.keys).index
    places = own.get_indexer(index)
    if (places < 0).all():
        places = np.arange(len(index)) % len(table)
        places[-1:] = -1 if len(places) > 1 else places[-1:]
    if label is None:
        return pd.Series(places >= 0, index=keys[0].index)
    values = table._table[label].reset_index(drop=True)
    if values.dtype == bool and (places < 0).any():
        values = values.astype(object)
    return values.reindex(places).set_axis(keys[0].index)
