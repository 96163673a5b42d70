"""What the ledger costs: a released number beside earlier ones, by patients and by how much was released before.

Times are of whole questions in a vault, from the plan to the answer that is written down, or of a comparison alone
where the text says so. Exponents are slopes of the logarithms: 0 is a cost that does not grow, 1 one that grows in
proportion.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import polars as pl
import sqlalchemy as sa
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure import records
from cleanroom_kernel.disclosure.auditor import Limits
from cleanroom_kernel.disclosure.candidate import Footprint
from cleanroom_kernel.disclosure.comparisons import Claim, Comparisons, Draft
from cleanroom_kernel.disclosure.footprint import BUCKETS, PRIME, Sketcher
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Call, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Filter, Sort, Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.release import Release
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange

Made = TypeVar("Made")

KEY = b"k" * 32
ROWS_PER_PATIENT = 3
TABLES, LABELS = 10, 30  # as many tables of as many cells are released first
ASKED = 15

PATIENTS = (10_000, 100_000)
UNRELATED = (100, 1_000, 10_000, 100_000)
RELEASED = (100, 1_000, 10_000)


class Spent(Struct, frozen=True):
    """Seconds of one run: by the clock, and of the processor, in which other work of the machine is not."""

    clock: float
    processor: float


class Cost(Struct, frozen=True):
    """What single runs took, at one size; `each` says how many numbers a run released."""

    what: str
    patients: int
    released: int
    runs: list[Spent]
    each: int = 1

    @property
    def clock(self) -> float:
        return statistics.median(run.clock for run in self.runs) / self.each

    @property
    def processor(self) -> float:
        return statistics.median(run.processor for run in self.runs) / self.each


def timed(work: Callable[[], Made]) -> tuple[Made, Spent]:
    clock, processor = time.perf_counter(), time.process_time()
    made = work()
    return made, Spent(time.perf_counter() - clock, time.process_time() - processor)


# -- a room -----------------------------------------------------------------------------------------------------------
def schema() -> RoomSchema:
    columns = [Column("id", DType.INTEGER, Role.UNIT), Column("x", DType.FLOAT), Column("y", DType.FLOAT)]
    columns += [Column(f"g{place}", DType.STRING) for place in range(TABLES + 1)]
    return RoomSchema("measured", (TableSchema("visits", tuple(columns)),))


def opened(patients: int, state: str) -> tuple[Desk, Relation, sa.Engine]:
    random = np.random.default_rng(0)
    rows = patients * ROWS_PER_PATIENT
    columns = {"id": random.integers(0, patients, rows), "x": random.random(rows), "y": random.gamma(2.0, 3.0, rows)}
    for place in range(TABLES + 1):
        columns[f"g{place}"] = np.char.mod(f"{place}.%02d", random.integers(0, LABELS, rows))
    made = schema()
    tables, n_units = arrange(made, {"visits": pl.DataFrame(columns)})
    database = audit.engine(state)
    policy = Policy.from_settings({"preset": "standard", "released_floor": 1_000}).snapshot()
    engine = Engine(Tables(made, tables, n_units), Seeds(None), lambda *_: np.zeros(0))
    desk = Desk(made, engine, None, policy, Ledger(database, KEY, n_units), "ada", "measured")
    return desk, Table(made["visits"]), database


def mean_of(over: Relation, label: str | None = None) -> a.Summary:
    by = () if label is None else (Named(label, Value(label)),)
    return a.Summary(over, (a.Column("y", a.Mean(Value("y"))),), by)


def below(over: Relation, border: float) -> Relation:
    return Filter(over, Call(Function.LESS, (Value("x"), Literal(float(border), DType.FLOAT))))


def asked(question: a.Summary, desk: Desk) -> Spent:
    given, spent = timed(lambda: answer(question, desk))
    assert isinstance(given, Release), f"the question was not answered: {given}"
    return spent


def fill(over: Relation, desk: Desk) -> None:
    for place in range(TABLES):
        asked(mean_of(over, f"g{place}"), desk)


# -- what is measured -------------------------------------------------------------------------------------------------
def cells(patients: int) -> Iterator[Cost]:
    """Beside three hundred cells of the same measure: single numbers, a table, and rows in another order, which are
    compared by patients and by rows per patient (the second audit).
    """
    released = TABLES * LABELS
    borders = np.linspace(0.2, 0.8, ASKED)
    with tempfile.TemporaryDirectory() as state:
        desk, visits, _ = opened(patients, state)
        fill(visits, desk)
        single = [asked(mean_of(below(visits, border)), desk) for border in borders]
        yield Cost("one number", patients, released, single)
        table = [asked(mean_of(visits, f"g{TABLES}"), desk)]
        yield Cost("a cell of a table of 30", patients, released, table, LABELS)
        ordered = Sort(visits, (Value("x"),), (False,))
        elsewhere = [asked(mean_of(below(ordered, border + 0.02)), desk) for border in borders]
        yield Cost("one number of rows in another order", patients, released, elsewhere)


def unrelated(patients: int, releases: int) -> Cost:
    """One number of a measure that nobody asked for yet, in a room that released others."""
    with tempfile.TemporaryDirectory() as state:
        desk, visits, database = opened(patients, state)
        asked(mean_of(visits), desk)
        _write_others(database, releases)
        borders = np.linspace(0.2, 0.8, ASKED)
        question = [a.Summary(below(visits, border), (a.Column("x", a.Mean(Value("x"))),)) for border in borders]
        return Cost("one number beside unrelated ones", patients, releases, [asked(one, desk) for one in question])


def _write_others(database: sa.Engine, releases: int) -> None:
    """As many answers of other measures as if experts had been at work for years."""
    with database.begin() as connection:
        model = connection.execute(sa.select(records.answers)).mappings().one()
        footprint = connection.execute(sa.select(records.footprints.c.id)).scalars().first()
        number = {"linear": True, "footprint": footprint, "statistic": "s", "selection": "c", "shown": b"\x01"}
        ids = range(2, releases + 2)
        connection.execute(
            records.answers.insert(), [{**model, "id": one, "key": one.to_bytes(20, "big")} for one in ids]
        )
        connection.execute(
            records.releases.insert(),
            [
                {"number": one, "answer": one, "expert": "ada", "session": "s", "cell": "", "time": "2026"}
                for one in ids
            ],
        )
        connection.execute(
            records.numbers.insert(), [{**number, "answer": one, "measure": f"/other {one}"} for one in ids]
        )


def pairwise(patients: int, releases: int) -> Cost:
    """The comparison alone of one number with all released ones of its measure, without a budget's limit."""
    random = np.random.default_rng(0)
    limits = Limits(least=10, share=1.0, most=10**9, n_units=patients)

    def claim(size: int) -> Claim:
        units = BitMap(random.integers(0, patients, size))
        sketch, counts = random.integers(0, PRIME, (2, BUCKETS)).astype(np.uint32)
        return Claim(Footprint(units, sketch, counts, "space"), "mean", str(size))

    with tempfile.TemporaryDirectory() as state:
        database = audit.engine(state)
        audit.create(database, records.metadata)
        comparisons, draft = Comparisons(KEY, patients, "", Sketcher(KEY, patients)), Draft()
        with database.begin() as connection:

            def judge(claims: list[Claim]) -> None:
                comparisons.judge(connection, draft, "measure", claims, limits, pairs=True, combinations=False)

            judge([claim(int(size)) for size in random.integers(20, patients // 10, releases)])
            times = [
                timed(functools.partial(judge, [claim(int(size))]))[1]
                for size in random.integers(20, patients // 10, ASKED)
            ]
        return Cost("comparison with each released number", patients, releases, times)


def run() -> list[Cost]:
    found = [cost for patients in PATIENTS for cost in cells(patients)]
    found += [unrelated(PATIENTS[0], releases) for releases in UNRELATED]
    return found + [pairwise(PATIENTS[1], releases) for releases in RELEASED]


# -- a text of it -----------------------------------------------------------------------------------------------------
def markdown(found: list[Cost]) -> str:
    lines = ["| | patients | released before | by the clock | processor |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {one.what} | {one.patients:,} | {one.released:,} "
        f"| {one.clock * 1e3:.1f} ms | {one.processor * 1e3:.1f} ms |"
        for one in found
    ]
    lines.append("")
    for what in dict.fromkeys(one.what for one in found):
        costs = [one for one in found if one.what == what]
        by = "patients" if len({one.patients for one in costs}) > 1 else "released"
        exponent = fitted([getattr(one, by) for one in costs], [one.processor for one in costs])
        of = by.replace("released", "what was released")
        lines.append(f"- {what}: grows with the power {exponent:.2f} (processor) of {of}.")
    return "\n".join(lines)


def fitted(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
