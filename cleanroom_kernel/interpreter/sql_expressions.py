"""SQL's values: arithmetic, CASE, casts, texts and numbers, a table of sqlglot's nodes and what computes them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Frame
from cleanroom_kernel.interpreter.sql_reader import (
    NULL,
    VALUES,
    Reader,
    Value,
    both,
    choose,
    constant,
    either,
    is_column,
    negated,
    present,
    text_of,
    unavailable,
)


def _literal(reader: Reader, node: exp.Literal) -> Value:
    if node.is_string:
        return node.this
    return float(node.this) if any(sign in node.this.lower() for sign in ".e") else int(node.this)


def _of_columns(function: Callable[..., Value]) -> Callable[[Reader, exp.Expression], Value]:
    """A function of the column `this` alone."""
    return lambda reader, node: function(reader.column(node.this))


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[[Reader, exp.Expression], Value]:
    return lambda reader, node: function(reader.value(node.this), reader.value(node.expression))


def _subtracted(reader: Reader, node: exp.Sub) -> Value:
    """Two dates are a whole number of days apart, two moments a duration."""
    found = reader.value(node.this) - reader.value(node.expression)
    if not all(isinstance(side, exp.Cast) and side.to.this.name == "DATE" for side in (node.this, node.expression)):
        return found
    return found.dt.days if is_column(found) else found.days


def _divided(reader: Reader, node: exp.Div) -> Value:
    """Whole numbers divide to whole numbers, towards zero, in the dialects that have it so."""
    left, right = reader.value(node.this), reader.value(node.expression)
    ratio = left / right
    if not node.args.get("typed") or not (_is_whole(left) and _is_whole(right)):
        return ratio
    return choose(ratio >= 0, np.floor(ratio), np.ceil(ratio)) if is_column(ratio) else int(ratio)


def _is_whole(value: Value) -> bool:
    return pd.api.types.is_integer_dtype(value.dtype) if is_column(value) else isinstance(value, int)


def _case(reader: Reader, node: exp.Case) -> Value:
    default = node.args.get("default")
    result = NULL if default is None else reader.value(default)
    of = None if node.this is None else reader.value(node.this)
    for branch in reversed(node.args["ifs"]):
        condition = reader.truth(branch.this).yes if of is None else of == reader.value(branch.this)
        result = _chosen(reader, condition, reader.value(branch.args["true"]), result)
    return result


def _if(reader: Reader, node: exp.If) -> Value:
    otherwise = node.args.get("false")
    no = NULL if otherwise is None else reader.value(otherwise)
    return _chosen(reader, reader.truth(node.this).yes, reader.value(node.args["true"]), no)


def _chosen(reader: Reader, condition: Value, yes: Value, no: Value) -> Value:
    return choose(condition if is_column(condition) else constant(reader.frame, bool(condition)), yes, no)


def _coalesce(reader: Reader, node: exp.Coalesce) -> Value:
    result = reader.column(node.this)
    for other in node.expressions:
        value = reader.value(other)
        result = result.fillna(value) if is_column(value) or not pd.isna(value) else result
    return result


def _null_if(reader: Reader, node: exp.Nullif) -> Value:
    column = reader.column(node.this)
    return column.mask(column == reader.value(node.expression))


_TYPES = {
    "INT": "int64", "BIGINT": "int64", "SMALLINT": "int64", "TINYINT": "int64", "DOUBLE": "float64", "FLOAT": "float64",
    "DECIMAL": "float64", "BOOLEAN": "bool", "TEXT": "str", "VARCHAR": "str", "CHAR": "str", "NVARCHAR": "str",
}  # fmt: skip


def _cast(reader: Reader, node: exp.Cast) -> Value:
    """Whole numbers are rounded, as databases do; a day is a timestamp at midnight."""
    kind = node.to.this.name
    value = reader.value(node.this)
    if kind == "INTERVAL":
        return pd.Timedelta(value)
    if kind in ("DATE", "TIMESTAMP", "DATETIME", "TIMESTAMPTZ", "TIMESTAMPNTZ"):
        if not is_column(value):
            return pd.Timestamp(value).normalize() if kind == "DATE" else pd.Timestamp(value)
        moments = pd.to_datetime(value, errors="coerce")
        return moments.dt.normalize() if kind == "DATE" else moments
    if kind not in _TYPES:
        raise unavailable(node)
    column = value if is_column(value) else constant(reader.frame, value)
    if _TYPES[kind] == "int64" and pd.api.types.is_float_dtype(column.dtype):
        return column.round()
    if _TYPES[kind] in ("int64", "float64") and pd.api.types.is_string_dtype(column.dtype):
        return pd.to_numeric(column, errors="coerce")
    return column.astype(_TYPES[kind])


def _piece(reader: Reader, node: exp.SplitPart) -> Value:
    number = int(reader.value(node.args["part_index"])) - 1
    return reader.column(node.this).str.split(text_of(reader, node.args["delimiter"])).str[number].fillna("")


def _joined(reader: Reader, node: exp.Expression) -> Value:
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    texts = [_as_text(reader.value(part)) for part in parts]
    result = texts[0]
    for text in texts[1:]:
        result = result + text
    return result


def _as_text(value: Value) -> Value:
    if not is_column(value):
        return str(value)
    return value if pd.api.types.is_string_dtype(value.dtype) else value.astype(str)


def _substring(reader: Reader, node: exp.Substring) -> Value:
    start = int(reader.value(node.args["start"])) - 1
    length = node.args.get("length")
    return reader.column(node.this).str.slice(start, None if length is None else start + int(reader.value(length)))


def _left(reader: Reader, node: exp.Left) -> Value:
    return reader.column(node.this).str.slice(0, int(reader.value(node.expression)))


def _right(reader: Reader, node: exp.Right) -> Value:
    return reader.column(node.this).str.slice(-int(reader.value(node.expression)), None)


def _replaced(reader: Reader, node: exp.Expression) -> Value:
    old, new = (reader.value(node.args[name]) for name in ("expression", "replacement"))
    return reader.column(node.this).str.replace(old, new, regex=isinstance(node, exp.RegexpReplace))


def _round(reader: Reader, node: exp.Round) -> Value:
    """A half is rounded away from zero, as databases round decimals."""
    decimals = node.args.get("decimals")
    value, scale = reader.column(node.this), 10 ** (0 if decimals is None else int(reader.value(decimals)))
    return np.sign(value) * np.floor(np.abs(value) * scale + 0.5) / scale


def _power(reader: Reader, node: exp.Pow) -> Value:
    return reader.value(node.this) ** reader.value(node.expression)


def _log(reader: Reader, node: exp.Log) -> Value:
    """log(x) is to base ten, log(b, x) to base b."""
    if node.expression is None:
        return np.log10(reader.column(node.this))
    return np.log(reader.column(node.expression)) / float(np.log(reader.value(node.this)))


def _extreme(compare: Callable[[Any, Any], Any]) -> Callable[[Reader, exp.Expression], Value]:
    """greatest and least leave missing values out."""

    def read(reader: Reader, node: exp.Expression) -> Value:
        best = reader.column(node.this)
        for other in node.expressions:
            value = reader.column(other)
            better = both(present(value), either(compare(value, best), negated(present(best))))
            best = choose(better, value, best)
        return best

    return read


def _scalar(reader: Reader, node: exp.Subquery) -> Value:
    found = reader.subquery(node.this)
    if isinstance(found, Frame) or found.shape != (1, 1):
        raise HandleError("A query in the place of a value gives one number.", suggestion="(SELECT AVG(x) FROM t)")
    return found.iloc[0, 0]


VALUES |= {
    exp.Column: lambda reader, node: reader.frame[node.name],
    exp.Literal: _literal,
    exp.Null: lambda reader, node: NULL,
    exp.Boolean: lambda reader, node: bool(node.this),
    exp.Paren: lambda reader, node: reader.value(node.this),
    exp.Subquery: _scalar,
    exp.Add: _arithmetic(operator.add),
    exp.Sub: _subtracted,
    exp.Mul: _arithmetic(operator.mul),
    exp.Div: _divided,
    exp.IntDiv: _arithmetic(operator.floordiv),
    exp.Mod: _arithmetic(operator.mod),
    exp.Neg: lambda reader, node: -reader.value(node.this),
    exp.Pow: _power,
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _coalesce,
    exp.Nullif: _null_if,
    exp.Cast: _cast,
    exp.SplitPart: _piece,
    exp.Concat: _joined,
    exp.DPipe: _joined,
    exp.Lower: _of_columns(lambda column: column.str.lower()),
    exp.Upper: _of_columns(lambda column: column.str.upper()),
    exp.Trim: _of_columns(lambda column: column.str.strip()),
    exp.Length: _of_columns(lambda column: column.str.len()),
    exp.Substring: _substring,
    exp.Left: _left,
    exp.Right: _right,
    exp.Replace: _replaced,
    exp.RegexpReplace: _replaced,
    exp.Round: _round,
    exp.Abs: _of_columns(lambda column: column.abs()),
    exp.Floor: _of_columns(np.floor),
    exp.Ceil: _of_columns(np.ceil),
    exp.Exp: _of_columns(np.exp),
    exp.Ln: _of_columns(np.log),
    exp.Log: _log,
    exp.Sqrt: _of_columns(np.sqrt),
    exp.Greatest: _extreme(operator.gt),
    exp.Least: _extreme(operator.lt),
}
