"""Row functions: one function over many rows in a locked worker, against a plain fork of the same parent, and pandas.

The first table is of one run alone: memory handed over, a fork, the locks, the calls, and the answers read; its peer is
the same parent with the locks left out. The second is of all that a column takes in the vault (order, packing, the run,
the second run of some rows, unpacking; the rounding up of times apart), against pandas' own apply of the plain
function. Peers take turns, in one run; every figure is a median.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.table import Row, markdown
from cleanroom_kernel.plan.expressions import Field, RowFunction, Value
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.rowfunctions.layout import Call
from cleanroom_kernel.vault.rowbatches import packed, unpacked
from tests.support.rowparents import PARENT, Parent

LIMITS = RowLimits(memory=1 << 30, seconds=60.0)
SIZES = {1: 200, 1_000: 200, 100_000: 20, 1_000_000: 5}  # rows -> rounds

SOURCES: dict[str, tuple[str, Callable[[float], float]]] = {
    "a condition and arithmetic": (
        "answer = lambda x: x * 2.0 + 1.0 if x > 0.5 else x - 1.0",
        lambda x: x * 2.0 + 1.0 if x > 0.5 else x - 1.0,
    ),
}
UNLOCKED = Path(__file__).parent / "unlocked_rows.py"


def run() -> str:
    locked, plain = Parent(), Parent(command=[*PARENT[:3], str(UNLOCKED)], required=())
    try:
        forks, applies = [], []
        for name, (source, function) in SOURCES.items():
            for size, rounds in SIZES.items():
                values = np.random.default_rng(size).random(size)
                label = f"{name}, {size:,} row{'s' * (size > 1)}"
                forks.append(_against_a_fork(label, source, values, rounds, locked, plain))
                applies.append(_against_pandas(label, source, function, values, max(rounds // 4, 3), locked))
        return "\n\n".join(
            [markdown(forks, "plain os.fork, one run"), markdown(applies, "pandas' apply, the whole column")]
        )
    finally:
        locked.close()
        plain.close()


def _against_a_fork(label: str, source: str, values: np.ndarray, rounds: int, locked: Parent, plain: Parent) -> Row:
    given, buffers = packed(pl.Series(values), DType.FLOAT)
    call = Call(source, len(values), (given,), (), "float", False, LIMITS.memory, LIMITS.seconds)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for parent, measured in zip((plain, locked), times, strict=True):
            began = time.perf_counter()
            answers = unpacked(call, parent.line().answers(call, [buffers]))
            if number:  # the first warms up
                measured.append(time.perf_counter() - began)
            assert len(answers) == len(values)
    return Row(label, median(times[0]), median(times[1]))


def _against_pandas(
    label: str, source: str, function: Callable[[float], float], values: np.ndarray, rounds: int, locked: Parent
) -> Row:
    node = RowFunction(source, (Value("x"),), DType.FLOAT)
    functions, column, series = locked.functions(LIMITS), pl.Series(values), pd.Series(values)
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        expected = series.apply(function)
        theirs.append(time.perf_counter() - began)
        began = time.perf_counter()
        answers = functions.answers(node, [Field(DType.FLOAT)], [column])
        ours.append(time.perf_counter() - began)
        np.testing.assert_array_equal(answers.to_numpy(), expected.to_numpy())
    return Row(label, median(theirs), median(ours))


if __name__ == "__main__":
    sys.stdout.write(run() + "\n")
