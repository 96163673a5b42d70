"""Audit log: what happened in a room, in order, for the owner to read.

Promise: append-only and hash-chained. Each entry's hash covers the entry before it, so that a change, a gap or a swap
anywhere shows in `verify`; a cut-off tail shows against any later hash that somebody holds (every receipt carries
one). An entry joins the caller's own transaction: what must not happen without its record is written together with
it. No event has a field for a data value.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

DATABASE = "cleanroom.sqlite"
BUSY_SECONDS = 30
BEGINNING = "0" * 64  # stands for the entry before the first
READ_ONLY = "cleanroom_read_only"  # execution option: begin without taking the write lock


# -- events: a closed set ---------------------------------------------------------------------------------------------
class Drop(enum.Enum):
    """Why the server kept back an outgoing message or a part of it."""

    MESSAGE_TYPE = "message type"
    MIME_TYPE = "MIME type"
    SIZE = "size"
    COUNT = "number of messages"
    MALFORMED = "malformed"
    BUFFERS = "buffers"


class Ending(enum.Enum):
    """Why a session ended."""

    EXPERT = "expert"  # shut down or restarted by the expert
    OWNER = "owner"
    IDLE = "idle"
    AGE = "age"
    REVOKED = "revoked"
    FAILED = "failed"  # it never opened
    STOPPED = "stopped"  # the server itself ended


class Login(enum.Enum):
    """Why a login was refused."""

    MISSING = "no token"
    UNKNOWN = "unknown token"
    REVOKED = "revoked token"
    EXPIRED = "expired token"
    LIMITED = "too many failures"
    ORIGIN = "from a browser"


class Event(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Base of all events. An event's tag is what the log shows and what `entries` can be narrowed to."""


class RoomOpened(Event, frozen=True, tag="room opened"):
    """The server began to serve a room."""

    room: str
    version: str  # of this package
    address: str


class RoomClosed(Event, frozen=True, tag="room closed"):
    room: str


class SessionStarted(Event, frozen=True, tag="session started"):
    session: str
    expert: str
    room: str
    address: str  # of the expert's machine, as the server saw it


class SessionEnded(Event, frozen=True, tag="session ended"):
    session: str
    expert: str
    reason: Ending


class SandboxTier(Event, frozen=True, tag="sandbox tier"):
    """How well a session's interpreter is confined, as the self-test found it."""

    session: str
    tier: str
    layers: tuple[str, ...]


class CellExecuted(Event, frozen=True, tag="cell executed"):
    """An expert's code is about to run. The owner may read what experts run, so the code itself is kept."""

    session: str
    expert: str
    cell: str
    sha256: str
    length: int
    code: str

    @classmethod
    def of(cls, session: str, expert: str, cell: str, code: str) -> CellExecuted:
        digest = hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(session, expert, cell, digest, len(code), code.encode("utf-8", "replace").decode())


class Released(Event, frozen=True, tag="released"):
    """A value left the room. Written in the transaction that also writes it to the ledger."""

    session: str
    expert: str
    cell: str
    number: int  # position in the ledger
    question: str  # digest of the plan
    output_class: str
    title: str
    rules: tuple[str, ...]
    units: str  # band
    cells: int
    suppressed: int
    precision: str
    policy: str


class Withheld(Event, frozen=True, tag="withheld"):
    """A data-dependent no. `rules` is what the gate found: the owner may know, the expert is told only "policy"."""

    session: str
    expert: str
    cell: str
    question: str
    title: str
    rules: tuple[str, ...]


class Refused(Event, frozen=True, tag="refused"):
    """A structural no."""

    session: str
    expert: str
    cell: str
    question: str
    reason: str
    rule: str


class Uploaded(Event, frozen=True, tag="uploaded"):
    """An expert brought a public table. Names are the expert's own; `identity` is that of its content."""

    session: str
    expert: str
    cell: str
    name: str
    identity: str
    rows: int
    keys: tuple[str, ...]
    columns: tuple[str, ...]


class Delivered(Event, frozen=True, tag="delivered"):
    """A released file was sent to the expert's machine."""

    session: str
    expert: str
    number: int
    name: str
    sha256: str
    size: int


class OutputDropped(Event, frozen=True, tag="output dropped"):
    """The output policy kept something back. Names are cut short: untrusted code chose them."""

    session: str
    expert: str
    cell: str
    why: Drop
    what: str
    count: int


