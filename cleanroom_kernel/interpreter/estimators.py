"""Estimators: an expert's unfitted estimator as a plan that describes it, class and parameters, nested.

Promise: pure, and what goes into the description is public: names and constants of the expert's code. What cannot be
described (a function, a generator of random numbers) is refused here, with what to write instead.
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.utils import get_tags

from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.plan.expressions import MAX_VALUES
from cleanroom_kernel.plan.models import Argument, Estimator, Items, Mapping, Parameter, Plain, Task

_IGNORED = frozenset({"verbose"})  # says nothing of the model
_TYPES = (bool, int, float, np.generic)


class ModelError(CleanRoomError, TypeError):
    """A model, or a way to use one, that there is not in a clean room. Nothing was sent to the vault."""

    kind = "Not possible"


def describe(model: Any, columns: pd.DataFrame) -> Estimator:
    """The description of `model`, to be fitted to columns like those of the twin `columns`."""
    if isinstance(model, ColumnTransformer):
        model = _with_named_columns(model, columns)
    kind = class_of(model)
    if kind.__module__ == "__main__":
        raise ModelError(
            f"{kind.__name__} is a class of your own, which the vault does not have.",
            suggestion="Compute its columns with pandas or NumPy before the fit, and use scikit-learn's estimators.",
        )
    arguments = (
        Argument(name, _parameter(value, f"{kind.__name__}({name}=…)", columns))
        for name, value in _set_by_the_expert(model).items()
        if name not in _IGNORED
    )
    return Estimator(public_name(kind), tuple(arguments))


def class_of(model: Any) -> type:
    """The class that an expert knows, also of a model that was fitted in the vault."""
    kind: type = type(model)
    return getattr(kind, "_class_outside", kind)


def public_name(kind: type) -> str:
    """The name under which a class is documented: its module up to the first private part."""
    module = itertools.takewhile(lambda part: not part.startswith("_"), kind.__module__.split("."))
    return ".".join((*module, kind.__name__))


def task_of(model: Any) -> Task:
    """What an estimator is for, by its own tags."""
    known = {task.value: task for task in Task}
    found = get_tags(model).estimator_type
    if found in known:
        return known[found]
    if hasattr(model, "transform"):
        return Task.TRANSFORM
    raise ModelError(
        f"{class_of(model).__name__} neither predicts nor transforms.",
        suggestion="Classifiers, regressors, transformers, clusterers and outlier detectors are fitted in the vault.",
    )


# -- parameters -------------------------------------------------------------------------------------------------------
def _set_by_the_expert(model: Any) -> dict[str, Any]:
    """Parameters that differ from their defaults."""
    signature = inspect.signature(class_of(model).__init__)
    given = {name: getattr(model, name) for name in signature.parameters if name != "self" and hasattr(model, name)}
    return {name: value for name, value in given.items() if not _same(value, signature.parameters[name].default)}


def _same(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if type(value) is not type(default) or isinstance(value, (BaseEstimator, np.ndarray, pd.Index)):
        return False
    return bool(value == default) or (value != value and default != default)


def _parameter(value: Any, where: str, columns: pd.DataFrame) -> Parameter:
    if isinstance(value, BaseEstimator) or _is_splitter(value):
        return describe(value, columns)
    if isinstance(value, (np.ndarray, pd.Index, pd.Series, range)):
        return Items(tuple(_parameter(item, where, columns) for item in _listed(value, where)))
    if isinstance(value, (list, tuple)):
        return Items(tuple(_parameter(item, where, columns) for item in value), isinstance(value, tuple))
    if isinstance(value, dict):
        keys = tuple(_constant(key, where) for key in value)
        return Mapping(keys, tuple(_parameter(item, where, columns) for item in value.values()))
    if isinstance(value, type) and issubclass(value, _TYPES):
        return Plain(np.dtype(value).name)
    return Plain(_constant(value, where))


def _is_splitter(value: Any) -> bool:
    return hasattr(value, "split") and hasattr(value, "get_n_splits")


def _listed(value: Any, where: str) -> list[Any]:
    if np.size(value) > MAX_VALUES:
        raise ModelError(
            f"{where} has {np.size(value)} values; the vault takes at most {MAX_VALUES} in a parameter.",
            suggestion="Use a shorter list, or a column of the room.",
            rule="no public row vectors",
        )
    return list(value) if isinstance(value, range) else list(value.tolist())


def _constant(value: Any, where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        raise ModelError(
            f"{where}: a generator of random numbers cannot be sent to the vault.", suggestion="Use random_state=0."
        )
    if callable(value):
        raise ModelError(
            f"{where}: a function cannot be sent to the vault.",
            suggestion="Name it where scikit-learn has a name (scoring='roc_auc'), or compute the column before the "
            "fit (np.log1p(df.column)).",
        )
    raise ModelError(
        f"{where}: a {type(value).__name__} cannot be sent to the vault.",
        suggestion="Parameters are numbers, texts, lists and estimators.",
    )


# -- columns of a ColumnTransformer -----------------------------------------------------------------------------------
def _with_named_columns(model: ColumnTransformer, columns: pd.DataFrame) -> ColumnTransformer:
    """`model` with the columns that its functions and slices choose, by name."""
    chosen = [(name, step, columns_chosen(by, columns)) for name, step, by in model.transformers]
    made: ColumnTransformer = class_of(model)(**{**model.get_params(deep=False), "transformers": chosen})
    return made


def columns_chosen(by: Any, columns: pd.DataFrame) -> Any:
    """What a function (make_column_selector) or a slice chooses, by name; names and positions as they are."""
    if callable(by):
        return columns_chosen(by(columns), columns)
    if isinstance(by, slice):
        by_label = isinstance(by.start, str) or isinstance(by.stop, str)
        found = columns.loc[:, by] if by_label else columns.iloc[:, by]
        return list(found.columns)
    return list(by) if isinstance(by, (pd.Index, np.ndarray)) else by
