"""SQL's conditions: comparisons, lists, patterns and what joins them, by where they are true and where false."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from cleanroom_kernel.interpreter.handles import Frame
from cleanroom_kernel.interpreter.sql_reader import (
    TRUTHS,
    Reader,
    Truth,
    Value,
    both,
    either,
    negated,
    present,
    text_of,
)

_COMPARISONS: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt,
    exp.GTE: operator.ge,
}  # fmt: skip


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[[Reader, exp.Expression], Truth]:
    def read(reader: Reader, node: exp.Expression) -> Truth:
        left, right = reader.value(node.this), reader.value(node.expression)
        return _known(compare(left, right), left, right)

    return read


def _known(found: Value, *of: Value) -> Truth:
    """A test that is unknown where one of the values it is about is missing."""
    known = present(of[0])
    for value in of[1:]:
        known = both(known, present(value))
    return Truth(both(found, known), both(negated(found), known))


def _between(reader: Reader, node: exp.Between) -> Truth:
    """Two comparisons: one that is false makes it false, whatever the other bound is."""
    value, low, high = (reader.value(node.args[name]) for name in ("this", "low", "high"))
    above, below = _known(value >= low, value, low), _known(value <= high, value, high)
    return Truth(both(above.yes, below.yes), either(above.no, below.no))


def _in(reader: Reader, node: exp.In) -> Truth:
    column = reader.column(node.this)
    query = node.args.get("query")
    if query is not None:
        found = reader.subquery(query.this if isinstance(query, exp.Subquery) else query)
        members = found[next(iter(found.columns))]
        return _known(column.isin(members if isinstance(found, Frame) else list(members.dropna())), column)
    return _known(column.isin([reader.value(item) for item in node.expressions]), column)


def _is(reader: Reader, node: exp.Is) -> Truth:
    if isinstance(node.expression, exp.Null):
        missing = negated(present(reader.value(node.this)))
        return Truth(missing, negated(missing))
    wanted = reader.truth(node.this)
    holds = wanted.yes if reader.value(node.expression) else wanted.no
    return Truth(holds, negated(holds))


def _and(reader: Reader, node: exp.And) -> Truth:
    one, other = reader.truth(node.this), reader.truth(node.expression)
    return Truth(both(one.yes, other.yes), either(one.no, other.no))


def _or(reader: Reader, node: exp.Or) -> Truth:
    one, other = reader.truth(node.this), reader.truth(node.expression)
    return Truth(either(one.yes, other.yes), both(one.no, other.no))


def _not(reader: Reader, node: exp.Not) -> Truth:
    found = reader.truth(node.this)
    return Truth(found.no, found.yes)


def _like(case: bool) -> Callable[[Reader, exp.Expression], Truth]:
    def read(reader: Reader, node: exp.Expression) -> Truth:
        column, pattern = reader.column(node.this), _like_pattern(text_of(reader, node.expression))
        return _known(column.str.contains(pattern, case=case, regex=True, na=False), column)

    return read


def _like_pattern(text: str) -> str:
    signs = {"%": ".*", "_": "."}
    plain = "".join(signs.get(letter, "\\" + letter if letter in ".^$*+?{}[]\\|()" else letter) for letter in text)
    return f"(?s)^{plain}$"


def _regexp(case: bool) -> Callable[[Reader, exp.Expression], Truth]:
    def read(reader: Reader, node: exp.Expression) -> Truth:
        column = reader.column(node.this)
        found = column.str.contains(text_of(reader, node.expression), case=case, regex=True, na=False)
        return _known(found, column)

    return read


TRUTHS |= {
    **{kind: _compared(compare) for kind, compare in _COMPARISONS.items()},
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is,
    exp.And: _and,
    exp.Or: _or,
    exp.Not: _not,
    exp.Like: _like(case=True),
    exp.ILike: _like(case=False),
    exp.RegexpLike: _regexp(case=True),
    exp.RegexpILike: _regexp(case=False),
    exp.Paren: lambda reader, node: reader.truth(node.this),
}
