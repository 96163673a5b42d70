"""Attacking: can a model's training patients be told from others by what it says of them? Membership inference, made
by us before anybody else can (rule C18, docs/decisions/0013).

Two attacks, of which the stronger counts. Both rank patients by a statistic; what they find is the area under the ROC
curve of that ranking, 0.5 if it is worth nothing:

- loss: who is predicted with more confidence in the truth was in the training data. The mean over a patient's rows of
  log(p / (1 - p)) for the chance p of the true class, of the distance from the boundary where there are no chances, or
  of the squared error with its sign turned (S. Yeom et al., 2018).
- likelihood ratio: the same confidence, compared with what shadow models say of this very patient, half of which were
  fitted with and half without them (LiRA, N. Carlini et al., 2022, with one variance for all patients, as they advise
  for few shadow models). It finds who is remembered, whether they are easy to predict or not.

Shadow models are of the same class and parameters, each fitted to a random half of the patients. They come in pairs of
opposite halves, so that each patient is in as many as not. Without patients that were held out, one more shadow model
stands in for the model: what is tested is then the way to fit.

Promise: halves are of patients, all rows of one together; what is given back are statistics of patients, which stay in
the vault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, clone, is_classifier

from cleanroom_kernel.vault.applying import applied
from cleanroom_kernel.vault.fits import fitted
from cleanroom_kernel.vault.quietly import LearningFailed

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOSS, RATIO = "loss", "likelihood ratio"

SHADOWS = "shadow models"  # what is counted while it works

_MOST_PATIENTS = 20_000  # that shadow models are made of
_LEAST_PAIRS = 2  # of shadow models, to say how much they vary
_CERTAIN = 1e-9  # a chance is no nearer to 0 or 1 than this
_LEAST_VARIANCE = 1e-12


class Attack(Struct, frozen=True, eq=False):
    """`target` is the fitted model as it would leave, `template` the estimator that it was fitted from. `units` of rows
    are 0 to `n_units` - 1; `members` tells which of them it was fitted to, or is None where all were.
    """

    target: BaseEstimator
    template: BaseEstimator
    X: pd.DataFrame
    y: NDArray[Any]
    weight: Floats | None
    units: NDArray[np.int64]
    n_units: int
    members: Mask | None
    shadows: int
    seconds: float
    seed: int


class Attacked(Struct, frozen=True, eq=False):
    """Of the patients that were attacked: which were members, and the statistic that ranks them, by the attack that
    found more. `shadows` were fitted.
    """

    attack: str
    members: Mask
    statistic: Floats
    units: NDArray[np.int64]
    shadows: int


def attacked(attack: Attack, tell: Callable[[str, int, int], None]) -> Attacked:
    """Raises LearningFailed where there is nobody to tell from others."""
    return _Attacker(attack, tell).run()


def area(members: Mask, statistic: Floats) -> float:
    """Under the ROC curve: the chance that a member is ranked above another patient."""
    inside = int(members.sum())
    ranks = rankdata(statistic)
    return float((ranks[members].sum() - inside * (inside + 1) / 2) / (inside * (len(members) - inside)))


def interval(members: Mask, statistic: Floats, width: float = 1.959964) -> tuple[float, float]:
    """95 % confidence, patients being independent (E. R. DeLong et al., 1988), within 0 and 1."""
    ranks, inside, outside = rankdata(statistic), int(members.sum()), int((~members).sum())
    above = (ranks[members] - rankdata(statistic[members])) / outside  # of each member, the others that it is above
    below = 1 - (ranks[~members] - rankdata(statistic[~members])) / inside
    spread = width * float(np.sqrt(above.var(ddof=1) / inside + below.var(ddof=1) / outside))
    middle = area(members, statistic)
    return max(middle - spread, 0.0), min(middle + spread, 1.0)


class _Attacker:
    def __init__(self, attack: Attack, tell: Callable[[str, int, int], None]) -> None:
        self._attack = attack
        self._random = np.random.default_rng(attack.seed)
        self._started = time.monotonic()
        self._stands_in = attack.members is None
        self._total = attack.shadows + self._stands_in
        self._done = 0
        self._tell = tell
        tell(SHADOWS, 0, self._total)

    def run(self) -> Attacked:
        target, members = self._attack.target, self._attack.members
        if members is None:
            members = self._half(np.arange(self._attack.n_units))
            target = self._shadow(members)
        found = self._confidence(target)
        sample = self._sample()
        pairs = self._pairs(sample)
        answers = [self._ranked(LOSS, members, found, len(pairs))]
        if len(pairs) >= _LEAST_PAIRS:
            answers.append(self._ranked(RATIO, members, _ratio(found, pairs), len(pairs)))
        return max(answers, key=lambda answer: area(answer.members, answer.statistic))

    def _ranked(self, name: str, members: Mask, statistic: Floats, pairs: int) -> Attacked:
        known = np.flatnonzero(np.isfinite(statistic))
        chosen = members[known]
        if chosen.sum() < 2 or (~chosen).sum() < 2:
            raise LearningFailed("membership")
        return Attacked(name, chosen, statistic[known], known, 2 * pairs)

    # -- shadow models ------------------------------------------------------------------------------------------------
    def _sample(self) -> NDArray[np.int64]:
        everybody = np.arange(self._attack.n_units)
        if len(everybody) <= _MOST_PATIENTS:
            return everybody
        return np.sort(self._random.choice(everybody, _MOST_PATIENTS, replace=False))

    def _half(self, among: NDArray[np.int64]) -> Mask:
        chosen = np.zeros(self._attack.n_units, dtype=bool)
        chosen[self._random.permutation(among)[: len(among) // 2]] = True
        return chosen

    def _pairs(self, sample: NDArray[np.int64]) -> list[tuple[Floats, Floats]]:
        """Of each pair of shadow models, the confidence of the one that a patient was in, and of the other one. As many
        as were asked for, and as there is time for.
        """
        sampled = np.zeros(self._attack.n_units, dtype=bool)
        sampled[sample] = True
        pairs: list[tuple[Floats, Floats]] = []
        last = 0.0
        for _ in range(self._attack.shadows // 2):
            start = time.monotonic()
            if start - self._started + last > self._attack.seconds:
                break
            half = self._half(sample)
            try:
                one, other = (self._confidence(self._shadow(side), sampled) for side in (half, sampled & ~half))
            except LearningFailed:  # such as a half without one of the classes: the others tell as much
                continue
            pairs.append((np.where(half, one, other), np.where(half, other, one)))
            last = time.monotonic() - start
        return pairs

    def _shadow(self, inside: Mask) -> BaseEstimator:
        attack = self._attack
        rows = inside[attack.units]
        model = fitted(
            clone(attack.template),
            attack.X[rows],
            attack.y[rows],
            None if attack.weight is None else attack.weight[rows],
            None,
        )
        self._done += 1
        self._tell(SHADOWS, self._done, self._total)
        return model

    # -- confidence ---------------------------------------------------------------------------------------------------
    def _confidence(self, model: BaseEstimator, of: Mask | None = None) -> Floats:
        """In the truth, a mean over each patient's rows; missing for whom there is none."""
        attack = self._attack
        rows = np.ones(len(attack.units), dtype=bool) if of is None else of[attack.units]
        values = confidence(model, attack.X[rows], attack.y[rows])
        known = np.isfinite(values)
        units = attack.units[rows][known]
        sums = np.bincount(units, weights=values[known], minlength=attack.n_units)
        numbers = np.bincount(units, minlength=attack.n_units)
        return np.divide(sums, numbers, out=np.full(attack.n_units, np.nan), where=numbers > 0)


