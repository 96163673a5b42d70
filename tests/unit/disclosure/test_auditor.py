"""Auditor: no combination isolates fewer than k units, and ordinary work goes through."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.disclosure import auditor
from cleanroom_kernel.disclosure.auditor import Audit, Limits
from cleanroom_kernel.disclosure.echelon import Echelon, _modulo, _reduced
from cleanroom_kernel.disclosure.footprint import BUCKETS, PRIME, Sketcher

KEY = b"k" * 32


def limits(n, least=10, share=10.0, most=10**6):
    return Limits(least, share, most, n)


def sketches(masks, n):
    sketcher = Sketcher(KEY, n)
    units = np.arange(n, dtype=np.int32)
    made = [sketcher.sketch(np.where(mask, 0, -1).astype(np.int32), units, units.astype(np.int64), 1) for mask in masks]
    return np.concatenate(made)


def judge(masks, n, before=(), seed=1, **options):
    audit = Audit.begin(seed, n)
    if len(before):
        audit = audit.with_released(sketches(before, n))
    return audit.judge(sketches(masks, n), limits(n, **options))


def some(n, size, random):
    mask = np.zeros(n, dtype=bool)
    mask[random.choice(n, size, replace=False)] = True
    return mask


# -- the form ---------------------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([1.0, 0.05, 0.002]))
def test_the_form_is_reduced_and_spans_what_went_in(number, seed, later, filled):
    """Full vectors, and such that have nothing in the columns that are looked at first."""
    random = np.random.default_rng(seed)
    vectors = (random.integers(1, 3, (number + later, BUCKETS)) * (random.random((1, BUCKETS)) < filled)).astype(float)
    vectors *= random.random((number + later, BUCKETS)) < 0.8
    vectors[0] = 0
    order = random.permutation(BUCKETS)
    form = Echelon(order).extended(vectors[:number]).extended(vectors[number:]).extended(vectors)
    assert form.rank == np.linalg.matrix_rank(vectors)
    rows = form.rows()
    assert (rows[:, form.pivots] == np.eye(form.rank)).all()
    combined = vectors[:, form.pivots] @ rows.astype(float)
    assert not _modulo(combined - vectors).any()


@pytest.mark.parametrize("filled", [1.0, 0.01, 0.002])
def test_a_form_that_grew_row_by_row_is_that_of_all_at_once(filled):
    """Longer than a tail is, with rows that depend on others among them; and its light rows are found."""
    random = np.random.default_rng(4)
    vectors = random.integers(1, PRIME, (150, BUCKETS)) * (random.random((150, BUCKETS)) < filled)
    vectors[40:60] = vectors[:20] + vectors[20:40]
    order = random.permutation(BUCKETS)
    grown, whole = Echelon(order), Echelon(order).extended(vectors.astype(float))
    for start in range(0, 150, 7):
        grown = grown.extended(vectors[start : start + 7].astype(float))
    assert grown.rank == whole.rank == 130
    assert len(grown.tail), "some rows are not settled yet"
    rows, expected = (form.rows()[np.argsort(form.pivots)].astype(int) for form in (grown, whole))
    assert ((rows - expected) % PRIME == 0).all()
    weights = np.count_nonzero(rows, axis=1)
    for entries in (10, int(np.median(weights)), 1_025):
        found = np.count_nonzero(grown.light_rows(entries), axis=1)
        assert sorted(found) == sorted(weights[weights < entries])


def test_many_vectors_are_taken_in_steps():
    random = np.random.default_rng(9)
    vectors = random.integers(0, PRIME, (600, BUCKETS)).astype(np.uint32)
    audit = Audit.begin(1, 10**6).with_released(vectors)
    assert audit.rank == 600
    assert audit.with_released(vectors[:300]).rank == 600


def test_products_stay_exact_at_the_limit_of_rank():
    """The largest entries, as many rows as are allowed: no sum passes 2**53."""
    assert (PRIME - 1) ** 2 * auditor.MOST_ROWS < 2**53


@given(st.lists(st.integers(-(2**52), 2**52), min_size=1, max_size=20))
def test_remainders_are_exact(values):
    found = _modulo(np.array(values, dtype=float)).tolist()
    assert [remainder % PRIME for remainder in found] == [value % PRIME for value in values]
    assert all(abs(remainder) <= PRIME // 2 + 1 for remainder in found)
    assert [remainder == 0 for remainder in found] == [value % PRIME == 0 for value in values]


def test_no_vectors_reduce_to_none():
    rows, pivots = _reduced(np.zeros((3, BUCKETS)), np.arange(BUCKETS))
    assert (len(rows), len(pivots)) == (0, 0)


# -- what is found ----------------------------------------------------------------------------------------------------
@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_one_unit_is_always_found(seed, number):
    """Against a search through all combinations: if some combination is about one unit, not all numbers pass."""
    random = np.random.default_rng(seed)
    n = 14
    masks = random.random((number, n)) < random.choice([0.5, 0.8])
    passed, _ = judge(masks, n, least=2)
    rank = np.linalg.matrix_rank(masks.astype(float))
    isolated = any(np.linalg.matrix_rank(np.delete(masks, unit, axis=1).astype(float)) < rank for unit in range(n))
    assert not (isolated and passed.all())


def test_a_few_units_are_nearly_always_found():
    random = np.random.default_rng(5)
    missed = 0
    for trial in range(60):
        n = 400
        few, half = some(n, int(random.integers(2, 10)), random), random.random(n) < 0.5
        background = [random.random(n) < share for share in (0.3, 0.4, 0.5, 0.6, 0.7)]
        tracker = [half | few, ~half | few, np.ones(n, dtype=bool)]
        missed += judge(tracker, n, before=background, seed=trial)[0].all()
    assert missed <= 2


@pytest.mark.parametrize("n", [60, 2_000, 30_000])
def test_disjoint_groups_and_their_total_pass(n):
    groups = [np.arange(n) % 4 == place for place in range(4)]
    passed, audit = judge([*groups, np.ones(n, dtype=bool)], n)
    assert passed.all()
    assert audit.rank == 4, "the total is known from the groups"


def test_cross_tables_of_ordinary_variables_pass():
    random = np.random.default_rng(2)
    n = 20_000
    variables = [random.integers(0, number, n) for number in (2, 3, 5, 7)]
    cells = [variable == level for variable in variables for level in range(variable.max() + 1)]
    for one, other in itertools.combinations(variables, 2):
        cells += [(one == x) & (other == y) for x in range(one.max() + 1) for y in range(other.max() + 1)]
    passed, _ = judge(cells, n)
    assert passed.all()


def test_a_total_that_completes_a_hidden_group_is_turned_away():
    n = 500
    groups = [np.arange(n) < 5, (np.arange(n) >= 5) & (np.arange(n) < 200), np.arange(n) >= 200]
    passed, _ = judge([np.ones(n, dtype=bool)], n, before=groups[1:])
    assert not passed.any()


def test_what_is_turned_away_leaves_no_trace():
    n = 500
    everybody, others = np.ones(n, dtype=bool), np.arange(n) >= 5
    passed, audit = judge([everybody, others, np.arange(n) < 250], n)
    assert passed.tolist() == [True, False, True]
    assert audit.rank == 2


def test_the_same_again_is_nothing_new():
    mask = np.arange(500) < 250
    passed, audit = judge([mask, mask], 500, before=[mask])
    assert passed.all()
    assert audit.rank == 1


def test_a_large_difference_of_two_passes_and_a_small_one_does_not():
    n = 1_000
    base = np.arange(n) < 500
    for extra, expected in ((9, False), (10, True)):
        passed, _ = judge([np.arange(n) < 500 + extra], n, before=[base])
        assert bool(passed[0]) is expected


# -- budgets ----------------------------------------------------------------------------------------------------------
def test_a_measure_has_so_many_independent_numbers():
    random = np.random.default_rng(3)
    passed, audit = judge([random.random(500) < 0.5 for _ in range(30)], 500, most=12)
    assert (passed.sum(), audit.rank) == (12, 12)
    assert passed[:12].all()


@pytest.mark.parametrize("n", [2_000, 30_000])
def test_a_cohort_has_so_many_equations_however_it_is_padded(n):
    random = np.random.default_rng(4)
    cohort = np.arange(n) < 100
    padded = [~cohort | (cohort & (random.random(n) < 0.5)) for _ in range(50)]
    passed, _ = judge(padded, n, share=0.25)
    assert 20 <= passed.sum() <= 32


def test_small_groups_that_do_not_overlap_are_no_crowd():
    n = 30_000
    passed, _ = judge([np.arange(n) // 20 == place for place in range(60)], n, share=0.05)
    assert passed.all()


def test_a_filled_sketch_is_a_crowd_of_everybody():
    """Counting units by buckets ends where all are filled: then the whole room is the cohort."""
    assert auditor._units_in(np.array([BUCKETS]), 50_000)[0] == 50_000
    assert auditor._units_in(np.array([30]), 100)[0] == 30


def test_limits_are_plain_values():
    assert msgspec.structs.asdict(limits(5))["n_units"] == 5
