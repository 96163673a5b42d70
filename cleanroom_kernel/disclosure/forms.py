"""Forms: what a measure is made of, read off the plan alone, and whether the expert chose numbers inside it.

A sum of 2 * x + 7 is known from a sum of x, so only that is ever computed, judged and rounded: what is shown is scaled
and shifted afterwards. Otherwise the rounding could be undone by asking for a few shifts. A measure is *natural* if it
holds no number of the expert's (a column, a product of columns, a length of stay). A condition inside a measure,
where(age > 65, cost, 0), makes terms over the rows where it holds: these are compared with other numbers as if they
had been filtered. Everything else is *free*: clip(age, 98, 99) - 98 is a condition that looks like arithmetic, and
there is no end to such disguises. So no form is guessed at: free measures are judged by other rules (C17).

Promise: `form_of` is total. What it does not know is free.
"""

from __future__ import annotations

import msgspec

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.forms_functions import Place, step
from cleanroom_kernel.disclosure.forms_terms import Condition, Form, Forms, Term, is_binary
from cleanroom_kernel.disclosure.measures import ROWS, Measure
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Field, Value, types_of
from cleanroom_kernel.plan.nodes import children, postorder
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Filter,
    How,
    Join,
    PerUnit,
    Predict,
    Sample,
    Select,
    Sort,
    Split,
    Table,
    Take,
    Window,
)
from cleanroom_kernel.plan.relations import Distinct as DistinctRows


def form_of(expression: Expression, over: Relation) -> Form:
    return forms_of((expression,), over)[0]


def forms_of(expressions: tuple[Expression, ...], over: Relation) -> list[Form]:
    columns, loose, types = forms(over), measures.identities(over), types_of(expressions, over.fields)
    found: dict[int, Form] = {}
    for node in postorder(*expressions):
        assert isinstance(node, Expression)
        arguments = tuple(found[id(child)] for child in children(node))
        measure = measures.step(node, tuple(argument.loose for argument in arguments), loose, False)
        found[id(node)] = step(Place(node, types[id(node)], measure, over), arguments, columns)
    return [found[id(expression)] for expression in expressions]


def is_steered(expression: Expression, over: Relation) -> bool:
    """Whether numbers of the expert's choice are in what a score compares: in a truth, or in predictions that no model
    made. The mean error of a constant is the mean, shifted.
    """
    form = form_of(expression, over)
    if not form.field.dtype.is_numeric or form.constant in (0.0, 1.0):
        return False
    if form.unknown:
        return True
    return not (form.is_core and (form.natural or form.predicted or is_binary(form.field)))


# -- columns ----------------------------------------------------------------------------------------------------------
def forms(relation: Relation) -> Forms:
    """The form of every column of a relation."""
    for node in () if "forms" in relation.__dict__ else postorder(relation):
        if isinstance(node, Relation) and "forms" not in node.__dict__:
            node.__dict__["forms"] = _columns(node)
    found: Forms = relation.__dict__["forms"]
    return found


def _columns(relation: Relation) -> Forms:
    if isinstance(relation, Table):
        loose = measures.identities(relation)
        return {name: _stored(loose[name], field) for name, field in relation.fields.items()}
    if isinstance(relation, Join):
        return _joined(relation)
    if isinstance(relation, Concat):
        return {name: _stacked(relation, name) for name in relation.fields}
    over = forms(relation.over)  # type: ignore[attr-defined]  # every relation that is left has one
    if isinstance(relation, (Filter, Take)):
        return over
    if isinstance(relation, (Select, Assign)):
        made = forms_of(tuple(column.of for column in relation.columns), relation.over)
        named = {column.name: form for column, form in zip(relation.columns, made, strict=True)}
        return named if isinstance(relation, Select) else {**over, **named}
    if isinstance(relation, (Sort, Sample, Split, DistinctRows)):
        return {name: _settled(form, relation, name) for name, form in over.items()}
    if isinstance(relation, PerUnit):
        return _per_unit(relation, over)
    if isinstance(relation, Window):
        of = None if relation.of is None else forms_of((relation.of,), relation.over)[0]
        return {**over, relation.name: _made(relation, relation.name, of)}
    if isinstance(relation, Predict):
        predicted = {name: _free(relation, name) for name in relation.names}
        return {**over, **{name: msgspec.structs.replace(form, predicted=True) for name, form in predicted.items()}}
    raise AssertionError(f"unhandled relation {type(relation).__name__}")


def _stored(identity: str, field: Field) -> Form:
    return Form(identity, field, Measure(identity), (Term(identity),), natural=True, free=False)


