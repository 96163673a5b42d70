"""Gate: the ends of each kind of candidate, and how numbers look when they leave."""

import math

import msgspec
import numpy as np
import pytest
from pyroaring import BitMap
from support.rooms import Room, call, cells, col, eq, mean, number, people, size, summary, total, where

from cleanroom_kernel.disclosure import gate
from cleanroom_kernel.disclosure.candidate import (
    Asker,
    Attribute,
    EvaluationCandidate,
    EvaluationEvidence,
    Footprint,
    Membership,
    ModelCandidate,
    ModelEvidence,
)
from cleanroom_kernel.disclosure.footprint import BUCKETS
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Named
from cleanroom_kernel.plan.relations import Assign, Sort
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Artifact, FitSummary, Reason, Refusal, Release, Withheld

ASKER = Asker("ada", "s1", "c1")
TABLES = {"patients": people(600, ward=np.array(["A", "B", "C"] * 200)), "wards": {"ward": ["A", "B"], "beds": [7, 12]}}


@pytest.fixture
def room(room_of):
    return room_of(TABLES)


def patients(room):
    return room["patients"]


# -- tables -----------------------------------------------------------------------------------------------------------
def test_public_tables_are_shown_as_they_are_and_written_down(room):
    answer = room.ask(summary(room["wards"], a.Mean(col("beds")), a.Size(), a.Extreme(col("beds"), True), by="ward"))
    assert answer.payload.values == ((7.0, 12.0), (1, 1), (7.0, 12.0))
    assert (answer.receipt.units, answer.receipt.precision, answer.receipt.rules) == ("public", "as they are", ())
    assert room.audited()[0].number == 1


def test_an_undefined_number_of_a_public_table_is_none(room):
    nobody = where(room["wards"], eq("ward", "Z"))
    assert room.ask(mean(nobody, "beds")).payload.values == ((None,),)


def test_public_correlations_are_exact(room):
    columns = (Named("x", col("beds")), Named("y", call("multiply", col("beds"), 2)))
    assert room.ask(a.Correlation(room["wards"], columns)).payload.values == ((1.0, 1.0), (1.0, 1.0))


def test_the_permissive_policy_shows_pandas_own_numbers(room_of):
    room = room_of(TABLES, preset="permissive")
    cost, age = (TABLES["patients"][name] for name in ("cost", "age"))
    answer = room.ask(
        summary(patients(room), a.Mean(col("cost")), a.Variance(col("cost")), a.Quantile(col("age"), 0.3),
                a.Extreme(col("cost"), True), a.Extreme(col("cost"), False), a.Sum(col("hiv")), a.Mean(col("hiv")))
    )  # fmt: skip
    expected = [cost.mean(), cost.var(ddof=1), np.quantile(age, 0.3), cost.max(), cost.min(),
                TABLES["patients"]["hiv"].sum(), TABLES["patients"]["hiv"].mean()]  # fmt: skip
    assert [column[0] for column in answer.payload.values] == pytest.approx(expected)
    assert answer.receipt.precision == "as they are"


def test_the_permissive_policy_shows_empty_and_undefined_cells(room_of):
    room = room_of(TABLES, preset="permissive")
    nobody = where(patients(room), eq("ward", "Z"))
    answer = room.ask(summary(nobody, a.Size(), a.Sum(col("cost")), a.Mean(col("hiv")), a.Mean(col("cost"))))
    assert answer.payload.values == ((0,), (0.0,), (None,), (None,))
    assert room.ask(mean(nobody, "cost", by="ward")).payload.rows == ()


def test_numbers_lose_the_digits_that_one_patient_decides(room):
    shown = number(room.ask(mean(patients(room), "cost")))
    cost = TABLES["patients"]["cost"]
    moved = np.sort(np.abs(cost - cost.mean()) / 599)[-3] * 2.5
    step = next(s for s in (1, 2, 5, 10, 20, 50) if s >= moved)
    assert shown % step == 0
    assert abs(shown - cost.mean()) <= step / 2
    permissive = TABLES["patients"]["cost"].mean()
    assert shown != permissive


