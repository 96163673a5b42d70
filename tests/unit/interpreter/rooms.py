"""A small room for tests: two tables of patients and a public one, with the pandas tables that they were made from.

The vault is the real one (engine, gate, ledger), answering in a thread at the other end of a socket pair.
"""

from __future__ import annotations

import socket
import tempfile
import threading
import traceback
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import polars as pl
from support.rowparents import ON_DEMAND

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.disclosure.policy import settings as policy_settings
from cleanroom_kernel.disclosure.rules import foresee
from cleanroom_kernel.interpreter import connection, startup  # noqa: F401 - startup registers all families of methods
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import decode
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel
from cleanroom_kernel.protocol.messages import (
    VERSION,
    AskBudget,
    AskOwner,
    Collect,
    Foresee,
    Foreseen,
    Hello,
    InterpreterRequest,
    ListRequests,
    Reply,
    RunJob,
    Setting,
    SubmitJob,
    Upload,
    Welcome,
    Withdraw,
)
from cleanroom_kernel.protocol.release import Reason, Refusal
from cleanroom_kernel.vault import asking, jobs, uploads
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.budgets import budgets_of
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange

SCHEMA = RoomSchema(
    "ward",
    (
        TableSchema(
            "patients",
            (
                Column("pid", DType.INTEGER, Role.UNIT, unique=True, nullable=False),
                Column("name", DType.STRING, Role.HIDDEN),
                Column("sex", DType.STRING, categories=("F", "M"), nullable=False),
                Column("born", DType.INTEGER, lower=1930, upper=2000, nullable=False),
            ),
        ),
        TableSchema(
            "stays",
            (
                Column("stay", DType.INTEGER, Role.KEY, one_unit=True, unique=True, nullable=False),
                Column("pid", DType.INTEGER, Role.UNIT, nullable=False),
                Column("age", DType.INTEGER, lower=0, upper=100, nullable=False),
                Column("los", DType.FLOAT, lower=0, upper=50),
                Column("tests", DType.INTEGER),
                Column("ward", DType.STRING, categories=("north", "south", "west")),
                Column("code", DType.STRING, nullable=False),
                Column("died", DType.BOOLEAN, nullable=False),
                Column("readmitted", DType.INTEGER, categories=(0, 1), nullable=False),
                Column("admitted", DType.DATETIME, nullable=False),
                Column("note", DType.STRING, Role.TEXT, nullable=False),
            ),
            aliases=("stays.csv",),
        ),
        TableSchema(
            "wards",
            (
                Column("ward", DType.STRING, categories=("north", "south", "west"), nullable=False),
                Column("beds", DType.INTEGER, nullable=False),
            ),
        ),
    ),
)


@dataclass
class Vault:
    """Answers from a desk; remembers the questions."""

    desk: Desk
    questions: list[Aggregate] = field(default_factory=list)

    def serve(self, stream: socket.socket) -> None:
        channel = Channel(stream, InterpreterRequest, limit=REQUEST_LIMIT)
        threading.Thread(target=self._loop, args=(channel,), daemon=True).start()

    def _loop(self, channel):
        for request in channel:
            try:
                answer = self._answer(request)
            except PlanError as refused:
                answer = Refusal(Reason.INVALID, refused.rule, refused.message, refused.suggestion)
            except (Exception, pl.exceptions.PanicException) as failure:  # noqa: BLE001 - as the vault does
                traceback.print_exception(failure)
                answer = Refusal(Reason.FAILED, "", "The vault failed; see the test's stderr.", "")
            channel.send(Reply(request.number, answer))

    def _answer(self, request):
        schema = self.desk.room.public()
        if isinstance(request, Hello):
            numbers = tuple(Setting(*setting) for setting in policy_settings(self.desk.policy))
            units = {table.name: "10-99" for table in schema.tables if table.unit}
            return Welcome(VERSION, schema, self.desk.policy.preset, numbers, units)
        if isinstance(request, ListRequests):
            return asking.requests_of(self.desk)
        if isinstance(request, AskBudget):
            return budgets_of(self.desk)
        if isinstance(request, Withdraw):
            return asking.withdraw(request.request, self.desk)
        if isinstance(request, Collect):
            return asking.collect(request.request, self.desk)
        if isinstance(request, SubmitJob):
            return jobs.submit(request, self.desk)
        if isinstance(request, RunJob):
            return jobs.run(request.request, self.desk)
        if isinstance(request, Upload):
            return uploads.take(request.reference, self.desk)
        question = decode(request.plan, schema, Aggregate, self.desk.references)
        if isinstance(request, AskOwner):
            return asking.ask_owner(request, question, self.desk)
        if isinstance(request, Foresee):
            return Foreseen(foresee(question, self.desk.policy))
        self.questions.append(question)
        return answer(question, self.desk)


@dataclass
class World:
    room: Room
    tables: dict[str, pd.DataFrame]
    vault: Vault


def tables(seed: int, rows: int = 240) -> dict[str, pd.DataFrame]:
    """Tables as pandas would have read them, ties and gaps included."""
    random = np.random.default_rng(seed)
    n_patients = max(rows // 5, 2)
    patients = pd.DataFrame(
        {
            "pid": random.permutation(n_patients) + 100,
            "sex": random.choice(["F", "M"], n_patients),
            "born": random.integers(1930, 2001, n_patients),
        }
    )
    stays = pd.DataFrame(
        {
            "stay": random.permutation(rows),
            "pid": random.choice(patients.pid, rows),
            "age": random.integers(0, 101, rows),
            "los": np.round(random.gamma(2, 3, rows), 1),
            "tests": random.integers(0, 9, rows).astype(float),
            "ward": pd.Series(random.choice(["north", "south", "west"], rows), dtype="str"),
            "code": random.choice(["V10", "V22", "E11", "I50", "I21"], rows),
            "died": random.random(rows) < 0.2,
            "readmitted": random.integers(0, 2, rows),
            "admitted": (
                pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 10**6, rows), unit="min")
            ).astype("datetime64[us]"),
            "note": [f"text {i}" for i in range(rows)],
        }
    )
    stays["los"] = stays.los.mask(random.random(rows) < 0.1)
    stays["tests"] = stays.tests.mask(random.random(rows) < 0.1)
    stays["ward"] = stays.ward.mask(random.random(rows) < 0.1)
    wards = pd.DataFrame({"ward": ["north", "south", "west"], "beds": [10, 20, 30]})
    return {"patients": patients, "stays": stays, "wards": wards}


def vault_of(schema: RoomSchema, frames: dict[str, pl.DataFrame], **policy) -> Vault:
    arranged, n_units = arrange(schema, frames)
    engine = Engine(
        Tables(schema, arranged, n_units), Seeds(None), lambda predict, engine: np.empty(0), caller=ON_DEMAND
    )
    numbers = Policy.from_settings(policy or {"preset": "permissive"}).snapshot()
    ledger = Ledger(audit.engine(tempfile.mkdtemp()), b"k" * 32, n_units)
    return Vault(Desk(schema, engine, None, numbers, ledger, "ada", "session"))


def world(seed: int = 0, rows: int = 240, **policy) -> World:
    frames = tables(seed, rows)
    stored = {name: pl.from_pandas(frame) for name, frame in frames.items()}
    stored["stays"] = stored["stays"].with_columns(pl.col("tests").cast(pl.Int64))
    stored["patients"] = stored["patients"].with_columns(name=pl.lit("somebody"))
    vault = vault_of(SCHEMA, stored, **policy)
    ours, theirs = socket.socketpair()
    vault.serve(theirs)
    link = Connection.over(ours)
    connection.use(link)
    return World(Room(link), frames, vault)
