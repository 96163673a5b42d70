"""The ten commonest questions of an exploration: plain pandas and the room in turn, in one run, the full gate on.

Each question is the same code on the DataFrame and on the room's handle: interpreter, plan, socket, vault, gate, ledger
and its commit are the real ones, the policy is `standard`. `first` is a question that a new vault has never been asked
before, with an empty ledger; `later` is another question of the same kind (other columns) in a session that has
answered all ten already. What the ledger remembers word for word is not measured: nothing is computed for it.

A ratio is the median of the ratios of paired runs, and the total is that of the summed times.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from msgspec import Struct

from benchmarks.rooms import opened
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault.tables import write_room

SIZES = (100_000, 1_000_000)
ROUNDS = 5
ROWS_PER_PATIENT = 10 / 3
NUMBERS, LABELS, CORRELATED = 24, 6, 20
EDGES = np.linspace(0, 30, 31)


class Question(NamedTuple):
    """`ask(df, v)`: the v-th question of its kind, with columns of its own."""

    name: str
    ask: Callable[[Any, int], Any]


def number(v: int) -> str:
    return f"x{v % NUMBERS:02d}"


def label(v: int) -> str:
    return f"g{v % LABELS}"


QUESTIONS = (
    Question("mean by group", lambda df, v: df.groupby(label(v))[number(v)].mean()),
    Question("value_counts", lambda df, v: df[label(v)].value_counts()),
    Question("crosstab", lambda df, v: pd.crosstab(df[label(v)], df[label(v + 1)])),
    Question("describe, four columns", lambda df, v: df[[number(4 * v + place) for place in range(4)]].describe()),
    Question("corr, 20 columns", lambda df, v: df[[number(v + place) for place in range(CORRELATED)]].corr()),
    Question("histogram, 30 bins", lambda df, v: np.histogram(df[number(v + 5)], bins=EDGES)),
    Question("three quantiles", lambda df, v: df[number(v + 9)].quantile([0.1, 0.5, 0.9])),
    Question(
        "pivot table of means",
        lambda df, v: df.pivot_table(values=number(v + 7), index=label(v + 2), columns=label(v + 3), aggfunc="mean"),
    ),
    Question("nunique", lambda df, v: df[label(v)].nunique()),
    Question("isna().sum(), 12 columns", lambda df, v: df[[number(v + at) for at in range(12)]].isna().sum()),
)


class Measured(Struct, frozen=True):
    """Seconds of the paired runs of one question."""

    question: str
    rows: int
    kind: str  # "first" or "later"
    pandas: list[float]
    room: list[float]
    processor: list[tuple[float, float]]  # of pandas and of the room: other work of the machine is not in it

    @property
    def ratio(self) -> float:
        return statistics.median(ours / theirs for theirs, ours in zip(self.pandas, self.room, strict=True))

    @property
    def ratio_of_processor(self) -> float:
        return statistics.median(ours / theirs for theirs, ours in self.processor)


def table(rows: int) -> pd.DataFrame:
    """Visits of patients: numbers of which every third column has gaps, labels of 4 to 24 values."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {"id": random.integers(0, int(rows / ROWS_PER_PATIENT), rows)}
    for place in range(LABELS):
        names = np.array([f"label {place}.{one:02d}" for one in range(4 * (place + 1))])
        columns[f"g{place}"] = pd.array(names[random.integers(0, len(names), rows)], dtype="str")
    shared = random.normal(size=rows)
    for place in range(NUMBERS):
        values = np.round(random.gamma(2.0, 3.0, rows) + 0.1 * place * shared, 3)
        if place % 3 == 2:
            values[random.random(rows) < 0.02] = np.nan
        columns[f"x{place:02d}"] = values
    return pd.DataFrame(columns)


def schema(frame: pd.DataFrame) -> RoomSchema:
    columns = [Column("id", DType.INTEGER, Role.UNIT)]
    columns += [Column(name, DType.STRING) for name in frame.columns if name.startswith("g")]
    columns += [Column(name, DType.FLOAT) for name in frame.columns if name.startswith("x")]
    return RoomSchema("measured", (TableSchema("visits", tuple(columns)),))