def test_counts_are_multiples_of_five_and_shares_are_their_ratio(room):
    women = where(patients(room), eq("sex", "F"))
    counts = [number(room.ask(question)) for question in (size(women), total(women, "hiv"))]
    assert all(isinstance(count, int) and count % 5 == 0 for count in counts)
    assert number(room.ask(mean(women, "hiv"))) == pytest.approx(counts[1] / counts[0], abs=0.005)


def test_many_rows_of_a_patient_make_counts_coarser(room_of):
    """One patient's forty visits cannot be seen in a count of visits."""
    visits = {"id": np.repeat(np.arange(300), 40), "cost": np.arange(12_000.0)}
    room = room_of({"visits": visits})
    assert number(room.ask(size(room["visits"]))) == 12_000
    rest = where(room["visits"], call("less", col("cost"), 11_111.0))
    assert number(room.ask(size(rest))) % 100 == 0


def test_dates_are_shown_to_the_day_at_best(room_of):
    start = np.datetime64("2020-01-01").astype("datetime64[us]")
    days = start + (np.arange(4_000) % 700).astype("timedelta64[D]") + np.timedelta64(7, "h")
    room = room_of({"patients": {"id": np.arange(4_000), "day": days}})
    shown = number(room.ask(mean(patients(room), "day")))
    true = days.astype(np.int64).mean()
    assert abs(shown - true) < 2 * 86_400e6
    assert shown % 86_400e6 == 0


def test_cells_that_fail_are_suppressed_and_said_so(room_of):
    found = people(300)
    found["ward"] = np.array(["A"] * 200 + ["B"] * 96 + ["C"] * 4)
    schema = Column("ward", DType.STRING, categories=("A", "B", "C", "D"))
    room = room_of({"patients": found}, columns=(schema,))
    answer = room.ask(mean(patients(room), "age", by="ward"))
    shown = cells(answer)
    assert list(shown) == ["A", "B", "C", "D"], "declared labels are all there"
    assert (shown["C"], shown["D"]) == (..., ...), "and few look like none"
    assert (answer.receipt.cells, answer.receipt.suppressed) == (2, 2)
    assert answer.receipt.units == "100-999"


def test_a_table_with_too_many_cells_is_withheld(room, monkeypatch):
    monkeypatch.setattr(gate, "MOST_CELLS", 2)
    assert isinstance(room.ask(mean(patients(room), "age", by="ward")), Withheld)


def test_a_number_near_a_released_one_repeats_it(room):
    first = number(room.ask(mean(patients(room), "cost")))
    cost = TABLES["patients"]["cost"]
    without_top = where(patients(room), call("less", col("cost"), float(cost.max())))
    answer = room.ask(mean(without_top, "cost"))
    assert number(answer) == first
    assert answer.receipt.precision.endswith("1 as released before for nearly the same patients")
    assert answer.receipt.units == "as released before"


def test_another_statistic_of_nearly_the_same_rows_is_withheld(room):
    room.ask(mean(patients(room), "cost"))
    cost = TABLES["patients"]["cost"]
    for condition in (call("less", col("cost"), float(cost.max())), call("less", col("cost"), 1e9)):
        assert isinstance(room.ask(total(where(patients(room), condition), "cost")), Withheld)


def test_another_statistic_of_the_same_selection_is_released(room):
    """However it is written: a filter, a group, or a copy with new columns."""
    women = where(patients(room), eq("sex", "F"))
    assert isinstance(room.ask(mean(women, "cost")), Release)
    copy = Assign(women, (Named("z", call("add", col("age"), 1)),))
    assert isinstance(room.ask(total(copy, "cost")), Release)
    by_sex = room.ask(summary(patients(room), a.Sum(col("cost")), a.Mean(col("cost")), by="sex"))
    assert not any(map(any, by_sex.payload.suppressed))
    assert "as released before" not in by_sex.receipt.precision


