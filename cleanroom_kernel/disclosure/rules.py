"""Rules: the rule book as data. What is written here is what owners read, what receipts quote and what tests hold to.

Promise: every check and every mitigation of `risks` has its rule; a sentence takes its numbers from the policy, so the
book is never out of date.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.kinds import kind_of
from cleanroom_kernel.disclosure.policy import PolicySnapshot, settings
from cleanroom_kernel.disclosure.risks import (
    APPLIES,
    CHECKS,
    CLASS_OF,
    EVALUATION_CHECKS,
    MITIGATIONS,
    MODEL_CHECKS,
    RISKS,
    Check,
    Mitigation,
)
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.plan.aggregates import (
    OUTPUT_CLASS,
    Correlation,
    Distinct,
    Extreme,
    Mean,
    OutputClass,
    Quantile,
    Sum,
    Summary,
    Variance,
)
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.protocol.release import Reason, Refusal


class Rule(Struct, frozen=True):
    """`sentence` may name settings of the policy in braces; `where` is the module that holds to it."""

    id: str
    name: str
    sentence: str
    where: str


STRUCTURAL: tuple[Rule, ...] = (
    Rule(
        "S1",
        "only aggregates leave",
        "Rows stay in the vault; statistics, scores and models leave through the gate, and nothing else does.",
        "plan.aggregates",
    ),
    Rule(
        "S2",
        "opaque columns",
        "Identifiers and free text are keys at most: never compared, computed with, counted or shown.",
        "plan.expressions",
    ),
    Rule(
        "S3",
        "no public row vectors",
        "No list, array or table from outside is lined up with rows; one row is never addressed by its position.",
        "plan.relations",
    ),
    Rule("S4", "units", "All rows of one patient count as one patient, in every rule.", "disclosure.grouping"),
    Rule(
        "S5",
        "unit-local rows",
        "A row depends on the records of one patient alone; whatever mixes patients is an aggregate.",
        "plan.relations",
    ),
    Rule(
        "S6",
        "gate before use",
        "A statistic that is used in the next line has passed the gate like one that is shown.",
        "plan.aggregates",
    ),
    Rule(
        "S7",
        "labels",
        "Group labels are declared by the owner, or shared by as many patients as a number needs, {labels} in a table; "
        "others are left out.",
        "disclosure.gate",
    ),
    Rule(
        "S8",
        "no foreign code",
        "The vault runs no code of the expert's: expressions and estimators come from closed lists.",
        "plan.codec",
    ),
    Rule("S9", "keyed seeds", "Random splits and samples repeat, but only the vault can predict them.", "vault.seeds"),
    Rule(
        "S10",
        "models are rebuilt",
        "A released model is rebuilt from listed attributes; kinds of model that store rows are not released.",
        "disclosure.models",
    ),
    Rule("S11", "one state per fit", "A fit releases its final state, no intermediate one.", "disclosure.models"),
    Rule(
        "S13",
        "errors carry no data",
        "Types, shapes and errors follow from code and schema; what goes wrong on the data has one text.",
        "vault.session",
    ),
)

DATA: tuple[Rule, ...] = (
    Rule(
        "C1",
        "minimum count",
        "At least {minimum_units} patients stand behind every number, and up to {jitter} more: how many is fixed for "
        "each set of patients and not told. Up to {mixed_jitter} more stand there where rows or groups are chosen by "
        "several columns at once.",
        "disclosure.checks.units",
    ),
    Rule(
        "C1b",
        "minimum count, doubled",
        "Variances, covariances and correlations take {minimum_units} patients more.",
        "disclosure.checks.twice",
    ),
    Rule(
        "C2a",
        "concentration of rows",
        "No patient has more than {unit_share:.0%} of the rows behind a number.",
        "disclosure.checks.rows",
    ),
    Rule(
        "C2b",
        "dominance",
        "The {dominance_top} largest contributions make up at most {dominance_share:.0%} of a total, and those after "
        "the second at least {dominance_p:.0%} of the largest.",
        "disclosure.checks.dominance",
    ),
    Rule(
        "C2c",
        "effective number",
        "Contributions are as spread as those of {effective_units:g} equal patients.",
        "disclosure.checks.effective",
    ),
    Rule(
        "C3",
        "variety",
        "At least {minimum_units} patients differ from the value that most share; of yes and no, at least as many have "
        "each.",
        "disclosure.checks.variety",
    ),
    Rule(
        "C3a",
        "predicates",
        "A condition inside a measure holds for at least {minimum_units} patients and does not for as many.",
        "disclosure.checks.predicates",
    ),
    Rule(
        "C3b",
        "minimum count per class",
        "Each class of a model or a score has at least {minimum_units} patients.",
        "disclosure.checks",
    ),
    Rule(
        "C4",
        "position",
        "A quantile has {minimum_units} patients on either side and is the mean of as many neighbours.",
        "disclosure.ordering",
    ),
    Rule(
        "C4b",
        "endpoints",
        "A minimum or maximum is one patient's value and is not shown.",
        "disclosure.checks.endpoint",
    ),
    Rule(
        "C5",
        "differencing",
        "A number that differs from a released one of its measure by fewer than {minimum_units} patients repeats it, "
        "or is withheld.",
        "disclosure.comparisons",
    ),
    Rule(
        "C6",
        "linear combinations",
        "No combination of released numbers is about fewer than {minimum_units} patients.",
        "disclosure.auditor",
    ),
    Rule(
        "C7",
        "precision",
        "Counts are multiples of {count_base} or more; other numbers show only digits that no single patient decides, "
        "at most {significant_digits} of them ({parameter_digits} for parameters of a model).",
        "disclosure.display",
    ),
    Rule(
        "C7b",
        "outlier",
        "Nobody has more influence on a number than the step in which it is shown, which is taken from others.",
        "disclosure.checks.outlier",
    ),
    Rule(
        "C8",
        "budget",
        "Of one measure, at most {released_share:.0%} as many independent numbers are released as there are patients "
        "(or {released_floor}, if that is more); about a cohort, {cohort_share:.0%} of its patients.",
        "disclosure.gate",
    ),
    Rule(
        "C10",
        "model family",
        "A released model has few parameters for its patients, and no leaf, cluster or class with too few of them.",
        "disclosure.models",
    ),
    Rule(
        "C12",
        "size of an evaluation",
        "A score is taken of at least {evaluation_units} patients.",
        "disclosure.checks",
    ),
    Rule(
        "C13",
        "suppression",
        "Cells that break a rule are suppressed, and so are cells that give them away; totals are of shown cells.",
        "disclosure.gate",
    ),
    Rule(
        "C14",
        "scope",
        "Differencing, combinations and budgets look at all that any expert of the room was given.",
        "disclosure.ledger",
    ),
    Rule(
        "C15",
        "denials",
        "A withheld answer says nothing but that; after {denials} of them in 30 days, or {suppressed_cells} suppressed "
        "cells, the owner must be asked.",
        "disclosure.gate",
    ),
    Rule(
        "C16",
        "finite",
        "A number that is infinite or undefined because of somebody's value is not shown.",
        "disclosure.checks.finite",
    ),
    Rule(
        "C17",
        "free measures",
        "A measure that holds numbers of the expert's choice is drawn in to the values that {minimum_units} patients "
        "reach, and shown with noise of {free_noise:g} times the most that one patient can move it; {free_answers} "
        "such numbers for each column. A column that is only scaled and shifted is rounded before, not after.",
        "disclosure.forms",
    ),
    Rule(
        "C19",
        "mixed selections",
        "Where rows or groups are chosen by several columns at once, numbers are shown with noise of {mixed_noise:g} "
        "times the step in which they are rounded, the same for the same patients; conditions one after another are "
        "not mixed.",
        "disclosure.borders",
    ),
    Rule(
        "C18",
        "membership test",
        "The file of a model that predicts leaves after a test whether its training patients can be told from others "
        "by what it says of them: the area under the ROC curve of the stronger of two attacks is at most "
        "{membership_limit:g}, where 0.5 is by lot.",
        "disclosure.gate",
    ),
)

OF_CHECK: dict[Check, str] = {
    Check.UNITS: "C1",
    Check.TWICE: "C1b",
    Check.ROWS: "C2a",
    Check.DOMINANCE: "C2b",
    Check.EFFECTIVE: "C2c",
    Check.VARIETY: "C3",
    Check.PREDICATES: "C3a",
    Check.CLASSES: "C3b",
    Check.POSITION: "C4",
    Check.ENDPOINT: "C4b",
    Check.OUTLIER: "C7b",
    Check.FINITE: "C16",
    Check.PAIRS: "C5",
    Check.COMBINATIONS: "C6",
    Check.EVALUATION: "C12",
    Check.FAMILY: "C10",
    Check.MEMBERSHIP: "C18",
}

OF_MITIGATION: dict[Mitigation, str] = {
    Mitigation.COUNT_BASE: "C7",
    Mitigation.INFLUENCE: "C7",
    Mitigation.DIGITS: "C7",
    Mitigation.PARAMETERS: "C7",
    Mitigation.MIDDLE: "C4",
    Mitigation.SUPPRESSION: "C13",
    Mitigation.FOLDING: "S7",
    Mitigation.REBUILDING: "S10",
    Mitigation.FREE: "C17",
    Mitigation.MIXED: "C19",
}

BOOK: dict[str, Rule] = {rule.id: rule for rule in (*STRUCTURAL, *DATA)}


def sentence(rule: str, policy: PolicySnapshot) -> str:
    """A rule in one sentence, with the policy's numbers."""
    return BOOK[rule].sentence.format(**msgspec.structs.asdict(policy))


