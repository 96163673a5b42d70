"""Reshaping rows: melt (columns under each other) and unstack (labels beside each other), both inside one patient."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.crosses import pivot_table
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.joins import concat
from cleanroom_kernel.interpreter.rehearsal import rehearse


@method(Frame)
def melt(
    self: Frame,
    id_vars: Any = None,
    value_vars: Any = None,
    var_name: Hashable = None,
    value_name: Hashable = "value",
    col_level: Any = None,
    ignore_index: bool = True,
) -> Frame:
    kept = _labels(id_vars)
    melted = _labels(value_vars) if value_vars is not None else [name for name in self._columns if name not in kept]
    if not melted:
        raise HandleError("There is no column to melt.", suggestion="value_vars names them.")
    rehearse(pd.DataFrame.melt, self, kept, melted, var_name, value_name)
    variable = "variable" if var_name is None else var_name
    parts = []
    for name in melted:
        part = self[[*kept, name]].rename(columns={name: value_name})
        part[variable] = name
        parts.append(part[[*kept, variable, value_name]])
    return concat(parts, ignore_index=True) if len(parts) > 1 else parts[0].reset_index(drop=True)


def _labels(names: Any) -> list[Hashable]:
    return [] if names is None else list(names) if isinstance(names, (list, tuple, pd.Index)) else [names]


@method(Column, name="unstack")
def unstack(self: Column, level: Any = -1, fill_value: Any = None, sort: bool = True) -> Frame:
    """The last level of the index as columns: one row per patient where `groupby([patient, label])` gave several."""
    if len(self._index) != 2 or level not in (-1, 1, self._twin.index.names[1]):
        raise HandleError(
            "unstack takes the label out of an index of a patient's key and one label.",
            suggestion="df.groupby(['patient_id', 'label'])['x'].max().unstack()",
        )
    keys = [f"level_{i}" if name is None else name for i, name in enumerate(self._twin.index.names)]
    flat = self.rename("value").rename_axis(keys).reset_index()
    return pivot_table(flat, "value", keys[0], keys[1], "first", fill_value)


@method(Frame, name="unstack")
def unstack_frame(self: Frame, level: Any = -1, fill_value: Any = None, sort: bool = True) -> Any:
    if len(self._columns) != 1:
        raise HandleError("unstack takes one column of values here.", suggestion="df['x'].unstack()")
    return unstack(self._column(next(iter(self._columns))), level, fill_value)
