"""Grouping: what pandas' groupby was asked for, as a value: rows, keys, chosen columns and options."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.rehearsal import Rehearsal, rehearse
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Named, type_of
from cleanroom_kernel.plan.schema import Role


@dataclass(frozen=True)
class Key:
    """One group key. `label` names the column of the frame that it is, if it is one; `name` that of the result."""

    label: Hashable | None
    name: Hashable
    expression: Expression
    twin: pd.Series


@dataclass(frozen=True)
class Grouping:
    frame: Frame
    keys: tuple[Key, ...]
    chosen: Hashable | list[Hashable] | None = None
    as_index: bool = True
    sort: bool = True
    observed: bool = True
    dropna: bool = True

    @property
    def rows(self) -> Relation:
        return self.frame._rows

    @property
    def of_units(self) -> bool:
        """Whether each group lies inside one unit, so that there is one row per unit (or finer)."""
        fields = [type_of(key.expression, self.rows.fields) for key in self.keys]
        return self.rows.has_units and any(field.role is Role.UNIT or field.one_unit for field in fields)

    @property
    def is_series(self) -> bool:
        return self.chosen is not None and not isinstance(self.chosen, list)

    def labels(self) -> list[Hashable]:
        """The columns that a statistic is taken of."""
        if self.is_series:
            return [self.chosen]
        if self.chosen is not None:
            return list(self.chosen)
        keys = {key.label for key in self.keys}
        return [label for label in self.frame._columns if label not in keys]

    def statistical_labels(self) -> list[Hashable]:
        """The same without identifiers and free text, unless the expert chose them by name."""
        if self.chosen is not None:
            return self.labels()
        fields = self.rows.fields
        return [label for label in self.labels() if not type_of(self.frame._columns[label], fields).role.is_opaque]

    def column(self, label: Hashable) -> Column:
        return self.frame._column(label)

    def named_keys(self) -> tuple[Named, ...]:
        names = [str(key.name) if key.name is not None else f"key {i}" for i, key in enumerate(self.keys)]
        return tuple(Named(name, key.expression) for name, key in zip(names, self.keys, strict=True))

    def rehearsed(
        self, step: Callable[[Any], Any], labels: list[Hashable] | None = None, as_index: bool = True
    ) -> Rehearsal:
        """`step` done to pandas' groupby of the twin, over the columns `labels`."""
        wanted = self.labels() if labels is None else labels

        def run() -> Any:
            by = [key.twin if key.label is None else key.label for key in self.keys]
            keys = [key.label for key in self.keys if key.label is not None]
            twin = self.frame._twin[[*keys, *(label for label in wanted if label not in keys)]]
            groups = twin.groupby(
                by if len(by) > 1 else by[0],
                as_index=as_index,
                sort=self.sort,
                observed=self.observed,
                dropna=self.dropna,
            )
            return step(groups if self.chosen is None else groups[self.chosen])

        return rehearse(run)