class MessageRefused(Event, frozen=True, tag="message refused"):
    """An expert's client sent a message that this server does not pass on."""

    session: str
    expert: str
    channel: str
    message_type: str


class PolicyChanged(Event, frozen=True, tag="policy changed"):
    """Another policy is in force: the configuration file's at the server's start, or what an owner saved."""

    room: str
    preset: str
    settings: dict[str, bool | int | float | str]
    by: str = ""  # an owner by name; "" for the file


class PolicyRehearsed(Event, frozen=True, tag="policy rehearsed"):
    """An owner has past questions judged again by a draft of a policy; nothing of it reaches an expert."""

    by: str
    preset: str
    settings: dict[str, bool | int | float | str]


class RehearsalEnded(Event, frozen=True, tag="rehearsal ended"):
    """How a rehearsal ended, and what it found: numbers of questions."""

    by: str
    ending: str
    questions: int
    judged: int
    passes: int
    fails: int
    changes: int


class RequestMade(Event, frozen=True, tag="request made"):
    """An expert asks the owner for an answer that the gate withheld. `sha256` is of the frozen answer."""

    number: int
    session: str
    expert: str
    cell: str
    question: str
    title: str
    reason: str
    findings: tuple[str, ...]
    sha256: str


class RequestStep(Event, frozen=True, tag="request step"):
    """What became of a request, by whom (nobody, where it expired), and with which comment."""

    number: int
    expert: str
    step: str
    state: str
    person: str
    comment: str
    sha256: str


class NoticeFailed(Event, frozen=True, tag="notice failed"):
    """Word of a request did not reach whom it was for; the request is where it was. `why` is one of our own words."""

    number: int
    news: str
    to: str  # "checkers" or "expert"
    why: str


class InvitationMade(Event, frozen=True, tag="invitation made"):
    expert: str
    invitation: str  # public identity of the token
    role: str  # "expert" or "owner"
    by: str = ""  # an owner by name; "" on the server's own machine
    expires: str = ""  # "" for never


class InvitationRevoked(Event, frozen=True, tag="invitation revoked"):
    expert: str
    invitation: str
    by: str = ""


class LoginRefused(Event, frozen=True, tag="login refused"):
    address: str
    reason: Login


class VaultDied(Event, frozen=True, tag="vault died"):
    session: str
    expert: str
    code: int  # exit status, negative for a signal


class InterpreterDied(Event, frozen=True, tag="interpreter died"):
    session: str
    expert: str
    code: int


AnyEvent = (
    RoomOpened
    | RoomClosed
    | SessionStarted
    | SessionEnded
    | SandboxTier
    | CellExecuted
    | Released
    | Withheld
    | Refused
    | Uploaded
    | Delivered
    | OutputDropped
    | MessageRefused
    | PolicyChanged
    | PolicyRehearsed
    | RehearsalEnded
    | RequestMade
    | RequestStep
    | NoticeFailed
    | InvitationMade
    | InvitationRevoked
    | LoginRefused
    | VaultDied
    | InterpreterDied
)

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


# -- the table --------------------------------------------------------------------------------------------------------
metadata = sa.MetaData()

_audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.String, nullable=False),
    sa.Column("body", sa.String, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
)


@sa.event.listens_for(_audit, "after_create")
def _refuse_changes(_table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    """No protection from the owner, who holds the file: it stops our own mistakes."""
    for change in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER audit_refuses_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )


_LAST = sa.select(_audit.c.sequence, _audit.c.chain).order_by(_audit.c.sequence.desc()).limit(1)
_INSERT = _audit.insert()


class Entry(Struct, frozen=True):
    sequence: int
    time: str  # UTC, ISO 8601, milliseconds
    event: AnyEvent
    chain: str


class Verification(Struct, frozen=True):
    """`broken_at` is the first sequence number whose entry is not what was once written, or None."""

    entries: int
    head: str
    broken_at: int | None

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def append(connection: sa.Connection, event: AnyEvent) -> Entry:
    """Write `event` as the next entry, in the transaction that `connection` is in."""
    if connection.get_execution_options().get(READ_ONLY):
        raise RuntimeError("an audit entry needs a writing transaction")
    last = connection.execute(_LAST).first()
    sequence, previous = (last.sequence + 1, last.chain) if last else (1, BEGINNING)
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = _ENCODER.encode(event).decode()
    chain = link(previous, sequence, time, body)
    connection.execute(_INSERT, {"sequence": sequence, "time": time, "body": body, "chain": chain})
    return Entry(sequence, time, event, chain)


