"""The gate, mutated: with any one of its checks switched off, an attack succeeds that fails while all are on.

An attack asks a room of a few public facts and one secret, and says what it has learned of it, or nothing. It has
succeeded if what it says is right in some of its worlds and wrong in none, or if somebody who knows all but the secret
tells all worlds apart by the numbers. Each case runs it twice: under the policy as it is, and with one check off.
Checks are switched off here, by patching, or by a setting of the policy; the product has no switch for them. Where the
attacker is given exact numbers (`EXACT`), the case is about what does not rest on rounding.

A check that has no case fails the tests below. One without which nothing succeeds, because another one says no to
whatever it says no to, is in `IMPLIED` with that other, and has to show that both off let an attack through.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import File, LearningRoom, fit_of, named, scored
from support.rooms import call, cells, col, eq, integer, isin, lit, mean, size, summary, total, where
from support.worlds import KEY, stopped, value

from cleanroom_kernel.disclosure import checks, comparisons, gate, models, ordering
from cleanroom_kernel.disclosure.policy import Policy, PolicySnapshot
from cleanroom_kernel.disclosure.risks import APPLIES, EVALUATION_CHECKS, MODEL_CHECKS, Check, Mitigation
from cleanroom_kernel.disclosure.rules import BOOK, DATA, OF_CHECK, OF_MITIGATION
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Cast, Literal, Named
from cleanroom_kernel.plan.models import Fit, Inspect, Task
from cleanroom_kernel.plan.relations import Sample
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Refusal, Release
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

EXACT = {"count_base": 1, "influence_rounding": False, "significant_digits": 17, "parameter_digits": 17}

Tables = dict[str, dict[str, Any]]
World = tuple[Tables, Any]  # what is in the room, and the secret


# -- worlds -----------------------------------------------------------------------------------------------------------
N = 400


def crowd(n: int = N, **columns: Any) -> Tables:
    """Patients of whom an attacker knows everything but the secret: patient 0 is the target, the only one aged 99."""
    serial = np.arange(n)
    known = {
        "id": serial,
        "serial": serial,
        "age": np.where(serial == 0, 99, 20 + serial % 70),
        "sex": np.array(["F", "M"])[serial % 2],
        "ward": np.array(list("ABCDEFGH"))[serial % 8],
        "cost": 90.0 + serial % 21,
        "hiv": serial % 3 == 1,
    }
    return {"patients": {**known, **columns}}


def of_secret(make: Callable[[bool], Tables]) -> list[World]:
    """Two worlds that differ in the secret alone."""
    return [(make(secret), secret) for secret in (False, True)]


def with_target(name: str, values: Any, no: Any, yes: Any) -> list[World]:
    """The target's value in a column is the secret."""

    def make(secret: bool) -> Tables:
        column = np.array(values)
        column[0] = yes if secret else no
        return crowd(len(column), **{name: column})

    return of_secret(make)


def unknown_others() -> list[World]:
    """How many others are positive is not known either: an attack must do without."""
    worlds = []
    for others, secret in itertools.product(range(100, 105), (False, True)):
        hiv = np.arange(N) <= others
        hiv[0] = secret
        worlds.append((crowd(hiv=hiv, positive=hiv.astype(int)), secret))
    return worlds


IS_TARGET, NOT_TARGET = eq("serial", 0), call("not_equal", col("serial"), 0)
HIV = crowd()["patients"]["hiv"]
COST = crowd()["patients"]["cost"]


# -- attacks ----------------------------------------------------------------------------------------------------------
def shown(answer: Any, column: int = 0, row: int = 0) -> float | None:
    """A number of an answer; None if there is none."""
    if stopped(answer) or not answer.payload.rows or answer.payload.suppressed[column][row]:
        return None
    number = answer.payload.values[column][row]
    return None if number is None else float(number)


def more_than(border: float, question: Callable[[Any], Any], row: int = 0) -> Callable[[Any], Any]:
    """Whether a single number is above what it can be if the secret is no."""

    def attack(room: Any) -> bool | None:
        number = shown(room.ask(question(room["patients"])), row=row)
        return True if number is not None and number > border else None

    return attack


def a_count_of_a_few(room: Any) -> bool | None:
    """Two known patients, and the target if positive: three are rounded up, two down."""
    few = call("or", isin("serial", (1, 2)), call("and", IS_TARGET, col("hiv")))
    number = shown(room.ask(summary(where(room["patients"], few), a.Units())))
    return None if number is None else number > 0


def everybody_positive(room: Any) -> bool | None:
    """A share of one says it of each patient in the ward."""
    share = shown(room.ask(mean(where(room["patients"], eq("ward", "A")), "hiv")))
    return True if share == 1.0 else None


