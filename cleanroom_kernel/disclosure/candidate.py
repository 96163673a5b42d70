"""Candidates and their evidence: what might leave, and the numbers about units that it is judged by.

Promise: plain frozen values. A candidate holds the exact result and nothing that was decided about it; evidence holds
counts, sums and sets of units, never a label or a row. Both stay inside the vault.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.protocol.release import Artifact, FitSummary, Label, Number

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class Asker(Struct, frozen=True):
    """Who asks, from which notebook and cell."""

    expert: str
    session: str
    cell: str


class Footprint(Struct, frozen=True, eq=False, dict=True):
    """What one number was over: its units, and a linear sketch of its rows (`footprint.py` makes both).

    Row sketches can be compared and combined where `space` is the same; unit sets always, and so can `counts`, a sketch
    of how many rows each unit has, where the rows are those of one table.
    """

    units: BitMap
    sketch: NDArray[np.uint32]
    counts: NDArray[np.uint32]
    space: str

    @cached_property
    def digest(self) -> bytes:
        """Equal for equal footprints."""
        parts = (self.space, self.units.serialize(), self.sketch.tobytes(), self.counts.tobytes())
        return blake2b(msgspec.msgpack.encode(parts), digest_size=20).digest()


class Footprints(Protocol):
    """Footprints of the cells of one column, made on demand: only for cells that could be shown."""

    def unit_set(self, cell: int) -> BitMap: ...

    def of(self, cells: Sequence[int]) -> list[Footprint]: ...


# -- tables of statistics ---------------------------------------------------------------------------------------------
class Kind(enum.Enum):
    """How a column of statistics is judged and rounded. Finer than its output class."""

    COUNT = "count"  # rows or non-null values
    SELECTED = "selected"  # rows where something holds: the sum of a 0/1 measure
    UNITS = "units"  # distinct units
    DISTINCT = "distinct"  # distinct values that enough units share
    SUM = "sum"
    MEAN = "mean"
    SHARE = "share"  # the mean of a 0/1 measure: a ratio of two rounded counts
    VARIANCE = "variance"
    DEVIATION = "deviation"
    QUANTILE = "quantile"
    EXTREME = "extreme"
    CORRELATION = "correlation"
    COVARIANCE = "covariance"


class CellEvidence(Struct, frozen=True, eq=False):
    """Numbers about the units behind each cell of one column; every array has one entry per cell.

    Contributions are per unit: all rows of a unit in a cell count as one, by absolute value. `differing` counts units
    that would be told apart: of a 0/1 measure, the fewer of those with a 1 and those with a 0; else units with a value
    other than the one that most of the cell shares, or all units where no value is shared by most. An array that the
    column's checks do not need is None; a check that does need it fails the whole answer.
    """

    rows: Integers  # rows that enter the number: non-null ones
    units: Integers  # distinct units among them
    selected: Integers  # fewest units on a side of any predicate inside the measure; all units if there is none
    largest_rows: Integers  # most rows of one unit
    effective_rows: Floats  # effective number of units by their rows
    influence: Floats  # most that leaving out one unit can move the number
    step: Floats  # what several units can move it by: the number is shown in steps of no less
    total: Floats | None = None  # sum of contributions
    largest: Floats | None = None
    second: Floats | None = None
    effective: Floats | None = None  # effective number of units by their contributions
    differing: Integers | None = None
    below: Integers | None = None  # units with a value on the lower side of a quantile
    above: Integers | None = None  # units with a value on the upper side


class Trace(Struct, frozen=True, eq=False):
    """What showing a column gives away for comparison with other numbers: sums of `measure` over the footprints.

    Numbers of one measure can be subtracted from each other; if the measure is `linear`, any combination of them means
    something. A column may have several traces: a count of rows where something holds is also a sum. A trace
    of some `cells` alone leaves the others to the column's further traces.

    `statistic` is what is shown, with its parameters, and `selection` names how the code selects a cell's rows: a
    number over nearly the rows of an earlier one repeats it, if it is the same statistic. Without a statistic the
    trace repeats nothing.
    """

    measure: str
    linear: bool
    footprints: Footprints
    statistic: str = ""
    selection: Callable[[int], str] | None = None
    cells: tuple[int, ...] | None = None


class Moved(Struct, frozen=True, eq=False):
    """How a number is scaled and shifted after it was judged and rounded: scale * number + offset, or for sums
    offset * the number of rows, of which `counts` and `steps` are exact values and steps, one for each cell. `scale`
    may differ by cell.
    """

    scale: float | Floats = 1.0
    offset: float = 0.0
    counts: Floats | None = None
    steps: Floats | None = None


UNMOVED = Moved()

ANY_FREE = "any column"  # what every free measure is charged to, whatever columns it is made of


class Statistics(Struct, frozen=True, eq=False):
    """One column of a candidate table: exact values (NaN where undefined) with what they are.

    The first trace is over all rows that enter the number. Columns of a public table have none. `charged` names what a
    free measure is charged to; it is empty where the measure is not free.
    """

    name: str
    kind: Kind
    values: Floats
    traces: tuple[Trace, ...]
    parts: tuple[Floats, Floats] | None = None  # numerator and denominator of a share
    least_base: float = 0.0  # of dates, a day: they have no significant digits to count, only a finest step
    moved: Moved = UNMOVED
    charged: frozenset[str] = frozenset()
    charges: int = 1  # numbers of one unit that the column may hold
    mixed: bool = False  # whether rows or groups were chosen by several columns at once


class Candidate(Struct, frozen=True, eq=False):
    """A table of statistics. `public_labels[i]` says that naming row i tells nothing.

    `has_units` is False for tables that belong to nobody: their numbers are shown as they are. `mixed` says that rows
    or groups were chosen by several columns at once.
    """

    asker: Asker
    question: str
    title: str
    keys: tuple[str, ...]
    labels: tuple[tuple[Label, ...], ...]
    public_labels: Booleans
    columns: tuple[Statistics, ...]
    has_units: bool = True
    mixed: bool = False


# -- scores of models -------------------------------------------------------------------------------------------------
class EvaluationEvidence(Struct, frozen=True, eq=False):
    """`units_per_class` is empty where there are no classes; `influence` bounds what one unit can do to the score.

    `by_unit` is the footprint of the same rows of which only the unit is looked at.
    """

    units: int
    units_per_class: tuple[int, ...]
    influence: float
    effective_units: float
    footprint: Footprint
    by_unit: Footprint


class EvaluationCandidate(Struct, frozen=True, eq=False):
    """One score of one set of rows. `measure` is the same for scores of the same predictions against the same truth.

    `beside` are the measures of the columns that it is made of: an accuracy of a constant is a mean of the truth.
    `mixed` says that rows were chosen by several columns at once. `charged` names what a score is charged to that
    numbers of the expert's choice are in; it is empty for all others. `interval` is shown beside the value where there
    is one, and none of them in finer steps than `least_step`.
    """

    asker: Asker
    question: str
    title: str
    name: str  # of the score, as scikit-learn calls it
    measure: str
    value: float  # NaN where the score is undefined
    linear: bool = False  # a mean over rows: scores of parts give away that of the rest
    beside: tuple[str, ...] = ()
    mixed: bool = False
    charged: frozenset[str] = frozenset()
    statistic: str = ""  # what a number must be of to repeat this one, if it is not the score's name
    interval: tuple[float, float] | None = None
    least_step: float = 0.0


# -- models -----------------------------------------------------------------------------------------------------------
class ModelEvidence(Struct, frozen=True, eq=False):
    """Findings of the family's structural rules; empty means that the model may be released.

    `units_per_class` is empty where there are no classes; `effective_units` counts units by their weights; `by_unit` is
    the footprint of the same rows of which only the unit is looked at.
    """

    units: int
    units_per_class: tuple[int, ...]
    effective_units: float
    findings: tuple[str, ...]
    footprint: Footprint
    by_unit: Footprint


class Attribute(Struct, frozen=True, eq=False):
    """An attribute of a fitted model, exact. `labels` where it is one of names; those have passed rule S7 already.

    `counts` are numbers of rows and of units, exact, and the steps that they are shown in: they take the place of the
    first values where rows are a mixed selection, so that they come with the noise of such numbers (rule C19).
    """

    values: NDArray[Any]
    labels: tuple[Label, ...] = ()
    integers: bool = False  # counts of features, iterations: small numbers that are not rounded
    counts: tuple[tuple[int, float], ...] = ()


class Membership(Struct, frozen=True):
    """A membership test as the gate let its number out: `area` is None where it did not, or where nothing was tested.
    `applies` is False for what predicts no truth that a training row could be known by, such as a scaler.
    """

    area: Number = None
    applies: bool = True


class ModelCandidate(Struct, frozen=True, eq=False):
    """A fitted model: that it was fitted (FitSummary), one attribute of it, or its file.

    A FitSummary is released whatever the findings, which it names; the others only without findings. `measure` is the
    same for models with the same features and target: their training sets are compared. `beside` names the columns of
    the target, for models of other features; `mixed` says that rows were chosen by several columns at once.
    `membership` is asked of files alone.
    """

    asker: Asker
    question: str
    title: str
    measure: str
    payload: FitSummary | Attribute | Artifact
    numbers: int  # learned values that this release shows
    fit: str  # identity of the fit, of which attributes and file are parts
    hidden: int = 0  # learned values that are left out, because too few units decide them
    beside: tuple[str, ...] = ()
    mixed: bool = False
    membership: Membership = Membership()


AnyCandidate = Candidate | EvaluationCandidate | ModelCandidate
Evidence = tuple[CellEvidence, ...] | EvaluationEvidence | ModelEvidence


class Review:
    """A question that its expert asks the owner for: what the gate would judge of it is caught instead."""

    def __init__(self, question: str) -> None:
        self.question = question
        self.caught: tuple[AnyCandidate, Evidence] | None = None

    def catches(self, candidate: AnyCandidate, evidence: Evidence) -> bool:
        if candidate.question != self.question:
            return False
        self.caught = candidate, evidence
        return True