def link(previous: str, sequence: int, time: str, body: str) -> str:
    """Hash of an entry: over the hash before it and over every stored field, so that none can change alone."""
    return hashlib.sha256(f"{previous}\n{sequence}\n{time}\n{body}".encode()).hexdigest()


def entries(connection: sa.Connection, since: int = 0, limit: int | None = None) -> Iterator[Entry]:
    """Entries after number `since`, oldest first."""
    chosen = sa.select(_audit).where(_audit.c.sequence > since).order_by(_audit.c.sequence).limit(limit)
    for row in connection.execute(chosen):
        yield Entry(row.sequence, row.time, _DECODER.decode(row.body), row.chain)


def last(connection: sa.Connection) -> int:
    """Number of the last entry; 0 where there is none."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_audit.c.sequence), 0))).scalar_one())


def releases(connection: sa.Connection, since: int = 0, limit: int | None = None) -> Iterator[Entry]:
    """What left, after entry number `since`, oldest first."""
    is_release = sa.func.json_extract(_audit.c.body, "$.kind") == "released"
    chosen = sa.select(_audit).where(_audit.c.sequence > since, is_release).order_by(_audit.c.sequence).limit(limit)
    for row in connection.execute(chosen):
        yield Entry(row.sequence, row.time, _DECODER.decode(row.body), row.chain)


def policies(connection: sa.Connection, since: int = 0) -> list[Entry]:
    """Changes of the policy after entry number `since`, oldest first."""
    is_change = sa.func.json_extract(_audit.c.body, "$.kind") == "policy changed"
    chosen = sa.select(_audit).where(_audit.c.sequence > since, is_change).order_by(_audit.c.sequence)
    return [Entry(row.sequence, row.time, _DECODER.decode(row.body), row.chain) for row in connection.execute(chosen)]


def code_of(connection: sa.Connection, session: str, cell: str) -> str:
    """The code of a cell that was run; "" where there was none."""
    field = sa.func.json_extract
    chosen = sa.select(_audit.c.body).where(
        field(_audit.c.body, "$.kind") == "cell executed",
        field(_audit.c.body, "$.session") == session,
        field(_audit.c.body, "$.cell") == cell,
    )
    body = connection.execute(chosen.order_by(_audit.c.sequence.desc()).limit(1)).scalar()
    event = None if body is None else _DECODER.decode(body)
    return event.code if isinstance(event, CellExecuted) else ""


def verify(connection: sa.Connection) -> Verification:
    """Recompute the whole chain."""
    count, head = 0, BEGINNING
    for row in connection.execute(sa.select(_audit).order_by(_audit.c.sequence)):
        count += 1
        expected = link(head, count, row.time, row.body)
        if row.sequence != count or row.chain != expected:
            return Verification(count, head, broken_at=count)
        head = expected
    return Verification(count, head, broken_at=None)


# -- the database -----------------------------------------------------------------------------------------------------
def engine(state: str | os.PathLike[str]) -> sa.Engine:
    """The room's database in directory `state`, made private to this user on first use.

    Every transaction takes the write lock at its start (BEGIN IMMEDIATE), so that reading the last entry and writing
    the next are one step among processes; `reading` is for those who only read.
    """
    directory = Path(state)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / DATABASE
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return _ready(sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS}))


def scratch() -> sa.Engine:
    """A database in this process's memory, gone with it: for what is only tried out."""
    return _ready(sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool))


def _ready(made: sa.Engine) -> sa.Engine:
    sa.event.listen(made, "connect", _prepare)
    sa.event.listen(made, "begin", _begin)
    create(made)
    return made


def create(made: sa.Engine, tables: sa.MetaData = metadata) -> None:
    """Make the tables that are missing. Safe among processes: looking and making happen under the write lock."""
    with made.begin() as connection:
        tables.create_all(connection)


def reading(made: sa.Engine) -> sa.Connection:
    """A connection whose transaction sees one state of the database and keeps no writer waiting."""
    return made.connect().execution_options(**{READ_ONLY: True})


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # pysqlite would otherwise begin late, and without the lock
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    # Switching the mode needs the file alone and does not wait for it, so ask first.
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
