"""Which system calls a confined process may make.

Promise: closed tables. What is not named here fails with EPERM, so a call that a later kernel adds is refused until
somebody decides. Names a machine does not have (the legacy calls on aarch64) are left out of that machine's program.

Not named on purpose, although programs ask for them: socket, connect, bind (every socket a confined process has was
opened for it); execve, fork, vfork (no second process); memfd_create and System V or POSIX shared memory (memory that
no limit counts); truncate, chmod, chown, utimes, xattrs, links, mknod (Landlock cannot stop them on every kernel);
ptrace, process_vm_*, pidfd_*, keyctl, bpf, io_uring, mincore (other processes, and the kernel's own attack surface).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

OWN_PID = 0x5AFE5AFE
"""Stands for the process's own id in a committed program; the loader replaces it before loading."""

LOW_32 = 0xFFFF_FFFF


class Argument(Struct, frozen=True):
    """Argument `index`, after `mask`, must equal `value`. Without a mask all 64 bits count, which errs towards no."""

    index: int
    value: int
    mask: int | None = None


class Rule(Struct, frozen=True):
    """Allow `call` when every one of `arguments` holds. Several rules for one call are alternatives."""

    call: str
    arguments: tuple[Argument, ...]


def _one_of(call: str, index: int, values: tuple[int, ...], *, mask: int | None = None) -> tuple[Rule, ...]:
    return tuple(Rule(call, (Argument(index, value, mask),)) for value in values)


