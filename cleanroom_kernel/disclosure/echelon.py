"""Echelon: a reduced row echelon form over the prime field of the sketches.

Promise: pure linear algebra; every entry is exact. The form of a span is one and the same, whatever vectors it was made
of and in whatever order they came; how it is kept is not to be seen.

To reduce all rows of a form by each new one is what takes time. So the latest rows stand apart in a tail, by which the
settled rows are not reduced yet; and whether a row has few entries is looked up in some columns first, since a row that
has enough there has enough.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.candidate import Floats
from cleanroom_kernel.disclosure.footprint import BUCKETS, PRIME

_LONGEST_TAIL = 64  # rows
_WITNESSES = 64  # columns looked at first, for each few entries that are asked for
_PROBED = 512  # columns in which pivots are looked for at a time
_ONE_BY_ONE = 16  # vectors so few that they are reduced one after the other
_STRIPES = [slice(start, start + 512) for start in range(0, BUCKETS, 512)]  # columns that stay in the cache together

Columns = NDArray[np.intp]
Rows = NDArray[np.float32]

_NO_ROWS: Rows = np.zeros((0, BUCKETS), dtype=np.float32)
_NO_COLUMNS: Columns = np.zeros(0, dtype=np.intp)


class Echelon(Struct, frozen=True, eq=False):
    """One reduced row echelon form. `order` says which columns are tried first as pivots.

    The settled rows are reduced by each other, and so are those of the tail, which are reduced by the settled ones too.
    Entries are kept in single precision, which holds them exactly and takes half the room.
    """

    order: Columns
    settled: Rows = _NO_ROWS
    settled_pivots: Columns = _NO_COLUMNS
    tail: Rows = _NO_ROWS
    tail_pivots: Columns = _NO_COLUMNS

    @property
    def rank(self) -> int:
        return len(self.settled) + len(self.tail)

    @property
    def pivots(self) -> Columns:
        return np.concatenate([self.settled_pivots, self.tail_pivots])

    def rows(self) -> Rows:
        """All rows, reduced by all others, in the order of `pivots`."""
        if not len(self.tail):
            return self.settled
        return np.concatenate([_less(self.settled, self.settled[:, self.tail_pivots], self.tail), self.tail])

    def light_rows(self, entries: int) -> Rows:
        """The rows with fewer than so many entries that are not zero."""
        light = _light(self.tail, entries)
        if not len(self.settled):
            return light
        # So many columns that a row which is nowhere zero but in pivots shows that it has enough.
        some = slice(0, min(BUCKETS, max(_WITNESSES, entries + entries // 2)))
        factors = self.settled[:, self.tail_pivots]
        seen: Rows | Floats = self.settled[:, some]
        if len(self.tail):
            seen = _modulo(seen - factors.astype(np.float64) @ self.tail[:, some])
        maybe = np.flatnonzero(np.count_nonzero(seen, axis=1) < entries)
        return np.concatenate([_light(_less(self.settled[maybe], factors[maybe], self.tail), entries), light])

    def extended(self, vectors: Floats) -> Echelon:
        """With the span of `vectors` added."""
        added, pivots = _reduced(self.left_of(vectors), self.order)
        if not len(added):
            return self
        tail = np.concatenate([_less(self.tail, self.tail[:, pivots], added), added.astype(np.float32)])
        longer = Echelon(
            self.order, self.settled, self.settled_pivots, tail, np.concatenate([self.tail_pivots, pivots])
        )
        if len(tail) <= _LONGEST_TAIL:
            return longer
        return Echelon(self.order, longer.rows(), longer.pivots)

    def left_of(self, vectors: Floats) -> Floats:
        """The vectors, each less the combination of the form's rows that has its entries in the pivots."""
        for rows, pivots in ((self.settled, self.settled_pivots), (self.tail, self.tail_pivots)):
            if len(rows):
                factors = vectors[:, pivots]
                left = np.empty(vectors.shape)
                for columns in _STRIPES:
                    left[:, columns] = _modulo(vectors[:, columns] - factors @ rows[:, columns].astype(np.float64))
                vectors = left
        return vectors


def _light(rows: Rows, entries: int) -> Rows:
    light: Rows = rows[np.count_nonzero(rows, axis=1) < entries]
    return light


def _less(rows: Rows, factors: Rows, others: Floats | Rows) -> Rows:
    """Rows of a form less a combination of others."""
    if not len(rows) or not len(others):
        return rows
    left = np.empty_like(rows)
    wide = factors.astype(np.float64)
    for columns in _STRIPES:
        left[:, columns] = _modulo(rows[:, columns] - wide @ others[:, columns])
    return left


