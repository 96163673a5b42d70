"""Scoring: scikit-learn's own scores, and how far one unit can move each.

Promise: the score is what scikit-learn gives; the influence of a unit is what the score would move by if the unit's
rows were left out: exact for mean losses and for what is made of a confusion matrix or of ranks (a unit with rows of
both classes is bounded), of first order for the average precision.

- mean loss m of n rows: |sum of (loss - m) over the unit's rows| / (n - n_u)
- R2: 1 - SSE / SST, both without the unit's rows and around the mean of the others
- scores of a confusion matrix: scikit-learn's score of the matrix without the unit's pairs, for each distinct set of
  pairs that a unit has
- area under the ROC curve: (U - U_u) / ((P - P_u)(N - N_u)), where U_u counts the pairs with a row of the unit
- average precision: what each row adds to, or takes from, the precision at every positive row that ranks below it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics
from sklearn.preprocessing import label_binarize

from cleanroom_kernel.plan.aggregates import Score

Floats = NDArray[np.float64]

_SAME = 1e-9
_MOST_PATTERNS = 300  # sets of pairs of truth and prediction that are left out one at a time


class Rows(Struct, frozen=True, eq=False):
    """Truth and predictions; `units` are 0 to `n_units` - 1."""

    truth: NDArray[Any]
    predicted: NDArray[Any]
    units: NDArray[np.int64]
    n_units: int

    def sums(self, values: Floats) -> Floats:
        return np.bincount(self.units, weights=values, minlength=self.n_units)

    @property
    def per_unit(self) -> Floats:
        return np.bincount(self.units, minlength=self.n_units).astype(np.float64)


class Scored(Struct, frozen=True):
    """`effective` is an effective number of units, `counts` are units of each class (of truth, or predicted)."""

    value: float
    influence: float
    effective: float
    counts: tuple[int, ...]


def score(which: Score, rows: Rows, options: dict[str, Any], *, of_a_model: bool = True) -> Scored:
    """An accuracy that is not of a model is a share like any other: so many must be right, and so many wrong."""
    value = _call(which, rows.truth, rows.predicted, options)
    influence, effective = _INFLUENCES[which](which, rows, options, value)
    counts = (*_counts(which, rows, options), *_differing(which, rows, of_a_model))
    return Scored(value, influence, min(effective, _effective(rows.per_unit)), counts)


def is_linear(which: Score) -> bool:
    """Whether the score is a mean over rows, so that scores of parts give away those of the rest."""
    return which in _LOSSES


def is_of_classes(which: Score) -> bool:
    return which in _OF_CLASSES


def _call(which: Score, truth: Any, predicted: Any, options: dict[str, Any], **weights: Any) -> float:
    return float(getattr(metrics, which.value)(truth, predicted, **options, **weights))


# -- classes ----------------------------------------------------------------------------------------------------------
_OF_CLASSES = frozenset(
    {
        Score.ACCURACY, Score.BALANCED_ACCURACY, Score.PRECISION, Score.RECALL, Score.F1, Score.MATTHEWS,
        Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER,
    }
)  # fmt: skip
_OF_PREDICTED = frozenset({Score.PRECISION, Score.F1, Score.MATTHEWS})


def _counts(which: Score, rows: Rows, options: dict[str, Any]) -> tuple[int, ...]:
    """Units with each class; for scores that look at what was predicted, units with each prediction too."""
    if which not in _OF_CLASSES:
        return ()
    found = [_units_of(rows, rows.truth == name) for name in np.unique(rows.truth)]
    found += [0] * (2 - len(found))  # that there is one class alone says something of everybody
    if which in _OF_PREDICTED:
        named = np.unique(rows.truth)
        if options.get("average", "binary") == "binary":
            named = [name for name in named if name == options.get("pos_label", 1)]
        found += [_units_of(rows, rows.predicted == name) for name in named]
    return tuple(found)


def _differing(which: Score, rows: Rows, of_a_model: bool) -> tuple[int, ...]:
    """Units with another loss than most: if they are few, that there are any tells of them."""
    if which is Score.ACCURACY:
        return () if of_a_model else (_units_of(rows, _wrong(rows) > 0), _units_of(rows, _wrong(rows) == 0))
    if which not in _LOSSES and which is not Score.R2:
        return ()
    losses = _LOSSES.get(which, _LOSSES[Score.MSE])(rows)
    per_unit = rows.sums(losses) / rows.per_unit
    return (int((np.abs(per_unit - np.median(per_unit)) > _SAME * np.abs(per_unit)).sum()),)


def _units_of(rows: Rows, chosen: NDArray[np.bool_]) -> int:
    return len(np.unique(rows.units[chosen]))


# -- means ------------------------------------------------------------------------------------------------------------
def _wrong(rows: Rows) -> Floats:
    return (rows.truth != rows.predicted).astype(np.float64)


def _difference(rows: Rows) -> Floats:
    return np.asarray(rows.truth, dtype=np.float64) - np.asarray(rows.predicted, dtype=np.float64)


def _log_loss(rows: Rows) -> Floats:
    truth, chance = _one_hot(rows.truth), np.asarray(rows.predicted, dtype=np.float64)
    if chance.ndim == 1:
        chance = np.column_stack([1 - chance, chance])
    least = np.finfo(chance.dtype).eps
    chance = np.clip(chance, least, 1 - least)
    return -np.log((truth * chance).sum(axis=1))


def _brier(rows: Rows) -> Floats:
    return (_one_hot(rows.truth)[:, -1] - np.asarray(rows.predicted, dtype=np.float64)) ** 2


def _one_hot(truth: NDArray[Any]) -> Floats:
    classes = np.unique(truth)
    made = np.asarray(label_binarize(truth, classes=classes), dtype=np.float64)
    return np.hstack([1 - made, made]) if made.shape[1] == 1 else made


_LOSSES: dict[Score, Callable[[Rows], Floats]] = {
    Score.ACCURACY: _wrong,
    Score.LOG_LOSS: _log_loss,
    Score.BRIER: _brier,
    Score.MSE: lambda rows: _difference(rows) ** 2,
    Score.RMSE: lambda rows: _difference(rows) ** 2,
    Score.MAE: lambda rows: np.abs(_difference(rows)),
}


def _of_mean(which: Score, rows: Rows, options: dict[str, Any], value: float) -> tuple[float, float]:
    losses = _LOSSES[which](rows)
    sums, n = rows.sums(losses), rows.per_unit
    # All rows right is as much of an answer as all rows wrong, so agreement counts like disagreement.
    effective = np.inf if which is Score.ACCURACY else _effective(np.abs(sums))
    if options.get("normalize") is False:
        return float(n.max(initial=0.0)), effective
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.abs(sums - losses.mean() * n) / (len(losses) - n)
    most = float(np.max(moved, initial=0.0))
    if which is Score.RMSE:
        most = most / (2 * value) if value > 0 else most
    return most, effective


def _of_r2(which: Score, rows: Rows, options: dict[str, Any], value: float) -> tuple[float, float]:
    truth = np.asarray(rows.truth, dtype=np.float64)
    truth = truth - truth.mean()
    errors = _difference(rows) ** 2
    n = len(truth) - rows.per_unit
    with np.errstate(divide="ignore", invalid="ignore"):
        total = (truth**2).sum() - rows.sums(truth**2) - (truth.sum() - rows.sums(truth)) ** 2 / n
        without = 1 - (errors.sum() - rows.sums(errors)) / total
    effective = min(_effective(rows.sums(errors)), _effective(rows.sums(truth**2)))
    return float(np.max(np.abs(without - value), initial=0.0)), effective


def _effective(amounts: Floats) -> float:
    """Effective number of units; all of them where there is nothing to be spread."""
    squares = float((amounts**2).sum())
    return float(amounts.sum() ** 2 / squares) if squares > 0 else float(len(amounts))


# -- confusion matrices -----------------------------------------------------------------------------------------------
def _of_confusion(which: Score, rows: Rows, options: dict[str, Any], value: float) -> tuple[float, float]:
    labels = np.unique(np.concatenate([rows.truth, rows.predicted]))
    pairs = np.searchsorted(labels, rows.truth) * len(labels) + np.searchsorted(labels, rows.predicted)
    whole = np.bincount(pairs, minlength=len(labels) ** 2).astype(np.float64)
    truth, predicted = np.repeat(labels, len(labels)), np.tile(labels, len(labels))
    most = 0.0
    for pattern in _patterns(rows, pairs):
        rest = whole.copy()
        np.subtract.at(rest, list(pattern), 1)
        kept = rest > 0
        if not kept.any():
            return np.inf, np.inf
        without = _call(which, truth[kept], predicted[kept], options, sample_weight=rest[kept])
        most = max(most, abs(without - value))
    return most, np.inf


def _patterns(rows: Rows, pairs: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Distinct sets of pairs that a unit has; the largest, where there are very many."""
    order = np.lexsort((pairs, rows.units))
    ends = np.cumsum(np.bincount(rows.units, minlength=rows.n_units))
    ordered = pairs[order].tolist()
    starts = [0, *ends[:-1].tolist()]
    found = {tuple(ordered[start:end]) for start, end in zip(starts, ends.tolist(), strict=True)}
    return sorted(found, key=len, reverse=True)[:_MOST_PATTERNS]


