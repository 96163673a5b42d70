"""Levels: measures that have few values in fact, whatever was declared of them.

A sum of a number that is 0 or 1 is a number of rows, and a sum of one that is 0, 1 or 2 is a number of rows of which
some count twice. Nobody need have declared that. So such a sum is compared, as a weighted number of rows, with all
numbers of rows: they are nearly the same if the weights of fewer than k units differ, whatever was done to a column on
the way (a logarithm, a product with a number of rows per patient).

Promise: whether a measure has few values is decided by many: what fewer than k units have is looked away from. No
weight is a value: weights count steps between values, so that a scale or a shift does not change them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel.disclosure.candidate import Floats, Footprint, Integers
from cleanroom_kernel.disclosure.footprint import PRIME, Sketcher, bitmap
from cleanroom_kernel.disclosure.grouping import Codes, Grouped, contributions, select

MOST_LEVELS = 32

_SAMPLE = 4_096  # values that are looked at first, evenly spaced
_MOST_SAMPLED = 512  # distinct ones among them; with more, the measure has many values
_SAME = 1e-9
_DIVISORS = range(1, 13)  # of the smallest step, to find one of which all others are multiples
_PARTS = 1_021.0  # of the smallest step, where there is none
_OTHER = 999_983  # weight of a value that has no weight of its own
_LARGEST = 2**20


class Levels(Struct, frozen=True, eq=False):
    """`weights` has a number for each row: how many steps its value is from the level nearest to zero; None where the
    values are many, or all one. `marked` is the value of the rows that weigh 1, where all others weigh nothing; None
    with more than two levels.
    """

    weights: Integers | None = None
    marked: float | None = None

    @property
    def nbytes(self) -> int:
        return 0 if self.weights is None else self.weights.nbytes


def levels_of(rows: Grouped, values: Floats, least: int) -> Levels:
    """A level is a value that `least` units have, in whatever group; a row without a value (NaN) weighs nothing."""
    there = ~np.isnan(values)
    if least == 0 or not there.any():
        return Levels()
    if not there.all():
        known = levels_of(select(rows, there), values[there], least)
        if known.weights is None:
            return known
        weights = np.zeros(len(values), dtype=np.int64)
        weights[there] = known.weights
        return Levels(weights, known.marked)
    sampled = np.unique(values[:: len(values) // _SAMPLE + 1])
    if len(sampled) > _MOST_SAMPLED:
        return Levels()
    places = np.minimum(np.searchsorted(sampled, values), len(sampled) - 1)
    others = values[sampled[places] != values]
    if len(others):
        sampled = np.union1d(sampled, others)
        places = np.searchsorted(sampled, values)
    if not np.isfinite(sampled).all():
        return Levels()
    by_value = Grouped(places.astype(np.int32), rows.units, rows.rows, len(sampled), rows.n_units)
    is_level = np.diff(contributions(by_value).bounds) >= least
    levels = sampled[is_level]
    if not 2 <= len(levels) <= MOST_LEVELS or len(np.unique(rows.units[~is_level[places]])) >= least:
        return Levels()
    first = levels[np.argmin(np.abs(levels))]
    marked = float(levels[levels != first][0]) if len(levels) == 2 else None
    return Levels(_weights(sampled, levels, float(first))[places], marked)


def _weights(values: Floats, levels: Floats, first: float) -> Integers:
    """Steps of each value from the `first` level."""
    apart = np.abs(levels - first)
    step = float(apart[apart > 0].min())
    parts = next((float(by) for by in _DIVISORS if _are_whole((levels - first) / step * by)), _PARTS)
    weights = np.rint((values - first) / step * parts)
    odd = (np.abs(weights) > _LARGEST) | ((weights == 0) & (values != first))
    weights[odd] = _OTHER
    return weights.astype(np.int64)


def _are_whole(numbers: Floats) -> bool:
    return bool((np.abs(numbers - np.rint(numbers)) <= _SAME * np.maximum(np.abs(numbers), 1.0)).all())


class WeightedFootprints:
    """Footprints of groups in which a row counts as often as its weight says; rows that weigh nothing are in none."""

    def __init__(self, rows: Grouped, weights: Integers, sketcher: Sketcher, space: str) -> None:
        kept = select(rows, weights != 0)
        order = np.argsort(kept.codes, kind="stable")
        self._rows = Grouped(kept.codes[order], kept.units[order], kept.rows[order], rows.n_groups, rows.n_units)
        self._weights = weights[weights != 0][order]
        self._bounds = np.searchsorted(self._rows.codes, np.arange(rows.n_groups + 1))
        self._sketcher = sketcher
        self._space = space

    def unit_set(self, cell: int) -> BitMap:
        return bitmap(self._by_unit(cell)[0])

    def of(self, cells: Sequence[int]) -> list[Footprint]:
        return [self._of(cell) for cell in cells]

    def _of(self, cell: int) -> Footprint:
        inside = self._inside(cell)
        # Sketches are linear: that of the weighted rows is made of those of the rows of each weight.
        weights, places = np.unique(self._weights[inside], return_inverse=True)
        sketches = self._sketcher.sketch(
            places.astype(np.int32), self._rows.units[inside], self._rows.rows[inside], len(weights)
        )
        sketch = ((weights % PRIME) @ sketches.astype(np.int64)) % PRIME
        units, sums = self._by_unit(cell)
        counts = self._sketcher.of_counts(units, (sums % PRIME).astype(np.float64))
        return Footprint(bitmap(units), sketch.astype(np.uint32), counts, self._space)

    def _inside(self, cell: int) -> slice:
        return slice(int(self._bounds[cell]), int(self._bounds[cell + 1]))

    def _by_unit(self, cell: int) -> tuple[Codes, Integers]:
        """Units whose weights do not add up to nothing, and the sums."""
        inside = self._inside(cell)
        units, places = np.unique(self._rows.units[inside], return_inverse=True)
        sums = np.rint(np.bincount(places, weights=self._weights[inside], minlength=len(units))).astype(np.int64)
        return units[sums != 0].astype(np.int32), sums[sums != 0]
