"""Relations: tables of rows, each row of which depends on one privacy unit and on public values alone.

Promise: every relation is unit-local. What would mix units (a global fill, rank, running sum, deduplication, a join on
an attribute) has no node, so it cannot be asked. Rows of a relation never leave; only aggregates over it may.

A relation knows its `fields` (static types, in order) and whether its rows belong to units (`has_units`) once built.
"""

from __future__ import annotations

import enum
from typing import Any

from cleanroom_kernel.plan.bases import Relation, field_of, named_fields
from cleanroom_kernel.plan.expressions import Expression, Field, Fields, Named, opaque, type_of
from cleanroom_kernel.plan.functions import common
from cleanroom_kernel.plan.models import Fit, Method, output_fields
from cleanroom_kernel.plan.nodes import Forbidden, Node, PlanError
from cleanroom_kernel.plan.schema import DType, Role, TableSchema


class Table(Relation, frozen=True, eq=False):
    """A table of the room. On the wire only its name: the vault fills in the owner's schema, not the asker's."""

    schema: TableSchema

    @property
    def name(self) -> str:
        return self.schema.name

    def wire_fields(self) -> dict[str, Any]:
        return {"name": self.schema.name}

    def _fields(self) -> dict[str, Field]:
        return {column.name: Field.of(column) for column in self.schema.visible}

    def _has_units(self) -> bool:
        return self.schema.unit is not None


class Filter(Relation, frozen=True, eq=False):
    """Rows where `where` is true (null counts as false, as in a pandas mask)."""

    over: Relation
    where: Expression

    def _fields(self) -> dict[str, Field]:
        if type_of(self.where, self.over.fields).dtype is not DType.BOOLEAN:
            raise PlanError("A filter needs a boolean condition.")
        return dict(self.over.fields)


class Select(Relation, frozen=True, eq=False):
    """Only `columns`, in this order. A bare `Value` keeps the column's role, so keys can be passed on."""

    over: Relation
    columns: tuple[Named, ...]

    def _fields(self) -> dict[str, Field]:
        if not self.columns:
            raise PlanError("A table needs at least one column.")
        return named_fields(self.columns, self.over.fields)


class Assign(Relation, frozen=True, eq=False):
    """All columns of `over`, with `columns` added or replaced; each is computed from `over`'s columns."""

    over: Relation
    columns: tuple[Named, ...]

    def _fields(self) -> dict[str, Field]:
        return {**self.over.fields, **named_fields(self.columns, self.over.fields)}


class How(enum.Enum):
    INNER = "inner"
    LEFT = "left"


class Join(Relation, frozen=True, eq=False):
    """Rows of `left` with the matching rows of `right`, which may only be of the same unit or public.

    Two tables of patients join on keys of which at least one pair belongs to one unit (the unit itself, or a key that
    the owner declares so); the engine also demands equal units. A public table joins on any columns that it shows.
    Null keys match nothing. Columns of both sides that share a name get `suffixes`; key pairs of equal name are merged.
    """

    left: Relation
    right: Relation
    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    how: How = How.INNER
    suffixes: tuple[str, str] = ("_x", "_y")

    def _has_units(self) -> bool:
        return self.left.has_units or self.right.has_units

    def _fields(self) -> dict[str, Field]:
        if not self.left_on or len(self.left_on) != len(self.right_on):
            raise PlanError("A join needs the same number of keys on both sides.")
        pairs = [
            (field_of(self.left, left), field_of(self.right, right))
            for left, right in zip(self.left_on, self.right_on, strict=True)
        ]
        for left, right in pairs:
            if common((left.dtype, right.dtype)) is None:
                raise PlanError(f"Cannot join {left.dtype.value} to {right.dtype.value}.")
        self._check_units(pairs)
        return self._merged()

    def _check_units(self, pairs: list[tuple[Field, Field]]) -> None:
        if self.left.has_units and self.right.has_units:
            if not any(_is_unit_key(left) and _is_unit_key(right) for left, right in pairs):
                raise Forbidden(
                    "A join of two tables of patients would pair rows of different patients.",
                    rule="unit-local joins",
                    suggestion="Join on the patient's id, or on a key that belongs to one patient.",
                )
        elif self.right.has_units and self.how is How.LEFT:
            raise Forbidden(
                "A left join from a public table would show which of its rows have no patient.",
                rule="unit-local joins",
                suggestion="Put the table of patients on the left, or use how='inner'.",
            )
        elif any(left.role.is_opaque or right.role.is_opaque for left, right in pairs):
            raise Forbidden(
                "A public table cannot be joined on an identifier.",
                rule="opaque columns",
                suggestion="Join it on a declared category.",
            )

    def _merged(self) -> dict[str, Field]:
        merged_keys = {left for left, right in zip(self.left_on, self.right_on, strict=True) if left == right}
        shared = (self.left.fields.keys() & self.right.fields.keys()) - merged_keys
        fields: dict[str, Field] = {}
        for side, suffix, left_out in (
            (self.left, self.suffixes[0], set()),
            (self.right, self.suffixes[1], merged_keys),
        ):
            for name, field in side.fields.items():
                if name in left_out:
                    continue
                final = name + suffix if name in shared else name
                if final in fields:
                    raise PlanError(f"The join would give two columns named {final!r}.", suggestion="Use suffixes=.")
                fields[final] = field
        return fields


