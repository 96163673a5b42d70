"""Rows of a question: as arrays, in groups, and what earlier questions about the same rows have found of them.

Promise: reads rows, decides nothing. What is kept is kept for these very rows, in this very order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.candidate import ANY_FREE, CellEvidence, Statistics
from cleanroom_kernel.disclosure.footprint import RowFootprints, Sketcher
from cleanroom_kernel.disclosure.forms_terms import is_binary
from cleanroom_kernel.disclosure.grouping import Grouped, group
from cleanroom_kernel.disclosure.levels import Levels, WeightedFootprints, levels_of
from cleanroom_kernel.disclosure.measures import Conditions
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.vault.answers_measures import Prepared, RowsHolding, prepare
from cleanroom_kernel.vault.columns import ROW, UNIT
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.store import Sized

Measurement = tuple[Statistics, CellEvidence]
Made = TypeVar("Made", bound=Sized)

_FOOTPRINT = 40_000  # bytes of one, about
_ODD = np.int64(-7046029254386353131)


class Rows:
    """The rows of a question as arrays. `names` tells under which name of `frame` an expression (by digest) is, and
    `fewest` how few units are on a side of a condition inside it (absent where there is none). `least` is the minimum
    count.

    Rows of a public table belong to nobody: there, each is a unit of its own.
    """

    def __init__(
        self,
        over: Relation,
        frame: pl.DataFrame,
        names: dict[str, str],
        fewest: dict[str, int],
        engine: Engine,
        sketcher: Sketcher,
        least: int,
    ) -> None:
        self.over = over
        self.least = least
        self.sketcher = sketcher
        self.space = measures.space_of(over)
        self._frame = frame
        self._names = names
        self._fewest = fewest
        self._engine = engine
        self._rows = frame.get_column(ROW).to_numpy()
        self._holding = RowsHolding(over, self._rows, engine)
        self._prepared: dict[str, Prepared] = {}
        if over.has_units:
            self._units, self._n_units = frame.get_column(UNIT).to_numpy(), engine.tables.n_units
        else:
            self._units, self._n_units = np.arange(len(frame), dtype=np.int32), len(frame)

    def __len__(self) -> int:
        return len(self._rows)

    def grouped(self, codes: NDArray[np.int32], n_groups: int) -> Grouped:
        return group(codes, self._units, self._rows, n_groups, self._n_units)

    def noted(self, what: str, make: Callable[[], Made]) -> Made:
        """What was made of these rows for an earlier question, if it is still kept, or else now."""
        return self._engine.noted(f"{what} of {digest(self.over)}", self._rows, make)

    def gathered(self, what: str, make: Callable[[], Grouped]) -> Gathered:
        """Rows in groups; kept for further questions where `what` names them."""
        return self.noted(what, lambda: self._gather(make())) if what else self._gather(make())

    def _gather(self, grouped: Grouped) -> Gathered:
        by_number = self.over.has_units and self.space != measures.BY_VALUE
        return Gathered(grouped, self.footprints(grouped, None) if by_number else None)

    def series(self, of: Expression) -> pl.Series:
        return self._frame.get_column(self._names[digest(of)])

    def prepared(self, of: Expression) -> Prepared:
        key = digest(of)
        if key not in self._prepared:
            self._prepared[key] = prepare(of, self.over, self.series(of), self._units, self.least, self._holding)
        return self._prepared[key]

    def levels(self, of: Expression) -> Levels:
        """The levels of a measure that is not free, if it has few, over all rows: its totals have the same."""
        prepared = self.prepared(of)
        if not self.over.has_units or prepared.form.free:
            return Levels()
        everything = np.zeros(len(self), dtype=np.int32)
        return self.noted(
            f"levels {self.least} {digest(of)}",
            lambda: levels_of(self.grouped(everything, 1), prepared.values, self.least),
        )

    def judged(self, measurement: Measurement, inputs: tuple[Expression, ...]) -> Measurement:
        """With the conditions inside its inputs, which concern all of its cells."""
        column, evidence = measurement
        few = [self._fewest[digest(of)] for of in inputs if digest(of) in self._fewest]
        few += [self._sides(holding) for of in inputs for holding in self._inside(of)]
        if not few:
            return measurement
        return column, msgspec.structs.replace(evidence, selected=np.minimum(evidence.selected, min(few)))

    def _inside(self, of: Expression) -> list[NDArray[np.bool_]]:
        """Where the conditions of each term hold; a measure that is one condition is judged by its values."""
        prepared = self._prepared.get(digest(of))
        if prepared is None or is_binary(prepared.form.field):
            return []
        return [holding for _, holding in prepared.parts]

    def _sides(self, holding: NDArray[np.bool_]) -> int:
        return min(len(np.unique(self._units[holding])), len(np.unique(self._units[~holding])))

    def charged(self, inputs: Iterable[Expression]) -> frozenset[str]:
        """The owner's columns to which free measures among the inputs are charged, and those that chose the rows where
        they do so several at once: else noise averages out over many columns of one cohort.
        """
        free = [of for of in inputs if self.over.has_units and self.prepared(of).form.free]
        if not free:
            return frozenset()
        choosing = measures.chosen_by(self.over) if is_mixed(self.over) else frozenset()
        return frozenset({ANY_FREE}).union(choosing, *(measures.decided_by(of, self.over) for of in free))

    def footprints(self, grouped: Grouped, values: NDArray[np.float64] | None) -> RowFootprints:
        """Of rows by their numbers, or where those mean nothing, by unit and value."""
        return RowFootprints(self._identified(grouped, values), self.sketcher, self.space)

    def weighted(self, grouped: Grouped, weights: NDArray[np.int64]) -> WeightedFootprints:
        return WeightedFootprints(self._identified(grouped, None), weights, self.sketcher, self.space)

    def _identified(self, grouped: Grouped, values: NDArray[np.float64] | None) -> Grouped:
        if self.space != measures.BY_VALUE:
            return grouped
        content = grouped.units.astype(np.int64) * _ODD
        if values is not None:
            content ^= (values + 0.0).view(np.int64)  # -0.0 is 0.0
        return Grouped(grouped.codes, grouped.units, content, grouped.n_groups, grouped.n_units)


class Gathered(Struct, frozen=True, eq=False):
    """Rows in groups with the footprints of these; None where rows are told apart by their values."""

    rows: Grouped
    footprints: RowFootprints | None

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + _FOOTPRINT * self.rows.n_groups


class Cells(Struct, frozen=True, eq=False):
    """Groups as the columns see them: one for each row (-1: none), and how the code selects the rows of each group.

    `name` identifies the codes, so that what is made of them can be kept; nothing is kept without one.
    """

    codes: NDArray[np.int32]
    selections: list[Conditions]
    name: str = ""

    @property
    def number(self) -> int:
        return len(self.selections)
