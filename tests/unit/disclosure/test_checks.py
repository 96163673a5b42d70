"""Checks: each judges every cell, and each is needed."""

import msgspec
import numpy as np
import pytest
from pyroaring import BitMap

from cleanroom_kernel.disclosure import checks
from cleanroom_kernel.disclosure.candidate import CellEvidence, EvaluationEvidence, Footprint, ModelEvidence
from cleanroom_kernel.disclosure.checks import CELL_CHECKS, Finding, Verdict, failed, verdicts
from cleanroom_kernel.disclosure.policy import PRESETS, Policy
from cleanroom_kernel.disclosure.risks import APPLIES, Check

STANDARD = Policy().snapshot()
PERMISSIVE = Policy.from_settings({"preset": "permissive"}).snapshot()
LEAST = np.array([10])


def evidence(**changes):
    """One cell of 100 alike units, with two rows each, as good as any; `changes` spoil it."""
    good = {
        "rows": 200, "units": 100, "selected": 100, "largest_rows": 2, "effective_rows": 100.0,
        "influence": 0.1, "step": 0.2,
        "total": 500.0, "largest": 6.0, "second": 6.0, "effective": 90.0, "differing": 60, "below": 50, "above": 50,
    }  # fmt: skip
    return CellEvidence(**{name: np.array([value]) for name, value in {**good, **changes}.items()})


def passes(check, policy=STANDARD, **changes):
    return bool(CELL_CHECKS[check](evidence(**changes), LEAST, policy)[0])


SPOILED = {
    Check.UNITS: {"units": 9},
    Check.TWICE: {"units": 19},
    Check.ROWS: {"largest_rows": 51},
    Check.DOMINANCE: {"largest": 450.0},
    Check.EFFECTIVE: {"effective": 4.9},
    Check.VARIETY: {"differing": 9},
    Check.PREDICATES: {"selected": 9},
    Check.POSITION: {"below": 9},
    Check.OUTLIER: {"influence": 0.21},
    Check.FINITE: {"total": np.inf, "effective": 50.0},
}


@pytest.mark.parametrize("check", SPOILED, ids=lambda check: check.value)
def test_a_check_passes_good_evidence_and_fails_what_it_is_for(check):
    assert passes(check)
    assert not passes(check, **SPOILED[check])


@pytest.mark.parametrize("check", SPOILED, ids=lambda check: check.value)
def test_what_one_check_is_for_no_other_check_sees(check):
    """Each check is needed: with it left out, its bad example would be released."""
    others = set(SPOILED) - {check}
    if check is Check.UNITS:
        others -= {Check.TWICE}  # asks for more units, so it sees too few as well
    if check is Check.FINITE:
        others -= {Check.DOMINANCE}
    assert all(passes(other, **SPOILED[check]) for other in others)


def test_endpoints_pass_by_policy_alone():
    assert not passes(Check.ENDPOINT)
    assert passes(Check.ENDPOINT, PERMISSIVE)


def test_every_check_of_cells_has_its_function_and_its_example():
    applied = set().union(*APPLIES.values())
    assert set(CELL_CHECKS) == applied == {*SPOILED, Check.ENDPOINT}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"effective_rows": 4.0}, "a few units have most rows"),
        ({"largest_rows": 60}, "one unit has more than a quarter of them"),
    ],
)
def test_rows_are_spread_over_units(changes, why):
    assert not passes(Check.ROWS, **changes), why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"total": 100.0, "largest": 50.0, "second": 46.0}, "p%: the rest is under a tenth of the largest"),
        ({"total": 100.0, "largest": 60.0, "second": 26.0}, "(n, share): two have more than 85 %"),
    ],
)
def test_dominance_has_two_rules(changes, why):
    assert not passes(Check.DOMINANCE, **changes), why


def test_one_unit_alone_can_be_looked_at():
    one = msgspec.structs.replace(STANDARD, dominance_top=1)
    assert passes(Check.DOMINANCE, one, total=100.0, largest=60.0, second=26.0)
    assert not passes(Check.DOMINANCE, one, total=100.0, largest=86.0, second=1.0)


@pytest.mark.parametrize("side", ["below", "above"])
def test_a_quantile_needs_units_on_both_sides(side):
    assert not passes(Check.POSITION, **{side: 9})


@pytest.mark.parametrize("changes", [{"influence": np.nan}, {"total": np.inf}])
def test_what_is_not_finite_is_not_shown(changes):
    assert not passes(Check.FINITE, **changes)


