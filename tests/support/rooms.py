"""A room in this process: tables of a few lines, a vault's desk over them, and questions as plans."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from support.rowparents import ON_DEMAND

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Call, Cast, Expression, IsIn, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Filter, Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.vault.answers import answer
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.tables import Tables, arrange

TYPES = {pl.Int64: DType.INTEGER, pl.Float64: DType.FLOAT, pl.Boolean: DType.BOOLEAN, pl.String: DType.STRING}


class Room:
    """`tables` maps names to columns, `id` being the unit; `columns` are schema columns that differ from the guess."""

    def __init__(
        self,
        tables: Mapping[str, Mapping[str, Any]],
        state: Any,
        columns: tuple[Column, ...] = (),
        key: bytes | None = None,
        **settings: Any,
    ) -> None:
        declared = {column.name: column for column in columns}
        frames = {name: pl.DataFrame(dict(table), strict=False) for name, table in tables.items()}
        schema = RoomSchema("room", tuple(_schema(name, frame, declared) for name, frame in frames.items()))
        arranged, n_units = arrange(schema, frames)
        self.schema = schema
        self.database = audit.engine(state)
        self.policy = Policy.from_settings(settings).snapshot()
        self.ledger = Ledger(self.database, key or secrets.token_bytes(32), n_units)
        self.key = key
        self._engine = Engine(Tables(schema, arranged, n_units), Seeds(None), predictor=_no_models, caller=ON_DEMAND)

    def __getitem__(self, name: str) -> Table:
        return Table(self.schema[name])

    def ask(self, aggregate: Any, expert: str = "ada", session: str = "s1") -> Any:
        desk = Desk(self.schema, self._engine, None, self.policy, self.ledger, expert, session, "cell-1")
        return answer(aggregate, desk)

    def audited(self) -> list[Any]:
        with audit.reading(self.database) as connection:
            return [entry.event for entry in audit.entries(connection)]


def _no_models(*_: Any) -> Any:
    raise AssertionError("no models here")


def _schema(name: str, frame: pl.DataFrame, declared: Mapping[str, Column]) -> TableSchema:
    columns = []
    for column, dtype in frame.schema.items():
        role = Role.UNIT if column == "id" else Role.FEATURE
        kind = TYPES.get(type(dtype), DType.DATETIME)
        columns.append(declared.get(column) or Column(column, kind, role))
    return TableSchema(name, tuple(columns))


# -- questions --------------------------------------------------------------------------------------------------------
def col(name: str) -> Value:
    return Value(name)


def lit(value: Any) -> Literal:
    dtype = {bool: DType.BOOLEAN, int: DType.INTEGER, float: DType.FLOAT, str: DType.STRING}[type(value)]
    return Literal(value, dtype)


def call(function: str, *arguments: Any, options: tuple[Any, ...] = ()) -> Call:
    inputs = tuple(argument if isinstance(argument, Expression) else lit(argument) for argument in arguments)
    return Call(Function(function), inputs, options)


def eq(name: str, value: Any) -> Call:
    return call("equal", col(name), value)


def isin(name: str, values: Any) -> IsIn:
    return IsIn(col(name), tuple(values))


def integer(of: Expression) -> Cast:
    return Cast(of, DType.INTEGER)


def where(over: Any, condition: Expression) -> Filter:
    return Filter(over, condition)


def summary(over: Any, *statistics: a.Statistic, by: Any = (), **options: Any) -> a.Summary:
    columns = tuple(a.Column(f"c{place}", statistic) for place, statistic in enumerate(statistics))
    keys = (by,) if isinstance(by, str) else by
    named = tuple(key if isinstance(key, Named) else Named(key, col(key)) for key in keys)
    return a.Summary(over, columns, named, **options)


def size(over: Any, by: Any = (), **options: Any) -> a.Summary:
    return summary(over, a.Size(), by=by, **options)


def mean(over: Any, of: Any, by: Any = (), **options: Any) -> a.Summary:
    return summary(over, a.Mean(_of(of)), by=by, **options)


def total(over: Any, of: Any, by: Any = (), **options: Any) -> a.Summary:
    return summary(over, a.Sum(_of(of)), by=by, **options)


def _of(of: Any) -> Expression:
    return col(of) if isinstance(of, str) else of


# -- answers ----------------------------------------------------------------------------------------------------------
def cells(release: Any, column: int = 0) -> dict[Any, Any]:
    """Labels (unwrapped, if there is one key) to values; `...` stands for a suppressed cell."""
    grid = release.payload
    names = [row[0] if len(row) == 1 else row for row in grid.rows]
    return {
        name: ... if hidden else value
        for name, value, hidden in zip(names, grid.values[column], grid.suppressed[column], strict=True)
    }


def number(release: Any, column: int = 0) -> Any:
    return cells(release, column)[()]


def people(n: int, seed: int = 0, **columns: Any) -> dict[str, Any]:
    """A table of n patients with ids, ages, sex and whatever else is given."""
    random = np.random.default_rng(seed)
    return {
        "id": np.arange(n),
        "age": random.integers(18, 95, n),
        "sex": random.choice(["F", "M"], n),
        "cost": np.round(random.gamma(2.0, 500.0, n), 2),
        "hiv": random.random(n) < 0.3,
        **columns,
    }
