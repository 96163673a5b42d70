"""Attacks by way of jobs: an approval for something else, two checkers at once, code that misbehaves beside the rows.

The code of a job is the expert's and may be hostile whatever a person saw in it. The processes below are real, and not
confined; what the sandbox takes from them is in `sandbox/test_confined_jobs.py`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from support.jobs import BY_WARD, MEAN, WEIGHTS, approved, decide, desk_of, examine, submit
from support.rooms import people

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import AirlockError, Decision
from cleanroom_kernel.protocol.airlock import Standing, State, Terms
from cleanroom_kernel.protocol.jobs import Cell, Job, JobLimits, Reads, Rows, Scalar, TableColumn, Tensors
from cleanroom_kernel.protocol.messages import (
    Collect,
    Delivered,
    Interrupt,
    JobOver,
    JobWanted,
    ListRequests,
    Open,
    Progress,
    Released,
    RunJob,
    SubmitJob,
)
from cleanroom_kernel.protocol.release import Reason, Refusal, Release
from cleanroom_kernel.vault import jobs
from tests.integration.vault.process import Vault, prepared

WARDS = np.array(["A"] * 300 + ["B"] * 300)


# -- approvals for something else -------------------------------------------------------------------------------------
@pytest.fixture
def room(room_of):
    return room_of({"patients": people(600, ward=WARDS)})


@pytest.mark.parametrize(
    "change",
    [
        {"source": MEAN.source + "\n"},
        {"results": (*MEAN.results, Scalar("more"))},
        {"reads": (Reads("patients", ("id", "age", "ward", "sex")),)},
        {"name": "mean_agf"},
    ],
    ids=["source", "results", "reads", "name"],
)
def test_an_approval_is_of_these_very_bytes(room, change):
    desk = desk_of(room)
    approved(room, desk, MEAN)
    other = submit(desk, msgspec.structs.replace(MEAN, **change))
    assert other.state is State.ASKED
    assert isinstance(jobs.run(other.number, desk), Refusal)
    assert desk.runner.runs == 0


def test_an_approval_is_of_one_state_of_the_tables(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    room._engine.tables.edition = "another"
    refused = jobs.run(number, desk)
    assert "not those that it was approved for" in refused.message
    assert (examine(room, number).request.state, desk.runner.runs) == (State.APPROVED, 0)
    assert submit(desk, MEAN).number != number


def test_an_approval_is_for_one_expert_and_of_others_it_is_not_even_said(room):
    number = approved(room, desk_of(room), MEAN)
    eve = desk_of(room, "eve")
    heard = [jobs.run(asked, eve).message for asked in (number, number + 1)]
    assert heard == [f"You have no request {asked}." for asked in (number, number + 1)]
    assert submit(eve, MEAN).state is State.ASKED
    assert eve.runner.runs == 0


def test_bytes_that_were_changed_in_the_file_do_not_run(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    other = msgspec.msgpack.encode(msgspec.structs.replace(MEAN, source="result = {'n': 1, 'age': 2}"))
    with room.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER airlock_requests_refuses_update")
        connection.exec_driver_sql("UPDATE airlock_requests SET frozen = ? WHERE number = ?", (other, number))
    with pytest.raises(RuntimeError, match="not the one that was approved"):
        jobs.run(number, desk)
    assert desk.runner.runs == 0


def test_an_answer_is_not_run_and_a_job_is_not_collected(room):
    from cleanroom_kernel.vault import asking

    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    assert "is a job" in asking.collect(number, desk).message
    waits = jobs.run(approved(room, desk, BY_WARD), desk)
    decide(room, waits.number)
    assert "no job" in jobs.run(waits.number, desk).message


# -- checkers ---------------------------------------------------------------------------------------------------------
def test_nobody_approves_a_job_or_a_result_of_their_own(room):
    desk = desk_of(room)
    number = submit(desk, BY_WARD).number
    for name in ("ada", " ADA "):
        with pytest.raises(AirlockError, match="of their own"):
            decide(room, number, name)
    decide(room, number)
    waits = jobs.run(number, desk)
    with pytest.raises(AirlockError, match="of their own"):
        decide(room, waits.number, "Ada")


def test_two_checkers_are_two_persons_for_the_code_and_again_for_its_result(room):
    desk = desk_of(room, checkers=2)
    number = submit(desk, BY_WARD).number
    assert decide(room, number, "olga").state is State.ASKED
    with pytest.raises(AirlockError, match="already"):
        decide(room, number, "Olga")
    assert isinstance(jobs.run(number, desk), Refusal)
    decide(room, number, "otto")
    waits = jobs.run(number, desk)
    assert (waits.state, waits.checkers) == (State.ASKED, 2)


def test_of_two_checkers_at_once_one_decides(room):
    number = submit(desk_of(room), MEAN).number

    def vote(person_and_decision):
        try:
            return decide(room, number, *person_and_decision).state
        except AirlockError:
            return None

    with ThreadPoolExecutor(8) as many:
        votes = [(f"checker {place}", (Decision.APPROVE, Decision.REJECT)[place % 2]) for place in range(8)]
        outcomes = [found for found in many.map(vote, votes) if found is not None]
    steps = [event.state for event in room.audited() if isinstance(event, audit.RequestStep)]
    # an approval may be taken back by a rejection that comes after it; nothing follows a rejection
    assert steps in (["approved", "rejected"], ["rejected"])
    assert sorted(outcome.value for outcome in outcomes) == steps


def test_of_two_vaults_at_once_one_runs_it(room):
    first, second = desk_of(room), desk_of(room)
    number = approved(room, first, MEAN)
    heard = []
    first.runner.meanwhile = lambda: heard.append(jobs.run(number, second))
    assert isinstance(jobs.run(number, first), Release)
    assert "running" in heard[0].message
    assert second.runner.runs == 0


def test_jobs_and_their_results_do_not_flood_the_owner(room):
    desk = desk_of(room, open_requests=2)
    number = approved(room, desk, BY_WARD)
    assert isinstance(submit(desk, MEAN), Standing)
    assert isinstance(submit(desk, WEIGHTS), Standing)
    assert "which is the limit" in submit(desk, msgspec.structs.replace(MEAN, name="other")).message
    assert "which is the limit" in jobs.run(number, desk).message
    assert examine(room, number).request.state is State.APPROVED


# -- code beside the rows, in its own process -------------------------------------------------------------------------
READS = (Reads("stays", ("patient", "age", "city")),)
ONE = (Scalar("n", Cell.COUNT),)


class Server(Vault):
    """A vault whose jobs get processes as from a server."""

    def __init__(self, place: Path, limits: JobLimits, **terms) -> None:
        super().__init__(place, opening=False)
        self.started: list[subprocess.Popen] = []
        policy = {"minimum_units": 5, "jitter": 0}
        self.tell(
            Open("s1", "ada", str(place / "room"), str(place / "state"), policy, terms=Terms(**terms), jobs=limits)
        )
        self.notices.receive()

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.kill()
            process.communicate()
        super().__exit__()

    def run(self, number: int, meanwhile=lambda: None):
        """The answer to a run; the job's process is started when the vault asks, and killed when it says so."""
        asked = self.next()
        self.interpreter.send(RunJob(asked, number))
        while not isinstance(self.notices.receive(), JobWanted):
            pass
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-I", "-B", "-m", "cleanroom_kernel.job", "--vault-fd", str(theirs.fileno())]
            self.started.append(
                subprocess.Popen(
                    command,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
            socket.send_fds(self.jobs, [b"w"], [ours.fileno()])
        meanwhile()
        while isinstance((reply := self.interpreter.receive()).answer, Progress):
            pass
        assert isinstance(self.notices.receive(), JobOver)  # said before the answer, whatever it is
        self.started[-1].kill()
        return reply.answer


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def server(place):
    with Server(place, JobLimits(memory=1 << 30, seconds=25.0), open_requests=99) as served:
        yield served


def approve(server: Server, place: Path, source: str, results=ONE) -> int:
    asked = server.ask(SubmitJob(server.next(), Job("job", source, READS, results), "a reason")).answer
    with audit.engine(place / "state").begin() as connection:
        airlock.decide(connection, asked.number, "olga", Decision.APPROVE, "")
    return asked.number


def outcome(place: Path, number: int) -> str:
    with audit.reading(audit.engine(place / "state")) as connection:
        return airlock.examine(connection, number).job.outcome


def test_a_job_is_given_its_columns_prints_to_nobody_and_its_count_leaves_by_rule(server, place):
    source = (
        "import os, sys\n"
        "table = inputs['stays']\n"
        "print(table.city[0]); sys.stderr.write(table.city[0]); os.write(2, table.city[0].encode())\n"
        "assert list(table.columns) == ['patient', 'age', 'city'] and table.patient.str.len().eq(16).all()\n"
        "result = {'n': table.patient.nunique()}"
    )
    given = server.run(approve(server, place, source))
    assert isinstance(given, Release)
    assert given.payload.scalars == (("n", 60),)
    output, errors = server.started[-1].communicate()
    assert (output, errors) == (b"", b"")


FLOOD = "import socket, gc\nline = next(o for o in gc.get_objects() if isinstance(o, socket.socket))\n"

BAD = {
    "an extra result": ("result = {'n': 60, 'city': inputs['stays'].city[0]}", "NotDeclared in line 0"),
    "a value in an error": ("raise RuntimeError(inputs['stays'].city[0])", "RuntimeError in line 1"),
    "a value in the name of an error": (
        "raise type(inputs['stays'].city[0], (Exception,), {})()",
        "an error of a library in line 1",
    ),
    "too much memory": ("x = bytearray(2 << 30)\nresult = {'n': 60}", "MemoryError in line 1"),
    "memory that no data limit counts": ("import mmap\nx = mmap.mmap(-1, 8 << 30)", "OSError in line 2"),
    "death": ("import os\nos._exit(3)", "its process ended, most often for want of memory"),
    "a frame beyond all limits": (
        FLOOD + "line.sendall(b'\\xff\\xff\\xff\\xff' + b'x' * 100)\nline.close()",
        "its process ended, most often for want of memory",
    ),
    "an oversized frame": (
        FLOOD + "line.sendall((50 << 20).to_bytes(4, 'big') + bytes(50 << 20))\nimport time; time.sleep(60)",
        "what its process said is no answer of a job",
    ),
    "a forged message": (
        FLOOD + "line.sendall(b'\\x00\\x00\\x00\\x06\\x85patient')\nimport time; time.sleep(60)",
        "what its process said is no answer of a job",
    ),
    "an exit": ("import sys\nsys.exit(inputs['stays'].city[0])", "SystemExit in line 2"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_code_that_misbehaves_tells_its_expert_nothing_and_leaves_the_vault_as_it_was(server, place, bad):
    source, why = BAD[bad]
    number = approve(server, place, source)
    answer = server.run(number)
    assert answer == jobs.FAILED
    assert outcome(place, number) == why
    assert "Xanadu" not in outcome(place, number)
    heard = msgspec.msgpack.encode(server.ask(ListRequests(server.next())))
    assert b"Xanadu" not in heard
    assert why.encode() not in heard


def test_a_job_that_does_not_end_is_killed_at_its_deadline(place):
    with Server(place, JobLimits(memory=1 << 30, seconds=3.0), open_requests=99) as server:
        number = approve(server, place, "while True: pass")
        assert server.run(number) == jobs.FAILED
        assert outcome(place, number) == "it took longer than a job may"
        assert server.started[-1].wait(30) == -9


def test_tensors_leave_as_a_signed_off_file_and_not_before_a_person_let_them(server, place):
    source = "import numpy as np\nresult = {'state': {'w': np.array([inputs['stays'].age.mean(), 1.0])}}"
    waits = server.run(approve(server, place, source, (Tensors("state", 2),)))
    assert isinstance(server.ask(Collect(server.next(), waits.number)).answer, Refusal)
    with audit.engine(place / "state").begin() as connection:
        airlock.decide(connection, waits.number, "olga", Decision.APPROVE, "")
    server.drop_notices()
    left = server.ask(Collect(server.next(), waits.number)).answer
    (file,) = left.payload.files
    assert [server.notices.receive(), server.notices.receive()] == [
        Released(left.receipt),
        Delivered(left.receipt, file),
    ]
    assert set(safetensors.numpy.load(file.content)) == {"w"}


def test_an_interrupted_job_is_killed_and_its_approval_stands(server, place):
    number = approve(server, place, "while True: 'again'")
    answer = server.run(number, meanwhile=lambda: server.tell(Interrupt()))
    assert "approval stands" in answer.message
    assert server.started[-1].wait(30) == -9
    (standing,) = (one for one in server.ask(ListRequests(server.next())).answer.requests if one.number == number)
    assert standing.state is State.APPROVED
    assert server.greets()


def test_nothing_that_an_interpreter_sends_runs_what_nobody_approved(server, place):
    asked = server.ask(SubmitJob(server.next(), Job("job", "result = {'n': 1}", READS, ONE), "a reason")).answer
    refused = server.ask(RunJob(server.next(), asked.number)).answer
    assert refused.reason is Reason.FORBIDDEN
    large = {
        "type": "submit-job", "number": server.next(), "reason": "r",
        "job": {"name": "job", "source": "x" * 100_001, "reads": [["stays", ["age"]]], "results": []},
    }  # fmt: skip
    server.raw(msgspec.msgpack.encode(large))
    assert server.interpreter.receive().answer.reason is Reason.MALFORMED


def test_the_processor_and_the_files_of_a_job_are_limited_for_good():
    """The code cannot raise them again: they are hard limits, also where nothing else confines it."""
    source = (
        "import resource\n"
        "found = [resource.getrlimit(w) for w in (resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)]\n"
        "result = {'soft': found[0][0], 'hard': found[0][1], 'files': found[2][1], 'seconds': found[1][1]}"
    )
    from cleanroom_kernel.protocol.channel import Channel
    from cleanroom_kernel.protocol.jobs import MOST_RESULT, FromJob, Run

    ours, theirs = socket.socketpair()
    results = tuple(Scalar(name) for name in ("soft", "hard", "files", "seconds"))
    with ours, theirs:
        command = [sys.executable, "-I", "-B", "-m", "cleanroom_kernel.job", "--vault-fd", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        ours.settimeout(60)
        line = Channel(ours, FromJob, limit=MOST_RESULT)
        line.send(Run(Job("limits", source, READS, results), JobLimits(memory=1 << 30, seconds=5.0)))
        found = line.receive().scalars
        process.kill()
        process.wait()
    assert (found["soft"], found["hard"], found["files"]) == (1 << 30, 1 << 30, 0)
    assert found["seconds"] == 5 * (os.cpu_count() or 1) + 1


def test_a_table_of_rows_is_not_let_out_by_any_rule(server, place):
    """Whatever the code is, what looks like rows waits for a person; and more rows than declared are no result."""
    rows = (Rows("t", (TableColumn("city", Cell.TEXT), TableColumn("age")), 100),)
    source = "result = {'t': inputs['stays'][['city', 'age']].head(100)}"
    waits = server.run(approve(server, place, source, rows))
    assert isinstance(waits, Standing)
    assert waits.state is State.ASKED
    assert b"Xanadu" not in msgspec.msgpack.encode(waits)
    more = source.replace("head(100)", "head(101)")
    assert server.run(approve(server, place, more, rows)) == jobs.FAILED
