"""Reference: the plan's nodes in plain pandas, NumPy and scikit-learn, row by row where pandas has no such thing.

A missing value is NaN, NaT or NA, whatever pandas uses; `plain` makes lists in which it is None.
"""

from __future__ import annotations

import math
import operator
from datetime import datetime

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from cleanroom_kernel.plan import relations as r
from cleanroom_kernel.plan.expressions import Call, Cast, Cut, IsIn, Literal, Lookup, Recode, Value, types_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import children, postorder
from cleanroom_kernel.plan.schema import DType

UNIT = "__unit"


class Undefined(Exception):
    """pandas or scikit-learn raise, or go beyond what both sides represent; there is nothing to compare."""


# -- values -----------------------------------------------------------------------------------------------------------
PANDAS = {
    DType.FLOAT: "float64",
    DType.BOOLEAN: "boolean",
    DType.STRING: "str",
    DType.DATETIME: "datetime64[us]",
    DType.DURATION: "timedelta64[us]",
}


def series(values, dtype, index=None):
    if dtype is DType.INTEGER:
        made = pd.Series(values, index=index, dtype="object")
        return made.astype("float64") if made.isna().any() else made.astype("int64")
    return pd.Series(values, index=index, dtype=PANDAS[dtype])


def shaped(column, field):
    """A result in the type that the plan says it has."""
    if field.ordered and field.categories is not None:
        return column.astype(object).astype(pd.CategoricalDtype(list(field.categories), ordered=True))
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object).astype("str")
    if field.dtype is DType.INTEGER:
        column = column.astype("float64") if column.dtype == "boolean" else column
        if column.dtype.kind == "f":
            if (column.abs() > 2.0**52).where(np.isfinite(column), False).any():
                raise Undefined
            column = column.where(np.isfinite(column))
        elif len(column) and column.astype("float64").abs().max() > 2.0**52:
            raise Undefined
        return column
    return column.astype(PANDAS[field.dtype])


def plain(column):
    found = [None if pd.isna(value) else value for value in column.astype(object)]
    return [value.item() if isinstance(value, np.generic) else value for value in found]


def number(column):
    """Booleans as 0 and 1."""
    if column.dtype == "boolean":
        return column.astype("float64") if column.isna().any() else column.astype("int64")
    return column


def by_value(function, dtype):
    """A function of one value, for what pandas does only by guessing from a whole column."""

    def rule(column):
        return series([None if value is None else function(value) for value in plain(column)], dtype, column.index)

    return rule


# -- functions --------------------------------------------------------------------------------------------------------
def arithmetic(operation):
    return lambda a, b, *_: operation(number(a), number(b))


def ufunc(function):
    def rule(a, *_):
        with np.errstate(all="ignore"):
            return function(number(a).astype("float64"))

    return rule


def power(a, b, *_):
    with np.errstate(all="ignore"):
        return number(a).astype("float64") ** number(b).astype("float64")


def compare(operation):
    def rule(a, b, *_):
        ordered = [isinstance(column.dtype, pd.CategoricalDtype) for column in (a, b)]
        if all(ordered) and a.dtype == b.dtype:
            return operation(a, b).astype("boolean")
        if any(ordered):
            constant, column = (b, a) if ordered[0] else (a, b)
            if operation not in (operator.eq, operator.ne) and is_constant_of(constant, column.dtype.categories):
                constant = constant.astype(column.dtype)
                return operation(*((a, constant) if ordered[0] else (constant, b))).astype("boolean")
            a, b = (text(column) for column in (a, b))
        return operation(number(a), number(b)).astype("boolean")

    return rule


def is_constant_of(column, categories):
    """Whether this came from a Literal that names a category (the reference marks literals)."""
    return column.attrs.get("literal") is True and set(plain(column)) <= set(categories)


def text(column):
    return column.astype(object).astype("str") if isinstance(column.dtype, pd.CategoricalDtype) else column


def logic(operation):
    return lambda a, b, *_: operation(a.astype("boolean"), b.astype("boolean"))


def where(condition, a, b, *_):
    chosen = condition.astype("boolean").fillna(False).astype(bool)
    a, b = text(a), text(b)
    if a.dtype == "boolean" or b.dtype == "boolean":
        a, b = (a, b) if a.dtype == b.dtype else (number(a), number(b))
    return a.where(chosen, b)


