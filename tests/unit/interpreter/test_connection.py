"""The line to the vault: one question at a time, late answers dropped, every ending said plainly."""

import os
import signal
import socket
import threading

import pytest

from cleanroom_kernel.interpreter.connection import Connection, current, use
from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, CleanRoomWithheld, VaultLost
from cleanroom_kernel.plan.aggregates import Column, Size, Summary
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel
from cleanroom_kernel.protocol.messages import InterpreterRequest, Reply, Welcome
from cleanroom_kernel.protocol.release import Reason, Refusal, Withheld
from tests.unit.interpreter.rooms import SCHEMA

QUESTION = Summary(Table(SCHEMA["stays"]), (Column("rows", Size()),))
WELCOME = Welcome(1, SCHEMA.public(), "standard", (), {})


class ScriptedVault:
    """The other end of the line: says what the test wants said."""

    def __init__(self):
        self.ours, theirs = socket.socketpair()
        self.channel = Channel(theirs, InterpreterRequest, limit=REQUEST_LIMIT)

    def greet(self):
        thread = threading.Thread(target=lambda: self.channel.send(Reply(self.channel.receive().number, WELCOME)))
        thread.start()
        link = Connection.over(self.ours)
        thread.join()
        return link

    def answering(self, *replies):
        """Send replies for the next request; each is a function of its number."""

        def serve():
            number = self.channel.receive().number
            for reply in replies:
                self.channel.send(reply(number))

        thread = threading.Thread(target=serve)
        thread.start()
        return thread


def no(number):
    return Reply(number, Withheld("withheld", "ask less"))


def refused(number):
    return Reply(number, Refusal(Reason.FORBIDDEN, "endpoints", "not shown", "use quantiles"))


def test_a_withheld_answer_is_raised_in_the_vaults_words():
    vault = ScriptedVault()
    link = vault.greet()
    thread = vault.answering(no)
    with pytest.raises(CleanRoomWithheld, match="withheld ask less"):
        link.disclose(QUESTION)
    thread.join()


def test_a_refusal_says_rule_reason_and_what_to_write_instead():
    vault = ScriptedVault()
    link = vault.greet()
    thread = vault.answering(refused)
    with pytest.raises(CleanRoomRefusal) as caught:
        link.disclose(QUESTION)
    thread.join()
    assert (caught.value.rule, caught.value.reason, caught.value.suggestion) == (
        "endpoints",
        Reason.FORBIDDEN,
        "use quantiles",
    )


def test_an_answer_to_an_interrupted_question_is_not_taken_for_the_next_one():
    vault = ScriptedVault()
    link = vault.greet()
    timer = threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        link.disclose(QUESTION)
    timer.join()
    interrupted = vault.channel.receive().number
    vault.channel.send(no(interrupted))
    thread = vault.answering(refused)
    with pytest.raises(CleanRoomRefusal):
        link.disclose(QUESTION)
    thread.join()


def test_request_numbers_increase():
    vault = ScriptedVault()
    link = vault.greet()
    numbers = []
    for _ in range(3):
        thread = vault.answering(lambda number: numbers.append(number) or no(number))
        with pytest.raises(CleanRoomWithheld):
            link.disclose(QUESTION)
        thread.join()
    assert numbers == sorted(set(numbers))


def test_a_vault_that_is_gone_is_said_to_be_gone():
    vault = ScriptedVault()
    link = vault.greet()
    vault.channel.close()
    with pytest.raises(VaultLost, match="ended"):
        link.disclose(QUESTION)


def test_an_answer_of_the_wrong_kind_is_not_believed():
    vault = ScriptedVault()
    link = vault.greet()
    thread = vault.answering(lambda number: Reply(number, WELCOME))
    with pytest.raises(VaultLost):
        link.disclose(QUESTION)
    thread.join()


def test_a_forked_child_does_not_talk_on_its_parents_line():
    vault = ScriptedVault()
    link = vault.greet()
    link._owner = os.getpid() + 1
    with pytest.raises(VaultLost, match="child"):
        link.disclose(QUESTION)


def test_questions_from_several_threads_do_not_mix(here):
    stays, found = here.room["stays"], []
    threads = [threading.Thread(target=lambda n=n: found.append((n, len(stays[stays.age > n])))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(found) == {n: int((here.tables["stays"].age > n).sum()) for n in range(8)}


def test_without_a_room_a_question_says_so(here):
    link = current()
    use(None)
    try:
        with pytest.raises(VaultLost, match="no room"):
            current()
    finally:
        use(link)
