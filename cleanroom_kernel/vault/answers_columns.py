"""Columns: each statistic of a question as exact values, evidence and traces.

Promise: reads rows, decides nothing. Rows where a value is missing do not enter a number, nor its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.candidate import (
    UNMOVED,
    CellEvidence,
    Footprint,
    Footprints,
    Kind,
    Moved,
    Statistics,
    Trace,
)
from cleanroom_kernel.disclosure.evidence import Measured, counted, spread_out, summed, units
from cleanroom_kernel.disclosure.footprint import RowFootprints
from cleanroom_kernel.disclosure.forms_terms import Form, Term, is_binary
from cleanroom_kernel.disclosure.grouping import Contributions, Grouped, contributions, select
from cleanroom_kernel.disclosure.kinds import kind_of
from cleanroom_kernel.disclosure.measures import Conditions
from cleanroom_kernel.disclosure.ordering import Ordered, distinct, extreme, quantile
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
from cleanroom_kernel.plan.expressions import Expression
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault import watch
from cleanroom_kernel.vault.answers_free import Reach, most_influence
from cleanroom_kernel.vault.answers_groups import value_codes, without_gaps
from cleanroom_kernel.vault.answers_rows import Cells, Measurement, Rows

DAY = 86_400e6  # microseconds


class Columns:
    """Statistics of rows in groups. `least` is the minimum count; what several columns need is made once."""

    def __init__(self, rows: Rows, cells: Cells, least: int, borders: Borders) -> None:
        self._rows = rows
        self._over = rows.over
        self._cells = cells
        self._inside: NDArray[np.bool_] | None = cells.codes >= 0
        if self._inside.all():
            self._inside = None
        self._sets: dict[int, RowFootprints] = {}
        self._groups = self._gathered("", lambda: rows.grouped(cells.codes, cells.number))
        self._least = least
        self._borders = borders
        self._measures: dict[str, _Known] = {}

    def column(self, name: str, statistic: Statistic) -> Measurement:
        watch.look()
        kind = kind_of(statistic, self._over)
        if kind is Kind.COUNT and not isinstance(statistic, Count):
            return self._rows_alone(name, kind, counted, measures.ROWS, linear=True)
        measurement = _MAKERS[type(statistic)](self, name, kind, statistic)
        return self._rows.judged(measurement, (statistic.of,) if hasattr(statistic, "of") else ())

    # -- kinds --------------------------------------------------------------------------------------------------------
    def _rows_alone(
        self, name: str, kind: Kind, measure: Callable[[Contributions], Measured], identity: str, *, linear: bool
    ) -> Measurement:
        said = _Said(identity, linear, identity)
        return _made(name, kind, measure(contributions(self._groups)), self._traces(said, self._groups))

    def _units(self, name: str, kind: Kind, _: Units) -> Measurement:
        return self._like_rows(self._rows_alone(name, kind, units, measures.UNITS, linear=False))

    def _like_rows(self, measurement: Measurement) -> Measurement:
        """Patients, and values that hardly a row lacks, are as many as rows: compared with numbers of rows as well."""
        column, evidence = measurement
        rows = self._traces(_Said(measures.ROWS, True, column.traces[0].measure), self._groups) if column.traces else ()
        return msgspec.structs.replace(column, traces=column.traces + rows), evidence

    def _count(self, name: str, kind: Kind, statistic: Count) -> Measurement:
        there = self._take(self._rows.series(statistic.of).is_not_null().to_numpy())
        known = self._selected(f"known {digest(statistic.of)}", there)
        measure = measures.count_of(statistic.of, self._over)
        said = _Said(measure, True, measures.ROWS, measures.is_known(statistic.of, self._over))
        made = _made(name, kind, counted(contributions(known)), self._traces(said, known))
        return made if measure == measures.ROWS else self._like_rows(made)

    def _sum(self, name: str, kind: Kind, statistic: Sum | Mean) -> Measurement:
        known = self._known(statistic.of)
        form, values = known.form, known.values
        said = self._said(measures.sum_of, type(statistic).__name__, known)
        traces = self._traces(said, known.rows, values) + self._of_columns(said, known)
        if kind in (Kind.SELECTED, Kind.SHARE):
            # Rows where something holds are also a count, and can be compared with one. So is their share of all.
            chosen = values > 0
            shown = measures.ROWS if kind is Kind.SELECTED else said.statistic
            count = _Said(measures.ROWS, kind is Kind.SELECTED, shown, self._has_value(statistic.of, form))
            traces += self._traces(count, select(known.rows, chosen), values[chosen])
        else:
            traces += self._as_rows(said, known, linear=isinstance(statistic, Sum))
        measured = summed(known.by_unit, kind, self._least)
        moved = Moved(form.scale, form.offset)
        if isinstance(statistic, Sum) and form.offset:
            counts = counted(known.by_unit)
            moved = Moved(form.scale, form.offset, counts.values, counts.evidence.step)
            rows = _Said(measures.ROWS, True, said.statistic)
            traces += self._traces(rows, known.rows, values)
        return self._of_form(_made(name, kind, measured, traces, least_base=_least_base(form), moved=moved), known)

    def _spread(self, name: str, kind: Kind, statistic: Variance) -> Measurement:
        known = self._known(statistic.of)
        measured = spread_out(known.rows, known.values, statistic.ddof, statistic.root, self._least, known.by_unit)
        said = self._said(measures.squares_of, f"{kind.value} {statistic.ddof}", known)
        traces = self._traces(said, known.rows, known.values) + self._of_columns(said, known)
        traces += self._as_rows(said, known, linear=False)
        scale = abs(known.form.scale) if statistic.root else known.form.scale**2
        return self._of_form(_made(name, kind, measured, traces, moved=Moved(scale)), known)

    def _quantile(self, name: str, kind: Kind, statistic: Quantile) -> Measurement:
        known = self._known(statistic.of)
        q = statistic.q if known.form.scale > 0 else 1 - statistic.q
        measured = quantile(known.ordered, q, self._least, free=known.reach is not None)
        said = self._said(measures.order_of, f"quantile {q!r}", known, linear=False)
        traces = self._traces(said, known.rows, known.values)
        moved = Moved(known.form.scale, known.form.offset)
        made = _made(name, kind, measured, traces, least_base=_least_base(known.form), moved=moved)
        return self._of_form(made, known)

    def _extreme(self, name: str, kind: Kind, statistic: Extreme) -> Measurement:
        known = self._known(statistic.of)
        largest = statistic.largest == (known.form.scale > 0)
        said = self._said(measures.order_of, "max" if largest else "min", known, linear=False)
        measured = extreme(known.rows, known.values, largest)
        traces = self._traces(said, known.rows, known.values)
        moved = Moved(known.form.scale, known.form.offset)
        return self._of_form(_made(name, kind, measured, traces, moved=moved), known)

    def _distinct(self, name: str, kind: Kind, statistic: Distinct) -> Measurement:
        codes, number = value_codes(self._rows.series(statistic.of))
        codes = self._take(codes)
        known = self._selected(f"known {digest(statistic.of)}", codes >= 0)
        combined = known.codes.astype(np.int64) * max(number, 1) + codes[codes >= 0]
        pairs, n_pairs = without_gaps(combined, self._cells.number * max(number, 1))
        by_value = Grouped(pairs.astype(np.int32), known.units, known.rows, n_pairs, known.n_units)
        sets = RowFootprints(by_value, self._rows.sketcher, self._rows.space)
        least = self._borders.least(np.diff(by_value.layout.bounds), sets.unit_set)
        identity = measures.statistic_of("distinct", statistic.of, self._over)
        said = _Said(measures.distinct_of(statistic.of, self._over), False, identity)
        return _made(name, kind, distinct(known, by_value, least), self._traces(said, known))

    # -- parts --------------------------------------------------------------------------------------------------------
    def _take(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._inside is None else values[self._inside]

    def _known(self, of: Expression) -> _Known:
        """Rows in groups where `of` is not null, and the values of its core there."""
        if digest(of) not in self._measures:
            self._measures[digest(of)] = self._find_known(of)
        return self._measures[digest(of)]

    def _find_known(self, of: Expression) -> _Known:
        prepared = self._rows.prepared(of)
        values = self._take(prepared.values)
        there = ~np.isnan(values)
        rows = self._selected(f"value {self._least} {digest(of)}", there)
        whole = rows is self._groups
        parts = [
            (term, self._take(holding) if whole else self._take(holding)[there]) for term, holding in prepared.parts
        ]
        return _Known(of, prepared.form, rows, values if whole else values[there], parts, prepared.reach)

    def _selected(self, what: str, chosen: NDArray[np.bool_]) -> Grouped:
        """Rows of the groups; all of them, if all are chosen."""
        if chosen.all():
            return self._groups
        return self._gathered(what, lambda: select(self._groups, chosen))

    def _gathered(self, what: str, make: Callable[[], Grouped]) -> Grouped:
        name = f"{what} in {self._cells.name}" if self._cells.name else ""
        found = self._rows.gathered(name, make)
        if found.footprints is not None:
            self._sets[id(found.rows)] = found.footprints
        return found.rows

    def _said(
        self, measure: Callable[[Expression, Relation], str], what: str, known: _Known, *, linear: bool = True
    ) -> _Said:
        return _Said(measure(known.of, self._over), linear, f"{what} of {known.form.core}")

    def _has_value(self, of: Expression, form: Form) -> Conditions:
        """The condition that a 0/1 core is 1, named like the filter that it is: where(c, 1, 0) is 1 where c holds."""
        if len(form.terms) == 1 and len(form.terms[0].conditions) == 1:
            (inside,) = form.terms[0].conditions
            return measures.holds(inside.of, inside.over, inside.holds)
        if form.is_core:
            return measures.holds(of, self._over, True)
        return measures.has_value(of, self._over, form.scale + form.offset)

    def _of_form(self, measurement: Measurement, known: _Known) -> Measurement:
        """With what its form adds: terms under conditions, and what a free measure is charged to."""
        column, evidence = measurement
        charged = self._rows.charged((known.of,))
        traces, selected = column.traces, evidence.selected
        is_sum = column.kind in (Kind.SUM, Kind.MEAN)
        for term, holding in known.parts if not is_binary(known.form.field) else ():
            chosen, values = select(known.rows, holding), known.values[holding]
            of_term = _Said(term.trace, is_sum, traces[0].statistic, _holding(term))
            traces += self._traces(of_term, chosen, values)
            selected = np.minimum(selected, np.diff(contributions(chosen).bounds))
        influence = evidence.influence
        if known.reach is not None and column.kind not in (Kind.QUANTILE, Kind.EXTREME):
            influence = most_influence(column.kind, known.reach, evidence, column.values)
        return (
            msgspec.structs.replace(column, traces=traces, charged=charged),
            msgspec.structs.replace(evidence, selected=selected, influence=influence),
        )

    def _traces(self, said: _Said, grouped: Grouped, values: NDArray[np.float64] | None = None) -> tuple[Trace, ...]:
        if not self._over.has_units:
            return ()
        return (self._trace(said, self._sets.get(id(grouped)) or self._rows.footprints(grouped, values)),)

    def _trace(self, said: _Said, footprints: Footprints) -> Trace:
        selections = self._cells.selections
        return Trace(
            said.measure,
            said.linear,
            footprints,
            said.statistic,
            lambda cell: measures.name_of(selections[cell] | said.conditions),
        )

    def _as_rows(self, said: _Said, known: _Known, *, linear: bool) -> tuple[Trace, ...]:
        """As the number of rows that it is where a measure has few values. A mean is one as a share is."""
        levels = self._rows.levels(known.of)
        if levels.weights is None:
            return ()
        # Rows under a condition are named like those of a filter, however it was written.
        conditions = frozenset[str]()
        measure = known.form.core
        if len(known.form.terms) == 1:
            (term,) = known.form.terms
            conditions = _holding(term)
            measure = term.measure if conditions else measure
        alike = frozenset({f"levels of {measure}"})
        conditions |= alike if levels.marked is None else measures.is_at(measure, levels.marked)
        footprints = self._rows.weighted(self._groups, self._take(levels.weights))
        return (self._trace(_Said(measures.ROWS, linear, said.statistic, conditions), footprints),)

    def _of_columns(self, said: _Said, known: _Known) -> tuple[Trace, ...]:
        """As if it were a sum of each column that it is made of: whatever is done to a column, |x|, x * x or x + 0 * y,
        numbers about nearly the same rows can tell their difference.
        """
        columns = (f"sum of {column}" for column in sorted(measures.columns_of(known.of, self._over)))
        others = [measure for measure in columns if measure != said.measure]
        traces = (
            self._traces(msgspec.structs.replace(said, measure=measure), known.rows, known.values) for measure in others
        )
        return tuple(trace for some in traces for trace in some)


class _Known(Struct, frozen=True, eq=False, dict=True):
    """A measure in its groups: rows with a value, the core's values, and where the conditions of its terms hold."""

    of: Expression
    form: Form
    rows: Grouped
    values: NDArray[np.float64]
    parts: list[tuple[Term, NDArray[np.bool_]]]
    reach: Reach | None

    @cached_property
    def by_unit(self) -> Contributions:
        return contributions(self.rows, self.values)

    @cached_property
    def ordered(self) -> Ordered:
        return Ordered(self.rows, self.values, self.by_unit)


