"""Outbox: the one way from a session to its expert.

Promise: every message leaves with a header, a parent and a number of the server's own, and is journalled once. What
the output policy keeps back is said once in its cell, and counted in the audit log.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.http import ARTIFACT_MESSAGE
from cleanroom_kernel.protocol.jupyter import VERSION, Header, encode, now
from cleanroom_kernel.protocol.websocket import pack
from cleanroom_kernel.server.journal import Journal
from cleanroom_kernel.server.output import Meter, Note, OutputRules, Rebuilt
from cleanroom_kernel.server.shapes import SHAPES

NO_PARENT = b"{}"

_ESSENTIAL = frozenset({"status", "error", ARTIFACT_MESSAGE})
_MOST_METERS = 1000


class Outbox:
    def __init__(
        self, session: str, expert: str, journal: Journal, rules: OutputRules, record: Callable[[audit.AnyEvent], None]
    ) -> None:
        self.journal = journal
        self._session, self._expert, self._rules, self._record = session, expert, rules, record
        self._meters: OrderedDict[str, Meter] = OrderedDict()

    # -- the server's own words ---------------------------------------------------------------------------------------
    def say(self, kind: str, parent: bytes, content: dict[str, Any]) -> None:
        self.emit("iopub", kind, parent, encode(content))

    def tell(self, parent: bytes, text: str) -> None:
        """A line for the expert to read, in the cell that `parent` belongs to."""
        self.say("stream", parent, {"name": "stderr", "text": f"{text}\n"})

    def emit(
        self,
        channel: str,
        kind: str,
        parent: bytes,
        content: bytes,
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> None:
        """The number in the metadata is what a client that comes back asks to go on from."""
        number = self.journal.head + 1
        header = Header(
            msg_id=f"{self._session[:8]}_{number}",
            msg_type=kind,
            session=self._session,
            username="cleanroom",
            date=now(),
            version=VERSION,
        )
        metadata = metadata or {}
        marked = {**metadata, "cleanroom": {**metadata.get("cleanroom", {}), "number": number}}
        data = pack(channel, (encode(header), parent, encode(marked), content, *buffers))
        self.journal.append(data, expendable=channel == "iopub" and kind not in _ESSENTIAL)

    # -- what came from the interpreter -------------------------------------------------------------------------------
    def pass_on(self, channel: str, kind: str, cell: str, parent: bytes | None, rebuilt: Rebuilt) -> bool:
        """Emit a rebuilt message if its cell's allowance permits. `parent` is None where we know of no such request."""
        cell = cell if parent is not None else ""
        passes = self.admit(kind, cell, parent or NO_PARENT, rebuilt)
        if passes:
            self.emit(channel, kind, parent or NO_PARENT, rebuilt.content or b"", rebuilt.metadata, rebuilt.buffers)
        return passes

    def admit(self, kind: str, cell: str, parent: bytes, rebuilt: Rebuilt) -> bool:
        passes, note = self._meter(cell).admit(self._rules, SHAPES.get(kind), rebuilt)
        if note is not None:
            self.tell(parent, note.sentence)
        return passes

    def keep_back(self, note: Note) -> None:
        """Count something that belongs to no cell."""
        self._meter("").count(note)

    def settle_all(self) -> None:
        """Write to the audit log what was kept back since the last time: counted, so that no flood fills the log."""
        for cell, meter in self._meters.items():
            self._settle(cell, meter)

    def _settle(self, cell: str, meter: Meter) -> None:
        for note, count in meter.take_notes():
            self._record(audit.OutputDropped(self._session, self._expert, cell, note.why, note.what, count))

    def _meter(self, cell: str) -> Meter:
        if cell not in self._meters:
            self._meters[cell] = Meter()
            if len(self._meters) > _MOST_METERS:
                self._settle(*self._meters.popitem(last=False))
        return self._meters[cell]
