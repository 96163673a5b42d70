"""Relations: the closed table of how every relation of the plan is evaluated; a test holds it total."""

from __future__ import annotations

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.vault import relations_choice, relations_join, relations_rows, relations_units
from cleanroom_kernel.vault.rows import Rule

RULES: dict[type[Relation], Rule] = {
    **relations_rows.RULES,
    **relations_join.RULES,
    **relations_units.RULES,
    **relations_choice.RULES,
}


def inputs_of(relation: Relation) -> tuple[Relation, ...]:
    return RULES[type(relation)].inputs(relation)
