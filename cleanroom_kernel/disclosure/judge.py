"""Judge: the checks of single cells, by kind of statistic.

Promise: pure; every check of the kind's row in the table is made of every cell, and a cell is shown only if all passed.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.candidate import Booleans, CellEvidence, Statistics
from cleanroom_kernel.disclosure.checks import CELL_CHECKS, Finding, Verdict, verdicts
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.risks import APPLIES, Check


def findings_on(column: Statistics, evidence: CellEvidence, policy: PolicySnapshot, borders: Borders) -> list[Finding]:
    least = borders.least(evidence.units, column.traces[0].footprints.unit_set)
    # What one unit does to a free measure is hidden by noise of ten times that (C17).
    applies = APPLIES[column.kind] - ({Check.OUTLIER} if column.charged else set())
    return [Finding(check, CELL_CHECKS[check](evidence, least, policy)) for check in applies]


def passed(findings: list[Finding], cells: int) -> Booleans:
    released: Booleans = verdicts(findings, cells) == Verdict.RELEASE
    return released


def passes(column: Statistics, evidence: CellEvidence, policy: PolicySnapshot, borders: Borders) -> Booleans:
    """Cells that pass every check that looks at them alone."""
    return passed(findings_on(column, evidence, policy, borders), len(column.values))
