"""Formulas: "los ~ age + C(ward)" over rows of the room, read by patsy.

patsy says which terms there are, how each factor is coded and what the columns are called; the columns themselves are
expressions. What a factor's code needs of all rows at once (a spline's knots, a mean to subtract) is refused.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import patsy

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.plan.schema import DType

_STATEFUL = {"center", "standardize", "scale", "bs", "cr", "cc", "te"}
_INTERCEPT = "Intercept"


@dataclass
class Categorical:
    """What C(column, contrast, levels) says of a column."""

    column: Column
    contrast: Any = None
    levels: list[Any] | None = None


@dataclass(frozen=True)
class Design:
    """Target and columns over the same rows, those without a missing value. `features` leave out the intercept."""

    target: Column
    features: Frame
    names: list[str]
    has_intercept: bool


def design(formula: str, data: Frame, depth: int) -> Design:
    """`depth` is how many calls lie between here and the expert's cell, whose names a formula may use."""
    read = patsy.ModelDesc.from_formula(formula)
    if len(read.lhs_termlist) != 1 or len(read.lhs_termlist[0].factors) != 1:
        raise HandleError("A model of rows in the room has one target.", suggestion="y ~ x + z")
    scope = patsy.EvalEnvironment.capture(depth)
    codes = {factor.code for term in (*read.lhs_termlist, *read.rhs_termlist) for factor in term.factors}
    values = {code: _evaluated(code, data, scope) for code in codes}
    target = values.pop(read.lhs_termlist[0].factors[0].code)
    if isinstance(target, Categorical) or target._field.dtype is DType.STRING:
        raise HandleError("The target is a number.", suggestion="Write a condition: I(outcome == 'died').")
    known = _complete(
        [target, *(value.column if isinstance(value, Categorical) else value for value in values.values())]
    )
    categories = {code: _categorical(value, known) for code, value in values.items()}
    for kind in categories.values():
        if kind is not None and kind.column._field.categories is None and kind.column._field.dtype is DType.STRING:
            known = known & kind.column.isin(kind.levels)  # rare labels are not released, and their rows left out
    columns, names = _columns(read, {code: _at(value, known) for code, value in values.items()}, categories)
    has_intercept = _INTERCEPT in names
    made = [column for column, name in zip(columns, names, strict=True) if name != _INTERCEPT]
    labels = [name for name in names if name != _INTERCEPT]
    if not labels:
        raise HandleError("A model needs a column beside the intercept.", suggestion="The mean is df.y.mean().")
    return Design(_at(target, known), side_by_side(made, labels), names, has_intercept)


def _evaluated(code: str, data: Frame, scope: Any) -> Column | Categorical:
    used = _STATEFUL & set(re.findall(r"\w+(?=\s*\()", code))
    if used:
        raise HandleError(
            f"{used.pop()}() in a formula needs the values of all rows.",
            suggestion="Compute the column before: (df.x - df.x.mean()) / df.x.std(), or df.x ** 2.",
        )
    names = {str(label): data[label] for label in data._columns}
    helpers = {name: getattr(patsy.builtins, name) for name in patsy.builtins.__all__}
    helpers |= {"C": Categorical, "I": lambda column: column, "Q": lambda name: data[name]}
    found = scope.eval(code, inner_namespace={**helpers, **names})
    if isinstance(found, Categorical):
        return found
    if not isinstance(found, Column):
        raise HandleError(f"{code} in a formula is no column of the room.")
    return found


def _complete(columns: list[Column]) -> Column:
    return reduce(lambda one, other: one & other, [column.notna() for column in columns])


def _at(value: Column | Categorical, known: Column) -> Column:
    column = value.column if isinstance(value, Categorical) else value
    found: Column = column[known]
    return found


def _categorical(value: Column | Categorical, known: Column) -> Categorical | None:
    """Text and truth values are coded by level, numbers where C() says so."""
    if isinstance(value, Categorical):
        return Categorical(value.column, value.contrast, value.levels or _levels(value.column, known))
    if value._field.dtype in (DType.STRING, DType.BOOLEAN):
        return Categorical(value, None, _levels(value, known))
    if value._field.dtype is DType.DATETIME or value._field.dtype is DType.DURATION:
        raise HandleError("A date is no number.", suggestion="Use its parts, or a length: (a - b).dt.days.")
    return None


def _levels(column: Column, known: Column) -> list[Any]:
    """Declared ones, or those that are released."""
    if column._field.dtype is DType.BOOLEAN:
        return [False, True]
    if column._field.categories is None:
        return sorted(column[known].dropna().unique().tolist())
    found = list(column._field.categories)
    return found if column._field.ordered else sorted(found)


def _columns(
    read: Any, columns: dict[str, Column], categories: dict[str, Categorical | None]
) -> tuple[list[Any], list[str]]:
    """What patsy makes of stand-ins with the same levels, as columns of the room."""
    longest = max([2, *(len(kind.levels or ()) for kind in categories.values() if kind is not None)])
    stand_ins: dict[str, Any] = {}
    for code, kind in categories.items():
        levels = None if kind is None else kind.levels
        places = np.arange(longest)
        stand_ins[code] = (
            places.astype(float) if levels is None else pd.Categorical.from_codes(places % len(levels), levels)
        )

    def stand_in(factor: Any) -> Any:
        kind = categories[factor.code]
        if kind is None:
            return patsy.LookupFactor(factor.code)
        return patsy.LookupFactor(factor.code, force_categorical=True, contrast=kind.contrast)

    terms = [patsy.Term([stand_in(factor) for factor in term.factors]) for term in read.rhs_termlist]
    info = patsy.dmatrix(patsy.ModelDesc([], terms), stand_ins).design_info

    def parts(factor: Any, matrix: Any) -> list[Column]:
        kind = categories[factor.name()]
        column = columns[factor.name()]
        return [column] if kind is None else _coded(column, kind.levels or [], matrix.matrix)

    found: list[Any] = []
    for subterm in itertools.chain.from_iterable(info.term_codings.values()):
        several = [parts(factor, subterm.contrast_matrices.get(factor)) for factor in subterm.factors]
        # As patsy has them: the first factor's columns change fastest.
        for backwards in itertools.product(*reversed(several)):
            found.append(reduce(lambda one, other: one * other, backwards[::-1]) if backwards else None)
    return found, list(info.column_names)


def _coded(column: Column, levels: list[Any], matrix: np.ndarray) -> list[Column]:
    return [column.map({level: float(row) for level, row in zip(levels, of, strict=True)}) for of in matrix.T]
