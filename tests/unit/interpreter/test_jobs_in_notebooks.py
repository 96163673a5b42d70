"""Jobs as they feel in a notebook: written in a cell, rehearsed on synthetic rows, run when the owner has said yes."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from IPython.core.interactiveshell import InteractiveShell
from support.jobs import InProcess

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.demo import hospital
from cleanroom_kernel.interpreter import connection, magics
from cleanroom_kernel.interpreter.asking import Request
from cleanroom_kernel.interpreter.errors import CleanRoomError, CleanRoomRefusal
from cleanroom_kernel.interpreter.jobs import JobRequest, described
from cleanroom_kernel.interpreter.twins import Twins
from cleanroom_kernel.job.running import run
from cleanroom_kernel.protocol.jobs import Cell, Rows, Scalar, TableColumn, Tensors
from tests.unit.interpreter.rooms import world

READS = {"stays": ["pid", "age", "ward"]}
SOURCE = "stays = inputs['stays']\nresult = {'n': stays.pid.nunique(), 'age': stays.age.mean()}"
RESULT = {"n": "count", "age": float}
TABLE = "result = {'t': inputs['stays'].groupby('ward', as_index=False).age.mean()}"
AS_TABLE = {"t": {"columns": {"ward": "text", "age": "number"}, "rows": 3}}
REASON = "figure 2"


@pytest.fixture
def ward(permissive_world):
    made = world(rows=1_500, preset="standard")
    made.vault.desk.runner = InProcess()
    yield made
    connection.use(permissive_world.room._connection)


def decide(ward, number, decision=Decision.APPROVE, comment=""):
    with ward.vault.desk.ledger.book() as book:
        airlock.decide(book.connection, number, "olga", decision, comment)


def test_a_job_gives_its_numbers_once_it_is_approved(ward):
    job = ward.room.submit_job(SOURCE, "mean_age", READS, RESULT, REASON)
    assert (job.state, job.title) == ("asked", "job mean_age")
    with pytest.raises(CleanRoomRefusal, match="cannot run"):
        job.run()
    decide(ward, job.number)
    found = job.run()
    stays = ward.tables["stays"]
    assert found == {"n": pytest.approx(stays.pid.nunique(), abs=3), "age": pytest.approx(stays.age.mean(), rel=1e-3)}
    assert (job.state, job.result()) == ("done", found)
    assert ward.room.receipts[-1].output_class == "job"


def test_a_table_comes_as_a_frame_when_its_result_was_approved_too(ward):
    job = ward.room.submit_job(TABLE, "by_ward", READS, AS_TABLE, REASON)
    decide(ward, job.number)
    waits = ward.room.run_job(job)
    assert isinstance(waits, Request)
    assert waits.state == "asked"
    with pytest.raises(CleanRoomRefusal, match="not approved"):
        job.result()
    decide(ward, waits.number)
    truth = ward.tables["stays"].groupby("ward", as_index=False).age.mean()
    pd.testing.assert_frame_equal(job.result()["t"], truth, rtol=1e-3, check_dtype=False)
    found = {one.number: one for one in ward.room.requests()}  # as in another session
    pd.testing.assert_frame_equal(found[waits.number].result()["t"], job.result()["t"])
    assert isinstance(found[job.number], JobRequest)


def test_tensors_come_as_arrays(ward):
    job = ward.room.submit_job(
        "import numpy as np\nresult = {'w': {'a': np.eye(2)}}", "net", READS, {"w": {"tensors": 4}}, REASON
    )
    decide(ward, job.number)
    decide(ward, job.run().number)
    np.testing.assert_array_equal(job.result()["w"]["a"], np.eye(2))


def test_a_mistake_is_seen_on_synthetic_rows_before_anybody_reads_the_code(ward):
    for source, error, words in (
        ("result = {'n': inputs['stays'].nothing}", AttributeError, "nothing"),
        ("result = {'n': 1}", CleanRoomError, "declare"),
        ("result = ", SyntaxError, "invalid"),
        ("import numpy as np\nresult = {'n': 1, 'age': 'old'}", CleanRoomError, "declared as a number"),
    ):
        with pytest.raises(error, match=words):
            ward.room.submit_job(source, "wrong", READS, RESULT, REASON)
    assert ward.room.requests() == ()
    assert ward.room.submit_job("result = {'n': 1}", "wrong", READS, RESULT, REASON, rehearse=False).state == "asked"


def test_a_hidden_column_is_in_no_job_whoever_asks(ward):
    for rehearse in (True, False):
        with pytest.raises(CleanRoomError, match="no column 'name'"):
            ward.room.submit_job(SOURCE, "names", {"patients": ["pid", "name"]}, RESULT, REASON, rehearse=rehearse)


def test_handed_in_again_it_is_the_same_request(ward):
    first, second = (ward.room.submit_job(SOURCE, "mean_age", READS, RESULT, REASON) for _ in range(2))
    assert first.number == second.number


def test_a_cell_is_a_job(ward):
    shell = InteractiveShell()
    magics.install(shell, ward.room)
    line = "mean_age reads=reads, result={'n': 'count', 'age': 'number'}, reason='figure 2'"
    shell.push({"reads": READS})
    request = shell.run_cell_magic("job", line, SOURCE)
    assert request.number == shell.user_ns["mean_age"].number
    decide(ward, request.number)
    assert set(shell.user_ns["mean_age"].run()) == {"n", "age"}
    with pytest.raises(CleanRoomError, match="has a name"):
        shell.run_cell_magic("job", "", SOURCE)


def test_what_may_be_declared():
    made = described(
        "x = 1", "a", READS, {"a": float, "b": "count", "t": {"columns": {"c": str, "f": bool}, "rows": 2}, **_W}
    )
    assert made.results == (
        Scalar("a"),
        Scalar("b", Cell.COUNT),
        Rows("t", (TableColumn("c", Cell.TEXT), TableColumn("f", Cell.FLAG)), 2),
        Tensors("w", 5),
    )
    for wrong in ({"a": "text"}, {"a": {"rows": 2}}, {"a b": float}, {}, {"t": {"columns": {"c": str}, "rows": 501}}):
        with pytest.raises(CleanRoomError, match=r"job|understood"):
            described("x = 1", "a", READS, wrong)


_W = {"w": {"tensors": 5}}


def test_a_request_that_is_no_job_is_not_run(ward):
    with pytest.raises(CleanRoomError, match="no request 7"):
        ward.room.run_job(7)


def test_the_manuals_example_is_a_job_and_runs_on_the_demonstrations_tables():
    text = (Path(__file__).parents[3] / "docs" / "airlock.md").read_text()
    cell, declared = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "RESULT" in block)
    head, _, source = cell.partition("\n")
    given: dict = {}
    exec(declared, given)
    said = eval(f"dict({head.partition('calibration ')[2]})", {"RESULT": given["RESULT"]})
    schema = hospital.room_schema()
    job = described(source, "calibration", said["reads"], said["result"])
    twin = Twins(schema)["encounters"][list(said["reads"]["encounters"])]
    made = run(job, {"encounters": twin})
    assert made.scalars["patients"] > 0
    assert len(made.tables["bins"][0]) <= 10
    assert safetensors.numpy.load(made.tensors["model"])["weights"].shape == (3,)
