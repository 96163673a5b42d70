"""The owner's settings for row functions. Promise: what `snapshot` returns is checked, and safe to act on."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Float, TraitError, Unicode, validate
from traitlets.config import Configurable

from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.server.sandbox.settings import parse_size

_LEAST_MEMORY = 64 << 20  # Python's own values of some columns


class RowFunctions(Configurable):
    """What an expert's own function may take that is called for each row, in a locked process of its own."""

    permitted = Bool(
        True,
        help="""Whether functions that cannot be turned into computations on columns may be called for each row. They
        run in a process that has its rows and nothing else; to the gate, their answers are numbers of the expert's
        choice.""",
    ).tag(config=True)
    memory = Unicode(
        "256M",
        help="""Memory that one run may have beside its rows and answers, with K, M or G. Not below 64M. A million rows
        need about 100M for each column.""",
    ).tag(config=True)
    seconds = Float(
        20.0,
        min=0.5,
        help="""Seconds that one run may take; then it is killed, and counts as a denial. Keep it below
        Sandbox.cell_timeout.""",
    ).tag(config=True)

    @validate("memory")
    def _enough_memory(self, proposal: Any) -> str:
        if parse_size(proposal["value"]) < _LEAST_MEMORY:
            raise TraitError("RowFunctions.memory: below 64M there is no room for the values of a column")
        return str(proposal["value"])

    def snapshot(self) -> RowLimits:
        return RowLimits(memory=parse_size(self.memory), seconds=self.seconds, permitted=self.permitted)
