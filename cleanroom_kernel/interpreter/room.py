"""The room: what an expert finds under the name `room` in a notebook."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.asking import OfModel, Request, Requests, ask
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.display import NOTE_STYLE
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.handles import Frame
from cleanroom_kernel.interpreter.jobs import JobRequest, submit
from cleanroom_kernel.interpreter.survival import Survival, logrank_test, survival
from cleanroom_kernel.interpreter.twins import Twins
from cleanroom_kernel.interpreter.uploads import Uploaded, upload
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.plan.schema import Column, Role, SchemaError, TableSchema
from cleanroom_kernel.protocol.budget import Budget
from cleanroom_kernel.protocol.release import Receipt


class Receipts(tuple[Receipt, ...]):
    """Receipts, shown as a table; each has all its fields."""

    def _table(self) -> pd.DataFrame:
        rows = [(one.number, one.title, one.units, one.cells, one.suppressed, one.precision, one.time) for one in self]
        names = ["number", "released", "patients", "cells", "suppressed", "rounded", "time"]
        return pd.DataFrame(rows, columns=names).set_index("number")

    def __repr__(self) -> str:
        return self._table().to_string(max_colwidth=60)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _repr_html_(self) -> str:
        return self._table().to_html(border=0)


class Room:
    """Tables, policy and receipts of a clean room. `room["table"]` is a DataFrame whose rows stay in the room."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema = connection.welcome.schema
        self._twins = Twins(self._schema)
        self._releaser: Callable[[Any, str], Any] | None = None
        self._of_model: OfModel | None = None

    def __getitem__(self, name: str) -> Frame:
        try:
            table = self._schema[name]
        except SchemaError as unknown:
            raise KeyError(str(unknown)) from None
        columns = {column.name: Value(column.name) for column in table.visible}
        return Frame(Table(table), columns, self._twins[name])

    def __getattr__(self, name: str) -> Frame:
        if not name.startswith("_") and name in self._names():
            return self[name]
        raise AttributeError(f"The room has no table {name!r}. It has {', '.join(self._names())}.")

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __dir__(self) -> list[str]:
        return [*self._names(), *(name for name in dir(type(self)) if not name.startswith("_"))]

    def _ipython_key_completions_(self) -> list[str]:
        return self._names()

    def _names(self) -> list[str]:
        return [table.name for table in self._schema.tables]

    def named(self, name: str) -> Frame | None:
        """The table that answers to a name or to the name of a file, as in pd.read_csv("encounters.csv")."""
        found = self.declared(name)
        if found is not None:
            return found
        for table in self._schema.tables:
            if _as_written(name) in map(_as_written, (table.name, *table.aliases)):
                return self[table.name]
        return None

    def declared(self, name: str) -> Frame | None:
        """The table of exactly this name, or to which the owner gave it."""
        for table in self._schema.tables:
            if name in (table.name, *table.aliases):
                return self[table.name]
        return None

    def sql(self, query: str, dialect: str | None = None) -> Any:
        """The answer to a SELECT: a DataFrame of the room, or released statistics where it groups by attributes.

        PostgreSQL is read, or BigQuery where names stand in backticks; `dialect` names another.
        """
        from cleanroom_kernel.interpreter import sql  # with its parser, for those who use it

        return sql.run(self, query, dialect)

    def upload(self, df: pd.DataFrame, name: str, key: str | Sequence[str] | None = None) -> Uploaded:
        """Bring a public table of your own, to be joined by its key: `df.merge(reference, on="code", how="left")`.

        One row per key; text, whole and other numbers and truth values; at most 20,000 rows and 100,000 cells. The key
        is the first column, or the columns `key`. The owner reads in the log that you brought it. What the table says
        is of your choice, so the policy treats it like numbers and lists that you write into the code.
        """
        return upload(df, name, self._connection, key)

    def survival(
        self, durations: Any, events: Any = None, timeline: Sequence[float] | None = None, label: str = "KM_estimate"
    ) -> Survival:
        """A survival curve of rows, as lifelines' KaplanMeierFitter has it: `room.survival(df.los, df.died).plot()`.

        `events` is true where the event happened, else the row is censored. Times lie between equal shares of the
        events, or are those of `timeline`.
        """
        return survival(durations, events, timeline, label)

    def logrank_test(
        self,
        durations_a: Any,
        durations_b: Any,
        event_observed_a: Any = None,
        event_observed_b: Any = None,
        timeline: Sequence[float] | None = None,
    ) -> pd.Series:
        """Whether the survival of two groups of rows differs: the statistic and its p-value."""
        return logrank_test(durations_a, durations_b, event_observed_a, event_observed_b, timeline)

    @property
    def tables(self) -> dict[str, Frame]:
        return {name: self[name] for name in self._names()}

    def schema(self, name: str) -> pd.DataFrame:
        """Columns of a table as the owner declared them."""
        table = self._schema[name]
        return pd.DataFrame([_described(column) for column in table.visible]).set_index("column")

    def policy(self) -> pd.DataFrame:
        """The owner's policy: every number and what it means."""
        rows = [(setting.name, setting.value, setting.help) for setting in self._connection.greet().settings]
        return pd.DataFrame(rows, columns=["setting", "value", "meaning"]).set_index("setting")

    def budget(self) -> pd.DataFrame:
        """What you have had of what the policy allows: withheld answers, suppressed cells, numbers with noise."""
        rows = [(one.name, one.used, one.allowed, _over(one)) for one in self._connection.budgets()]
        return pd.DataFrame(rows, columns=["budget", "used", "allowed", "over"]).set_index("budget")

    @property
    def receipts(self) -> Receipts:
        """What was released to this session, in order."""
        return Receipts(self._connection.receipts)

    def would_release(self, question: Callable[[], Any]) -> pd.DataFrame:
        """Which rules apply to what `question` would ask, without asking: `room.would_release(lambda: df.age.mean())`.

        The data is not touched. A number that one of the questions would release is taken from the twin.
        """
        rows: list[tuple[str, str]] = []
        with self._connection.foreseeing() as foreseen:
            try:
                question()
            except CleanRoomError as refused:
                rows.append(("refused", str(refused)))
        asked = [(f"question {i}", rule) for i, (_, rules) in enumerate(foreseen, 1) for rule in rules]
        return pd.DataFrame([*asked, *rows], columns=["asked", "rule"])

    def bring(self, model: Any) -> Any:
        """A scikit-learn model that was fitted elsewhere, to predict and score rows of the room: the fitted model
        itself, a file of skops, or its bytes. `cleanroom bring FILE` on your machine prints a cell that brings one.
        """
        from cleanroom_kernel.interpreter.bringing import bring  # with scikit-learn, for those who use it

        return bring(model)

    def release_with(self, releaser: Callable[[Any, str], Any], of_model: OfModel) -> None:
        """Who releases models: the hooks of scikit-learn say so when they are installed."""
        self._releaser, self._of_model = releaser, of_model

    def release(self, model: Any, filename: str) -> Any:
        """A fitted model as a file on your machine, if the policy lets it out."""
        if self._releaser is None:
            raise CleanRoomError("Models cannot be released from this notebook.")
        return self._releaser(model, filename)

    def request_release(self, what: Any, reason: str, filename: str | None = None) -> Request:
        """Ask the owner for an answer that the policy withheld, or withheld cells of.

        `what` is the code that asks (`lambda: df.age.mean()`), the error that it raised, a table with suppressed cells,
        or a fitted model with a `filename`. The owner sees your reason, your code and the numbers. Run again, it is the
        same request; `.state` tells how it stands, `.result()` gives the value once it is approved.
        """
        return ask(self._connection, what, reason, filename, self._of_model)

    def submit_job(
        self,
        source: str,
        name: str,
        reads: Mapping[str, Sequence[str]],
        result: Mapping[str, Any],
        reason: str,
        rehearse: bool = True,
    ) -> JobRequest:
        """Ask the owner to let code run beside the rows, for what nothing else here can do. `%%job` does the same.

        `source` finds the columns that it `reads` (table -> columns) as DataFrames in `inputs`, patients and keys under
        pseudonyms, and leaves a dict in `result` with exactly what is declared: `"auc": "number"`, `"n": "count"`,
        `"table": {"columns": {"ward": "text", "mean": "number"}, "rows": 5}`, `"weights": {"tensors": 10_000}`. It is
        run on synthetic rows first. Run again, it is the same request; `.run()` once the owner has approved it.
        """
        return submit(self._connection, self._schema, source, name, reads, result, reason, rehearse=rehearse)

    def run_job(self, job: JobRequest | int) -> Any:
        """Run a job that the owner approved: what may leave of it, or the request as which its result waits."""
        request = self.request(job) if isinstance(job, int) else job
        if not isinstance(request, JobRequest):
            raise CleanRoomError(f"Request {request.number} is no job.", suggestion="room.requests() lists yours.")
        return request.run()

    def requests(self) -> Requests:
        """Your requests to the owner, the newest first, of earlier sessions too."""
        known = self._connection.requests()
        return Requests((JobRequest if one.job else Request)(self._connection, one) for one in known)

    def request(self, number: int) -> Request:
        """One of your requests to the owner."""
        found = [request for request in self.requests() if request.number == number]
        if not found:
            raise CleanRoomError(f"You have no request {number}.", suggestion="room.requests() lists yours.")
        return found[0]

    def __repr__(self) -> str:
        lines = [f"Room {self._schema.name!r}. {self._schema.description}".rstrip()]
        for table in self._schema.tables:
            names = ", ".join(column.name for column in table.visible)
            lines.append(f"  {table.name} ({self._size(table)}): {names}")
        lines.append(self._policy_in_words())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<h4>Room {html.escape(self._schema.name)}</h4><p>{html.escape(self._schema.description)}</p>"]
        for table in self._schema.tables:
            title = f"<b>{html.escape(table.name)}</b> · {self._size(table)} · {html.escape(table.description)}"
            body = self.schema(table.name).to_html(na_rep="", border=0)
            parts.append(f"<details><summary>{title}</summary>{body}</details>")
        parts.append(f'<div style="{NOTE_STYLE}">{html.escape(self._policy_in_words())}</div>')
        return "".join(parts)

    def _size(self, table: TableSchema) -> str:
        band = self._connection.welcome.units.get(table.name)
        return "public" if table.unit is None or band is None else f"{band} {self._schema.unit_name}s"

    def _policy_in_words(self) -> str:
        values = {setting.name: setting.value for setting in self._connection.welcome.settings}
        unit = self._schema.unit_name
        words = [f"Policy {self._connection.welcome.preset!r}"]
        if values.get("minimum_units"):
            words.append(f"every number needs at least {values['minimum_units']} {unit}s")
        if int(values.get("count_base", 1)) > 1:
            words.append(f"counts are rounded to {values['count_base']}")
        if "significant_digits" in values:
            words.append(f"statistics show at most {values['significant_digits']} digits")
        return "; ".join(words) + ". room.policy() lists everything."


