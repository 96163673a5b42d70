"""User ids for sessions, and which files a session's user can reach."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cleanroom_kernel.server.sandbox.uids import NoUidLeftError, UidPool, unreachable_for

STRANGER = 299_999


@pytest.fixture
def pools():
    made = []

    def make(lowest, highest):
        made.append(UidPool(lowest, highest))
        return made[-1]

    yield make
    for pool in made:
        for uid in range(298_000, 298_010):
            pool.give_back(uid)


def test_two_sessions_never_share_an_id(pools):
    pool = pools(298_000, 298_003)
    assert len({pool.take() for _ in range(3)}) == 3
    with pytest.raises(NoUidLeftError, match="uid_range"):
        pool.take()


def test_two_servers_never_share_an_id(pools):
    assert pools(298_000, 298_009).take() != pools(298_000, 298_009).take()


def test_the_highest_is_for_vaults_alone(pools):
    pool = pools(298_000, 298_001)
    assert pool.take() != pool.vault == 298_001


def test_an_id_that_was_given_back_can_be_taken_again(pools):
    pool = pools(298_000, 298_001)
    assert pool.give_back(pool.take())
    assert pool.take() == 298_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as another user")
def test_an_id_is_not_free_while_a_process_runs_as_it(pools):
    pool = pools(298_000, 298_001)
    uid = pool.take()
    with subprocess.Popen(["sleep", "60"], user=uid) as running:
        assert not pool.give_back(uid)
        with pytest.raises(NoUidLeftError):
            pools(298_000, 298_001).take()
        running.kill()
    assert pool.give_back(uid)


def test_a_server_that_dies_gives_its_ids_back(pools):
    code = (
        "import sys, time; from cleanroom_kernel.server.sandbox.uids import UidPool;"
        "pool = UidPool(298_000, 298_001); print(pool.take(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert int(other.stdout.readline()) == 298_000
        with pytest.raises(NoUidLeftError):
            pools(298_000, 298_001).take()
        other.kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert pools(298_000, 298_001).take() == 298_000
            return
        except NoUidLeftError:
            assert time.monotonic() < deadline


# -- reach -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def tree():
    """A place that everybody can enter; pytest's own temporary directories are its user's alone."""
    place = Path(tempfile.mkdtemp())
    (place / "home" / "python").mkdir(parents=True)
    (place / "home" / "python" / "bin").touch()
    place.chmod(0o755)
    yield place / "home"
    shutil.rmtree(place)


def test_a_public_path_can_be_reached(tree):
    assert unreachable_for(STRANGER, read=[str(tree / "python")], parents=True) is None


def test_a_private_home_is_named(tree):
    """As with a Python that pyenv put into /root."""
    tree.chmod(0o700)
    assert unreachable_for(STRANGER, read=[str(tree / "python" / "bin")], parents=True) == str(tree)


def test_bubblewrap_makes_the_directories_above_anew(tree):
    tree.chmod(0o700)
    assert unreachable_for(STRANGER, read=[str(tree / "python")], parents=False) is None


def test_the_owner_of_a_path_is_judged_by_the_owners_bits(tree):
    tree.chmod(0o700)
    assert unreachable_for(tree.stat().st_uid, read=[str(tree)], parents=False) is None


def test_writing_takes_more_than_reading(tree):
    assert unreachable_for(STRANGER, read=[], write=[str(tree)], parents=True) == str(tree)
    tree.chmod(0o777)
    assert unreachable_for(STRANGER, read=[], write=[str(tree)], parents=True) is None


def test_a_file_that_cannot_be_read_is_named(tree):
    (tree / "python" / "bin").chmod(0o600)
    wanted = str(tree / "python" / "bin")
    assert unreachable_for(STRANGER, read=[wanted], parents=True) == wanted
