"""Session: one expert's notebook on the owner's machine.

Promise: what comes in is allow-listed and recorded before it runs; what goes out is rebuilt, numbered and journalled
once, whoever is connected. A process that dies is replaced; that it died is said once, in the cell that it worked for,
and in the audit log. Receipts are from the vault's own line and travel with the reply of their cell.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from cleanroom_kernel import audit
from cleanroom_kernel.audit import Ending
from cleanroom_kernel.protocol.http import ARTIFACT_MESSAGE, Problem, error_reply
from cleanroom_kernel.protocol.jupyter import encode, now, read_header
from cleanroom_kernel.protocol.messages import (
    Delivered,
    Denied,
    Open,
    Opened,
    Released,
    Unsettled,
    VaultNotice,
    VaultReplaced,
    Welcome,
)
from cleanroom_kernel.protocol.release import Receipt
from cleanroom_kernel.protocol.websocket import BadMessage, unpack
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.auditing import AuditFailed, Auditor
from cleanroom_kernel.server.findings import Findings
from cleanroom_kernel.server.heard import Heard
from cleanroom_kernel.server.interrupts import Interrupts
from cleanroom_kernel.server.journal import Journal
from cleanroom_kernel.server.outbox import NO_PARENT, Outbox
from cleanroom_kernel.server.output import Note, OutputRules, Rebuilt, plain, rebuild
from cleanroom_kernel.server.pair import Pair, Setup
from cleanroom_kernel.server.requests import Book, Line, Request
from cleanroom_kernel.server.shapes import REQUESTS, UNHEARD, ExecuteRequest
from cleanroom_kernel.server.signing import Signer
from cleanroom_kernel.server.vault import StartFailed
from cleanroom_kernel.server.zmtp import Part

log = logging.getLogger("cleanroom.server")

_MOST_LINES = 64
_MOST_BACKLOG = 64 * 2**20  # bytes sent to an interpreter that does not read them
_MOST_REFUSALS = 100  # messages refused that are written to the audit log, per session
_SETTLE_SECONDS = 1
_MOST_DEATHS = 3  # in a row, without one answered cell
_SIGNALLED = 128  # and the signal's number: the status of a process around one that was killed
_MOST_VAULTS = 5  # that die in a row, without one answered question


class Host(Struct, frozen=True):
    """What all sessions of a server have in common. `unsettled` are the questions that vaults died of and that none
    after them has charged yet: they outlive their sessions.
    """

    room: str
    setup: Setup
    rules: OutputRules
    auditor: Auditor
    signer: Signer
    opening: Callable[[str, str], Open]  # session and expert -> first message to the vault
    kernel_info: dict[str, Any]
    journal_bytes: int
    journal_messages: int
    unsettled: list[Unsettled]


class Session:
    def __init__(self, host: Host, identity: auth.Identity, address: str, ended: Callable[[Session], None]) -> None:
        self.id = secrets.token_hex(16)
        self.identity, self.address = identity, address
        self.journal = Journal(host.journal_bytes, host.journal_messages)
        self.epochs: OrderedDict[str, int] = OrderedDict()  # client's life -> messages received of it
        self.sockets: set[Any] = set()
        self.was_connected = False
        self.tier = host.setup.launcher.tier
        self.born = self.last_activity = time.monotonic()
        self.started = self.last_date = now()
        self.ending: Ending | None = None
        self.welcome: Welcome | None = None  # the room as its vault describes it, once that is open
        self._host, self._on_end = host, ended
        self._out = Outbox(self.id, identity.name, self.journal, host.rules, host.auditor.note)
        self._pair: Pair | None = None
        self._ready = asyncio.Event()
        self._broken: Problem | None = None
        self._deaths = self._vaults_lost = 0
        self._repairing = asyncio.Lock()
        self._book = Book()
        self._lines: dict[str, Line] = {}
        self._findings = Findings()
        self._interrupts = Interrupts(self._book, self._lines, host.setup.launcher.cell_timeout, self._out.tell)
        self._refusals = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._second, self._in_second = 0, 0

    # -- life ---------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Raises `StartFailed`."""
        auditor = self._host.auditor
        await auditor.record(audit.SessionStarted(self.id, self.identity.name, self._host.room, self.address))
        auditor.note(audit.SandboxTier(self.id, self.tier, self._host.setup.launcher.layers))
        await self._start_pair()
        self._background(self._settle_regularly())

    async def _settle_regularly(self) -> None:
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            self._out.settle_all()

    async def close(self, reason: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = reason
        self._out.settle_all()
        self._host.auditor.note(audit.SessionEnded(self.id, self.identity.name, reason))
        self._on_end(self)
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        for socket in list(self.sockets):
            socket.end(reason)
        if self._pair is not None:
            await self._pair.close()

    @property
    def receipts(self) -> list[Receipt]:
        return self._findings.receipts

    @property
    def busy(self) -> bool:
        return any(True for _ in self._book.running())

    @property
    def running(self) -> str:
        """The code of the cell that runs; "" where none does."""
        return next((request.cell.code for request in self._book.running() if request.cell is not None), "")

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [] if self._pair is None else self._pair.pids

    def interrupt(self) -> None:
        """As the expert's own interrupt, by the owner."""
        self._interrupts.ask()

    async def _start_pair(self) -> None:
        pair = Pair(self._host.setup, self)
        self._pair = self._interrupts.pair = pair
        try:
            await self._open(pair.start)
        except StartFailed:
            await pair.close()
            raise
        self._broken = None
        self._ready.set()

    async def _open(self, start: Callable[[Open], Awaitable[Welcome]]) -> None:
        """Have a vault open the room and charge the questions that vaults before it died of."""
        owed = tuple(self._host.unsettled)
        self._host.unsettled.clear()
        try:
            opening = self._host.opening(self.id, self.identity.name)
            self.welcome = await start(msgspec.structs.replace(opening, unsettled=owed))
        except BaseException:
            self._host.unsettled.extend(owed)
            raise

    def _background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        """A session whose own work fails ends, rather than leave its expert waiting."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("session %s failed", self.id, exc_info=task.exception())
            self._background(self.close(Ending.FAILED))

    # -- from the expert ----------------------------------------------------------------------------------------------
    def receive(self, data: bytes) -> None:
        """One frame from one of the expert's clients."""
        self.last_activity, self.last_date = time.monotonic(), now()
        try:
            channel, parts = unpack(data)
            request = Request(channel, read_header(parts[0]), parts)
        except BadMessage:
            self._refuse("unreadable", "unreadable")
            return
        self._book.remember(request)
        self._handle(request)

    def _handle(self, request: Request) -> None:
        kind, channel = request.header.msg_type, request.channel
        if kind == "kernel_info_request" and channel in ("shell", "control"):
            self._answer(request, self._host.kernel_info)
        elif kind == "interrupt_request" and channel == "control":
            self._interrupts.ask()
            self._answer(request, {"status": "ok"})
        elif kind == "shutdown_request" and channel == "control":
            self._answer(request, {"status": "ok", "restart": False})
            self._background(self.close(Ending.EXPERT))
        elif kind not in REQUESTS.get(channel, ()) or not read_cell(request):
            self._refuse(channel, kind)
            if kind.endswith("_request"):
                self._answer(request, error_reply(Problem.NOT_PASSED_ON))
        elif channel != "shell" or kind in ("comm_open", "comm_msg", "comm_close"):
            # Widgets' messages do not queue: a running cell may be waiting for one.
            self._pass_on_at_once(request)
        elif not self._line(request.line).put(request):
            self._fail(request, Problem.TOO_MANY)

    def _pass_on_at_once(self, request: Request) -> None:
        kind = request.header.msg_type
        if not self._ready.is_set() or self._broken is Problem.INTERPRETER_FAILED:
            problem = Problem.INTERPRETER_DIED
        elif self._pair.backlog(request.channel) > _MOST_BACKLOG:
            problem = Problem.TOO_MANY
        else:
            self._send(request)
            return
        self._refuse(request.channel, kind)
        if kind.endswith("_request"):
            self._answer(request, error_reply(problem))

    def _line(self, name: str) -> Line:
        """Subshells beyond the limit share the main one's line: in order, and slower."""
        if name not in self._lines and len(self._lines) >= _MOST_LINES:
            name = ""
        if name not in self._lines:
            self._lines[name] = Line(self._pass_on, self._abort)
            self._background(self._lines[name].run())
        return self._lines[name]

    async def _pass_on(self, request: Request) -> None:
        problem = await self._hindrance(request)
        if problem is not None:
            self._fail(request, problem)
            return
        if request.cell is not None:
            self._pair.cell_started(request.header.msg_id)
            self._interrupts.passed_on(request)
        self._send(request)
        await self._pair.drained("shell")

    async def _hindrance(self, request: Request) -> Problem | None:
        """Why the request is not passed on. The last look at the processes is the last thing awaited."""
        await self._ready.wait()
        if request.cell is None:
            return self._broken if self._broken is Problem.INTERPRETER_FAILED else None
        if self._broken is None:
            problem = await self._record(request)
            if problem is not None:
                return problem
            await self._ready.wait()
        return self._broken

    async def _record(self, request: Request) -> Problem | None:
        """Write the cell to the audit log, unless its expert was revoked: one transaction for both."""
        event = audit.CellExecuted.of(self.id, self.identity.name, request.header.msg_id, request.cell.code)
        invitation = self.identity.invitation

        def write(connection: Any) -> bool:
            if auth.has_ended(connection, invitation):
                return False
            audit.append(connection, event)
            return True

        try:
            return None if await self._host.auditor.transact(write) else Problem.REVOKED
        except AuditFailed:
            return Problem.AUDIT_FAILED

    def _send(self, request: Request) -> None:
        request.started = now()
        if request.header.msg_type.endswith("_request"):
            self._book.expect_reply(request)
        self._pair.send(request.channel, request.parts)
        request.parts = []

    def _refuse(self, channel: str, kind: str) -> None:
        self._refusals += 1
        if self._refusals <= _MOST_REFUSALS:
            self._host.auditor.note(audit.MessageRefused(self.id, self.identity.name, plain(channel), plain(kind)))

    # -- answers of the server's own ----------------------------------------------------------------------------------
    def _answer(self, request: Request, content: dict[str, Any]) -> None:
        self._out.say("status", request.parent, {"execution_state": "busy"})
        self._out.emit(request.channel, request.reply_type, request.parent, encode(content))
        self._out.say("status", request.parent, {"execution_state": "idle"})

    def _fail(self, request: Request, problem: Problem) -> None:
        """Answer a request that is not, or no longer, at the interpreter."""
        content = error_reply(problem)
        if request.cell is None:
            self._answer(request, content)
            return
        self._out.say("status", request.parent, {"execution_state": "busy"})
        self._out.say("error", request.parent, {key: content[key] for key in ("ename", "evalue", "traceback")})
        self._out.emit(
            "shell", "execute_reply", request.parent, encode(content), self._reply_metadata(request, "error")
        )
        self._out.say("status", request.parent, {"execution_state": "idle"})
        self._line(request.line).answered(request, failed=True)

    def _abort(self, request: Request) -> None:
        self._answer(request, {"status": "aborted"})

    # -- from the interpreter -----------------------------------------------------------------------------------------
    async def heard(self, channel: str, parts: list[Part]) -> None:
        await self._pace(channel)
        try:
            message = Heard.of(parts)
        except BadMessage:
            self._out.keep_back(Note(audit.Drop.MALFORMED, "unreadable"))
            return
        if message.kind in UNHEARD:
            return
        rebuilt = rebuild(self._host.rules, channel, message.kind, message.content, message.metadata, message.buffers)
        if message.kind.endswith("_reply"):
            await self._replied(channel, message, rebuilt)
        else:
            parent = self._book.parent_of(message.key)
            passed = self._out.pass_on(channel, message.kind, message.key[0], parent, rebuilt)
            if message.kind == "execute_input":
                self._interrupts.begun(message.key)
            elif message.kind == "input_request" and not passed:
                self._pair.interrupt()  # nobody will answer it

    async def _pace(self, channel: str) -> None:
        if channel == "iopub":  # replies do not wait for a slow client: it may need them to go on
            await self.journal.relieved()
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > self._host.rules.max_messages_per_second:
            await asyncio.sleep(second + 1 - time.monotonic())

    async def _replied(self, channel: str, message: Heard, rebuilt: Rebuilt) -> None:
        if channel == "shell" and message.key[1] == "execute_request":
            await self._pair.settled()
        request = self._book.answered(message.key, message.kind, channel)
        if request is None:
            self._out.keep_back(Note(audit.Drop.MALFORMED, plain(message.kind)))
            return
        self._out.admit(message.kind, message.key[0], request.parent, rebuilt)
        if request.cell is None:
            self._out.emit(channel, message.kind, request.parent, rebuilt.content)
            return
        status = msgspec.json.decode(rebuilt.content, type=dict[str, Any])["status"]
        self._deaths = 0
        self._interrupts.answered()
        self._out.emit(channel, message.kind, request.parent, rebuilt.content, self._reply_metadata(request, status))
        self._line(request.line).answered(request, failed=status == "error")

    def _reply_metadata(self, request: Request, status: str) -> dict[str, Any]:
        """`started` is what front ends time cells by; receipts are the vault's."""
        return {
            "started": request.started or now(),
            "dependencies_met": True,
            "engine": self.id,
            "status": status,
            "cleanroom": self._findings.take(request.header.msg_id),
        }

    # -- from the vault -----------------------------------------------------------------------------------------------
    def noticed(self, notice: VaultNotice) -> None:
        self._vaults_lost = 0
        match notice:
            case Released(receipt):
                self._findings.add(notice, to_running_cell=self._is_running(receipt.cell))
            case Denied(cell=cell):
                self._findings.add(notice, to_running_cell=self._is_running(cell))
            case Delivered():
                self._deliver(notice)
            case Opened():
                self.welcome = notice.welcome

    def _is_running(self, cell: str) -> bool:
        return any(request.header.msg_id == cell for request in self._book.running())

    def _deliver(self, notice: Delivered) -> None:
        artifact, receipt = notice.artifact, notice.receipt
        self._host.auditor.note(
            audit.Delivered(
                session=self.id,
                expert=self.identity.name,
                number=receipt.number,
                name=artifact.name,
                sha256=artifact.sha256,
                size=len(artifact.content),
            )
        )
        facts = {"name": artifact.name, "sha256": artifact.sha256}
        content = {**facts, "size": len(artifact.content), "trusted": artifact.trusted, "report": artifact.report}
        content["signed"] = self._host.signer.sign(artifact, receipt, self._host.room)
        parent = self._book.parent_of((receipt.cell, "execute_request")) or NO_PARENT
        self._out.emit("iopub", ARTIFACT_MESSAGE, parent, encode(content), {"cleanroom": facts}, (artifact.content,))

    # -- deaths -------------------------------------------------------------------------------------------------------
    def vault_died(self, code: int) -> None:
        if self.ending is not None:
            return
        self._host.auditor.note(audit.VaultDied(self.id, self.identity.name, code))
        began = self._pair.unsettled
        if began is not None:
            question = msgspec.structs.asdict(began)
            self._host.unsettled.append(Unsettled(session=self.id, expert=self.identity.name, **question))
        self._vaults_lost += 1
        words = last_words(code, self._host.opening(self.id, self.identity.name).memory)
        self._background(self._replace_vault(self._pair, VaultReplaced(words, at_work=began is not None)))

    async def _replace_vault(self, pair: Pair, word: VaultReplaced) -> None:
        """A new vault in the place of one that died. Handles are plans: the interpreter and its variables live on."""
        async with self._repairing:
            if self._pair is not pair:
                return
            while self._vaults_lost < _MOST_VAULTS:
                try:
                    await self._open(lambda opening: pair.replace_vault(opening, word))
                    return
                except StartFailed as failed:
                    log.error("session %s has no new vault: %s", self.id, failed)
                    self._vaults_lost += 1
            pair.no_vault(word)
            self._broken = Problem.VAULT_DIED
            for request in self._book.running():
                self._out.tell(request.parent, f"[clean room: {error_reply(Problem.VAULT_DIED)['evalue']}]")

    def interpreter_died(self, code: int) -> None:
        if self.ending is None:
            self._host.auditor.note(audit.InterpreterDied(self.id, self.identity.name, code))
            self._background(self._restart())

    async def _restart(self) -> None:
        """A new pair in the place of one whose interpreter died, as Jupyter restarts a kernel that died."""
        self._ready.clear()
        self._deaths += 1
        for line in self._lines.values():
            line.abort_waiting()
        for request in self._book.abandon():
            self._fail(request, Problem.INTERPRETER_DIED)
        self._out.say("status", NO_PARENT, {"execution_state": "restarting"})
        async with self._repairing:
            await self._pair.close()
            if self._deaths < _MOST_DEATHS:
                try:
                    await self._start_pair()
                    return
                except StartFailed as failed:
                    log.error("session %s has no new interpreter: %s", self.id, failed)
            self._broken = Problem.INTERPRETER_FAILED
            self._ready.set()


def last_words(code: int, memory: int) -> str:
    """What the expert reads in the question that a vault died of: which limit it may have been, and whose it is."""
    limit = f"this room gives a vault {memory / 2**30:.2g} GB, and the owner can raise Server.vault_memory"
    cause = f"most often for want of memory: {limit if memory else 'ask for less at a time, or ask the owner'}"
    signalled = -code if code < 0 else code - _SIGNALLED
    how = f"by signal {signalled}" if signalled > 0 else f"with status {code}"
    return f"The vault ended {how} while it worked on this question ({cause}). What was released stays released."


def read_cell(request: Request) -> bool:
    """Whether the request is no cell, or a cell that can be read."""
    if request.header.msg_type != "execute_request":
        return True
    try:
        request.cell = msgspec.json.decode(request.parts[3], type=ExecuteRequest)
    except (ValueError, RecursionError):
        return False
    return True
