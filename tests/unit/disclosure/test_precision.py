"""Precision: bases, multiples and digits are decimals that print as they look."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom_kernel.disclosure.precision import all_to_digits, base_for, to_count, to_digits, to_multiple

POSITIVE = st.floats(min_value=1e-200, max_value=1e200)


@given(POSITIVE)
def test_a_base_is_the_next_one_two_or_five_times_a_power_of_ten(influence):
    base = base_for(influence)
    assert influence <= base * (1 + 1e-9)
    assert base <= 2.5 * influence * (1 + 1e-9)
    assert f"{base:.0e}"[0] in "125"


@pytest.mark.parametrize(("influence", "base"), [(1, 1), (1.0001, 2), (0.3, 0.5), (0.1, 0.1), (5.1, 10), (2e-7, 2e-7)])
def test_bases_that_are_easy_to_check(influence, base):
    assert base_for(influence) == base


@pytest.mark.parametrize("influence", [0.0, -1.0, math.nan, math.inf])
def test_without_a_known_influence_there_is_no_base(influence):
    """Such numbers are withheld by the check of finite evidence; rounding has nothing to go by."""
    assert base_for(influence) == 0


STEPS = st.floats(-1e6, 1e6)  # values in steps of the base: far beyond, a double has no room for the last digit
BASES = st.sampled_from([1e-6, 0.02, 0.1, 0.5, 1.0, 5.0, 200.0, 1e5])


@given(STEPS, BASES)
def test_a_multiple_is_within_half_a_base_and_hides_no_digit(steps, base):
    shown = to_multiple(steps * base, base)
    assert abs(shown - steps * base) <= base / 2 * (1 + 1e-6)
    assert len(repr(abs(shown)).replace(".", "").strip("0").partition("e")[0]) <= 8


@given(STEPS, st.floats(0, 1), BASES)
def test_what_one_unit_can_change_moves_a_shown_number_by_one_step_at_most(steps, change, base):
    """The promise of influence rounding: a change within the base is one step, or none."""
    moved = abs(to_multiple((steps + change) * base, base) - to_multiple(steps * base, base))
    assert moved <= base * (1 + 1e-6)


def test_no_base_leaves_a_number_as_it_is():
    assert to_multiple(1.2345, 0) == 1.2345
    assert math.isinf(to_multiple(math.inf, 5))


@pytest.mark.parametrize(
    ("value", "digits", "shown"), [(123456.0, 4, 123500.0), (0.00012345, 3, 0.000123), (0.0, 3, 0.0), (9.9999, 3, 10.0)]
)
def test_significant_digits(value, digits, shown):
    assert to_digits(value, digits) == shown


def test_seventeen_digits_are_all_there_are():
    assert to_digits(1 / 3, 17) == 1 / 3
    assert math.isnan(to_digits(math.nan, 3))


def test_arrays_keep_their_shape():
    import numpy as np

    assert all_to_digits(np.array([[1.2345, 2.0], [3.0, 4.56]]), 2).tolist() == [[1.2, 2.0], [3.0, 4.6]]


def test_counts_are_multiples_of_their_base():
    assert [to_count(n, 5) for n in (10, 12, 13, 17.0)] == [10, 10, 15, 15]
