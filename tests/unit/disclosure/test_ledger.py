"""Ledger: what was answered stays answered, in one transaction with its audit entry, for all vaults of a room."""

import subprocess
import sys
import textwrap
import time

import msgspec
import numpy as np
import pytest
from support.rooms import Room, call, cells, col, eq, mean, people, size, total, where

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure import gate, ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.protocol.release import Release, Withheld

TABLES = {"patients": people(400, ward=np.array(["A", "B"] * 200))}


def patients(room):
    return room["patients"]


def few(room):
    return where(patients(room), call("less", col("age"), 19))


def test_the_same_question_has_the_same_answer_to_the_byte(room_of):
    room = room_of(TABLES)
    first = room.ask(mean(patients(room), "cost", by="ward"), expert="ada")
    again = room.ask(mean(patients(room), "cost", by="ward"), expert="bob", session="s2")
    assert msgspec.msgpack.encode(first.payload) == msgspec.msgpack.encode(again.payload)
    assert (first.receipt.number, again.receipt.number) == (1, 2)
    assert (again.receipt.expert, again.receipt.session) == ("bob", "s2")
    assert again.receipt.question == first.receipt.question


def test_a_receipt_names_the_audit_entry_that_recorded_it(room_of):
    room = room_of(TABLES)
    receipt = room.ask(size(patients(room))).receipt
    with audit.reading(room.database) as connection:
        (entry,) = audit.entries(connection)
        assert audit.verify(connection).intact
    assert (entry.chain, entry.event.number, entry.event.title) == (receipt.chain, receipt.number, receipt.title)
    assert entry.event.rules == receipt.rules


def test_an_answer_of_another_policy_is_not_used(room_of, tmp_path):
    state = tmp_path / "shared"
    first = room_of(TABLES, state=state)
    question = size(patients(first))
    assert cells(first.ask(question)) == {(): 400}
    strict = room_of(TABLES, state=state, key=b"k" * 32, preset="strict", minimum_units=500)
    assert isinstance(strict.ask(question), Withheld)


def test_an_answer_of_another_edition_of_the_data_is_not_used(room_of, tmp_path):
    room = room_of(TABLES, state=tmp_path / "shared", key=b"k" * 32)
    question = total(patients(room), "cost")
    first = room.ask(question)
    room.ledger = ledger.Ledger(room.database, b"k" * 32, 400, edition="tomorrow")
    again = room.ask(question)
    assert again.receipt.number == 2
    with room.database.connect() as connection:
        stored = connection.exec_driver_sql("SELECT count(*) FROM ledger_answers").scalar()
    assert (first.payload, stored) == (again.payload, 2)


def test_a_withheld_question_stays_withheld_and_is_written_down_each_time(room_of):
    room = room_of(TABLES)
    for _ in range(3):
        assert isinstance(room.ask(mean(few(room), "cost")), Withheld)
    assert [event.rules for event in room.audited()][1:] == [("asked before",)] * 2
    assert "minimum count" in room.audited()[0].rules


def test_only_the_owners_log_says_why(room_of):
    room = room_of(TABLES)
    answers = [room.ask(mean(few(room), "cost")), room.ask(mean(where(patients(room), eq("ward", "C")), "cost"))]
    assert answers[0] == answers[1] == gate.WITHHELD