def the_exact_median(room: Any) -> float | None:
    return shown(room.ask(summary(room["patients"], a.Quantile(col("cost"), 0.5))))


def units_with_and_without(room: Any) -> bool | None:
    """If leaving the target out makes a difference, the target was among the positive."""
    positive = where(room["patients"], col("hiv"))
    first = shown(room.ask(summary(positive, a.Units())))
    second = shown(room.ask(summary(where(positive, NOT_TARGET), a.Units())))
    return True if first is not None and second is not None and first > second else None


def tracker(room: Any) -> bool | None:
    """Women and the target, men and the target, everybody: the target is counted once too often."""
    women = eq("sex", "F")
    parts = (
        where(room["patients"], call("or", IS_TARGET, women)),
        where(room["patients"], call("or", IS_TARGET, call("not", women))),
        room["patients"],
    )
    numbers = [shown(room.ask(total(part, "hiv"))) for part in parts]
    if None in numbers:
        return None
    return numbers[0] + numbers[1] - numbers[2] == 1


def exactly(number: float, question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Whether a single number is what it is if the secret is yes."""
    return lambda room: True if shown(room.ask(question(room["patients"]))) == number else None


def a_number_of(question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A single number, by which somebody who knows all but the secret tells the worlds apart."""

    def attack(room: Any) -> Observed | None:
        number = shown(room.ask(question(room["patients"])))
        return None if number is None else Observed([number])

    return attack


def powers(*exponents: float) -> Callable[[Any], Any]:
    """Sums of powers of a column, each with noise of its own: one of them tells the worlds apart."""

    def attack(room: Any) -> Observed:
        asked = (total(room["patients"], call("power", col("cost"), exponent)) for exponent in exponents)
        numbers = (shown(room.ask(question)) for question in asked)
        return Observed(number for number in numbers if number is not None)

    return attack


def a_group_that_is_not_shown(room: Any) -> bool | None:
    """The total of all wards, less the wards that are shown: three patients, and the target if that is its ward."""
    answer = room.ask(summary(room["patients"], a.Units(), by="ward", margins=True))
    numbers = cells(answer)
    return True if numbers["All"] - numbers["A"] - numbers["B"] == 4 else None


def a_secret_in_a_label(room: Any) -> bool | None:
    """Whatever is asked of it, that the label is there is the answer."""
    secret = call("where", IS_TARGET, Cast(col("positive"), DType.STRING), lit("others"))
    answer = room.ask(mean(room["patients"], "cost", by=(Named("label", secret),)))
    named = {row[0] for row in answer.payload.rows}
    return {"0": False, "1": True}.get(*(named - {"others"})) if named - {"others"} else None


def is_shown(question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Nine known patients, and the target if the secret is yes: ten are shown. One try: others have another border."""
    return lambda room: None if stopped(room.ask(question(room["patients"]))) else True


class Mostly(tuple[bool, ...]):
    """Secrets of many, of which four in five have to be right; a guess has half of them."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and np.mean(np.array(self) == np.array(other)) >= 0.8

    __hash__ = None


def reconstruction(cohort: int, times: int) -> Callable[[Any], Any]:
    """Sums over halves of a cohort, filled up with everybody else, as equations of its secrets."""

    def attack(room: Any) -> Mostly | None:
        everybody = shown(room.ask(total(room["patients"], "positive")))
        equations, sums = [], []
        for step in range(times):
            chosen = call("or", call("greater_equal", col("serial"), cohort), half(step))
            answer = room.ask(total(where(room["patients"], chosen), "positive"))
            if shown(answer) is not None and "as released before" not in answer.receipt.precision:
                equations.append(~half_of(np.arange(cohort), step))
                sums.append(everybody - shown(answer))
        return solved(equations, sums)

    return attack


def solved(equations: list[Any], sums: list[float]) -> Mostly | None:
    if not equations:
        return None
    found, *_ = np.linalg.lstsq(np.array(equations, dtype=float), np.array(sums), rcond=None)
    return Mostly((found > 0.5).tolist())


def half_of(serial: Any, step: int) -> Any:
    """A half of the patients that looks like chance."""
    return (serial + 13) * (serial + 7 * step + 1) * 7919 % 1009 < 504


def half(step: int) -> Any:
    mixed = call("multiply", call("add", col("serial"), 13), call("add", col("serial"), 7 * step + 1))
    return call("less", call("modulo", call("multiply", mixed, 7919), 1009), 504)


def searching(ask: Callable[[Any, int], Any]) -> Callable[[Any], Any]:
    """Each group has nine known patients, and one more if positive: whether it is shown is asked one by one."""

    def attack(room: Any) -> tuple[bool, ...] | None:
        told = [ask(room, group) for group in range(GROUPS)]
        return None if None in told else tuple(told)

    return attack


def by_denial(room: Any, group: int) -> bool | None:
    answer = room.ask(size(where(room["patients"], eq("group", group))))
    return None if isinstance(answer, Refusal) else isinstance(answer, Release)


def by_suppressed_cell(room: Any, group: int) -> bool | None:
    answer = room.ask(summary(room["patients"], a.Units(), by=(Named("chosen", eq("group", group)),)))
    if isinstance(answer, Refusal):
        return None
    return isinstance(answer, Release) and cells(answer)[True] is not ...


def in_one_table(room: Any) -> tuple[bool, ...]:
    numbers = cells(room.ask(size(room["patients"], by="group")))
    return tuple(group in numbers for group in range(GROUPS))


def two_experts(room: Any) -> bool | None:
    """Each asks one half, from a session of its own."""
    first = shown(room.ask(summary(where(room["patients"], col("hiv")), a.Units())))
    eve = room.another_vault()
    without = where(where(eve["patients"], col("hiv")), NOT_TARGET)
    second = shown(eve.ask(summary(without, a.Units()), expert="eve"))
    return True if first is not None and second is not None and first > second else None


# -- attacks by scores and models -------------------------------------------------------------------------------------
def accuracy(over: Any) -> Metric:
    """Of saying that everybody is positive."""
    return Metric(over, Score.ACCURACY, integer(col("hiv")), (lit(1),))


def everybody_right(room: Any) -> bool | None:
    return True if shown(room.ask(accuracy(where(room["patients"], eq("ward", "A"))))) == 1.0 else None


def several_classes(room: Any) -> Observed | None:
    """Nobody has worked out how far one patient moves the average precision of several classes."""
    predicted = (col("a"), col("b"), col("c"))
    number = shown(room.ask(Metric(room["patients"], Score.AVERAGE_PRECISION, col("truth"), predicted)))
    return None if number is None else Observed([number])


def an_error_of_one(room: Any) -> bool | None:
    """The step is taken from the largest error: that nothing is left of the number says that there is a huge one."""
    number = shown(room.ask(Metric(room["patients"], Score.MSE, col("cost"), (lit(100.0),))))
    return True if number == 0 else None


def difference(first: float | None, second: float | None) -> bool | None:
    """The target's share in means over everybody, and over everybody else."""
    if first is None or second is None:
        return None
    return round(first * N - second * (N - 1)) == 1


def a_mean_and_a_score(room: Any) -> bool | None:
    """An accuracy of saying that everybody is positive is a mean."""
    first = shown(room.ask(mean(room["patients"], "positive")))
    others = Metric(where(room["patients"], NOT_TARGET), Score.ACCURACY, col("positive"), (lit(1),))
    return difference(first, shown(room.ask(others)))


def two_models_of_a_target(room: Any) -> bool | None:
    """Each predicts the mean, whatever its features are."""
    rows = (room["patients"], where(room["patients"], NOT_TARGET))
    fits = (
        fit_of(over, DummyRegressor(), (feature,), "positive", Task.REGRESS)
        for over, feature in zip(rows, ("serial", "age"), strict=True)
    )
    first, second = (learned_numbers(room, fit, "constant_") for fit in fits)
    return difference(None if first is None else first[0], None if second is None else second[0])


def precisions(times: int) -> Callable[[Any], Any]:
    """What `reconstruction` does with sums, with scores: precision, if all are said to be positive, is a share."""

    def attack(room: Any) -> Mostly | None:
        equations, sums = [], []
        serial = np.arange(120)
        for step in range(times):
            rows = where(room["patients"], half(step))
            score = shown(room.ask(Metric(rows, Score.PRECISION, integer(col("hiv")), (lit(1),))))
            if score is not None:
                equations.append(half_of(serial, step))
                sums.append(score * half_of(serial, step).sum())
        return solved(equations, sums)

    return attack


def borrowed_label(room: Any) -> bool | None:
    """A tree has seen the target share a feature with the men; what it says of the men is the target's label."""
    men = eq("sex", "M")
    shares = named(shares=integer(call("or", IS_TARGET, men)))
    training = where(room["patients"], call("or", IS_TARGET, call("not", men)))
    score = scored(where(room["patients"], men), fit_of(training, DecisionTreeClassifier(), shares, "hiv"))
    number = shown(room.ask(score))
    return None if number is None else number < 0.5  # a third of the men are positive


def a_sample_of_known_patients(room: Any) -> bool | None:
    """The attacker draws the same sample from a table of their own, without the target's secret."""
    own = room.of_the_attacker(preset="permissive")
    for seed in range(20):
        drawn = Sample(own["patients"], seed=seed, n=50)
        if value(own.ask(size(where(drawn, IS_TARGET)))) == 1:
            expected = value(own.ask(total(drawn, "hiv")))
            number = shown(room.ask(total(Sample(room["patients"], seed=seed, n=50), "hiv")))
            return None if number is None else {0: False, 1: True}.get(number - expected)
    raise AssertionError("no sample has the target")


def a_fit_of_five(room: Any) -> bool | None:
    """Four known patients, and the target if positive: that there is a model is the answer."""
    five = where(room["patients"], call("or", isin("serial", (1, 2, 3, 4)), call("and", IS_TARGET, col("hiv"))))
    fit = fit_of(five, LinearRegression(), ("serial",), "cost", Task.REGRESS)
    return None if stopped(room.ask(fit)) else True


def learned_numbers(room: Any, fit: Fit, attribute: str, path: tuple[str, ...] = ()) -> np.ndarray | None:
    answer = room.ask(Inspect(fit, attribute, path))
    if stopped(answer):
        return None
    return np.array([np.nan if number is None else number for number in answer.payload.values], dtype=float)


def learned_more_than(border: float, attribute: str, fit: Callable[[Any], Fit]) -> Callable[[Any], Any]:
    """Whether the last number of a fitted attribute is above what it can be if the secret is no."""

    def attack(room: Any) -> bool | None:
        numbers = learned_numbers(room, fit(room["patients"]), attribute)
        return True if numbers is not None and numbers[-1] > border else None

    return attack


def a_coefficient_in_a_file(room: Any) -> Observed | None:
    answer = room.ask(File(fit_of(room["patients"], LinearRegression(), ("serial",), "cost", Task.REGRESS)))
    return None if stopped(answer) else Observed([*loaded(answer).coef_, loaded(answer).intercept_])


def loaded(answer: Any) -> Any:
    content = answer.payload.content
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


def a_mean_in_a_scaler(room: Any) -> bool | None:
    scaler = fit_of(room["patients"], StandardScaler(), ("serial", "cost"), None, Task.TRANSFORM)
    numbers = learned_numbers(room, scaler, "mean_")
    return True if numbers is not None and numbers[-1] > 100.04 else None


class Observed(tuple[float, ...]):
    """Numbers by which somebody who knows all but the secret tells the worlds apart."""


def observed(attribute: str, fit: Callable[[Any], Fit], path: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    def attack(room: Any) -> Observed | None:
        numbers = learned_numbers(room, fit(room["patients"]), attribute, path)
        return None if numbers is None or np.isnan(numbers).any() else Observed(numbers.tolist())

    return attack


def a_tree_of_leaves(room: Any) -> bool | None:
    """What the released tree says of the target's row is the target's value."""
    tree = fit_of(room["patients"], DecisionTreeRegressor(max_leaf_nodes=8), ("serial",), "cost", Task.REGRESS)
    answer = room.ask(File(tree))
    if stopped(answer):
        return None
    return float(loaded(answer).predict(pd.DataFrame({"serial": [0]}))[0]) > 200


def a_weighted_tree(room: Any) -> bool | None:
    """A leaf of many patients, of whom one has all the weight."""
    leaf = named(leaf=integer(call("less", col("serial"), 100)))
    fit = fit_of(room["patients"], DecisionTreeRegressor(), leaf, "cost", Task.REGRESS, weight=col("weight"))
    answer = room.ask(File(fit))
    return None if stopped(answer) else float(loaded(answer).predict(pd.DataFrame({"leaf": [1]}))[0]) > 120


def a_leaf_of_a_weighted_class(room: Any) -> Observed | None:
    """Of four hundred patients a few are positive, but weigh as much as the rest: one more is a step of the share."""
    leaf = named(leaf=integer(call("less", col("serial"), 400)))
    answer = room.ask(
        File(fit_of(room["patients"], DecisionTreeClassifier(class_weight={0: 1, 1: 39}), leaf, "positive"))
    )
    return (
        None if stopped(answer) else Observed([float(loaded(answer).predict_proba(pd.DataFrame({"leaf": [1]}))[0, 1])])
    )


def a_column_that_is_kept(room: Any) -> bool | None:
    """A column that nobody differs in has no variance; one in which the target alone differs has some."""
    columns = named("cost", t=integer(call("and", IS_TARGET, col("hiv"))))
    kept = learned_numbers(
        room, fit_of(room["patients"], VarianceThreshold(), columns, None, Task.TRANSFORM), "get_support"
    )
    return None if kept is None else bool(kept[1])


def a_label_in_an_encoder(room: Any) -> bool | None:
    label = call("where", IS_TARGET, Cast(col("positive"), DType.STRING), "others")
    fit = fit_of(room["patients"], OneHotEncoder(), named(label=label), None, Task.TRANSFORM)
    answer = room.ask(Inspect(fit, "categories_", ("0",)))
    return None if stopped(answer) else "1" in answer.payload.labels


# -- switches ---------------------------------------------------------------------------------------------------------
Switch = Callable[[pytest.MonkeyPatch], None]


def cell_check(check: Check) -> Switch:
    """Every cell passes it."""

    def off(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(checks.CELL_CHECKS, check, lambda evidence, *_: np.ones(len(evidence.units), dtype=bool))

    return off


def exact_quantiles(patch: pytest.MonkeyPatch) -> None:
    middle = ordering._middle
    patch.setattr(ordering, "_middle", lambda values, units, q, least: middle(values, units, q, 1))


def values_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers_measures, "drawn_in", lambda values, *_: values)


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


# -- the table --------------------------------------------------------------------------------------------------------
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


def twelve_times(value: float) -> list[float]:
    return [value] * 12


def visits(secret: bool) -> Tables:
    """The target has by far the most visits, or not so many; two others have many."""
    counts = [500 if secret else 100, 300, 200, *[1] * 20]
    return {"patients": {"id": np.repeat(np.arange(23), counts)}}


def in_the_middle(value: float) -> Tables:
    """Two hundred have less, and two hundred have more than the target."""
    serial = np.arange(401)
    cost = np.where(serial % 2, 10.0 + serial % 7, 300.0 + serial % 5)
    cost[0] = value
    return crowd(401, cost=cost)


def products(secret: bool) -> Tables:
    """Columns that many make up, with a covariance that the target makes up."""
    x, y = np.zeros(6_020), np.zeros(6_020)
    x[3:13], y[13:23] = np.tile([12.2, -12.2], 5), np.tile([12.2, -12.2], 5)
    x[0], y[0] = 17.2, 17.2 if secret else -17.2
    x[1:3] = y[1:3] = 7.05
    return crowd(6_020, x=x, y=y)


CONTRIBUTIONS = np.array([80.0, *[80.0] * 3, *[1.5] * 20, *[0.0] * 376])
MISSED = call("and", IS_TARGET, col("hiv"))


def infinite(number: int) -> list[World]:
    """So many others have a value that is no number, and the target has one if the secret is yes."""
    x = np.where(np.arange(N)[::-1] < number, np.inf, COST)
    return with_target("x", x, 90.0, np.inf)


def wards(secret: bool) -> Tables:
    serial = np.arange(N)
    ward = np.where(serial < 4, "C", np.where(serial % 2, "A", "B"))
    ward[0] = "C" if secret else "A"
    return crowd(ward=ward)


def of_many(n: int, seed: int, everybody: int = N) -> list[World]:
    """One world in which the secrets of the first `n` are what an attacker wants."""
    hiv = np.random.default_rng(seed).random(everybody) < 0.5
    return [(crowd(len(hiv), hiv=hiv, positive=hiv.astype(int)), tuple(hiv[:n].tolist()))]


GROUPS = 140


def in_groups() -> list[World]:
    """Groups of nine, each with a tenth if that one is positive."""
    serial = np.arange(10 * GROUPS)
    hiv = np.random.default_rng(3).random(len(serial)) < 0.5
    group = np.where((serial % 10 > 0) | hiv, serial // 10, -1)
    return [(crowd(len(serial), hiv=hiv, group=group), tuple(hiv[::10].tolist()))]


def a_small_ward(secret: bool) -> Tables:
    serial = np.arange(N)
    return crowd(ward=np.where((serial > 10) & (serial < 20) | (serial == 0) & secret, "Z", "A"))


def ten_thousand(secret: bool) -> Tables:
    positive = (np.arange(12_000) <= 10_002).astype(int)
    positive[0] = secret
    return crowd(12_000, positive=positive)


def a_few_classes(secret: bool) -> Tables:
    """Three classes and scores for them; in world yes, the target is of another class."""
    serial = np.arange(N)
    truth = serial % 3
    truth[0] = 1 if secret else 0
    return crowd(truth=truth, a=np.sin(serial) + 1, b=np.cos(serial) + 1, c=np.sin(2 * serial) + 1)


def spread(n: int, secret: bool, name: str = "x0") -> Tables:
    """`n` patients with ten columns that look like chance; the target's value in one of them is the secret."""
    random = np.random.default_rng(5)
    columns = {f"x{place}": random.random(n) for place in range(10)}
    columns["y"] = random.random(n)
    columns["hiv"] = np.arange(n) % 2 == 1
    columns[name][0] = 1.0 if secret else 0.0
    return crowd(n, **columns)


def a_rare_class(secret: bool) -> Tables:
    serial = np.arange(1_000)
    positive = ((serial % 27 == 1) & (serial < 400) | (serial > 699)).astype(int)
    positive[0] = secret
    return crowd(1_000, positive=positive)


def weighted(target: float, among: float) -> list[World]:
    """The target's weight, and that of the hundred patients who share a leaf with it; others have one of 1."""
    worlds = with_target("cost", COST, 100.0, 145.0)
    for tables, _ in worlds:
        weight = np.where(np.arange(N) < 100, among, 1.0)
        weight[0] = target
        tables["patients"]["weight"] = weight
    return worlds


def thirty_in_a_fold(secret: bool) -> Tables:
    random = np.random.default_rng(0)
    columns = {f"x{place}": random.random(60) for place in range(3)}
    hiv = random.random(60) < 0.5
    hiv[0] = secret
    return crowd(60, **columns, hiv=hiv)


TEN = tuple(f"x{place}" for place in range(10))

FIRST_SIXTY = float(COST[1:60].sum())
SOME = call("less", col("serial"), 60)

CASES = [
    Case(Check.UNITS, a_count_of_a_few, with_target("hiv", HIV, False, True), cell_check(Check.UNITS)),
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
        more_than(150, lambda over: summary(over, a.Quantile(col("x"), 1.0))),
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
    Case(Check.PAIRS, units_with_and_without, unknown_others(), policy={"differencing": False}),
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
        a_number_of(lambda over: total(over, call("power", col("cost"), 1.2))),
        with_target("cost", COST, 90.0, 110.0),
        policy={"free_noise": 0.0},
    ),
    Case(
        "free_answers",
        powers(1.4, 1.5, 1.6, 1.7, 1.8, 3.2, 3.3, 3.4),
        with_target("cost", COST, 90.0, 110.0),
        policy={"free_answers": 10**9},
        settings={"free_answers": 5},
    ),
    Case(Mitigation.SUPPRESSION, a_group_that_is_not_shown, of_secret(wards), every_row_in_totals, settings=EXACT),
    Case(Mitigation.FOLDING, a_secret_in_a_label, with_target("positive", HIV.astype(int), 0, 1), every_label_named),
    Case(
        "jitter",
        is_shown(lambda over: size(where(over, eq("ward", "Z")))),
        of_secret(a_small_ward),
        policy={"jitter": 0},
    ),
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
    Case("C14", two_experts, unknown_others(), a_ledger_for_each_vault),
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
    "count_base": Mitigation.COUNT_BASE, "significant_digits": Mitigation.DIGITS,
    "parameter_digits": Mitigation.PARAMETERS, "influence_rounding": Mitigation.INFLUENCE, "endpoints": Check.ENDPOINT,
    "differencing": Check.PAIRS, "linear_audit": Check.COMBINATIONS, "released_floor": "released_share",
    "evaluation_units": Check.EVALUATION, "leverage": models.Design, "residual_units": models.Design,
    "units_per_parameter": models.Design, "leaf_share": models.Leaves,
}  # fmt: skip

# Rules that are no check of `risks`, and the case that stands for each.
CASE_OF_RULE = {"C8": "released_share", "C13": Mitigation.SUPPRESSION, "C14": "C14", "C15": "denials"}


# -- tests ------------------------------------------------------------------------------------------------------------
class Scene(LearningRoom):
    """A room, and what else an attacker has: other sessions in it, and a table of their own without the secret."""

    def __init__(self, tables: Tables, own: Tables, state: Any, **options: Any) -> None:
        super().__init__(tables, state, key=KEY, **options)
        self.another_vault = lambda: LearningRoom(tables, state, key=KEY, **options)
        self.of_the_attacker = lambda **other: LearningRoom(own, state / "own", keyed_seeds=False, **other)


def learned(case: Case, state: Any, **settings: Any) -> bool:
    """Whether the attack was right somewhere and wrong nowhere, or told all worlds apart."""
    own = case.worlds[0][0]
    said = []
    for number, (tables, secret) in enumerate(case.worlds):
        room = Scene(tables, own, state / f"world {number}", **{**case.settings, **settings})
        said.append((case.attack(room), secret))
    known = [(told, secret) for told, secret in said if told is not None]
    if any(isinstance(told, Observed) for told, _ in known):
        return len({told for told, _ in known}) == len(case.worlds)
    return bool(known) and all(told == secret for told, secret in known)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_attack_that_a_check_stops_succeeds_without_it(case, tmp_path, monkeypatch):
    assert not learned(case, tmp_path / "on")
    case.off(monkeypatch)
    assert learned(case, tmp_path / "off", **case.policy)


@pytest.mark.parametrize("implied", IMPLIED, ids=lambda implied: f"{implied.case.name}, {implied.by}")
def test_a_check_that_another_one_implies_is_missed_without_both(implied, tmp_path, monkeypatch):
    case = implied.case
    assert not learned(case, tmp_path / "on")
    case.off(monkeypatch)
    assert not learned(case, tmp_path / "off", **case.policy)
    implied.with_it(monkeypatch)
    assert learned(case, tmp_path / "both off", **case.policy, **implied.policy_with_it)


@pytest.mark.parametrize("preset", ["standard", "strict", "relaxed"])
def test_scores_of_enough_patients_have_the_minimum_count(preset):
    """The minimum count of a score is implied by the size of an evaluation, and by that alone."""
    policy = Policy.from_settings({"preset": preset}).snapshot()
    assert policy.evaluation_units >= policy.minimum_units + policy.jitter


SUBJECTS = [(case.check, case.place) for case in (*CASES, *(implied.case for implied in IMPLIED))]
BY_ARITHMETIC = [(Check.UNITS, "evaluation")]


@pytest.mark.parametrize(
    "subject",
    sorted(
        {(check, "cell") for checks_of_kind in APPLIES.values() for check in checks_of_kind}
        | {(check, "evaluation") for check in EVALUATION_CHECKS if check is not Check.EVALUATION}
        | {(check, "model") for check in MODEL_CHECKS},
        key=str,
    ),
    ids=str,
)
def test_every_check_of_a_cell_a_score_and_a_fit_has_its_attack(subject):
    assert subject in (*SUBJECTS, *BY_ARITHMETIC)


@pytest.mark.parametrize("subject", [*Check, *Mitigation, *models._JUDGES], ids=str)
def test_every_check_mitigation_and_judge_of_models_has_its_attack(subject):
    assert subject in {check for check, _ in SUBJECTS}


@pytest.mark.parametrize("setting", [name for name in PolicySnapshot.__struct_fields__ if name != "preset"])
def test_every_number_of_the_policy_has_its_attack(setting):
    assert BORDER_OF.get(setting, setting) in {check for check, _ in SUBJECTS}


@pytest.mark.parametrize("rule", [rule.id for rule in DATA])
def test_every_rule_about_data_has_its_attack(rule):
    standing = [thing for table in (OF_CHECK, OF_MITIGATION) for thing, id in table.items() if id == rule]
    standing += [CASE_OF_RULE[rule]] if rule in CASE_OF_RULE else []
    assert {check for check, _ in SUBJECTS} & set(standing)


def test_no_case_is_left_of_a_setting_that_is_gone():
    known = {*PolicySnapshot.__struct_fields__, "C14", "weak features", "numbers that few decide", "class weights"}
    assert {check for check, _ in SUBJECTS if isinstance(check, str)} <= known


# -- the catalogue ----------------------------------------------------------------------------------------------------
PAGE = Path(__file__).parents[2] / "docs" / "generated" / "checks.md"

IN_WORDS = {
    "minimum count": "A count of two known patients and the target if positive is rounded up or down.",
    "concentration of rows": "How many rows there are says whether the target has many of them.",
    "minimum count, doubled": "The variance of fifteen, fourteen of them known, shows the value of the last.",
    "dominance": "A covariance that one patient makes up has that patient's sign.",
    "effective number": "A sum that four patients make up shows whether there is a fourth.",
    "variety": "A share of one says of each patient in a ward what all of them have.",
    "predicates": "A count of values that are there, but for the target's if the secret is yes.",
    "position": "The highest quantile shows whether the target has the highest value.",
    "endpoints": "A maximum is the value of one.",
    "outlier": "A sum moves by more than its step if the target has a very large value.",
    "finite": "A quantile is infinite if the target's value is.",
    "differencing": "Patients with a condition, and those but for the target.",
    "linear combinations": "Women or the target, men or the target, everybody: the target is counted once too often.",
    "an order statistic is shown as a mean of its neighbours": "The median is the target's exact value.",
    "digits that one unit could decide are not shown": "A sum to the last digit, all others' values being known.",
    "a limit on significant digits": "A count of ten thousand, and one.",
    "measures with numbers of the expert's choice are drawn in and shown with noise": "One value decides a power sum.",
    "free_noise": "A power sum, all others' values being known.",
    "free_answers": "Many power sums, each with noise of its own: one of them shows a difference.",
    "cells that fail a check are suppressed": "A total less the groups that are shown is the group that is not.",
    "labels that too few units share are left out": "The target's secret as the label of a group.",
    "jitter": "A ward of nine known patients, and the target if it is the target's ward.",
    "mixed_jitter": "Nine known patients, and the target if positive.",
    "released_share": "Sums over halves of the patients, as equations of all their secrets.",
    "cohort_share": "The same of sixty patients, filled up with everybody else.",
    "denials": "Whether each of many groups of nine has a tenth, asked one by one.",
    "suppressed_cells": "The same by cells of tables that are shown or not.",
    "labels": "The same in a single table.",
    "C14": "Patients with a condition asked by one expert, those but for the target by another.",
    "keyed_seeds": "A sample of known patients and the target: the attacker draws the same.",
    "a limit on the digits of a model's parameters": "A mean on a large offset, all others' values being known.",
    "a model is rebuilt from listed attributes": "The exact coefficients in a released file.",
    "finite (evaluation)": "A score whose influences nobody has worked out, to four digits.",
    "size of an evaluation": "The accuracy of saying yes on twenty-five patients, twenty-four of them known.",
    "minimum count per class (evaluation)": "An accuracy of one says of each patient in a ward what all of them have.",
    "effective number (evaluation)": "A mean error of which nothing is left says that one patient makes it up.",
    "evaluations": "Precisions of saying yes on halves of the patients, as equations of all their secrets.",
    "differencing (score and mean)": "A mean over all, and the accuracy of a constant over all but the target.",
    "differencing (two models)": "Two models of one target, fitted to all and to all but the target.",
    "held_out_scores": "A tree that shares the target's label with a group is scored on the group.",
    "minimum count (model)": "A fit of four known patients, and the target if positive.",
    "minimum count per class (model)": "A model of a target that is another one for one patient alone.",
    "model family (model)": "A released tree that says the target's value of the target's row.",
    "Design": "A linear model with a parameter for each six patients.",
    "Leaves": "The same tree, whatever its leaves are like.",
    "Groups": "Naive Bayes with forty numbers of sixty patients.",
    "Labels": "The target's secret as a label that an encoder stores.",
    "Directions": "Principal components of ten columns of sixty patients.",
    "Folds": "Scores of a search on folds of thirty.",
    "class weights": "A few positive patients of a leaf weigh as much as all others.",
    "Never": "A leaf of many, of whom the target has all the weight.",
    "Directions (selection)": "A column in which the target alone differs is kept, one in which nobody does is not.",
    "weak features": "The importance of a column that marks the target.",
    "numbers that few decide": "A mean that one patient moves by more than its step.",
    "counts are rounded to a base": "A count to the last digit, all others being known.",
    "effective number (model)": "A tree of whose patients the target has all the weight.",
    "Uncovered": "A mean of a scaler, which is hidden.",
}


def page() -> str:
    lines = [
        "# What each check stops",
        "",
        "Written by `PYTHONPATH=tests:. python tests/attacks/test_mutations.py` from the table of that file, whose",
        "tests run every attack: it fails under the policy as it is, and succeeds with that one check off. The rules",
        "themselves are printed by `cleanroom policy explain`.",
        "",
        "| Check, mitigation, judge of models or setting | Rule | Attack that it stops |",
        "|---|---|---|",
    ]
    lines += [f"| {case.name} | {_rule_of(case.check)} | {IN_WORDS[case.name]} |" for case in CASES]
    lines += ["", "Not missed alone, because another one says no as well; without both, the attack succeeds:", ""]
    lines += ["| Check | Implied by | Attack that both stop |", "|---|---|---|"]
    lines += [f"| {one.case.name} | {_name_of(one.by)} | {IN_WORDS[one.case.name]} |" for one in IMPLIED]
    return "\n".join(lines) + "\n"


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "value", getattr(thing, "__name__", thing)))


def _rule_of(thing: Any) -> str:
    """The rule of the book; of a number of the policy, those that name it."""
    if thing in BOOK:
        return str(thing)
    if isinstance(thing, type):
        return "C10"
    if isinstance(thing, Check):
        return OF_CHECK[thing]
    if isinstance(thing, Mitigation):
        return OF_MITIGATION[thing]
    return ", ".join(rule.id for rule in BOOK.values() if f"{{{thing}" in rule.sentence)


def test_every_attack_is_told_in_words():
    assert sorted(IN_WORDS) == sorted({case.name for case in (*CASES, *(implied.case for implied in IMPLIED))})


def test_the_page_of_checks_is_current():
    assert PAGE.read_text() == page(), "PYTHONPATH=tests:. python tests/attacks/test_mutations.py writes it"


if __name__ == "__main__":
    PAGE.write_text(page())
