"""Which tier this machine reaches. Promise: found by confining a process and letting it try to break out, never from
version numbers; and when no accepted tier is in reach, the server does not start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from ctypes import addressof, create_string_buffer
from pathlib import Path
from types import MappingProxyType

import msgspec

from cleanroom_kernel.server.sandbox import bubblewrap, profiles
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.process import LaunchError
from cleanroom_kernel.server.sandbox.programs.rules import MACHINES
from cleanroom_kernel.server.sandbox.report import (
    Applied,
    Assessment,
    Finding,
    Layer,
    Obstacle,
    Outcome,
    Reason,
    SandboxRefusedError,
    Tier,
)
from cleanroom_kernel.server.sandbox.settings import Backend, SandboxConfig

_PROBE = "cleanroom_kernel.server.sandbox.probe"
_SECONDS = 60

CANDIDATES: Mapping[Backend, tuple[Tier, ...]] = MappingProxyType(
    {
        "auto": (Tier.A, Tier.B, Tier.A_MINUS),
        "bwrap": (Tier.A, Tier.A_MINUS),
        "core": (Tier.B,),
        "external": (Tier.EXTERNAL,),
        "none": (Tier.NONE,),
    }
)
"""Tiers to try, best first. B comes before A-: it keeps files apart where A- has only a mount table."""

GROUPS: Mapping[str, frozenset[Tier]] = MappingProxyType(
    {
        "needs": frozenset(Tier),
        "data": frozenset({Tier.A, Tier.B, Tier.A_MINUS, Tier.EXTERNAL}),
        "network": frozenset({Tier.A, Tier.B, Tier.A_MINUS, Tier.EXTERNAL}),
        "files": frozenset({Tier.A, Tier.B, Tier.A_MINUS}),
        "sockets": frozenset({Tier.A, Tier.B, Tier.A_MINUS}),
        "processes": frozenset({Tier.A, Tier.B, Tier.A_MINUS}),
        "kernel": frozenset({Tier.A, Tier.B, Tier.A_MINUS}),
        "privileges": frozenset({Tier.A, Tier.B, Tier.A_MINUS}),
    }
)
"""Group of checks -> the tiers that must pass all of them."""

_OF_LAYER: Mapping[Layer, Obstacle] = MappingProxyType(
    {Layer.LANDLOCK: Obstacle.LANDLOCK, Layer.SECCOMP: Obstacle.SECCOMP}
)


class _NotReached(Exception):
    def __init__(self, obstacle: Obstacle, detail: str = "") -> None:
        super().__init__(obstacle)
        self.obstacle = obstacle
        self.detail = detail


def assess(config: SandboxConfig, *, real_data: bool, uid: int | None = None) -> tuple[Assessment, Layers]:
    """The best accepted tier and the layers that make it, or SandboxRefusedError.

    `real_data` says whether any room holds more than synthetic data; `uid` is a free user id, if the server is root.
    """
    reasons: list[Reason] = []
    for tier in CANDIDATES[config.backend]:
        try:
            layers, applied, findings = _reach(tier, config, real_data=real_data, uid=uid)
        except _NotReached as reason:
            reasons.append(Reason(tier, reason.obstacle, reason.detail))
        else:
            kernel = os.uname().release
            return Assessment(tier, applied, findings, tuple(reasons), kernel), layers
    raise SandboxRefusedError(tuple(reasons))


_Reached = tuple[Layers, Applied, tuple[Finding, ...]]


def _reach(tier: Tier, config: SandboxConfig, *, real_data: bool, uid: int | None) -> _Reached:
    if sys.platform != "linux" or os.uname().machine not in MACHINES:
        raise _NotReached(Obstacle.PLATFORM)
    if tier is Tier.NONE and not config.allow_unsandboxed:
        raise _NotReached(Obstacle.NOT_ALLOWED)
    if tier is Tier.NONE and real_data:
        raise _NotReached(Obstacle.REAL_DATA)
    if tier is Tier.B and config.minimum == "bwrap":
        raise _NotReached(Obstacle.MINIMUM)
    if tier is Tier.EXTERNAL and not any(map(os.path.isdir, config.protected)):
        raise _NotReached(Obstacle.EXTERNAL, "no data directory to try")
    failure = _NotReached(Obstacle.START)
    for layers in _ways(tier, config):
        try:
            return (layers, *_try(layers, config, uid))
        except _NotReached as reason:
            failure = reason
            if reason.obstacle in (Obstacle.LANDLOCK, Obstacle.SECCOMP, Obstacle.CHECK) and tier is not Tier.EXTERNAL:
                break  # asking less of bubblewrap would not help
    raise failure


def _ways(tier: Tier, config: SandboxConfig) -> Iterator[Layers]:
    """Combinations of layers that would make the tier, best first."""
    if tier in (Tier.A, Tier.A_MINUS):
        try:
            found = bubblewrap.find(config.bwrap_path)
        except bubblewrap.Unusable as unusable:
            raise _NotReached(unusable.obstacle, unusable.detail) from None
        for variant in found.variants():
            yield Layers(tier, variant, landlock=tier is Tier.A, seccomp=True)
    elif tier is Tier.EXTERNAL:  # whatever this kernel has, on top of what is outside
        for landlock, seccomp in ((True, True), (False, True), (True, False), (False, False)):
            yield Layers(tier, landlock=landlock, seccomp=seccomp)
    else:
        yield Layers(tier, landlock=tier is Tier.B, seccomp=tier is Tier.B)


def _try(layers: Layers, config: SandboxConfig, uid: int | None) -> tuple[Applied, tuple[Finding, ...]]:
    with _targets(config) as target:
        applied, findings = probe(layers, config, target, uid=uid)
    for finding in findings:
        failed = finding.outcome in (Outcome.OPEN, Outcome.BROKEN)
        # isolation that somebody else answers for is always tried
        counts = config.self_test or finding.group == "needs" or layers.tier is Tier.EXTERNAL
        if failed and counts and layers.tier in GROUPS[finding.group]:
            obstacle = Obstacle.EXTERNAL if layers.tier is Tier.EXTERNAL else Obstacle.CHECK
            raise _NotReached(obstacle, f"{finding.check}: {finding.outcome.value} {finding.detail}".rstrip())
    return applied, findings if config.self_test else ()


def probe(
    layers: Layers, config: SandboxConfig, target: Mapping[str, object], *, uid: int | None
) -> tuple[Applied, tuple[Finding, ...]]:
    """Confine a process by `layers` and let it try everything in probe.py. `target` as `_targets` makes it."""
    reader, writer = os.pipe()
    with open(reader, "rb"):
        with open(writer, "wb") as pipe:
            pipe.write(msgspec.json.encode(target))
        process = launch(
            [_PROBE, str(reader)],
            profile=profiles.interpreter(config),
            layers=layers,
            pass_fds=(reader,),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            uid=uid,
        )
    with process.popen.stdout, process.popen.stderr, closing(process):
        try:
            applied = process.confirm(_SECONDS)
        except LaunchError as error:
            raise _NotReached(*_obstacle(error, layers, process.popen.stderr.read())) from None
        try:
            output, _ = process.popen.communicate(timeout=_SECONDS)
            return applied, tuple(Finding(g, c, Outcome(o), d) for g, c, o, d in msgspec.json.decode(output))
        except (subprocess.TimeoutExpired, msgspec.DecodeError):
            raise _NotReached(Obstacle.CHECK, "the self-test ended without an answer") from None


def _obstacle(error: LaunchError, layers: Layers, stderr: bytes) -> tuple[Obstacle, str]:
    if error.layer in _OF_LAYER:
        return _OF_LAYER[error.layer], error.reason
    complaint = next((line for line in stderr.decode(errors="replace").splitlines() if line.startswith("bwrap: ")), "")
    if layers.bubblewrap is not None and error.layer is None:
        return Obstacle.BWRAP_FAILS, complaint.removeprefix("bwrap: ")
    return Obstacle.START, str(error)


def _listings(protected: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each directory of data, state or keys that exists, and a digest of the names in it."""
    for path in protected:
        if os.path.isdir(path):
            names = "\0".join(sorted(os.listdir(path)))
            yield path, hashlib.sha256(names.encode(errors="replace")).hexdigest()


@contextmanager
def _targets(config: SandboxConfig) -> Iterator[dict[str, object]]:
    """Things for the probe to reach for, which file permissions alone would let it reach."""
    secret = secrets.token_hex(16)
    memory = create_string_buffer(secret.encode())
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cleanroom-selftest-")))
        directory.chmod(0o755)
        (directory / "secret").write_text(secret)
        (directory / "open").mkdir()
        (directory / "open").chmod(0o777)
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        by_file, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        by_file.bind(str(directory / "socket"))
        abstract.bind(f"\0cleanroom-selftest-{secret}")
        for listener in (by_file, abstract):
            listener.listen()
        (directory / "socket").chmod(0o777)
        yield {
            "secret": secret,
            "file": str(directory / "secret"),
            "open_directory": str(directory / "open"),
            "socket_file": str(directory / "socket"),
            "abstract": f"cleanroom-selftest-{secret}",
            "port": port.getsockname()[1],
            "server": os.getpid(),
            "address": addressof(memory),
            "environment": hashlib.sha256(Path("/proc/self/environ").read_bytes()).hexdigest(),
            "protected": dict(_listings(config.protected)),
        }
