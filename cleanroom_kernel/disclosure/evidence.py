"""Evidence: the only disclosure code, with `grouping`, `ordering` and `footprint`, that reads rows.

Promise: works on arrays, whatever engine made them; returns results with counts, sums and shares of units, never a
row, a label or a decision. Values are numbers without nulls: the caller has left those rows out.

Influence is the most that leaving out one unit moves a number (jackknife). For a mean m of n rows, unit u with sum
c_u of n_u rows moves it by |c_u - m n_u| / (n - n_u), which is exact; for a sum by |c_u|; for a variance v by
|q_u - v n_u| / (n - n_u) with q_u its sum of squared deviations, exact but for the shift of the mean, which is of
second order; for a correlation r by its influence function |zx zy - r (zx^2 + zy^2) / 2| (Devlin, Gnanadesikan and
Kettenring 1975), summed over the unit's rows, divided by n - n_u.

The step in which a number may be shown is taken from the third largest influence, not from the largest: the coarseness
of what is shown would otherwise tell the size of one unit's value. A number on which one unit has more influence than
a step is not shown at all.
"""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct

from cleanroom_kernel.disclosure.candidate import CellEvidence, Floats, Integers, Kind
from cleanroom_kernel.disclosure.grouping import Contributions, Grouped, blocks, contributions, reduce_groups

STEPS = 2.5  # third largest influences in a step: of a 0/1 measure, as coarse as counts in multiples of 5
STEPS_OF_SPREADS = 5.0  # squares of deviations lie further apart

_STRETCH = 32  # entries of which one maximum is taken
_SAME = 1e-9  # values closer than this, relatively, count as the same


class Measured(Struct, frozen=True, eq=False):
    """Exact results, one per group, and the evidence for them. `parts` are numerator and denominator of a share."""

    values: Floats
    evidence: CellEvidence
    parts: tuple[Floats, Floats] | None = None


class _Spread(Struct, frozen=True, eq=False):
    """How a non-negative quantity is spread over the units of each group."""

    total: Floats
    largest: Floats
    second: Floats
    third: Floats
    effective: Floats


class _Influence(Struct, frozen=True, eq=False):
    largest: Floats
    third: Floats


def counted(grouped: Contributions) -> Measured:
    """Rows of each group."""
    evidence = _rows(grouped)
    return Measured(evidence.rows.astype(np.float64), evidence)


def units(grouped: Contributions) -> Measured:
    """Distinct units of each group."""
    ones = np.ones(grouped.n_groups)
    rows = _rows(grouped)
    return Measured(rows.units.astype(np.float64), _with(rows, _Influence(ones, ones)))


def summed(grouped: Contributions, kind: Kind, least: int) -> Measured:
    """Sums, means, shares and counts of a 0/1 measure: what `kind` says. `least` is the minimum count."""
    with np.errstate(over="ignore", invalid="ignore"):
        rows, spread = _rows(grouped), _spread(np.abs(grouped.sums), grouped.bounds)
        total = reduce_groups(np.add, grouped.sums, grouped.bounds)
        mean = _divide(total, rows.rows)
        binary = kind in (Kind.SELECTED, Kind.SHARE)
        differing = _fewer_class(grouped) if binary else differing_units(grouped, least)
        is_sum = kind in (Kind.SUM, Kind.SELECTED)
        influence = _Influence(spread.largest, spread.third) if is_sum else _influence(grouped.sums, mean, grouped)
    evidence = _with(rows, influence, spread, differing)
    parts = (total, rows.rows.astype(np.float64)) if kind is Kind.SHARE else None
    return Measured(total if is_sum else mean, evidence, parts)


def spread_out(
    rows: Grouped, values: Floats, ddof: int, root: bool, least: int, by_unit: Contributions | None = None
) -> Measured:
    """Variances with divisor n - `ddof`, or their square roots. `by_unit` are the values' contributions, if known."""
    with np.errstate(over="ignore", invalid="ignore"):
        by_unit = contributions(rows, values) if by_unit is None else by_unit
        counts = _rows(by_unit)
        mean = _divide(reduce_groups(np.add, by_unit.sums, by_unit.bounds), counts.rows)
        squares = contributions(rows, (values - mean[rows.codes]) ** 2)
        result = _divide(reduce_groups(np.add, squares.sums, squares.bounds), counts.rows - ddof)
        influence = _influence(squares.sums, result, squares)
        if root:
            result = np.sqrt(result)
            influence = _Influence(_divide(influence.largest, 2 * result), _divide(influence.third, 2 * result))
        spread = _spread(squares.sums, squares.bounds)
    return Measured(result, _with(counts, influence, spread, differing_units(by_unit, least), steps=STEPS_OF_SPREADS))


