"""What is said about the sandbox: to the audit log, to the owner, to the expert. Promise: plain values, no host paths
but the one that a remark must name, and every refusal says what is missing, how to check it and which option overrides
it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct


class Tier(enum.Enum):
    """How strong the confinement is. Found by running the self-test, never from version numbers."""

    A = "A"
    B = "B"
    A_MINUS = "A-"
    EXTERNAL = "external"
    NONE = "none"

    @property
    def meaning(self) -> str:
        return MEANING[self]


MEANING: Mapping[Tier, str] = MappingProxyType(
    {
        Tier.A: "own namespaces (bubblewrap), file access by Landlock, system calls by seccomp",
        Tier.B: "file access by Landlock, system calls by seccomp; names, sizes and dates of files can be seen",
        Tier.A_MINUS: "own namespaces (bubblewrap), system calls by seccomp; this kernel has no Landlock",
        Tier.EXTERNAL: "the owner says that each session is isolated by a virtual machine or container of its own",
        Tier.NONE: "NOT CONFINED: the expert's code can do whatever the server's user can",
    }
)


class Layer(enum.Enum):
    """A layer that the loader applies, as it names them when one fails."""

    CONFINE = "confine"
    LIMITS = "limits"
    IDENTITY = "identity"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


class Note(enum.Enum):
    """Something short of the tier's best, that owner and expert may want to know."""

    UID_NOT_DROPPED = "runs as the server's own user, though without its privileges"
    SHARED_UID = "runs as the server's own user; start the server as root to give each session a user of its own"
    HOSTNAME_VISIBLE = "the machine's name is visible"
    NAMESPACES_IN_SANDBOX = "only seccomp keeps the process from making namespaces of its own"
    NO_THREAD_LIMIT = "the number of threads is limited by memory only"
    NO_SCRATCH = "no scratch space: it needs bubblewrap, which bounds it"


class Remark(Struct, frozen=True, forbid_unknown_fields=True):
    """A note, with the detail that only the owner sees (a path of the owner's machine)."""

    note: Note
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.note.value} [{self.detail}]" if self.detail else self.note.value


class Measured(Struct, frozen=True, forbid_unknown_fields=True):
    """What the confined process read back from the kernel before it ran anything."""

    landlock_abi: int | None
    seccomp: bool
    uid: int
    no_new_privs: bool
    capabilities: int