class Concat(Relation, frozen=True, eq=False):
    """The rows of all `parts`, one after the other; all have the same columns (in any order)."""

    parts: tuple[Relation, ...]

    def _has_units(self) -> bool:
        return any(part.has_units for part in self.parts)

    def _fields(self) -> dict[str, Field]:
        if len(self.parts) < 2:
            raise PlanError("There is nothing to concatenate.")
        if len({part.has_units for part in self.parts}) > 1:
            raise Forbidden("Rows of patients and public rows cannot be stacked.", rule="unit-local joins")
        first = self.parts[0].fields
        fields = {}
        for name, field in first.items():
            others = [field_of(part, name) for part in self.parts]
            if any(set(part.fields) != set(first) for part in self.parts):
                raise PlanError("Tables to concatenate need the same columns.")
            dtype = common(tuple(other.dtype for other in others))
            if dtype is None or len({other.role for other in others}) > 1:
                raise PlanError(f"Column {name!r} has different types or roles in the tables to concatenate.")
            same = all(other == field for other in others)
            fields[name] = field if same else Field(dtype, role=field.role, one_unit=all(o.one_unit for o in others))
        return fields


class Reduction(enum.Enum):
    """What a per-unit group-by can make of the rows of one group."""

    SIZE = "size"
    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    STD = "std"
    NUNIQUE = "nunique"
    MEDIAN = "median"
    ANY = "any"
    ALL = "all"


class Reduced(Node, frozen=True, eq=False):
    """A column of a per-unit group-by. `of` is None for `SIZE` alone."""

    name: str
    reduction: Reduction
    of: Expression | None = None

    def __post_init__(self) -> None:
        if (self.of is None) != (self.reduction is Reduction.SIZE):
            raise PlanError(f"{self.reduction.value} {'needs a' if self.of is None else 'takes no'} column.")


class PerUnit(Relation, frozen=True, eq=False):
    """One row per group of `by`, which includes the unit or a key of one unit, in the order of the keys."""

    over: Relation
    by: tuple[str, ...]
    columns: tuple[Reduced, ...]

    def _fields(self) -> dict[str, Field]:
        check_by_unit(self.over, self.by, "A group-by that gives rows")
        fields = {name: field_of(self.over, name) for name in self.by}
        for column in self.columns:
            if column.name in fields:
                raise PlanError(f"Two columns would be named {column.name!r}.")
            fields[column.name] = _reduced_field(column, self.over.fields)
        return fields


class WindowFunction(enum.Enum):
    """What a window over the rows of one unit can compute."""

    SHIFT = "shift"
    CUMSUM = "cumsum"
    CUMCOUNT = "cumcount"
    CUMMAX = "cummax"
    CUMMIN = "cummin"
    FFILL = "ffill"
    BFILL = "bfill"
    RANK = "rank"


