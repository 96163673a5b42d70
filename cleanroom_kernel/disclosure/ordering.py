"""Ordering: evidence for what depends on the order or the identity of values (quantiles, extremes, distinct values).

Promise: as `evidence`. A quantile is the mean of the middle rows, as many as it takes to have enough units among them
(rule C4): one person's value is never shown, and the exact rank of nobody decides it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.candidate import Floats, Integers
from cleanroom_kernel.disclosure.evidence import Measured, counted, differing_units
from cleanroom_kernel.disclosure.grouping import Codes, Grouped, contributions


def quantile(rows: Grouped, values: Floats, q: float, least: int) -> Measured:
    by_unit = contributions(rows, values)
    base = counted(by_unit).evidence
    result, influence = np.full(rows.n_groups, np.nan), np.zeros(rows.n_groups)
    for group, places in _members(rows):
        result[group], influence[group] = _middle(values[places], rows.units[places], q, least)
    evidence = msgspec.structs.replace(
        base,
        influence=influence,
        step=influence,
        differing=differing_units(by_unit, least),
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


def _middle(values: Floats, units: Codes, q: float, least: int) -> tuple[float, float]:
    """A quantile as the mean of its neighbours, and about the most that one unit among them can move it."""
    last = len(values) - 1
    place = q * last
    low, high = int(np.floor(place)), int(np.ceil(place))
    if least <= 1:
        ends = np.partition(values, sorted({low, high}))
        return float(ends[low] + (ends[high] - ends[low]) * (place - low)), 0.0
    reach = 2 * least
    while True:
        start, end = max(low - reach, 0), min(high + reach, last)
        order = np.argpartition(values, sorted({start, end}))[start : end + 1]
        order = order[np.argsort(values[order], kind="stable")]
        window = _grow(units[order], low - start, high - start, least)
        if window is not None or (start == 0 and end == last):
            chosen = order[window] if window is not None else order
            # Each unit among the neighbours counts once, however many of its rows are.
            _, unit = np.unique(units[chosen], return_inverse=True)
            shown = np.bincount(unit, weights=values[chosen]) / np.bincount(unit)
            spread = 0.0 if shown.min() == shown.max() else float(shown.max() - shown.min())
            return float(shown.mean()), spread / len(shown)
        reach *= 2


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
    small = np.uint16 if rows.n_groups <= 2**16 else np.int32  # 16 bits are sorted by counting
    order = np.argsort(rows.codes.astype(small), kind="stable")
    sizes = np.bincount(rows.codes, minlength=rows.n_groups)
    ends = np.cumsum(sizes)
    for group in np.flatnonzero(sizes):
        yield int(group), order[ends[group] - sizes[group] : ends[group]]
