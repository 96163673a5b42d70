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
from cleanroom_kernel.disclosure.grouping import Grouped, select
from cleanroom_kernel.plan.aggregates import Correlation
from cleanroom_kernel.vault.answers_columns import stack
from cleanroom_kernel.vault.answers_rows import Measurement, Rows

Values = NDArray[np.float64]


def pairs(correlation: Correlation, rows: Rows, least: int) -> list[Measurement]:
    """One column of the matrix for each column of the question."""
    kind = Kind.COVARIANCE if correlation.covariance else Kind.CORRELATION
    values = [rows.prepared(column.of).values for column in correlation.columns]
    everyone = rows.grouped(np.zeros(len(rows), dtype=np.int32), 1)
    centred = _Centring(everyone, values, least)
    cells: dict[tuple[int, int], Measurement] = {}
    for x in range(len(values)):
        for y in range(x + 1):
            cells[x, y] = cells[y, x] = _pair(correlation, rows, centred, x, y, kind)
    number = range(len(values))
    return [_column(correlation.columns[x].name, [cells[x, y] for y in number]) for x in number]


class _Centring:
    """Columns less their means. Where nothing is missing, a column is centred once for all of its pairs."""

    def __init__(self, everyone: Grouped, values: list[Values], least: int) -> None:
        self._everyone = everyone
        self._values = values
        self._known = [~np.isnan(column) for column in values]
        self._whole = [bool(known.all()) for known in self._known]
        self._least = least
        self._made: dict[int, Centred] = {}

    def pair(self, x: int, y: int) -> tuple[Centred, Centred]:
        if self._whole[x] and self._whole[y]:
            return self._of_whole(x), self._of_whole(y)
        both = self.both(x, y)
        rows = select(self._everyone, both)
        first, second = (Centred.of(rows, self._values[column][both], self._least) for column in (x, y))
        return first, second

    def both(self, x: int, y: int) -> NDArray[np.bool_]:
        return self._known[x] & self._known[y]

    def product(self, x: int, y: int) -> Values:
        """Of the values as they are, by which rows without numbers are told apart."""
        both = self.both(x, y)
        return self._values[x][both] * self._values[y][both]

    def _of_whole(self, column: int) -> Centred:
        if column not in self._made:
            self._made[column] = Centred.of(self._everyone, self._values[column], self._least)
        return self._made[column]


def _pair(correlation: Correlation, rows: Rows, centred: _Centring, x: int, y: int, kind: Kind) -> Measurement:
    one, other = centred.pair(x, y)
    measured: Measured = products(one, other, kind)
    traces: tuple[Trace, ...] = ()
    first, second = correlation.columns[x].of, correlation.columns[y].of
    of_first, of_second = rows.prepared(first), rows.prepared(second)
    if rows.over.has_units:
        both = centred.both(x, y)
        footprints = rows.footprints(one.rows, centred.product(x, y))
        product = measures.product_of(first, second, correlation.over)
        exactly = sorted(f"{kind.value} of {prepared.form.core}" for prepared in (of_first, of_second))
        selected = measures.name_of(measures.selection(correlation.over))
        traces = (Trace(product, kind is Kind.COVARIANCE, footprints, " and ".join(exactly), lambda _: selected),)
        for term, holding in (*of_first.parts, *of_second.parts):
            chosen = rows.footprints(select(one.rows, holding[both]), centred.product(x, y)[holding[both]])
            traces += (Trace(term.trace, False, chosen),)
    scale = of_first.form.scale * of_second.form.scale
    moved = Moved(scale if kind is Kind.COVARIANCE else float(np.sign(scale)))
    column = Statistics("", kind, measured.values, traces, moved=moved, charged=rows.charged((first, second)))
    evidence = measured.evidence
    if of_first.reach is not None or of_second.reach is not None:
        evidence = msgspec.structs.replace(evidence, influence=_most_influence(kind, (one, other), measured))
    return rows.judged((column, evidence), (first, second))


def _most_influence(kind: Kind, pair: tuple[Centred, Centred], measured: Measured) -> Values:
    """The most that a unit can do to a number of a free measure, wherever its values are between those that there are:
    r * w v / (n - r) to a covariance, with the ranges w and v of the columns and the most rows r of one unit; to a
    correlation c, by its influence function, half of 1 + |c| times the sum of squares of w and v in deviations.
    """
    rows, all_rows = float(measured.evidence.largest_rows[0]), float(measured.evidence.rows[0])
    if all_rows <= rows:
        return np.array([np.inf])
    ranges = [float(np.ptp(column.deviations)) for column in pair]
    if kind is Kind.COVARIANCE:
        return np.array([rows / (all_rows - rows) * ranges[0] * ranges[1]])
    squares = [column.sum_of_squares / all_rows for column in pair]
    if min(squares) <= 0:
        return np.array([np.inf])
    relative = sum(extent**2 / square for extent, square in zip(ranges, squares, strict=True))
    return rows / (all_rows - rows) * (1 + np.abs(measured.values)) / 2 * relative


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
