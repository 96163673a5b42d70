"""Relations that choose or reorder rows (Sort, Take, Sample, Split), and Predict, which needs them in order."""

from __future__ import annotations

import msgspec
import narwhals as nw
import numpy as np
import polars as pl

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.plan.relations import Predict, Sample, Sort, Split, Take
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.columns import ROW, UNIT, stored
from cleanroom_kernel.vault.draws import sampled, split
from cleanroom_kernel.vault.expressions import names_in, project
from cleanroom_kernel.vault.pending import Pending, collected, native
from cleanroom_kernel.vault.rows import Context, Names, Rows, Rule, hidden, kept_columns, over
from cleanroom_kernel.vault.store import RowNumbers, chosen, in_order
from cleanroom_kernel.vault.values import POLARS

_STRATUM = "v:stratum"


# -- Sort and Take ----------------------------------------------------------------------------------------------------
def _sort(relation: Sort, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    """Computed at once: a stable sort of rows in order is far quicker than one with ROW as its last key."""
    (rows,) = inputs
    keep = kept_columns(relation, needed)
    keys = {f"o:{number}": expression for number, expression in enumerate(relation.by)}
    pending = project(rows.pending, relation.over.fields, keys, keep, context, keys=tuple(keys))
    frame = in_order(collected(pending.frame), rows.bound)
    ordered = frame.sort(*keys, descending=list(relation.descending), nulls_last=True, maintain_order=True)
    return _renumbered(ordered.select(keep))


def _renumbered(frame: pl.DataFrame) -> Rows:
    """Rows as they stand, counted from 0."""
    counted = frame.with_columns(pl.Series(ROW, np.arange(frame.height)))
    return Rows(Pending.of(counted), frame.height, frame.height)


def _needs_of_sort(relation: Sort, needed: Names) -> tuple[Names, ...]:
    return (needed | names_in(relation.by),)


def _take(relation: Take, inputs: tuple[Rows, ...], needed: Names, _: Context) -> Rows:
    (rows,) = inputs
    ordered = native(rows.pending.frame.select(*kept_columns(relation, needed))).sort(ROW)
    taken = ordered.head(relation.n) if relation.n > 0 else ordered.tail(-relation.n)
    pending = rows.pending.then(nw.from_native(taken), operations=3)
    return Rows(pending, rows.bound, min(rows.most, abs(relation.n)))


# -- Sample and Split -------------------------------------------------------------------------------------------------
def _sample(relation: Sample, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs

    def draw() -> RowNumbers:
        in_row_order = np.sort(rows.collect(ROW).get_column(ROW).to_numpy())
        return in_row_order[sampled(relation, len(in_row_order), context.seeds.effective(relation.seed, "sample"))]

    return _chosen(relation, rows, needed, context.remembered(relation, draw))


def _split(relation: Split, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs

    def draw() -> RowNumbers:
        outputs = {} if relation.stratify is None else {_STRATUM: relation.stratify}
        pending = project(rows.pending, relation.over.fields, outputs, hidden(relation), context)
        frame = in_order(collected(pending.frame), rows.bound)
        units = frame.get_column(UNIT).to_numpy() if relation.has_units else np.arange(frame.height, dtype=np.int32)
        classes = None
        if relation.stratify is not None:
            ranks = frame.get_column(_STRATUM).rank("dense").cast(pl.Int64)
            classes = ranks.fill_null(0).to_numpy()
        seed = context.seeds.effective(relation.seed, "split")
        # Under a key nobody chooses who is in a fold, as it would be by the order of rows.
        drawn = msgspec.structs.replace(
            relation, shuffle=relation.shuffle or bool(relation.folds and context.seeds.keyed)
        )
        return frame.get_column(ROW).to_numpy()[split(drawn, frame.height, seed, units, classes)]

    return _chosen(relation, rows, needed, context.remembered(relation, draw))


def _needs_of_split(relation: Split, needed: Names) -> tuple[Names, ...]:
    return (needed if relation.stratify is None else needed | names_in([relation.stratify]),)


def _chosen(relation: Relation, rows: Rows, needed: Names, wanted: RowNumbers) -> Rows:
    """The rows whose numbers are `wanted`, in that order."""
    return _renumbered(chosen(rows.collect(*kept_columns(relation, needed)), wanted, rows.bound))


# -- Predict ----------------------------------------------------------------------------------------------------------
def _predict(relation: Predict, inputs: tuple[Rows, ...], needed: Names, context: Context) -> Rows:
    (rows,) = inputs
    if not needed & set(relation.names):
        return rows
    frame = in_order(rows.collect(*kept_columns(relation.over, needed - set(relation.names))), rows.bound)
    predicted = context.predictions(relation)
    columns = [
        _column(stored(name), predicted[:, number], relation.fields[name])
        for number, name in enumerate(relation.names)
        if name in needed
    ]
    return Rows(Pending.of(frame.with_columns(columns)), rows.bound, frame.height)


def _column(name: str, values: np.ndarray, field: Field) -> pl.Series:
    if field.dtype in (DType.STRING, DType.BOOLEAN):
        return pl.Series(name, values.tolist(), dtype=POLARS[field.dtype], strict=False)
    numbers = pl.Series(name, values.astype(np.float64)).fill_nan(None)
    return numbers.cast(POLARS[field.dtype], strict=False)


def _needs_of_predict(relation: Predict, needed: Names) -> tuple[Names, ...]:
    return (needed - set(relation.names),)


RULES: dict[type[Relation], Rule] = {
    Sort: Rule(over, _needs_of_sort, _sort),
    Take: Rule(over, lambda _, needed: (needed,), _take),
    Sample: Rule(over, lambda _, needed: (needed,), _sample),
    Split: Rule(over, _needs_of_split, _split),
    Predict: Rule(over, _needs_of_predict, _predict),
}
