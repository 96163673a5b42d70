"""Free values: what the values of a free measure are drawn in to, and how much of it one unit can be (rule C17).

Promise: neither the bounds nor the scale of the noise is decided by one unit. A bound is the mean of as many of the
largest (or smallest) units as there are between the minimum count and several times that, and it is used only if these
units lie so close together that one of them more or less hardly moves it. If they do not, nothing has a value: an
answer whose size tells the rank of one patient is withheld as if it were about nobody.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.candidate import CellEvidence, Floats, Kind
from cleanroom_kernel.disclosure.evidence import STEPS, STEPS_OF_SPREADS

_WINDOW = 5  # minimum counts over which a bound is taken
_MOST = 2.5  # influences in a unit of noise, that one unit may have
_SPREAD = 2.0  # most that the units of both windows are apart, in distances between the bounds


class Reach(Struct, frozen=True):
    """Bounds that the values of a free measure were drawn in to."""

    lower: float
    upper: float

    @property
    def width(self) -> float:
        return self.upper - self.lower

    @property
    def most(self) -> float:
        """The most that one value adds to a sum, or takes from it when it changes."""
        return max(abs(self.lower), abs(self.upper), self.width)


def drawn_in(values: Floats, units: NDArray[np.int32], least: int) -> tuple[Floats, Reach]:
    """Values within bounds that at least `least` units reach on either side, and these bounds; no value and a reach
    that is not finite where units at a bound are too far apart.

    An infinite value is none. If fewer than `least` units have no value, they get a middle one: that a computation
    fails for one of them is no more to be seen than any other value.
    """
    known = np.isfinite(values)
    inside, owners = values[known], units[known]
    number = len(np.unique(owners))
    reach = _reach(inside, owners, least, number)
    if reach is None:
        return np.full(len(values), np.nan), Reach(-np.inf, np.inf)
    result = np.where(known, np.clip(values, reach.lower, reach.upper), np.nan)
    failed = np.unique(units[~known])
    if len(failed) < least:
        result[~known] = np.clip(np.median(inside), reach.lower, reach.upper)
    return result, reach


def _reach(values: Floats, units: NDArray[np.int32], least: int, number: int) -> Reach | None:
    if number <= least:
        return None
    window = min(max(number // 4, least), _WINDOW * least, number - least)
    top, bottom = _largest(values, units, least + window), -_largest(-values, units, least + window)
    upper, lower = float(top[least - 1 :].mean()), float(bottom[least - 1 :].mean())
    lower, upper = min(lower, upper), max(lower, upper)
    before = max(least - 2, 0)  # the unit that takes part if one of those beyond does not
    apart = (top[before] - top[-1]) + (bottom[-1] - bottom[before])
    return Reach(lower, upper) if apart <= _SPREAD * (upper - lower) else None


def _largest(values: Floats, units: NDArray[np.int32], number: int) -> Floats:
    """The largest values of the `number` units that have the largest, falling."""
    some = 4 * number
    while True:
        top = np.argpartition(-values, some)[:some] if some < len(values) else np.arange(len(values))
        order = top[np.argsort(-values[top], kind="stable")]
        _, first = np.unique(units[order], return_index=True)
        if len(first) >= number or some >= len(values):
            found: Floats = values[order[np.sort(first)[:number]]]
            return found
        some *= 4


def most_influence(kind: Kind, reach: Reach, evidence: CellEvidence, result: Floats) -> Floats:
    """What the noise of each cell is measured in: the most that one row can do to its number, wherever within the
    bounds its value is, or the third largest influence of a unit, if units with many rows have more. For a sum one row
    does `most`, to a mean of n rows width / (n - 1), to a variance width^2 / (n - 1), to its root that by twice the
    root.

    Infinite where one unit has more influence than a few of these: noise would not hide it.
    """
    n = evidence.rows.astype(np.float64)
    if kind is Kind.SUM:
        of_a_row = np.full(len(n), reach.most)
    else:
        of_a_row = _divided(np.full(len(n), reach.width if kind is Kind.MEAN else reach.width**2), n - 1)
    if kind is Kind.DEVIATION:
        of_a_row = _divided(of_a_row, 2 * result)
    return scale_of_noise(of_a_row, kind, evidence)


def scale_of_noise(of_a_row: Floats, kind: Kind, evidence: CellEvidence) -> Floats:
    steps = STEPS_OF_SPREADS if kind in (Kind.VARIANCE, Kind.DEVIATION) else STEPS
    scale = np.maximum(of_a_row, evidence.step / steps)
    with np.errstate(invalid="ignore"):
        within: Floats = np.where(evidence.influence <= _MOST * scale, scale, np.inf)
    return within


def _divided(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(above), np.inf), where=below > 0)
