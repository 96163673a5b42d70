"""The airlock in one process: what is frozen, who may do what to it, and that exactly that leaves."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from support.rooms import call, col, eq, mean, people, summary, total, where

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import AirlockError, Decision
from cleanroom_kernel.disclosure import gate
from cleanroom_kernel.disclosure.airlock import RULE
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.airlock import FOR_THE_OWNER, LONGEST_TEXT, Standing, State, Terms
from cleanroom_kernel.protocol.messages import AskOwner
from cleanroom_kernel.protocol.release import Refusal, Release, Withheld
from cleanroom_kernel.requests.states import ACTORS, BY_TIME, JOB_TRANSITIONS, TABLES, TRANSITIONS, Actor, Kind, Step
from cleanroom_kernel.vault import asking
from cleanroom_kernel.vault.desk import Desk

WARDS = np.array(["A"] * 300 + ["B"] * 296 + ["C"] * 4)
REASON = "for the table of the paper"


@pytest.fixture
def room(room_of):
    return room_of({"patients": people(600, ward=WARDS)})


@pytest.fixture
def few(room):
    return mean(where(room["patients"], eq("ward", "C")), "age")


def desk_of(room, expert="ada", **terms):
    made = Desk(room.schema, room._engine, None, room.policy, room.ledger, expert, "s1", "cell-1")
    made.terms = Terms(**terms)
    return made


def ask(room, question, reason=REASON, expert="ada", **terms):
    return asking.ask_owner(AskOwner(1, encode(question), reason), question, desk_of(room, expert, **terms))


def decide(room, number, person="olga", decision=Decision.APPROVE, comment=""):
    with room.database.begin() as connection:
        return airlock.decide(connection, number, person, decision, comment)


def examine(room, number):
    with audit.reading(room.database) as connection:
        return airlock.examine(connection, number)


def collect(room, number, expert="ada"):
    return asking.collect(number, desk_of(room, expert))


def state(room, number):
    return examine(room, number).request.state


# -- the table --------------------------------------------------------------------------------------------------------
def test_every_step_has_its_actor_and_leads_somewhere():
    assert set(ACTORS) == set(Step)
    assert set(TABLES) == set(Kind)
    assert {step for _, step in JOB_TRANSITIONS} == set(Step)
    assert set(JOB_TRANSITIONS.values()) == set(State)


def test_what_a_checker_may_say_are_the_checkers_steps():
    assert {Step(decision.value) for decision in Decision} | {Step.AGREE} == {
        step for step, actor in ACTORS.items() if actor is Actor.CHECKER
    }


def test_only_an_answer_that_waits_can_change():
    assert {before for before, _ in TRANSITIONS} == {State.ASKED}
    assert set(TRANSITIONS.items()) <= set(JOB_TRANSITIONS.items())


def test_every_state_that_can_change_ends_by_itself():
    """Nothing waits, stands approved or runs for ever."""
    assert set(BY_TIME) == {before for before, _ in JOB_TRANSITIONS}
    assert all((before, step) in JOB_TRANSITIONS for before, step in BY_TIME.items())
    assert {ACTORS[step] for step in BY_TIME.values()} == {Actor.CLOCK}


def test_the_manual_has_the_tables_as_they_are():
    text = (Path(__file__).parents[3] / "docs" / "airlock.md").read_text()
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines() if "|" in line]
    written = [row for row in rows if row[0] in {state.value for state in State}]
    assert sorted(written) == sorted(
        (before.value, step.value, ACTORS[step].value, after.value)
        for before, step, after in {
            *((before, step, after) for (before, step), after in TRANSITIONS.items()),
            *((before, step, after) for (before, step), after in JOB_TRANSITIONS.items()),
        }
    )


# -- the way through --------------------------------------------------------------------------------------------------
def test_a_withheld_answer_is_asked_for_approved_and_handed_over_as_it_was_frozen(room, few):
    assert isinstance(room.ask(few), Withheld)
    asked = ask(room, few)
    assert (asked.state, asked.reason, asked.question) == (State.ASKED, REASON, digest(few))
    seen = examine(room, asked.number)
    assert seen.preview.values[0][0] is not None
    assert seen.request.findings
    decide(room, asked.number, comment="fine")
    got = collect(room, asked.number)
    assert isinstance(got, Release)
    assert msgspec.msgpack.encode(got.payload) == msgspec.msgpack.encode(seen.preview)
    assert got.receipt.rules == (RULE,)
    assert asking.requests_of(desk_of(room)).requests[0].comment == "fine"


def test_the_approval_and_the_release_are_in_the_audit_log_in_this_order(room, few):
    number = ask(room, few).number
    decide(room, number)
    receipt = collect(room, number).receipt
    events = [event for event in room.audited() if not isinstance(event, audit.Withheld)]
    assert [type(event) for event in events] == [audit.RequestMade, audit.RequestStep, audit.Released]
    assert events[0].sha256 == events[1].sha256
    assert (events[1].person, events[1].state) == ("olga", "approved")
    assert events[2].number == receipt.number
    with audit.reading(room.database) as connection:
        assert audit.verify(connection).intact


def test_an_approved_answer_counts_for_later_ones_even_before_it_was_collected(room_of, few):
    """Ada's denials are used up, so the owner settles what no rule speaks against: all but the four of ward C."""
    room = room_of({"patients": people(600, ward=WARDS)}, denials=1)
    room.ask(few)
    rest = total(where(room["patients"], call("not_equal", col("ward"), "C")), "age")
    assert room.ask(rest).rule == "denials"
    number = ask(room, rest).number
    assert examine(room, number).request.findings == ("no rule; a budget of the expert's or of the measure is used up",)
    decide(room, number)
    nearly = room.ask(total(room["patients"], "age"), expert="bob")
    assert nearly.payload.values == examine(room, number).preview.values
    assert "as released before" in nearly.receipt.precision


