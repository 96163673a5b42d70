"""What an honest exploration gets: sixty questions about open hospital records, through the gate, beside the truth.

Promise: each question is the same code on the room's handles and on the DataFrames themselves; the vault's session,
the gate and the ledger are the real ones, and the questions of one preset are one expert's, in one ledger. `measure` is
the guard against a gate that is tightened until nobody can work: it names every question that was not answered, and
the rule that spoke.

Run as `python -m benchmarks usefulness`, or `python -m benchmarks.usefulness [DATA SET…] [PRESET…]`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import sqlalchemy as sa

from benchmarks.rooms import opened
from benchmarks.usefulness_queries import DIABETES130, DIABETES130_SETUP, MIMIC_IV_DEMO, MIMIC_IV_DEMO_SETUP
from cleanroom_kernel import audit
from cleanroom_kernel.disclosure import gate
from cleanroom_kernel.interpreter.errors import CleanRoomError, CleanRoomWithheld
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.vault.preparing import prepare
from cleanroom_kernel.vault.propose import propose
from cleanroom_kernel.vault.sources import Source

PRESETS = ("standard", "strict", "relaxed")
SHARED = Path(__file__).parents[2] / "shared" / "data"


class DataSet(NamedTuple):
    """`tables` are files under the folder of shared data; `setup` is what the expert writes before the questions."""

    tables: dict[str, str]
    setup: str
    questions: dict[str, str]
    dates: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, Path]:
        return {name: SHARED / file for name, file in self.tables.items()}


DATA_SETS = {
    "diabetes130": DataSet(
        {"encounters": "diabetes130/diabetic_data.csv.gz"}, DIABETES130_SETUP, DIABETES130
    ),
    "mimic_iv_demo": DataSet(
        {
            **{
                name: f"mimic_iv_demo/hosp/{name}.csv.gz"
                for name in ("patients", "admissions", "services", "transfers", "diagnoses_icd", "prescriptions",
                             "procedures_icd", "omr")
            },
            "icustays": "mimic_iv_demo/icu/icustays.csv.gz",
        },
        MIMIC_IV_DEMO_SETUP,
        MIMIC_IV_DEMO,
        ("admittime", "dischtime", "edregtime", "edouttime"),
    ),
}  # fmt: skip

Cells = dict[str, float]


# -- one room, twice --------------------------------------------------------------------------------------------------
def plain(data: DataSet) -> dict[str, pd.DataFrame]:
    """The tables as the analyst would read them; by pandas itself, which in a room reads files of its tables' names."""
    read = inspect.unwrap(pd.read_csv)
    tables = {
        name: read(file, keep_default_na=False, na_values=["?", ""], low_memory=False)
        for name, file in data.files.items()
    }
    for table in tables.values():
        for column in set(data.dates) & set(table.columns):
            table[column] = pd.to_datetime(table[column])
    return tables


def prepared(data: DataSet, directory: Path) -> None:
    """What an owner does: propose a schema and prepare the tables; nothing in it is made for these questions."""
    schema = propose(data.files.values(), null_values=("?", ""), room="measured").schema
    text = {file.name.partition(".")[0]: name for name, file in data.files.items()}
    renamed = tuple(table for table in schema.tables if table.name in text)
    assert len(renamed) == len(data.tables), "a table was not recognised as one of patients"
    schema = type(schema)(
        schema.name,
        tuple(type(table)(text[table.name], table.columns, table.description) for table in renamed),
        schema.unit_name,
    )
    sources = [Source(name, str(file), null_values=("?", "")) for name, file in data.files.items()]
    report = prepare(schema, sources, directory)
    if not report.ready:
        raise SystemExit(report.words())


# -- one question -----------------------------------------------------------------------------------------------------
class Outcome(NamedTuple):
    """`errors` are relative, of each number that came back; `reason` says why nothing did, or why some did not."""

    name: str
    asked: int
    errors: tuple[float, ...]
    reason: str

    @property
    def answered(self) -> bool:
        return len(self.errors) > 0


def evaluated(code: str, names: dict[str, Any]) -> Any:
    """The value of the last expression of `code`, after all that stands before it."""
    *before, last = ast.parse(code.strip()).body
    assert isinstance(last, ast.Expr), "a question ends with an expression"
    namespace = dict(names)
    exec(compile(ast.Module(before, []), "<question>", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "<question>", "eval"), namespace)


def namespace(room: Any, setup: str) -> dict[str, Any]:
    names: dict[str, Any] = {"np": np, "pd": pd, "room": room}
    exec(setup, names)
    return names


def cells(answer: Any) -> Cells:
    """The numbers of an answer by their labels; missing ones and texts are none."""
    if isinstance(answer, pd.DataFrame):
        found = {(_label(row), _label(name)): value for name, column in answer.items() for row, value in column.items()}
    elif isinstance(answer, pd.Series):
        found = {(_label(row),): value for row, value in answer.items()}
    elif isinstance(answer, np.ndarray):
        found = {(str(place),): value for place, value in enumerate(answer)}
    else:
        found = {(): answer}
    numbers = {" | ".join(label): _number(value) for label, value in found.items()}
    return {label: value for label, value in numbers.items() if not np.isnan(value)}


def _label(label: Any) -> str:
    if isinstance(label, tuple):
        return " | ".join(map(_label, label))
    if isinstance(label, (int, float, np.number)) and not isinstance(label, bool):
        return f"{label:g}"
    return str(label)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float, np.number, np.bool_)) else float("nan")


def compared(name: str, truth: Cells, shown: Cells, reason: str) -> Outcome:
    assert truth, f"the question {name!r} has no number for an answer"
    errors = tuple(_error(shown[label], value) for label, value in truth.items() if label in shown)
    return Outcome(name, len(truth), errors, reason)


