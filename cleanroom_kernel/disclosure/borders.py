"""Borders: what the room's key decides: the minimum count with its jitter, which blurs for an expert where the border
runs (rules C1, C15), and the noise on free measures (C17).

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
    keyed = blake2b(b"noise", key=key, digest_size=32)
    for part in (statistic.encode(), footprint.space.encode(), footprint.units.serialize(), footprint.sketch.tobytes()):
        keyed.update(blake2b(part, digest_size=32).digest())
    return float(np.random.default_rng(int.from_bytes(keyed.digest(), "big")).standard_normal())
