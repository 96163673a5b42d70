"""How the self-test's findings are judged, with the confined process replaced by its findings."""

import errno

import msgspec
import pytest

from cleanroom_kernel.server.sandbox import attempts, bubblewrap, probe, selftest
from cleanroom_kernel.server.sandbox.process import LaunchError
from cleanroom_kernel.server.sandbox.report import (
    Applied,
    Finding,
    Layer,
    Measured,
    Obstacle,
    Outcome,
    SandboxRefusedError,
    Tier,
)
from cleanroom_kernel.server.sandbox.settings import SandboxConfig

APPLIED = Applied("interpreter", Tier.B, None, "cell", Measured(7, True, 1000, True, 0), False, ())
ALL_WELL = (
    *(Finding(group, "x", Outcome.BLOCKED, "EPERM") for group in selftest.GROUPS if group != "needs"),
    Finding("needs", "x", Outcome.WORKS, ""),
)


@pytest.fixture
def find(monkeypatch):
    """Make the confined process report these findings, whatever the layers; returns the layers that were tried."""
    tried = []
    monkeypatch.setattr(bubblewrap, "find", lambda configured: bubblewrap.Bubblewrap("/usr/bin/bwrap", "9"))

    def prepare(findings):
        def report(layers, config, target, *, uid):
            tried.append(layers)
            return APPLIED, findings(layers) if callable(findings) else findings

        monkeypatch.setattr(selftest, "probe", report)
        return tried

    return prepare


def assess(**settings):
    return selftest.assess(SandboxConfig(**settings), real_data=False)


def refusal(**settings):
    with pytest.raises(SandboxRefusedError) as refused:
        assess(**settings)
    return [(reason.tier, reason.obstacle) for reason in refused.value.reasons]


def test_the_best_tier_that_passes_is_taken_and_no_other_tried(find):
    tried = find(ALL_WELL)
    assessment, layers = assess()
    assert assessment.tier is Tier.A
    assert tried == [layers]


@pytest.mark.parametrize("group", [group for group in selftest.GROUPS if group != "needs"])
def test_one_open_attack_costs_every_tier(find, group):
    find((*ALL_WELL, Finding(group, "way out", Outcome.OPEN, "")))
    assert refusal() == [(tier, Obstacle.CHECK) for tier in (Tier.A, Tier.B, Tier.A_MINUS)]


def test_something_broken_that_the_process_needs_costs_every_tier(find):
    find((*ALL_WELL, Finding("needs", "threads", Outcome.BROKEN, "EAGAIN")))
    assert [obstacle for _, obstacle in refusal()] == [Obstacle.CHECK] * 3
    assert refusal(backend="none", allow_unsandboxed=True) == [(Tier.NONE, Obstacle.CHECK)]


def test_a_way_out_of_one_tier_leads_to_the_next_and_is_named(find):
    find(lambda layers: ALL_WELL if layers.bubblewrap is None else (Finding("files", "way out", Outcome.OPEN, ""),))
    assessment, _ = assess()
    assert assessment.tier is Tier.B
    (reason,) = assessment.reasons
    assert "way out" in reason.detail


def test_without_the_self_test_only_what_the_process_needs_counts(find):
    find((*ALL_WELL, Finding("files", "way out", Outcome.OPEN, "")))
    assessment, _ = assess(self_test=False)
    assert assessment.tier is Tier.A
    assert assessment.findings == ()


@pytest.mark.parametrize("group", ["data", "network"])
def test_isolation_from_outside_is_tried_even_without_the_self_test(find, group, tmp_path):
    find((*ALL_WELL, Finding(group, "way out", Outcome.OPEN, "")))
    expected = [(Tier.EXTERNAL, Obstacle.EXTERNAL)]
    assert refusal(backend="external", self_test=False, protected=(str(tmp_path),)) == expected


def test_isolation_from_outside_need_not_hide_what_is_public(find, tmp_path):
    find((*ALL_WELL, Finding("files", "read the list of accounts", Outcome.OPEN, "")))
    assert assess(backend="external", protected=(str(tmp_path),))[0].tier is Tier.EXTERNAL


def test_isolation_from_outside_that_nothing_could_disprove_is_not_believed(find):
    find(ALL_WELL)
    expected = [(Tier.EXTERNAL, Obstacle.EXTERNAL)]
    assert refusal(backend="external") == expected
    assert refusal(backend="external", protected=("/nonexistent/data",)) == expected


def test_a_check_of_an_unknown_group_is_an_error_and_no_pass(find):
    find((*ALL_WELL, Finding("unheard of", "x", Outcome.OPEN, "")))
    with pytest.raises(KeyError):
        assess()


def test_every_setting_of_backend_has_its_tiers_and_every_group_its_checks():
    backends = msgspec.inspect.type_info(SandboxConfig).fields[0].type.values
    assert set(selftest.CANDIDATES) == set(backends)
    assert {tier for tiers in selftest.CANDIDATES.values() for tier in tiers} == set(Tier)
    assert {check.group for check in probe.checks.checks} == set(selftest.GROUPS)


def test_the_word_for_every_result_is_an_outcome():
    battery = attempts.Battery()
    for succeeds in (True, False):
        battery.attack("g", "a")(lambda target, succeeds=succeeds: succeeds)
        battery.need("g", "n")(lambda target, succeeds=succeeds: succeeds)
    assert {Outcome(result[2]) for result in battery.run({})} == set(Outcome)


@pytest.mark.parametrize("apart", [False, True])
def test_a_check_that_is_broken_does_not_pass_for_an_attack_that_was_stopped(apart, capfd):
    battery = attempts.Battery()
    battery.attack("g", "a", apart=apart)(lambda target: target["missing"])
    with pytest.raises((KeyError, RuntimeError)):
        battery.run({})


@pytest.mark.parametrize("apart", [False, True])
def test_what_the_kernel_refuses_was_stopped(apart):
    def attempt(target):
        raise PermissionError(errno.EPERM, "")

    battery = attempts.Battery()
    battery.attack("g", "a", apart=apart)(attempt)
    ((_, _, outcome, _),) = battery.run({})
    assert outcome == "blocked"


@pytest.mark.parametrize(
    ("error", "stderr", "expected"),
    [
        (LaunchError(Layer.LANDLOCK, "ENOSYS"), b"", (Obstacle.LANDLOCK, "ENOSYS")),
        (LaunchError(Layer.SECCOMP, "EINVAL"), b"", (Obstacle.SECCOMP, "EINVAL")),
        (LaunchError(Layer.IDENTITY, "EPERM"), b"", (Obstacle.START, "identity: EPERM")),
        (LaunchError(None, "ended"), b"noise\nbwrap: No permissions\n", (Obstacle.BWRAP_FAILS, "No permissions")),
    ],
)
def test_a_failed_start_is_traced_to_its_obstacle(error, stderr, expected):
    wrapped = selftest.Layers(Tier.A, bubblewrap.Bubblewrap("/usr/bin/bwrap", "9"))
    assert selftest._obstacle(error, wrapped, stderr) == expected