class Applied(Struct, frozen=True, forbid_unknown_fields=True):
    """The layers in force around one process."""

    profile: str
    tier: Tier
    bubblewrap: str | None
    program: str | None
    measured: Measured
    cgroup: bool
    remarks: tuple[Remark, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The layers and remarks for everybody's eyes: no path, user id or version of the owner's machine."""
        layers = {
            "namespaces": self.bubblewrap is not None,
            "Landlock": self.measured.landlock_abi is not None,
            "seccomp": self.measured.seccomp,
            "no privileges": self.measured.no_new_privs and not self.measured.capabilities,
            "control group": self.cgroup,
        }
        return (*(name for name, used in layers.items() if used), *(remark.note.value for remark in self.remarks))


class Outcome(enum.Enum):
    """Of one check. An attack is BLOCKED or OPEN; something the process needs WORKS or is BROKEN."""

    BLOCKED = "blocked"
    OPEN = "open"
    WORKS = "works"
    BROKEN = "broken"


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the self-test. `detail` is an errno or exception name."""

    group: str
    check: str
    outcome: Outcome
    detail: str


class Obstacle(enum.Enum):
    """Why a tier is out of reach."""

    PLATFORM = "platform"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"
    BWRAP_ABSENT = "bwrap absent"
    BWRAP_UNSAFE = "bwrap unsafe"
    BWRAP_FAILS = "bwrap fails"
    START = "start"
    CHECK = "check"
    MINIMUM = "minimum"
    EXTERNAL = "external"
    NOT_ALLOWED = "not allowed"
    REAL_DATA = "real data"


class Remedy(Struct, frozen=True):
    missing: str
    command: str
    option: str


REMEDIES: Mapping[Obstacle, Remedy] = MappingProxyType(
    {
        Obstacle.PLATFORM: Remedy(
            "Linux on x86_64 or aarch64", "uname -sm", "none: run the server in a Linux virtual machine"
        ),
        Obstacle.LANDLOCK: Remedy(
            "Landlock (Linux 5.13 or later, with `landlock` among the active security modules)",
            "cat /sys/kernel/security/lsm",
            "Sandbox.backend = 'bwrap' does without it, given bubblewrap",
        ),
        Obstacle.SECCOMP: Remedy(
            "seccomp filters (CONFIG_SECCOMP_FILTER, and a container profile that permits them)",
            "grep Seccomp /proc/self/status",
            "Sandbox.backend = 'external', where something else confines",
        ),
        Obstacle.BWRAP_ABSENT: Remedy(
            "bubblewrap in /usr/bin, /bin or /usr/local/bin",
            "bwrap --version",
            "Sandbox.bwrap_path, or Sandbox.backend = 'core'",
        ),
        Obstacle.BWRAP_UNSAFE: Remedy(
            "a bubblewrap that root owns, nobody else can write and that is not setuid",
            "ls -lL $(command -v bwrap)",
            "Sandbox.bwrap_path, or Sandbox.backend = 'core'",
        ),
        Obstacle.BWRAP_FAILS: Remedy(
            "namespaces (bubblewrap cannot start here, as in most containers)",
            "bwrap --ro-bind / / --unshare-all true",
            "Sandbox.backend = 'core' does without them",
        ),
        Obstacle.START: Remedy(
            "a start of the confined process",
            "cleanroom doctor",
            "none: a process that does not start protects nothing",
        ),
        Obstacle.CHECK: Remedy(
            "confinement that holds: the self-test did what should be impossible",
            "cleanroom doctor",
            "none: a weaker Sandbox.backend may pass its own self-test",
        ),
        Obstacle.MINIMUM: Remedy(
            "bubblewrap, which the policy demands",
            "cleanroom doctor",
            "Sandbox.minimum = 'any'",
        ),
        Obstacle.EXTERNAL: Remedy(
            "isolation from outside: network or data can be reached from where sessions would run",
            "cleanroom doctor",
            "Sandbox.backend = 'auto'",
        ),
        Obstacle.NOT_ALLOWED: Remedy(
            "the owner's consent to run without a sandbox",
            "cleanroom doctor",
            "Sandbox.allow_unsandboxed = True, with synthetic data only",
        ),
        Obstacle.REAL_DATA: Remedy(
            "synthetic data: without a sandbox no room may hold anything else",
            "cleanroom doctor",
            "none",
        ),
    }
)


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """Why `tier` was not reached: an obstacle, and the errno, check or line of bubblewrap that showed it."""

    tier: Tier
    obstacle: Obstacle
    detail: str = ""

    def __str__(self) -> str:
        remedy = REMEDIES[self.obstacle]
        shown = f" [{self.detail}]" if self.detail else ""
        return (
            f"tier {self.tier.value}: missing {remedy.missing}{shown}; check with: {remedy.command}; "
            f"to override: {remedy.option}"
        )


class Assessment(Struct, frozen=True, forbid_unknown_fields=True):
    """What this machine can do, for the audit log and the owner's page. `applied` is the self-test's own process;
    `reasons` say why no better tier was reached."""

    tier: Tier
    applied: Applied
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    kernel: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the owner should read at every start."""
        unconfined = (f"SANDBOX OFF. {self.tier.meaning}.",) if self.tier is Tier.NONE else ()
        untested = () if self.findings else ("the self-test is switched off: the layers were applied, but not tried",)
        return (*unconfined, *untested, *map(str, self.reasons), *map(str, self.applied.remarks))


class SandboxRefusedError(RuntimeError):
    """No tier that the settings accept is within reach; the server must not start."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        super().__init__("cannot confine the expert's code:\n" + "\n".join(f"  - {reason}" for reason in reasons))
        self.reasons = reasons
