"""Released files on the expert's machine."""

from __future__ import annotations

import hashlib
import os

import pytest

from cleanroom_kernel.kernel.artifacts import Announced, Damaged, Shelf


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "folder").mkdir()
    return Shelf(tmp_path / "folder", tmp_path / "record" / "artifacts.json")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "folder"


def write(shelf, name, content):
    return shelf.write(Announced(name, hashlib.sha256(content).hexdigest()), content)


def test_a_file_is_written_with_ordinary_permissions_and_nothing_beside_it(shelf, folder):
    (folder / "mine").touch()
    written = write(shelf, "model.skops", b"model")
    assert written.path == folder / "model.skops"
    assert written.path.read_bytes() == b"model"
    assert written.path.stat().st_mode == (folder / "mine").stat().st_mode
    assert sorted(os.listdir(folder)) == ["mine", "model.skops"]


def test_a_later_release_replaces_an_earlier_one(shelf, folder):
    write(shelf, "model.skops", b"one")
    written = write(shelf, "model.skops", b"two")
    assert written.replaced
    assert "in place of the earlier release" in written.sentence
    assert (folder / "model.skops").read_bytes() == b"two"


def test_a_file_of_the_experts_own_is_never_replaced(shelf, folder):
    (folder / "model.skops").write_bytes(b"mine")
    first, second = write(shelf, "model.skops", b"one"), write(shelf, "model.skops", b"two")
    assert [first.path.name, second.path.name] == ["model-2.skops", "model-3.skops"]
    assert "another file is already called model.skops" in first.sentence
    assert (folder / "model.skops").read_bytes() == b"mine"


def test_an_earlier_release_that_was_changed_since_is_the_experts_own(shelf, folder):
    write(shelf, "model.skops", b"one")
    (folder / "model.skops").write_bytes(b"improved by hand")
    assert write(shelf, "model.skops", b"two").path.name == "model-2.skops"


def test_a_symbolic_link_is_not_followed(shelf, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    (folder / "model.skops").symlink_to(outside)
    assert write(shelf, "model.skops", b"one").path.name == "model-2.skops"
    assert outside.read_bytes() == b"untouched"


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/x", "", ".", "..", ".profile", "a\\b", "a\nb", "x" * 101])
def test_a_name_that_is_no_plain_file_name_is_refused(shelf, folder, name):
    with pytest.raises(Damaged, match="plain file name"):
        write(shelf, name, b"x")
    assert os.listdir(folder) == []


def test_a_damaged_file_is_not_written(shelf, folder):
    with pytest.raises(Damaged, match="arrived damaged"):
        shelf.write(Announced("model.skops", hashlib.sha256(b"other").hexdigest()), b"model")
    assert os.listdir(folder) == []


def test_a_lost_record_protects_more_rather_than_less(shelf, folder, tmp_path):
    write(shelf, "model.skops", b"one")
    (tmp_path / "record" / "artifacts.json").write_text("no JSON")
    assert write(shelf, "model.skops", b"two").path.name == "model-2.skops"
