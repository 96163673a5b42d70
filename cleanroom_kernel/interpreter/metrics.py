"""Metrics: scikit-learn's scores of predictions, as one released number or from a released confusion matrix.

Promise: `SCORES` are asked of the vault, each as one number over the rows; what can be computed from counts of truth
against prediction (`FROM_COUNTS`) is scikit-learn's own function of a confusion matrix that was released.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.estimators import ModelError, class_of
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.learn_fitted import Mark
from cleanroom_kernel.interpreter.learn_notes import say
from cleanroom_kernel.interpreter.learn_predictions import predicted
from cleanroom_kernel.interpreter.learn_twins import is_told, muted
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.rehearsal import twins_in
from cleanroom_kernel.interpreter.results import asked, setting
from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import OPTIONS, Metric, Score, Size, Summary
from cleanroom_kernel.plan.expressions import Named
from cleanroom_kernel.plan.models import Method, Task
from cleanroom_kernel.protocol.release import Grid, Label, Receipt

SCORES: dict[str, Score] = {score.value: score for score in Score}

_OF_PROBABILITIES = frozenset({Score.ROC_AUC, Score.AVERAGE_PRECISION, Score.LOG_LOSS, Score.BRIER})
_IGNORED = frozenset({"warn_for", "force_finite", "scale_by_half"})


# -- scores -----------------------------------------------------------------------------------------------------------
def score(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One of SCORES; as scikit-learn's own, of counts, where it gives one number per class."""
    given = _bound(function, args, kwargs)
    if given.get("average", "") is None:
        return from_counts(name, function, args, kwargs)
    _rehearse(function, args, kwargs)
    truth, predictions = list(given.values())[:2]
    options = _options(name, function, list(given.items())[2:])
    return ask(SCORES[name], _column(truth), _columns(predictions), options)


def ask(which: Score, truth: Column, predictions: list[Column], options: dict[str, Any]) -> float:
    rows = contexts.meet(truth._rows, *(column._rows for column in predictions), exact=True)
    metric = Metric(
        rows, which, truth._expression, tuple(column._expression for column in predictions), tuple(options.items())
    )
    return asked(metric, _number, float("nan"))


def _number(grid: Grid, receipt: Receipt) -> float:
    value = grid.values[0][0]
    return float("nan") if value is None else float(value)


def _options(name: str, function: Any, given: list[tuple[str, Any]]) -> dict[str, Any]:
    """Arguments that differ from their defaults, where the vault takes them."""
    defaults = inspect.signature(function).parameters
    changed = {key: value for key, value in given if not _same(value, defaults[key].default)}
    others = set(changed) - OPTIONS - _IGNORED
    if others:
        raise ModelError(
            f"{name} takes no {', '.join(sorted(others))} in a clean room.",
            suggestion=f"It takes {', '.join(sorted(OPTIONS & set(defaults)) or ['truth and predictions alone'])}.",
        )
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in changed.items()
        if key not in _IGNORED
    }


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)


def score_of(model: Any, made: Mark, X: Any, y: Column | None, scoring: Any = None) -> float:
    """`model.score(X, y)`: by `scoring`, or by what a search was told to score by, else accuracy or R2."""
    if scoring is None and hasattr(model, "param_grid"):  # boosting has a `scoring` too, for stopping early
        scoring = model.scoring
    if scoring is not None and not isinstance(scoring, str):
        raise ModelError("A score in the room has a name.", suggestion="scoring='roc_auc'")
    if y is None or made.learned.fit.task not in (Task.CLASSIFY, Task.REGRESS):
        raise ModelError(
            f"{class_of(model).__name__}.score is not available for rows in a clean room.",
            suggestion="Classifiers and regressors are scored, with X and y.",
        )
    by_default = "accuracy" if made.learned.fit.task is Task.CLASSIFY else "r2"
    which, sign, options = _scorer(scoring or by_default)
    return sign * ask(which, y, _predictions(model, made, which, X), options)


