"""Within: an expert's function of the rows of one group, as in `groupby(key).transform(lambda x: x.fillna(x.mean()))`.

The function is called once with a column in which a reduction is that of each row's own group, and shift, ffill, rank
or a rolling window go through the rows of one patient. What it computes of them is a column of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column

WIDEST = 60  # rows of a rolling window, each of which is a shift

Groups = Callable[[Column], Any]  # the group-by of one column

_running: list[Groups] = []


class Within(Column):
    """A column whose reductions and windows are those of each row's group."""

    def _grouped(self) -> Any:
        return _running[-1](self)

    def rolling(self, window: int, min_periods: int | None = None, **options: Any) -> Rolling:
        return Rolling(self._grouped(), window, min_periods, options)

    def expanding(self, min_periods: int = 1) -> Any:
        raise HandleError("A window from the first row on is cumsum, cummax, cummin or cumcount here.")


def _reduction(name: str) -> Callable[..., Any]:
    return lambda self, *args, **options: _again(self._grouped().transform(name, **options))


def _window(name: str) -> Callable[..., Any]:
    return lambda self, *args, **options: _again(getattr(self._grouped(), name)(*args, **options))


def _again(column: Column) -> Within:
    return Within(column._rows, column._expression, column._twin, column._index)


for _name in ("mean", "median", "std", "sum", "min", "max", "count", "first", "last", "nunique"):
    setattr(Within, _name, _reduction(_name))
for _name in ("shift", "diff", "pct_change", "cumsum", "cummax", "cummin", "ffill", "bfill", "rank"):
    setattr(Within, _name, _window(_name))


def computed(function: Callable[[Any], Any], column: Column, groups: Groups) -> Column:
    """What `function` makes of the rows of each group, for all rows at once."""
    _running.append(groups)
    try:
        found = function(_again(column))
    finally:
        _running.pop()
    if not isinstance(found, Column):
        raise HandleError(
            "A function of a group gives a column of its rows, or one statistic of them.",
            suggestion="For example: lambda x: x.fillna(x.mean()), or lambda x: (x > 7).mean().",
        )
    return Column(found._rows, found._expression, found._twin.rename(column.name), found._index)


class Rolling:
    """The last rows of one patient, each row included: `groupby(key).x.rolling(3).mean()`."""

    def __init__(self, groups: Any, window: Any, min_periods: int | None, options: dict[str, Any]) -> None:
        if not isinstance(window, (int, np.integer)) or not 1 <= window <= WIDEST or any(options.values()):
            raise HandleError(
                f"A rolling window is a number of rows up to {WIDEST} here.", suggestion="rolling(3, min_periods=1)"
            )
        self._groups = groups
        self._window = int(window)
        self._least = self._window if min_periods is None else int(min_periods)

    def _rows(self) -> list[Column]:
        now = self._groups.shift(0)
        return [now, *(self._groups.shift(periods) for periods in range(1, self._window))]

    def _known(self, rows: list[Column]) -> Column:
        return _total([row.notna().astype(int) for row in rows])

    def _where_enough(self, result: Column, rows: list[Column]) -> Column:
        return result.where(self._known(rows) >= max(self._least, 1))

    def count(self) -> Column:
        return self._known(self._rows()).astype(float)

    def sum(self) -> Column:
        rows = self._rows()
        return self._where_enough(_total([row.fillna(0) for row in rows]).astype(float), rows)

    def mean(self) -> Column:
        rows = self._rows()
        return self._where_enough(_total([row.fillna(0) for row in rows]) / self._known(rows), rows)

    def std(self, ddof: int = 1) -> Column:
        return np.sqrt(self.var(ddof))

    def var(self, ddof: int = 1) -> Column:
        rows, number = self._rows(), self._known(self._rows())
        mean = _total([row.fillna(0) for row in rows]) / number
        squares = _total([((row - mean) ** 2).fillna(0) for row in rows])
        return self._where_enough((squares / (number - ddof)).where(number > ddof), rows)

    def max(self) -> Column:
        return self._extreme(lambda one, other: one > other)

    def min(self) -> Column:
        return self._extreme(lambda one, other: one < other)

    def _extreme(self, better: Callable[[Any, Any], Any]) -> Column:
        rows = self._rows()
        best = rows[0]
        for row in rows[1:]:
            best = best.where(better(best, row) | row.isna(), row)
        return self._where_enough(best.astype(float), rows)


def _total(parts: list[Column]) -> Column:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result