def test_a_request_that_was_rejected_counts_for_nothing(room_of, few):
    room = room_of({"patients": people(600, ward=WARDS)}, denials=1)
    room.ask(few)
    rest = total(where(room["patients"], call("not_equal", col("ward"), "C")), "age")
    decide(room, ask(room, rest).number, decision=Decision.REJECT)
    assert "as released before" not in room.ask(total(room["patients"], "age"), expert="bob").receipt.precision


def test_a_table_with_suppressed_cells_can_be_asked_for_whole(room_of):
    declared = Column("ward", DType.STRING, categories=("A", "B", "C"))
    room = room_of({"patients": people(600, ward=WARDS)}, columns=(declared,))
    table = summary(room["patients"], a.Mean(col("age")), by="ward")
    assert room.ask(table).receipt.suppressed == 1
    number = ask(room, table).number
    decide(room, number)
    payload = collect(room, number).payload
    assert payload.rows == (("A",), ("B",), ("C",))
    assert not any(map(any, payload.suppressed))
    assert room.ask(table).receipt.suppressed == 1  # asked again in the notebook, it is what it was


def test_a_measure_that_is_scaled_is_frozen_as_it_would_be_shown(room_of):
    """Against the same questions of a room whose rules let them through."""
    tables = {"patients": people(600, ward=WARDS)}
    room, open_room = room_of(tables), room_of(tables, preset="permissive", count_base=1)
    for of in (call("multiply", col("age"), 3), call("add", call("multiply", col("age"), 2), 7.5)):
        question, theirs = (mean(where(one["patients"], eq("ward", "C")), of) for one in (room, open_room))
        preview = examine(room, ask(room, question).number).preview
        truth = open_room.ask(theirs).payload.values[0][0]
        assert preview.values[0][0] == pytest.approx(truth, rel=0.5)


def test_free_measures_are_charged_when_the_owner_lets_them_out(room):
    free = mean(where(room["patients"], eq("ward", "C")), call("clip", col("cost"), options=(100, 900)))
    room.ask(free)
    number = ask(room, free).number
    charged = "SELECT coalesce(sum(numbers), 0) FROM ledger_charges"
    with room.database.begin() as connection:
        before = connection.exec_driver_sql(charged).scalar_one()
    decide(room, number)
    with room.database.begin() as connection:
        assert connection.exec_driver_sql(charged).scalar_one() > before


