"""Parts: what a fitted model consists of, each part with the rows it was fitted to and what may be shown of it.

Promise: `Part.shown` holds learned numbers as the policy lets them be shown, NaN where it does not; a part's exact
numbers are nowhere but in its estimator, which stays in the vault.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from cleanroom_kernel.disclosure.evidence import STEPS
from cleanroom_kernel.disclosure.grouping import Grouped
from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.models import Estimates, FeatureEvidence
from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.protocol.release import Label

Floats = NDArray[np.float64]

MOST_CELLS = 80_000_000  # of a matrix that is examined

_SAME = 1e-9
_SOME = 1_000  # units that tell which value most of them have


@dataclass(frozen=True)
class Origin:
    """A column that a part is fitted to. `field` is its static type, None where it is computed from data.

    `weak` says that a parameter on its way is hidden, so that whoever uses the column has to hide its own.
    """

    name: str
    field: Field | None = None
    weak: bool = False


@dataclass(frozen=True)
class Seen:
    """The rows that a part was fitted to. `units` are 0 to `n_units` - 1, as many as there are."""

    X: Any
    columns: tuple[Origin, ...]
    y: NDArray[Any] | None
    weight: Floats | None
    units: NDArray[np.int32]
    n_units: int
    known_evidence: FeatureEvidence | None = None

    @cached_property
    def evidence(self) -> FeatureEvidence:
        """What rule C9 asks of each column. The same for columns that were only shifted and scaled."""
        return self.known_evidence if self.known_evidence is not None else feature_evidence(self)

    @property
    def size(self) -> int:
        return int(self.X.shape[0])

    @cached_property
    def numbers(self) -> Floats:
        """The columns as a dense matrix."""
        if sparse.issparse(self.X):
            return self.X.toarray().astype(np.float64)
        values = self.X.to_numpy() if isinstance(self.X, pd.DataFrame) else np.asarray(self.X)
        return values.astype(np.float64, copy=False)

    @property
    def weak(self) -> NDArray[np.bool_]:
        return np.array([column.weak for column in self.columns], dtype=bool)

    @cached_property
    def rows_per_unit(self) -> Floats:
        return np.bincount(self.units, minlength=self.n_units).astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sums over each unit's rows, one row per unit."""
        ones = np.ones(self.size)
        members = sparse.csr_matrix((ones, (self.units, np.arange(self.size))), shape=(self.n_units, self.size))
        return np.asarray(members @ values)

    def grouped(self, codes: NDArray[np.int32], n_groups: int, places: NDArray[np.intp] | None = None) -> Grouped:
        """The rows (or those at `places`, some of them several times) in groups."""
        chosen = np.arange(self.size) if places is None else places
        return Grouped(codes.astype(np.int32), self.units[chosen], chosen.astype(np.int64), n_groups, self.n_units)

    def at(self, places: NDArray[Any]) -> Seen:
        """Some of the rows alone."""
        found, units = np.unique(self.units[places], return_inverse=True)
        return Seen(
            X=self.X.iloc[places] if isinstance(self.X, pd.DataFrame) else self.X[places],
            columns=self.columns,
            y=None if self.y is None else self.y[places],
            weight=None if self.weight is None else self.weight[places],
            units=units.astype(np.int32),
            n_units=len(found),
        )

    def passed_on(self, X: Any, columns: tuple[Origin, ...], *, scaled: bool = False) -> Seen:
        """The same rows with the columns that a transformer made of them, each perhaps only `scaled`."""
        return replace(self, X=X, columns=columns, known_evidence=self.evidence if scaled else None)


@dataclass(frozen=True)
class Part:
    """`findings` are its own; `children` are the parts of a composite, by name. `labels` are stored labels. `inference`
    is what statistics say of its numbers, as it may be shown; it is in no released file.
    """

    model: BaseEstimator
    family: Family
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shown: dict[str, Floats] = field(default_factory=dict)
    labels: dict[str, tuple[tuple[Label, ...], ...]] = field(default_factory=dict)
    children: dict[str, Part] = field(default_factory=dict)
    inference: dict[str, Floats] = field(default_factory=dict)
    outputs: tuple[Origin, ...] = ()  # columns that a transformer gives

    @cached_property
    def all_findings(self) -> tuple[str, ...]:
        """Its own and those of its parts, each once."""
        found = [*self.findings, *(text for child in self.children.values() for text in child.all_findings)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def all_notes(self) -> tuple[str, ...]:
        found = [*self.notes, *(text for child in self.children.values() for text in child.all_notes)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def hidden(self) -> int:
        """How many of its numbers are left out, and of those of its parts."""
        own = sum(int(np.isnan(numbers).sum()) for numbers in self.shown.values())
        return own + sum(child.hidden for child in self.children.values())

    @property
    def hides(self) -> bool:
        """Whether something of the model is hidden, so that its predictions tell more than the released file."""
        return self.hidden > 0

    @cached_property
    def size(self) -> int:
        """Learned numbers that a release shows."""
        own = sum(int(np.isfinite(numbers).sum()) for numbers in self.shown.values())
        return own + sum(child.size for child in self.children.values())


# -- evidence on columns ----------------------------------------------------------------------------------------------
def feature_evidence(seen: Seen) -> FeatureEvidence:
    """What rule C9 asks of each column."""
    centred = _centred(seen.numbers)
    squares = seen.sums(centred**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = squares.sum(axis=0) ** 2 / (squares**2).sum(axis=0)
    return FeatureEvidence(np.nan_to_num(effective), _differing(seen))


def _differing(seen: Seen) -> NDArray[np.int64]:
    """Units that do not share the value which most of them have."""
    means = seen.sums(np.nan_to_num(seen.numbers)) / seen.rows_per_unit[:, np.newaxis]
    # A value that most units have is the middle one of any of them that are enough.
    shared = np.median(means[:: max(len(means) // _SOME, 1)], axis=0)
    unlike = np.abs(means - shared) > _SAME * np.maximum(np.abs(shared), 1.0)
    return unlike.sum(axis=0)


def estimates(values: Floats, moved: Floats) -> Estimates:
    """Learned numbers and how far each unit (a row of `moved`) moves them."""
    distance = np.abs(moved)
    largest, third = _largest_and_third(distance)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = distance.sum(axis=0) ** 2 / (distance**2).sum(axis=0)
    effective = np.where(largest > 0, effective, np.inf)
    shape = values.shape
    return Estimates(values, largest.reshape(shape), STEPS * third.reshape(shape), effective.reshape(shape))


def means(seen: Seen, values: Floats) -> tuple[Floats, Floats]:
    """Means of columns, and how far each unit moves them."""
    mean = values.mean(axis=0)
    rows = seen.rows_per_unit[:, np.newaxis]
    return mean, (seen.sums(values) - mean * rows) / np.maximum(seen.size - rows, 1)


def _largest_and_third(distance: Floats) -> tuple[Floats, Floats]:
    if len(distance) < 3:
        return distance.max(axis=0, initial=0.0), distance.max(axis=0, initial=0.0)
    top = np.partition(distance, (len(distance) - 3, len(distance) - 1), axis=0)
    return top[-1], top[-3]


def _centred(values: Floats) -> Floats:
    """Less the means of columns; missing values count as means."""
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(values)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - mean, 0.0)
