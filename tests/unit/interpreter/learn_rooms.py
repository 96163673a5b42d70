"""A room in which models can be fitted: the real vault of rooms.py, with learners and the export of files."""

from __future__ import annotations

import socket
import tempfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.interpreter import connection, hooks_pandas, hooks_sklearn
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.plan.codec import decode
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.messages import Export
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.export import export
from cleanroom_kernel.vault.learners import Learners
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange
from tests.unit.interpreter.rooms import Vault, World

SCHEMA = RoomSchema(
    "clinic",
    (
        TableSchema(
            "stays",
            (
                Column("pid", DType.INTEGER, Role.UNIT, nullable=False),
                Column("age", DType.INTEGER, lower=0, upper=100, nullable=False),
                Column("los", DType.FLOAT, lower=0, upper=50, nullable=False),
                Column("tests", DType.INTEGER),
                Column("sex", DType.STRING, categories=("F", "M"), nullable=False),
                Column("ward", DType.STRING, categories=("north", "south", "west"), nullable=False),
                Column("ill", DType.BOOLEAN, nullable=False),
                Column("readmitted", DType.INTEGER, categories=(0, 1), nullable=False),
                Column("outcome", DType.STRING, categories=("dead", "home", "transfer"), nullable=False),
                Column("cost", DType.FLOAT, nullable=False),
            ),
        ),
    ),
)


@dataclass
class LearningVault(Vault):
    def _answer(self, request):
        if isinstance(request, Export):
            return export(decode(request.plan, self.desk.room, Fit), request.name, self.desk)
        return super()._answer(request)


def stays(rows: int, seed: int = 0) -> pd.DataFrame:
    """One stay of each patient; readmission, outcome and cost follow from age, length of stay and illness."""
    random = np.random.default_rng(seed)
    age, los, ill = random.integers(18, 95, rows), np.round(random.gamma(2, 3, rows), 1), random.random(rows) < 0.3
    risk = 0.04 * (age - 60) + 0.1 * (los - 6) + 1.2 * ill + random.normal(0, 1, rows)
    tests = random.integers(0, 9, rows).astype(float)
    tests[random.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "pid": np.arange(rows) + 1,
            "age": age,
            "los": los,
            "tests": tests,
            "sex": random.choice(["F", "M"], rows),
            "ward": pd.Series(random.choice(["north", "south", "west"], rows), dtype="str"),
            "ill": ill,
            "readmitted": (risk > 0.3).astype(int),
            "outcome": pd.Series(np.array(["home", "transfer", "dead"])[np.digitize(risk, [0.5, 2.0])], dtype="str"),
            "cost": np.round(1000 + 200 * los + 10 * age + random.normal(0, 300, rows), 2),
        }
    )


def learning_vault_of(schema: RoomSchema, frames: dict[str, pl.DataFrame], **policy) -> LearningVault:
    arranged, n_units = arrange(schema, frames)
    seeds = Seeds(None)
    learners = Learners(seeds)
    engine = Engine(Tables(schema, arranged, n_units), seeds, learners.predict)
    numbers = Policy.from_settings(policy or {"preset": "permissive"}).snapshot()
    ledger = Ledger(audit.engine(tempfile.mkdtemp()), b"k" * 32, n_units)
    return LearningVault(Desk(schema, engine, learners, numbers, ledger, "ada", "session"))


def learning_world(rows: int = 2_000, **policy) -> World:
    table = stays(rows)
    stored = pl.from_pandas(table).with_columns(pl.col("tests").cast(pl.Int64))
    vault = learning_vault_of(SCHEMA, {"stays": stored}, **policy)
    ours, theirs = socket.socketpair()
    vault.serve(theirs)
    link = Connection.over(ours)
    connection.use(link)
    room = Room(link)
    hooks_pandas.install(room)
    hooks_sklearn.install(room)
    return World(room, {"stays": table}, vault)
