"""Measures: the values of an expression as statistics take them, by its form (`disclosure.forms`).

Promise: of scale * core + offset only the core's values are given out, so that nothing else is ever rounded. Values of
a free measure are drawn in (rule C17) before any statistic sees them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.forms_terms import Condition, Form, Term, is_binary
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Named
from cleanroom_kernel.vault.answers_free import Reach, drawn_in
from cleanroom_kernel.vault.answers_groups import as_numbers
from cleanroom_kernel.vault.columns import ROW
from cleanroom_kernel.vault.engine import Engine

Values = NDArray[np.float64]
Holding = NDArray[np.bool_]


class Prepared(Struct, frozen=True, eq=False):
    """Values of a measure's core, one per row, NaN where there is none. `parts` are the terms under conditions, with
    the rows where these hold; `reach` are the bounds that a free measure's values were drawn in to.
    """

    form: Form
    values: Values
    parts: tuple[tuple[Term, Holding], ...]
    reach: Reach | None = None


def prepare(
    of: Expression, over: Relation, values: pl.Series, units: NDArray[np.int32], least: int, rows: RowsHolding
) -> Prepared:
    """`least` is the minimum count; zero for a policy that protects nothing."""
    form = form_of(of, over)
    numbers = as_numbers(values)
    if not form.is_core:
        numbers = (numbers - form.offset) / form.scale
        if is_binary(form.field):
            numbers = np.rint(numbers)  # it is 0 or 1, whatever it was scaled to
    reach = None
    if form.free and least and over.has_units:
        numbers, reach = drawn_in(numbers, units, least)
    conditional = [term for term in form.terms if term.conditions] if over.has_units else []
    return Prepared(form, numbers, tuple((term, rows.where(term.conditions)) for term in conditional), reach)


class RowsHolding:
    """For conditions on a relation or on what it was made of: the rows of it where they hold."""

    def __init__(self, over: Relation, rows: NDArray[np.int64], engine: Engine) -> None:
        self._over = over
        self._rows = rows
        self._engine = engine
        self._known: dict[tuple[str, str], Holding] = {}

    def where(self, conditions: Iterable[Condition]) -> Holding:
        holding = np.ones(len(self._rows), dtype=bool)
        for condition in conditions:
            holding &= self._holds(condition) == condition.holds
        return holding

    def _holds(self, condition: Condition) -> Holding:
        key = condition.key[:2]
        if key not in self._known:
            frame = self._engine.table(condition.over, (Named("holds", condition.of),), ordered=False)
            holds = _holding(frame.get_column("holds"))
            numbers = frame.get_column(ROW).to_numpy()
            if not np.array_equal(numbers, self._rows):
                order = np.argsort(numbers)
                holds = holds[order[np.searchsorted(numbers, self._rows, sorter=order)]]
            self._known[key] = holds
        return self._known[key]


def _holding(values: pl.Series) -> Holding:
    """Where a condition holds; a missing one does not."""
    if values.dtype == pl.Boolean:
        return values.fill_null(False).cast(pl.UInt8).to_numpy().view(np.bool_)
    return as_numbers(values) > 0
