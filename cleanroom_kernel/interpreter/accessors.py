"""Accessors: `.str`, `.dt` and `.cat` of a column, a table each; the twin runs pandas' own accessor of that name."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter import builders
from cleanroom_kernel.interpreter.binning import domain
from cleanroom_kernel.interpreter.builders import Builder, unary
from cleanroom_kernel.interpreter.elementwise import on_column
from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.terms import Term, call, known
from cleanroom_kernel.plan.expressions import Expression, Recode
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType

TEXT: dict[str, Builder] = {
    "lower": unary(Function.LOWER),
    "upper": unary(Function.UPPER),
    "casefold": unary(Function.LOWER),
    "len": unary(Function.LENGTH),
    "strip": builders.trimmed(left=True, right=True),
    "lstrip": builders.trimmed(left=True, right=False),
    "rstrip": builders.trimmed(left=False, right=True),
    "contains": builders.contains,
    "match": builders.match,
    "fullmatch": builders.fullmatch,
    "startswith": builders.starts(Function.STARTS_WITH),
    "endswith": builders.starts(Function.ENDS_WITH),
    "slice": builders.substring,
    "get": builders.character,
    "replace": builders.text_replace,
    "capitalize": builders.capitalize,
    "cat": builders.concatenated,
    "count": builders.occurrences,
    "isdigit": builders.only(r"\d"),
    "isnumeric": builders.only(r"\d"),
    "isalpha": builders.only(r"[^\W\d_]"),
    "zfill": builders.filled(left=True, fill="0"),
    "rjust": builders.filled(left=True),
    "ljust": builders.filled(left=False),
}

_MONTHS = tuple(calendar.month_name)[1:]
_DAYS = tuple(calendar.day_name)

DATE_PARTS: dict[str, Builder] = {
    "year": unary(Function.YEAR),
    "month": unary(Function.MONTH),
    "day": unary(Function.DAY),
    "hour": unary(Function.HOUR),
    "minute": unary(Function.MINUTE),
    "second": unary(Function.SECOND),
    "quarter": unary(Function.QUARTER),
    "dayofweek": unary(Function.DAY_OF_WEEK),
    "day_of_week": unary(Function.DAY_OF_WEEK),
    "weekday": unary(Function.DAY_OF_WEEK),
    "dayofyear": unary(Function.DAY_OF_YEAR),
    "day_of_year": unary(Function.DAY_OF_YEAR),
    "date": unary(Function.NORMALIZE),
    "days": unary(Function.DAYS),
}
DATE_METHODS: dict[str, Builder] = {
    "normalize": unary(Function.NORMALIZE),
    "floor": builders.floor_to_day,
    "total_seconds": unary(Function.TOTAL_SECONDS),
    "month_name": builders.names_of(Function.MONTH, _MONTHS, 1),
    "strftime": builders.written,
    "day_name": builders.names_of(Function.DAY_OF_WEEK, _DAYS, 0),
}


class Accessor:
    """Base class: `name` is that of pandas' accessor, which the twin must have (it raises for a wrong dtype)."""

    name: str
    methods: dict[str, Builder] = {}  # noqa: RUF012 - the tables above
    properties: dict[str, Builder] = {}  # noqa: RUF012

    def __init__(self, column: Column) -> None:
        self._column = column
        self._pandas = getattr(column._twin, self.name)

    def __getattr__(self, name: str) -> Any:
        if name in self.properties:
            return on_column(self._column, self.properties[name], lambda twin: getattr(self._of(twin), name), (), {})
        if name in self.methods:
            return self._method(name)
        if name.startswith("_") or not hasattr(self._pandas, name):
            raise AttributeError(f"{type(self._pandas).__name__!r} object has no attribute {name!r}")
        raise Unavailable(
            f"Series.{self.name}.{name} is not available for rows in a clean room.",
            suggestion=f"There are: {', '.join(self.__dir__())}.",
        )

    def __dir__(self) -> Iterable[str]:
        own = [name for name in vars(type(self)) if not name.startswith("_") and name not in ("name", "methods")]
        return [*self.properties, *self.methods, *own]

    def _of(self, twin: pd.Series) -> Any:
        return getattr(twin, self.name)

    def _method(self, name: str) -> Callable[..., Column]:
        def call(*args: Any, **kwargs: Any) -> Column:
            return on_column(
                self._column,
                self.methods[name],
                lambda twin, *given, **named: getattr(self._of(twin), name)(*given, **named),
                args,
                kwargs,
            )

        return call