def _calls(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_READING = _calls("""
    read write readv writev pread64 preadv preadv2 lseek close close_range dup dup2 dup3 flock fstat newfstatat stat
    lstat statx fstatfs statfs access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir getdents64 getdents
    fadvise64 umask
""")
_CHANGING_FILES = _calls("""
    pwrite64 pwritev pwritev2 ftruncate fallocate fsync fdatasync sync_file_range mkdir mkdirat unlink unlinkat rmdir
    rename renameat renameat2
""")
_MEMORY = _calls("mmap munmap mremap mprotect madvise brk mlock munlock membarrier get_mempolicy mbind")
_THREADS = _calls("""
    futex futex_waitv set_robust_list get_robust_list rseq set_tid_address arch_prctl sched_yield sched_getaffinity
    sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu exit exit_group
""")
_SIGNALS = _calls("""
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack restart_syscall
    pause alarm wait4 waitid
""")
_SELF = _calls("""
    getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid capget
    getrlimit setrlimit getrusage times uname sysinfo getrandom
""")
_TIME = _calls("""
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getitimer setitimer timer_create
    timer_settime timer_delete timer_gettime timerfd_create timerfd_settime timerfd_gettime
""")
_WAITING = _calls("""
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
    pipe pipe2 signalfd4
""")
_OPEN_SOCKETS = _calls("""
    sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockname getpeername getsockopt accept accept4
    listen
""")

_CLONE_VM, _CLONE_THREAD, _CLONE_NEW_ANYTHING = 0x100, 0x10000, 0x7E02_0080
_A_THREAD = _CLONE_VM | _CLONE_THREAD
_AF_UNIX, _SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE = 1, 1, 5, 0xF
_O_TRUNC, _O_WRONLY, _O_RDWR, _O_ACCMODE = 0x200, 1, 2, 3

_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1034)
"""DUPFD, GETFD, SETFD, GETFL, SETFL, locks, open-file locks, DUPFD_CLOEXEC, pipe size, GET_SEALS.

SETOWN and SETSIG are missing: with them a pipe delivers any signal, SIGKILL included, to any process of the same user,
and kernels before Landlock ABI 6 do not mediate it.
"""
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. TIOCSTI, which types into a terminal, is missing."""
_PRCTL = (3, 15, 16, 23, 39, 0x53564D41)
"""GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, GET_NO_NEW_PRIVS, SET_VMA. SET_PDEATHSIG is missing."""


_SOL_SOCKET = 1
_SOCKET_OPTIONS = (7, 8, 20, 21)
"""SNDBUF, RCVBUF, RCVTIMEO, SNDTIMEO. ATTACH_FILTER, which loads a program into the kernel, is missing."""


def _opening(call: str, flags: int) -> tuple[Rule, ...]:
    """Opening, except "truncate, but only for reading", which Landlock before ABI 3 takes for a read."""
    return (
        Rule(call, (Argument(flags, 0, _O_TRUNC),)),
        *_one_of(call, flags, (_O_WRONLY, _O_RDWR), mask=_O_ACCMODE),
    )


_CHECKED = (
    *_opening("open", 1),
    *_opening("openat", 2),
    *_one_of("fcntl", 1, _FCNTL, mask=LOW_32),
    *_one_of("ioctl", 1, _IOCTL, mask=LOW_32),
    *_one_of("prctl", 0, _PRCTL, mask=LOW_32),
    *(
        Rule("setsockopt", (Argument(1, _SOL_SOCKET, LOW_32), Argument(2, option, LOW_32)))
        for option in _SOCKET_OPTIONS
    ),
    Rule("clone", (Argument(0, _A_THREAD, _A_THREAD | _CLONE_NEW_ANYTHING),)),
    # never a datagram pair: its ends could be pointed at any socket file of the machine
    *(
        Rule("socketpair", (Argument(0, _AF_UNIX), Argument(1, kind, _SOCK_TYPE)))
        for kind in (_SOCK_STREAM, _SOCK_SEQPACKET)
    ),
    *(
        Rule(call, (Argument(0, OWN_PID),))
        for call in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
    ),
    *_one_of("prlimit64", 0, (OWN_PID, 0)),
    *_one_of("sched_setaffinity", 0, (OWN_PID, 0)),
    Rule("sched_setscheduler", (Argument(1, 0),)),  # SCHED_OTHER: libzmq aborts when it cannot ask for it
    Rule("personality", (Argument(0, LOW_32),)),  # a query
)


class Program(Struct, frozen=True):
    """One filter: calls allowed outright, calls allowed under conditions, and calls said not to exist."""

    allowed: tuple[str, ...]
    checked: tuple[Rule, ...]
    absent: tuple[str, ...]

    def errno_otherwise(self, call: str) -> int:
        """What a refused call reports. ENOSYS makes a library take its older way; EPERM makes it give up."""
        return errno.ENOSYS if call in self.absent else errno.EPERM


_CELL = Program(
    allowed=(*_READING, *_MEMORY, *_THREADS, *_SIGNALS, *_SELF, *_TIME, *_WAITING, *_OPEN_SOCKETS),
    checked=_CHECKED,
    absent=("clone3", "io_uring_setup", "openat2"),
)
_VAULT = Program(allowed=(*_CELL.allowed, *_CHANGING_FILES), checked=_CELL.checked, absent=_CELL.absent)

# The parent of row-function workers: it makes memory to hand over and forks, and the child locks itself up further.
_A_CHILD = 0x0120_0011  # CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, as a plain fork asks for
_SEALS = 1033
_ON_ITSELF = (1, 4, 38)  # SET_PDEATHSIG, SET_DUMPABLE, SET_NO_NEW_PRIVS
_FORKING = Program(
    allowed=(
        *(name for name in _CELL.allowed if name not in _OPEN_SOCKETS),
        *_calls("recvfrom recvmsg sendto sendmsg getsockname getsockopt ftruncate memfd_create fork"),
        *_calls("seccomp landlock_create_ruleset landlock_restrict_self"),
    ),
    checked=(
        *(rule for rule in _CHECKED if rule.call not in ("socketpair", "setsockopt")),
        *_one_of("fcntl", 1, (_SEALS,), mask=LOW_32),
        *_one_of("prctl", 0, _ON_ITSELF, mask=LOW_32),
        Rule("clone", (Argument(0, _A_CHILD),)),
    ),
    absent=_CELL.absent,
)

# A row function: memory of its own, and an end. It has no descriptor, opens none, and cannot put off its alarm.
_PROT_EXEC, _MAP_ANONYMOUS = 4, 0x20
_ROW = Program(
    allowed=_calls("munmap mremap madvise brk futex exit exit_group restart_syscall sched_yield"),
    checked=(
        Rule("mmap", (Argument(2, 0, _PROT_EXEC), Argument(3, _MAP_ANONYMOUS, _MAP_ANONYMOUS))),
        Rule("mprotect", (Argument(2, 0, _PROT_EXEC),)),
    ),
    absent=(),
)

ProgramName = Literal["cell", "vault", "forking", "row"]
PROGRAMS: Mapping[ProgramName, Program] = MappingProxyType(
    {"cell": _CELL, "vault": _VAULT, "forking": _FORKING, "row": _ROW}
)
"""The interpreter's; the vault's, which also changes files (Landlock says which; so both have O_CREAT and write); that
of the parent of row-function workers; and the one that a worker has on top of its parent's.
"""
MACHINES = ("x86_64", "aarch64")
