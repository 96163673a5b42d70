"""seaborn on handles: its own functions, given tables of released aggregates in the place of rows.

Promise: what is drawn was released, in one question per plot (a histogram asks one per group). A bar or a box that is
not shown is left out and counted on the picture. Error bars, which would need the rows, are not drawn. Plots whose
marks are single rows are refused, with what to draw instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.lazily import when_imported
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.plots import BOX, box_statistics
from cleanroom_kernel.interpreter.plots_binned import FINE, counts_of, hatched, hidden_bins, middles, noted, scatter
from cleanroom_kernel.plan.schema import DType

ROLES = ("x", "y", "hue", "col", "row", "style", "size")
BINS = 20
BAR = 0.8  # of the place of a label, as seaborn's bars have it

Draw = Callable[..., Any]


@dataclass(frozen=True)
class Wanted:
    """What a call of seaborn is about: rows, the label of the column in each role, and seaborn's other options."""

    frame: Frame
    labels: dict[str, Hashable]
    options: dict[str, Any]

    def column(self, role: str) -> Column:
        return self.frame._column(self.labels[role])

    def has(self, role: str) -> bool:
        return role in self.labels

    def keys(self, *leaving: str) -> list[Hashable]:
        return list(dict.fromkeys(label for role, label in self.labels.items() if role not in leaving))

    def drawn(self, original: Draw, table: pd.DataFrame, **more: Any) -> Any:
        given = {key: value for key, value in self.options.items() if key not in _OF_ROWS}
        return original(data=table, **{**self.labels, **given, **more})


_OF_ROWS = {"estimator", "errorbar", "ci", "n_boot", "seed", "units", "stat", "whis", "showfliers", "fliersize", "bins",
            "kind", "data", "cut", "bw", "bw_adjust", "bw_method", "inner", "density_norm", "scale", "split",
            "common_norm", "binwidth", "binrange", "kde", "discrete", "multiple"}  # fmt: skip


def _read(data: Any, options: dict[str, Any]) -> Wanted:
    """Columns come by name from `data`, or as they are; one alone may stand in the place of `data`."""
    if isinstance(data, Column):
        options = {"x": data, **options}
        data = None
    parts: dict[str, Column] = {}
    for role in ROLES:
        value = options.get(role)
        if isinstance(value, Column):
            parts[role] = value
        elif isinstance(data, Frame) and isinstance(value, Hashable) and value is not None:
            if value not in data._columns:
                raise ValueError(f"Could not interpret value `{value}` for `{role}`. An entry with this name does not")
            parts[role] = data._column(value)
        elif value is not None:
            raise row_vector()
    labels = {role: role if column.name is None else column.name for role, column in parts.items()}
    unique = {labels[role]: column for role, column in parts.items()}
    if not unique:
        raise HandleError("Say which columns are drawn.", suggestion="x=, y= and hue= take names of columns.")
    return Wanted(
        side_by_side(list(unique.values()), list(unique)),
        labels,
        {key: value for key, value in options.items() if key not in ROLES},
    )


# -- counts and statistics --------------------------------------------------------------------------------------------
def _count(original: Draw, data: Any, options: dict[str, Any], bars: Draw) -> Any:
    wanted = _read(data, options)
    stat = wanted.options.get("stat", "count")
    table = _grouped(wanted.frame, wanted.keys(), None, "size", stat)
    if stat in ("percent", "probability", "proportion"):
        table[stat] = table[stat] / table[stat].sum() * (100 if stat == "percent" else 1)
    other = "x" if wanted.has("y") else "y"
    return _finished(wanted.drawn(bars, table, **{other: stat}, errorbar=None), table)


def _statistic(original: Draw, data: Any, options: dict[str, Any], **more: Any) -> Any:
    """One statistic of the numeric side for each label of the other."""
    if isinstance(data, Frame) and not any(options.get(role) is not None for role in ("x", "y")):
        means = data.mean(numeric_only=True)
        return original(data=means.to_frame().T, **options, errorbar=None)
    wanted = _read(data, options)
    value = _value_role(wanted)
    label = wanted.labels[value]
    table = _grouped(wanted.frame, wanted.keys(value), label, wanted.options.get("estimator", "mean"), label)
    return _finished(wanted.drawn(original, table, errorbar=None, **more), table)


