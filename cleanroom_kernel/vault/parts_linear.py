"""Parts, linear models: how much each unit decides of each coefficient.

Promise: reads rows, decides nothing beyond the rules it is handed. At its optimum a generalised linear model is the
solution of a weighted least-squares problem, so that leverage and influence have closed forms: with working weights v
and working residuals r, unit u has the leverage sum v x' (X'VX)^-1 x over its rows, and moves the coefficients by
(X'VX + P)^-1 X_u' r_u / (1 - leverage), P being the penalty. Leverage is taken without the penalty: a penalised
coefficient of one unit's indicator is small, but its sign still is that unit's outcome.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.class_weight import compute_sample_weight

from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.models import Design, Estimates, findings, shown, weak
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.vault.parts import Floats, Part, Seen, estimates
from cleanroom_kernel.vault.parts_inference import half_inverse, inference

_LEAST_WEIGHT = 1e-9
_MOST_ATTEMPTS = 8


def examine(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    coefficients = np.atleast_2d(model.coef_).astype(np.float64)
    thin = seen.weak | weak(seen.evidence, policy)
    found = _solved(model, coefficients, seen, ~thin & (coefficients != 0).any(axis=0), policy)
    hidden = thin | found.hidden
    coef = shown(found.slopes, np.broadcast_to(hidden, coefficients.shape), policy)
    intercept = _intercept(model, found, policy)
    visible = int(np.isfinite(coef).any(axis=0).sum()) if np.isfinite(intercept).all() else 0
    facts = Design(seen.n_units, coef.size + intercept.size, found.leverage, visible)
    return Part(
        model,
        Family.LINEAR,
        findings=findings(type(model).__name__, (facts,), policy),
        notes=_notes(seen, ~np.isfinite(coef).all(axis=0), policy),
        shown={"coef_": coef.reshape(np.shape(model.coef_)), "intercept_": intercept},
        inference=inference(model, seen, *_working(model, seen), np.append(intercept.ravel(), coef), policy),
    )


class _Solved(Struct, frozen=True, eq=False):
    slopes: Estimates
    intercepts: Floats  # how far each unit moves each intercept
    leverage: float
    hidden: NDArray[np.bool_]  # coefficients that were left out because a unit decides too much of them
    intercept_hidden: bool


def _solved(model: Any, coefficients: Floats, seen: Seen, used: NDArray[np.bool_], policy: PolicySnapshot) -> _Solved:
    """Leverage and influence among the coefficients that are shown.

    Columns that differ from others in a few units' rows alone are found here: a unit decides their coefficients. They
    are left out and the rest is looked at again, for as long as that helps. But a number that is shown is one of the
    whole model, in which a column that is left out may have taken a unit's outcome to it: cost and cost + 1 for one
    unit have opposite coefficients, which are that unit's. Its residual is zero then, and moves nothing. So first it
    is asked, of all columns together, of how many units' outcomes each coefficient is made.
    """
    weights, residuals = _working(model, seen)
    penalty = np.broadcast_to(_penalty(model, seen), used.shape)
    made_of = _made_of(model, seen, weights, penalty)
    few = (made_of < policy.effective_units) if policy.minimum_units else np.zeros(len(made_of), dtype=bool)
    hidden = few[1:] & used
    used = used & ~hidden
    for attempt in range(_MOST_ATTEMPTS):
        problem = _Problem(seen, seen.numbers[:, used], penalty[used], has_intercept=bool(model.fit_intercept))
        solved = [problem.solve(weights[:, k], residuals[:, k]) for k in range(weights.shape[1])]
        slopes = _stacked(
            [_spread_out(row, one.moved[:, 1:], used) for row, one in zip(coefficients, solved, strict=True)]
        )
        leverage = max(one.leverage for one in solved)
        more = np.isnan(shown(slopes, np.zeros(coefficients.shape, dtype=bool), policy)).any(axis=0) & used
        if policy.minimum_units and leverage > policy.leverage and not more.any():
            worst = max(solved, key=lambda one: one.leverage)
            more[np.flatnonzero(used)[worst.most_decided]] = True
        if not more.any() or attempt == _MOST_ATTEMPTS - 1:
            break
        used, hidden = used & ~more, hidden | more
    intercepts = np.hstack([one.moved[:, :1] for one in solved])
    return _Solved(slopes, intercepts, leverage, hidden, bool(few[0]))


def _made_of(model: Any, seen: Seen, weights: Floats, penalty: Floats) -> Floats:
    """Of how many units' outcomes the intercept and each coefficient are made, the least of all classes."""
    whole = _Problem(seen, seen.numbers, penalty, has_intercept=bool(model.fit_intercept))
    return np.min([whole.made_of(weights[:, k]) for k in range(weights.shape[1])], axis=0)


