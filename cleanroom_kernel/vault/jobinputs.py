"""Job inputs: the columns that a job is given, as Arrow streams.

Promise: exactly the named columns. Identifiers of units and keys are replaced by pseudonyms that nobody without the
room's key can compute, and that are others for every job; rows stand in the order of the pseudonyms, so that no order
of the owner's files is left in them. Hidden columns are in no schema that a job could name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from hashlib import blake2b

import polars as pl
from pyroaring import BitMap

from cleanroom_kernel.disclosure.footprint import bitmap
from cleanroom_kernel.disclosure.measures import columns_of
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.plan.schema import Role, RoomSchema, SchemaError, TableSchema
from cleanroom_kernel.protocol.jobs import Job, Piece, Reads
from cleanroom_kernel.vault.columns import ROW, UNIT, stored
from cleanroom_kernel.vault.tables import Tables

_PIECE = 16 * 2**20  # bytes


def check(job: Job, room: RoomSchema) -> None:
    """Raise PlanError for a table or column that the room does not have."""
    for one in job.reads:
        try:
            table = room[one.table]
            visible = {column.name for column in table.visible}
            for name in one.columns:
                if name not in visible:
                    raise SchemaError(f"Table {table.name!r} has no column {name!r}.")
        except SchemaError as unknown:
            raise PlanError(str(unknown), rule="jobs", suggestion="room.schema(table) lists the columns.") from None
    if all(room[one.table].unit is None for one in job.reads):
        raise PlanError("A job reads at least one table of patients.", rule="jobs")


def pieces(job: Job, tables: Tables, key: bytes) -> Iterator[Piece]:
    """All tables of a job, one after the other. `key` is of this job alone."""
    for one in job.reads:
        content = io.BytesIO()
        _frame(one, tables, key).write_ipc_stream(content)
        whole = content.getbuffer()
        for start in range(0, len(whole), _PIECE):
            yield Piece(one.table, bytes(whole[start : start + _PIECE]))


def job_key(room_key: bytes, identity: str) -> bytes:
    return blake2b(f"job {identity}".encode(), key=room_key, digest_size=32).digest()


def units_of(job: Job, tables: Tables) -> BitMap:
    """Units of the table that has the fewest, of those that the job reads."""
    codes = [
        tables[one.table].get_column(UNIT).unique().sort().to_numpy()
        for one in job.reads
        if tables.schema[one.table].unit is not None
    ]
    return bitmap(min(codes, key=len))


def columns_read(job: Job, room: RoomSchema) -> frozenset[str]:
    """What free measures of these columns are charged to."""
    found: frozenset[str] = frozenset()
    for one in job.reads:
        table = room[one.table]
        for name in one.columns:
            if table[name].role is Role.FEATURE and table.unit is not None:
                found |= columns_of(Value(name), Table(table))
    return found


def _frame(one: Reads, tables: Tables, key: bytes) -> pl.DataFrame:
    table, frame = tables.schema[one.table], tables[one.table]
    made = [_column(table, name, frame, key) for name in one.columns]
    if table.unit is None:
        return pl.DataFrame(made)
    order = pl.DataFrame({"unit": _pseudonyms(frame.get_column(UNIT), "unit", key), "row": frame.get_column(ROW)})
    return pl.DataFrame(made)[order.select(pl.arg_sort_by("unit", "row")).to_series()]


def _column(table: TableSchema, name: str, frame: pl.DataFrame, key: bytes) -> pl.Series:
    role = table[name].role
    if role is Role.UNIT:
        return _pseudonyms(frame.get_column(UNIT), "unit", key).alias(name)
    column = frame.get_column(stored(name))
    return (_pseudonyms(column, "key", key) if role is Role.KEY else column).alias(name)


def _pseudonyms(column: pl.Series, of: str, key: bytes) -> pl.Series:
    """Equal for equal values, whichever table they are in."""
    found = column.unique().drop_nulls()
    names = [blake2b(f"{of} {value}".encode(), key=key, digest_size=8).hexdigest() for value in found.to_list()]
    return column.cast(pl.String).replace_strict(found.cast(pl.String), names, default=None, return_dtype=pl.String)