def _error(shown: float, truth: float) -> float:
    if shown == truth:
        return 0.0
    return abs(shown - truth) / abs(truth) if truth else 1.0


# -- one preset -------------------------------------------------------------------------------------------------------
class Report(NamedTuple):
    data: str
    preset: str
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def answered(self) -> float:
        return sum(outcome.answered for outcome in self.outcomes) / len(self.outcomes)

    @property
    def cells(self) -> float:
        """Share of all numbers that came back."""
        return len(self.errors) / sum(outcome.asked for outcome in self.outcomes)

    @property
    def cells_per_question(self) -> float:
        """The same as a mean over the questions, so that a long table does not count for more than a mean."""
        return sum(len(outcome.errors) / outcome.asked for outcome in self.outcomes) / len(self.outcomes)

    @property
    def errors(self) -> list[float]:
        return [error for outcome in self.outcomes for error in outcome.errors]

    def error(self, quantile: float) -> float:
        return float(np.quantile(self.errors, quantile)) if self.errors else float("nan")

    def row(self) -> str:
        return (
            f"| {self.data} | {self.preset} | {self.answered:.1%} | {self.cells:.1%} | {self.cells_per_question:.1%} "
            f"| {self.error(0.5):.2%} | {self.error(0.95):.2%} | {self.seconds:.0f} s |"
        )

    def unanswered(self) -> list[str]:
        return [f"{outcome.name}: {outcome.reason}" for outcome in self.outcomes if not outcome.answered]

    def partial(self) -> list[str]:
        other = "never shown, or labels not named"
        return [
            f"{outcome.name}: {len(outcome.errors)} of {outcome.asked} ({outcome.reason or other})"
            for outcome in self.outcomes
            if outcome.answered and len(outcome.errors) < outcome.asked
        ]


HEADER = (
    "| data | preset | questions answered | numbers returned | per question | median error | 95th percentile | time |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|"
)


def measure(name: str, data: DataSet, preset: str, directory: Path, truths: Mapping[str, Cells]) -> Report:
    start = time.perf_counter()
    outcomes = []
    with opened(directory, preset) as (room, database), _rules_noted() as rules:
        names = namespace(room, data.setup)
        for question, code in data.questions.items():
            rules.clear()
            try:
                shown, reason = cells(evaluated(code, names)), f"suppressed: {_listed(rules)}" if rules else ""
            except CleanRoomWithheld:
                shown, reason = {}, f"withheld: {_last_rules(database)}"
            except (CleanRoomError, PlanError) as refused:
                shown, reason = {}, f"refused: {refused.rule or refused.message}"
            outcomes.append(compared(question, truths[question], shown, reason))
    return Report(name, preset, tuple(outcomes), time.perf_counter() - start)


def _last_rules(database: sa.Engine) -> str:
    """What the owner's audit log says of the last withheld answer."""
    with audit.reading(database) as reading:
        last = [entry.event for entry in audit.entries(reading) if isinstance(entry.event, audit.Withheld)][-1]
    return ", ".join(last.rules)


def _listed(rules: Counter[str]) -> str:
    return ", ".join(f"{rule}: {number}" for rule, number in rules.most_common())


@contextlib.contextmanager
def _rules_noted() -> Iterator[Counter[str]]:
    """Counts the cells that each rule suppresses, which the gate itself tells nobody."""
    noted: Counter[str] = Counter()

    def findings_on(column: Any, *rest: Any) -> Any:
        found = judge(column, *rest)
        noted.update(
            {finding.check.value: int((~finding.passed).sum()) for finding in found if not finding.passed.all()}
        )
        return found

    def beside_released(column: Any, evidence: Any, alone: Any, *rest: Any) -> Any:
        shown = compare(column, evidence, alone, *rest)
        if lost := int((alone & ~shown.shown).sum()):
            noted["differencing or combinations"] += lost
        if shown.repeated:
            noted["repeats of earlier numbers"] += shown.repeated
        return shown

    judge: Callable[..., Any] = gate.findings_on
    compare: Callable[..., Any] = gate.beside_released
    with mock.patch.multiple(gate, findings_on=findings_on, beside_released=beside_released):
        yield noted


def reports(data_sets: Sequence[str], presets: Sequence[str]) -> Iterator[Report]:
    for name in data_sets:
        data = DATA_SETS[name]
        names = namespace(plain(data), data.setup)
        truths = {question: cells(evaluated(code, names)) for question, code in data.questions.items()}
        with tempfile.TemporaryDirectory() as folder:
            prepared(data, Path(folder))
            for preset in presets:
                yield measure(name, data, preset, Path(folder), truths)


def run(data_sets: Sequence[str] = tuple(DATA_SETS), presets: Sequence[str] = PRESETS) -> str:
    """The table, and below it what did not come back."""
    there = [name for name in data_sets if all(file.exists() for file in DATA_SETS[name].files.values())]
    lines = [f"{name} is not on this machine: skipped." for name in data_sets if name not in there]
    found = list(reports(there, presets))
    lines += [HEADER, *(report.row() for report in found)]
    for report in found:
        title = f"{report.data}, {report.preset}"
        lines += ["", f"### {title}: not answered", "", *(f"- {line}" for line in report.unanswered() or ["none"])]
        lines += ["", f"### {title}: answered in part", "", *(f"- {line}" for line in report.partial() or ["none"])]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    unknown = set(arguments) - set(DATA_SETS) - set(PRESETS)
    if unknown:
        raise SystemExit(f"Name data sets ({', '.join(DATA_SETS)}) and presets ({', '.join(PRESETS)}) only.")
    print(
        run(
            [name for name in DATA_SETS if name in arguments] or list(DATA_SETS),
            [preset for preset in PRESETS if preset in arguments] or list(PRESETS),
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