def test_nothing_is_left_of_a_decision_that_fails(room_of, monkeypatch):
    room = room_of(TABLES)
    monkeypatch.setattr(audit, "append", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        room.ask(size(patients(room)))
    monkeypatch.undo()
    with room.database.connect() as connection:
        for table in ("ledger_answers", "ledger_releases", "ledger_numbers", "ledger_footprints", "audit"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    assert isinstance(room.ask(size(patients(room))), Release)


def test_denials_are_forgotten_after_thirty_days(room_of, monkeypatch):
    room = room_of(TABLES, denials=1)
    assert isinstance(room.ask(mean(few(room), "cost")), Withheld)
    assert room.ask(size(patients(room))).rule == "denials"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + ledger.WINDOW + 1)
    assert isinstance(room.ask(size(patients(room))), Release)


def test_footprints_are_written_once(room_of):
    """Ten statistics of the same groups are over the same rows."""
    room = room_of(TABLES)
    for measure in ("cost", "age"):
        for ask in (mean, total):
            room.ask(ask(patients(room), measure, by="ward"))
    with room.database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_footprints").scalar() == 2
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger_numbers").scalar() == 8


def test_a_fresh_vault_knows_what_was_released(room_of, tmp_path):
    """Everything is read back: sets, sketches, and numbers to repeat."""
    options = {"state": tmp_path / "shared", "key": b"k" * 32}
    first = room_of(TABLES, **options)
    released = first.ask(total(patients(first), "cost", by="ward"))
    second = room_of(TABLES, **options)
    oldest = int(TABLES["patients"]["age"].max())
    nearly = where(patients(second), call("less", col("age"), oldest))
    repeated = second.ask(total(nearly, "cost", by="ward"))
    assert repeated.payload.values == released.payload.values
    assert repeated.receipt.units == "as released before"
    assert isinstance(second.ask(mean(nearly, "cost", by="ward")), Withheld)


def test_numbers_that_were_read_are_judged_with_those_that_are_new(room_of, tmp_path):
    """Two vaults take turns: each sees what the other released, and what it has itself adopted, once."""
    options = {"state": tmp_path / "shared", "key": b"k" * 32}
    vaults = [room_of(TABLES, **options) for _ in range(2)]
    for step, ward in enumerate("ABAB"):
        vault = vaults[step % 2]
        condition = call("and", eq("ward", ward), call("less", col("age"), 60 + 10 * (step // 2)))
        assert isinstance(vault.ask(total(where(patients(vault), condition), "cost")), Release)
    for vault in vaults:
        vault.ask(total(patients(vault), "cost"))
        with vault.ledger.book() as book:
            measure = "sum of column patients.cost"
            assert book.equations(measure) == 5


CHILD = """
    import sys
    sys.path[:0] = [{tests!r}]
    from support.rooms import Room, people, size, total, where, col, call
    import numpy as np
    room = Room({{"patients": people(400, ward=np.array(["A", "B"] * 200))}}, {state!r}, key=b"k" * 32)
    print("ready", flush=True)
    sys.stdin.readline()
    for step in range(15):
        answer = room.ask(total(where(room["patients"], call("less", col("age"), 30 + 4 * step)), "cost"))
    print("done", flush=True)
"""


def test_vaults_that_ask_at_the_same_time_lose_nothing(tmp_path):
    """Four processes, one ledger: numbers without a gap, one stored answer per question, a whole chain."""
    from pathlib import Path

    code = textwrap.dedent(CHILD.format(tests=str(Path(__file__).parents[2]), state=str(tmp_path / "state")))
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=120)[0] for child in children] == ["done\n"] * 4
    room = Room(TABLES, tmp_path / "state", key=b"k" * 32)
    with room.database.connect() as connection:
        numbers = [n for (n,) in connection.exec_driver_sql("SELECT number FROM ledger_releases ORDER BY number")]
        per_question = connection.exec_driver_sql("SELECT count(*), count(DISTINCT key) FROM ledger_answers").one()
    assert numbers == list(range(1, len(numbers) + 1))
    assert per_question[0] == per_question[1]
    with audit.reading(room.database) as connection:
        assert audit.verify(connection).intact


def test_borders_are_the_same_for_the_same_units_and_secret(room_of):
    from pyroaring import BitMap

    room = room_of(TABLES, key=b"k" * 32)
    borders = room.ledger.borders(Policy().snapshot())
    sets = [BitMap(range(start, start + 11)) for start in range(200)]
    counts = np.array([len(units) for units in sets])
    least = borders.least(counts, sets.__getitem__)
    assert set(least) == {10, 11, 12, 13}
    assert (least == borders.least(counts, sets.__getitem__)).all()
    other = room_of(TABLES, key=b"j" * 32).ledger.borders(Policy().snapshot())
    assert (least != other.least(counts, sets.__getitem__)).any()


def test_borders_out_of_reach_of_the_jitter_need_no_look_at_the_units(room_of):
    borders = room_of(TABLES).ledger.borders(Policy().snapshot())
    assert borders.least(np.array([0, 9, 13, 500]), lambda _: 1 / 0).tolist() == [10, 10, 10, 10]
    without = room_of(TABLES).ledger.borders(Policy.from_settings({"jitter": 0}).snapshot())
    assert without.least(np.array([10]), lambda _: 1 / 0).tolist() == [10]
