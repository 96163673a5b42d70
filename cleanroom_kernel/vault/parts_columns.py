"""Parts that learn something of each column: scalers, imputers, encoders, selectors, components; and those that learn
something of each class or cluster.

Promise: reads rows, decides nothing beyond the rules it is handed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.candidate import CellEvidence, Kind
from cleanroom_kernel.disclosure.evidence import spread_out, summed
from cleanroom_kernel.disclosure.grouping import contributions
from cleanroom_kernel.disclosure.model_rules import Family
from cleanroom_kernel.disclosure.models import (
    Directions,
    Estimates,
    Facts,
    Groups,
    Labels,
    Never,
    findings,
    passing,
    shown,
    shown_number,
    weak,
)
from cleanroom_kernel.disclosure.ordering import Ordered, quantile
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.plan.expressions import Field
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Label
from cleanroom_kernel.vault.parts import Floats, Origin, Part, Seen, estimates, means

_WEIGHTED = Never("it was fitted with weights.")


# -- scalers ----------------------------------------------------------------------------------------------------------
def scaler(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """Means and standard deviations. Those of weak columns are hidden, and so must be what is made of the columns."""
    values = _filled(seen.numbers)
    gone = seen.weak | weak(seen.evidence, policy)
    learned: dict[str, Floats] = {}
    if model.mean_ is not None:
        _, moved = means(seen, values)
        learned["mean_"] = shown(estimates(np.asarray(model.mean_, dtype=float), moved), gone, policy)
    if model.scale_ is not None:
        variance, moved = means(seen, (values - values.mean(axis=0)) ** 2)
        moved = moved / np.where(variance > 0, 2 * np.sqrt(variance), 1.0)
        learned["scale_"] = shown(estimates(np.asarray(model.scale_, dtype=float), moved), gone, policy)
        learned["var_"] = learned["scale_"] ** 2
    for numbers in learned.values():
        gone = gone | np.isnan(numbers)
    return Part(
        model,
        Family.SCALER,
        findings=findings(type(model).__name__, _unweighted(seen), policy),
        shown=learned,
        outputs=tuple(Origin(column.name, None, bool(hide)) for column, hide in zip(seen.columns, gone, strict=True)),
    )


def _unweighted(seen: Seen) -> tuple[Facts, ...]:
    return () if seen.weight is None else (_WEIGHTED,)


def _filled(values: Floats) -> Floats:
    """Missing values as means of their columns: they move nothing."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    mean = np.where(missing, 0.0, values).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    return np.where(missing, mean, values)


# -- imputers ---------------------------------------------------------------------------------------------------------
def imputer(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    facts: list[Facts] = list(_unweighted(seen))
    if model.add_indicator:
        facts.append(Never("add_indicator=True would tell in which columns a value is missing at all."))
    if len(model.get_feature_names_out()) != len(seen.columns):
        facts.append(Never("a column has no values at all."))
    values: list[Label] = []
    outputs = []
    for place, column in enumerate(seen.columns):
        value = _imputed(model, seen, place, policy)
        values.append(value)
        outputs.append(Origin(column.name, column.field, column.weak or (value is None)))
    return Part(
        model,
        Family.IMPUTER,
        findings=findings(type(model).__name__, tuple(facts), policy),
        labels={"statistics_": (tuple(values),)},
        outputs=tuple(outputs),
    )


def _imputed(model: Any, seen: Seen, place: int, policy: PolicySnapshot) -> Label:
    """The value for missing ones as it may be shown; None if it may not."""
    exact = model.statistics_[place]
    if model.strategy == "constant":
        return _plain(exact)
    values = seen.X.iloc[:, place] if isinstance(seen.X, pd.DataFrame) else pd.Series(np.asarray(seen.X)[:, place])
    known = values.notna().to_numpy()
    if not known.any():
        return None
    if model.strategy == "most_frequent":
        having = np.unique(seen.units[(values == exact).to_numpy() & known])
        return _plain(exact) if len(having) >= policy.minimum_units + policy.jitter else None
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)[known]
    rows = seen.at(np.flatnonzero(known)).grouped(np.zeros(len(numbers), dtype=np.int32), 1)
    if model.strategy == "mean":
        kind = Kind.SHARE if _is_binary(numbers) else Kind.MEAN
        measured = summed(contributions(rows, numbers), kind, policy.minimum_units)
    else:
        kind, measured = Kind.QUANTILE, quantile(Ordered(rows, numbers), 0.5, policy.minimum_units)
    if not passing(kind, measured.evidence, policy)[0]:
        return None
    return shown_number(float(measured.values[0]), float(measured.evidence.step[0]), policy)


