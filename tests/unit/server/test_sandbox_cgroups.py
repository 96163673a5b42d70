"""Control groups, on an imitation of the kernel's files: few machines that run tests have one delegated."""

import os

import pytest

from cleanroom_kernel.server.sandbox import cgroups


@pytest.fixture
def machine(tmp_path):
    """A mounted hierarchy, and a server in the group /scope."""
    scope = tmp_path / "mount" / "scope"
    scope.mkdir(parents=True)
    (scope / "cgroup.controllers").write_text("cpu memory pids\n")
    membership = tmp_path / "membership"
    membership.write_text("9:name=systemd:/\n0::/scope\n")
    return membership, (tmp_path / "absent", tmp_path / "mount"), scope


def mark(scope, value):
    try:
        os.setxattr(scope, "user.delegate", value)
    except OSError:
        pytest.skip("this file system has no attributes to mark a group with")


def test_a_marked_group_is_used(machine):
    membership, mounts, scope = machine
    mark(scope, b"1")
    assert cgroups.delegated(membership, mounts) == scope


def test_a_group_that_only_root_could_write_is_left_alone(machine, monkeypatch):
    membership, mounts, scope = machine
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cgroups.delegated(membership, mounts) is None
    mark(scope, b"0")
    assert cgroups.delegated(membership, mounts) is None


def test_a_users_own_group_is_used(machine, monkeypatch):
    membership, mounts, scope = machine
    os.chown(scope, os.getuid() or 1234, -1)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1234)
    assert cgroups.delegated(membership, mounts) == scope


def test_a_group_without_the_controllers_is_no_use(machine):
    membership, mounts, scope = machine
    mark(scope, b"1")
    (scope / "cgroup.controllers").write_text("cpu\n")
    assert cgroups.delegated(membership, mounts) is None


def test_version_1_alone_is_no_use(machine):
    membership, mounts, _ = machine
    membership.write_text("9:name=systemd:/\n8:pids:/\n")
    assert cgroups.delegated(membership, mounts) is None


def test_this_machine_is_read_without_error():
    assert cgroups.delegated() is None or cgroups.delegated().is_dir()


def test_the_server_moves_into_a_leaf_before_it_has_children(machine):
    scope = machine[2]
    parent = cgroups.prepare(scope)
    assert (scope / "server" / "cgroup.procs").read_text() == str(os.getpid())
    assert (scope / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert parent.path == scope


def test_limits_are_set_before_anything_is_in(machine):
    scope = machine[2]
    group = cgroups.create(cgroups.Group(scope), "one", memory=1 << 30, tasks=64)
    assert {path.name: path.read_text() for path in group.path.iterdir()} == {
        "memory.max": str(1 << 30),
        "pids.max": "64",
    }
    group.admit(99)
    assert (group.path / "cgroup.procs").read_text() == "99"