def coalesce(*columns):
    result = columns[0]
    for column in columns[1:]:
        result = where(result.notna(), result, column)
    return result


def replace(a, pattern, replacement, regex):
    return text(a).str.replace(pattern, replacement, regex=regex)


def date(attribute):
    return lambda a, *_: getattr(a.dt, attribute)


FUNCTIONS = {
    Function.ADD: lambda a, b: (
        text(a) + text(b) if a.dtype not in ("boolean",) and is_text(a) else number(a) + number(b)
    ),
    Function.SUBTRACT: arithmetic(operator.sub),
    Function.MULTIPLY: arithmetic(operator.mul),
    Function.DIVIDE: arithmetic(operator.truediv),
    Function.FLOOR_DIVIDE: arithmetic(operator.floordiv),
    Function.MODULO: arithmetic(operator.mod),
    Function.POWER: power,
    Function.NEGATE: lambda a: -number(a),
    Function.ABSOLUTE: lambda a: number(a).abs(),
    Function.EQUAL: compare(operator.eq),
    Function.NOT_EQUAL: compare(operator.ne),
    Function.LESS: compare(operator.lt),
    Function.LESS_EQUAL: compare(operator.le),
    Function.GREATER: compare(operator.gt),
    Function.GREATER_EQUAL: compare(operator.ge),
    Function.AND: logic(operator.and_),
    Function.OR: logic(operator.or_),
    Function.XOR: logic(operator.xor),
    Function.NOT: lambda a: ~a.astype("boolean"),
    Function.IS_NULL: lambda a: a.isna(),
    Function.COALESCE: coalesce,
    Function.WHERE: where,
    Function.CLIP: lambda a, lower, upper: number(a).clip(lower, upper),
    Function.ROUND: lambda a, decimals: number(a).round(decimals),
    Function.FLOOR: ufunc(np.floor),
    Function.CEIL: ufunc(np.ceil),
    Function.EXP: ufunc(np.exp),
    Function.LOG: ufunc(np.log),
    Function.LOG1P: ufunc(np.log1p),
    Function.LOG2: ufunc(np.log2),
    Function.LOG10: ufunc(np.log10),
    Function.SQRT: ufunc(np.sqrt),
    Function.SIGN: lambda a: np.sign(number(a)),
    Function.SIN: ufunc(np.sin),
    Function.COS: ufunc(np.cos),
    Function.TANH: ufunc(np.tanh),
    Function.LOWER: lambda a: text(a).str.lower(),
    Function.UPPER: lambda a: text(a).str.upper(),
    Function.STRIP: lambda a: text(a).str.strip(),
    Function.LENGTH: lambda a: text(a).str.len(),
    Function.CONTAINS: lambda a, pattern, case, regex: text(a).str.contains(pattern, case=case, regex=regex),
    Function.STARTS_WITH: lambda a, start: text(a).str.startswith(start),
    Function.ENDS_WITH: lambda a, end: text(a).str.endswith(end),
    Function.SLICE: lambda a, start, stop: text(a).str.slice(start, stop),
    Function.REPLACE: replace,
    Function.YEAR: date("year"),
    Function.MONTH: date("month"),
    Function.DAY: date("day"),
    Function.HOUR: date("hour"),
    Function.MINUTE: date("minute"),
    Function.SECOND: date("second"),
    Function.QUARTER: date("quarter"),
    Function.DAY_OF_WEEK: date("day_of_week"),
    Function.DAY_OF_YEAR: date("day_of_year"),
    Function.NORMALIZE: lambda a: a.dt.normalize(),
    Function.DAYS: date("days"),
    Function.TOTAL_SECONDS: lambda a: a.dt.total_seconds(),
}


def is_text(column):
    return isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype))


# -- other expressions ------------------------------------------------------------------------------------------------
def read(kind):
    def rule(value):
        try:
            return kind(value.strip())
        except (ValueError, OverflowError):
            return None

    return rule


def truncated(value):
    return math.trunc(value) if math.isfinite(value) else None


