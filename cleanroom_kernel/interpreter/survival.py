"""Survival: curves of rows of the room from counts on a coarse grid of times, by the life table of actuaries.

Three questions for each group of rows: how many end with the event and how many are censored; between which times
equal shares of the events lie (unless the expert gives the times); and how many end in each step, with the event or
without. All else is computed here. Within a step events count as they do in Kaplan and Meier's estimate; who is
censored in it is at risk for half of it, or for all of it where the grid has every whole number. Cells with fewer
patients than the policy shows are not known: what is left of the totals is spread over them, and the curve says how
many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column
from cleanroom_kernel.interpreter.results import asked
from cleanroom_kernel.interpreter.terms import call, either, known, negated
from cleanroom_kernel.plan.aggregates import Column as Statistic
from cleanroom_kernel.plan.aggregates import Quantile, Size, Summary
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Cut, Expression, Literal, Named, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Filter
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Grid

MOST_STEPS = 20  # of a curve whose times are not given: fewer where there are few events
EVENTS_PER_STEP = 25.0  # on average, so that hardly a step has fewer than the policy shows
MOST_TIMES = 200

Counts = np.ndarray[Any, np.dtype[np.float64]]


class Survival:
    """A curve: the share of whom the event has not happened to by each time. The names are those of lifelines.

    `event_table` has a row per step; `at_risk` and `censored` are estimates where cells are not known, and `exposed` is
    who counts as at risk.
    """

    def __init__(self, label: str, event_table: pd.DataFrame, *, whole_steps: bool, unknown: int) -> None:
        self.label = label
        self.event_table = event_table
        self.unknown = unknown
        at_risk = event_table["at_risk"] - (0.0 if whole_steps else event_table["censored"] / 2)
        self.exposed = at_risk
        observed = event_table["observed"]
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = (observed / at_risk).where(at_risk > 0, 0.0).clip(upper=1.0)
            survival = (1 - hazard).cumprod()
            spread = (observed / (at_risk * (at_risk - observed))).where(at_risk > observed, 0.0).cumsum()
        before = [0.0] if event_table.index[0] > 0 else []
        times = pd.Index([*before, *event_table.index], name="timeline")
        self.survival_function_ = pd.DataFrame({label: [*(1.0 for _ in before), *survival]}, index=times)
        self._spread = np.array([*before, *spread])

    @property
    def timeline(self) -> np.ndarray:
        return self.survival_function_.index.to_numpy()

    @property
    def confidence_interval_(self) -> pd.DataFrame:
        """95 % intervals, of the logarithm of the hazard as lifelines has them."""
        return self.conf_int()

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        survival = self.survival_function_[self.label].to_numpy()
        wide = stats.norm.ppf(1 - alpha / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = np.log(survival)
            factor = np.exp(wide * np.sqrt(self._spread) / hazard)
            lower, upper = survival ** (1 / factor), survival**factor
        level = f"{1 - alpha:g}"
        found = {f"{self.label}_lower_{level}": lower, f"{self.label}_upper_{level}": upper}
        return pd.DataFrame(found, index=self.survival_function_.index).fillna(1.0)

    @property
    def median_survival_time_(self) -> float:
        return self.percentile(0.5)

    def percentile(self, p: float) -> float:
        """The first time by which no more than `p` are left; infinity where there is none."""
        left = self.survival_function_[self.label] <= p
        return float(left.idxmax()) if left.any() else float("inf")

    def survival_function_at_times(self, times: Any) -> pd.Series:
        wanted = np.atleast_1d(np.asarray(times, dtype=float))
        places = np.searchsorted(self.timeline, wanted, side="right") - 1
        return pd.Series(self.survival_function_[self.label].to_numpy()[places], index=wanted, name=self.label)

    predict = survival_function_at_times

    def plot(self, ax: Any = None, *, ci_show: bool = True, **options: Any) -> Any:
        """Steps of the released curve, and its interval."""
        ax = self.survival_function_.plot(drawstyle="steps-post", ax=ax, **options)
        if ci_show:
            lower, upper = self.confidence_interval_.to_numpy().T
            color = ax.get_lines()[-1].get_color()
            ax.fill_between(self.timeline, lower, upper, step="post", alpha=0.25, color=color, linewidth=0)
        ax.set_ylim(0, 1.05)
        return ax

    plot_survival_function = plot

    def __repr__(self) -> str:
        rows, events = self.event_table["at_risk"].iloc[0], self.event_table["observed"].sum()
        hidden = f" {self.unknown} cells of few patients are estimated from the totals." if self.unknown else ""
        return (
            f"<Survival {self.label!r}: {len(self.event_table)} steps, {events:,.0f} events of {rows:,.0f}, "
            f"median {self.median_survival_time_:g}.{hidden}>"
        )


def survival(
    durations: Column, events: Any = None, timeline: Sequence[float] | None = None, label: str = "KM_estimate"
) -> Survival:
    """The curve of rows of the room. `events` is true or 1 where the event happened, else the row is censored."""
    rows, time, event = _complete(durations, events)
    totals = _by_event(rows, event)
    edges = _edges(rows, time, event, totals[1]) if timeline is None else _given(timeline)
    return _curve(label, *_counted(rows, time, event, edges, totals))


def logrank_test(
    durations_a: Column, durations_b: Column, event_observed_a: Any = None, event_observed_b: Any = None,
    timeline: Sequence[float] | None = None,
) -> pd.Series:  # fmt: skip
    """Whether two curves differ, from counts in the same steps. The steps are those of the first group's events."""
    first = _complete(durations_a, event_observed_a)
    second = _complete(durations_b, event_observed_b)
    totals = [_by_event(rows, event) for rows, _, event in (first, second)]
    edges = _edges(*first, totals[0][1]) if timeline is None else _given(timeline)
    curves = [_curve("", *_counted(*of, edges, known)) for of, known in zip((first, second), totals, strict=True)]
    tables, risk = [curve.event_table for curve in curves], [curve.exposed for curve in curves]
    both, happened = risk[0] + risk[1], tables[0]["observed"] + tables[1]["observed"]
    of_some = both > 1
    expected = (happened * risk[0] / both)[of_some]
    variance = (happened * risk[0] * risk[1] * (both - happened) / (both**2 * (both - 1)))[of_some].sum()
    statistic = float((tables[0]["observed"][of_some] - expected).sum() ** 2 / variance)
    return pd.Series({"test_statistic": statistic, "p_value": float(stats.chi2.sf(statistic, 1))}, name="logrank")


