"""Findings: what a session's vault has said, kept for the reply of the cell that asked.

Promise: all of it comes from the vault's own line. The interpreter, which is hostile, can neither add a receipt nor
take one away.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from cleanroom_kernel.protocol.messages import Denied, Released
from cleanroom_kernel.protocol.release import Receipt

_MOST_RECEIPTS = 10_000


class Findings:
    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self._released: defaultdict[str, list[Receipt]] = defaultdict(list)
        self._denied: defaultdict[str, list[Denied]] = defaultdict(list)

    def add(self, notice: Released | Denied, *, to_running_cell: bool) -> None:
        """What belongs to no running cell (a thread that asked late) is in the session's list only."""
        if isinstance(notice, Released):
            self.receipts = [*self.receipts[-_MOST_RECEIPTS + 1 :], notice.receipt]
            if to_running_cell:
                self._released[notice.receipt.cell].append(notice.receipt)
        elif to_running_cell:
            self._denied[notice.cell].append(notice)

    def take(self, cell: str) -> dict[str, Any]:
        """For the metadata of the cell's reply."""
        return {
            "receipts": msgspec.to_builtins(self._released.pop(cell, [])),
            "denied": msgspec.to_builtins(self._denied.pop(cell, [])),
        }
