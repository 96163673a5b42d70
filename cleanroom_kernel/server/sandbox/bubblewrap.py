"""bubblewrap, the outer layer: namespaces of the process's own. Promise: only a program that root vouches for is run,
and nothing is ever mounted below a directory that a confined process could have written (CVE-2026-87766).

It must be outermost, since a process under Landlock cannot mount. Environment and orders do not pass through its
arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from cleanroom_kernel.server.sandbox.profiles import FONT_DIRECTORY, HARDWARE, LIBRARIES, SCRATCH_DIRECTORY, Profile
from cleanroom_kernel.server.sandbox.report import Obstacle

_USUAL_PLACES = ("/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap")
_FONT_BYTES = 4 << 20


class Bubblewrap(Struct, frozen=True):
    """A usable bubblewrap and the options it accepts here."""

    path: str
    version: str
    set_hostname: bool = True
    forbid_namespaces: bool = True

    def variants(self) -> Iterator[Bubblewrap]:
        """This one, then those that ask for less: some containers refuse a hostname, or writes to /proc/sys."""
        for set_hostname, forbid_namespaces in ((True, True), (False, True), (False, False)):
            yield Bubblewrap(self.path, self.version, set_hostname, forbid_namespaces)


class Unusable(Exception):
    """There is no bubblewrap here that may be run."""

    def __init__(self, obstacle: Obstacle, detail: str = "") -> None:
        super().__init__(f"{obstacle.value} {detail}".strip())
        self.obstacle = obstacle
        self.detail = detail


def find(configured: str | None) -> Bubblewrap:
    """The configured bubblewrap, or the first in the usual places; never one from PATH or the working directory."""
    for candidate in (configured,) if configured else _USUAL_PLACES:
        if os.path.isfile(candidate):
            return _vetted(os.path.realpath(candidate))
    raise Unusable(Obstacle.BWRAP_ABSENT)


def _vetted(path: str) -> Bubblewrap:
    for place in (path, *map(str, Path(path).parents)):
        status = os.stat(place)
        if status.st_uid != 0 or status.st_mode & 0o022:
            raise Unusable(Obstacle.BWRAP_UNSAFE, f"{place} is not root's alone")
    if os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise Unusable(Obstacle.BWRAP_UNSAFE, f"{path} is setuid")
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, env={}, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unusable(Obstacle.BWRAP_FAILS, type(error).__name__) from None
    return Bubblewrap(path, answer.stdout.strip().removeprefix("bubblewrap "))


def command(
    bubblewrap: Bubblewrap,
    profile: Profile,
    *,
    executable: str,
    directory: str,
    fonts: dict[str, int],
    uid: int | None,
    user_namespace: bool,
) -> list[str]:
    """The arguments before `--`. `fonts` maps names of font cache files to descriptors with their contents.

    `user_namespace`: needed to make the other namespaces without privilege; then the user cannot be changed.
    """
    return [
        bubblewrap.path,
        *_namespaces(bubblewrap, user_namespace=user_namespace, changes_user=uid is not None),
        *_file_system(profile, executable, fonts),
        "--chdir",
        directory,
        "--",
    ]


def _namespaces(bubblewrap: Bubblewrap, *, user_namespace: bool, changes_user: bool) -> Iterator[str]:
    yield from ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
    yield from ("--die-with-parent", "--new-session", "--cap-drop", "ALL")
    if bubblewrap.set_hostname:
        yield from ("--hostname", "cell")
    if changes_user:  # the loader does it, which takes these two and loses them
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    if user_namespace:
        yield "--unshare-user"
        if bubblewrap.forbid_namespaces:
            yield "--disable-userns"


def _file_system(profile: Profile, executable: str, fonts: dict[str, int]) -> Iterator[str]:
    made = {"/"}
    yield from ("--dev", "/dev", "--remount-ro", "/dev", "--proc", "/proc")
    if profile.scratch:
        yield from ("--perms", "1777", "--size", str(profile.scratch), "--tmpfs", SCRATCH_DIRECTORY)
        made.add(SCRATCH_DIRECTORY)
    yield from _libraries(made)
    for path in _outermost((*profile.read, *_links(executable))):
        yield from (*_parents(path, made), "--ro-bind", path, path)
    for path in profile.state:
        yield from (*_parents(path, made), "--bind", path, path)
    if profile.fonts:
        # matplotlib wants a directory that it may write; it never does when the cache is there
        yield from (*_parents(FONT_DIRECTORY, made), "--perms", "0777", "--size", str(_FONT_BYTES))
        yield from ("--tmpfs", FONT_DIRECTORY)
        for name, descriptor in fonts.items():
            yield from ("--perms", "0644", "--file", str(descriptor), f"{FONT_DIRECTORY}/{name}")
    yield from ("--remount-ro", "/")


def _libraries(made: set[str]) -> Iterator[str]:
    for path in (*LIBRARIES, *HARDWARE):
        if os.path.islink(path) and os.path.isdir(path):
            yield from (*_parents(path, made), "--symlink", os.readlink(path), path)
        elif os.path.exists(path):
            yield from (*_parents(path, made), "--ro-bind", path, path)


def _links(executable: str) -> Iterator[str]:
    """The program by each name that leads to it: a virtual environment's python is often a link to a link."""
    while os.path.islink(executable):
        yield executable
        executable = os.path.join(os.path.dirname(executable), os.readlink(executable))
    yield executable
    yield os.path.realpath(executable)


def _outermost(paths: Iterable[str]) -> list[str]:
    """The paths without those that are inside another, or inside the libraries, and so are there already."""
    covering = [place for place in LIBRARIES if not os.path.islink(place)]
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(Path(path).is_relative_to(place) for place in (*covering, *kept)):
            kept.append(path)
    return kept


def _parents(path: str, made: set[str]) -> Iterator[str]:
    """Make the directories above `path` passable: bubblewrap makes them for its own user only."""
    for parent in reversed(Path(path).parents):
        if str(parent) not in made:
            made.add(str(parent))
            yield from ("--perms", "0755", "--dir", str(parent))
