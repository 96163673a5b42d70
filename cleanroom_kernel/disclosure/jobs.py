"""Jobs' results: which of them leave by rule, and which wait for a person.

The code of a job was read and approved; what it does with one patient's row cannot be measured from outside. So there
is no evidence to judge a number by but these: how many patients it was given, how few a count counts, how many numbers
were made of its columns before. Promise: by rule leave only numbers by name, and few of them; everything else is frozen
and waits. Either is written down, with the end of the run, in one transaction before anything is said.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import Asking
from cleanroom_kernel.disclosure.candidate import ANY_FREE, Asker
from cleanroom_kernel.disclosure.gate import Case, band_of, leave
from cleanroom_kernel.disclosure.ledger import Answered, Facts, Ledger
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.protocol.airlock import Standing, Terms
from cleanroom_kernel.protocol.jobs import Cell, Job
from cleanroom_kernel.protocol.release import Release, Results
from cleanroom_kernel.requests import jobs

MOST_BY_RULE = 20  # numbers of one job
OUTPUT_CLASS = "job"

RULE = (
    "job: numbers of code that the owner read and approved, over at least {least} patients; counts of fewer are "
    "withheld, counts are rounded to {base} and other numbers to {digits} significant digits."
)
REVIEWED = "job: the owner read and approved the code, and then this result of it, as it is."

_FEW = "the job was given too few patients"
_SMALL = "a count of too few"
_UNDEFINED = "a number that is undefined"
_SPENT = "a budget of the expert's, or of a column that the job reads, is used up"
_UNRULED = "tables and tensors, which no rule settles"
_MANY = f"more than {MOST_BY_RULE} numbers"
_BY_PERSON = "the owner has results of jobs read by a person"


class JobCandidate(Struct, frozen=True, eq=False):
    """What a job gave. `counts` are those of its results that are counts, exact; `units` are the patients that it was
    given, `columns` what free measures of its inputs are charged to.
    """

    asker: Asker
    number: int
    job: Job
    results: Results
    counts: tuple[int, ...]
    units: BitMap
    columns: frozenset[str]

    @property
    def title(self) -> str:
        return f"result of job {self.job.name} (request {self.number})"

    @property
    def numbers(self) -> int:
        """Numbers that the code was free to make of what it read."""
        tables = sum(len(named.grid.values) * len(named.grid.rows) for named in self.results.tables)
        return len(self.results.scalars) + tables


def settle(candidate: JobCandidate, policy: PolicySnapshot, ledger: Ledger, terms: Terms) -> Release | Standing:
    """The result, or the request as which it waits."""
    question = f"result of {jobs.identity(candidate.job)} as request {candidate.number}"
    with ledger.book() as book:
        case = Case(candidate.asker, question, candidate.title, policy, ledger, book)
        charged = Counter(dict.fromkeys((ANY_FREE, *candidate.columns), candidate.numbers))
        structural = _unruled(candidate, terms)
        broken = () if structural else _broken(candidate, charged, case)
        if structural or broken:
            facts = _facts(candidate, question, policy, (REVIEWED,))
            frozen = book.freeze(candidate.asker, facts, candidate.results, [], charged)
            if broken:
                case.withhold(broken)
            asker = candidate.asker
            asking = Asking(asker.expert, asker.session, asker.cell, question, candidate.title, _reason(candidate))
            standing = airlock.freeze(book.connection, asking, frozen, structural or broken, terms)
            jobs.finish(book.connection, candidate.number, answer=None, result=standing.number)
            return standing
        base, digits = policy.count_base, policy.significant_digits
        rule = RULE.format(least=policy.minimum_units, base=base, digits=digits)
        facts = _facts(candidate, question, policy, (rule,))
        answer = book.record(candidate.asker, facts, candidate.results, policy, [], charged)
        jobs.finish(book.connection, candidate.number, answer=answer, result=None)
        return leave(candidate.asker, Answered(answer, facts, candidate.results), book)


def hand_over(asker: Asker, number: int, ledger: Ledger) -> Release:
    """What a job gave that is done, once more. Raises AirlockError where there is none."""
    with ledger.book() as book:
        return leave(asker, book.of_job(number, asker.expert), book)


def _unruled(candidate: JobCandidate, terms: Terms) -> tuple[str, ...]:
    """What a person must look at, by the declaration alone."""
    found = [] if terms.by_rule else [_BY_PERSON]
    if candidate.results.tables or candidate.results.files:
        found.append(_UNRULED)
    if len(candidate.results.scalars) > MOST_BY_RULE:
        found.append(_MANY)
    return tuple(found)


def _broken(candidate: JobCandidate, charged: Counter[str], case: Case) -> tuple[str, ...]:
    """Which rules speak against the numbers. All are looked at, whatever any of them says."""
    borders = case.ledger.borders(case.policy)
    given = np.array([len(candidate.units)], dtype=np.int64)
    few = len(candidate.units) < int(borders.least(given, lambda _: candidate.units)[0])
    checks: dict[str, bool] = {
        _FEW: few,
        _SMALL: any(count < case.policy.minimum_units + case.policy.jitter for count in candidate.counts),
        _UNDEFINED: any(value is None for _, value in candidate.results.scalars),
        _SPENT: case.is_overcharged(charged) or case.known() is not None,
    }
    return tuple(name for name, speaks in checks.items() if speaks)


def _facts(candidate: JobCandidate, question: str, policy: PolicySnapshot, rules: tuple[str, ...]) -> Facts:
    return Facts(
        question=question,
        output_class=OUTPUT_CLASS,
        title=candidate.title,
        rules=rules,
        units=band_of(len(candidate.units), policy),
        cells=candidate.numbers,
        suppressed=0,
        precision=f"counts to {policy.count_base}, numbers to {policy.significant_digits} significant digits, "
        f"parameters to {policy.parameter_digits}",
        policy=policy.preset,
    )


def _reason(candidate: JobCandidate) -> str:
    return f"What job {candidate.job.name} gave, which ran as request {candidate.number}."


def counts_of(job: Job, scalars: dict[str, object]) -> tuple[int, ...]:
    """The declared counts among a job's numbers, before they are rounded."""
    found = [scalars[one.name] for one in job.scalars if one.of is Cell.COUNT]
    return tuple(value for value in found if isinstance(value, int))


def fail(asker: Asker, number: int, title: str, why: str, policy: PolicySnapshot, ledger: Ledger) -> None:
    """Write down that a run failed: that it did is an answer of the data's, and charged like one."""
    with ledger.book() as book:
        book.withhold(asker, f"job {number} failed", title, ("failed",), policy)
        jobs.fail(book.connection, number, why)
