"""Requests to the owner as they feel in a notebook: ask with the code, get what the code would have given."""

import pandas as pd
import pytest

from cleanroom_kernel import airlock
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.interpreter import connection
from cleanroom_kernel.interpreter.asking import Request
from cleanroom_kernel.interpreter.errors import CleanRoomError, CleanRoomRefusal, CleanRoomWithheld
from tests.unit.interpreter.rooms import world

REASON = "table 3 of the <b>paper</b>"


@pytest.fixture
def ward(permissive_world):
    made = world(rows=1_500, preset="standard", count_base=1, influence_rounding=False)
    yield made
    connection.use(permissive_world.room._connection)


@pytest.fixture
def few(ward):
    """Code that asks about too few."""
    stays = ward.room["stays"]
    return lambda: stays[(stays.age == 38) & (stays.ward == "south")].los.mean()


def decide(ward, number, decision=Decision.APPROVE, comment=""):
    with ward.vault.desk.ledger.book() as book:
        airlock.decide(book.connection, number, "olga", decision, comment)


def test_an_approved_result_is_what_the_code_gives(ward, few):
    with pytest.raises(CleanRoomWithheld, match="request_release"):
        few()
    request = ward.room.request_release(few, REASON)
    assert request.state == "asked"
    with pytest.raises(CleanRoomRefusal, match="not approved"):
        request.result()
    decide(ward, request.number, comment="go on")
    stays = ward.tables["stays"]
    truth = stays[(stays.age == 38) & (stays.ward == "south")].los.mean()
    assert request.result() == pytest.approx(truth, rel=1e-3)
    assert (request.state, request.comment) == ("approved", "go on")
    assert ward.room.receipts[-1].expert == "ada"
    with pytest.raises(CleanRoomWithheld):
        few()


def test_an_approved_table_has_the_shape_that_pandas_gives(ward):
    stays = ward.room["stays"][ward.room["stays"].age == 38]
    request = ward.room.request_release(lambda: stays.groupby("ward").los.mean().round(1), REASON)
    decide(ward, request.number)
    rows = ward.tables["stays"][ward.tables["stays"].age == 38]
    pd.testing.assert_series_equal(request.result(), rows.groupby("ward").los.mean().round(1), rtol=1e-2)


def test_after_a_restart_the_value_is_there_without_the_code(ward, few):
    number = ward.room.request_release(few, REASON).number
    decide(ward, number)
    (found,) = ward.room.requests()
    assert found.number == number
    assert isinstance(found.result(), float)


def test_the_same_code_run_again_is_the_same_request(ward, few):
    assert ward.room.request_release(few, REASON).number == ward.room.request_release(few, REASON).number
    assert len(ward.room.requests()) == 1


def test_the_error_stands_for_its_question_and_so_does_its_name(ward, few):
    with pytest.raises(CleanRoomWithheld) as withheld:
        few()
    request = ward.room.request_release(withheld.value, REASON)
    assert ward.room.request_release(withheld.value.question[:12], REASON).number == request.number


def test_a_table_with_suppressed_cells_stands_for_its_question(ward):
    stays = ward.room["stays"]
    table = stays[stays.age > 97].groupby("ward").los.mean()
    if not any(receipt.suppressed for receipt in ward.room.receipts):
        pytest.fail("nothing was suppressed, so this tests nothing")
    request = ward.room.request_release(table, REASON)
    decide(ward, request.number)
    assert request.result().notna().all()


def test_what_is_not_withheld_is_not_asked_for(ward):
    stays = ward.room["stays"]
    with pytest.raises(CleanRoomError, match="Nothing of this result is withheld"):
        ward.room.request_release(lambda: stays.los.mean(), REASON)
    with pytest.raises(CleanRoomRefusal, match="one patient's value"):
        ward.room.request_release(lambda: stays.los.max(), REASON)
    with pytest.raises(CleanRoomError, match="names no question"):
        ward.room.request_release(stays, REASON)
    assert ward.room.requests() == ()


def test_a_request_is_taken_back(ward, few):
    request = ward.room.request_release(few, REASON)
    assert request.withdraw().state == "withdrawn"


def test_what_people_wrote_is_shown_as_text(ward, few):
    request = ward.room.request_release(few, REASON)
    decide(ward, request.number, Decision.RETURN, "<script>alert(1)</script>")
    shown = request._repr_html_() + ward.room.requests()._repr_html_()
    assert "<script>" not in shown
    assert "<b>paper" not in shown
    assert "&lt;script&gt;" in shown
    assert "alert(1)" in repr(request)


def test_seeking_leaves_nothing_behind(ward, few):
    ward.room.request_release(few, REASON)
    with pytest.raises(CleanRoomWithheld):
        few()
    assert isinstance(ward.room.requests()[0], Request)
