"""The loader and the launcher together: real processes, and what happens when a layer cannot be applied."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cleanroom_kernel.server.sandbox import landlock, orders, profiles
from cleanroom_kernel.server.sandbox.descriptors import DescriptorError
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.process import LaunchError
from cleanroom_kernel.server.sandbox.report import Layer, Tier
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.syscalls import LayerError


def _has_landlock():
    try:
        return landlock.version() > 0
    except LayerError:
        return False


pytestmark = pytest.mark.skipif(not _has_landlock(), reason="this kernel has no Landlock")

B = Layers(Tier.B)
INSIDE_ONLY = {"attempts", "confine", "identity", "landlock", "limits", "loader", "seccomp", "syscalls", "probe"}


@pytest.fixture
def start(tmp_path):
    """Start a script in tier B; everything started is closed at the end."""
    started = []
    for place in (tmp_path, tmp_path.parent):
        place.chmod(0o755)

    def begin(script, *, profile=None, layers=B, **options):
        path = tmp_path / "script.py"
        path.write_text(script)
        profile = profile or profiles.interpreter(SandboxConfig())
        profile = msgspec.structs.replace(profile, read=(*profile.read, str(tmp_path)))
        process = launch(
            [str(path), "argument"],
            profile=profile,
            layers=layers,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.close()
        process.popen.stdout.close()
        process.popen.stderr.close()


def said(process):
    process.confirm(30)
    output, errors = process.popen.communicate(timeout=30)
    return json.loads(output) if output else errors.decode()


# -- the loader --------------------------------------------------------------------------------------------------------
def test_nothing_but_the_standard_library_runs_before_confinement():
    """Whatever an installed package does when it is imported, it does confined."""
    code = (
        "import sys, json; before = set(sys.modules); import cleanroom_kernel.server.sandbox.loader;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-I", "-c", code]))
    top = {name.split(".")[0] for name in loaded}
    assert top - set(sys.stdlib_module_names) == {"cleanroom_kernel"}
    ours = {name.rpartition(".")[2] for name in loaded if name.startswith("cleanroom_kernel.server.sandbox.")}
    assert ours <= INSIDE_ONLY
    assert not top & {"asyncio", "dataclasses", "inspect", "socket", "subprocess", "typing"}  # slow to import


def test_the_target_runs_as_the_main_program_with_its_arguments(start):
    code = "import json, sys; print(json.dumps([__name__, sys.argv[1:], sys.flags.isolated]))"
    assert said(start(code)) == ["__main__", ["argument"], 1]


def test_a_module_can_be_the_target():
    process = launch(["platform"], profile=profiles.interpreter(SandboxConfig()), layers=B, stdout=subprocess.PIPE)
    try:
        process.confirm(30)
        assert process.popen.communicate(timeout=30)[0].startswith(b"Linux")
    finally:
        process.close()


def test_orders_are_not_among_the_arguments(start):
    """Every user of the machine can read those."""
    code = "import json; print(json.dumps(open('/proc/self/cmdline').read().split(chr(0))))"
    arguments = said(start(code))
    assert len(arguments) == 10
    assert not any("memory" in word or "{" in word for word in arguments)


def test_the_environment_is_the_profiles_and_the_callers(start, monkeypatch):
    monkeypatch.setenv("SERVER_SECRET", "x")
    environment = said(start("import json, os; print(json.dumps(dict(os.environ)))", env={"ASKED": "1"}))
    assert environment["ASKED"] == "1"
    assert "SERVER_SECRET" not in environment
    assert "MPLCONFIGDIR" in environment


def test_only_listed_descriptors_are_inherited(start):
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    code = "import json, os; print(json.dumps(sorted(map(int, os.listdir('/proc/self/fd')))))"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        passed = theirs.fileno()
        listed = said(start(code, pass_fds=[passed]))
    os.close(leak)
    assert len(listed) == 5  # three standard ones, the one that was passed, and the listing's own
    assert passed in listed
    assert leak not in listed


FORKED = """
import json, os, socket, sys
from cleanroom_kernel.server.sandbox.loader import enter
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ours.send(sys.argv[1].encode())
child = os.fork()
if child == 0:
    ours.close()
    enter(theirs.detach())
    try:
        open("/etc/passwd")
    except PermissionError:
        os._exit(42)
    os._exit(0)
