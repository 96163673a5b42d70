"""Checks: what evidence must look like for a number to be shown. Pure functions from numbers about units to a finding.

Promise: a check judges every cell, whatever other checks say of it, so that no answer takes a shorter way; a check
that lacks its evidence raises, and nothing is released.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from cleanroom_kernel.disclosure.candidate import (
    Booleans,
    CellEvidence,
    EvaluationEvidence,
    Floats,
    Integers,
    ModelEvidence,
)
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import base_for
from cleanroom_kernel.disclosure.risks import Check


class Verdict(enum.IntEnum):
    """Ordered: the worst wins."""

    RELEASE = 0
    REVIEW = 1  # no rule can settle it: the owner must
    WITHHOLD = 2  # a data-dependent no
    REFUSE = 3  # never, whatever the data


class Finding(Struct, frozen=True, eq=False):
    """What one check found of each cell: True where the cell passed."""

    check: Check
    passed: Booleans


def verdicts(findings: list[Finding], cells: int) -> Integers:
    """The verdict on each cell: the worst of its findings, and without any finding no release."""
    worst = np.full(cells, Verdict.RELEASE if findings else Verdict.WITHHOLD, dtype=np.int64)
    for finding in findings:
        worst[~finding.passed] = Verdict.WITHHOLD
    return worst


def failed(findings: list[Finding]) -> tuple[str, ...]:
    """Names of the checks that any cell failed: for the owner's audit log, never for the expert."""
    return tuple(sorted({finding.check.value for finding in findings if not finding.passed.all()}))


# -- checks of cells --------------------------------------------------------------------------------------------------
def units(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C1. `least` is the minimum count with each cell's own jitter."""
    return evidence.units >= least


def twice(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C1 for spreads: two parameters (mean and spread) take two minimum counts."""
    return evidence.units >= least + policy.minimum_units


def rows(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C2 on rows: many rows of one unit are not many units."""
    shared = evidence.largest_rows <= policy.unit_share * evidence.rows
    return shared & (evidence.effective_rows >= policy.effective_units)


def dominance(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C2 on contributions: p% and (n, share). A total of zero is for `variety` to judge."""
    total, largest, second = _need(evidence.total), _need(evidence.largest), _need(evidence.second)
    with np.errstate(invalid="ignore"):  # an infinite total is for `finite` to judge
        rest = total - largest - second
    top = largest + (second if policy.dominance_top == 2 else 0.0)
    p_percent = rest >= policy.dominance_p * largest
    # At a share of 1 the rule is off: a total may be one unit's.
    n_share = (top <= policy.dominance_share * total) | (policy.dominance_share >= 1)
    return (p_percent | (policy.dominance_p <= 0)) & n_share


def effective(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C2 on contributions: 2**rank weights have an effective number of 3, an indicator has 1."""
    return (_need(evidence.effective) >= policy.effective_units) | (policy.effective_units <= 0)


def variety(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C3. A value that all but a few share says something of each of them, and of the few."""
    return _need_integers(evidence.differing) >= policy.minimum_units


def predicates(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C3 on what is asked inside a measure: where(age == 99, cost, 0) is about whoever is 99, whatever the cost."""
    return evidence.selected >= policy.minimum_units


def position(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C4. Enough units on both sides of a quantile."""
    sides = np.minimum(_need_integers(evidence.below), _need_integers(evidence.above))
    return sides >= policy.minimum_units


def endpoint(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C4. An extreme is one person's value."""
    return np.full(len(evidence.units), policy.endpoints)


def finite(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """S13. An infinite sum tells that somebody's value is infinite (1 / (hiv == 0))."""
    if policy.minimum_units == 0:
        return np.full(len(evidence.units), True)
    known = np.isfinite(evidence.influence)
    return known if evidence.total is None else known & np.isfinite(evidence.total)


def outlier(evidence: CellEvidence, least: Integers, policy: PolicySnapshot) -> Booleans:
    """C7. A unit with more influence than a step of what is shown would be seen in it."""
    if not policy.influence_rounding:
        return np.full(len(evidence.units), True)
    steps = np.array([base_for(float(step)) for step in evidence.step])
    return evidence.influence <= steps * (1 + 1e-9)


CELL_CHECKS: dict[Check, Callable[[CellEvidence, Integers, PolicySnapshot], Booleans]] = {
    Check.UNITS: units,
    Check.TWICE: twice,
    Check.ROWS: rows,
    Check.DOMINANCE: dominance,
    Check.EFFECTIVE: effective,
    Check.VARIETY: variety,
    Check.PREDICATES: predicates,
    Check.POSITION: position,
    Check.ENDPOINT: endpoint,
    Check.FINITE: finite,
    Check.OUTLIER: outlier,
}


# -- checks of scores and models --------------------------------------------------------------------------------------
def evaluation_findings(evidence: EvaluationEvidence, least: int, policy: PolicySnapshot) -> list[Finding]:
    """C12: enough units, of each class too. Its border lies as much above the policy's number as that of C1."""
    return [
        _one(Check.UNITS, evidence.units >= least),
        _one(Check.EVALUATION, evidence.units >= policy.evaluation_units + least - policy.minimum_units),
        _one(Check.CLASSES, all(count >= policy.minimum_units for count in evidence.units_per_class)),
        _one(Check.EFFECTIVE, evidence.effective_units >= policy.effective_units),
        _one(Check.FINITE, bool(np.isfinite(evidence.influence)) or policy.minimum_units == 0),
    ]


def model_findings(evidence: ModelEvidence, least: int, policy: PolicySnapshot) -> list[Finding]:
    """What every fit must have, released or not. What the family adds is in `evidence.findings`."""
    return [
        _one(Check.UNITS, evidence.units >= least),
        _one(Check.CLASSES, all(count >= policy.minimum_units for count in evidence.units_per_class)),
        _one(Check.EFFECTIVE, evidence.effective_units >= policy.effective_units),
    ]


def _one(check: Check, passed: bool) -> Finding:
    return Finding(check, np.array([passed]))


def _need(array: Floats | None) -> Floats:
    assert array is not None, "a check lacks its evidence"
    return array


def _need_integers(array: Integers | None) -> Integers:
    assert array is not None, "a check lacks its evidence"
    return array
