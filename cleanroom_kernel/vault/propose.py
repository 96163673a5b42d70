"""Propose: a first draft of a room's schema, from the owner's own files, for the owner to edit.

Promise: runs on the owner's side and publishes nothing. The draft is cautious where the data might show through:
direct identifiers are hidden (`safe_harbor`, after the HIPAA Privacy Rule's eighteen), bounds are rounded outward
(`public_bounds`), a list of categories is closed only if every label in it is shared by at least `minimum_units` units,
and a table without a column for the unit, which a schema would make public, is left out unless the owner names it so.
Notes say in words what was inferred, why and what to check; the only data values in them are such frequent labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import Category, Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault import column_roles
from cleanroom_kernel.vault.column_roles import Measured
from cleanroom_kernel.vault.owner_files import OwnerTable, ProposalError, read_owner_files, typed_column
from cleanroom_kernel.vault.proposal import Note, Proposal, render, schema_json
from cleanroom_kernel.vault.public_bounds import public_bounds
from cleanroom_kernel.vault.safe_harbor import (
    identifier_by_digits,
    identifier_by_name,
    identifier_by_shape,
    identifiers_in_text,
)

__all__ = ["Note", "Proposal", "ProposalError", "propose", "render", "schema_json"]

MOST_CATEGORIES = 200
_LABELS_TO_SHOW = 12
_MISSING_MARKS = ("?", "NA", "N/A", "#N/A", "NULL", "null", "NaN", "nan", ".", "-")
_OLD_AGE = 89  # Safe Harbor (C): all ages over 89 are one category
_LIFETIME = 40  # years: dates of one thing per person that span more may be birth dates


class _Draft(Struct):
    """One table on its way to a proposal."""

    source: OwnerTable
    columns: tuple[Measured, ...]
    unit: str | None
    notes: list[Note]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def unit_values(self) -> pl.Series | None:
        return None if self.unit is None else self[self.unit].values

    def __getitem__(self, name: str) -> Measured:
        return next(column for column in self.columns if column.name == name)

    def say(self, column: str, text: str, check: bool = False) -> None:
        self.notes.append(Note(self.name, column, text, check))


def propose(
    paths: Iterable[Path],
    *,
    minimum_units: int = 10,
    room: str = "room",
    null_values: Iterable[str] = (),
    unit: str | None = None,
    public: Iterable[str] = (),
) -> Proposal:
    """Draft a schema. `unit` names the unit's column if its name is unusual; `public` the tables that are no secret."""
    if minimum_units < 1:
        raise ProposalError("minimum_units must be at least 1.")
    drafts = [_draft(table, unit) for table in read_owner_files(paths, tuple(null_values))]
    named_public = frozenset(public)
    _check_names(drafts, unit, named_public)
    belongs = _Belonging(drafts)
    with_unit = [draft for draft in drafts if draft.unit is not None]
    _compare_units(with_unit)
    word = column_roles.unit_word(with_unit[0].unit or "") if with_unit else "patient"
    tables = [
        table
        for draft in drafts
        if (table := _table(draft, belongs, minimum_units, word, draft.name in named_public)) is not None
    ]
    notes = tuple(note for draft in drafts for note in draft.notes)
    if not tables:
        raise ProposalError(
            "No table can be proposed: none has a column that names its patients. Name it with `unit`, "
            "or add one (a row number, if each row is another person)."
        )
    kept = {table.name for table in tables}
    return Proposal(
        schema=RoomSchema(name=room, tables=tuple(tables), unit_name=word),
        notes=notes,
        left_out=tuple(draft.name for draft in drafts if draft.name not in kept),
    )


def _draft(table: OwnerTable, unit: str | None) -> _Draft:
    usable = [name for name in table.frame.columns if name and not name.startswith("__")]
    columns = tuple(column_roles.measure(name, typed_column(table.frame[name], table.typed)) for name in usable)
    draft = _Draft(table, columns, None, [])
    draft.unit = _unit(draft, unit)
    for name in table.frame.columns:
        if name not in usable:
            draft.say("", "A column without a name, or with one that begins with two underscores, is left out.")
    return draft


