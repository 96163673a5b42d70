"""Use up one resource, as a confined target: `bombs.py RESOURCE`. Prints how much there was, as JSON. Each is capped,
so that a missing limit fails a test and not the machine."""

import json
import mmap
import os
import sys
import threading
import time

MEGABYTE = 1 << 20
MOST_MEMORY, MOST_THREADS, MOST_FILES, MOST_SECONDS = 3 << 30, 500, 2000, 20


def memory():
    """Address space only: nothing is touched, so the machine's own memory stays free."""
    kept = []
    try:
        while len(kept) * 64 * MEGABYTE < MOST_MEMORY:
            kept.append(mmap.mmap(-1, 64 * MEGABYTE))
    except OSError:
        pass
    return len(kept) * 64


def threads():
    started = 0
    release = threading.Event()
    threading.stack_size(64 << 10)  # small ones, so that memory is not what stops them
    try:
        while started < MOST_THREADS:
            threading.Thread(target=release.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    release.set()
    return started


def files():
    opened = 0
    try:
        while opened < MOST_FILES:
            os.open("/dev/null", os.O_RDONLY)
            opened += 1
    except OSError:
        pass
    return opened


def scratch():
    """Megabytes written to the temporary directory, over many files."""
    written = 0
    try:
        while written < 64:
            with open(f"/tmp/{written}", "wb", 0) as file:
                written += file.write(bytes(MEGABYTE)) == MEGABYTE
                if file.tell() < MEGABYTE:
                    break
    except OSError:
        pass
    return written


def processor():
    import signal

    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    start = time.monotonic()
    while time.monotonic() - start < MOST_SECONDS:
        pass
    return MOST_SECONDS


time.sleep(0.5)  # a server may take so long to confirm its process, which must not have ended by then
print(
    json.dumps(
        {"memory": memory, "threads": threads, "files": files, "scratch": scratch, "processor": processor}[
            sys.argv[1]
        ]()
    ),
    flush=True,
)
os._exit(0)
