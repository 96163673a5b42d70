"""Asking: requests to the owner, as an expert holds them in a notebook.

What the owner approves comes as the released value itself: the code that asked is run again with it, so that it has the
shape that pandas gives; where that code is not known any more (after a restart), as a plain number or table.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.connection import Connection, KeptBack
from cleanroom_kernel.interpreter.display import NOTE_STYLE
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.results import array, attributed, of_job, provenance_of
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.protocol.airlock import Standing, State
from cleanroom_kernel.protocol.release import Array, Artifact, Grid, Payload, Receipt, Results

OfModel = Callable[[Any, str], tuple[Fit, Callable[[Artifact, Receipt], Any]]]
Made = Callable[[Payload, Receipt], Any]

_SHORTEST = 8  # characters that name a question


class Request:
    """A question that the owner was asked for. `state`, `comment` and the like are as they stand now."""

    def __init__(self, connection: Connection, standing: Standing, made: Made | None = None) -> None:
        self._connection = connection
        self._known = standing
        self._made = made or plain

    @property
    def number(self) -> int:
        return self._known.number

    @property
    def title(self) -> str:
        return self._known.title

    @property
    def reason(self) -> str:
        return self._known.reason

    @property
    def state(self) -> str:
        return self._now().state.value

    @property
    def comment(self) -> str:
        """What the owner wrote, if anything."""
        return self._now().comment

    def result(self) -> Any:
        """The value that the owner approved; it is released to you now. Raises CleanRoomRefusal if there is none."""
        return self._made(*self._connection.collect(self.number))

    def withdraw(self) -> Request:
        """Take the question back; the owner need not decide."""
        self._known = self._connection.withdraw(self.number)
        return self

    def _now(self) -> Standing:
        found = (standing for standing in self._connection.requests() if standing.number == self.number)
        self._known = next(found, self._known)
        return self._known

    def __repr__(self) -> str:
        return f"{_line(self._now())}\n{_what_now(self._known)}"

    def _repr_html_(self) -> str:
        title = f"<p><b>{html.escape(_line(self._now()))}</b></p>"
        reason = f"<p>{html.escape(self._known.reason)}</p>"
        return f'{title}{reason}<div style="{NOTE_STYLE}">{html.escape(_what_now(self._known))}</div>'


class Requests(tuple[Request, ...]):
    """Requests, shown as a table."""

    def _table(self) -> pd.DataFrame:
        known = [request._known for request in self]
        rows = [(one.number, one.state.value, one.title, one.reason, one.comment, one.asked) for one in known]
        names = ["number", "state", "asked for", "reason", "comment", "time"]
        return pd.DataFrame(rows, columns=names).set_index("number")

    def __repr__(self) -> str:
        return self._table().to_string(max_colwidth=60) if self else "You have asked the owner for nothing."

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _repr_html_(self) -> str:
        return self._table().to_html(border=0)


def ask(connection: Connection, what: Any, reason: str, filename: str | None, of_model: OfModel | None) -> Request:
    if not isinstance(reason, str):
        raise CleanRoomError("The reason is a text, for the owner to read.")
    if filename is not None:
        return _ask_for_model(connection, what, reason, filename, of_model)
    if callable(what):
        return _ask_for_code(connection, what, reason)
    aggregate = _named(connection, what)
    return Request(connection, connection.ask_owner(aggregate, reason))


def _ask_for_code(connection: Connection, code: Callable[[], Any], reason: str) -> Request:
    try:
        with connection.seeking():
            code()
    except KeptBack as found:
        standing = connection.ask_owner(found.aggregate, reason)
        return Request(connection, standing, _again(connection, code, standing.question))
    raise CleanRoomError("Nothing of this result is withheld.", suggestion="Use it as it is.", rule="request")


def _again(connection: Connection, code: Callable[[], Any], question: str) -> Made:
    """What the code gives when its question is answered."""

    def made(payload: Payload, receipt: Receipt) -> Any:
        with connection.settling(question, (payload, receipt)):
            return code()

    return made


def _ask_for_model(connection: Connection, model: Any, reason: str, filename: str, of_model: OfModel | None) -> Request:
    if of_model is None:
        raise CleanRoomError("Models cannot be released from this notebook.")
    fit, take_over = of_model(model, filename)
    standing = connection.ask_owner(fit, reason, filename)
    return Request(connection, standing, lambda payload, receipt: _model(payload, receipt, take_over))


def _model(payload: Payload, receipt: Receipt, take_over: Callable[[Artifact, Receipt], Any]) -> Any:
    assert isinstance(payload, Artifact), "a model was asked for"
    return take_over(payload, receipt)


def _named(connection: Connection, what: Any) -> Aggregate:
    """The question that an error, a table with suppressed cells, or its own name stands for."""
    names = [receipt.question for receipt in provenance_of(what).receipts if receipt.suppressed]
    if isinstance(what, CleanRoomError):
        names = [what.question]
    elif isinstance(what, str) and len(what) >= _SHORTEST:
        names = [name for name in connection.kept_back if name.startswith(what)]
    for name in reversed(names):
        if name in connection.kept_back:
            return connection.kept_back[name]
    raise CleanRoomError(
        "This names no question of this session that was withheld.",
        suggestion="Give the code that asks: room.request_release(lambda: df.age.mean(), reason)",
        rule="request",
    )


def plain(payload: Payload, receipt: Receipt) -> Any:
    """A released payload as a number, a Series or a DataFrame, without the code that asked for it."""
    if isinstance(payload, Array):
        return array(payload)
    if isinstance(payload, Results):
        return of_job(payload, receipt)
    if not isinstance(payload, Grid):
        return payload
    if not payload.keys:
        values = [column[0] for column in payload.values]
        return values[0] if len(values) == 1 else attributed(pd.Series(values, index=payload.columns), {}, receipt)
    index = pd.MultiIndex.from_tuples(payload.rows, names=payload.keys)
    index = index.get_level_values(0) if len(payload.keys) == 1 else index
    table = pd.DataFrame(dict(zip(payload.columns, payload.values, strict=True)), index=index)
    return attributed(table.iloc[:, 0] if len(payload.columns) == 1 else table, {}, receipt)


def _line(standing: Standing) -> str:
    return f"Request {standing.number}, {standing.state.value}: {standing.title}"


_NEXT = {
    State.ASKED: "The owner has not decided yet.",
    State.APPROVED: "Approved. result() gives the value.",
    State.REJECTED: "The owner rejected it.",
    State.RETURNED: "The owner returned it. Ask again with another reason, or for something else.",
    State.EXPIRED: "Nobody decided in time. Ask again if you still need it.",
    State.WITHDRAWN: "You took it back.",
    State.RUNNING: "The job is running.",
    State.DONE: "The job has run. result() gives what may leave of it.",
    State.FAILED: "The job failed. The owner can read which error it was, and in which line.",
}


def _what_now(standing: Standing) -> str:
    said = f" The owner wrote: {standing.comment}" if standing.comment else ""
    agreed = f" {standing.agreed} of {standing.checkers} checkers agree." if standing.checkers > 1 else ""
    waiting = agreed if standing.state is State.ASKED else ""
    return f"{_NEXT[standing.state]}{waiting}{said}"
