"""Fixture of the rule book: each test of this folder is a paragraph of docs/generated/specs.md, and runs what it says.

`spec` makes a room from tables that can be read, runs the expert's cells through the real interpreter, gate and ledger,
and compares what they show. `python -m pytest tests/spec --write-specs` writes the manual.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.plan.schema import Column
from tests.spec.rulebook import MANUAL, Paragraph, chapter_of, check, manual, room_of, sentence_of, text_of

PARAGRAPHS: pytest.StashKey[dict[str, list[Paragraph]]] = pytest.StashKey()


@pytest.fixture
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    numbers = itertools.count()

    def run(
        *steps: tuple[str, Any], columns: tuple[Column, ...] = (), policy: dict[str, Any] | None = None, **tables: str
    ) -> None:
        """`steps` are cells and what they show, in order; tables are text."""
        room = room_of(tables, columns, policy or {}, tmp_path / str(next(numbers)))
        names = {"room": room, "pd": pd, "np": np, **{name: room[name] for name in tables}}
        for cell, expect in steps:
            check(cell, names, expect)
        request.config.stash[PARAGRAPHS].setdefault(chapter_of(request.node), []).append(
            Paragraph(
                sentence_of(request.node.originalname),
                text_of(request.node),
                policy or {},
                tables,
                [cell for cell, _ in steps],
                [expect for _, expect in steps],
            )
        )

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-specs", action="store_true", help="write docs/generated/specs.md from tests/spec")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PARAGRAPHS] = {}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == 0 and session.config.getoption("--write-specs"):
        MANUAL.write_text(manual(session.config.stash[PARAGRAPHS]))
