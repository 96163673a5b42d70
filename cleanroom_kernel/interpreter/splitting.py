"""Splitting: train_test_split and the shuffled splitters, made in the vault under its own key.

Without a random_state the seed comes from NumPy's global generator, as in scikit-learn, so np.random.seed fixes it.
Folds that partition the rows (KFold and its kin) exist inside a search alone; loops use ShuffleSplit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, narrowed
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.narrowing import random_seed
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, type_of
from cleanroom_kernel.plan.relations import Side, Split
from cleanroom_kernel.plan.schema import Role

_TEST = 0.25  # scikit-learn's default
_TEST_OF_SHUFFLES = {"ShuffleSplit": 0.1, "StratifiedShuffleSplit": 0.1, "GroupShuffleSplit": 0.2}


def train_test_split(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    given = inspect.signature(function).bind(*args, **kwargs)
    given.apply_defaults()
    options = given.arguments
    handles = options["arrays"]
    if not all(isinstance(handle, (Frame, Column, RowSet)) for handle in handles):
        raise row_vector()
    seed = random_seed(options["random_state"])
    test = _test_size(options["test_size"], options["train_size"], _TEST)
    over, stratify = _context(list(handles), options["stratify"])
    sides = [
        Split(over, side, seed, test, shuffle=bool(options["shuffle"]), stratify=stratify)
        for side in (Side.TRAIN, Side.TEST)
    ]
    return [part for handle in handles for part in _both(handle, sides, seed, test)]


def _context(handles: list[Any], stratify: Any) -> tuple[Relation, Expression | None]:
    if stratify is None:
        return contexts.meet(*(handle._rows for handle in handles), exact=True), None
    if isinstance(stratify, Frame) and len(stratify._columns) == 1:
        stratify = stratify._column(next(iter(stratify._columns)))
    if not isinstance(stratify, Column):
        raise ModelError("stratify takes one column of the room.", suggestion="stratify=y")
    return contexts.meet(*(handle._rows for handle in (*handles, stratify)), exact=True), stratify._expression


def _test_size(test: Any, train: Any, default: float) -> float | int:
    """The share (or number) of rows on the test side; both sides together are all rows."""
    if test is not None:
        if isinstance(test, (float, np.floating)) and isinstance(train, (float, np.floating)) and test + train < 1:
            raise ModelError(
                "Both sides of a split together are all rows.", suggestion="Use df.sample(frac=…) before the split."
            )
        return float(test) if isinstance(test, (float, np.floating)) else int(test)
    if train is None:
        return default
    if not isinstance(train, (float, np.floating)):
        raise ModelError("The number of rows is not known exactly.", suggestion="Give test_size, or a share: 0.8.")
    return float(np.round(1 - float(train), 12))


def _both(handle: Any, sides: list[Split], seed: int, test: float | int) -> Iterator[Any]:
    in_test = _test_rows(len(handle._twin), seed, test)
    yield narrowed(handle, sides[0], ~in_test)
    yield narrowed(handle, sides[1], in_test)


def _test_rows(rows: int, seed: int, test: float | int) -> np.ndarray:
    """Which rows of a twin are on the test side; the same for all handles of a context."""
    share = test if isinstance(test, float) else 0.25
    chosen = np.zeros(rows, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(rows)[: min(max(1, round(rows * share)), max(rows - 1, 0))]] = True
    return chosen


# -- splitters --------------------------------------------------------------------------------------------------------
def is_shuffled(splitter: Any) -> bool:
    return type(splitter).__name__ in _TEST_OF_SHUFFLES


def split(splitter: Any, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[RowSet, RowSet]]:
    """Pairs of row sets that `iloc` takes: of a ShuffleSplit, or one of its two kinds."""
    kind = type(splitter).__name__
    if not is_shuffled(splitter):
        raise ModelError(
            f"{kind} cannot be gone through in a clean room.",
            suggestion="Use ShuffleSplit, StratifiedShuffleSplit or GroupShuffleSplit; or GridSearchCV(model, "
            "{}, cv=…), which takes KFold and StratifiedKFold and has the mean as best_score_.",
        )
    if not isinstance(X, (Frame, Column)):
        raise row_vector()
    by_unit = kind == "GroupShuffleSplit"
    if by_unit and not _is_unit(groups):
        raise ModelError("Groups are kept together by patient.", suggestion="groups=df['patient_id']")
    if kind == "StratifiedShuffleSplit" and y is None:
        raise ModelError("StratifiedShuffleSplit needs the classes.", suggestion="split(X, y)")
    over, stratify = _context([X], y if kind == "StratifiedShuffleSplit" else None)
    test = _test_size(splitter.test_size, splitter.train_size, _TEST_OF_SHUFFLES[kind])
    seed = random_seed(splitter.random_state)
    whole = Split(over, Side.TRAIN, seed, test, by_unit=by_unit, stratify=stratify)
    return _pairs(whole, splitter.get_n_splits(), X._twin.index)


def _pairs(whole: Split, splits: int, labels: pd.Index) -> Iterator[tuple[RowSet, RowSet]]:
    for number in range(splits):
        train = msgspec.structs.replace(whole, seed=(whole.seed + number) % 2**31)
        in_test = _test_rows(len(labels), train.seed, train.test)
        yield (
            RowSet(train, labels[~in_test]),
            RowSet(msgspec.structs.replace(train, side=Side.TEST), labels[in_test]),
        )


def _is_unit(groups: Any) -> bool:
    return isinstance(groups, Column) and type_of(groups._expression, groups._rows.fields).role is Role.UNIT