# -- questions --------------------------------------------------------------------------------------------------------
def _complete(durations: Any, events: Any) -> tuple[Relation, Expression, Expression]:
    """Rows whose duration and event are known, the duration, and the event as a truth value."""
    if not isinstance(durations, Column) or not (durations._field.dtype.is_numeric or _is_length(durations)):
        raise HandleError("Durations are a column of numbers.", suggestion="(df.end - df.start).dt.days")
    if _is_length(durations):
        raise HandleError("Durations are numbers.", suggestion="(df.end - df.start).dt.days")
    if events is None:
        rows, time = durations._rows, durations._expression
        event: Expression = Literal(True, DType.BOOLEAN)
        missing = call(Function.IS_NULL, known(time, DType.FLOAT))
    else:
        if not isinstance(events, Column) or events._field.dtype not in (DType.BOOLEAN, DType.INTEGER):
            raise HandleError("Events are a column of truth values, or of zeros and ones.")
        rows, time = contexts.align(events._rows, durations._rows, durations._expression)
        event = events._expression
        missing = either(
            call(Function.IS_NULL, known(time, DType.FLOAT)), call(Function.IS_NULL, known(event, DType.FLOAT))
        )
        if events._field.dtype is DType.INTEGER:
            event = Call(Function.EQUAL, (event, Literal(1, DType.INTEGER)))
    return Filter(rows, negated(missing)), time, event


def _is_length(column: Column) -> bool:
    return column._field.dtype is DType.DURATION


def _by_event(rows: Relation, event: Expression) -> tuple[float, float]:
    """How many are censored, and how many are not."""
    question = Summary(rows, (Statistic("rows", Size()),), (Named("event", event),))
    found = asked(question, lambda grid, receipt: _cells(grid), {(False,): 100.0, (True,): 100.0})
    return tuple(_number(found.get((name,), 0.0)) for name in (False, True))  # type: ignore[return-value]


def _edges(rows: Relation, time: Expression, event: Expression, events: float) -> list[float]:
    """Times between which there are equally many events."""
    steps = int(min(MOST_STEPS, events // EVENTS_PER_STEP))
    if steps < 1:
        raise HandleError(
            "There are too few events for a curve.", suggestion="Compare shares: df.groupby('group').event.mean()"
        )
    shares = [step / steps for step in range(1, steps)]
    question = Summary(Filter(rows, event), tuple(Statistic(f"{share:.3f}", Quantile(time, share)) for share in shares))
    found = [] if not shares else asked(question, lambda grid, receipt: [column[0] for column in grid.values], [1.0])
    inner = sorted({float(value) for value in found if value is not None})
    return [*inner, np.inf]


def _given(timeline: Sequence[float]) -> list[float]:
    edges = sorted({float(time) for time in timeline})
    if not edges or len(edges) > MOST_TIMES or not np.isfinite(edges).all():
        raise HandleError(f"timeline is a list of at most {MOST_TIMES} times.", suggestion="timeline=range(0, 31)")
    return [*edges, np.inf]


def _counted(
    rows: Relation, time: Expression, event: Expression, edges: list[float], totals: tuple[float, float]
) -> tuple[list[float], Counts, int, bool]:
    """Who ends in each step: censored and with the event, and how many of these numbers are not known."""
    labels = tuple(f"up to {edge:g}" for edge in edges)
    step = Cut(time, (-1e300, *edges[:-1], 1e300), labels)
    question = Summary(rows, (Statistic("rows", Size()),), (Named("step", step), Named("event", event)))
    found = asked(question, lambda grid, receipt: _cells(grid), {})
    table = np.array([[found.get((label, name), 0.0) for label in labels] for name in (False, True)], dtype=float)
    unknown = np.isnan(table)
    for row, hidden, total in zip(table, unknown, totals, strict=True):
        if hidden.any():
            row[hidden] = max(total - np.nansum(row), 0.0) / hidden.sum()
    whole = type_of(time, rows.fields).dtype is DType.INTEGER and bool((np.diff(edges[:-1]) <= 1).all())
    return edges, table, int(unknown.sum()), whole and len(edges) > 1


def _curve(label: str, edges: list[float], table: Counts, unknown: int, whole_steps: bool) -> Survival:
    censored, observed = table
    ending = censored + observed
    at_risk = ending[::-1].cumsum()[::-1]
    steps = pd.DataFrame(
        {"observed": observed, "censored": censored, "at_risk": at_risk}, index=pd.Index(edges, name="event_at")
    )
    # Beyond the last time that was asked for there is no time to put a step at.
    return Survival(label, steps.iloc[:-1] if len(steps) > 1 else steps, whole_steps=whole_steps, unknown=unknown)


def _cells(grid: Grid) -> dict[Any, float]:
    return {
        row: np.nan if hidden or value is None else float(value)
        for row, value, hidden in zip(grid.rows, grid.values[0], grid.suppressed[0], strict=True)
    }


def _number(value: float) -> float:
    return 0.0 if np.isnan(value) else value
