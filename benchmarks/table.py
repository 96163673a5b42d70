"""Rows of a benchmark's table: two times from one run and their ratio. Ratios are claimed; times are context."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    name: str
    peer: float  # seconds
    ours: float  # seconds

    @property
    def ratio(self) -> float:
        return self.ours / self.peer


def markdown(rows: Iterable[Row], peer: str) -> str:
    lines = [f"| | {peer} | clean room | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {row.name} | {_time(row.peer)} | {_time(row.ours)} | {row.ratio:.2f} |" for row in rows]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.5 else f"{seconds:.2f} s"
