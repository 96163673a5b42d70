"""Attacks by magnitude (B01 to B37 of the catalogue): weights, low digits, laundering, labels and order."""

from __future__ import annotations

import numpy as np
import pytest
from support.rooms import call, cells, col, eq, integer, lit, mean, people, size, summary, total, where
from support.worlds import (
    KEY,
    TARGET,
    N,
    all_stopped,
    both,
    is_target,
    last_tells_nothing,
    not_target,
    stopped,
    table,
    value,
    world,
    would_succeed,
)

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Cast, Literal, Named
from cleanroom_kernel.plan.nodes import Forbidden, PlanError
from cleanroom_kernel.plan.relations import Join, Sample, Sort, Take, Window, WindowFunction
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Release


def patients(room):
    return room["patients"]


def power(base, exponent):
    return call("power", base, exponent)


def times(*factors):
    product = factors[0]
    for factor in factors[1:]:
        product = call("multiply", product, factor)
    return product


def if_target(yes, no):
    return call("where", is_target(), yes, no)


# -- weights ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", [1e9, 1e4, 1e3])
def test_b01_one_patient_scaled_up(room_of, factor):
    """From a billion down to a factor at which the target is large, but no longer dominant."""
    all_stopped(room_of, lambda room: total(patients(room), times(col("positive"), if_target(factor, 1.0))),
                lambda room: total(patients(room), times(col("cost"), if_target(factor, 1.0))))  # fmt: skip


def test_b01_how_coarse_a_number_is_does_not_tell_the_largest_value(room_of):
    """A factor of ten makes the target the largest of all, far from dominant: a step taken from it would show it."""
    weighted = times(call("add", col("positive"), 1), if_target(10.0, 1.0))
    all_stopped(room_of, lambda room: total(patients(room), weighted), lambda room: mean(patients(room), weighted))


def test_b02_a_natural_outlier_is_not_shown(room_of):
    found = people(400, seed=2)
    found["ward"] = np.array(["A"] * 100 + ["B"] * 300)
    found["cost"][17] = 5e6
    room = room_of({"patients": found})
    assert set(cells(room.ask(total(patients(room), "cost", by="ward")))) == {"B"}


@pytest.mark.parametrize("patients_asked", [50, 400, N])
def test_b03_superincreasing_weights(room_of, patients_asked):
    """Nobody's digit is in a number that is drawn in to what several patients reach, and comes with noise."""
    chosen = call("less", col("serial"), patients_asked)
    measure = times(col("positive"), power(2.0, col("serial")))
    for (answer,) in both(room_of, lambda room: total(where(patients(room), chosen), measure)):
        assert stopped(answer) or decoded(value(answer), 0.0) != true_bits()


def test_b03_superincreasing_weights_in_a_column(room_of):
    """Weights that the owner's table has are no numbers of the expert's: the rules of all measures stop them."""
    found = people(200, seed=3, serial=np.arange(200))
    room = room_of({"patients": {**found, "weight": 2.0 ** found["serial"]}})
    assert stopped(room.ask(total(patients(room), times(col("hiv"), col("weight")))))


@pytest.mark.parametrize("offset", [2.0**40, 2.0**52, 2.0**60])
def test_b04_superincreasing_weights_on_an_offset(room_of, offset):
    """The offset passes dominance and effective numbers. Every digit that is shown is decided by several patients."""
    chosen = call("less", col("serial"), 50)
    measure = call("add", offset, times(col("positive"), power(2.0, col("serial"))))

    def answers(secret):
        room = world(room_of, secret)
        return [room.ask(ask(where(patients(room), chosen), measure)) for ask in (total, mean)]

    for answer in (*answers(False), *answers(True)):
        assert stopped(answer) or decoded(value(answer), offset) != true_bits(), "fifty secrets in one number"


def true_bits():
    found = table(True)["positive"][:50]
    return [bool(bit) for bit in found]


def decoded(shown, offset):
    """What an attacker reads off a sum or a mean of 50 weighted secrets."""
    left = round(shown if shown > 10 * offset else shown * 50) - 50 * int(offset)
    return [bool(left >> place & 1) for place in range(50)] if left >= 0 else None


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e-1])
def test_b05_a_secret_in_the_low_digits(room_of, scale):
    """The target's cost is added, scaled down, to a harmless mean: with all digits it could be read off."""
    measure = call("add", col("age"), times(scale, integer(is_target()), col("cost")))
    answers = both(room_of, lambda room: mean(patients(room), measure), lambda room: mean(patients(room), "age"))
    for with_secret, without in answers:
        if not stopped(with_secret):
            guess = (value(with_secret) - value(without)) * N / scale
            truth = table(True)["cost"][TARGET]
            assert abs(guess - truth) > 0.2 * truth


