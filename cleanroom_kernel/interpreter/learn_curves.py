"""Curves of scores: ROC, precision and recall, calibration, from released counts of rows between released quantiles.

A curve has some twenty points and not one for each row, whose score would be a patient's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from cleanroom_kernel.interpreter.binning import cut
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.learn_notes import say
from cleanroom_kernel.plan.schema import DType

_POINTS = 20

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]


def roc_curve(truth: Any, score: Any, pos_label: Any = None) -> Curve:
    """False and true positive rates for falling thresholds, the first of which nothing reaches."""
    false, true, thresholds = _reached(_is_positive(truth, pos_label), _one(score))
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [np.append(0.0, reached / reached[-1]) for reached in (false, true)]
    return rates[0], rates[1], np.append(np.inf, thresholds)


def precision_recall_curve(truth: Any, score: Any, pos_label: Any = None) -> Curve:
    """Precision and recall for rising thresholds; the last point, without one, is where nothing is predicted."""
    false, true, thresholds = (values[::-1] for values in _reached(_is_positive(truth, pos_label), _one(score)))
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.nan_to_num(true / (true + false), nan=1.0)
        recall = true / true[0]
    return np.append(precision, 1.0), np.append(recall, 0.0), thresholds


def calibration_curve(
    truth: Any, score: Any, pos_label: Any = None, n_bins: int = 5, strategy: str = "uniform"
) -> tuple[np.ndarray, np.ndarray]:
    """Share of positive rows and mean score in each bin of scores that is shown."""
    positive, score = _is_positive(truth, pos_label), _one(score)
    inner = np.linspace(0, 1, n_bins + 1)[1:-1] if strategy == "uniform" else _quantiles(score, n_bins)
    frame = _beside(positive, score, [-np.inf, *inner, np.inf])
    means = frame.groupby("bin")[["positive", "score"]].mean().dropna()
    return means["positive"].to_numpy(), means["score"].to_numpy()


def _reached(positive: Column, score: Column) -> Curve:
    """Numbers of negative and of positive rows that reach each of some falling thresholds."""
    inner = _quantiles(score, _POINTS)
    frame = _beside(positive, score, [-np.inf, *inner, np.inf])
    counts = frame.groupby(["bin", "positive"]).size()
    table = counts.unstack("positive").reindex(index=range(len(inner) + 1), columns=[False, True])
    missing = int(table.isna().to_numpy().sum())
    say(
        f"A curve of {len(inner) + 1} points, from released counts."
        + (f" {missing} of them are not shown by the room's policy and count nothing." if missing else "")
    )
    falling = table.fillna(0.0).to_numpy(dtype=float)[::-1].cumsum(axis=0)
    lowest = 0.0 if score._field.lower is None else score._field.lower
    return falling[:, 0], falling[:, 1], np.array([*inner[::-1], min(lowest, *inner[:1])])


def _quantiles(score: Column, bins: int) -> list[float]:
    shares = [float(share) for share in np.linspace(0, 1, bins + 1)[1:-1]]
    return sorted({float(value) for value in score.quantile(shares).dropna()})


def _beside(positive: Column, score: Column, edges: list[float]) -> Frame:
    bins = cut(score, edges, right=False, labels=False)
    return side_by_side([bins, positive, score], ["bin", "positive", "score"])


def _is_positive(truth: Any, pos_label: Any) -> Column:
    truth = _one(truth)
    if pos_label is not None:
        return truth == pos_label
    if truth._field.dtype is DType.STRING:
        raise ValueError("y_true takes texts as values and pos_label is not specified.")
    return truth if truth._field.dtype is DType.BOOLEAN else truth == 1


def _one(value: Any) -> Column:
    if not isinstance(value, Column):
        raise HandleError("A curve takes one column of the room.", suggestion="Choose it: proba[:, 1].")
    return value


# -- as scikit-learn's functions --------------------------------------------------------------------------------------
CURVES: dict[str, Callable[..., Any]] = {
    "roc_curve": roc_curve,
    "precision_recall_curve": precision_recall_curve,
    "calibration_curve": calibration_curve,
}
_OPTIONS = ("pos_label", "n_bins", "strategy")


def call(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    if given.get("sample_weight") is not None:
        raise ModelError("Scores in the room are unweighted.", suggestion="Leave out sample_weight.")
    truth, score = list(given.values())[:2]
    return CURVES[name](truth, score, **{option: given[option] for option in _OPTIONS if option in given})
