"""Joins: merge, join, concat, and looking things up by the keys of a unit (isin and map of another handle's column).

Both sides of a join become plain columns under visible names first; the joined rows are a context of their own. A
look-up by a unit's key only adds a hidden column to the rows that are there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import builders, contexts
from cleanroom_kernel.interpreter.elementwise import COLUMN, on_column
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, method
from cleanroom_kernel.interpreter.rehearsal import rehearse
from cleanroom_kernel.interpreter.terms import call, known, negated
from cleanroom_kernel.interpreter.uploads import Uploaded, UploadedColumn, merged
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Expression, Literal, Named, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Filter,
    How,
    Join,
    PerUnit,
    Reduced,
    Reduction,
    Select,
    Sort,
)
from cleanroom_kernel.plan.schema import DType

TWIN_LIMIT = 240  # rows of a joined twin; more would only make every later step slower


# -- merge ------------------------------------------------------------------------------------------------------------
def merge(
    left: Any,
    right: Any,
    how: str = "inner",
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    sort: bool = False,
    suffixes: tuple[str | None, str | None] = ("_x", "_y"),
    copy: Any = None,
    indicator: bool | str = False,
    validate: str | None = None,
) -> Any:
    """pandas' merge of two tables of the room, or of one with a public table: a small one, or one that was uploaded."""
    if how not in ("inner", "left", "right", "outer"):
        raise HandleError(f"how={how!r} pairs rows of different patients.", suggestion="Merge on the patient's id.")
    left, right = _as_frame(left), _as_frame(right)
    if isinstance(left, Uploaded) or isinstance(right, Uploaded):
        if indicator:
            raise HandleError("indicator= is not for an uploaded table.", suggestion="Its columns are missing there.")
        return _with_uploaded(left, right, how, on or left_on, on or right_on, left_index or right_index, suffixes)
    if indicator:
        keys = {"on": on, "left_on": left_on, "right_on": right_on, "left_index": left_index}
        return _indicated(
            left, right, indicator, {**keys, "right_index": right_index, "how": how, "suffixes": suffixes}
        )
    if isinstance(left, pd.DataFrame) or isinstance(right, pd.DataFrame):
        return _with_public(left, right, how, on or left_on, on or right_on, suffixes)
    left_keys, right_keys = _keys(left, right, on, left_on, right_on, left_index, right_index)
    options = {"how": how, "on": on, "left_on": left_on, "right_on": right_on, "suffixes": suffixes}
    options |= {"left_index": left_index, "right_index": right_index}
    twin = _joined_twin(left, right, left_keys, right_keys, options)
    return _joined(left, right, left_keys, right_keys, how, twin)


@dataclass(frozen=True)
class JoinKey:
    """A key of one side: a column's label, or a level of the index."""

    label: Hashable | None
    expression: Expression


def _keys(
    left: Frame, right: Frame, on: Any, left_on: Any, right_on: Any, left_index: bool, right_index: bool
) -> tuple[list[JoinKey], list[JoinKey]]:
    if on is None and left_on is None and right_on is None and not (left_index or right_index):
        on = [label for label in left._columns if label in right._columns]
        if not on:
            raise pd.errors.MergeError("No common columns to perform merge on.")
    sides = []
    for frame, wanted, by_index in ((left, on or left_on, left_index), (right, on or right_on, right_index)):
        if by_index:
            if not frame._index:
                raise HandleError("Rows of the room have no labels.", suggestion="Merge on a column.")
            sides.append([JoinKey(None, level) for level in frame._index])
        else:
            sides.append([_key(frame, label) for label in (wanted if isinstance(wanted, (list, tuple)) else [wanted])])
    return sides[0], sides[1]


def _key(frame: Frame, label: Any) -> JoinKey:
    if isinstance(label, Hashable) and label in frame._columns:
        return JoinKey(label, frame._columns[label])
    if label is not None and label in frame._twin.index.names:
        return JoinKey(None, frame._index[list(frame._twin.index.names).index(label)])
    raise KeyError(label)


def _joined_twin(
    left: Frame, right: Frame, left_keys: list[JoinKey], right_keys: list[JoinKey], options: dict[str, Any]
) -> pd.DataFrame:
    """pandas' merge of the twins; if no key of theirs matches, the right one is given keys of the left one."""
    rehearsal = rehearse(pd.merge, left, right, **options)
    if rehearsal.error is None and len(rehearsal.value):
        return rehearsal.value.head(TWIN_LIMIT)
    other = right._twin.reset_index(drop=not right._index)
    source = left._twin.reset_index(drop=not left._index)
    positions = np.resize(np.arange(max(len(source), 1)), len(other))
    by_level = dict(zip(left._index, left._twin.index.names, strict=False))
    for mine, theirs in zip(left_keys, right_keys, strict=True):
        mine_name = mine.label if mine.label is not None else by_level[mine.expression]
        theirs_name = theirs.label if theirs.label is not None else right._twin.index.name
        other[theirs_name] = source[mine_name].to_numpy()[positions]
    if right._index:
        other = other.set_index(list(right._twin.index.names))
    return pd.merge(left._twin, other, **options).head(TWIN_LIMIT)


