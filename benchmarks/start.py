"""Session start: from starting the kernel to the result of the first cell, which imports pandas and scikit-learn."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import kernel, serving

FIRST = "import pandas, sklearn.linear_model\nprint(1 + 1)"


def run(repeats: int = 5) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        hospital.write(base, 2_000)
        sources = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
        plain, ours = [], []
        with serving(base, sources) as room:
            for _ in range(repeats):
                plain.append(_start("python3", base, None))
                ours.append(_start("cleanroom", base, room.jupyter))
    return [Row("start to first result", median(plain), median(ours))]


def _start(name: str, folder: Path, jupyter: Path | None) -> float:
    begin = time.perf_counter()
    with kernel(name, folder, jupyter) as running:
        running.value(FIRST)
        return time.perf_counter() - begin
