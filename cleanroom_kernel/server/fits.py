"""The owner's settings for fits of models. Promise: what `snapshot` returns is checked, and safe to act on."""

from __future__ import annotations

from typing import Any

from traitlets import Float, TraitError, Unicode, validate
from traitlets.config import Configurable

from cleanroom_kernel.protocol.messages import FitLimits
from cleanroom_kernel.server.sandbox.settings import parse_size

_LEAST_MEMORY = 256 << 20  # scikit-learn itself and a little more


class Fits(Configurable):
    """What a fit of one model may take. Fits run in a process of their own, one per session, that can be ended."""

    memory = Unicode(
        "4G",
        help="""Memory that a fit may have, with K, M or G. Not below 256M. A fit that needs more ends with an error
        that names this setting. Plan for sessions times this much beside the interpreters' own limit.""",
    ).tag(config=True)
    seconds = Float(
        240.0,
        min=1.0,
        help="""Seconds that one fit may take; a whole search is one fit. Keep it below Sandbox.cell_timeout, so that
        the expert reads which limit it was.""",
    ).tag(config=True)

    membership_seconds = Float(
        60.0,
        min=0.0,
        help="""Seconds after which the membership test of a model that is to be released begins no more shadow models.
        The test is told with as many as there are by then.""",
    ).tag(config=True)

    @validate("memory")
    def _enough_memory(self, proposal: Any) -> str:
        if parse_size(proposal["value"]) < _LEAST_MEMORY:
            raise TraitError("Fits.memory: below 256M there is no room for scikit-learn itself")
        return str(proposal["value"])

    def snapshot(self) -> FitLimits:
        return FitLimits(memory=parse_size(self.memory), seconds=self.seconds, membership=self.membership_seconds)
