"""bubblewrap: which program may be run, and with which arguments."""

import itertools
import os
import sys

import pytest

from cleanroom_kernel.server.sandbox import bubblewrap, profiles
from cleanroom_kernel.server.sandbox.bubblewrap import Bubblewrap
from cleanroom_kernel.server.sandbox.report import Obstacle
from cleanroom_kernel.server.sandbox.settings import SandboxConfig

BWRAP = Bubblewrap("/usr/bin/bwrap", "0.8.0")


def arguments(config=None, profile=None, **changes):
    given = {"executable": sys.executable, "directory": "/", "fonts": {}, "uid": None, "user_namespace": True}
    profile = profile or profiles.interpreter(config or SandboxConfig())
    return bubblewrap.command(changes.pop("bwrap", BWRAP), profile, **{**given, **changes})


def pairs(command, option):
    """(source, destination) of every mount of a kind."""
    return [(command[i + 1], command[i + 2]) for i, word in enumerate(command) if word == option]


@pytest.fixture
def program(tmp_path):
    """A program in a directory that is not root's alone."""
    path = tmp_path / "bwrap"
    path.write_text("#!/bin/sh\necho bubblewrap 9.9\n")
    path.chmod(0o755)
    return path


# -- which program -----------------------------------------------------------------------------------------------------
def test_a_program_that_others_can_replace_is_refused(program):
    program.parent.chmod(0o777)
    with pytest.raises(bubblewrap.Unusable) as refusal:
        bubblewrap.find(str(program))
    assert refusal.value.obstacle is Obstacle.BWRAP_UNSAFE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a setuid program of root's")
def test_a_setuid_program_is_refused(request):
    """CVE-2026-41163 is about exactly these."""
    path = "/usr/local/bin/cleanroom-test-bwrap"
    request.addfinalizer(lambda: os.unlink(path))
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o4755)
    with pytest.raises(bubblewrap.Unusable, match="setuid") as refusal:
        bubblewrap.find(path)
    assert refusal.value.obstacle is Obstacle.BWRAP_UNSAFE


def test_path_and_working_directory_are_never_searched(program, monkeypatch):
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.chdir(program.parent)
    monkeypatch.setattr(bubblewrap, "_USUAL_PLACES", ("/nonexistent/bwrap",))
    with pytest.raises(bubblewrap.Unusable) as refusal:
        bubblewrap.find(None)
    assert refusal.value.obstacle is Obstacle.BWRAP_ABSENT


def test_a_configured_program_that_is_not_there_is_not_replaced_by_another():
    with pytest.raises(bubblewrap.Unusable) as refusal:
        bubblewrap.find("/nonexistent/bwrap")
    assert refusal.value.obstacle is Obstacle.BWRAP_ABSENT


def test_less_is_asked_for_step_by_step():
    asked = [(v.set_hostname, v.forbid_namespaces) for v in BWRAP.variants()]
    assert asked == [(True, True), (False, True), (False, False)]


# -- which arguments ---------------------------------------------------------------------------------------------------
def test_every_namespace_is_the_processes_own():
    command = arguments()
    for kind in ("ipc", "pid", "net", "uts", "user"):
        assert f"--unshare-{kind}" in command
    assert "--die-with-parent" in command
    assert "--disable-userns" in command


def test_nothing_is_bound_writable_for_an_interpreter():
    assert "--bind" not in arguments()
    assert "--dev-bind" not in arguments()


def test_a_vault_gets_its_state_directory_writable_and_its_tables_not(tmp_path):
    for name in ("tables", "state"):
        (tmp_path / name).mkdir()
    profile = profiles.vault(SandboxConfig(), tables=[tmp_path / "tables"], state=tmp_path / "state")
    command = arguments(profile=profile)
    assert pairs(command, "--bind") == [(str(tmp_path / "state"),) * 2]
    assert (str(tmp_path / "tables"),) * 2 in pairs(command, "--ro-bind")


def test_the_root_is_made_read_only_last():
    command = arguments(SandboxConfig(scratch=1 << 20))
    mounts = [i for i, word in enumerate(command) if word in ("--ro-bind", "--bind", "--tmpfs", "--dir", "--symlink")]
    assert command.index("/", command.index("--proc")) > max(mounts)
    assert command[command.index("/", max(mounts)) - 1] == "--remount-ro"


def test_scratch_space_is_mounted_before_anything_below_it():
    """A mount point is never made below a directory that a confined process could have written (CVE-2026-87766)."""
    command = arguments(SandboxConfig(scratch=1 << 20))
    scratch = next(
        i for i, (word, path) in enumerate(itertools.pairwise(command)) if (word, path) == ("--tmpfs", "/tmp")
    )
    assert scratch < command.index("--ro-bind")
    assert command[scratch - 2 : scratch] == ["--size", str(1 << 20)]


def test_directories_above_a_mount_can_be_passed_by_another_user():
    """bubblewrap makes them for its own user alone; then a session's user could not reach Python."""
    command = arguments()
    places = [command[i + 1] for i, word in enumerate(command) if word == "--dir"]
    assert places
    for i, word in enumerate(command):
        if word == "--dir":
            assert command[i - 2 : i] == ["--perms", "0755"]


def test_every_link_to_the_program_is_there(tmp_path):
    (tmp_path / "python3.11").touch()
    (tmp_path / "python3").symlink_to("python3.11")
    (tmp_path / "python").symlink_to(tmp_path / "python3")
    bound = [to for _, to in pairs(arguments(executable=str(tmp_path / "python")), "--ro-bind")]
    assert {str(tmp_path / name) for name in ("python", "python3", "python3.11")} <= set(bound)


def test_capabilities_are_kept_for_a_change_of_user_only():
    assert "--cap-add" not in arguments(user_namespace=False, uid=None)
    assert "--cap-add" not in arguments(user_namespace=True)
    command = arguments(user_namespace=False, uid=200_000)
    assert "--unshare-user" not in command
    assert [command[i + 1] for i, word in enumerate(command) if word == "--cap-add"] == ["CAP_SETUID", "CAP_SETGID"]


def test_nothing_secret_is_among_the_arguments():
    """Every user of the machine can read them: environment and orders go another way."""
    assert not {"--setenv", "--args"} & set(arguments())