def checks_of(output_class: OutputClass) -> frozenset[Check]:
    """All checks that the risks of an output class ask for."""
    return frozenset(check for risk in RISKS[output_class] for check in CHECKS[risk])


def rules_of(kinds: set[Kind], *, free: bool, mixed: bool) -> tuple[str, ...]:
    """Ids of the rules that numbers of these kinds go through, in the book's order; `free` where one might be free,
    `mixed` where several columns choose rows or groups at once.
    """
    checks = {check for kind in kinds for check in APPLIES[kind]} | {Check.PAIRS, Check.COMBINATIONS}
    found = _ordered(checks, {CLASS_OF[kind] for kind in kinds})
    left_out = {OF_MITIGATION[Mitigation.FREE]} if not free else set[str]()
    left_out |= {OF_MITIGATION[Mitigation.MIXED]} if not mixed else set[str]()
    return tuple(rule for rule in found if rule not in left_out)


def rules_of_class(output_class: OutputClass) -> tuple[str, ...]:
    """Ids of the rules for a score or a model."""
    checks = EVALUATION_CHECKS if output_class is OutputClass.EVALUATION else MODEL_CHECKS
    return _ordered({*checks, Check.PAIRS}, {output_class})


def _ordered(checks: set[Check], classes: set[OutputClass]) -> tuple[str, ...]:
    chosen = {OF_CHECK[check] for check in checks}
    chosen |= {OF_MITIGATION[mitigation] for output_class in classes for mitigation in MITIGATIONS[output_class]}
    return tuple(rule for rule in BOOK if rule in chosen)


