"""Round trip of `1+1`: plain ipykernel and the clean room on loopback, cell by cell in turn, in one run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import Kernel, kernel, serving

WARM_UP = 20


def run(samples: int = 200) -> list[Row]:
    """Median seconds until the reply, and until the kernel is idle again."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        hospital.write(base, 500)
        sources = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
        with (
            serving(base, sources) as room,
            kernel("python3", base) as plain,
            kernel("cleanroom", base, room.jupyter) as ours,
        ):
            times = {id(running): [] for running in (plain, ours)}
            for _ in range(WARM_UP + samples):
                for running in (plain, ours):
                    times[id(running)].append(_round_trip(running))
    rows = []
    for position, name in enumerate(("1+1 until the reply", "1+1 until idle")):
        peer, mine = (median(pair[position] for pair in times[id(k)][WARM_UP:]) for k in (plain, ours))
        rows.append(Row(name, peer, mine))
    return rows


def _round_trip(running: Kernel) -> tuple[float, float]:
    client = running.client
    begin = time.perf_counter()
    cell = client.execute("1+1")
    while client.get_shell_msg(timeout=30)["parent_header"].get("msg_id") != cell:
        pass
    replied = time.perf_counter() - begin
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") == cell and message["content"].get("execution_state") == "idle":
            return replied, time.perf_counter() - begin
