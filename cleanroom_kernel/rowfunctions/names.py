"""Names: what a row function may use. Closed tables; what is not in them does not exist.

Promise: nothing here holds a state that a row function can change, a clock, chance, or a way to anything outside of
the value that it was given; a set is walked in one order, whatever its hashes. The tables are what RestrictedPython's
guards look up; they are no wall against hostile code, which the worker's system calls are (`rowworker`).
"""

from __future__ import annotations

import _strptime  # noqa: F401 - datetime loads it when it is first needed, and then no file can be opened any more
import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

Names = Mapping[str, Any]

LONGEST_PATTERN = 500  # characters of a regular expression


class Namespace:
    """A module, as far as row functions know it."""

    __slots__ = ("members", "name")

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        self.name = name
        self.members = MappingProxyType(dict(members))

    def __getattr__(self, name: str) -> Any:  # for `from math import sqrt`
        return member(self, name)


def member(namespace: Namespace, name: str) -> Any:
    try:
        return namespace.members[name]
    except KeyError:
        raise AttributeError(f"{namespace.name}.{name} is not available in a row function") from None


class Row:
    """One row as `DataFrame.apply(axis=1)` gives it: `row["age"]`, `row.age`, `row.get("age")`. Read-only."""

    __slots__ = ("names", "values")

    def __init__(self, names: Mapping[str, int], values: tuple[Any, ...]) -> None:
        self.names = names
        self.values = values

    def __getitem__(self, name: Any) -> Any:
        if type(name) is list:
            return Row({each: place for place, each in enumerate(name)}, tuple(self[each] for each in name))
        return self.values[self.names[name]]

    def __contains__(self, name: Any) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


_OF_A_ROW: dict[str, Callable[[Row], Any]] = {
    "get": lambda row: lambda name, default=None: row[name] if name in row.names else default,
    "items": lambda row: lambda: tuple(zip(row.names, row.values, strict=True)),
    "keys": lambda row: lambda: tuple(row.names),
    "index": lambda row: tuple(row.names),
    "values": lambda row: row.values,
}


# -- walking ----------------------------------------------------------------------------------------------------------
def walked(value: Any) -> Any:
    """Something to iterate over; a set in an order of its own, as hashes differ from process to process."""
    if type(value) in (set, frozenset):
        return iter(sorted(value, key=lambda item: (type(item).__name__, item if _is_ordered(item) else repr(item))))
    return value


def _is_ordered(item: Any) -> bool:
    return type(item) in (bool, int, float, str)


