"""What the gate's evidence costs: a grouped mean of 5 million rows of 1.5 million patients, against pandas alone.

Run as `python -m benchmarks.evidence`. Prints milliseconds of each step (the median of several runs, both sides
alternating) and the ratio of the whole answer to pandas' own groupby.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.evidence import summed
from cleanroom_kernel.disclosure.footprint import RowFootprints, Sketcher
from cleanroom_kernel.disclosure.grouping import contributions, group
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Named, Value
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange

ROWS, UNITS, GROUPS, REPEATS = 5_000_000, 1_500_000, 80, 7


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1e3, result


def median(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    return statistics.median(timed(work)[0] for _ in range(repeats))


def data() -> pd.DataFrame:
    random = np.random.default_rng(0)
    groups = np.array([f"group {place:02d}" for place in range(GROUPS)])
    return pd.DataFrame(
        {
            "id": random.integers(0, UNITS, ROWS),
            "g": pd.array(groups[random.integers(0, GROUPS, ROWS)], dtype="str"),
            "x": random.gamma(2.0, 3.0, ROWS),
        }
    )


def steps(frame: pd.DataFrame) -> None:
    """The parts, on arrays that are sorted by unit as the vault's are."""
    frame = frame.sort_values("id", kind="stable")
    units, rows = frame.id.to_numpy().astype(np.int32), frame.index.to_numpy()
    codes, values = frame.g.astype("category").cat.codes.to_numpy().astype(np.int32), frame.x.to_numpy()
    grouped = group(codes, units, rows, GROUPS, UNITS)
    by_unit = contributions(grouped, values)
    sketcher = Sketcher(b"k" * 32, UNITS)
    print(f"contributions per unit and group  {median(lambda: contributions(grouped, values)):8.1f} ms")
    print(f"evidence of a mean                {median(lambda: summed(by_unit, Kind.MEAN, 10)):8.1f} ms")
    footprints = median(lambda: RowFootprints(grouped, sketcher, "space").of(range(GROUPS)))
    print(f"footprints of all groups          {footprints:8.1f} ms")


def whole(frame: pd.DataFrame) -> None:
    """A question through the gate: a new room each time, so that no answer is remembered."""
    columns = (Column("id", DType.INTEGER, Role.UNIT), Column("g", DType.STRING), Column("x", DType.FLOAT))
    schema = RoomSchema("room", (TableSchema("t", columns),))
    tables, n_units = arrange(schema, {"t": pl.from_pandas(frame)})
    summary = a.Summary(Table(schema["t"]), (a.Column("x", a.Mean(Value("x"))),), (Named("g", Value("g")),))
    policy = Policy().snapshot()

    def ask() -> None:
        engine = Engine(Tables(schema, tables, n_units), Seeds(None), predictor=lambda *_: np.zeros(0))
        with tempfile.TemporaryDirectory() as state:
            ledger = Ledger(audit.engine(state), b"k" * 32, n_units)
            seconds, _ = timed(lambda: answer(summary, Desk(schema, engine, None, policy, ledger, "ada", "s")))
        ours.append(seconds)

    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(REPEATS):
        ask()
        theirs.append(timed(lambda: frame.groupby("g").x.mean())[0])
    print(f"pandas groupby mean               {statistics.median(theirs):8.1f} ms")
    print(f"the same through the gate         {statistics.median(ours):8.1f} ms")
    print(f"ratio                             {statistics.median(ours) / statistics.median(theirs):8.2f}")


if __name__ == "__main__":
    made = data()
    steps(made)
    whole(made)
