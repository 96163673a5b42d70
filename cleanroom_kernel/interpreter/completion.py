"""Completion: what IPython may evaluate of our objects before Tab and Shift+Tab, none of which asks the vault.

IPython evaluates what stands before the dot only where a policy allows it. Handles are plans, so their columns,
conditions and group-bys may be built; the few properties that ask (`shape`, `size`) and all other calls may not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from IPython.core.guarded_eval import EVALUATION_POLICIES

from cleanroom_kernel.interpreter import connection
from cleanroom_kernel.interpreter.accessors import Accessor
from cleanroom_kernel.interpreter.groupby import GroupBy
from cleanroom_kernel.interpreter.handles import Frame, Handle, method
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.interpreter.selection import Indexer

OURS = (Handle, GroupBy, Room, Accessor, Indexer)

ASKING = {"shape", "size", "empty", "ngroups"}
PLANNING = {
    "groupby", "copy", "head", "tail", "query", "assign", "merge", "drop", "dropna", "fillna", "rename",
    "reset_index", "set_index", "sort_values", "astype", "sample",
}  # fmt: skip


@method(Frame, name="_ipython_key_completions_")
def column_names(self: Frame) -> list[Any]:
    return list(self._columns)


def install(shell: Any) -> None:
    """Let the shell's completer go through handles; Jedi, which may evaluate properties, is left out."""
    for name in ("object_inspect", "object_inspect_mime", "object_inspect_text"):
        setattr(shell, name, _only_looking(getattr(shell, name)))
    completer = getattr(shell, "Completer", None)
    if completer is None:
        return
    completer.use_jedi = False
    policy = EVALUATION_POLICIES["limited"]
    allowed: dict[str, Callable[..., bool]] = {
        "can_get_attr": lambda owner, name: name not in ASKING,
        "can_get_item": lambda owner, item: True,
        "can_operate": lambda dunders, left, right=None: True,
        "can_call": lambda function: getattr(function, "__name__", "") in PLANNING,
    }
    for name, allow in allowed.items():
        setattr(policy, name, _for_ours(allow, getattr(type(policy), name).__get__(policy)))


def _only_looking(inspect: Callable[..., Any]) -> Callable[..., Any]:
    """IPython takes the length of what it describes, and goes without where there is none."""

    @functools.wraps(inspect)
    def look(*args: Any, **kwargs: Any) -> Any:
        with connection.current().looking():
            return inspect(*args, **kwargs)

    return look


def _for_ours(allow: Callable[..., bool], usual: Callable[..., Any]) -> Callable[..., Any]:
    """`allow` where one of the arguments (or the owner of a bound method) is ours, IPython's own rule otherwise."""

    def decide(*args: Any, **kwargs: Any) -> Any:
        concerned = [*args, *(getattr(argument, "__self__", None) for argument in args)]
        if any(isinstance(argument, OURS) for argument in concerned):
            return allow(*args, **kwargs)
        return usual(*args, **kwargs)

    return decide
