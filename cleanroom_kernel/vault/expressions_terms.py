"""Terms: what the rules of functions are given and what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import narwhals as nw
import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.expressions import Constant, Field
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.values import NARWHALS


class Term(Struct, frozen=True):
    """An argument: its expression and its static type."""

    expression: Any
    field: Field

    @property
    def dtype(self) -> DType:
        return self.field.dtype


Options = tuple[Constant, ...]
Portable = Callable[[tuple[Term, ...], Options, DType], nw.Expr]
Native = Callable[[tuple[Term, ...], Options], pl.Expr]


# -- helpers ----------------------------------------------------------------------------------------------------------
def as_type(term: Term, dtype: DType) -> nw.Expr:
    """A widening cast, which cannot fail."""
    return term.expression if term.dtype is dtype else term.expression.cast(NARWHALS[dtype])


def no_nan(column: str, dtype: DType) -> nw.Expr:
    """Of a column, not of an expression, which Polars would write out twice at every level of a deep one."""
    return nw.col(column).fill_nan(None) if dtype is DType.FLOAT else nw.col(column)


def position(term: Term, categories: tuple[Any, ...]) -> nw.Expr:
    """Place of an ordered category among `categories`; null for what is not among them."""
    return term.expression.replace_strict(
        list(categories), list(range(len(categories))), default=None, return_dtype=nw.Int64()
    )


def sort_key(term: Term) -> nw.Expr:
    """What a column is put in order by: ordered categories by their place, all else by value."""
    if term.field.ordered and term.field.categories is not None:
        return position(term, term.field.categories)
    return term.expression
