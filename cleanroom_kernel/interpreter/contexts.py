"""Row contexts: which columns belong to the same rows, and how an expression is carried from one context to another.

A context is a relation. It is read as a root (a table, a join, a stack of tables, one row per unit) and the steps taken
from there. Some steps keep every row and only add hidden columns; the others narrow or reorder the rows. Two contexts
meet when the narrowing steps of one begin those of the other: the columns that either has added are then all computed
at the place where they were, so the order in which an expert wrote things down does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import msgspec

from cleanroom_kernel.interpreter.errors import DifferentRows
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Expression, Literal, Lookup, Named, RowFunction, Value, type_of
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import Node, children, data_fields, digest, fold, postorder
from cleanroom_kernel.plan.relations import (
    Assign,
    Distinct,
    Filter,
    How,
    Join,
    PerUnit,
    Predict,
    Sample,
    Sort,
    Split,
    Take,
    Window,
)
from cleanroom_kernel.plan.schema import DType

_KEEPING = (Assign, Window, Predict)
_NARROWING = (Filter, Split, Sample, Sort, Take, Distinct)

TREE_LIMIT = 24  # an expression that stands for more nodes than this is computed once, in a hidden column


@dataclass(frozen=True)
class Path:
    """A context, taken apart: `kept[i]` are the keeping steps before `narrowed[i]`, and `kept[-1]` the last ones."""

    root: Relation
    kept: tuple[tuple[Relation, ...], ...]
    narrowed: tuple[Relation, ...]


def path_of(rows: Relation) -> Path:
    steps: list[Relation] = []
    while (parent := _parent(rows)) is not None:
        steps.append(rows)
        rows = parent
    kept: list[list[Relation]] = [[]]
    narrowed: list[Relation] = []
    for step in reversed(steps):
        if isinstance(step, _NARROWING):
            narrowed.append(step)
            kept.append([])
        else:
            kept[-1].append(step)
    return Path(rows, tuple(map(tuple, kept)), tuple(narrowed))


def meet(*contexts: Relation, exact: bool = False) -> Relation:
    """The context in which the columns of all `contexts` are known: the narrowest of them. Raises DifferentRows.

    With `exact` they must have the same rows, as where numbers of rows have to agree (X and y of a fit).
    """
    return reduce(lambda one, other: _meet(one, other, exact), contexts)


def align(target: Relation, rows: Relation, expression: Expression) -> tuple[Relation, Expression]:
    """`expression` over `rows` as a column of exactly the rows of `target`: (target with what it needs, expression).

    Where `rows` are fewer, the others get null, as pandas' alignment by index has it. Raises DifferentRows.
    """
    wide, narrow = path_of(target), path_of(rows)
    _check_meeting(wide, narrow)
    common = len(wide.narrowed)
    if len(narrow.narrowed) <= common:
        return meet(target, rows), expression
    lost = narrow.narrowed[common:]
    known = meet(target, _built(narrow, common))
    dtype = type_of(expression, rows.fields).dtype
    for step, kept in zip(reversed(lost), reversed(narrow.kept[common + 1 :]), strict=True):
        expression = _inlined(expression, kept)
        if isinstance(step, Filter):
            expression = Call(Function.WHERE, (step.where, expression, Literal(None, dtype)))
        elif not isinstance(step, Sort):
            raise DifferentRows
    if not names_in(expression) <= set(known.fields):
        raise DifferentRows
    return known, expression


def widest(*contexts: Relation) -> Relation:
    """The context with the most rows among those that meet: that of an element-wise result."""
    return min(contexts, key=lambda rows: len(path_of(rows).narrowed))


def membership(target: Relation, rows: Relation) -> Expression:
    """True for the rows of `target` that are among `rows`, which come from it by filters. Raises DifferentRows."""
    _, member = align(target, rows, Literal(True, DType.BOOLEAN))
    if isinstance(member, Literal):
        return member
    return Call(Function.COALESCE, (member, Literal(False, DType.BOOLEAN)))


def narrower(one: Relation, other: Relation) -> bool:
    """Whether `other` has been narrowed further than `one`."""
    return len(path_of(other).narrowed) > len(path_of(one).narrowed)


def unfolded(rows: Relation, expression: Expression) -> Expression:
    """`expression` without the columns that were computed since the last narrowing step, as it was before that step."""
    return _inlined(expression, path_of(rows).kept[-1])


def names_in(expression: Expression) -> set[str]:
    return {node.name for node in postorder(expression) if isinstance(node, Value)}


def settled(rows: Relation, expression: Expression) -> tuple[Relation, Expression]:
    """A large expression as a hidden column of its own, so that repeated use does not multiply it."""
    if _tree_size(expression) <= TREE_LIMIT:
        return rows, expression
    name = hidden_name("x", expression)
    if name in rows.fields:
        return rows, Value(name)
    return Assign(rows, (Named(name, expression),)), Value(name)


def named_in(rows: Relation, expression: Expression) -> tuple[Relation, str]:
    """`expression` as a column that `rows` has under a name, for the steps that take names."""
    if isinstance(expression, Value):
        return rows, expression.name
    name = hidden_name("x", expression)
    if name in rows.fields:
        return rows, name
    return Assign(rows, (Named(name, expression),)), name


def hidden_name(what: str, *nodes: Node) -> str:
    """A name that no expert can have chosen and that is the same whenever the same thing is computed."""
    return f"__{what}_{digest(nodes[0])[:12]}" if len(nodes) == 1 else f"__{what}_{_joint_digest(nodes)}"


def _joint_digest(nodes: tuple[Node, ...]) -> str:
    return "".join(digest(node)[:8] for node in nodes)


def _parent(rows: Relation) -> Relation | None:
    if isinstance(rows, Join):
        return rows.left if _is_keeping_join(rows) else None
    return rows.over if isinstance(rows, (*_KEEPING, *_NARROWING)) else None


def _is_keeping_join(join: Join) -> bool:
    """A left join with one row per key that adds hidden columns only keeps every row."""
    added = set(join.right.fields) - set(join.right_on)
    return (
        join.how is How.LEFT
        and join.left_on == join.right_on
        and isinstance(join.right, PerUnit)
        and set(join.right_on) == set(join.right.by)
        and all(name.startswith("__") for name in added)
    )


def _meet(one: Relation, other: Relation, exact: bool) -> Relation:
    if one is other or digest(one) == digest(other):
        return one
    first, second = path_of(one), path_of(other)
    _check_meeting(first, second)
    if exact and len(first.narrowed) != len(second.narrowed):
        raise DifferentRows
    longer = first if len(first.narrowed) >= len(second.narrowed) else second
    merged = Path(
        _root_of_both(first.root, second.root), tuple(map(_union, *_padded(first.kept, second.kept))), longer.narrowed
    )
    return _built(merged, len(merged.narrowed))


def _root_of_both(one: Relation, other: Relation) -> Relation | None:
    """The root that both are, or that has the columns of both: group-bys of the same rows by the same unit keys."""
    if digest(one) == digest(other):
        return one
    if isinstance(one, PerUnit) and isinstance(other, PerUnit) and one.by == other.by:
        try:
            over = _meet(one.over, other.over, True)
        except DifferentRows:
            return None
        names = {column.name for column in one.columns}
        added = tuple(column for column in other.columns if column.name not in names)
        return PerUnit(over, one.by, (*one.columns, *added))
    return None


def _check_meeting(first: Path, second: Path) -> None:
    if _root_of_both(first.root, second.root) is None:
        raise DifferentRows
    if any(_key(a) != _key(b) for a, b in zip(first.narrowed, second.narrowed, strict=False)):
        raise DifferentRows


def _padded(
    first: tuple[tuple[Relation, ...], ...], second: tuple[tuple[Relation, ...], ...]
) -> tuple[tuple[tuple[Relation, ...], ...], tuple[tuple[Relation, ...], ...]]:
    length = max(len(first), len(second))
    return first + ((),) * (length - len(first)), second + ((),) * (length - len(second))


def _union(first: tuple[Relation, ...], second: tuple[Relation, ...]) -> tuple[Relation, ...]:
    known = {_key(step) for step in first}
    return (*first, *(step for step in second if _key(step) not in known))


def _built(path: Path, narrowings: int) -> Relation:
    """The context after the first `narrowings` narrowing steps of `path`."""
    rows = path.root
    for position in range(narrowings + 1):
        for step in path.kept[position]:
            rows = _upon(step, rows)
        if position < narrowings:
            rows = _upon(path.narrowed[position], rows)
    return rows


def _upon(step: Relation, rows: Relation) -> Relation:
    if _parent(step) is rows:
        return step
    if isinstance(step, Join):
        return msgspec.structs.replace(step, left=rows)
    return msgspec.structs.replace(step, over=rows)


def _key(step: Relation) -> tuple[object, ...]:
    """What a step does, whatever it is done to."""
    parent = _parent(step)
    others = [digest(child) for child in children(step) if child is not parent]
    return type(step).__name__, msgspec.msgpack.encode(data_fields(step)), tuple(others)


def _inlined(expression: Expression, kept: tuple[Relation, ...]) -> Expression:
    """`expression` without the columns that Assign steps among `kept` have added."""
    for step in reversed(kept):
        if isinstance(step, Assign):
            expression = _replaced(expression, {column.name: column.of for column in step.columns})
    return expression


def _replaced(expression: Expression, by_name: dict[str, Expression]) -> Expression:
    def step(node: Node, parts: tuple[Expression, ...]) -> Expression:
        if isinstance(node, Value):
            return by_name.get(node.name, node)
        if all(new is old for new, old in zip(parts, children(node), strict=True)):
            return node
        if isinstance(node, (Call, RowFunction)):
            return msgspec.structs.replace(node, arguments=parts)
        return msgspec.structs.replace(node, of=parts if isinstance(node, Lookup) else parts[0])

    return fold(expression, step)


def _tree_size(expression: Expression) -> int:
    """Number of nodes of the expression when written out, shared parts counted each time."""
    return fold(expression, lambda node, sizes: min(1 + sum(sizes), 10**9))