def _scorer(scoring: str) -> tuple[Score, int, dict[str, Any]]:
    """scikit-learn's names of scorers: neg_ turns a loss around, and an average may stand at the end."""
    if scoring not in SCORERS:
        raise ModelError(f"scoring={scoring!r} is not available here.", suggestion=f"There are: {', '.join(SCORERS)}.")
    return SCORERS[scoring]


SCORERS: dict[str, tuple[Score, int, dict[str, Any]]] = {
    "accuracy": (Score.ACCURACY, 1, {}),
    "balanced_accuracy": (Score.BALANCED_ACCURACY, 1, {}),
    "roc_auc": (Score.ROC_AUC, 1, {}),
    "roc_auc_ovr": (Score.ROC_AUC, 1, {"multi_class": "ovr"}),
    "roc_auc_ovo": (Score.ROC_AUC, 1, {"multi_class": "ovo"}),
    "average_precision": (Score.AVERAGE_PRECISION, 1, {}),
    "matthews_corrcoef": (Score.MATTHEWS, 1, {}),
    "neg_log_loss": (Score.LOG_LOSS, -1, {}),
    "neg_brier_score": (Score.BRIER, -1, {}),
    "r2": (Score.R2, 1, {}),
    "neg_mean_squared_error": (Score.MSE, -1, {}),
    "neg_root_mean_squared_error": (Score.RMSE, -1, {}),
    "neg_mean_absolute_error": (Score.MAE, -1, {}),
    **{
        f"{name}{ending}": (which, 1, {"average": average} if average else {})
        for name, which in (("precision", Score.PRECISION), ("recall", Score.RECALL), ("f1", Score.F1))
        for ending, average in (("", ""), ("_macro", "macro"), ("_micro", "micro"), ("_weighted", "weighted"))
    },
}


def _predictions(model: Any, made: Mark, which: Score, X: Any) -> list[Column]:
    if which not in _OF_PROBABILITIES:
        return [_column(predicted(model, made, Method.PREDICT, X))]
    ranks = which in (Score.ROC_AUC, Score.AVERAGE_PRECISION)
    if ranks and not hasattr(model, "predict_proba"):
        return _columns(predicted(model, made, Method.DECISION_FUNCTION, X))
    columns = _columns(predicted(model, made, Method.PREDICT_PROBA, X))
    return columns[1:] if len(columns) == 2 else columns


# -- counts -----------------------------------------------------------------------------------------------------------
FROM_COUNTS = frozenset(
    {
        "classification_report", "precision_recall_fscore_support", "cohen_kappa_score", "jaccard_score",
        "hamming_loss", "zero_one_loss", "fbeta_score", "multilabel_confusion_matrix", "class_likelihood_ratios",
    }
)  # fmt: skip


def confusion_matrix(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> np.ndarray:
    """Counts of truth (rows) against prediction (columns). A count that is not shown is NaN."""
    given = _bound(function, args, kwargs)
    _check_unweighted(given)
    _rehearse(function, args, kwargs)
    return counts_of(given["y_true"], given["y_pred"], given["labels"], given["normalize"]).to_numpy()


def counts_of(truth: Any, predictions: Any, labels: Any = None, normalize: str | None = None) -> pd.DataFrame:
    """The confusion matrix with its labels; whole numbers, unless one is missing or they are shares."""
    table = _counts(truth, predictions)
    chosen = list(table.index if labels is None else labels)
    table = table.reindex(index=chosen, columns=chosen, fill_value=0.0)
    _say_what_is_missing(table, "is NaN in this matrix")
    if normalize is not None:
        return _SHARES[normalize](table)
    return table if table.isna().to_numpy().any() else table.astype("int64")


_SHARES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "true": lambda table: table.div(table.sum(axis=1), axis=0).fillna(0.0),
    "pred": lambda table: (table / table.sum()).fillna(0.0),
    "all": lambda table: table / table.sum().sum(),
}


