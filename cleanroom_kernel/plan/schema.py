"""Schema: what an expert may know of a table before asking anything.

Promise: pure values, declared by the owner and never read off the rows. Names, types, roles, bounds and
categories given here are public; a `hidden` column is in no expert's schema at all.
"""

from __future__ import annotations

import enum

from msgspec import Struct

Category = int | str


class SchemaError(ValueError):
    """A schema or a plan that cannot be valid. Its text names code and schema only, never a value of the data."""


class DType(enum.Enum):
    """Static type of a column. Every column is nullable, so that no type depends on data (rule S13)."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"
    DATETIME = "datetime"  # microseconds, no time zone
    DURATION = "duration"  # microseconds

    @property
    def is_numeric(self) -> bool:
        """Usable in arithmetic and in a mean; booleans count as 0 and 1, as in pandas."""
        return self in (DType.INTEGER, DType.FLOAT, DType.BOOLEAN)


class Role(enum.Enum):
    """What a column may be used for (rule S2)."""

    UNIT = "unit"  # the privacy unit's identifier: a key, never an expression's input
    KEY = "key"  # an identifier (encounter, provider): a key, never an expression's input
    FEATURE = "feature"  # an ordinary attribute
    TEXT = "text"  # free text: input of vectorisers and row functions only, never a label
    HIDDEN = "hidden"  # direct identifiers: not loaded, not in the expert's schema

    @property
    def is_opaque(self) -> bool:
        return self in (Role.UNIT, Role.KEY, Role.TEXT)


class Column(Struct, frozen=True, forbid_unknown_fields=True):
    """One declared column.

    `lower`/`upper` are the owner's public bounds, in the column's own unit (epoch microseconds for datetimes);
    `categories` is the public, closed list of the values that may occur: labels in it need no minimum count of their
    own to be *named* (rule S7). `one_unit` says of a key that all rows sharing a value belong to one privacy unit
    (an encounter number does, a ward number does not); only such keys join two tables of patients.
    """

    name: str
    dtype: DType
    role: Role = Role.FEATURE
    lower: float | None = None
    upper: float | None = None
    categories: tuple[Category, ...] | None = None
    ordered: bool = False
    one_unit: bool = False
    unique: bool = False
    nullable: bool = True
    description: str = ""
    measured_in: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith("__"):
            raise SchemaError(f"Column name {self.name!r}: empty names and names starting with '__' are reserved.")
        if (self.lower is None) != (self.upper is None):
            raise SchemaError(f"Column {self.name!r}: declare both bounds or none.")
        if self.lower is not None and self.upper is not None:
            if self.dtype in (DType.STRING, DType.BOOLEAN):
                raise SchemaError(
                    f"Column {self.name!r}: bounds belong to numbers and dates, not to {self.dtype.value}."
                )
            if not self.lower <= self.upper:
                raise SchemaError(f"Column {self.name!r}: lower bound above upper bound.")
        if self.categories is not None:
            if self.role.is_opaque:
                raise SchemaError(f"Column {self.name!r}: a {self.role.value} column cannot declare categories.")
            if self.dtype not in (DType.STRING, DType.INTEGER):
                raise SchemaError(f"Column {self.name!r}: categories need type string or integer.")
            wanted = str if self.dtype is DType.STRING else int
            if not self.categories or any(type(value) is not wanted for value in self.categories):
                raise SchemaError(f"Column {self.name!r}: categories must be a non-empty list of {self.dtype.value}s.")
            if len(set(self.categories)) != len(self.categories):
                raise SchemaError(f"Column {self.name!r}: a category is listed twice.")
        if self.one_unit and self.role is not Role.KEY:
            raise SchemaError(f"Column {self.name!r}: only a key can be declared to belong to one unit.")


class TableSchema(Struct, frozen=True, forbid_unknown_fields=True):
    """One table. Without a column of role `unit` it is a public reference table, whose rows are no secret."""

    name: str
    columns: tuple[Column, ...]
    description: str = ""
    aliases: tuple[str, ...] = ()  # file names under which `pd.read_csv` and its kin find this table

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise SchemaError(f"Table name {self.name!r}: use a Python identifier.")
        names = [column.name for column in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise SchemaError(f"Table {self.name!r}: column {name!r} is declared twice.")
        if sum(column.role is Role.UNIT for column in self.columns) > 1:
            raise SchemaError(f"Table {self.name!r}: more than one column has the role 'unit'.")
        if not self.visible:
            raise SchemaError(f"Table {self.name!r}: no column is left that an expert could see.")

    @property
    def unit(self) -> Column | None:
        """The privacy unit's column, or None for a public reference table."""
        return next((column for column in self.columns if column.role is Role.UNIT), None)

    @property
    def visible(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role is not Role.HIDDEN)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"Table {self.name!r} has no column {name!r}.")


class RoomSchema(Struct, frozen=True, forbid_unknown_fields=True):
    """One set of tables under one policy. All unit columns of a room name the same kind of unit, with the same ids."""

    name: str
    tables: tuple[TableSchema, ...]
    unit_name: str = "patient"
    description: str = ""

    def __post_init__(self) -> None:
        names = [table.name for table in self.tables]
        for name in names:
            if names.count(name) > 1:
                raise SchemaError(f"Table {name!r} is declared twice.")
        if not names:
            raise SchemaError(f"Room {self.name!r} declares no table.")
        aliases = [alias for table in self.tables for alias in (*table.aliases, table.name)]
        for alias in aliases:
            if aliases.count(alias) > 1:
                raise SchemaError(f"Two tables of room {self.name!r} answer to the name {alias!r}.")

    def __getitem__(self, name: str) -> TableSchema:
        for table in self.tables:
            if table.name == name:
                return table
        raise SchemaError(f"Room {self.name!r} has no table {name!r}; it has {', '.join(t.name for t in self.tables)}.")

    def public(self) -> RoomSchema:
        """The schema as an expert sees it: without hidden columns."""
        return RoomSchema(
            name=self.name,
            unit_name=self.unit_name,
            description=self.description,
            tables=tuple(
                TableSchema(
                    name=table.name, columns=table.visible, description=table.description, aliases=table.aliases
                )
                for table in self.tables
            ),
        )
