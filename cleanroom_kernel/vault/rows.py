"""Rows: a relation while it is evaluated, and what its rules are given to evaluate it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import narwhals as nw
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Field, RowFunction
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.vault.columns import ROW, UNIT, stored
from cleanroom_kernel.vault.pending import Pending, collected, native
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.store import Kept, RowNumbers
from cleanroom_kernel.vault.tables import Tables

MOST_ROWS = 200_000_000
LARGEST_BOUND = 2**62

_NUMBER = "n:row"

Names = frozenset[str]


class TooManyRows(RuntimeError):
    """A join or a concatenation beyond what this room computes. Says nothing of how many."""


class Rows(Struct, frozen=True):
    """Columns asked for, UNIT and ROW, not computed yet. Every ROW is below `bound`; there are at most `most` rows."""

    pending: Pending
    bound: int
    most: int

    @classmethod
    def of(cls, kept: Kept) -> Rows:
        return cls(Pending.of(kept.frame), kept.bound, len(kept.frame))

    def with_pending(self, pending: Pending) -> Rows:
        return Rows(pending, self.bound, self.most)

    def collect(self, *columns: str) -> pl.DataFrame:
        return collected(self.pending.frame.select(*columns))


class Context(Protocol):
    """What the rules may use of the engine. Also the caller of row functions."""

    tables: Tables
    seeds: Seeds

    def remembered(self, relation: Relation, make: Callable[[], RowNumbers]) -> RowNumbers:
        """Row numbers that were drawn for `relation`: drawn once, then remembered."""

    def predictions(self, relation: Predict) -> NDArray[Any]:
        """One row per row of `relation.over`, in row order, and one column per name."""

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        """What a row function answers for rows of its inputs, of the types `fields`."""


class Rule(Struct, frozen=True):
    """How one kind of relation is evaluated.

    `inputs` are the relations it is made from; `needs` which of their columns it reads to give the columns asked for;
    `rows` evaluates it, given its evaluated inputs, the columns asked for and the context.
    """

    inputs: Callable[[Any], tuple[Relation, ...]]
    needs: Callable[[Any, Names], tuple[Names, ...]]
    rows: Callable[[Any, tuple[Rows, ...], Names, Context], Rows]


def over(relation: Any) -> tuple[Relation, ...]:
    return (relation.over,)


def hidden(relation: Relation) -> tuple[str, ...]:
    return (UNIT, ROW) if relation.has_units else (ROW,)


def kept_columns(relation: Relation, names: Iterable[str]) -> list[str]:
    """Stored names of the columns asked for, in the relation's order, and the hidden ones."""
    wanted = set(names)
    return [*(stored(name) for name in relation.fields if name in wanted), *hidden(relation)]


def numbered(pending: Pending, keep: list[str], order: tuple[str, ...]) -> Pending:
    """The columns `keep`, with ROW counting from 0 in the order of `order`."""
    counted = native(pending.frame).sort(*order).with_row_index(_NUMBER)
    counted = counted.with_columns(pl.col(_NUMBER).cast(pl.Int64).alias(ROW)).select(keep)
    return pending.then(nw.from_native(counted), operations=4)


def within_limits(rows: Rows) -> Rows:
    """Refuse to go on with more rows than can be computed; count them only if there might be too many."""
    if rows.most <= MOST_ROWS:
        return rows
    counted = rows.collect(ROW).height
    if counted > MOST_ROWS:
        raise TooManyRows
    return Rows(rows.pending, rows.bound, counted)
