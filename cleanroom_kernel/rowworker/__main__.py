"""The parent of row-function workers: it has loaded what they need, and forks one for each batch of rows.

Forked from here and not from the vault, a worker inherits no row, no key and no descriptor. The parent makes the memory
in which rows are handed over, and never looks into it; nor does it read the source of a function.

Promise: a worker starts when its columns are sealed, and is gone before anybody hears that it is done. The parent has
no thread, reads no file after its start, and ends with the vault's line.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence

from cleanroom_kernel.rowfunctions.calling import run
from cleanroom_kernel.rowfunctions.language import made
from cleanroom_kernel.rowfunctions.layout import Call, Given, given_size, result_size
from cleanroom_kernel.rowworker.batch import live
from cleanroom_kernel.rowworker.locks import LAYERS, Locks, available

LENGTH = struct.Struct(">I")
READY, MEMORY, GO, OVER, NO_MEMORY = b"r", b"m", b"g", b"o", b"n"

_FIXED = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_READ_ONLY = _FIXED | fcntl.F_SEAL_WRITE


class Gone(Exception):
    """The vault has closed its line."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cleanroom_kernel.rowworker")
    parser.add_argument("--vault-fd", type=int, required=True)
    parser.add_argument("--required", nargs="*", choices=LAYERS, default=[], help="layers without which none works")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever wants an end of it kills it
    os.umask(0o077)
    layers = available()
    missing = [layer for layer in options.required if layer not in layers]
    if missing:
        print(f"row functions: no {' and no '.join(missing)} on this machine", file=sys.stderr)
        return 1
    _warm_up()
    line = socket.socket(fileno=options.vault_fd)
    try:
        _serve(line, Locks.of(layers))
    except (Gone, ConnectionError):
        return 0


def _serve(line: socket.socket, locks: Locks) -> None:
    gc.collect()
    gc.freeze()
    line.sendall(READY)
    while True:
        call = Call.decoded(_read(line, LENGTH.unpack(_read(line, LENGTH.size))[0]))
        try:
            given, result = _memory(given_size(call)), _memory(result_size(call))
        except OSError:
            line.sendall(NO_MEMORY)
            continue
        socket.send_fds(line, [MEMORY], [given, result])
        if _read(line, len(GO)) != GO:
            raise Gone
        fcntl.fcntl(given, fcntl.F_ADD_SEALS, _READ_ONLY)
        fcntl.fcntl(result, fcntl.F_ADD_SEALS, _FIXED)
        parent = os.getpid()
        worker = os.fork()
        if worker == 0:
            live(call, given, result, locks, parent)
        for descriptor in (given, result):
            os.close(descriptor)
        os.waitpid(worker, 0)
        line.sendall(OVER)


def _memory(size: int) -> int:
    descriptor = os.memfd_create("rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _read(line: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        part = line.recv(length - len(found))
        if not part:
            raise Gone
        found += part
    return bytes(found)


def _warm_up() -> None:
    """Load, with a function of our own, all that Python loads when it is first needed: a worker opens no file."""
    source = (
        "def answer(day):\n"
        "    if re.sub('a', 'b', day.strftime('%Y')) == '' or numpy.isnan(math.sqrt(2)):\n"
        "        return None\n"
        "    return f\"{datetime.datetime.strptime('2020', '%Y').year}\"\n"
    )
    call = Call(source, 1, (Given("datetime"),), (), "string", False, 0, 0.0)
    room = memoryview(bytearray(result_size(call)))
    run(call, made(source), memoryview(bytearray(given_size(call))), room)


if __name__ == "__main__":
    sys.exit(main())
