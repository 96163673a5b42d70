"""Plots of rows are drawn from released counts and quantiles."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cleanroom_kernel.interpreter import plots
from cleanroom_kernel.interpreter.errors import Unavailable
from cleanroom_kernel.interpreter.lazily import when_imported


@pytest.fixture(autouse=True)
def figures():
    plots.install()
    plt.close("all")
    yield
    plt.close("all")


@pytest.mark.parametrize("bins", [10, 7, [0, 20, 50, 80, 100]])
def test_a_histogram_has_numpys_counts_and_edges(bins, stays, table):
    counts, edges = plots.histogram(stays.age, bins)
    wanted, wanted_edges = np.histogram(table.age, bins)
    assert counts.tolist() == wanted.tolist()
    assert edges.tolist() == pytest.approx(wanted_edges.tolist())


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def test_hist_draws_the_released_counts(stays, table):
    wanted = np.histogram(table.age, 10)[0].tolist()
    assert heights(stays.age.hist()) == wanted
    plt.close("all")
    assert plt.hist(stays.age)[0].tolist() == wanted
    plt.close("all")
    assert heights(stays.age.plot.hist()) == wanted
    plt.close("all")
    assert heights(stays["age"].plot(kind="hist", bins=4, title="ages")) == np.histogram(table.age, 4)[0].tolist()


def test_two_columns_share_their_bins(stays, table):
    counts, edges, _ = plt.hist([stays[stays.died].age, stays[~stays.died].age], bins=[0, 50, 100], alpha=0.5)
    assert edges.tolist() == [0, 50, 100]
    assert np.array(counts).sum() == len(table)


def test_every_numeric_column_has_its_histogram(stays):
    axes = stays.hist(figsize=(6, 4), bins=5)
    assert [own.get_title() for own in np.ravel(axes) if own.get_visible()] == ["age", "los", "tests", "readmitted"]


def test_a_box_is_drawn_from_quantiles_without_outliers(stays, table):
    box = plots.box(stays.age, "age")
    assert (box["q1"], box["med"], box["q3"]) == tuple(table.age.quantile([0.25, 0.5, 0.75]))
    assert box["fliers"] == []
    assert stays.boxplot(column="age", by="ward").get_title() == "age"
    assert plt.boxplot(stays.age)["medians"][0].get_ydata()[0] == table.age.median()


def test_boxes_of_groups_are_their_quantiles(stays, table):
    boxes = plots.grouped_boxes(stays, "age", "ward")
    wanted = table.groupby("ward").age.median()
    assert {box["label"]: box["med"] for box in boxes} == wanted.to_dict()


@pytest.mark.parametrize("kind", ["line", "area", "bar"])
def test_a_plot_that_shows_rows_is_not_drawn(kind, stays):
    with pytest.raises(Unavailable, match="single patients"):
        getattr(stays.plot, kind)("age", "los")


def test_ordinary_arrays_are_drawn_as_ever():
    assert plt.hist([1, 2, 2], bins=2)[0].tolist() == [1, 2]


def test_without_bounds_or_endpoints_a_histogram_lies_between_outer_quantiles(guarded):
    _, edges = plots.histogram(guarded.room["stays"].tests, 4)
    assert 0 <= edges[0] < edges[-1] <= 8


def test_a_library_is_changed_when_it_is_imported_and_not_before():
    code = (
        "import sys; from cleanroom_kernel.interpreter.lazily import when_imported; seen = [];"
        "when_imported('colorsys', seen.append); assert not seen; import colorsys;"
        "assert seen == [colorsys]; assert colorsys.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_that_is_there_already_is_changed_at_once():
    seen = []
    when_imported("sys", seen.append)
    assert seen == [sys]
