"""Store: columns of relations that were computed before, so that the next question over the same rows is quick.

Promise: holds at most its budget in bytes; what was used least recently goes first. Columns of one relation always
stand in one order, whatever order Polars computed them in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.vault.columns import ROW

BUDGET = 512 * 2**20  # bytes

RowNumbers = NDArray[np.int64]


class Sized(Protocol):
    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""


class Kept(Struct, frozen=True):
    """Some columns of a relation, ROW among them. Every ROW is below `bound`."""

    frame: pl.DataFrame
    bound: int

    def has(self, columns: Iterable[str]) -> bool:
        return set(columns) <= set(self.frame.columns)


class Store:
    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._entries: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._used = 0

    def get(self, key: str) -> Any:
        """What was put there, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: str, value: Any, size: int) -> None:
        self._drop(key)
        if size > self._budget:
            return
        while self._used + size > self._budget:
            self._drop(next(iter(self._entries)))
        self._entries[key] = (value, size)
        self._used += size

    def add(self, key: str, frame: pl.DataFrame, bound: int) -> Kept:
        """Keep the columns of `frame`, beside those that are already kept of this relation."""
        before: Kept | None = self.get(key)
        kept = Kept(frame, bound) if before is None else _beside(before, frame)
        self.put(key, kept, int(kept.frame.estimated_size()))
        return kept

    def _drop(self, key: str) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self._used -= size


def _beside(kept: Kept, frame: pl.DataFrame) -> Kept:
    rows, found = kept.frame.get_column(ROW).to_numpy(), frame.get_column(ROW).to_numpy()
    if not np.array_equal(rows, found):
        frame = frame[_positions(found, rows, kept.bound)]
    new = [column for column in frame.get_columns() if column.name not in kept.frame.columns]
    return Kept(kept.frame.with_columns(new), kept.bound)


# -- orders of rows ---------------------------------------------------------------------------------------------------
def in_order(frame: pl.DataFrame, bound: int) -> pl.DataFrame:
    """The rows of `frame` by ascending ROW."""
    rows = frame.get_column(ROW)
    if rows.is_sorted():
        return frame
    if _is_sparse(bound, frame.height):
        return frame.sort(ROW)
    places = _places(rows.to_numpy(), bound)
    return frame[pl.Series(places[places != _NOWHERE])]


def chosen(frame: pl.DataFrame, wanted: RowNumbers, bound: int) -> pl.DataFrame:
    """The rows of `frame` whose ROW is `wanted`, in that order; all are there."""
    return frame[_positions(frame.get_column(ROW).to_numpy(), wanted, bound)]


_NOWHERE = np.uint32(2**32 - 1)


def _is_sparse(bound: int, height: int) -> bool:
    """Whether a place for every possible row number would be wasteful."""
    return bound > 4 * height + 1_000 or height >= _NOWHERE


def _places(rows: RowNumbers, bound: int) -> NDArray[np.uint32]:
    """For every row number its position in `rows`."""
    places = np.full(bound, _NOWHERE, dtype=np.uint32)
    places[rows] = np.arange(len(rows), dtype=np.uint32)
    return places


def _positions(rows: RowNumbers, wanted: RowNumbers, bound: int) -> pl.Series:
    if _is_sparse(bound, len(rows)):
        order = np.argsort(rows, kind="stable")
        return pl.Series(order[np.searchsorted(rows, wanted, sorter=order)])
    return pl.Series(_places(rows, bound)[wanted])
