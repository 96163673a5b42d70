"""Draws: which rows a seeded sample or split takes, as positions in row order.

Promise: with the seed as given, exactly pandas' `sample` and scikit-learn's `train_test_split`, `GroupShuffleSplit` and
the four kinds of folds.
Where those would raise because of the data (too few rows, a class of one), a draw is made all the same: an error here
would be an answer about the data (rule S13).
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from cleanroom_kernel.plan.relations import Sample, Side, Split

Positions = NDArray[np.int64]


def sampled(sample: Sample, n: int, seed: int) -> Positions:
    wanted = sample.n if sample.n is not None else round((sample.fraction or 0) * n)
    return np.random.RandomState(seed).choice(n, size=min(wanted, n), replace=False) if n else np.arange(0)


def split(relation: Split, n: int, seed: int, units: NDArray[np.int32], classes: NDArray[np.int64] | None) -> Positions:
    """One side of a split of `n` rows; `classes` are codes of what it is stratified by."""
    if relation.folds:
        in_test = folds(relation, n, seed, units, classes) == relation.fold
        return np.flatnonzero(in_test if relation.side is Side.TEST else ~in_test)
    if relation.by_unit:
        return _by_unit(relation, seed, units)
    n_test = _test_size(relation.test, n)
    if not relation.shuffle:
        return np.arange(n - n_test) if relation.side is Side.TRAIN else np.arange(n - n_test, n)
    if classes is not None and _can_stratify(classes, n_test):
        from sklearn.model_selection import StratifiedShuffleSplit  # slow to import, and only needed here

        splitter = StratifiedShuffleSplit(1, test_size=n_test, train_size=n - n_test, random_state=seed)
        train, test = next(splitter.split(np.zeros(n), classes))
        return train if relation.side is Side.TRAIN else test
    return _shuffled(n, n_test, seed, relation.side)


def folds(relation: Split, n: int, seed: int, units: NDArray[np.int32], classes: NDArray[np.int64] | None) -> Positions:
    """The fold of each row."""
    from sklearn import model_selection

    kind = f"{'Stratified' if classes is not None else ''}{'Group' if relation.by_unit else ''}KFold"
    splitter = getattr(model_selection, kind)(
        relation.folds, shuffle=relation.shuffle, random_state=seed if relation.shuffle else None
    )
    number = np.empty(n, dtype=np.int64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a class has few members is an answer about the data, too
            for fold, (_, test) in enumerate(splitter.split(np.zeros(n), classes, units)):
                number[test] = fold
    except ValueError:
        codes = np.unique(units, return_inverse=True)[1] if relation.by_unit else np.arange(n)
        number = np.random.RandomState(seed).permutation(codes.max(initial=-1) + 1)[codes] % relation.folds
    return number


def _by_unit(relation: Split, seed: int, units: NDArray[np.int32]) -> Positions:
    found, codes = np.unique(units, return_inverse=True)
    chosen = _shuffled(len(found), _test_size(relation.test, len(found)), seed, relation.side)
    return np.flatnonzero(np.isin(codes, chosen))


def _shuffled(n: int, n_test: int, seed: int, side: Side) -> Positions:
    order = np.random.RandomState(seed).permutation(n)
    return order[n_test:] if side is Side.TRAIN else order[:n_test]


def _test_size(test: float | int, n: int) -> int:
    return min(math.ceil(test * n) if isinstance(test, float) else test, n)


def _can_stratify(classes: NDArray[np.int64], n_test: int) -> bool:
    """scikit-learn's own conditions."""
    _, counts = np.unique(classes, return_counts=True)
    return len(counts) > 0 and counts.min() >= 2 and len(counts) <= min(n_test, len(classes) - n_test)
