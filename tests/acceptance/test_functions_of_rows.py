"""Row functions as an expert meets them: a notebook, a served room in its sandbox, and a mistake at one's own line."""

import re

import msgspec
import numpy as np
import polars as pl
import pytest

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.acceptance.rooms import kernel, serving

ROWS = 3_000
CODES = ["E11.9", "I50.1", "V10", "J44.0", "I21.4"]
SCHEMA = RoomSchema(
    "ward",
    (
        TableSchema(
            "stays",
            (
                Column("patient", DType.INTEGER, Role.UNIT),
                Column("age", DType.INTEGER, lower=18, upper=95, nullable=False),
                Column("code", DType.STRING, nullable=False),
            ),
        ),
    ),
)
START = """
import re
CHAPTERS = {"E": "endocrine", "I": "circulation", "J": "lungs"}

def chapter(code) -> str:
    found = re.match(r"([A-Z])(\\d+)", code)
    return CHAPTERS.get(found.group(1), "other") if found else "other"

def points(row):
    total = 0
    for letter in row["code"]:
        if letter.isdigit():
            total += int(letter)
    return total + (row.age > 65)

stays = room["stays"]
"""


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    base = tmp_path_factory.mktemp("row-functions")
    random = np.random.default_rng(0)
    table = pl.DataFrame(
        {"patient": np.arange(ROWS), "age": random.integers(18, 95, ROWS), "code": random.choice(CODES, ROWS)}
    )
    table.write_csv(base / "stays.csv")
    (base / "schema.json").write_bytes(msgspec.json.encode(SCHEMA))
    with (
        serving(base, {"stays": {"location": str(base / "stays.csv")}}) as room,
        kernel("cleanroom", base, room.jupyter) as running,
    ):
        running.value(START)
        yield running, table.to_pandas()


def test_a_function_of_a_notebook_makes_groups_in_the_room(expert):
    running, table = expert
    text = running.value("print(stays.groupby(stays.code.map(chapter)).size().to_dict())")
    found = dict(msgspec.json.decode(text.strip().replace("'", '"'), type=dict[str, float]))
    wanted = table.code.str[0].map({"E": "endocrine", "I": "circulation", "J": "lungs"}).fillna("other").value_counts()
    assert found.keys() == set(wanted.index)
    # Groups that a function chose come with noise of a step before they are rounded.
    assert all(abs(found[label] - wanted[label]) <= 5 + 4 * 5 for label in found), (found, wanted)


def test_a_function_of_a_row_gives_a_number_with_noise(expert):
    running, table = expert
    found = float(running.value("print(float(stays.apply(points, axis=1).mean()))").strip())
    digits = table.code.map(lambda code: sum(int(letter) for letter in code if letter.isdigit()))
    assert found == pytest.approx(float((digits + (table.age > 65)).mean()), rel=0.05)
    assert "noise" in running.value("print(room.receipts[-1].precision)")


def test_a_mistake_is_shown_at_ones_own_line_and_asks_nothing(expert):
    running, _ = expert
    before = running.value("print(len(room.receipts))")
    cell = running.run(
        "def careless(age):\n    letters = list(str(age))\n    return letters[9]\n\nstays.age.map(careless)"
    )
    assert cell.error["ename"] == "IndexError"
    assert "return letters[9]" in re.sub(r"\x1b\[[0-9;]*m", "", cell.text)
    assert "HandleError" not in cell.text
    assert running.value("print(len(room.receipts))") == before


def test_a_function_that_fails_on_some_row_says_no_more_than_that(expert):
    running, _ = expert
    cell = running.run("stays.code.map(lambda code: 1.0 / (len(set(code)) - len(set('V10')))).mean()")
    assert cell.error is not None
    assert "failed on some of them" in cell.text
    assert "ZeroDivisionError" not in cell.text