def _per_unit(relation: PerUnit, over: Forms) -> Forms:
    found = {name: _settled(over[name], relation, name) for name in relation.by}
    of = [column.of for column in relation.columns if column.of is not None]
    found_of = dict(zip(map(id, of), forms_of(tuple(of), relation.over), strict=True))
    return found | {
        column.name: _made(relation, column.name, None if column.of is None else found_of[id(column.of)])
        for column in relation.columns
    }


def _made(relation: Relation, name: str, of: Form | None) -> Form:
    """A column that a window or a per-unit group-by makes: natural if what it is made of is.

    A value that the expert made missing is a zero in a sum, and rows that were joined to a few of them count for more:
    where patients could be chosen in this way, nothing is natural.
    """
    if (of is not None and of.unknown) or _is_ordered_by_unknown(relation):
        return msgspec.structs.replace(_free(relation, name), unknown=True)
    if (of is not None and not (of.natural and of.is_core and of.nulls)) or _multiplies_some(relation):
        return _condition_or_free(relation, name)
    loose, exactly = measures.identities(relation)[name], measures.identities(relation, exactly=True)[name]
    field = relation.fields[name]
    functions = 1 if of is None else of.functions + 1
    added = of is not None and of.added
    return Form(
        exactly, field, Measure(loose), (Term(loose),), natural=True, free=False, functions=functions, added=added
    )


def _is_ordered_by_unknown(relation: Relation) -> bool:
    """Whether a row function decides which row of a unit comes first."""
    if "ordered" not in relation.__dict__:
        sorts = [node for node in postorder(relation) if isinstance(node, Sort)]
        found = any(form.unknown for sort in sorts for form in forms_of(sort.by, sort.over))
        if isinstance(relation, Window):
            found = found or any(forms(relation.over)[name].unknown for name in relation.order)
        relation.__dict__["ordered"] = found
    known: bool = relation.__dict__["ordered"]
    return known


def _joined(relation: Join) -> Forms:
    """Rows are numbered anew; and what is joined has nulls where it has no rows, which the expert may have chosen."""
    sides: list[Forms] = []
    for side, may_miss in ((relation.left, relation.how is not _INNER), (relation.right, relation.how is not _INNER)):
        keeps = not may_miss or (side is relation.left and relation.how is How.LEFT) or _is_whole(side)
        sides.append({name: msgspec.structs.replace(f, nulls=f.nulls and keeps) for name, f in forms(side).items()})
    found = measures.joined(relation, *sides)
    return {name: _settled(form, relation, name) for name, form in found.items()}


_INNER = How.INNER


def _is_whole(relation: Relation) -> bool:
    """Whether it has all rows, or units, of the owner's tables that it is made of."""
    chosen = (Filter, Take, Sample, Split, DistinctRows, Join)
    return not any(isinstance(node, chosen) for node in postorder(relation))


def _multiplies_some(relation: Relation) -> bool:
    """Whether rows are joined with, or stacked on, rows that were chosen."""
    if "multiplies" not in relation.__dict__:
        sides = [part for node in postorder(relation) if isinstance(node, (Join, Concat)) for part in children(node)]
        found = not all(_is_unchosen(side) for side in sides if isinstance(side, Relation))
        relation.__dict__["multiplies"] = found
    known: bool = relation.__dict__["multiplies"]
    return known


def _is_unchosen(relation: Relation) -> bool:
    chosen = (Filter, Take, Sample, Split, DistinctRows)
    return not any(isinstance(node, chosen) for node in postorder(relation))


def _stacked(relation: Concat, name: str) -> Form:
    parts = [forms(part)[name] for part in relation.parts]
    if any(part.unknown for part in parts):
        return msgspec.structs.replace(_free(relation, name), unknown=True)
    if not all(part.natural and part.is_core for part in parts):
        return _condition_or_free(relation, name)
    if len({part.core for part in parts}) == 1:
        return msgspec.structs.replace(parts[0], nulls=all(part.nulls for part in parts))
    loose, exactly = measures.identities(relation)[name], measures.identities(relation, exactly=True)[name]
    return Form(exactly, relation.fields[name], Measure(loose), (Term(loose),), natural=True, free=False)


def _settled(form: Form, relation: Relation, name: str) -> Form:
    """Where rows are numbered anew, conditions on the rows before cannot be looked up any more."""
    return _condition_or_free(relation, name) if form.is_conditional else form


def _condition_or_free(relation: Relation, name: str) -> Form:
    if not is_binary(relation.fields[name]):
        return _free(relation, name)
    core, loose = measures.identities(relation, exactly=True)[name], measures.identities(relation)[name]
    term = Term(ROWS, (Condition(relation, Value(name)),))
    return Form(core, relation.fields[name], Measure(loose), (term,), free=False)


def _free(relation: Relation, name: str) -> Form:
    core, loose = measures.identities(relation, exactly=True)[name], measures.identities(relation)[name]
    return Form(core, relation.fields[name], Measure(loose), nulls=False)
