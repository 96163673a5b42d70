"""Look-ups: what an uploaded table says of each row's key."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from cleanroom_kernel.plan.expressions import Lookup
from cleanroom_kernel.plan.references import Attribute
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.expressions_terms import Term
from cleanroom_kernel.vault.values import NARWHALS, NoMatch, matching


def looked_up(node: Lookup, of: tuple[Term, ...]) -> nw.Expr:
    places = _place(node, of)
    if node.column is None:
        return ~places.is_null()
    column = node.reference[node.column]
    kind = NARWHALS[column.dtype]
    values = [float(v) if column.dtype is DType.FLOAT and v is not None else v for v in column.values]
    return _mapped(places, list(range(node.reference.n_rows)), values, kind)


def _place(node: Lookup, of: tuple[Term, ...]) -> nw.Expr:
    """The number of the row whose key it is; several keys are told apart by the numbers of their values together."""
    coded = [_coded(key, term) for key, term in zip(node.reference.keys, of, strict=True)]
    expression, rows = coded[0][0], coded[0][1]
    for other, numbers in coded[1:]:
        most = max(numbers) + 1
        expression = expression * most + other
        rows = [row * most + number for row, number in zip(rows, numbers, strict=True)]
    return _mapped(expression, rows, list(range(node.reference.n_rows)), nw.Int64())


def _coded(key: Attribute, of: Term) -> tuple[nw.Expr, list[int]]:
    """A number for each value of one key, of the room's rows and of the table's."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(key.values))}
    known: dict[Any, int] = {}
    for value, number in numbers.items():
        try:
            known[matching(value, of.dtype)] = number
        except NoMatch:
            continue
    return _mapped(of.expression, list(known), list(known.values()), nw.Int64()), [numbers[v] for v in key.values]


def _mapped(of: nw.Expr, old: list[Any], new: list[Any], kind: Any) -> nw.Expr:
    if not old:
        return nw.lit(None, kind)
    return of.replace_strict(old, new, default=nw.lit(None, kind), return_dtype=kind)
