"""Jobs in one process: handed in, read, approved, run once, and what may leave of them."""

import re
import tracemalloc

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import sqlalchemy as sa
from support.jobs import BY_WARD, MEAN, READS, WEIGHTS, approved, decide, desk_of, examine, submit
from support.rooms import people

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import AirlockError, Decision
from cleanroom_kernel.cli.requests import words
from cleanroom_kernel.disclosure.jobs import MOST_BY_RULE, REVIEWED
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.schema import Column, DType, Role
from cleanroom_kernel.protocol.airlock import Standing, State
from cleanroom_kernel.protocol.jobs import Broke, Cell, FromJob, Job, Produced, Reads, Rows, Scalar, TableColumn
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.requests import records
from cleanroom_kernel.vault import asking, jobs
from cleanroom_kernel.vault.jobline import End, JobEnded

WARDS = np.array(["A"] * 300 + ["B"] * 300)


@pytest.fixture
def room(room_of):
    return room_of({"patients": people(600, ward=WARDS)})


def state(room, number):
    return examine(room, number).request.state


# -- the way through --------------------------------------------------------------------------------------------------
def test_an_approved_job_runs_and_its_numbers_leave_rounded(room):
    desk = desk_of(room)
    asked = submit(desk, MEAN)
    assert (asked.state, asked.job, asked.title) == (State.ASKED, "mean_age", "job mean_age")
    assert isinstance(jobs.run(asked.number, desk), Refusal)
    decide(room, asked.number)
    given = jobs.run(asked.number, desk)
    assert isinstance(given, Release)
    ages = desk.runner.inputs["patients"].age
    assert given.payload.scalars == (("n", 600), ("age", float(f"{ages.mean():.3e}")))
    assert given.receipt.rules[0].startswith("job: ")
    assert state(room, asked.number) is State.DONE


