"""Functions: the closed table of what can be computed from the values of one row, with static result types.

A new row function is one row here, one in the vault's engine and one in the interpreter; a test holds the tables equal.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from msgspec import Struct

from cleanroom_kernel.plan.schema import DType

Types = tuple[DType, ...]

INTEGER, FLOAT, BOOLEAN, STRING, DATETIME, DURATION = DType


class Function(enum.Enum):
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    FLOOR_DIVIDE = "floor_divide"
    MODULO = "modulo"
    POWER = "power"
    NEGATE = "negate"
    ABSOLUTE = "absolute"
    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    LESS = "less"
    LESS_EQUAL = "less_equal"
    GREATER = "greater"
    GREATER_EQUAL = "greater_equal"
    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"
    IS_NULL = "is_null"
    COALESCE = "coalesce"
    WHERE = "where"
    CLIP = "clip"
    ROUND = "round"
    FLOOR = "floor"
    CEIL = "ceil"
    EXP = "exp"
    LOG = "log"
    LOG1P = "log1p"
    LOG2 = "log2"
    LOG10 = "log10"
    SQRT = "sqrt"
    SIGN = "sign"
    SIN = "sin"
    COS = "cos"
    TANH = "tanh"
    LOWER = "lower"
    UPPER = "upper"
    STRIP = "strip"
    LENGTH = "length"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    SLICE = "slice"
    REPLACE = "replace"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"
    QUARTER = "quarter"
    DAY_OF_WEEK = "day_of_week"
    DAY_OF_YEAR = "day_of_year"
    NORMALIZE = "normalize"
    DAYS = "days"
    TOTAL_SECONDS = "total_seconds"


class Rule(Struct, frozen=True):
    """Typing of one function: number of inputs, allowed types of each option, result type (None: not defined)."""

    arity: tuple[int, int]
    result: Callable[[Types], DType | None]
    options: tuple[tuple[type, ...], ...] = ()


_NONE = type(None)
_RANK = {BOOLEAN: 0, INTEGER: 1, FLOAT: 2}


def common(types: Types) -> DType | None:
    """The type that holds all of `types`: the widest number, or the one type that they share."""
    if all(dtype in _RANK for dtype in types):
        return max(types, key=_RANK.__getitem__)
    return types[0] if len(set(types)) == 1 else None


def _number(types: Types) -> DType | None:
    """Arithmetic on numbers; booleans count as integers."""
    widest = common(types)
    if widest not in _RANK:
        return None
    return INTEGER if widest is BOOLEAN else widest


def _add(types: Types) -> DType | None:
    if types == (STRING, STRING):
        return STRING
    if set(types) == {DATETIME, DURATION}:
        return DATETIME
    return DURATION if types == (DURATION, DURATION) else _number(types)


_DIFFERENCES: dict[Types, DType] = {
    (DATETIME, DATETIME): DURATION,
    (DATETIME, DURATION): DATETIME,
    (DURATION, DURATION): DURATION,
}


def _subtract(types: Types) -> DType | None:
    return _DIFFERENCES.get(types) or _number(types)


def _divide(types: Types) -> DType | None:
    if types == (DURATION, DURATION):
        return FLOAT
    return FLOAT if _number(types) else None


def _power(types: Types) -> DType | None:
    # An integer to a negative power is an error in pandas that depends on data: one static type instead.
    return FLOAT if _number(types) else None


def _float(types: Types) -> DType | None:
    return FLOAT if _number(types) else None


def _compare(types: Types) -> DType | None:
    return BOOLEAN if common(types) else None


def _logic(types: Types) -> DType | None:
    return BOOLEAN if all(dtype is BOOLEAN for dtype in types) else None


def _where(types: Types) -> DType | None:
    return common(types[1:]) if types[0] is BOOLEAN else None


def _same_number(types: Types) -> DType | None:
    return DURATION if types == (DURATION,) else _number(types)


def _of(inputs: DType, result: DType) -> Callable[[Types], DType | None]:
    return lambda types: result if all(dtype is inputs for dtype in types) else None


def _always(result: DType) -> Callable[[Types], DType | None]:
    return lambda types: result


_BINARY, _UNARY = (2, 2), (1, 1)
_BOUND = (int, float, _NONE)

RULES: dict[Function, Rule] = {
    Function.ADD: Rule(_BINARY, _add),
    Function.SUBTRACT: Rule(_BINARY, _subtract),
    Function.MULTIPLY: Rule(_BINARY, _number),
    Function.DIVIDE: Rule(_BINARY, _divide),
    Function.FLOOR_DIVIDE: Rule(_BINARY, _number),
    Function.MODULO: Rule(_BINARY, _number),
    Function.POWER: Rule(_BINARY, _power),
    Function.NEGATE: Rule(_UNARY, _same_number),
    Function.ABSOLUTE: Rule(_UNARY, _same_number),
    Function.EQUAL: Rule(_BINARY, _compare),
    Function.NOT_EQUAL: Rule(_BINARY, _compare),
    Function.LESS: Rule(_BINARY, _compare),
    Function.LESS_EQUAL: Rule(_BINARY, _compare),
    Function.GREATER: Rule(_BINARY, _compare),
    Function.GREATER_EQUAL: Rule(_BINARY, _compare),
    Function.AND: Rule(_BINARY, _logic),
    Function.OR: Rule(_BINARY, _logic),
    Function.XOR: Rule(_BINARY, _logic),
    Function.NOT: Rule(_UNARY, _logic),
    Function.IS_NULL: Rule(_UNARY, _always(BOOLEAN)),
    Function.COALESCE: Rule((2, 16), common),
    Function.WHERE: Rule((3, 3), _where),
    Function.CLIP: Rule(_UNARY, _number, (_BOUND, _BOUND)),
    Function.ROUND: Rule(_UNARY, _number, ((int,),)),
    Function.FLOOR: Rule(_UNARY, _float),
    Function.CEIL: Rule(_UNARY, _float),
    Function.EXP: Rule(_UNARY, _float),
    Function.LOG: Rule(_UNARY, _float),
    Function.LOG1P: Rule(_UNARY, _float),
    Function.LOG2: Rule(_UNARY, _float),
    Function.LOG10: Rule(_UNARY, _float),
    Function.SQRT: Rule(_UNARY, _float),
    Function.SIGN: Rule(_UNARY, _number),
    Function.SIN: Rule(_UNARY, _float),
    Function.COS: Rule(_UNARY, _float),
    Function.TANH: Rule(_UNARY, _float),
    Function.LOWER: Rule(_UNARY, _of(STRING, STRING)),
    Function.UPPER: Rule(_UNARY, _of(STRING, STRING)),
    Function.STRIP: Rule(_UNARY, _of(STRING, STRING)),
    Function.LENGTH: Rule(_UNARY, _of(STRING, INTEGER)),
    Function.CONTAINS: Rule(_UNARY, _of(STRING, BOOLEAN), ((str,), (bool,), (bool,))),  # pattern, case, regex
    Function.STARTS_WITH: Rule(_UNARY, _of(STRING, BOOLEAN), ((str,),)),
    Function.ENDS_WITH: Rule(_UNARY, _of(STRING, BOOLEAN), ((str,),)),
    Function.SLICE: Rule(_UNARY, _of(STRING, STRING), ((int,), (int, _NONE))),  # start, stop
    Function.REPLACE: Rule(_UNARY, _of(STRING, STRING), ((str,), (str,), (bool,))),  # pattern, replacement, regex
    Function.YEAR: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.MONTH: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.DAY: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.HOUR: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.MINUTE: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.SECOND: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.QUARTER: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.DAY_OF_WEEK: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.DAY_OF_YEAR: Rule(_UNARY, _of(DATETIME, INTEGER)),
    Function.NORMALIZE: Rule(_UNARY, _of(DATETIME, DATETIME)),
    Function.DAYS: Rule(_UNARY, _of(DURATION, INTEGER)),
    Function.TOTAL_SECONDS: Rule(_UNARY, _of(DURATION, FLOAT)),
}