def test_b05_works_without_the_gate(room_of):
    measure = call("add", col("age"), times(1e-3, integer(is_target()), col("positive")))
    would_succeed(room_of, lambda room: mean(patients(room), measure), tells=lambda shown: shown)


@pytest.mark.parametrize("exponent", [1.5, 8.0, 60.0])
def test_b06_a_power_mean_is_a_maximum(room_of, exponent):
    """It is drawn in to what several patients reach, so the highest cost does not change it; where these lie far apart,
    there is no number.
    """
    found = people(400, seed=2)
    higher = {**found, "cost": np.where(found["cost"] == found["cost"].max(), 2 * found["cost"], found["cost"])}
    measure = power(call("divide", col("cost"), 1_000.0), exponent)
    rooms = [room_of({"patients": patients_}, key=KEY) for patients_ in (found, higher)]
    one, other = (room.ask(mean(patients(room), measure)) for room in rooms)
    if exponent < 2:
        assert value(one) == value(other)
    else:
        assert stopped(one)
        assert stopped(other)


@pytest.mark.parametrize(
    "statistic", [a.Sum, a.Mean, lambda of: a.Variance(of, 1, True), lambda of: a.Quantile(of, 0.8)]
)
def test_the_size_of_a_number_does_not_tell_who_has_the_largest_values(room_of, statistic):
    """Values that are each many times the next: which of them is the tenth, or in the middle, would be seen."""
    measure = times(power(call("divide", col("serial"), float(N)), 14e3), col("positive"))
    for answer in both(room_of, lambda room: summary(patients(room), statistic(measure))):
        assert all(stopped(one) for one in answer)


def test_the_noise_is_not_scaled_by_the_largest_value_of_a_cell(room_of):
    """A measure of about 1, of 30 for the target if positive, and 1,000 far away: where nobody has more than 30, the
    noise is as large as elsewhere, so that its size is not the answer.
    """
    far = call("clip", call("subtract", col("serial"), float(N - 201)), options=(0.0, 1.0))
    own = times(29.0, call("clip", call("subtract", col("age"), 98.0), options=(0.0, 1.0)), col("positive"))
    measure = call("add", call("add", call("divide", col("age"), 90.0), own), times(999.0, far))
    by = (Named("near", call("less", col("serial"), N - 200)),)
    spreads = []
    for secret in (False, True):
        rooms = [room_of({"patients": table(secret)}, key=f"key {number}".ljust(32).encode()) for number in range(12)]
        spreads.append(np.std([cells(room.ask(total(patients(room), measure, by)))[True] for room in rooms]))
    assert min(spreads) > 1_000
    assert max(spreads) < 2 * min(spreads)


# -- order ------------------------------------------------------------------------------------------------------------
def test_b07_extremes_are_refused_in_words(room_of):
    answers_of = both(
        room_of,
        lambda room: summary(patients(room), a.Extreme(col("cost"), True)),
        lambda room: summary(patients(room), a.Mean(col("age")), a.Extreme(col("age"), False)),
    )
    for answers in answers_of:
        assert all(answer.rule == "endpoints" and "quantile" in answer.suggestion for answer in answers)


def test_b08_a_sweep_of_quantiles_shows_no_single_value(room_of):
    room = world(room_of, True)
    asked = np.linspace(0, 1, 41)
    answer = room.ask(summary(patients(room), *(a.Quantile(col("cost"), float(q)) for q in asked)))
    shown = [column[0] for column in answer.payload.values]
    assert 20 < len(set(shown) - {None}) <= 39
    ranked = np.sort(table(True)["cost"])
    places = np.rint(asked * (N - 1)).astype(int)
    assert not any(number == ranked[place] for number, place in zip(shown, places, strict=True))
    assert answer.payload.suppressed[0] == answer.payload.suppressed[-1] == (True,)


def test_b09_the_median_of_a_few(room_of):
    few = call("less", col("serial"), 9)
    all_stopped(room_of, lambda room: summary(where(patients(room), few), a.Quantile(col("cost"), 0.5)))