def test_a_check_without_its_evidence_raises():
    bare = CellEvidence(*(np.array([100]) for _ in range(3)), *(np.array([1.0]) for _ in range(4)))
    for check in (Check.DOMINANCE, Check.EFFECTIVE, Check.VARIETY, Check.POSITION):
        with pytest.raises(AssertionError, match="lacks its evidence"):
            CELL_CHECKS[check](bare, LEAST, STANDARD)
    assert CELL_CHECKS[Check.FINITE](bare, LEAST, STANDARD).all()


def test_a_unit_whose_influence_is_beyond_the_step_is_an_outlier():
    """The step is 1, 2 or 5 times a power of ten, as it is used to round."""
    assert passes(Check.OUTLIER, influence=0.5, step=0.3)
    assert not passes(Check.OUTLIER, influence=0.51, step=0.3)
    assert not passes(Check.OUTLIER, influence=np.nan)
    assert passes(Check.OUTLIER, msgspec.structs.replace(STANDARD, influence_rounding=False), influence=9.0)


@pytest.mark.parametrize("check", CELL_CHECKS, ids=lambda check: check.value)
def test_the_permissive_policy_passes_even_an_empty_cell(check):
    empty = evidence(**dict.fromkeys(CellEvidence.__struct_fields__, 0))
    assert CELL_CHECKS[check](empty, np.array([0]), PERMISSIVE).all()


def test_the_worst_verdict_wins_and_no_finding_is_no_release():
    yes, no = (Finding(Check.UNITS, np.array([True, True])), Finding(Check.VARIETY, np.array([True, False])))
    assert verdicts([yes, no], 2).tolist() == [Verdict.RELEASE, Verdict.WITHHOLD]
    assert verdicts([], 2).tolist() == [Verdict.WITHHOLD, Verdict.WITHHOLD]
    assert Verdict.RELEASE < Verdict.REVIEW < Verdict.WITHHOLD < Verdict.REFUSE


def test_findings_that_failed_are_named_for_the_owner():
    assert failed([Finding(Check.UNITS, np.array([True])), Finding(Check.VARIETY, np.array([False]))]) == ("variety",)


FOOTPRINT = Footprint(BitMap(range(60)), np.zeros(4, dtype=np.uint32), np.zeros(4, dtype=np.uint32), "")


@pytest.mark.parametrize(
    "changes",
    [{"units": 9}, {"units": 49}, {"units_per_class": (51, 9)}, {"effective_units": 4.0}, {"influence": np.inf}],
)
def test_a_score_needs_enough_units_of_each_class(changes):
    good = {"units": 60, "units_per_class": (30, 30), "influence": 0.1, "effective_units": 60.0}
    enough = EvaluationEvidence(**good, footprint=FOOTPRINT, by_unit=FOOTPRINT)
    assert not failed(checks.evaluation_findings(enough, 10, STANDARD))
    bad = EvaluationEvidence(**{**good, **changes}, footprint=FOOTPRINT, by_unit=FOOTPRINT)
    assert failed(checks.evaluation_findings(bad, 10, STANDARD))


@pytest.mark.parametrize("changes", [{"units": 9}, {"units_per_class": (51, 9)}, {"effective_units": 4.0}])
def test_a_fit_needs_enough_units_of_each_class(changes):
    good = {"units": 60, "units_per_class": (30, 30), "effective_units": 60.0, "findings": ()}
    enough = ModelEvidence(**good, footprint=FOOTPRINT, by_unit=FOOTPRINT)
    few = ModelEvidence(**{**good, **changes}, footprint=FOOTPRINT, by_unit=FOOTPRINT)
    assert not failed(checks.model_findings(enough, 10, STANDARD))
    assert failed(checks.model_findings(few, 10, STANDARD))


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "permissive"])
def test_every_preset_for_use_fails_every_bad_example(preset):
    policy = Policy.from_settings({"preset": preset}).snapshot()
    least = np.array([policy.minimum_units])
    tiny = evidence(selected=1, units=1, rows=2, largest_rows=2, effective_rows=1.0, total=1.0, largest=1.0, second=0.0,
                    effective=1.0, differing=1, below=0, above=0, influence=np.inf, step=0.0)  # fmt: skip
    assert not any(check(tiny, least, policy).any() for check in CELL_CHECKS.values())
