"""A vault process on two real sockets, with a raw hand on the interpreter's."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import Named, Value
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, Channel, frame
from cleanroom_kernel.protocol.messages import (
    Answered,
    Began,
    CellStarted,
    Close,
    Disclose,
    FitLimits,
    Hello,
    Open,
    Progress,
    Reply,
    RowLimits,
    RowWorkersWanted,
    VaultNotice,
    WorkerWanted,
)
from cleanroom_kernel.vault.preparing import prepare
from cleanroom_kernel.vault.sources import Source

PATIENTS = 60

STAYS = TableSchema(
    "stays",
    (
        Column("patient", DType.INTEGER, Role.UNIT),
        Column("sex", DType.STRING, categories=("f", "m")),
        Column("age", DType.INTEGER),
        Column("city", DType.STRING),
    ),
)
ROOM = RoomSchema("small", (STAYS,))
TABLE = Table(STAYS)


def prepared(place: Path) -> Path:
    lines = [
        f"{number % PATIENTS},{'fm'[number % 2]},{20 + number % 50},Xanadu-{number}" for number in range(3 * PATIENTS)
    ]
    (place / "stays.csv").write_text("\n".join(["patient,sex,age,city", *lines]))
    report = prepare(ROOM, [Source("stays", str(place / "stays.csv"))], place / "room")
    assert report.ready, report.words()
    return place


class Vault:
    """`place` holds the prepared room; the session is open unless `opening` is False."""

    def __init__(
        self, place: Path, opening: bool = True, fits: FitLimits | None = None, rows: RowLimits | None = None, **policy
    ) -> None:
        self.socket, vault_end = socket.socketpair()
        self.server, server_end = socket.socketpair()
        self.supply, supply_end = socket.socketpair()
        self.jobs, jobs_end = socket.socketpair()
        self.rows, rows_end = socket.socketpair()
        self.workers: list[subprocess.Popen] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-B", "-m", "cleanroom_kernel.vault", "session"),
                *("--interpreter-fd", str(vault_end.fileno()), "--server-fd", str(server_end.fileno())),
                *("--supply-fd", str(supply_end.fileno()), "--jobs-fd", str(jobs_end.fileno())),
                *("--rows-fd", str(rows_end.fileno())),
            ],
            pass_fds=tuple(end.fileno() for end in (vault_end, server_end, supply_end, jobs_end, rows_end)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        vault_end.close()
        server_end.close()
        supply_end.close()
        jobs_end.close()
        rows_end.close()
        for stream in (self.socket, self.server):
            stream.settimeout(60)
        self.interpreter: Channel[Reply] = Channel(self.socket, Reply, limit=ANSWER_LIMIT)
        self.notices: Channel[VaultNotice] = Channel(self.server, VaultNotice, limit=ANSWER_LIMIT)
        self.number = 0
        if opening:
            self.tell(
                Open(
                    "s1",
                    "ada",
                    str(place / "room"),
                    str(place / "state"),
                    policy,
                    fits=fits or FitLimits(),
                    rows=rows or RowLimits(),
                )
            )
            self.opened = self.notices.receive()

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        for stream in (self.socket, self.server, self.supply, self.jobs, self.rows):
            stream.close()

    def tell(self, message: msgspec.Struct) -> None:
        """Say something as the server."""
        self.notices.send(message)

    def cell(self, name: str) -> None:
        self.tell(CellStarted(name))

    def ask(self, request: msgspec.Struct) -> Reply:
        """Send something as the interpreter and wait for the reply."""
        self.interpreter.send(request)
        return self.reply()

    def reply(self) -> Reply:
        """The next reply, after whatever is told before it on a busy machine."""
        while isinstance((reply := self.interpreter.receive()).answer, Progress):
            pass
        return reply

    def give_worker(self) -> None:
        """Answer the vault's wish for a worker, as the server does."""
        self._give(WorkerWanted, "cleanroom_kernel.vault.worker", self.supply)

    def give_row_workers(self) -> None:
        """Answer the vault's wish for a parent of row-function workers."""
        self._give(RowWorkersWanted, "cleanroom_kernel.rowworker", self.rows)

    def _give(self, wanted: type, module: str, supply: socket.socket) -> None:
        while not isinstance(self.notices.receive(), wanted):
            pass
        for worker in self.workers:
            worker.kill()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-I", "-B", "-m", module, "--vault-fd"]
            self.workers.append(
                subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
            socket.send_fds(supply, [b"w"], [ours.fileno()])

    def raw(self, body: bytes, framed: bool = True) -> None:
        self.socket.sendall(frame(body) if framed else body)

    def notice(self) -> VaultNotice:
        """The next notice that is not about a question being worked on."""
        while isinstance(found := self.notices.receive(), (Began, Answered)):
            pass
        return found

    def drop_notices(self) -> None:
        """Take what the server has been told, as a server does all the time."""
        while select.select([self.server], [], [], 0)[0]:
            self.notices.receive()

    def next(self) -> int:
        self.number += 1
        return self.number

    def disclose(self, aggregate: a.Aggregate) -> Reply:
        return self.ask(Disclose(self.next(), encode(aggregate)))

    def greets(self) -> bool:
        """Whether the session still answers."""
        number = self.next()
        return self.ask(Hello(number, 1)).number == number

    def close(self) -> tuple[int, bytes, bytes]:
        """End the session: exit status, output and log."""
        self.tell(Close())
        output, log = self.process.communicate(timeout=60)
        return self.process.returncode, output, log


def size_by(*names: str) -> a.Summary:
    by = tuple(Named(name, Value(name)) for name in names)
    return a.Summary(TABLE, (a.Column("n", a.Size()),), by)


def mean_age() -> a.Summary:
    return a.Summary(TABLE, (a.Column("age", a.Mean(Value("age"))),))