def _holding(term: Term) -> Conditions:
    return frozenset[str]().union(*(measures.holds(c.of, c.over, c.holds) for c in term.conditions))


def _least_base(form: Form) -> float:
    return DAY if form.field.dtype is DType.DATETIME else 0.0


class _Said(Struct, frozen=True):
    """What a trace says of itself; `conditions` on rows besides those of their group."""

    measure: str
    linear: bool
    statistic: str
    conditions: Conditions = frozenset()


def _made(
    name: str,
    kind: Kind,
    measured: Measured,
    traces: tuple[Trace, ...],
    least_base: float = 0.0,
    moved: Moved = UNMOVED,
) -> Measurement:
    column = Statistics(name, kind, measured.values, traces, measured.parts, least_base, moved)
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
        _stacked_moves(columns),
        frozenset[str]().union(*(column.charged for column in columns)),
        sum(column.charges for column in columns),
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


def _stacked_moves(columns: list[Statistics]) -> Moved:
    moves = [column.moved for column in columns]
    scales = [np.broadcast_to(moved.scale, len(column.values)) for moved, column in zip(moves, columns, strict=True)]
    counts = [moved.counts for moved in moves if moved.counts is not None]
    steps = [moved.steps for moved in moves if moved.steps is not None]
    return Moved(
        _joined(scales), moves[0].offset, _joined(counts) if counts else None, _joined(steps) if steps else None
    )


def _stacked_array(evidences: list[CellEvidence], name: str) -> NDArray[Any] | None:
    arrays = [getattr(evidence, name) for evidence in evidences]
    return None if arrays[0] is None else _joined(arrays)


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays)
