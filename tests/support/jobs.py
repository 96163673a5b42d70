"""Jobs in one process: a desk whose jobs run here, on the very bytes that would cross the border."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow.ipc

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.job.running import broken, run
from cleanroom_kernel.protocol.airlock import Terms
from cleanroom_kernel.protocol.jobs import Cell, FromJob, Job, JobLimits, Reads, Rows, Run, Scalar, TableColumn, Tensors
from cleanroom_kernel.protocol.messages import SubmitJob
from cleanroom_kernel.vault import jobs
from cleanroom_kernel.vault.desk import Desk

KEY = b"a key of the room, of 32 bytes  "
REASON = "figure 2 of the protocol"
READS = (Reads("patients", ("id", "age", "ward")),)
MEAN = Job(
    "mean_age",
    "table = inputs['patients']\nresult = {'n': int(table.id.nunique()), 'age': float(table.age.mean())}",
    READS,
    (Scalar("n", Cell.COUNT), Scalar("age")),
)
BY_WARD = Job(
    "by_ward",
    "t = inputs['patients']\n"
    "result = {'wards': t.groupby('ward', as_index=False).age.mean().rename(columns={'age': 'mean'})}",
    READS,
    (Rows("wards", (TableColumn("ward", Cell.TEXT), TableColumn("mean")), 5),),
)
WEIGHTS = Job(
    "net",
    "import numpy as np\nresult = {'state': {'w': np.array([1.23456789, 2.0]), 'b': np.arange(3)}}",
    READS,
    (Tensors("state", 10),),
)


class InProcess:
    """A runner without a process. `forge` is what says the job's process instead of what its code gives."""

    key, limits = KEY, JobLimits()

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.runs = 0
        self.forge: FromJob | BaseException | None = None
        self.meanwhile: Callable[[], Any] = lambda: None

    def run(self, pieces: Any, order: Run) -> FromJob:
        self.runs += 1
        content: dict[str, io.BytesIO] = {}
        for piece in pieces:
            content.setdefault(piece.table, io.BytesIO()).write(piece.content)
        self.inputs = {
            name: pyarrow.ipc.open_stream(io.BytesIO(whole.getvalue())).read_all().to_pandas()
            for name, whole in content.items()
        }
        self.meanwhile()
        if isinstance(self.forge, BaseException):
            raise self.forge
        if self.forge is not None:
            return self.forge
        try:
            said: FromJob = run(order.job, self.inputs)
        except Exception as error:  # noqa: BLE001 - as in the job's process
            said = broken(error)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=FromJob)


def desk_of(room: Any, expert: str = "ada", runner: Any = None, **terms: Any) -> Desk:
    made = Desk(room.schema, room._engine, None, room.policy, room.ledger, expert, "s1", "cell-1")
    made.terms, made.runner = Terms(**terms), runner or InProcess()
    return made


def submit(desk: Desk, job: Job, reason: str = REASON) -> Any:
    return jobs.submit(SubmitJob(1, job, reason), desk)


def decide(
    room: Any, number: int, person: str = "olga", decision: Decision = Decision.APPROVE, comment: str = ""
) -> Any:
    with room.database.begin() as connection:
        return airlock.decide(connection, number, person, decision, comment)


def examine(room: Any, number: int) -> Any:
    with audit.reading(room.database) as connection:
        return airlock.examine(connection, number)


def approved(room: Any, desk: Desk, job: Job) -> int:
    number: int = submit(desk, job).number
    decide(room, number)
    return number
