"""Switches of the mutation tests: each turns one check of the gate off, by patching it.

The product has no such switch; settings of the policy are switched by the cases themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from cleanroom_kernel.disclosure import checks, comparisons, gate, models, ordering
from cleanroom_kernel.disclosure.risks import Check
from cleanroom_kernel.vault import (
    answers,
    answers_measures,
    examining,
    export,
    learning,
    parts_boosting,
    parts_columns,
    parts_composites,
    parts_linear,
    parts_trees,
)

Switch = Callable[[pytest.MonkeyPatch], None]


def cell_check(check: Check) -> Switch:
    """Every cell passes it."""

    def off(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(checks.CELL_CHECKS, check, lambda evidence, *_: np.ones(len(evidence.units), dtype=bool))

    return off


def exact_quantiles(patch: pytest.MonkeyPatch) -> None:
    middle = ordering._middle
    patch.setattr(ordering, "_middle", lambda ranks, q, least, free: middle(ranks, q, 1, free))


def values_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers_measures, "drawn_in", lambda values, *_: (values, None))


def every_row_in_totals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers, "passes", lambda column, *_: np.ones(len(column.values), dtype=bool))


def every_label_named(patch: pytest.MonkeyPatch) -> None:
    table = gate._table

    def named(candidate: Any, evidence: Any, case: Any) -> Any:
        everything = np.ones_like(candidate.public_labels)
        return table(msgspec.structs.replace(candidate, public_labels=everything), evidence, case)

    patch.setattr(gate, "_table", named)


def a_ledger_for_each_vault(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(comparisons.Comparisons, "_stored", lambda self, measure: f"{id(self)}/{measure}")


def findings_check(place: str, check: Check) -> Switch:
    """Every score, or every fit, passes it."""

    def off(patch: pytest.MonkeyPatch) -> None:
        judge = getattr(gate, f"{place}_findings")

        def found(*given: Any) -> Any:
            return [
                msgspec.structs.replace(one, passed=np.array([True])) if one.check is check else one
                for one in judge(*given)
            ]

        patch.setattr(gate, f"{place}_findings", found)

    return off


def any_family(patch: pytest.MonkeyPatch) -> None:
    """Whatever a model is like, no family has anything against it."""
    for module in (examining, parts_boosting, parts_columns, parts_composites, parts_linear, parts_trees):
        patch.setattr(module, "findings", lambda *_: ())


def nothing_beside(patch: pytest.MonkeyPatch) -> None:
    """Scores and models are compared, and released whatever comes of it."""
    compare = gate._stand
    patch.setattr(gate, "_stand", lambda *given: compare(*given) or True)


def whoever_is_remembered(patch: pytest.MonkeyPatch) -> None:
    for module in (gate, export):
        patch.setattr(module, "remembered", lambda *_: "")


def judge_of(fact: type) -> Switch:
    return lambda patch: patch.setitem(models._JUDGES, fact, lambda *_: "")


def scores_of_any_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(learning, "_excepted", lambda *_: True)


def models_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(export, "rebuilt", lambda part: part.model)


def weak_features(patch: pytest.MonkeyPatch) -> None:
    for module in (parts_columns, parts_linear, parts_trees):
        patch.setattr(module, "weak", lambda features, _: np.zeros(len(features.differing), dtype=bool))


def numbers_that_few_decide(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(models, "_few_decide", lambda estimates, _: np.zeros(estimates.values.shape, dtype=bool))
