"""Relations: the closed table of how every relation of the plan is evaluated; a test holds it total."""

from __future__ import annotations

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.vault import relations_rows
from cleanroom_kernel.vault.rows import Rule

RULES: dict[type[Relation], Rule] = {**relations_rows.RULES}


def inputs_of(relation: Relation) -> tuple[Relation, ...]:
    return RULES[type(relation)].inputs(relation)
