"""Tables: the room's prepared tables, memory-mapped and shared by all vaults through the page cache."""

from __future__ import annotations

import polars as pl

from cleanroom_kernel.plan.schema import RoomSchema


class Tables:
    """Frames have their columns under stored names, UNIT (unless public) and ROW."""

    def __init__(self, schema: RoomSchema, frames: dict[str, pl.DataFrame], n_units: int) -> None:
        self.schema = schema
        self.n_units = n_units
        self._frames = frames

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self._frames[name]
