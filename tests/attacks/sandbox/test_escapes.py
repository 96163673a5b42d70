"""The escape battery: over a hundred ways out of a process, as root and as an ordinary user, in every tier.

The control comes first: an attack that does not work without a sandbox proves nothing when it fails inside one. Then
every tier must stop all but what EXPECTED_OPEN names; and with a layer removed, the battery must notice.
"""

import platform
from pathlib import Path

import pytest
from host import CONFIGURATIONS, UNCONFINED, found_bubblewrap

from cleanroom_kernel.server.sandbox import landlock
from cleanroom_kernel.server.sandbox.syscalls import LayerError

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the battery is written for x86_64")

INFORMATION = {"information: a clock of nanoseconds", "information: its own mount table"}
NAMES_OF_FILES = {
    "files: see the data's size and date",
    "files: enter the data directory",
    "information: the machine's name",
}
EXPECTED_OPEN = {
    "A": INFORMATION,
    "B": INFORMATION | NAMES_OF_FILES,
    "A-": INFORMATION | {"information: the machine's identity"},
}
"""What stays open in each tier: information, and no data, network, process or privilege. docs/sandbox.md says so."""

UNPROVEN = {
    "files: make a block device and open it",  # the device exists on few machines
    "files: open the disk",
    "files: open a device of the kernel",
    "proc: reach the data through process 1",  # another user's, or nobody's
    "proc: write the emergency key file",
    "proc: write to control groups or sysfs",
    "processes: move the server's memory pages",
    "network: the kernel's cryptography by socket",  # options of the kernel's build from here on
    "network: sockets of any other family",
    "network: a channel to the virtual machine's host",
    "kernel: io_uring",
    "kernel: userfaultfd",
    "kernel: perf events",
    "kernel: load another kernel",
    "kernel: load a module",
    "kernel: input and output ports",
    "kernel: secret memory files",
    "kernel: unshare a user namespace",
    "kernel: clone into a user namespace",
    "kernel: clone3 into a user namespace",
    "kernel: the x32 gate",
    "kernel: the int80 gate",
    "information: the machine's identity",
    "privileges: type into the terminal",  # a setting of the kernel
}
"""Attacks that need not work without a sandbox either. They are tried all the same."""

FOR_ROOT_ONLY = {
    "files: read the password hashes",
    "files: leave a scheduled job",
    "files: open a file by its inode",
    "files: change the root directory",
    "files: make a setuid file",
    "proc: write a kernel setting",
    "network: send raw packets",
    "network: read packets off the wire",
    "kernel: unshare a mount namespace",
    "kernel: mount by the newer calls",
    "kernel: clone a mount tree",
    "kernel: bpf",
    "kernel: restart the machine",
    "kernel: add swap space",
    "kernel: rename the machine",
    "kernel: read the kernel's log",
    "kernel: watch the whole file system",
    "kernel: join a namespace",
    "privileges: become root",
    "privileges: hold a capability",
}

PEOPLE = ("root", "root_with_public_python", "ordinary_user")
TIERS = ("A", "B", "A-", "B at ABI 1", "B at ABI 2", "B at ABI 4", "B at ABI 5")
LAYERS_REMOVED = {
    "Landlock alone": {"network: connect by MPTCP", "privileges: fork", "processes: have a pipe signal the server"},
    "Landlock alone at ABI 1": {"files: empty a granted file, as seen from outside"},
    "seccomp alone": {"files: read the data", "files: list the data directory"},
    "bubblewrap alone": {"kernel: memory files", "privileges: fork"},
    "user alone": {"files: read the data", "network: connect to a TCP port", "privileges: run a shell"},
}


def usable(configuration):
    """Whether this machine has the layers of a configuration."""
    if configuration in ("A", "A-", "bubblewrap alone") and not has_bubblewrap():
        return False
    return not (configuration.startswith(("A", "B", "Landlock")) and configuration != "A-" and not has_landlock())


def has_bubblewrap():
    return found_bubblewrap() is not None


def has_landlock():
    try:
        landlock.version()
    except LayerError:
        return False
    return True


@pytest.fixture(scope="module", params=PEOPLE)
def reports(request):
    """One run of the battery for each configuration that this machine has, as one person."""
    person = request.getfixturevalue(request.param)
    names = [UNCONFINED, *filter(usable, CONFIGURATIONS)]
    return request.param, person.report("host.py", *names)


def opened(report):
    return {check for check, outcome in report["results"].items() if outcome in ("open", "broken")}


def of(reports, configuration):
    if configuration not in reports[1]:
        pytest.skip(f"{configuration}: this machine lacks a layer")
    return reports[1][configuration]


def test_without_a_sandbox_the_attacks_work(reports):
    if "Seccomp:\t0" not in Path("/proc/self/status").read_text():
        pytest.skip("something confines these tests already, so the control proves less")
    person, results = reports
    impossible = {name for name, outcome in results[UNCONFINED]["results"].items() if outcome == "blocked"}
    assert impossible <= UNPROVEN | (FOR_ROOT_ONLY if person == "ordinary_user" else set())


@pytest.mark.parametrize("configuration", TIERS)
def test_a_tier_stops_every_attack(reports, configuration):
    report = of(reports, configuration)
    assert len(report["results"]) > 120
    assert opened(report) <= EXPECTED_OPEN[configuration.split()[0]]


@pytest.mark.parametrize("configuration", TIERS)
def test_nothing_reaches_the_servers_sockets(reports, configuration):
    """Seen from the other side: the attack may not know that it worked."""
    names = list(reports[1])
    report = of(reports, configuration)
    before = reports[1][names[names.index(configuration) - 1]]["reached"]
    assert report["reached"] == before


@pytest.mark.parametrize("configuration", LAYERS_REMOVED)
def test_with_a_layer_removed_the_battery_notices(reports, configuration):
    assert opened(of(reports, configuration)) >= LAYERS_REMOVED[configuration]


@pytest.mark.parametrize("reports", ["root_with_public_python"], indirect=True)
def test_root_gives_the_process_a_user_of_its_own(reports):
    for configuration in ("A", "B", "A-"):
        assert of(reports, configuration)["uid"] >= 200_000


def test_what_stays_open_is_documented():
    lines = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text().splitlines()
    table = lines[lines.index("| Tier | Open |") + 2 :][: len(EXPECTED_OPEN)]
    documented = {}
    for line in table:
        _, tier, checks, _ = (cell.strip() for cell in line.split("|"))
        named = set(checks.split("; "))
        documented[tier] = named - {"those of A"} | (documented["A"] if "those of A" in named else set())
    assert documented == EXPECTED_OPEN
