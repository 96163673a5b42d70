"""Attacks as notebooks: plain pandas in the real processes, once in a world where the target is positive, and once not.

The attacker knows everything but the target's secret, so all cells but the last may show different numbers. Of the last
one, which would complete the attack, both worlds must show the same: nothing, or a number that was released before.
"""

from __future__ import annotations

import re
from contextlib import ExitStack

import msgspec
import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.acceptance.rooms import kernel, serving

N, TARGET = 2_000, 1_234

SCHEMA = RoomSchema(
    "attacked",
    (
        TableSchema(
            "patients",
            (
                Column("id", DType.INTEGER, Role.UNIT),
                Column("serial", DType.INTEGER),
                Column("age", DType.INTEGER),
                Column("sex", DType.STRING, categories=("F", "M")),
                Column("ward", DType.STRING, categories=tuple("ABCDEFGH")),
                Column("cost", DType.FLOAT),
                Column("positive", DType.INTEGER),
            ),
        ),
    ),
)


def people(secret: bool) -> pd.DataFrame:
    random, serial = np.random.default_rng(11), np.arange(N)
    found = pd.DataFrame(
        {
            "id": serial + 70_000,
            "serial": serial,
            "age": random.integers(18, 98, N),
            "sex": random.choice(["F", "M"], N),
            "ward": np.array(list("ABCDEFGH"))[serial % 8],
            "cost": random.gamma(2.0, 400.0, N).round(2),
            "positive": (random.random(N) < 0.3).astype(int),
        }
    )
    found.loc[TARGET, ["age", "sex", "positive"]] = 99, "F", int(secret)
    return found


BEGIN = """
import numpy as np, pandas as pd
df = room["patients"]
target = df.age == 99
"""

# Cells in order: the last one completes the attack.
ATTACKS = {
    "everybody but one": ["df.positive.sum()", "df[~target].positive.sum()"],
    "everybody but one, by a mean": ["df.positive.mean()", "df[df.age < 99].positive.mean()"],
    "a tracker": [
        "df[(df.sex == 'F') | target].positive.sum()",
        "df[(df.sex == 'M') | target].positive.sum()",
        "df.positive.sum()",
    ],
    "a tracker in other orders": [
        "df[(df.sex == 'F') | target].sort_values('cost').positive.sum()",
        "df[(df.sex == 'M') | target].groupby('id').positive.sum().sum()",
        "df.positive.sum()",
    ],
    "a condition inside": [
        "np.where(df.age > 60, df.positive, 0).sum()",
        "np.where((df.age > 60) & (df.age < 99), df.positive, 0).sum()",
    ],
    "a row twice": ["df.positive.sum()", "pd.concat([df, df[target]]).positive.sum()"],
    "one alone": ["df[target].positive.sum()"],
    "an indicator alone": ["((df.age.clip(98, 99) - 98) * df.positive).sum()"],
    "one by name": ["df[df.id == 71_234].positive.sum()"],
    "the label of one": ["df.groupby(np.where(target, df.positive.astype(str), 'other')).size()"],
    "groups of one": ["df.groupby('serial').positive.mean()"],
    "the last row": ["df.sort_values('age').tail(1).positive.sum()"],
    "the highest": ["df[target | (df.sex == 'M')].positive.where(target).max()"],
    "an error": ["df.assign(z=1 / (df.positive - 1).where(target, 1)).z.replace(np.inf, np.nan).count()"],
    "a score": [
        "from sklearn.metrics import accuracy_score",
        "df.positive.mean()",
        "rest = df[~target]\naccuracy_score(rest.positive, np.ones_like(rest.positive))",
    ],
    "a model": [
        "from sklearn.linear_model import LinearRegression",
        "LinearRegression().fit(df[['cost']], df.positive).coef_",
        "LinearRegression().fit(df[~target][['cost']].abs(), df[~target].positive).coef_",
    ],
    "a tree": [
        "from sklearn.tree import DecisionTreeClassifier",
        "room.release(DecisionTreeClassifier(random_state=0).fit(df[['serial']], df.positive), 'tree.skops')",
    ],
    "sql": ["room.sql('SELECT SUM(positive) AS n FROM patients WHERE age = 99')"],
    "rows": ["np.asarray(df.positive)"],
    "a printed row": ["print(df[target].positive.tolist())"],
    "a function": ["df.positive.map(lambda value: print(value) or value).sum()"],
    "would it be released": ["print(room.would_release(df[target].positive.sum))"],
    "the histogram of one": ["np.histogram(df[target].positive, bins=2, range=(0, 1))"],
    "a crosstab": ["pd.crosstab(target, df.positive)"],
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """A kernel in each of two rooms that differ by one value."""
    with ExitStack() as stack:
        running = []
        for secret in (False, True):
            base = tmp_path_factory.mktemp("owner")
            (base / "schema.json").write_bytes(msgspec.json.encode(SCHEMA))
            people(secret).to_csv(base / "patients.csv", index=False)
            room = stack.enter_context(serving(base, {"patients": "patients.csv"}, preset="standard"))
            expert = stack.enter_context(kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter))
            expert.value(BEGIN)
            running.append(expert)
        yield running


def transcript(expert, cells):
    return [expert.run(cell).text for cell in cells]


def without_chance(text):
    """Addresses of objects and synthetic rows are not of the data."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize("name", ATTACKS)
def test_both_worlds_end_alike(worlds, name):
    one, other = (transcript(expert, ATTACKS[name]) for expert in worlds)
    repeated = one[-1] in one[:-1] and other[-1] in other[:-1]
    assert repeated or without_chance(one[-1]) == without_chance(other[-1]), (one, other)


def test_the_worlds_differ(worlds):
    """The secret is in the rooms: without the gate the first attack would tell them apart."""
    assert people(True).positive.sum() - people(False).positive.sum() == 1
    for expert in worlds:
        assert expert.value("print(df[df.age < 60].positive.mean())").strip().startswith("0.")
