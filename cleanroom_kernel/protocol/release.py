"""Answers of the release gate: Release, Withheld or Refusal, and the receipt that goes with a release.

Promise: these are the only shapes in which anything derived from rows reaches an expert. `disclosure/gate.py` is the
only maker of a Release (a test says so); everything here is a plain frozen value.
"""

from __future__ import annotations

import enum

from msgspec import Struct

Label = bool | int | float | str | None
Number = int | float | None


class Suppression(enum.Enum):
    """Why a cell of a released table shows no number. Both look the same to the expert in `standard` and `strict`."""

    SMALL = "small"  # the cell itself failed a rule
    SECONDARY = "secondary"  # shown, it would give away a cell that failed


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What was released, by which rule, and what was done to it. Holds nothing that the release itself does not show.

    `units` is a band ("1,000-9,999"), never a count; `precision` and `rules` are sentences from the rule book.
    """

    number: int  # position in the ledger, from 1
    question: str  # digest of the plan: the same question has the same digest
    output_class: str
    title: str  # the question in words: names of the schema and of the expert's code only
    rules: tuple[str, ...]
    units: str
    cells: int
    suppressed: int
    precision: str
    policy: str
    expert: str
    session: str
    cell: str  # identity of the notebook cell that asked, as the server knows it; "" outside a cell
    time: str  # UTC, ISO 8601, seconds
    chain: str  # hash of the audit entry that recorded this release


class Grid(Struct, frozen=True, tag="grid", forbid_unknown_fields=True):
    """Released statistics, one row per group and one column per statistic.

    `rows[i]` are the group labels (one per key; `()` for a statistic over all rows, then there is one row);
    `values[j][i]` belongs to column j and row i, None where the statistic is undefined or suppressed;
    `suppressed[j][i]` tells the two apart.
    """

    keys: tuple[str, ...]
    rows: tuple[tuple[Label, ...], ...]
    columns: tuple[str, ...]
    values: tuple[tuple[Number, ...], ...]
    suppressed: tuple[tuple[bool, ...], ...]


class Array(Struct, frozen=True, tag="array", forbid_unknown_fields=True):
    """A released attribute of a fitted model, in C order. `labels` where the attribute is one of names (`classes_`)."""

    shape: tuple[int, ...]
    values: tuple[Number, ...] = ()
    labels: tuple[Label, ...] = ()


class FitSummary(Struct, frozen=True, tag="fit", forbid_unknown_fields=True):
    """A model was fitted in the vault. `releasable` is the verdict of its family's structural rules.

    A model that is not releasable can still be scored; `findings` say which rule spoke and what to change.
    """

    releasable: bool
    findings: tuple[str, ...]
    n_features: int
    classes: tuple[Label, ...] = ()
    feature_names: tuple[str, ...] = ()


class Artifact(Struct, frozen=True, tag="artifact", forbid_unknown_fields=True):
    """A released model as a file: skops bytes, rebuilt from listed attributes, never a pickle."""

    name: str
    sha256: str
    content: bytes
    trusted: tuple[str, ...]  # types a loader must trust, all of scikit-learn's own
    report: str  # Markdown: findings, training cohort band, features, policy


class NamedGrid(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a job's result. Columns of text and flags are its keys, whether they tell rows apart or not."""

    name: str
    grid: Grid


class Results(Struct, frozen=True, tag="results", forbid_unknown_fields=True):
    """What a job gave back: its numbers by name, tables, and files in safetensors' format."""

    scalars: tuple[tuple[str, Number], ...]
    tables: tuple[NamedGrid, ...] = ()
    files: tuple[Artifact, ...] = ()


Payload = Grid | Array | FitSummary | Artifact | Results


class Release(Struct, frozen=True, tag="release", forbid_unknown_fields=True):
    receipt: Receipt
    payload: Payload


class Withheld(Struct, frozen=True, tag="withheld", forbid_unknown_fields=True):
    """A data-dependent no. One text for all reasons, so that the answer tells nothing but itself (rule C15)."""

    message: str
    suggestion: str


class Reason(enum.Enum):
    """Why a question can never be answered as asked. Depends on code and schema alone, so it can be told in full."""

    MALFORMED = "malformed"  # not a message of this protocol
    OVERSIZED = "oversized"  # a frame, a plan or a depth beyond the limits
    REPLAYED = "replayed"  # a request number that was used before
    INVALID = "invalid"  # a plan that breaks the schema or the type rules
    FORBIDDEN = "forbidden"  # a plan that a structural rule never lets out
    UNSUPPORTED = "unsupported"  # nothing is wrong with it, the room just cannot do it yet
    FAILED = "failed"  # the operation could not be carried out on the data; no detail, by rule S13
    CLOSED = "closed"  # the room, the table or the session is not open


class Refusal(Struct, frozen=True, tag="refusal", forbid_unknown_fields=True):
    reason: Reason
    rule: str  # name of the rule, as in the rule book
    message: str
    suggestion: str


Answer = Release | Withheld | Refusal
