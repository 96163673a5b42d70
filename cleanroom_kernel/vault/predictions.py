"""Predictions: which models a question uses, and what may be done with the predictions of one that is not released.

A model may remember a single patient, so what it says of rows of the asker's choosing is a release of it. Scores and
tables of such predictions are taken all the same where the asker has no choice of rows: on either side of a split, made
under the vault's own key, of which the model was fitted to one side whole (a side of a side, too). Who is on which side
is then nobody's decision, so that no patient can be put alone with a group whose predictions would show them. Features
and truth must be those of the fit, its rows are not weighted, and what the model says chooses no rows.

What this does not stop: features that are made up, patient by patient, so that one of them is the nearest neighbour of
many. A policy that must rule that out has `held_out_scores` off: then only models that may be released are scored.

Promise: looks at plans alone, never at a row.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.plan.aggregates import Correlation, Metric, Summary
from cleanroom_kernel.plan.bases import Aggregate, Relation
from cleanroom_kernel.plan.expressions import Expression, Named, Value
from cleanroom_kernel.plan.models import Fit, Method
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.relations import (
    Assign,
    Distinct,
    Filter,
    How,
    Join,
    PerUnit,
    Predict,
    Sample,
    Select,
    Sort,
    Split,
    Take,
    Window,
)
from cleanroom_kernel.vault.expressions import names_in
from cleanroom_kernel.vault.relations import RULES, inputs_of

_KEEPING = (Assign, Window, Predict)
_NARROWING = (Filter, Sort, Take, Sample, Distinct, Split)


# -- which models a question uses -------------------------------------------------------------------------------------
def used_by(aggregate: Aggregate) -> list[Predict]:
    """Predictions that enter an aggregate, by whatever way."""
    if isinstance(aggregate, Summary):
        statistics = [column.statistic.of for column in aggregate.columns if hasattr(column.statistic, "of")]
        return used(aggregate.over, [*statistics, *(key.of for key in aggregate.by)])
    if isinstance(aggregate, Correlation):
        return used(aggregate.over, [column.of for column in aggregate.columns])
    if isinstance(aggregate, Metric):
        return used(aggregate.over, [aggregate.truth, *aggregate.predicted])
    if isinstance(aggregate, Fit):
        return used(aggregate.over, _inputs(aggregate))
    return []


def used(over: Relation, expressions: Iterable[Expression]) -> list[Predict]:
    """Predictions that `expressions`, or the choice of the rows of `over`, depend on."""
    order = _outputs_first(over)
    needs: dict[int, frozenset[str]] = {id(over): frozenset(names_in(expressions))}
    found = []
    for part in order:
        needed = needs.get(id(part), frozenset())
        wanted = list(RULES[type(part)].needs(part, needed))
        if isinstance(part, Predict) and needed & set(part.names):
            found.append(part)
            wanted[0] |= frozenset(names_in(column.of for column in part.inputs))
        for given, names in zip(inputs_of(part), wanted, strict=True):
            needs[id(given)] = needs.get(id(given), frozenset()) | names
    return found


def _outputs_first(over: Relation) -> list[Relation]:
    """Every relation that `over` is made from, none before what is made from it."""
    order: list[Relation] = []
    done: set[int] = set()
    stack: list[tuple[Relation, bool]] = [(over, False)]
    while stack:
        part, expanded = stack.pop()
        if id(part) in done:
            continue
        if expanded:
            done.add(id(part))
            order.append(part)
        else:
            stack.append((part, True))
            stack.extend((given, False) for given in inputs_of(part) if id(given) not in done)
    return order[::-1]


def _inputs(fit: Fit) -> list[Expression]:
    given = [column.of for column in fit.features]
    return given + [part for part in (fit.target, fit.weight) if part is not None]


# -- scores of a model that is not released ---------------------------------------------------------------------------
def held_out(aggregate: Metric | Summary, predict: Predict) -> bool:
    """Whether a score or a table may be made of `predict`, whatever model it is of."""
    fit, over = predict.fit, aggregate.over
    sides = _sides_of(fit.over)
    return (
        bool(sides)
        and fit.weight is None
        and bool(sides & _splits_of(over))
        and _same_features(predict)
        and not _is_among(predict, used(over, ()))
        and (isinstance(aggregate, Summary) or _same_truth(aggregate, fit))
        and (isinstance(aggregate, Summary) or not _is_among(predict, used(over, [aggregate.truth])))
    )


def _is_among(predict: Predict, others: list[Predict]) -> bool:
    return digest(predict) in {digest(other) for other in others}


def _same_features(predict: Predict) -> bool:
    fitted = [measures.statistic_of("feature", column.of, predict.fit.over) for column in predict.fit.features]
    asked = [measures.statistic_of("feature", column.of, predict.over) for column in predict.inputs]
    return fitted == asked


def _same_truth(metric: Metric, fit: Fit) -> bool:
    if fit.target is None:
        return True
    asked = measures.statistic_of("truth", metric.truth, metric.over)
    return asked == measures.statistic_of("truth", fit.target, fit.over)


def _sides_of(rows: Relation) -> set[str]:
    """The splits of which `rows` are a side, whole: between them, nothing may choose."""
    found: set[str] = set()
    while (below := _kept(rows)) is not None or isinstance(rows, Split):
        if below is None:
            assert isinstance(rows, Split)
            if not is_by_lot(rows):
                break
            found.add(_split(rows))
            below = rows.over
        rows = below
    return found


def is_by_lot(split: Split) -> bool:
    """Whether nobody but the vault's key decides who is on which side."""
    return split.shuffle or (split.by_unit and not split.folds)


