"""What each kind of confined process may touch. Promise: nothing that is not listed here, and no socket for anybody.

Every process reaches the world through the descriptors it inherits. The interpreter reads programs and libraries and
writes nothing; so does the worker that fits the vault's models, which is given rows but reads no table. The vault also
reads its tables and keeps its ledger in one directory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct, field
from traitlets import TraitError

from cleanroom_kernel.server.sandbox.programs.rules import ProgramName
from cleanroom_kernel.server.sandbox.settings import SandboxConfig, within

LIBRARIES = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/share",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
)
HARDWARE = (
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
)
PROCESS = (
    "/proc/self",  # threadpoolctl reads maps
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
)
RANDOM_AND_ZERO = ("/dev/random", "/dev/urandom", "/dev/zero")

FONT_DIRECTORY = "/run/matplotlib"
"""Where the font cache is inside bubblewrap; without it the launcher makes a directory."""
SCRATCH_DIRECTORY = "/tmp"  # noqa: S108 - the private one inside bubblewrap

_SHARED_PREFIXES = ("/", "/usr", "/usr/local")


class Profile(Struct, frozen=True):
    """One kind of process. `limits` has the keys of limits.KERNELS; `processes` counts threads."""

    name: Literal["interpreter", "vault", "worker", "job", "rows"]
    program: ProgramName
    read: tuple[str, ...]
    limits: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    scratch: int = 0
    fonts: bool = False
    threads: int | None = None


class GrantError(TraitError):
    """A directory that a confined process must read holds something that it must not: a fault of the settings."""


def interpreter(config: SandboxConfig) -> Profile:
    """The profile of the expert's interpreter."""
    read = (*program_paths(), *config.extra_readonly)
    _refuse_protected((*LIBRARIES, *read), config.protected)
    return Profile(
        name="interpreter",
        program="vault" if config.scratch else "cell",  # with scratch space it changes files too
        read=read,
        limits={
            **_common_limits(config),
            "memory": config.memory_limit,
            "cpu": config.cpu_seconds,
            "file_size": config.scratch,
        },
        environment={**_environment(config.threads), "MALLOC_ARENA_MAX": "2"},
        scratch=config.scratch,
        fonts=True,
        threads=config.nproc,
    )


def vault(config: SandboxConfig, *, tables: Iterable[str | os.PathLike[str]], state: str | os.PathLike[str]) -> Profile:
    """The profile of a vault: reads the files below `tables`, keeps its ledger in the directory `state`.

    It is trusted, so its memory and time are bounded by its own policy and not here.
    """
    return Profile(
        name="vault",
        program="vault",
        read=(*program_paths(), *(os.path.realpath(path) for path in tables)),
        limits={**_common_limits(config), "open_files": 4 * config.nofile},
        environment=_environment(os.cpu_count() or 1),
        state=(os.path.realpath(state),),
    )


def worker(config: SandboxConfig) -> Profile:
    """The profile of a vault's worker: programs and libraries. What a fit may take, the vault tells it."""
    return Profile(
        name="worker",
        program="cell",
        read=program_paths(),
        limits={**_common_limits(config), "file_size": 0},
        environment=_environment(os.cpu_count() or 1),
    )


def job(config: SandboxConfig) -> Profile:
    """A job's: as a worker's, but its code is an expert's, and finds the modules that it was rehearsed with. Memory and
    time are set in it before it runs.
    """
    return Profile(
        name="job",
        program="cell",
        read=(*program_paths(), *config.extra_readonly),
        limits={**_common_limits(config), "file_size": 0},
        environment=_environment(config.threads),
        threads=config.nproc,
    )


def rows(config: SandboxConfig) -> Profile:
    """The profile of the parent of row-function workers: programs and libraries, and what it takes to fork. Its workers
    have less (`rowworker.locks`); memory and time of one, the vault tells it.
    """
    return Profile(
        name="rows",
        program="forking",
        read=program_paths(),
        limits=_common_limits(config),
        environment=_environment(1),
    )


def program_paths() -> tuple[str, ...]:
    """Where Python and this package live: as written and, where that differs, as real paths."""
    # __path__ and not the repository around it: beside an editable install there may be anything
    package = str(Path(__file__).parents[2])
    places = [*_of_prefix(sys.prefix), *_of_prefix(sys.base_prefix), package]
    return tuple(dict.fromkeys(form for place in places for form in (place, os.path.realpath(place))))


def _of_prefix(prefix: str) -> tuple[str, ...]:
    """A prefix of Python's own is granted whole; one that the system shares has its libraries in LIBRARIES already."""
    return () if os.path.normpath(prefix) in _SHARED_PREFIXES else (prefix,)


def _refuse_protected(granted: Iterable[str], protected: Iterable[str]) -> None:
    for path in granted:
        for forbidden in protected:
            if within(forbidden, os.path.realpath(path)):
                raise GrantError(f"{forbidden!r} lies in {path!r}, which interpreters must read: move it elsewhere")


def _common_limits(config: SandboxConfig) -> dict[str, int]:
    return {
        "open_files": config.nofile,
        "core": 0,
        "locked_memory": 64 << 10,
        "message_queues": 0,
        "pending_signals": 1024,
        "stack": 8 << 20,
        "nice": 0,
        "real_time": 0,
    }


def _environment(threads: int) -> dict[str, str]:
    """All that a confined process inherits. MPLBACKEND is left to the kernel, which knows where figures go."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "JOBLIB_MULTIPROCESSING": "0",
    }
