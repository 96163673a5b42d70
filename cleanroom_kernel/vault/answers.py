"""Answers: from an aggregate to the gate's answer. What is asked is computed here; what leaves is decided there.

Promise: a question that has an answer is not computed again; nothing is returned from here that is not an answer of
the gate or a refusal that looked at code and schema alone.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.candidate import Asker, Candidate
from cleanroom_kernel.disclosure.gate import decide, recall, refuse
from cleanroom_kernel.disclosure.judge import passes
from cleanroom_kernel.disclosure.measures import Conditions
from cleanroom_kernel.disclosure.rules import structural_no
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.aggregates import Column, Correlation, Distinct, Metric, Summary
from cleanroom_kernel.plan.bases import Aggregate, Relation
from cleanroom_kernel.plan.expressions import Expression, Named, type_of
from cleanroom_kernel.plan.models import Fit, Inspect
from cleanroom_kernel.plan.nodes import digest, postorder
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.protocol.release import Answer, Label
from cleanroom_kernel.vault.answers_columns import Columns, stack
from cleanroom_kernel.vault.answers_groups import MARGIN, Groups, everything, groups
from cleanroom_kernel.vault.answers_pairs import pairs
from cleanroom_kernel.vault.answers_predicates import fewest
from cleanroom_kernel.vault.answers_rows import Cells, Measurement, Rows
from cleanroom_kernel.vault.desk import Desk


def answer(aggregate: Aggregate, desk: Desk) -> Answer:
    """Release, Withheld or Refusal."""
    asker = Asker(desk.expert, desk.session, desk.cell)
    known = recall(asker, digest(aggregate), describe(aggregate), desk.policy, desk.ledger)
    if known is not None:
        return known
    no = structural_no(aggregate, desk.policy)
    if no is not None:
        return refuse(asker, digest(aggregate), no, desk.ledger)
    if isinstance(aggregate, (Summary, Correlation)) and any(
        isinstance(node, Predict) for node in postorder(aggregate)
    ):
        from cleanroom_kernel.vault.learning import failing, unusable

        misused = unusable(aggregate, desk)
        if misused is not None:
            return misused
        table: Answer = failing(aggregate, desk, lambda: _table(aggregate, asker, desk))
        return table
    if isinstance(aggregate, (Summary, Correlation)):
        return _table(aggregate, asker, desk)
    return _learned(aggregate, desk)


def _learned(aggregate: Aggregate, desk: Desk) -> Answer:
    from cleanroom_kernel.vault import learning  # loads scikit-learn, which tables do without

    if isinstance(aggregate, Metric):
        return learning.answer_metric(aggregate, desk)
    if isinstance(aggregate, Fit):
        return learning.answer_fit(aggregate, desk)
    if isinstance(aggregate, Inspect):
        return learning.answer_inspect(aggregate, desk)
    raise AssertionError(f"unhandled aggregate {type(aggregate).__name__}")


# -- tables -----------------------------------------------------------------------------------------------------------
def _table(aggregate: Summary | Correlation, asker: Asker, desk: Desk) -> Answer:
    if isinstance(aggregate, Summary):
        return _summary(aggregate, asker, desk)
    return _correlation(aggregate, asker, desk)


def _summary(summary: Summary, asker: Asker, desk: Desk) -> Answer:
    measured_of = [column.statistic.of for column in summary.columns if hasattr(column.statistic, "of")]
    rows = _rows(summary.over, measured_of, [key.of for key in summary.by], desk)
    found = _groups(summary, rows, desk)
    cells = Cells(found.codes, _selections(summary, found), _groups_of(summary, desk))
    # Values that a number of distinct ones counts are groups as well.
    counted = [column.statistic.of for column in summary.columns if isinstance(column.statistic, Distinct)]
    mixed = summary.over.has_units and is_mixed(summary.over, [*(key.of for key in summary.by), *counted])
    borders = desk.ledger.borders(desk.policy, mixed=mixed)
    body = Columns(rows, cells, desk.policy.minimum_units, borders)
    measured = [body.column(column.name, column.statistic) for column in summary.columns]
    labels, public = found.labels, found.public
    if summary.margins:
        totals = _margins(found)
        measured = [
            _with_totals(part, column, summary, totals, rows, found, borders, desk)
            for part, column in zip(measured, summary.columns, strict=True)
        ]
        labels = [*labels, *(label for total in totals for label in total.labels)]
        public = np.concatenate([public, *(total.public for total in totals)])
    return _decided(summary, asker, desk, tuple(key.name for key in summary.by), labels, public, measured, mixed)


def _groups(summary: Summary, rows: Rows, desk: Desk) -> Groups:
    def make() -> Groups:
        if not summary.by:
            return everything(len(rows))
        return groups(
            [rows.series(key.of) for key in summary.by],
            [type_of(key.of, summary.over.fields) for key in summary.by],
            keep_null=summary.keep_null,
            complete=_is_complete(summary, desk),
        )

    return rows.noted(_groups_of(summary, desk), make)


def _groups_of(summary: Summary, desk: Desk) -> str:
    keys = [digest(key.of) for key in summary.by]
    return f"groups {keys} {summary.keep_null} {_is_complete(summary, desk)}"


def _is_complete(summary: Summary, desk: Desk) -> bool:
    """Whether declared labels are all shown."""
    return summary.over.has_units and desk.policy.minimum_units > 0


def _selections(summary: Summary, found: Groups) -> list[Conditions]:
    """How the code selects the rows of each group: a label is the same condition as a filter's equality."""
    of_all = measures.selection(summary.over)
    of_label = [
        {label: measures.has_value(key.of, summary.over, label) for label in {labels[place] for labels in found.labels}}
        for place, key in enumerate(summary.by)
    ]
    return [of_all.union(*(of_label[place][label] for place, label in enumerate(labels))) for labels in found.labels]


