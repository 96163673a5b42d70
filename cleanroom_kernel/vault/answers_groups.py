"""Groups: from the key columns of a question to group codes and labels.

Promise: labels that the owner declared are all there, whether anybody has them or not, so that a missing row says
nothing; every other label is marked as one that only a shown number may name (rule S7).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Label

MARGIN = "All"  # as pandas calls the totals of a crosstab

_MOST_DECLARED = 1_000  # rows of a table that shows all combinations of declared labels


class Groups(Struct, frozen=True, eq=False):
    """`codes` has a group for each row, -1 for none; `public` says of each label that naming it tells nothing."""

    codes: NDArray[np.int32]
    labels: list[tuple[Label, ...]]
    public: NDArray[np.bool_]
    parts: list[NDArray[np.int64]]  # of each key: which of its labels each group has

    @property
    def number(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + sum(part.nbytes for part in self.parts)


class _Key(Struct, frozen=True, eq=False):
    codes: NDArray[np.int64]
    labels: list[Label]
    declared: bool


def everything(n_rows: int) -> Groups:
    """One group of all rows, which has no label."""
    return Groups(np.zeros(n_rows, dtype=np.int32), [()], np.ones(1, dtype=bool), [])


def groups(keys: list[pl.Series], fields: list[Field], *, keep_null: bool, complete: bool) -> Groups:
    """Groups in the order of their labels. With `complete`, all declared labels are there, if all keys declare theirs
    and the combinations are not too many.
    """
    coded = [_key(key, field, keep_null) for key, field in zip(keys, fields, strict=True)]
    sizes = [max(len(key.labels), 1) for key in coded]
    every = prod(sizes)
    if every >= 2**62:
        raise OverflowError("too many combinations of labels")
    combined = coded[0].codes if len(coded) == 1 else _combined(coded, sizes)
    all_declared = complete and all(key.declared for key in coded) and every <= _MOST_DECLARED
    # A single key that is not declared has the labels that were found; null may be none of them.
    if all_declared or (len(coded) == 1 and not coded[0].declared and not keep_null):
        present = np.arange(len(coded[0].labels) if len(coded) == 1 else every)
        codes = combined
    else:
        present = _present(combined, every)
        codes = _places(combined, present, every)
    parts = [part.astype(np.int64) for part in np.unravel_index(present, sizes)]
    named = [[key.labels[place] for place in part] for key, part in zip(coded, parts, strict=True)]
    return Groups(codes.astype(np.int32), list(zip(*named, strict=True)), np.full(len(present), all_declared), parts)


def _combined(keys: list[_Key], sizes: list[int]) -> NDArray[np.int64]:
    combined = np.zeros(len(keys[0].codes), dtype=np.int64)
    for key, size in zip(keys, sizes, strict=True):
        combined *= size
        combined += key.codes
    for key in keys:
        combined[key.codes < 0] = -1
    return combined


def without_gaps(codes: NDArray[np.int64], every: int) -> tuple[NDArray[np.int64], int]:
    """Codes below `every`, numbered anew in their order so that each is there, and how many they are."""
    present = _present(codes, every)
    return _places(codes, present, every), len(present)


def _places(combined: NDArray[np.int64], present: NDArray[np.int64], every: int) -> NDArray[np.int64]:
    """Position of each code among those that are present; -1 stays."""
    if every > 4 * len(combined) + 1_000:
        return np.where(combined < 0, -1, np.searchsorted(present, combined))
    places = np.full(every + 1, -1, dtype=np.int64)  # the last one is for no group
    places[present] = np.arange(len(present))
    return places[combined]


def value_codes(values: pl.Series) -> tuple[NDArray[np.int32], int]:
    """A code for each value, -1 for null, and the number of codes."""
    key = _found(values)
    return key.codes.astype(np.int32), len(key.labels)


def _present(combined: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    found = combined[combined >= 0]
    if most <= 4 * len(found) + 1_000:
        return np.flatnonzero(np.bincount(found, minlength=most))
    return np.unique(found)


def _key(values: pl.Series, field: Field, keep_null: bool) -> _Key:
    domain = _domain(field)
    key = _found(values) if domain is None else _declared(values, domain)
    if not keep_null:
        return key
    null = len(key.labels)
    return _Key(np.where(values.is_null().to_numpy(), null, key.codes), [*key.labels, None], key.declared)


def _domain(field: Field) -> list[Label] | None:
    """Declared labels in their order: as declared if that is an order, else as pandas sorts them."""
    if field.dtype is DType.BOOLEAN:
        return [False, True]
    if field.categories is None:
        return None
    return list(field.categories) if field.ordered else sorted(field.categories)


def _declared(values: pl.Series, domain: list[Label]) -> _Key:
    """A value that is not declared belongs to no group."""
    if values.dtype == pl.Boolean:
        codes = values.cast(pl.Int64).fill_null(-1).to_numpy()
    elif values.dtype == pl.String:
        codes = values.cast(pl.Enum(domain), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    else:
        order = np.argsort(np.array(domain))
        ascending = np.array(domain)[order]
        numbers = values.fill_null(int(ascending[0])).to_numpy()
        places = np.minimum(np.searchsorted(ascending, numbers), len(domain) - 1)
        codes = np.where((ascending[places] == numbers) & ~values.is_null().to_numpy(), order[places], -1)
    return _Key(codes, domain, declared=True)


def _found(values: pl.Series) -> _Key:
    """Codes of the values that occur, in their order."""
    raw = _raw_codes(values)
    places = np.full(int(raw.max(initial=-1)) + 1, -1, dtype=np.int64)
    known = np.flatnonzero(raw >= 0)
    places[raw[known]] = known  # some row that has the value
    here = np.flatnonzero(places >= 0)
    labels = values.gather(places[here]).to_list()
    order = sorted(range(len(labels)), key=labels.__getitem__)
    rank = np.full(len(places) + 1, -1, dtype=np.int64)  # the last one is for null, whose code is -1
    rank[here[order]] = np.arange(len(order))
    return _Key(rank[raw], [labels[place] for place in order], declared=False)


def _raw_codes(values: pl.Series) -> NDArray[np.int64]:
    """Codes in no order, with gaps, -1 for null."""
    null = values.is_null().to_numpy()
    if values.dtype == pl.String:
        return values.cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    numbers = values.to_physical().fill_null(strategy="zero").to_numpy()
    if numbers.dtype.kind == "i" and len(numbers):
        least, most = int(numbers.min()), int(numbers.max())
        if most - least <= 4 * len(numbers):
            return np.where(null, -1, numbers - least)
    return np.where(null, -1, np.unique(numbers, return_inverse=True)[1])


def as_numbers(values: pl.Series) -> NDArray[np.float64]:
    """Values as floats, NaN for null; dates and durations in microseconds."""
    if values.dtype.is_temporal():
        values = values.cast(pl.Int64)
    numbers: NDArray[Any] = values.cast(pl.Float64).to_numpy()
    return numbers.astype(np.float64, copy=False)
