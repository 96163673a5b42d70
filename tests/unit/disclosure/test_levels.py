"""Levels: which measures are numbers of rows in fact, and with which weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.disclosure.footprint import PRIME, RowFootprints, Sketcher
from cleanroom_kernel.disclosure.grouping import group, select
from cleanroom_kernel.disclosure.levels import MOST_LEVELS, WeightedFootprints, levels_of

KEY = b"k" * 32
N = 400


def rows(units=None, codes=None, n_groups=1):
    units = np.arange(N) if units is None else units
    codes = np.zeros(len(units)) if codes is None else codes
    return group(codes.astype(np.int32), units.astype(np.int32), np.arange(len(units)) * 11, n_groups, N)


def found(values, least=10):
    return levels_of(rows(), np.asarray(values, dtype=np.float64), least)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=5, unique=True),
    st.sampled_from([1.0, 0.1, np.log(2), 1e6]),
    st.integers(0, 10),
)
def test_weights_are_the_steps_between_values_whatever_the_scale(levels, scale, seed):
    values = np.random.default_rng(seed).choice(levels, N)
    first = min(levels)
    weights = values - first
    common = np.gcd.reduce(weights)
    of_scaled = found((values - first) * scale)
    assert (of_scaled.weights * common == weights).all()
    assert (of_scaled.marked is None) == (len(levels) > 2)


def test_of_two_values_the_one_that_is_further_from_zero_is_marked():
    assert found(np.arange(N) % 2).marked == 1
    assert found(np.arange(N) % 2 + 1).marked == 2
    assert found(-(np.arange(N) % 2)).marked == -1


@pytest.mark.parametrize(
    "values",
    [np.linspace(0, 1, N), np.ones(N), np.arange(N) % (MOST_LEVELS + 1), np.where(np.arange(N) < 9, 1.0, 0.0)],
    ids=["many", "one", "too many", "one that nine have and no other"],
)
def test_other_measures_have_no_levels(values):
    assert found(values).weights is None


def test_what_few_have_decides_nothing():
    """Nine patients with values of their own leave a 0/1 measure one; ten do not."""
    values = (np.arange(N) % 2).astype(float)
    values[:9] = np.arange(9) + 0.37
    few = found(values)
    assert few.marked == 1
    assert (few.weights[9:] == np.arange(9, N) % 2).all()
    assert (few.weights[1:9] != 0).all()
    values[9] = 10.37
    assert found(values).weights is None


def test_a_missing_value_weighs_nothing():
    values = (np.arange(N) % 2).astype(float)
    values[100:200] = np.nan
    assert found(values).weights.sum() == 150


def test_a_policy_that_protects_nothing_looks_for_none():
    assert found(np.arange(N) % 2, least=0).weights is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100))
def test_a_weighted_footprint_is_that_of_its_rows_as_often_as_they_weigh(seed):
    random = np.random.default_rng(seed)
    sketcher = Sketcher(KEY, N)
    some = rows(random.integers(0, N, 900), random.integers(0, 3, 900), 3)
    weights = random.choice([0, 0, 1, 3], 900)
    weighted = WeightedFootprints(some, weights, sketcher, "s")
    ones, threes = (RowFootprints(select(some, weights == w), sketcher, "s") for w in (1, 3))
    for cell in range(3):
        (made,), (one,), (three,) = weighted.of([cell]), ones.of([cell]), threes.of([cell])
        assert made.units == weighted.unit_set(cell) == one.units | three.units
        for name in ("sketch", "counts"):
            expected = getattr(one, name).astype(np.int64) + 3 * getattr(three, name).astype(np.int64)
            assert (getattr(made, name) == expected % PRIME).all()


def test_without_weights_other_than_one_it_is_the_footprint_of_those_rows():
    """So a sum of zeros and ones is compared like the number of rows that it is."""
    sketcher = Sketcher(KEY, N)
    chosen = np.arange(N) % 3 == 0
    (made,) = WeightedFootprints(rows(), chosen.astype(np.int64), sketcher, "s").of([0])
    (plain,) = RowFootprints(select(rows(), chosen), sketcher, "s").of([0])
    assert made.units == plain.units
    assert (made.sketch == plain.sketch).all()
    assert (made.counts == plain.counts).all()
