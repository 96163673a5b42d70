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
from cleanroom_kernel.disclosure.echelon import Echelon
from cleanroom_kernel.disclosure.footprint import BUCKETS

MOST_ROWS = 3 * BUCKETS // 8  # beyond, a form misses too much; and products of longer rows would not be exact

_FORMS, _FORMS_IN_SMALL_ROOMS = 3, 6

_TOGETHER = 256  # vectors added in one step
_LIGHT = 4  # a row is light if at most one entry in so many is not zero
_SHARED = 4  # rows are about one cohort if they share at least one entry in so many of the lighter

Given = ParamSpec("Given")
Made = TypeVar("Made")

Sketches = NDArray[np.uint32]


class Limits(Struct, frozen=True):
    """`least` is the minimum count; at most `share` equations per unit of a cohort, but `least` of them anyway; at most
    `most` independent equations in all.

    `n_units` is the number of units in the room: with few, each has a bucket of its own.
    """

    least: int
    share: float
    most: int
    n_units: int


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
        return cls(tuple(Echelon(random.permutation(BUCKETS).astype(np.intp)) for _ in range(forms)))

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
        return any(len(form.light_rows(least)) > 0 for form in self.forms)

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
        return not self.shows_few(limits.least) and not _crowded(self.forms[0], limits)


def _crowded(form: Echelon, limits: Limits) -> bool:
    """Whether light rows make more equations about a cohort than its units allow."""
    width = min(BUCKETS, limits.n_units)
    light = form.light_rows(width // _LIGHT + 1) != 0
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
