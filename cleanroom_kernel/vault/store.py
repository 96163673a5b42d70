"""Store: columns of relations that were computed before, so that the next question over the same rows is quick.

Promise: holds at most its budget in bytes; what was used least recently goes first. Columns of one relation always
stand in one order, whatever order Polars computed them in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.vault.columns import ROW

BUDGET = 512 * 2**20  # bytes

Positions = NDArray[np.int64]


class Kept(Struct, frozen=True):
    """Some columns of a relation, ROW among them. Every ROW is below `bound`."""

    frame: pl.DataFrame
    bound: int

    def has(self, columns: Iterable[str]) -> bool:
        return set(columns) <= set(self.frame.columns)

    def ordered(self) -> pl.DataFrame:
        """In row order."""
        rows = self.frame.get_column(ROW)
        return self.frame if rows.is_sorted() else self.frame[in_order(rows.to_numpy(), self.bound)]


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
        frame = frame[positions(found, rows, kept.bound)]
    new = [column for column in frame.get_columns() if column.name not in kept.frame.columns]
    return Kept(kept.frame.with_columns(new), kept.bound)


def in_order(rows: Positions, bound: int) -> Positions:
    """Positions that put distinct row numbers in ascending order."""
    if bound > 4 * len(rows) + 1_000:
        return np.argsort(rows, kind="stable")
    places = np.full(bound, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places[places >= 0]


def positions(rows: Positions, wanted: Positions, bound: int) -> Positions:
    """Where in `rows` each of `wanted` stands; all are there."""
    if bound > 4 * len(rows) + 1_000:
        order = np.argsort(rows, kind="stable")
        return order[np.searchsorted(rows, wanted, sorter=order)]
    places = np.empty(bound, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places[wanted]
