"""Welcome: the room as an expert may see it before asking anything.

Promise: the public schema, the policy in numbers, and for each table a band of its units; no count.
"""

from __future__ import annotations

from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.disclosure.words import band
from cleanroom_kernel.protocol.messages import VERSION, Setting, Welcome
from cleanroom_kernel.vault.desk import Desk


def welcome(desk: Desk) -> Welcome:
    policy = desk.policy
    traits = Policy.class_traits()
    tables = desk.engine.tables
    return Welcome(
        version=VERSION,
        schema=desk.room.public(),
        preset=policy.preset,
        settings=tuple(
            Setting(name, getattr(policy, name), traits[name].help)
            for name in policy.__struct_fields__
            if name != "preset"
        ),
        units={
            table.name: _band(tables.units[table.name], policy.minimum_units)
            for table in desk.room.tables
            if table.unit is not None
        },
    )


def _band(units: int, least: int) -> str:
    """A number of units in powers of ten, and nothing below the policy's least number."""
    return f"fewer than {least}" if units < least else band(units)