# -- encoders ---------------------------------------------------------------------------------------------------------
def encoder(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """Labels that the owner declared may be named, whoever has them; columns of rare ones are weak."""
    facts: list[Facts] = list(_unweighted(seen))
    if getattr(model, "min_frequency", None) is not None or getattr(model, "max_categories", None) is not None:
        facts.append(Never("grouping of infrequent categories keeps all of them. Group them before the fit."))
    undeclared: list[int] = []
    stored = []
    for place, column in enumerate(seen.columns):
        labels = [_plain(label) for label in model.categories_[place]]
        stored.append(tuple(labels))
        if model.categories == "auto":
            values = (
                seen.X.iloc[:, place] if isinstance(seen.X, pd.DataFrame) else pd.Series(np.asarray(seen.X)[:, place])
            )
            undeclared += [
                _units_having(values, label, seen) for label in labels if not _is_declared(label, column.field)
            ]
    facts.append(Labels(np.array(undeclared, dtype=np.int64)))
    return Part(
        model,
        Family.ENCODER,
        findings=findings(type(model).__name__, tuple(facts), policy),
        labels={"categories_": tuple(stored)},
        outputs=_encoded(model, seen),
    )


def _encoded(model: Any, seen: Seen) -> tuple[Origin, ...]:
    names = [str(name) for name in model.get_feature_names_out([column.name for column in seen.columns])]
    binary = Field(DType.BOOLEAN)
    if len(names) == len(seen.columns) and not hasattr(model, "drop_idx_"):
        return tuple(Origin(name, None, column.weak) for name, column in zip(names, seen.columns, strict=True))
    return tuple(Origin(name, binary) for name in names)


def _units_having(values: pd.Series, label: Label, seen: Seen) -> int:
    same = values.isna() if label is None else values == label
    return len(np.unique(seen.units[same.to_numpy(dtype=bool, na_value=False)]))


def _is_declared(label: Label, field: Field | None) -> bool:
    """Missing values are no label of anybody's choosing, but that there are any is."""
    if field is None:
        return False
    return field.dtype is DType.BOOLEAN or (field.categories is not None and label in field.categories)


def _plain(value: Any) -> Label:
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is None or value != value else value


# -- selectors --------------------------------------------------------------------------------------------------------
def selector(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """Which columns are kept is a bit for each, of columns that many units make up. One that a few make up stands in
    the way whether it is kept or not: else that it is would tell of them.
    """
    thin = seen.weak | weak(seen.evidence, policy)
    kept = np.asarray(model.get_support(), dtype=bool)
    facts: list[Facts] = [*_unweighted(seen), Directions(seen.n_units, len(kept), 0.0, bool(thin.any()))]
    outputs = [column for column, keep in zip(seen.columns, kept, strict=True) if keep]
    return Part(
        model,
        Family.SELECTOR,
        findings=findings(type(model).__name__, tuple(facts), policy),
        shown={"get_support": kept.astype(float)},
        outputs=tuple(outputs),
    )


# -- components -------------------------------------------------------------------------------------------------------
def components(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """Principal components: second moments of columns, so each column must be made up by many units."""
    values = seen.numbers - (seen.numbers.mean(axis=0) if hasattr(model, "mean_") else 0.0)
    thin = bool((seen.weak | weak(seen.evidence, policy)).any())
    directions = np.asarray(model.components_, dtype=np.float64)
    projected = values @ directions.T
    squares = seen.sums(projected**2)
    leverage = float((squares / np.maximum(squares.sum(axis=0), 1e-300)).sum(axis=1).max(initial=0.0))
    step = np.abs(squares).max(axis=0) / np.maximum(squares.sum(axis=0), 1e-300)
    moved = np.broadcast_to(step[:, np.newaxis], directions.shape)
    fact = Directions(seen.n_units, directions.size, leverage, thin)
    learned = {
        "components_": _stepped(directions, moved, policy),
        "explained_variance_": _stepped(model.explained_variance_, step * model.explained_variance_, policy),
        "explained_variance_ratio_": _stepped(model.explained_variance_ratio_, step, policy),
    }
    if hasattr(model, "mean_"):
        mean, shift = means(seen, seen.numbers)
        learned["mean_"] = shown(estimates(mean, shift), np.zeros(len(mean), dtype=bool), policy)
        learned["mean_"] = np.where(np.isnan(learned["mean_"]), 0.0, learned["mean_"])
    return Part(
        model,
        Family.COMPONENTS,
        findings=findings(type(model).__name__, (fact, *_unweighted(seen)), policy),
        shown=learned,
        outputs=tuple(Origin(f"component {place}") for place in range(len(directions))),
    )


def _stepped(values: Any, step: Any, policy: PolicySnapshot) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    none = np.zeros(values.shape)
    learned = Estimates(values, none, np.broadcast_to(step, values.shape), none + np.inf)
    return shown(learned, np.zeros(values.shape, dtype=bool), policy)


# -- classes and clusters ---------------------------------------------------------------------------------------------
def bayes(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """Means and variances of each class."""
    codes = np.searchsorted(model.classes_, seen.y).astype(np.int32)
    centres, spreads, cells = _by_group(seen, codes, len(model.classes_), policy, variances=True)
    fact = Groups("class", seen.n_units, model.theta_.size + model.var_.size, tuple(cells))
    prior, moved = means(seen, (codes[:, np.newaxis] == np.arange(len(model.classes_))) * 1.0)
    learned = {
        "theta_": _stepped(model.theta_, centres, policy),
        "var_": np.maximum(_stepped(model.var_, spreads, policy), np.finfo(float).tiny),
        "class_prior_": _normal(_stepped(model.class_prior_, estimates(prior, moved).step, policy)),
    }
    facts: list[Facts] = [fact, *_unweighted(seen)]
    return Part(
        model, Family.BAYES, findings=findings(type(model).__name__, (*facts, *_covered(seen)), policy), shown=learned
    )


def clusters(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    codes = np.asarray(model.predict(seen.X)).astype(np.int32)
    centres, _, cells = _by_group(seen, codes, model.n_clusters, policy, variances=False)
    fact = Groups("cluster", seen.n_units, model.cluster_centers_.size, tuple(cells))
    learned = {"cluster_centers_": _stepped(model.cluster_centers_, centres, policy)}
    facts: tuple[Facts, ...] = (fact, *_unweighted(seen), *_covered(seen))
    return Part(model, Family.CLUSTERS, findings=findings(type(model).__name__, facts, policy), shown=learned)


def constant(model: Any, seen: Seen, policy: PolicySnapshot) -> Part:
    """One value for everybody: a table with one cell."""
    everyone = np.zeros(seen.size, dtype=np.int32)
    facts: list[Facts] = list(_unweighted(seen))
    learned: dict[str, Floats] = {}
    if hasattr(model, "classes_"):
        shares, moved = means(seen, (seen.y[:, np.newaxis] == model.classes_) * 1.0)
        if model.strategy != "constant":
            learned["class_prior_"] = _normal(_stepped(model.class_prior_, estimates(shares, moved).step, policy))
    elif model.strategy == "mean":
        numbers = np.asarray(seen.y, dtype=np.float64)
        measured = summed(contributions(seen.grouped(everyone, 1), numbers), Kind.MEAN, policy.minimum_units)
        facts.append(Groups("value", seen.n_units, 1, ((Kind.MEAN, measured.evidence),)))
        learned["constant_"] = _stepped(model.constant_, measured.evidence.step[:1], policy)
    elif model.strategy != "constant":
        facts.append(Never("a median or a quantile is kept as it is. Use strategy='mean'."))
    return Part(model, Family.CONSTANT, findings=findings(type(model).__name__, tuple(facts), policy), shown=learned)


def _by_group(
    seen: Seen, codes: NDArray[np.int32], number: int, policy: PolicySnapshot, *, variances: bool
) -> tuple[Floats, Floats, list[tuple[Kind, CellEvidence]]]:
    """Steps of the means (and variances) of each group and column, and the cells that they are."""
    rows = seen.grouped(codes, number)
    centres, spreads = np.zeros((number, len(seen.columns))), np.zeros((number, len(seen.columns)))
    cells = []
    for place in range(len(seen.columns)):
        values = np.ascontiguousarray(seen.numbers[:, place])
        kind = Kind.SHARE if _is_binary(values) else Kind.MEAN
        measured = summed(contributions(rows, values), kind, policy.minimum_units)
        centres[:, place] = measured.evidence.step
        cells.append((kind, measured.evidence))
        if variances:
            measured = spread_out(rows, values, 0, False, policy.minimum_units)
            spreads[:, place] = measured.evidence.step
            if kind is Kind.MEAN:
                cells.append((Kind.VARIANCE, measured.evidence))
    return centres, spreads, cells


def _covered(seen: Seen) -> tuple[Facts, ...]:
    return (Never("it follows features of which a parameter is hidden."),) if seen.weak.any() else ()


def _is_binary(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _normal(shares: Floats) -> Floats:
    """Rounded shares that add up to one."""
    normal: Floats = shares / shares.sum()
    return normal
