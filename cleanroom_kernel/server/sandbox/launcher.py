"""Start confined processes. Promise: a process runs with every layer of its tier or not at all, and inherits the
descriptors listed and nothing else. When the server dies, however it dies, so does the process.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import msgspec
from msgspec import Struct

from cleanroom_kernel.server.sandbox import bubblewrap, descriptors, orders, uids
from cleanroom_kernel.server.sandbox.cgroups import Group
from cleanroom_kernel.server.sandbox.descriptors import Output
from cleanroom_kernel.server.sandbox.fonts import FontCache
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.process import Confined, Promised
from cleanroom_kernel.server.sandbox.profiles import FONT_DIRECTORY, SCRATCH_DIRECTORY, Profile
from cleanroom_kernel.server.sandbox.report import Note, Remark

_LOADER = "cleanroom_kernel.server.sandbox.loader"

# "Die with your parent" means the parent thread: a process started by a thread of a pool is killed when that thread
# ends. This one starts all of them, and ends with the server.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-spawner")


def launch(
    command: Sequence[str],
    *,
    profile: Profile,
    layers: Layers,
    pass_fds: Iterable[int] = (),
    env: Mapping[str, str] | None = None,
    stdout: Output = subprocess.DEVNULL,
    stderr: Output = subprocess.DEVNULL,
    cwd: str | None = None,
    uid: int | None = None,
    font_cache: FontCache | None = None,
    group: Group | None = None,
    at_close: Callable[[], object] | None = None,
) -> Confined:
    """Start `command` (a module's name or the path of a script, and arguments), confined by `layers`.

    `env` is added to the profile's environment. `uid` is for a server that runs as root, and is used only if that user
    can read the program; `Applied.remarks` tells. `at_close` is called once the process is gone, or did not start.
    """
    passed = tuple(pass_fds)
    with ExitStack() as kept, ExitStack() as spawning:
        if at_close is not None:
            kept.callback(at_close)
        descriptors.require_channels(passed)
        descriptors.require_own_output(stdout, stderr)

        user = _user(profile, layers, uid)
        place = _place(profile, layers, cwd, env or {})
        cache = _fonts(profile, layers, user.uid, font_cache or FontCache({}), kept, spawning)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept.callback(ours.close)
        spawning.callback(theirs.close)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.send(
            msgspec.json.encode(
                orders.make(
                    profile,
                    layers,
                    descriptors=passed,
                    directory=place.directory,
                    uid=user.uid,
                    font_directory=cache.directory,
                    counted_apart=user.counted_apart,
                )
            )
        )
        popen = _SPAWNER.submit(
            subprocess.Popen,
            [
                *_wrapping(profile, layers, place, user, cache),
                *(sys.executable, "-I", "-B", "-m", _LOADER, str(theirs.fileno()), "--"),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**place.environment, **cache.environment},
            cwd="/",
            close_fds=True,
            pass_fds=(theirs.fileno(), *passed, *cache.files.values()),
            start_new_session=True,
        ).result()
        promised = Promised(profile, layers, group, (*user.remarks, *_remarks(profile, layers, user, group)))
        return Confined(popen, ours, promised, kept.pop_all())


class _User(Struct, frozen=True):
    """Who the process will be. `counted_apart`: the kernel counts its threads without the server's own."""

    uid: int | None
    user_namespace: bool
    counted_apart: bool
    remarks: tuple[Remark, ...]


class _Place(Struct, frozen=True):
    directory: str
    environment: dict[str, str]


class _Cache(Struct, frozen=True):
    """The font directory as the process sees it; `files` are for bubblewrap to fill it from."""

    directory: str | None = None
    files: dict[str, int] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {} if self.directory is None else {"MPLCONFIGDIR": self.directory}


def _user(profile: Profile, layers: Layers, uid: int | None) -> _User:
    namespace = layers.bubblewrap is not None and not uids.may_make_namespaces()
    obstacle = _why_not(uid, profile, layers, namespace)
    if obstacle is None:
        return _User(uid, False, True, ())
    note = Note.UID_NOT_DROPPED if os.geteuid() == 0 else Note.SHARED_UID
    # a user namespace has a count of its own
    return _User(None, namespace, namespace, (Remark(note, obstacle),))


def _why_not(uid: int | None, profile: Profile, layers: Layers, namespace: bool) -> str | None:
    """What keeps the process from running as `uid`, if anything does; a path where it is one."""
    if uid is None or os.geteuid() != 0:
        return ""
    if namespace or not uids.may_change_user(uid):
        return "this container permits no other users"
    needed = [*profile.read, sys.executable]
    if profile.fonts and layers.bubblewrap is None:
        needed.append(tempfile.gettempdir())
    return uids.unreachable_for(uid, read=needed, write=profile.state, parents=layers.bubblewrap is None)


def _place(profile: Profile, layers: Layers, cwd: str | None, env: Mapping[str, str]) -> _Place:
    if not profile.scratch or layers.bubblewrap is None:
        return _Place(cwd or "/", {**profile.environment, **env})
    scratch = {"HOME": SCRATCH_DIRECTORY, "TMPDIR": SCRATCH_DIRECTORY}
    return _Place(cwd or SCRATCH_DIRECTORY, {**profile.environment, **scratch, **env})


def _fonts(
    profile: Profile, layers: Layers, uid: int | None, cache: FontCache, kept: ExitStack, spawning: ExitStack
) -> _Cache:
    if not profile.fonts:
        return _Cache()
    if layers.bubblewrap is None:
        return _Cache(kept.enter_context(cache.copied(uid)))
    files = cache.in_memory()
    for descriptor in files.values():
        spawning.callback(os.close, descriptor)
    return _Cache(FONT_DIRECTORY, files)


def _wrapping(profile: Profile, layers: Layers, place: _Place, user: _User, cache: _Cache) -> list[str]:
    if layers.bubblewrap is None:
        return []
    return bubblewrap.command(
        layers.bubblewrap,
        profile,
        executable=sys.executable,
        directory=place.directory,
        fonts=cache.files,
        uid=user.uid,
        user_namespace=user.user_namespace,
    )


def _remarks(profile: Profile, layers: Layers, user: _User, group: Group | None) -> Iterator[Remark]:
    wrapped = layers.bubblewrap
    if wrapped is None or not wrapped.set_hostname:
        yield Remark(Note.HOSTNAME_VISIBLE)
    if user.user_namespace and not wrapped.forbid_namespaces:
        yield Remark(Note.NAMESPACES_IN_SANDBOX)
    if profile.threads is not None and group is None and not user.counted_apart:
        yield Remark(Note.NO_THREAD_LIMIT)
    if profile.scratch and wrapped is None:
        yield Remark(Note.NO_SCRATCH)
