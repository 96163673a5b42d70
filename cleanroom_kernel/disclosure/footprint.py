"""Footprints: what a released number was over, small enough to keep for good.

Promise: a footprint holds the set of units and a linear sketch of the rows, and no value. The sketch is a vector over
a prime field with one entry per bucket of units: the sum of pseudo-random weights of the cell's rows. It is linear, so
any combination of released numbers has the same combination of sketches, and a combination that leaves only the rows
of m units over has at most m entries that are not zero. Buckets and weights are keyed: nobody outside the vault can
aim at them.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.disclosure.candidate import Floats, Footprint, Integers
from cleanroom_kernel.disclosure.grouping import Codes, Grouped

BUCKETS = 4096
PRIME = 2_097_143  # the largest below 2**21: products of a row of the audit still add up exactly in a double

_EXACT = 2**33  # rows of which all weights add up below 2**53
_CHUNK = 2**17
_TOGETHER = 96  # cells sketched in one pass
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # of the splitmix64 generator


class Sketcher:
    """Makes sketches under the room's key. A room with few units has a bucket for each of them."""

    def __init__(self, key: bytes, n_units: int) -> None:
        secret = blake2b(b"footprint", key=key, digest_size=24).digest()
        self._units_key, self._row_key, multiplier = np.frombuffer(secret, dtype=np.uint64)
        self._multiplier = multiplier | np.uint64(1)
        scattered = self._scatter(np.arange(n_units, dtype=np.int64), self._units_key)
        if n_units <= BUCKETS:
            self._buckets = np.argsort(np.argsort(scattered)).astype(np.int32)
        else:
            self._buckets = (scattered % np.uint64(BUCKETS)).astype(np.int32)
        self._n_units = n_units

    @cached_property
    def _weights(self) -> Floats:
        """Of each unit, as a row of that number would have it: 1 to 2**20."""
        scattered = self._scatter(np.arange(self._n_units, dtype=np.int64), self._row_key)
        return (scattered >> np.uint64(44)).astype(np.float64) + 1.0

    def sketch(self, places: Codes, units: Codes, rows: Integers, n_places: int) -> NDArray[np.uint32]:
        """One sketch for each place 0 to n_places - 1; rows with a negative place are in none."""
        sums = np.zeros(n_places * BUCKETS)
        for start in range(0, len(places), _CHUNK):
            part = slice(start, start + _CHUNK)
            place, unit, row = places[part], units[part], rows[part]
            if place.min() < 0:
                kept = np.flatnonzero(place >= 0)
                place, unit, row = place[kept], unit[kept], row[kept]
            weights = (self._scatter(row, self._row_key) >> np.uint64(44)).view(np.int64)
            weights += 1  # 1 to 2**20: no row is invisible
            sums += np.bincount(place * BUCKETS + self._buckets[unit], weights=weights, minlength=len(sums))
        return (sums % PRIME).astype(np.uint32).reshape(n_places, BUCKETS)

    def of_counts(self, units: Codes, counts: Floats) -> NDArray[np.uint32]:
        """A sketch of how many rows each unit has, comparable whatever numbers the rows have. `units` are distinct."""
        if counts.sum() < _EXACT:
            weighed = self._weights[units] * counts
        else:
            weighed = (self._weights[units] * (counts % PRIME)) % PRIME  # below 2**41: exact
        sums = np.bincount(self._buckets[units], weights=weighed, minlength=BUCKETS)
        return (sums % PRIME).astype(np.uint32)

    def of_units(self, units: BitMap) -> NDArray[np.uint32]:
        """The same of units alone, as if each had one row."""
        chosen = np.asarray(units.to_array(), dtype=np.int32)
        return self.of_counts(chosen, np.ones(len(chosen)))

    def _scatter(self, numbers: Integers, key: np.uint64) -> NDArray[np.uint64]:
        mixed: NDArray[np.uint64] = np.ascontiguousarray(numbers, dtype=np.int64).view(np.uint64) ^ key
        mixed *= self._multiplier
        mixed ^= mixed >> np.uint64(32)
        mixed *= _MIX
        mixed ^= mixed >> np.uint64(29)
        mixed *= self._multiplier
        return mixed


class RowFootprints:
    """Footprints of the groups of one grouping, made on demand. `space` says whose row numbers these are."""

    def __init__(self, grouped: Grouped, sketcher: Sketcher, space: str) -> None:
        self._grouped = grouped
        self._sketcher = sketcher
        self._space = space
        self._made: dict[int, Footprint] = {}

    def unit_set(self, cell: int) -> BitMap:
        layout = self._grouped.layout
        return bitmap(layout.units[layout.bounds[cell] : layout.bounds[cell + 1]])

    def of(self, cells: Sequence[int]) -> list[Footprint]:
        missing = sorted(set(cells) - set(self._made))
        for start in range(0, len(missing), _TOGETHER):
            self._make(missing[start : start + _TOGETHER])
        return [self._made[cell] for cell in cells]

    @cached_property
    def _in_order(self) -> Grouped:
        """Rows by group: only if there are too many groups to sketch them in one pass."""
        rows = self._grouped
        order = np.argsort(rows.codes, kind="stable")
        return Grouped(rows.codes[order], rows.units[order], rows.rows[order], rows.n_groups, rows.n_units)

    def _make(self, cells: list[int]) -> None:
        rows = self._grouped
        if rows.n_groups > _TOGETHER:
            rows = self._in_order
            first, end = np.searchsorted(rows.codes, [cells[0], cells[-1] + 1])
            rows = Grouped(
                rows.codes[first:end], rows.units[first:end], rows.rows[first:end], rows.n_groups, rows.n_units
            )
        place_of = np.full(max(self._grouped.n_groups, 1), -1, dtype=np.int32)
        place_of[cells] = np.arange(len(cells), dtype=np.int32)
        sketches = self._sketcher.sketch(place_of[rows.codes], rows.units, rows.rows, len(cells))
        for cell, sketch in zip(cells, sketches, strict=True):
            self._made[cell] = Footprint(self.unit_set(cell), sketch, self._counts(cell), self._space)

    def _counts(self, cell: int) -> NDArray[np.uint32]:
        layout = self._grouped.layout
        entries = slice(layout.bounds[cell], layout.bounds[cell + 1])
        return self._sketcher.of_counts(layout.units[entries], layout.rows[entries])


def footprint(units: Codes, rows: Integers, sketcher: Sketcher, space: str) -> Footprint:
    """The footprint of all given rows as one number: for scores and models."""
    everything = np.zeros(len(units), dtype=np.int32)
    distinct, counts = np.unique(units, return_counts=True)
    of_counts = sketcher.of_counts(distinct.astype(np.int32), counts.astype(np.float64))
    return Footprint(bitmap(distinct), sketcher.sketch(everything, units, rows, 1)[0], of_counts, space)


def bitmap(units: Codes) -> BitMap:
    """From sorted distinct codes. By way of `array`, which is ten times as fast as NumPy's own arrays here."""
    return BitMap(array.array("I", units.astype(np.uint32).tobytes()))