class Text(Accessor):
    """`.str`: what can be computed of a text without reading it to anybody."""

    name = "str"
    methods = TEXT

    def split(self, pat: str | None = None, *, n: int = -1, expand: bool = False, regex: Any = None) -> Any:
        if not expand and n in (-1, 0):
            return Pieces(self._column, pat)
        if not expand or n < 1:
            raise HandleError(
                "How many pieces a text has depends on the data, so they are no columns here.",
                suggestion="Say how many: str.split('-', n=1, expand=True); or take one: str.split('-').str[0].",
            )
        built = [*(builders.piece(position, pat) for position in range(n)), builders.remainder(n, pat)]
        pieces = [on_column(self._column, build, _split_into(pat, n, i), (), {}) for i, build in enumerate(built)]
        return side_by_side(pieces, range(n + 1))

    def extract(self, pat: str, flags: int = 0, expand: bool = True) -> Any:
        """What each group of a pattern matched first; a column for each group."""
        groups = re.compile(pat, flags)
        names = {number: name for name, number in groups.groupindex.items()}
        if not groups.groups:
            raise ValueError("pattern contains no capture groups")
        found = [
            on_column(self._column, builders.extracted(pat, flags, number), _extracting(pat, flags, number), (), {})
            for number in range(1, groups.groups + 1)
        ]
        if len(found) == 1 and not expand:
            return found[0]
        return side_by_side(found, [names.get(number, number - 1) for number in range(1, groups.groups + 1)])

    def __getitem__(self, key: Any) -> Column:
        def twin(series: pd.Series) -> pd.Series:
            return series.str[key]

        if isinstance(key, slice):
            return on_column(
                self._column, lambda of: builders.substring(of, key.start, key.stop, key.step), twin, (), {}
            )
        return on_column(self._column, lambda of: builders.character(of, key), twin, (), {})


def _split_into(separator: str | None, n: int, position: int) -> Callable[[pd.Series], pd.Series]:
    """One column of pandas' table of pieces, which a twin may have too few of."""

    def twin(series: pd.Series) -> pd.Series:
        pieces = series.str.split(separator, n=n, expand=True).reindex(columns=range(n + 1))
        return pieces[position].astype(series.dtype)

    return twin


def _extracting(pattern: str, flags: int, number: int) -> Callable[[pd.Series], pd.Series]:
    return lambda series: series.str.extract(pattern, flags).iloc[:, number - 1].astype(series.dtype)


class Pieces:
    """Texts that were split. `.str[i]` takes a piece; the last one is -1."""

    def __init__(self, column: Column, separator: str | None) -> None:
        self._column = column
        self._separator = separator

    @property
    def str(self) -> Pieces:
        return self

    def __getitem__(self, position: int) -> Column:
        if not isinstance(position, int) or position < -1:
            raise HandleError("A piece is taken by its number from the start, or -1 for the last one.")
        return on_column(
            self._column,
            builders.piece(position, self._separator),
            lambda twin: twin.str.split(self._separator).str[position],
            (),
            {},
        )

    get = __getitem__


class Dates(Accessor):
    """`.dt`: parts of dates and lengths of time."""

    name = "dt"
    properties = DATE_PARTS
    methods = DATE_METHODS


_PERIODS = {"M": "%Y-%m", "Y": "%Y", "A": "%Y", "D": "%Y-%m-%d"}


def _to_period(self: Dates, freq: str) -> Column:
    """Months, years or days as labels; of the plan they are texts."""
    if freq not in _PERIODS:
        raise HandleError("Periods are months, years or days here.", suggestion="dt.to_period('M')")
    return on_column(
        self._column, lambda of: builders.written(of, _PERIODS[freq]), lambda twin: twin.dt.to_period(freq), (), {}
    )


Dates.to_period = _to_period  # type: ignore[attr-defined]


class Categories(Accessor):
    """`.cat`: the categories that a column was given, or that the owner declared."""

    name = "cat"

    @property
    def categories(self) -> pd.Index:
        return self._categories()

    @property
    def ordered(self) -> bool:
        return bool(self._pandas.ordered)

    @property
    def codes(self) -> Column:
        labels = [label if isinstance(label, (str, int)) else str(label) for label in self._categories()]

        def build(of: Term) -> Expression:
            codes = Recode(of.expression, tuple(labels), tuple(range(len(labels))), DType.INTEGER, keep=False)
            return call(Function.COALESCE, known(codes, DType.INTEGER), -1)

        return on_column(self._column, build, lambda twin: twin.cat.codes, (), {})

    def rename_categories(self, new_categories: Any) -> Column:
        names = new_categories
        if not isinstance(names, dict):
            names = dict(zip(self._categories(), new_categories, strict=True))
        return self._again(lambda of: builders.replace(of, names), "rename_categories", new_categories)

    def set_categories(self, new_categories: Any, ordered: bool = False) -> Column:
        return self._column.astype(pd.CategoricalDtype(list(new_categories), ordered=ordered))

    reorder_categories = set_categories

    def add_categories(self, new_categories: Any) -> Column:
        return self._again(lambda of: of.expression, "add_categories", new_categories)

    def as_ordered(self) -> Column:
        return self._again(lambda of: of.expression, "as_ordered")

    def as_unordered(self) -> Column:
        return self._again(lambda of: of.expression, "as_unordered")

    def _again(self, build: Builder, name: str, *args: Any) -> Column:
        return on_column(self._column, build, lambda twin: getattr(twin.cat, name)(*args), (), {})

    def __dir__(self) -> Iterable[str]:
        return ["categories", "codes", "ordered", "rename_categories", "set_categories", "reorder_categories",
                "add_categories", "as_ordered", "as_unordered"]  # fmt: skip

    def _categories(self) -> pd.Index:
        """Those that are declared, or the labels that enough patients share."""
        known = self._column._field.categories
        return pd.Index(domain(self._column)) if known is None else self._pandas.categories


Column.str = property(Text)  # type: ignore[attr-defined]
Column.dt = property(Dates)  # type: ignore[attr-defined]
Column.cat = property(Categories)  # type: ignore[attr-defined]
