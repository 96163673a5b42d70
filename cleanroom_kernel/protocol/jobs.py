"""Jobs: code for what plans cannot express, what it reads and what it may give back; and the border to its process.

Promise: plain frozen values that cannot be built wrong. The process that runs a job is hostile, as its code is the
expert's: what comes from it is decoded into `Produced` or `Broke`, and the vault holds it to what was declared.
"""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta, Struct

LONGEST_SOURCE = 100_000  # characters
MOST_CELLS = 500  # of all tables and scalars of a result: what one person can look through
MOST_NUMBERS = 4_000_000  # of tensors
MOST_RESULT = 40 * 2**20  # bytes on the border from a job's process
MOST_RESULTS = 50  # by name
LONGEST_CELL = 200  # characters

Word = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
ColumnName = Annotated[str, Meta(min_length=1, max_length=200)]
Source = Annotated[str, Meta(min_length=1, max_length=LONGEST_SOURCE)]


class Cell(enum.Enum):
    """What a number or a cell of a result is."""

    COUNT = "count"  # of patients or rows: rounded as counts are, and never of fewer than the minimum by rule
    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"


class Scalar(Struct, frozen=True, tag="scalar", forbid_unknown_fields=True):
    """One number."""

    name: Word
    of: Cell = Cell.NUMBER

    def __post_init__(self) -> None:
        if self.of not in (Cell.COUNT, Cell.NUMBER):
            raise ValueError("a scalar is a number or a count")


class TableColumn(Struct, frozen=True, forbid_unknown_fields=True):
    name: Word
    of: Cell = Cell.NUMBER


class Rows(Struct, frozen=True, tag="table", forbid_unknown_fields=True):
    """A table of at most so many rows."""

    name: Word
    columns: Annotated[tuple[TableColumn, ...], Meta(min_length=1, max_length=MOST_RESULTS)]
    rows: Annotated[int, Meta(ge=1, le=MOST_CELLS)]

    def __post_init__(self) -> None:
        _distinct([column.name for column in self.columns], "columns")


class Tensors(Struct, frozen=True, tag="tensors", forbid_unknown_fields=True):
    """Arrays by name, of at most so many numbers together: the parameters of a model, in safetensors' format."""

    name: Word
    numbers: Annotated[int, Meta(ge=1, le=MOST_NUMBERS)]


Declared = Scalar | Rows | Tensors


class Reads(Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of one table that a job is given."""

    table: ColumnName
    columns: Annotated[tuple[ColumnName, ...], Meta(min_length=1, max_length=500)]

    def __post_init__(self) -> None:
        _distinct(list(self.columns), "columns")


class Job(Struct, frozen=True, forbid_unknown_fields=True):
    """`source` finds the tables as DataFrames in `inputs`, by name, and leaves what it gives back in `result`."""

    name: Word
    source: Source
    reads: Annotated[tuple[Reads, ...], Meta(min_length=1, max_length=50)]
    results: Annotated[tuple[Declared, ...], Meta(min_length=1, max_length=MOST_RESULTS)]

    def __post_init__(self) -> None:
        _distinct([one.table for one in self.reads], "tables")
        _distinct([one.name for one in self.results], "results")
        if self.cells > MOST_CELLS:
            raise ValueError(f"a job gives back at most {MOST_CELLS} numbers and cells that a person reads")
        if sum(isinstance(one, Tensors) for one in self.results) > 1:
            raise ValueError("a job gives back one set of tensors at most")

    @property
    def cells(self) -> int:
        tables = sum(one.rows * len(one.columns) for one in self.results if isinstance(one, Rows))
        return tables + len(self.scalars)

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        return tuple(one for one in self.results if isinstance(one, Scalar))


class JobLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one job may take: bytes of memory, and seconds."""

    memory: int = 4 << 30
    seconds: float = 240.0


# -- vault -> job -----------------------------------------------------------------------------------------------------
class Piece(Struct, frozen=True, tag="piece", forbid_unknown_fields=True):
    """Some bytes of a table, as an Arrow stream; those of one table come one after the other."""

    table: str
    content: bytes


class Run(Struct, frozen=True, tag="run", forbid_unknown_fields=True):
    """All tables are there: run the code."""

    job: Job
    limits: JobLimits


ToJob = Piece | Run

# -- job -> vault -----------------------------------------------------------------------------------------------------
Found = bool | int | float | Annotated[str, Meta(max_length=LONGEST_CELL)] | None
FoundColumn = Annotated[tuple[Found, ...], Meta(max_length=MOST_CELLS)]
FoundTable = Annotated[tuple[FoundColumn, ...], Meta(max_length=MOST_RESULTS)]
_FEW = Meta(max_length=MOST_RESULTS)


class Produced(Struct, frozen=True, tag="produced", forbid_unknown_fields=True):
    """What the code left in `result`, by name. A table has its columns in the order that was declared. Lengths are
    looked at before anything is made of what was sent: small bytes can stand for many objects.
    """

    scalars: Annotated[dict[Word, Found], _FEW]
    tables: Annotated[dict[Word, FoundTable], _FEW]
    tensors: Annotated[dict[Word, bytes], _FEW]


class Broke(Struct, frozen=True, tag="broke", forbid_unknown_fields=True):
    """The code raised: the class of its error and the line of the source, for the owner alone."""

    error: Annotated[str, Meta(max_length=64)]
    line: Annotated[int, Meta(ge=0, le=LONGEST_SOURCE)]


FromJob = Produced | Broke


def _distinct(names: list[str], of: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two {of} of one name")
