"""The owner's settings for jobs. Promise: what `snapshot` returns is checked, and safe to act on."""

from __future__ import annotations

from typing import Any

from traitlets import Float, TraitError, Unicode, validate
from traitlets.config import Configurable

from cleanroom_kernel.protocol.jobs import JobLimits
from cleanroom_kernel.server.sandbox.settings import parse_size

_LEAST_MEMORY = 256 << 20  # pandas itself and a little more


class Jobs(Configurable):
    """What one job may take: code that you read and approved, in a process of its own beside the rows."""

    memory = Unicode(
        "4G",
        help="""Memory that a job may have beside the libraries, with K, M or G. Not below 256M. A job that needs more
        ends, and counts as one that failed.""",
    ).tag(config=True)
    seconds = Float(
        240.0,
        min=1.0,
        help="""Seconds that one job may take; then its process is killed. Keep it below Sandbox.cell_timeout, or the
        cell that waits for it is interrupted first (the job's approval stands then).""",
    ).tag(config=True)

    @validate("memory")
    def _enough_memory(self, proposal: Any) -> str:
        if parse_size(proposal["value"]) < _LEAST_MEMORY:
            raise TraitError("Jobs.memory: below 256M there is no room for pandas itself")
        return str(proposal["value"])

    def snapshot(self) -> JobLimits:
        return JobLimits(memory=parse_size(self.memory), seconds=self.seconds)