print(ours.recv(4096).decode())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(os.path.exists("/etc/passwd") and len(open("/etc/passwd").read()) > 0)
"""


def test_a_forked_child_can_confine_itself_without_its_parent():
    """For a warm parent, whose children start with the slow imports done."""
    profile = profiles.interpreter(SandboxConfig())
    given = orders.make(profile, B, descriptors=(), directory="/", uid=None, font_directory=None, counted_apart=False)
    command = [sys.executable, "-c", FORKED, msgspec.json.encode(given).decode()]
    report, status, parent_reads = subprocess.check_output(command, text=True, timeout=30).splitlines()
    assert json.loads(report)["applied"]["seccomp"]
    assert status == "42"
    assert parent_reads == "True"


# -- a layer that fails ------------------------------------------------------------------------------------------------
def test_a_descriptor_that_nobody_declared_stops_the_start():
    """Should another layer of the server's leave one open by mistake."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    orders = {"descriptors": [], "directory": "/", "limits": {}, "uid": None, "grants": None}
    ours.send(json.dumps({**orders, "landlock_abi_at_most": None, "program": None}).encode())
    loader = "cleanroom_kernel.server.sandbox.loader"
    done = subprocess.run(
        [sys.executable, "-I", "-m", loader, str(theirs.fileno()), "--", "platform"],
        pass_fds=[theirs.fileno(), reader],
        capture_output=True,
        timeout=30,
    )
    for end in (reader, writer):
        os.close(end)
    theirs.close()
    assert json.loads(ours.recv(4096)) == {"failed": ["confine", "DESCRIPTORS"]}
    ours.close()
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.parametrize(
    ("break_it", "layer"),
    [
        (lambda profile: {"read": (*profile.read, "/nonexistent/grant")}, Layer.LANDLOCK),
        (lambda profile: {"program": "unheard-of"}, Layer.SECCOMP),
    ],
    ids=["Landlock", "seccomp"],
)
def test_a_layer_that_cannot_be_applied_stops_the_start(start, break_it, layer):
    profile = profiles.interpreter(SandboxConfig())
    process = start("print('ran')", profile=msgspec.structs.replace(profile, **break_it(profile)))
    with pytest.raises(LaunchError) as failure:
        process.confirm(30)
    assert failure.value.layer is layer
    assert process.popen.stdout.read() == b""  # nothing of the target ran


def test_a_limit_is_never_raised(start):
    import resource

    profile = profiles.interpreter(SandboxConfig(nofile=1 << 20))
    code = "import json, resource; print(json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)))"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft_inside, hard_inside = said(start(code, profile=profile))
    assert soft_inside == hard_inside <= (hard if hard != resource.RLIM_INFINITY else 1 << 20)


def test_a_process_that_never_reports_is_given_up(start, monkeypatch):
    monkeypatch.setattr("cleanroom_kernel.server.sandbox.launcher._LOADER", "timeit")
    process = start("")
    with pytest.raises(LaunchError, match="report"):
        process.confirm(0.3)
    assert process.popen.poll() is not None


def test_what_was_asked_for_at_close_is_done_when_the_start_fails_too(start):
    done = []
    profile = msgspec.structs.replace(profiles.interpreter(SandboxConfig()), program="unheard-of")
    process = start("", profile=profile, at_close=lambda: done.append("closed"))
    with pytest.raises(LaunchError):
        process.confirm(30)
    assert done == ["closed"]


def test_the_font_directory_goes_with_the_process(start):
    process = start("import json, os; print(json.dumps(os.environ['MPLCONFIGDIR']))")
    directory = Path(said(process))
    assert directory.is_dir()
    process.close()
    assert not directory.exists()


# -- ways out that are refused before anything starts ------------------------------------------------------------------
def _datagram_pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].detach()


@pytest.mark.parametrize(
    "make",
    [
        lambda: socket.socket(socket.AF_INET).detach(),
        _datagram_pair,
        lambda: os.open("/", os.O_RDONLY),
        lambda: os.open("/etc/hostname", os.O_RDONLY),
        lambda: os.open("/dev/null", os.O_RDWR),
    ],
    ids=["an internet socket", "a datagram pair", "a directory", "a file", "a device"],
)
def test_a_descriptor_that_reaches_further_is_not_passed(start, make):
    descriptor = make()
    try:
        with pytest.raises(DescriptorError):
            start("", pass_fds=[descriptor])
    finally:
        os.close(descriptor)


def test_the_servers_own_output_is_not_passed(tmp_path):
    """It would outlive the process, and keep whoever waits for its end waiting."""
    with open(tmp_path / "log", "w") as log:
        for output in (None, log, log.fileno()):
            with pytest.raises(DescriptorError):
                launch(["x"], profile=profiles.interpreter(SandboxConfig()), layers=B, stdout=output)