# -- ranks ------------------------------------------------------------------------------------------------------------
def _of_auc(which: Score, rows: Rows, options: dict[str, Any], value: float) -> tuple[float, float]:
    scores = np.asarray(rows.predicted, dtype=np.float64)
    classes = np.unique(rows.truth)
    if scores.ndim == 1:
        return _auc_influence(rows, rows.truth == classes[-1], scores)[1], np.inf
    parts = []
    for place, name in enumerate(classes):
        if options.get("multi_class") == "ovo":
            for other in classes[classes != name]:
                chosen = np.isin(rows.truth, (name, other))
                some = Rows(rows.truth[chosen], scores[chosen, place], rows.units[chosen], rows.n_units)
                parts.append(_auc_influence(some, some.truth == name, some.predicted))
        else:
            parts.append(_auc_influence(rows, rows.truth == name, scores[:, place]))
    # A mean moves by no more than the mean of what its parts move by; weights by class, by a unit's share at most.
    areas, moved = np.array(parts).T
    if options.get("average", "macro") != "weighted":
        return float(moved.mean()), np.inf
    share = float(rows.per_unit.max(initial=0.0) / max(len(rows.units), 1))
    return float(moved.max() + share * np.ptp(areas)), np.inf


def _auc_influence(rows: Rows, positive: NDArray[np.bool_], scores: Floats) -> tuple[float, float]:
    """The area, and the most that one unit moves it."""
    ranks = rankdata(scores)
    within = np.zeros(len(scores))
    within[positive] = rankdata(scores[positive])
    within[~positive] = rankdata(scores[~positive])
    below = ranks - within  # of a positive row: negative ones below it, ties by half; of a negative one, positive ones
    n_positive, n_negative = float(positive.sum()), float((~positive).sum())
    if not n_positive or not n_negative:
        return np.nan, np.inf
    pairs = np.where(positive, below, n_positive - below)
    total = float(pairs[positive].sum())
    of_unit = rows.sums(pairs)
    left_positive = n_positive - rows.sums(positive * 1.0)
    left_negative = n_negative - rows.sums(~positive * 1.0)
    inside = (n_positive - left_positive) * (n_negative - left_negative)  # pairs of two rows of the unit
    with np.errstate(divide="ignore", invalid="ignore"):
        among = left_positive * left_negative
        least, most = (total - of_unit) / among, (total - of_unit + inside) / among
    value = total / (n_positive * n_negative)
    moved = np.maximum(np.abs(least - value), np.abs(most - value))
    return value, float(np.max(np.where(among > 0, moved, np.inf), initial=0.0))


