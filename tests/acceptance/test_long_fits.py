"""Long fits as an expert meets them: what is told meanwhile, what an interrupt does, and which limit was reached."""

import time

import msgspec
import numpy as np
import polars as pl
import pytest

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.acceptance.rooms import kernel, serving

ROWS = 20_000
SCHEMA = RoomSchema(
    "ward",
    (
        TableSchema(
            "stays",
            (
                Column("patient", DType.INTEGER, Role.UNIT),
                Column("age", DType.INTEGER),
                Column("los", DType.FLOAT),
                Column("back", DType.INTEGER, categories=(0, 1)),
            ),
        ),
    ),
)
START = """
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
stays = room["stays"]
X, y = stays[["age", "los"]], stays.back
"""


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    base = tmp_path_factory.mktemp("long-fits")
    random = np.random.default_rng(0)
    age, los = random.integers(20, 90, ROWS), np.round(random.gamma(2, 3, ROWS), 1)
    back = (0.03 * (age - 50) + 0.1 * los + random.normal(0, 1, ROWS) > 0.5).astype(int)
    table = pl.DataFrame({"patient": np.arange(ROWS), "age": age, "los": los, "back": back})
    table.write_csv(base / "stays.csv")
    (base / "schema.json").write_bytes(msgspec.json.encode(SCHEMA))
    with (
        serving(base, {"stays": {"location": str(base / "stays.csv")}}, Fits={"seconds": 15.0}) as room,
        kernel("cleanroom", base, room.jupyter) as running,
    ):
        running.value(START)
        yield running


def interrupted_when_told(expert, code):
    """Run a cell and interrupt it after its first word of progress; what it gave and how long the end took."""
    request = expert.client.execute(code)
    texts, since = [], None
    while True:
        message = expert.client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            texts.append(content["data"]["text/plain"])
            if since is None:
                since = time.monotonic()
                expert.manager.interrupt_kernel()
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            break
    while (reply := expert.client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != request:
        pass
    return texts, reply["content"], time.monotonic() - since


def test_an_interrupted_fit_ends_and_the_session_goes_on(expert):
    texts, reply, _ = interrupted_when_told(expert, "RandomForestClassifier(50_000, random_state=1).fit(X, y)")
    assert texts[0].startswith("Working in the vault:")
    assert texts[-1].startswith("Interrupted after")
    assert reply["ename"] == "KeyboardInterrupt"
    assert "has ended" in reply["evalue"]
    assert "LogisticRegression" in expert.value("LogisticRegression().fit(X, y)")


def test_a_long_statistic_is_interrupted_like_a_fit(expert):
    """The vault computes it by itself, and listens meanwhile."""
    many = "stays.assign(**{f'x{n}': stays.age * (stays.los + n) for n in range(150)})"
    texts, reply, _ = interrupted_when_told(expert, f"{many}.drop(columns='patient').corr()")
    assert texts[0].startswith("Working in the vault:")
    assert texts[-1].startswith("Interrupted after")
    assert reply["ename"] == "KeyboardInterrupt"
    assert expert.value("print(stays.age.mean() > 0)") == "True\n"


def test_a_fit_that_takes_too_long_names_the_limit_and_its_owner(expert):
    cell = expert.run("RandomForestClassifier(50_000, random_state=2).fit(X, y)")
    assert "after 15 seconds" in cell.text
    assert "the owner can raise Fits.seconds" in cell.text
    assert "trees" in cell.text
    assert expert.value("print(len(stays.columns))") == "4\n"