def _walking(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of iterables, which walks them as above."""

    def call(*values: Any, **options: Any) -> Any:
        return function(*(walked(value) for value in values), **options)

    return call


_list, _tuple, _set, _frozenset, _dict = (_walking(kind) for kind in (list, tuple, set, frozenset, dict))


def text(value: Any = "") -> str:
    """`str` of what has a text of its own: that of a function or an object would be its address."""
    if value is not None and type(value) not in _SHOWN:
        raise TypeError(f"a {type(value).__name__} has no text in a row function")
    return str(value)


_SHOWN = (bool, int, float, str, datetime.datetime, datetime.date, datetime.time, datetime.timedelta)


def shown(value: Any) -> Any:
    """What stands in an f-string."""
    return value if type(value) in _SHOWN else text(value)


_TYPES = {text: str, _list: list, _tuple: tuple, _set: set, _frozenset: frozenset, _dict: dict}


def _is_instance(value: Any, kinds: Any) -> bool:
    wanted = tuple(_TYPES.get(kind, kind) for kind in (kinds if type(kinds) is tuple else (kinds,)))
    return isinstance(value, wanted)


# -- modules ----------------------------------------------------------------------------------------------------------
def is_missing(value: Any) -> bool:
    return value is None or (type(value) is float and value != value)


def _logarithm(function: Callable[[float], float], least: float = 0.0) -> Callable[[float], float]:
    """NumPy's, which gives numbers where the standard library raises."""

    def call(value: float) -> float:
        if is_missing(value) or value < least:
            return math.nan
        return -math.inf if value == least else function(value)

    return call


def _root(value: float) -> float:
    return math.nan if is_missing(value) or value < 0 else math.sqrt(value)


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _sign(value: float) -> float:
    return value if is_missing(value) else (value > 0) - (value < 0)


def _extreme(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: math.nan if is_missing(one) or is_missing(other) else function(one, other)


def _clip(value: Any, lower: Any, upper: Any) -> Any:
    return value if is_missing(value) else min(max(value, lower), upper)


def _round(value: Any, decimals: int = 0) -> Any:
    return value if is_missing(value) else round(float(value), decimals)


def _pattern(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(pattern: Any, *arguments: Any, **options: Any) -> Any:
        if type(pattern) is str and len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"a regular expression may have {LONGEST_PATTERN} characters")
        return function(pattern, *arguments, **options)

    return call


_NUMPY = {
    "nan": math.nan, "inf": math.inf, "pi": math.pi, "e": math.e,
    "isnan": lambda value: value != value, "isinf": math.isinf, "isfinite": math.isfinite,
    "abs": abs, "absolute": abs, "sign": _sign, "floor": lambda value: float(math.floor(value)),
    "ceil": lambda value: float(math.ceil(value)), "round": _round, "clip": _clip,
    "sqrt": _root, "exp": _exponential, "log": _logarithm(math.log), "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10), "log1p": _logarithm(math.log1p, -1.0), "power": pow,
    "sin": math.sin, "cos": math.cos, "tanh": math.tanh,
    "minimum": _extreme(min), "maximum": _extreme(max),
    "where": lambda condition, yes, no: yes if condition else no,
}  # fmt: skip

_RE = {
    **{
        name: _pattern(getattr(re, name))
        for name in ("compile", "search", "match", "fullmatch", "findall", "sub", "subn", "split")
    },
    "escape": re.escape,
    **{name: getattr(re, name) for name in ("IGNORECASE", "I", "ASCII", "A", "MULTILINE", "M", "DOTALL", "S")},
}

NAMESPACES: Names = MappingProxyType({
    "math": Namespace("math", {name: getattr(math, name) for name in dir(math) if not name.startswith("_")}),
    "re": Namespace("re", _RE),
    "datetime": Namespace("datetime", {
        name: getattr(datetime, name) for name in ("datetime", "date", "time", "timedelta", "MINYEAR", "MAXYEAR")
    }),
    "numpy": Namespace("numpy", _NUMPY),
    "pandas": Namespace("pandas", {
        "isna": is_missing, "isnull": is_missing,
        "notna": lambda value: not is_missing(value), "notnull": lambda value: not is_missing(value),
    }),
})  # fmt: skip


# -- builtins ---------------------------------------------------------------------------------------------------------
_EXCEPTIONS = (
    ArithmeticError, AssertionError, AttributeError, Exception, IndexError, KeyError, LookupError, OverflowError,
    RuntimeError, StopIteration, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip


# Dates ask for these by the `__import__` of whoever calls them, and do not use what they get.
_WANTED_BY_DATES = ("time", "_strptime")


def _imported(name: str, *_: Any) -> Namespace:
    if name in _WANTED_BY_DATES:
        return Namespace(name, {})
    if name not in NAMESPACES:
        raise ImportError(f"A row function cannot import {name}. There are: {', '.join(NAMESPACES)}.")
    found: Namespace = NAMESPACES[name]
    return found


BUILTINS: Names = MappingProxyType({
    "None": None, "True": True, "False": False,
    "abs": abs, "all": _walking(all), "any": _walking(any), "bool": bool, "chr": chr, "divmod": divmod,
    "enumerate": _walking(enumerate), "filter": lambda function, values: filter(function, walked(values)),
    "float": float, "int": int, "isinstance": _is_instance, "iter": _walking(iter), "len": len,
    "map": lambda function, *values: map(function, *(walked(each) for each in values)),
    "max": _walking(max), "min": _walking(min), "next": next, "ord": ord, "pow": pow, "range": range,
    "reversed": reversed, "round": round, "sorted": _walking(sorted), "sum": _walking(sum), "zip": _walking(zip),
    "str": text, "list": _list, "tuple": _tuple, "set": _set, "frozenset": _frozenset, "dict": _dict,
    "__import__": _imported,
    **{kind.__name__: kind for kind in _EXCEPTIONS},
})  # fmt: skip


# -- attributes -------------------------------------------------------------------------------------------------------
def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_TEXT = _words(
    "capitalize casefold center count endswith expandtabs find index isalnum isalpha isascii isdecimal isdigit "
    "isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition removeprefix "
    "removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title "
    "translate upper zfill"  # format and format_map walk over attributes
)
_DAY = _words("year month day weekday isoweekday isocalendar isoformat strftime replace toordinal")
_CLOCK = _words("hour minute second microsecond")

ATTRIBUTES: Mapping[type, frozenset[str]] = MappingProxyType({
    str: _TEXT,
    int: _words("bit_length bit_count real"),
    bool: frozenset(),
    float: _words("is_integer real"),
    list: _words("append clear copy count extend index insert pop remove reverse sort"),
    tuple: _words("count index"),
    dict: _words("clear copy get items keys pop setdefault update values"),
    MappingProxyType: _words("copy get items keys values"),
    set: _words("add clear copy difference discard intersection isdisjoint issubset issuperset remove "
                "symmetric_difference union update"),
    frozenset: _words("copy difference intersection isdisjoint issubset issuperset symmetric_difference union"),
    datetime.datetime: _DAY | _CLOCK | _words("date time timestamp"),
    datetime.date: _DAY,
    datetime.time: _CLOCK | _words("isoformat strftime replace"),
    datetime.timedelta: _words("days seconds microseconds total_seconds"),
    re.Pattern: _words("search match fullmatch findall sub subn split pattern flags groups"),
    re.Match: _words("group groups groupdict start end span string lastgroup lastindex"),
})  # fmt: skip

OF_TYPES: Mapping[Any, frozenset[str]] = MappingProxyType({
    text: _TEXT,
    _dict: _words("fromkeys"),
    datetime.datetime: _words("strptime fromisoformat fromordinal combine min max"),  # no now, no today
    datetime.date: _words("fromisoformat fromordinal min max"),
    datetime.time: _words("fromisoformat min max"),
    datetime.timedelta: _words("min max"),
})  # fmt: skip


_WALKERS = {(str, "join"), (list, "extend")}


def attribute(value: Any, name: str) -> Any:
    """`value.name`, if it is in the tables."""
    kind = type(value)
    if kind is Row:
        if name in _OF_A_ROW:
            return _OF_A_ROW[name](value)
        if name in value.names:
            return value.values[value.names[name]]
        raise AttributeError(f"the row has no column {name!r}")
    if kind is Namespace:
        return member(value, name)
    if (kind, name) in _WALKERS:
        return _walking(getattr(value, name))
    if name in ATTRIBUTES.get(kind, ()):
        return getattr(value, name)
    if (kind is type or callable(value)) and name in OF_TYPES.get(value, ()):
        found = getattr(_TYPES.get(value, value), name)
        return _walking(found) if name == "fromkeys" else found
    if isinstance(value, Exception) and name == "args":
        return value.args
    raise AttributeError(f"{kind.__name__}.{name} is not available in a row function")


def item(value: Any, key: Any) -> Any:
    return value[key]


def written(value: Any) -> Any:
    """What may be changed: lists and dictionaries that this call of the function made itself."""
    if type(value) in (list, dict):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be changed in a row function")


def applied(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return function(*arguments, **options)


def unpacked(values: Iterable[Any], spec: Mapping[str, Any], _: Any) -> list[Any]:
    """A sequence that is unpacked, and those inside it."""
    found = list(walked(values))
    if len(found) >= spec["min_len"]:
        for place, inner in spec["childs"]:
            found[place] = unpacked(found[place], inner, _)
    return found


def unpacked_each(values: Iterable[Any], spec: Mapping[str, Any], _: Any) -> Iterator[list[Any]]:
    for value in walked(values):
        yield unpacked(value, spec, _)


def remainder(value: Any, other: Any) -> Any:
    """`value % other`; in a text, what has a text of its own."""
    if type(value) is str:
        parts = other if type(other) is tuple else other.values() if type(other) is dict else (other,)
        for part in parts:
            shown(part)
    return value % other


_IN_PLACE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType({
    "+=": lambda a, b: a + b, "-=": lambda a, b: a - b, "*=": lambda a, b: a * b, "/=": lambda a, b: a / b,
    "//=": lambda a, b: a // b, "%=": remainder, "**=": lambda a, b: a**b, "|=": lambda a, b: a | b,
    "&=": lambda a, b: a & b, "^=": lambda a, b: a ^ b, "<<=": lambda a, b: a << b, ">>=": lambda a, b: a >> b,
})  # fmt: skip


def in_place(operator: str, value: Any, other: Any) -> Any:
    """`value += other` as a new value: nothing that came from elsewhere is changed."""
    return _IN_PLACE[operator](value, other)


GUARDS: Names = MappingProxyType({
    "_getattr_": attribute,
    "_getitem_": item,
    "_getiter_": walked,
    "_write_": written,
    "_apply_": applied,
    "_inplacevar_": in_place,
    "_unpack_sequence_": unpacked,
    "_iter_unpack_sequence_": unpacked_each,
    "_shown_": shown,
    "_remainder_": remainder,
})  # fmt: skip