class Window(Relation, frozen=True, eq=False):
    """All rows and columns of `over` and a new column `name`: `function` of `of` over the rows of one group of `by`.

    `by` includes the unit or a key of one unit. Rows are taken in the order of `order` (then as they stand).
    `periods` is for SHIFT; `of` is None for CUMCOUNT alone.
    """

    over: Relation
    name: str
    function: WindowFunction
    by: tuple[str, ...]
    of: Expression | None = None
    order: tuple[str, ...] = ()
    periods: int = 1

    def _fields(self) -> dict[str, Field]:
        check_by_unit(self.over, self.by, f"{self.function.value}")
        for name in self.order:
            if field_of(self.over, name).role.is_opaque:
                raise opaque(field_of(self.over, name))
        if (self.of is None) != (self.function is WindowFunction.CUMCOUNT):
            raise PlanError(f"{self.function.value} {'needs a' if self.of is None else 'takes no'} column.")
        if abs(self.periods) > 10_000:
            raise PlanError("A shift by more than 10,000 rows is not supported.")
        return {**self.over.fields, self.name: self._result()}

    def _result(self) -> Field:
        if self.of is None:
            return Field(DType.INTEGER)
        of = type_of(self.of, self.over.fields)
        if of.role.is_opaque:
            raise opaque(of)
        if self.function is WindowFunction.RANK:
            return Field(DType.FLOAT)
        if self.function in (WindowFunction.CUMSUM, WindowFunction.CUMMAX, WindowFunction.CUMMIN):
            if not of.dtype.is_numeric and of.dtype is not DType.DURATION:
                raise PlanError(f"{self.function.value} needs numbers.")
            return Field(DType.INTEGER if of.dtype is DType.BOOLEAN else of.dtype)
        return of


class Distinct(Relation, frozen=True, eq=False):
    """The first (or last) row of each group of `by`, which includes the unit or a key of one unit."""

    over: Relation
    by: tuple[str, ...]
    last: bool = False

    def _fields(self) -> dict[str, Field]:
        check_by_unit(self.over, self.by, "drop_duplicates")
        return dict(self.over.fields)


class Sort(Relation, frozen=True, eq=False):
    """Rows in the order of `by` (stable; nulls last), each ascending or descending."""

    over: Relation
    by: tuple[Expression, ...]
    descending: tuple[bool, ...]

    def _fields(self) -> dict[str, Field]:
        if not self.by or len(self.by) != len(self.descending):
            raise PlanError("A sort needs as many directions as columns.")
        for expression in self.by:
            type_of(expression, self.over.fields)
        return dict(self.over.fields)


class Take(Relation, frozen=True, eq=False):
    """The first (`n` > 0) or last (`n` < 0) |n| rows: a filter whose rows the gate sees like any other's."""

    over: Relation
    n: int

    def _fields(self) -> dict[str, Field]:
        if self.n == 0 or abs(self.n) > 2**40:
            raise PlanError("Take needs a number of rows.")
        return dict(self.over.fields)


class Sample(Relation, frozen=True, eq=False):
    """A random part of the rows, without replacement: `fraction` of them, or `n`. The seed is keyed by the vault."""

    over: Relation
    seed: int
    fraction: float | None = None
    n: int | None = None

    def _fields(self) -> dict[str, Field]:
        if (self.fraction is None) == (self.n is None):
            raise PlanError("A sample needs either a fraction or a number of rows.")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise PlanError("A sample's fraction lies between 0 and 1.")
        if self.n is not None and self.n < 1:
            raise PlanError("A sample needs at least one row.")
        return dict(self.over.fields)


class Side(enum.Enum):
    TRAIN = "train"
    TEST = "test"


MOST_FOLDS = 50


