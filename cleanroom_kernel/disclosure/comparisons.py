"""Comparisons: new numbers against the released ones of the same measure, as far as this vault needs them in memory.

Promise: nothing is judged against an old state. Whatever other vaults have released since is read first, inside the
transaction; what this vault judges is taken over only after its transaction is through.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b

import msgspec
import numpy as np
import sqlalchemy as sa
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel.disclosure.auditor import Audit, Limits, Sketches, close
from cleanroom_kernel.disclosure.candidate import Booleans, Footprint, Integers
from cleanroom_kernel.disclosure.footprint import BUCKETS
from cleanroom_kernel.disclosure.records import footprints, numbers


class Known(Struct, frozen=True, eq=False):
    """Footprints of one measure in one space. `units` are sets, or the ids under which they are written down."""

    units: tuple[int | BitMap, ...]
    sizes: Integers
    sketches: Sketches
    audit: Audit

    def with_more(self, units: list[int | BitMap], sizes: Integers, sketches: Sketches, audit: Audit) -> Known:
        return Known(
            (*self.units, *units),
            np.concatenate([self.sizes, sizes]),
            np.concatenate([self.sketches, sketches]),
            audit,
        )


class _Measure:
    """`last` is the number up to which it is read."""

    def __init__(self) -> None:
        self.last = 0
        self.linear = False
        self.spaces: dict[str, Known] = {}


class Draft:
    """What one decision would add: its measures as they would be. `complete` as long as all that was judged passed."""

    def __init__(self) -> None:
        self.spaces: dict[tuple[str, str], Known] = {}
        self.complete = True


class Comparisons:
    def __init__(self, key: bytes, n_units: int, edition: str) -> None:
        self._key = key
        self._n_units = n_units
        self._edition = edition
        self._measures: dict[str, _Measure] = {}

    # -- judging ------------------------------------------------------------------------------------------------------
    def equations(self, connection: sa.Connection, measure: str) -> int:
        """Independent numbers of a measure that were released."""
        known = self._refreshed(connection, measure)
        if known.linear:
            return sum(space.audit.rank for space in known.spaces.values())
        return sum(len(space.units) for space in known.spaces.values())

    def judge(
        self,
        connection: sa.Connection,
        draft: Draft,
        measure: str,
        new: list[Footprint],
        limits: Limits,
        *,
        pairs: bool,
        combinations: bool,
    ) -> Booleans:
        """Which of the new footprints may stand beside the released ones and those before them in the draft.

        All of `new` are of one space; `combinations` is for linear measures.
        """
        passed = np.ones(len(new), dtype=bool)
        if not new:
            return passed
        spaces = {**self._refreshed(connection, measure).spaces, **_of(draft, measure)}
        name = new[0].space
        here = spaces.pop(name, None) or self._empty(measure, name)
        sketches = np.array([footprint.sketch for footprint in new])
        sizes = np.array([len(footprint.units) for footprint in new], dtype=np.int64)
        if pairs:
            for place, footprint in enumerate(new):
                earlier = np.flatnonzero(passed[:place])
                passed[place] = not (
                    _near(sketches[place], sizes[place], here.sketches, here.sizes, limits.least)
                    or _near(sketches[place], sizes[place], sketches[earlier], sizes[earlier], limits.least)
                    or any(self._near_in(connection, footprint, other, limits.least) for other in spaces.values())
                )
        audit = here.audit
        if combinations:
            chosen = np.flatnonzero(passed)
            passed[chosen], audit = audit.judge(sketches[chosen], limits)
        sets: list[int | BitMap] = [footprint.units for footprint, kept in zip(new, passed, strict=True) if kept]
        draft.spaces[measure, name] = here.with_more(sets, sizes[passed], sketches[passed], audit)
        draft.complete &= bool(passed.all())
        return passed

    def _near_in(self, connection: sa.Connection, new: Footprint, other: Known, least: int) -> bool:
        """Whether the units of a number in another space are almost, but not quite, the same."""
        for place in np.flatnonzero(np.abs(other.sizes - len(new.units)) < least):
            units = other.units[place]
            if not isinstance(units, BitMap):
                units = _units(connection, units)
            if 0 < len(units ^ new.units) < least:
                return True
        return False

    # -- memory -------------------------------------------------------------------------------------------------------
    def adopt(self, draft: Draft) -> None:
        """The draft was released as it stands, so its audits hold; the rest is read when it is needed again."""
        if not draft.complete:
            return
        for (measure, name), drafted in draft.spaces.items():
            known = self._measures[measure]
            before = known.spaces.get(name) or self._empty(measure, name)
            known.spaces[name] = Known(before.units, before.sizes, before.sketches, drafted.audit)

    def _refreshed(self, connection: sa.Connection, measure: str) -> _Measure:
        known = self._measures.setdefault(measure, _Measure())
        read = connection.execute(
            sa.select(
                numbers.c.id, numbers.c.linear, footprints.c.id.label("units"), footprints.c.space,
                footprints.c.size, footprints.c.sketch,
            )
            .join(footprints, numbers.c.footprint == footprints.c.id)
            .where(numbers.c.measure == self._stored(measure), numbers.c.id > known.last)
            .order_by(numbers.c.id)
        ).all()  # fmt: skip
        for name in dict.fromkeys(row.space for row in read):
            space = known.spaces.get(name) or self._empty(measure, name)
            fresh = {row.units: row for row in read if row.space == name and row.units not in set(space.units)}
            sketches = np.array([_unpack(row.sketch) for row in fresh.values()]).reshape(-1, BUCKETS)
            sizes = np.array([row.size for row in fresh.values()], dtype=np.int64)
            audit = space.audit.with_released(sketches) if read[0].linear else space.audit
            known.spaces[name] = space.with_more(list(fresh), sizes, sketches.astype(np.uint32), audit)
        if read:
            known.last, known.linear = read[-1].id, read[0].linear
        return known

    def _empty(self, measure: str, space: str) -> Known:
        seed = blake2b(f"{measure}\n{space}".encode(), key=self._key, digest_size=8).digest()
        audit = Audit.begin(int.from_bytes(seed, "big"), self._n_units)
        return Known((), np.zeros(0, dtype=np.int64), np.zeros((0, BUCKETS), dtype=np.uint32), audit)

    # -- records ------------------------------------------------------------------------------------------------------
    def write(self, connection: sa.Connection, answer: int, measure: str, linear: bool, new: list[Footprint]) -> None:
        rows = [
            {"answer": answer, "measure": self._stored(measure), "linear": linear, "footprint": written}
            for written in _written(connection, new)
        ]
        if rows:
            connection.execute(numbers.insert(), rows)

    def _stored(self, measure: str) -> str:
        return f"{self._edition}/{measure}"


def _of(draft: Draft, measure: str) -> dict[str, Known]:
    return {space: known for (of, space), known in draft.spaces.items() if of == measure}


def _near(sketch: Sketches, size: int, others: Sketches, sizes: Integers, least: int) -> bool:
    # Sets whose sizes differ by k or more differ by k units or more: no need to look at their sketches.
    similar = np.abs(sizes - size) < least
    return bool(close(sketch, others[similar], least).any())


def _written(connection: sa.Connection, new: list[Footprint]) -> list[int]:
    """Ids of footprints in the records, where they are put if they are not there yet."""
    rows: dict[bytes, dict[str, bytes | int | str]] = {}
    for footprint in new:
        units, sketch = footprint.units.serialize(), footprint.sketch.tobytes()
        digest = blake2b(msgspec.msgpack.encode((footprint.space, units, sketch)), digest_size=20).digest()
        rows[digest] = {
            "digest": digest,
            "space": footprint.space,
            "size": len(footprint.units),
            "units": units,
            "sketch": zlib.compress(sketch, 1 if np.count_nonzero(footprint.sketch) * 2 < BUCKETS else 0),
        }
    known = _ids(connection, list(rows))
    fresh = {digest: row for digest, row in rows.items() if digest not in known}
    if fresh:
        connection.execute(footprints.insert(), list(fresh.values()))
        known |= _ids(connection, list(fresh))
    return list(known.values())


def _ids(connection: sa.Connection, digests: list[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for start in range(0, len(digests), 500):  # a statement takes only so many values
        some = digests[start : start + 500]
        query = sa.select(footprints.c.digest, footprints.c.id).where(footprints.c.digest.in_(some))
        found |= {row.digest: row.id for row in connection.execute(query)}
    return found


def _units(connection: sa.Connection, written: int) -> BitMap:
    blob = connection.execute(sa.select(footprints.c.units).where(footprints.c.id == written)).scalar_one()
    return BitMap.deserialize(blob)


def _unpack(sketch: bytes) -> Sketches:
    return np.frombuffer(zlib.decompress(sketch), dtype=np.uint32)
