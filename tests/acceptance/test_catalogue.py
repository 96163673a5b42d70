"""The attacks of the published catalogue through the real processes, in two rooms that differ by one patient's secret.

Both rooms have the same key, so that what is blurred is blurred alike. What the last cell of each attack shows must be
the same in both: nothing, a refusal, or a number that the secret does not move.

`WRITE_PAGES=1 python -m pytest tests/acceptance/test_catalogue.py` writes docs/generated/catalogue.md.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.acceptance.catalogue import BEGIN, CATALOGUE, ELSEWHERE, OTHER
from tests.acceptance.rooms import COMMAND, kernel, serving

N, TARGET = 2_000, 1_234
PAGE = Path(__file__).parents[2] / "docs" / "generated" / "catalogue.md"

INTRODUCTION = """# Attacks, and what becomes of them

Written by tests/acceptance/test_catalogue.py, which runs each through the real processes in two rooms under the policy
`standard` that differ by one patient's secret. A01 to T08 are published attacks, N01 to N50 are ours. The last cell of
each shows the same in both rooms.

| Attack | What it tries | Its last cell | What both rooms answer |
|---|---|---|---|
"""

PATIENTS = TableSchema(
    "patients",
    (
        Column("id", DType.INTEGER, Role.UNIT),
        Column("serial", DType.INTEGER),
        Column("age", DType.INTEGER),
        Column("sex", DType.STRING, categories=("F", "M")),
        Column("ward", DType.STRING, categories=tuple("ABCDEFGH")),
        Column("zip", DType.STRING),
        Column("name", DType.STRING),
        Column("born", DType.DATETIME),
        Column("income", DType.FLOAT),
        Column("cost", DType.FLOAT),
        Column("billing", DType.FLOAT),
        Column("note", DType.STRING, Role.TEXT),
        Column("hiv", DType.INTEGER),
    ),
)
VISITS = TableSchema(
    "visits",
    (Column("id", DType.INTEGER, Role.UNIT), Column("clinic", DType.STRING), Column("cost", DType.FLOAT)),
)


def records(secret: bool) -> dict[str, pd.DataFrame]:
    """Everybody's values; of the target all but the secret is the same in both worlds, where it is not made of it."""
    random, serial = np.random.default_rng(11), np.arange(N)
    patients = pd.DataFrame(
        {
            "id": serial + 70_000,
            "serial": serial,
            "age": random.integers(18, 98, N),
            "sex": random.choice(["F", "M"], N),
            "ward": np.array(list("ABCDEFGH"))[serial % 8],
            "zip": random.choice([f"{place:04}" for place in range(400, 440)], N),
            "name": [f"Person {number}" for number in serial],
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(random.integers(0, 20_000, N), unit="D"),
            "income": random.gamma(3.0, 12_000.0, N).round(2),
            "cost": random.gamma(2.0, 400.0, N).round(2),
            "billing": random.gamma(2.0, 400.0, N).round(2),
            "note": "seen",
            "hiv": (random.random(N) < 0.3).astype(int),
        }
    )
    patients.loc[TARGET, ["age", "sex", "zip", "name", "hiv"]] = 99, "F", "0331", "Zed", int(secret)
    patients.loc[TARGET, "income"] = 40_000.0 + 20_000.0 * secret
    patients.loc[TARGET, "billing"] = 6e6 if secret else 5e6
    patients.loc[TARGET, "note"] = "seen positive" if secret else "seen negative"
    owner = np.concatenate([random.integers(0, N, 3 * N), np.full(500, TARGET)])
    visits = pd.DataFrame(
        {
            "id": owner + 70_000,
            "clinic": np.where(owner == TARGET, "X", random.choice(["U", "V", "W"], len(owner))),
            "cost": np.where(owner == TARGET, 100.0 + 50 * secret, random.gamma(2.0, 40.0, len(owner)).round(2)),
        }
    )
    return {"patients": patients, "visits": visits}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """A kernel in each of two rooms; budgets of denials are wide, so that each attack is stopped by its own rule."""
    with ExitStack() as stack:
        running = []
        for secret in (False, True):
            base = tmp_path_factory.mktemp("owner")
            (base / "schema.json").write_bytes(msgspec.json.encode(RoomSchema("attacked", (PATIENTS, VISITS))))
            for name, table in records(secret).items():
                table.to_csv(base / f"{name}.csv", index=False)
            state = base / "cleanroom-state"
            state.mkdir(mode=0o700)
            (state / "vault.key").touch(0o600)
            (state / "vault.key").write_bytes(bytes(range(32)))
            sources = {"patients": "patients.csv", "visits": "visits.csv"}
            policy = {"preset": "standard", "denials": 1_000_000, "suppressed_cells": 1_000_000}
            room = stack.enter_context(serving(base, sources, **policy))
            experts = {BEGIN: expert_of(stack, tmp_path_factory, room)}
            running.append({**experts, OTHER: expert_of(stack, tmp_path_factory, room, "bob"), "shown": set()})
        yield running


