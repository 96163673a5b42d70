"""Columns: each statistic of a question as exact values, evidence and traces.

Promise: reads rows, decides nothing. Rows where a value is missing do not enter a number, nor its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.candidate import CellEvidence, Footprint, Footprints, Kind, Statistics, Trace
from cleanroom_kernel.disclosure.evidence import Measured, counted, spread_out, summed, units
from cleanroom_kernel.disclosure.footprint import RowFootprints, Sketcher
from cleanroom_kernel.disclosure.grouping import Contributions, Grouped, contributions, group, select
from cleanroom_kernel.disclosure.kinds import kind_of
from cleanroom_kernel.disclosure.measures import Conditions
from cleanroom_kernel.disclosure.ordering import distinct, extreme, quantile
from cleanroom_kernel.plan.aggregates import (
    Count,
    Distinct,
    Extreme,
    Mean,
    Quantile,
    Size,
    Statistic,
    Sum,
    Units,
    Variance,
)
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, type_of
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.answers_groups import as_numbers, value_codes
from cleanroom_kernel.vault.columns import ROW, UNIT

DAY = 86_400e6  # microseconds

_ODD = np.int64(-7046029254386353131)

Measurement = tuple[Statistics, CellEvidence]


class Rows:
    """The rows of a question as arrays. `names` tells under which name of `frame` an expression (by digest) is, and
    `fewest` how few units are on a side of a condition inside it (absent where there is none).

    Rows of a public table belong to nobody: there, each is a unit of its own.
    """

    def __init__(
        self,
        over: Relation,
        frame: pl.DataFrame,
        names: dict[str, str],
        fewest: dict[str, int],
        n_units: int,
        sketcher: Sketcher,
    ) -> None:
        self.over = over
        self.sketcher = sketcher
        self.space = measures.space_of(over)
        self._frame = frame
        self._names = names
        self._fewest = fewest
        self._rows = frame.get_column(ROW).to_numpy()
        if over.has_units:
            self._units, self._n_units = frame.get_column(UNIT).to_numpy(), n_units
        else:
            self._units, self._n_units = np.arange(len(frame), dtype=np.int32), len(frame)

    def __len__(self) -> int:
        return len(self._rows)

    def grouped(self, codes: NDArray[np.int32], n_groups: int) -> Grouped:
        return group(codes, self._units, self._rows, n_groups, self._n_units)

    def series(self, of: Expression) -> pl.Series:
        return self._frame.get_column(self._names[digest(of)])

    def judged(self, measurement: Measurement, inputs: tuple[Expression, ...]) -> Measurement:
        """With the conditions inside its inputs, which concern all of its cells."""
        column, evidence = measurement
        few = [self._fewest[digest(of)] for of in inputs if digest(of) in self._fewest]
        if not few:
            return measurement
        return column, msgspec.structs.replace(evidence, selected=np.minimum(evidence.selected, min(few)))

    def footprints(
        self, grouped: Grouped, values: NDArray[np.float64] | None, by_unit: Contributions | None = None
    ) -> RowFootprints:
        """Of rows by their numbers, or where those mean nothing, by unit and value."""
        if self.space == measures.BY_VALUE:
            content = grouped.units.astype(np.int64) * _ODD
            if values is not None:
                content ^= (values + 0.0).view(np.int64)  # -0.0 is 0.0
            grouped = Grouped(grouped.codes, grouped.units, content, grouped.n_groups, grouped.n_units)
        return RowFootprints(grouped, self.sketcher, self.space, by_unit)


class Cells(Struct, frozen=True, eq=False):
    """Groups as the columns see them: one for each row (-1: none), and how the code selects the rows of each group."""

    codes: NDArray[np.int32]
    selections: list[Conditions]

    @property
    def number(self) -> int:
        return len(self.selections)


class Columns:
    """Statistics of rows in groups. `least` is the minimum count; what several columns need is made once."""

    def __init__(self, rows: Rows, cells: Cells, least: int, borders: Borders) -> None:
        self._rows = rows
        self._over = rows.over
        self._cells = cells
        self._inside: NDArray[np.bool_] | None = cells.codes >= 0
        if self._inside.all():
            self._inside = None
        self._groups = rows.grouped(cells.codes, cells.number)
        self._least = least
        self._borders = borders
        self._of_all_rows: RowFootprints | None = None

    def column(self, name: str, statistic: Statistic) -> Measurement:
        kind = kind_of(statistic, self._over)
        if kind is Kind.COUNT and not isinstance(statistic, Count):
            return self._rows_alone(name, kind, counted, measures.ROWS, linear=True)
        measurement = _MAKERS[type(statistic)](self, name, kind, statistic)
        return self._rows.judged(measurement, (statistic.of,) if hasattr(statistic, "of") else ())

    # -- kinds --------------------------------------------------------------------------------------------------------
    def _rows_alone(
        self, name: str, kind: Kind, measure: Callable[[Contributions], Measured], identity: str, *, linear: bool
    ) -> Measurement:
        by_unit = contributions(self._groups)
        said = _Said(identity, linear, identity)
        return _made(name, kind, measure(by_unit), self._traces(said, self._groups, by_unit))

    def _units(self, name: str, kind: Kind, _: Units) -> Measurement:
        return self._rows_alone(name, kind, units, measures.UNITS, linear=False)

    def _count(self, name: str, kind: Kind, statistic: Count) -> Measurement:
        known = select(self._groups, self._take(self._rows.series(statistic.of).is_not_null().to_numpy()))
        by_unit = contributions(known)
        measure = measures.count_of(statistic.of, self._over)
        said = _Said(measure, True, measures.ROWS, measures.is_known(statistic.of, self._over))
        return _made(name, kind, counted(by_unit), self._traces(said, known, by_unit))

    def _sum(self, name: str, kind: Kind, statistic: Sum | Mean) -> Measurement:
        known, values = self._known(statistic.of)
        by_unit = contributions(known, values)
        said = self._said(measures.sum_of, type(statistic).__name__, statistic.of)
        traces = self._traces(said, known, by_unit, values) + self._of_columns(statistic.of, said, known, values)
        if kind is Kind.SELECTED:
            # Rows where something holds are also a count, and can be compared with one.
            chosen = values > 0
            count = _Said(measures.ROWS, True, measures.ROWS, measures.has_value(statistic.of, self._over, 1))
            traces += self._traces(count, select(known, chosen), values=values[chosen])
        measured = summed(by_unit, kind, self._least)
        return _made(name, kind, measured, traces, least_base=self._least_base(statistic.of))

    def _spread(self, name: str, kind: Kind, statistic: Variance) -> Measurement:
        known, values = self._known(statistic.of)
        measured = spread_out(known, values, statistic.ddof, statistic.root, self._least)
        said = self._said(measures.squares_of, f"{kind.value} {statistic.ddof}", statistic.of)
        traces = self._traces(said, known, values=values) + self._of_columns(statistic.of, said, known, values)
        return _made(name, kind, measured, traces)

    def _quantile(self, name: str, kind: Kind, statistic: Quantile) -> Measurement:
        known, values = self._known(statistic.of)
        measured = quantile(known, values, statistic.q, self._least)
        said = self._said(measures.order_of, f"quantile {statistic.q!r}", statistic.of, linear=False)
        traces = self._traces(said, known, values=values)
        return _made(name, kind, measured, traces, least_base=self._least_base(statistic.of))

    def _extreme(self, name: str, kind: Kind, statistic: Extreme) -> Measurement:
        known, values = self._known(statistic.of)
        said = self._said(measures.order_of, "max" if statistic.largest else "min", statistic.of, linear=False)
        measured = extreme(known, values, statistic.largest)
        return _made(name, kind, measured, self._traces(said, known, values=values))

    def _distinct(self, name: str, kind: Kind, statistic: Distinct) -> Measurement:
        codes, number = value_codes(self._rows.series(statistic.of))
        codes = self._take(codes)
        known = select(self._groups, codes >= 0)
        combined = known.codes.astype(np.int64) * max(number, 1) + codes[codes >= 0]
        found, pairs = np.unique(combined, return_inverse=True)
        by_value = Grouped(pairs.astype(np.int32), known.units, known.rows, len(found), known.n_units)
        sets = RowFootprints(by_value, self._rows.sketcher, self._rows.space)
        least = self._borders.least(np.diff(sets.by_unit.bounds), sets.unit_set)
        said = self._said(measures.distinct_of, "distinct", statistic.of, linear=False)
        return _made(name, kind, distinct(known, by_value, least), self._traces(said, known))

    # -- parts --------------------------------------------------------------------------------------------------------
    def _take(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._inside is None else values[self._inside]

    def _known(self, of: Expression) -> tuple[Grouped, NDArray[np.float64]]:
        """Rows in groups where `of` is not null, and its values there."""
        values = self._take(as_numbers(self._rows.series(of)))
        known = ~np.isnan(values)
        grouped = select(self._groups, known)
        return grouped, values if grouped is self._groups else values[known]

    def _said(
        self, measure: Callable[[Expression, Relation], str], what: str, of: Expression, *, linear: bool = True
    ) -> _Said:
        return _Said(measure(of, self._over), linear, measures.statistic_of(what, of, self._over))

    def _traces(
        self,
        said: _Said,
        grouped: Grouped,
        by_unit: Contributions | None = None,
        values: NDArray[np.float64] | None = None,
    ) -> tuple[Trace, ...]:
        if not self._over.has_units:
            return ()
        if grouped is self._groups and self._rows.space != measures.BY_VALUE:
            if self._of_all_rows is None:
                self._of_all_rows = self._rows.footprints(grouped, None, by_unit)
            footprints = self._of_all_rows
        else:
            footprints = self._rows.footprints(grouped, values, by_unit)
        selections = self._cells.selections
        return (
            Trace(
                said.measure,
                said.linear,
                footprints,
                said.statistic,
                lambda cell: measures.name_of(selections[cell] | said.conditions),
            ),
        )

    def _of_columns(
        self, of: Expression, said: _Said, known: Grouped, values: NDArray[np.float64]
    ) -> tuple[Trace, ...]:
        """As if it were a sum of each column that it is made of: whatever is done to a column, |x|, x * x or x + 0 * y,
        numbers about nearly the same rows can tell their difference.
        """
        columns = (f"sum of {column}" for column in sorted(measures.columns_of(of, self._over)))
        others = [measure for measure in columns if measure != said.measure]
        traces = (
            self._traces(msgspec.structs.replace(said, measure=measure), known, values=values) for measure in others
        )
        return tuple(trace for some in traces for trace in some)

    def _least_base(self, of: Expression) -> float:
        return DAY if type_of(of, self._over.fields).dtype is DType.DATETIME else 0.0


class _Said(Struct, frozen=True):
    """What a trace says of itself; `conditions` on rows besides those of their group."""

    measure: str
    linear: bool
    statistic: str
    conditions: Conditions = frozenset()


def _made(name: str, kind: Kind, measured: Measured, traces: tuple[Trace, ...], least_base: float = 0.0) -> Measurement:
    column = Statistics(name, kind, measured.values, traces, measured.parts, least_base)
    return column, measured.evidence


_MAKERS: dict[type[Statistic], Callable[[Columns, str, Kind, Any], Measurement]] = {
    Units: Columns._units,
    Count: Columns._count,
    Sum: Columns._sum,
    Mean: Columns._sum,
    Variance: Columns._spread,
    Quantile: Columns._quantile,
    Extreme: Columns._extreme,
    Distinct: Columns._distinct,
}
# Size is in no row: it is every row's own count.
assert {Size, *_MAKERS} == set(Statistic.__subclasses__())


# -- several groupings as one column ----------------------------------------------------------------------------------
class _Stacked(Struct, frozen=True, eq=False):
    """Footprints of several groupings, one after the other."""

    parts: tuple[tuple[int, Footprints], ...]  # number of cells, and what they are over

    def unit_set(self, cell: int) -> BitMap:
        footprints, place = self._find(cell)
        return footprints.unit_set(place)

    def of(self, cells: Sequence[int]) -> list[Footprint]:
        wanted: dict[int, list[int]] = {}
        owners: dict[int, Footprints] = {}
        for cell in cells:
            footprints, place = self._find(cell)
            wanted.setdefault(id(footprints), []).append(place)
            owners[id(footprints)] = footprints
        made = {key: dict(zip(places, owners[key].of(places), strict=True)) for key, places in wanted.items()}
        found = []
        for cell in cells:
            footprints, place = self._find(cell)
            found.append(made[id(footprints)][place])
        return found

    def _find(self, cell: int) -> tuple[Footprints, int]:
        for number, footprints in self.parts:
            if cell < number:
                return footprints, cell
            cell -= number
        raise IndexError("no such cell")


def stack(parts: list[Measurement]) -> Measurement:
    """One column of the cells of all parts, which are of one statistic."""
    columns, evidences = [column for column, _ in parts], [evidence for _, evidence in parts]
    first = columns[0]
    shares = [column.parts for column in columns if column.parts is not None]
    column = Statistics(
        first.name,
        first.kind,
        _joined([column.values for column in columns]),
        tuple(_stacked_trace(columns, place) for place in range(len(first.traces))),
        (_joined([above for above, _ in shares]), _joined([below for _, below in shares])) if shares else None,
        first.least_base,
    )
    arrays = {name: _stacked_array(evidences, name) for name in CellEvidence.__struct_fields__}
    return column, CellEvidence(**arrays)


def _stacked_trace(columns: list[Statistics], place: int) -> Trace:
    traces = [column.traces[place] for column in columns]
    sizes = [len(column.values) for column in columns]
    ends = np.cumsum(sizes)

    def selection(cell: int) -> str:
        part = int(np.searchsorted(ends, cell, side="right"))
        inside = traces[part].selection
        return inside(cell - int(ends[part]) + sizes[part]) if inside is not None else ""

    footprints = _Stacked(tuple((size, trace.footprints) for size, trace in zip(sizes, traces, strict=True)))
    return Trace(traces[0].measure, traces[0].linear, footprints, traces[0].statistic, selection)


def _stacked_array(evidences: list[CellEvidence], name: str) -> NDArray[Any] | None:
    arrays = [getattr(evidence, name) for evidence in evidences]
    return None if arrays[0] is None else _joined(arrays)


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays)