def test_every_refusal_that_sends_to_the_owner_is_one_that_can_be_asked_for():
    source = Path(gate.__file__).read_text()
    named = re.findall(r"self\.review\(\s*\"([^\"]+)\"", source)
    assert set(named) == set(FOR_THE_OWNER)


def test_labels_that_few_share_are_in_no_preview(room):
    table = summary(room["patients"], a.Mean(col("age")), by="ward")
    assert ("C",) not in room.ask(table).payload.rows
    assert isinstance(ask(room, table), Refusal)  # nothing that the expert knows of is withheld


def test_an_answer_is_handed_over_again_as_often_as_it_is_asked_for(room, few):
    number = ask(room, few).number
    decide(room, number)
    one, other = collect(room, number), collect(room, number)
    assert one.payload == other.payload
    assert other.receipt.number == one.receipt.number + 1


# -- what is not asked for --------------------------------------------------------------------------------------------
def test_what_is_not_withheld_is_not_asked_for(room):
    assert ask(room, mean(room["patients"], "age")) == asking.NOTHING_WITHHELD


def test_a_structural_no_stays_one(room):
    refused = ask(room, summary(room["patients"], a.Extreme(col("age"), True)))
    assert isinstance(refused, Refusal)
    assert refused.rule != "request"
    assert asking.requests_of(desk_of(room)).requests == ()


def test_a_table_that_nobody_can_look_through_is_not_frozen(room):
    table = summary(where(room["patients"], eq("ward", "C")), *(a.Quantile(col("age"), q / 600) for q in range(600)))
    assert isinstance(room.ask(table), Withheld)
    asked = ask(room, table)
    assert examine(room, asked.number).preview is None
    with pytest.raises(AirlockError, match="nothing to approve"):
        decide(room, asked.number)


def test_a_number_about_one_patient_is_a_row_and_is_not_frozen(room_of):
    ages = np.array([40] * 598 + [98, 99])
    room = room_of({"patients": people(600, age=ages)})
    for oldest, values in ((99, ((None,),)), (100, ((None,),))):  # one patient, and nobody
        question = mean(where(room["patients"], call("greater_equal", col("age"), oldest)), "cost")
        number = ask(room, question).number
        assert examine(room, number).preview.values == values
    two = ask(room, mean(where(room["patients"], call("greater_equal", col("age"), 98)), "cost")).number
    assert examine(room, two).preview.values[0][0] is not None


def test_a_reason_is_needed(room, few):
    assert ask(room, few, reason="  ") == asking.NO_REASON


# -- who may do what --------------------------------------------------------------------------------------------------
def test_an_expert_gets_nothing_before_the_approval_and_nothing_of_others(room, few):
    number = ask(room, few).number
    assert isinstance(collect(room, number), Refusal)
    decide(room, number)
    eve = collect(room, number, expert="eve")
    assert isinstance(eve, Refusal)
    assert eve.message == collect(room, 999, expert="eve").message.replace("999", str(number))
    assert asking.requests_of(desk_of(room, "eve")).requests == ()
    assert isinstance(asking.withdraw(number, desk_of(room, "eve")), Refusal)


def test_an_expert_cannot_approve_a_request_of_their_own(room, few):
    number = ask(room, few).number
    for name in ("ada", " Ada "):
        with pytest.raises(AirlockError, match="their own"):
            decide(room, number, person=name)
    assert state(room, number) is State.ASKED


def test_two_checkers_are_two_persons(room, few):
    number = ask(room, few, checkers=2).number
    assert decide(room, number, "olga").state is State.ASKED
    with pytest.raises(AirlockError, match="another checker"):
        decide(room, number, "Olga ")
    assert isinstance(collect(room, number), Refusal)
    assert asking.requests_of(desk_of(room)).requests[0].agreed == 1
    assert decide(room, number, "oleg").state is State.APPROVED
    assert isinstance(collect(room, number), Release)


def test_of_two_checkers_one_can_say_no(room, few):
    number = ask(room, few, checkers=2).number
    decide(room, number, "olga")
    assert decide(room, number, "oleg", Decision.REJECT, "too few").state is State.REJECTED
    assert isinstance(collect(room, number), Refusal)


