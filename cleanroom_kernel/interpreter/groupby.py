"""Group-by: keys that include the unit give rows (perunit.py), others give statistics (grouped.py)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter import contexts, grouped, perunit, within
from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.grouping import Grouping, Key
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.probes import Answering, Compound, NoStatistic, is_statistic
from cleanroom_kernel.interpreter.reductions import STATISTICS
from cleanroom_kernel.plan.nodes import digest


@method(Frame)
def groupby(
    self: Frame,
    by: Any = None,
    level: Any = None,
    *,
    as_index: bool = True,
    sort: bool = True,
    group_keys: bool = True,
    observed: bool = True,
    dropna: bool = True,
) -> GroupBy:
    frame, keys = _keys(self, by, level)
    return GroupBy(Grouping(frame, keys, None, as_index, sort, observed, dropna))


@method(Column, name="groupby")
def groupby_column(
    self: Column,
    by: Any = None,
    level: Any = None,
    *,
    as_index: bool = True,
    sort: bool = True,
    group_keys: bool = True,
    observed: bool = True,
    dropna: bool = True,
) -> GroupBy:
    name = "values" if self.name is None else self.name
    single = Frame(self._rows, {name: self._expression}, self._twin.to_frame(name), self._index)
    frame, keys = _keys(single, by, level)
    keys = tuple(replace(key, label=None) for key in keys)
    return GroupBy(Grouping(frame, keys, name, as_index, sort, observed, dropna))


def _keys(frame: Frame, by: Any, level: Any) -> tuple[Frame, tuple[Key, ...]]:
    """The keys as expressions over the frame's rows, which a key from elsewhere may add columns to."""
    if level is not None or by is None:
        if by is not None or not frame._index:
            raise HandleError("Rows of the room have no labels to group by.", suggestion="groupby('column')")
        positions = range(len(frame._index))
        return frame, tuple(_level(frame, i) for i in positions)
    rows, keys = frame._rows, []
    for wanted in by if isinstance(by, list) else [by]:
        if isinstance(wanted, Column):
            rows, expression = contexts.align(rows, wanted._rows, wanted._expression)
            keys.append(Key(_own_label(frame, wanted), wanted.name, expression, wanted._twin))
        elif isinstance(wanted, Hashable) and wanted in frame._columns:
            keys.append(Key(wanted, wanted, frame._columns[wanted], frame._twin[wanted]))
        elif wanted in frame._twin.index.names and wanted is not None:
            keys.append(_level(frame, list(frame._twin.index.names).index(wanted)))
        elif isinstance(wanted, str):
            raise KeyError(wanted)
        elif callable(wanted) or isinstance(wanted, (dict, pd.Grouper)):
            raise HandleError("Group keys are columns here.", suggestion="Compute a column first, such as .dt.year.")
        else:
            raise row_vector()
    return Frame(rows, frame._columns, frame._twin, frame._index), tuple(keys)


def _own_label(frame: Frame, key: Column) -> Hashable | None:
    """The label of a key that is a column of the frame itself: pandas leaves it out of the columns to reduce."""
    own = frame._columns.get(key.name)
    return key.name if own is not None and digest(own) == digest(key._expression) else None


def _level(frame: Frame, position: int) -> Key:
    twin = frame._twin.index.get_level_values(position)
    return Key(None, twin.name, frame._index[position], pd.Series(twin, index=frame._twin.index))


_OF = "what is computed of a group"


