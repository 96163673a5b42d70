"""Borders: what the room's key decides: the minimum count with its jitter, which blurs for an expert where the border
runs (rules C1, C15), and the noise on free measures (C17) and on numbers over mixed selections (C19).

Promise: the same set of units always has the same border, and the same number the same noise, so that asking again
never helps; no border is below the policy's minimum count; nobody without the room's key can tell one.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel.disclosure.candidate import Footprint, Integers
from cleanroom_kernel.disclosure.policy import PolicySnapshot


class Borders(Struct, frozen=True):
    key: bytes
    minimum: int
    jitter: int

    @classmethod
    def of(cls, key: bytes, policy: PolicySnapshot, *, mixed: bool = False) -> Borders:
        """`mixed` where rows are chosen by several columns at once."""
        jitter = policy.mixed_jitter if mixed else policy.jitter
        return cls(blake2b(b"borders", key=key, digest_size=32).digest(), policy.minimum_units, jitter)

    def least(self, counts: Integers, unit_set: Callable[[int], BitMap]) -> Integers:
        """The border of each of several sets. Only sets in reach of the jitter need to be looked at."""
        borders = np.full(len(counts), self.minimum, dtype=np.int64)
        in_reach = (counts >= self.minimum) & (counts < self.minimum + self.jitter)
        for place in np.flatnonzero(in_reach):
            borders[place] += self.jitter_of(unit_set(int(place)))
        return borders

    def jitter_of(self, units: BitMap) -> int:
        keyed = blake2b(units.serialize(), key=self.key, digest_size=8)
        return int.from_bytes(keyed.digest(), "big") % (self.jitter + 1)


def noise_of(key: bytes, statistic: str, footprint: Footprint) -> float:
    """A draw from the standard normal distribution, the same for the same statistic of the same rows."""
    rows = (footprint.space.encode(), footprint.units.serialize(), footprint.sketch.tobytes())
    return _drawn(key, b"noise", statistic, *rows)


def mixed_noise_of(key: bytes, statistic: str, units: BitMap, counts: bytes = b"") -> float:
    """The same for a number over a mixed selection. Rows are known by how many each unit has, so that the same rows in
    another order have the same noise.
    """
    return _drawn(key, b"mixed noise", statistic, units.serialize(), counts)


def _drawn(key: bytes, what: bytes, statistic: str, *rows: bytes) -> float:
    keyed = blake2b(what, key=key, digest_size=32)
    for part in (statistic.encode(), *rows):
        keyed.update(blake2b(part, digest_size=32).digest())
    return float(np.random.default_rng(int.from_bytes(keyed.digest(), "big")).standard_normal())
