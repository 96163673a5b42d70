"""The ledger cannot be read or written: the answer is a refusal, and no number leaves without its record."""

import time

import pytest
import sqlalchemy as sa
from support.rooms import Room, mean, people, size

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure import ledger
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.protocol.messages import Disclose
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault import session as sessions
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.memory import SHORT
from cleanroom_kernel.vault.session import FAILED, Session


class Asking(Room):
    """A room whose questions come as one session's requests; `log` is what its owner reads."""

    number = 0

    def say(self, aggregate):
        self.number += 1
        self.log = []
        desk = Desk(self.schema, self._engine, None, self.policy, self.ledger, "ada", "s1", "cell-1")
        reply, notices = Session(desk, self.log.append, lambda notice: None).step(
            Disclose(self.number, encode(aggregate)), "cell-1"
        )
        self.told = notices
        return reply.answer


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "BUSY_SECONDS", 0.2)
    return Asking({"patients": people(300)}, tmp_path)


def releases(room):
    return [event for event in room.audited() if isinstance(event, audit.Released)]


def test_a_locked_database_is_waited_for_and_then_refused(room):
    with room.database.connect() as other:  # begins with the writers' lock
        other.exec_driver_sql("SELECT 1")
        assert room.say(mean(room["patients"], "age")) == FAILED
        assert room.log[-1].startswith("OperationalError at ")
    assert releases(room) == []
    assert isinstance(room.say(mean(room["patients"], "age")), Release)


def test_on_a_read_only_disk_nothing_is_released(room):
    """SQLite says of such a connection what it says of a file on a disk that became read-only."""

    @sa.event.listens_for(room.database, "connect")
    def read_only(connection, _record):
        connection.execute("PRAGMA query_only = ON")

    room.database.dispose()
    assert room.say(mean(room["patients"], "age")) == FAILED
    assert room.log[-1].startswith("OperationalError at ")
    assert releases(room) == []
    sa.event.remove(room.database, "connect", read_only)
    room.database.dispose()
    assert isinstance(room.say(mean(room["patients"], "age")), Release)


def test_a_database_that_is_damaged_under_a_vault_gives_no_answer(room, tmp_path):
    assert isinstance(room.say(size(room["patients"])), Release)
    room.database.dispose()
    path = tmp_path / audit.DATABASE
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 60_000)
    answer = room.say(mean(room["patients"], "age"))
    assert answer == FAILED
    assert room.log[-1].startswith("DatabaseError at ")
    assert not any(isinstance(notice, sessions.Released) for notice in room.told)


def test_a_clock_that_jumps_back_loses_no_entry_and_no_denial(room, monkeypatch):
    assert isinstance(room.say(size(room["patients"])), Release)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr(ledger.time, "time", lambda: 1.0)
    assert isinstance(room.say(mean(room["patients"], "age")), Release)
    with audit.reading(room.database) as connection:
        assert audit.verify(connection).intact
    assert [event.number for event in releases(room)] == [1, 2]


def test_a_question_that_is_short_of_memory_says_whose_limit_that_is(room, monkeypatch):
    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr(sessions, "answer", greedy)
    answer = room.say(mean(room["patients"], "age"))
    assert answer == SHORT
    assert isinstance(answer, Refusal)
    assert "Server.vault_memory" in answer.suggestion
    assert [event.rules for event in room.audited() if isinstance(event, audit.Withheld)] == [("failed",)]