def line(model: Any, seen: Seen, truth: Floats, chance: Floats, policy: PolicySnapshot) -> Part:
    """A sigmoid calibration: a logistic regression on one column, with the signs of its numbers turned."""
    problem = _Problem(seen, seen.numbers, np.zeros(1), has_intercept=True)
    chance = np.clip(chance, _LEAST_WEIGHT, 1 - _LEAST_WEIGHT)
    solved = problem.solve(chance * (1 - chance), truth - chance)
    learned = estimates(np.array([model.b_, model.a_], dtype=np.float64), solved.moved)
    numbers = shown(learned, np.zeros(2, dtype=bool), policy)
    facts = Design(seen.n_units, 2, solved.leverage, int(np.isfinite(numbers).all()))
    return Part(
        model,
        Family.LINEAR,
        findings=findings("calibration", (facts,), policy),
        shown={"a_": numbers[1:], "b_": numbers[:1]},
    )


def _notes(seen: Seen, hidden: NDArray[np.bool_], policy: PolicySnapshot) -> tuple[str, ...]:
    names = [column.name for column, gone in zip(seen.columns, hidden, strict=True) if gone]
    if not names:
        return ()
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (f"Coefficients that too few patients decide are hidden, and zero in a released file: {listed}.",)


class _Solution(Struct, frozen=True, eq=False):
    leverage: float  # the largest of a unit
    moved: Floats  # how far each unit moves intercept and coefficients
    most_decided: int  # the coefficient that the unit of the largest leverage moves most, beside what others do


