"""SQL expressions: sqlglot's nodes as operations on columns, a table of both. Columns are handles or released Series.

Conditions are three-valued as in SQL: each is known by where it is true and where it is false; elsewhere it is unknown.
What is in no table is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlglot import exp

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame

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
        if isinstance(node, _CONDITIONS):
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


# -- conditions -------------------------------------------------------------------------------------------------------
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
        column, pattern = reader.column(node.this), _like_pattern(_text(reader, node.expression))
        return _known(column.str.contains(pattern, case=case, regex=True, na=False), column)

    return read


def _like_pattern(text: str) -> str:
    signs = {"%": ".*", "_": "."}
    plain = "".join(signs.get(letter, "\\" + letter if letter in ".^$*+?{}[]\\|()" else letter) for letter in text)
    return f"(?s)^{plain}$"


def _regexp(case: bool) -> Callable[[Reader, exp.Expression], Truth]:
    def read(reader: Reader, node: exp.Expression) -> Truth:
        column = reader.column(node.this)
        found = column.str.contains(_text(reader, node.expression), case=case, regex=True, na=False)
        return _known(found, column)

    return read


def _text(reader: Reader, node: exp.Expression) -> str:
    found = reader.value(node)
    if not isinstance(found, str):
        raise HandleError("A pattern is a text here.", suggestion="column LIKE 'I5%'")
    return found


TRUTHS: dict[Any, Callable[[Reader, Any], Truth]] = {
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
_CONDITIONS = tuple(kind for kind in TRUTHS if kind is not exp.Paren)


# -- values -----------------------------------------------------------------------------------------------------------
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


_PARTS = {"YEAR": "year", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
          "QUARTER": "quarter", "DOY": "dayofyear"}  # fmt: skip


def _extract(reader: Reader, node: exp.Extract) -> Value:
    return part_of(reader.column(node.expression), str(node.this.name or node.this).upper())


def part_of(column: Value, part: str) -> Value:
    is_duration = pd.api.types.is_timedelta64_dtype(column.dtype)
    if part == "EPOCH":
        return (column if is_duration else column - pd.Timestamp(0)).dt.total_seconds()
    if is_duration and part in ("DAY", "DAYS"):
        return column.dt.days
    if part in ("DOW", "DAYOFWEEK"):
        return (column.dt.dayofweek + 1) % 7  # Sunday is 0
    if part not in _PARTS or is_duration:
        raise HandleError(
            f"{part} is no part of a date here.", suggestion=f"There are: {', '.join(_PARTS)}, EPOCH, DOW."
        )
    return getattr(column.dt, _PARTS[part])


def _part(part: str) -> Callable[[Reader, exp.Expression], Value]:
    return lambda reader, node: part_of(reader.column(node.this), part)


def _day_of(reader: Reader, node: exp.Expression) -> Value:
    return _moments(reader.column(node.this)).dt.normalize()


def _moments(column: Value) -> Value:
    return column if pd.api.types.is_datetime64_any_dtype(column.dtype) else pd.to_datetime(column)


def _trunc(reader: Reader, node: exp.Expression) -> Value:
    if str(node.args["unit"].name).upper() != "DAY":
        raise HandleError(
            "Dates are cut to days here.", suggestion="Take EXTRACT(YEAR FROM …) and EXTRACT(MONTH FROM …)."
        )
    return _day_of(reader, node)


_SECONDS = {"DAY": 86_400, "HOUR": 3_600, "MINUTE": 60, "SECOND": 1}


def _date_diff(reader: Reader, node: exp.Expression) -> Value:
    """How many borders of a unit lie between two moments, or, where the dialect has it so, how many whole units."""
    unit = node.args.get("unit")
    part = "DAY" if unit is None else str(unit.name).upper().rstrip("S")
    later, earlier = _moments(reader.column(node.this)), _moments(reader.column(node.expression))
    if part in ("YEAR", "MONTH") and node.args.get("date_part_boundary"):
        years = later.dt.year - earlier.dt.year
        return years if part == "YEAR" else years * 12 + later.dt.month - earlier.dt.month
    if part not in _SECONDS:
        raise HandleError(
            f"{part} is no unit of a difference here.", suggestion="There are: DAY, HOUR, MINUTE, SECOND."
        )
    if not node.args.get("date_part_boundary") and part != "DAY":
        elapsed = (later - earlier).dt.total_seconds() / _SECONDS[part]
        return choose(elapsed >= 0, np.floor(elapsed), np.ceil(elapsed))
    borders = (later.dt.normalize() - earlier.dt.normalize()).dt.days
    for finer, (name, times) in enumerate((("hour", 24), ("minute", 60), ("second", 60))):
        if _SECONDS[part] > (3_600, 60, 1)[finer]:
            break
        borders = borders * times + getattr(later.dt, name) - getattr(earlier.dt, name)
    return borders


def _written(reader: Reader, node: exp.Expression) -> Value:
    return reader.column(node.this).dt.strftime(_text(reader, node.args["format"]))


def _piece(reader: Reader, node: exp.SplitPart) -> Value:
    number = int(reader.value(node.args["part_index"])) - 1
    return reader.column(node.this).str.split(_text(reader, node.args["delimiter"])).str[number].fillna("")


def _interval(reader: Reader, node: exp.Interval) -> Value:
    amount, unit = reader.value(node.this), node.args.get("unit")
    return pd.Timedelta(f"{amount} {unit.name.lower()}" if unit is not None else str(amount))


def _shifted(sign: int) -> Callable[[Reader, exp.Expression], Value]:
    def read(reader: Reader, node: exp.Expression) -> Value:
        unit = node.args.get("unit")
        amount = reader.value(node.expression)
        if not isinstance(amount, pd.Timedelta):
            amount = pd.Timedelta(f"{amount} {unit.name.lower() if unit is not None else 'day'}")
        return reader.column(node.this) + sign * amount

    return read


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


VALUES: dict[Any, Callable[[Reader, Any], Value]] = {
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
    exp.Extract: _extract,
    exp.Year: _part("YEAR"),
    exp.Month: _part("MONTH"),
    exp.Day: _part("DAY"),
    exp.Hour: _part("HOUR"),
    exp.TsOrDsToDate: _day_of,
    exp.Date: _day_of,
    exp.TimestampTrunc: _trunc,
    exp.DatetimeTrunc: _trunc,
    exp.TimeToStr: _written,
    exp.SplitPart: _piece,
    exp.DateTrunc: _trunc,
    exp.DateDiff: _date_diff,
    exp.TimestampDiff: _date_diff,
    exp.DatetimeDiff: _date_diff,
    exp.Interval: _interval,
    exp.DateAdd: _shifted(1),
    exp.DateSub: _shifted(-1),
    exp.DatetimeAdd: _shifted(1),
    exp.DatetimeSub: _shifted(-1),
    exp.TimestampAdd: _shifted(1),
    exp.TimestampSub: _shifted(-1),
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
