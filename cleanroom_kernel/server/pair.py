"""Pair: one vault and one interpreter, started together, and the lines to them.

Promise: whatever the processes do, the owner of a pair hears of it by a callback (a message, a notice, a death), and
after `close` nothing of a pair is left: no process, no socket, no directory. Notices come from the vault's own line,
which the interpreter cannot write to. A vault that died can be replaced: the interpreter is handed a line to the new
one, on a line of its own that the server never reads.
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
    Began,
    CellStarted,
    Interrupt,
    Open,
    VaultNotice,
    VaultReplaced,
    Welcome,
)
from cleanroom_kernel.server.launching import Launcher
from cleanroom_kernel.server.places import private_directory, remove
from cleanroom_kernel.server.turns import Turns
from cleanroom_kernel.server.vault import StartFailed, Vault
from cleanroom_kernel.server.watched import Watched
from cleanroom_kernel.server.zmtp import Link, Part, ZmtpError

INTERPRETER = "cleanroom_kernel.interpreter"
CHANNELS = {"shell": "DEALER", "control": "DEALER", "stdin": "DEALER", "iopub": "SUB"}

_ENVELOPE = 2**20  # bytes of headers and routing beside a message's content
_LAST_WORDS_SECONDS = 1

log = logging.getLogger("cleanroom.server")


class Setup(Struct, frozen=True):
    """What all pairs of a server have in common."""

    launcher: Launcher
    vault_command: tuple[str, ...]
    interpreter_startup: str | None
    start_timeout: float
    message_limit: int
    turns: Turns


class Listener(Protocol):
    """Who a pair reports to."""

    async def heard(self, channel: str, parts: list[Part]) -> None: ...
    def noticed(self, notice: VaultNotice) -> None: ...
    def vault_died(self, code: int) -> None: ...
    def interpreter_died(self, code: int) -> None: ...


class Pair:
    def __init__(self, setup: Setup, listener: Listener) -> None:
        self._setup, self._listener = setup, listener
        self._key = secrets.token_hex(32)
        self._signer = Signer(self._key.encode())
        self._links: dict[str, Link] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._endings: list[asyncio.Task[None]] = []
        self._interpreter: Watched | None = None
        self._vault = self._new_vault()
        self._cell = ""
        self._supply, self._supplied = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._supply.shutdown(socket.SHUT_RD)
        self._kept = ExitStack()
        self._burial: asyncio.Task[None] | None = None
        self._is_up = self._closed = False

    async def start(self, opening: Open) -> Welcome:
        """Start both and return, when the vault has opened the room, what it says of it. Raises `StartFailed`."""
        inner_vault, inner_interpreter = socket.socketpair()
        with inner_vault, inner_interpreter, self._supplied:
            started = await asyncio.gather(
                self._vault.start(inner_vault, opening),
                self._start_interpreter(inner_interpreter),
                return_exceptions=True,  # what the other one has started is known when this is closed
            )
        for failure in started:
            if isinstance(failure, OSError):
                log.error("a session's processes did not start: %r", failure)
                raise StartFailed("the processes did not start") from failure
            if isinstance(failure, BaseException):
                raise failure
        if self._interpreter.process.popen.poll() is not None:
            raise StartFailed("the interpreter ended before the room was open")
        self._is_up = True
        return started[0]

    def _new_vault(self) -> Vault:
        setup = self._setup
        return Vault(setup.launcher, setup.vault_command, setup.start_timeout, setup.turns, self._listener)

    # -- a vault in the place of one that died ------------------------------------------------------------------------
    @property
    def unsettled(self) -> Began | None:
        """The question that the vault works on, or was working on when it died."""
        return self._vault.began

    async def replace_vault(self, opening: Open, word: VaultReplaced) -> Welcome:
        """A new vault; `word` says to the expert what became of the old one. Raises `StartFailed`."""
        await self._vault.close()
        self._vault = self._new_vault()
        inner_vault, inner_interpreter = socket.socketpair()
        with inner_vault, inner_interpreter:
            welcome = await self._vault.start(inner_vault, opening)
            self._vault.send(CellStarted(self._cell))  # it knows which cell it is before the cell can ask
            self._say_of_vault(word, [inner_interpreter.fileno()])
        return welcome

    def no_vault(self, word: VaultReplaced) -> None:
        """There will be none in this session."""
        self._say_of_vault(word, [])

    def _say_of_vault(self, word: VaultReplaced, line: list[int]) -> None:
        try:
            socket.send_fds(
                self._supply, [msgspec.msgpack.encode(word)], line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
            )
        except OSError as error:  # it is gone, which is said of itself, or has not listened for a long time
            log.info("an interpreter takes no new vault: %r", error)

    @property
    def pids(self) -> list[int]:
        interpreter = [] if self._interpreter is None else [self._interpreter.process.popen.pid]
        return [*interpreter, *self._vault.pids]

    # -- to the processes ---------------------------------------------------------------------------------------------
    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        self._links[channel].send(self._signer.close(parts))

    async def drained(self, channel: str) -> None:
        await self._links[channel].drained()

    def backlog(self, channel: str) -> int:
        """Bytes that the interpreter has not taken yet."""
        return self._links[channel].backlog

    def cell_started(self, cell: str) -> None:
        self._cell = cell
        self._vault.send(CellStarted(cell))

    async def settled(self) -> None:
        """Return when every notice that the vault has already sent was passed on: receipts come before their reply."""
        await self._vault.settled()

    def interrupt(self) -> None:
        """A fit of the vault's that the cell waits for ends too."""
        self._vault.send(Interrupt())
        if self._interpreter is not None:
            self._interpreter.process.interrupt()

    def kill_interpreter(self) -> None:
        if self._interpreter is not None:
            self._interpreter.process.popen.kill()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for task in (*self._listeners, *self._endings):
            task.cancel()
        for link in self._links.values():
            link.close()
        await self._vault.close()
        if self._interpreter is not None:
            await self._interpreter.close()
        self._supply.close()
        self._kept.close()

    # -- start --------------------------------------------------------------------------------------------------------
    async def _start_interpreter(self, vault: socket.socket) -> None:
        with ExitStack() as handed_over:  # descriptors that are the child's alone once it runs
            sockets = await self._listening(handed_over)
            config = self._configuration(sockets, vault.fileno(), handed_over)
            self._interpreter = await Watched.launch(
                self._setup.launcher,
                "interpreter",
                [INTERPRETER, str(config)],
                (*(made.fileno() for made in sockets.values()), vault.fileno(), self._supplied.fileno(), config),
                self._ended,
            )

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
            "supply": self._supplied.fileno(),
        }
        if self._setup.interpreter_startup is not None:
            settings["startup"] = self._setup.interpreter_startup
        os.write(write_end, frame(msgspec.json.encode(settings)))
        return read_end

    def _ended(self, code: int) -> None:
        if not self._closed:
            self._burial = asyncio.create_task(self._report_death(code))

    async def _report_death(self, code: int) -> None:
        await asyncio.wait(self._listeners, timeout=_LAST_WORDS_SECONDS)  # what it said before it died comes first
        if self._is_up and not self._closed:
            self._listener.interpreter_died(code)

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
