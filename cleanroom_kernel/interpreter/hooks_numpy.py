"""NumPy on handles: ufuncs and array functions by table. NumPy itself calls these; nothing of NumPy is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import builders, contexts
from cleanroom_kernel.interpreter.builders import Builder, binary, extreme, unary
from cleanroom_kernel.interpreter.elementwise import on_column, on_frame
from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle, derived, method
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.plots_binned import counts_of
from cleanroom_kernel.interpreter.rehearsal import rehearse
from cleanroom_kernel.interpreter.terms import Term, call, choose, known, negated
from cleanroom_kernel.plan.expressions import Expression, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType


# -- ufuncs -----------------------------------------------------------------------------------------------------------
def _square(of: Term) -> Expression:
    return call(Function.MULTIPLY, of, of)


def _finite(of: Term) -> Expression:
    """NaN is not finite, nor are numbers beyond the largest float."""
    small = call(Function.LESS_EQUAL, known(call(Function.ABSOLUTE, of), of.dtype), float(np.finfo(float).max))
    return call(Function.AND, negated(call(Function.IS_NULL, of)), small)


def _less_one(of: Term) -> Expression:
    return call(Function.SUBTRACT, known(call(Function.EXP, of), DType.FLOAT), 1)


UFUNCS: dict[str, Builder] = {
    "add": binary(Function.ADD),
    "subtract": binary(Function.SUBTRACT),
    "multiply": binary(Function.MULTIPLY),
    "divide": binary(Function.DIVIDE),
    "true_divide": binary(Function.DIVIDE),
    "floor_divide": binary(Function.FLOOR_DIVIDE),
    "remainder": binary(Function.MODULO),
    "mod": binary(Function.MODULO),
    "power": binary(Function.POWER),
    "equal": binary(Function.EQUAL),
    "not_equal": binary(Function.NOT_EQUAL),
    "less": binary(Function.LESS),
    "less_equal": binary(Function.LESS_EQUAL),
    "greater": binary(Function.GREATER),
    "greater_equal": binary(Function.GREATER_EQUAL),
    "logical_and": binary(Function.AND),
    "logical_or": binary(Function.OR),
    "logical_xor": binary(Function.XOR),
    "bitwise_and": binary(Function.AND),
    "bitwise_or": binary(Function.OR),
    "bitwise_xor": binary(Function.XOR),
    "maximum": extreme(Function.GREATER),
    "minimum": extreme(Function.LESS),
    "logical_not": unary(Function.NOT),
    "invert": unary(Function.NOT),
    "negative": unary(Function.NEGATE),
    "positive": lambda of: of.expression,
    "absolute": unary(Function.ABSOLUTE),
    "fabs": unary(Function.ABSOLUTE),
    "square": _square,
    "sqrt": unary(Function.SQRT),
    "exp": unary(Function.EXP),
    "expm1": _less_one,
    "log": unary(Function.LOG),
    "log1p": unary(Function.LOG1P),
    "log2": unary(Function.LOG2),
    "log10": unary(Function.LOG10),
    "sign": unary(Function.SIGN),
    "sin": unary(Function.SIN),
    "cos": unary(Function.COS),
    "tanh": unary(Function.TANH),
    "floor": unary(Function.FLOOR),
    "ceil": unary(Function.CEIL),
    "rint": builders.round_,
    "isnan": unary(Function.IS_NULL),
    "isfinite": _finite,
}


@method(Column, Frame, name="__array_ufunc__")
def apply_ufunc(self: Handle, ufunc: np.ufunc, kind: str, *inputs: Any, **options: Any) -> Any:
    name = ufunc.__name__
    if kind != "__call__" or name not in UFUNCS or set(options) - {"where", "dtype", "casting"}:
        raise Unavailable(
            f"np.{name} is not available for rows in a clean room.", suggestion=f"There are: {', '.join(UFUNCS)}."
        )
    frame = next((value for value in inputs if isinstance(value, Frame)), None)
    if frame is None:
        column = next(value for value in inputs if isinstance(value, Column))
        return on_column(column, lambda _, *given: UFUNCS[name](*given), lambda _, *given: ufunc(*given), inputs, {})
    rehearsal = rehearse(ufunc, *inputs)
    others = tuple(value for value in inputs if value is not frame)
    build = UFUNCS[name] if inputs[0] is frame else lambda own, other: UFUNCS[name](other, own)
    return on_frame(frame, name, build, rehearsal, others, {})


# -- array functions --------------------------------------------------------------------------------------------------
FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(functions, ours))
        return ours

    return register


@method(Column, Frame, name="__array_function__")
def apply_function(self: Handle, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in _IN_ORDER:
        raise HandleError(
            f"np.{function.__name__} of rows would go through patients in an order.",
            suggestion="Within a patient: df.groupby('patient_id')['x'].cumsum(), .rank(), .diff(); else an aggregate.",
        )
    if function not in FUNCTIONS:
        raise Unavailable(
            f"np.{function.__name__} is not available for rows in a clean room.",
            suggestion="np.where, np.select, ufuncs, and the statistics mean, sum, std, median, quantile work.",
        )
    return FUNCTIONS[function](*args, **kwargs)


_IN_ORDER = {np.cumsum, np.cumprod, np.diff, np.sort, np.argsort, np.argmax, np.argmin, np.searchsorted, np.flip,
             np.roll, np.repeat, np.append, np.insert}  # fmt: skip


@implements(np.where)
def where(condition: Any, *choices: Any) -> Column:
    if len(choices) != 2 or not isinstance(condition, Column):
        raise Unavailable("np.where needs a condition and two values here.", suggestion="np.where(condition, yes, no)")
    yes, no = choices
    return _named(on_column(condition, lambda test, a, b: choose(test, a, b), _where_twin, (yes, no), {}), None)


def _where_twin(condition: pd.Series, yes: Any, no: Any) -> pd.Series:
    return pd.Series(np.where(condition, yes, no), index=condition.index)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Column:
    """The first condition that holds decides, so the choices are nested from the last one on."""
    conditions, choices = list(condlist), list(choicelist)
    first = conditions[0]
    rows = contexts.widest(*(value._rows for value in (*conditions, *choices, default) if isinstance(value, Column)))
    rehearsal = rehearse(
        lambda tests, values, other: pd.Series(np.select(tests, values, other), index=tests[0].index),
        conditions,
        choices,
        default,
    )
    rows, result = _term(rows, default)
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        rows, test = _term(rows, condition)
        rows, value = _term(rows, choice)
        expression = choose(test, value, result)
        result = Term(expression, type_of(expression, rows.fields))
    return derived(rows, result.expression, rehearsal, first)


def _term(rows: Any, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, Column):
        return rows, value
    rows, expression = contexts.align(rows, value._rows, value._expression)
    return rows, Term(expression, value._field)


def _named(column: Column, name: Any) -> Column:
    column.name = name
    return column


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = None, **options: Any) -> Any:
        if axis == 1:
            return getattr(a, name)(axis=1)
        if name in ("std", "var"):
            options.setdefault("ddof", 0)
        return getattr(a, name)(**{key: value for key, value in options.items() if key not in ("out", "keepdims")})

    return reduce


for _name, _functions in {
    "mean": (np.mean, np.nanmean, np.average),
    "sum": (np.sum, np.nansum),
    "std": (np.std, np.nanstd),
    "var": (np.var, np.nanvar),
    "median": (np.median, np.nanmedian),
    "min": (np.min, np.amin, np.nanmin),
    "max": (np.max, np.amax, np.nanmax),
    "any": (np.any,),
    "all": (np.all,),
}.items():
    implements(*_functions)(_reduction(_name))


@implements(np.quantile, np.nanquantile)
def quantile(a: Column, q: Any, **options: Any) -> Any:
    found = a.quantile(q if np.isscalar(q) else list(q))
    return found if np.isscalar(found) else found.to_numpy()


@implements(np.percentile, np.nanpercentile)
def percentile(a: Column, q: Any, **options: Any) -> Any:
    return quantile(a, q / 100 if np.isscalar(q) else [each / 100 for each in q])


@implements(np.unique)
def unique(ar: Column, return_counts: bool = False, **options: Any) -> Any:
    if not return_counts:
        return np.sort(ar.unique())
    counts = ar.value_counts().sort_index()
    return counts.index.to_numpy(), counts.to_numpy()


@implements(np.bincount)
def bincount(x: Column, weights: Any = None, minlength: int = 0) -> np.ndarray:
    counts = x.value_counts()
    found = np.zeros(max(minlength, *(int(value) + 1 for value in counts.index)), dtype="int64")
    for value, count in counts.dropna().items():
        found[int(value)] = count
    return found


@implements(np.histogram)
def histogram(a: Column, bins: Any = 10, range: Any = None, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges; a bin that is not shown counts nothing."""
    counts, edges = counts_of(a, bins, range)
    total = np.nan_to_num(counts)
    return (total / total.sum() / np.diff(edges) if options.get("density") else total.astype("int64")), edges


