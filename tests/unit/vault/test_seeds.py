"""Seeds repeat within a room and say nothing outside it."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleanroom_kernel.vault.seeds import Seeds, room_key
from cleanroom_kernel.vault.silence import described


def test_a_keyed_seed_depends_on_key_purpose_and_seed():
    seeds = Seeds(b"k" * 32)
    drawn = {seeds.effective(seed, purpose) for seed in range(50) for purpose in ("split", "sample")}
    assert len(drawn) == 100
    assert all(0 <= seed < 2**32 for seed in drawn)
    assert seeds.effective(1, "split") == Seeds(b"k" * 32).effective(1, "split")
    assert seeds.effective(1, "split") != Seeds(b"l" * 32).effective(1, "split")


def test_without_a_key_the_seed_itself_is_used():
    assert [Seeds(None).effective(seed, "split") for seed in (0, 42, 2**32, -1)] == [0, 42, 0, 2**32 - 1]


def test_a_room_keeps_one_private_key_whoever_asks_first(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: room_key(tmp_path / "state"), range(32)))
    assert len(keys) == 1
    (file,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_room_has_another_key(tmp_path):
    assert room_key(tmp_path / "one") != room_key(tmp_path / "two")


def test_a_damaged_key_is_never_replaced(tmp_path):
    room_key(tmp_path)
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="damaged"):
        room_key(tmp_path)
    assert (tmp_path / "vault.key").read_bytes() == b"short"


def test_an_error_is_described_by_class_and_place_and_not_by_its_message(tmp_path):
    room_key(tmp_path)
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="damaged") as caught:
        room_key(tmp_path)
    assert described(caught.value).startswith("ValueError at vault/seeds.py:")
    assert "damaged" not in described(caught.value)
    assert str(tmp_path) not in described(caught.value)