def _joined(
    left: Frame, right: Frame, left_keys: list[JoinKey], right_keys: list[JoinKey], how: str, twin: pd.DataFrame
) -> Frame:
    """The plan of the join. Keys of equal label are one column; other names that both sides have are told apart."""
    first = _side(left, left_keys, set(), {})
    merged = {
        theirs.label: name
        for mine, theirs, name in zip(left_keys, right_keys, first.keys, strict=True)
        if mine.label is not None and mine.label == theirs.label
    }
    second = _side(right, right_keys, set(first.rows.fields), merged)
    if how == "outer":
        rows: Relation = _outer(first, second)
    elif how == "right":
        rows = Join(second.rows, first.rows, second.keys, first.keys, How.LEFT)
    else:
        rows = Join(first.rows, second.rows, first.keys, second.keys, How(how))
    names = list(first.names.values()) + [name for label, name in second.names.items() if label not in merged]
    columns: dict[Hashable, Expression] = {label: Value(name) for label, name in zip(twin.columns, names, strict=True)}
    by_index = all(key.label is None for key in (*left_keys, *right_keys))
    index = tuple(Value(name) for name in first.keys) if by_index else ()
    return Frame(rows, columns, twin if by_index else twin.reset_index(drop=True), index)


def _indicated(left: Any, right: Any, indicator: Any, options: dict[str, Any]) -> Frame:
    """The merge with a column that says which sides a row comes from, told by a mark on each of them."""
    if options["on"] is None and not any(
        options[name] for name in ("left_on", "right_on", "left_index", "right_index")
    ):
        options["on"] = [label for label in left.columns if label in right.columns]
    result = merge(left.assign(**{"mark left": 1}), right.assign(**{"mark right": 1}), **options)
    sides = np.select([result["mark left"].isna(), result["mark right"].isna()], ["right_only", "left_only"], "both")
    name = "_merge" if indicator is True else indicator
    result[name] = sides.astype(pd.CategoricalDtype(["left_only", "right_only", "both"]))
    return result.drop(columns=["mark left", "mark right"])


_ALONE = "without a match"


def _outer(first: Side, second: Side) -> Relation:
    """Every row of the first with its matches, then those of the second that have none; in the order of the keys.

    Each row is of one patient still. A public table has no rows of its own here: which of them match nobody is a fact
    about all patients, which the plan refuses as it does a left join from a public table.
    """
    found = Join(first.rows, second.rows, first.keys, second.keys, How.LEFT)
    marked = Assign(first.rows, (Named(_ALONE, Literal(True, DType.BOOLEAN)),))
    others = Join(second.rows, marked, second.keys, first.keys, How.LEFT)
    alone = Filter(others, Call(Function.IS_NULL, (Value(_ALONE),)))
    columns = tuple(Named(name, Value(name)) for name in found.fields)
    keys = tuple(map(Value, first.keys))
    stacked = Concat((Select(found, columns), Select(alone, columns)))
    return Sort(stacked, keys, (False,) * len(keys))


@dataclass(frozen=True)
class Side:
    """One side of a join as plain columns: the name of each label, and the names of the keys."""

    rows: Relation
    names: dict[Hashable, str]
    keys: tuple[str, ...]


def _side(frame: Frame, keys: list[JoinKey], taken: set[str], given: dict[Hashable, str]) -> Side:
    names: dict[Hashable, str] = {}
    columns: list[Named] = []
    for label, expression in frame._columns.items():
        names[label] = given[label] if label in given else _fresh(str(label), taken | set(names.values()))
        columns.append(Named(names[label], expression))
    key_names = []
    for position, key in enumerate(keys):
        if key.label is not None:
            key_names.append(names[key.label])
        else:
            key_names.append(_fresh(f"index {position}", taken | set(names.values())))
            columns.append(Named(key_names[-1], key.expression))
    return Side(Select(frame._rows, tuple(columns)), names, tuple(key_names))


def _fresh(name: str, taken: set[str]) -> str:
    while not name or name.startswith("__") or name in taken:
        name += "'" if name else "column"
        name = name.lstrip("_")
    return name


def _as_frame(value: Any) -> Any:
    if isinstance(value, Column):
        return value.to_frame()
    if isinstance(value, pd.Series):
        return value.to_frame()
    if not isinstance(value, (Frame, pd.DataFrame, Uploaded)):
        raise HandleError(f"merge takes two tables, not a {type(value).__name__}.")
    return value


