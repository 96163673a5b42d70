"""Auditor: would any combination of the released numbers and a new one be about fewer than k units? (rule C6)

Promise: pure linear algebra on footprints' sketches, never on values. Sketches of one measure span a space of vectors
over a prime field; a combination that isolates m units has at most m entries that are not zero. The vectors are kept
in reduced row echelon form (Chin and Özsoyoğlu 1982), and a new one is turned away if a row of the form is lighter
than k.

A vector of weight one is always a row of the form, so one unit is always found. A combination that isolates two to
k - 1 units is a row of the form unless two of its entries are pivots; pivots are drawn at random under the room's key
and in several forms at once, so that what one form misses another finds. Differences of two numbers, the most common
attack, are looked at one by one besides (`comparisons`).

The form also bounds how much may be known of a small cohort: among the light rows, those that lie within one cohort
are independent equations about its units, and reconstruction needs about as many as there are units (Dinur and Nissim
2003).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from cleanroom_kernel.disclosure.candidate import Booleans, Floats
from cleanroom_kernel.disclosure.footprint import BUCKETS, PRIME

MOST_ROWS = 3 * BUCKETS // 8  # beyond, a form misses too much; and products of longer rows would not be exact

_FORMS, _FORMS_IN_SMALL_ROOMS = 3, 6

_TOGETHER = 256  # vectors added in one step
_PROBED = 512  # columns in which pivots are looked for at a time
_ONE_BY_ONE = 16  # vectors so few that they are reduced one after the other
_STRIPES = [slice(start, start + 512) for start in range(0, BUCKETS, 512)]  # columns that stay in the cache together
_LIGHT = 4  # a row is light if at most one entry in so many is not zero
_SHARED = 4  # rows are about one cohort if they share at least one entry in so many of the lighter

Given = ParamSpec("Given")
Made = TypeVar("Made")

Sketches = NDArray[np.uint32]
Columns = NDArray[np.intp]
Rows = NDArray[np.float32]


class Limits(Struct, frozen=True):
    """`least` is the minimum count; at most `share` equations per unit of a cohort, but `least` of them anyway; at most
    `most` independent equations in all.

    `n_units` is the number of units in the room: with few, each has a bucket of its own.
    """

    least: int
    share: float
    most: int
    n_units: int


class Echelon(Struct, frozen=True, eq=False):
    """One reduced row echelon form. `order` says which columns are tried first as pivots.

    Entries are kept in single precision, which holds them exactly and takes half the room.
    """

    rows: Rows
    pivots: Columns
    order: Columns

    @property
    def rank(self) -> int:
        return len(self.rows)

    def extended(self, vectors: Floats) -> Echelon:
        """With the span of `vectors` added. The form is the same whatever the order in which they come."""
        left = self.left_of(vectors)
        added, pivots = _reduced(left, self.order)
        if not len(added):
            return self
        rows = added.astype(np.float32)
        if self.rank:
            rows = np.concatenate([_less(self.rows, self.rows[:, pivots], added), rows])
        return Echelon(rows, np.concatenate([self.pivots, pivots]), self.order)

    def left_of(self, vectors: Floats) -> Floats:
        """The vectors, each less the combination of the form's rows that has its entries in the pivots."""
        if not self.rank:
            return vectors
        left = np.empty(vectors.shape)
        factors = vectors[:, self.pivots]
        for columns in _STRIPES:
            left[:, columns] = _modulo(vectors[:, columns] - factors @ self.rows[:, columns].astype(np.float64))
        return left


