"""Pairs: correlations and covariances of columns, each over the rows where both are known.

Promise: as `answers_columns`; a pair's number stands twice in the table and is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.candidate import Footprint, Footprints, Kind, Moved, Statistics, Trace
from cleanroom_kernel.disclosure.evidence import Centred, Measured, products
from cleanroom_kernel.disclosure.footprint import RowFootprints
from cleanroom_kernel.disclosure.grouping import select
from cleanroom_kernel.plan.aggregates import Correlation
from cleanroom_kernel.plan.expressions import Expression
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.vault import watch
from cleanroom_kernel.vault.answers_columns import stack
from cleanroom_kernel.vault.answers_free import scale_of_noise
from cleanroom_kernel.vault.answers_rows import Gathered, Measurement, Rows

Values = NDArray[np.float64]


def pairs(correlation: Correlation, rows: Rows, least: int) -> list[Measurement]:
    """One column of the matrix for each column of the question."""
    kind = Kind.COVARIANCE if correlation.covariance else Kind.CORRELATION
    centred = _Centring(rows, [column.of for column in correlation.columns], least)
    cells: dict[tuple[int, int], Measurement] = {}
    for x in range(len(correlation.columns)):
        watch.look()
        for y in range(x + 1):
            cells[x, y] = cells[y, x] = _pair(correlation, rows, centred, x, y, kind)
    number = range(len(correlation.columns))
    return [_column(correlation.columns[x].name, [cells[x, y] for y in number]) for x in number]


Gaps = frozenset[int]  # of two columns, those that have missing values: they decide which rows a pair is over


class _Centring:
    """Columns less their means over the rows of a pair. What pairs over the same rows share is made once."""

    def __init__(self, rows: Rows, columns: list[Expression], least: int) -> None:
        self._rows = rows
        self._columns = columns
        self._values = [rows.prepared(of).values for of in columns]
        self._known = [~np.isnan(values) for values in self._values]
        self._gaps = frozenset(place for place, known in enumerate(self._known) if not known.all())
        self._least = least
        self._everyone = rows.gathered("everyone", lambda: rows.grouped(np.zeros(len(rows), dtype=np.int32), 1))
        self._masks: dict[Gaps, NDArray[np.bool_]] = {}
        self._gathered: dict[Gaps, Gathered] = {frozenset(): self._everyone}
        self._made: dict[tuple[Gaps, int], Centred] = {}

    def pair(self, x: int, y: int) -> tuple[Centred, Centred]:
        return self._centred(x, self._of(x, y)), self._centred(y, self._of(x, y))

    def both(self, x: int, y: int) -> NDArray[np.bool_]:
        """Rows where both are known."""
        gaps = self._of(x, y)
        if gaps not in self._masks:
            self._masks[gaps] = np.logical_and.reduce([self._known[place] for place in (gaps or {x})])
        return self._masks[gaps]

    def footprints(self, x: int, y: int) -> RowFootprints:
        known = self._rows_of(x, y).footprints
        if known is not None:
            return known
        # Rows without numbers are told apart by the product of the values as they are.
        return self._rows.footprints(self._rows_of(x, y).rows, self.product(x, y))

    def product(self, x: int, y: int) -> Values:
        both = self.both(x, y)
        return self._values[x][both] * self._values[y][both]

    def _of(self, x: int, y: int) -> Gaps:
        return self._gaps & {x, y}

    def _rows_of(self, x: int, y: int) -> Gathered:
        gaps = self._of(x, y)
        if gaps not in self._gathered:
            names = sorted(digest(self._columns[place]) for place in gaps)
            self._gathered[gaps] = self._rows.gathered(
                f"value {self._least} {names} of everyone", lambda: select(self._everyone.rows, self.both(x, y))
            )
        return self._gathered[gaps]

    def _centred(self, column: int, gaps: Gaps) -> Centred:
        key = (gaps, column)
        if key not in self._made:
            places = sorted(gaps | {column})
            rows = self._rows_of(places[0], places[-1]).rows
            values = self._values[column]
            known = values[self.both(places[0], places[-1])] if gaps else values
            self._made[key] = Centred.of(rows, known, self._least)
        return self._made[key]


def _pair(correlation: Correlation, rows: Rows, centred: _Centring, x: int, y: int, kind: Kind) -> Measurement:
    one, other = centred.pair(x, y)
    measured: Measured = products(one, other, kind)
    traces: tuple[Trace, ...] = ()
    first, second = correlation.columns[x].of, correlation.columns[y].of
    of_first, of_second = rows.prepared(first), rows.prepared(second)
    if rows.over.has_units:
        product = measures.product_of(first, second, correlation.over)
        exactly = sorted(f"{kind.value} of {prepared.form.core}" for prepared in (of_first, of_second))
        selected = measures.name_of(measures.selection(correlation.over))
        traces = (
            Trace(
                product, kind is Kind.COVARIANCE, centred.footprints(x, y), " and ".join(exactly), lambda _: selected
            ),
        )
        for term, holding in (*of_first.parts, *of_second.parts):
            inside = holding[centred.both(x, y)]
            chosen = rows.footprints(select(one.rows, inside), centred.product(x, y)[inside])
            traces += (Trace(term.trace, False, chosen),)
    scale = of_first.form.scale * of_second.form.scale
    moved = Moved(scale if kind is Kind.COVARIANCE else float(np.sign(scale)))
    column = Statistics("", kind, measured.values, traces, moved=moved, charged=rows.charged((first, second)))
    evidence = measured.evidence
    if of_first.reach is not None or of_second.reach is not None:
        evidence = msgspec.structs.replace(evidence, influence=_most_influence(kind, (one, other), measured))
    return rows.judged((column, evidence), (first, second))


def _most_influence(kind: Kind, pair: tuple[Centred, Centred], measured: Measured) -> Values:
    """As for other statistics, with what one row can do: w v / (n - 1) to a covariance, with the ranges w and v of the
    columns; to a correlation c, by its influence function, half of 1 + |c| times the sum of squares of w and v in
    deviations, divided by n - 1.
    """
    n = float(measured.evidence.rows[0])
    ranges = [float(np.ptp(column.deviations)) if len(column.deviations) else 0.0 for column in pair]
    squares = [column.sum_of_squares / max(n, 1.0) for column in pair]
    if n <= 1 or (kind is Kind.CORRELATION and min(squares) <= 0):
        return np.array([np.inf])
    of_a_row = np.array([ranges[0] * ranges[1]])
    if kind is Kind.CORRELATION:
        relative = sum(extent**2 / square for extent, square in zip(ranges, squares, strict=True))
        of_a_row = (1 + np.abs(measured.values)) / 2 * relative
    return scale_of_noise(of_a_row / (n - 1), kind, measured.evidence)


def _column(name: str, cells: list[Measurement]) -> Measurement:
    """Each cell has a measure of its own, so each has its own traces."""
    together, evidence = stack([(msgspec.structs.replace(cell, traces=cell.traces[:1]), of) for cell, of in cells])
    traces: list[Trace] = []
    for place, (cell, _) in enumerate(cells):
        for first, trace in enumerate(cell.traces):
            if first == 0:
                whole = together.traces[0]
                alone = msgspec.structs.replace(trace, footprints=whole.footprints, selection=whole.selection)
            else:
                alone = msgspec.structs.replace(trace, footprints=_Single(trace.footprints))
            traces.append(msgspec.structs.replace(alone, cells=(place,)))
    return msgspec.structs.replace(together, name=name, traces=tuple(traces)), evidence


class _Single(Struct, frozen=True, eq=False):
    """The footprint of one pair, for the one cell of a column that shows it."""

    footprints: Footprints

    def unit_set(self, cell: int) -> BitMap:
        return self.footprints.unit_set(0)

    def of(self, cells: Sequence[int]) -> list[Footprint]:
        return self.footprints.of([0] * len(cells))