def _combined(factors: Floats, vectors: Floats) -> Floats:
    made = np.empty((len(factors), vectors.shape[1]))
    for columns in _STRIPES:
        made[:, columns] = _modulo(factors @ vectors[:, columns])
    return made


def _reduced(vectors: Floats, order: Columns) -> tuple[Floats, Columns]:
    """Reduced row echelon form of a few vectors, and the pivots of its rows.

    Pivots are looked for in a few columns at a time, and what that takes is then done to whole vectors at once, as a
    product of matrices. All products are exact: a row of them adds up below 2**53.
    """
    made, left, pivots = _eliminated(vectors[:, order[:_PROBED]])
    rows = _combined(made, vectors)
    columns = order[:_PROBED][pivots]
    if not len(left) or len(order) <= _PROBED:
        return rows, columns
    further = _combined(left, vectors)
    further = further[further.any(axis=1)]
    if not len(further):
        return rows, columns
    others, other_columns = _reduced(further, order[_PROBED:])
    if len(others):
        rows = _modulo(rows - _combined(rows[:, other_columns], others))
    return np.concatenate([rows, others]), np.concatenate([columns, other_columns])


def _eliminated(vectors: Floats) -> tuple[Floats, Floats, Columns]:
    """Combinations of short vectors that are their reduced form, those that are zero, and the pivots.

    Of many vectors, a half at a time, so that most of the work is products of matrices.
    """
    number = len(vectors)
    if number <= _ONE_BY_ONE:
        return _eliminated_one_by_one(vectors)
    half = number // 2
    first, second = vectors[:half], vectors[half:]
    made, zero, pivots = _eliminated(first)
    rows = _modulo(made @ first)
    factors = second[:, pivots]
    second = _modulo(second - factors @ rows)
    others, other_zero, other_pivots = _eliminated(second)
    # What is taken from the second half, as combinations of the first.
    taken = _modulo(factors @ made)
    others_of_first, zero_of_first = _modulo(-(others @ taken)), _modulo(-(other_zero @ taken))
    others = np.concatenate([others_of_first, others], axis=1)
    back = _modulo(rows[:, other_pivots] @ others)
    made = np.concatenate(
        [
            _modulo(np.concatenate([made, np.zeros((len(made), number - half))], axis=1) - back),
            others,
        ]
    )
    left = np.concatenate(
        [
            np.concatenate([zero, np.zeros((len(zero), number - half))], axis=1),
            np.concatenate([zero_of_first, other_zero], axis=1),
        ]
    )
    return made, left, np.concatenate([pivots, other_pivots])


def _eliminated_one_by_one(vectors: Floats) -> tuple[Floats, Floats, Columns]:
    """The same of a few. A row is first reduced by those before it alone; `inverse` undoes that triangle."""
    number = len(vectors)
    rows, combined = np.zeros_like(vectors), np.zeros((number, number))
    inverse = np.zeros((number, number))
    pivots = np.zeros(number, dtype=np.intp)
    left: list[Floats] = []
    rank = 0
    for place, vector in enumerate(vectors):
        before = slice(0, rank)
        factors = _modulo(vector[pivots[before]] @ inverse[before, before])
        row = _modulo(vector - factors @ rows[before])
        combination = -(factors @ combined[before])
        combination[place] += 1.0
        combination = _modulo(combination)
        pivot = int((row != 0).argmax())
        if row[pivot] == 0:
            left.append(combination)
            continue
        scale = float(pow(int(row[pivot]), -1, PRIME))
        rows[rank], combined[rank] = _modulo(row * scale), _modulo(combination * scale)
        inverse[before, rank] = _modulo(-(inverse[before, before] @ rows[before, pivot]))
        inverse[rank, rank] = 1.0
        pivots[rank] = pivot
        rank += 1
    made = _modulo(inverse[:rank, :rank] @ combined[:rank])
    return made, np.array(left).reshape(-1, number), pivots[:rank]


def _modulo(values: Floats) -> Floats:
    """Remainders nearest to zero, which are zero for multiples of the prime alone: |values| must be below 2**53."""
    quotients = values * (1.0 / PRIME)
    np.rint(quotients, out=quotients)
    quotients *= PRIME
    left: Floats = np.subtract(values, quotients, out=quotients)
    return left