def _with_public(left: Any, right: Any, how: str, left_on: Any, right_on: Any, suffixes: Any) -> Frame:
    """A small public table with one row per key: its columns are mappings of the key."""
    if isinstance(left, pd.DataFrame):
        if how == "left":
            raise HandleError("A left join from a public table is not available.", suggestion="Put it on the right.")
        left, right, left_on, right_on = right, left, right_on, left_on
        how = {"right": "left"}.get(how, how)
    if how == "outer":
        raise HandleError("An outer join shows which public rows match nobody.", suggestion="Use how='left'.")
    keys = [left_on if left_on is not None else [label for label in left._columns if label in right.columns], right_on]
    mine, theirs = (key[0] if isinstance(key, list) and len(key) == 1 else key for key in (keys[0], keys[1] or keys[0]))
    if isinstance(mine, list) or mine not in left._columns:
        raise HandleError("A public table joins on one column.", suggestion="Name it with on=.")
    if right[theirs].duplicated().any():
        raise HandleError("The public table has several rows per key.", suggestion="Keep one row per key.")
    result = left.copy()
    lookup = right.set_index(theirs)
    for label in lookup.columns:
        name = f"{label}{suffixes[1]}" if label in result._columns else label
        result[name] = left._column(mine).map(lookup[label].to_dict())
    return result if how == "left" else result[left._column(mine).isin(list(lookup.index))]


def _with_uploaded(
    left: Any, right: Any, how: str, left_on: Any, right_on: Any, by_index: bool, suffixes: Any
) -> Frame:
    """The table on the right; its key takes the place of an index."""
    if isinstance(left, Uploaded):
        left, right, left_on, right_on = right, left, right_on, left_on
        how = {"right": "left", "left": "right"}.get(how, how)
    if not isinstance(left, Frame):
        raise HandleError("An uploaded table is joined to rows of the room.", suggestion="pd.merge of your own tables.")
    theirs = right.keys if right_on is None or by_index else _listed_names(right_on)
    if left_on is None and theirs != [name for name in theirs if name in left._columns]:
        raise pd.errors.MergeError("No common columns to perform merge on.")
    mine = theirs if left_on is None else _listed_names(left_on)
    for label in mine:
        if label not in left._columns:
            raise KeyError(label)
    if len(mine) != len(theirs):
        raise ValueError("len(right_on) must equal len(left_on)")
    return merged(left, right, how, mine, theirs, suffixes)


def _listed_names(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]


@method(Frame, name="merge")
def merge_method(self: Frame, right: Any, how: str = "inner", on: Any = None, **options: Any) -> Frame:
    return merge(self, right, how, on, **options)


@method(Frame)
def join(
    self: Frame, other: Any, on: Any = None, how: str = "left", lsuffix: str = "", rsuffix: str = "", **options: Any
) -> Frame:
    """pandas' join: on the index of `other`, and on the own index or the column `on`."""
    if isinstance(other, list):
        result = self
        for each in other:
            result = result.join(each, how=how)
        return result
    if not self._index and on is None:
        return concat([self, other], axis=1)
    suffixes = (lsuffix or None, rsuffix or None) if lsuffix or rsuffix else ("_x", "_y")
    by = {"left_index": True} if on is None else {"left_on": on}
    return merge(self, other, how, right_index=True, suffixes=suffixes, **by)


# -- concat -----------------------------------------------------------------------------------------------------------
def concat(objs: Any, *, axis: Any = 0, join: str = "outer", ignore_index: bool = False, **options: Any) -> Any:
    """pandas' concat: tables under each other (a new context), or columns of the same rows side by side."""
    parts = list(objs.values()) if isinstance(objs, dict) else list(objs)
    if not all(isinstance(part, (Frame, Column)) for part in parts):
        raise HandleError("Rows of the room cannot be stacked with public rows.", suggestion="merge a reference table.")
    if axis in (1, "columns"):
        return side_by_side(parts)
    rehearsal = rehearse(pd.concat, parts, join=join, ignore_index=ignore_index)
    if all(isinstance(part, Column) for part in parts):
        label = "values" if parts[0].name is None else parts[0].name
        rows, names = _stacked([part.to_frame(label) for part in parts], [label])
        return Column(rows, Value(names[label]), rehearsal.value)
    frames = [part if isinstance(part, Frame) else part.to_frame() for part in parts]
    twin = rehearsal.value
    rows, names = _stacked(frames, list(twin.columns))
    return Frame(rows, {label: Value(names[label]) for label in twin.columns}, twin)


