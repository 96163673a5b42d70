"""seccomp: which system calls the process may make. Promise: the committed program is in force on every
thread, or LayerError. Runs in the confined process: standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from cleanroom_kernel.server.sandbox.syscalls import LayerError, call

_SET_MODE_FILTER, _TSYNC = 1, 1
_INSTRUCTION = struct.Struct("=HBBI")
OWN_PID = 0x5AFE5AFE
"""As in programs/rules.py (a test compares the two): the constant that stands for this process's id."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def program_path(name: str, machine: str | None = None) -> Path:
    return Path(__file__).parent / "programs" / f"{name}.{machine or os.uname().machine}.bpf"


def read_program(name: str) -> bytes:
    """The committed program for this machine; there is none for machines it was never made for."""
    try:
        return program_path(name).read_bytes()
    except FileNotFoundError:
        raise LayerError("seccomp", "MACHINE") from None


def for_process(program: bytes, pid: int) -> bytes:
    """`program` with the placeholder for the process's own id filled in."""
    instructions = _INSTRUCTION.iter_unpack(program)
    return b"".join(_INSTRUCTION.pack(*head, pid if k == OWN_PID else k) for *head, k in instructions)


def load(program: bytes) -> None:
    """Put `program` in force on all threads. Needs no_new_privs, and can never be undone."""
    own = for_process(program, os.getpid())
    argument = _Program(len(own) // _INSTRUCTION.size, own)
    call("seccomp", "seccomp", _SET_MODE_FILTER, _TSYNC, ctypes.byref(argument))
