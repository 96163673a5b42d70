"""Files of the owner's that others can open stop the start."""

import pytest

from cleanroom_kernel.server.files import NotPrivate, check_private, of_state


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_open_is_named_with_what_to_run(tmp_path, mode):
    path = tmp_path / "config.py"
    path.touch()
    path.chmod(mode)
    with pytest.raises(NotPrivate, match=f"{mode:o}.*chmod 600"):
        check_private([path])
    path.chmod(0o600)
    check_private([path])


def test_all_that_lies_in_the_state_is_looked_at(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "vault.key").touch(mode=0o600)
    check_private(of_state(tmp_path))
    (tmp_path / "vault.key").chmod(0o644)
    with pytest.raises(NotPrivate, match=r"vault\.key"):
        check_private(of_state(tmp_path))


def test_a_directory_that_others_can_list_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    with pytest.raises(NotPrivate, match="chmod 700"):
        check_private(of_state(tmp_path))


def test_what_is_meant_for_others_may_be_read_by_them(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "server.crt").touch(mode=0o644)
    check_private(of_state(tmp_path))


def test_what_is_not_there_yet_is_no_obstacle(tmp_path):
    check_private([tmp_path / "none"])
