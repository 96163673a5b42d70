"""`python -m benchmarks [NAME…] [--json FOLDER]`: run the paired benchmarks and print their tables.

With `--json`, what single runs took is also written to FOLDER, one file for each benchmark that has such figures.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import aggregates, ledger, models, notebook, roundtrip, rowfunctions, start, usefulness
from benchmarks.table import markdown

BENCHMARKS: dict[str, Callable[[], str]] = {
    "roundtrip": lambda: markdown(roundtrip.run(), "plain ipykernel"),
    "start": lambda: markdown(start.run(), "plain ipykernel"),
    "notebook": lambda: markdown(notebook.run(), "plain pandas in ipykernel"),
    "models": lambda: markdown(models.run(), "plain scikit-learn in ipykernel"),
    "rowfunctions": rowfunctions.run,
    "usefulness": usefulness.run,
}

# Benchmarks that keep the figures of single runs: what measures, and what makes a text of it.
FIGURES: dict[str, tuple[Callable[[], Any], Callable[[Any], str]]] = {
    "aggregates": (aggregates.run, aggregates.markdown),
    "ledger": (ledger.run, ledger.markdown),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*BENCHMARKS, *FIGURES))}")
    parser.add_argument("--json", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    names = asked.names or [*BENCHMARKS, *FIGURES]
    unknown = set(names) - set(BENCHMARKS) - set(FIGURES)
    if unknown:
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}.")
    print(_machine())
    for name in names:
        print(f"\n## {name}\n\n`python -m benchmarks {name}`\n")
        print(BENCHMARKS[name]() if name in BENCHMARKS else _with_figures(name, asked.json), flush=True)


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{datetime.date.today()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"


def _with_figures(name: str, folder: Path | None) -> str:
    run, text = FIGURES[name]
    figures = run()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        body = msgspec.json.encode({"benchmark": name, "machine": _machine(), "figures": figures})
        (folder / f"{name}.json").write_bytes(msgspec.json.format(body))
    return text(figures)


main()