def _splits_of(rows: Relation) -> set[str]:
    """The splits of which `rows` are some rows of a side."""
    found: set[str] = set()
    while (below := _kept(rows)) is not None or isinstance(rows, _NARROWING):
        if isinstance(rows, Split):
            found.add(_split(rows))
        rows = below if below is not None else rows.over
    return found


def _kept(rows: Relation) -> Relation | None:
    """What `rows` are the very rows of, with more columns; None if they are of something else."""
    if isinstance(rows, _KEEPING):
        return rows.over
    return rows.left if isinstance(rows, Join) and _adds_per_unit(rows) else None


def _adds_per_unit(join: Join) -> bool:
    """Whether a join adds to every row something of its own unit, and nothing else."""
    return (
        join.how is How.LEFT
        and isinstance(join.right, PerUnit)
        and set(join.right_on) == set(join.right.by)
        and join.left_on == join.right_on
    )


def _split(split: Split) -> str:
    """Identity of a split, whichever side, whatever columns its rows have besides those that it needs."""
    needed = frozenset() if split.stratify is None else frozenset(names_in([split.stratify]))
    over = _bare(split.over, needed)
    return digest(msgspec.structs.replace(split, over=over, side=type(split.side).TRAIN))


def _bare(rows: Relation, needed: frozenset[str]) -> Relation:
    """`rows` without the steps that only add columns which are not needed."""
    steps: list[Relation] = []
    while True:
        below = _kept(rows)
        if below is not None:
            added = frozenset(rows.fields) - frozenset(below.fields) | _replaced(rows)
            if added & needed:
                needed = RULES[type(rows)].needs(rows, needed)[0] | (needed - added)
                if isinstance(rows, Predict):
                    needed |= frozenset(names_in(column.of for column in rows.inputs))
                steps.append(rows)
            rows = below
        elif isinstance(rows, _NARROWING):
            needed = RULES[type(rows)].needs(rows, needed)[0]
            steps.append(rows)
            rows = rows.over
        else:
            break
    for step in reversed(steps):
        rows = msgspec.structs.replace(step, **{"left" if isinstance(step, Join) else "over": rows})
    return rows


def _replaced(rows: Relation) -> frozenset[str]:
    """Columns that a step gives itself, new or in the place of others."""
    if isinstance(rows, Assign):
        return frozenset(column.name for column in rows.columns)
    if isinstance(rows, Window):
        return frozenset({rows.name})
    return frozenset(rows.names) if isinstance(rows, Predict) else frozenset()


# -- features that a model which is not released has made -------------------------------------------------------------
def passed_on(fit: Fit, predict: Predict) -> bool:
    """Whether a fit uses the columns of a transformer only as they are: not computed with, not to choose rows."""
    if predict.method is not Method.TRANSFORM:
        return False
    bare = [column.of for column in fit.features if _source(fit.over, column.of) is predict]
    others = [of for of in _inputs(fit) if not any(of is one for one in bare)]
    return bool(bare) and not any(one is predict for one in used(fit.over, others))


def _source(rows: Relation, of: Expression) -> Relation | None:
    """The step that gives a column, if it comes to `rows` as it is."""
    while isinstance(of, Value):
        if isinstance(rows, Predict) and of.name in rows.names:
            return rows
        if isinstance(rows, Select):
            of = _selected(rows.columns, of.name)
            rows = rows.over
        elif (isinstance(rows, _KEEPING) and of.name not in _replaced(rows)) or isinstance(rows, _NARROWING):
            rows = rows.over
        else:
            return None
    return None


def _selected(columns: tuple[Named, ...], name: str) -> Expression:
    return next(column.of for column in columns if column.name == name)
