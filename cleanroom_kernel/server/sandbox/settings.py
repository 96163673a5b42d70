"""The owner's settings for the sandbox. Promise: what `snapshot` returns is checked, frozen, and safe to act on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct
from traitlets import Bool, Enum, Integer, List, TraitError, Tuple, Unicode, validate
from traitlets.config import Configurable

Backend = Literal["auto", "bwrap", "core", "external", "none"]
Minimum = Literal["any", "bwrap"]
CgroupUse = Literal["auto", "off"]

LEAST_MEMORY = 800 << 20
"""scikit-learn with two threads maps 730 MB; with less, imports fail in ways that say nothing about the cause."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class SandboxConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One frozen view of the settings. `protected` are the directories that no grant may touch: data, state, keys."""

    backend: Backend = "auto"
    allow_unsandboxed: bool = False
    minimum: Minimum = "any"
    memory_limit: int = 2 << 30
    cpu_seconds: int = 3600
    cell_timeout: int = 300
    threads: int = 2
    nproc: int = 64
    nofile: int = 256
    scratch: int = 0
    uid_range: tuple[int, int] = (200_000, 265_535)
    extra_readonly: tuple[str, ...] = ()
    bwrap_path: str | None = None
    cgroup: CgroupUse = "auto"
    self_test: bool = True
    protected: tuple[str, ...] = ()


