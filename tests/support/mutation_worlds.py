"""Worlds of the mutation tests: rooms of a few public facts and one secret.

An attacker knows all of a world but the secret; in `unknown_others` and `of_many`, not the others' secrets either.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from support.rooms import call, col, eq

EXACT = {
    "count_base": 1, "influence_rounding": False, "significant_digits": 17, "parameter_digits": 17, "mixed_noise": 0.0,
}  # fmt: skip

Tables = dict[str, dict[str, Any]]

World = tuple[Tables, Any]  # what is in the room, and the secret

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
        code = np.where(np.arange(N) < 10, "rare", np.array(["a", "b", "c"])[np.arange(N) % 3])
        worlds.append((crowd(hiv=hiv, positive=hiv.astype(int), code=code), secret))
    return worlds


IS_TARGET, NOT_TARGET = eq("serial", 0), call("not_equal", col("serial"), 0)

HIV = crowd()["patients"]["hiv"]

COST = crowd()["patients"]["cost"]


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
    """The target's ward has three other patients; the target's value is a very small or a very large one."""
    serial = np.arange(N)
    cost = COST + serial / 1_000
    cost[0] = 1_000.0 if secret else 0.0
    return crowd(ward=np.where(serial < 4, "C", np.where(serial % 2, "A", "B")), cost=cost)


def of_many(n: int, seed: int, everybody: int = N) -> list[World]:
    """One world in which the secrets of the first `n` are what an attacker wants: `amount` is one less if positive."""
    hiv = np.random.default_rng(seed).random(everybody) < 0.5
    amount = amount_if_negative(np.arange(everybody)) - hiv
    return [(crowd(len(hiv), hiv=hiv, positive=hiv.astype(int), amount=amount), tuple(hiv[:n].tolist()))]


def amount_if_negative(serial: Any) -> Any:
    """Known to everybody, and another for each patient: sums of it are no numbers of rows."""
    return 20 + np.sin(serial)


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


def by_lot(secret: bool) -> Tables:
    """Nothing tells who is positive, so a model that says it has remembered it."""
    random = np.random.default_rng(7)
    columns = {f"x{place}": random.random(N) for place in range(10)}
    hiv = random.random(N) < 0.5
    hiv[0] = secret
    return crowd(N, hiv=hiv, **columns)


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
