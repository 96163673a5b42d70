"""Selections: how rows and groups were chosen, read off the plan alone."""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.forms import forms, forms_of
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Expression, Literal, Lookup
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import children, postorder
from cleanroom_kernel.plan.relations import Concat, Distinct, Filter, Join, PerUnit, Sort, Take


def is_mixed(over: Relation, keys: Iterable[Expression] = ()) -> bool:
    """Whether rows or groups are chosen by several columns at once in another way than one condition after another:
    whoever is positive, or one of these nine. So a group can be filled up until one patient decides if it is shown.
    Stacked rows are those of one part or another, and the first rows of an order are chosen by all of its keys. What a
    row function says can be all of that.
    """
    # The outermost first: what is known of a relation is known of all that it is made of.
    chosen = [(node.where, node.over) for node in reversed(list(postorder(over))) if isinstance(node, Filter)]
    conditions = [(part, relation) for where, relation in chosen for part in _one_after_another(where)]
    return any(
        is_unknown(of, relation)
        or (len(measures.decided_by(of, relation)) > 1 and not _is_of_one_measure(of, relation))
        for of, relation in (*conditions, *((key, over) for key in keys))
    ) or any(
        _is_joint(node) if isinstance(node, (Concat, Take)) else _chooses_by_unknown(node)
        for node in postorder(over)
        if isinstance(node, Relation) and node.has_units
    )


def _chooses_by_unknown(relation: Relation) -> bool:
    """Whether what a row function says decides which rows meet, or are one; who has no answer has none of them."""
    if isinstance(relation, (PerUnit, Distinct)):
        keys = [(relation.over, name) for name in relation.by]
    elif isinstance(relation, Join):
        keys = [(relation.left, name) for name in relation.left_on]
        keys += [(relation.right, name) for name in relation.right_on]
    else:
        return False
    return any(forms(side)[name].unknown for side, name in keys)


def _is_joint(relation: Concat | Take) -> bool:
    """Whether rows of a stack, or the first rows of some, are chosen in one go by several columns."""
    if isinstance(relation, Concat):
        chosen = {measures.chosen_by(part) for part in relation.parts}
        return len(chosen) > 1 and len(frozenset[str]().union(*chosen)) > 1
    orders = [node for node in postorder(relation) if isinstance(node, Sort)]
    return any(
        len(frozenset[str]().union(*(measures.decided_by(key, node.over) for key in node.by))) > 1
        or any(is_unknown(key, node.over) for key in node.by)
        for node in orders
    )


def is_unknown(of: Expression, over: Relation) -> bool:
    """Whether a row function is in it, which may be any function of a patient."""
    return forms_of((of,), over)[0].unknown


def _one_after_another(condition: Expression) -> list[Expression]:
    """The conditions of which all must hold."""
    found, left = [], [condition]
    while left:
        part = left.pop()
        if isinstance(part, Call) and part.function is Function.AND:
            left.extend(part.arguments)
        else:
            found.append(part)
    return found


def _is_of_one_measure(of: Expression, over: Relation) -> bool:
    """A length of stay beyond seven days is one condition, though a stay is made of two dates. What an uploaded table
    says of a key is not: it holds as many conditions as the table has rows.
    """
    if any(isinstance(node, Lookup) for node in postorder(of)):
        return False
    inputs = [child for child in children(of) if isinstance(child, Expression) and not isinstance(child, Literal)]
    found = forms_of((of, *inputs), over)
    if any(form.added for form in found):
        return False  # whose x + y is beyond 60, is whose x is, or who has a y of 1 and an x of 60
    return found[0].natural or (bool(inputs) and all(form.natural for form in found[1:]))
