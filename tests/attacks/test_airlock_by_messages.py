"""Attacks by way of the airlock, through a real vault process: a hostile interpreter has the whole line to itself.

It may ask, list, withdraw and collect; it must not approve, alter, read a preview, flood the owner, or learn from being
let ask whether anybody is behind a question.
"""

from __future__ import annotations

import struct

import msgspec
import pytest

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import Call, IsIn, Literal, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.relations import Filter
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.airlock import LONGEST_TEXT, Standing, Standings, State
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, Channel
from cleanroom_kernel.protocol.messages import AskOwner, Collect, ListRequests, Withdraw
from cleanroom_kernel.protocol.release import Reason, Refusal, Release
from tests.integration.vault.process import TABLE, Vault, prepared

REASON = "for the paper"


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def vault(place):
    with Vault(place) as vault:
        yield vault


def mean_of(*cities: str) -> a.Summary:
    some = Filter(TABLE, IsIn(Value("city"), cities))
    return a.Summary(some, (a.Column("age", a.Mean(Value("age"))),))


FOUR = mean_of("Xanadu-1", "Xanadu-2", "Xanadu-3", "Xanadu-4")
ONE, NOBODY = mean_of("Xanadu-7"), mean_of("Xanadu-nowhere")


def ask(vault, question, reason=REASON):
    return vault.ask(AskOwner(vault.next(), encode(question), reason)).answer


def examine(place, number):
    with audit.reading(audit.engine(place / "state")) as connection:
        return airlock.examine(connection, number)


def decide(place, number, decision=Decision.APPROVE):
    with audit.engine(place / "state").begin() as connection:
        airlock.decide(connection, number, "olga", decision, "because")


@pytest.mark.parametrize("kind", ["approve", "decide", "request-step", "collect"])
def test_nothing_that_an_interpreter_sends_approves(vault, place, kind):
    asked = ask(vault, FOUR)
    forged = {
        "type": kind, "number": vault.next(), "request": asked.number, "decision": "approve", "person": "olga",
        "state": "approved", "comment": "",
    }  # fmt: skip
    vault.raw(msgspec.msgpack.encode(forged))
    assert vault.interpreter.receive().answer.reason is Reason.MALFORMED
    refused = vault.ask(Collect(vault.next(), asked.number)).answer
    assert isinstance(refused, Refusal)
    assert examine(place, asked.number).request.state is State.ASKED


def test_the_preview_is_in_no_byte_that_an_interpreter_hears(vault, place):
    asked = ask(vault, FOUR)
    value = examine(place, asked.number).preview.values[0][0]
    assert value is not None
    packed = struct.pack(">d", value)
    anything = Channel(vault.socket, msgspec.Raw, limit=ANSWER_LIMIT)
    for request in (
        AskOwner(vault.next(), encode(FOUR), REASON),
        ListRequests(vault.next()),
        Collect(vault.next(), asked.number),
        Withdraw(vault.next(), asked.number),
        ListRequests(vault.next()),
    ):
        anything.send(request)
        heard = bytes(anything.receive())
        assert packed not in heard
        assert b"minimum count" not in heard  # nor is what spoke against it


def test_being_let_ask_does_not_tell_whether_anybody_is_there(vault):
    heard = []
    for question in (ONE, NOBODY, FOUR):
        standing = ask(vault, question)
        assert isinstance(standing, Standing)
        heard.append(msgspec.structs.replace(standing, number=0, question="", title="", asked="", expires=""))
    assert heard[0] == heard[1] == heard[2]


def test_an_interpreter_cannot_flood_the_owner_with_requests_or_words(vault):
    answers = [ask(vault, mean_of(f"Xanadu-{place}", f"Xanadu-{place + 1}")) for place in range(14)]
    assert [type(answer) for answer in answers] == [Standing] * 10 + [Refusal] * 4
    too_long = AskOwner(vault.next(), encode(ONE), "x" * (LONGEST_TEXT + 1))
    assert vault.ask(too_long).answer.reason is Reason.MALFORMED
    assert len(vault.ask(ListRequests(vault.next())).answer.requests) == 10


def test_rows_and_structural_refusals_are_not_asked_for(vault):
    endpoint = a.Summary(TABLE, (a.Column("oldest", a.Extreme(Value("age"), True)),))
    by_patient = Filter(TABLE, Call(Function.GREATER, (Value("age"), Literal(68, DType.INTEGER))))
    for question in (endpoint, a.Summary(by_patient, (a.Column("oldest", a.Extreme(Value("age"), True)),))):
        refused = ask(vault, question)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.FORBIDDEN
    assert vault.ask(ListRequests(vault.next())).answer == Standings(())


def test_what_was_frozen_leaves_byte_for_byte_and_survives_the_death_of_its_vault(place):
    with Vault(place) as vault:
        number = ask(vault, FOUR).number
        vault.process.kill()
    frozen = msgspec.msgpack.encode(examine(place, number).preview)
    decide(place, number)
    with Vault(place) as vault:
        vault.cell("c")
        got = vault.ask(Collect(vault.next(), number)).answer
        assert isinstance(got, Release)
        assert msgspec.msgpack.encode(got.payload) == frozen
        assert vault.notice().receipt == got.receipt  # the server hears it from the vault, before
    with audit.reading(audit.engine(place / "state")) as connection:
        assert audit.verify(connection).intact
        kinds = [type(entry.event) for entry in audit.entries(connection)]
    assert kinds[-3:] == [audit.RequestMade, audit.RequestStep, audit.Released]


def test_a_request_that_was_rejected_or_withdrawn_gives_nothing(vault, place):
    rejected, withdrawn = ask(vault, FOUR).number, ask(vault, ONE).number
    decide(place, rejected, Decision.REJECT)
    assert vault.ask(Withdraw(vault.next(), withdrawn)).answer.state is State.WITHDRAWN
    for number in (rejected, withdrawn, 999):
        assert isinstance(vault.ask(Collect(vault.next(), number)).answer, Refusal)
