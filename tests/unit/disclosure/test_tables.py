"""The tables of the gate are closed and total: what has no row is not released, and nothing is judged by half a row."""

import pytest

from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.display import _SHOW
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
    Risk,
)
from cleanroom_kernel.disclosure.rules import BOOK, OF_CHECK, OF_MITIGATION, checks_of
from cleanroom_kernel.plan.aggregates import OutputClass

LEDGER_CHECKS = {Check.PAIRS, Check.COMBINATIONS}  # made of every kind, by the ledger


def test_every_output_class_has_risks_and_mitigations():
    assert set(RISKS) == set(MITIGATIONS) == set(OutputClass)
    assert all(RISKS.values())
    assert all(MITIGATIONS.values())


def test_every_risk_has_checks_and_belongs_to_a_class():
    assert set(CHECKS) == set(Risk) == set().union(*RISKS.values())
    assert all(CHECKS.values())


def test_every_check_answers_a_risk():
    assert set(Check) == set().union(*CHECKS.values())


def test_every_kind_has_a_class_checks_and_a_way_to_be_shown():
    assert set(CLASS_OF) == set(APPLIES) == set(_SHOW) == set(Kind)
    assert all(APPLIES.values())


def test_every_kind_is_checked_for_low_counts():
    assert all({Check.UNITS, Check.TWICE} & checks for checks in APPLIES.values())


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_kind_goes_through_no_check_that_its_class_does_not_ask_for(kind):
    finite = {Check.FINITE}  # an infinite order statistic is a single value
    assert APPLIES[kind] - finite <= checks_of(CLASS_OF[kind])


@pytest.mark.parametrize("output_class", OutputClass, ids=lambda output_class: output_class.value)
def test_every_risk_of_a_class_is_met_by_a_check_that_is_made(output_class):
    made = LEDGER_CHECKS.union(
        *(APPLIES[kind] for kind in Kind if CLASS_OF[kind] is output_class),
        EVALUATION_CHECKS if output_class is OutputClass.EVALUATION else (),
        MODEL_CHECKS if output_class is OutputClass.MODEL else (),
    )
    assert all(CHECKS[risk] & made for risk in RISKS[output_class])


def test_every_check_and_mitigation_has_its_rule_in_the_book():
    assert set(OF_CHECK) == set(Check)
    assert set(OF_MITIGATION) == set(Mitigation)
    assert {*OF_CHECK.values(), *OF_MITIGATION.values()} <= set(BOOK)
