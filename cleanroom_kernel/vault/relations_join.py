"""Join: rows of two relations side by side, in pandas' row order, never of different units.

Promise: if both sides belong to units, equal units are one of the join's keys, whatever the plan says. Null keys match
nothing. Before a join that can multiply rows is made, its size is counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import narwhals as nw
from msgspec import Struct

from cleanroom_kernel.disclosure.measures import has_unique
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.functions import common
from cleanroom_kernel.plan.relations import How, Join
from cleanroom_kernel.plan.schema import DType, Role
from cleanroom_kernel.vault.columns import ROW, UNIT, stored
from cleanroom_kernel.vault.pending import Pending, collected
from cleanroom_kernel.vault.rows import (
    LARGEST_BOUND,
    MOST_ROWS,
    Context,
    Names,
    Rows,
    Rule,
    TooManyRows,
    kept_columns,
    numbered,
)
from cleanroom_kernel.vault.values import NARWHALS

_LEFT_ROW, _RIGHT_ROW, _COUNT, _OTHER_COUNT = "j:left", "j:right", "j:n", "j:m"


class _Origin(Struct, frozen=True):
    """Where a column of the result comes from."""

    name: str
    from_left: bool
    source: str


def _origins(relation: Join) -> Iterator[_Origin]:
    """As the plan merges the columns of both sides: keys of one name once, other shared names with suffixes."""
    pairs = zip(relation.left_on, relation.right_on, strict=True)
    merged = {left for left, right in pairs if left == right}
    shared = (relation.left.fields.keys() & relation.right.fields.keys()) - merged
    for name in relation.left.fields:
        yield _Origin(name + relation.suffixes[0] if name in shared else name, True, name)
    for name in relation.right.fields:
        if name not in merged:
            yield _Origin(name + relation.suffixes[1] if name in shared else name, False, name)


def _needs(relation: Join, needed: Names) -> tuple[Names, ...]:
    wanted = [origin for origin in _origins(relation) if origin.name in needed]
    left = {origin.source for origin in wanted if origin.from_left}
    right = {origin.source for origin in wanted if not origin.from_left}
    return frozenset(left | set(relation.left_on)), frozenset(right | set(relation.right_on))


def _join(relation: Join, inputs: tuple[Rows, ...], needed: Names, _: Context) -> Rows:
    left, right = inputs
    keys = _keys(relation)
    origins = [origin for origin in _origins(relation) if origin.name in needed]
    sides = (
        left.pending.frame.select(
            *_columns(origins, from_left=True),
            *keys.of_left,
            nw.col(ROW).alias(_LEFT_ROW),
            *([nw.col(UNIT)] if relation.left.has_units else []),
        ),
        right.pending.frame.select(
            *_columns(origins, from_left=False),
            *keys.of_right,
            nw.col(ROW).alias(_RIGHT_ROW),
            *([nw.col(UNIT)] if relation.right.has_units and not relation.left.has_units else []),
        ),
    )
    joined = sides[0].join(sides[1], on=list(keys.names), how=relation.how.value)
    operations = left.pending.operations + right.pending.operations + 3
    pending = Pending(joined).then(joined, operations)
    return _numbered(relation, pending, inputs, needed, _most(relation, inputs, sides, keys.names))


def _equal_units(relation: Join) -> bool:
    return relation.left.has_units and relation.right.has_units


class _Keys(Struct, frozen=True):
    """What a join compares, under the same names on both sides."""

    names: tuple[str, ...]
    of_left: tuple[nw.Expr, ...]
    of_right: tuple[nw.Expr, ...]


def _keys(relation: Join) -> _Keys:
    of_left, of_right = [], []
    unit_keys = [nw.col(UNIT), nw.col(UNIT)] if _equal_units(relation) else None
    for one, other in zip(relation.left_on, relation.right_on, strict=True):
        fields = relation.left.fields[one], relation.right.fields[other]
        if unit_keys is not None and all(field.role is Role.UNIT for field in fields):
            # Equal units are equal codes; one comparison is enough, unless the identifier is missing.
            unit_keys = [_if_present(stored(name), code) for name, code in zip((one, other), unit_keys, strict=True)]
            continue
        dtype = common((fields[0].dtype, fields[1].dtype))
        of_left.append(_as(nw.col(stored(one)), fields[0].dtype, dtype))
        of_right.append(_as(nw.col(stored(other)), fields[1].dtype, dtype))
    if unit_keys is not None:
        of_left.append(unit_keys[0])
        of_right.append(unit_keys[1])
    names = tuple(f"j:{number}" for number in range(len(of_left)))
    return _Keys(
        names,
        tuple(key.alias(name) for key, name in zip(of_left, names, strict=True)),
        tuple(key.alias(name) for key, name in zip(of_right, names, strict=True)),
    )


def _if_present(column: str, code: nw.Expr) -> nw.Expr:
    return nw.when(~nw.col(column).is_null()).then(code)


def _as(key: nw.Expr, dtype: DType, wanted: DType | None) -> nw.Expr:
    assert wanted is not None, "checked when the join was built"
    return key if dtype is wanted else key.cast(NARWHALS[wanted])


def _columns(origins: list[_Origin], from_left: bool) -> list[nw.Expr]:
    return [
        nw.col(stored(origin.source)).alias(stored(origin.name)) for origin in origins if origin.from_left is from_left
    ]


# -- row numbers and size ---------------------------------------------------------------------------------------------
def _numbered(relation: Join, pending: Pending, inputs: tuple[Rows, ...], needed: Names, most: int) -> Rows:
    """Rows in the order of the left side's rows, and for each in the order of the right side's."""
    left, right = inputs
    columns = [name for name in kept_columns(relation, needed) if name != ROW]
    if has_unique(relation.right, relation.right_on, _equal_units(relation)):
        row, bound = nw.col(_LEFT_ROW), left.bound
    else:
        step = max(right.bound, 1)
        row = nw.col(_LEFT_ROW) * step + nw.col(_RIGHT_ROW).fill_null(0)
        bound = left.bound * step
    if bound <= LARGEST_BOUND:
        return Rows(pending.then(pending.frame.select(*columns, row.alias(ROW))), bound, most)
    return Rows(numbered(pending, [*columns, ROW], (_LEFT_ROW, _RIGHT_ROW)), most, most)


def _most(relation: Join, inputs: tuple[Rows, ...], sides: tuple[nw.LazyFrame, ...], keys: tuple[str, ...]) -> int:
    left, right = inputs
    unmatched = left.most if relation.how is How.LEFT else 0
    if has_unique(relation.right, relation.right_on, _equal_units(relation)):
        return left.most
    if has_unique(relation.left, relation.left_on, _equal_units(relation)):
        return right.most + unmatched
    counts = [
        side.group_by(*keys, drop_null_keys=True).agg(nw.len().cast(nw.Int64()).alias(name))
        for side, name in zip(sides, (_COUNT, _OTHER_COUNT), strict=True)
    ]
    pairs = counts[0].join(counts[1], on=list(keys), how="inner")
    # As floats, which cannot overflow into a small number.
    sizes = pairs.select((nw.col(_COUNT).cast(nw.Float64()) * nw.col(_OTHER_COUNT).cast(nw.Float64())).sum())
    matched = float(collected(sizes).item())
    if matched + unmatched > MOST_ROWS:
        raise TooManyRows
    return int(matched) + unmatched


RULES: dict[type[Relation], Rule] = {Join: Rule(lambda relation: (relation.left, relation.right), _needs, _join)}