def confidence(model: BaseEstimator, X: pd.DataFrame, y: NDArray[Any]) -> Floats:
    """How sure a model is of the truth, row by row; more is surer. Missing where it has no answer."""
    if not is_classifier(model):
        return -((applied(model, "predict", X)[:, 0].astype(np.float64) - y.astype(np.float64)) ** 2)
    places = {name: place for place, name in enumerate(model.classes_.tolist())}
    truth = np.array([places.get(name, -1) for name in y.tolist()])
    known = truth >= 0
    if hasattr(model, "predict_proba"):
        chances = applied(model, "predict_proba", X)
        right = np.clip(chances[np.arange(len(y)), truth], _CERTAIN, 1 - _CERTAIN)
        return np.where(known, np.log(right) - np.log1p(-right), np.nan)
    if hasattr(model, "decision_function"):
        return np.where(known, _margin(applied(model, "decision_function", X), truth), np.nan)
    return np.where(known, (applied(model, "predict", X)[:, 0] == y).astype(np.float64), np.nan)


def _margin(scores: Floats, truth: NDArray[np.int64]) -> Floats:
    """How far a row is on the right side of the boundary."""
    if scores.shape[1] == 1:
        return np.where(truth == 1, scores[:, 0], -scores[:, 0])
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, truth] = -np.inf
    return scores[rows, truth] - others.max(axis=1)


def _ratio(found: Floats, pairs: list[tuple[Floats, Floats]]) -> Floats:
    """The logarithm of how much likelier the confidence is of one who was in than of one who was not."""
    inside, outside = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    return _log_density(found, inside) - _log_density(found, outside)


def _log_density(found: Floats, told: Floats) -> Floats:
    """Normal, around each patient's own mean, with the variance that all have in common."""
    variance = max(float(np.nanmean(told.var(axis=0, ddof=1))), _LEAST_VARIANCE)
    return -((found - told.mean(axis=0)) ** 2) / (2 * variance) - np.log(variance) / 2
