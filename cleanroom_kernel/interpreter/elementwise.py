"""Element-wise methods of columns and frames: one table, name -> builder; the twin runs pandas' method of that name.

A column that meets another is first carried to its rows (contexts.align). A frame does column by column what a column
does; arguments that pandas reads per column (a dict, a Series, another frame) are taken apart here.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter import builders, contexts
from cleanroom_kernel.interpreter.builders import Builder, binary, unary
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, derived, frame_of, method
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, rehearse
from cleanroom_kernel.interpreter.terms import Term
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression
from cleanroom_kernel.plan.functions import Function

_ARITHMETIC = {
    "add": Function.ADD,
    "sub": Function.SUBTRACT,
    "mul": Function.MULTIPLY,
    "truediv": Function.DIVIDE,
    "floordiv": Function.FLOOR_DIVIDE,
    "mod": Function.MODULO,
    "pow": Function.POWER,
}
_COMPARISONS = {
    "eq": Function.EQUAL,
    "ne": Function.NOT_EQUAL,
    "lt": Function.LESS,
    "le": Function.LESS_EQUAL,
    "gt": Function.GREATER,
    "ge": Function.GREATER_EQUAL,
}
_LOGIC = {"and": Function.AND, "or": Function.OR, "xor": Function.XOR}
_SYNONYMS = {"truediv": ("div", "divide"), "sub": ("subtract",), "mul": ("multiply",)}


def _operators() -> dict[str, Builder]:
    table: dict[str, Builder] = {}
    for name, function in _ARITHMETIC.items():
        for known in (name, *_SYNONYMS.get(name, ())):
            table |= {known: binary(function)}
        table |= {f"__{name}__": binary(function), f"__r{name}__": binary(function, reflected=True)}
        table |= {f"r{name}": binary(function, reflected=True)}
    table |= {"rdiv": binary(Function.DIVIDE, reflected=True)}
    for name, function in _COMPARISONS.items():
        table |= {name: binary(function), f"__{name}__": binary(function)}
    for name, function in _LOGIC.items():
        table |= {f"__{name}__": binary(function), f"__r{name}__": binary(function, reflected=True)}
    return table


BOTH: dict[str, Builder] = {
    **_operators(),
    "__neg__": unary(Function.NEGATE),
    "__pos__": lambda of: of.expression,
    "__abs__": unary(Function.ABSOLUTE),
    "__invert__": unary(Function.NOT),
    "__round__": builders.round_,
    "abs": unary(Function.ABSOLUTE),
    "round": builders.round_,
    "clip": builders.clip,
    "isna": unary(Function.IS_NULL),
    "isnull": unary(Function.IS_NULL),
    "notna": builders.not_missing,
    "notnull": builders.not_missing,
    "fillna": builders.fillna,
    "where": builders.where,
    "mask": builders.mask,
    "replace": builders.replace,
    "isin": builders.isin,
    "astype": builders.astype,
    "combine_first": builders.fillna,
}

COLUMN: dict[str, Builder] = {
    **BOTH,
    "between": builders.between,
    "map": builders.map_,
}

_IGNORED = {"inplace", "axis", "copy", "level", "ignore_index"}  # of no meaning for the plan, or dealt with before
_SKIPS_OTHER_TYPES = {"round", "__round__", "clip"}  # pandas leaves the columns alone that these are not for
_SKIPS_KEYS = _SKIPS_OTHER_TYPES | {"fillna", "replace", "where", "mask"}


def on_column(
    column: Column, build: Builder, twin: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Column:
    """`build` applied to `column`, after `twin` has been rehearsed with the same arguments."""
    rehearsal = rehearse(twin, column, *args, **kwargs)
    kept = {name: value for name, value in kwargs.items() if name not in _IGNORED}
    rows, term, args, kept = as_terms(column, args, kept)
    with rehearsal.explaining():
        expression = _called(build, term, args, kept)
    return derived(rows, expression, rehearsal, column, name=column.name)


def as_terms(
    column: Column, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Relation, Term, tuple[Any, ...], dict[str, Any]]:
    """Every column among the arguments as a term over one context: the one with the most rows."""
    columns = [value for value in (column, *args, *kwargs.values()) if isinstance(value, Column)]
    rows = contexts.widest(*(each._rows for each in columns)) if len(columns) > 1 else column._rows
    expressions: dict[int, Expression] = {}
    for each in columns:
        rows, expressions[id(each)] = contexts.align(rows, each._rows, each._expression)

    def term(value: Any) -> Any:
        return Term(expressions[id(value)], value._field) if isinstance(value, Column) else value

    return rows, term(column), tuple(map(term, args)), {name: term(value) for name, value in kwargs.items()}


@cache
def _signature(build: Builder) -> inspect.Signature:
    return inspect.signature(build)


def _called(build: Builder, term: Term, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Expression:
    try:
        _signature(build).bind(term, *args, **kwargs)
    except TypeError as mismatch:
        raise HandleError(f"This argument is not available for rows in a clean room: {mismatch}.") from None
    return build(term, *args, **kwargs)


def _column_method(name: str, build: Builder) -> Callable[..., Any]:
    twin = getattr(pd.Series, name)

    def call(self: Column, *args: Any, **kwargs: Any) -> Any:
        args = tuple(_condition(self, value) for value in args)
        result = on_column(self, build, twin, args, kwargs)
        if kwargs.get("inplace"):
            return _in_place(self, result, name)
        return result

    call.__name__ = name
    return call


def _condition(column: Column, value: Any) -> Any:
    """where and mask take a function of the column, too."""
    return value(column) if inspect.isfunction(value) else value


def _in_place(column: Column, result: Column, name: str) -> None:
    warnings.warn(
        f"{name}(inplace=True) changes this Series alone, not the DataFrame that it came from. "
        f"Write df[{column.name!r}] = df[{column.name!r}].{name}(…).",
        pd.errors.ChainedAssignmentError,
        stacklevel=4,
    )
    column.__dict__.update(result.__dict__)


def _frame_method(name: str, build: Builder) -> Callable[..., Any]:
    twin = getattr(pd.DataFrame, name, None)

    def call(self: Frame, *args: Any, **kwargs: Any) -> Any:
        rehearsal = rehearse(twin, self, *args, **kwargs)
        kept = {key: value for key, value in kwargs.items() if key not in _IGNORED}
        result = on_frame(self, name, build, rehearsal, args, kept)
        return self._become(result) if kwargs.get("inplace") else result

    call.__name__ = name
    return call


def on_frame(
    frame: Frame, name: str, build: Builder, rehearsal: Rehearsal, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Frame:
    """`build` applied to every column of `frame` that it is for."""
    rows, columns = frame._rows, {}
    for label in frame._columns:
        column = Column(rows, frame._columns[label], frame._twin[label], frame._index)
        own = _for_column(name, label, args, kwargs)
        if own is None or _is_skipped(name, column):
            columns[label] = column._expression
            continue
        rows, term, own_args, own_kwargs = as_terms(column, *own)
        with rehearsal.explaining():
            columns[label] = _called(build, term, own_args, own_kwargs)
    return frame_of(frame, rows, columns, rehearsal)


def _is_skipped(name: str, column: Column) -> bool:
    if column._field.role.is_opaque:
        return name in _SKIPS_KEYS
    return name in _SKIPS_OTHER_TYPES and not column._field.dtype.is_numeric


_DICT_IS_PER_COLUMN = {"fillna", "round", "__round__", "astype", "clip"}


def _for_column(
    name: str, label: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments as they concern one column; None if they do not concern it."""
    absent = object()

    def own(value: Any) -> Any:
        if isinstance(value, Frame):
            return value._column(label) if label in value._columns else absent
        if isinstance(value, pd.Series) and name != "isin":
            return value.get(label, absent)
        if isinstance(value, dict) and name in _DICT_IS_PER_COLUMN:
            return value.get(label, absent)
        if isinstance(value, dict) and name in ("replace", "isin") and _is_nested(value):
            return value.get(label, absent)
        if isinstance(value, pd.DataFrame):
            raise row_vector()
        return value

    own_args = tuple(map(own, args))
    own_kwargs = {key: own(value) for key, value in kwargs.items()}
    if any(value is absent for value in (*own_args, *own_kwargs.values())):
        return None
    return own_args, own_kwargs


def _is_nested(value: dict[Any, Any]) -> bool:
    return bool(value) and all(isinstance(inner, (dict, list, set, tuple)) for inner in value.values())


for _name, _build in COLUMN.items():
    method(Column, name=_name)(_column_method(_name, _build))
for _name, _build in BOTH.items():
    method(Frame, name=_name)(_frame_method(_name, _build))
