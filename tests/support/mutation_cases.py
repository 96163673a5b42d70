"""Cases of the mutation tests: for each check of the gate, the attack that it stops and its switch.

Promise: closed tables. `tests/attacks/test_mutations.py` runs every case and asserts that no check is without one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import fit_of, named
from support.mutation_attacks import (
    UNROUNDED,
    a_count_of_a_few,
    a_group_that_is_not_shown,
    a_number_of,
    a_secret_in_a_label,
    by_denial,
    by_rounding,
    by_suppressed_cell,
    codes_with_and_without,
    everybody_positive,
    exactly,
    in_one_table,
    is_shown,
    more_than,
    powers_of,
    reconstruction,
    searching,
    the_exact_median,
    the_nearest_of,
    tracker,
    two_experts,
)
from support.mutation_attacks_models import (
    a_coefficient_in_a_file,
    a_column_that_is_kept,
    a_fit_of_five,
    a_label_in_an_encoder,
    a_leaf_of_a_weighted_class,
    a_mean_and_a_score,
    a_mean_in_a_scaler,
    a_model_that_remembers,
    a_sample_of_known_patients,
    a_tree_of_leaves,
    a_weighted_tree,
    accuracy,
    an_error_of_one,
    borrowed_label,
    everybody_right,
    learned_more_than,
    observed,
    precisions,
    several_classes,
    two_models_of_a_target,
)
from support.mutation_switches import (
    Switch,
    a_ledger_for_each_vault,
    any_family,
    cell_check,
    every_label_named,
    every_row_in_totals,
    exact_quantiles,
    findings_check,
    judge_of,
    models_as_they_are,
    nothing_beside,
    numbers_that_few_decide,
    scores_of_any_rows,
    values_as_they_are,
    weak_features,
    whoever_is_remembered,
)
from support.mutation_worlds import (
    CONTRIBUTIONS,
    COST,
    EXACT,
    FIRST_SIXTY,
    HIV,
    IS_TARGET,
    MISSED,
    SOME,
    TEN,
    N,
    World,
    a_few_classes,
    a_rare_class,
    a_small_ward,
    by_lot,
    crowd,
    in_groups,
    in_the_middle,
    infinite,
    of_many,
    of_secret,
    products,
    spread,
    ten_thousand,
    thirty_in_a_fold,
    unknown_others,
    visits,
    wards,
    weighted,
    with_target,
)
from support.rooms import call, col, eq, integer, isin, size, summary, total, where

from cleanroom_kernel.disclosure import models
from cleanroom_kernel.disclosure.risks import Check, Mitigation
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Literal, Named
from cleanroom_kernel.plan.models import Task
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault import parts_trees


@dataclass(frozen=True)
class Case:
    """`settings` are in force in both runs, `off` and `policy` in the second alone."""

    check: Any
    attack: Callable[[Any], Any]
    worlds: list[World]
    off: Switch = lambda _: None
    policy: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    place: str = "cell"

    @property
    def name(self) -> str:
        name = getattr(self.check, "value", getattr(self.check, "__name__", self.check))
        return name if self.place == "cell" else f"{name} ({self.place})"


PRICES = with_target("cost", COST, 90.0, 110.0)
FAR_PRICES = with_target("cost", COST, 10.0, 500.0)

CASES = [
    Case(
        Check.UNITS,
        is_shown(lambda over: size(where(over, eq("ward", "Z")))),
        of_secret(a_small_ward),
        cell_check(Check.UNITS),
    ),
    Case(Check.ROWS, more_than(500, size), of_secret(visits), cell_check(Check.ROWS)),
    Case(
        Check.TWICE,
        a_number_of(lambda over: summary(where(over, call("less", col("serial"), 15)), a.Variance(col("x")))),
        with_target("x", np.arange(N) % 15 + 8.0, 15.0, 28.0),
        cell_check(Check.TWICE),
    ),
    Case(
        Check.DOMINANCE,
        more_than(
            0, lambda over: a.Correlation(over, (Named("x", col("x")), Named("y", col("y"))), covariance=True), row=1
        ),
        of_secret(products),
        cell_check(Check.DOMINANCE),
    ),
    Case(
        Check.EFFECTIVE,
        more_than(300, lambda over: total(over, "x")),
        with_target("x", CONTRIBUTIONS, 0.0, 80.0),
        cell_check(Check.EFFECTIVE),
    ),
    Case(
        Check.VARIETY,
        everybody_positive,
        [(crowd(hiv=HIV | (np.arange(N) % 8 == 0)), True), (crowd(), False)],
        cell_check(Check.VARIETY),
    ),
    Case(
        Check.PREDICATES,
        more_than(
            402, lambda over: summary(over, a.Count(call("where", MISSED, Literal(None, DType.FLOAT), col("cost"))))
        ),
        [(crowd(403, hiv=np.arange(403) < (0 if secret else 1)), secret) for secret in (False, True)],
        cell_check(Check.PREDICATES),
    ),
    Case(
        Check.POSITION,
        a_number_of(lambda over: summary(over, a.Quantile(col("x"), 1.0))),
        with_target("x", np.minimum(np.arange(N) / 2, 100.0), 100.0, 1_100.0),
        cell_check(Check.POSITION),
    ),
    Case(
        Check.ENDPOINT,
        more_than(200, lambda over: summary(over, a.Extreme(col("cost"), True))),
        with_target("cost", COST, 100.0, 1_000.0),
        policy={"endpoints": True},
    ),
    Case(
        Check.OUTLIER,
        more_than(COST[1:].sum() + 250, lambda over: total(over, "cost")),
        with_target("cost", COST, 0.0, 600.0),
        cell_check(Check.OUTLIER),
    ),
    Case(
        Check.FINITE,
        more_than(1e300, lambda over: summary(over, a.Quantile(col("x"), 0.75))),
        infinite(95),
        cell_check(Check.FINITE),
    ),
    Case(
        Check.PAIRS,
        codes_with_and_without,
        unknown_others(),
        policy={"differencing": False},
        settings={"jitter": 0},
    ),
    Case(Check.COMBINATIONS, tracker, unknown_others(), policy={"linear_audit": False}, settings=EXACT),
    Case(
        Mitigation.MIDDLE,
        the_exact_median,
        [(in_the_middle(value), value) for value in (150.0, 160.0)],
        exact_quantiles,
    ),
    Case(
        Mitigation.INFLUENCE,
        exactly(FIRST_SIXTY + 80, lambda over: total(where(over, SOME), "cost")),
        with_target("cost", COST, 0.0, 80.0),
        policy={"influence_rounding": False},
    ),
    Case(
        Mitigation.DIGITS,
        more_than(10_002, lambda over: total(over, "positive")),
        of_secret(ten_thousand),
        policy={"significant_digits": 17},
    ),
    Case(
        Mitigation.FREE,
        a_number_of(lambda over: total(over, call("power", col("cost"), 3.3))),
        with_target("cost", COST, 110.0, 250.0),
        values_as_they_are,
    ),
    Case(
        "free_noise",
        the_nearest_of(PRICES, lambda over: total(over, call("power", col("cost"), 1.2))),
        PRICES,
        policy={"free_noise": 0.0},
        settings=UNROUNDED,
    ),
    Case(
        "free_answers",
        the_nearest_of(FAR_PRICES, *(powers_of(1.2 + 0.01 * step) for step in range(60))),
        FAR_PRICES,
        policy={"free_answers": 10**9},
        settings={**UNROUNDED, "free_noise": 2.0, "free_answers": 1},
    ),
    Case(Mitigation.SUPPRESSION, a_group_that_is_not_shown, of_secret(wards), every_row_in_totals, settings=EXACT),
    Case(Mitigation.FOLDING, a_secret_in_a_label, with_target("positive", HIV.astype(int), 0, 1), every_label_named),
    Case(
        "jitter",
        is_shown(lambda over: size(where(over, eq("ward", "Z")))),
        of_secret(a_small_ward),
        policy={"jitter": 0},
    ),
    Case(Mitigation.MIXED, by_rounding(12), of_many(12, 4, 2_000), policy={"mixed_noise": 0.0}),
    Case(
        "mixed_jitter",
        is_shown(lambda over: size(where(over, call("or", isin("serial", range(11, 20)), MISSED)))),
        with_target("hiv", HIV, False, True),
        policy={"mixed_jitter": 0},
    ),
    Case(
        "released_share",
        reconstruction(120, 119),
        of_many(120, 1, 120),
        policy={"released_share": 1e9},
        settings={**EXACT, "denials": 10**9, "released_floor": 12},
    ),
    Case(
        "cohort_share",
        reconstruction(60, 59),
        of_many(60, 2),
        policy={"cohort_share": 1e9},
        settings={**EXACT, "denials": 10**9},
    ),
    Case("denials", searching(by_denial), in_groups(), policy={"denials": 10**9}, settings={"jitter": 0}),
    Case(
        "suppressed_cells",
        searching(by_suppressed_cell),
        in_groups(),
        policy={"suppressed_cells": 10**9},
        settings={"jitter": 0, "suppressed_cells": 30, "released_floor": 1_000},
    ),
    Case("labels", in_one_table, in_groups(), policy={"labels": 10**9}, settings={"jitter": 0, "labels": 20}),
    Case("C14", two_experts, unknown_others(), a_ledger_for_each_vault, settings={"jitter": 0}),
    Case(
        "keyed_seeds",
        a_sample_of_known_patients,
        with_target("hiv", HIV, False, True),
        policy={"keyed_seeds": False},
        settings=EXACT,
    ),
    Case(
        Mitigation.PARAMETERS,
        learned_more_than(
            1_000_000_100.04,
            "constant_",
            lambda over: fit_of(
                over, DummyRegressor(), ("serial",), call("add", col("cost"), 1_000_000_000.03), Task.REGRESS
            ),
        ),
        with_target("cost", COST, 90.0, 110.0),
        policy={"parameter_digits": 17},
    ),
    Case(Mitigation.REBUILDING, a_coefficient_in_a_file, with_target("cost", COST, 90.0, 92.0), models_as_they_are),
    # Scores
    Case(
        Check.FINITE,
        several_classes,
        of_secret(a_few_classes),
        findings_check("evaluation", Check.FINITE),
        place="evaluation",
    ),
    Case(
        Check.EVALUATION,
        more_than(0.45, lambda over: accuracy(where(over, call("less", col("serial"), 25)))),
        with_target("hiv", np.arange(N) % 25 < 12, False, True),
        findings_check("evaluation", Check.EVALUATION),
    ),
    Case(
        Check.CLASSES,
        everybody_right,
        [(crowd(hiv=HIV | (np.arange(N) % 8 == 0)), True), (crowd(), False)],
        findings_check("evaluation", Check.CLASSES),
        place="evaluation",
    ),
    Case(
        Check.EFFECTIVE,
        an_error_of_one,
        with_target("cost", COST, 100.0, 1e6),
        findings_check("evaluation", Check.EFFECTIVE),
        place="evaluation",
    ),
    Case(
        "evaluations",
        precisions(119),
        of_many(120, 6, 120),
        policy={"evaluations": 10**9},
        settings={**EXACT, "evaluations": 12, "denials": 10**9},
    ),
    Case(Check.PAIRS, a_mean_and_a_score, unknown_others(), nothing_beside, settings=EXACT, place="score and mean"),
    Case(Check.PAIRS, two_models_of_a_target, unknown_others(), nothing_beside, settings=EXACT, place="two models"),
    Case("held_out_scores", borrowed_label, with_target("hiv", HIV, False, True), scores_of_any_rows),
    # Models
    Case(
        Check.UNITS,
        a_fit_of_five,
        with_target("hiv", HIV, False, True),
        findings_check("model", Check.UNITS),
        place="model",
    ),
    Case(
        Check.CLASSES,
        learned_more_than(
            100.04,
            "constant_",
            lambda over: fit_of(
                over, DummyRegressor(), ("serial",), call("where", IS_TARGET, col("x"), col("cost")), Task.REGRESS
            ),
        ),
        [(crowd(cost=COST + 0.065, x=np.full(N, 110.0 if secret else 90.0)), secret) for secret in (False, True)],
        findings_check("model", Check.CLASSES),
        place="model",
    ),
    Case(Check.FAMILY, a_tree_of_leaves, with_target("cost", COST, 100.0, 1_000.0), any_family, place="model"),
    Case(
        Check.MEMBERSHIP,
        a_model_that_remembers,
        of_secret(by_lot),
        whoever_is_remembered,
        settings={"minimum_units": 3, "jitter": 0, "leaf_share": 1e9},
        place="model",
    ),
    Case(
        models.Design,
        observed("coef_", lambda over: fit_of(over, LinearRegression(), TEN, "y", Task.REGRESS)),
        [(spread(60, secret, "y"), secret) for secret in (False, True)],
        judge_of(models.Design),
    ),
    Case(models.Leaves, a_tree_of_leaves, with_target("cost", COST, 100.0, 1_000.0), judge_of(models.Leaves)),
    Case(
        models.Groups,
        observed("theta_", lambda over: fit_of(over, GaussianNB(), TEN, "hiv")),
        [(spread(60, secret), secret) for secret in (False, True)],
        judge_of(models.Groups),
    ),
    Case(models.Labels, a_label_in_an_encoder, with_target("positive", HIV.astype(int), 0, 1), judge_of(models.Labels)),
    Case(
        models.Directions,
        observed("components_", lambda over: fit_of(over, PCA(2), TEN, None, Task.TRANSFORM)),
        [(spread(60, secret), secret) for secret in (False, True)],
        judge_of(models.Directions),
    ),
    Case(
        models.Folds,
        observed(
            "mean_test_score",
            lambda over: fit_of(
                over,
                GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4, 5, 6]}, cv=KFold(2)),
                ("x0", "x1", "x2"),
                "hiv",
            ),
        ),
        of_secret(thirty_in_a_fold),
        judge_of(models.Folds),
    ),
    Case(
        "class weights",
        a_leaf_of_a_weighted_class,
        of_secret(a_rare_class),
        lambda patch: patch.setattr(parts_trees, "stretched", lambda exact, _: np.ones(len(exact))),
    ),
    Case(models.Never, a_weighted_tree, weighted(1.0, among=1e-9), judge_of(models.Never)),
    Case(
        models.Directions,
        a_column_that_is_kept,
        with_target("hiv", HIV, False, True),
        judge_of(models.Directions),
        place="selection",
    ),
    Case(
        "weak features",
        learned_more_than(
            0.5,
            "feature_importances_",
            lambda over: fit_of(
                over, DecisionTreeRegressor(max_depth=2), named("serial", t=integer(IS_TARGET)), "cost", Task.REGRESS
            ),
        ),
        with_target("cost", COST, 100.0, 1_000.0),
        weak_features,
    ),
    Case(
        "numbers that few decide",
        a_mean_in_a_scaler,
        with_target("cost", COST, 100.0, 145.0),
        numbers_that_few_decide,
    ),
]


# What it says no to, another says no to: without both, an attack succeeds.
@dataclass(frozen=True)
class Implied:
    by: Any
    case: Case
    with_it: Switch = lambda _: None
    policy_with_it: dict[str, Any] = field(default_factory=dict)


IMPLIED = [
    Implied(
        Check.COMBINATIONS,
        Case(
            Check.UNITS,
            a_count_of_a_few,
            with_target("hiv", HIV, False, True),
            cell_check(Check.UNITS),
            place="of a few",
            settings={"mixed_noise": 0.0},
        ),
        policy_with_it={"linear_audit": False},
    ),
    Implied(
        Mitigation.INFLUENCE,
        Case(
            Mitigation.COUNT_BASE,
            exactly(float(HIV[1:].sum()) + 1, lambda over: size(where(over, col("hiv")))),
            with_target("hiv", HIV, False, True),
            policy={"count_base": 1},
        ),
        policy_with_it={"influence_rounding": False},
    ),
    Implied(
        models.Never,
        Case(
            Check.EFFECTIVE,
            a_weighted_tree,
            weighted(1e9, among=1.0),
            findings_check("model", Check.EFFECTIVE),
            place="model",
        ),
        with_it=judge_of(models.Never),
    ),
    Implied(
        "numbers that few decide",
        Case(models.Uncovered, a_mean_in_a_scaler, with_target("cost", COST, 100.0, 145.0), judge_of(models.Uncovered)),
        with_it=numbers_that_few_decide,
    ),
]

# Numbers of the policy that are the border of a check, which is in the table itself.
BORDER_OF: dict[str, Any] = {
    "minimum_units": Check.UNITS, "dominance_p": Check.DOMINANCE, "dominance_top": Check.DOMINANCE,
    "dominance_share": Check.DOMINANCE, "effective_units": Check.EFFECTIVE, "unit_share": Check.ROWS,
    "count_base": Mitigation.COUNT_BASE, "mixed_noise": Mitigation.MIXED, "significant_digits": Mitigation.DIGITS,
    "parameter_digits": Mitigation.PARAMETERS, "influence_rounding": Mitigation.INFLUENCE, "endpoints": Check.ENDPOINT,
    "differencing": Check.PAIRS, "linear_audit": Check.COMBINATIONS, "released_floor": "released_share",
    "evaluation_units": Check.EVALUATION, "leverage": models.Design, "residual_units": models.Design,
    "units_per_parameter": models.Design, "leaf_share": models.Leaves,
    "membership_limit": Check.MEMBERSHIP, "membership_shadows": Check.MEMBERSHIP,
}  # fmt: skip

# Rules that are no check of `risks`, and the case that stands for each.
CASE_OF_RULE = {"C8": "released_share", "C13": Mitigation.SUPPRESSION, "C14": "C14", "C15": "denials"}
