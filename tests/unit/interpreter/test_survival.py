"""Survival curves of rows are compared with statsmodels' product-limit estimate of the same rows."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import survdiff

from cleanroom_kernel.interpreter import hooks_statsmodels
from cleanroom_kernel.interpreter.errors import CleanRoomError, HandleError

matplotlib.use("Agg")
DAYS = range(101)


def reference(table, times):
    """The product-limit estimate at each of `times`."""
    curve = sm.SurvfuncRight(table.age, table.died)
    places = np.searchsorted(curve.surv_times, times, side="right")
    return np.array([1.0, *curve.surv_prob])[places]


def test_with_all_times_the_curve_is_kaplans_and_meiers(here, stays, table):
    curve = here.room.survival(stays.age, stays.died, timeline=DAYS)
    np.testing.assert_allclose(curve.survival_function_.KM_estimate, reference(table, curve.timeline))
    known = sm.SurvfuncRight(table.age, table.died)
    assert curve.median_survival_time_ == known.quantile(0.5)
    at = curve.event_table.loc[known.surv_times]
    np.testing.assert_array_equal(at.at_risk, known.n_risk)
    np.testing.assert_array_equal(at.observed, known.n_events)
    np.testing.assert_allclose(curve.survival_function_at_times([10, 50.5]), reference(table, [10, 50.5]))


def test_the_interval_is_that_of_the_loglog_method(here, stays, table):
    curve = here.room.survival(stays.age, stays.died, timeline=DAYS)
    known = sm.SurvfuncRight(table.age, table.died)
    survival, error = known.surv_prob, known.surv_prob_se
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.exp(1.959964 * error / (survival * np.log(survival)))
    ours = curve.confidence_interval_.loc[known.surv_times]
    inside = (survival > 0) & (survival < 1)
    np.testing.assert_allclose(ours.iloc[:, 0][inside], (survival ** (1 / factor))[inside], rtol=1e-5)
    np.testing.assert_allclose(ours.iloc[:, 1][inside], (survival**factor)[inside], rtol=1e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(least=st.integers(0, 60), ward=st.sampled_from(["north", "south"]), flag=st.sampled_from(["died", "readmitted"]))
def test_any_selection_has_the_curve_of_its_rows(here, stays, table, least, ward, flag):
    ours, theirs = (df[(df.age > least) & (df.ward == ward)] for df in (stays, table))
    curve = here.room.survival(ours.age, ours[flag], timeline=DAYS)
    known = reference(theirs.assign(died=theirs[flag]), curve.timeline)
    np.testing.assert_allclose(curve.survival_function_.KM_estimate, known)


def test_missing_values_are_left_out(here, stays, table):
    curve = here.room.survival(stays.tests, stays.died, timeline=range(10))
    known = table.dropna(subset=["tests"])
    assert curve.event_table.at_risk.iloc[0] == len(known)
    assert curve.event_table.observed.sum() == known.died.sum()


def test_without_events_every_row_ends_with_one(here, stays, table):
    curve = here.room.survival(stays.age, timeline=DAYS)
    np.testing.assert_allclose(curve.survival_function_at_times([50]), [(table.age > 50).mean()])


def test_two_groups_are_compared_as_statsmodels_does(here, stays, table):
    ours = [stays[stays.ward == ward] for ward in ("north", "south")]
    found = here.room.logrank_test(ours[0].age, ours[1].age, ours[0].died, ours[1].died, timeline=DAYS)
    theirs = table[table.ward.isin(["north", "south"])]
    statistic, pvalue = survdiff(theirs.age, theirs.died, theirs.ward)
    np.testing.assert_allclose(found, [statistic, pvalue], rtol=1e-6)


def test_the_plot_draws_the_steps(here, stays):
    curve = here.room.survival(stays.age, stays.died, timeline=DAYS, label="all stays")
    (line,) = curve.plot().get_lines()
    np.testing.assert_array_equal(line.get_ydata(), curve.survival_function_["all stays"])
    assert line.get_drawstyle() == "steps-post"


# -- under a policy ---------------------------------------------------------------------------------------------------
def test_on_a_coarse_grid_the_curve_is_close(guarded):
    stays, table = guarded.room["stays"], guarded.tables["stays"]
    curve = guarded.room.survival(stays.age, stays.died)
    assert 2 <= len(curve.event_table) <= 20
    np.testing.assert_allclose(curve.survival_function_.KM_estimate, reference(table, curve.timeline), atol=0.03)
    shown = curve.event_table.observed[curve.event_table.observed % 5 == 0]
    assert (shown >= 10).all(), "steps of fewer patients are not shown"


def test_on_a_grid_that_is_too_fine_nothing_of_few_is_told(guarded_alone):
    """Cells of few patients are estimates from the totals: the same for all of them, whatever they hold."""
    stays = guarded_alone.room["stays"]
    curve = guarded_alone.room.survival(stays.age, stays.died, timeline=DAYS)
    assert curve.unknown > 50
    assert "estimated from the totals" in repr(curve)
    small = curve.event_table.observed[curve.event_table.observed < 10]
    assert small.nunique() == 1


def test_few_events_have_no_curve(guarded_alone):
    rows = guarded_alone.room["stays"]
    rows = rows[(rows.age > 40) & (rows.age < 43)]
    with pytest.raises(CleanRoomError, match=r"too few events|withholds"):
        guarded_alone.room.survival(rows.age, rows.died)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda room, df: room.survival([1, 2], df.died), "column of numbers"),
        (lambda room, df: room.survival(df.admitted, df.died), "days"),
        (lambda room, df: room.survival(df.age, df.los), "zeros and ones"),
        (lambda room, df: room.survival(df.age, df.died, timeline=[]), "list of at most"),
        (lambda room, df: sm.SurvfuncRight(df.age, df.died), "room.survival"),
    ],
)
def test_what_is_no_survival_time_is_refused(here, stays, ask, words):
    hooks_statsmodels.install()
    with pytest.raises(HandleError, match=words):
        ask(here.room, stays)


def test_an_experts_own_rows_go_to_statsmodels():
    hooks_statsmodels.install()
    own = pd.DataFrame({"t": [1, 2, 3], "e": [1, 0, 1]})
    assert list(sm.SurvfuncRight(own.t, own.e).surv_times) == [1, 3]
