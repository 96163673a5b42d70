"""Compile the rules into the committed programs, with libseccomp (development only: `pip install pyseccomp`).

Run `python -m cleanroom_kernel.server.sandbox.programs.generate` after changing rules.py, and commit what it writes.
The loader reads those files, so that nothing needs libseccomp on the owner's machine.
"""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pyseccomp

from cleanroom_kernel.server.sandbox.programs.rules import MACHINES, PROGRAMS, Argument, Program

ARCHITECTURES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}
HERE = Path(__file__).parent


def compile_program(program: Program, machine: str) -> bytes:
    """The program as an array of struct sock_filter."""
    architecture = ARCHITECTURES[machine]
    filters = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    if architecture != pyseccomp.system_arch():
        filters.add_arch(architecture)
        filters.remove_arch(pyseccomp.Arch.NATIVE)
    filters.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for call in program.allowed:
        if exists(call, machine):
            filters.add_rule(pyseccomp.ALLOW, call)
    for rule in program.checked:
        if exists(rule.call, machine):
            filters.add_rule(pyseccomp.ALLOW, rule.call, *map(_comparison, rule.arguments))
    for call in program.absent:
        filters.add_rule(pyseccomp.ERRNO(errno.ENOSYS), call)
    with tempfile.TemporaryFile() as file:
        filters.export_bpf(file)
        file.seek(0)
        return file.read()


def exists(call: str, machine: str) -> bool:
    """libseccomp gives calls that a machine lacks a negative number, and -1 to names it has never heard of."""
    number = pyseccomp.resolve_syscall(ARCHITECTURES[machine], call)
    if number == -1:
        raise ValueError(f"libseccomp does not know {call!r}")
    return number >= 0


def _comparison(argument: Argument) -> pyseccomp.Arg:
    if argument.mask is None:
        return pyseccomp.Arg(argument.index, pyseccomp.EQ, argument.value)
    return pyseccomp.Arg(argument.index, pyseccomp.MASKED_EQ, argument.mask, argument.value)


def main() -> None:
    for name, program in PROGRAMS.items():
        for machine in MACHINES:
            compiled = compile_program(program, machine)
            (HERE / f"{name}.{machine}.bpf").write_bytes(compiled)
            print(f"{name}.{machine}.bpf: {len(compiled) // 8} instructions")


if __name__ == "__main__":
    main()
