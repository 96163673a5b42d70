"""Results: released answers as the pandas objects that pandas itself would have returned.

The rehearsal's result is the template: names, order of columns, dtypes and the kind of index come from it, the numbers
and the labels from the release. Suppressed cells are missing values in the object; where they are is remembered in
`.attrs["cleanroom"]`, with the receipt, so that displays can say so (display.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.connection import Foresight, current
from cleanroom_kernel.interpreter.errors import CleanRoomWithheld
from cleanroom_kernel.interpreter.literals import from_micros
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.protocol.release import Array, Artifact, Grid, Label, Number, Receipt, Results

Answer = TypeVar("Answer")

KEY = "cleanroom"


NEVER = "–"  # what no policy but the tests' shows at all, such as a minimum

Cell = tuple[Hashable, Hashable]  # label of the row, label of the column (None in a Series)
Marks = dict[Cell, str]  # cells that show no number, and what is shown instead


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: its receipts, and the cells that show no number."""

    receipts: tuple[Receipt, ...] = ()
    marks: Marks = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Provenance:
        """pandas copies attrs at every step; this never changes."""
        return self


def asked(aggregate: Aggregate, build: Callable[[Any, Receipt], Answer], template: Answer | None) -> Answer:
    """The released answer to `aggregate`, made by `build`; the template while questions are only being looked at."""
    try:
        payload, receipt = current().disclose(aggregate)
    except Foresight:
        if template is None:
            raise
        return template
    return build(payload, receipt)


def scalar(like: Any) -> Callable[[Grid, Receipt], Any]:
    """One number, of the type that pandas gives."""
    return lambda grid, receipt: number(grid.values[0][0], like)


def whole(grid: Grid, receipt: Receipt) -> int:
    """A number of rows; there is no missing value of that type."""
    value = grid.values[0][0]
    if value is None:
        raise CleanRoomWithheld("This number of rows is not shown.", suggestion="Widen the condition.")
    return int(value)


def number(value: Number, like: Any) -> Any:
    if isinstance(like, (pd.Timestamp, pd.Timedelta)) or like is pd.NaT:
        if value is None:
            return pd.NaT
        return from_micros(value, "timedelta64[us]" if isinstance(like, pd.Timedelta) else "datetime64[us]")
    if value is None:
        return np.float64("nan")
    if isinstance(like, np.integer) and abs(value) > np.iinfo(like.dtype).max:
        return np.int64(value)  # pandas' narrower integers overflow silently; the room's do not
    if isinstance(like, (bool, np.bool_, int, np.integer, float, np.floating)):
        return type(like)(value)
    return np.float64(value)


def listed(template: pd.Series | None, labels: Sequence[Hashable]) -> Callable[[Grid, Receipt], pd.Series]:
    """A Series of statistics over all rows, one per column of the grid."""

    def build(grid: Grid, receipt: Receipt) -> pd.Series:
        index = template.index if template is not None else pd.Index(labels)
        values = _values([column[0] for column in grid.values], None if template is None else template.dtype)
        small = threshold_sign()
        marks = {(label, None): small for label, (mark,) in zip(index, grid.suppressed, strict=True) if mark}
        return attributed(pd.Series(values, index=index, name=getattr(template, "name", None)), marks, receipt)

    return build


def laid_out(template: pd.DataFrame, at: dict[tuple[int, int], int], never: set[tuple[int, int]]) -> Any:
    """A table of statistics over all rows, as describe gives: cell (i, j) is column `at[i, j]` of the grid."""

    def build(grid: Grid, receipt: Receipt) -> pd.DataFrame:
        result, marks, small = template.copy(), {}, threshold_sign()
        for j, label in enumerate(template.columns):
            found = [at.get((i, j), -1) for i in range(len(template))]
            values = [None if position < 0 else grid.values[position][0] for position in found]
            if template[label].dtype == object:
                cells = [number(value, like) for value, like in zip(values, template[label], strict=True)]
                result[label] = pd.Series(cells, index=template.index, dtype=object)
            else:
                result[label] = pd.Series(_values(values, template[label].dtype), index=template.index)
            for i, position in enumerate(found):
                if position >= 0 and grid.suppressed[position][0]:
                    marks[template.index[i], label] = small
                elif (i, j) in never:
                    marks[template.index[i], label] = NEVER
        return attributed(result, marks, receipt)

    return build


def groups(
    grid: Grid,
    receipt: Receipt,
    keys: Sequence[pd.Series],
    template: pd.Series | pd.DataFrame,
    at: Sequence[int] | None = None,
    sort: bool = True,
) -> Any:
    """Statistics per group. `keys` are the twins of the group keys, from which the labels have their types.

    Column j of the result is column `at[j]` of the grid, and never shown where that is -1.
    """
    index = labels_index(grid.rows, keys)
    never = (None,) * len(index), (NEVER,) * len(index)
    small = threshold_sign()
    signs = [tuple(small if mark else "" for mark in column) for column in grid.suppressed]
    cells = [never if j < 0 else (grid.values[j], signs[j]) for j in (range(len(grid.columns)) if at is None else at)]
    by_column: dict[Hashable, tuple[str, ...]]
    if isinstance(template, pd.Series):
        result: Any = pd.Series(_values(cells[0][0], template.dtype), index=index, name=template.name)
        by_column = {None: cells[0][1]}
    else:
        data = [_values(values, dtype) for (values, _), dtype in zip(cells, template.dtypes, strict=True)]
        result = pd.DataFrame(dict(enumerate(data)), index=index)
        result.columns = template.columns
        by_column = {name: column for name, (_, column) in zip(template.columns, cells, strict=True)}
    marks = {
        (label, name): sign
        for name, column in by_column.items()
        for label, sign in zip(index, column, strict=True)
        if sign
    }
    result = result.sort_index(kind="stable") if sort and len(result) > 1 else result
    return attributed(result, marks, receipt)


