"""Learning: what an estimator's methods do with rows of the room. `METHODS` is the whole list.

A fit is a question to the vault like any other aggregate; the answer says whether the model may be released. The twin
is fitted first, so that a mistake in the code is said by scikit-learn before the data is touched.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from cleanroom_kernel.interpreter import contexts, learn_labels, learn_parts, metrics
from cleanroom_kernel.interpreter.estimators import ModelError, class_of, describe, task_of
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle
from cleanroom_kernel.interpreter.learn_fitted import Learned, Mark, forget, is_here, mark, mark_of
from cleanroom_kernel.interpreter.learn_notes import say
from cleanroom_kernel.interpreter.learn_outputs import names_out, support
from cleanroom_kernel.interpreter.learn_predictions import features_of, predicted
from cleanroom_kernel.interpreter.learn_twins import fitted_twin
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.results import asked
from cleanroom_kernel.interpreter.splitting import is_unit, unit_of
from cleanroom_kernel.plan.models import Fit, Method, Task
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import FitSummary

STRUCTURES = learn_parts.STRUCTURES  # which attributes are put together here; filled when the module is imported


def call(model: Any, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`model.name(*args, **kwargs)`, where an argument stands for rows or the model was fitted in the vault."""
    given = _given(function, model, args, kwargs)
    if any(isinstance(value, Handle) for value in given.values()):
        known = learn_labels.METHODS if class_of(model).__name__ == "LabelEncoder" else METHODS
        return known.get(name, _unavailable(name))(model, given)
    made = mark_of(model)
    if name in FITTING:
        forget(model)
    if made is None or name in FITTING or is_here(model):
        return function(model, *args, **kwargs)
    if name in ABOUT:
        return ABOUT[name](model, made, given)
    raise ModelError(
        "This model was fitted in the vault, so it can only be applied to rows of the room.",
        suggestion="To use it on other data, release it first: room.release(model, 'file.skops').",
    )