def expert_of(stack, tmp_path_factory, room, other: str = ""):
    """A kernel of the room's expert, or of another one."""
    jupyter = room.jupyter
    if other:
        invitation = room.command("invite", other).stdout.strip()
        jupyter = tmp_path_factory.mktemp(other)
        environment = {**os.environ, "JUPYTER_DATA_DIR": str(jupyter)}
        subprocess.run([*COMMAND, "connect", invitation], check=True, env=environment, capture_output=True)
    expert = stack.enter_context(kernel("cleanroom", tmp_path_factory.mktemp("expert"), jupyter))
    expert.value(BEGIN)
    return expert


def without_chance(text: str) -> str:
    """Times of fits and names of requests are not of the data."""
    return re.sub(r"Working in the vault: [^.]*\.|\x1b\[[0-9;]*m", "", text)


def transcript(world, cells):
    """What the last cell shows, and whether that was shown before."""
    *earlier, last = [
        without_chance(world[OTHER if cell.startswith(OTHER) else BEGIN].run(cell).text) for cell in cells
    ]
    world["shown"].update(earlier)
    repeated = last in world["shown"]
    world["shown"].add(last)
    return last, repeated


@pytest.fixture(scope="module")
def ends():
    """What each attack came to, in a word."""
    return {}


@pytest.mark.parametrize("attack", CATALOGUE)
def test_both_worlds_answer_alike(worlds, ends, attack):
    _, cells = CATALOGUE[attack]
    (one, repeated), (other, also_repeated) = (transcript(world, cells) for world in worlds)
    assert one == other or (repeated and also_repeated)
    assert "NameError" not in one, "the attack did not come to its end"
    ends[attack] = "a number that was shown before" if one != other else end(one)


def test_the_worlds_differ(worlds):
    """The secret is in the rooms: plain pandas tells them apart, and ordinary questions are answered."""
    no, yes = (records(secret)["patients"].hiv.sum() for secret in (False, True))
    assert yes - no == 1
    for world in worlds:
        assert world[BEGIN].value("print(df[df.age < 60].hiv.mean())").strip().startswith("0.")


def test_the_page_lists_what_became_of_each(ends):
    assert list(ends) == list(CATALOGUE), "run the whole file"
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page(ends))
    assert PAGE.read_text() == page(ends), "write it with WRITE_PAGES=1"


def end(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip(" -")), "")
    if first in ("Withheld", "Refused", "Not possible", "Rows stay in the room") or first.startswith("Refused:"):
        return first.lower()
    return "no such thing" if "Error" in text else "the same in both rooms"


def page(ends: dict[str, str]) -> str:
    rows = [f"| {name} | {CATALOGUE[name][0]} | {_code(name)} | {word} |" for name, word in ends.items()]
    rest = [f"- **{name}**: {words}." for name, words in ELSEWHERE.items()]
    return INTRODUCTION + "\n".join(rows) + "\n\nTested elsewhere, or not promised:\n\n" + "\n".join(rest) + "\n"


def _code(name: str) -> str:
    """The last cell of an attack, in one line of a table."""
    return "<br>".join(f"`{line}`" for line in CATALOGUE[name][1][-1].replace("|", "\\|").splitlines())
