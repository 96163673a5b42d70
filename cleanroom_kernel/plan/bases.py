"""Bases of the two kinds of plan node that stand for tables: relations (rows, they stay) and aggregates (may leave)."""

from __future__ import annotations

from cleanroom_kernel.plan.expressions import Expression, Field, Fields, Named, opaque, type_of
from cleanroom_kernel.plan.nodes import Node, PlanError


class Relation(Node, frozen=True, eq=False):
    """A table of rows. A subclass gives `_fields()` and, where it differs from its input's, `_has_units()`."""

    def __post_init__(self) -> None:
        self.__dict__["fields"] = self._fields()
        self.__dict__["has_units"] = self._has_units()

    @property
    def fields(self) -> Fields:
        """Static types of the columns, in order."""
        found: Fields = self.__dict__["fields"]
        return found

    @property
    def has_units(self) -> bool:
        """Whether rows belong to privacy units; rows of public tables do not."""
        found: bool = self.__dict__["has_units"]
        return found

    def _fields(self) -> dict[str, Field]:
        raise AssertionError(f"{type(self).__name__} has no rule for its fields")

    def _has_units(self) -> bool:
        over: Relation = getattr(self, "over")  # noqa: B009 - every relation but those that override this has it
        return over.has_units


class Aggregate(Node, frozen=True, eq=False):
    """A question whose answer may leave, through the gate. A subclass checks itself in `_check()`."""

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        raise AssertionError(f"{type(self).__name__} has no rule for its validity")


def field_of(relation: Relation, name: str) -> Field:
    if name not in relation.fields:
        raise PlanError(f"There is no column {name!r}.")
    return relation.fields[name]


def named_fields(columns: tuple[Named, ...], fields: Fields) -> dict[str, Field]:
    """Types of named expressions, in order; names are distinct."""
    named: dict[str, Field] = {}
    for column in columns:
        if column.name in named:
            raise PlanError(f"Two columns would be named {column.name!r}.")
        named[column.name] = type_of(column.of, fields)
    return named


def value_field(expression: Expression, fields: Fields) -> Field:
    """Type of an expression that is used as a value: identifiers and free text are refused (rule S2)."""
    field = type_of(expression, fields)
    if field.role.is_opaque:
        raise opaque(field)
    return field


def number_field(expression: Expression, fields: Fields, what: str) -> Field:
    """Type of an expression that must be numeric."""
    field = value_field(expression, fields)
    if not field.dtype.is_numeric:
        raise PlanError(f"{what} needs numbers, not {field.dtype.value}s.")
    return field
