"""Attempts: checks that a confined process makes on itself. Promise: what succeeds is reported, never explained away.

A check is an attack, which must fail, or something that the process needs, which must work. Used by the self-test and
by the longer battery of the tests. Runs in the confined process: standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections import namedtuple

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

_MISTAKEN = 77

Check = namedtuple("Check", "group name is_attack apart function")


class Battery:
    """Checks in order. Each is a function of the target (a dict that the server filled) that returns whether it
    succeeded, or raises."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def attack(self, group: str, name: str, *, apart: bool = False):
        """`apart`: in a child, where there can be one, because what it does to its process cannot be undone."""
        return lambda function: self._keep(Check(group, name, True, apart, function))

    def need(self, group: str, name: str):
        return lambda function: self._keep(Check(group, name, False, False, function))

    def _keep(self, check: Check):
        self.checks.append(check)
        return check.function

    def run(self, target: dict) -> list[list[str]]:
        """[group, name, outcome, detail] of every check; outcomes are those of report.Outcome."""
        separately = can_fork()
        return [_result(check, target, separately) for check in self.checks]


def _result(check: Check, target: dict, separately: bool) -> list[str]:
    succeeded, detail = (_apart if check.apart and separately else _attempt)(check.function, target)
    words = ("open", "blocked") if check.is_attack else ("works", "broken")
    return [check.group, check.name, words[0] if succeeded else words[1], detail]


def _attempt(function, target: dict) -> tuple[bool, str]:
    """Only an error of the kernel's, or Python's word for one, is a failed attempt. Another is the check's mistake, and
    ends the battery without a result: a check that is broken must not pass for an attack that was stopped."""
    try:
        return bool(function(target)), ""
    except OSError as error:
        return False, errno.errorcode.get(error.errno, "OSError")
    except ValueError as error:  # setrlimit
        return False, type(error).__name__


def _apart(function, target: dict) -> tuple[bool, str]:
    """In a child, whose exit status is the answer."""
    child = os.fork()
    if child == 0:
        status = _MISTAKEN
        try:
            status = 0 if _attempt(function, target)[0] else 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == _MISTAKEN:
        raise RuntimeError("a check failed in a way that says nothing")
    return status == 0, "" if status in (0, 1) else f"status {status}"


def can_fork() -> bool:
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def syscall(numbers: dict[str, int] | int, *arguments: int | bytes | ctypes.Array | None) -> int:
    """A raw system call: its number, or its number by machine. OSError when it fails."""
    number = numbers if isinstance(numbers, int) else numbers[os.uname().machine]
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _LIBC.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