def _unit(draft: _Draft, named: str | None) -> str | None:
    """A column called `patient` may hold names, which do not tell people apart: only the owner may choose those."""
    candidates = list(draft.columns)
    while (found := column_roles.unit_column(draft.name, candidates, named)) is not None:
        column = draft[found]
        if named is not None or column.dtype is DType.INTEGER or not identifier_by_shape(column.values):
            return found
        candidates.remove(column)
    return None


def _check_names(drafts: list[_Draft], unit: str | None, public: frozenset[str]) -> None:
    unknown = public - {draft.name for draft in drafts}
    if unknown:
        raise ProposalError(f"No table is called {', '.join(sorted(unknown))}.")
    if unit is not None and not any(unit in draft.source.frame.columns for draft in drafts):
        raise ProposalError(f"No table has a column {unit!r}.")
    secret = sorted(draft.name for draft in drafts if draft.name in public and draft.unit is not None)
    if secret:
        raise ProposalError(f"{', '.join(secret)}: a table with a column for its patients cannot be public.")


class _Belonging:
    """Which keys belong to one unit each, judged over all tables that have a column of that name."""

    def __init__(self, drafts: list[_Draft]) -> None:
        pairs: dict[str, list[pl.DataFrame]] = {}
        for draft in drafts:
            if draft.unit is None:
                continue
            for column in draft.columns:
                candidate = column_roles.is_key(column) and not column_roles.is_shared_by_many(column)
                if column.name != draft.unit and candidate:
                    both = pl.DataFrame({"key": column.values, "unit": draft.unit_values}).cast(pl.String)
                    pairs.setdefault(self._family(draft, column), []).append(both.drop_nulls().unique())
        together = {family: pl.concat(tables).unique()["key"] for family, tables in pairs.items()}
        self._owned = {family: keys for family, keys in together.items() if not keys.is_duplicated().any()}

    @staticmethod
    def _family(draft: _Draft, column: Measured) -> str:
        """`Id` numbers something else in each table."""
        return f"{draft.name}.{column.joined}" if column.joined in column_roles.OWN_NUMBER else column.joined

    def one_unit(self, draft: _Draft, column: Measured) -> bool:
        return self._family(draft, column) in self._owned

    def leads_to_units(self, draft: _Draft, column: Measured) -> bool:
        """Whether a column of a table without a unit holds the keys of single units in another table."""
        if not column_roles.is_key(column):
            return False
        if self.one_unit(draft, column):
            return True
        own = column.values.drop_nulls().unique()
        # Small integers meet by chance; text, such as a UUID, does not.
        return column.dtype is DType.STRING and any(
            own.is_in(keys.implode()).mean() > 0.5 for keys in self._owned.values()
        )


def _compare_units(drafts: list[_Draft]) -> None:
    """All unit columns of a room must hold the same kind of number; say so where they seem not to."""
    if not drafts:
        return
    rosters = [draft for draft in drafts if draft.unit is not None and draft[draft.unit].unique]
    roster = max(rosters or drafts, key=lambda draft: draft[draft.unit].distinct)
    known = roster[roster.unit].values.cast(pl.String).drop_nulls().unique()
    for draft in drafts:
        unit = draft[draft.unit]
        if unit.present < len(unit.values):
            draft.say(unit.name, "Some rows name no unit; remove them or find out whose they are.", check=True)
        own = unit.values.cast(pl.String).drop_nulls().unique()
        if draft is not roster and own.is_in(known.implode()).mean() < 0.5:
            draft.say(
                unit.name,
                f"Fewer than half of its values occur in {roster.name}.{roster.unit}: are they the same numbers?",
                check=True,
            )
    kinds = {draft[draft.unit].dtype for draft in drafts}
    if len(kinds) > 1:
        for draft in drafts:
            draft.say(draft.unit, "The unit is a number in some tables and text in others; write it alike.", check=True)