class _Problem:
    """The weighted least-squares problem, in columns that are centred and scaled so that it is well conditioned."""

    def __init__(self, seen: Seen, X: Floats, penalty: Floats, *, has_intercept: bool) -> None:
        self._seen = seen
        self._intercept = has_intercept
        self._mean = X.mean(axis=0) if has_intercept else np.zeros(X.shape[1])
        scale = X.std(axis=0)
        self._scale = np.where(scale > 0, scale, 1.0)
        first = np.ones((len(X), 1)) if has_intercept else np.zeros((len(X), 1))
        self._X = np.hstack([first, (X - self._mean) / self._scale])
        self._penalty = np.concatenate([[0.0], penalty / self._scale**2])

    def made_of(self, weight: Floats) -> Floats:
        """Effective numbers of units whose outcomes make intercept and coefficients."""
        half = half_inverse(self._penalised(self._weighted(weight)))
        back = np.diag(np.concatenate([[1.0], 1 / self._scale]))
        back[0, 1:] = -self._mean / self._scale
        parts = self._seen.sums(weight[:, np.newaxis] * ((self._X @ half) @ (back @ half).T) ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = parts.sum(axis=0) ** 2 / (parts**2).sum(axis=0)
        return np.where(np.isnan(found), np.inf, found)

    def _weighted(self, weight: Floats) -> Floats:
        """Rows times the roots of their weights."""
        rows: Floats = self._X * np.sqrt(weight)[:, np.newaxis]
        return rows

    def _penalised(self, weighted: Floats) -> Floats:
        """The penalty is a row for each coefficient."""
        return np.vstack([weighted, np.diag(np.sqrt(self._penalty))]) if self._penalty.any() else weighted

    def solve(self, weight: Floats, residual: Floats) -> _Solution:
        weighted = self._weighted(weight)
        half = half_inverse(weighted)
        leverages = self._seen.sums((weight * ((self._X @ half) ** 2).sum(axis=1))[:, np.newaxis])[:, 0]
        worst = int(leverages.argmax())
        if self._penalty.any():
            half = half_inverse(self._penalised(weighted))
        scores = self._seen.sums(self._X * residual[:, np.newaxis])
        moved = (scores @ half) @ half.T / (1 - np.minimum(leverages, 0.9))[:, np.newaxis]
        moved[:, 1:] /= self._scale
        moved[:, 0] -= moved[:, 1:] @ self._mean
        if not self._intercept:
            moved[:, 0] = 0.0
        others = np.sqrt((moved[:, 1:] ** 2).sum(axis=0))
        decided = int(np.argmax(np.abs(moved[worst, 1:]) / np.maximum(others, 1e-300))) if len(others) else 0
        return _Solution(float(leverages[worst]), moved, decided)


def _spread_out(values: Floats, moved: Floats, used: NDArray[np.bool_]) -> Estimates:
    """Estimates of all coefficients; those that are not used are not moved."""
    found = estimates(values[used], moved)
    whole = Estimates.exactly(values)
    for one, all_of_it in (
        (found.influence, whole.influence),
        (found.step, whole.step),
        (found.effective, whole.effective),
    ):
        all_of_it[used] = one
    return whole


def _stacked(rows: list[Estimates]) -> Estimates:
    return Estimates(
        np.stack([row.values for row in rows]),
        np.stack([row.influence for row in rows]),
        np.stack([row.step for row in rows]),
        np.stack([row.effective for row in rows]),
    )


def _intercept(model: Any, found: _Solved, policy: PolicySnapshot) -> Floats:
    values = np.asarray(model.intercept_, dtype=np.float64)
    if not model.fit_intercept:
        return values
    learned = estimates(values.ravel(), found.intercepts[:, : values.size])
    return shown(learned, np.full(values.size, found.intercept_hidden), policy).reshape(values.shape)


# -- working weights and residuals ------------------------------------------------------------------------------------
def _working(model: Any, seen: Seen) -> tuple[Floats, Floats]:
    """Working weights and residuals, one column per row of coefficients, sample and class weights included."""
    assert seen.y is not None, "a linear model has a target"
    weights, residuals = _of_classifier(model, seen) if is_classifier(model) else _of_regressor(model, seen)
    given = np.ones(seen.size) if seen.weight is None else seen.weight
    class_weight = getattr(model, "class_weight", None)
    if class_weight is not None:
        given = given * compute_sample_weight(class_weight, seen.y)
    return np.maximum(weights, _LEAST_WEIGHT) * given[:, np.newaxis], residuals * given[:, np.newaxis]


def _of_classifier(model: Any, seen: Seen) -> tuple[Floats, Floats]:
    rows = np.atleast_2d(model.coef_).shape[0]
    classes = model.classes_[1:] if rows == 1 else model.classes_
    truth = (seen.y[:, np.newaxis] == classes[np.newaxis, :]).astype(np.float64)
    if hasattr(model, "predict_proba"):
        chance = model.predict_proba(seen.X)
        chance = chance[:, 1:] if rows == 1 else chance
        return chance * (1 - chance), truth - chance
    decided = model.decision_function(seen.X).reshape(seen.size, -1)
    signs = 2 * truth - 1
    if type(model).__name__ == "LinearSVC":
        inside = (signs * decided < 1).astype(np.float64)
        slack = 1.0 if model.loss == "hinge" else 1 - signs * decided
        return inside, signs * slack * inside
    return np.ones_like(truth), signs - decided


def _of_regressor(model: Any, seen: Seen) -> tuple[Floats, Floats]:
    truth = np.asarray(seen.y, dtype=np.float64)
    predicted = np.asarray(model.predict(seen.X), dtype=np.float64).reshape(seen.size)
    power = {"PoissonRegressor": 1.0, "GammaRegressor": 2.0}.get(type(model).__name__, getattr(model, "power", 0.0))
    if power and getattr(model, "link", "log") != "identity":
        predicted = np.maximum(predicted, 1e-12)
        weights, residuals = predicted ** (2 - power), (truth - predicted) * predicted ** (1 - power)
    else:
        weights, residuals = np.ones(seen.size), truth - predicted
    return weights[:, np.newaxis], residuals[:, np.newaxis]


def _penalty(model: Any, seen: Seen) -> Any:
    """The quadratic penalty on coefficients, on the scale of a sum over rows."""
    name = type(model).__name__
    if name in ("Ridge", "RidgeClassifier"):
        return np.max(model.alpha)
    if name in ("RidgeCV", "RidgeClassifierCV"):
        return np.max(model.alpha_)
    if name in ("ElasticNet", "ElasticNetCV"):
        alpha = model.alpha if name == "ElasticNet" else model.alpha_
        share = model.l1_ratio if name == "ElasticNet" else model.l1_ratio_
        return seen.size * alpha * (1 - share)
    if name in ("BayesianRidge", "ARDRegression"):
        return model.lambda_ / model.alpha_
    if name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor"):
        return seen.size * model.alpha
    if name in ("LogisticRegression", "LogisticRegressionCV"):
        strength = float(np.min(model.C if name == "LogisticRegression" else model.C_))
        return 0.0 if np.isinf(strength) or model.penalty is None else 1 / strength
    return 1 / model.C if name.startswith("LinearSV") else 0.0
