"""Ordering: evidence for what depends on the order or the identity of values (quantiles, extremes, distinct values).

Promise: as `evidence`. A quantile is the mean of the middle rows, as many as it takes to have enough units among them
(rule C4): one person's value is never shown, and the exact rank of nobody decides it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.candidate import Floats, Integers
from cleanroom_kernel.disclosure.evidence import STEPS, Measured, counted, differing_units
from cleanroom_kernel.disclosure.grouping import Codes, Contributions, Grouped, contributions

_MORE = 4  # times as many neighbours for a free measure
_CLOSER = 1 / 8  # of the distance between these, within which the next ones must lie


class Ordered:
    """Values in groups, of which several quantiles may be asked. `by_unit` are their contributions, if known."""

    def __init__(self, rows: Grouped, values: Floats, by_unit: Contributions | None = None) -> None:
        self.rows = rows
        self.by_unit = contributions(rows, values) if by_unit is None else by_unit
        self.groups = [(group, Ranks(values[at], rows.units[at])) for group, at in _members(rows)]


def quantile(ordered: Ordered, q: float, least: int, *, free: bool = False) -> Measured:
    """`free` for a measure with numbers of the expert's choice, which could lie as they like: of more neighbours."""
    base = counted(ordered.by_unit).evidence
    number = ordered.rows.n_groups
    result, influence = np.full(number, np.nan), np.zeros(number)
    for group, ranks in ordered.groups:
        result[group], influence[group] = _middle(ranks, q, least, free)
    evidence = msgspec.structs.replace(
        base,
        influence=influence,
        step=STEPS * influence,
        differing=differing_units(ordered.by_unit, least),
        below=np.floor(base.units * q + 1e-9).astype(np.int64),
        above=np.floor(base.units * (1 - q) + 1e-9).astype(np.int64),
    )
    return Measured(result, evidence)


def extreme(rows: Grouped, values: Floats, largest: bool) -> Measured:
    """Minimum or maximum. Its influence is unbounded: only a policy that shows endpoints shows it."""
    result = np.full(rows.n_groups, np.nan)
    for group, places in _members(rows):
        result[group] = values[places].max() if largest else values[places].min()
    return Measured(result, counted(contributions(rows)).evidence)


def distinct(rows: Grouped, pairs: Grouped, least: Integers) -> Measured:
    """Values of each group that enough units share: those that a table of frequencies would name.

    `pairs` are the same rows grouped by group and value; `least` is the minimum count of each pair.
    """
    shared = np.diff(contributions(pairs).bounds) >= np.maximum(least, 1)
    owner = np.zeros(pairs.n_groups, dtype=np.int64)
    owner[pairs.codes] = rows.codes
    result = np.bincount(owner[shared], minlength=rows.n_groups).astype(np.float64)
    return Measured(result, counted(contributions(rows)).evidence)


class Ranks:
    """Values of one group by rank; equal ones in the order of their rows. Only what is asked for is put in order."""

    def __init__(self, values: Floats, units: Codes) -> None:
        self._values = values
        self._units = units
        self._partly = values.copy()  # those at the places `_done` are where they belong
        self._done = [-1, len(values)]

    def __len__(self) -> int:
        return len(self._values)

    def at(self, rank: int) -> float:
        place = bisect.bisect_left(self._done, rank)
        if self._done[place] != rank:
            between = self._partly[self._done[place - 1] + 1 : self._done[place]]
            between.partition(rank - self._done[place - 1] - 1)
            self._done.insert(place, rank)
        return float(self._partly[rank])

    def between(self, first: int, last: int) -> tuple[Floats, Codes]:
        """Values of these ranks, ascending, and their units."""
        least, most = self.at(first), self.at(last)
        here = np.flatnonzero((self._values >= least) & (self._values <= most))
        start = first - int(np.count_nonzero(self._values < least))
        order = here[np.argsort(self._values[here], kind="stable")][start : start + last - first + 1]
        return self._values[order], self._units[order]


def _middle(ranks: Ranks, q: float, least: int, free: bool = False) -> tuple[float, float]:
    """A quantile as the mean of its neighbours, and the most that one unit can move it: by a rank, so that the next one
    on a side takes part and the last one on the other does not.

    Infinite where a next one is further from the neighbours than these are apart, or an eighth of that for a `free`
    measure, whose values lie as the expert likes: the size of the number would tell on which side of it one unit is.
    """
    last = len(ranks) - 1
    place = q * last
    low, high = int(np.floor(place)), int(np.ceil(place))
    if least <= 1:
        return ranks.at(low) + (ranks.at(high) - ranks.at(low)) * (place - low), 0.0
    wanted = _MORE * least if free else least
    reach = 2 * wanted
    while True:
        start, end = max(low - reach, 0), min(high + reach, last)
        values, units = ranks.between(start, end)
        window = _grow(units, low - start, high - start, wanted) or slice(0, len(units))
        if (window.start == 0 and start > 0) or (window.stop == len(units) and end < last):
            reach *= 2
            continue
        # Each unit among the neighbours counts once, however many of its rows are.
        _, unit = np.unique(units[window], return_inverse=True)
        shown = np.bincount(unit, weights=values[window]) / np.bincount(unit)
        spread = 0.0 if shown.min() == shown.max() else float(shown.max() - shown.min())
        beyond = _beyond(values, window)
        if max(beyond) > spread * (_CLOSER if free else 1.0) and (spread or free):
            return float(shown.mean()), np.inf
        return float(shown.mean()), (spread + sum(beyond)) / len(shown)


def _beyond(values: Floats, window: slice) -> tuple[float, float]:
    """How far the next value below and above a window is from it; nothing where there is none."""
    below = float(values[window.start]) - float(values[window.start - 1]) if window.start > 0 else 0.0
    above = float(values[window.stop]) - float(values[window.stop - 1]) if window.stop < len(values) else 0.0
    return below, above  # of infinite values no number, which is not finite either


def _grow(units: Codes, low: int, high: int, least: int) -> slice | None:
    """The smallest window around `low` and `high`, grown evenly, with `least` distinct units; None if there is none."""
    seen = set(units[low : high + 1].tolist())
    while len(seen) < least:
        if low == 0 and high == len(units) - 1:
            return None
        low, high = max(low - 1, 0), min(high + 1, len(units) - 1)
        seen |= {int(units[low]), int(units[high])}
    return slice(low, high + 1)


def _members(rows: Grouped) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Positions of the rows of each group that has any."""
    if rows.n_groups == 1:
        if len(rows.codes):
            yield 0, np.arange(len(rows.codes))
        return
    small = np.uint16 if rows.n_groups <= 2**16 else np.int32  # 16 bits are sorted by counting
    order = np.argsort(rows.codes.astype(small), kind="stable")
    sizes = np.bincount(rows.codes, minlength=rows.n_groups)
    ends = np.cumsum(sizes)
    for group in np.flatnonzero(sizes):
        yield int(group), order[ends[group] - sizes[group] : ends[group]]