def _table(draft: _Draft, belongs: _Belonging, minimum_units: int, word: str, public: bool) -> TableSchema | None:
    if draft.unit is None:
        shared = [column.name for column in draft.columns if belongs.leads_to_units(draft, column)]
        if shared:
            text = f"Left out: {', '.join(shared)} leads to single {word}s, but no column names them; add it by a join."
            draft.say("", text, check=True)
            return None
        if not public:
            text = f"Left out: no column names its {word}s. If its rows are no secret, propose it again as public."
            draft.say("", text, check=True)
            return None
        draft.say("", "Public: everyone invited may see its rows.", check=True)
    columns = tuple(_column(draft, column, belongs, minimum_units, word) for column in draft.columns)
    if all(column.role is Role.HIDDEN for column in columns):
        draft.say("", "Left out: every column is hidden.", check=True)
        return None
    dates = [column.name for column in columns if column.dtype is DType.DATETIME and column.role is not Role.HIDDEN]
    if dates and draft.unit is not None:
        draft.say(
            "",
            f"Dates ({', '.join(dates)}): Safe Harbor (C) would allow only their years. Shift them per {word}, or "
            "make sure that another basis covers them.",
            check=True,
        )
    return TableSchema(name=draft.name, columns=columns, aliases=draft.source.aliases)


def _column(draft: _Draft, column: Measured, belongs: _Belonging, minimum_units: int, word: str) -> Column:
    """The column's role, decided from the most to the least restrictive."""
    if column.typed.remark:
        draft.say(column.name, column.typed.remark)
    if column.name == draft.unit:
        draft.say(column.name, f"Names the {word}.")
        reason = identifier_by_name(column.name, column.dtype)
        if reason:
            draft.say(column.name, f"No expert sees it, but {reason}: better replace it by a pseudonym.", check=True)
        return Column(column.name, column.dtype, Role.UNIT, unique=column.unique, nullable=False)
    reason = _reason_to_hide(column)
    if reason:
        draft.say(column.name, f"Hidden: {reason}.", check=True)
        return Column(column.name, column.dtype, Role.HIDDEN)
    if column_roles.is_key(column):
        return _key(draft, column, belongs, word)
    if draft.unit is not None and column_roles.is_text(column):
        return _text(draft, column)
    return _feature(draft, column, minimum_units, word)


def _reason_to_hide(column: Measured) -> str:
    if not column.typed.supported:
        return "its type in the file has no counterpart here; convert it first"
    if not column.present:
        return "it is empty, so that nothing can be said of it"
    if column.typed.unclear_dates:
        return "it seems to hold dates whose day and month cannot be told apart; write them as YYYY-MM-DD"
    reason = identifier_by_name(column.name, column.dtype)
    if not reason and column.dtype is DType.STRING:
        reason = identifier_by_shape(column.values)
    if not reason and column.dtype in (DType.STRING, DType.INTEGER) and not column_roles.is_key(column):
        reason = identifier_by_digits(column.values)
    return reason


def _key(draft: _Draft, column: Measured, belongs: _Belonging, word: str) -> Column:
    unique = column.unique and column.present == len(column.values)
    if draft.unit is None:
        draft.say(column.name, "Looks like an identifier.")
        return Column(column.name, column.dtype, Role.KEY, unique=unique, nullable=not unique)
    one_unit = belongs.one_unit(draft, column)
    if one_unit:
        text = f"Looks like an identifier; each of its values belongs to one {word}, so it can join tables."
    else:
        text = f"Looks like an identifier that {word}s share. To group by it, make it a feature."
    draft.say(column.name, text)
    return Column(column.name, column.dtype, Role.KEY, one_unit=one_unit, unique=unique, nullable=not unique)


