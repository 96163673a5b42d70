"""References: public tables that an expert brings (codes and their groups, drugs and their classes), as values.

Promise: one row per key, a few types, a bounded size, all checked when it is built. Its identity is that of its
content: the same table is the same question, whatever it is called. To the gate whatever it says of a key is a number
or a word of the expert's choice.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from cleanroom_kernel.plan.nodes import Forbidden, PlanError
from cleanroom_kernel.plan.schema import DType

MAX_ROWS = 20_000
MAX_CELLS = 100_000
MAX_COLUMNS = 32
MAX_KEYS = 4
MAX_TEXT = 200  # characters of one value
MAX_NAME = 64
_MOST_CATEGORIES = 200  # of a column whose labels are shown whether or not anybody has them

Cell = bool | int | float | str | None

_KINDS: dict[DType, tuple[type, ...]] = {
    DType.INTEGER: (int,),
    DType.FLOAT: (int, float),
    DType.BOOLEAN: (bool,),
    DType.STRING: (str,),
}
KEY_TYPES = (DType.STRING, DType.INTEGER)


class Attribute(Struct, frozen=True, forbid_unknown_fields=True):
    """One column: `values` has a cell per row."""

    name: str
    dtype: DType
    values: tuple[Cell, ...]

    @property
    def categories(self) -> tuple[int | str, ...] | None:
        """Its distinct values, where they are few: an expert's own words are no secret."""
        if self.dtype not in KEY_TYPES:
            return None
        found = tuple(dict.fromkeys(value for value in self.values if isinstance(value, (int, str))))
        return found if 0 < len(found) <= _MOST_CATEGORIES else None


class Reference(Struct, frozen=True, dict=True, eq=False, forbid_unknown_fields=True):
    """A public table: `keys` together say which row is meant, `attributes` are what is known of it."""

    name: str
    keys: tuple[Attribute, ...]
    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        _check_shape(self)
        for column in (*self.keys, *self.attributes):
            _check_column(column)
        for key in self.keys:
            if key.dtype not in KEY_TYPES:
                raise PlanError(f"Key {key.name!r} holds {key.dtype.value}s: keys are codes (text or whole numbers).")
            if None in key.values:
                raise PlanError(f"Key {key.name!r} has missing values.", suggestion="Leave those rows out.")
        if len(set(zip(*(key.values for key in self.keys), strict=True))) < self.n_rows:
            raise PlanError(
                "The table has several rows for one key, which would multiply rows of the room.",
                rule="one row per key",
                suggestion="Keep one row per key: drop_duplicates, or one column per group.",
            )

    @property
    def n_rows(self) -> int:
        return len(self.keys[0].values)

    @property
    def identity(self) -> str:
        """What its content is called: equal for the same cells under the same names, in whatever order the rows are."""
        known = self.__dict__.get("identity")
        if known is None:
            rows = sorted(zip(*(key.values for key in self.keys), range(self.n_rows), strict=False))
            order = [int(row[-1]) for row in rows]
            columns = [
                (column.name, column.dtype, [column.values[place] for place in order])
                for column in (*self.keys, *self.attributes)
            ]
            known = blake2b(msgspec.msgpack.encode((len(self.keys), columns)), digest_size=20).hexdigest()
            self.__dict__["identity"] = known
        found: str = known
        return found

    def __getitem__(self, name: str) -> Attribute:
        for column in self.attributes:
            if column.name == name:
                return column
        raise PlanError(f"The uploaded table has no column {name!r} beside its key.")


def _check_shape(table: Reference) -> None:
    names = [column.name for column in (*table.keys, *table.attributes)]
    if not (table.name.isidentifier() and len(table.name) <= MAX_NAME):
        raise PlanError(f"{table.name!r} is no name for a table.", suggestion="Use a short Python identifier.")
    if not 1 <= len(table.keys) <= MAX_KEYS:
        raise PlanError(f"A reference table has 1 to {MAX_KEYS} key columns.")
    if len(set(names)) < len(names) or not all(0 < len(name) <= MAX_NAME for name in names):
        raise PlanError(f"Columns have distinct names of at most {MAX_NAME} characters.")
    if len({len(column.values) for column in (*table.keys, *table.attributes)}) > 1:
        raise PlanError("All columns of a table have the same number of rows.")
    if not table.n_rows:
        raise PlanError("The table has no rows.")
    if table.n_rows > MAX_ROWS or len(names) > MAX_COLUMNS or len(names) * table.n_rows > MAX_CELLS:
        raise Forbidden(
            f"An uploaded table has at most {MAX_ROWS:,} rows, {MAX_COLUMNS} columns and {MAX_CELLS:,} cells.",
            rule="limits",
            suggestion="Upload only the codes and the columns that you need.",
        )


def _check_column(column: Attribute) -> None:
    kinds = _KINDS.get(column.dtype)
    if kinds is None:
        raise PlanError(f"Column {column.name!r} holds {column.dtype.value}s: upload text or numbers.")
    for value in column.values:
        if value is None:
            continue
        if type(value) not in kinds:
            raise PlanError(f"Column {column.name!r} holds more than one kind of value.")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise PlanError(f"Column {column.name!r} holds text of more than {MAX_TEXT} characters.")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise PlanError(f"Column {column.name!r} holds a number that does not fit into 64 bits.")
        if value != value or value in (float("inf"), float("-inf")):
            raise PlanError(f"Column {column.name!r} holds an infinite number or NaN.", suggestion="Use None.")
