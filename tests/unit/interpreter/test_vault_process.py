"""Handles over a vault that is a process of its own, as in a session."""

import pytest

from cleanroom_kernel.interpreter import connection
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.errors import CleanRoomWithheld, VaultLost
from cleanroom_kernel.interpreter.room import Room
from tests.integration.vault.process import Vault, prepared


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("room"))


@pytest.fixture
def vault(place, here):
    before = connection.current()
    with Vault(place, preset="standard") as process:
        process.socket.settimeout(None)
        link = Connection.over(process.socket)
        connection.use(link)
        yield process, Room(link)
    connection.use(before)


def test_a_session_asks_and_is_answered(vault):
    _, room = vault
    stays = room["stays"]
    assert len(stays) == 180
    assert stays.groupby("sex").size().to_dict() == {"f": 90, "m": 90}
    with pytest.raises(CleanRoomWithheld):
        stays[stays.age > 68].age.mean()
    assert [receipt.number for receipt in room.receipts] == [1, 2]


def test_handles_say_plainly_that_their_vault_has_died(vault):
    process, room = vault
    process.process.kill()
    process.process.wait()
    with pytest.raises(VaultLost, match="ended"):
        len(room["stays"])
