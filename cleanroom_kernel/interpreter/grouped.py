"""Grouped statistics: a group-by whose keys are attributes. One question per call, a pandas object as the answer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.grouping import Grouping
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.probes import FrameProbe, Probe, Wanted, wanted
from cleanroom_kernel.interpreter.reductions import STATISTICS, describing, label_of, statistic
from cleanroom_kernel.interpreter.rehearsal import Rehearsal
from cleanroom_kernel.interpreter.results import asked, attributed, groups, number, renumbered, threshold_sign
from cleanroom_kernel.interpreter.terms import Term
from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import Statistic, Summary
from cleanroom_kernel.plan.expressions import Named, type_of
from cleanroom_kernel.protocol.release import Grid, Receipt

Asked = tuple[str, Statistic | None]  # the name in receipts, and what is computed; None for what is never shown


def size(grouping: Grouping) -> Any:
    rehearsal = grouping.rehearsed(lambda groups: groups.size())
    template = _or_counts(rehearsal)
    answer = _ask(grouping, [("rows", aggregates.Size())], template, rehearsal)
    return answer if grouping.as_index else renumbered(answer, "size")


def reduce(grouping: Grouping, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """mean, sum, count … of the chosen columns."""
    labels = grouping.labels() if name == "count" else grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: getattr(groups, name)(*args, **kwargs), labels)
    options = named_options(name, args, kwargs)
    shares = options.get("q")
    if isinstance(shares, (list, tuple, np.ndarray)):
        raise HandleError("Ask for one quantile of groups at a time.", suggestion="agg([lambda x: x.quantile(.25), …])")
    template = rehearsal.value
    if template is None:
        template = _blank(grouping, labels)
    names = [grouping.chosen] if isinstance(template, pd.Series) else list(template.columns)
    with rehearsal.explaining():
        asking = [(label_of(name, label), _statistic(grouping, name, label, options)) for label in names]
    return _finished(grouping, _ask(grouping, asking, template, rehearsal))


def named_options(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a reduction by name."""
    return {**dict(zip(_POSITIONAL.get(name, ()), args, strict=False)), **kwargs}


_POSITIONAL = {"quantile": ("q", "interpolation"), "std": ("ddof",), "var": ("ddof",), "nunique": ("dropna",)}


def _statistic(grouping: Grouping, name: str, label: Hashable, options: dict[str, Any]) -> Statistic:
    column = grouping.column(label)
    return statistic(name, Term(column._expression, column._field), grouping.rows, **options)


def aggregate(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """agg in all its forms: a name, a function, a list, a dict of those by column, or named pairs."""
    labels = grouping.labels() if func is None or isinstance(func, dict) else grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: groups.agg(func, *args, **kwargs), labels)
    pairs = aggregation_pairs(func, kwargs, labels)
    template = rehearsal.value
    if template is None:
        template = _blank(grouping, [f"{label} {i}" for i, (label, _) in enumerate(pairs)])
    with rehearsal.explaining():
        asking = []
        for label, function in pairs:
            found = wanted(function, _probe(grouping, label))
            what = label if found.name != "size" else None
            asking.append((label_of(found.name, what), statistic_of(grouping, found)))
    return _finished(grouping, _ask(grouping, asking, template, rehearsal))


def aggregation_pairs(func: Any, named: dict[str, Any], labels: list[Hashable]) -> list[tuple[Hashable, Any]]:
    """(column, what of it) for each column of the result, in pandas' order."""
    if func is None:
        if labels and all(not isinstance(pair, tuple) for pair in named.values()):
            return [(labels[0], function) for function in named.values()]
        return [(pair[0], pair[1]) for pair in named.values()]
    if isinstance(func, dict):
        return [(label, each) for label, functions in func.items() for each in _listed(functions)]
    return [(label, each) for label in labels for each in _listed(func)]


def _listed(functions: Any) -> list[Any]:
    return list(functions) if isinstance(functions, (list, tuple)) else [functions]


def _probe(grouping: Grouping, label: Hashable) -> Probe:
    column = grouping.column(label)
    return Probe(column._rows, column._expression, column._twin, column._index)


def statistic_of(grouping: Grouping, found: Wanted) -> Statistic:
    if found.name == "size":
        return aggregates.Size()
    if found.name not in STATISTICS:
        raise HandleError(
            f"{found.name} is no statistic of many patients.",
            suggestion=f"There are: {', '.join(STATISTICS)} and size. With the patient's id among the keys, "
            "first and last give one row per patient.",
        )
    term = Term(found.expression, type_of(found.expression, found.rows.fields))
    return statistic(found.name, term, found.rows, **found.options)


