"""Evidence: one fast pass gives what a slow loop over units gives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.disclosure import evidence, ordering
from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.evidence import STEPS, STEPS_OF_SPREADS, Centred
from cleanroom_kernel.disclosure.grouping import Grouped, blocks, contributions, group, select

N_UNITS = 12


SMALL, BITS = st.integers(-6, 6), st.integers(0, 1)


@st.composite
def rows(draw, values=SMALL):
    """Codes, units and values of a few rows, sorted by unit or not."""
    n = draw(st.integers(0, 60))
    codes = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)), dtype=np.int32)
    units = np.array(draw(st.lists(st.integers(0, N_UNITS - 1), min_size=n, max_size=n)), dtype=np.int32)
    found = np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=np.float64)
    if draw(st.booleans()):
        order = np.argsort(units, kind="stable")
        codes, units, found = codes[order], units[order], found[order]
    return codes, units, found


def grouped(codes, units, values):
    inside = codes >= 0
    return group(codes, units, np.arange(len(codes)), 4, N_UNITS), values[inside]


def slowly(codes, units, values, cell):
    """Per unit of a cell: number and sum of its rows."""
    found = {}
    for code, unit, value in zip(codes, units, values, strict=True):
        if code == cell:
            n, total = found.get(unit, (0, 0.0))
            found[unit] = (n + 1, total + value)
    return found


def largest(amounts, place):
    ordered = sorted(amounts, reverse=True)
    return ordered[place] if len(ordered) > place else 0.0


@settings(max_examples=300, deadline=None)
@given(rows())
def test_a_mean_and_its_evidence_agree_with_a_loop_over_units(data):
    table, values = grouped(*data)
    measured = evidence.summed(contributions(table, values), Kind.MEAN, 3)
    for cell in range(4):
        units = slowly(*data, cell)
        n = sum(count for count, _ in units.values())
        found = measured.evidence
        assert found.rows[cell] == n
        assert found.units[cell] == len(units)
        if not units:
            assert np.isnan(measured.values[cell])
            continue
        mean = sum(total for _, total in units.values()) / n
        assert measured.values[cell] == pytest.approx(mean)
        amounts = [abs(total) for _, total in units.values()]
        assert found.total[cell] == sum(amounts)
        assert (found.largest[cell], found.second[cell]) == (largest(amounts, 0), largest(amounts, 1))
        assert found.largest_rows[cell] == max(count for count, _ in units.values())
        if sum(amounts):
            assert found.effective[cell] == pytest.approx(sum(amounts) ** 2 / sum(a * a for a in amounts))
        moved = [np.inf if n == count else abs(total - mean * count) / (n - count) for count, total in units.values()]
        assert found.influence[cell] == pytest.approx(max(moved))
        if len(units) > 1:
            assert found.step[cell] == pytest.approx(STEPS * largest(moved, 2))


@settings(max_examples=200, deadline=None)
@given(rows())
def test_influence_on_a_mean_is_exactly_what_leaving_out_a_unit_does(data):
    codes, units, values = data
    table, inside = grouped(*data)
    measured = evidence.summed(contributions(table, inside), Kind.MEAN, 3)
    for cell in range(4):
        here = codes == cell
        if len(set(units[here])) < 2:
            continue
        whole = values[here].mean()
        moved = [abs(values[here & (units != unit)].mean() - whole) for unit in set(units[here])]
        assert measured.evidence.influence[cell] == pytest.approx(max(moved))


@settings(max_examples=200, deadline=None)
@given(rows(values=BITS))
def test_a_share_counts_units_with_a_one_and_units_with_a_zero(data):
    table, values = grouped(*data)
    measured = evidence.summed(contributions(table, values), Kind.SHARE, 3)
    for cell in range(4):
        units = slowly(*data, cell)
        ones = sum(total > 0 for _, total in units.values())
        zeros = sum(total < count for count, total in units.values())
        assert measured.evidence.differing[cell] == min(ones, zeros)
        assert measured.parts[0][cell] == sum(total for _, total in units.values())
        assert measured.parts[1][cell] == sum(count for count, _ in units.values())


@settings(max_examples=200, deadline=None)
@given(rows(), st.integers(0, 1), st.booleans())
def test_variances_agree_with_numpy(data, ddof, root):
    codes, _, values = data
    table, inside = grouped(*data)
    measured = evidence.spread_out(table, inside, ddof, root, 3)
    for cell in range(4):
        here = values[codes == cell]
        if len(here) > ddof:
            expected = here.std(ddof=ddof) if root else here.var(ddof=ddof)
            assert measured.values[cell] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(measured.values[cell])


def test_influence_on_a_deviation_is_close_to_what_leaving_out_a_unit_does():
    random = np.random.default_rng(0)
    values, units = random.gamma(2, 3, 400), np.arange(400, dtype=np.int32)
    table = group(np.zeros(400, dtype=np.int32), units, np.arange(400), 1, 400)
    measured = evidence.spread_out(table, values, 1, True, 10)
    moved = [abs(np.delete(values, unit).std(ddof=1) - values.std(ddof=1)) for unit in range(400)]
    assert measured.evidence.influence[0] == pytest.approx(max(moved), rel=0.05)
    assert measured.evidence.step[0] == pytest.approx(STEPS_OF_SPREADS * sorted(moved)[-3], rel=0.05)


@pytest.mark.parametrize("kind", [Kind.CORRELATION, Kind.COVARIANCE])
def test_correlations_agree_with_numpy_and_so_does_the_influence(kind):
    random = np.random.default_rng(1)
    x = random.normal(size=500)
    y = x + random.gamma(2, 1, 500)
    units = np.arange(500, dtype=np.int32)
    table = group(np.zeros(500, dtype=np.int32), units, np.arange(500), 1, 500)
    measured = evidence.products(Centred.of(table, x, 10), Centred.of(table, y, 10), kind)

    def number(x, y):
        return np.corrcoef(x, y)[0, 1] if kind is Kind.CORRELATION else np.cov(x, y)[0, 1]

    assert measured.values[0] == pytest.approx(number(x, y))
    moved = [abs(number(np.delete(x, unit), np.delete(y, unit)) - number(x, y)) for unit in range(500)]
    assert measured.evidence.influence[0] == pytest.approx(max(moved), rel=0.1)


def test_a_correlation_with_an_indicator_has_an_effective_number_of_one():
    x = np.zeros(200)
    x[7] = 1.0
    table = group(np.zeros(200, np.int32), np.arange(200, dtype=np.int32), np.arange(200), 1, 200)
    y = np.random.default_rng(2).normal(size=200)
    found = evidence.products(Centred.of(table, x, 10), Centred.of(table, y, 10), Kind.CORRELATION).evidence
    assert found.effective[0] < 1.1
    assert found.differing[0] == 1


def test_nothing_is_computed_of_no_rows():
    none = Grouped(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64), 1, 5)
    empty = np.zeros(0)
    centred = Centred.of(none, empty, 10)
    for measured in (
        evidence.counted(contributions(none)),
        evidence.units(contributions(none)),
        evidence.summed(contributions(none, empty), Kind.SUM, 10),
        evidence.spread_out(none, empty, 1, False, 10),
        evidence.products(centred, centred, Kind.CORRELATION),
        ordering.quantile(ordering.Ordered(none, empty), 0.5, 10),
        ordering.extreme(none, empty, True),
    ):
        assert measured.evidence.units.tolist() == [0]
        assert np.isnan(measured.values[0]) or measured.values[0] == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=200), max_size=6))
def test_the_three_largest_of_groups_of_any_size(groups):
    amounts = np.array([value for values in groups for value in values], dtype=float)
    bounds = np.concatenate([[0], np.cumsum([len(values) for values in groups], dtype=np.int64)]).astype(np.int64)
    found = evidence._three_largest(amounts, bounds)
    for place, values in enumerate(groups):
        assert [part[place] for part in found] == [largest(values, rank) for rank in range(3)]


def test_a_value_that_is_no_number_is_the_largest():
    largest_of, _, _ = evidence._three_largest(np.array([1.0, np.nan, 3.0]), np.array([0, 3]))
    assert np.isnan(largest_of[0])


# -- values that most share -------------------------------------------------------------------------------------------
def differing(values, least=10, units=None):
    n = len(values)
    units = np.arange(n, dtype=np.int32) if units is None else units
    table = group(np.zeros(n, np.int32), units, np.arange(n), 1, int(units.max()) + 1)
    return evidence.differing_units(contributions(table, np.array(values, dtype=np.float64)), least)[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0] * 1000 + [7], 1),
        ([0] * 500 + [5] * 9 + [0] * 500, 9),
        ([3.3] * 40, 0),
        ([0] * 30 + list(range(1, 40)), 69),  # no value is shared by most: nobody can be told apart
        ([0] * 6 + [1] * 6, 6),  # two values: the rarer one counts, even where neither is shared by most
        ([0.1 + 0.2] * 20 + [0.3] * 20, 0),  # the same value, computed in two ways
    ],
)
def test_units_that_differ_from_what_most_share(values, expected):
    assert differing(values) == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(20, 400), st.integers(0, 9), st.randoms(use_true_random=False))
def test_fewer_than_the_least_are_always_found_wherever_they_stand(n, few, random):
    values = [5.0] * n
    for place in random.sample(range(n), few):
        values[place] = random.random()
    assert differing(values) == few


def test_the_rows_of_one_unit_are_one_value():
    """99 rows of one unit that differ are still one unit that differs."""
    units = np.array([0] * 99 + list(range(1, 41)), dtype=np.int32)
    assert differing([9.0] * 99 + [1.0] * 40, units=units) == 1


def test_without_a_minimum_everybody_differs():
    assert differing([1.0] * 5, least=0) == 5


def test_a_value_that_is_no_number_differs_from_nothing():
    assert differing([np.nan] * 30) == 0


# -- order ------------------------------------------------------------------------------------------------------------
@settings(max_examples=200, deadline=None)
@given(rows(), st.floats(0, 1))
def test_without_a_minimum_a_quantile_is_that_of_numpy(data, q):
    codes, _, values = data
    table, inside = grouped(*data)
    measured = ordering.quantile(ordering.Ordered(table, inside), q, 0)
    for cell in range(4):
        here = values[codes == cell]
        if len(here):
            assert measured.values[cell] == pytest.approx(np.quantile(here, q), abs=1e-9)


@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.9])
def test_a_quantile_is_the_mean_of_as_many_units_as_the_minimum(q):
    values = np.random.default_rng(3).permutation(1000).astype(float)
    table = group(np.zeros(1000, np.int32), np.arange(1000, dtype=np.int32), np.arange(1000), 1, 1000)
    measured = ordering.quantile(ordering.Ordered(table, values), q, 10)
    window = np.sort(values)[int(q * 999) - 5 : int(q * 999) + 7]
    assert abs(measured.values[0] - q * 999) < 1
    assert measured.values[0] not in values.tolist()
    assert len(window) >= 10
    assert measured.evidence.influence[0] > 0
    assert (measured.evidence.below[0], measured.evidence.above[0]) == (round(1000 * q), round(1000 - 1000 * q))


def test_many_rows_of_one_unit_in_the_middle_are_one_neighbour():
    """The window grows past a unit that fills the middle with its own rows, and its value is one of ten."""
    units = np.array([0] * 300 + list(range(1, 101)), dtype=np.int32)
    values = np.array([50.0] * 300 + [*range(50), *range(510, 560)], dtype=float)
    around = ordering._middle(ordering.Ranks(values, units), 0.5, 10)[0]
    assert around > 200


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.lists(st.integers(0, 59), min_size=1, max_size=12))
def test_ranks_are_those_of_a_stable_sort_in_whatever_order_they_are_asked(numbers, asked):
    values, units = np.array(numbers, dtype=float), np.arange(len(numbers), dtype=np.int32)
    order = np.argsort(values, kind="stable")
    ranks = ordering.Ranks(values, units)
    for one, other in itertools.pairwise([*asked, 0]):
        first, last = sorted((min(one, len(values) - 1), min(other, len(values) - 1)))
        assert ranks.at(last) == values[order[last]]
        found, of = ranks.between(first, last)
        assert found.tolist() == values[order[first : last + 1]].tolist()
        assert of.tolist() == order[first : last + 1].tolist()
    assert values.tolist() == numbers, "the rows stay where they are"


def test_a_quantile_of_too_few_units_takes_them_all():
    table = group(np.zeros(4, np.int32), np.arange(4, dtype=np.int32), np.arange(4), 1, 4)
    assert ordering.quantile(ordering.Ordered(table, np.array([1.0, 2.0, 3.0, 10.0])), 0.5, 10).values[0] == 4.0


def test_extremes_are_those_of_each_group():
    codes = np.array([0, 0, 2], dtype=np.int32)
    table = group(codes, np.arange(3, dtype=np.int32), np.arange(3), 3, 3)
    values = np.array([4.0, 9.0, 1.0])
    assert ordering.extreme(table, values, True).values[[0, 2]].tolist() == [9.0, 1.0]
    assert ordering.extreme(table, values, False).values[[0, 2]].tolist() == [4.0, 1.0]


def test_distinct_values_are_those_that_enough_units_share():
    units = np.arange(40, dtype=np.int32)
    codes = np.zeros(40, dtype=np.int32)
    values = np.array([0] * 20 + [1] * 15 + [2] * 5, dtype=np.int32)
    table = group(codes, units, np.arange(40), 1, 40)
    pairs = group(values, units, np.arange(40), 3, 40)
    assert ordering.distinct(table, pairs, np.full(3, 10)).values[0] == 2
    assert ordering.distinct(table, pairs, np.full(3, 0)).values[0] == 3


# -- grouping ---------------------------------------------------------------------------------------------------------
def test_rows_that_are_all_chosen_are_not_copied():
    table = group(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), np.arange(3), 1, 3)
    assert select(table, np.ones(3, bool)) is table
    assert select(table, np.array([True, False, True])).units.tolist() == [0, 2]


def test_blocks_cover_every_entry_once():
    bounds = np.concatenate([[0], np.cumsum([0, 70_000, 3, 0, 65_536, 1, 0])])
    found = list(blocks(bounds))
    assert [part.start for part, _ in found] == [0, *(part.stop for part, _ in found[:-1])]
    assert found[-1][0].stop == 7
    assert sum(entries.stop - entries.start for _, entries in found) == bounds[-1]
