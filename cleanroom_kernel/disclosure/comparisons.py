"""Comparisons: new numbers against the released ones of the same measure, as far as this vault needs them in memory.

A number about nearly the same rows as a released one (fewer than k units differ, or none) is not released: the answer
repeats the released number, or where that was another statistic, is withheld. So the answer is the same whether no
unit differs or one does, and a filter that drops a few wrong records does not end an analysis. The only exception is
known from the code alone: the same selection of rows, of which another statistic may be asked.

Promise: nothing is judged against an old state. Whatever other vaults have released since is read first, inside the
transaction; what this vault judges is taken over only after its transaction is through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import sqlalchemy as sa
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from cleanroom_kernel.disclosure.auditor import Audit, Limits, Sketches
from cleanroom_kernel.disclosure.candidate import Booleans, Footprint, Integers
from cleanroom_kernel.disclosure.footprint import BUCKETS, Sketcher
from cleanroom_kernel.disclosure.measures import BY_VALUE
from cleanroom_kernel.disclosure.records import footprints, numbers
from cleanroom_kernel.protocol.release import Number

_AT_ONCE = 500  # a statement takes only so many values
_CODEC = "lz4_raw"  # many times as fast as zlib, and sketches of few units shrink as well

Some = TypeVar("Some")

_NUMBERS: msgspec.msgpack.Decoder[Number] = msgspec.msgpack.Decoder(Number)


class Claim(Struct, frozen=True, eq=False):
    """A number that might be released: over what, which statistic (with its parameters), and how it would be shown.

    `selection` identifies how the code selected the rows; equal ones are the same rows. A claim without a statistic
    repeats nothing: it stands for rows that another number gives away besides its own.
    """

    footprint: Footprint
    statistic: str = ""
    selection: str = ""
    shown: Number = None


class Said(Struct, frozen=True):
    """A released number over a footprint; `linear` says that it is a sum, which can be combined with others."""

    statistic: str
    selection: str
    shown: Number
    linear: bool


class Known(Struct, frozen=True, eq=False):
    """Footprints of one measure in one space, and the numbers over each.

    `units` are sets, or the ids under which they are written down.
    """

    units: tuple[int | BitMap, ...]
    sizes: Integers
    sketches: Sketches
    counts: Sketches
    said: tuple[tuple[Said, ...], ...]
    audit: Audit

    def with_more(
        self,
        units: list[int | BitMap],
        sizes: Integers,
        sketches: Sketches,
        counts: Sketches,
        said: list[tuple[Said, ...]],
        audit: Audit,
    ) -> Known:
        return Known(
            (*self.units, *units),
            np.concatenate([self.sizes, sizes]),
            np.concatenate([self.sketches, sketches]),
            np.concatenate([self.counts, counts]),
            (*self.said, *said),
            audit,
        )


class _Views:
    """Sketches of footprints in the two ways that are common to all spaces: of units, and of numbers of rows."""

    def __init__(self) -> None:
        self._units: list[Sketches] = []
        self._counts: list[Sketches] = []

    def add(self, units: Sketches, counts: Sketches) -> None:
        self._units.append(units)
        self._counts.append(counts)

    def added_to(self, audits: tuple[Audit, Audit]) -> tuple[Audit, Audit]:
        if not self._units:
            return audits
        return audits[0].with_released(np.array(self._units)), audits[1].with_released(np.array(self._counts))


class Judged(Struct, frozen=True, eq=False):
    """Which claims may be released, and which are answered with a number that was released before."""

    passed: Booleans
    repeated: dict[int, Number]


class _Measure:
    """`last` is the last number that was read of it, and `until` the last of any measure as it was then.

    `across` are the audits of all spaces together, by units and by numbers of their rows, of the footprints `joined`;
    None until there are numbers in two spaces.
    """

    def __init__(self) -> None:
        self.last = self.until = 0
        self.across: tuple[Audit, Audit] | None = None
        self.joined: set[int] = set()
        self.linear = False
        self.spaces: dict[str, Known] = {}


class Draft:
    """What one decision would add: its measures as they would be, and what of that is written down."""

    def __init__(self) -> None:
        self.spaces: dict[tuple[str, str], Known] = {}
        self.judged: Counter[str] = Counter()  # claims that passed, by measure
        self.written: dict[str, list[int]] = {}  # ids of their footprints, in order
        self.last: dict[str, int] = {}  # the last number of each measure
        self.before: int | None = None  # the last number of all before this decision; None until somebody asked


class Comparisons:
    def __init__(self, key: bytes, n_units: int, edition: str, sketcher: Sketcher) -> None:
        self._key = key
        self._sketcher = sketcher
        self._n_units = n_units
        self._edition = edition
        self._measures: dict[str, _Measure] = {}

    # -- judging ------------------------------------------------------------------------------------------------------
    def equations(self, connection: sa.Connection, draft: Draft, measure: str) -> int:
        """Independent numbers of a measure that were released."""
        known = self._refreshed(connection, draft, measure)
        if known.linear:
            return sum(space.audit.rank for space in known.spaces.values())
        return sum(len(space.units) for space in known.spaces.values())

    def judge(
        self,
        connection: sa.Connection,
        draft: Draft,
        measure: str,
        new: list[Claim],
        limits: Limits,
        *,
        pairs: bool,
        combinations: bool,
    ) -> Judged:
        """Which claims may stand beside the released numbers and those before them in the draft.

        All are of one space; `combinations` is for sums. A share of the rows is not one: it is compared with numbers of
        nearly the same rows alone, since a difference of two shares is coarser than few patients are.
        """
        passed, repeated = np.ones(len(new), dtype=bool), dict[int, Number]()
        if not new:
            return Judged(passed, repeated)
        spaces = {**self._refreshed(connection, draft, measure).spaces, **_of(draft, measure)}
        name = new[0].footprint.space
        here = spaces.pop(name, None) or self._empty(measure, name)
        sketches = np.array([claim.footprint.sketch for claim in new])
        counts = np.array([claim.footprint.counts for claim in new])
        sizes = np.array([len(claim.footprint.units) for claim in new], dtype=np.int64)
        said = [(Said(claim.statistic, claim.selection, claim.shown, combinations),) for claim in new]
        for place, claim in enumerate(new if pairs else ()):
            earlier = np.flatnonzero(passed[:place])
            one, size = sketches[place], sizes[place]
            near = [(same, here.said[at]) for at, same in _near(one, size, here.sketches, here.sizes, limits.least)]
            drafted = _near(one, size, sketches, sizes, limits.least, earlier)
            near += [(same, said[at]) for at, same in drafted]
            verdict = _beside(claim, near)
            if verdict is True:
                verdict = self._elsewhere(connection, claim, list(spaces.values()), limits.least)
            if isinstance(verdict, Said):
                repeated[place] = verdict.shown
            passed[place] = verdict is True
        # Rows that are told apart by their values are other rows under another function of the same column.
        of_values = name == BY_VALUE and (len(here.units) > 0 or len(new) > 1)
        if combinations and (of_values or any(space.units for space in spaces.values())):
            passed &= self._across(connection, measure, [here, *spaces.values()], new, passed, limits.least)
        audit = here.audit
        if combinations:
            chosen = np.flatnonzero(passed)
            passed[chosen], audit = audit.judge(sketches[chosen], limits)
        kept = np.flatnonzero(passed)
        sets: list[int | BitMap] = [new[place].footprint.units for place in kept]
        more = here.with_more(sets, sizes[kept], sketches[kept], counts[kept], [said[place] for place in kept], audit)
        draft.spaces[measure, name] = more
        draft.judged[measure] += len(kept)
        return Judged(passed, repeated)

    def _across(
        self,
        connection: sa.Connection,
        measure: str,
        spaces: list[Known],
        new: list[Claim],
        wanted: Booleans,
        least: int,
    ) -> Booleans:
        """Which numbers leave no few units over when numbers of all spaces are combined.

        A tracker may ask each of its numbers of another order of the rows, or of a stack in which one patient's rows
        come twice. Rows have no common numbers there, but belong to units: combinations are looked for by units, as if
        each had one row, and by numbers of rows. For one row per unit that is exact; else a number may be withheld that
        would do no harm.
        """
        known = self._measures[measure]
        audits = known.across or (self._nothing(measure, "across"), self._nothing(measure, "across, by rows"))
        drafted, fresh = _Views(), _Views()
        for space in spaces:
            for units, counts, said in zip(space.units, space.counts, space.said, strict=True):
                if not any(one.linear for one in said):
                    continue
                if isinstance(units, BitMap):
                    drafted.add(self._sketcher.of_units(units), counts)
                elif units not in known.joined:
                    fresh.add(self._sketcher.of_units(_units(connection, units)), counts)
                    known.joined.add(units)
        known.across = audits = fresh.added_to(audits)
        audits = drafted.added_to(audits)
        chosen = {int(place): new[place].footprint for place in np.flatnonzero(wanted)}
        of = {place: (self._sketcher.of_units(one.units), one.counts) for place, one in chosen.items()}
        together = _Views()
        for views in of.values():
            together.add(*views)
        # Looked at one by one only where all together do harm: that takes time with many.
        if not any(audit.shows_few(least) for audit in together.added_to(audits)):
            return wanted
        stands = wanted.copy()
        for place, views in of.items():
            stands[place] = not any(audit.isolates(view, least) for audit, view in zip(audits, views, strict=True))
            if stands[place]:
                one, other = audits
                audits = one.with_released(views[0][np.newaxis]), other.with_released(views[1][np.newaxis])
        return stands

    def _elsewhere(self, connection: sa.Connection, claim: Claim, others: list[Known], least: int) -> bool | Said:
        """As `_beside`, for rows with other numbers: by units, and by how many rows each has. What is said of the same
        rows, or of nearly the same, is said again; another statistic of exactly the same units may be asked.
        """
        stands, new = True, claim.footprint
        for other in others:
            for place in np.flatnonzero(np.abs(other.sizes - len(new.units)) < least):
                units = other.units[place]
                if not isinstance(units, BitMap):
                    units = _units(connection, units)
                differing = len(units ^ new.units), int(np.count_nonzero(other.counts[place] != new.counts))
                if max(differing) < least:
                    for one in other.said[place]:
                        if claim.statistic and one.statistic == claim.statistic:
                            return one
                stands = stands and not any(0 < number < least for number in differing)
        return stands

    # -- memory -------------------------------------------------------------------------------------------------------
    def adopt(self, draft: Draft) -> None:
        """What was written down is released. Where that is all that was judged, it need not be read again."""
        for measure, written in draft.written.items():
            if draft.judged[measure] != len(written):
                continue
            known, ids = self._measures[measure], iter(written)
            for space, drafted in _of(draft, measure).items():
                units = tuple(next(ids) if isinstance(one, BitMap) else one for one in drafted.units)
                known.spaces[space] = msgspec.structs.replace(drafted, units=units)
            known.last = known.until = draft.last[measure]

    def read(self, connection: sa.Connection, draft: Draft, measures: Iterable[str]) -> None:
        """Take over what was released of these measures since they were read last, in one go.

        The transaction holds the lock from its beginning, so nobody adds to them before it ends.
        """
        if draft.before is None:
            draft.before = connection.execute(sa.select(sa.func.max(numbers.c.id))).scalar() or 0
        known = {measure: self._measures.setdefault(measure, _Measure()) for measure in dict.fromkeys(measures)}
        stale = [measure for measure, one in known.items() if one.until < draft.before]
        never = [measure for measure in stale if not known[measure].last]
        for some in _batched(never, _AT_ONCE):
            self._take_over(connection, some, since=0)
        for measure in set(stale) - set(never):
            self._take_over(connection, (measure,), since=known[measure].last)
        for measure in stale:
            known[measure].until = draft.before

    def _take_over(self, connection: sa.Connection, measures: Sequence[str], since: int) -> None:
        read = connection.execute(
            sa.select(
                numbers.c.id, numbers.c.measure, numbers.c.linear, numbers.c.statistic, numbers.c.selection,
                numbers.c.shown, footprints.c.id.label("units"), footprints.c.space, footprints.c.size,
                footprints.c.sketch, footprints.c.counts,
            )
            .join(footprints, numbers.c.footprint == footprints.c.id)
            .where(numbers.c.measure.in_(list(map(self._stored, measures))), numbers.c.id > since)
            .order_by(numbers.c.id)
        ).all()  # fmt: skip
        for measure in measures if read else ():
            known, stored = self._measures[measure], self._stored(measure)
            of_measure = [row for row in read if row.measure == stored]
            for name in dict.fromkeys(row.space for row in of_measure):
                space = known.spaces.get(name) or self._empty(measure, name)
                known.spaces[name] = _with_read(space, [row for row in of_measure if row.space == name])
            if of_measure:
                known.last, known.linear = of_measure[-1].id, known.linear or any(row.linear for row in of_measure)

    def _refreshed(self, connection: sa.Connection, draft: Draft, measure: str) -> _Measure:
        self.read(connection, draft, (measure,))
        return self._measures[measure]

    def _empty(self, measure: str, space: str) -> Known:
        audit = self._nothing(measure, space)
        nothing = np.zeros((0, BUCKETS), dtype=np.uint32)
        return Known((), np.zeros(0, dtype=np.int64), nothing, nothing, (), audit)

    def _nothing(self, measure: str, space: str) -> Audit:
        seed = blake2b(f"{measure}\n{space}".encode(), key=self._key, digest_size=8).digest()
        return Audit.begin(int.from_bytes(seed, "big"), self._n_units)

    # -- records ------------------------------------------------------------------------------------------------------
    def write(
        self, connection: sa.Connection, draft: Draft, answer: int, released: list[tuple[str, bool, list[Claim]]]
    ) -> None:
        """Write down numbers of several measures: of each its name, whether it is linear, and its claims."""
        rows = self.rows(connection, released)
        if not rows:
            return
        connection.execute(numbers.insert(), [{"answer": answer, **row} for row in rows])
        last = connection.execute(sa.select(sa.func.max(numbers.c.id))).scalar_one()
        each = iter(rows)
        for measure, linear, new in released:
            if new:
                self._measures[measure].linear |= linear
                draft.written.setdefault(measure, []).extend(next(each)["footprint"] for _ in new)
                draft.last[measure] = last

    def rows(self, connection: sa.Connection, released: list[tuple[str, bool, list[Claim]]]) -> list[dict[str, Any]]:
        """Numbers as they are written down, but for their answer. Their footprints are put into the records."""
        written = iter(_written(connection, [claim.footprint for _, _, new in released for claim in new]))
        return [
            {
                "measure": self._stored(measure),
                "linear": linear,
                "footprint": next(written),
                "statistic": claim.statistic,
                "selection": claim.selection,
                "shown": msgspec.msgpack.encode(claim.shown),
            }
            for measure, linear, new in released
            for claim in new
        ]

    def _stored(self, measure: str) -> str:
        return f"{self._edition}/{measure}"


def _of(draft: Draft, measure: str) -> dict[str, Known]:
    return {space: known for (of, space), known in draft.spaces.items() if of == measure}


def _beside(claim: Claim, near: list[tuple[bool, tuple[Said, ...]]]) -> bool | Said:
    """Whether a claim may be released beside the numbers over nearly its rows (True: over exactly them), or which of
    them it repeats.
    """
    if not claim.statistic:
        return all(same for same, _ in near)
    if not near or any(same and one.selection == claim.selection for same, said in near for one in said):
        return True
    return next((one for _, said in near for one in said if one.statistic == claim.statistic), False)


def _near(
    sketch: Sketches, size: int, sketches: Sketches, sizes: Integers, least: int, among: NDArray[np.intp] | None = None
) -> Iterator[tuple[int, bool]]:
    """Positions of footprints that differ by the rows of fewer than `least` units, and whether they do not at all.
    `among` are the positions to look at; all, if it is None.
    """
    # Sets whose sizes differ by k or more differ by k units or more: no need to look at their sketches.
    if among is None:
        similar = np.flatnonzero(np.abs(sizes - size) < least)
    else:
        similar = among[np.abs(sizes[among] - size) < least]
    differing = np.count_nonzero(sketches[similar] != sketch, axis=1)
    for place, units in zip(similar, differing, strict=True):
        if units < least:
            yield int(place), bool(units == 0)


def _with_read(space: Known, read: Sequence[Any]) -> Known:
    """With numbers that were written down; a footprint that is known already has one number more."""
    at = {units: place for place, units in enumerate(space.units)}
    said = [list(known) for known in space.said]
    fresh: list[Any] = []
    for row in read:
        if row.units not in at:
            at[row.units] = len(said)
            said.append([])
            fresh.append(row)
        said[at[row.units]].append(Said(row.statistic, row.selection, _NUMBERS.decode(row.shown), row.linear))
    sketches = np.array([_unpack(row.sketch) for row in fresh], dtype=np.uint32).reshape(-1, BUCKETS)
    summed = {row.units: row.sketch for row in read if row.linear}
    sums = np.array([_unpack(sketch) for sketch in summed.values()], dtype=np.uint32).reshape(-1, BUCKETS)
    counts = np.array([_unpack(row.counts) for row in fresh], dtype=np.uint32).reshape(-1, BUCKETS)
    return Known(
        (*space.units, *(row.units for row in fresh)),
        np.concatenate([space.sizes, np.array([row.size for row in fresh], dtype=np.int64)]),
        np.concatenate([space.sketches, sketches]),
        np.concatenate([space.counts, counts]),
        tuple(tuple(known) for known in said),
        space.audit.with_released(sums) if len(sums) else space.audit,
    )


def _written(connection: sa.Connection, new: list[Footprint]) -> list[int]:
    """The id of each footprint in the records, where it is put if it is not there yet."""
    of = {footprint.digest: footprint for footprint in new}
    known = _ids(connection, list(of))
    fresh = [_row(footprint) for digest, footprint in of.items() if digest not in known]
    if fresh:
        connection.execute(footprints.insert(), fresh)
        known |= _ids(connection, [row["digest"] for row in fresh])
    return [known[footprint.digest] for footprint in new]


def _row(footprint: Footprint) -> dict[str, Any]:
    return {
        "digest": footprint.digest,
        "space": footprint.space,
        "size": len(footprint.units),
        "units": footprint.units.serialize(),
        "sketch": _packed(footprint.sketch),
        "counts": _packed(footprint.counts),
    }


def _ids(connection: sa.Connection, digests: list[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in _batched(digests, _AT_ONCE):
        query = sa.select(footprints.c.digest, footprints.c.id).where(footprints.c.digest.in_(some))
        found |= {row.digest: row.id for row in connection.execute(query)}
    return found


def _units(connection: sa.Connection, written: int) -> BitMap:
    blob = connection.execute(sa.select(footprints.c.units).where(footprints.c.id == written)).scalar_one()
    return BitMap.deserialize(blob)


def _batched(some: Sequence[Some], size: int) -> Iterator[Sequence[Some]]:
    for start in range(0, len(some), size):
        yield some[start : start + size]


def _packed(sketch: Sketches) -> bytes:
    return pa.compress(sketch.tobytes(), codec=_CODEC, asbytes=True)  # type: ignore[no-any-return]


def _unpack(sketch: bytes) -> Sketches:
    return np.frombuffer(pa.decompress(sketch, BUCKETS * 4, codec=_CODEC, asbytes=True), dtype=np.uint32)
