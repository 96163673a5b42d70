"""Tables: the room's prepared tables, memory-mapped and so shared by all vaults through the page cache.

Promise: files that nobody but their owner can open, one uncompressed Arrow file per table and a manifest with their
hashes. A room that is incomplete, of another schema, or changed since it was prepared is not opened; one that changes
while it is open answers nothing more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.ipc
from msgspec import Struct

from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.vault.columns import ROW, UNIT, stored

MANIFEST = "room.json"
FORMAT = 1


class RoomError(ValueError):
    """A room that cannot be opened. Words for the owner."""


class TablesChanged(BaseException):
    """The tables are not what they were when the room was opened. No failure of an answer, which others might handle:
    there are no more answers. `again` says that a new session would find them in order.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Tables:
    """Frames have their columns under stored names, UNIT (unless public) and ROW, and are sorted by unit.

    `units` tells for each table of units how many it has; codes run from 0 to `n_units` - 1 over the whole room.
    `edition` names the state of the data: codes of two editions are not comparable. `check` raises TablesChanged.
    """

    def __init__(
        self,
        schema: RoomSchema,
        frames: Mapping[str, pl.DataFrame],
        n_units: int,
        units: Mapping[str, int] | None = None,
        edition: str = "",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.check = check
        self.schema = schema
        self.n_units = n_units
        self.units = dict(units or {})
        self.edition = edition
        self._frames = dict(frames)

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self._frames[name]


def arrange(schema: RoomSchema, frames: Mapping[str, pl.DataFrame]) -> tuple[dict[str, pl.DataFrame], int]:
    """Typed tables as the engine wants them: coded units, sorted by unit, original order as ROW; and how many units."""
    columns = {table.name: table.unit.name for table in schema.tables if table.unit is not None}
    identifiers = pl.Series([], dtype=pl.Null)
    if columns:
        identifiers = pl.concat([frames[name].get_column(unit).unique() for name, unit in columns.items()])
        identifiers = identifiers.unique().sort()
    arranged = {}
    for table in schema.tables:
        frame = (
            frames[table.name]
            .select(pl.col(column.name).alias(stored(column.name)) for column in table.visible)
            .with_row_index(ROW)
            .with_columns(pl.col(ROW).cast(pl.Int64))
        )
        if table.unit is not None:
            codes = identifiers.search_sorted(frame.get_column(stored(table.unit.name)), side="left")
            frame = frame.with_columns(codes.cast(pl.Int32).alias(UNIT)).sort(UNIT, ROW)
        arranged[table.name] = frame
    return arranged, len(identifiers)


# -- on disk ----------------------------------------------------------------------------------------------------------
class _File(Struct, frozen=True):
    """`modified` spares hashing at every session's start: a file that was not touched since is the same."""

    name: str
    rows: int
    units: int
    size: int
    modified: int  # nanoseconds
    sha256: str


class _Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    schema: RoomSchema
    schema_digest: str
    n_units: int
    tables: dict[str, _File]


def write_room(directory: str | os.PathLike[str], schema: RoomSchema, frames: Mapping[str, pl.DataFrame]) -> Tables:
    """Arrange typed tables and write them. A room that was there stays whole until the new one is complete."""
    place = Path(directory)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    arranged, n_units = arrange(schema, frames)
    files = {name: _write_table(place, name, frame) for name, frame in arranged.items()}
    manifest = _Manifest(FORMAT, schema, schema_digest(schema), n_units, files)
    draft = place / f".{MANIFEST}"
    with _private(draft) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)))
    draft.replace(place / MANIFEST)
    kept = {file.name for file in files.values()}
    for old in place.glob("*.arrow"):
        if old.name not in kept:
            old.unlink()
    return Tables(schema, arranged, n_units, _units_of(files), _edition(files))