@pytest.mark.parametrize("end", [Decision.APPROVE, Decision.REJECT, Decision.RETURN])
def test_what_is_decided_is_decided(room, few, end):
    number = ask(room, few).number
    decide(room, number, decision=end, comment="because")
    for again in Decision:
        with pytest.raises(AirlockError):
            decide(room, number, "oleg", again, "again")
    assert isinstance(asking.withdraw(number, desk_of(room)), Refusal)


def test_a_request_that_was_withdrawn_cannot_be_approved(room, few):
    number = ask(room, few).number
    assert asking.withdraw(number, desk_of(room)).state is State.WITHDRAWN
    with pytest.raises(AirlockError, match="withdrawn"):
        decide(room, number)


def test_a_request_that_waited_too_long_is_expired_whether_that_is_written_down_or_not(room, few):
    number = ask(room, few, days=-1).number
    assert state(room, number) is State.EXPIRED
    with pytest.raises(AirlockError, match="expired"):
        decide(room, number)
    with room.database.begin() as connection:
        assert airlock.is_any_late(connection)
        airlock.expire(connection)
        assert not airlock.is_any_late(connection)
    assert room.audited()[-1].state == "expired"


def test_a_request_is_returned_with_words(room, few):
    number = ask(room, few).number
    with pytest.raises(AirlockError, match="comment"):
        decide(room, number, decision=Decision.RETURN, comment=" ")
    decide(room, number, decision=Decision.RETURN, comment="which table?")
    again = ask(room, few, reason="table 2")
    assert again.number != number
    assert ask(room, few, reason="table 2").number == again.number  # a notebook that is run again asks once


def test_an_expert_cannot_flood_the_owner(room):
    patients = room["patients"]
    questions = [mean(where(patients, eq("age", age)), "cost") for age in range(18, 60)]
    withheld = [question for question in questions if isinstance(room.ask(question), Withheld)]
    assert len(withheld) > 3
    numbers = [ask(room, question, open_requests=3).number for question in withheld[:3]]
    refused = ask(room, withheld[3], open_requests=3)
    assert isinstance(refused, Refusal)
    assert "limit" in refused.message
    assert isinstance(ask(room, withheld[3], expert="bob", open_requests=3), Standing)  # others are not held up
    decide(room, numbers[0], decision=Decision.REJECT)
    assert isinstance(ask(room, withheld[3], open_requests=3), Standing)


def test_texts_have_a_length(room, few):
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(
            msgspec.msgpack.encode(AskOwner(1, encode(few), "x" * (LONGEST_TEXT + 1))), type=AskOwner
        )
    number = ask(room, few).number
    with pytest.raises(AirlockError, match="characters"):
        decide(room, number, comment="x" * (LONGEST_TEXT + 1))


# -- what was frozen --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    ["UPDATE airlock_requests SET frozen = x'00'", "UPDATE airlock_requests SET expert = 'eve'",
     "DELETE FROM airlock_requests", "UPDATE airlock_steps SET person = 'oleg'", "DELETE FROM airlock_steps"],
)  # fmt: skip
def test_what_was_frozen_and_decided_cannot_be_changed(room, few, change):
    decide(room, ask(room, few).number)
    with pytest.raises(sa.exc.IntegrityError, match="does not change"), room.database.begin() as connection:
        connection.exec_driver_sql(change)


def test_bytes_that_are_not_those_that_were_approved_do_not_leave(room, few):
    """Somebody has got past the database's own guard."""
    number = ask(room, few).number
    decide(room, number)
    with room.database.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER airlock_requests_refuses_update")
        connection.exec_driver_sql("UPDATE airlock_requests SET frozen = CAST(frozen || x'00' AS BLOB)")
    with pytest.raises(RuntimeError, match="not the one that was approved"):
        collect(room, number)


def test_no_message_to_an_expert_holds_the_preview(room, few):
    number = ask(room, few).number
    value = examine(room, number).preview.values[0][0]
    assert value is not None
    heard = msgspec.to_builtins(asking.requests_of(desk_of(room)))
    assert value not in _leaves(heard)
    assert not any("count" in str(leaf) for leaf in _leaves(heard))  # nor which rule spoke


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]
