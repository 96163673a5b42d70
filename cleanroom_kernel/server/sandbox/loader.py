"""First code of a confined process: `python -I -m …loader SOCKET -- MODULE ARGUMENTS…`. Promise: confine, then run.

Orders come over an inherited socket, since arguments can be read by every user of the machine. The answer on the same
socket says what was applied, or which layer failed; then nothing of the target is imported. It also tells an orphan: a
server that died before the death signal was set makes the answer fail. Standard library only until confined.
"""

from __future__ import annotations

import json
import os
import runpy
import sys

from cleanroom_kernel.server.sandbox.confine import confine
from cleanroom_kernel.server.sandbox.syscalls import LayerError

_MOST_BYTES = 1 << 18


def enter(control: int) -> None:
    """Confine this process as the server orders over descriptor `control`, report, and close it.

    Also for a child forked from a warm parent (single-threaded, no ZMQ and no OpenMP so far), which needs no exec.
    """
    orders = json.loads(os.read(control, _MOST_BYTES))
    orders["descriptors"].append(control)
    try:
        answer = {"applied": confine(orders)}
    except LayerError as error:
        answer = {"failed": [error.layer, error.reason]}
    os.write(control, json.dumps(answer).encode())
    os.close(control)
    if "failed" in answer:
        raise SystemExit(1)


def main() -> None:
    control, separator, target = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if separator != "--" or not target:
        raise SystemExit(2)
    enter(control)
    sys.argv = target
    if target[0].endswith(".py"):
        runpy.run_path(target[0], run_name="__main__")
    else:
        runpy.run_module(target[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