@implements(np.digitize)
def digitize(x: Column, bins: Any, right: bool = False) -> Column:
    """The number of edges that a value has passed."""
    tests = [x > edge if right else x >= edge for edge in bins]
    numbers = [test.astype(int) for test in tests]
    result = numbers[0]
    for number in numbers[1:]:
        result = result + number
    return result


@implements(np.vstack)
def vstack(tup: Any, **options: Any) -> Any:
    return pd.concat(list(tup), ignore_index=True)


@implements(np.zeros_like)
def zeros_like(a: Column, dtype: Any = None, **options: Any) -> Column:
    return constant_like(a, 0, dtype)


@implements(np.ones_like)
def ones_like(a: Column, dtype: Any = None, **options: Any) -> Column:
    return constant_like(a, 1, dtype)


@implements(np.full_like)
def constant_like(a: Column, fill_value: Any, dtype: Any = None, **options: Any) -> Column:
    made = a.to_frame("like").assign(value=fill_value)["value"]
    return made.astype(a.dtype if dtype is None else dtype)


@implements(np.nan_to_num)
def nan_to_num(x: Column, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return x.fillna(nan)


@implements(np.isin)
def isin(element: Column, test_elements: Any, invert: bool = False, **options: Any) -> Column:
    found = element.isin(test_elements)
    return ~found if invert else found


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Any:
    return a.clip(a_min, a_max)


@implements(np.round, np.around)
def rounded(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return a.round(decimals)


@implements(np.column_stack, np.hstack)
def column_stack(tup: Any) -> Frame:
    return side_by_side(list(tup))


@implements(np.concatenate)
def concatenate(arrays: Any, axis: int = 0, **options: Any) -> Any:
    return pd.concat(list(arrays), axis=axis)


@implements(np.ravel, np.squeeze)
def flat(a: Any, *args: Any, **options: Any) -> Any:
    return a if isinstance(a, Column) else a.squeeze()


@implements(np.reshape)
def reshape(a: Any, *shape: Any, **options: Any) -> Any:
    return a.reshape(*(shape or (options["shape"],)))


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    return a.shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    return a.ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    return a.size


@implements(np.corrcoef)
def corrcoef(x: Column, y: Column | None = None, **options: Any) -> Any:
    return side_by_side([x, y], ["x", "y"]).corr().to_numpy()
