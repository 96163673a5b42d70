"""Airlock's inner door: a caught candidate as the answer that the owner is asked for, with what speaks against it.

Promise: nothing is released here. An answer is frozen as the policy would show it, without the digits that rounding
takes away; a number about one unit is a row and stays, and so do labels that too few share, even on request; what a
person cannot look through is not frozen.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from msgspec import Struct

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import Asking
from cleanroom_kernel.disclosure.candidate import (
    Asker,
    Booleans,
    Candidate,
    CellEvidence,
    EvaluationCandidate,
    EvaluationEvidence,
    Kind,
    ModelCandidate,
    ModelEvidence,
    Review,
    Statistics,
)
from cleanroom_kernel.disclosure.checks import Finding, evaluation_findings, failed, model_findings
from cleanroom_kernel.disclosure.comparisons import Claim
from cleanroom_kernel.disclosure.display import parameter_precision, precision, show, show_score
from cleanroom_kernel.disclosure.gate import Case, beside_released, claims_of, units_behind
from cleanroom_kernel.disclosure.judge import findings_on, passed
from cleanroom_kernel.disclosure.ledger import Book, Facts, Ledger, Released
from cleanroom_kernel.disclosure.models import is_untested
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.risks import CLASS_OF, Check
from cleanroom_kernel.plan.aggregates import OutputClass
from cleanroom_kernel.protocol.airlock import Standing, Terms
from cleanroom_kernel.protocol.release import Artifact, Grid, Label, Number, Payload

MOST_CELLS = 500  # that one person can look through
MOST_BYTES = 32 * 2**20  # of a model's file

RULE = "airlock: withheld by the rules, and released because the owner approved it as it is."

_NOTHING = "no value could be computed"
_MANY = "more numbers than a person can look through"
_NEAR = "differs too little from what was released before"
_SPENT = "no rule; a budget of the expert's or of the measure is used up"


class Held(Struct, frozen=True, eq=False):
    """What would leave, and what the gate has against it."""

    payload: Payload | None
    findings: tuple[str, ...]
    output_class: str = ""
    units: str = ""
    cells: int = 0
    precision: str = ""
    released: tuple[Released, ...] = ()
    charged: Counter[str] = Counter()


def ask(
    asker: Asker, review: Review, title: str, reason: str, policy: PolicySnapshot, ledger: Ledger, terms: Terms
) -> Standing:
    """Freeze what was caught and write the request down, in one transaction. Raises AirlockError."""
    with ledger.book() as book:
        held = _held(asker, review, title, policy, ledger, book)
        facts = Facts(
            question=review.question,
            output_class=held.output_class,
            title=title,
            rules=(RULE,),
            units=held.units,
            cells=held.cells,
            suppressed=0,
            precision=held.precision,
            policy=policy.preset,
        )
        frozen = book.freeze(asker, facts, held.payload, list(held.released), held.charged)
        asking = Asking(asker.expert, asker.session, asker.cell, review.question, title, reason)
        return airlock.ask(book.connection, asking, frozen, held.findings or (_SPENT,), terms)


def _held(asker: Asker, review: Review, title: str, policy: PolicySnapshot, ledger: Ledger, book: Book) -> Held:
    if review.caught is None:
        return Held(None, (_NOTHING,))
    case = Case(asker, review.question, title, policy, ledger, book)
    candidate, evidence = review.caught
    if isinstance(candidate, Candidate):
        assert isinstance(evidence, tuple), "evidence of another kind of candidate"
        return _table(candidate, evidence, case)
    if isinstance(candidate, EvaluationCandidate):
        assert isinstance(evidence, EvaluationEvidence), "evidence of another kind of candidate"
        return _score(candidate, evidence, case)
    assert isinstance(evidence, ModelEvidence), "evidence of another kind of candidate"
    return _model(candidate, evidence, case)


# -- tables -----------------------------------------------------------------------------------------------------------
def _table(candidate: Candidate, evidence: tuple[CellEvidence, ...], case: Case) -> Held:
    borders = case.ledger.borders(case.policy, mixed=candidate.mixed)
    found = [
        findings_on(column, numbers, case.policy, borders)
        for column, numbers in zip(candidate.columns, evidence, strict=True)
    ]
    rows = np.flatnonzero(candidate.public_labels | _nameable(found, len(candidate.labels))).tolist()
    if len(rows) * len(candidate.columns) > MOST_CELLS:
        return Held(None, (_MANY,))
    columns = list(zip(candidate.columns, evidence, strict=True))
    shown = [{row: _number(column, numbers, row, case) for row in rows} for column, numbers in columns]
    charged = Counter[str]()
    for column in candidate.columns:
        charged.update(dict.fromkeys(column.charged, column.charges))
    released = [
        Released(
            trace.measure,
            trace.linear,
            claims_of(trace, [row for row in rows if trace.cells is None or row in trace.cells], values),
        )
        for column, values in zip(candidate.columns, shown, strict=True)
        for trace in column.traces
    ]
    kinds: set[Kind] = {column.kind for column in candidate.columns}
    grid = Grid(
        keys=candidate.keys,
        rows=tuple(candidate.labels[row] for row in rows),
        columns=tuple(column.name for column in candidate.columns),
        values=tuple(
            tuple(case.moved(column, row, values[row]) for row in rows)
            for column, values in zip(candidate.columns, shown, strict=True)
        ),
        suppressed=tuple((False,) * len(rows) for _ in candidate.columns),
    )
    return Held(
        payload=grid,
        findings=_findings(candidate, evidence, found, rows, case),
        output_class=", ".join(sorted({CLASS_OF[kind].value for kind in kinds})),
        units=units_behind(released, case, mixed=candidate.mixed),
        cells=len(rows) * len(candidate.columns),
        precision=precision(kinds, case.policy, free=bool(charged), mixed=candidate.mixed),
        released=tuple(released),
        charged=charged,
    )


def _nameable(found: list[list[Finding]], cells: int) -> Booleans:
    """Rows about so many units that a label of theirs tells nothing (rule S7)."""
    named: Booleans = np.zeros(cells, dtype=bool)
    for findings in found:
        counts = [finding.passed for finding in findings if finding.check is Check.UNITS]
        named |= counts[0] if counts else False
    return named


def _number(column: Statistics, evidence: CellEvidence, cell: int, case: Case) -> Number:
    """Of the core of a measure, which is what is compared; `move` makes the whole measure's of it."""
    finite = math.isfinite(column.values[cell]) and math.isfinite(float(evidence.influence[cell]))
    if not finite or evidence.units[cell] < 2:
        return None
    return show(column, evidence, cell, case.policy, case.noise(column, cell))


