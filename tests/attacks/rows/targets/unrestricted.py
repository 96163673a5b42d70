"""A parent of row-function workers in which RestrictedPython is off, and on request the locks too: for tests alone.

It says what the walls behind the language hold, and, without those, that the attacks work at all.
"""

import ctypes
import mmap
import os
import signal
import socket
import sys
import threading
import time

from cleanroom_kernel.rowworker import __main__ as parent
from cleanroom_kernel.rowworker import batch

KEPT = os.open("/dev/null", os.O_RDWR)  # a descriptor that somebody forgot to close
SECRET = ctypes.create_string_buffer(b"another worker's rows")
GIVEN = {
    "ctypes": ctypes, "mmap": mmap, "os": os, "signal": signal, "socket": socket, "threading": threading, "time": time,
    "libc": ctypes.CDLL(None, use_errno=True), "PARENT": os.getpid(), "KEPT": KEPT,
    "SECRET": ctypes.addressof(SECRET),
}  # fmt: skip


def made(source):
    names = dict(GIVEN)
    exec(source, names)
    return names["answer"]


def no_lock(*_):
    signal.setitimer(signal.ITIMER_REAL, 10)


batch.made = made
if "--unlocked" in sys.argv:
    sys.argv.remove("--unlocked")
    batch.lock = no_lock
sys.exit(parent.main())
