"""Splitting: train_test_split and scikit-learn's splitters, made in the vault under its own key.

Without a random_state the seed comes from NumPy's global generator, as in scikit-learn, so np.random.seed fixes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter import contexts
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, narrowed
from cleanroom_kernel.interpreter.learn_notes import say
from cleanroom_kernel.interpreter.literals import row_vector
from cleanroom_kernel.interpreter.narrowing import random_seed
from cleanroom_kernel.interpreter.results import setting
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, type_of
from cleanroom_kernel.plan.nodes import children
from cleanroom_kernel.plan.relations import PerUnit, Side, Split, Table
from cleanroom_kernel.plan.schema import Role

_TEST = 0.25  # scikit-learn's default


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
    warn_of_straddling(over)
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
class Kind(NamedTuple):
    """How a splitter of scikit-learn's chooses. `share` is the default share of its test side; None for folds."""

    by_unit: bool = False
    stratified: bool = False
    share: float | None = None
    repeated: bool = False


KINDS: dict[str, Kind] = {
    "ShuffleSplit": Kind(share=0.1),
    "StratifiedShuffleSplit": Kind(stratified=True, share=0.1),
    "GroupShuffleSplit": Kind(by_unit=True, share=0.2),
    "KFold": Kind(),
    "StratifiedKFold": Kind(stratified=True),
    "GroupKFold": Kind(by_unit=True),
    "StratifiedGroupKFold": Kind(by_unit=True, stratified=True),
    "RepeatedKFold": Kind(repeated=True),
    "RepeatedStratifiedKFold": Kind(stratified=True, repeated=True),
}


def split(splitter: Any, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[RowSet, RowSet]]:
    """Pairs of row sets that `iloc` takes. Folds are shuffled under the vault's key, asked for or not."""
    name = type(splitter).__name__
    kind = KINDS.get(name)
    if kind is None:
        raise ModelError(
            f"{name} chooses rows by their place, which is nobody's to choose in a clean room.",
            suggestion=f"There are: {', '.join(KINDS)}.",
        )
    if not isinstance(X, (Frame, Column)):
        raise row_vector()
    if kind.by_unit and not is_unit(groups):
        raise ModelError("Groups are kept together by patient.", suggestion=f"{name}: groups={unit_of(X)}")
    if kind.stratified and y is None:
        raise ModelError(f"{name} needs the classes.", suggestion="split(X, y)")
    over, stratify = _context([X], y if kind.stratified else None)
    if not kind.by_unit:
        warn_of_straddling(over)
    if kind.share is None:
        return _folds(splitter, kind, over, stratify, X._twin.index)
    test = _test_size(splitter.test_size, splitter.train_size, kind.share)
    seed = random_seed(splitter.random_state)
    whole = Split(over, Side.TRAIN, seed, test, by_unit=kind.by_unit, stratify=stratify)
    return _pairs(whole, splitter.get_n_splits(), X._twin.index)


def _pairs(whole: Split, splits: int, labels: pd.Index) -> Iterator[tuple[RowSet, RowSet]]:
    for number in range(splits):
        train = msgspec.structs.replace(whole, seed=(whole.seed + number) % 2**31)
        yield _both_rows(train, labels, _test_rows(len(labels), train.seed, train.test))


def _folds(
    splitter: Any, kind: Kind, over: Relation, stratify: Expression | None, labels: pd.Index
) -> Iterator[tuple[RowSet, RowSet]]:
    splits = splitter.get_n_splits()
    repeats = splitter.n_repeats if kind.repeated else 1
    asked = kind.repeated or splitter.shuffle
    shuffle = asked or bool(setting("keyed_seeds", True))
    seed = random_seed(splitter.random_state) if asked else 0
    folds = splits // repeats
    for number in range(splits):
        repeat, fold = divmod(number, folds)
        train = Split(
            over=over,
            side=Side.TRAIN,
            seed=(seed + repeat) % 2**31,
            test=1 / folds,
            shuffle=shuffle,
            by_unit=kind.by_unit,
            stratify=stratify,
            folds=folds,
            fold=fold,
        )
        order = np.random.default_rng(train.seed).permutation(len(labels))
        yield _both_rows(train, labels, order % folds == fold)


def _both_rows(train: Split, labels: pd.Index, in_test: np.ndarray) -> tuple[RowSet, RowSet]:
    if not in_test.any():  # a twin has few rows, and none of its sides is ever empty
        in_test = np.arange(len(labels)) == 0
    return (
        RowSet(train, labels[~in_test]),
        RowSet(msgspec.structs.replace(train, side=Side.TEST), labels[in_test]),
    )


# -- patients ---------------------------------------------------------------------------------------------------------
def is_unit(groups: Any) -> bool:
    return isinstance(groups, Column) and type_of(groups._expression, groups._rows.fields).role is Role.UNIT


def unit_of(handle: Any) -> str:
    """How the column of patients is written, for a suggestion."""
    roles = {name: field.role for name, field in handle._rows.fields.items()}
    return next((f"df[{name!r}]" for name, role in roles.items() if role is Role.UNIT), "the column of patients")


def warn_of_straddling(over: Relation) -> None:
    """Say once for each kind of rows that a patient may stand on both sides. Known from the schema alone."""
    straddling = _several_per_unit(over)
    if not straddling or straddling in _warned:
        return
    _warned.add(straddling)
    say(
        f"A patient may have several rows of {straddling}, and stand on both sides of this split: scores may then be "
        "better than for new patients. GroupShuffleSplit or GroupKFold, with the column of patients as groups, keep a "
        "patient's rows together."
    )


_warned: set[str] = set()


def _several_per_unit(over: Relation) -> str:
    """A table that makes for several rows of a unit; nothing if there is one row at most."""
    if isinstance(over, PerUnit):
        return ""
    if isinstance(over, Table):
        unit = over.schema.unit
        return over.schema.name if unit is not None and not unit.unique else ""
    return next(
        (found for part in children(over) if isinstance(part, Relation) if (found := _several_per_unit(part))), ""
    )
