"""Grouping: from rows to contributions, one for each unit in each group, in one pass over the rows.

Promise: whatever a unit's rows are, it counts once in a group. The pass is a counting sort by group (SciPy's sparse
conversion, which also adds up duplicates): it costs less than a group-by, and what follows is sequential.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import sparse

from cleanroom_kernel.disclosure.candidate import Floats, Integers

Codes = NDArray[np.int32]

_BLOCK = 2**16  # contributions looked at together: their numbers stay in the processor's cache


class Grouped(Struct, frozen=True, eq=False, dict=True):
    """Rows with the group and the unit of each. Rows of no group are left out already; `rows` identifies them."""

    codes: Codes
    units: Codes
    rows: Integers
    n_groups: int
    n_units: int

    @cached_property
    def layout(self) -> Layout:
        """Which units are in which group, with how many rows: the same for all values, so it is found once."""
        if self.n_groups == 1 and self.in_order:
            starts = np.flatnonzero(self._begins)
            return Layout(np.array([0, len(starts)]), self.units[starts], np.diff(starts, append=len(self.units)) * 1.0)
        counts = _per_unit(self, np.ones(len(self.codes)))
        return Layout(_bounds(self, counts), counts.indices, counts.data)

    @cached_property
    def in_order(self) -> bool:
        """Whether the rows are sorted by unit, as those of a table are."""
        return bool(np.all(self.units[1:] >= self.units[:-1]))

    @cached_property
    def runs(self) -> NDArray[np.intp]:
        """Of rows in order: for each row its place among the units."""
        return np.cumsum(self._begins) - 1

    @property
    def _begins(self) -> NDArray[np.bool_]:
        """Of rows in order: where another unit begins."""
        begins = np.ones(len(self.units), dtype=bool)
        np.not_equal(self.units[1:], self.units[:-1], out=begins[1:])
        return begins

    @property
    def nbytes(self) -> int:
        """About what it takes with all that is found of it."""
        return 40 * len(self.codes)


class Layout:
    """One entry per unit in a group, ordered by group and unit: entries bounds[g] to bounds[g + 1] are group g's.

    `noted` is for what follows from it alone.
    """

    def __init__(self, bounds: Integers, units: Codes, rows: Floats) -> None:
        self.bounds = bounds
        self.units = units
        self.rows = rows  # number of the unit's rows in the group
        self.noted: dict[str, Any] = {}


class Contributions(Struct, frozen=True, eq=False):
    """A layout, and the sum of some values for each of its entries."""

    layout: Layout
    sums: Floats

    @property
    def bounds(self) -> Integers:
        return self.layout.bounds

    @property
    def units(self) -> Codes:
        return self.layout.units

    @property
    def rows(self) -> Floats:
        return self.layout.rows

    @property
    def n_groups(self) -> int:
        return len(self.bounds) - 1


def group(codes: Codes, units: Codes, rows: Integers, n_groups: int, n_units: int) -> Grouped:
    """`codes` are 0 to n_groups - 1, or negative for rows of no group."""
    if len(codes) and codes.min() < 0:
        kept = codes >= 0
        codes, units, rows = codes[kept], units[kept], rows[kept]
    return Grouped(codes, units, rows, n_groups, n_units)


def select(grouped: Grouped, chosen: NDArray[np.bool_]) -> Grouped:
    """The chosen rows; the same object if that is all of them, so that what was made of it can be used again."""
    if chosen.all():
        return grouped
    return Grouped(
        grouped.codes[chosen], grouped.units[chosen], grouped.rows[chosen], grouped.n_groups, grouped.n_units
    )


def contributions(grouped: Grouped, values: Floats | None = None) -> Contributions:
    """Sums of `values` of each unit in each group; without values the sums are those of ones."""
    if values is None:
        return Contributions(grouped.layout, grouped.layout.rows)
    if grouped.n_groups == 1 and grouped.in_order:
        sums = np.bincount(grouped.runs, weights=values, minlength=len(grouped.layout.units))
        return Contributions(grouped.layout, sums.astype(np.float64, copy=False))
    if "layout" in grouped.__dict__:
        return Contributions(grouped.layout, _per_unit(grouped, np.asarray(values, dtype=np.float64)).data)
    both = np.empty(len(values), dtype=np.complex128)  # two sums for one pass
    both.real = values
    both.imag = 1.0
    found = _per_unit(grouped, both)
    grouped.__dict__["layout"] = Layout(_bounds(grouped, found), found.indices, found.data.imag)
    return Contributions(grouped.layout, found.data.real)


def _bounds(grouped: Grouped, found: Any) -> Integers:
    """Where each group's entries start; no group has none, though its matrix has a row."""
    return found.indptr[: grouped.n_groups + 1].astype(np.int64)  # type: ignore[no-any-return]


def _per_unit(grouped: Grouped, data: NDArray[Any]) -> Any:
    shape = (max(grouped.n_groups, 1), max(grouped.n_units, 1))
    entries = sparse.coo_matrix((data, (grouped.codes, grouped.units)), shape=shape)
    if grouped.in_order:
        return entries.tocsr()
    return entries.tocsc().tocsr()  # twice through a counting sort is cheaper than sorting each group


def blocks(bounds: Integers) -> Iterator[tuple[slice, slice]]:
    """Slices of consecutive groups, and of their entries, that hold some ten thousand entries each."""
    n_groups = len(bounds) - 1
    start = 0
    while start < n_groups:
        end = int(np.searchsorted(bounds, bounds[start] + _BLOCK, side="left"))
        end = min(max(end, start + 1), n_groups)
        yield slice(start, end), slice(int(bounds[start]), int(bounds[end]))
        start = end


def reduce_groups(function: np.ufunc, data: NDArray[Any], bounds: Integers) -> NDArray[Any]:
    """`function` reduced over the entries of each group; zero for a group without entries."""
    result = np.zeros(len(bounds) - 1, dtype=data.dtype)
    filled = bounds[1:] > bounds[:-1]
    if filled.any():
        result[filled] = function.reduceat(data, bounds[:-1][filled])
    return result
