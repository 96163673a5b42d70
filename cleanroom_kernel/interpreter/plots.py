"""Plots of rows, drawn from released aggregates: histograms from counts of bins, boxes from quantiles.

Promise: what is drawn is what was released, one question per plot and column; a plot that would show single rows
(points of a scatter, a strip, outliers) is not drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.interpreter.lazily import when_imported
from cleanroom_kernel.interpreter.plots_binned import counts_of, density, hatched, hidden_bins, noted, scatter
from cleanroom_kernel.interpreter.reductions import without_identifiers
from cleanroom_kernel.plan.schema import DType

BOX = (0.05, 0.25, 0.5, 0.75, 0.95)  # whiskers and box; a value beyond them would be a patient's


# -- what is drawn ----------------------------------------------------------------------------------------------------
def histogram(column: Column, bins: Any = 10, span: tuple[float, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges as np.histogram gives them; a bin that is not shown counts nothing."""
    counts, edges = counts_of(column, bins, span)
    return np.nan_to_num(counts), edges


def box(column: Column, label: Any) -> dict[str, Any]:
    """The statistics of one box, as matplotlib's bxp takes them."""
    return _box(label, *column.quantile(list(BOX)))


def _box(label: Any, low: float, first: float, middle: float, third: float, high: float) -> dict[str, Any]:
    return {"label": str(label), "whislo": low, "q1": first, "med": middle, "q3": third, "whishi": high, "fliers": []}


def grouped_boxes(frame: Frame, column: Any, by: Any) -> list[dict[str, Any]]:
    table = box_statistics(frame, column, by).dropna()
    return [_box(label, *row) for label, row in zip(table.index, table.to_numpy(), strict=True)]


def box_statistics(frame: Frame, column: Any, by: Any) -> pd.DataFrame:
    """The quantiles of a box for each group, in one question."""
    statistics = [functools.partial(_share, share=share) for share in BOX]
    for statistic, share in zip(statistics, BOX, strict=True):
        statistic.__name__ = f"quantile {share}"  # type: ignore[attr-defined]
    return frame.groupby(by)[column].agg(statistics)


def _share(column: Column, share: float) -> Any:
    return column.quantile(share)


# -- pandas' plotting -------------------------------------------------------------------------------------------------
def _axes(ax: Any, figsize: Any = None) -> Any:
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax
    return plt.figure(figsize=figsize).gca() if figsize is not None else plt.gca()


@method(Column, name="hist")
def hist_column(
    self: Column, by: Any = None, ax: Any = None, grid: bool = True, figsize: Any = None, bins: Any = 10, **options: Any
) -> Any:
    axes = _axes(ax, figsize)
    _draw(axes, self, bins, options)
    axes.grid(grid)
    return axes


def _draw(axes: Any, column: Column, bins: Any, options: dict[str, Any]) -> Any:
    counts, edges = counts_of(column, bins, options.pop("range", None))
    hidden = hidden_bins(counts, edges)
    hatched(axes, hidden, upright=options.get("orientation") != "horizontal")
    noted(axes, len(hidden), hatching=True)
    return axes.hist(edges[:-1], bins=edges, weights=np.nan_to_num(counts), **options)


@method(Frame, name="hist")
def hist_frame(
    self: Frame,
    column: Any = None,
    by: Any = None,
    grid: bool = True,
    figsize: Any = None,
    layout: Any = None,
    bins: Any = 10,
    ax: Any = None,
    **options: Any,
) -> Any:
    import matplotlib.pyplot as plt

    names = _numeric(self, column)
    rows, columns = layout or _layout(len(names))
    axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False)[1] if ax is None else ax
    flat = np.ravel(axes)
    for name, own in zip(names, flat, strict=False):
        self._column(name).hist(ax=own, grid=grid, bins=bins, **options)
        own.set_title(str(name))
    for unused in flat[len(names) :]:
        unused.set_visible(False)
    return axes


def _numeric(frame: Frame, chosen: Any) -> list[Any]:
    if chosen is not None:
        return list(chosen) if isinstance(chosen, (list, pd.Index)) else [chosen]
    plain = without_identifiers(frame)
    return [name for name in plain._columns if plain._column(name)._field.dtype in (DType.INTEGER, DType.FLOAT)]


def _layout(number: int) -> tuple[int, int]:
    columns = max(int(np.ceil(np.sqrt(number))), 1)
    return max(int(np.ceil(number / columns)), 1), columns


@method(Frame)
def boxplot(
    self: Frame, column: Any = None, by: Any = None, ax: Any = None, figsize: Any = None, rot: float = 0, **options: Any
) -> Any:
    axes = _axes(ax, figsize)
    names = _numeric(self, column)
    boxes = [box(self._column(name), name) for name in names] if by is None else grouped_boxes(self, names[0], by)
    axes.bxp(boxes, showfliers=False)
    axes.tick_params(axis="x", rotation=rot)
    if by is not None:
        axes.set_title(str(names[0]))
        axes.set_xlabel(str(by))
    return axes


