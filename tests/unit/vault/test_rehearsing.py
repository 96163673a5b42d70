"""Rehearsals: past questions judged again by a draft, as of their day, and nothing of it anywhere but in its rows."""

from __future__ import annotations

import numpy as np
import pytest
from support.rooms import Room, col, eq, mean, people, size, where

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.disclosure.candidate import Asker
from cleanroom_kernel.disclosure.ledger import Asked
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import RowFunction
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.airlock import State
from cleanroom_kernel.protocol.messages import AskOwner, Disclose
from cleanroom_kernel.protocol.rehearsal import Begun, Change, Finished, Judged, Outcome
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.rehearsing import CALLS, Known, rehearse
from cleanroom_kernel.vault.session import Session

KEY = b"the room's key, of thirty-two by"
WARDS = np.array(["A"] * 300 + ["B"] * 80 + ["C"] * 14 + ["D"] * 6)


class Asking(Room):
    """A room whose questions come as a session's requests, so that their plans are kept."""

    numbers = 0

    def say(self, request, expert="ada"):
        desk = Desk(self.schema, self._engine, None, self.policy, self.ledger, expert, "s1", "cell-1")
        return Session(desk, print, lambda notice: None).step(request, "cell-1")[0].answer

    def ask(self, aggregate, expert="ada", session="s1"):
        self.numbers += 1
        return self.say(Disclose(self.numbers, encode(aggregate)), expert)

    def by_ward(self):
        return mean(self["patients"], "cost", by="ward")

    def few(self):
        return mean(where(self["patients"], eq("ward", "D")), "cost")

    def all_patients(self):
        return size(self["patients"])

    def rehearsed(self, **draft):
        known = Known(self._engine.tables, self.database, KEY)
        begun, *rows, finished = list(rehearse(known, Policy.from_settings(draft).snapshot(), print))
        assert begun == Begun(len(rows))
        assert finished == Finished()
        return rows


@pytest.fixture
def room(tmp_path):
    return Asking({"patients": people(400, ward=WARDS)}, tmp_path, key=KEY, jitter=0)


def test_the_same_policy_changes_nothing(room):
    for question in (room.by_ward(), room.few(), room.all_patients()):
        room.ask(question)
    rows = room.rehearsed(jitter=0)
    assert [row.then.outcome for row in rows] == [Outcome.RELEASED, Outcome.WITHHELD, Outcome.RELEASED]
    assert [(row.change, row.shown, row.hidden, row.moved) for row in rows] == [(Change.SAME, 0, 0, 0)] * 3
    assert [row.then for row in rows] == [row.now for row in rows]


def test_a_wider_policy_lets_a_question_pass_and_shows_a_cell(room):
    room.ask(room.by_ward())
    room.ask(room.few())
    table, few = room.rehearsed(preset="relaxed", minimum_units=5)
    assert (table.change, table.shown, table.hidden) == (Change.CHANGES, 1, 0)
    assert (few.change, few.then.outcome, few.now.outcome) == (Change.PASSES, Outcome.WITHHELD, Outcome.RELEASED)
    assert "minimum count" in few.then.rules


def test_a_stricter_policy_hides_cells_and_rounds_more(room):
    room.ask(size(room["patients"], by="ward"))
    (table,) = room.rehearsed(jitter=0, minimum_units=20, count_base=100)
    assert (table.change, table.hidden, table.moved) == (Change.CHANGES, 1, 1)  # 80 become 100, and 300 are 300
    assert table.then.precision != table.now.precision


def test_a_stricter_policy_fails_a_question(room):
    room.ask(mean(where(room["patients"], eq("ward", "C")), "cost"))
    (row,) = room.rehearsed(jitter=0, minimum_units=20)
    assert (row.change, row.hidden) == (Change.FAILS, 1)
    assert "minimum count" in row.now.rules


def test_what_a_number_is_compared_with_is_what_the_draft_would_have_let_out(room):
    """Beside the wards' numbers, that of all patients tells how many are in the smallest one: unless two are hidden."""
    room.ask(size(room["patients"], by="ward"))
    room.ask(room.all_patients())
    _, number = room.rehearsed(jitter=0, minimum_units=20)
    assert (number.change, number.then.rules) == (Change.PASSES, ("linear combinations",))


def test_budgets_count_as_they_would_have(room):
    """The second question fails only because the first would have used the budget up."""
    room.ask(room.few())
    room.ask(room.all_patients())
    few, number = room.rehearsed(jitter=0, denials=1)
    assert few.change is Change.SAME
    assert (number.change, number.now.rules) == (Change.FAILS, ("denials",))


def test_a_question_of_two_experts_is_judged_for_both_and_a_repeated_one_once(room):
    for expert in ("ada", "bea", "ada"):
        room.ask(room.all_patients(), expert)
    assert [row.expert for row in room.rehearsed(jitter=0)] == ["ada", "bea"]


def test_what_the_owner_let_out_counts_for_later_questions(room):
    """Approved as it is, whatever the policy: a number that differs from it by few is withheld, then and now."""
    few = room.few()
    room.ask(few)
    room.numbers += 1
    assert room.say(AskOwner(room.numbers, encode(few), "for the paper")).state is State.ASKED
    with room.database.begin() as connection:
        airlock.decide(connection, 1, "olga", Decision.APPROVE, "")
    later = room.ask(room.few())
    rows = room.rehearsed(jitter=0)
    assert [(row.change, row.then.outcome) for row in rows] == [(Change.SAME, Outcome.WITHHELD)]
    assert type(later).__name__ == "Withheld"


def test_a_rehearsal_writes_nothing_into_the_room(room):
    room.ask(room.by_ward())
    room.ask(room.few())

    def content():
        with audit.reading(room.database) as connection:
            tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
            return {name: connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in tables}

    before = content()
    assert len(room.rehearsed(preset="strict")) == 2
    assert content() == before


def test_no_row_of_it_holds_a_value_or_a_label(room):
    answer = room.ask(room.by_ward())
    (row,) = room.rehearsed(preset="strict")
    assert isinstance(row, Judged)
    values = {str(value) for value in answer.payload.values[0] if value is not None}
    assert not any(value in str(row) for value in values)
    assert not any(f"'{label}'" in str(row) for (label,) in answer.payload.rows)


def test_a_plan_that_cannot_be_read_or_was_too_large_is_left_out_and_said(room):
    with room.ledger.keeping(Asked(Asker("ada", "s1", "c"), "unreadable", b"no plan")), room.ledger.book():
        pass
    noise = np.random.default_rng(0).bytes(2**17)
    with room.ledger.keeping(Asked(Asker("ada", "s1", "c"), "large", noise)), room.ledger.book():
        pass
    unreadable, large = room.rehearsed()
    assert (unreadable.change, large.change) == (Change.LEFT_OUT, Change.LEFT_OUT)
    assert "schema has changed" in unreadable.why
    assert "too large" in large.why


def test_a_question_that_calls_a_function_for_each_row_is_left_out_and_said(room):
    called = RowFunction("answer = lambda x: x * 2", (col("age"),), DType.FLOAT)
    room.ask(mean(room["patients"], called))
    (row,) = room.rehearsed()
    assert row.change is Change.LEFT_OUT
    assert row.why == CALLS


def test_a_question_is_kept_with_who_asked_and_its_identity(room):
    room.ask(room.few())
    with room.ledger.book() as book:
        kept = book.connection.exec_driver_sql("SELECT question, expert, cell FROM ledger_questions").all()
    assert kept == [(digest(room.few()), "ada", "cell-1")]
