"""Twins of fits: the same estimator, made light, fitted to the twin's few rows before the data is touched.

Promise: what is wrong with the expert's code (a parameter, a column, a shape, text where numbers are needed) is said in
scikit-learn's own words. What may be due to the twin's few rows alone (one class, too few rows, missing values) is not
raised: of all errors, only those of a closed list are.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import InvalidParameterError

# Parameters that only make a fit slower, and what they are lowered to.
_LIGHT: dict[str, int] = {"n_estimators": 2, "max_iter": 5, "n_init": 1, "cv": 2, "verbose": 0, "max_fun": 50}

# What an error says that has nothing to do with the values in the rows.
_TOLD = re.compile(
    "|".join(
        (
            "Invalid parameter",
            "unexpected keyword argument",
            "missing \\d+ required positional argument",
            "could not convert string to float",
            "could not be promoted",
            "argument must be a string or a real number",
            "Expected 2D array, got 1D array instead",
            "y should be a 1d array",
            "[Ff]eature names",
            "features, but \\w+ is expecting",
            "not (a column|columns) of the dataframe",
            "not in index",
            "not unique",
            "has no attribute",
            "has no method",
            "should be an estimator",
            "All intermediate steps should be transformers",
            "Last step of Pipeline should implement fit",
            "[Ee]stimator.*cannot be used",
            "Specifying the columns using strings is only supported",
            "does not support|not supported|supports only",
            "is not a valid scoring value",
            "Target is multiclass but average='binary'",
        )
    )
)


def fitted_twin(model: Any, X: pd.DataFrame, y: pd.Series | None, weight: pd.Series | None) -> Any:
    """The twin of a fit, or None if the twin's rows do not do for it. Raises what is wrong with the expert's code."""
    try:
        with muted():
            light = _light(model)
            _fit(light, filled(X), y if y is None else filled(y), weight if weight is None else filled(weight))
    except Exception as error:
        if is_told(error):
            raise
        return None
    return light


def is_told(error: Exception) -> bool:
    """Whether an error on the twin is one of the expert's code."""
    return isinstance(error, InvalidParameterError) or _TOLD.search(str(error)) is not None


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Within, nothing is said of how well a twin could be fitted."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def filled(twin: Any) -> Any:
    """A twin without missing values, which the data may or may not have."""
    if isinstance(twin, pd.DataFrame):
        return pd.DataFrame({label: filled(twin[label]) for label in twin.columns}, index=twin.index)
    if not twin.isna().any():
        return twin
    known = twin.dropna()
    return twin.fillna(known.iloc[0]).infer_objects() if len(known) else twin


def _light(model: Any) -> Any:
    """A clone that is quick to fit; a search is its first candidate, with every other one's names tried."""
    light = clone(model)
    if hasattr(light, "_parameter_constraints"):
        light._validate_params()
    if hasattr(light, "param_grid") and isinstance(getattr(light, "estimator", None), BaseEstimator):
        _try_names(light.estimator, light.param_grid)
        light.set_params(param_grid={}, cv=2, n_jobs=None)
    alone = {name: None for name in light.get_params(deep=True) if name.rpartition("__")[2] == "n_jobs"}
    return lowered(light.set_params(**alone), _LIGHT)


def lowered(model: Any, most: dict[str, int]) -> Any:
    """`model` with numbers of steps, at any depth, that are not above `most`."""
    given = model.get_params(deep=True)
    found = {name: most[last] for name in given if (last := name.rpartition("__")[2]) in most}
    return model.set_params(**{n: top for n, top in found.items() if type(given[n]) is int and given[n] > top})


def _try_names(estimator: Any, grid: Any) -> None:
    """scikit-learn finds a name that the estimator does not have only while it searches."""
    for candidates in grid if isinstance(grid, (list, tuple)) else [grid]:
        for name, values in candidates.items():
            clone(estimator).set_params(**{name: clone(values[0], safe=False) if len(values) else None})


def _fit(light: Any, X: pd.DataFrame, y: pd.Series | None, weight: pd.Series | None) -> None:
    given = () if y is None else (y,)
    if weight is None:
        light.fit(X, *given)
    else:
        name = f"{light.steps[-1][0]}__sample_weight" if hasattr(light, "steps") else "sample_weight"
        light.fit(X, *given, **{name: weight})
