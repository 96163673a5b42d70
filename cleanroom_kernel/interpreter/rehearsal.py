"""Rehearsal: pandas' own method of the same name, run on the twins before a plan is built or asked.

Promise: what pandas would say of names, types and arguments is said by pandas itself, at the expert's line and before
the data is touched; what only the values of a twin's few rows cause (a missing value that cannot become an integer, an
empty match) is not the expert's mistake and is not raised.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.literals import PANDAS
from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import DType

_OF_VALUES = (ValueError, ArithmeticError)


@dataclass
class Rehearsal:
    """What came of it: a value, or an error that may be due to the twin's values alone."""

    value: Any = None
    error: Exception | None = None

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Within, a plan is built; if that fails too, the twin's error was a real one and says it in pandas' words."""
        try:
            yield
        except PlanError:
            if self.error is not None:
                raise self.error from None
            raise


def rehearse(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Rehearsal:
    """Call `function` with twins in the place of handles."""
    args, kwargs = twins_in(args), twins_in(kwargs)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.filterwarnings("ignore", "Could not infer format")  # of synthetic texts that are no dates
        try:
            return Rehearsal(function(*args, **kwargs))
        except _OF_VALUES as error:
            return Rehearsal(error=error)


def twins_in(value: Any) -> Any:
    """`value` with every handle in it, also inside lists, tuples and dicts, replaced by its twin."""
    twin = getattr(type(value), "_twin_of", None)
    if twin is not None:
        return twin(value)
    if type(value) in (list, tuple):
        return type(value)(twins_in(item) for item in value)
    if type(value) is dict:
        return {twins_in(key) if isinstance(key, tuple) else key: twins_in(item) for key, item in value.items()}
    return value


_SAMPLES: dict[DType, list[Any]] = {
    DType.INTEGER: [0, 1, 2],
    DType.FLOAT: [0.0, 0.5, 1.5],
    DType.BOOLEAN: [False, True],
    DType.STRING: ["a", "b", "c"],
    DType.DATETIME: [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-06-15 12:00")],
    DType.DURATION: [pd.Timedelta(days=1), pd.Timedelta(hours=36)],
}


def stand_in(field: Field, index: pd.Index, name: Any = None) -> pd.Series:
    """A twin made from the static type alone, where the rehearsal has none to give."""
    values = list(field.categories or ()) or _SAMPLES[field.dtype]
    repeated = [values[position % len(values)] for position in range(len(index))]
    return pd.Series(repeated, index=index, name=name, dtype=PANDAS[field.dtype])