def _text(draft: _Draft, column: Measured) -> Column:
    draft.say(column.name, "Free text, or too varied to be a label.")
    found = identifiers_in_text(column.values)
    if found:
        draft.say(column.name, f"Some of it has the shape of {', '.join(found)}: de-identify or hide it.", check=True)
    return Column(column.name, DType.STRING, Role.TEXT)


def _feature(draft: _Draft, column: Measured, minimum_units: int, word: str) -> Column:
    bounds = public_bounds(column.values, column.dtype)
    categories = _categories(draft, column, minimum_units, word) if column_roles.is_code(column) else None
    _remark_on_feature(draft, column)
    lower, upper = bounds or (None, None)
    return Column(column.name, column.dtype, lower=lower, upper=upper, categories=categories)


def _categories(draft: _Draft, column: Measured, minimum_units: int, word: str) -> tuple[Category, ...] | None:
    """All labels if each is common enough, else none: a list that left the rare ones out would be wrong, and one that
    named them would publish them."""
    if not column.present:
        return None
    if column.distinct > MOST_CATEGORIES:
        draft.say(column.name, f"More than {MOST_CATEGORIES} labels: an open list, each named only when common enough.")
        return None
    if draft.unit is None:
        return tuple(column.values.drop_nulls().unique().sort())
    counts = (
        pl.DataFrame({"label": column.values, "unit": draft.unit_values})
        .drop_nulls()
        .unique()
        .group_by("label")
        .len()
        .sort("label")
    )
    common = counts.filter(pl.col("len") >= minimum_units)["label"].to_list()
    rare = column.distinct - len(common)
    if not rare:
        return tuple(common)
    shown = ", ".join(str(label) for label in common[:_LABELS_TO_SHOW]) or "none"
    more = ", …" if len(common) > _LABELS_TO_SHOW else ""
    draft.say(
        column.name,
        f"Open list: {rare} of its {column.distinct} labels have fewer than {minimum_units} {word}s. "
        f"Common enough: {shown}{more}.",
        check=True,
    )
    return None


def _remark_on_feature(draft: _Draft, column: Measured) -> None:
    present = column.values.drop_nulls()
    if column.dtype is DType.STRING:
        _remark_on_missing_marks(draft, column, present)
    if column.dtype is DType.FLOAT and not present.is_finite().all():
        draft.say(column.name, "Some values are not finite; the bounds leave them out.", check=True)
    if column.dtype.is_numeric and "age" in column.words and column.present and present.max() > _OLD_AGE:
        draft.say(column.name, "Ages over 89: Safe Harbor (C) would make them one category.", check=True)
    if column.dtype is DType.DATETIME and draft.unit is not None and _may_be_births(draft, column):
        draft.say(column.name, "One date per person over a long span: if it is a birth date, hide it.", check=True)


def _remark_on_missing_marks(draft: _Draft, column: Measured, present: pl.Series) -> None:
    marks = [mark for mark in _MISSING_MARKS if (present == mark).any()]
    if not marks:
        return
    quoted = " and ".join(f"'{mark}'" for mark in marks)
    rest = present.filter(~present.is_in(marks))
    kind = typed_column(rest, typed=False).dtype if len(rest) else DType.STRING
    otherwise = f"; without it this would be of type {kind.value}" if kind is not DType.STRING else ""
    draft.say(column.name, f"{quoted} may stand for missing: pass it in null_values{otherwise}.", check=True)


def _may_be_births(draft: _Draft, column: Measured) -> bool:
    pairs = pl.DataFrame({"date": column.values, "unit": draft.unit_values}).drop_nulls().unique()
    if pairs.is_empty() or pairs["unit"].is_duplicated().any():
        return False
    dates = pairs["date"]
    only_days = (dates.dt.truncate("1d") == dates).all()
    return bool(only_days) and dates.max().year - dates.min().year > _LIFETIME
