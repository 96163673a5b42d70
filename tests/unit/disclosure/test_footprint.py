"""Footprints: sketches are linear, and say how many units a combination is about."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.disclosure.footprint import BUCKETS, PRIME, RowFootprints, Sketcher, bitmap, footprint
from cleanroom_kernel.disclosure.grouping import contributions, group

KEY = b"k" * 32


def rows_of(units):
    units = np.asarray(units, dtype=np.int32)
    return units, units.astype(np.int64) * 1000


def sketch_of(units, sketcher):
    codes = np.zeros(len(units), dtype=np.int32)
    return sketcher.sketch(codes, *rows_of(units), 1)[0].astype(np.int64)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 499)), st.sets(st.integers(0, 499)))
def test_sketches_add_up_and_cancel_as_the_rows_do(one, other):
    sketcher = Sketcher(KEY, 500)
    both = sketch_of(sorted(one | other), sketcher) + sketch_of(sorted(one & other), sketcher)
    apart = sketch_of(sorted(one), sketcher) + sketch_of(sorted(other), sketcher)
    assert (both % PRIME == apart % PRIME).all()
    left = (sketch_of(sorted(one), sketcher) - sketch_of(sorted(other), sketcher)) % PRIME
    assert np.count_nonzero(left) == len(one ^ other)


def test_in_a_large_room_a_few_units_fill_at_most_as_many_buckets():
    sketcher = Sketcher(KEY, 100_000)
    counts = [np.count_nonzero(sketch_of(np.arange(n) * 17, sketcher)) for n in (0, 1, 9, 500)]
    assert counts[:2] == [0, 1]
    assert 8 <= counts[2] <= 9
    assert 430 < counts[3] <= 500


def test_one_row_more_of_a_unit_is_another_sketch():
    """The units are the same, the rows are not: a sum over them would show the row."""
    sketcher = Sketcher(KEY, 50)
    units, rows = rows_of([1, 2, 3])
    more = footprint(np.append(units, units[:1]), np.append(rows, 7), sketcher, "s")
    plain = footprint(units, rows, sketcher, "s")
    assert more.units == plain.units
    assert np.count_nonzero(more.sketch != plain.sketch) == 1


def test_another_key_gives_another_sketch():
    units = np.arange(100)
    assert (sketch_of(units, Sketcher(KEY, 100)) != sketch_of(units, Sketcher(b"j" * 32, 100))).any()


def test_footprints_of_many_groups_are_those_of_each():
    """More groups than are sketched in one pass, asked for in any order, with rows of no group among them."""
    random = np.random.default_rng(0)
    codes = random.integers(-1, 300, 5_000).astype(np.int32)
    units = np.sort(random.integers(0, 900, 5_000)).astype(np.int32)
    rows = random.permutation(5_000)
    sketcher = Sketcher(KEY, 900)
    made = RowFootprints(group(codes, units, rows, 300, 900), sketcher, "space")
    for cells in ([7, 299, 0], [], list(range(150, 20, -1)), [7]):
        for cell, found in zip(cells, made.of(cells), strict=True):
            here = codes == cell
            expected = footprint(units[here], rows[here], sketcher, "space")
            assert (found.sketch == expected.sketch).all()
            assert found.units == expected.units == made.unit_set(cell)
            assert found.space == "space"


def test_what_groups_look_like_is_found_once():
    """Whatever values are added up, and whether one group has all rows or several do."""
    for codes in (np.zeros(4, np.int32), np.array([0, 1, 1, 0], np.int32)):
        table = group(codes, np.array([0, 0, 1, 2], np.int32), np.arange(4), int(codes.max()) + 1, 3)
        one, other = contributions(table, np.arange(4.0)), contributions(table, np.array([1.0, 2.0, 4.0, 8.0]))
        assert one.layout is other.layout is contributions(table).layout
        units, groups = other.units, np.repeat(np.arange(other.n_groups), np.diff(other.bounds))
        expected = {(c, u): 0.0 for c, u in zip(codes, table.units, strict=True)}
        for c, u, value in zip(codes, table.units, [1.0, 2.0, 4.0, 8.0], strict=True):
            expected[c, u] += value
        assert dict(zip(zip(groups, units, strict=True), other.sums, strict=True)) == expected


def test_bitmaps_hold_what_they_are_made_of():
    assert list(bitmap(np.array([3, 70_000, 2**30], dtype=np.int32))) == [3, 70_000, 2**30]


def test_sketches_fit_the_audit():
    sketch = sketch_of(np.arange(50_000), Sketcher(KEY, 50_000))
    assert sketch.max() < PRIME
    assert len(sketch) == BUCKETS