class Centred(Struct, frozen=True, eq=False):
    """A column of one group, less its mean; `squares` are each unit's sums of squared deviations."""

    rows: Grouped
    deviations: Floats
    squares: Floats
    sum_of_squares: float
    effective: Floats
    differing: Integers

    @classmethod
    def of(cls, rows: Grouped, values: Floats, least: int) -> Centred:
        with np.errstate(over="ignore", invalid="ignore"):
            by_unit = contributions(rows, values)
            deviations = values - (values.mean() if len(values) else 0.0)
            squares = contributions(rows, deviations**2)
            effective = _spread(squares.sums, squares.bounds).effective
            differing = differing_units(by_unit, least)
        return cls(rows, deviations, squares.sums, float(squares.sums.sum()), effective, differing)


def products(x: Centred, y: Centred, kind: Kind) -> Measured:
    """Correlation or covariance of two columns of the same rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        by_unit = contributions(x.rows, x.deviations * y.deviations)
        counts = _rows(by_unit)
        total = reduce_groups(np.add, by_unit.sums, by_unit.bounds)
        if kind is Kind.COVARIANCE:
            result = _divide(total, counts.rows - 1)
            influence = _influence(by_unit.sums, result, by_unit)
        else:
            scale = np.sqrt(x.sum_of_squares * y.sum_of_squares)
            result = np.clip(_divide(total, np.array([scale])), -1.0, 1.0)
            moved = _correlation_influences(x, y, by_unit.sums, float(result[0]))
            influence = _influence(moved, np.zeros(1), by_unit)
        spread = _spread(np.abs(by_unit.sums), by_unit.bounds)
    spread = msgspec.structs.replace(spread, effective=np.minimum(x.effective, y.effective))
    return Measured(result, _with(counts, influence, spread, np.minimum(x.differing, y.differing)))


def _correlation_influences(x: Centred, y: Centred, both: Floats, r: float) -> Floats:
    """Influence function of the correlation, summed over each unit's rows; `both` are sums of products."""
    n = len(x.deviations)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_x, of_y = np.divide(n, x.sum_of_squares), np.divide(n, y.sum_of_squares)
        moved: Floats = both * np.sqrt(of_x * of_y) - r * (x.squares * of_x + y.squares * of_y) / 2
    return moved


# -- parts ------------------------------------------------------------------------------------------------------------
def _rows(grouped: Contributions) -> CellEvidence:
    """What every kind needs: how rows are spread over units. Influence is that on the count of rows."""
    noted: CellEvidence | None = grouped.layout.noted.get("rows")
    if noted is not None:
        return noted
    spread = _spread(grouped.rows, grouped.bounds)
    grouped.layout.noted["rows"] = found = CellEvidence(
        rows=spread.total.astype(np.int64),
        units=np.diff(grouped.bounds),
        selected=np.diff(grouped.bounds),
        largest_rows=spread.largest.astype(np.int64),
        effective_rows=spread.effective,
        influence=spread.largest,
        step=STEPS * spread.third,
    )
    return found


def _with(
    rows: CellEvidence,
    influence: _Influence,
    spread: _Spread | None = None,
    differing: Integers | None = None,
    steps: float = STEPS,
) -> CellEvidence:
    return msgspec.structs.replace(
        rows,
        influence=influence.largest,
        step=steps * influence.third,
        total=None if spread is None else spread.total,
        largest=None if spread is None else spread.largest,
        second=None if spread is None else spread.second,
        effective=None if spread is None else spread.effective,
        differing=differing,
    )


def _spread(amounts: Floats, bounds: Integers) -> _Spread:
    n_groups = len(bounds) - 1
    total, squares, largest, second, third = (np.zeros(n_groups) for _ in range(5))
    for groups, entries in blocks(bounds):
        inside = bounds[groups.start : groups.stop + 1] - entries.start
        block = amounts[entries]
        total[groups] = reduce_groups(np.add, block, inside)
        squares[groups] = reduce_groups(np.add, block * block, inside)
        largest[groups], second[groups], third[groups] = _three_largest(block, inside)
    return _Spread(total, largest, second, third, _divide(total**2, squares, empty=0.0))