def test_b11_the_deviation_of_two(room_of):
    two = call("or", is_target(), call("equal", col("serial"), 3))
    all_stopped(
        room_of,
        lambda room: summary(where(patients(room), two), a.Variance(col("cost"), root=True)),
        lambda room: summary(where(patients(room), call("less", col("serial"), 15)), a.Variance(col("cost"))),
    )


def test_b12_power_sums_do_not_give_the_values(room_of):
    """Fifteen power sums of fifteen patients determine all values; too few of them are near the truth."""
    chosen = call("less", col("serial"), 15)
    room = world(room_of, True)
    answers = [
        room.ask(total(where(patients(room), chosen), power(call("divide", col("cost"), 1_000.0), float(j))))
        for j in range(1, 16)
    ]
    costs = table(True)["cost"][:15] / 1_000.0
    near = [
        not stopped(answer) and abs(value(answer) / np.sum(costs**power) - 1) < 0.01
        for power, answer in enumerate(answers, start=1)
    ]
    assert sum(near) <= 4


# -- indicators -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("covariance", [True, False])
def test_b13_correlation_with_an_indicator(room_of, covariance):
    columns = (Named("y", col("hiv")), Named("t", integer(is_target())))
    for (answer,) in both(room_of, lambda room: a.Correlation(patients(room), columns, covariance=covariance)):
        assert answer.payload.suppressed == ((False, True), (True, True))


@pytest.mark.parametrize("jitter", [1e-9, 1e-4])
def test_b13_a_jittered_indicator(room_of, jitter):
    """Two thousand distinct values do not hide that one of them is far away."""
    spike = call("add", integer(is_target()), times(jitter, call("modulo", times(col("serial"), 7919), 101)))
    columns = (Named("y", col("hiv")), Named("t", spike))
    for (answer,) in both(room_of, lambda room: a.Correlation(patients(room), columns)):
        assert answer.payload.suppressed == ((False, True), (True, True))


def test_b14_covariance_with_known_vectors_runs_out_of_budget(room_of):
    """Every covariance with a vector that the attacker makes is an equation about the secret."""
    room = world(room_of, True, released_floor=20, released_share=0.01)
    answers = []
    for step in range(40):
        vector = call("modulo", times(col("serial"), 7919 + step), 101)
        answers.append(room.ask(mean(where(patients(room), call("less", vector, 50)), "hiv")))
    assert sum(isinstance(answer, Release) for answer in answers) <= 20
    assert answers[-1].rule == "budget"


def test_b15_reconstruction_from_subsets_runs_out_of_budget(room_of):
    """Two sums per patient would give back every secret; a tenth of one is released."""
    n = 300
    found = people(n, seed=11, serial=np.arange(n))
    room = room_of({"patients": found}, released_floor=0, denials=10**6)
    vectors, sums = [], []
    for step in range(n // 2):
        answer = room.ask(total(where(patients(room), half(step)), "hiv"))
        if isinstance(answer, Release):
            vectors.append(half_of(found["serial"], step))
            sums.append(value(answer))
    assert np.linalg.matrix_rank(np.array(vectors, float)) <= 0.1 * n
    guessed = np.linalg.lstsq(np.array(vectors, float), np.array(sums, float), rcond=None)[0] > 0.5
    baseline = max(found["hiv"].mean(), 1 - found["hiv"].mean())
    assert (guessed == found["hiv"]).mean() < baseline + 0.1


def half_of(serial, step):
    """A half of the patients that looks like chance."""
    return (serial + 13) * (serial + 7 * step + 1) * 7919 % 211 < 105


def half(step):
    mixed = times(call("add", col("serial"), 13), call("add", col("serial"), 7 * step + 1), 7919)
    return call("less", call("modulo", mixed, 211), 105)


@pytest.mark.parametrize("measure", ["hiv", "cost"])
def test_b15_a_padded_cohort_has_a_budget_of_its_own(room_of, measure):
    """Padding with the rest of the room hides a hundred patients from the count, not from the audit."""
    n = 3_000
    found = people(n, seed=12, serial=np.arange(n))
    room = room_of({"patients": found}, denials=10**6)
    new = 0
    for step in range(60):
        chosen = call("or", call("greater_equal", col("serial"), 100), half(step))
        answer = room.ask(total(where(patients(room), chosen), measure))
        new += isinstance(answer, Release) and "as released before" not in answer.receipt.precision
    assert new <= 35


def test_b16_seeded_samples_are_ordinary_subsets(room_of):
    """The auditor sees whom a sample has drawn."""
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), "positive"),
        lambda room: total(Sample(patients(room), seed=1, n=N - 1), "positive"),
    )


