"""The audit log: order, chain, privacy of the file, and many processes at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import typing

import msgspec
import pytest
import sqlalchemy as sa

from cleanroom_kernel import audit


@pytest.fixture
def engine(tmp_path):
    made = audit.engine(tmp_path / "state")
    yield made
    made.dispose()


def write(engine, *events):
    with engine.begin() as connection:
        return [audit.append(connection, event) for event in events]


def started(name="s1"):
    return audit.SessionStarted(session=name, expert="ada", room="ward", address="127.0.0.1")


def python(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_entries_come_back_in_order_with_their_events(engine):
    write(engine, started("a"), started("b"))
    write(engine, audit.SessionEnded("a", "ada", audit.Ending.IDLE))
    with audit.reading(engine) as connection:
        read = list(audit.entries(connection))
    assert [entry.sequence for entry in read] == [1, 2, 3]
    assert read[0].event == started("a")
    assert read[2].event.reason is audit.Ending.IDLE


def test_since_and_limit_cut_the_log_to_a_page(engine):
    write(engine, *(started(str(i)) for i in range(5)))
    with audit.reading(engine) as connection:
        assert [e.sequence for e in audit.entries(connection, since=2, limit=2)] == [3, 4]


def test_an_entry_is_gone_with_its_transaction(engine):
    """What is written together is lost together: no release without its entry, and no entry without its release."""
    write(engine, started("kept"))
    with engine.connect() as connection, connection.begin() as transaction:
        audit.append(connection, started("undone"))
        transaction.rollback()
    (entry,) = write(engine, started("next"))
    assert entry.sequence == 2
    with audit.reading(engine) as connection:
        assert audit.verify(connection).entries == 2


def test_the_chain_verifies_and_its_head_is_the_last_entrys_hash(engine):
    *_, last = write(engine, started("a"), started("b"))
    with audit.reading(engine) as connection:
        assert audit.verify(connection) == audit.Verification(2, last.chain, None)


def test_an_empty_log_is_intact(engine):
    with audit.reading(engine) as connection:
        assert audit.verify(connection) == audit.Verification(0, audit.BEGINNING, None)


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE audit SET body = replace(body, 'ada', 'eve') WHERE sequence = 2",
        "UPDATE audit SET time = '2020-01-01T00:00:00.000Z' WHERE sequence = 2",
        "UPDATE audit SET chain = (SELECT chain FROM audit WHERE sequence = 1) WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 2",
        "UPDATE audit SET sequence = 10 WHERE sequence = 2",
    ],
)
def test_a_forged_entry_breaks_the_chain_where_it_lies(engine, tmp_path, forgery):
    write(engine, *(started(str(i)) for i in range(4)))
    raw = sqlite3.connect(tmp_path / "state" / audit.DATABASE)
    raw.execute("DROP TRIGGER audit_refuses_update")
    raw.execute("DROP TRIGGER audit_refuses_delete")
    assert raw.execute(forgery).rowcount == 1
    raw.commit()
    raw.close()
    with audit.reading(engine) as connection:
        assert audit.verify(connection).broken_at == 2


@pytest.mark.parametrize("change", ["UPDATE audit SET time = ''", "DELETE FROM audit"])
def test_the_table_itself_refuses_changes(engine, change):
    write(engine, started())
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError, match="append-only"):
        connection.exec_driver_sql(change)


def test_a_reading_connection_cannot_append_and_keeps_no_writer_waiting(engine):
    with audit.reading(engine) as connection:
        assert list(audit.entries(connection)) == []
        with pytest.raises(RuntimeError):
            audit.append(connection, started())
        write(engine, started())  # would wait for BUSY_SECONDS if the reader held the lock


def test_the_database_is_private_and_durable(engine, tmp_path):
    write(engine, started())
    directory = tmp_path / "state"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": audit.BUSY_SECONDS * 1000,
    }


def test_every_kind_of_event_is_in_the_closed_union():
    assert set(typing.get_args(audit.AnyEvent)) == set(audit.Event.__subclasses__())


def test_an_unknown_kind_of_event_does_not_decode():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind":"party held"}', type=audit.AnyEvent)


def test_code_that_is_no_valid_unicode_is_recorded_all_the_same(engine):
    (entry,) = write(engine, audit.CellExecuted.of("s", "ada", "c", "print('\ud800')"))
    with audit.reading(engine) as connection:
        assert audit.verify(connection).intact
        assert next(audit.entries(connection)).event == entry.event


def test_racing_processes_make_one_unbroken_chain(tmp_path):
    """They race from the very first step: none of them finds the file made."""
    code = """
        import sys
        from cleanroom_kernel import audit
        engine = audit.engine(sys.argv[1])
        for i in range(40):
            with engine.begin() as connection:
                print(audit.append(connection, audit.RoomClosed(f"{sys.argv[2]}-{i}")).sequence)
    """
    racers = [python(code, tmp_path / "state", name) for name in "abcd"]
    numbers = [int(line) for racer in racers for line in racer.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 161))
    engine = audit.engine(tmp_path / "state")
    with audit.reading(engine) as connection:
        assert audit.verify(connection).intact
        assert {e.event.room for e in audit.entries(connection)} == {f"{n}-{i}" for n in "abcd" for i in range(40)}
    engine.dispose()


def test_kill_minus_nine_loses_no_entry_that_was_acknowledged(tmp_path):
    code = """
        import sys
        from cleanroom_kernel import audit
        engine = audit.engine(sys.argv[1])
        while True:
            with engine.begin() as connection:
                entry = audit.append(connection, audit.RoomClosed("r"))
            print(entry.sequence, flush=True)
    """
    writer = python(code, tmp_path / "state")
    acknowledged = [int(writer.stdout.readline()) for _ in range(30)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in writer.communicate()[0].split()]
    engine = audit.engine(tmp_path / "state")
    with audit.reading(engine) as connection:
        verified = audit.verify(connection)
    engine.dispose()
    assert verified.intact
    assert verified.entries in (acknowledged[-1], acknowledged[-1] + 1)
