"""A stand-in for the gate: answers every question exactly, from the vault's own engine. For tests of the interpreter."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pandas as pd

from cleanroom_kernel.plan import aggregates
from cleanroom_kernel.plan.aggregates import Correlation, Summary
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import decode
from cleanroom_kernel.plan.expressions import Named
from cleanroom_kernel.plan.nodes import PlanError, digest
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel
from cleanroom_kernel.protocol.messages import Disclose, Foresee, Foreseen, Hello, InterpreterRequest, Reply, Setting, Welcome
from cleanroom_kernel.protocol.release import Grid, Reason, Receipt, Refusal, Release

SETTINGS = (Setting("minimum_units", 0, "k"), Setting("endpoints", True, "ends"))


class StandIn:
    def __init__(self, schema, engine, settings=SETTINGS):
        self.schema = schema.public()
        self.engine = engine
        self.settings = settings
        self.questions = []

    def serve(self, stream: socket.socket) -> None:
        channel = Channel(stream, InterpreterRequest, limit=REQUEST_LIMIT)
        threading.Thread(target=self._loop, args=(channel,), daemon=True).start()

    def _loop(self, channel):
        for request in channel:
            try:
                answer = self.answer(request)
            except PlanError as refused:
                answer = Refusal(Reason.INVALID, refused.rule, refused.message, refused.suggestion)
            channel.send(Reply(request.number, answer))

    def answer(self, request):
        if isinstance(request, Hello):
            units = {table.name: "10-99" for table in self.schema.tables if table.unit}
            return Welcome(1, self.schema, "permissive", self.settings, units)
        question = decode(request.plan, self.schema, Aggregate)
        if isinstance(request, Foresee):
            return Foreseen(("a rule",))
        assert isinstance(request, Disclose)
        self.questions.append(question)
        grid = {Summary: self.summary, Correlation: self.correlation}[type(question)](question)
        receipt = Receipt(
            number=len(self.questions), question=digest(question), output_class="", title="", rules=("a rule",),
            units="", cells=0, suppressed=sum(map(sum, grid.suppressed)), precision="", policy="", expert="",
            session="", cell="", time="", chain="",
        )  # fmt: skip
        return Release(receipt, grid)

    def summary(self, question):
        named, statistics = [Named(f"k{i}", key.of) for i, key in enumerate(question.by)], {}
        for i, column in enumerate(question.columns):
            if getattr(column.statistic, "of", None) is not None:
                named.append(Named(f"v{i}", column.statistic.of))
            statistics[i] = column.statistic
        if not named:
            named = [Named("any", next(iter(question.over.fields)) and _first(question.over))]
        table = self.engine.table(question.over, tuple(named)).to_pandas()
        keys = [f"k{i}" for i in range(len(question.by))]
        if not keys:
            parts = [((), table)]
        elif len(table) == 0:
            parts = []
        else:
            parts = list(table.groupby(keys, sort=True, dropna=not question.keep_null))
        rows = tuple(tuple(map(_label, labels)) for labels, _ in parts)
        values = tuple(
            tuple(_statistic(part, f"v{i}", statistic) for _, part in parts) for i, statistic in statistics.items()
        )
        return Grid(
            tuple(key.name for key in question.by), rows, tuple(column.name for column in question.columns), values,
            tuple((False,) * len(rows) for _ in values),
        )  # fmt: skip

    def correlation(self, question):
        table = self.engine.table(question.over, question.columns).to_pandas()[[c.name for c in question.columns]]
        matrix = table.astype(float).cov() if question.covariance else table.astype(float).corr()
        values = tuple(tuple(_plain(value) for value in matrix[name]) for name in matrix)
        rows = tuple((name,) for name in matrix)
        return Grid(("column",), rows, tuple(matrix), values, tuple((False,) * len(rows) for _ in rows))


def _first(relation):
    from cleanroom_kernel.plan.expressions import Value

    return Value(next(iter(relation.fields)))


def _label(value):
    return None if pd.isna(value) else value.item() if isinstance(value, np.generic) else value


def _plain(value):
    if isinstance(value, pd.Timestamp):
        return value.as_unit("us")._value if value is not pd.NaT else None
    if isinstance(value, pd.Timedelta):
        return value.as_unit("us")._value
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _statistic(part, name, statistic):
    if isinstance(statistic, aggregates.Size):
        return len(part)
    if isinstance(statistic, aggregates.Units):
        return part["__unit"].nunique()
    column = part[name]
    if column.dtype == object:
        column = column.dropna().astype(bool) if column.dropna().isin([True, False]).all() else column
    if isinstance(statistic, aggregates.Count):
        return int(column.count())
    if isinstance(statistic, aggregates.Distinct):
        return int(column.nunique())
    if isinstance(statistic, aggregates.Sum):
        return _plain(column.sum())
    if isinstance(statistic, aggregates.Mean):
        return _plain(column.mean())
    if isinstance(statistic, aggregates.Variance):
        numbers = column.astype(float)
        return _plain(numbers.std(ddof=statistic.ddof) if statistic.root else numbers.var(ddof=statistic.ddof))
    if isinstance(statistic, aggregates.Quantile):
        return _plain((column.astype(float) if column.dtype == bool else column).quantile(statistic.q))
    return _plain(column.max() if statistic.largest else column.min())