def open_room(directory: str | os.PathLike[str], schema: RoomSchema | None = None) -> Tables:
    """The prepared room in `directory`, which must be of `schema` if one is given. Raises RoomError."""
    place = Path(directory)
    try:
        manifest = msgspec.json.decode((place / MANIFEST).read_bytes(), type=_Manifest)
    except FileNotFoundError:
        raise RoomError("The room has not been prepared.") from None
    except (OSError, ValueError):
        raise RoomError("The room's manifest cannot be read; prepare the room again.") from None
    wanted = manifest.schema if schema is None else schema
    if manifest.format != FORMAT or manifest.schema_digest != schema_digest(wanted):
        raise RoomError("The room was prepared for another schema or version; prepare it again.")
    watch = _Watch(place, manifest)
    frames = {name: _open_table(place, name, file) for name, file in manifest.tables.items()}
    if set(frames) != {table.name for table in wanted.tables}:
        raise RoomError("The room lacks a table; prepare it again.")
    edition = _edition(manifest.tables)
    return Tables(manifest.schema, frames, manifest.n_units, _units_of(manifest.tables), edition, watch.check)


class _Watch:
    """The files of an open room. A look at them takes microseconds; they are read only where they were touched."""

    def __init__(self, place: Path, manifest: _Manifest) -> None:
        self._place, self._manifest = place, manifest
        self._files = {place / file.name: file for file in manifest.tables.values()}
        self._seen = {path: _identity(path) for path in (place / MANIFEST, *self._files)}

    def check(self) -> None:
        for path, seen in self._seen.items():
            found = _identity(path)
            if found == seen:
                continue
            if path.name == MANIFEST or found is None:
                self._check_manifest()
            if path in self._files and (found is None or _sha256(path) != self._files[path].sha256):
                raise TablesChanged(f"the prepared file {path.name} was changed while it was in use", again=False)
            self._seen[path] = found

    def _check_manifest(self) -> None:
        """Prepared anew, the room is another one: codes of its units are not those that this vault has."""
        try:
            manifest = msgspec.json.decode((self._place / MANIFEST).read_bytes(), type=_Manifest)
        except (OSError, ValueError):
            raise TablesChanged("the room's manifest was removed or damaged while it was in use", again=False) from None
        if _edition(manifest.tables) != _edition(self._manifest.tables):
            raise TablesChanged("the room was prepared anew while it was in use", again=True)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Of a file as it lies there; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def schema_digest(schema: RoomSchema) -> str:
    """Equal for equal schemas, whether a bound was written 0 or 0.0."""
    read = msgspec.json.decode(msgspec.json.encode(schema), type=RoomSchema)
    return hashlib.sha256(msgspec.json.encode(read)).hexdigest()


def _units_of(files: Mapping[str, _File]) -> dict[str, int]:
    return {name: file.units for name, file in files.items()}


def _edition(files: Mapping[str, _File]) -> str:
    hashes = "\n".join(f"{name} {files[name].sha256}" for name in sorted(files))
    return hashlib.sha256(hashes.encode()).hexdigest()[:16]


def _write_table(place: Path, name: str, frame: pl.DataFrame) -> _File:
    draft = place / f".{name}.arrow"
    with _private(draft) as file:
        frame.rechunk().write_ipc(file, compression="uncompressed", record_batch_size=max(frame.height, 1))
    sha256 = _sha256(draft)
    final = draft.replace(place / f"{name}-{sha256[:16]}.arrow")
    found = final.stat()
    units = frame.get_column(UNIT).n_unique() if UNIT in frame.columns else 0
    return _File(final.name, frame.height, units, found.st_size, found.st_mtime_ns, sha256)


def _open_table(place: Path, name: str, file: _File) -> pl.DataFrame:
    path = place / file.name
    try:
        found = path.stat()
        unchanged = found.st_size == file.size and (found.st_mtime_ns == file.modified or _sha256(path) == file.sha256)
    except OSError:
        raise RoomError(f"The prepared file of table {name!r} cannot be read; prepare the room again.") from None
    if not unchanged:
        raise RoomError(f"The prepared file of table {name!r} was changed; prepare the room again.")
    # Polars copies what it reads; Arrow maps the file, and Polars then works on those very pages.
    with pa.memory_map(str(path)) as mapped:
        return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(mapped).read_all(), rechunk=False))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