def from_counts(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """scikit-learn's own function, of as many pairs as were counted."""
    given = _bound(function, args, kwargs)
    _check_unweighted(given)
    _rehearse(function, args, kwargs)
    truth, predictions = list(given)[:2]
    table = _counts(given[truth], given[predictions])
    _say_what_is_missing(table, f"counts nothing in this {name}")
    counts = table.fillna(0).to_numpy(dtype=np.int64)
    labels = table.index.to_numpy()
    pairs = {truth: np.repeat(np.repeat(labels, len(labels)), counts.ravel())}
    pairs[predictions] = np.repeat(np.tile(labels, len(labels)), counts.ravel())
    return function(**{**given, **pairs})


def _counts(truth: Any, predictions: Any) -> pd.DataFrame:
    """Released numbers of rows, NaN where one is not shown."""
    first, second = _column(truth), _column(predictions)
    rows = contexts.meet(first._rows, second._rows, exact=True)
    question = Summary(
        rows,
        (aggregates.Column("rows", Size()),),
        (Named("truth", first._expression), Named("prediction", second._expression)),
    )
    return asked(question, _table, _table_of_twins(first, second))


def _table(grid: Grid, receipt: Receipt) -> pd.DataFrame:
    shown = {row: value for row, value in zip(grid.rows, grid.values[0], strict=True)}
    labels = _sorted({label for row in shown for label in row})
    absent = float("nan") if setting("minimum_units", 0) > 1 else 0.0
    cells = [[_cell(shown, (one, other), absent) for other in labels] for one in labels]
    index = pd.Index(labels, dtype=object) if any(isinstance(label, str) for label in labels) else pd.Index(labels)
    return pd.DataFrame(cells, index=index, columns=index)


def _cell(shown: dict[tuple[Label, ...], Any], labels: tuple[Label, ...], absent: float) -> float:
    """A pair that is not listed is empty or too small, which look the same."""
    value = shown.get(labels, absent)
    return float("nan") if value is None else float(value)


def _sorted(labels: set[Any]) -> list[Any]:
    return sorted(labels, key=lambda label: (isinstance(label, str), label))


def _table_of_twins(first: Column, second: Column) -> pd.DataFrame:
    labels = _sorted({*first._twin.dropna().tolist(), *second._twin.dropna().tolist()})
    return pd.DataFrame(1.0, index=pd.Index(labels), columns=pd.Index(labels))


def _say_what_is_missing(table: pd.DataFrame, what: str) -> None:
    missing = int(table.isna().to_numpy().sum())
    if missing:
        cells = "One pair of truth and prediction" if missing == 1 else f"Each of {missing} pairs"
        say(f"{cells} that fewer than {setting('minimum_units', 'the least number of')} patients may have {what}.")


# -- arguments --------------------------------------------------------------------------------------------------------
def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments in the order of the signature, those of truth and predictions first."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _rehearse(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The function of the twins, for what is wrong with the code."""
    try:
        with muted():
            function(*twins_in(args), **twins_in(kwargs))
    except Exception as error:
        if is_told(error):
            raise


def _check_unweighted(given: dict[str, Any]) -> None:
    if given.get("sample_weight") is not None:
        raise ModelError("Scores in the room are unweighted.", suggestion="Leave out sample_weight.")


def _column(value: Any) -> Column:
    if isinstance(value, Frame) and len(value._columns) == 1:
        return value._column(next(iter(value._columns)))
    if isinstance(value, Frame):
        raise HandleError("This takes one column of the room.", suggestion="Choose it: proba[:, 1].")
    if not isinstance(value, Column):
        raise row_vector()
    return value


def _columns(value: Any) -> list[Column]:
    return [value._column(label) for label in value._columns] if isinstance(value, Frame) else [_column(value)]
