"""Crosses: crosstab and pivot_table. Of attributes they are released tables; by the unit they are rows per patient."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import groupby
from cleanroom_kernel.interpreter.binning import domain
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.results import Marks, attributed, carried, provenance_of, setting, threshold_sign

ALL = "All"


# -- crosstab ---------------------------------------------------------------------------------------------------------
def crosstab(
    index: Any,
    columns: Any,
    values: Any = None,
    rownames: Any = None,
    colnames: Any = None,
    aggfunc: Any = None,
    margins: bool = False,
    margins_name: Hashable = ALL,
    dropna: bool = True,
    normalize: Any = False,
) -> pd.DataFrame:
    rows, cols = _keys(index, rownames, "row"), _keys(columns, colnames, "col")
    names = [column.name for column in rows], [column.name for column in cols]
    if values is None:
        counts = side_by_side([*rows, *cols]).groupby([*names[0], *names[1]]).size()
        table = _crossed(counts, len(rows), empty=True)
        normalized = _normalized(table, normalize) if normalize else table
        return _with_totals(normalized, table, normalize, margins_name) if margins else normalized
    if margins or normalize:
        raise HandleError("Totals of values are no sums of the cells.", suggestion="Ask for them with a groupby.")
    frame = side_by_side([*rows, *cols, values.rename("values")])
    return _crossed(frame.groupby([*names[0], *names[1]])["values"].agg(aggfunc), len(rows), empty=False)


def _keys(keys: Any, names: Any, what: str) -> list[Column]:
    listed = list(keys) if isinstance(keys, (list, tuple)) else [keys]
    if not all(isinstance(key, Column) for key in listed):
        raise HandleError("crosstab takes columns of the room.")
    given = list(names) if names is not None else [None] * len(listed)
    spare = [f"{what}_{i}" for i in range(len(listed))]
    return [key.rename(name or key.name or other) for key, name, other in zip(listed, given, spare, strict=True)]


def _crossed(result: Any, n_rows: int, empty: bool) -> pd.DataFrame:
    """Released groups with the keys after the first `n_rows` as columns, and the marks of suppressed cells moved along.

    A combination that was not listed is empty or too small, which look the same: it is 0 only where the policy has no
    least number of patients.
    """
    levels = list(range(n_rows, result.index.nlevels))
    table = result.unstack(levels).sort_index(axis=1)
    absent = pd.Series(True, index=result.index).unstack(levels).sort_index(axis=1).isna()
    unknown: Marks = {}
    if empty:
        if setting("minimum_units", 0) > 1:
            unknown = dict.fromkeys(zip(*_labels_where(absent), strict=True), threshold_sign())
        else:
            table = table.where(~absent, 0)
        table = table if table.isna().any(axis=None) else table.astype("int64")
    return carried(table, result, lambda row, column: _crossed_label(row, column, n_rows), unknown)


def _labels_where(marks: pd.DataFrame) -> tuple[list[Hashable], list[Hashable]]:
    at_rows, at_columns = np.nonzero(marks.to_numpy())
    return list(marks.index[at_rows]), list(marks.columns[at_columns])


def _crossed_label(row: tuple[Hashable, ...], column: Hashable, n_rows: int) -> tuple[Hashable, Hashable]:
    first = row[0] if n_rows == 1 else row[:n_rows]
    rest = row[n_rows:] if column is None else (column, *row[n_rows:])
    return first, rest[0] if len(rest) == 1 else rest


def _normalized(table: pd.DataFrame, how: Any) -> pd.DataFrame:
    if how in (True, "all"):
        return table / table.sum().sum()
    if how == "index":
        return table.div(table.sum(axis=1), axis=0)
    if how == "columns":
        return table / table.sum()
    raise ValueError("Not a valid normalize argument")


def _with_totals(table: pd.DataFrame, counts: pd.DataFrame, how: Any, name: Hashable) -> pd.DataFrame:
    """Totals over the shown cells: public arithmetic, as pandas lays it out for each kind of shares."""
    rows, columns, total = counts.sum(axis=1, min_count=1), counts.sum(min_count=1), counts.sum().sum()
    result = table.copy()
    if how not in ("index",):
        result[_total_label(table.columns, name)] = rows if not how else rows / total
    if how not in ("columns",):
        last = columns if not how else columns / total
        if how != "index":
            last = pd.concat([last, pd.Series([total if not how else 1.0], index=[_total_label(table.columns, name)])])
        last.index = result.columns
        result.loc[_total_label(table.index, name), :] = last
    if not how and not result.isna().any(axis=None):
        result = result.astype("int64")
    gone = [(label, _total_label(table.columns, name)) for label in rows.index[rows.isna()]]
    gone += [(_total_label(table.index, name), label) for label in columns.index[columns.isna()]]
    return carried(result, table, more=dict.fromkeys(gone, threshold_sign()))


def _total_label(index: pd.Index, name: Hashable) -> Hashable:
    return (name, *[""] * (index.nlevels - 1)) if index.nlevels > 1 else name


# -- pivot_table ------------------------------------------------------------------------------------------------------
def pivot_table(
    data: Frame,
    values: Any = None,
    index: Any = None,
    columns: Any = None,
    aggfunc: Any = "mean",
    fill_value: Any = None,
    margins: bool = False,
    dropna: bool = True,
    margins_name: Hashable = ALL,
    observed: bool = True,
    sort: bool = True,
) -> Any:
    if margins:
        return _with_margins(data, values, index, columns, aggfunc, fill_value, margins_name)
    if isinstance(aggfunc, list):
        options = {"fill_value": fill_value, "dropna": dropna}
        parts = {_name_of(each): pivot_table(data, values, index, columns, each, **options) for each in aggfunc}
        return _side_by_side(parts)
    rows, cols = _labels(index), _labels(columns)
    keys = [*rows, *cols] if len(rows) + len(cols) > 1 else (rows or cols)[0]
    groups = groupby.groupby(data, keys, dropna=dropna)
    if groups._grouping.of_units:
        return _pivot_rows(data, values, rows, cols, aggfunc, fill_value)
    chosen = groups if values is None or isinstance(aggfunc, dict) else groups[values]
    result = chosen.agg(aggfunc)
    if isinstance(result, pd.Series):
        result = result.to_frame(result.name) if not cols else result
    result = _with_values(result) if dropna else result
    table = _crossed(result, len(rows), empty=False) if cols and rows else result
    table = table.sort_index() if table.index.hasnans else table
    if isinstance(values, list) and isinstance(table, pd.DataFrame):
        table = table.sort_index(axis=1)
    return table if fill_value is None else table.fillna(fill_value)


def _with_margins(data: Frame, values: Any, index: Any, columns: Any, aggfunc: Any, fill: Any, name: Hashable) -> Any:
    """Statistics of whole rows and columns are no sums of the cells: each margin is a question of its own."""
    rows, cols = _labels(index), _labels(columns)
    if len(rows) != 1 or len(cols) != 1 or not isinstance(aggfunc, str) or isinstance(values, list) or values is None:
        raise HandleError(
            "Margins are there for one column of values, one label on each side and one function.",
            suggestion='df.pivot_table("value", "row", "column", "mean", margins=True)',
        )
    table = pivot_table(data, values, rows[0], cols[0], aggfunc, fill)
    known = data.dropna(subset=[rows[0], cols[0], values])
    right, below = (known.groupby(key)[values].agg(aggfunc) for key in (rows[0], cols[0]))
    result = table.copy()
    result[name] = right.reindex(table.index)
    result.loc[name] = [*below.reindex(table.columns), known._column(values).agg(aggfunc)]
    return carried(result, table)


def _name_of(function: Any) -> str:
    return function if isinstance(function, str) else function.__name__


def _side_by_side(parts: dict[str, Any]) -> pd.DataFrame:
    """One table per function under its name, with the marks of all."""
    marks, receipts = {}, []
    for name, part in parts.items():
        known = provenance_of(part)
        receipts += known.receipts
        for (row, column), sign in known.marks.items():
            marks[row, (name, *(column if isinstance(column, tuple) else (column,)))] = sign
    return attributed(pd.concat(parts, axis=1), marks, *receipts)


def _with_values(result: Any) -> Any:
    """pandas leaves groups out that have no value at all; those whose values are not shown stay, to say so."""
    missing = result.isna() if isinstance(result, pd.Series) else result.isna().all(axis=1)
    hidden = {row for row, _ in provenance_of(result).marks}
    return result[~missing | np.array([row in hidden for row in result.index], dtype=bool)]


method(Frame)(pivot_table)


def _labels(keys: Any) -> list[Any]:
    return [] if keys is None else list(keys) if isinstance(keys, list) else [keys]


def _pivot_rows(data: Frame, values: Any, rows: list[Any], cols: list[Any], aggfunc: Any, fill_value: Any) -> Frame:
    """One row per unit key, one column per value of the other key: `labs.pivot_table("value", "stay", "test")`."""
    if len(cols) != 1 or isinstance(values, list) or values is None or not isinstance(aggfunc, str):
        raise HandleError(
            "A pivot to rows per patient takes one column of values, one of labels and one function.",
            suggestion='df.pivot_table(values="value", index="key", columns="label", aggfunc="mean")',
        )
    labels, source = data._column(cols[0]), data._column(values)
    spread = {label: source.where(labels == label) for label in domain(labels)}
    wide, keys = data[rows].copy(), rows if len(rows) > 1 else rows[0]
    for position, (label, column) in enumerate(spread.items()):
        wide[f"value {position}"] = column
        wide[f"there {position}"] = (labels == label).astype(int)
    asked = {f"{what} {i}": function for i in range(len(spread)) for what, function in _asked_of(aggfunc)}
    found = wide.groupby(keys).agg(asked)
    result = found[[f"value {i}" for i in range(len(spread))]]
    if len(_asked_of(aggfunc)) > 1:
        for position, name in enumerate(list(result._columns)):
            result[name] = result[name].where(found[f"there {position}"] == 1)
    twin = result._twin.copy()
    twin.columns = pd.Index(list(spread), name=cols[0])
    pivoted = Frame(result._rows, dict(zip(spread, result._columns.values(), strict=True)), twin, result._index)
    return pivoted if fill_value is None else pivoted.fillna(fill_value)


_OF_NOTHING = {"sum", "count", "nunique", "any", "all"}  # what has a value without rows; pandas has no such cell


def _asked_of(aggfunc: str) -> list[tuple[str, str]]:
    return [("value", aggfunc), ("there", "max")] if aggfunc in _OF_NOTHING else [("value", aggfunc)]


@method(Frame)
def pivot(self: Frame, *, columns: Any, index: Any = None, values: Any = None) -> Frame:
    """One row per unit key; where a label occurs twice for it, the first value."""
    return pivot_table(self, values, index, columns, "first")
