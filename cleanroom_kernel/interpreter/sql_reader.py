"""SQL's reader: sqlglot's expressions as operations on columns, by two tables that the other modules fill.

Conditions are three-valued as in SQL: each is known by where it is true and where it is false; elsewhere it is unknown.
What is in no table is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column

Value = Any  # a column, or one public value
Subquery = Callable[[exp.Expression], Any]

NULL = float("nan")


@dataclass(frozen=True)
class Truth:
    """A condition: where it is true, and where it is false."""

    yes: Value
    no: Value


class Reader:
    """Reads expressions over the columns of `frame`, whose labels are the names of the columns in the tree."""

    def __init__(self, frame: Any, subquery: Subquery) -> None:
        self.frame = frame
        self.subquery = subquery

    def value(self, node: exp.Expression) -> Value:
        if any(isinstance(node, kind) for kind in TRUTHS if kind is not exp.Paren):
            return _as_value(self.truth(node))
        for kind, read in VALUES.items():
            if isinstance(node, kind):
                return read(self, node)
        raise unavailable(node)

    def truth(self, node: exp.Expression) -> Truth:
        for kind, read in TRUTHS.items():
            if isinstance(node, kind):
                found = read(self, node)
                return Truth(found.no, found.yes) if node.args.get("negate") else found
        found = self.value(node)
        if isinstance(found, bool):
            return Truth(found, not found)
        return Truth(found == True, found == False)  # noqa: E712 - columns of booleans with gaps

    def column(self, node: exp.Expression) -> Value:
        """A value that functions of columns can be called on."""
        found = self.value(node)
        return found if is_column(found) else constant(self.frame, found)


def text_of(reader: Reader, node: exp.Expression) -> str:
    found = reader.value(node)
    if not isinstance(found, str):
        raise HandleError("A pattern is a text here.", suggestion="column LIKE 'I5%'")
    return found


def unavailable(node: exp.Expression) -> HandleError:
    name = node.name if isinstance(node, exp.Anonymous) else node.key
    return HandleError(
        f"{str(name).upper()} is not in the SQL of a room.",
        suggestion="Do that step with pandas: room.sql gives an ordinary DataFrame of the room.",
    )


def is_column(value: Any) -> bool:
    return isinstance(value, (Column, pd.Series))


def constant(frame: Any, value: Any) -> Any:
    """A column that holds one value."""
    return frame.assign(value=value)["value"]


def choose(condition: Value, yes: Value, no: Value) -> Value:
    if isinstance(condition, Column):
        return np.where(condition, yes, no)
    if isinstance(condition, pd.Series):
        return pd.Series(np.where(condition, yes, no), index=condition.index)
    return yes if condition else no


def present(value: Value) -> Value:
    return value.notna() if is_column(value) else not pd.isna(value)


def both(one: Value, other: Value) -> Value:
    return one & other


def either(one: Value, other: Value) -> Value:
    return one | other


def negated(value: Value) -> Value:
    return ~value if is_column(value) else not value


def _as_value(truth: Truth) -> Value:
    """True and false, missing where the condition is unknown."""
    if not is_column(truth.yes):
        return bool(truth.yes)
    return truth.yes.where(either(truth.yes, truth.no))


VALUES: dict[Any, Callable[[Reader, Any], Value]] = {}
TRUTHS: dict[Any, Callable[[Reader, Any], Truth]] = {}