def test_only_so_many_labels_that_nobody_declared_are_named(room_of):
    """Those of the largest groups."""
    found = people(600)
    found["ward"] = np.array(["A"] * 300 + ["B"] * 100 + ["C"] * 200)
    room = room_of({"patients": found}, labels=2)
    assert list(cells(room.ask(size(patients(room), by="ward")))) == ["A", "C"]


def test_a_budget_that_is_spent_sends_to_the_owner(room_of):
    room = room_of(TABLES, released_floor=2, released_share=0.0)
    assert isinstance(room.ask(mean(patients(room), "cost", by="sex")), Release)
    answer = room.ask(mean(patients(room), "cost", by="ward"))
    assert (answer.reason, answer.rule) == (Reason.FORBIDDEN, "budget")
    assert "request_release" in answer.suggestion
    assert room.audited()[-1].rule == "budget"
    assert isinstance(room.ask(mean(patients(room), "age")), Release), "another measure has its own"


def test_extremes_are_refused_before_anything_is_computed(room):
    answer = room.ask(summary(patients(room), a.Extreme(col("age"), True)))
    assert (type(answer), answer.rule) == (Refusal, "endpoints")
    assert room.audited()[-1].rule == "endpoints"


def test_tables_that_number_their_rows_anew_are_compared_by_their_patients(room):
    """Nearly the same patients, sorted or split: another space of row numbers. What was released is repeated, and
    another statistic is withheld.
    """
    first = room.ask(total(patients(room), "cost"))
    oldest = int(TABLES["patients"]["age"].max())
    nearly = where(patients(room), call("less", col("age"), oldest))
    repeated = room.ask(total(Sort(nearly, (col("age"),), (False,)), "cost"))
    assert repeated.payload.values == first.payload.values
    assert "as released before" in repeated.receipt.precision
    assert isinstance(room.ask(mean(Sort(nearly, (col("age"),), (False,)), "cost")), Withheld)
    half = where(patients(room), call("less", col("age"), 50))
    assert isinstance(room.ask(total(Sort(half, (col("age"),), (False,)), "cost")), Release)
    everybody = Sort(patients(room), (col("age"),), (False,))
    assert isinstance(room.ask(total(everybody, "cost")), Release), "the very same patients"


def test_a_trace_that_a_later_one_gives_up_is_not_taken_for_released(room):
    """The sum passes, the count that goes with it does not: the next question must not be judged as if it had."""
    positive = where(patients(room), col("hiv"))
    room.ask(size(where(positive, call("less", col("age"), 94))))
    assert isinstance(room.ask(summary(patients(room), a.Sum(col("hiv")), by="ward")), Release)
    with room.ledger.book() as book:
        assert book.equations("sum of column patients.hiv") <= 3


def test_a_question_that_was_answered_meanwhile_is_answered_the_same(room, monkeypatch):
    """Between the first look at the ledger and the decision, another vault may have been quicker."""
    from cleanroom_kernel.vault import answers

    first = room.ask(size(patients(room)))
    monkeypatch.setattr(answers, "recall", lambda *_: None)
    again = room.ask(size(patients(room)))
    assert again.payload == first.payload
    assert again.receipt.number == 2


# -- scores -----------------------------------------------------------------------------------------------------------
def footprint(units, seed=0):
    sketch = np.zeros(BUCKETS, dtype=np.uint32)
    sketch[list(units)] = 1 + np.array(list(units), dtype=np.uint32) + seed
    return Footprint(BitMap(units), sketch, sketch, "space")


def score(room, value=0.8123456, question="q", units=range(200), measure="m", name="accuracy_score", **evidence):
    candidate = EvaluationCandidate(ASKER, question, "a score", name, measure, value)
    facts = {"units": len(units), "units_per_class": (90, 110), "influence": 1 / 200, "effective_units": 200.0}
    found = EvaluationEvidence(**{**facts, **evidence}, footprint=footprint(units), by_unit=footprint(units))
    return gate.decide(candidate, found, room.policy, room.ledger)