class Split(Relation, frozen=True, eq=False):
    """One side of a split, made in the vault as scikit-learn's train_test_split makes it, or GroupShuffleSplit by unit.
    With `folds` it is KFold or one of its kin: the test side is fold number `fold`, and `test` counts nothing.
    """

    over: Relation
    side: Side
    seed: int
    test: float | int
    shuffle: bool = True
    by_unit: bool = False
    stratify: Expression | None = None
    folds: int = 0
    fold: int = 0

    def _fields(self) -> dict[str, Field]:
        if isinstance(self.test, float) and not 0 < self.test < 1:
            raise PlanError("test_size as a fraction lies between 0 and 1.")
        if isinstance(self.test, int) and self.test < 1:
            raise PlanError("test_size as a number of rows is at least 1.")
        if self.folds and not (2 <= self.folds <= MOST_FOLDS and 0 <= self.fold < self.folds):
            raise PlanError(f"There are 2 to {MOST_FOLDS} folds, counted from 0.")
        if self.stratify is not None:
            if not self.folds and (self.by_unit or not self.shuffle):
                raise PlanError("stratify needs a shuffled split by rows.")
            stratify = type_of(self.stratify, self.over.fields)
            if stratify.role.is_opaque:
                raise opaque(stratify)
        return dict(self.over.fields)


class Predict(Relation, frozen=True, eq=False):
    """All rows and columns of `over` and what a fitted model says of each row: `names`, one per output column.

    Metrics may be taken of any model's predictions; as a column in other aggregates only those of a model whose
    family's structural rules hold (the gate decides).
    """

    over: Relation
    fit: Fit
    method: Method
    inputs: tuple[Named, ...]
    names: tuple[str, ...]

    def _fields(self) -> dict[str, Field]:
        inputs = named_fields(self.inputs, self.over.fields)
        for field in inputs.values():
            if field.role.is_opaque:
                raise opaque(field)
        if tuple(inputs) != self.fit.feature_names:
            raise PlanError("The feature names should match those that were passed during fit, in the same order.")
        return {**self.over.fields, **output_fields(self.fit, self.method, self.names)}


def check_by_unit(over: Relation, by: tuple[str, ...], what: str) -> None:
    """Refuse a grouping of rows that is not inside one unit (rule S5)."""
    keys = [field_of(over, name) for name in by]
    if over.has_units and not any(_is_unit_key(field) for field in keys):
        raise Forbidden(
            f"{what} mixes rows of different patients.",
            rule="unit-local rows",
            suggestion="Group by the patient's id (or by a key of one patient) as well.",
        )
    if not by:
        raise PlanError(f"{what} needs keys.")
    for field in keys:
        if field.role is Role.TEXT:
            raise opaque(field)


def _is_unit_key(field: Field) -> bool:
    return field.role is Role.UNIT or field.one_unit


_KEEPS = {Reduction.MIN, Reduction.MAX, Reduction.FIRST, Reduction.LAST}
_COUNTS = {Reduction.SIZE, Reduction.COUNT, Reduction.NUNIQUE}


def _reduced_field(column: Reduced, fields: Fields) -> Field:
    if column.of is None:
        return Field(DType.INTEGER)
    of = type_of(column.of, fields)
    if of.role.is_opaque and column.reduction not in (Reduction.COUNT, Reduction.NUNIQUE):
        raise opaque(of)
    if column.reduction in _COUNTS:
        return Field(DType.INTEGER)
    if column.reduction in _KEEPS:
        return of
    if column.reduction in (Reduction.ANY, Reduction.ALL):
        if not of.dtype.is_numeric:
            raise PlanError(f"{column.reduction.value} needs booleans or numbers.")
        return Field(DType.BOOLEAN)
    if of.dtype is DType.DURATION and column.reduction in (Reduction.SUM, Reduction.MEAN, Reduction.MEDIAN):
        return Field(DType.DURATION)
    if not of.dtype.is_numeric:
        raise PlanError(f"{column.reduction.value} needs numbers.")
    if column.reduction is Reduction.SUM:
        return Field(DType.FLOAT if of.dtype is DType.FLOAT else DType.INTEGER)
    return Field(DType.FLOAT)
