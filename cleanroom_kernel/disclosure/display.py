"""Display: exact numbers as the policy lets them be shown (rule C7).

Promise: pure; a number that is shown has been through exactly one row of `_SHOW`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cleanroom_kernel.disclosure.candidate import (
    UNMOVED,
    Attribute,
    CellEvidence,
    EvaluationCandidate,
    EvaluationEvidence,
    Kind,
    Statistics,
)
from cleanroom_kernel.disclosure.evidence import STEPS
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import all_to_digits, base_for, to_count, to_digits, to_multiple
from cleanroom_kernel.protocol.release import Array, Number


def show(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float = 0.0) -> Number:
    """One number of a column, before it is scaled and shifted; None where it is undefined.

    `noise` is a standard normal number, which a free measure is shown with (C17), and what is over a mixed selection
    (C19).
    """
    if math.isnan(column.values[cell]):
        return None
    if column.charged and column.kind in _MEASURES:
        if policy.free_noise:
            # No step of its own: the digits of a step would tell how large the noise is, which depends on the rows.
            spread = policy.free_noise * float(evidence.influence[cell])
            return _statistic(float(column.values[cell]) + noise * spread, 0.0, policy, column.least_base)
        return _statistic(float(column.values[cell]), float(evidence.step[cell]), policy, column.least_base)
    return _SHOW[column.kind](column, evidence, cell, policy, noise * policy.mixed_noise if column.mixed else 0.0)


def move(column: Statistics, cell: int, number: Number, policy: PolicySnapshot, noise: float = 0.0) -> Number:
    """A number of the core as one of the whole measure. It was rounded before, so this needs no rounding of its own.

    `noise` is a standard normal number for the number of rows, with which a sum is shifted.
    """
    moved = column.moved
    if number is None or moved is UNMOVED:
        return number
    scale = float(np.broadcast_to(moved.scale, len(column.values))[cell])
    if scale == 1.0 and moved.offset == 0.0:
        return number
    times: float = 1.0
    if moved.counts is not None and moved.steps is not None:
        steps = noise * policy.mixed_noise if column.mixed else 0.0
        times = _rounded_count(float(moved.counts[cell]), float(moved.steps[cell]), policy, steps)
    value = scale * number + moved.offset * times
    whole = column.kind in _COUNTS and value.is_integer()
    return int(value) if whole else to_digits(value, _CLEAN_DIGITS if policy.significant_digits < 17 else 17)


def show_exactly(column: Statistics, cell: int) -> Number:
    """A number of a public table."""
    value = float(column.values[cell])
    scale = float(np.broadcast_to(column.moved.scale, len(column.values))[cell])
    if scale != 1.0 or column.moved.offset != 0.0:
        times = 1.0 if column.moved.counts is None else float(column.moved.counts[cell])
        value = scale * value + column.moved.offset * times
    if math.isnan(value):
        return None
    return int(value) if column.kind in _COUNTS and math.isfinite(value) else value


def show_score(
    candidate: EvaluationCandidate, evidence: EvaluationEvidence, policy: PolicySnapshot, noise: float
) -> Number:
    """`noise` is a standard normal number, which a score is shown with that numbers of the expert's choice are in, or
    that is of a mixed selection.
    """
    if candidate.charged and policy.free_noise:
        return _statistic(candidate.value + noise * policy.free_noise * evidence.influence, 0.0, policy)
    return _score(candidate.value, candidate, evidence, policy, noise)


def show_interval(
    candidate: EvaluationCandidate, evidence: EvaluationEvidence, policy: PolicySnapshot, noise: Sequence[float]
) -> list[Number]:
    """Ends of the interval around a score, in the same steps, each with noise of its own."""
    ends = zip(candidate.interval or (), noise, strict=False)
    return [_score(end, candidate, evidence, policy, one) for end, one in ends]


def _score(
    value: float,
    candidate: EvaluationCandidate,
    evidence: EvaluationEvidence,
    policy: PolicySnapshot,
    noise: float,
) -> Number:
    step = max(STEPS * evidence.influence, candidate.least_step)
    moved = noise * policy.mixed_noise * base_for(step) if candidate.mixed else 0.0
    return _statistic(value + moved, step, policy)


def show_attribute(attribute: Attribute, policy: PolicySnapshot, noise: Sequence[float] = ()) -> Array:
    """An attribute of a released model; integers among them (numbers of features) are no parameters. `noise` is a
    standard normal number for each of its counts.
    """
    if attribute.labels:
        return Array(shape=(len(attribute.labels),), labels=attribute.labels)
    values = attribute.values
    if attribute.integers:
        return Array(shape=values.shape, values=tuple(int(value) for value in values.ravel()))
    rounded = all_to_digits(values.astype(np.float64), policy.parameter_digits)
    for place, ((count, step), one) in enumerate(zip(attribute.counts, noise, strict=True)):
        if not math.isnan(rounded[place]):
            rounded[place] = _rounded_count(count, step, policy, one * policy.mixed_noise)
    return Array(shape=values.shape, values=tuple(_defined(float(value)) for value in rounded.ravel()))


def precision(
    kinds: set[Kind], policy: PolicySnapshot, repeated: int = 0, *, free: bool = False, mixed: bool = False
) -> str:
    """How numbers of these kinds were rounded, in words, and how many repeat a release about nearly the same units.
    `free` where one is of a free measure, `mixed` where several columns chose rows or groups at once.
    """
    parts = []
    if kinds & {Kind.COUNT, Kind.SELECTED, Kind.UNITS} and policy.count_base > 1:
        parts.append(f"counts to multiples of at least {policy.count_base}")
    if Kind.SHARE in kinds and policy.count_base > 1:
        parts.append("shares as ratios of rounded counts")
    if Kind.QUANTILE in kinds and policy.minimum_units > 1:
        parts.append("quantiles as means of their neighbours")
    if kinds - _COUNTS:
        if policy.influence_rounding:
            parts.append("only digits that no single patient decides")
        if policy.significant_digits < 17:
            parts.append(f"at most {policy.significant_digits} significant digits")
    if free and policy.free_noise:
        parts.append(
            "free measures with noise, their values drawn in to those that several patients reach: "
            "averages of few patients or of rare large values are far from exact"
        )
    if mixed and policy.mixed_noise:
        parts.append(
            f"noise of {policy.mixed_noise:g} of these steps, since several columns choose rows or groups at once"
        )
    if repeated:
        parts.append(f"{repeated} as released before for nearly the same patients")
    return "; ".join(parts) or "as they are"


def parameter_precision(policy: PolicySnapshot, *, noisy: bool = False) -> str:
    """`noisy` where numbers of rows of a mixed selection are among them."""
    digits = f"at most {policy.parameter_digits} significant digits" if policy.parameter_digits < 17 else "as they are"
    return f"{digits}; numbers of rows and patients with noise" if noisy and policy.mixed_noise else digits


# -- by kind ----------------------------------------------------------------------------------------------------------
_COUNTS = {Kind.COUNT, Kind.SELECTED, Kind.UNITS, Kind.DISTINCT}
_MEASURES = set(Kind) - _COUNTS - {Kind.SHARE, Kind.EXTREME}
_CLEAN_DIGITS = 12  # fewer than a float has: 1.1 * 3 is 3.3


def _count(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    return _rounded_count(float(column.values[cell]), float(evidence.step[cell]), policy, noise)


def _rounded_count(count: float, step: float, policy: PolicySnapshot, noise: float) -> int:
    """`noise` is in steps. With it, a number that might be too small to be shown is the least that might be."""
    base = _count_base(step, policy)
    shown = to_count(count + noise * base, base)
    return max(shown, -(-policy.minimum_units // base) * base) if noise else shown


def _exact(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    return int(column.values[cell])


def _share(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    """From the counts that would be shown themselves, so that a share tells no more than they do. With noise, from the
    exact ones: noise after rounding would not hide its edges.
    """
    assert column.parts is not None, "a share is made of two counts"
    if noise:
        return _within(0.0, _number(column, evidence, cell, policy, noise), 1.0)
    step = _count_base(float(evidence.step[cell]) * float(column.parts[1][cell]), policy)
    above, below = to_count(float(column.parts[0][cell]), step), to_count(float(column.parts[1][cell]), step)
    if below == 0:
        return None
    return _statistic(min(above / below, 1.0), float(evidence.step[cell]), policy)


def _number(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    step = float(evidence.step[cell])
    moved = noise * max(base_for(step), column.least_base) if noise else 0.0
    return _statistic(float(column.values[cell]) + moved, step, policy, column.least_base)


def _spread(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    return _within(0.0, _number(column, evidence, cell, policy, noise), math.inf)


def _correlation(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    return _within(-1.0, _number(column, evidence, cell, policy, noise), 1.0)


def _within(low: float, number: Number, high: float) -> Number:
    return None if number is None else min(max(number, low), high)


def _endpoint(column: Statistics, evidence: CellEvidence, cell: int, policy: PolicySnapshot, noise: float) -> Number:
    """Only a policy that protects nothing gets here."""
    return float(column.values[cell])


_SHOW: dict[Kind, Callable[[Statistics, CellEvidence, int, PolicySnapshot, float], Number]] = {
    Kind.COUNT: _count,
    Kind.SELECTED: _count,
    Kind.UNITS: _count,
    Kind.DISTINCT: _exact,
    Kind.SHARE: _share,
    Kind.SUM: _number,
    Kind.MEAN: _number,
    Kind.VARIANCE: _spread,
    Kind.DEVIATION: _spread,
    Kind.QUANTILE: _number,
    Kind.CORRELATION: _correlation,
    Kind.COVARIANCE: _number,
    Kind.EXTREME: _endpoint,
}


def _count_base(step: float, policy: PolicySnapshot) -> int:
    if not policy.influence_rounding:
        return policy.count_base
    return max(policy.count_base, int(base_for(step)))


def _statistic(value: float, step: float, policy: PolicySnapshot, least_base: float = 0.0) -> Number:
    """With a `least_base` (a day, of dates) in whole multiples of it."""
    if least_base and policy.influence_rounding:
        return _defined(to_multiple(value / least_base, max(1.0, base_for(step / least_base))) * least_base)
    if policy.influence_rounding:
        value = to_multiple(value, base_for(step))
    return _defined(value if least_base else to_digits(value, policy.significant_digits))


def _defined(value: float) -> Number:
    return None if math.isnan(value) else value