def cast(column, of, node):
    to = node.dtype
    if of is to:
        return column
    if of is DType.STRING:
        if to is DType.DATETIME:
            if node.format is not None:
                return pd.to_datetime(text(column), format=node.format, errors="coerce").astype("datetime64[us]")
            return by_value(read(datetime.fromisoformat), to)(column)
        readers = {DType.INTEGER: read(int), DType.FLOAT: read(float), DType.BOOLEAN: bool}
        return by_value(readers[to], to)(column)
    writers = {
        DType.INTEGER: lambda value: str(int(value)),
        DType.FLOAT: repr,
        DType.BOOLEAN: str,
        DType.DATETIME: lambda value: str(pd.Timestamp(value)),
        DType.DURATION: lambda value: str(pd.Timedelta(value)),
    }
    if to is DType.STRING:
        return by_value(writers[of], to)(column)
    return by_value({DType.INTEGER: truncated, DType.FLOAT: float, DType.BOOLEAN: bool}[to], to)(column)


def comparable(value, dtype):
    """A constant of a list as the column holds it."""
    if value is not None and dtype is DType.DATETIME:
        return pd.Timestamp(value, unit="us")
    if value is not None and dtype is DType.DURATION:
        return pd.Timedelta(value, unit="us")
    return value


def is_in(column, dtype, values):
    wanted = [comparable(value, dtype) for value in values]
    missing = any(value is None or value != value for value in values)
    found = [missing if value is None else value in wanted for value in plain(column)]
    return pd.Series(found, index=column.index, dtype="boolean")


def recode(column, dtype, node):
    pairs = {comparable(old, dtype): new for old, new in zip(node.old, node.new, strict=True)}
    of_missing = [new for old, new in zip(node.old, node.new, strict=True) if old is None]
    result = []
    for value in plain(column):
        if value is None:
            result.append(of_missing[-1] if of_missing else None)
        elif value in pairs:
            result.append(comparable(pairs[value], node.dtype))
        else:
            result.append(as_number(value, node.dtype) if node.keep else None)
    return series(result, node.dtype, column.index)


def as_number(value, dtype):
    if dtype is DType.BOOLEAN:
        return bool(value)
    if dtype is DType.INTEGER:
        return truncated(value)
    return float(value) if dtype is DType.FLOAT else value


def cut(column, node):
    values = number(column)
    if values.dtype.kind in "mM":
        values = values.astype("int64").astype("float64").where(column.notna())
    made = pd.cut(
        values.astype("float64"), list(node.edges), right=node.right, include_lowest=node.include_lowest, labels=False
    )
    labels = [None if place is None else node.labels[int(place)] for place in plain(made)]
    return pd.Series(labels, index=column.index, dtype=object)


def looked_up(columns, node, dtype):
    """Row by row, as Python's dictionaries have it."""
    names = [key.values for key in node.reference.keys]
    values = None if node.column is None else node.reference[node.column].values
    known = dict(zip(zip(*names, strict=True), values or range(node.reference.n_rows), strict=True))
    rows = list(zip(*(plain(column) for column in columns), strict=True))
    found = [row in known if values is None else known.get(row) for row in rows]
    return series(found, dtype, columns[0].index)


def constant(node, index):
    made = series([comparable(node.value, node.dtype)] * len(index), node.dtype, index)
    made.attrs["literal"] = True
    return made


def evaluate(expression, frame, fields):
    types = types_of((expression,), fields)
    results = {}
    for node in postorder(expression):
        inputs = [results[id(child)] for child in children(node)]
        of = types[id(children(node)[0])].dtype if inputs else None
        if isinstance(node, Value):
            results[id(node)] = frame[node.name]
            continue
        if isinstance(node, Literal):
            results[id(node)] = constant(node, frame.index)
            continue
        for column in inputs:
            if not isinstance(node, Call):
                column.attrs.pop("literal", None)
        if isinstance(node, Call):
            result = FUNCTIONS[node.function](*inputs, *node.options)
        elif isinstance(node, Cast):
            result = cast(inputs[0], of, node)
        elif isinstance(node, IsIn):
            result = is_in(inputs[0], of, node.values)
        elif isinstance(node, Recode):
            result = recode(inputs[0], of, node)
        elif isinstance(node, Lookup):
            result = looked_up(inputs, node, types[id(node)].dtype)
        elif isinstance(node, Cut):
            result = cut(inputs[0], node)
        result = shaped(result, types[id(node)])
        result.attrs.pop("literal", None)
        results[id(node)] = result
    return results[id(expression)]


