"""Pair: one vault and one interpreter, started together, the lines to them, and the worker that fits models.

Promise: whatever the processes do, the owner of a pair hears of it by a callback (a message, a notice, a death), and
after `close` nothing of a pair is left: no process, no socket, no directory. Notices come from the vault's own line,
which the interpreter cannot write to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from cleanroom_kernel.protocol.channel import frame
from cleanroom_kernel.protocol.jupyter import Signer
from cleanroom_kernel.protocol.messages import (
    CellStarted,
    Interrupt,
    Open,
    Opened,
    OpenFailed,
    VaultNotice,
    Welcome,
    WorkerWanted,
)
from cleanroom_kernel.server.launching import Launcher, Process, Role
from cleanroom_kernel.server.places import private_directory, remove
from cleanroom_kernel.server.tail import Tail
from cleanroom_kernel.server.vaultline import VaultLine
from cleanroom_kernel.server.workers import Workers
from cleanroom_kernel.server.zmtp import Link, Part, ZmtpError

INTERPRETER = "cleanroom_kernel.interpreter"
CHANNELS = {"shell": "DEALER", "control": "DEALER", "stdin": "DEALER", "iopub": "SUB"}

_ENVELOPE = 2**20  # bytes of headers and routing beside a message's content
_LAST_WORDS_SECONDS = 1
_CLOSE_SECONDS = 2  # for a vault to end by itself

log = logging.getLogger("cleanroom.server")


class StartFailed(RuntimeError):
    """The pair did not come up. The reason is in the owner's log."""


class Setup(Struct, frozen=True):
    """What all pairs of a server have in common."""

    launcher: Launcher
    vault_command: tuple[str, ...]
    interpreter_startup: str | None
    start_timeout: float
    message_limit: int


class Listener(Protocol):
    """Who a pair reports to."""

    async def heard(self, channel: str, parts: list[Part]) -> None: ...
    def noticed(self, notice: VaultNotice) -> None: ...
    def died(self, role: Role, code: int) -> None: ...