def test_a_score_is_rounded_to_what_no_patient_decides(room):
    answer = score(room)
    assert answer.payload.values == ((0.82,),)
    assert (answer.payload.columns, answer.payload.rows) == (("accuracy_score",), ((),))
    assert answer.receipt.output_class == "evaluation"


def test_an_undefined_score_is_none(room):
    assert score(room, value=math.nan).payload.values == ((None,),)


@pytest.mark.parametrize("evidence", [{"units": range(49)}, {"units_per_class": (195, 5)}, {"effective_units": 2.0}])
def test_a_score_of_too_few_is_withheld(room, evidence):
    assert score(room, **evidence) == gate.WITHHELD


def test_scores_of_nearly_the_same_patients_repeat_or_are_withheld(room):
    first = score(room)
    second = score(room, 0.9, "q2", range(5, 200))
    assert second.payload == first.payload
    assert "as released before" in second.receipt.precision
    assert score(room, 0.9, "q3", range(5, 200), name="f1_score") == gate.WITHHELD
    assert isinstance(score(room, 0.7, "q4", name="f1_score"), Release), "the very same patients"
    assert isinstance(score(room, 0.7, "q5", range(50, 200)), Release), "quite other patients"


def test_scores_of_one_set_have_a_budget(room_of):
    room = room_of(TABLES, evaluations=3)
    answers = [score(room, 0.5, f"q{step}", range(step * 20, 200)) for step in range(4)]
    assert [type(answer) for answer in answers] == [Release] * 3 + [Refusal]


# -- models -----------------------------------------------------------------------------------------------------------
SUMMARY = FitSummary(releasable=True, findings=(), n_features=3)
COEFFICIENTS = Attribute(np.array([[0.123456789, -12345.678], [math.nan, 0.0]]))
FILE = Artifact("model.skops", "00", b"bytes", (), "report")


BY_LOT = Membership(area=0.5)


def model(room, payload=SUMMARY, question="q", units=range(200), membership=BY_LOT, **evidence):
    candidate = ModelCandidate(
        ASKER, question, "a model", "linear on x", payload, numbers=4, fit="fit", membership=membership
    )
    facts = {"units": len(units), "units_per_class": (), "effective_units": 200.0, "findings": ()}
    found = ModelEvidence(**{**facts, **evidence}, footprint=footprint(units), by_unit=footprint(units))
    return gate.decide(candidate, found, room.policy, room.ledger)


def test_parameters_keep_six_digits(room):
    answer = model(room, COEFFICIENTS)
    assert answer.payload.shape == (2, 2)
    assert answer.payload.values == (0.123457, -12345.7, None, 0.0)
    assert answer.receipt.precision == "at most 6 significant digits"


def test_labels_and_numbers_of_features_are_not_rounded(room):
    assert model(room, Attribute(np.zeros(0), labels=("a", "b"))).payload.labels == ("a", "b")
    counts = model(room, Attribute(np.array([1234567]), integers=True), "q2")
    assert counts.payload.values == (1234567,)


def test_a_file_leaves_as_it_was_made(room):
    assert model(room, FILE).payload == FILE


def test_a_file_needs_a_membership_test_unless_there_is_nothing_to_test(room):
    assert model(room, FILE, membership=Membership()) == gate.WITHHELD
    assert model(room, FILE, "q2", membership=Membership(applies=False)).payload == FILE
    assert isinstance(model(room, COEFFICIENTS, "q3", membership=Membership()), Release), "a file alone needs one"


def test_a_file_above_the_limit_of_the_membership_test_says_by_how_much(room):
    assert model(room, FILE, membership=Membership(area=room.policy.membership_limit)).payload == FILE
    answer = model(room, FILE, "q2", membership=Membership(area=0.73))
    assert (answer.rule, "0.73" in answer.message, "0.6" in answer.message) == ("membership test", True, True)


