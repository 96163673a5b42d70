"""Every place where bytes of another trust zone are read, as a function of those bytes, and honest bytes to begin with.

A target returns when the bytes were read or refused in the way that its border promises; any other exception is a bug.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from cleanroom_kernel.cli.settings import CommandError, read_schema
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.kernel.connections import InvitationError, parse
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import decode, encode
from cleanroom_kernel.plan.expressions import Call, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import Filter, Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol import delivery, jobs
from cleanroom_kernel.protocol import messages as m
from cleanroom_kernel.protocol.channel import BadFrame, Channel, ChannelClosed, frame
from cleanroom_kernel.protocol.http import ProblemBody
from cleanroom_kernel.protocol.jupyter import Header, read_header, read_parent
from cleanroom_kernel.protocol.jupyter import encode as jupyter_encode
from cleanroom_kernel.protocol.release import Array, Payload
from cleanroom_kernel.protocol.websocket import Acknowledged, BadMessage, hear, pack, say, unpack
from cleanroom_kernel.rowfunctions.layout import Call as RowCall
from cleanroom_kernel.rowfunctions.layout import result_size
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.heard import Heard
from cleanroom_kernel.server.output import OutputPolicy, rebuild
from cleanroom_kernel.server.requests import Request
from cleanroom_kernel.server.session import read_cell
from cleanroom_kernel.server.shapes import SHAPES
from cleanroom_kernel.server.zmtp import Link, ZmtpError
from cleanroom_kernel.vault.jobresults import Unfit, results_of
from cleanroom_kernel.vault.rowbatches import Unreadable, unpacked

CORPUS = Path(__file__).parent / "corpus"
LIMIT = 4096  # bytes of a channel's frame here, so that frames beyond it are tried as well

STAYS = TableSchema(
    "stays",
    (
        Column("patient", DType.INTEGER, Role.UNIT),
        Column("sex", DType.STRING, categories=("f", "m")),
        Column("age", DType.INTEGER, lower=0, upper=120),
        Column("note", DType.STRING, Role.TEXT),
    ),
)
ROOM = RoomSchema("small", (STAYS,))
OLD = Filter(Table(STAYS), Call(Function.LESS, (Value("age"), Literal(50, DType.INTEGER))))
MEAN = a.Summary(OLD, (a.Column("age", a.Mean(Value("age"))),), (Named("sex", Value("sex")),))
JOB = jobs.Job(
    name="j",
    source="pass",
    reads=(jobs.Reads("stays", ("age",)),),
    results=(
        jobs.Scalar("n", jobs.Cell.COUNT),
        jobs.Rows("t", (jobs.TableColumn("g", jobs.Cell.TEXT), jobs.TableColumn("x")), 5),
    ),
)
POLICY = Policy.from_settings({}).snapshot()
RULES = OutputPolicy().snapshot()
KINDS = sorted(SHAPES)


class Target(Struct, frozen=True):
    run: Callable[[bytes], None]
    honest: tuple[bytes, ...]


# -- the vault's borders ----------------------------------------------------------------------------------------------
def plan(data: bytes) -> None:
    with contextlib.suppress(PlanError):
        assert isinstance(decode(data, ROOM, Aggregate), Aggregate)


def _channel(kinds: object, data: bytes) -> None:
    """Everything that a peer may write before it goes away."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        channel: Channel[object] = Channel(ours, kinds, limit=LIMIT)
        with contextlib.suppress(ChannelClosed):
            while True:
                with contextlib.suppress(BadFrame):
                    channel.receive()


def request(data: bytes) -> None:
    _channel(m.InterpreterRequest, data)


def job_results(data: bytes) -> None:
    """What the process of a job says, held to what was declared."""
    with contextlib.suppress(ValueError):
        produced = _PRODUCED.decode(data)
        with contextlib.suppress(Unfit):
            results_of(JOB, produced, POLICY)


def row_answers(data: bytes) -> None:
    """The memory that a row function's process has written to; the first byte chooses the kind of result."""
    kind = ("integer", "float", "boolean", "string")[data[0] % 4] if data else "string"
    call = RowCall("", 4, (), (), kind, False, 0, 0.0)
    size = result_size(call)
    with contextlib.suppress(Unreadable):
        assert len(unpacked(call, data[1:][:size].ljust(size, b"\0"))) == call.rows


def server_word(data: bytes) -> None:
    _channel(m.ServerMessage, data)


def notice(data: bytes) -> None:
    _channel(m.VaultNotice, data)


def reply(data: bytes) -> None:
    _channel(m.Reply, data)


# -- the server's borders ---------------------------------------------------------------------------------------------
def websocket(data: bytes) -> None:
    """A frame of an expert's client, as a session reads it."""
    with contextlib.suppress(BadMessage):
        channel, parts = unpack(data)
        assert pack(channel, parts) == data
        made = Request(channel, read_header(parts[0]), parts)
        read_parent(parts[1])
        read_cell(made)


def interpreter_message(data: bytes) -> None:
    """What an interpreter says; the first byte chooses the kind of message, the parts stand between NULs."""
    kind = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    parts = data[1:].split(b"\0")
    with contextlib.suppress(BadMessage):
        heard = Heard.of([*parts])
        rebuild(RULES, "iopub", heard.kind, heard.content, heard.metadata, heard.buffers)
    rebuilt = rebuild(RULES, SHAPES[kind].channel, kind, data[1:])
    if rebuilt.content is not None:
        json.loads(rebuilt.content)