def apply(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of the group's rows that ends in one statistic of them."""
    rehearsal = grouping.rehearsed(lambda groups: groups.apply(func, *args, **kwargs))
    if not isinstance(rehearsal.value, (pd.Series, type(None))):
        raise HandleError("apply gives one number per group here.", suggestion="Use agg, or transform on the unit.")
    probe: Any
    if grouping.is_series:
        probe = _probe(grouping, grouping.chosen)
    else:
        frame = grouping.frame
        probe = FrameProbe(frame._rows, frame._columns, frame._twin, frame._index)
    with rehearsal.explaining():
        found = wanted(lambda group: func(group, *args, **kwargs), probe)
        asking = [(label_of(found.name, grouping.chosen), statistic_of(grouping, found))]
    template = rehearsal.value if rehearsal.value is not None else pd.Series(dtype="float64")
    return _ask(grouping, asking, template, rehearsal)


def describe(grouping: Grouping, options: dict[str, Any]) -> Any:
    labels = grouping.statistical_labels()
    rehearsal = grouping.rehearsed(lambda groups: groups.describe(**options), labels)
    template = rehearsal.value
    asking: list[Asked] = []
    for name in template.columns:
        label, row = (grouping.chosen, name) if grouping.is_series else name
        asking.append((label_of(row, label), describing(grouping.column(label), row)))
    return _finished(grouping, _ask(grouping, asking, template, rehearsal))


def value_counts(grouping: Grouping, normalize: bool, sort: bool, ascending: bool, dropna: bool) -> pd.Series:
    column = grouping.column(grouping.labels()[0])
    rehearsal = grouping.rehearsed(lambda groups: groups.value_counts(normalize=normalize))
    template = _or_counts(rehearsal)
    by = (*grouping.named_keys(), Named(str(column.name), column._expression))
    question = Summary(grouping.rows, (aggregates.Column("rows", aggregates.Size()),), by=by, keep_null=not dropna)
    twins = [*(key.twin.rename(key.name) for key in grouping.keys), column._twin]
    levels = list(range(len(grouping.keys)))

    def build(grid: Grid, receipt: Receipt) -> pd.Series:
        counts = groups(grid, receipt, twins, template)
        if normalize:
            counts = counts / counts.groupby(level=levels, observed=True).sum()
        if not sort:
            return counts
        order = counts.sort_values(ascending=ascending, kind="stable")
        return order.sort_index(level=levels, sort_remaining=False, kind="stable")

    return asked(question, build, template)


def overall(frame: Frame, pairs: dict[str, tuple[Hashable, Any]]) -> pd.DataFrame:
    """Statistics over all rows, each under its name, as a table of one row."""
    grouping = Grouping(frame, ())
    asking = {name: wanted(function, _probe(grouping, label)) for name, (label, function) in pairs.items()}
    statistics = {name: statistic_of(grouping, found) for name, found in asking.items()}
    labels = {name: label_of(found.name, pairs[name][0]) for name, found in asking.items()}
    kinds = {name: _kind(statistics[name], frame._twin[label]) for name, (label, _) in pairs.items()}
    columns = (aggregates.Column(f"{labels[name]} {i}", of) for i, (name, of) in enumerate(statistics.items()))
    question = Summary(grouping.rows, tuple(columns))

    def build(grid: Grid, receipt: Receipt) -> pd.DataFrame:
        values = {name: [number(values[0], kinds[name])] for name, values in zip(kinds, grid.values, strict=True)}
        marks = {(0, name): threshold_sign() for name, (mark,) in zip(kinds, grid.suppressed, strict=True) if mark}
        return attributed(pd.DataFrame(values), marks, receipt)

    return asked(question, build, pd.DataFrame({name: [kind] for name, kind in kinds.items()}))


_COUNTING = (aggregates.Size, aggregates.Count, aggregates.Distinct, aggregates.Units)


def _kind(statistic: Statistic, twin: pd.Series) -> Any:
    """A value of the type that the statistic has."""
    if isinstance(statistic, _COUNTING):
        return 0
    if pd.api.types.is_timedelta64_dtype(twin.dtype):
        return pd.Timedelta(0)
    return pd.Timestamp(0) if pd.api.types.is_datetime64_any_dtype(twin.dtype) else 0.0


def transform(grouping: Grouping, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The released statistic of each row's group: public numbers, mapped by the group's label."""
    if len(grouping.keys) != 1 or not grouping.is_series:
        raise HandleError(
            "transform takes one key and one column here.",
            suggestion="Choose a column, or include the patient's id among the keys.",
        )
    key = grouping.keys[0]
    statistics = (
        size(replace(grouping, as_index=True))
        if func in ("size", len)
        else aggregate(replace(grouping, as_index=True), func, args, kwargs)
    )
    labels = Column(grouping.rows, key.expression, key.twin, grouping.frame._index)
    rehearsal = grouping.rehearsed(lambda groups: groups.transform(func, *args, **kwargs))
    result = labels.map({label: value for label, value in statistics.items() if pd.notna(value)})
    twin = rehearsal.value if rehearsal.value is not None else result._twin
    return Column(result._rows, result._expression, twin.rename(grouping.chosen), result._index)


def each(grouping: Grouping) -> Iterator[tuple[Any, Any]]:
    """Labels of groups that may be shown, in order."""
    counts = size(replace(grouping, as_index=True, chosen=None))
    for label in counts.index:
        yield label, label if isinstance(label, tuple) else (label,)


def _ask(grouping: Grouping, asking: list[Asked], template: pd.Series | pd.DataFrame, rehearsal: Rehearsal) -> Any:
    at, columns, taken = [], [], set()
    for name, wanted_statistic in asking:
        while name in taken:
            name += "'"
        taken.add(name)
        at.append(-1 if wanted_statistic is None else len(columns))
        if wanted_statistic is not None:
            columns.append(aggregates.Column(name, wanted_statistic))
    with rehearsal.explaining():
        question = Summary(grouping.rows, tuple(columns), by=grouping.named_keys(), keep_null=not grouping.dropna)
    twins = [key.twin.rename(key.name) for key in grouping.keys]
    return asked(question, lambda grid, receipt: groups(grid, receipt, twins, template, at), template)


def _finished(grouping: Grouping, answer: Any) -> Any:
    return answer if grouping.as_index else renumbered(answer)


def _blank(grouping: Grouping, labels: list[Hashable]) -> pd.Series | pd.DataFrame:
    if grouping.is_series and len(labels) == 1:
        return pd.Series(dtype="float64", name=grouping.chosen)
    return pd.DataFrame({label: pd.Series(dtype="float64") for label in labels})


def _or_counts(rehearsal: Rehearsal) -> pd.Series:
    return rehearsal.value if isinstance(rehearsal.value, pd.Series) else pd.Series(dtype="int64", name="count")
