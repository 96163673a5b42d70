"""The rule book: what the examples of tests/spec run on, and how they are printed.

A test makes a room from tables that can be read, runs the expert's cells through the real interpreter, gate and ledger,
and compares what the last one shows. `pytest tests/spec --write-specs` writes the manual; without it, a test fails if
the manual is not what the tests say.
"""

from __future__ import annotations

import ast
import math
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.interpreter import connection, hooks_pandas, startup  # noqa: F401 - registers the methods of handles
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange
from tests.unit.interpreter.rooms import Vault

MANUAL = Path(__file__).parents[2] / "docs" / "generated" / "specs.md"

# A least number of three patients instead of ten, no jitter, nothing rounded: tables stay short enough to read.
SMALL = {
    "minimum_units": 3, "jitter": 0, "mixed_jitter": 0, "mixed_noise": 0.0, "effective_units": 2.0, "count_base": 1,
    "unit_share": 0.5, "influence_rounding": False, "significant_digits": 17,
}  # fmt: skip

INTRODUCTION = """# The rules, by example

Written by the tests in tests/spec, which run every example. In all of them the least number of patients is **3**, with
no jitter, and numbers are not rounded, unless a paragraph says otherwise: so the tables stay short.
`1..40 | A` stands for forty patients with the same values.
"""


# -- what is expected -------------------------------------------------------------------------------------------------
class Shows(Struct, frozen=True):
    """A number, or a mapping of labels to numbers; `...` for a cell that is suppressed."""

    value: Any

    def __str__(self) -> str:
        if isinstance(self.value, dict):
            return ", ".join(f"{label}: {'suppressed' if cell is ... else cell}" for label, cell in self.value.items())
        return str(self.value)


class Says(Struct, frozen=True):
    """An error of ours: its kind, and the rule that it names."""

    kind: str
    rule: str = ""

    def __str__(self) -> str:
        return f"*{self.kind}*" + (f" (rule: {self.rule})" if self.rule else "")


WITHHELD = Says("Withheld")


def shows(value: Any) -> Shows:
    return Shows(value)


def refused(rule: str) -> Says:
    return Says("Refused", rule)


def impossible(rule: str) -> Says:
    return Says("Not possible", rule)


# -- running ----------------------------------------------------------------------------------------------------------
class Paragraph(Struct):
    title: str
    text: str
    policy: dict[str, Any]
    tables: dict[str, str]
    cells: list[str]
    expect: list[Any]


def room_of(tables: dict[str, str], columns: tuple[Column, ...], policy: dict[str, Any], state: Path) -> Room:
    declared = {column.name: column for column in columns}
    frames = {name: _frame(text) for name, text in tables.items()}
    schema = RoomSchema("room", tuple(_schema(name, frame, declared) for name, frame in frames.items()))
    arranged, n_units = arrange(schema, frames)
    engine = Engine(Tables(schema, arranged, n_units), Seeds(None), lambda *_: np.empty(0))
    numbers = Policy.from_settings({**SMALL, **policy}).snapshot()
    ledger = Ledger(audit.engine(state), b"k" * 32, n_units)
    ours, theirs = socket.socketpair()
    Vault(Desk(schema, engine, None, numbers, ledger, "ada", "session")).serve(theirs)
    link = Connection.over(ours)
    connection.use(link)
    room = Room(link)
    hooks_pandas.install(room)
    return room


def check(cell: str, names: dict[str, Any], expect: Any) -> None:
    if isinstance(expect, Says):
        with pytest.raises((CleanRoomError, PlanError)) as raised:
            _value(cell, names)
        kind = raised.value.kind if isinstance(raised.value, CleanRoomError) else "Not possible"
        assert (kind, raised.value.rule) == (expect.kind, expect.rule or raised.value.rule), raised.value
        return
    shown = _value(cell, names)
    if isinstance(expect.value, dict):
        found = {label: ... if _missing(value) else value for label, value in shown.items()}
        assert found == {label: pytest.approx(v) if v is not ... else v for label, v in expect.value.items()}
    else:
        assert shown == pytest.approx(expect.value)


def _missing(value: Any) -> bool:
    return value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _value(cell: str, names: dict[str, Any]) -> Any:
    """The value of a cell's last line."""
    tree = ast.parse(cell)
    last = tree.body.pop()
    exec(compile(tree, "<cell>", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
    return None


# -- tables of text ---------------------------------------------------------------------------------------------------
def _frame(text: str) -> pl.DataFrame:
    header, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    rows = [row for line in lines for row in _repeated(line)]
    columns = zip(*rows, strict=True)
    return pl.DataFrame({name: [_typed(cell) for cell in column] for name, column in zip(header, columns, strict=True)},
                        strict=False)  # fmt: skip


def _repeated(cells: list[str]) -> list[list[str]]:
    run = re.fullmatch(r"(\d+)\.\.(\d+)", cells[0])
    if run is None:
        return [cells]
    return [[str(unit), *cells[1:]] for unit in range(int(run[1]), int(run[2]) + 1)]


def _typed(cell: str) -> Any:
    if cell == "":
        return None
    if cell in ("yes", "no"):
        return cell == "yes"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _schema(name: str, frame: pl.DataFrame, declared: dict[str, Column]) -> TableSchema:
    types = {pl.Int64: DType.INTEGER, pl.Float64: DType.FLOAT, pl.Boolean: DType.BOOLEAN, pl.String: DType.STRING}
    return TableSchema(
        name,
        tuple(
            declared.get(column)
            or Column(
                column,
                types[type(dtype)],
                Role.UNIT if column == "id" else Role.FEATURE,
                nullable=bool(frame[column].null_count()),
            )
            for column, dtype in frame.schema.items()
        ),
    )


# -- the manual -------------------------------------------------------------------------------------------------------
def manual(chapters: dict[str, list[Paragraph]]) -> str:
    parts = [INTRODUCTION]
    for chapter, paragraphs in sorted(chapters.items()):
        parts.append(f"## {chapter}\n")
        parts += [_printed(paragraph) for paragraph in paragraphs]
    return "\n".join(parts)


def _printed(paragraph: Paragraph) -> str:
    lines = [f"### {paragraph.title}\n"]
    if paragraph.text:
        lines.append(f"{paragraph.text}\n")
    if paragraph.policy:
        lines.append("Policy: " + ", ".join(f"`{name} = {value}`" for name, value in paragraph.policy.items()) + "\n")
    for name, text in paragraph.tables.items():
        lines.append(f"```text\n{name}\n{_shortened(text)}\n```\n")
    for cell, expect in zip(paragraph.cells, paragraph.expect, strict=True):
        lines.append(f"```python\n{cell.strip()}\n```\n{expect}\n")
    return "\n".join(lines)


def _shortened(table: str) -> str:
    lines = [line.strip() for line in table.strip().splitlines()]
    return "\n".join(lines if len(lines) <= 16 else [*lines[:6], "…", *lines[-2:]])


def chapter_of(node: pytest.Item) -> str:
    number, *words = node.path.stem.removeprefix("test_").split("_")
    return f"{number}. {' '.join(words).capitalize()}"


def sentence_of(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ").capitalize()


def text_of(node: pytest.Item) -> str:
    return " ".join((node.function.__doc__ or "").split())
