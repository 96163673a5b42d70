"""Facts about models, judged: each rule on both sides of its border."""

import numpy as np
import pytest

from cleanroom_kernel.disclosure import models
from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.evidence import summed
from cleanroom_kernel.disclosure.grouping import Grouped, contributions
from cleanroom_kernel.disclosure.models import (
    Design,
    Directions,
    Estimates,
    FeatureEvidence,
    Folds,
    Groups,
    Labels,
    Leaves,
    Never,
    Uncovered,
    findings,
    shown,
    weak,
)
from cleanroom_kernel.disclosure.policy import Policy

STANDARD, PERMISSIVE = (Policy.from_settings({"preset": preset}).snapshot() for preset in ("standard", "permissive"))


def cell(units=40, differing=20):
    """A mean of a yes-or-no measure over one row of each unit."""
    codes = np.arange(units, dtype=np.int32)
    rows = Grouped(np.zeros(units, dtype=np.int32), codes, codes.astype(np.int64), 1, units)
    return summed(contributions(rows, (codes < differing) * 1.0), Kind.SHARE, 10).evidence


def leaves(units=2_000, values=10, draws=True, **of_cell):
    return Leaves(units, values, draws, ((Kind.SHARE, cell(**of_cell)),))


PASSES = [
    Design(1_000, 20, 0.2, 20),
    Design(1_000, 20, 0.5, 1),
    leaves(),
    leaves(units=2_000, values=100),
    leaves(units=2_000, values=50, draws=False),
    Groups("class", 1_000, 10, ((Kind.SHARE, cell()),)),
    Labels(np.array([13, 400])),
    Labels(np.array([], dtype=np.int64)),
    Uncovered(()),
    Directions(1_000, 20, 0.1, False),
    Folds(50, 10),
]

FAILS = [
    Never("it keeps rows."),
    Design(1_000, 101, 0.2, 101),  # ten patients for each parameter
    Design(15, 6, 0.2, 6),  # ten degrees of freedom
    Design(1_000, 20, 0.51, 20),  # one patient decides a fitted value
    Design(1_000, 20, 0.2, 0),  # nothing is left to show
    leaves(units=2_000, values=101),  # more than one leaf value for twenty patients
    leaves(units=2_000, values=51, draws=False),  # half as many where it is known who is in each tree
    leaves(units=40, values=1, differing=9),  # a leaf in which all but nine have one class
    Leaves(2_000, 10, True, ((Kind.SHARE, cell(units=12)),)),
    Groups("class", 99, 10, ((Kind.SHARE, cell()),)),
    Groups("class", 1_000, 10, ((Kind.SHARE, cell(differing=9)),)),
    Labels(np.array([12, 400])),  # a label that only twelve have: the minimum and its jitter are thirteen
    Uncovered(("rare",)),
    Directions(199, 20, 0.1, False),
    Directions(1_000, 20, 0.6, False),
    Directions(1_000, 20, 0.1, True),
    Folds(49, 10),
    Folds(50, 9),
]


@pytest.mark.parametrize("fact", PASSES, ids=lambda fact: type(fact).__name__)
def test_what_keeps_the_rules_has_no_finding(fact):
    assert findings("M", (fact,), STANDARD) == ()


@pytest.mark.parametrize("fact", FAILS, ids=lambda fact: type(fact).__name__)
def test_what_breaks_a_rule_has_one_finding(fact):
    (found,) = findings("M", (fact,), STANDARD)
    assert found.startswith("M: ")
    assert found.endswith(".")


def test_every_kind_of_fact_has_a_judge_and_a_case_on_both_sides():
    kinds = set(models._JUDGES)
    assert {type(fact) for fact in FAILS} == kinds
    assert {type(fact) for fact in PASSES} == kinds - {Never}


@pytest.mark.parametrize(
    "fact", [fact for fact in FAILS if not isinstance(fact, Never)], ids=lambda fact: type(fact).__name__
)
def test_the_policy_for_tests_lets_everything_out_but_what_cannot_be_rebuilt(fact):
    assert findings("M", (fact,), PERMISSIVE) == ()


def test_a_finding_tells_no_number_of_the_data():
    """Two models that break the same rule by different amounts are told the same."""
    one, other = (
        findings("M", (Design(units, 500, leverage, 3),), STANDARD) for units, leverage in ((77, 0.9), (3_100, 0.1))
    )
    assert one == other
    assert findings("M", (leaves(values=900),), STANDARD) == findings("M", (leaves(differing=2),), STANDARD)


# -- features and numbers ---------------------------------------------------------------------------------------------
def test_features_of_a_few_patients_are_weak():
    evidence = FeatureEvidence(np.array([10.0, 9.9, 500.0, 0.0]), np.array([500, 500, 9, 0]))
    assert weak(evidence, STANDARD).tolist() == [False, True, True, True]
    assert not weak(evidence, PERMISSIVE).any()


def estimates(value, influence=0.01, step=0.02, effective=100.0):
    return Estimates(*(np.array([number]) for number in (value, influence, step, effective)))


VISIBLE = np.array([False])


def test_a_number_shows_only_what_no_patient_decides():
    assert shown(estimates(1.23456789), VISIBLE, STANDARD).tolist() == [1.24]
    assert shown(estimates(1.23456789, influence=0.0, step=0.0), VISIBLE, STANDARD).tolist() == [1.23457]
    assert shown(estimates(1.23456789), VISIBLE, PERMISSIVE).tolist() == [1.23456789]


@pytest.mark.parametrize(
    "learned",
    [estimates(1.0, influence=0.5, step=0.02), estimates(1.0, effective=4.9), estimates(1.0, effective=np.nan)],
    ids=["an outlier", "a few units", "nobody knows"],
)
def test_a_number_that_a_few_patients_decide_is_hidden(learned):
    assert np.isnan(shown(learned, VISIBLE, STANDARD)).all()
    assert shown(learned, VISIBLE, PERMISSIVE).tolist() == [1.0]


def test_what_is_hidden_stays_hidden():
    assert np.isnan(shown(estimates(1.0), ~VISIBLE, STANDARD)).all()