def _grouped(frame: Frame, keys: list[Hashable], of: Hashable, estimator: Any, name: Hashable) -> pd.DataFrame:
    if of in keys:
        raise HandleError("A column cannot be both sides of a plot.", suggestion="Count its values with countplot.")
    if not keys:
        return pd.DataFrame({name: [frame._column(of).agg(estimator)]})
    groups = frame.groupby(keys if len(keys) > 1 else keys[0])
    found = groups.size() if of is None else groups[of].agg(estimator)
    table = found.rename(name).reset_index()
    unseen = table[name].isna()
    named = len(keys) == 1 and not pd.api.types.is_numeric_dtype(table.iloc[:, 0])
    labels = table[unseen].iloc[:, 0].tolist() if named else []
    if not labels:  # else the labels keep their places on the axis, which are hatched
        table = table[~unseen].reset_index(drop=True)
    table.attrs |= {"hidden": int(unseen.sum()), "labels": labels}
    return table


def _value_role(wanted: Wanted) -> str:
    """The side that is computed with: the numeric one, y where both are."""
    if not wanted.has("y"):
        return "x"
    if not wanted.has("x"):
        return "y"
    numeric = {role: wanted.column(role)._field.dtype in (DType.INTEGER, DType.FLOAT) for role in ("x", "y")}
    flipped = wanted.options.get("orient") in ("h", "y")
    return "x" if (numeric["x"] and not numeric["y"]) or (numeric["x"] and flipped) else "y"


def _finished(drawn: Any, table: pd.DataFrame) -> Any:
    axes = drawn if hasattr(drawn, "annotate") else getattr(drawn, "axes", np.empty(0)).ravel()
    for first in [axes] if hasattr(axes, "annotate") else list(axes[:1]):
        spans = table.attrs.get("spans", [])
        hatched(first, spans, upright=table.attrs.get("upright", True))
        at = _hatched_labels(first, table.attrs.get("labels", []))
        noted(first, table.attrs.get("hidden", 0), hatching=bool(spans or at))
    return drawn


def _hatched_labels(axes: Any, labels: list[Any]) -> bool:
    """Fill the places of labels whose number is not shown; whether there were any."""
    wanted = {str(label) for label in labels}
    for axis, upright in ((axes.xaxis, True), (axes.yaxis, False)):
        places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
        spans = [(place - BAR / 2, place + BAR / 2) for place, text in places if text.get_text() in wanted]
        if spans:
            hatched(axes, spans, upright=upright)
            return True
    return False


# -- boxes ------------------------------------------------------------------------------------------------------------
def _boxes(original: Draw, data: Any, options: dict[str, Any], **more: Any) -> Any:
    """seaborn's own boxes of five released quantiles each, which are exactly their hinges and whiskers."""
    wide = isinstance(data, Frame) and not any(options.get(role) is not None for role in ("x", "y"))
    if wide:
        numbers = [name for name in data._columns if data._column(name)._field.dtype in (DType.INTEGER, DType.FLOAT)]
        table = pd.DataFrame({name: list(data._column(name).quantile(list(BOX))) for name in numbers})
        kept = {key: value for key, value in options.items() if key not in _OF_ROWS}
        return original(data=table, whis=(0, 100), **kept)
    wanted = _read(data, options)
    value = _value_role(wanted)
    label, keys = wanted.labels[value], wanted.keys(value)
    if keys:
        statistics = box_statistics(wanted.frame, label, keys)
        shown = statistics.dropna()
        table = shown.stack().rename(label).reset_index(level=-1, drop=True).reset_index()
        table.attrs["hidden"] = len(statistics) - len(shown)
    else:
        table = pd.DataFrame({label: list(wanted.frame._column(label).quantile(list(BOX)))})
    return _finished(wanted.drawn(original, table, whis=(0, 100), **more), table)