def timed(work: Callable[[], Any]) -> Times:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def measure(rows: int, rounds: int, questions: tuple[Question, ...] = QUESTIONS) -> Iterator[Measured]:
    frame = table(rows)
    with tempfile.TemporaryDirectory() as folder:
        write_room(folder, schema(frame), {"visits": pl.from_pandas(frame)})
        first, later = _firsts(frame, Path(folder), rounds, questions), _laters(frame, Path(folder), rounds, questions)
    for kind, times in (("first", first), ("later", later)):
        for question, pairs in zip(questions, times, strict=True):
            clock, processor = ([(one[which], other[which]) for one, other in pairs] for which in (0, 1))
            pandas, room = ([pair[which] for pair in clock] for which in (0, 1))
            yield Measured(question.name, rows, kind, pandas, room, processor)


Times = tuple[float, float]  # by the clock, and of the processor
Pairs = list[list[tuple[Times, Times]]]


def _firsts(frame: pd.DataFrame, folder: Path, rounds: int, questions: tuple[Question, ...]) -> Pairs:
    times: Pairs = [[] for _ in questions]
    for _ in range(rounds):
        for question, pairs in zip(questions, times, strict=True):
            with opened(folder) as (room, _):
                visits = room["visits"]
                pairs.append(_pair(question, frame, visits, 0))
    return times


def _laters(frame: pd.DataFrame, folder: Path, rounds: int, questions: tuple[Question, ...]) -> Pairs:
    times: Pairs = [[] for _ in questions]
    with opened(folder) as (room, _):
        visits = room["visits"]
        for question in questions:
            question.ask(visits, 0)
        for v in range(1, rounds + 1):
            for question, pairs in zip(questions, times, strict=True):
                pairs.append(_pair(question, frame, visits, v))
    return times


def _pair(question: Question, frame: pd.DataFrame, visits: Any, v: int) -> tuple[Times, Times]:
    return timed(lambda: question.ask(frame, v)), timed(lambda: question.ask(visits, v))


def markdown(found: list[Measured]) -> str:
    lines = []
    for rows in dict.fromkeys(one.rows for one in found):
        lines += [
            "",
            f"{rows:,} rows, {int(rows / ROWS_PER_PATIENT):,} patients:",
            "",
            "| | pandas | room, first | ratio | (processor) | room, later | ratio | (processor) |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        of = {(one.question, one.kind): one for one in found if one.rows == rows}
        names = list(dict.fromkeys(name for name, _ in of))
        for name in names:
            first, later = of[name, "first"], of[name, "later"]
            lines.append(
                f"| {name} | {_ms(first.pandas)} "
                f"| {_ms(first.room)} | {first.ratio:.2f} | {first.ratio_of_processor:.2f} "
                f"| {_ms(later.room)} | {later.ratio:.2f} | {later.ratio_of_processor:.2f} |"
            )
        lines.append(_total([of[name, "first"] for name in names], [of[name, "later"] for name in names]))
    return "\n".join(lines[1:])


def _total(first: list[Measured], later: list[Measured]) -> str:
    theirs = sum(statistics.median(one.pandas) for one in first)
    cells = [f"| all | {theirs * 1e3:.1f} ms"]
    for found in (first, later):
        clock = [sum(statistics.median(times) for times in side) for side in _sides(found)]
        used = [sum(statistics.median(pair[which] for pair in one.processor) for one in found) for which in (0, 1)]
        cells.append(f"{clock[1] * 1e3:.1f} ms | {clock[1] / clock[0]:.2f} | {used[1] / used[0]:.2f}")
    return " | ".join(cells) + " |"


def _sides(found: list[Measured]) -> tuple[list[list[float]], list[list[float]]]:
    return [one.pandas for one in found], [one.room for one in found]


def _ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1e3:.1f} ms"


def run(sizes: tuple[int, ...] = SIZES, rounds: int = ROUNDS) -> list[Measured]:
    return [one for rows in sizes for one in measure(rows, rounds)]
