"""Grouping: from rows to contributions, one for each unit in each group, in one pass over the rows.

Promise: whatever a unit's rows are, it counts once in a group. The pass is a counting sort by group (SciPy's sparse
conversion, which also adds up duplicates): it costs less than a group-by, and what follows is sequential.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import sparse

from cleanroom_kernel.disclosure.candidate import Floats, Integers

Codes = NDArray[np.int32]

_BLOCK = 2**16  # contributions looked at together: their numbers stay in the processor's cache


class Grouped(Struct, frozen=True, eq=False):
    """Rows with the group and the unit of each. Rows of no group are left out already; `rows` identifies them."""

    codes: Codes
    units: Codes
    rows: Integers
    n_groups: int
    n_units: int


class Contributions(Struct, frozen=True, eq=False):
    """One entry per unit in a group, ordered by group and unit: entries bounds[g] to bounds[g + 1] are group g's."""

    bounds: Integers
    units: Codes
    rows: Floats  # number of the unit's rows in the group
    sums: Floats  # sum of their values

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
    """Rows and sums of `values` of each unit in each group; without values the sums are those of ones."""
    if values is None:
        counts = _per_unit(grouped, np.ones(len(grouped.codes)))
        return Contributions(_bounds(grouped, counts), counts.indices, counts.data, counts.data)
    both = np.empty(len(values), dtype=np.complex128)  # two sums for one pass
    both.real = values
    both.imag = 1.0
    found = _per_unit(grouped, both)
    return Contributions(_bounds(grouped, found), found.indices, found.data.imag, found.data.real)


def _bounds(grouped: Grouped, found: Any) -> Integers:
    """Where each group's entries start; no group has none, though its matrix has a row."""
    return found.indptr[: grouped.n_groups + 1].astype(np.int64)  # type: ignore[no-any-return]


def _per_unit(grouped: Grouped, data: NDArray[Any]) -> Any:
    shape = (max(grouped.n_groups, 1), max(grouped.n_units, 1))
    entries = sparse.coo_matrix((data, (grouped.codes, grouped.units)), shape=shape)
    if np.all(grouped.units[1:] >= grouped.units[:-1]):
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