# -- distributions ----------------------------------------------------------------------------------------------------
def _histogram(original: Draw, data: Any, options: dict[str, Any], kde: bool = False, **more: Any) -> Any:
    """Bars of released counts: every bin stands for itself, weighed by its count."""
    options = dict(options)
    if isinstance(options.get("bins"), str):
        options.pop("bins")
    wanted = _read(data, options)
    role = "y" if wanted.has("y") and not wanted.has("x") else "x"
    if wanted.has("x") and wanted.has("y"):
        raise HandleError("Two columns at once are drawn by scatterplot here.", suggestion="sns.scatterplot(x=…, y=…)")
    column = wanted.column(role)
    if column._field.dtype not in (DType.INTEGER, DType.FLOAT, DType.BOOLEAN):
        table = _grouped(wanted.frame, wanted.keys(), None, "size", "count")
        return _finished(wanted.drawn(original, table, weights="count", **more), table)
    table, edges = _bins(wanted, role, FINE if kde else options.get("bins", BINS))
    kept = {key: options[key] for key in ("stat", "multiple", "kde", "common_norm") if key in options and not kde}
    shape = kept if kde else {"bins": edges.tolist(), **kept}
    return _finished(wanted.drawn(original, table, weights="count", **shape, **more), table)


def _bins(wanted: Wanted, role: str, bins: Any) -> tuple[pd.DataFrame, np.ndarray]:
    label, others = wanted.labels[role], wanted.keys(role)
    groups = list(wanted.frame.groupby(others)) if others else [((), wanted.frame)]
    groups = [(labels if isinstance(labels, tuple) else (labels,), rows) for labels, rows in groups]
    parts, hidden, edges, spans = [], 0, np.empty(0), list[tuple[float, float]]()
    span = wanted.options.get("binrange")
    for labels, rows in groups:
        counts, edges = counts_of(rows._column(label), edges if edges.size else bins, span)
        hidden += int(np.isnan(counts).sum())
        spans = [] if others else hidden_bins(counts, edges)
        part = pd.DataFrame({label: middles(edges), "count": np.nan_to_num(counts)})
        parts.append(part.assign(**dict(zip(map(str, others), labels, strict=True))) if others else part)
    table = pd.concat(parts, ignore_index=True)
    table.attrs |= {"hidden": hidden, "spans": spans, "upright": role == "x"}
    return table, edges