def _of_average_precision(which: Score, rows: Rows, options: dict[str, Any], value: float) -> tuple[float, float]:
    positive = rows.truth == options.get("pos_label", np.unique(rows.truth)[-1])
    scores = np.asarray(rows.predicted, dtype=np.float64)
    if scores.ndim > 1 or not positive.any():
        return np.inf, np.inf
    order = np.argsort(-scores, kind="stable")
    hit = positive[order].astype(np.float64)
    # Rows of one score are one step of the curve: all have the counts at its end.
    ends = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    hits, seen = np.cumsum(hit)[ends], ends + 1.0
    precision = hits / seen
    n = hit.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        if_miss = np.nan_to_num(hit * hits / (seen * (seen - 1)))  # what a positive row gains if a miss above it goes
        if_hit = np.nan_to_num(hit * (seen - hits) / (seen * (seen - 1)))  # and loses if a hit goes
    gain = np.cumsum(if_miss[::-1])[::-1] / n
    loss = (np.cumsum(if_hit[::-1])[::-1] - if_hit) / n + (precision - value) / n
    moved = np.empty(len(hit))
    moved[order] = np.where(hit > 0, -loss, gain)
    return float(np.max(np.abs(rows.sums(moved)), initial=0.0)), np.inf


_INFLUENCES: dict[Score, Callable[[Score, Rows, dict[str, Any], float], tuple[float, float]]] = {
    **dict.fromkeys(_LOSSES, _of_mean),
    Score.R2: _of_r2,
    Score.BALANCED_ACCURACY: _of_confusion,
    Score.PRECISION: _of_confusion,
    Score.RECALL: _of_confusion,
    Score.F1: _of_confusion,
    Score.MATTHEWS: _of_confusion,
    Score.ROC_AUC: _of_auc,
    Score.AVERAGE_PRECISION: _of_average_precision,
}
