"""Heavy work of a vault process: its turn among others, its memory, and what a crash in it costs."""

from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression
from support.learning import fit_of

from cleanroom_kernel import audit
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.models import Task
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.protocol.messages import (
    WAITING,
    Disclose,
    Interrupt,
    Open,
    Opened,
    Progress,
    TurnGiven,
    TurnOver,
    TurnWanted,
    Unsettled,
)
from cleanroom_kernel.protocol.release import Refusal, Release
from tests.integration.vault.process import TABLE, Vault, mean_age, prepared

FIT = fit_of(TABLE, LinearRegression(), ("age",), "age", Task.REGRESS)


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def opened(place):
    """Vaults of one room and one ledger, opened with the settings of a test."""
    started = []

    def start(preset="permissive", **settings):
        vault = Vault(place, opening=False)
        started.append(vault)
        vault.tell(Open("s1", "ada", str(place / "room"), str(place / "state"), {"preset": preset}, **settings))
        assert isinstance(vault.notice(), Opened)
        return vault

    yield start
    for vault in started:
        vault.__exit__()


def until(vault, kind):
    while not isinstance(vault.notice(), kind):
        pass


def waiting(vault):
    """A vault that waits for its turn to fit, and says so."""
    vault.interpreter.send(Disclose(vault.next(), encode(FIT)))
    vault.give_worker()
    until(vault, TurnWanted)
    while vault.interpreter.receive().answer.what != WAITING:  # it may have told the time before
        pass
    return vault


def answer(vault):
    while isinstance(reply := vault.interpreter.receive().answer, Progress):
        pass
    return reply


def test_a_fit_waits_for_its_turn_and_gives_it_back(opened):
    vault = waiting(opened(turns=True))
    vault.tell(TurnGiven())
    assert isinstance(answer(vault), Release)
    until(vault, TurnOver)


def test_an_interrupt_ends_the_waiting_too(opened):
    vault = waiting(opened(turns=True))
    vault.tell(Interrupt())
    refusal = answer(vault)
    assert isinstance(refusal, Refusal)
    assert "was interrupted" in refusal.message
    until(vault, TurnOver)


def test_statistics_wait_for_nobody(opened):
    assert isinstance(opened(turns=True).disclose(mean_age()).answer, Release)


def test_a_vault_has_the_memory_that_the_owner_gives_it(opened):
    vault = opened(memory=3 << 30)
    limits = Path(f"/proc/{vault.process.pid}/limits").read_text()
    assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max data size")] == [str(3 << 30)]
    assert isinstance(vault.disclose(mean_age()).answer, Release)


def denials(place):
    engine = audit.engine(place / "state")
    with audit.reading(engine) as connection:
        events = [entry.event for entry in audit.entries(connection)]
    engine.dispose()
    return [event for event in events if isinstance(event, audit.Withheld)]


def test_a_question_that_a_vault_died_of_is_charged_to_who_asked_it_and_can_be_asked_again(opened, place):
    owed = Unsettled("s0", "eve", "cell-9", digest(mean_age()), "mean of age")
    vault = opened("standard", unsettled=(owed,))
    (charged,) = denials(place)
    assert (charged.expert, charged.session, charged.cell, charged.rules) == ("eve", "s0", "cell-9", ("vault died",))
    assert isinstance(vault.disclose(mean_age()).answer, Release)


def test_a_question_that_was_answered_before_the_crash_is_not_charged(opened, place):
    owed = Unsettled("s0", "eve", "cell-9", digest(mean_age()), "mean of age")
    assert isinstance(opened("standard").disclose(mean_age()).answer, Release)
    opened("standard", unsettled=(owed,))
    assert denials(place) == []