def _findings(
    candidate: Candidate,
    evidence: tuple[CellEvidence, ...],
    found: list[list[Finding]],
    rows: list[int],
    case: Case,
) -> tuple[str, ...]:
    """Which checks fail, in how many of the cells that would leave; and what earlier releases would be told apart."""
    failing: dict[str, int] = {}
    beside = 0
    for column, numbers, findings in zip(candidate.columns, evidence, found, strict=True):
        alone = passed(findings, len(candidate.labels))
        for finding in findings:
            cells = int((~finding.passed[rows]).sum())
            if cells:
                failing[finding.check.value] = failing.get(finding.check.value, 0) + cells
        beside += int((alone & ~beside_released(column, numbers, alone, case).shown).sum())
    if beside:
        failing[_NEAR] = beside
    total = len(rows) * len(candidate.columns)
    return tuple(f"{name}: {cells} of {total} {'number' if total == 1 else 'numbers'}" for name, cells in
                 sorted(failing.items()))  # fmt: skip


# -- scores and models ------------------------------------------------------------------------------------------------
def _score(candidate: EvaluationCandidate, evidence: EvaluationEvidence, case: Case) -> Held:
    value = show_score(candidate, evidence, case.policy, case.noise_of_score(candidate, evidence))
    if value is None or not math.isfinite(value) or evidence.units < 2:
        return Held(None, (_NOTHING,))
    claim = Claim(evidence.footprint, candidate.name, "", value)
    released = (
        Released(candidate.measure, candidate.linear, [claim]),
        *(Released(measure, True, [Claim(evidence.by_unit)]) for measure in candidate.beside),
    )
    border = case.border(evidence.footprint, mixed=candidate.mixed)
    findings = failed(evaluation_findings(evidence, border, case.policy))
    row: tuple[Label, ...] = ()
    return Held(
        payload=Grid(keys=(), rows=(row,), columns=(candidate.name,), values=((value,),), suppressed=((False,),)),
        findings=(*findings, *_near(released, case)),
        output_class=OutputClass.EVALUATION.value,
        units=case.band(evidence.footprint.units, mixed=candidate.mixed),
        cells=1,
        precision=precision({Kind.MEAN}, case.policy, free=bool(candidate.charged), mixed=candidate.mixed),
        released=released,
        charged=Counter(candidate.charged),
    )


def _model(candidate: ModelCandidate, evidence: ModelEvidence, case: Case) -> Held:
    """A file. A kind of model that stores what it learned of single patients is not for anybody to let out."""
    payload = candidate.payload
    if evidence.findings or not isinstance(payload, Artifact):
        return Held(None, evidence.findings or (_NOTHING,))
    if len(payload.content) > MOST_BYTES:
        return Held(None, (_MANY,))
    released = (
        Released(candidate.measure, False, [Claim(evidence.footprint)]),
        *(Released(measure, False, [Claim(evidence.by_unit)]) for measure in candidate.beside),
    )
    findings = failed(model_findings(evidence, case.border(evidence.footprint, mixed=candidate.mixed), case.policy))
    if is_untested(candidate.membership, case.policy):
        findings = (*findings, Check.MEMBERSHIP.value)
    return Held(
        payload=payload,
        findings=(*findings, *_near(released, case)),
        output_class=OutputClass.MODEL.value,
        units=case.band(evidence.footprint.units, mixed=candidate.mixed),
        cells=candidate.numbers,
        precision=parameter_precision(case.policy),
        released=released,
    )


def _near(released: tuple[Released, ...], case: Case) -> tuple[str, ...]:
    judged = [case.judge(one.measure, one.claims, linear=one.linear) for one in released]
    return () if all(bool(one.passed.all()) for one in judged) else (_NEAR,)
