"""Cleaning: rows that a fit or a score leaves out, so that no few patients decide whether there is an answer at all.

An error of scikit-learn's is an answer about the data: a value that is missing for one patient makes a fit fail that
would not fail without them. So labels that too few patients share are left out, as they are from tables; and so are
rows with a missing or an infinite value, if scikit-learn cannot do with them and they are of too few patients to be
told. Where they are many, the failure says nothing of anybody and is told.

Promise: what is left out depends on units and their border, never on the order of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.footprint import bitmap

Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]


def few(units: Codes, borders: Borders | None) -> bool:
    """Whether these rows are of fewer units than may be told of."""
    if borders is None or borders.minimum == 0:
        return False
    found = np.unique(units)
    return bool(len(found) < borders.least(np.array([len(found)]), lambda _: bitmap(found))[0])


def of_common_labels(labels: NDArray[Any], units: Codes, borders: Borders | None) -> Mask:
    """Rows whose label enough units share; a missing label is left for scikit-learn to refuse."""
    codes, names = pd.factorize(labels)
    rare = [place for place in range(len(names)) if few(units[codes == place], borders)]
    kept: Mask = ~np.isin(codes, rare)
    return kept


def complete(tables: list[Any], units: Codes, borders: Borders | None) -> Mask | None:
    """Rows without a missing or infinite value, if the others are of too few units to be told; else None."""
    whole = np.ones(len(units), dtype=bool)
    for table in tables:
        whole &= _finite(table)
    if whole.all() or not few(units[~whole], borders):
        return None
    return whole


def _finite(table: Any) -> Mask:
    """Rows of a table or a column in which nothing is missing."""
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    known = frame.notna().to_numpy().all(axis=1)
    numbers = frame.select_dtypes("number")
    finite: Mask = known & np.isfinite(numbers.to_numpy(dtype=np.float64)).all(axis=1)
    return finite
