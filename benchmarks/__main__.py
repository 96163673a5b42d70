"""`python -m benchmarks [NAME…]`: run the paired benchmarks and print their tables."""

from __future__ import annotations

import datetime
import os
import platform
import sys

from benchmarks import notebook, roundtrip, start
from benchmarks.table import markdown

BENCHMARKS = {
    "roundtrip": (roundtrip.run, "plain ipykernel"),
    "start": (start.run, "plain ipykernel"),
    "notebook": (notebook.run, "plain pandas in ipykernel"),
}


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(BENCHMARKS)}.")
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in names or BENCHMARKS:
        run, peer = BENCHMARKS[name]
        print(f"\n## {name}\n\n`python -m benchmarks {name}`\n")
        print(markdown(run(), peer), flush=True)


main(sys.argv[1:])
