"""Free values: bounds and scales that one patient does not decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.vault.answers_free import drawn_in

LEAST = 10


def people(n):
    return np.arange(n, dtype=np.int32)


def reach(values, least=LEAST):
    return drawn_in(np.asarray(values, dtype=float), people(len(values)), least)[1]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(40, 400),
    shape=st.sampled_from([0.3, 1.0, 2.0, 5.0]),
    who=st.integers(0, 39),
    other=st.floats(-1e12, 1e12),
)
def test_one_patient_hardly_moves_the_bounds(seed, n, shape, who, other):
    """By the distance of both ends of a window, divided by its patients: 2 distances of the bounds over as many as a
    quarter of all, or fifty.
    """
    values = np.random.default_rng(seed).gamma(shape, 1.0, n)
    before = reach(values)
    values[who] = other
    after = reach(values)
    if np.isfinite(before.width) and np.isfinite(after.width):
        window = min(max(n // 4, LEAST), 5 * LEAST)
        moved = abs(before.upper - after.upper) + abs(before.lower - after.lower)
        assert moved <= 2.0 * max(before.width, after.width) / (window + 1) * (1 + 1e-9)


@pytest.mark.parametrize("shape", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("n", [100, 500, 3_000])
def test_ordinary_values_have_bounds_that_most_of_them_are_within(shape, n):
    values = np.random.default_rng(3).gamma(shape, 1.0, n)
    result, bounds = drawn_in(values, people(n), LEAST)
    assert np.isfinite(bounds.width)
    assert (result == values).mean() > {100: 0.5, 500: 0.85, 3_000: 0.95}[n]
    assert (result.min(), result.max()) == (bounds.lower, bounds.upper)


@pytest.mark.parametrize("factor", [2.0, 10.0, 1e6])
def test_values_that_are_each_many_times_the_next_are_none(factor):
    result, bounds = drawn_in(factor ** np.arange(50.0), people(50), LEAST)
    assert np.isnan(result).all()
    assert not np.isfinite(bounds.width)


def test_values_of_which_a_few_are_large_are_within_what_the_others_have():
    values = np.concatenate([np.full(8, 1e9), np.linspace(0, 1, 192)])
    assert reach(values).upper <= 1.0


def test_too_few_patients_have_no_bounds():
    assert not np.isfinite(reach(np.ones(LEAST)).width)


def test_a_value_that_fails_for_a_few_is_a_middle_one():
    values = np.linspace(0, 1, 200)
    values[:3] = np.inf
    result, _ = drawn_in(values, people(200), LEAST)
    assert np.isfinite(result).all()
    values[:30] = np.nan
    result, _ = drawn_in(values, people(200), LEAST)
    assert np.isnan(result[:30]).all()


def test_many_rows_of_one_patient_are_one_patient():
    units = np.concatenate([np.zeros(100, np.int32), people(100)])
    values = np.concatenate([np.full(100, 50.0), np.linspace(0, 1, 100)])
    assert drawn_in(values, units, LEAST)[1].upper <= 1.0
