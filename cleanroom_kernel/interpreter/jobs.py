"""Jobs: code that the owner reads before it runs beside the rows, as an expert writes it in a notebook.

A job is rehearsed on the twins first, so that a mistake is seen here and not after somebody has read the code.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from cleanroom_kernel.interpreter.asking import Request
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.results import of_job
from cleanroom_kernel.interpreter.twins import Twins
from cleanroom_kernel.job.running import FILE, NotDeclared, run
from cleanroom_kernel.plan.schema import Role, RoomSchema, SchemaError
from cleanroom_kernel.protocol.airlock import Standing
from cleanroom_kernel.protocol.jobs import Cell, Declared, Job, Reads, Rows, Scalar, TableColumn, Tensors
from cleanroom_kernel.protocol.release import Results

_KINDS: dict[Any, Cell] = {**{kind.value: kind for kind in Cell}, float: Cell.NUMBER, str: Cell.TEXT, bool: Cell.FLAG}
_HOW = (
    "result={'auc': 'number', 'n': 'count', 'by_ward': {'columns': {'ward': 'text', 'mean': 'number'}, 'rows': 5}, "
    "'weights': {'tensors': 10_000}}"
)


class JobRequest(Request):
    """A job as the owner has it. `run()` once it is approved; what may leave is in `result()` from then on."""

    def run(self) -> Any:
        """Run it, if that was not done: what may leave, or the request as which its result waits for the owner."""
        given = self._connection.run_job(self.number)
        if isinstance(given, Standing):
            return Request(self._connection, given)
        payload, receipt = given
        assert isinstance(payload, Results), "what a job gave"
        return of_job(payload, receipt)

    def result(self) -> Any:
        """What the job gave. Raises CleanRoomError while the owner has not let it out."""
        given = self.run()
        return given.result() if isinstance(given, Request) else given


def submit(
    connection: Connection,
    schema: RoomSchema,
    source: str,
    name: str,
    reads: Mapping[str, Sequence[str]],
    result: Mapping[str, Any],
    reason: str,
    *,
    rehearse: bool,
) -> JobRequest:
    job = described(source, name, reads, result)
    if rehearse:
        _rehearsed(job, schema)
    return JobRequest(connection, connection.submit_job(job, reason))


def described(source: str, name: str, reads: Mapping[str, Sequence[str]], result: Mapping[str, Any]) -> Job:
    """The job, checked as the vault will check it."""
    if not isinstance(source, str) or not isinstance(reads, Mapping) or not isinstance(result, Mapping):
        raise _wrong("A job is a text of Python, with `reads` and `result` as dicts.")
    try:
        inputs = tuple(Reads(table, _names(columns)) for table, columns in reads.items())
    except ValueError as wrong:
        raise _wrong(f"This job cannot be sent: {wrong}.") from None
    results = tuple(_declared(name, kind) for name, kind in result.items())
    try:
        return msgspec.convert(msgspec.to_builtins(Job(name, source, inputs, results)), Job)
    except ValueError as wrong:
        raise _wrong(f"This job cannot be sent: {wrong}.") from None


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _declared(name: str, kind: Any) -> Declared:
    try:
        if isinstance(kind, Mapping) and "tensors" in kind:
            return Tensors(name, kind["tensors"])
        if isinstance(kind, Mapping):
            columns = tuple(TableColumn(column, _KINDS[of]) for column, of in kind["columns"].items())
            return Rows(name, columns, kind["rows"])
        return Scalar(name, _KINDS[kind])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise _wrong(f"What {name!r} is to be is not understood.") from None


def _wrong(message: str) -> CleanRoomError:
    return CleanRoomError(message, suggestion=f"As in {_HOW}.", rule="jobs")


# -- rehearsal --------------------------------------------------------------------------------------------------------
def _rehearsed(job: Job, schema: RoomSchema) -> None:
    twins = Twins(schema)
    linecache.cache[FILE] = (len(job.source), None, job.source.splitlines(keepends=True), FILE)
    try:
        run(job, {one.table: _twin(one, schema, twins) for one in job.reads})
    except NotDeclared as wrong:
        raise CleanRoomError(
            f"On synthetic rows the job does not give what it declares. {wrong}",
            suggestion="Mend the code or the declaration. rehearse=False sends it as it is.",
            rule="jobs",
        ) from None


def _twin(reads: Reads, schema: RoomSchema, twins: Twins) -> pd.DataFrame:
    """Identifiers are texts in a job: pseudonyms."""
    try:
        table = schema[reads.table]
        opaque = [name for name in reads.columns if table[name].role in (Role.UNIT, Role.KEY)]
    except SchemaError as unknown:
        raise CleanRoomError(str(unknown), suggestion="room.schema(table) lists the columns.", rule="jobs") from None
    return twins[reads.table][list(reads.columns)].astype(dict.fromkeys(opaque, "str"))
