"""The readmission notebook, cell by cell: plain pandas in ipykernel against the clean room, interleaved in one run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from tests.acceptance.diabetes import (
    DATA,
    EXPLORE,
    FEATURES,
    MODELS,
    PLAIN_LOAD,
    SOURCES,
    SPLIT,
    model_cell,
    propose_schema,
)
from tests.acceptance.rooms import kernel, serving

CELLS = {"explore": EXPLORE, "features": FEATURES, "split": SPLIT} | {name: model_cell(name) for name in MODELS}


def run(repeats: int = 3) -> list[Row]:
    """One row per cell: median seconds of plain pandas and of the clean room. Needs the diabetes130 table."""
    if not DATA.exists():
        raise SystemExit("benchmarks.notebook needs the diabetes130 table")
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CELLS}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        propose_schema(base)
        for _ in range(repeats):  # a fresh room each time, so that no answer comes out of the ledger
            with serving(base, SOURCES, keyed_seeds=False) as room:
                _round(base, room.jupyter, times)
            _forget(base)
    return [Row(name, median(plain), median(ours)) for name, (plain, ours) in times.items()]


def _round(folder: Path, jupyter: Path, times: dict[str, tuple[list[float], list[float]]]) -> None:
    with kernel("python3", folder) as plain, kernel("cleanroom", folder, jupyter) as ours:
        plain.value(PLAIN_LOAD)
        for running in (plain, ours):
            running.value("import pandas, sklearn.ensemble")
        for name, cell in CELLS.items():
            for running, measured in zip((plain, ours), times[name], strict=True):
                start = time.perf_counter()
                running.value(cell)
                measured.append(time.perf_counter() - start)


def _forget(base: Path) -> None:
    import shutil

    shutil.rmtree(base / "cleanroom-state")