def _density(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    return _histogram(original, data, options, kde=True)


def _violins(original: Draw, data: Any, options: dict[str, Any], **more: Any) -> Any:
    """Violins of released counts: as many points in the middle of a bin as its share of two hundred."""
    wanted = _read(data, options)
    role = _value_role(wanted)
    table, _ = _bins(wanted, role, FINE)
    keys = wanted.keys(role)
    total = table.groupby(keys)["count"].transform("sum") if keys else table["count"].sum()
    repeats = (200 * table["count"] / total).fillna(0).round().astype(int)
    points = table.loc[table.index.repeat(repeats)].drop(columns="count").reset_index(drop=True)
    points.attrs = table.attrs
    return _finished(wanted.drawn(original, points, inner=None, cut=0, **more), points)


def _distplot(original: Draw, data: Any, options: dict[str, Any], histplot: Draw) -> Any:
    """The old function, which seaborn itself sends to histplot."""
    column = data if data is not None else options.pop("a", None)
    kept = {key: options[key] for key in ("ax", "color", "bins", "label") if options.get(key) is not None}
    shown = options.get("hist", True)
    kept |= {"stat": "density" if shown else "count", "kde": options.get("kde", True)}
    return _histogram(histplot, column, kept)


# -- two columns ------------------------------------------------------------------------------------------------------
def _scatter(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    import matplotlib.pyplot as plt

    wanted = _read(data, options)
    if set(wanted.labels) != {"x", "y"}:
        raise HandleError(
            "A scatter of rows is drawn as counts of its bins, which have one colour scale.",
            suggestion="Draw one plot per group: for label, rows in df.groupby('group').",
        )
    axes = wanted.options.get("ax") or plt.gca()
    scatter(axes, wanted.column("x"), wanted.column("y"), cmap=wanted.options.get("cmap"))
    return axes


def _heatmap(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    """Of conditions on rows, such as df.isna(): the share of rows where each column's holds."""
    kinds = {data._column(name)._field.dtype for name in data._columns} if isinstance(data, Frame) else set()
    if kinds != {DType.BOOLEAN}:
        raise HandleError("A heatmap of rows would show single patients.", suggestion="sns.heatmap(df.corr())")
    shares = data.mean().to_frame("share of rows").T
    kept = {key: value for key, value in options.items() if key not in ("yticklabels", "mask")}
    return original(shares, **{"vmin": 0, "vmax": 1, **kept})


_KINDS: dict[str, Draw] = {"bar": _statistic, "point": _statistic, "box": _boxes, "violin": _violins}


def _catplot(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    kind = options.pop("kind", "strip")
    if kind == "count":
        return _count(original, data, options, functools.partial(original, kind="bar"))
    if kind not in _KINDS:
        _refusing(f"a {kind} plot")(original, data, options)
    return _KINDS[kind](original, data, options, kind=kind)


def _displot(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    kind = options.pop("kind", "hist")
    if kind not in ("hist", "kde"):
        _refusing(f"displot(kind={kind!r})")(original, data, options)
    return _histogram(original, data, options, kde=kind == "kde", kind=kind)


def _relplot(original: Draw, data: Any, options: dict[str, Any]) -> Any:
    if options.pop("kind", "scatter") != "line":
        raise HandleError("Each point would be a patient.", suggestion="sns.scatterplot draws counts of bins.")
    return _statistic(original, data, options, kind="line")


def _refusing(what: str) -> Draw:
    def refuse(original: Draw, data: Any, options: dict[str, Any]) -> Any:
        raise HandleError(
            f"In {what} every mark is a single patient's.",
            suggestion="Draw histplot, boxplot, violinplot, scatterplot (as bins), or heatmap of df.corr().",
        )

    return refuse


FUNCTIONS: dict[str, Draw] = {
    "barplot": _statistic,
    "pointplot": _statistic,
    "lineplot": _statistic,
    "boxplot": _boxes,
    "violinplot": _violins,
    "histplot": _histogram,
    "kdeplot": _density,
    "scatterplot": _scatter,
    "heatmap": _heatmap,
    "catplot": _catplot,
    "displot": _displot,
    "relplot": _relplot,
    **{name: _refusing(name) for name in ("stripplot", "swarmplot", "boxenplot", "rugplot", "regplot", "residplot",
                                          "lmplot", "pairplot", "jointplot", "clustermap", "ecdfplot")},
}  # fmt: skip


def install() -> None:
    when_imported("seaborn", _wrap)


def _wrap(module: ModuleType) -> None:
    if hasattr(module.heatmap, "_clean_room"):
        return
    bars, histplot = module.barplot, module.histplot
    functions = FUNCTIONS | {
        "countplot": functools.partial(_count, bars=bars),
        "distplot": functools.partial(_distplot, histplot=histplot),
    }
    for name, ours in functions.items():
        setattr(module, name, _wrapped(getattr(module, name), ours))
    _guard_grid(module.FacetGrid)


def _wrapped(original: Draw, ours: Draw) -> Draw:
    @functools.wraps(original)
    def call(data: Any = None, *args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], (Column, Frame)):
            raise HandleError("seaborn takes columns by name.", suggestion="x=…, y=…, data=…")
        if any(isinstance(value, (Column, Frame)) for value in (data, *options.values())):
            return ours(original, data, options)
        return original(data, *args, **options)

    call._clean_room = True  # type: ignore[attr-defined]
    return call


def _guard_grid(grid: type) -> None:
    original = grid.__init__  # type: ignore[misc]

    @functools.wraps(original)
    def init(self: Any, data: Any, *args: Any, **options: Any) -> None:
        if isinstance(data, Frame):
            raise HandleError(
                "A grid hands the rows of each panel to a function.",
                suggestion="catplot and displot draw panels with col= and row=; or loop over df.groupby('group').",
            )
        original(self, data, *args, **options)

    grid.__init__ = init  # type: ignore[misc]