def _as_written(name: str) -> str:
    """A file's name without what says how it is stored, in small letters: DIAGNOSES_ICD.csv.gz is diagnoses_icd."""
    parts = name.lower().split(".")
    while len(parts) > 1 and parts[-1] in _ENDINGS:
        parts.pop()
    return ".".join(parts)


_ENDINGS = {"csv", "tsv", "txt", "parquet", "pq", "feather", "xlsx", "xls", "pkl", "pickle", "gz", "zip", "bz2", "zst"}


def _over(budget: Budget) -> str:
    time = f"the last {budget.days} days" if budget.days else "this state of the data"
    return f"{time}, all experts of the room together" if budget.shared else f"{time}, your sessions"


def _described(column: Column) -> dict[str, Any]:
    role = {Role.FEATURE: ""}.get(column.role, column.role.value)
    if column.categories is not None:
        values = ", ".join(map(str, column.categories[:8])) + (" …" if len(column.categories) > 8 else "")
    elif column.lower is not None and column.upper is not None:
        values = _bounds(column)
    else:
        values = ""
    return {
        "column": column.name,
        "type": column.dtype.value,
        "role": "key of one unit" if column.one_unit else role,
        "values": values,
        "in": column.measured_in,
        "description": column.description,
    }


def _bounds(column: Column) -> str:
    if column.dtype.value == "datetime":
        ends = [f"{pd.Timestamp(int(end), unit='us'):%Y-%m-%d}" for end in (column.lower or 0, column.upper or 0)]
        return f"{ends[0]} to {ends[1]}"
    return f"{column.lower:g} to {column.upper:g}"
