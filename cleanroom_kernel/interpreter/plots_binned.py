"""Binned: released counts of bins in one and two dimensions, of which histograms, densities and scatters are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.binning import cut, endpoints
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.results import attributed, provenance_of

ENDS = (0.05, 0.95)  # quantiles between which is drawn where neither ends nor bounds are known
SIDES = 25  # bins of each side of a scatter
FINE = 40  # bins behind a density
# Where something is not shown; the grey is seen on a light ground and on a dark one, and lies behind everything.
HATCHED: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.6", "hatch": "////", "linewidth": 0.0, "zorder": 0}


def counts_of(column: Column, bins: Any = 10, span: tuple[float, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges; a bin that is not shown has none (NaN)."""
    edges = edges_of(column, bins, span)
    shown = cut(column, _closed(edges), right=False, labels=False).value_counts()
    counts = np.zeros(len(edges) - 1)
    for position, count in shown.items():
        counts[int(position)] = count
    return counts, edges


def pairs_of(x: Column, y: Column, bins: Any = SIDES) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Counts of pairs of bins, with the edges of both; only bins in which something is shown."""
    across, up = edges_of(x, bins, None), edges_of(y, bins, None)
    binned = [cut(column, _closed(edges), right=False, labels=False) for column, edges in ((x, across), (y, up))]
    counts = side_by_side(binned, ["x", "y"]).groupby(["x", "y"]).size()
    table = attributed(counts.dropna().reset_index(name="count"), {}, *provenance_of(counts).receipts)
    table.attrs["hidden"] = [(int(i), int(j)) for i, j in counts.index[counts.isna()]]
    return table, across, up


def edges_of(column: Column, bins: Any, span: tuple[float, float] | None) -> np.ndarray:
    if isinstance(bins, str) or bins is None:
        bins = 10
    if isinstance(bins, (int, np.integer)):
        low, high = span or ends_of(column)
        return np.linspace(low, high if high > low else low + 1, int(bins) + 1)
    return np.asarray(bins, dtype=float)


def ends_of(column: Column) -> tuple[float, float]:
    """From the smallest to the largest value where they are known, else between two outer quantiles."""
    try:
        return endpoints(column)
    except HandleError:
        low, high = column.quantile(list(ENDS))
        return float(low), float(high)


def _closed(edges: np.ndarray) -> list[float]:
    """The last bin holds its upper edge, as NumPy has it."""
    return [*edges[:-1], np.nextafter(edges[-1], np.inf)]


def middles(edges: np.ndarray) -> np.ndarray:
    return (edges[:-1] + edges[1:]) / 2


def hatched(axes: Any, spans: Iterable[tuple[float, float]], *, upright: bool = True) -> None:
    """Fill the places of what is not shown, from one side of the picture to the other."""
    for low, high in spans:
        (axes.axvspan if upright else axes.axhspan)(low, high, **HATCHED)


def hidden_bins(counts: np.ndarray, edges: np.ndarray) -> list[tuple[float, float]]:
    return [(float(edges[place]), float(edges[place + 1])) for place in np.flatnonzero(np.isnan(counts))]


def noted(axes: Any, hidden: int, what: str = "bar", *, hatching: bool = False) -> None:
    """Say on the picture that something is not in it, and why."""
    if hidden:
        place = " (hatched)" if hatching else ""
        words = f"{hidden} {what}{'s' if hidden > 1 else ''} not shown{place}: too few patients"
        place = {"xy": (1.0, 1.01), "xycoords": "axes fraction", "ha": "right", "va": "bottom"}
        axes.annotate(words, **place, fontsize="x-small", color="0.45")


def density(axes: Any, column: Column, *, label: Any = None, **options: Any) -> Any:
    """A kernel density of released counts, each standing in the middle of its bin."""
    from scipy.stats import gaussian_kde

    counts, edges = counts_of(column, FINE)
    weights = np.nan_to_num(counts)
    if not weights.any():
        raise HandleError("There is nothing to draw.", suggestion="Widen the condition.")
    spread = edges[-1] - edges[0]
    grid = np.linspace(edges[0] - spread / 4, edges[-1] + spread / 4, 300)
    kept = {name: options[name] for name in ("color", "alpha", "linestyle", "linewidth", "lw", "ls") if name in options}
    axes.plot(grid, gaussian_kde(middles(edges), weights=weights)(grid), label=label, **kept)
    axes.set_ylabel("Density")
    return axes


def scatter(axes: Any, x: Column, y: Column, bins: Any = SIDES, cmap: Any = None, **options: Any) -> Any:
    """A scatter's cloud as counts of its bins: single points are single patients."""
    table, across, up = pairs_of(x, y, bins)
    counts = np.full((len(up) - 1, len(across) - 1), np.nan)
    for i, j, count in zip(table["y"], table["x"], table["count"], strict=True):
        counts[int(i), int(j)] = count
    mesh = axes.pcolormesh(across, up, np.ma.masked_invalid(counts), cmap=cmap or "viridis")
    axes.set_xlabel(str(x.name))
    axes.set_ylabel(str(y.name))
    hidden = table.attrs["hidden"]
    if hidden:
        unseen = np.ma.masked_all(counts.shape)
        for i, j in hidden:
            unseen[j, i] = 0.0
        axes.pcolor(
            across, up, unseen, alpha=0.0, hatch=HATCHED["hatch"], edgecolor=HATCHED["edgecolor"], linewidth=0.0
        )
    noted(axes, len(hidden), "cell", hatching=True)
    return mesh