class Plot:
    """`.plot` of rows: the kinds that aggregates can draw."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __call__(self, *args: Any, kind: str = "line", **options: Any) -> Any:
        known = {"hist": self.hist, "box": self.box, "kde": self.kde, "density": self.kde}
        known |= {"scatter": self.scatter, "hexbin": self.scatter}
        return known[kind](*args, **options) if kind in known else _no_plot(kind)

    def hist(self, bins: Any = 10, ax: Any = None, figsize: Any = None, **options: Any) -> Any:
        axes = _axes(ax, figsize)
        title = options.pop("title", None)
        for name in [None] if isinstance(self._handle, Column) else _numeric(self._handle, None):
            column = self._handle if name is None else self._handle._column(name)
            _draw(axes, column, bins, {"label": str(column.name), **options})
        axes.set_ylabel("Frequency")
        if title is not None:
            axes.set_title(title)
        return axes

    def box(self, ax: Any = None, figsize: Any = None, **options: Any) -> Any:
        handle = self._handle if isinstance(self._handle, Frame) else self._handle.to_frame(self._handle.name or 0)
        return handle.boxplot(ax=ax, figsize=figsize)

    def kde(self, ax: Any = None, figsize: Any = None, **options: Any) -> Any:
        axes = _axes(ax, figsize)
        names = [None] if isinstance(self._handle, Column) else _numeric(self._handle, None)
        for column in (self._handle if name is None else self._handle._column(name) for name in names):
            density(axes, column, label=str(column.name), **options)
        return axes

    density = kde

    def scatter(self, x: Any, y: Any, ax: Any = None, figsize: Any = None, **options: Any) -> Any:
        """Counts of the bins of a grid, since each point would be a patient."""
        axes = _axes(ax, figsize)
        bins = {"bins": options["gridsize"]} if isinstance(options.get("gridsize"), int) else {}
        scatter(axes, self._handle[x], self._handle[y], cmap=options.get("colormap", options.get("cmap")), **bins)
        return axes

    hexbin = scatter

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **options: _no_plot(name)


def _no_plot(kind: str) -> NoReturn:
    raise Unavailable(
        f"A {kind} plot of rows would show single patients.",
        suggestion="Plot an aggregate: value_counts().plot.bar(), groupby(…).mean().plot(); or hist, box, kde, hexbin.",
    )


Column.plot = property(Plot)  # type: ignore[attr-defined]
Frame.plot = property(Plot)  # type: ignore[attr-defined]


# -- matplotlib -------------------------------------------------------------------------------------------------------
def install() -> None:
    when_imported("matplotlib.axes", _wrap_axes)


def _wrap_axes(module: ModuleType) -> None:
    for name, ours in AXES.items():
        original = getattr(module.Axes, name)
        if not hasattr(original, "_clean_room"):
            setattr(module.Axes, name, _wrapped(original, ours))


def _wrapped(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        several = [each for value in args for each in (value if isinstance(value, (list, tuple)) else [value])]
        if any(isinstance(each, Column) for each in (*several, *options.values())):
            return ours(self, *args, **options)
        return original(self, *args, **options)

    call._clean_room = True  # type: ignore[attr-defined]
    return call


def _axes_hist(axes: Any, x: Any, bins: Any = None, **options: Any) -> Any:
    """plt.hist(df.age): matplotlib's own, of released counts. Several columns share the edges of the first."""
    columns = list(x) if isinstance(x, (list, tuple)) else [x]
    span = options.pop("range", None)
    if options.pop("weights", None) is not None:
        raise HandleError("A histogram of rows takes no weights.")
    counts, edges = counts_of(columns[0], 10 if bins is None else bins, span)
    first = np.nan_to_num(counts)
    weights = [first, *(histogram(column, edges)[0] for column in columns[1:])]
    if len(columns) == 1:
        hidden = hidden_bins(counts, edges)
        hatched(axes, hidden, upright=options.get("orientation") != "horizontal")
        noted(axes, len(hidden), hatching=True)
        return axes.hist(edges[:-1], bins=edges, weights=first, **options)
    return axes.hist([edges[:-1]] * len(columns), bins=edges, weights=weights, **options)


def _axes_boxplot(axes: Any, x: Any, *args: Any, labels: Any = None, **options: Any) -> Any:
    columns = list(x) if isinstance(x, (list, tuple)) else [x]
    names = options.get("tick_labels") or labels or [column.name or number for number, column in enumerate(columns, 1)]
    boxes = [box(column, name) for column, name in zip(columns, names, strict=True)]
    kept = {name: options[name] for name in ("positions", "widths", "patch_artist", "vert") if name in options}
    return axes.bxp(boxes, showfliers=False, **kept)


def _axes_scatter(axes: Any, x: Any, y: Any, *args: Any, **options: Any) -> Any:
    if not isinstance(x, Column) or not isinstance(y, Column):
        raise HandleError("A scatter of rows takes two columns of the room.", suggestion="plt.scatter(df.x, df.y)")
    return scatter(axes, x, y, cmap=options.get("cmap"))


def _refusing(kind: str) -> Callable[..., Any]:
    return lambda axes, *args, **options: _no_plot(kind)


AXES: dict[str, Callable[..., Any]] = {
    "hist": _axes_hist,
    "boxplot": _axes_boxplot,
    "scatter": _axes_scatter,
    "hexbin": _axes_scatter,
    **{name: _refusing(kind) for name, kind in (("plot", "line"), ("bar", "bar"), ("barh", "bar"), ("pie", "pie"))},
}
