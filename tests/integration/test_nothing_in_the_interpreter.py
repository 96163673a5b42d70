"""Nothing of the data is in the interpreter's process: its memory and its files are searched for known values."""

import os
import struct
from pathlib import Path

import msgspec
import polars as pl
import pytest

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from tests.acceptance.rooms import kernel, serving

PATIENTS = 400
MARK = "QZXW7"  # begins every text of the table, and stands nowhere in the code that the expert runs

WORK = """
import numpy as np, pandas as pd
df = room["visits"]
print(df.head()); display(df)
print(df.groupby("sex").cost.mean(), df.cost.describe(), df.shape)
df["double"] = np.where(df.cost > 5, df.cost * 2, 0)
print(df.double.mean())
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit(df[["cost"]], df.double)
print(model.coef_)
for question in (lambda: df.cost.max(), lambda: np.asarray(df), lambda: df[df.cost > 1e9].cost.mean(),
                 lambda: df.city.value_counts(), lambda: df.nowhere, lambda: df.city.map({}).unique()):
    try:
        print(question())
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("marked")
    costs = [1.0 + 0.123456789012345 * (i + 1) for i in range(PATIENTS)]
    pl.DataFrame(
        {
            "patient": [f"{MARK}-patient-{i}" for i in range(PATIENTS)],
            "sex": ["F" if i % 2 else "M" for i in range(PATIENTS)],
            "city": [f"{MARK}-city-{i}" for i in range(PATIENTS)],
            "note": [f"{MARK}-note-{i}" for i in range(PATIENTS)],
            "cost": costs,
        }
    ).write_parquet(base / "visits.parquet")
    schema = RoomSchema(
        "marked",
        (
            TableSchema(
                "visits",
                (
                    Column("patient", DType.STRING, Role.UNIT),
                    Column("sex", DType.STRING, categories=("F", "M")),
                    Column("city", DType.STRING),
                    Column("note", DType.STRING, Role.TEXT),
                    Column("cost", DType.FLOAT, lower=0, upper=100),
                ),
            ),
        ),
    )
    (base / "schema.json").write_bytes(msgspec.json.encode(schema))
    with serving(base, {"visits": "visits.parquet"}) as served:
        served.costs = costs
        yield served


def processes(module, below):
    """Processes that run `module` and descend from process `below`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if module.encode() in words and b"bwrap" not in words[0] and below in ancestors(int(entry.name)):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def ancestors(pid):
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


def memory(pid):
    """The process's readable memory, region by region."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as content:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("r") or "[v" in line:  # vvar and vdso are the system's own
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            content.seek(start)
            try:
                yield content.read(end - start)
            except OSError:
                continue


def found_in(pid, needles):
    hits = set()
    for region in memory(pid):
        hits |= {needle for needle in needles if needle in region}
    return hits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
def test_no_value_of_the_data_is_in_the_interpreters_memory(room, tmp_path):
    """The same search finds the values in the vault, or it would prove nothing."""
    texts = {f"{MARK}-{kind}-{i}".encode() for kind in ("patient", "city", "note") for i in (3, 77, 399)}
    numbers = {struct.pack("<d", room.costs[i]) for i in (3, 77, 210, 399)}
    with kernel("cleanroom", tmp_path, room.jupyter) as expert:
        expert.value(WORK)
        (interpreter,) = processes("cleanroom_kernel.interpreter", room.process.pid)
        (vault,) = processes("cleanroom_kernel.vault", room.process.pid)
        assert found_in(interpreter, texts | numbers) == set()
        assert found_in(interpreter, {b"cleanroom_kernel"}), "the search itself works on this process"
        assert found_in(vault, numbers), "positive control: the vault holds them"


def test_no_file_that_the_interpreter_can_open_holds_the_data(room, tmp_path):
    """Asked from inside: the owner's directories are out of reach, by path and by descriptor."""
    with kernel("cleanroom", tmp_path, room.jupyter) as expert:
        text = expert.value(
            f"""
import os
reached = []
for root in {[str(room.base), str(room.base / "cleanroom-state"), "/proc/self/fd"]!r}:
    try:
        names = os.listdir(root)
    except OSError:
        continue
    for name in names:
        try:
            if not os.path.isfile(os.path.join(root, name)):
                continue  # a pipe or a socket would keep us waiting
            with open(os.path.join(root, name), "rb") as file:
                if {MARK.encode()!r}[:-1] + b"7-" in file.read(10_000_000):
                    reached.append(name)
        except OSError:
            pass
print("reached", reached)
"""
        )
    assert "reached []" in text