def _less(rows: Rows, factors: Rows, others: Floats) -> Rows:
    """Rows of a form less a combination of others."""
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


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _on_one_thread(work: Callable[Given, Made]) -> Callable[Given, Made]:
    """Threads of a matrix product wait for each other in a loop: on a busy machine that takes many times as long as one
    thread does, and an audit is short.
    """

    @functools.wraps(work)
    def limited(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        with _libraries().limit(limits=1, user_api="blas"):
            return work(*args, **kwargs)

    return limited


class Audit(Struct, frozen=True, eq=False):
    """What was released of one measure in one space, in several forms."""

    forms: tuple[Echelon, ...]

    @classmethod
    def begin(cls, seed: int, n_units: int) -> Audit:
        """`seed` is secret: who knows the order of pivots knows what a form does not show."""
        random = np.random.default_rng(seed)
        forms = _FORMS if n_units > BUCKETS else _FORMS_IN_SMALL_ROOMS
        empty = np.zeros((0, BUCKETS), dtype=np.float32)
        return cls(
            tuple(
                Echelon(empty, np.zeros(0, dtype=np.intp), random.permutation(BUCKETS).astype(np.intp))
                for _ in range(forms)
            )
        )

    @property
    def rank(self) -> int:
        return self.forms[0].rank

    @_on_one_thread
    def with_released(self, sketches: Sketches) -> Audit:
        """With numbers that were released already, and so are not judged."""
        forms = self.forms
        for start in range(0, len(sketches), _TOGETHER):
            some = sketches[start : start + _TOGETHER].astype(np.float64)
            forms = tuple(form.extended(some) for form in forms)
        return Audit(forms)

    @_on_one_thread
    def isolates(self, sketch: Sketches, least: int) -> bool:
        """Whether a number less a combination of the released ones is about some units, but fewer than `least`."""
        for form in self.forms:
            left = form.left_of(sketch[np.newaxis].astype(np.float64))
            if 0 < np.count_nonzero(left) < least:
                return True
        return False

    def shows_few(self, least: int) -> bool:
        """Whether a combination that the forms show is about some units, but fewer than `least`."""
        return any(_isolates(form.rows, least) for form in self.forms)

    @_on_one_thread
    def judge(self, sketches: Sketches, limits: Limits) -> tuple[Booleans, Audit]:
        """Which of the new numbers may be released beside all others, earlier ones first; and the audit with those."""
        passed = np.zeros(len(sketches), dtype=bool)
        audit, place = self, 0
        while place < len(sketches):
            if audit.rank >= limits.most:
                passed[place:] = audit._follows(sketches[place:])
                break
            longest, audit = audit._longest(sketches[place:], limits)
            passed[place : place + longest] = True
            place += longest + 1
        return passed, audit

    def _longest(self, sketches: Sketches, limits: Limits) -> tuple[int, Audit]:
        """How many of the numbers, from the first, may be released together; what does harm stays harmful with more."""
        together = self.with_released(sketches)
        if together._harmless(limits):
            return len(sketches), together
        good, bad, audit = 0, len(sketches), self
        while bad - good > 1:
            middle = (good + bad) // 2
            longer = audit.with_released(sketches[good:middle])
            if longer._harmless(limits):
                good, audit = middle, longer
            else:
                bad = middle
        return good, audit

    def _follows(self, sketches: Sketches) -> Booleans:
        """Which numbers are known already from those that were released."""
        left = self.forms[0].left_of(sketches.astype(np.float64))
        known: Booleans = np.count_nonzero(left, axis=1) == 0
        return known

    def _harmless(self, limits: Limits) -> bool:
        if self.rank > limits.most:
            return False
        if any(_isolates(form.rows, limits.least) for form in self.forms):
            return False
        return not _crowded(self.forms[0].rows, limits)


def _isolates(rows: Rows, least: int) -> bool:
    return bool((np.count_nonzero(rows, axis=1) < least).any()) if len(rows) else False


def _crowded(rows: Rows, limits: Limits) -> bool:
    """Whether light rows make more equations about a cohort than its units allow."""
    width = min(BUCKETS, limits.n_units)
    light = rows[np.count_nonzero(rows, axis=1) * _LIGHT <= width] != 0
    if len(light) <= limits.least:
        return False
    support = light.astype(np.float32)
    weights = support.sum(axis=1)
    # Rows that share a few buckets need not share a unit.
    touching = support @ support.T * _SHARED >= np.minimum(weights, weights[:, np.newaxis])
    cohorts = touching.astype(np.float32) @ support > 0  # of each light row: all that the rows touching it cover
    inside = support @ (~cohorts).astype(np.float32).T == 0
    equations = np.count_nonzero(inside, axis=0)
    allowed = np.maximum(limits.share * _units_in(np.count_nonzero(cohorts, axis=1), limits.n_units), limits.least)
    return bool((equations > allowed).any())


def _units_in(buckets: NDArray[np.intp], n_units: int) -> Floats:
    """About how many units fill so many buckets (linear counting)."""
    if n_units <= BUCKETS:
        return buckets.astype(np.float64)
    empty = 1 - buckets / BUCKETS
    with np.errstate(divide="ignore"):
        estimate: Floats = np.minimum(-BUCKETS * np.log(empty), n_units)
    return estimate


def _modulo(values: Floats) -> Floats:
    """Remainders nearest to zero, which are zero for multiples of the prime alone: |values| must be below 2**53."""
    quotients = values * (1.0 / PRIME)
    np.rint(quotients, out=quotients)
    quotients *= PRIME
    left: Floats = np.subtract(values, quotients, out=quotients)
    return left
