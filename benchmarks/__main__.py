"""`python -m benchmarks [NAME…]`: run the paired benchmarks and print their tables."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Callable

from benchmarks import models, notebook, roundtrip, start, usefulness
from benchmarks.table import markdown

BENCHMARKS: dict[str, Callable[[], str]] = {
    "roundtrip": lambda: markdown(roundtrip.run(), "plain ipykernel"),
    "start": lambda: markdown(start.run(), "plain ipykernel"),
    "notebook": lambda: markdown(notebook.run(), "plain pandas in ipykernel"),
    "models": lambda: markdown(models.run(), "plain scikit-learn in ipykernel"),
    "usefulness": usefulness.run,
}


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(BENCHMARKS)}.")
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in names or BENCHMARKS:
        print(f"\n## {name}\n\n`python -m benchmarks {name}`\n")
        print(BENCHMARKS[name](), flush=True)


main(sys.argv[1:])