def _given(function: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, those of `**params` among them; Python's own error for what the method does not take."""
    signature = inspect.signature(function)
    try:
        bound = signature.bind(model, *args, **kwargs)
    except TypeError as wrong:
        raise TypeError(f"{function.__qualname__}() {wrong}") from None
    found: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        several = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        found |= value if several else {name: value}
    return found


# -- fit --------------------------------------------------------------------------------------------------------------
def _fit(model: Any, given: dict[str, Any]) -> Any:
    X, y, weight = _training(given)
    columns = X._twin if isinstance(X, Frame) else X._twin.to_frame()
    twin = fitted_twin(model, columns, None if y is None else y._twin, None if weight is None else weight._twin)
    rows = contexts.meet(*(handle._rows for handle in (X, y, weight) if handle is not None), exact=True)
    fit = Fit(
        over=rows,
        estimator=describe(model, columns),
        task=task_of(model),
        features=features_of(X),
        target=None if y is None else y._expression,
        weight=None if weight is None else weight._expression,
    )
    summary = asked(fit, lambda payload, receipt: payload, _foreseen(fit, y))
    if not summary.releasable:
        say(f"Fitted in the vault. It can be used there, but not released: {' '.join(summary.findings)}")
    return mark(model, Mark(Learned(fit, summary, columns.iloc[:0]), (), twin))


def _training(given: dict[str, Any]) -> tuple[Any, Column | None, Column | None]:
    rest = dict(given)
    if "X" not in rest:
        raise ModelError(
            "Only estimators that take a table of features are fitted in the vault.",
            suggestion="pd.get_dummies and pd.factorize of the room's columns encode labels.",
        )
    X, y = rest.pop("X"), rest.pop("y", None)
    weights = [rest.pop(name) for name in list(rest) if name.rpartition("__")[2] == "sample_weight"]
    groups = rest.pop("groups", None)
    if groups is not None and not is_unit(groups):
        raise ModelError("Groups are kept together by patient.", suggestion=f"groups={unit_of(X)}")
    others = [name for name, value in rest.items() if value is not None]
    if others:
        raise ModelError(
            f"{', '.join(others)} cannot be given to a fit in the vault.",
            suggestion="A fit takes features, a target and sample_weight.",
        )
    weights = [weight for weight in weights if weight is not None]
    for handle in (X, y, *weights):
        if handle is not None and not isinstance(handle, (Frame, Column)):
            raise row_vector()
    return X, _one_column(y), _one_column(weights[0]) if weights else None


def _one_column(value: Any) -> Column | None:
    if isinstance(value, Frame):
        if len(value._columns) > 1:
            raise ModelError("A model in the vault has one target.", suggestion="Fit one model for each target.")
        return value._column(next(iter(value._columns)))
    return value


def _foreseen(fit: Fit, y: Column | None) -> FitSummary:
    """What stands for the answer while questions are only looked at."""
    classes: tuple[Any, ...] = ()
    if fit.task is Task.CLASSIFY and y is not None:
        known = (False, True) if y._field.dtype is DType.BOOLEAN else y._field.categories
        classes = tuple(known if known is not None else y._twin.dropna().unique().tolist())
    return FitSummary(True, (), len(fit.features), classes, fit.feature_names)


# -- apply ------------------------------------------------------------------------------------------------------------
def _applying(method: Method) -> Callable[[Any, dict[str, Any]], Any]:
    def apply(model: Any, given: dict[str, Any]) -> Any:
        X = next(iter(given.values()))
        if not isinstance(X, (Frame, Column)):
            raise row_vector()
        return predicted(model, _fitted(model), method, X)  # type: ignore[arg-type]

    return apply


def _fitted(model: Any) -> Mark:
    made = mark_of(model)
    if made is not None:
        return made
    check_is_fitted(model)
    raise ModelError(
        f"This {class_of(model).__name__} was fitted here, to data outside the room.",
        suggestion="Fit it to rows of the room, and then apply it to them.",
    )


def _fit_transform(model: Any, given: dict[str, Any]) -> Any:
    return METHODS["transform"](_fit(model, given), {"X": given["X"]})


def _fit_predict(model: Any, given: dict[str, Any]) -> Any:
    return METHODS["predict"](_fit(model, given), {"X": given["X"]})


def _score(model: Any, given: dict[str, Any]) -> Any:
    X, y, weight = _training(given)
    if weight is not None:
        raise ModelError("Scores in the room are unweighted.")
    return metrics.score_of(model, _fitted(model), X, y)


METHODS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "fit": _fit,
    "fit_transform": _fit_transform,
    "fit_predict": _fit_predict,
    "score": _score,
    **{method.value: _applying(method) for method in Method},
}

_INSTEAD = {
    "partial_fit": "Use fit, with all the rows.",
    "inverse_transform": "Compute the columns that you need before the transform.",
    "fit_resample": "Use class_weight='balanced', or sample_weight.",
    "kneighbors": "The nearest rows are single patients'.",
}


def _unavailable(name: str) -> Callable[[Any, dict[str, Any]], Any]:
    def refuse(model: Any, given: dict[str, Any]) -> Any:
        raise ModelError(
            f"{class_of(model).__name__}.{name} is not available for rows in a clean room.",
            suggestion=_INSTEAD.get(name, f"There are: {', '.join(METHODS)}."),
        )

    return refuse


# -- questions about a model itself -----------------------------------------------------------------------------------
def _feature_names_out(model: Any, made: Mark, given: dict[str, Any]) -> np.ndarray:
    names = given.get("input_features")
    if names is None:
        names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = [f"x{place}" for place in range(int(model.n_features_in_))]
    return np.array(names_out(model, list(names)), dtype=object)


def _support(model: Any, made: Mark, given: dict[str, Any]) -> np.ndarray:
    kept = support(model)
    return np.flatnonzero(kept) if given.get("indices") else kept


FITTING = frozenset({"fit", "fit_transform", "fit_predict", "partial_fit", "fit_resample"})

ABOUT: dict[str, Callable[[Any, Mark, dict[str, Any]], Any]] = {
    "get_feature_names_out": _feature_names_out,
    "get_support": _support,
}
