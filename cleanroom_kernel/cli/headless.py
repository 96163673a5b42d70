"""Headless: execute the expert's notebooks as Jupyter would, without a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cleanroom_kernel.cli.settings import CommandError


def execute(expert: Path) -> None:
    """Run every notebook in the folder, keep the executed copy beside it, and print the lines with an AUC."""
    for path in sorted(set(expert.glob("*.ipynb")) - set(expert.glob("*-executed.ipynb"))):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook, timeout=600, kernel_name="cleanroom", resources={"metadata": {"path": str(expert)}}
        )
        started = time.perf_counter()
        try:
            client.execute()
        except CellExecutionError as failed:
            raise CommandError(f"The notebook {path.name} stopped:\n{failed}") from None
        finally:
            nbformat.write(notebook, expert / f"{path.stem}-executed.ipynb")
        print(f"{path.name}: {len(notebook.cells)} cells in {time.perf_counter() - started:.1f} s")
        for line in _texts(notebook):
            if re.search(r"\bAUC\b", line):
                print(f"  {line}")


def _texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            yield from output.get("text", "").splitlines()
