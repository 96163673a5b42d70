"""Attacks of the mutation tests by scores and models; promises as `mutation_attacks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.learning import File, fit_of, named, scored
from support.mutation_attacks import Mostly, Observed, half, half_of, shown, solved
from support.mutation_worlds import IS_TARGET, NOT_TARGET, N
from support.rooms import call, col, eq, integer, isin, lit, mean, size, total, where
from support.worlds import stopped, value

from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.expressions import Cast
from cleanroom_kernel.plan.models import Fit, Inspect, Task
from cleanroom_kernel.plan.relations import Sample
from cleanroom_kernel.plan.schema import DType


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
    """The noise is as large as the largest error does: that the number is huge says that there is a huge one."""
    number = shown(room.ask(Metric(room["patients"], Score.MSE, col("cost"), (lit(100.0),))))
    return True if number is not None and abs(number) > 1e7 else None


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


def a_model_that_remembers(room: Any) -> bool | None:
    """Boosted until it tells everybody's outcome, the target's too."""
    model = GradientBoostingClassifier(n_estimators=60, learning_rate=0.3, max_leaf_nodes=6, min_samples_leaf=40)
    names = tuple(f"x{place}" for place in range(10))
    answer = room.ask(File(fit_of(room["patients"], model, names, "hiv")))
    if stopped(answer):
        return None
    target = pd.DataFrame({name: [room.known[name][0]] for name in names})
    return bool(loaded(answer).predict(target)[0])


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