class Pair:
    def __init__(self, setup: Setup, listener: Listener) -> None:
        self._setup, self._listener = setup, listener
        self._key = secrets.token_hex(32)
        self._signer = Signer(self._key.encode())
        self._links: dict[str, Link] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._endings: list[asyncio.Task[None]] = []
        self._processes: dict[Role, Process] = {}
        self._vault: VaultLine | None = None
        self._workers = Workers(setup.launcher)
        self._opened: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self._kept = ExitStack()
        self._burial: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self, opening: Open) -> Welcome:
        """Start both and return, when the vault has opened the room, what it says of it. Raises `StartFailed`."""
        try:
            await self._spawn()
            self._vault.send(opening)
            return await asyncio.wait_for(asyncio.shield(self._opened), self._setup.start_timeout)
        except (OSError, TimeoutError) as error:
            log.error("a session's processes did not start: %r", error)
            raise StartFailed("the processes did not start") from error

    # -- to the processes ---------------------------------------------------------------------------------------------
    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        self._links[channel].send(self._signer.close(parts))

    async def drained(self, channel: str) -> None:
        await self._links[channel].drained()

    def backlog(self, channel: str) -> int:
        """Bytes that the interpreter has not taken yet."""
        return self._links[channel].backlog

    def cell_started(self, cell: str) -> None:
        self._vault.send(CellStarted(cell))

    async def settled(self) -> None:
        """Return when every notice that the vault has already sent was passed on: receipts come before their reply."""
        await self._vault.settled()

    def interrupt(self) -> None:
        """A fit of the vault's that the cell waits for ends too."""
        if self._vault is not None:
            self._vault.send(Interrupt())
        if "interpreter" in self._processes:
            self._processes["interpreter"].interrupt()

    def kill_interpreter(self) -> None:
        if "interpreter" in self._processes:
            self._processes["interpreter"].popen.kill()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for task in (*self._listeners, *self._endings):
            task.cancel()
        for link in self._links.values():
            link.close()
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()
        if self._vault is not None:
            await self._vault.close(_CLOSE_SECONDS)
        await asyncio.gather(*(asyncio.to_thread(process.close) for process in self._processes.values()))
        await self._workers.close()
        self._kept.close()

    # -- start --------------------------------------------------------------------------------------------------------
    async def _spawn(self) -> None:
        with ExitStack() as handed_over:  # descriptors that are the children's alone once they run
            handed_over.callback(self._workers.theirs.close)
            ours_vault, theirs_vault = _pair_of_sockets(handed_over)
            self._vault = await VaultLine.open(ours_vault, self._notice)
            inner_vault, inner_interpreter = socket.socketpair()
            handed_over.callback(inner_vault.close)
            handed_over.callback(inner_interpreter.close)
            sockets = await self._listening(handed_over)
            vault = self._launch(
                "vault",
                [
                    *self._setup.vault_command,
                    "--interpreter-fd",
                    str(inner_vault.fileno()),
                    "--server-fd",
                    str(theirs_vault.fileno()),
                    "--supply-fd",
                    str(self._workers.theirs.fileno()),
                ],
                (inner_vault.fileno(), theirs_vault.fileno(), self._workers.theirs.fileno()),
            )
            config = self._configuration(sockets, inner_interpreter.fileno(), handed_over)
            descriptors = {name: made.fileno() for name, made in sockets.items()}
            interpreter = self._launch(
                "interpreter",
                [INTERPRETER, str(config)],
                (*descriptors.values(), inner_interpreter.fileno(), config),
            )
            await asyncio.gather(vault, interpreter)

    async def _listening(self, handed_over: ExitStack) -> dict[str, socket.socket]:
        """Listening sockets, with the server already connected and their names gone: nobody else can ever connect."""
        directory = private_directory()
        identity = secrets.token_hex(16).encode()
        sockets = {}
        try:
            for name, kind in CHANNELS.items():
                made = socket.socket(socket.AF_UNIX)
                handed_over.callback(made.close)
                path = f"{directory}/{name}"
                made.bind(path)
                made.listen(1)
                self._links[name] = await Link.connect(path, kind, identity, self._setup.message_limit + _ENVELOPE)
                sockets[name] = made
        finally:
            remove(directory)
        for name in CHANNELS:
            listener = asyncio.create_task(self._listen(name))
            listener.add_done_callback(self._stopped_listening)
            self._listeners.append(listener)
        return sockets

    def _configuration(self, sockets: dict[str, socket.socket], vault: int, handed_over: ExitStack) -> int:
        """A pipe with the interpreter's settings. It dies when our end closes, so that end is kept."""
        read_end, write_end = os.pipe()
        handed_over.callback(os.close, read_end)
        self._kept.callback(os.close, write_end)
        settings: dict[str, Any] = {
            "key": self._key,
            "sockets": {name: made.fileno() for name, made in sockets.items()},
            "vault": vault,
        }
        if self._setup.interpreter_startup is not None:
            settings["startup"] = self._setup.interpreter_startup
        os.write(write_end, frame(msgspec.json.encode(settings)))
        return read_end

    async def _launch(self, role: Role, command: list[str], fds: tuple[int, ...]) -> None:
        read_end, write_end = os.pipe()
        try:
            process = await self._setup.launcher.launch(role, command, fds=fds, stderr=write_end)
        finally:
            os.close(write_end)
        self._processes[role] = process
        tail = Tail(read_end)
        pidfd = os.pidfd_open(process.popen.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, self._ended, role, process, pidfd, tail)
        self._kept.callback(_forget, loop, pidfd)
        self._kept.callback(tail.close)

    def _ended(self, role: Role, process: Process, pidfd: int, tail: Tail) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        if not self._closed:
            code = process.popen.wait()
            log.error("%s ended with status %s; its last words: %s", role, code, tail.words())
            self._burial = asyncio.create_task(self._report_death(role, code))

    async def _report_death(self, role: Role, code: int) -> None:
        if role == "interpreter":  # what it said before it died comes first
            await asyncio.wait(self._listeners, timeout=_LAST_WORDS_SECONDS)
        if self._closed:
            return
        if not self._opened.done():
            self._opened.set_exception(StartFailed(f"the {role} ended with status {code}"))
        else:
            self._listener.died(role, code)

    # -- from the processes -------------------------------------------------------------------------------------------
    async def _listen(self, channel: str) -> None:
        link = self._links[channel]
        try:
            await link.greeted()
            while True:
                await self._listener.heard(channel, await link.receive())
        except ZmtpError as error:
            log.warning("line %s to an interpreter: %s", channel, error)
            self._endings.append(asyncio.create_task(self._end_interpreter()))

    def _stopped_listening(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave an interpreter that nobody hears."""
        if not task.cancelled() and task.exception() is not None:
            log.error("a message of an interpreter could not be handled", exc_info=task.exception())
            self._endings.append(asyncio.create_task(self._end_interpreter()))

    async def _end_interpreter(self) -> None:
        """It died (then `_ended` reports how), or it broke the rules of its line and is made to die."""
        await asyncio.sleep(_LAST_WORDS_SECONDS)
        self.kill_interpreter()

    def _notice(self, notice: VaultNotice) -> None:
        if isinstance(notice, Opened | OpenFailed):
            if self._opened.done():
                return
            if isinstance(notice, Opened):
                self._opened.set_result(notice.welcome)
            else:
                log.error("the vault could not open the room: %s", notice.message)
                self._opened.set_exception(StartFailed("the vault could not open the room"))
        elif isinstance(notice, WorkerWanted):
            if not self._closed:
                self._workers.wanted()
        else:
            self._listener.noticed(notice)


def _pair_of_sockets(handed_over: ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    handed_over.callback(theirs.close)
    return ours, theirs


def _forget(loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
    loop.remove_reader(pidfd)
    os.close(pidfd)
