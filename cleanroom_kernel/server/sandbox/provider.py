"""The sandbox as a session wants it: a `launching.Launcher` that confines. Promise: it exists only on a machine whose
self-test reached an accepted tier, and every process it hands over has confirmed what confines it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from cleanroom_kernel.server.launching import Role
from cleanroom_kernel.server.sandbox import cgroups, profiles, selftest
from cleanroom_kernel.server.sandbox.fonts import FontCache
from cleanroom_kernel.server.sandbox.launcher import launch
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.process import Confined
from cleanroom_kernel.server.sandbox.profiles import Profile
from cleanroom_kernel.server.sandbox.report import Assessment
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.uids import UidPool

_START_SECONDS = 30


class SandboxLauncher:
    """Starts vaults, their workers and interpreters, confined. Make it with `establish`."""

    def __init__(
        self,
        config: SandboxConfig,
        assessment: Assessment,
        layers: Layers,
        vault: Profile,
        pool: UidPool | None,
        parent_group: cgroups.Group | None,
    ) -> None:
        self.assessment = assessment
        self.tier = assessment.tier.value
        self.layers = assessment.applied.words
        self.cell_timeout = float(config.cell_timeout)
        self._config = config
        self._confinement = layers
        self._profiles = {
            "vault": vault,
            "worker": profiles.worker(config),
            "job": profiles.job(config),
            "rows": profiles.rows(config),
            "interpreter": profiles.interpreter(config),
        }
        self._pool = pool
        self._parent_group = parent_group
        self._fonts = FontCache.build()
        self._starters = ThreadPoolExecutor(thread_name_prefix="sandbox-start")

    @classmethod
    def establish(
        cls,
        config: SandboxConfig,
        *,
        tables: Iterable[str | os.PathLike[str]],
        state: str | os.PathLike[str],
        real_data: bool,
    ) -> SandboxLauncher:
        """Test this machine and get ready. Raises SandboxRefusedError, whose text tells the owner what to do.

        `tables` are the files or directories that vaults read, `state` the directory of their ledger. A server that
        runs as root gives vaults the last id of `Sandbox.uid_range`, if that user may read and write these.
        """
        pool = UidPool(*config.uid_range) if os.geteuid() == 0 else None
        with ExitStack() as borrowed:
            uid = None
            if pool is not None:
                uid = pool.take()
                borrowed.callback(pool.give_back, uid)
            assessment, layers = selftest.assess(config, real_data=real_data, uid=uid)
        own_group = cgroups.delegated() if config.cgroup == "auto" else None
        parent_group = None if own_group is None else cgroups.prepare(own_group)
        return cls(config, assessment, layers, profiles.vault(config, tables=tables, state=state), pool, parent_group)

    async def launch(self, role: Role, command: Sequence[str], *, fds: Sequence[int], stderr: int) -> Confined:
        """A confined and confirmed process. Raises OSError (LaunchError, NoUidLeftError) when there is none."""
        starting = self._starters.submit(self._start, role, tuple(command), tuple(fds), os.dup(stderr))
        try:
            return await asyncio.shield(asyncio.wrap_future(starting))
        except asyncio.CancelledError:
            starting.add_done_callback(_close_unwanted)
            raise

    def _start(self, role: Role, command: tuple[str, ...], fds: tuple[int, ...], stderr: int) -> Confined:
        with ExitStack() as until_close, ExitStack() as now:
            now.callback(os.close, stderr)
            uid = self._identity(role, until_close.callback)
            group = self._group(role, until_close.callback)
            process = launch(
                command,
                profile=self._profiles[role],
                layers=self._confinement,
                pass_fds=fds,
                stderr=stderr,
                uid=uid,
                font_cache=self._fonts,
                group=group,
                at_close=until_close.pop_all().close,
            )
        process.confirm(_START_SECONDS)
        return process

    def _identity(self, role: Role, at_close: Callable[..., object]) -> int | None:
        if self._pool is None:
            return None
        if role == "vault":
            return self._pool.vault
        uid = self._pool.take()
        at_close(self._pool.give_back, uid)
        return uid

    def _group(self, role: Role, at_close: Callable[..., object]) -> cgroups.Group | None:
        if self._parent_group is None or role != "interpreter":
            return None
        group = cgroups.create(
            self._parent_group,
            f"interpreter-{secrets.token_hex(8)}",
            memory=self._config.memory_limit,
            tasks=self._config.nproc,
        )
        at_close(group.remove)
        return group


def _close_unwanted(starting: Future[Confined]) -> None:
    """The session that asked is gone, and maybe its event loop too; its process must not stay."""
    if starting.exception() is None:
        starting.result().close()