# -- relations --------------------------------------------------------------------------------------------------------
def table(node, inputs, tables):
    frame = tables[node.name]
    made = pd.DataFrame(
        {name: shaped(series(list(frame[name]), field.dtype), field) for name, field in node.fields.items()}
    )
    if node.has_units:
        units = sorted({person for name in ("visits", "labs") for person in tables[name]["person"]})
        made[UNIT] = [units.index(person) for person in frame["person"]]
    return made


def filtered(node, inputs, _):
    (frame,) = inputs
    return frame[evaluate(node.where, frame, node.over.fields).astype("boolean").fillna(False).astype(bool)]


def selected(node, inputs, _):
    (frame,) = inputs
    made = pd.DataFrame(
        {column.name: evaluate(column.of, frame, node.over.fields) for column in node.columns}, index=frame.index
    )
    return with_units(made, frame)


def assigned(node, inputs, _):
    (frame,) = inputs
    return frame.assign(**{column.name: evaluate(column.of, frame, node.over.fields) for column in node.columns})


def with_units(made, frame):
    return made.assign(**{UNIT: frame[UNIT]}) if UNIT in frame else made


def joined(node, inputs, _):
    left, right = inputs
    left_on, right_on = list(node.left_on), list(node.right_on)
    right = right.dropna(subset=right_on)
    if node.how is r.How.INNER:
        left = left.dropna(subset=left_on)
    left, right = (without_categories(frame) for frame in (left, right))
    if UNIT in left and UNIT in right:
        left_on, right_on = [*left_on, UNIT], [*right_on, UNIT]
    return left.merge(right, how=node.how.value, left_on=left_on, right_on=right_on, suffixes=node.suffixes)


def without_categories(frame):
    return frame.assign(**{name: text(frame[name]) for name in frame if name != UNIT})


def stacked(node, inputs, _):
    return pd.concat([without_categories(frame) for frame in inputs], ignore_index=True)


REDUCTIONS = {
    r.Reduction.COUNT: lambda of: of.count(),
    r.Reduction.SUM: lambda of: of.sum(),
    r.Reduction.MEAN: lambda of: of.mean(),
    r.Reduction.MIN: lambda of: of.min(),
    r.Reduction.MAX: lambda of: of.max(),
    r.Reduction.FIRST: lambda of: of.first(),
    r.Reduction.LAST: lambda of: of.last(),
    r.Reduction.STD: lambda of: of.std(),
    r.Reduction.NUNIQUE: lambda of: of.nunique(),
    r.Reduction.MEDIAN: lambda of: of.median(),
    r.Reduction.ANY: lambda of: of.any(),
    r.Reduction.ALL: lambda of: of.all(),
}


def per_unit(node, inputs, _):
    (frame,) = inputs
    by = list(dict.fromkeys(node.by))
    made = {}
    for column in node.columns:
        if column.reduction is r.Reduction.SIZE:
            made[column.name] = frame.groupby(by, observed=True).size()
            continue
        values = evaluate(column.of, frame, node.over.fields)
        if column.reduction in (r.Reduction.ANY, r.Reduction.ALL):
            values = pd.Series([pd.NA if v is None else bool(v) for v in plain(values)], values.index, "boolean")
        elif column.reduction not in (r.Reduction.MIN, r.Reduction.MAX, r.Reduction.FIRST, r.Reduction.LAST):
            values = number(values)
        made[column.name] = REDUCTIONS[column.reduction](values.groupby([frame[name] for name in by], observed=True))
    if UNIT in frame:
        made[UNIT] = frame.groupby(by, observed=True)[UNIT].first()
    return pd.DataFrame(made).reset_index()


