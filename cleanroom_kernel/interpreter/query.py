"""Query: pandas' query and eval, read with `ast` into column operations. Only what is listed here is evaluated."""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, method
from cleanroom_kernel.plan.schema import DType

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_METHODS = {
    "isna", "isnull", "notna", "notnull", "isin", "between", "abs", "round",
    "contains", "startswith", "endswith", "lower", "upper", "strip", "len",
}  # fmt: skip
_PARTS = {"str", "dt", "year", "month", "day", "hour", "dayofweek", "weekday", "quarter", "days"}

LOCAL = "__local_"


@method(Frame)
def query(self: Frame, expr: str, *, inplace: bool = False, **options: Any) -> Any:
    condition = _read(self, expr, _names(options))
    if not isinstance(condition, Column) or condition._field.dtype is not DType.BOOLEAN:
        raise HandleError("A query has to be a condition on columns.")
    result = self[condition]
    return self._become(result) if inplace else result


@method(Frame, name="eval")
def evaluate(self: Frame, expr: str, *, inplace: bool = False, **options: Any) -> Any:
    target, equals, body = expr.partition("=")
    if equals and target.strip().isidentifier() and not body.startswith("="):
        result = self.assign(**{target.strip(): _read(self, body, _names(options))})
        return self._become(result) if inplace else result
    return _read(self, expr, _names(options))


def _names(options: dict[str, Any]) -> Mapping[str, Any]:
    """What @name may refer to: the expert's variables where the query was written."""
    caller = sys._getframe(2)
    return {**caller.f_globals, **caller.f_locals, **options.get("local_dict", {})}


def _read(frame: Frame, text: str, names: Mapping[str, Any]) -> Any:
    quoted: dict[str, str] = {}
    parts = text.split("`")
    for position in range(1, len(parts), 2):
        quoted[f"__column_{position}"] = parts[position]
        parts[position] = f"__column_{position}"
    source = "".join(parts).replace("@", LOCAL).strip()
    try:
        tree = ast.parse(source, mode="eval")
    except SyntaxError:
        raise HandleError(f"This query cannot be read: {text!r}.") from None
    return _Reader(frame, names, quoted).value(tree.body)


class _Reader:
    def __init__(self, frame: Frame, names: Mapping[str, Any], quoted: dict[str, str]) -> None:
        self._frame = frame
        self._variables = names
        self._quoted = quoted

    def value(self, node: ast.expr) -> Any:
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is None:
            raise HandleError(f"A query cannot hold {type(node).__name__}.", suggestion="Use df[condition] instead.")
        return reader(node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id.startswith(LOCAL):
            return self._variables[node.id.removeprefix(LOCAL)]
        return self._frame[self._quoted.get(node.id, node.id)]

    def _list(self, node: ast.List | ast.Tuple) -> list[Any]:
        return [self.value(item) for item in node.elts]

    _tuple = _list

    def _binop(self, node: ast.BinOp) -> Any:
        if type(node.op) not in _BINARY:
            raise HandleError(f"A query cannot hold {type(node.op).__name__}.")
        return _BINARY[type(node.op)](self.value(node.left), self.value(node.right))

    def _boolop(self, node: ast.BoolOp) -> Any:
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        result = self.value(node.values[0])
        for part in node.values[1:]:
            result = join(result, self.value(part))
        return result

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, (ast.Not, ast.Invert)):
            return ~value
        return -value if isinstance(node.op, ast.USub) else value

    def _compare(self, node: ast.Compare) -> Any:
        result, left = None, self.value(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            part = self._compared(op, left, right)
            result, left = part if result is None else result & part, right
        return result

    def _compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(op, (ast.In, ast.NotIn)) or (isinstance(right, list) and isinstance(op, (ast.Eq, ast.NotEq))):
            member = left.isin(right)
            return ~member if isinstance(op, (ast.NotIn, ast.NotEq)) else member
        if type(op) not in _COMPARE:
            raise HandleError(f"A query cannot hold {type(op).__name__}.")
        return _COMPARE[type(op)](left, right)

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if node.attr not in _PARTS:
            raise HandleError(f"A query cannot hold .{node.attr}.")
        return getattr(owner, node.attr)

    def _call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _METHODS:
            raise HandleError("A query can only call methods of columns such as isin and str.contains.")
        function = getattr(self.value(node.func.value), node.func.attr)
        options = {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg}
        return function(*(self.value(argument) for argument in node.args), **options)