def _stacked(frames: list[Frame], labels: list[Hashable]) -> tuple[Relation, dict[Hashable, str]]:
    names: dict[Hashable, str] = {}
    for label in labels:
        names[label] = _fresh(str(label), set(names.values()))
    if len(frames) == 1:
        return Select(frames[0]._rows, _named(frames[0], names, {})), names
    types = {label: _type_anywhere(frames, label) for label in labels}
    return Concat(tuple(Select(frame._rows, _named(frame, names, types)) for frame in frames)), names


def _named(frame: Frame, names: dict[Hashable, str], types: dict[Hashable, DType]) -> tuple[Named, ...]:
    return tuple(
        Named(name, frame._columns[label] if label in frame._columns else Literal(None, types[label]))
        for label, name in names.items()
    )


def _type_anywhere(frames: list[Frame], label: Hashable) -> DType:
    having = next(frame for frame in frames if label in frame._columns)
    return type_of(having._columns[label], having._rows.fields).dtype


def side_by_side(parts: Sequence[Any], labels: Sequence[Hashable] | None = None) -> Frame:
    """Columns of one context as one table; `labels` rename single columns."""
    frames = []
    for position, part in enumerate(parts):
        label = labels[position] if labels is not None else None
        if isinstance(part, Frame):
            frames.append(part)
        else:
            frames.append(part.to_frame(label if label is not None else 0 if part.name is None else part.name))
    rows = contexts.widest(*(frame._rows for frame in frames))
    columns: dict[Hashable, Expression] = {}
    for frame in frames:
        for name, expression in frame._columns.items():
            if name in columns:
                raise HandleError(f"Two columns are named {name!r}.", suggestion="Rename one of them first.")
            rows, columns[name] = contexts.align(rows, frame._rows, expression)
    twin = pd.concat([frame._twin for frame in frames], axis=1)
    base = next(frame for frame in frames if not contexts.narrower(rows, frame._rows))
    return Frame(rows, columns, twin.loc[base._twin.index] if twin.index.is_unique else twin, base._index)


# -- looking up by a unit's key ---------------------------------------------------------------------------------------
@method(Column)
def isin(self: Column, values: Any) -> Column:
    if isinstance(values, RowSet):
        values = values.to_series()
    if isinstance(values, Frame):
        raise HandleError("isin takes one column.", suggestion="isin(table.column)")
    if not isinstance(values, Column):
        return on_column(self, COLUMN["isin"], pd.Series.isin, (_listed(values),), {})
    if not values._field.role.is_opaque:
        return self.isin(values.unique())
    rehearsal = rehearse(pd.Series.isin, self, values)
    rows, found = looked_up(self, values, Literal(True, DType.BOOLEAN), values._rows)
    member = negated(call(Function.IS_NULL, known(found, DType.BOOLEAN)))
    return Column(rows, member, rehearsal.value, self._index)


def _listed(values: Any) -> Any:
    if isinstance(values, str):
        raise TypeError("only list-like objects are allowed to be passed to isin(), you passed a `str`")
    return list(values) if isinstance(values, Iterable) else values


@method(Column, name="map")
def mapped(self: Column, func: Any = None, na_action: Any = None, **options: Any) -> Column:
    func = options.pop("arg", func)
    if isinstance(func, UploadedColumn):
        return func.of(self).rename(self.name)
    if isinstance(func, Column):
        return _map_by_key(self, func)
    return on_column(self, builders.map_, pd.Series.map, (func,), {"na_action": na_action} if na_action else {})


def _map_by_key(column: Column, values: Column) -> Column:
    """`column` holds keys of a unit, `values` is indexed by them: one row per patient, looked up from many."""
    if len(values._index) != 1:
        raise HandleError("map takes a column that is indexed by the keys.", suggestion="set_index('key').column")
    rehearsal = rehearse(lambda keys, found: keys.map(found[~found.index.duplicated()]), column, values)
    keys = Column(values._rows, values._index[0], values._twin)
    rows, found = looked_up(column, keys, values._expression, values._rows)
    return Column(rows, found, rehearsal.value, column._index)


def looked_up(column: Column, keys: Column, value: Expression, source: Relation) -> tuple[Relation, Expression]:
    """`value` of the first row of `source` whose key is that of a row of `column`; null where there is none."""
    rows, name = contexts.named_in(column._rows, column._expression)
    plain = Select(source, (Named(name, keys._expression), Named("value" if name != "value" else "value'", value)))
    reduced = Reduced("__first", Reduction.FIRST, Value(plain.columns[1].name))
    hidden = contexts.hidden_name("first", PerUnit(plain, (name,), (reduced,)))
    per_unit = PerUnit(plain, (name,), (Reduced(hidden, Reduction.FIRST, reduced.of),))
    return (rows if hidden in rows.fields else Join(rows, per_unit, (name,), (name,), How.LEFT)), Value(hidden)
