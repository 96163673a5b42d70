"""Gate: the one place where a result becomes a release.

Promise: nothing else makes a `Release`. Candidate and evidence are judged by the policy and against the ledger, in one
transaction that also writes down what happened; the worst verdict wins, and no finding is no release. All checks are
made whatever any of them says, and every data-dependent no is the same words.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel.disclosure import words
from cleanroom_kernel.disclosure.auditor import MOST_ROWS, Limits
from cleanroom_kernel.disclosure.candidate import (
    ANY_FREE,
    AnyCandidate,
    Asker,
    Attribute,
    Booleans,
    Candidate,
    CellEvidence,
    EvaluationCandidate,
    EvaluationEvidence,
    Evidence,
    Footprint,
    Kind,
    ModelCandidate,
    ModelEvidence,
    Statistics,
    Trace,
)
from cleanroom_kernel.disclosure.checks import Finding, Verdict, evaluation_findings, failed, model_findings, verdicts
from cleanroom_kernel.disclosure.comparisons import Claim, Judged
from cleanroom_kernel.disclosure.display import (
    move,
    parameter_precision,
    precision,
    show,
    show_attribute,
    show_exactly,
    show_interval,
    show_score,
)
from cleanroom_kernel.disclosure.judge import findings_on, passed
from cleanroom_kernel.disclosure.ledger import FAILED, Answered, Book, Facts, Ledger, Released
from cleanroom_kernel.disclosure.measures import ROWS, UNITS
from cleanroom_kernel.disclosure.models import is_untested, remembered
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import to_count
from cleanroom_kernel.disclosure.risks import CLASS_OF, Check
from cleanroom_kernel.disclosure.rules import rules_of, rules_of_class, sentence
from cleanroom_kernel.plan.aggregates import OutputClass
from cleanroom_kernel.protocol.release import (
    Answer,
    Artifact,
    FitSummary,
    Grid,
    Label,
    Number,
    Payload,
    Reason,
    Refusal,
    Release,
    Withheld,
)

MOST_CELLS = 20_000  # of one answer

WITHHELD = Withheld(
    message="The room's policy withholds this result.",
    suggestion="Ask about more patients: fewer or coarser groups, or a wider filter. room.policy() lists the rules.",
)


def decide(candidate: AnyCandidate, evidence: Evidence, policy: PolicySnapshot, ledger: Ledger) -> Answer:
    """Release, Withheld or Refusal. Written to ledger and audit log when this returns, or nothing happened."""
    if ledger.review is not None and ledger.review.catches(candidate, evidence):
        return WITHHELD
    with ledger.book() as book:
        case = Case(candidate.asker, candidate.question, candidate.title, policy, ledger, book)
        known = case.known()
        if known is not None:
            return known
        if isinstance(candidate, Candidate):
            assert isinstance(evidence, tuple), "evidence of another kind of candidate"
            return _table(candidate, evidence, case)
        if isinstance(candidate, EvaluationCandidate):
            assert isinstance(evidence, EvaluationEvidence), "evidence of another kind of candidate"
            return _score(candidate, evidence, case)
        assert isinstance(evidence, ModelEvidence), "evidence of another kind of candidate"
        return _model(candidate, evidence, case)


def recall(asker: Asker, question: str, title: str, policy: PolicySnapshot, ledger: Ledger) -> Answer | None:
    """The answer that this question has already, if it has one: nothing needs to be computed for it."""
    if ledger.review is not None and ledger.review.question == question:
        return None
    with ledger.book() as book:
        return Case(asker, question, title, policy, ledger, book).known()


def hand_over(asker: Asker, number: int, ledger: Ledger) -> Release:
    """An answer that the owner approved, as it was frozen. Raises AirlockError where there is none."""
    with ledger.book() as book:
        return leave(asker, book.approved(number, asker.expert), book)


def leave(asker: Asker, answered: Answered, book: Book) -> Release:
    """An answer that is in the ledger leaves: the one place where a Release is made."""
    return Release(book.release(asker, answered.facts, answered.answer), answered.payload)


def refuse(asker: Asker, question: str, refusal: Refusal, ledger: Ledger) -> Refusal:
    """Write down a structural no, which needed no look at the data."""
    with ledger.book() as book:
        book.refuse(asker, question, refusal.reason.value, refusal.rule)
    return refusal


def refuse_use(
    asker: Asker, question: str, title: str, refusal: Refusal, fit: str, policy: PolicySnapshot, ledger: Ledger
) -> Refusal:
    """Write down a no for what a model has learned, which depends on the data: it counts among the withheld answers,
    once for each fit, by whatever question it came.
    """
    with ledger.book() as book:
        case = Case(asker, question, title, policy, ledger, book)
        case.charge(fit, Check.FAMILY)
        book.refuse(asker, question, refusal.reason.value, refusal.rule)
    return refusal


def fail(
    asker: Asker, question: str, title: str, refusal: Refusal | None, policy: PolicySnapshot, ledger: Ledger
) -> Answer:
    """Write down that a computation failed on the data, which is a data-dependent no and is charged like one.

    Without words of its own, about too few units to have any, it is a withheld answer like all others.
    """
    with ledger.book() as book:
        named = question if refusal is None else question + FAILED
        book.withhold(asker, named, title, ("failed",), policy)
    return WITHHELD if refusal is None else refusal


# -- tables of statistics ---------------------------------------------------------------------------------------------
def _table(candidate: Candidate, evidence: tuple[CellEvidence, ...], case: Case) -> Answer:
    if not candidate.has_units:
        return _public(candidate, case)
    if case.is_spent({trace.measure for column in candidate.columns for trace in column.traces}):
        return case.budget()
    charged = _charged(candidate)
    if case.is_overcharged(charged):
        return case.free_budget()
    borders = case.ledger.borders(case.policy, mixed=candidate.mixed)
    findings = [
        findings_on(column, numbers, case.policy, borders)
        for column, numbers in zip(candidate.columns, evidence, strict=True)
    ]
    broken = {name for found in findings for name in failed(found)}
    nameable = _nameable(candidate, evidence, case.policy)
    columns = [
        beside_released(column, numbers, passed(found, len(candidate.labels)) & nameable, case)
        for column, numbers, found in zip(candidate.columns, evidence, findings, strict=True)
    ]
    if any(column.lost for column in columns):
        broken.add(Check.COMBINATIONS.value)
    any_shown = np.any([column.shown for column in columns], axis=0)
    nothing = not any_shown.any() and case.policy.minimum_units > 0
    rows = np.flatnonzero(any_shown | candidate.public_labels).tolist()
    if nothing or len(rows) * len(columns) > MOST_CELLS:
        return case.withhold(tuple(sorted(broken)))
    grid = Grid(
        keys=candidate.keys,
        rows=tuple(candidate.labels[row] for row in rows),
        columns=tuple(column.name for column in candidate.columns),
        values=tuple(
            tuple(case.moved(asked, row, column.values[row]) if column.shown[row] else None for row in rows)
            for asked, column in zip(candidate.columns, columns, strict=True)
        ),
        suppressed=tuple(tuple(not column.shown[row] for row in rows) for column in columns),
    )
    repeated = sum(column.repeated for column in columns)
    released = [one for column in columns for one in column.released]
    kinds = {column.kind for column in candidate.columns}
    facts = case.facts(
        output_class=", ".join(sorted({CLASS_OF[kind].value for kind in kinds})),
        rules=rules_of(kinds, free=bool(charged), mixed=candidate.mixed),
        units=units_behind(released, case, mixed=candidate.mixed),
        cells=sum(int(column.shown.sum()) for column in columns),
        suppressed=sum(int((~column.shown[rows]).sum()) for column in columns),
        precision=precision(kinds, case.policy, repeated, free=bool(charged), mixed=candidate.mixed),
    )
    return case.release(facts, grid, released, charged)


def _charged(candidate: Candidate) -> Counter[str]:
    """Numbers of free measures that a table may hold of one unit, by what they are charged to."""
    charged = Counter[str]()
    for column in candidate.columns:
        charged.update(dict.fromkeys(column.charged, column.charges))
    return charged


def _nameable(candidate: Candidate, evidence: tuple[CellEvidence, ...], policy: PolicySnapshot) -> Booleans:
    """Rows whose label may be named: declared ones, and so many of the largest others."""
    nameable = candidate.public_labels.copy()
    others = np.flatnonzero(~nameable)
    sizes = np.max([numbers.units for numbers in evidence], axis=0)[others]
    nameable[others[np.argsort(-sizes, kind="stable")[: policy.labels]]] = True
    return nameable


class Shown(Struct, frozen=True, eq=False):
    """A column as it may be shown: `values` of cells that are, how many of them repeat an earlier release, whether the
    ledger cost it a cell, and what is released.
    """

    shown: Booleans
    values: dict[int, Number]
    repeated: int
    lost: bool
    released: list[Released]


def beside_released(column: Statistics, evidence: CellEvidence, alone: Booleans, case: Case) -> Shown:
    """What may stand beside all released numbers. The largest cells go first: if one must go, it is the smallest."""
    order = [int(cell) for cell in np.argsort(-evidence.units, kind="stable") if alone[cell]]
    values = {cell: show(column, evidence, cell, case.policy, case.noise(column, cell)) for cell in order}
    new, repeated = set(order), dict[int, Number]()
    for trace in column.traces:
        cells = [cell for cell in order if cell in new and (trace.cells is None or cell in trace.cells)]
        judged = case.judge(trace.measure, claims_of(trace, cells, values), linear=trace.linear)
        repeated |= {cells[place]: shown for place, shown in judged.repeated.items()}
        new -= {cell for cell, kept in zip(cells, judged.passed, strict=True) if not kept}
    released = [
        Released(
            trace.measure,
            trace.linear,
            claims_of(trace, [c for c in order if c in new and (trace.cells is None or c in trace.cells)], values),
        )
        for trace in column.traces
    ]
    shown = np.zeros(len(alone), dtype=bool)
    shown[[*new, *repeated]] = True
    return Shown(shown, {**values, **repeated}, len(repeated), bool((alone & ~shown).any()), released)


def claims_of(trace: Trace, cells: list[int], values: dict[int, Number]) -> list[Claim]:
    return [
        Claim(footprint, trace.statistic, trace.selection(cell) if trace.selection else "", values[cell])
        for cell, footprint in zip(cells, trace.footprints.of(cells), strict=True)
    ]


def units_behind(released: list[Released], case: Case, *, mixed: bool) -> str:
    """Band of the units behind all numbers that are new."""
    sets = [claim.footprint.units for one in released for claim in one.claims]
    return case.band(sets[0].union(*sets[1:]), mixed=mixed) if sets else "as released before"


def band_behind(units: BitMap, policy: PolicySnapshot, ledger: Ledger, *, mixed: bool) -> str:
    """The same wherever it is said. A mixed selection could be filled up to its edge, so it has noise."""
    noise = ledger.mixed_noise("band", units) * policy.mixed_noise if mixed else 0.0
    return band_of(max(int(len(units) + noise * policy.count_base), 0), policy)


def band_of(units: int, policy: PolicySnapshot) -> str:
    """Of the count as it would be shown, so that the edge of a band tells no more than that."""
    return words.band(to_count(units, policy.count_base))


def _public(candidate: Candidate, case: Case) -> Answer:
    """Rows of a public table are no secret: their numbers are shown as they are, and still written down."""
    rows = range(len(candidate.labels))
    grid = Grid(
        keys=candidate.keys,
        rows=candidate.labels,
        columns=tuple(column.name for column in candidate.columns),
        values=tuple(tuple(show_exactly(column, row) for row in rows) for column in candidate.columns),
        suppressed=tuple((False,) * len(candidate.labels) for _ in candidate.columns),
    )
    facts = case.facts(
        output_class=", ".join(sorted({CLASS_OF[column.kind].value for column in candidate.columns})),
        rules=(),
        units="public",
        cells=len(candidate.labels) * len(candidate.columns),
        suppressed=0,
        precision="as they are",
    )
    return case.release(facts, grid, [])


# -- scores and models ------------------------------------------------------------------------------------------------
def _score(candidate: EvaluationCandidate, evidence: EvaluationEvidence, case: Case) -> Answer:
    if case.book.equations(candidate.measure) >= case.policy.evaluations:
        return case.budget()
    charged = Counter(candidate.charged)
    if case.is_overcharged(charged):
        return case.free_budget()
    findings = evaluation_findings(evidence, case.border(evidence.footprint, mixed=candidate.mixed), case.policy)
    value = show_score(candidate, evidence, case.policy, case.noise_of_score(candidate, evidence))
    claim = Claim(evidence.footprint, candidate.statistic or candidate.name, "", value)
    judged = case.judge(candidate.measure, [claim], linear=candidate.linear)
    beside = [Released(measure, True, [Claim(evidence.by_unit)]) for measure in candidate.beside]
    stands = _stand(beside, case) or bool(judged.repeated)
    stands = stands and bool(judged.passed.all() or judged.repeated)
    if not (_all_passed(findings) and stands):
        return case.withhold(_broken(findings, stands))
    value = judged.repeated.get(0, value)
    shown = [value]
    if not judged.repeated:
        shown += show_interval(candidate, evidence, case.policy, case.noise_of_ends(candidate, evidence))
    facts = case.facts(
        output_class=OutputClass.EVALUATION.value,
        rules=rules_of_class(OutputClass.EVALUATION),
        units=case.band(evidence.footprint.units, mixed=candidate.mixed),
        cells=len(shown),
        suppressed=0,
        precision=precision({Kind.MEAN}, case.policy, len(judged.repeated), free=bool(charged), mixed=candidate.mixed),
    )
    row: tuple[Label, ...] = ()
    grid = Grid(
        keys=(),
        rows=(row,),
        columns=(candidate.name, "95 % from", "95 % to")[: len(shown)],
        values=tuple((number,) for number in shown),
        suppressed=tuple((False,) for _ in shown),
    )
    if not judged.passed.all():
        return case.release(facts, grid, [], charged)
    return case.release(facts, grid, [Released(candidate.measure, candidate.linear, [claim]), *beside], charged)


def _stand(released: list[Released], case: Case) -> bool:
    """Whether all may stand beside what the room released; each is judged, whatever the others are."""
    judged = [case.judge(one.measure, one.claims, linear=one.linear) for one in released]
    return all(bool(one.passed.all()) for one in judged)


def _model(candidate: ModelCandidate, evidence: ModelEvidence, case: Case) -> Answer:
    findings = model_findings(evidence, case.border(evidence.footprint, mixed=candidate.mixed), case.policy)
    payload = candidate.payload
    # That a fit happened shows no number, so it is compared with nothing; what it learned is.
    learned = not isinstance(payload, FitSummary)
    claims = [Claim(evidence.footprint)] if learned else []
    by_unit = [Claim(evidence.by_unit)] if learned else []
    released = [
        Released(candidate.measure, False, claims),
        *(Released(measure, False, by_unit) for measure in candidate.beside),
    ]
    stands = _stand(released, case)
    if not (_all_passed(findings) and stands):
        return case.withhold(_broken(findings, stands))
    if learned and evidence.findings:
        case.charge(candidate.fit, Check.FAMILY)  # what the findings are can depend on the data
        return case.refuse(
            rule="model family",
            message=f"This model cannot be released. {' '.join(evidence.findings)}",
            suggestion="It can still be scored: metrics of its predictions go through the gate.",
        )
    if isinstance(payload, Artifact):
        if is_untested(candidate.membership, case.policy):
            return case.withhold((Check.MEMBERSHIP.value,))
        too_well = remembered(candidate.membership, case.policy)
        if too_well:
            return case.refuse(
                rule="membership test",
                message=too_well,
                suggestion="Use stronger regularisation (a smaller C, a larger min_samples_leaf), fewer features or "
                "trees, or more patients. It can still be scored.",
            )
    facts = case.facts(
        output_class=OutputClass.MODEL.value,
        rules=rules_of_class(OutputClass.MODEL),
        units=case.band(evidence.footprint.units, mixed=candidate.mixed),
        cells=candidate.numbers,
        suppressed=candidate.hidden,
        precision=parameter_precision(
            case.policy, noisy=candidate.mixed and isinstance(payload, Attribute) and bool(payload.counts)
        ),
    )
    shown: Payload = _shown(payload, case, candidate, evidence) if isinstance(payload, Attribute) else payload
    return case.release(facts, shown, released)


def _shown(attribute: Attribute, case: Case, candidate: ModelCandidate, evidence: ModelEvidence) -> Payload:
    noise = case.noise_of_counts(evidence, len(attribute.counts)) if candidate.mixed else [0.0] * len(attribute.counts)
    return show_attribute(attribute, case.policy, noise)


def _broken(findings: list[Finding], stands: bool) -> tuple[str, ...]:
    return failed(findings) if stands else tuple(sorted({*failed(findings), Check.PAIRS.value}))


def _all_passed(findings: list[Finding]) -> bool:
    return bool(verdicts(findings, 1)[0] == Verdict.RELEASE)


# -- one decision -----------------------------------------------------------------------------------------------------
class Case(Struct, frozen=True, eq=False):
    """Who asks what, under which policy, with the ledger open."""

    asker: Asker
    question: str
    title: str
    policy: PolicySnapshot
    ledger: Ledger
    book: Book

    def known(self) -> Answer | None:
        """A stored answer, the same no, or the end of the asker's denials: all without a look at the data."""
        answered = self.book.answered(self.question, self.policy)
        if answered is not None:
            return leave(self.asker, answered, self.book)
        if self.book.was_withheld(self.question, self.policy):
            return self.withhold(("asked before",))
        denied, suppressed = self.book.denials_of(self.asker.expert), self.book.suppressed_for(self.asker.expert)
        if denied >= self.policy.denials or suppressed >= self.policy.suppressed_cells:
            return self.review(
                "denials",
                "So many results were withheld from you, or shown with suppressed cells, in the last 30 days that new "
                "questions need the owner.",
            )
        return None

    def border(self, footprint: Footprint, *, mixed: bool) -> int:
        counts = np.array([len(footprint.units)], dtype=np.int64)
        return int(self.ledger.borders(self.policy, mixed=mixed).least(counts, lambda _: footprint.units)[0])

    def judge(self, measure: str, claims: list[Claim], *, linear: bool) -> Judged:
        """Which numbers may stand beside all that the room released of this measure."""
        limits = Limits(
            least=self.policy.minimum_units,
            share=self.policy.cohort_share,
            most=self._most,
            n_units=self.ledger.n_units,
        )
        return self.book.judge(
            Released(measure, linear, claims),
            limits,
            pairs=self.policy.differencing,
            combinations=self.policy.linear_audit,
        )

    def noise(self, column: Statistics, cell: int) -> float:
        """Of a free measure, or of what is over a mixed selection; other numbers have none."""
        if column.charged:
            trace = column.traces[0]
            footprint = trace.footprints.of([cell])[0]
            return self._free_noise(trace.statistic, footprint)
        if not (column.mixed and self.policy.mixed_noise):
            return 0.0
        # Rows are counted in several ways, and have one noise: else it would average out.
        trace = next((one for one in column.traces if one.statistic == one.measure == ROWS), column.traces[0])
        footprint = trace.footprints.of([cell])[0]
        return self.ledger.mixed_noise(trace.statistic, footprint.units, footprint.counts.tobytes())

    def _free_noise(self, statistic: str, footprint: Footprint) -> float:
        """Another draw under a policy with another amount of it: of two numbers with one draw, both sizes of which are
        known, the exact one can be computed.
        """
        amount = self.policy.free_noise
        return self.ledger.noise(f"{statistic} with noise of {amount!r}", footprint) if amount else 0.0

    def moved(self, column: Statistics, cell: int, number: Number) -> Number:
        """A released number of a core as that of the whole measure."""
        noise = 0.0
        if column.mixed and column.moved.counts is not None:
            footprint = column.traces[0].footprints.of([cell])[0]
            noise = self.ledger.mixed_noise(ROWS, footprint.units, footprint.counts.tobytes())
        return move(column, cell, number, self.policy, noise)

    def band(self, units: BitMap, *, mixed: bool) -> str:
        """Band of the units behind a release."""
        return band_behind(units, self.policy, self.ledger, mixed=mixed)

    def noise_of_counts(self, evidence: ModelEvidence, number: int) -> list[float]:
        """Of numbers of rows and units of a fit: the same as where they are counted, or they would average out."""
        units, counts = evidence.by_unit.units, evidence.by_unit.counts.tobytes()
        return [self.ledger.mixed_noise(of, units, counts) for of in (ROWS, UNITS)[:number]]

    def noise_of_score(self, candidate: EvaluationCandidate, evidence: EvaluationEvidence) -> float:
        footprint = evidence.footprint
        if candidate.charged:
            return self._free_noise(candidate.measure, footprint)
        if not candidate.mixed:
            return 0.0
        return self.ledger.mixed_noise(candidate.measure, footprint.units, footprint.counts.tobytes())

    def noise_of_ends(self, candidate: EvaluationCandidate, evidence: EvaluationEvidence) -> tuple[float, float]:
        if not candidate.mixed:
            return 0.0, 0.0
        footprint = evidence.footprint
        lower, upper = (
            self.ledger.mixed_noise(f"{end} of {candidate.measure}", footprint.units, footprint.counts.tobytes())
            for end in ("from", "to")
        )
        return lower, upper

    def is_overcharged(self, charged: Counter[str]) -> bool:
        return any(
            self.book.charged(column) + more > self.policy.free_answers
            for column, more in charged.items()
            if column != ANY_FREE
        )

    def is_spent(self, measures: set[str]) -> bool:
        self.book.read(measures)
        return any(self.book.equations(measure) >= self._most for measure in measures)

    @property
    def _most(self) -> int:
        share = int(self.policy.released_share * self.ledger.n_units)
        return min(max(self.policy.released_floor, share), MOST_ROWS)

    def facts(
        self, *, output_class: str, rules: tuple[str, ...], units: str, cells: int, suppressed: int, precision: str
    ) -> Facts:
        return Facts(
            question=self.question,
            output_class=output_class,
            title=self.title,
            rules=tuple(f"{rule}: {sentence(rule, self.policy)}" for rule in rules),
            units=units,
            cells=cells,
            suppressed=suppressed,
            precision=precision,
            policy=self.policy.preset,
        )

    # -- the four ends ------------------------------------------------------------------------------------------------
    def release(
        self, facts: Facts, payload: Payload, released: list[Released], charged: Counter[str] | None = None
    ) -> Release:
        answer = self.book.record(self.asker, facts, payload, self.policy, released, charged)
        return leave(self.asker, Answered(answer, facts, payload), self.book)

    def withhold(self, broken: tuple[str, ...]) -> Withheld:
        """`broken` is for the owner's audit log alone."""
        self.book.withhold(self.asker, self.question, self.title, broken, self.policy)
        return WITHHELD

    def charge(self, what: str, check: Check) -> None:
        """Count a no that explains itself, but depends on data, among the withheld answers: once for each `what`."""
        self.book.withhold(self.asker, f"{what} refused", self.title, (check.value,), self.policy)

    def review(self, rule: str, message: str) -> Refusal:
        """No rule can settle it: the owner must. Depends on earlier answers alone, so it says why."""
        return self.refuse(rule, message, "Ask the owner: room.request_release(…, reason).")

    def budget(self) -> Refusal:
        return self.review(
            "budget", "As many numbers of this measure were released as the policy allows for a room of this size."
        )

    def free_budget(self) -> Refusal:
        return self.review(
            "free measures",
            "As many numbers were released of measures that hold numbers of your choice, made of one of these columns, "
            "as the policy allows. A column as it is, scaled or shifted, its products and where(condition, column, 0) "
            "can still be asked for.",
        )

    def refuse(self, rule: str, message: str, suggestion: str) -> Refusal:
        self.book.refuse(self.asker, self.question, Reason.FORBIDDEN.value, rule)
        return Refusal(Reason.FORBIDDEN, rule, message, suggestion)
