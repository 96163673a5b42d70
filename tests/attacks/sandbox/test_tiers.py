"""The tier that a machine reaches, on machines that lack one thing or another; and when the server must not start."""

import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

import pytest
from test_escapes import has_bubblewrap, has_landlock

LANDLOCK = 444
SECCOMP, MOUNT = {"x86_64": (317, 165), "aarch64": (277, 40)}[platform.machine()]
NO_NAMESPACES = ("unshare", "--user", "--map-root-user", "sh", "-c")
FORBID_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'

needs_bubblewrap = pytest.mark.skipif(not has_bubblewrap(), reason="no bubblewrap here")
needs_landlock = pytest.mark.skipif(not has_landlock(), reason="no Landlock here")


@pytest.fixture(params=["root_with_public_python", "ordinary_user"])
def person(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def assess(person):
    def run(*missing, under=(), **settings):
        return person.report("assess.py", json.dumps(settings), *map(str, missing), under=under)

    return run


def tier(found):
    return found["assessment"]["tier"] if "assessment" in found else None


def obstacles(found):
    reasons = found["refused"] if "refused" in found else found["assessment"]["reasons"]
    return [reason[1] if isinstance(reason, list) else reason["obstacle"] for reason in reasons]


# -- tiers -------------------------------------------------------------------------------------------------------------
@needs_bubblewrap
@needs_landlock
def test_with_everything_it_is_tier_a(assess):
    found = assess()
    assert tier(found) == "A"
    assert len(found["assessment"]["findings"]) > 30
    assert found["assessment"]["reasons"] == []


@needs_bubblewrap
@needs_landlock
def test_where_nothing_can_be_mounted_it_is_tier_b_and_the_reason_is_logged(assess):
    """As in most containers."""
    found = assess(MOUNT)
    assert tier(found) == "B"
    assert obstacles(found) == ["bwrap fails"]
    assert "Function not implemented" in found["assessment"]["reasons"][0]["detail"]


@needs_landlock
def test_without_user_namespaces_it_is_tier_b(ordinary_user):
    """Inside a user namespace that permits no other one; to which the machine's root is a stranger, too."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare to take namespaces away with")
    found = ordinary_user.report("assess.py", "{}", under=(*NO_NAMESPACES, FORBID_NAMESPACES, "--"))
    assert tier(found) == "B"
    assert len(obstacles(found)) == 1


@needs_landlock
def test_root_of_a_container_with_few_capabilities_is_tier_b_and_changes_the_user(root_with_public_python):
    """`docker run --cap-drop ALL --cap-add SETUID --cap-add SETGID --cap-add KILL --cap-add CHOWN`."""
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to take capabilities away with")
    few = "-all,+setuid,+setgid,+kill,+chown"
    under = ("setpriv", f"--bounding-set={few}", f"--inh-caps={few}", "--")
    found = root_with_public_python.report("assess.py", json.dumps({"backend": "core"}), under=under)
    assert tier(found) == "B"
    assert found["assessment"]["applied"]["measured"]["uid"] >= 200_000


@needs_landlock
def test_root_of_a_container_without_capabilities_stays_itself_and_says_so(root_with_public_python):
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to take capabilities away with")
    under = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    found = root_with_public_python.report("assess.py", json.dumps({"backend": "core"}), under=under)
    assert tier(found) == "B"
    assert any("permits no other users" in remark["detail"] for remark in found["assessment"]["applied"]["remarks"])


@needs_bubblewrap
def test_without_landlock_it_is_tier_a_minus(assess):
    found = assess(LANDLOCK)
    assert tier(found) == "A-"
    assert obstacles(found) == ["landlock", "landlock"]


@needs_landlock
def test_a_python_in_roots_home_is_tier_b_without_a_change_of_user(root):
    found = root.report("assess.py", json.dumps({"backend": "core"}))
    details = [remark["detail"] for remark in found["assessment"]["applied"]["remarks"] if remark["detail"]]
    if not details:
        pytest.skip("this Python can be reached by every user")
    assert os.path.isdir(details[0])  # the directory that is in the way


# -- refusals ----------------------------------------------------------------------------------------------------------
def test_without_seccomp_it_does_not_start(assess):
    found = assess(SECCOMP, backend="core")
    assert obstacles(found) == ["SECCOMP"] if has_landlock() else ["LANDLOCK"]
    assert "check with" in found["text"]
    assert "Sandbox." in found["text"]


def test_without_landlock_and_bubblewrap_it_does_not_start(assess):
    found = assess(LANDLOCK, bwrap_path="/nonexistent/bwrap")
    assert obstacles(found) == ["BWRAP_ABSENT", "LANDLOCK", "BWRAP_ABSENT"]


def test_a_minimum_of_bubblewrap_refuses_tier_b(assess):
    found = assess(minimum="bwrap", bwrap_path="/nonexistent/bwrap")
    assert obstacles(found) == ["BWRAP_ABSENT", "MINIMUM", "BWRAP_ABSENT"]
    assert "Sandbox.minimum" in found["text"]


def test_bubblewrap_that_was_asked_for_is_not_replaced_by_the_core(assess):
    found = assess(backend="bwrap", bwrap_path="/nonexistent/bwrap")
    assert [reason[0] for reason in found["refused"]] == ["A", "A-"]


def test_no_sandbox_takes_two_settings_and_synthetic_data(assess):
    assert obstacles(assess(backend="none")) == ["NOT_ALLOWED"]
    assert obstacles(assess(backend="none", allow_unsandboxed=True, real_data=True)) == ["REAL_DATA"]
    assert tier(assess(backend="none", allow_unsandboxed=True)) == "none"


def test_isolation_from_outside_is_tried_and_not_believed(assess, tmp_path):
    """The owner says that something else confines; here nothing does, and no layer works that could."""
    assert obstacles(assess(backend="external")) == ["EXTERNAL"]
    found = assess(LANDLOCK, SECCOMP, backend="external", protected=["/usr"])
    assert obstacles(found) == ["EXTERNAL"]


@needs_landlock
def test_isolation_from_outside_uses_what_works_here_too(assess):
    found = assess(backend="external", protected=["/var"])
    assert tier(found) == "external"
    assert found["layers"]["landlock"]
    assert found["layers"]["seccomp"]


@needs_landlock
def test_without_the_self_test_the_layers_are_applied_all_the_same(assess):
    found = assess(backend="core", self_test=False)
    assert tier(found) == "B"
    assert found["assessment"]["findings"] == []
    assert found["assessment"]["applied"]["measured"]["seccomp"]


@needs_bubblewrap
def test_a_project_folder_with_its_own_python_in_it_is_no_obstacle(assess, public_python):
    """The owner's folder holds configuration, state and the virtual environment; inside, its path leads to the last."""
    folder = Path(public_python).parents[2]
    with tempfile.NamedTemporaryFile(dir=folder, prefix="cleanroom_config"):
        assert tier(assess(LANDLOCK, protected=[str(folder)])) == "A-"