def _margins(found: Groups) -> list[Groups]:
    """Coarser groups: of two keys, each alone and none; of any other number of keys, none. Codes are of groups."""
    whole = Groups(np.zeros(found.number, dtype=np.int32), [(MARGIN,) * len(found.parts)], np.ones(1, dtype=bool), [])
    if len(found.parts) != 2:
        return [whole]
    return [_margin(found, 0), _margin(found, 1), whole]


def _margin(found: Groups, kept: int) -> Groups:
    here, codes = np.unique(found.parts[kept], return_inverse=True)
    first = [int(np.argmax(codes == place)) for place in range(len(here))]
    labels: list[tuple[Label, ...]] = []
    for place in first:
        label = found.labels[place][kept]
        labels.append((label, MARGIN) if kept == 0 else (MARGIN, label))
    return Groups(codes.astype(np.int32), labels, found.public[first], [])


def _with_totals(
    part: Measurement,
    column: Column,
    summary: Summary,
    totals: list[Groups],
    rows: Rows,
    found: Groups,
    borders: Borders,
    desk: Desk,
) -> Measurement:
    """A column with its totals below. Rows of cells that are not shown are in no total (rule C13)."""
    shown: NDArray[np.bool_] = np.ones(found.number, dtype=bool)
    if rows.over.has_units:
        shown = passes(*part, desk.policy, borders)
    parts = [part]
    for place, total in enumerate(totals):
        of_group = np.append(np.where(shown, total.codes, -1), -1).astype(np.int32)  # the last is for no group
        selections = [frozenset({f"total {place}.{row} of {digest(summary)}"}) for row in range(total.number)]
        coarser = Columns(rows, Cells(of_group[found.codes], selections), desk.policy.minimum_units, borders)
        parts.append(coarser.column(column.name, column.statistic))
    return stack(parts)


def _correlation(correlation: Correlation, asker: Asker, desk: Desk) -> Answer:
    rows = _rows(correlation.over, [column.of for column in correlation.columns], [], desk)
    measured = pairs(correlation, rows, desk.policy.minimum_units)
    labels: list[tuple[Label, ...]] = [(column.name,) for column in correlation.columns]
    mixed = correlation.over.has_units and is_mixed(correlation.over)
    return _decided(correlation, asker, desk, ("",), labels, np.ones(len(labels), dtype=bool), measured, mixed)


def _rows(over: Relation, measured: list[Expression], keys: list[Expression], desk: Desk) -> Rows:
    expressions = {digest(expression): expression for expression in (*keys, *measured)}
    names = {key: f"v{place}" for place, key in enumerate(expressions)}
    named = tuple(Named(names[key], expression) for key, expression in expressions.items())
    frame = desk.engine.table(over, named, ordered=False)
    few: dict[str, int] = {}
    if over.has_units and desk.policy.minimum_units > 0:
        found = {digest(of): fewest(of, over, desk.engine) for of in measured}
        few = {key: number for key, number in found.items() if number is not None}
    return Rows(over, frame, names, few, desk.engine, desk.ledger.sketcher, desk.policy.minimum_units)


def _decided(
    aggregate: Summary | Correlation,
    asker: Asker,
    desk: Desk,
    keys: tuple[str, ...],
    labels: list[tuple[Label, ...]],
    public: NDArray[np.bool_],
    measured: list[Measurement],
    mixed: bool,
) -> Answer:
    candidate = Candidate(
        asker=asker,
        question=digest(aggregate),
        title=describe(aggregate),
        keys=keys,
        labels=tuple(labels),
        public_labels=public,
        columns=tuple(msgspec.structs.replace(column, mixed=mixed) for column, _ in measured),
        has_units=aggregate.over.has_units,
        mixed=mixed,
    )
    return decide(candidate, tuple(evidence for _, evidence in measured), desk.policy, desk.ledger)