def test_what_is_done_is_told_again_and_does_not_run_again(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    first, second = jobs.run(number, desk), jobs.run(number, desk)
    assert (second.payload, desk.runner.runs) == (first.payload, 1)
    assert second.receipt.number == first.receipt.number + 1
    assert submit(desk, MEAN, "another reason").number == number  # and handed in again, it is the same


@pytest.mark.parametrize("job", [BY_WARD, WEIGHTS], ids=["table", "tensors"])
def test_tables_and_tensors_wait_for_a_person_and_leave_byte_for_byte(room, job):
    desk = desk_of(room)
    waits = jobs.run(approved(room, desk, job), desk)
    assert isinstance(waits, Standing)
    assert (waits.state, waits.job) == (State.ASKED, "")
    assert "no rule settles" in examine(room, waits.number).request.findings[0]
    assert isinstance(asking.collect(waits.number, desk), Refusal)
    frozen = stored(room, waits.number)
    decide(room, waits.number)
    left = asking.collect(waits.number, desk)
    assert msgspec.msgpack.encode(left.payload) == frozen
    assert left.receipt.rules == (REVIEWED,)


def stored(room, number):
    with audit.reading(room.database) as connection:
        body = records.frozen_of(connection, number)
    return msgspec.msgpack.decode(body)["payload"]


def test_parameters_keep_the_policys_digits_and_nothing_else_is_in_the_file(room):
    desk = desk_of(room)
    waits = jobs.run(approved(room, desk, WEIGHTS), desk)
    decide(room, waits.number)
    (file,) = asking.collect(waits.number, desk).payload.files
    arrays = safetensors.numpy.load(file.content)
    assert arrays["w"].tolist() == [1.23457, 2.0]
    assert arrays["b"].tolist() == [0, 1, 2]
    assert file.content == safetensors.numpy.save(arrays)
    assert "| w | float64 | 2 |" in examine(room, waits.number).preview.files[0].report


def test_runs_and_results_are_in_the_audit_log_before_they_are_told(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    desk.runner.meanwhile = lambda: steps.extend(
        event.step for event in room.audited() if isinstance(event, audit.RequestStep)
    )
    steps = []
    jobs.run(number, desk)
    assert steps == ["approve", "start"]
    events = room.audited()
    assert [type(event) for event in events] == [audit.RequestMade, *[audit.RequestStep] * 3, audit.Released]
    assert [event.step for event in events[1:4]] == ["approve", "start", "finish"]
    assert len({event.sha256 for event in events[:4]}) == 1


# -- inputs -----------------------------------------------------------------------------------------------------------
def test_a_job_is_given_the_columns_that_it_names_with_pseudonyms_for_patients(room):
    desk = desk_of(room)
    jobs.run(approved(room, desk, MEAN), desk)
    given = desk.runner.inputs["patients"]
    assert list(given.columns) == ["id", "age", "ward"]
    assert given.id.str.fullmatch("[0-9a-f]{16}").all()
    assert given.id.is_unique
    assert given.id.is_monotonic_increasing  # no order of the owner's files
    assert given.ward.value_counts().to_dict() == {"A": 300, "B": 300}


def test_pseudonyms_are_the_same_in_all_tables_of_a_job_and_others_in_another_job(room_of):
    key = Column("encounter", DType.INTEGER, Role.KEY)
    room = room_of(
        {"patients": people(60), "stays": {"id": np.arange(60) % 30, "encounter": np.arange(60)}}, columns=(key,)
    )
    reads = (Reads("patients", ("id",)), Reads("stays", ("id", "encounter")))
    desk, seen = desk_of(room), []
    for source in ("result = {'n': 60}", "result = {'n':  60}"):
        jobs.run(approved(room, desk, Job("a", source, reads, (Scalar("n", Cell.COUNT),))), desk)
        seen.append(desk.runner.inputs)
    for inputs in seen:
        assert set(inputs["stays"].id) < set(inputs["patients"].id)
        assert inputs["stays"].encounter.nunique() == 60
    assert not set(seen[0]["patients"].id) & set(seen[1]["patients"].id)


@pytest.mark.parametrize(
    "reads", [(Reads("nothing", ("age",)),), (Reads("patients", ("age", "name")),)], ids=["table", "column"]
)
def test_a_job_cannot_name_what_the_room_does_not_have(room, reads):
    with pytest.raises(PlanError, match="has no"):
        submit(desk_of(room), msgspec.structs.replace(MEAN, reads=reads))


# -- what the checker sees --------------------------------------------------------------------------------------------
def test_the_checker_sees_code_inputs_results_and_what_changed_since_the_last_approval(room):
    desk = desk_of(room)
    first = approved(room, desk, MEAN)
    changed = msgspec.structs.replace(MEAN, source=MEAN.source.replace("mean()", "median()"))
    seen = examine(room, submit(desk, changed).number)
    assert seen.code == changed.source
    assert seen.job.before == first
    assert any(line.startswith("-") and "mean()" in line for line in seen.job.diff.splitlines())
    assert any(line.startswith("+") and "median()" in line for line in seen.job.diff.splitlines())
    assert seen.job.results == ("n: one count", "age: one number")
    assert seen.request.findings == ("reads patients: id, age, ward",)
    assert examine(room, first).job.before == 0


def test_what_an_expert_wrote_is_text_in_the_owners_terminal(room):
    desk = desk_of(room)
    approved(room, desk, MEAN)
    number = approved(room, desk, msgspec.structs.replace(MEAN, source="# \x1b[31mred\x07\n" + MEAN.source))
    seen = "\n".join(words(examine(room, number)))
    assert "\x1b" not in seen
    assert "\x07" not in seen
    for part in ("patients: id, age, ward", "n: one count", "Changes since request 1", "+# \N{REPLACEMENT CHARACTER}"):
        assert part in seen
    waits = jobs.run(approved(room, desk, BY_WARD), desk)
    assert re.search(r"wards, 2 rows\n +ward +mean\n", "\n".join(words(examine(room, waits.number))))


def test_of_a_run_that_failed_the_owner_reads_class_and_line_and_the_expert_nothing(room):
    desk = desk_of(room)
    broken = msgspec.structs.replace(MEAN, source="x = 1\nraise KeyError(inputs['patients'].age[0])")
    number = approved(room, desk, broken)
    refused = jobs.run(number, desk)
    assert refused == jobs.FAILED
    assert examine(room, number).job.outcome == "KeyError in line 2"
    (mine,) = asking.requests_of(desk).requests
    assert (mine.state, mine.comment) == (State.FAILED, "")
    assert isinstance(jobs.run(number, desk), Refusal)
    assert desk.runner.runs == 1


# -- what leaves by rule ----------------------------------------------------------------------------------------------
def scalars(count, **given):
    source = f"result = {{f'x{{i}}': {given.get('value', 1.5)} for i in range({count})}}"
    of = Cell.COUNT if given.get("counts") else Cell.NUMBER
    return Job("many", source, READS, tuple(Scalar(f"x{place}", of) for place in range(count)))


@pytest.mark.parametrize(
    ("job", "terms", "why"),
    [
        (scalars(1, counts=True, value=4), {}, "a count of too few"),
        (scalars(1, counts=True, value=0), {}, "a count of too few"),
        (scalars(1, value="float('nan')"), {}, "undefined"),
        (scalars(MOST_BY_RULE + 1), {}, "more than 20"),
        (scalars(1), {"by_rule": False}, "read by a person"),
    ],
    ids=["small", "nobody", "undefined", "many", "setting"],
)
def test_what_no_rule_lets_out_waits(room, job, terms, why):
    desk = desk_of(room, **terms)
    waits = jobs.run(approved(room, desk, job), desk)
    assert isinstance(waits, Standing)
    assert any(why in finding for finding in examine(room, waits.number).request.findings)


def test_numbers_of_a_job_are_charged_to_the_columns_that_it_reads(room_of):
    room = room_of({"patients": people(600, ward=WARDS)}, free_answers=5)
    desk = desk_of(room)
    assert isinstance(jobs.run(approved(room, desk, scalars(3)), desk), Release)
    waits = jobs.run(approved(room, desk, scalars(4)), desk)
    assert any("budget" in finding for finding in examine(room, waits.number).request.findings)


def test_numbers_of_too_few_patients_wait(room_of):
    room = room_of({"patients": people(9, ward=WARDS[:9])})
    desk = desk_of(room)
    waits = jobs.run(approved(room, desk, scalars(1)), desk)
    assert any("too few patients" in finding for finding in examine(room, waits.number).request.findings)


# -- states -----------------------------------------------------------------------------------------------------------
def test_an_interrupted_job_keeps_its_approval(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    until = examine(room, number).request.expires
    desk.runner.forge = JobEnded(End.INTERRUPTED)
    assert "approval stands" in jobs.run(number, desk).message
    assert (state(room, number), examine(room, number).request.expires) == (State.APPROVED, until)
    desk.runner.forge = None
    assert isinstance(jobs.run(number, desk), Release)


@pytest.mark.parametrize("end", [End.TIME, End.DIED, End.MALFORMED])
def test_a_job_that_was_ended_has_failed_whatever_the_reason(room, end):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    desk.runner.forge = JobEnded(end)
    assert jobs.run(number, desk) == jobs.FAILED
    assert examine(room, number).job.outcome == end.value


def test_a_run_whose_vault_died_is_lost_in_the_end(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)

    class Died(BaseException):
        pass

    desk.runner.forge = Died()
    with pytest.raises(Died):
        jobs.run(number, desk)
    assert state(room, number) is State.RUNNING
    past(room, number)
    assert state(room, number) is State.FAILED
    with room.database.begin() as connection:
        airlock.expire(connection)
    assert room.audited()[-1].step == "lose"


def past(room, number):
    """As if the time of a job's present state were up."""
    with room.database.begin() as connection:
        connection.execute(
            sa.update(records.jobs).where(records.jobs.c.number == number).values(until="2020-01-01T00:00:00Z")
        )


def test_an_approval_ends_by_itself(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    past(room, number)
    assert state(room, number) is State.EXPIRED
    assert isinstance(jobs.run(number, desk), Refusal)
    assert desk.runner.runs == 0
    again = submit(desk, MEAN)
    assert (again.state, again.number) == (State.ASKED, number + 1)


def test_an_approval_can_be_taken_back_until_the_job_has_run(room):
    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    decide(room, number, decision=Decision.REJECT, comment="on second thoughts")
    assert isinstance(jobs.run(number, desk), Refusal)
    done = approved(room, desk, BY_WARD)
    jobs.run(done, desk)
    with pytest.raises(AirlockError, match="no longer"):
        decide(room, done, decision=Decision.REJECT)


def test_a_policy_that_is_put_in_force_while_a_job_runs_is_the_one_that_counts(room, monkeypatch):
    from cleanroom_kernel.disclosure.ledger import PolicyMoved

    desk = desk_of(room)
    number = approved(room, desk, MEAN)
    real, moved = room.ledger.book, []

    def book():
        if desk.runner.runs and not moved:
            moved.append(True)
            raise PolicyMoved(1, {"preset": "strict"})
        return real()

    monkeypatch.setattr(room.ledger, "book", book)
    monkeypatch.setattr(jobs, "adopt", lambda moved, desk: setattr(desk, "policy", strict(moved)))
    given = jobs.run(number, desk)
    assert given.receipt.policy == "strict"


def strict(moved):
    from cleanroom_kernel.disclosure.policy import Policy

    return Policy.from_settings(moved.settings).snapshot()


# -- a hostile process ------------------------------------------------------------------------------------------------
GOOD = Produced({"n": 600, "age": 50.0}, {}, {})
ONE_TABLE = Produced({}, {"wards": (("A",), (1.0,))}, {})


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (MEAN, Produced({**GOOD.scalars, "more": 1}, {}, {})),
        (MEAN, Produced({"n": 600}, {}, {})),
        (MEAN, Produced({"n": 600.5, "age": 50.0}, {}, {})),
        (MEAN, Produced({"n": -600, "age": 50.0}, {}, {})),
        (MEAN, Produced({"n": True, "age": 50.0}, {}, {})),
        (MEAN, Produced({"n": 600, "age": "seventy"}, {}, {})),
        (MEAN, Produced({"n": 600, "age": 2**60}, {}, {})),
        (MEAN, Produced(GOOD.scalars, ONE_TABLE.tables, {})),
        (MEAN, Produced(GOOD.scalars, {}, {"state": b""})),
        (BY_WARD, Produced({}, {"wards": (("A",) * 6, (1.0,) * 6)}, {})),
        (BY_WARD, Produced({}, {"wards": (("A", "B"), (1.0,))}, {})),
        (BY_WARD, Produced({}, {"wards": (("A",), (1.0,), (2.0,))}, {})),
        (BY_WARD, Produced({}, {"wards": ((1.0,), ("A",))}, {})),
        (BY_WARD, Produced({}, {"wards": (("A" * 201,), (1.0,))}, {})),
        (WEIGHTS, Produced({}, {}, {"state": b"\x80\x04pickle"})),
        (WEIGHTS, Produced({}, {}, {"state": safetensors.numpy.save({"w": np.ones(11)})})),
        (WEIGHTS, Produced({}, {}, {"state": safetensors.numpy.save({"w " * 40: np.ones(1)})})),
    ],
)  # fmt: skip
def test_what_was_not_declared_is_no_result(room, job, said):
    desk = desk_of(room)
    number = approved(room, desk, job)
    desk.runner.forge = said
    assert jobs.run(number, desk) == jobs.FAILED
    assert state(room, number) is State.FAILED
    assert len(asking.requests_of(desk).requests) == 1  # nothing was frozen either


def test_text_beside_the_arrays_of_a_file_does_not_leave(room):
    desk = desk_of(room)
    number = approved(room, desk, WEIGHTS)
    told = safetensors.numpy.save({"w": np.ones(1)}, metadata={"patient": "Xanadu"})
    desk.runner.forge = Produced({}, {}, {"state": told})
    assert b"Xanadu" in told
    assert b"Xanadu" not in stored(room, jobs.run(number, desk).number)


def test_few_bytes_do_not_stand_for_many_objects():
    """A list of so many nothings is refused by its length, before any of them is made."""
    body = b"\x84\xa4type\xa8produced\xa7scalars\x80\xa6tables\x81\xa5wards\x91\xdd\x02\x00\x00\x00" + b"\xc0" * 2**25
    body += b"\xa7tensors\x80"
    tracemalloc.start()
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(body, type=FromJob)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20


def test_a_forged_error_tells_no_value():
    for made in (
        {"error": "x" * 65, "line": 1},
        {"error": "KeyError", "line": 10**6},
        {"error": "KeyError", "line": -1},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(made, Broke)


# -- what cannot be declared ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "results",
    [
        (),
        (Scalar("a"), Scalar("a")),
        (Rows("t", tuple(TableColumn(f"c{place}") for place in range(6)), 100),),
    ],
    ids=["nothing", "twice", "large"],
)
def test_a_declaration_that_nobody_could_read_is_no_job(results):
    with pytest.raises((ValueError, msgspec.ValidationError)):
        msgspec.convert(msgspec.to_builtins(Job("a", "result = {}", READS, results)), Job)
