"""Training: the rows of a fit, of a prediction or of a score, as scikit-learn takes them.

Promise: what it gives stays in the vault. Columns have the types with which pandas would have read them, in the order
in which pandas would have the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.plan.expressions import Field, Named, type_of
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.vault.columns import UNIT
from cleanroom_kernel.vault.engine import Engine

_TARGET, _WEIGHT = "t:", "w:"

Codes = NDArray[np.int32]


class Training(Struct, frozen=True, eq=False):
    """`units` are codes of the whole room; `fields` are the static types of the columns of `X`."""

    X: pd.DataFrame
    fields: tuple[Field, ...]
    y: NDArray[Any] | None
    weight: NDArray[np.float64] | None
    units: Codes

    def at(self, kept: NDArray[np.bool_]) -> Training:
        """Some of the rows."""
        if kept.all():
            return self
        return Training(
            X=self.X[kept].reset_index(drop=True),
            fields=self.fields,
            y=None if self.y is None else self.y[kept],
            weight=None if self.weight is None else self.weight[kept],
            units=self.units[kept],
        )

    @property
    def content(self) -> NDArray[np.uint64]:
        """What is in each row, as a number."""
        table = self.X if self.y is None else self.X.assign(**{_TARGET: self.y})
        return pd.util.hash_pandas_object(table, index=False).to_numpy()


def training(fit: Fit, engine: Engine, *, as_numbers: bool) -> Training:
    """The rows that a fit is made on. With `as_numbers` all features are floats, if they are numbers at all."""
    if not fit.over.has_units:
        raise PlanError(
            "Models are fitted to rows of patients here, not to a public table.",
            rule="estimators",
            suggestion="Merge the public table with one of patients.",
        )
    named = _renamed(fit.features)
    if fit.target is not None:
        named = (*named, Named(_TARGET, fit.target))
    if fit.weight is not None:
        named = (*named, Named(_WEIGHT, fit.weight))
    frame = engine.table(fit.over, named)
    fields = tuple(type_of(feature.of, fit.over.fields) for feature in fit.features)
    return Training(
        X=matrix(frame, fit.feature_names, fields, as_numbers=as_numbers),
        fields=fields,
        y=None if fit.target is None else labels(frame.get_column(_TARGET)),
        weight=None if fit.weight is None else frame.get_column(_WEIGHT).cast(pl.Float64).to_numpy(),
        units=frame.get_column(UNIT).to_numpy(),
    )


def features(predict: Predict, engine: Engine, *, as_numbers: bool) -> pd.DataFrame:
    """The rows that a model is to predict, in row order."""
    fields = tuple(type_of(feature.of, predict.over.fields) for feature in predict.inputs)
    frame = engine.table(predict.over, _renamed(predict.inputs))
    return matrix(frame, predict.fit.feature_names, fields, as_numbers=as_numbers)


def matrix(frame: pl.DataFrame, names: tuple[str, ...], fields: tuple[Field, ...], *, as_numbers: bool) -> pd.DataFrame:
    """Features, kept in `frame` by their positions, under their names."""
    columns = [frame.get_column(_name(place)) for place in range(len(names))]
    if as_numbers and all(field.dtype.is_numeric for field in fields):
        values = np.empty((frame.height, len(names)), dtype=np.float64, order="F")
        for place, column in enumerate(columns):
            values[:, place] = column.cast(pl.Float64).to_numpy()
        return pd.DataFrame(values, columns=list(names), copy=False)
    made = {place: as_pandas(column) for place, column in enumerate(columns)}
    table = pd.DataFrame(made, copy=False)
    table.columns = pd.Index(names)
    return table


def as_pandas(column: pl.Series) -> pd.Series:
    """Integers with gaps are floats, booleans with gaps are objects."""
    if column.dtype == pl.Boolean and column.null_count():
        return pd.Series([np.nan if value is None else value for value in column.to_list()], dtype=object)
    if column.dtype == pl.String:
        return pd.Series(column.to_list(), dtype="str")
    if column.dtype.is_temporal():
        return pd.Series(column.to_numpy())
    if column.dtype == pl.Int64 and column.null_count():
        column = column.cast(pl.Float64)
    return pd.Series(column.to_numpy(writable=False), copy=False)


def labels(column: pl.Series) -> NDArray[Any]:
    """A target as an array; text as objects, as scikit-learn's own label checks expect."""
    if column.dtype == pl.String:
        return np.array(column.to_list(), dtype=object)
    return as_pandas(column).to_numpy()


def _renamed(columns: tuple[Named, ...]) -> tuple[Named, ...]:
    """By position: names of features are the expert's, and may be anything."""
    return tuple(Named(_name(place), column.of) for place, column in enumerate(columns))


def _name(place: int) -> str:
    return f"x:{place}"