def window(node, inputs, _):
    (frame,) = inputs
    ordered = frame.reset_index(drop=True)
    if node.of is not None:
        ordered["__of"] = evaluate(node.of, frame, node.over.fields).array
    if node.order:
        ordered = ordered.sort_values(list(node.order), kind="stable", na_position="last")
    grouped = ordered.groupby([ordered[name] for name in dict.fromkeys(node.by)], observed=True, sort=False)
    function = node.function.value
    if node.of is None:
        result = grouped.cumcount()
    elif function == "rank":
        result = grouped["__of"].rank().where(ordered["__of"].notna())  # pandas ranks dates that are all missing
    elif function == "shift":
        result = grouped["__of"].shift(node.periods)
    elif function in ("ffill", "bfill"):
        result = getattr(grouped["__of"], function)()
    else:
        ordered["__of"] = number(ordered["__of"])
        grouped = ordered.groupby([ordered[name] for name in dict.fromkeys(node.by)], observed=True, sort=False)
        result = getattr(grouped["__of"], function)()
    # Of rows without a key, pandas keeps some results (shift by 0, cumcount): here they are all missing.
    result = result.where(ordered[list(node.by)].notna().all(axis=1)).sort_index()
    result.index = frame.index
    return frame.assign(**{node.name: shaped(result, node.fields[node.name])})


def distinct(node, inputs, _):
    return inputs[0].drop_duplicates(list(dict.fromkeys(node.by)), keep="last" if node.last else "first")


def ordered(node, inputs, _):
    (frame,) = inputs
    keys = {f"__{n}": evaluate(of, frame, node.over.fields) for n, of in enumerate(node.by)}
    ascending = [not descending for descending in node.descending]
    return frame.assign(**keys).sort_values(list(keys), ascending=ascending, kind="stable").drop(columns=list(keys))


def taken(node, inputs, _):
    return inputs[0].head(node.n) if node.n > 0 else inputs[0].tail(-node.n)


def sampled(node, inputs, _):
    try:
        return inputs[0].sample(n=node.n, frac=node.fraction, random_state=node.seed)
    except ValueError:
        raise Undefined from None


def split(node, inputs, _):
    (frame,) = inputs
    options = {"test_size": node.test, "random_state": node.seed}
    try:
        if node.by_unit:
            chosen = next(GroupShuffleSplit(1, **options).split(frame, groups=frame[UNIT]))
            return frame.iloc[chosen[0] if node.side is r.Side.TRAIN else chosen[1]]
        stratify = None if node.stratify is None else evaluate(node.stratify, frame, node.over.fields)
        if stratify is not None and stratify.isna().any():
            raise Undefined
        if stratify is not None and isinstance(stratify.dtype, pd.CategoricalDtype):
            stratify = text(stratify)
        train, test = train_test_split(frame, shuffle=node.shuffle, stratify=stratify, **options)
    except ValueError:
        raise Undefined from None
    return train if node.side is r.Side.TRAIN else test


def predictions(inputs, names):
    """Stands in for a model: what it says of rows depends on their inputs alone."""
    total = np.zeros(len(inputs[0]))
    for number_of_input, column in enumerate(inputs, 1):
        total += number_of_input * np.nan_to_num(column, nan=-1.0, posinf=5.0, neginf=5.0)
    return np.column_stack([total + place for place, _ in enumerate(names)])


def predicted(node, inputs, _):
    (frame,) = inputs
    columns = [number(evaluate(column.of, frame, node.over.fields)).astype("float64") for column in node.inputs]
    made = predictions(columns, node.names)
    return frame.assign(**{name: made[:, place] for place, name in enumerate(node.names)})


RELATIONS = {
    r.Table: table,
    r.Filter: filtered,
    r.Select: selected,
    r.Assign: assigned,
    r.Join: joined,
    r.Concat: stacked,
    r.PerUnit: per_unit,
    r.Window: window,
    r.Distinct: distinct,
    r.Sort: ordered,
    r.Take: taken,
    r.Sample: sampled,
    r.Split: split,
    r.Predict: predicted,
}


def inputs_of(node):
    if isinstance(node, r.Join):
        return (node.left, node.right)
    if isinstance(node, r.Concat):
        return node.parts
    return (node.over,) if hasattr(node, "over") else ()


def rows(relation, tables):
    """The relation as a pandas frame: its columns and the units' codes."""
    frame = RELATIONS[type(relation)](relation, [rows(given, tables) for given in inputs_of(relation)], tables)
    for name, field in relation.fields.items():
        frame = frame.assign(**{name: shaped(frame[name], field)})
    return frame
