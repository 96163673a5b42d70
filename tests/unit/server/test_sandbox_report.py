"""What the sandbox says of itself: to the audit log, to the owner, to the expert."""

import msgspec
import pytest

from cleanroom_kernel.server.sandbox import report
from cleanroom_kernel.server.sandbox.report import (
    MEANING,
    REMEDIES,
    Applied,
    Assessment,
    Finding,
    Measured,
    Note,
    Obstacle,
    Outcome,
    Reason,
    Remark,
    SandboxRefusedError,
    Tier,
)

MEASURED = Measured(landlock_abi=7, seccomp=True, uid=200_001, no_new_privs=True, capabilities=0)
SECRET_PATH = "/srv/hospital"
APPLIED = Applied(
    profile="interpreter",
    tier=Tier.B,
    bubblewrap=None,
    program="cell",
    measured=MEASURED,
    cgroup=False,
    remarks=(Remark(Note.UID_NOT_DROPPED, SECRET_PATH), Remark(Note.HOSTNAME_VISIBLE)),
)
ASSESSMENT = Assessment(
    tier=Tier.B,
    applied=APPLIED,
    findings=(Finding("files", "read a file", Outcome.BLOCKED, "EACCES"),),
    reasons=(Reason(Tier.A, Obstacle.BWRAP_ABSENT),),
    kernel="6.18",
)


def test_every_tier_has_a_meaning_and_every_obstacle_a_remedy():
    assert set(MEANING) == set(Tier)
    assert set(REMEDIES) == set(Obstacle)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_a_refusal_says_what_is_missing_how_to_check_and_what_overrides_it(obstacle):
    remedy = REMEDIES[obstacle]
    text = str(SandboxRefusedError((Reason(Tier.A, obstacle, "EPERM"),)))
    for part in (remedy.missing, remedy.command, remedy.option, "EPERM"):
        assert part
        assert part in text


def test_it_can_be_written_to_a_log_and_read_back():
    assert msgspec.json.decode(msgspec.json.encode(ASSESSMENT), type=Assessment) == ASSESSMENT


def test_the_expert_sees_layers_and_remarks_without_paths_users_or_versions():
    text = " ".join(APPLIED.words)
    assert "Landlock" in text
    assert Note.HOSTNAME_VISIBLE.value in text
    for private in (SECRET_PATH, "200001", "200_001", "ABI", "6.18"):
        assert private not in text


def test_a_layer_that_is_missing_is_not_claimed():
    bare = Measured(landlock_abi=None, seccomp=False, uid=0, no_new_privs=True, capabilities=1)
    words = msgspec.structs.replace(APPLIED, measured=bare, remarks=()).words
    assert words == ()


def test_the_owner_is_told_the_path():
    assert any(SECRET_PATH in warning for warning in ASSESSMENT.warnings)


def test_a_sandbox_that_is_off_or_untested_is_said_at_every_start():
    off = msgspec.structs.replace(ASSESSMENT, tier=Tier.NONE)
    assert off.warnings[0].startswith("SANDBOX OFF")
    untested = msgspec.structs.replace(ASSESSMENT, findings=())
    assert any("switched off" in warning for warning in untested.warnings)


def test_layers_have_the_names_that_the_loader_reports():
    """The loader cannot import the enumeration: its words are compared here."""
    import re
    from pathlib import Path

    folder = Path(report.__file__).parent
    words = set()
    for name in ("confine", "identity", "landlock", "limits", "seccomp"):
        words |= set(re.findall(r'(?:LayerError|prctl|call)\(\s*"(\w+)"', (folder / f"{name}.py").read_text()))
    assert words == {layer.value for layer in report.Layer}