def zeromq(data: bytes) -> None:
    """Bytes on a ZeroMQ socket of an interpreter's."""
    asyncio.run(_zeromq(data))


async def _zeromq(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    link = Link(reader, _Nowhere(), LIMIT)
    with contextlib.suppress(ZmtpError):
        await link.greeted()
        while True:
            await link.receive()


class _Nowhere(asyncio.StreamWriter):
    def __init__(self) -> None:
        """Takes what is written, and sends it nowhere."""

    def __del__(self, *_: object) -> None:
        """There is no transport to close."""

    def write(self, data: object) -> None:
        pass


def token(data: bytes) -> None:
    auth.token_of(data.decode("latin-1"))


# -- the expert's machine ---------------------------------------------------------------------------------------------
def line_word(data: bytes) -> None:
    with contextlib.suppress(BadMessage):
        hear(data.decode("utf-8", "replace"))


def invitation(data: bytes) -> None:
    with contextlib.suppress(InvitationError):
        parse(data.decode("utf-8", "replace"))


def problem(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        msgspec.json.decode(data, type=ProblemBody)


def receipt(data: bytes) -> None:
    with contextlib.suppress(delivery.NotVerified):
        delivery.verify(delivery.read(data), b"content", "0" * 64)


# -- the owner's files ------------------------------------------------------------------------------------------------
class _File:
    """A path whose content is given."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_bytes(self) -> bytes:
        return self._data


def schema(data: bytes) -> None:
    with contextlib.suppress(CommandError):
        read_schema(_File(data))  # type: ignore[arg-type]


def payload(data: bytes) -> None:
    """An answer on its way to a notebook or to a checker's screen."""
    with contextlib.suppress(ValueError):
        found = _PAYLOAD.decode(data)
        assert _PAYLOAD.decode(_MSGPACK.encode(found)) is not None


_MSGPACK = msgspec.msgpack.Encoder()
_HEADER = jupyter_encode(Header("id", "execute_request", session="s"))
_CELL = jupyter_encode({"code": "1+1", "silent": False})
_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04XPUB"
_PRODUCED = msgspec.msgpack.Decoder(jobs.Produced)
_PAYLOAD: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)


def _frames(*values: object) -> tuple[bytes, ...]:
    return tuple(frame(_MSGPACK.encode(value)) for value in values)


TARGETS: dict[str, Target] = {
    "plan": Target(plan, (encode(MEAN), encode(a.Summary(Table(STAYS), (a.Column("n", a.Size()),))))),
    "request": Target(
        request, _frames(m.Hello(1, 1), m.Disclose(2, encode(MEAN)), m.Export(3, encode(MEAN), "x.skops"))
    ),
    "job results": Target(job_results, (_MSGPACK.encode(jobs.Produced({"n": 3}, {"t": (("a",), (1.5,))}, {})),)),
    "row answers": Target(row_answers, (b"\x00" + bytes(40), b"\x03" + bytes(64))),
    "server word": Target(server_word, _frames(m.CellStarted("c"), m.Interrupt(), m.TurnGiven(), m.Close())),
    "notice": Target(notice, _frames(m.Denied("c", "withheld", "policy"), m.Began("c", "q", "t"), m.Answered())),
    "reply": Target(reply, _frames(m.Reply(1, m.Foreseen(("minimum count",))))),
    "websocket": Target(websocket, (pack("shell", [_HEADER, b"{}", b"{}", _CELL]),)),
    "interpreter message": Target(
        interpreter_message, (b"\x01" + b"\0".join([b"<IDS|MSG>", b"", _HEADER, b"{}", b"{}", b'{"name":"stdout"}']),)
    ),
    "zeromq": Target(zeromq, (_GREETING + _READY + b"\x01\x01a\x00\x01b", _GREETING + _READY + b"\x02" + bytes(8))),
    "token": Target(token, (b"token abc.def", b"Bearer x")),
    "line word": Target(line_word, (say(Acknowledged(3)).encode(),)),
    "invitation": Target(invitation, (b"cleanroom://h.example:8443/ward?sha256=" + b"ab" * 32 + b"#id.secret",)),
    "problem": Target(problem, (b'{"problem":"offline","message":"m","reason":""}',)),
    "receipt": Target(receipt, (b'{"key":"00","signature":"00","delivery":{}}',)),
    "schema": Target(schema, (msgspec.json.encode(ROOM),)),
    "payload": Target(payload, (_MSGPACK.encode(Array((1,), (1.0,))),)),
}


@cache
def corpus(name: str) -> tuple[bytes, ...]:
    """Honest bytes, and what was found by fuzzing and kept, one entry a line in base64."""
    path = CORPUS / f"{name.replace(' ', '-')}.txt"
    kept = path.read_text().split() if path.exists() else []
    return (*TARGETS[name].honest, *map(base64.b64decode, kept))


def keep(name: str, entries: Iterable[bytes]) -> None:
    lines = sorted({base64.b64encode(entry).decode() for entry in entries}, key=lambda line: (len(line), line))
    (CORPUS / f"{name.replace(' ', '-')}.txt").write_text("".join(f"{line}\n" for line in lines))
