"""The line to the vault: one question at a time, late answers dropped, every ending said plainly."""

import os
import signal
import socket
import threading

import msgspec
import pytest

from cleanroom_kernel.interpreter.connection import Connection, current, use
from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, CleanRoomWithheld, VaultLost
from cleanroom_kernel.plan.aggregates import Column, Size, Summary
from cleanroom_kernel.plan.relations import Table
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel
from cleanroom_kernel.protocol.messages import InterpreterRequest, Reply, VaultReplaced, Welcome, Withdraw
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


# -- a vault that dies ------------------------------------------------------------------------------------------------
class Succession:
    """Scripted vaults, one after the other, and the server that hands over the line to the next."""

    def __init__(self):
        self.supply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.vault = ScriptedVault()
        thread = threading.Thread(target=self.greeting)
        thread.start()
        self.link = Connection.over(self.vault.ours, theirs)
        thread.join()

    def greeting(self):
        self.vault.channel.send(Reply(self.vault.channel.receive().number, WELCOME))

    def replace(self, words="it ended", *, at_work=False, answers=()):
        """A new vault that greets, and answers so many questions."""
        self.vault = ScriptedVault()
        vault = self.vault

        def serve():
            vault.channel.send(Reply(vault.channel.receive().number, WELCOME))
            for answer in answers:
                vault.channel.send(answer(vault.channel.receive().number))

        thread = threading.Thread(target=serve)
        thread.start()
        body = msgspec.msgpack.encode(VaultReplaced(words, at_work))
        with vault.ours:
            socket.send_fds(self.supply, [body], [vault.ours.fileno()])
        return thread

    def dies(self):
        self.vault.channel.close()


def test_a_question_after_a_death_goes_to_the_next_vault():
    room = Succession()
    room.dies()
    thread = room.replace(answers=[no])
    with pytest.raises(CleanRoomWithheld):
        room.link.disclose(QUESTION)
    thread.join()


def test_a_question_that_the_dead_vault_had_not_begun_is_asked_again_unnoticed():
    room = Succession()
    vault = room.vault

    def dies_with_it():
        vault.channel.receive()
        vault.channel.close()

    dying = threading.Thread(target=dies_with_it)
    dying.start()
    thread = room.replace(answers=[no])
    with pytest.raises(CleanRoomWithheld):
        room.link.disclose(QUESTION)
    dying.join()
    thread.join()


@pytest.mark.parametrize("ask", [lambda link: link.disclose(QUESTION), lambda link: link.withdraw(1)])
def test_what_a_vault_died_of_is_said_and_not_asked_again(ask):
    room = Succession()
    vault = room.vault

    def dies_with_it():
        request = vault.channel.receive()
        vault.channel.close()
        room.replace("It was too much.", at_work=not isinstance(request, Withdraw))

    dying = threading.Thread(target=dies_with_it)
    dying.start()
    with pytest.raises(VaultLost, match=r"It was too much\. Run the cell again"):
        ask(room.link)
    dying.join()


def test_where_there_is_no_other_vault_every_question_says_so_at_once():
    room = Succession()
    room.dies()
    room.supply.send(msgspec.msgpack.encode(VaultReplaced("It is gone.", at_work=True)))
    for _ in range(2):
        with pytest.raises(VaultLost, match=r"It is gone\. Restart the kernel"):
            room.link.disclose(QUESTION)


def test_a_vault_that_dies_before_it_greets_is_passed_over():
    room = Succession()
    room.dies()
    ours, theirs = socket.socketpair()
    theirs.close()
    socket.send_fds(room.supply, [msgspec.msgpack.encode(VaultReplaced("first", at_work=False))], [ours.fileno()])
    ours.close()
    thread = room.replace(answers=[no])
    with pytest.raises(CleanRoomWithheld):
        room.link.disclose(QUESTION)
    thread.join()
