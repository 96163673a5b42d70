"""A connection that answers every question with a canned payload, and remembers what was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.aggregates import Metric
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.models import Fit, Inspect, Task
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.plan.schema import Column as Declared
from cleanroom_kernel.plan.schema import DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.messages import VERSION, Welcome
from cleanroom_kernel.protocol.release import Array, FitSummary, Grid, Receipt

RECEIPT = Receipt(
    number=1, question="q", output_class="model", title="", rules=(), units="", cells=1, suppressed=0, precision="",
    policy="standard", expert="ada", session="s", cell="", time="", chain="",
)  # fmt: skip

TABLE = TableSchema(
    "points",
    (
        Declared("id", DType.INTEGER, Role.UNIT),
        Declared("a", DType.FLOAT),
        Declared("b", DType.FLOAT),
        Declared("label", DType.INTEGER, categories=(0, 1)),
    ),
)


@dataclass
class FakeConnection:
    findings: tuple[str, ...] = ()
    artifact: Any = None
    asked: list[Any] = field(default_factory=list)
    exported: list[Any] = field(default_factory=list)

    @property
    def welcome(self) -> Welcome:
        return Welcome(VERSION, RoomSchema("fake", (TABLE,)), "standard", (), {"points": "10-99"})

    def disclose(self, aggregate: Any) -> Any:
        self.asked.append(aggregate)
        return self._payload(aggregate), RECEIPT

    def export(self, fit: Fit, name: str) -> Any:
        self.exported.append((fit, name))
        return self.artifact, RECEIPT

    def _payload(self, aggregate: Any) -> Any:
        if isinstance(aggregate, Fit):
            classes = (0, 1) if aggregate.task is Task.CLASSIFY else ()
            return FitSummary(
                not self.findings, self.findings, len(aggregate.features), classes, aggregate.feature_names
            )
        if isinstance(aggregate, Inspect):
            return Array(shape=(2,), values=(1.0, 2.0))
        if isinstance(aggregate, Metric):
            return Grid((), ((),), ("score",), ((0.75,),), ((False,),))
        return Grid(
            ("truth", "prediction"), ((0, 0), (0, 1), (1, 1)), ("rows",), ((50, None, 40),), ((False, True, False),)
        )


def points() -> tuple[Frame, Column]:
    """Features and a target of a table whose twin is too small for most fits."""
    twin = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.5], "label": [0, 1, 0, 1]})
    rows = Table(TABLE)
    X = Frame(rows, {"a": Value("a"), "b": Value("b")}, twin[["a", "b"]])
    return X, Column(rows, Value("label"), twin["label"])
