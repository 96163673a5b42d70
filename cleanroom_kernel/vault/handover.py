"""Handover: a task on its way from a vault to its worker, and what came of it on its way back.

The two are one trust zone: both hold the same rows, and both run code of ours and of the owner's libraries alone. So
this is no border, and estimators go over it as Python pickles them: nothing else takes every fitted estimator as it is.

Promise: this is the only module of the package that pickles, and only these two processes use it; an object that is
read is made of the classes and functions of the libraries named here. Arrays are written and read as they lie in
memory, so what arrives is equal to the last bit.
"""

from __future__ import annotations

import io
import pickle
import select
import socket
import struct
from collections.abc import Callable
from typing import Any

from msgspec import Struct

_COUNT = struct.Struct(">I")
_LENGTH = struct.Struct(">Q")
_CHUNK = 4 << 20
_BUFFER = 4 << 20  # bytes that the kernel may hold, if it lets us have so many

_LIBRARIES = frozenset({"numpy", "pandas", "pyarrow", "scipy", "sklearn"})
_BUILTINS = frozenset({"complex", "frozenset", "object", "range", "set", "slice"})
_OTHERS = frozenset(
    {
        ("cleanroom_kernel.vault.attacking", "Attack"),
        ("cleanroom_kernel.vault.attacking", "Attacked"),
        ("cleanroom_kernel.vault.handover", "Done"),
        ("cleanroom_kernel.vault.handover", "Failed"),
        ("cleanroom_kernel.vault.handover", "Job"),
        ("cleanroom_kernel.vault.handover", "Step"),
        ("cleanroom_kernel.vault.scoring", "Rows"),
        ("cleanroom_kernel.vault.scoring", "Scored"),
        ("cleanroom_kernel.vault.tasks", "Fitting"),
        ("cleanroom_kernel.vault.tasks", "Predicting"),
        ("cleanroom_kernel.vault.tasks", "Scoring"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("copyreg", "_reconstructor"),
    }
)

Wait = Callable[[socket.socket, int], None]


class Job(Struct, frozen=True, eq=False):
    """One of `tasks.Task`. `memory` are the bytes that the process may have for it."""

    task: Any
    memory: int


class Step(Struct, frozen=True):
    """How far a job is, in pieces that its description alone determines."""

    what: str
    done: int
    total: int


class Done(Struct, frozen=True, eq=False):
    value: Any


class Failed(Struct, frozen=True):
    """Nothing of why but whether memory was short."""

    memory: bool


class Lost(Exception):
    """The other process is gone."""


class Handover:
    """One end of the line. `wait(stream, event)` returns when the stream may be ready, or raises to give up."""

    def __init__(self, stream: socket.socket, wait: Wait) -> None:
        stream.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            stream.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._stream, self._wait = stream, wait

    def close(self) -> None:
        self._stream.close()

    def send(self, value: Any) -> None:
        arrays: list[memoryview] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=lambda array: arrays.append(array.raw()))
        parts = [memoryview(body), *arrays]
        header = _COUNT.pack(len(parts)) + b"".join(_LENGTH.pack(part.nbytes) for part in parts)
        for part in (memoryview(header), *parts):
            self._write(part)

    def receive(self) -> Any:
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        lengths = [_LENGTH.unpack(self._read(_LENGTH.size))[0] for _ in range(count)]
        body, *arrays = [self._read(length) for length in lengths]
        return _Unpickler(io.BytesIO(body), buffers=arrays).load()

    def _write(self, rest: memoryview) -> None:
        while rest:
            try:
                rest = rest[self._stream.send(rest[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(self._stream, select.POLLOUT)
            except OSError:
                raise Lost from None

    def _read(self, length: int) -> bytearray:
        found = bytearray(length)
        rest = memoryview(found)
        while rest:
            try:
                number = self._stream.recv_into(rest[:_CHUNK])
            except BlockingIOError:
                self._wait(self._stream, select.POLLIN)
                continue
            except OSError:
                raise Lost from None
            if number == 0:
                raise Lost
            rest = rest[number:]
        return found


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = (
            module.partition(".")[0] in _LIBRARIES
            or (module == "builtins" and name in _BUILTINS)
            or (module, name) in _OTHERS
        )
        if not known:
            raise pickle.UnpicklingError("a kind of object that is not handed over")
        return super().find_class(module, name)
