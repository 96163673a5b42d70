"""A server that starts a confined process and waits to be killed: `server.py TIER DIRECTORY [UID]`.

Prints the process's id. DIRECTORY takes the temporary files that a killed server leaves behind.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from host import CONFIGURATIONS, found_bubblewrap

from cleanroom_kernel.server.sandbox import profiles
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.settings import SandboxConfig

targets = Path(__file__).parent / "targets"
layers = CONFIGURATIONS[sys.argv[1]](found_bubblewrap())
tempfile.tempdir = sys.argv[2]
process = launch(
    [str(targets / "waiting.py")],
    profile=profiles.interpreter(SandboxConfig(extra_readonly=(str(targets),))),
    layers=layers,
    stdout=subprocess.PIPE,
    uid=int(sys.argv[3]) if sys.argv[3:] else None,
)
process.confirm(30)
process.popen.stdout.readline()
print(process.pid, flush=True)
time.sleep(600)
