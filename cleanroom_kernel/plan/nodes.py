"""Nodes: the frozen values that a plan is made of, and the ways to walk them.

Promise: a node is valid once built, holds no data and never changes. Plans are graphs, not trees (a handle is used
many times), so equality is by `digest`, every walk is a loop over unique nodes, and nothing here recurses.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from cleanroom_kernel.plan.schema import SchemaError

Result = TypeVar("Result")


class PlanError(SchemaError):
    """A plan that breaks a rule. `rule` names it, `suggestion` says what to write instead."""

    def __init__(self, message: str, *, rule: str = "types", suggestion: str = "") -> None:
        super().__init__(f"{message} {suggestion}".strip())
        self.rule = rule
        self.message = message
        self.suggestion = suggestion


class Forbidden(PlanError):
    """A plan that a structural rule never lets out, whatever the data."""


class Node(Struct, frozen=True, dict=True, eq=False, forbid_unknown_fields=True):
    """Base of everything in a plan. `dict=True` holds what is derived once (digest, fields), never what is given."""


class Shape(Struct, frozen=True):
    """How the fields of a node class split: those that are nodes, those that are tuples of nodes, and plain data."""

    one: tuple[str, ...]
    many: tuple[str, ...]
    data: tuple[str, ...]


@cache
def shape_of(kind: type[Node]) -> Shape:
    hints = typing.get_type_hints(kind)
    one, many, data = [], [], []
    for name in kind.__struct_fields__:
        hint = hints[name]
        if _is_node(hint):
            one.append(name)
        elif get_origin(hint) is tuple and get_args(hint)[1:] == (...,) and _is_node(get_args(hint)[0]):
            many.append(name)
        else:
            data.append(name)
    return Shape(tuple(one), tuple(many), tuple(data))


def _is_node(hint: Any) -> bool:
    if get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_node(option) for option in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, Node)


def children(node: Node) -> tuple[Node, ...]:
    shape = shape_of(type(node))
    single = (getattr(node, name) for name in shape.one)
    several = (child for name in shape.many for child in getattr(node, name))
    return (*(child for child in single if child is not None), *several)


def postorder(*roots: Node) -> Iterator[Node]:
    """Every node reachable from `roots` once, children before parents."""
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if id(node) in done:
            continue
        if expanded:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children(node)) if id(child) not in done)


def fold(root: Node, step: Callable[[Node, tuple[Result, ...]], Result]) -> Result:
    """Bottom-up evaluation: `step` gets each node once, with the results of its children in order."""
    results: dict[int, Result] = {}
    for node in postorder(root):
        results[id(node)] = step(node, tuple(results[id(child)] for child in children(node)))
    return results[id(root)]


def digest(node: Node) -> str:
    """Identity of what a node means: equal for equal plans, across processes and sessions (hex, 160 bits)."""
    for part in () if "digest" in node.__dict__ else postorder(node):
        if "digest" not in part.__dict__:
            content = msgspec.msgpack.encode(
                (
                    type(part).__name__,
                    data_fields(part),
                    [
                        None if getattr(part, name) is None else getattr(part, name).__dict__["digest"]
                        for name in shape_of(type(part)).one
                    ],
                    [[child.__dict__["digest"] for child in getattr(part, name)] for name in shape_of(type(part)).many],
                )
            )
            part.__dict__["digest"] = blake2b(content, digest_size=20).hexdigest()
    identity: str = node.__dict__["digest"]
    return identity


def data_fields(node: Node) -> dict[str, Any]:
    """The plain fields of a node as the codec writes them; a class may name itself shorter (`wire_fields`)."""
    short = getattr(node, "wire_fields", None)
    return short() if short is not None else {name: getattr(node, name) for name in shape_of(type(node)).data}