class Sandbox(Configurable):
    """How the expert's code is confined. The server refuses to start when the machine cannot do what is asked here."""

    backend = Enum(
        ("auto", "bwrap", "core", "external", "none"),
        default_value="auto",
        help="""How to confine. 'auto': the strongest that works. 'bwrap': insist on bubblewrap's namespaces. 'core':
        Landlock and seccomp only. 'external': you state that each session runs in a virtual machine, gVisor or a
        container of its own; network and data must still be out of reach when the server tries. 'none': no
        confinement; needs allow_unsandboxed and is refused for a room with real data.""",
    ).tag(config=True)
    allow_unsandboxed = Bool(
        False,
        help="""Permit backend = 'none'. The expert's code can then do whatever the server's user can: for trying
        things out on synthetic data, never for anything else. Shown on every session and in every audit record.""",
    ).tag(config=True)
    minimum = Enum(
        ("any", "bwrap"),
        default_value="any",
        help="""The weakest confinement accepted. 'any': tier A, A- or B. 'bwrap': refuse tier B, in which names, sizes
        and dates of files on this machine can be seen, though not their contents.""",
    ).tag(config=True)
    memory_limit = Unicode(
        "2G",
        help="""Address space of an interpreter, with K, M or G. Not below 800M. Resident memory is usually a third of
        it. Plan for sessions times this limit to stay under 70 % of the machine's memory.""",
    ).tag(config=True)
    cpu_seconds = Integer(
        3600, min=1, help="Processor seconds that an interpreter may use in its life; then it is stopped."
    ).tag(config=True)
    cell_timeout = Integer(
        300, min=1, help="Seconds after which the server interrupts a running cell, and later ends its interpreter."
    ).tag(config=True)
    threads = Integer(2, min=1, help="Threads that numerical libraries start in an interpreter (OMP_NUM_THREADS).").tag(
        config=True
    )
    nproc = Integer(
        64,
        min=16,
        help="""Most threads of an interpreter. In force when sessions have a user of their own (server started as
        root), a user namespace (bubblewrap), or a control group; otherwise memory alone limits threads.""",
    ).tag(config=True)
    nofile = Integer(256, min=64, help="Most open files of an interpreter.").tag(config=True)
    scratch = Unicode(
        "0",
        help="""Size of a private temporary directory, with K, M or G. 0: nothing is writable. Needs bubblewrap (tier A
        or A-), which keeps it in memory and bounds its bytes, though not the number of empty files.""",
    ).tag(config=True)
    uid_range = Tuple(
        Integer(min=1000),
        Integer(min=1000),
        default_value=(200_000, 265_535),
        help="""User ids, when the server is root: one per live interpreter, one per worker that fits models, one per
        job that runs, and the last for all vaults. None may belong to an account. An id is not used again before its
        last process is gone.""",
    ).tag(config=True)
    extra_readonly = List(
        Unicode(),
        help="""Directories that interpreters may read besides Python and the system's libraries, such as a folder of
        shared modules. Refused when one holds, or lies in, a directory of data, state or keys.""",
    ).tag(config=True)
    bwrap_path = Unicode(
        None,
        allow_none=True,
        help="""The bubblewrap program, if not in /usr/bin, /bin or /usr/local/bin. Root must own it, and it must not be
        setuid. Version 0.12 or later is advised.""",
    ).tag(config=True)
    cgroup = Enum(
        ("auto", "off"),
        default_value="auto",
        help="""Put each interpreter in a control group of its own as well (memory.max, pids.max) when systemd has
        delegated one to the server: `systemd-run --user --scope -p Delegate=yes cleanroom serve`.""",
    ).tag(config=True)
    self_test = Bool(
        True,
        help="""Try to break out at every start, and take a tier only if every attempt fails. Without it the layers are
        applied and read back, but not tried.""",
    ).tag(config=True)

    @validate("memory_limit")
    def _enough_memory(self, proposal: dict) -> str:
        if parse_size(proposal["value"]) < LEAST_MEMORY:
            raise TraitError("Sandbox.memory_limit is address space: below 800M scikit-learn cannot be imported")
        return proposal["value"]

    @validate("scratch")
    def _a_size(self, proposal: dict) -> str:
        parse_size(proposal["value"])
        return proposal["value"]

    @validate("uid_range")
    def _room_for_two(self, proposal: dict) -> tuple[int, int]:
        lowest, highest = proposal["value"]
        if lowest >= highest:
            raise TraitError("Sandbox.uid_range needs at least two ids: interpreters', and the last one for vaults")
        return proposal["value"]

    def snapshot(self, protected: Iterable[str | os.PathLike[str]] = ()) -> SandboxConfig:
        """The settings as a frozen value; `protected` are the data, state and key directories of the server."""
        forbidden = tuple(os.path.realpath(path) for path in protected)
        return SandboxConfig(
            backend=self.backend,
            allow_unsandboxed=self.allow_unsandboxed,
            minimum=self.minimum,
            memory_limit=parse_size(self.memory_limit),
            cpu_seconds=self.cpu_seconds,
            cell_timeout=self.cell_timeout,
            threads=self.threads,
            nproc=self.nproc,
            nofile=self.nofile,
            scratch=parse_size(self.scratch),
            uid_range=self.uid_range,
            extra_readonly=tuple(checked_extra(path, forbidden) for path in self.extra_readonly),
            bwrap_path=self.bwrap_path,
            cgroup=self.cgroup,
            self_test=self.self_test,
            protected=forbidden,
        )


def parse_size(text: str) -> int:
    """'2G' -> bytes."""
    match = re.fullmatch(r"([0-9]{1,9})([KMG]?)", text.strip().upper())
    if match is None:
        raise TraitError(f"not a size: {text!r}; write a whole number with K, M or G, such as 2G")
    return int(match[1]) * _UNITS[match[2]]


def checked_extra(path: str, protected: Iterable[str]) -> str:
    """The real path of an extra directory that may be granted, or TraitError."""
    real = os.path.realpath(path)
    if not os.path.isabs(path) or not os.path.isdir(real):
        raise TraitError(f"Sandbox.extra_readonly: {path!r} is not an absolute path of a directory")
    for forbidden in protected:
        if within(forbidden, real) or within(real, forbidden):
            raise TraitError(f"Sandbox.extra_readonly: {path!r} would open {forbidden!r} to the expert's code")
    return real


def within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies below it; both must be real paths."""
    return Path(path).is_relative_to(directory)
