"""seaborn draws from released aggregates what it would draw from the rows."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cleanroom_kernel.interpreter import hooks_seaborn, plots
from cleanroom_kernel.interpreter.errors import HandleError

sns = pytest.importorskip("seaborn")

ORDER = ["north", "south", "west"]


@pytest.fixture(autouse=True)
def figures(here):
    plots.install()
    hooks_seaborn.install()
    plt.close("all")
    yield
    plt.close("all")


def bars(axes):
    return sorted(round(float(max(bar.get_height(), 0)), 6) for bar in axes.patches if bar.get_height())


def lines(axes):
    """Positions of the lines of boxes, rounded."""
    return sorted(tuple(np.round(line.get_ydata().astype(float), 6)) for line in axes.lines)


BARS = {
    "counts": lambda df: sns.countplot(data=df, x="ward", order=ORDER),
    "counts of a column": lambda df: sns.countplot(x=df.ward, order=ORDER),
    "counts by two labels": lambda df: sns.countplot(data=df, x="ward", hue="died", order=ORDER),
    "counts of numbers": lambda df: sns.countplot(data=df, x="readmitted"),
    "means": lambda df: sns.barplot(data=df, x="ward", y="los", order=ORDER, errorbar=None),
    "means by two labels": lambda df: sns.barplot(data=df, x="ward", y="los", hue="died", order=ORDER, errorbar=None),
    "sums": lambda df: sns.barplot(data=df, x="ward", y="age", estimator="sum", order=ORDER, errorbar=None),
    "a histogram": lambda df: sns.histplot(data=df, x="age", bins=[0, 25, 50, 75, 100]),
    "a histogram by label": lambda df: sns.histplot(data=df, x="age", hue="died", bins=[0, 50, 100], multiple="stack"),
}


@pytest.mark.parametrize("draw", BARS.values(), ids=BARS.keys())
def test_bars_are_as_high_as_those_of_the_rows(draw, stays, table):
    ours = bars(draw(stays))
    plt.close("all")
    theirs = bars(draw(table))
    assert ours
    assert ours == pytest.approx(theirs)


def test_horizontal_bars_are_as_long_as_those_of_the_rows(stays, table):
    lengths = [
        sorted(bar.get_width() for bar in sns.countplot(y="ward", data=df, order=ORDER, ax=plt.figure().gca()).patches)
        for df in (stays, table)
    ]
    assert lengths[0] == lengths[1]


def test_a_box_has_the_released_quantiles(stays, table):
    shown = {value for line in lines(sns.boxplot(data=stays, x="ward", y="los", order=ORDER)) for value in line}
    wanted = table.groupby("ward").los.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).round(6)
    assert shown >= set(wanted)


def test_boxes_of_a_table_and_of_a_column_are_drawn(stays):
    assert len(sns.boxplot(data=stays[["age", "los"]]).get_xticks()) == 2
    assert sns.boxplot(x=stays.los).lines


@pytest.mark.parametrize("kind", ["count", "bar", "box", "violin", "point"])
def test_panels_are_drawn_of_released_tables(kind, stays):
    other = {} if kind == "count" else {"y": "los"}
    grid = sns.catplot(data=stays, x="ward", kind=kind, col="died", **other)
    assert len(grid.axes.ravel()) == 2


def test_densities_follow_the_released_counts(stays, table):
    """The peak of the curve from forty bins is where that of the rows is, within two bins."""
    peaks = []
    for rows in (stays, table):
        (line,) = sns.kdeplot(data=rows, x="los", ax=plt.figure().gca()).lines
        peaks.append(line.get_xdata()[np.argmax(line.get_ydata())])
    assert abs(peaks[0] - peaks[1]) < 2 * table.los.max() / 40


def test_a_scatter_is_drawn_as_counts_of_its_bins(stays, table):
    (mesh,) = sns.scatterplot(data=stays, x="age", y="los").collections
    both = table[["age", "los"]].dropna()
    assert mesh.get_array().sum() == len(both)
    plt.close("all")
    assert plt.scatter(stays.age, stays.los).get_array().sum() == len(both)
    plt.close("all")
    (mesh,) = stays.plot.scatter("age", "los").collections
    assert mesh.get_array().sum() == len(both)


def test_correlations_and_shares_of_missing_values_are_heat_maps(stays, table):
    names = ["age", "los", "tests"]
    assert np.allclose(sns.heatmap(stays[names].corr()).collections[0].get_array(), table[names].corr())
    plt.close("all")
    shares = sns.heatmap(stays[names].isnull()).collections[0].get_array()
    assert np.allclose(shares, table[names].isnull().mean())


@pytest.mark.parametrize("name", ["stripplot", "swarmplot", "regplot", "lmplot", "jointplot"])
def test_plots_whose_marks_are_patients_are_refused(name, stays, here):
    before = len(here.vault.questions)
    with pytest.raises(HandleError, match="single patient"):
        getattr(sns, name)(data=stays, x="age", y="los")
    with pytest.raises(HandleError, match="panel"):
        sns.FacetGrid(stays, col="died")
    assert len(here.vault.questions) == before


def test_bars_that_are_not_shown_are_counted_on_the_picture(guarded_alone):
    stays = guarded_alone.room["stays"]
    rare = stays.assign(kind=np.where((stays.age == 7) & (stays.ward == "north"), "rare", "usual"))
    axes = sns.countplot(data=rare, x="kind")
    assert [text.get_text() for text in axes.texts] == ["1 bar not shown (hatched): too few patients"]
    (place,) = [patch for patch in axes.patches if patch.get_hatch()]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert place.get_x() < labels.index("rare") < place.get_x() + place.get_width()
    assert [bar > 0 for bar in bars(axes)].count(True) == 1 + 1  # the hatched place is as high as the picture


def test_means_that_are_not_shown_keep_their_place_on_either_axis(guarded_alone):
    stays = guarded_alone.room["stays"]
    rare = stays.assign(kind=np.where((stays.age == 7) & (stays.ward == "north"), "rare", "usual"))
    axes = sns.barplot(data=rare, x="los", y="kind")
    (place,) = [patch for patch in axes.patches if patch.get_hatch()]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert place.get_y() < labels.index("rare") < place.get_y() + place.get_height()
    plt.close("all")
    assert not [patch for patch in sns.barplot(data=stays, x="ward", y="los").patches if patch.get_hatch()]


def test_bins_that_are_not_shown_are_hatched(guarded_alone):
    stays = guarded_alone.room["stays"]
    rare = stays[(stays.age != 7) | (stays.ward == "north")]
    axes = sns.histplot(data=rare, x="age", bins=[0, 7, 8, 50, 120])
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches if patch.get_hatch()]
    assert (7, 8) in spans
    assert any("hatched" in text.get_text() for text in axes.texts)


def test_tables_of_the_experts_own_are_drawn_by_seaborn_itself(table):
    assert len(sns.stripplot(data=table, x="age", y="los").collections) > 0
