"""What lies under a vault gives way: changed tables, a full disk, a damaged database. No number without a record."""

import os
import resource

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.messages import Open, OpenFailed
from cleanroom_kernel.protocol.release import Refusal, Release
from cleanroom_kernel.vault.preparing import prepare
from cleanroom_kernel.vault.sources import Source
from tests.integration.vault.process import ROOM, Vault, mean_age, prepared, size_by


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def vault(place):
    with Vault(place, preset="permissive") as started:
        yield started


def released(place):
    engine = audit.engine(place / "state")
    try:
        with audit.reading(engine) as connection:
            assert audit.verify(connection).intact
            return [entry.event for entry in audit.entries(connection) if isinstance(entry.event, audit.Released)]
    finally:
        engine.dispose()


def table(place):
    (found,) = (place / "room").glob("*.arrow")
    return found


def refused(vault, question):
    answer = vault.disclose(question).answer
    assert isinstance(answer, Refusal)
    return answer


# -- tables -----------------------------------------------------------------------------------------------------------
def test_a_table_that_is_changed_in_use_is_noticed_before_the_next_answer(vault, place):
    assert isinstance(vault.disclose(mean_age()).answer, Release)
    with table(place).open("r+b") as file:
        file.seek(-600, os.SEEK_END)
        byte = file.read(1)
        file.seek(-600, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    for question in (size_by("sex"), mean_age()):  # not even what was answered before
        assert refused(vault, question).rule == "tables"
    assert len(released(place)) == 1
    status, _, log = vault.close()
    assert status == 0
    assert f"the prepared file {table(place).name} was changed".encode() in log


def test_a_table_that_was_only_touched_is_the_same(vault, place):
    os.utime(table(place))
    assert isinstance(vault.disclose(mean_age()).answer, Release)


def test_a_room_that_is_prepared_anew_ends_the_sessions_on_the_old_one(vault, place):
    (place / "stays.csv").write_text((place / "stays.csv").read_text().replace(",25,", ",26,"))
    assert prepare(ROOM, [Source("stays", str(place / "stays.csv"))], place / "room").ready
    assert "Restart the kernel" in refused(vault, mean_age()).suggestion
    assert released(place) == []
    with Vault(place, preset="permissive") as later:
        assert isinstance(later.disclose(mean_age()).answer, Release)


def test_a_room_that_is_prepared_anew_from_the_same_rows_is_the_same(vault, place):
    assert prepare(ROOM, [Source("stays", str(place / "stays.csv"))], place / "room").ready
    assert isinstance(vault.disclose(mean_age()).answer, Release)


# -- the database -----------------------------------------------------------------------------------------------------
def test_on_a_full_disk_nothing_is_released_and_later_all_is_well(vault, place):
    """A process may write no file longer than this: its writes fail as they do on a full disk."""
    before = resource.prlimit(vault.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert refused(vault, mean_age()).rule == "failed"
    assert released(place) == []
    resource.prlimit(vault.process.pid, resource.RLIMIT_FSIZE, before)
    assert isinstance(vault.disclose(mean_age()).answer, Release)
    assert len(released(place)) == 1
    _, _, log = vault.close()
    assert b"OperationalError at " in log


def test_a_vault_opens_no_room_over_a_damaged_database(place):
    with Vault(place):
        pass
    damaged = place / "state" / audit.DATABASE
    damaged.write_bytes(b"not a database " * 500)
    for beside in (place / "state").glob(f"{audit.DATABASE}-*"):
        beside.unlink()
    with Vault(place, opening=False) as vault:
        vault.tell(Open("s1", "ada", str(place / "room"), str(place / "state"), {}))
        assert vault.notice() == OpenFailed("The room could not be opened; the vault's log says where it failed.")
