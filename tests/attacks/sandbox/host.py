"""Runs the battery under several configurations, as whoever runs this: `host.py CONFIGURATION…`, JSON on stdout.

{configuration: {"results": {"group: check": "open" | "blocked" | …}, "details": …, "reached": sockets reached,
"uid": …}}. A separate program, so that the same runs can be made as root and as an ordinary user.
"""

import json
import os
import pty
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cleanroom_kernel.server.sandbox import bubblewrap, profiles
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.report import Tier
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.uids import UidPool

HERE = Path(__file__).parent
UNCONFINED = "none"
CONFIGURATIONS = {
    "A": lambda bwrap: Layers(Tier.A, bwrap),
    "B": lambda bwrap: Layers(Tier.B),
    "A-": lambda bwrap: Layers(Tier.A_MINUS, bwrap, landlock=False),
    **{f"B at ABI {abi}": lambda bwrap, abi=abi: Layers(Tier.B, landlock_abi_at_most=abi) for abi in (1, 2, 4, 5)},
    "bubblewrap alone": lambda bwrap: Layers(Tier.NONE, bwrap, landlock=False, seccomp=False),
    "Landlock alone": lambda bwrap: Layers(Tier.NONE, seccomp=False),
    "Landlock alone at ABI 1": lambda bwrap: Layers(Tier.NONE, seccomp=False, landlock_abi_at_most=1),
    "seccomp alone": lambda bwrap: Layers(Tier.NONE, landlock=False),
    "user alone": lambda bwrap: Layers(Tier.NONE, landlock=False, seccomp=False),
}


def main(names):
    with ExitStack() as stack:
        # below /var/tmp, because inside bubblewrap /tmp would hide it from the checks that need it
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cleanroom-battery-", dir="/var/tmp")))
        base.chmod(0o755)
        secret = secrets.token_hex(16)
        os.environ["CLEANROOM_TEST_SECRET"] = secret
        victim = subprocess.Popen(
            [sys.executable, str(HERE / "victim.py"), str(base / "victim")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(victim.wait)
        stack.callback(victim.stdin.close)
        (base / "victim").mkdir(exist_ok=True)
        particulars = json.loads(victim.stdout.readline())
        temporary = Path(stack.enter_context(tempfile.NamedTemporaryFile(mode="w", dir="/tmp")).name)
        temporary.write_text(secret)
        temporary.chmod(0o644)
        for path in (base / "victim" / "data" / "records.csv", Path("/")):
            leak = os.open(path, os.O_RDONLY)
            os.set_inheritable(leak, True)  # as a careless library would
            stack.callback(os.close, leak)
        report = {}
        for name in names:
            target = {**particulars, "temporary": str(temporary), **places(base, particulars)}
            report[name] = run(name, target)
            victim.stdin.write("\n")
            victim.stdin.flush()
            report[name]["reached"] = json.loads(victim.stdout.readline())
    print(json.dumps(report))


def places(base, particulars):
    """A directory that the process is granted, and one that it may write to if nothing stops it; new for each run."""
    for name in ("granted", "writable"):
        shutil.rmtree(base / name, ignore_errors=True)
        (base / name).mkdir()
        (base / name).chmod(0o777)
    for name in ("file", "truncate", "rename", "remove"):
        path = base / "granted" / name
        path.write_text("granted")
        path.chmod(0o666)
    (base / "granted" / "planted").symlink_to(Path(particulars["base"]) / "data" / "records.csv")
    leaks = [f"{place}/cleanroom-leak-{os.getpid()}" for place in ("/tmp", "/dev/shm", "/etc/cron.d")]
    return {"granted": str(base / "granted"), "writable": str(base / "writable"), "leaks": leaks}


def run(name, target):
    reader, writer = os.pipe()
    os.write(writer, json.dumps(target).encode())
    os.close(writer)
    uid = None
    if name == UNCONFINED:
        output = unconfined(reader)
    else:
        output, uid = confined(CONFIGURATIONS[name], target, reader)
    lines = output.decode().splitlines()
    results = {f"{group}: {check}": (outcome, detail) for group, check, outcome, detail in json.loads(lines[0])}
    for gate in ("x32", "int80"):
        results[f"kernel: the {gate} gate"] = ("open" if f"{gate} open" in lines else "blocked", "")
    granted = Path(target["granted"])
    emptied = (granted / "truncate").read_text() != "granted"
    results["files: empty a granted file, as seen from outside"] = ("open" if emptied else "blocked", "")
    left = [path for path in map(Path, target["leaks"]) if path.exists()]
    results["files: leave anything on the machine, as seen from outside"] = ("open" if left else "blocked", "")
    for path in left:
        path.unlink()
    return {
        "results": {check: outcome for check, (outcome, _) in results.items()},
        "details": {check: detail for check, (_, detail) in results.items()},
        "uid": uid,
    }


def found_bubblewrap():
    try:
        return bubblewrap.find(None)
    except bubblewrap.Unusable:
        return None


def unconfined(reader):
    """With everything that a careless start leaves open: environment, descriptors, terminal."""
    os.set_inheritable(reader, True)
    _, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, str(HERE / "battery.py"), str(reader)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        close_fds=False,
        timeout=60,
    )
    os.close(reader)
    return done.stdout


def confined(layers, target, reader):
    config = SandboxConfig(extra_readonly=(target["granted"], str(HERE)))
    uid = UidPool(*config.uid_range).take() if os.geteuid() == 0 else None
    process = launch(
        [str(HERE / "battery.py"), str(reader)],
        profile=profiles.interpreter(config),
        layers=layers(found_bubblewrap()),
        pass_fds=(reader,),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        uid=uid,
    )
    os.close(reader)
    try:
        process.confirm(30)
        output, _ = process.popen.communicate(timeout=60)
        return output, process.applied.measured.uid
    finally:
        process.close()


if __name__ == "__main__":
    main(sys.argv[1:])