def test_a_model_with_findings_is_scored_but_not_shown(room):
    findings = ("Its leaves are too small: set min_samples_leaf.",)
    summary_of_it = msgspec.structs.replace(SUMMARY, releasable=False, findings=findings)
    assert isinstance(model(room, summary_of_it, findings=findings), Release)
    for question, payload in (("q2", COEFFICIENTS), ("q3", FILE)):
        answer = model(room, payload, question, findings=findings)
        assert (answer.rule, findings[0] in answer.message) == ("model family", True)
        assert "scored" in answer.suggestion


@pytest.mark.parametrize("evidence", [{"units": range(9)}, {"units_per_class": (5, 195)}, {"effective_units": 2.0}])
@pytest.mark.parametrize("payload", [SUMMARY, COEFFICIENTS, FILE], ids=["fit", "attribute", "file"])
def test_a_model_of_too_few_is_withheld(room, payload, evidence):
    assert model(room, payload, **evidence) == gate.WITHHELD


def test_models_whose_training_sets_differ_by_a_few_are_not_both_shown(room):
    assert isinstance(model(room, COEFFICIENTS), Release)
    assert isinstance(model(room, FILE, "q2"), Release), "the same fit"
    assert isinstance(model(room, SUMMARY, "q3", range(5, 200)), Release), "a fit alone shows no number"
    assert model(room, COEFFICIENTS, "q4", range(5, 200)) == gate.WITHHELD
    assert isinstance(model(room, COEFFICIENTS, "q5", range(20, 200)), Release)


# -- the door itself --------------------------------------------------------------------------------------------------
def test_evidence_of_another_kind_is_a_bug_and_no_release(room):
    candidate = EvaluationCandidate(ASKER, "q", "t", "accuracy_score", "m", 0.5)
    with pytest.raises(AssertionError):
        gate.decide(candidate, (), room.policy, room.ledger)
    fit = ModelCandidate(ASKER, "q", "t", "m", SUMMARY, 1, "fit")
    with pytest.raises(AssertionError):
        gate.decide(fit, (), room.policy, room.ledger)
    with room.database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar() == 0


def test_all_checks_are_made_whatever_one_of_them_says(room_of, monkeypatch):
    """No shorter way for a hopeless case: the same functions run for one patient as for all."""
    from cleanroom_kernel.disclosure import checks

    calls = []
    for check, function in list(checks.CELL_CHECKS.items()):
        monkeypatch.setitem(
            checks.CELL_CHECKS,
            check,
            lambda *given, check=check, function=function: calls.append(check) or function(*given),
        )
    made = []
    for least_age in (0, 94):
        room = room_of(TABLES)
        calls.clear()
        room.ask(mean(where(patients(room), call("greater_equal", col("age"), least_age)), "cost"))
        made.append(sorted(check.value for check in calls))
    assert made[0] == made[1] != []


def test_two_rooms_do_not_know_each_other(room_of):
    first, second = room_of(TABLES), room_of(TABLES)
    assert isinstance(first, Room)
    assert first.ask(size(patients(first))).receipt.number == second.ask(size(patients(second))).receipt.number == 1


def test_a_share_of_a_count_that_rounds_to_nothing_is_undefined():
    """No division by zero, whatever a policy lets through."""
    from cleanroom_kernel.disclosure.candidate import CellEvidence, Kind, Statistics
    from cleanroom_kernel.disclosure.display import show
    from cleanroom_kernel.disclosure.policy import Policy

    numbers = dict.fromkeys(CellEvidence.__struct_fields__, np.array([1.0]))
    column = Statistics("s", Kind.SHARE, np.array([1.0]), (), (np.array([1.0]), np.array([1.0])))
    assert show(column, CellEvidence(**numbers), 0, Policy().snapshot()) is None
