"""Output: the owner's rules for the form of what leaves, applied to every message.

Promise: `rebuild` makes each outgoing message new, from validated values only; nothing of the interpreter's own bytes
is passed on unread. What it keeps back it names in a `Note`. Values need no look here: the interpreter holds none
that the gate did not release.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from traitlets import Integer, List, Unicode, validate
from traitlets.config import Configurable
from traitlets.traitlets import TraitError

from cleanroom_kernel.audit import Drop
from cleanroom_kernel.protocol.http import Problem, error_reply
from cleanroom_kernel.server.shapes import SHAPES, ExecuteReply, Page, Shape

MIME_TYPES = [
    "text/plain",
    "text/html",
    "text/markdown",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/svg+xml",
    "application/json",
    "application/geo+json",
    "application/javascript",
    "application/pdf",
    "application/vnd.jupyter.widget-view+json",
    "application/vnd.plotly.v1+json",
    "application/vnd.bokehjs_load.v0+json",
    "application/vnd.bokehjs_exec.v0+json",
    "application/vnd.holoviews_load.v0+json",
    "application/vnd.holoviews_exec.v0+json",
    "application/vnd.vega.v*+json",
    "application/vnd.vegalite.v*+json",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_/-]{0,79}")
_VERSION = re.compile(r"[0-9.~^]{1,20}")
_OURS = "cleanroom"  # metadata under this name comes from the server alone
_MOST_NOTES = 50  # kinds of drops told apart per cell
_MOST_PLAIN = 1000  # messages per cell that do not count as output (busy, idle)


class OutputRules(Struct, frozen=True):
    """The output policy as a frozen value."""

    message_types: frozenset[str]
    mime_types: tuple[str, ...]
    max_message_bytes: int
    max_cell_bytes: int
    max_cell_messages: int
    max_messages_per_second: int


class OutputPolicy(Configurable):
    """What form of output leaves the room. Values have passed the gate before; this is about kinds, sizes and rates."""

    message_types = List(
        Unicode(),
        default_value=sorted(SHAPES),
        help="""Kinds of Jupyter messages that reach the expert. Take out `comm_open`, `comm_msg` and `comm_close` for
        a room without widgets, `input_request` for one without questions to the expert. A reply of a kind not listed
        here is replaced by an error, so that nobody waits for it.""",
    ).tag(config=True)
    mime_types = List(
        Unicode(),
        default_value=MIME_TYPES,
        help="""MIME types that displayed output may have; `*` stands for any characters. Where an output comes in
        several types, the allowed ones pass.""",
    ).tag(config=True)
    max_message_bytes = Integer(
        64 * 2**20, min=2**10, help="Largest single message, in bytes. Larger ones are dropped unread."
    ).tag(config=True)
    max_cell_bytes = Integer(
        256 * 2**20, min=2**10, help="Most output of one cell, in bytes. What follows is dropped and said so."
    ).tag(config=True)
    max_cell_messages = Integer(
        100_000, min=1, help="Most output messages of one cell. What follows is dropped and said so."
    ).tag(config=True)
    max_messages_per_second = Integer(
        10_000, min=10, help="Pace of output. A faster interpreter is slowed down; nothing is lost by it."
    ).tag(config=True)

    @validate("message_types")
    def _known(self, proposal: Any) -> Any:
        unknown = sorted(set(proposal["value"]) - set(SHAPES))
        if unknown:
            raise TraitError(f"OutputPolicy.message_types: unknown {', '.join(unknown)}; known are {', '.join(SHAPES)}")
        return proposal["value"]

    def snapshot(self) -> OutputRules:
        return OutputRules(
            message_types=frozenset(self.message_types),
            mime_types=tuple(self.mime_types),
            max_message_bytes=self.max_message_bytes,
            max_cell_bytes=self.max_cell_bytes,
            max_cell_messages=self.max_cell_messages,
            max_messages_per_second=self.max_messages_per_second,
        )


class Note(Struct, frozen=True):
    """Something was kept back. `what` is a name cut to plain characters."""

    why: Drop
    what: str

    @property
    def sentence(self) -> str:
        return f"[clean room: {_SENTENCES[self.why].format(what=self.what)}]"


_SENTENCES: dict[Drop, str] = {
    Drop.MESSAGE_TYPE: "message of type {what} dropped by the owner's policy",
    Drop.MIME_TYPE: "output of type {what} dropped by the owner's policy",
    Drop.SIZE: "output truncated: {what} beyond the owner's size limit",
    Drop.COUNT: "output truncated: more messages than the owner's limit",
    Drop.MALFORMED: "malformed message of type {what} dropped",
    Drop.BUFFERS: "binary buffers of a message of type {what} dropped",
}


class Rebuilt(Struct, frozen=True):
    """`content` is None where the message is kept back altogether."""

    content: bytes | None
    metadata: dict[str, Any]
    buffers: tuple[bytes, ...]
    notes: tuple[Note, ...]

    @property
    def size(self) -> int:
        return len(self.content or b"") + sum(map(len, self.buffers))


def rebuild(
    rules: OutputRules,
    channel: str,
    kind: str,
    content: bytes | None,
    metadata: bytes = b"{}",
    buffers: Sequence[bytes] = (),
) -> Rebuilt:
    """The message as it may leave. `content` is None where it was beyond the limit and not even read."""
    shape = SHAPES.get(kind)
    if shape is None or shape.channel != channel or kind not in rules.message_types:
        return _kept_back(kind, Note(Drop.MESSAGE_TYPE, plain(kind)))
    if content is None or len(content) + sum(map(len, buffers)) > rules.max_message_bytes:
        return _kept_back(kind, Note(Drop.SIZE, plain(kind)))
    try:
        body = _read(content, shape.content)
    except ValueError:
        return _kept_back(kind, Note(Drop.MALFORMED, plain(kind)))
    body, notes = _allow_types(rules, shape, body)
    if body is None:
        return Rebuilt(None, {}, (), notes)
    if buffers and not shape.buffered:
        notes, buffers = (*notes, Note(Drop.BUFFERS, plain(kind))), ()
    return Rebuilt(msgspec.json.encode(body), _metadata(kind, metadata), tuple(buffers), notes)


def plain(name: str) -> str:
    """A name that untrusted code chose, fit to be shown and logged."""
    return name if _NAME.fullmatch(name) else "an unreadable name"


def _kept_back(kind: str, note: Note) -> Rebuilt:
    """A reply is owed, whatever it held: the client would wait for it for ever."""
    if kind.endswith("_reply") and kind in SHAPES:
        return Rebuilt(msgspec.json.encode(error_reply(Problem.REPLY_DROPPED)), {}, (), (note,))
    return Rebuilt(None, {}, (), (note,))


def _read(content: bytes, shape: type[Struct]) -> Struct:
    try:
        return msgspec.json.decode(content, type=shape)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except msgspec.ValidationError:
        raise
    except ValueError:
        # Honest code prints names of files that are no valid UTF-8.
        return msgspec.json.decode(content.decode("utf-8", "replace"), type=shape)


def _metadata(kind: str, metadata: bytes) -> dict[str, Any]:
    """Only widgets need any: their front end checks the version of the protocol there."""
    if kind != "comm_open":
        return {}
    try:
        version = msgspec.json.decode(metadata, type=dict[str, Any]).get("version")
    except (ValueError, RecursionError):
        return {}
    return {"version": version} if isinstance(version, str) and _VERSION.fullmatch(version) else {}


# -- MIME types -------------------------------------------------------------------------------------------------------
def _allow_types(rules: OutputRules, shape: Shape, body: Any) -> tuple[Any, tuple[Note, ...]]:
    """`body` with allowed MIME types only; None where nothing is left to show."""
    notes: list[Note] = []
    if shape.bundled:
        data = _bundle(rules, body.data, notes)
        if notes and not data:
            return None, tuple(notes)
        return msgspec.structs.replace(body, data=data, metadata=_tidy(body.metadata)), tuple(notes)
    if shape.content is ExecuteReply:
        return _reply(rules, body, notes), tuple(notes)
    return body, ()


def _reply(rules: OutputRules, body: ExecuteReply, notes: list[Note]) -> ExecuteReply:
    if body.payload is not UNSET:
        payload = [_payload(rules, item, notes) for item in body.payload]
        body = msgspec.structs.replace(body, payload=payload)
    if body.user_expressions is not UNSET:
        expressions = {name: _expression(rules, value, notes) for name, value in body.user_expressions.items()}
        body = msgspec.structs.replace(body, user_expressions=expressions)
    return body


def _payload(rules: OutputRules, item: Any, notes: list[Note]) -> Any:
    return msgspec.structs.replace(item, data=_bundle(rules, item.data, notes)) if isinstance(item, Page) else item


def _expression(rules: OutputRules, value: Any, notes: list[Note]) -> Any:
    if value.data is not UNSET:
        value = msgspec.structs.replace(value, data=_bundle(rules, value.data, notes))
    if value.metadata is not UNSET:
        value = msgspec.structs.replace(value, metadata=_tidy(value.metadata))
    return value


def _bundle(rules: OutputRules, data: dict[str, Any], notes: list[Note]) -> dict[str, Any]:
    allowed = {}
    for name, value in data.items():
        if not any(fnmatchcase(name, pattern) for pattern in rules.mime_types):
            notes.append(Note(Drop.MIME_TYPE, plain(name)))
        elif not (isinstance(value, str) or name.endswith("json")):
            notes.append(Note(Drop.MALFORMED, plain(name)))
        else:
            allowed[name] = value
    return allowed


def _tidy(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if not key.startswith(_OURS)}


# -- what one cell has put out ----------------------------------------------------------------------------------------
class Meter:
    """Counts one cell's output against its allowance, and what was kept back of it."""

    def __init__(self) -> None:
        self.notes: Counter[Note] = Counter()
        self._bytes = self._counted = self._plain = 0
        self._said = False

    def admit(self, rules: OutputRules, shape: Shape | None, rebuilt: Rebuilt) -> tuple[bool, Note | None]:
        """Whether the message may leave, and the one note of this cell that is shown in it."""
        passes = shape is not None and rebuilt.content is not None
        notes = list(rebuilt.notes)
        if passes and shape.counted:
            self._bytes += rebuilt.size
            self._counted += 1
            if self._bytes > rules.max_cell_bytes:
                passes = False
                notes.append(Note(Drop.SIZE, "everything"))
            elif self._counted > rules.max_cell_messages:
                passes = False
                notes.append(Note(Drop.COUNT, "everything"))
        elif passes and shape.channel == "iopub":
            self._plain += 1
            passes = self._plain <= _MOST_PLAIN
        return passes, self._record(notes)

    def count(self, note: Note) -> None:
        """Something was kept back that no message shows."""
        known = note in self.notes or len(self.notes) < _MOST_NOTES
        self.notes[note if known else Note(note.why, "others")] += 1

    def take_notes(self) -> list[tuple[Note, int]]:
        """What was kept back since the last call, for the audit log."""
        taken = list(self.notes.items())
        self.notes.clear()
        return taken

    def _record(self, notes: list[Note]) -> Note | None:
        for note in notes:
            self.count(note)
        if not notes or self._said:
            return None
        self._said = True
        return notes[0]
