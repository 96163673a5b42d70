"""pandas' functions on handles: wrapped by table, so that `pd.cut(df.age, …)` and its like find their way to ours.

A wrapped function that meets no handle among its arguments is pandas' own, unchanged. Readers give the handle where
the name that they are asked for is a table of the room.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter import binning, builders, crosses, joins, reshaping
from cleanroom_kernel.interpreter.elementwise import on_column
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle
from cleanroom_kernel.interpreter.results import KEY
from cleanroom_kernel.interpreter.room import Room


def _of_column(build: Any, twin: Any) -> Callable[..., Any]:
    def call(arg: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(arg, Frame):
            raise HandleError(f"{twin.__name__} takes a column of the room.")
        return on_column(arg, build, twin, args, kwargs)

    return call


def _isna(obj: Any) -> Any:
    return obj.isna()


def _notna(obj: Any) -> Any:
    return obj.notna()


def _unique(values: Column) -> Any:
    return values.unique()


def _factorize(values: Column, *args: Any, **kwargs: Any) -> tuple[Column, pd.Index]:
    """Codes of the labels that may be known, in their order; not that of the rows, which is nobody's to see."""
    labels = binning.domain(values)
    codes = values.map(dict(zip(labels, range(len(labels)), strict=True))).fillna(-1).astype(int)
    return codes, pd.Index(labels)


def _refusing(name: str, suggestion: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise HandleError(f"pd.{name} is not there for rows of the room.", suggestion=suggestion)

    return refuse


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cut": binning.cut,
    "qcut": binning.qcut,
    "get_dummies": binning.get_dummies,
    "crosstab": crosses.crosstab,
    "pivot_table": crosses.pivot_table,
    "pivot": lambda data, **options: data.pivot(**options),
    "melt": reshaping.melt,
    "merge": joins.merge,
    "concat": joins.concat,
    "to_datetime": _of_column(builders.to_datetime, pd.to_datetime),
    "to_numeric": _of_column(builders.to_numeric, pd.to_numeric),
    "isna": _isna,
    "isnull": _isna,
    "notna": _notna,
    "notnull": _notna,
    "unique": _unique,
    "factorize": _factorize,
    "merge_asof": _refusing("merge_asof", "Merge on the patient's id and keep the rows whose times are in order."),
    "merge_ordered": _refusing("merge_ordered", "pd.merge(…, how='outer') is in the order of its keys."),
    "wide_to_long": _refusing("wide_to_long", "df.melt(id_vars=…, value_vars=…) puts columns under each other."),
    "to_timedelta": _refusing(
        "to_timedelta", "A difference of dates has .dt.days; a constant is pd.Timedelta(days=3)."
    ),
}
READERS = ("read_csv", "read_table", "read_parquet", "read_excel", "read_feather", "read_pickle", "read_sql_table")
QUERIES = ("read_sql", "read_sql_query")


def install(room: Room) -> None:
    for name, ours in FUNCTIONS.items():
        _wrap(name, functools.partial(_dispatch, ours))
    for name in READERS:
        _wrap(name, functools.partial(_read, room))
    for name in QUERIES:
        _wrap(name, functools.partial(_read_query, room))
    _wrap_constructors()
    for name in ("to_parquet", "to_feather"):
        _wrap_writer(name)


def _wrap_writer(name: str) -> None:
    """These write a table's attrs as JSON; where a released table comes from is no part of its file."""
    original = getattr(pd.DataFrame, name)
    if hasattr(original, "_clean_room"):
        return

    @functools.wraps(original)
    def wrapper(self: pd.DataFrame, *args: Any, **kwargs: Any) -> Any:
        plain = self.copy(deep=False)
        plain.attrs = {key: value for key, value in self.attrs.items() if key != KEY}
        return original(plain, *args, **kwargs)

    wrapper._clean_room = True  # type: ignore[attr-defined]
    setattr(pd.DataFrame, name, wrapper)


def _wrap(name: str, call: Callable[..., Any]) -> None:
    original = getattr(pd, name)
    if hasattr(original, "_clean_room"):
        original = original.__wrapped__

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return call(original, *args, **kwargs)

    wrapper._clean_room = True  # type: ignore[attr-defined]
    setattr(pd, name, wrapper)


