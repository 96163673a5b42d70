"""Overview: describe and info, each from one question over all columns that it is about."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, CleanRoomWithheld
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.reductions import (
    ENDPOINTS,
    describing,
    label_of,
    statistic,
    term_of,
    without_identifiers,
)
from cleanroom_kernel.interpreter.rehearsal import rehearse
from cleanroom_kernel.interpreter.results import asked, carried, laid_out
from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import Summary
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Grid, Receipt


@method(Frame)
def describe(self: Frame, percentiles: Any = None, include: Any = None, exclude: Any = None) -> pd.DataFrame:
    frame = without_identifiers(self)
    template = rehearse(pd.DataFrame.describe, frame, percentiles, include, exclude).value
    return _described(frame, template)


@method(Column, name="describe")
def describe_column(self: Column, percentiles: Any = None, include: Any = None, exclude: Any = None) -> pd.Series:
    frame = Frame(self._rows, {self.name: self._expression}, self._twin.to_frame(self.name), self._index)
    template = self._twin.describe(percentiles)
    table = _described(frame, template.to_frame(self.name))
    return carried(table[self.name].rename(template.name), table, lambda row, column: (row, None))


def _described(frame: Frame, template: pd.DataFrame) -> pd.DataFrame:
    at: dict[tuple[int, int], int] = {}
    never: set[tuple[int, int]] = set()
    asking: list[aggregates.Column] = []
    for j, label in enumerate(template.columns):
        for i, row in enumerate(template.index):
            wanted = describing(frame._column(label), row)
            if wanted is not None:
                at[i, j] = len(asking)
                asking.append(aggregates.Column(label_of(str(row), label), wanted))
            elif row in ENDPOINTS and pd.notna(template.iloc[i, j]):
                never.add((i, j))
    build = laid_out(template, at, never)
    result = asked(Summary(frame._rows, tuple(asking)), build, template)
    return _with_most_frequent(frame, result)


def _with_most_frequent(frame: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """top and freq of text columns are the first row of their value counts."""
    if "top" not in table.index:
        return table
    for label in table.columns:
        if frame._column(label)._field.dtype in (DType.STRING, DType.BOOLEAN):
            counts = frame._column(label).value_counts().dropna()
            if len(counts):
                table[label] = table[label].astype(object)
                table.loc["top", label] = counts.index[0]
                table.loc["freq", label] = counts.iloc[0]
    return table


@method(Frame)
def info(
    self: Frame,
    verbose: bool | None = None,
    buf: Any = None,
    max_cols: int | None = None,
    memory_usage: Any = None,
    show_counts: bool | None = None,
) -> None:
    counts = None if show_counts is False else _counts(self)
    lines = ["<class 'pandas.DataFrame'> (rows stay in the room)"]
    if counts is not None:
        lines.append(f"Rows: {counts.iloc[-1]:,.0f}" if pd.notna(counts.iloc[-1]) else "Rows: not shown")
    lines.append(f"Data columns (total {len(self._columns)} columns):")
    table = pd.DataFrame({"Column": [str(name) for name in self._columns]})
    if counts is not None:
        table["Non-Null Count"] = [_count_text(value) for value in counts.iloc[:-1]]
    table["Dtype"] = [str(dtype) for dtype in self._twin.dtypes]
    lines.append(table.to_string(justify="left"))
    (buf if isinstance(buf, io.TextIOBase) else sys.stdout).write("\n".join(lines) + "\n")


def _count_text(value: float) -> str:
    return "not shown" if np.isnan(value) else f"{value:.0f} non-null"


def _counts(frame: Frame) -> pd.Series | None:
    """Non-null counts of all columns and the number of rows; None if the gate withholds them."""
    columns = [
        aggregates.Column(label_of("count", name), statistic("count", term_of(frame._column(name)), frame._rows))
        for name in frame._columns
    ]
    question = Summary(frame._rows, (*columns, aggregates.Column("rows", aggregates.Size())))

    def build(grid: Grid, receipt: Receipt) -> pd.Series:
        return pd.Series([np.nan if values[0] is None else values[0] for values in grid.values], dtype="float64")

    try:
        return asked(question, build, pd.Series(len(frame._twin), index=range(len(columns) + 1), dtype="float64"))
    except (CleanRoomWithheld, CleanRoomRefusal):
        return None
