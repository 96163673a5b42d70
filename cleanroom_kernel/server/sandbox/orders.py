"""The orders that the loader obeys, and how they follow from a profile. Promise: what is not granted is denied."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cleanroom_kernel.server.sandbox.bubblewrap import Bubblewrap
from cleanroom_kernel.server.sandbox.profiles import (
    HARDWARE,
    LIBRARIES,
    PROCESS,
    RANDOM_AND_ZERO,
    SCRATCH_DIRECTORY,
    Profile,
)
from cleanroom_kernel.server.sandbox.programs.rules import ProgramName
from cleanroom_kernel.server.sandbox.report import Tier

Grant = tuple[str, str, str]
"""Path, key of landlock.RIGHTS, "required" or "optional"."""


class Layers(Struct, frozen=True):
    """A tier and the layers that make it. `landlock_abi_at_most` pretends that the kernel is older."""

    tier: Tier
    bubblewrap: Bubblewrap | None = None
    landlock: bool = True
    seccomp: bool = True
    landlock_abi_at_most: int | None = None


class Orders(Struct, frozen=True):
    """What one process does to itself before it runs anything. Read by `confine`, which must not import msgspec."""

    descriptors: tuple[int, ...]
    directory: str
    limits: dict[str, int]
    uid: int | None
    grants: tuple[Grant, ...] | None
    landlock_abi_at_most: int | None
    program: ProgramName | None


def make(
    profile: Profile,
    layers: Layers,
    *,
    descriptors: tuple[int, ...],
    directory: str,
    uid: int | None,
    font_directory: str | None,
    counted_apart: bool,
) -> Orders:
    """Orders for one process. `counted_apart`: the kernel counts its threads apart from the server's."""
    limits = dict(profile.limits)
    if profile.threads is not None and counted_apart:
        limits["processes"] = profile.threads
    return Orders(
        descriptors=descriptors,
        directory=directory,
        limits=limits,
        uid=uid,
        grants=tuple(_grants(profile, layers, font_directory)) if layers.landlock else None,
        landlock_abi_at_most=layers.landlock_abi_at_most,
        program=profile.program if layers.seccomp else None,
    )


def _grants(profile: Profile, layers: Layers, font_directory: str | None) -> Iterator[Grant]:
    for path in (*LIBRARIES, *HARDWARE, *PROCESS, *RANDOM_AND_ZERO):
        yield (path, "read", "optional")
    yield ("/dev/null", "device", "required")
    for path in profile.read:
        yield (path, "read", "required")
    if font_directory is not None:
        yield (font_directory, "read", "required")
    for path in profile.state:
        yield (path, "state", "required")
    if profile.scratch and layers.bubblewrap is not None:
        yield (SCRATCH_DIRECTORY, "scratch", "required")