# -- poison -----------------------------------------------------------------------------------------------------------
def test_b18_an_infinite_value_says_nothing(room_of):
    poison = call("divide", 1, if_target(col("positive"), 1))
    all_stopped(room_of, lambda room: total(patients(room), poison), lambda room: mean(patients(room), poison),
                lambda room: summary(patients(room), a.Variance(poison)))  # fmt: skip
    for (answer,) in both(
        room_of, lambda room: a.Correlation(patients(room), (Named("y", col("age")), Named("x", poison)))
    ):
        assert answer.payload.suppressed[1] == (True, True)


def test_b19_what_cannot_be_converted_raises_nothing(room_of):
    """A cast that fails for the target alone is a null like any other."""
    text = call("where", call("and", is_target(), col("hiv")), lit("none"), lit("1"))
    both(
        room_of,
        lambda room: total(patients(room), Cast(text, DType.INTEGER)),
        lambda room: summary(patients(room), a.Count(Cast(text, DType.INTEGER))),
    )


def test_b20_types_do_not_depend_on_data(room_of):
    hidden = call("where", call("and", is_target(), col("hiv")), Literal(None, DType.INTEGER), col("serial"))
    both(room_of, lambda room: mean(patients(room), hidden), lambda room: summary(patients(room), a.Count(hidden)))


# -- labels -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "label",
    [
        col("serial"),
        call("add", Cast(col("serial"), DType.STRING), Cast(col("positive"), DType.STRING)),
        col("cost"),
    ],
    ids=["B22", "B23", "B25"],
)
def test_labels_that_few_share_are_not_named(room_of, label):
    for (answer,) in both(room_of, lambda room: size(patients(room), by=(Named("label", label),))):
        assert stopped(answer)


def test_b23_a_secret_in_a_label_shared_by_one(room_of):
    label = call("where", is_target(), Cast(col("positive"), DType.STRING), lit("other"))
    for (answer,) in both(room_of, lambda room: mean(patients(room), "age", by=(Named("label", label),))):
        assert set(cells(answer)) == {"other"}


def test_b21_dates_are_no_labels(room_of):
    assert issubclass(Forbidden, PlanError)
    days = np.arange("2020-01-01", "2020-02-20", dtype="datetime64[D]").astype("datetime64[us]")
    room = room_of({"patients": {**people(50), "day": days}})
    with pytest.raises(PlanError, match="Exact dates"):
        size(patients(room), by="day")


# -- laundering -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [f for f in WindowFunction if f is not WindowFunction.CUMCOUNT])
def test_b31_to_b34_windows_over_all_patients_cannot_be_asked(room_of, function):
    room = world(room_of, True)
    with pytest.raises(Forbidden, match="different patients"):
        Window(patients(room), "w", function, ("sex",), col("cost"))


def test_b35_positions_are_ordinary_subsets(room_of):
    all_stopped(
        room_of,
        lambda room: mean(Take(patients(room), 1), "cost"),
        lambda room: mean(Take(Sort(patients(room), (col("age"),), (True,)), 1), "hiv"),
        lambda room: mean(Sample(patients(room), seed=3, n=1), "cost"),
    )


def test_b37_no_list_of_people_can_be_joined(room_of):
    room = room_of({"patients": table(True), "named": {"serial": [TARGET], "known": [1]}}, key=KEY)
    joined = Join(patients(room), room["named"], ("serial",), ("serial",))
    assert stopped(room.ask(mean(joined, "hiv")))
    assert stopped(room.ask(total(joined, "known")))


def test_a_sum_of_ones_is_a_count(room_of):
    """Not an attack: a common idiom that must not look like a group in which all are alike."""
    room = world(room_of, True)
    assert cells(room.ask(total(patients(room), lit(1), by="sex"))) == cells(room.ask(size(patients(room), by="sex")))


def test_what_the_attacks_count_on_is_there(room_of):
    """The quasi-identifier filter finds the target, and the target alone."""
    room = world(room_of, True, preset="permissive")
    assert value(room.ask(size(where(patients(room), is_target())))) == 1
    assert value(room.ask(size(where(patients(room), not_target())))) == N - 1
    assert value(room.ask(size(where(patients(room), eq("serial", TARGET))))) == 1
