"""Replay: a notebook's cells in plain pandas and in a clean room, over the same tables, and what each found.

A notebook is a script with `# %%` between its cells, which leaves its results in `answers`. It is not changed for the
room, its load lines included. In the room it runs in a real IPython shell on a real vault in this process.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from pandas.testing import assert_frame_equal, assert_series_equal

from cleanroom_kernel.interpreter import connection, hooks_pandas, hooks_sklearn, startup
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.unit.interpreter.learn_rooms import learning_vault_of

NOTEBOOKS = Path(__file__).parent / "notebooks"
FEW = 12  # texts and whole numbers with at most so many values declare them


@dataclass
class Study:
    """Tables as pandas reads them, and what the owner declares of each: unit, keys of one unit, dates, free text."""

    tables: dict[str, pd.DataFrame]
    units: dict[str, str]
    keys: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # where the plain notebook finds a table, if not in table.csv

    def schema(self) -> RoomSchema:
        return RoomSchema("study", tuple(self._table(name, frame) for name, frame in self.tables.items()))

    def _table(self, name: str, frame: pd.DataFrame) -> TableSchema:
        unit = self.units.get(name)
        columns = tuple(self._column(str(label), frame[label], unit) for label in frame)
        return TableSchema(name, columns, aliases=self.aliases.get(name, ()))

    def _column(self, name: str, values: pd.Series, unit: str | None) -> Column:
        if name in self.hidden:
            return Column(name, DType.STRING, Role.HIDDEN)
        if name == unit:
            return Column(name, _dtype(values), Role.UNIT, nullable=False)
        if name in self.keys and unit is not None:
            return Column(name, DType.STRING if _is_text(values) else DType.INTEGER, Role.KEY, one_unit=True)
        if name in self.dates:
            return Column(name, DType.DATETIME, nullable=bool(values.isna().any()))
        labels = [] if values.dtype.kind in "fbM" else sorted(values.dropna().unique().tolist())
        categories = tuple(labels) if 0 < len(labels) <= FEW else None
        return Column(name, _dtype(values), categories=categories, nullable=bool(values.isna().any()))

    def rows(self) -> dict[str, pl.DataFrame]:
        """The tables as the vault holds them: dates are dates."""
        made = {}
        for name, frame in self.tables.items():
            shown = frame.copy()
            for label in frame:
                if label in self.dates:
                    shown[label] = pd.to_datetime(frame[label]).astype("datetime64[us]")
                elif label in self.keys and not _is_text(frame[label]):
                    shown[label] = frame[label].astype("Int64")
            made[name] = pl.from_pandas(shown)
        return made

    def write(self, folder: Path) -> None:
        """Files for the plain notebook."""
        for name, frame in self.tables.items():
            for file in self.files.get(name, f"{name}.csv").split():
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".parquet":
                    frame.to_parquet(path)
                elif path.suffix == ".duckdb":
                    _into_database(path, name, self.rows()[name])
                else:
                    frame.to_csv(path, index=False)


def _into_database(path: Path, name: str, frame: pl.DataFrame) -> None:
    import duckdb

    with duckdb.connect(str(path)) as database:
        database.register("shown", frame.to_pandas())
        database.execute(f"CREATE TABLE {name} AS SELECT * FROM shown")


def _is_text(values: pd.Series) -> bool:
    return values.dtype == object or pd.api.types.is_string_dtype(values)


def _dtype(values: pd.Series) -> DType:
    if pd.api.types.is_bool_dtype(values):
        return DType.BOOLEAN
    if pd.api.types.is_integer_dtype(values):
        return DType.INTEGER
    if pd.api.types.is_float_dtype(values):
        return DType.FLOAT
    return DType.DATETIME if pd.api.types.is_datetime64_any_dtype(values) else DType.STRING


# -- running ----------------------------------------------------------------------------------------------------------
def cells_of(name: str) -> list[str]:
    text = (NOTEBOOKS / f"{name}.py").read_text()
    parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)[1:]
    return [body for kind, body in zip(parts[::2], parts[1::2], strict=True) if "[markdown]" not in kind]


class _Nowhere:
    """A room without tables: pandas' readers read files."""

    def named(self, name: str) -> None:
        return None

    declared = named


def plainly(name: str, study: Study, folder: Path) -> dict[str, Any]:
    study.write(folder)
    outside()
    names: dict[str, Any] = {}
    with _in(folder):
        for cell in cells_of(name):
            exec(compile(cell, name, "exec"), names)
    return names["answers"]


def outside() -> None:
    """pandas' readers read files again."""
    hooks_pandas.install(_Nowhere())


def in_a_room(name: str, study: Study, folder: Path, **policy: Any) -> dict[str, Any]:
    """The answers; the error of the first cell that fails is raised."""
    vault = learning_vault_of(study.schema(), study.rows(), **policy)
    ours, theirs = socket.socketpair()
    vault.serve(theirs)
    before = connection._current
    shell = InteractiveShell()
    try:
        startup.start(ours, shell)
        with _in(folder):
            for cell in cells_of(name):
                with capture_output():
                    result = shell.run_cell(cell)
                result.raise_error()
        return shell.user_ns["answers"]
    finally:
        connection.use(before)
        outside()


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    hooks_sklearn.prepare()
    here = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(here)
        plt.close("all")


# -- comparing --------------------------------------------------------------------------------------------------------
def agree(ours: Any, theirs: Any, rtol: float = 1e-6) -> None:
    """The same value, labels, names and order; dtypes where pandas' own are not an accident of missing values."""
    if isinstance(theirs, pd.DataFrame):
        assert_frame_equal(ours, theirs, check_dtype=False, check_categorical=False, check_index_type=False, rtol=rtol)
    elif isinstance(theirs, pd.Series):
        assert_series_equal(ours, theirs, check_dtype=False, check_categorical=False, check_index_type=False, rtol=rtol)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            agree(ours[key], theirs[key], rtol)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            agree(one, other, rtol)
    elif isinstance(theirs, (int, float, np.number, np.bool_)):
        assert np.isclose(float(ours), float(theirs), rtol=rtol, equal_nan=True), (ours, theirs)
    else:
        assert ours == theirs


def shown_share(ours: Any, theirs: Any, *, noisy: bool = False) -> float:
    """How much of the truth is shown, under a policy that rounds and suppresses; what is shown is near it, or not far
    from it where numbers of the expert's choice come with noise and without their largest values.
    """
    if isinstance(theirs, pd.Series):
        pairs = [(ours.get(label, np.nan), value) for label, value in theirs.items()]
    elif isinstance(theirs, pd.DataFrame):
        aligned = ours.reindex(index=theirs.index, columns=theirs.columns)
        pairs = list(zip(aligned.to_numpy().ravel(), theirs.to_numpy().ravel(), strict=True))
    else:
        pairs = [(ours, theirs)]
    shown = [(float(one), float(other)) for one, other in pairs if not pd.isna(one)]
    for one, other in shown:
        near = 0.3 * abs(other) + 0.6 if noisy else 0.05 * abs(other) + (5 if abs(other) >= 20 else 0.05)
        assert abs(one - other) <= near, (one, other)
    return len(shown) / len(pairs)
