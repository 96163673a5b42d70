"""Parts, inference: standard errors and goodness of fit of linear models without a penalty, for who does statistics.

Promise: reads rows, decides nothing beyond the rules it is handed. Each number comes with how far every unit moves it,
so that it is rounded or hidden like a coefficient. Leaving a unit's rows out has closed forms: with working weights v,
rows x and leverage h of the unit, the inverse G of X'VX grows by the sum of v (G x)(G x)' / (1 - h). Clustered errors
are those of rows that belong together by unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from scipy.special import gammaln, xlogy

from cleanroom_kernel.disclosure.models import shown
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import to_multiple
from cleanroom_kernel.vault.parts import Floats, Seen, estimates, means

MOST_COEFFICIENTS = 200
GOODNESS = "goodness_"  # numbers of rows and of units come first
_MOST_LEVERAGE = 0.9  # a unit beyond it decides so much that its numbers are hidden anyway
_TINY = 1e-300


def half_inverse(rows: Floats) -> Floats:
    """A matrix A with A A' the (pseudo-)inverse of R'R, for `rows` R.

    From R and not from R'R, whose digits end where two columns that differ in one unit's row begin to differ: what
    scikit-learn's solvers tell apart is told apart here.
    """
    triangle = np.linalg.qr(rows, mode="r")
    _, values, vectors = np.linalg.svd(triangle)
    values = np.append(values, np.zeros(len(vectors) - len(values)))
    kept = values > np.finfo(np.float64).eps * max(rows.shape) * max(values.max(initial=0.0), _TINY)
    half: Floats = vectors[kept].T / values[kept]
    return half


def inference(
    model: Any, seen: Seen, weight: Floats, residual: Floats, visible: Floats, policy: PolicySnapshot
) -> dict[str, Floats]:
    """What statistics ask of a model, as it may be shown; nothing for a model of another kind.

    `weight` and `residual` are the working ones of each row; `visible` are intercept and coefficients as they are
    shown, NaN where they are not. As long as one is hidden, so is all of this: a column of one unit takes that unit out
    of the residuals, and two scales, with and without the column, were its residual. And the scale is rounded once, and
    put into every error as it is shown: errors with roundings of their own would give its digits back.
    """
    kind = type(model).__name__
    goodness = _GOODNESS.get(kind)
    plain = seen.weight is None and getattr(model, "class_weight", None) is None and _is_unpenalised(model)
    if goodness is None or not plain or weight.shape[1] != 1 or len(visible) > MOST_COEFFICIENTS:
        return {}
    of = _Rows(seen, weight[:, 0], residual[:, 0], has_intercept=bool(model.fit_intercept))
    never_moved = bool((np.asarray(model.coef_) == 0).any())  # a solver that gave up, or a constant column
    hidden = np.full(len(visible), never_moved or bool(np.isnan(visible).any()))
    clustered = shown(estimates(*of.clustered()), hidden, policy)
    unscaled = shown(estimates(*of.errors()), hidden, policy)
    values, moved = goodness(model, of)
    numbers = shown(estimates(values, moved), np.full(len(values), hidden[0]), policy)
    counts = shown(estimates(of.counts, seen.rows_per_unit[:, np.newaxis] ** [1, 0]), np.zeros(2, dtype=bool), policy)
    rounded = [to_multiple(float(number), float(policy.count_base)) for number in counts]
    return {
        "standard_errors_": unscaled * np.sqrt(numbers[0]) if kind in _SCALED else unscaled,
        "clustered_errors_": clustered,
        GOODNESS: np.concatenate([rounded, numbers]),
    }


def _is_unpenalised(model: Any) -> bool:
    if hasattr(model, "alpha"):
        return bool(model.alpha == 0)
    return not hasattr(model, "C") or bool(np.isinf(model.C))


class _Rows:
    """The rows of a fit in columns that are centred and scaled, and how the way back from there is."""

    def __init__(self, seen: Seen, weight: Floats, residual: Floats, *, has_intercept: bool) -> None:
        self.seen, self.weight, self.residual = seen, weight, residual
        self.has_intercept = has_intercept
        numbers = seen.numbers
        mean = numbers.mean(axis=0) if has_intercept else np.zeros(numbers.shape[1])
        spread = numbers.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        first = np.ones((len(numbers), 1)) if has_intercept else np.zeros((len(numbers), 1))
        X = np.hstack([first, (numbers - mean) / scale])
        half = half_inverse(X * np.sqrt(weight)[:, np.newaxis])
        back = np.diag(np.concatenate([[1.0], 1 / scale]))
        back[0, 1:] = -mean / scale if has_intercept else 0.0
        projected = X @ half
        self.rank = half.shape[1]
        self.of_each = projected @ (back @ half).T  # G x of every row, in the expert's columns
        self.inverse = ((back @ half) ** 2).sum(axis=1)  # the diagonal of G
        leverage = seen.sums((weight * (projected**2).sum(axis=1))[:, np.newaxis])[:, 0]
        self.left = 1 - np.minimum(leverage, _MOST_LEVERAGE)

    @property
    def counts(self) -> Floats:
        return np.array([self.seen.size, self.seen.n_units], dtype=np.float64)

    @property
    def freedom(self) -> int:
        return max(self.seen.size - self.rank, 1)

    def scale(self) -> tuple[float, Floats]:
        """The variance of residuals, and the same without each unit."""
        squares = self.residual**2
        without = squares.sum() - self.per_unit(squares) / self.left
        freedom = np.maximum(self.freedom - self.seen.rows_per_unit, 1)
        return float(squares.sum()) / self.freedom, np.maximum(without, 0.0) / freedom

    def errors(self) -> tuple[Floats, Floats]:
        """Standard errors where the scale is one, and how far each unit moves them."""
        grown = self.seen.sums(self.weight[:, np.newaxis] * self.of_each**2) / self.left[:, np.newaxis]
        found = np.sqrt(self.inverse)
        return found, np.sqrt(self.inverse + grown) - found

    def clustered(self) -> tuple[Floats, Floats]:
        """Errors of rows that depend on each other within a unit, with the correction for few units."""
        moved = self.seen.sums(self.of_each * self.residual[:, np.newaxis]) ** 2
        units = self.seen.n_units
        correction = units / max(units - 1, 1) * (self.seen.size - 1) / self.freedom
        found = np.sqrt(correction * moved.sum(axis=0))
        return found, np.sqrt(np.maximum(found**2 - correction * moved, 0.0)) - found

    def per_unit(self, values: Floats) -> Floats:
        return self.seen.sums(values[:, np.newaxis])[:, 0]


# -- goodness of fit: numbers, and how far each unit moves them -------------------------------------------------------
class Sums(Struct, frozen=True, eq=False):
    """Sums over rows; a unit moves each by what its own rows add."""

    rows: tuple[Floats, ...]

    def over(self, of: _Rows) -> tuple[Floats, Floats]:
        values = np.stack(self.rows, axis=1)
        return values.sum(axis=0), -of.seen.sums(values)


def _of_squares(model: Any, of: _Rows) -> tuple[Floats, Floats]:
    """Scale, and the target's mean square about its mean (about zero without an intercept)."""
    truth = np.asarray(of.seen.y, dtype=np.float64)
    scale, without = of.scale()
    around = (truth - truth.mean() if of.has_intercept else truth) ** 2
    mean, moved = means(of.seen, around[:, np.newaxis])
    return np.array([scale, float(mean[0])]), np.column_stack([without - scale, moved])


