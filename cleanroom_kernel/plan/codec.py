"""Codec: bytes <-> plan, with limits on size, nodes and depth.

A plan travels as a list of nodes, children before parents, each a map of its class name, its plain fields and the
positions of its children; so a graph stays a graph. Decoding builds every node through its constructor, which checks
it; tables come from the room's own schema. Only classes of the closed table `KINDS` can be built.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from cleanroom_kernel.plan import aggregates, expressions, models, relations
from cleanroom_kernel.plan.nodes import Node, PlanError, data_fields, postorder, shape_of
from cleanroom_kernel.plan.references import Reference
from cleanroom_kernel.plan.schema import RoomSchema, SchemaError

MAX_BYTES = 2 * 2**20
MAX_NODES = 20_000
MAX_DEPTH = 2_000

Wanted = TypeVar("Wanted", bound=Node)

_ABSTRACT = {"Node", "Relation", "Aggregate", "Expression", "Statistic", "Parameter"}


def _kinds() -> dict[str, type[Node]]:
    """Concrete node classes by wire name. Two modules may use one word; the second is told apart by its module."""
    kinds: dict[str, type[Node]] = {}
    for module in (expressions, models, relations, aggregates):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Node) and kind.__module__ == module.__name__ and name not in _ABSTRACT:
                kinds[wire_name(kind)] = kind
    return kinds


def wire_name(kind: type[Node]) -> str:
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"


class Limits(PlanError):
    """A plan beyond the codec's limits."""


def encode(root: Node) -> bytes:
    """Bytes of the plan under `root`. Raises Limits."""
    positions: dict[int, int] = {}
    rows: list[list[Any]] = []
    for node in postorder(root):
        shape = shape_of(type(node))
        rows.append(
            [
                wire_name(type(node)),
                data_fields(node),
                {name: _position(getattr(node, name), positions) for name in shape.one},
                {name: [positions[id(child)] for child in getattr(node, name)] for name in shape.many},
            ]
        )
        positions[id(node)] = len(positions)
        if len(rows) > MAX_NODES:
            raise _too_many_nodes()
    body = msgspec.msgpack.encode(rows)
    if len(body) > MAX_BYTES:
        raise Limits("The plan is too large.", rule="limits", suggestion="Use shorter lists of values.")
    return body


def decode(
    body: bytes, room: RoomSchema, wanted: type[Wanted], references: Mapping[str, Reference] | None = None
) -> Wanted:
    """The plan in `body`, whose root must be a `wanted`. Raises PlanError, Forbidden or Limits, and nothing else.

    `references` are the uploaded tables that it may look things up in, by their identity.
    """
    if len(body) > MAX_BYTES:
        raise Limits("The plan is too large.", rule="limits")
    try:
        rows = msgspec.msgpack.decode(body, type=list[_Row])
    except (ValueError, RecursionError):  # not only DecodeError: text that is no UTF-8
        raise PlanError("Not a plan.", rule="codec") from None
    if len(rows) > MAX_NODES:
        raise _too_many_nodes()
    built: list[Node] = []
    depths: list[int] = []
    for row in rows:
        node = _build(row, built, room, references or {})
        depth = 1 + max((depths[index] for index in row.positions()), default=0)
        if depth > MAX_DEPTH:
            raise Limits(f"The plan is deeper than {MAX_DEPTH} steps.", rule="limits")
        built.append(node)
        depths.append(depth)
    if not built or not isinstance(built[-1], wanted):
        raise PlanError(f"Not a plan for a {wanted.__name__.lower()}.", rule="codec")
    return built[-1]


class _Row(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    kind: str
    data: dict[str, Any]
    one: dict[str, int | None]
    many: dict[str, list[int]]

    def positions(self) -> list[int]:
        single = [index for index in self.one.values() if index is not None]
        return single + [index for indices in self.many.values() for index in indices]


def _build(row: _Row, built: list[Node], room: RoomSchema, references: Mapping[str, Reference]) -> Node:
    kind = KINDS.get(row.kind)
    if kind is None:
        raise PlanError("The plan has a node of a kind that does not exist.", rule="codec")
    if any(not 0 <= index < len(built) for index in row.positions()):
        raise PlanError("The plan refers to a node that comes later or not at all.", rule="codec")
    if kind is relations.Table:
        if set(row.data) != {"name"} or not isinstance(row.data["name"], str):
            raise PlanError("A table has a name.", rule="codec")
        try:
            return relations.Table(room[row.data["name"]])
        except SchemaError as unknown:
            raise PlanError(str(unknown), rule="schema") from None
    values = _uploaded(row.data, references) if kind is expressions.Lookup else _plain(kind, row.data)
    values |= {name: None if index is None else built[index] for name, index in row.one.items()}
    values |= {name: tuple(built[index] for index in indices) for name, indices in row.many.items()}
    _check_children(kind, values)
    return kind(**values)


def _plain(kind: type[Node], data: dict[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.structs.asdict(msgspec.convert(data, _data_type(kind)))
    except msgspec.ValidationError:
        raise PlanError("The plan has a node with fields of the wrong type.", rule="codec") from None
    return found


def _uploaded(data: dict[str, Any], references: Mapping[str, Reference]) -> dict[str, Any]:
    """The plain fields of a Lookup, with the table in the place of its identity."""
    identity, column = data.get("reference"), data.get("column")
    if set(data) != {"reference", "column"} or not isinstance(identity, str):
        raise PlanError("A look-up has a table and a column.", rule="codec")
    if not isinstance(column, str | None):
        raise PlanError("A look-up has a table and a column.", rule="codec")
    if identity not in references:
        raise PlanError(
            "The question looks something up in a table that was not uploaded in this session.",
            rule="uploads",
            suggestion="Upload it again: room.upload(df, name='codes').",
        )
    return {"reference": references[identity], "column": column}


@cache
def _node_types(kind: type[Node]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    shape = shape_of(kind)
    return {name: hints[name] for name in shape.one} | {name: typing.get_args(hints[name])[0] for name in shape.many}


def _check_children(kind: type[Node], values: dict[str, Any]) -> None:
    shape = shape_of(kind)
    if set(values) != {*shape.one, *shape.many, *shape.data}:
        raise PlanError("The plan has a node with missing or unknown fields.", rule="codec")
    for name, wanted in _node_types(kind).items():
        found = values[name] if name in shape.many else (values[name],)
        if not all(isinstance(child, wanted) for child in found):
            raise PlanError("The plan has a node with a child of the wrong kind.", rule="codec")


@cache
def _data_type(kind: type[Node]) -> type[msgspec.Struct]:
    """A struct of the plain fields of `kind`, for msgspec to check."""
    hints = typing.get_type_hints(kind)
    return msgspec.defstruct(
        f"{kind.__name__}Data", [(name, hints[name]) for name in shape_of(kind).data], forbid_unknown_fields=True
    )


def _position(node: Node | None, positions: dict[int, int]) -> int | None:
    return None if node is None else positions[id(node)]


def _too_many_nodes() -> Limits:
    return Limits(
        f"The plan has more than {MAX_NODES} steps.",
        rule="limits",
        suggestion="Release an intermediate result, or start from the table again.",
    )


KINDS = _kinds()