def explain(policy: PolicySnapshot) -> str:
    """The whole policy in words: rules that look at code and schema, rules that look at the data, and all settings."""
    lines = [f"Policy: {policy.preset}", "", "Rules that look at code and schema alone; a refusal explains itself:"]
    lines += [f"  {rule.id:<4} {rule.name}: {sentence(rule.id, policy)}" for rule in STRUCTURAL]
    lines += ["", "Rules that look at the data; an answer that breaks one is withheld, in one text for all of them:"]
    lines += [f"  {rule.id:<4} {rule.name}: {sentence(rule.id, policy)}" for rule in DATA]
    lines += ["", "Settings:"]
    lines += [f"  {name} = {value}  ({words})" for name, value, words in settings(policy)]
    return "\n".join(lines)


_OF_VALUES = (Sum, Mean, Variance, Quantile)


# -- what a question will meet ----------------------------------------------------------------------------------------
def structural_no(aggregate: Aggregate, policy: PolicySnapshot) -> Refusal | None:
    """What this policy never shows, told before anything is computed."""
    if policy.endpoints or not isinstance(aggregate, Summary) or not aggregate.over.has_units:
        return None
    if not any(isinstance(column.statistic, Extreme) for column in aggregate.columns):
        return None
    return Refusal(
        Reason.FORBIDDEN,
        "endpoints",
        "A minimum or maximum is one patient's value, so it is not shown.",
        "Use .quantile(0.05) and .quantile(0.95), or the bounds that the schema declares.",
    )


def foresee(aggregate: Aggregate, policy: PolicySnapshot) -> tuple[str, ...]:
    """The rules that an aggregate will go through, in words. Never touches a row."""
    no = structural_no(aggregate, policy)
    if no is not None:
        return (f"This will be refused: {no.message} {no.suggestion}",)
    if isinstance(aggregate, Summary):
        if not aggregate.over.has_units:
            return ("The table is public: the numbers are shown as they are.",)
        statistics = [column.statistic for column in aggregate.columns]
        free = any(isinstance(one, _OF_VALUES) and form_of(one.of, aggregate.over).free for one in statistics)
        keys = [*(key.of for key in aggregate.by), *(one.of for one in statistics if isinstance(one, Distinct))]
        mixed = is_mixed(aggregate.over, keys)
        rules = rules_of({kind_of(one, aggregate.over) for one in statistics}, free=free, mixed=mixed)
    elif isinstance(aggregate, Correlation):
        free = any(form_of(column.of, aggregate.over).free for column in aggregate.columns)
        kind = Kind.COVARIANCE if aggregate.covariance else Kind.CORRELATION
        rules = rules_of({kind}, free=free, mixed=is_mixed(aggregate.over))
    else:
        rules = rules_of_class(OUTPUT_CLASS[type(aggregate)])
    return tuple(f"{rule}: {sentence(rule, policy)}" for rule in rules)