def _of_classes(model: Any, of: _Rows) -> tuple[Floats, Floats]:
    """Log-likelihood, that of a constant, deviance and Pearson's chi squared."""
    truth = (of.seen.y == model.classes_[1]).astype(np.float64)
    chance = np.clip(model.predict_proba(of.seen.X)[:, 1], 1e-15, 1 - 1e-15)
    likelihood = np.log(np.where(truth == 1, chance, 1 - chance))
    mean = truth.mean()
    alone = xlogy(truth, mean) + xlogy(1 - truth, 1 - mean)
    return Sums((likelihood, alone, -2 * likelihood, (truth - chance) ** 2 / (chance * (1 - chance)))).over(of)


def _of_counts(model: Any, of: _Rows) -> tuple[Floats, Floats]:
    """The same of Poisson's distribution."""
    truth = np.asarray(of.seen.y, dtype=np.float64)
    expected = np.maximum(model.predict(of.seen.X), _TINY)
    likelihood = xlogy(truth, expected) - expected - gammaln(truth + 1)
    mean = truth.mean()
    alone = xlogy(truth, mean) - mean - gammaln(truth + 1)
    deviance = 2 * (xlogy(truth, truth / expected) - (truth - expected))
    return Sums((likelihood, alone, deviance, (truth - expected) ** 2 / expected)).over(of)


def _of_sizes(model: Any, of: _Rows) -> tuple[Floats, Floats]:
    """Scale, deviance and Pearson's chi squared of the gamma distribution."""
    truth = np.asarray(of.seen.y, dtype=np.float64)
    expected = np.maximum(model.predict(of.seen.X), _TINY)
    scale, without = of.scale()
    ratio = truth / expected
    values, moved = Sums((2 * (ratio - 1 - np.log(np.maximum(ratio, _TINY))), (ratio - 1) ** 2)).over(of)
    return np.concatenate([[scale], values]), np.column_stack([without - scale, moved])


_SCALED = ("LinearRegression", "GammaRegressor")  # the first number of their goodness of fit is the scale
_GOODNESS: dict[str, Callable[[Any, _Rows], tuple[Floats, Floats]]] = {
    "LinearRegression": _of_squares,
    "LogisticRegression": _of_classes,
    "PoissonRegressor": _of_counts,
    "GammaRegressor": _of_sizes,
}
