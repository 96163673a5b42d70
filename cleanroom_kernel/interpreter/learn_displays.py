"""Displays: scikit-learn's plots of models and predictions, drawn from what was released."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from cleanroom_kernel.interpreter import learn_curves, metrics
from cleanroom_kernel.interpreter.estimators import class_of
from cleanroom_kernel.interpreter.handles import Column
from cleanroom_kernel.plan.aggregates import Score

Options = dict[str, Any]


def call(cls: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Options) -> Any:
    """`cls.from_estimator(model, X, y, …)` or `cls.from_predictions(truth, predictions, …)`."""
    given = dict(inspect.signature(function).bind(cls, *args, **kwargs).arguments)
    given |= given.pop("kwargs", {})
    given.pop("cls")
    if function.__name__ == "from_estimator":
        model, X, truth = given.pop("estimator"), given.pop("X"), given.pop("y")
        predictions = _predictions(cls, model, X, given)
        given.setdefault("name", class_of(model).__name__)
    else:
        truth, predictions = (given.pop(name) for name in list(given)[:2])
    made = _DISPLAYS[cls.__name__](cls, truth, predictions, given)
    taken = inspect.signature(cls.plot).parameters
    return made.plot(**{name: value for name, value in given.items() if name in taken})


def _predictions(cls: Any, model: Any, X: Any, given: Options) -> Column:
    if cls.__name__ == "ConfusionMatrixDisplay":
        return model.predict(X)
    if isinstance(model.classes_[1], str):
        given.setdefault("pos_label", model.classes_[1])
    place = list(model.classes_).index(given.get("pos_label", model.classes_[1]))
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, place]
    return model.decision_function(X)


def _confusion(cls: Any, truth: Any, predictions: Any, given: Options) -> Any:
    options = {name: given[name] for name in ("labels", "normalize") if name in given}
    table = metrics.counts_of(truth, predictions, **options)
    names = given.get("display_labels")
    return cls(table.to_numpy(), display_labels=list(table.index) if names is None else names)


def _roc(cls: Any, truth: Any, predictions: Any, given: Options) -> Any:
    label = given.get("pos_label")
    false, true, _ = learn_curves.roc_curve(truth, predictions, label)
    area = metrics.ask(Score.ROC_AUC, truth, [predictions], {})
    return cls(fpr=false, tpr=true, roc_auc=area, name=given.pop("name", None), pos_label=label)


def _precision_recall(cls: Any, truth: Any, predictions: Any, given: Options) -> Any:
    label = given.get("pos_label")
    precision, recall, _ = learn_curves.precision_recall_curve(truth, predictions, label)
    area = metrics.ask(Score.AVERAGE_PRECISION, truth, [predictions], {} if label is None else {"pos_label": label})
    return cls(
        precision,
        recall,
        average_precision=area,
        name=given.pop("name", None),
        pos_label=label,
        prevalence_pos_label=float(precision[0]),
    )


def _calibration(cls: Any, truth: Any, predictions: Any, given: Options) -> Any:
    options = {name: given.pop(name) for name in ("n_bins", "strategy") if name in given}
    share, mean = learn_curves.calibration_curve(truth, predictions, given.get("pos_label"), **options)
    return cls(share, mean, mean, estimator_name=given.pop("name", None), pos_label=given.get("pos_label"))


_DISPLAYS: dict[str, Callable[[Any, Any, Any, Options], Any]] = {
    "ConfusionMatrixDisplay": _confusion,
    "RocCurveDisplay": _roc,
    "PrecisionRecallDisplay": _precision_recall,
    "CalibrationDisplay": _calibration,
}