def _three_largest(amounts: Floats, bounds: Integers) -> tuple[Floats, Floats, Floats]:
    """Of each group; zero where it has fewer. They are in the three stretches of it with the largest maxima."""
    sizes = np.diff(bounds)
    stretches = -(-sizes // _STRETCH)
    owner = np.repeat(np.arange(len(sizes)), stretches)
    first_of = np.concatenate([[0], np.cumsum(stretches)])
    starts = bounds[:-1][owner] + (np.arange(len(owner)) - first_of[owner]) * _STRETCH
    maxima = np.maximum.reduceat(amounts, starts) if len(starts) else amounts[:0]
    largest = reduce_groups(np.maximum, maxima, first_of)  # not a number, if any is none
    candidates = np.zeros((len(sizes), 3 * _STRETCH))
    for place in range(3):
        top = reduce_groups(np.maximum, maxima, first_of)
        at_top = np.flatnonzero((maxima == top[owner]) & (maxima >= 0))
        first = np.ones(len(at_top), dtype=bool)
        first[1:] = owner[at_top[1:]] != owner[at_top[:-1]]
        chosen = at_top[first]
        entries = starts[chosen, np.newaxis] + np.arange(_STRETCH)
        inside = entries < bounds[1:][owner[chosen], np.newaxis]
        found = np.where(inside, amounts[np.minimum(entries, len(amounts) - 1)], 0.0)
        candidates[owner[chosen], place * _STRETCH : (place + 1) * _STRETCH] = found
        maxima[chosen] = -1.0  # not again: amounts are not negative
    candidates.partition((-3, -2, -1), axis=1)
    return largest, candidates[:, -2], candidates[:, -3]


def _influence(sums: Floats, mean: Floats, grouped: Contributions) -> _Influence:
    """|c_u - m n_u| / (n - n_u), largest and third largest; infinite where a unit is the whole group."""
    largest, third = np.zeros(grouped.n_groups), np.zeros(grouped.n_groups)
    for groups, entries in blocks(grouped.bounds):
        inside = grouped.bounds[groups.start : groups.stop + 1] - entries.start
        n = grouped.rows[entries]
        total = reduce_groups(np.add, n, inside)
        sizes = np.diff(inside)
        moved = np.abs(sums[entries] - np.repeat(mean[groups], sizes) * n)
        moved = _divide(moved, np.repeat(total, sizes) - n, empty=np.inf)
        largest[groups], _, third[groups] = _three_largest(moved, inside)
    return _Influence(largest, third)


def _fewer_class(grouped: Contributions) -> Integers:
    """Of a 0/1 measure: the fewer of the units with a 1 and the units with a 0."""
    ones = reduce_groups(np.add, (grouped.sums > 0).astype(np.int64), grouped.bounds)
    zeros = reduce_groups(np.add, (grouped.sums < grouped.rows).astype(np.int64), grouped.bounds)
    fewer: Integers = np.minimum(ones, zeros)
    return fewer


def differing_units(grouped: Contributions, least: int) -> Integers:
    """Units with a value other than the one that most units of their group share; all units if there is none.

    A unit's value is the mean of its rows. If fewer than `least` units differ from a value, then so do fewer than
    `least` of any 2 * least + 1 of them, and the middle one of that many, sorted, has it: so a few are enough to find
    the only value that can be shared by most. In a group with two values, as many units differ as have the rarer one.
    """
    sizes = np.diff(grouped.bounds)
    if least == 0:
        return sizes
    result = np.zeros(grouped.n_groups, dtype=np.int64)
    for groups, entries in blocks(grouped.bounds):
        inside = grouped.bounds[groups.start : groups.stop + 1] - entries.start
        sums, rows = grouped.sums[entries], grouped.rows[entries]
        shared = np.repeat(_middle_of_some(sums / rows, inside, 2 * least + 1), sizes[groups])
        expected = shared * rows
        # Written so that a value that is no number differs from nothing: the check then fails.
        unlike = np.abs(sums - expected) > _SAME * np.abs(expected)
        result[groups] = reduce_groups(np.add, unlike.astype(np.int64), inside)
    by_majority = np.where(2 * result < sizes, result, sizes)
    for small in np.flatnonzero((sizes >= least) & (sizes < 2 * least)):
        entries = slice(grouped.bounds[small], grouped.bounds[small + 1])
        _, tally = np.unique(grouped.sums[entries] / grouped.rows[entries], return_counts=True)
        if len(tally) == 2:
            by_majority[small] = tally.min()
    return by_majority


def _middle_of_some(values: Floats, bounds: Integers, some: int) -> Floats:
    """Lower middle of `some` values of each group, evenly spaced (of all, where there are fewer)."""
    sizes = np.diff(bounds)
    taken = np.minimum(sizes, some)
    steps = np.arange(some)[np.newaxis, :]
    places = bounds[:-1, np.newaxis] + steps * sizes[:, np.newaxis] // np.maximum(taken, 1)[:, np.newaxis]
    within = steps < taken[:, np.newaxis]
    sample = np.full(places.shape, np.nan)
    sample[within] = values[places[within]]
    sample.sort(axis=1)
    middle: Floats = sample[np.arange(len(sizes)), np.maximum(taken - 1, 0) // 2]
    return middle


def _divide(above: Floats, below: Floats | Integers, empty: float = np.nan) -> Floats:
    """Quotients; `empty` where there is nothing to divide by."""
    result = np.full(len(above), empty)
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result