class GroupBy:
    """Behaves like pandas' DataFrameGroupBy and SeriesGroupBy."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._maker = perunit if grouping.of_units else grouped

    def __getitem__(self, key: Any) -> GroupBy:
        labels = list(key) if isinstance(key, (list, pd.Index, tuple)) else key
        for label in labels if isinstance(labels, list) else [labels]:
            self._grouping.frame._twin[label]
        return GroupBy(replace(self._grouping, chosen=labels))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._grouping.frame._columns:
            return self[name]
        known = pd.core.groupby.SeriesGroupBy if self._grouping.is_series else pd.core.groupby.DataFrameGroupBy
        if name.startswith("_") or not hasattr(known, name):
            raise AttributeError(f"{known.__name__!r} object has no attribute {name!r}")
        raise Unavailable(
            f"groupby(…).{name} is not available for rows in a clean room.",
            suggestion="Statistics are there (mean, agg, describe, value_counts), and with the patient's id among the "
            "keys shift, cumsum, rank, first and transform.",
        )

    def __dir__(self) -> Iterable[str]:
        columns = [name for name in self._grouping.frame._columns if isinstance(name, str) and name.isidentifier()]
        return [*columns, *(name for name in dir(type(self)) if not name.startswith("_"))]

    def __repr__(self) -> str:
        keys = ", ".join(str(key.name) for key in self._grouping.keys)
        kind = "rows per unit" if self._maker is perunit else "statistics of many units"
        return f"<group-by of {keys}: gives {kind}>"

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Groups whose labels may be shown, each as a filtered handle."""
        self._only_attributes("Iterating over groups")
        for label, parts in grouped.each(self._grouping):
            yield label, self._group(parts)

    def __len__(self) -> int:
        return self.ngroups

    @property
    def ngroups(self) -> int:
        return len(self.size())

    @property
    def groups(self) -> dict[Any, Any]:
        """Labels that may be shown, each with the rows of its group."""
        self._only_attributes("groups")
        return {label: self._group(parts).index for label, parts in grouped.each(self._grouping)}

    def filter(self, func: Any, dropna: bool = True) -> Any:
        raise HandleError(
            "A function of a group's rows has no answer for each group here.",
            suggestion="Per patient: df[df.groupby('patient_id')['x'].transform('count') > 2].",
        )

    def get_group(self, name: Any) -> Any:
        self._only_attributes("get_group")
        return self._group(name if isinstance(name, tuple) else (name,))

    def _group(self, labels: tuple[Any, ...]) -> Any:
        frame, condition = self._grouping.frame, None
        for key, label in zip(self._grouping.keys, labels, strict=True):
            column = Column(frame._rows, key.expression, key.twin, frame._index)
            same = column.isna() if pd.api.types.is_scalar(label) and pd.isna(label) else column == label
            condition = same if condition is None else condition & same
        chosen = self._grouping.chosen
        return (frame if chosen is None else frame[chosen])[condition]

    def _only_attributes(self, what: str) -> None:
        if self._maker is perunit:
            raise HandleError(f"{what} would go through single patients.", suggestion="Use agg, transform or a window.")

    # -- statistics, or rows per unit ---------------------------------------------------------------------------------
    def size(self) -> Any:
        return self._maker.size(self._grouping)

    def agg(self, func: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._maker.aggregate(self._grouping, func, args, kwargs)
        except Compound:
            return self._piecewise(func, kwargs)

    def _piecewise(self, func: Any, named: dict[str, Any]) -> Any:
        """One question per column and function, where a function computes with several statistics of its group."""
        grouping = self._grouping
        if callable(func):
            parts = {label: self._one(label, func) for label in grouping.labels()}
            result = parts[grouping.chosen] if grouping.is_series else _beside(parts)
        elif func is None and not grouping.is_series:
            result = _beside({name: self._one(label, function) for name, (label, function) in named.items()})
        elif func is None:
            result = _beside({name: self._one(grouping.chosen, function) for name, function in named.items()})
        elif isinstance(func, dict):
            parts = {(label, each): self._one(label, each) for label, of in func.items() for each in _listed(of)}
            plain = not any(isinstance(of, list) for of in func.values())
            result = _beside({label if plain else (label, _name(each)): part for (label, each), part in parts.items()})
        else:
            result = _beside({_name(each): self._one(grouping.labels()[0], each) for each in _listed(func)})
        return result if grouping.as_index else result.reset_index()

    def _one(self, label: Hashable, function: Any) -> Any:
        single = GroupBy(replace(self._grouping, chosen=label, as_index=True))
        try:
            return single._maker.aggregate(single._grouping, function, (), {})
        except Compound:
            return single._computed(function)

    aggregate = agg

    def apply(self, func: Any, *args: Any, include_groups: bool = False, **kwargs: Any) -> Any:
        try:
            return self._maker.apply(self._grouping, func, args, kwargs)
        except Compound:
            return self._computed(lambda group: func(group, *args, **kwargs))
        except NoStatistic:
            if not self._grouping.is_series:
                raise
            return self._within(lambda group: func(group, *args, **kwargs))

    def _computed(self, function: Callable[[Any], Any]) -> Any:
        """What a function computes of several statistics of its group, for all groups at once."""

        def reduce(column: Column, name: str, options: dict[str, Any]) -> Any:
            frame = grouping.frame.assign(**{_OF: column})
            own = replace(grouping, frame=frame, chosen=_OF, as_index=True)
            return self._maker.reduce(own, name, (), options).rename(None)

        grouping = self._grouping
        rows = grouping.frame[grouping.chosen] if grouping.is_series else grouping.frame
        found = function(Answering(rows, reduce))
        return found.rename(grouping.chosen) if grouping.is_series and hasattr(found, "rename") else found

    def transform(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        if callable(func) and not is_statistic(func):
            return self._within(lambda group: func(group, *args, **kwargs))
        return self._maker.transform(self._grouping, func, args, kwargs)

    def _within(self, function: Callable[[Any], Any]) -> Any:
        """A column of the same rows, computed of each row's own group; one for each column that was chosen."""
        grouping = self._grouping

        def groups(column: Column) -> GroupBy:
            return GroupBy(replace(grouping, frame=grouping.frame.assign(**{_OF: column}), chosen=_OF, as_index=True))

        if grouping.is_series:
            return within.computed(function, grouping.column(grouping.chosen), groups)
        columns = {label: within.computed(function, grouping.column(label), groups) for label in grouping.labels()}
        return side_by_side(list(columns.values()), list(columns))

    def rolling(self, window: Any, min_periods: int | None = None, **options: Any) -> within.Rolling:
        """The last rows of each patient. What comes of them stands beside the rows, without an index of its own."""
        if not self._grouping.is_series:
            raise HandleError("A rolling window is over one column here.", suggestion="groupby(key)['x'].rolling(3)")
        return within.Rolling(self, window, min_periods, options)

    # -- statistics only ----------------------------------------------------------------------------------------------
    def describe(self, **options: Any) -> Any:
        self._only_attributes("describe")
        return grouped.describe(self._grouping, options)

    def quantile(self, q: Any = 0.5, *args: Any, **options: Any) -> Any:
        if not isinstance(q, (list, tuple)):
            return self._maker.reduce(self._grouping, "quantile", (q, *args), options)
        self._only_attributes("Several quantiles at once")
        shares = [self._maker.reduce(self._grouping, "quantile", (share, *args), options) for share in q]
        several = pd.concat(shares, keys=list(q))
        levels = several.index.nlevels
        return several.reorder_levels([*range(1, levels), 0]).sort_index(kind="stable")

    def value_counts(
        self, normalize: bool = False, sort: bool = True, ascending: bool = False, dropna: bool = True
    ) -> Any:
        if self._maker is perunit and not normalize:
            return self._rows_per_value(sort, ascending)
        self._only_attributes("value_counts")
        return grouped.value_counts(self._grouping, normalize, sort, ascending, dropna)

    def _rows_per_value(self, sort: bool, ascending: bool) -> Any:
        """How often each patient has each value: rows, one for each pair that occurs."""
        grouping = self._grouping
        column = grouping.column(grouping.labels()[0])
        keys = [Column(grouping.rows, key.expression, key.twin.rename(key.name), ()) for key in grouping.keys]
        counts = groupby(grouping.frame, [*keys, column]).size().rename("count")
        return counts.sort_values(ascending=ascending) if sort else counts

    # -- rows per unit only -------------------------------------------------------------------------------------------
    def head(self, n: int = 5) -> Frame:
        return perunit.first_rows(self._grouping, n)

    def tail(self, n: int = 5) -> Frame:
        return perunit.first_rows(self._grouping, -n)

    def nth(self, n: int) -> Frame:
        if n not in (0, -1):
            raise HandleError("nth takes the first row of each patient, or the last as -1.")
        return perunit.first_rows(self._grouping, 1 if n == 0 else -1)

    def cumcount(self, ascending: bool = True) -> Column:
        return perunit.cumcount(self._grouping, ascending)

    def shift(self, periods: int = 1, **options: Any) -> Any:
        return perunit.window(self._grouping, "shift", {"periods": periods, **options})

    def diff(self, periods: int = 1) -> Any:
        return perunit.changes(self._grouping, "diff", {"periods": periods})

    def pct_change(self, periods: int = 1) -> Any:
        return perunit.changes(self._grouping, "pct_change", {"periods": periods})


def _listed(functions: Any) -> list[Any]:
    return list(functions) if isinstance(functions, (list, tuple)) else [functions]


def _name(function: Any) -> str:
    return function if isinstance(function, str) else function.__name__


def _beside(parts: dict[Any, Any]) -> Any:
    """Columns of one row per patient, or released ones, as a table."""
    if all(isinstance(part, Column) for part in parts.values()):
        table = side_by_side(list(parts.values()), list(parts))
        first = next(iter(parts.values()))
        return Frame(table._rows, table._columns, table._twin, first._index)
    return pd.DataFrame(parts)


def _reduction(name: str) -> Callable[..., Any]:
    def call(self: GroupBy, *args: Any, **kwargs: Any) -> Any:
        return self._maker.reduce(self._grouping, name, args, kwargs)

    call.__name__ = name
    return call


def _only_rows(name: str) -> Callable[..., Any]:
    def call(self: GroupBy, *args: Any, **kwargs: Any) -> Any:
        return perunit.reduce(self._grouping, name, args, kwargs)

    call.__name__ = name
    return call


def _window(name: str) -> Callable[..., Any]:
    def call(self: GroupBy, **options: Any) -> Any:
        return perunit.window(self._grouping, name, options)

    call.__name__ = name
    return call


for _known in STATISTICS:
    if _known != "quantile":
        setattr(GroupBy, _known, _reduction(_known))
for _known in ("first", "last", "any", "all"):
    setattr(GroupBy, _known, _only_rows(_known))
for _known in perunit.WINDOWS:
    if _known != "shift":
        setattr(GroupBy, _known, _window(_known))