def _dispatch(ours: Callable[..., Any], original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return ours(*args, **kwargs) if any(map(_holds_handle, (*args, *kwargs.values()))) else original(*args, **kwargs)


def _holds_handle(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(isinstance(item, Handle) for item in value)
    if type(value) is dict:
        return any(isinstance(item, Handle) for item in value.values())
    return isinstance(value, Handle)


# -- readers ----------------------------------------------------------------------------------------------------------
def _read(room: Room, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    source = args[0] if args else kwargs.get("filepath_or_buffer", kwargs.get("path", kwargs.get("io")))
    if isinstance(source, (str, os.PathLike)):
        name = os.path.basename(os.fspath(source))
        own = os.path.exists(source)  # a file of the expert's, which only a name that the owner gave stands before
        table = room.declared(name) if own else room.named(name)
        if table is not None:
            return _as_read(table, kwargs)
    return original(*args, **kwargs)


def _read_query(room: Room, original: Callable[..., Any], sql: Any, *args: Any, **kwargs: Any) -> Any:
    """A query of tables that the room declares is the room's, whatever the connection; others are the expert's own."""
    table = room.named(str(sql))
    if table is not None:
        return _as_read(table, kwargs)
    from cleanroom_kernel.interpreter import sql as queries  # with its parser, for those who use it

    try:
        names = queries.tables_of(queries.parsed(str(sql)))
    except HandleError:
        if any(con is not None for con in (*args[:1], kwargs.get("con"))):
            return original(sql, *args, **kwargs)
        raise
    if not names or any(room.named(name) is None for name in names):
        return original(sql, *args, **kwargs)
    if kwargs.get("params") is not None:
        raise HandleError("Parameters of a query are not filled in here.", suggestion="Write the values into its text.")
    found = room.sql(str(sql))
    return _as_read(found, kwargs) if isinstance(found, Frame) else found


def _as_read(table: Frame, options: dict[str, Any]) -> Frame:
    """The table with those options of pandas' readers that change what is read; the others are about the file."""
    wanted = options.get("usecols", options.get("columns"))
    if wanted is not None:
        chosen = [name for name in table.columns if wanted(name)] if callable(wanted) else list(wanted)
        table = table.iloc[:, chosen] if all(isinstance(name, int) for name in chosen) else table[chosen]
    if options.get("na_values") is not None:
        table = _without_markers(table, options["na_values"])
    if isinstance(options.get("dtype"), dict):
        table = table.astype({name: kind for name, kind in options["dtype"].items() if name in table})
    dates = options.get("parse_dates")
    for name in dates if isinstance(dates, list) else []:
        table[name] = pd.to_datetime(table[name])
    if options.get("nrows"):
        table = table.head(options["nrows"])
    index = options.get("index_col")
    return table.set_index(index) if isinstance(index, str) else table


def _without_markers(table: Frame, markers: Any) -> Frame:
    listed = list(markers) if isinstance(markers, (list, tuple, set)) else [markers]
    return table.replace(listed, None) if not isinstance(markers, dict) else table


# -- constructors -----------------------------------------------------------------------------------------------------
def _wrap_constructors() -> None:
    """pd.DataFrame({"a": handle}) and pd.Series(handle) give handles. `__new__` sees the arguments first."""
    if "__new__" in pd.DataFrame.__dict__:
        return

    def new_frame(cls: type, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if cls is pd.DataFrame and _holds_handle(data):
            return _frame(data, *args, **kwargs)
        return object.__new__(cls)

    def new_series(cls: type, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if cls is pd.Series and isinstance(data, Column):
            name = kwargs.get("name")
            return data if name is None else data.rename(name)
        return object.__new__(cls)

    pd.DataFrame.__new__ = staticmethod(new_frame)  # type: ignore[assignment]
    pd.Series.__new__ = staticmethod(new_series)  # type: ignore[assignment]


def _frame(data: Any, index: Any = None, columns: Any = None, dtype: Any = None, copy: Any = None) -> Frame:
    if isinstance(data, Frame):
        frame = data.copy()
        if columns is not None and list(columns) != list(frame._columns):
            known = all(name in frame._columns for name in columns)
            frame = frame[list(columns)] if known else frame.set_axis(list(columns), axis=1)
    elif isinstance(data, Column):
        frame = data.to_frame(columns[0] if columns is not None else data.name)
    elif isinstance(data, dict):
        handles = {name: value for name, value in data.items() if isinstance(value, Column)}
        frame = joins.side_by_side(list(handles.values()), list(handles))
        for name, value in data.items():
            if name not in handles:
                frame[name] = value
        frame = frame[list(data)]
    else:
        raise HandleError("A table of the room is made of named columns.", suggestion='pd.DataFrame({"name": column})')
    return frame if dtype is None else frame.astype(dtype)