def renumbered(result: pd.Series | pd.DataFrame, name: Hashable = None) -> pd.DataFrame:
    """`result.reset_index()`, with the marks of its suppressed cells moved along."""
    positions = {label: position for position, label in enumerate(result.index)}
    table = result.reset_index(name=name) if name is not None else result.reset_index()
    last = table.columns[-1]
    return carried(table, result, lambda row, column: (positions[row], last if column is None else column))


def labels_index(rows: Sequence[tuple[Label, ...]], keys: Sequence[pd.Series]) -> pd.Index:
    """The index that pandas' groupby gives for these labels."""
    if len(keys) == 1:
        labels = _labels([row[0] for row in rows], keys[0])
        return pd.Index(labels, name=keys[0].name, dtype=labels.dtype)
    levels = [_labels([row[i] for row in rows], key) for i, key in enumerate(keys)]
    return pd.MultiIndex.from_arrays(levels, names=[key.name for key in keys])


def _labels(labels: list[Label], key: pd.Series) -> Any:
    dtype = key.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return pd.PeriodIndex([pd.NaT if label is None else label for label in labels], dtype=dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        by_text = {str(category): category for category in dtype.categories}
        found = [by_text.get(str(label), label) for label in labels]
        return pd.Categorical(found, dtype=_categories_of(dtype, [value for value in found if not pd.isna(value)]))
    if pd.api.types.is_integer_dtype(dtype) and any(label is None for label in labels):
        dtype = "float64"
    if pd.api.types.is_numeric_dtype(dtype) or isinstance(dtype, pd.StringDtype):
        return pd.Series(labels, dtype=dtype).array
    return pd.Series([np.nan if label is None else label for label in labels], dtype=object).array


def _categories_of(dtype: pd.CategoricalDtype, labels: list[Any]) -> pd.CategoricalDtype:
    """The twin's categories; those of a column whose labels nobody has declared are the released ones."""
    if all(label in dtype.categories for label in labels):
        return dtype
    return pd.CategoricalDtype(sorted(set(labels)), ordered=dtype.ordered)


def _values(values: Sequence[Number], dtype: Any) -> Any:
    """A column of numbers in the dtype of the template; one with gaps as pandas has it."""
    if dtype is not None and (pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype)):
        return pd.Series(
            [pd.NaT if value is None else from_micros(value, dtype) for value in values], dtype=dtype
        ).array
    if dtype is not None and pd.api.types.is_integer_dtype(dtype) and all(value is not None for value in values):
        return np.array([int(value or 0) for value in values], dtype=dtype)
    return np.array([np.nan if value is None else value for value in values], dtype="float64")


def attributed(result: Answer, marks: Marks, *receipts: Receipt) -> Answer:
    """`result` with its provenance."""
    result.attrs[KEY] = Provenance(receipts, marks)  # type: ignore[attr-defined]
    return result


def carried(
    result: Answer, source: Any, move: Callable[[Any, Any], Cell] | None = None, more: Marks | None = None
) -> Answer:
    """`result`, made of the released `source`, with its provenance; `move` tells where a marked cell has gone."""
    known = provenance_of(source)
    marks = {(move(*cell) if move else cell): sign for cell, sign in known.marks.items()}
    return attributed(result, {**marks, **(more or {})}, *known.receipts)


def provenance_of(result: Any) -> Provenance:
    """That of a released result, or an empty one."""
    found = getattr(result, "attrs", {}).get(KEY)
    return found if isinstance(found, Provenance) else Provenance()


def array(payload: Array) -> np.ndarray:
    """A released attribute of a model."""
    values = payload.labels or tuple(np.nan if value is None else value for value in payload.values)
    texts = [isinstance(value, str) for value in values]
    mixed = any(texts) and not all(texts)  # NumPy would write the numbers among texts out
    return np.array(values, dtype=object if mixed else None).reshape(payload.shape)


def of_job(payload: Results, receipt: Receipt) -> dict[str, Any]:
    """What a job gave, by name: numbers, DataFrames, and arrays by name."""
    tables = {named.name: _of_job(named.grid, receipt) for named in payload.tables}
    files = {file.name.removesuffix(".safetensors"): _tensors(file) for file in payload.files}
    return {**dict(payload.scalars), **tables, **files}


def _of_job(grid: Grid, receipt: Receipt) -> pd.DataFrame:
    keys = {key: [row[place] for row in grid.rows] for place, key in enumerate(grid.keys)}
    return attributed(pd.DataFrame({**keys, **dict(zip(grid.columns, grid.values, strict=True))}), {}, receipt)


def _tensors(file: Artifact) -> Any:
    """Arrays where the package is there, else the bytes; the file is on the expert's machine in any case."""
    try:
        import safetensors.numpy
    except ImportError:
        return file.content
    return safetensors.numpy.load(file.content)


def setting(name: str, default: Any) -> Any:
    """A number of the owner's policy."""
    return next((entry.value for entry in current().welcome.settings if entry.name == name), default)


def threshold_sign() -> str:
    """How a suppressed cell is shown: below the least number of patients."""
    return f"<{setting('minimum_units', 'k')}"


def endpoints_shown() -> bool:
    """Whether the policy lets minimum and maximum out; they are one person's values."""
    return bool(setting("endpoints", False))
