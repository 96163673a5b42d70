"""Pending: a lazy frame that does not grow without end.

Promise: however deep a plan is, Polars never sees a chain of more than `MOST` operations; before that, what waits is
computed.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
from msgspec import Struct

from cleanroom_kernel.vault import watch

MOST = 100  # operations; Polars takes thousands, but plans them in more than linear time


class Pending(Struct, frozen=True):
    frame: nw.LazyFrame[Any]
    operations: int = 0

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Pending:
        return cls(nw.from_native(frame.lazy()))

    def then(self, frame: nw.LazyFrame[Any], operations: int = 1) -> Pending:
        """`frame`, made from ours by so many more operations."""
        total = self.operations + operations
        return Pending.of(collected(frame)) if total >= MOST else Pending(frame, total)


def collected(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    return watch.collect(frame.to_native())


def native(frame: nw.LazyFrame[Any]) -> pl.LazyFrame:
    """For the few things that Narwhals cannot say."""
    lazy: pl.LazyFrame = frame.to_native()
    return lazy
