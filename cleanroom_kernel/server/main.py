"""The server: the owner's settings, and what is started from them.

Promise: the ports listen on loopback, or with TLS, or not at all. The experts' port and the owner's are two
applications that share nothing but the sessions. When `serve` returns, no process of any session is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import platform
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets import Bool, Enum, Float, Integer, List, TraitError, Unicode, validate
from traitlets.config import Config, Configurable

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.audit import Ending
from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.protocol import http, jupyter
from cleanroom_kernel.protocol.messages import Open
from cleanroom_kernel.protocol.policy import Rulebook
from cleanroom_kernel.server import app, auth, certificate, memory, owner
from cleanroom_kernel.server.address import Address
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.files import check_private, of_state
from cleanroom_kernel.server.fits import Fits
from cleanroom_kernel.server.jobs import Jobs
from cleanroom_kernel.server.launching import Launcher
from cleanroom_kernel.server.notices import Notices, NoticesError, Sender, by_apprise, watch
from cleanroom_kernel.server.output import OutputPolicy
from cleanroom_kernel.server.pair import Setup
from cleanroom_kernel.server.policies import Policies
from cleanroom_kernel.server.rehearsing import Rehearsals
from cleanroom_kernel.server.reviewing import Airlock, watch_expiry
from cleanroom_kernel.server.rowfunctions import RowFunctions
from cleanroom_kernel.server.sandbox.settings import parse_size
from cleanroom_kernel.server.session import Host
from cleanroom_kernel.server.sessions import Limits, Sessions
from cleanroom_kernel.server.signing import Signer
from cleanroom_kernel.server.turns import Turns

log = logging.getLogger("cleanroom.server")

_LEAST_VAULT = 512 << 20

BODY_LIMIT = 2**16  # bytes of an HTTP request's body; websocket frames have a limit of their own


class ConfigurationError(ValueError):
    """The server cannot start as configured. The text says what to change."""


class Server(Configurable):
    """The clean room's server, on the owner's machine."""

    room = Unicode(help="Directory of the prepared room (`cleanroom prepare` makes it).").tag(config=True)
    name = Unicode(help="Name of the room, as experts see it. Default: the room directory's own name.").tag(config=True)
    state = Unicode(
        help="""Directory of the database (audit log, ledger, invitations), the vault's key and a self-made
        certificate. Made on first use, for this user only. Keep it outside the room directory and back it up.""",
    ).tag(config=True)
    ip = Unicode("127.0.0.1", help="Address to listen on. Anything but loopback is served with TLS only.").tag(
        config=True
    )
    port = Integer(8443, min=0, max=65535, help="Port for experts; 0 takes any free one.").tag(config=True)
    owner_port = Integer(
        8444, min=0, max=65535, help="Port for the owner's tools, always on 127.0.0.1; 0 takes any free one."
    ).tag(config=True)
    tls = Enum(
        ("auto", "always", "never"),
        default_value="auto",
        help="""Whether the experts' port speaks TLS. 'auto': except on loopback. 'never' is refused elsewhere.""",
    ).tag(config=True)
    certfile = Unicode(
        help="""Certificate in PEM. Default: a self-made one in the state directory; invitations carry its fingerprint,
        so that clients need no authority to trust it.""",
    ).tag(config=True)
    keyfile = Unicode(help="Private key of certfile, in PEM.").tag(config=True)

    max_sessions = Integer(20, min=1, help="Most sessions at a time. Each has a vault and an interpreter.").tag(
        config=True
    )
    max_sessions_per_expert = Integer(5, min=1, help="Most sessions of one expert at a time.").tag(config=True)
    cull_idle_timeout = Float(
        0.0, min=0, help="Seconds without a message from the expert after which a session is ended; 0: never."
    ).tag(config=True)
    cull_interval = Float(60.0, min=0.05, help="Seconds between looks for sessions to end.").tag(config=True)
    cull_connected = Bool(
        False, help="Whether cull_idle_timeout also ends sessions whose notebook is still connected."
    ).tag(config=True)
    cull_busy = Bool(False, help="Whether cull_idle_timeout also ends sessions that run a cell.").tag(config=True)
    max_session_age = Float(0.0, min=0, help="Seconds after which any session is ended; 0: never.").tag(config=True)
    memory_reserve = Unicode(
        "512M",
        help="""Memory that must be left for a new session to be admitted, with K, M or G; 0: sessions are not counted
        in memory. An idle session takes about 250M.""",
    ).tag(config=True)
    vault_memory = Unicode(
        "",
        help="""Memory that a vault may have beside the tables that it maps, with K, M or G, not below 512M. A question
        that needs more ends its vault; another one takes its place. Default: half of the machine's memory.""",
    ).tag(config=True)
    heavy_at_once = Integer(
        0,
        min=0,
        help="""Fits, predictions and scores of models that may go on at the same time, over all sessions; the others
        wait, and experts are served in turn. Default, 0: as many as the machine has cores.""",
    ).tag(config=True)
    start_timeout = Float(60.0, min=1, help="Seconds that a session's processes may take to start.").tag(config=True)
    connect_timeout = Float(
        120.0, min=1, help="Seconds after which a session is ended that no notebook ever connected to."
    ).tag(config=True)

    journal_bytes = Integer(
        128 * 2**20,
        min=2**16,
        help="""Bytes of output kept per session for a notebook that is disconnected or slow. Beyond it the oldest
        output is dropped, and the expert is told how much.""",
    ).tag(config=True)
    journal_messages = Integer(20_000, min=100, help="Messages kept per session, likewise.").tag(config=True)

    invitation_days = Float(
        180.0,
        min=0,
        help="""Days for which an invitation is good, unless `cleanroom invite --days` says otherwise; 0: until it is
        revoked. Then its sessions end, and the expert is told to ask for a new one.""",
    ).tag(config=True)
    login_failures = Integer(
        20, min=1, help="Failed logins after which an address is not listened to for login_window seconds."
    ).tag(config=True)
    requests_per_minute = Integer(
        1200, min=60, help="HTTP requests that one invitation may make in a minute; a panel asks about once a second."
    ).tag(config=True)
    messages_per_second = Integer(
        200, min=10, help="Messages that are read from one notebook's line in a second; the next ones wait."
    ).tag(config=True)
    login_window = Float(60.0, min=0.1, help="Seconds over which failed logins are counted.").tag(config=True)

    vault_command = List(
        Unicode(),
        default_value=["cleanroom_kernel.vault", "session"],
        minlen=1,
        help="Module (or script) and arguments that run a session's vault. For tests.",
    ).tag(config=True)
    interpreter_startup = Unicode(
        None,
        allow_none=True,
        help="Module that furnishes the interpreter before the first cell; '' for none. For tests.",
    ).tag(config=True)

    @validate("vault_memory", "memory_reserve")
    def _is_a_size(self, proposal: Any) -> str:
        size = parse_size(proposal["value"] or "0")
        if proposal["trait"].name == "vault_memory" and 0 < size < _LEAST_VAULT:
            raise TraitError("Server.vault_memory: below 512M there is no room for the libraries themselves")
        return str(proposal["value"])

    # -- what follows from the settings -------------------------------------------------------------------------------
    def snapshot_limits(self) -> Limits:
        settings = {name: getattr(self, name) for name in Limits.__struct_fields__}
        return Limits(**{**settings, "memory_reserve": parse_size(self.memory_reserve or "0")})

    @property
    def memory_of_a_vault(self) -> int:
        """Bytes."""
        return parse_size(self.vault_memory or "0") or max(memory.total() // 2, _LEAST_VAULT)

    @property
    def room_name(self) -> str:
        return self.name or Path(self.room).name

    @property
    def is_loopback(self) -> bool:
        if self.ip == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.ip).is_loopback
        except ValueError:
            return False

    def tls_files(self) -> tuple[Path, Path] | None:
        """Certificate and key, or None to speak plainly on loopback."""
        if self.tls == "never" and not self.is_loopback:
            raise ConfigurationError(
                f"Server.ip = {self.ip!r} is not loopback and Server.tls is 'never': tokens and outputs would cross "
                "the network in the clear. Set Server.tls = 'auto'."
            )
        if self.tls == "never" or (self.tls == "auto" and self.is_loopback and not self.certfile):
            return None
        if bool(self.certfile) != bool(self.keyfile):
            raise ConfigurationError("Server.certfile and Server.keyfile belong together: set both or none.")
        if self.certfile:
            return Path(self.certfile), Path(self.keyfile)
        return certificate.self_made(Path(self.state), self.room_name)


async def serve(
    config: Config,
    *,
    launcher: Launcher,
    ready: Callable[[Address], None] | None = None,
    stop: asyncio.Event | None = None,
    rulebook: Rulebook | None = None,
) -> None:
    """Serve the room that `config` describes until `stop` is set, or SIGTERM or SIGINT arrives. Without a `rulebook`
    the owner's port neither shows nor changes the policy.

    `launcher` has no default: that a room is served unconfined must be said by whoever serves it.
    """
    stop = stop or _stop_on_signals()
    async with running(config, launcher, rulebook) as address:
        if ready is not None:
            ready(address)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(config: Config, launcher: Launcher, rulebook: Rulebook | None = None) -> AsyncIterator[Address]:
    """A server, from its first open port to its last ended process."""
    server = Server(config=config)
    files = server.tls_files()
    check_private(of_state(Path(server.state)))
    engine = audit.engine(server.state)
    auth.create(engine)
    airlock.create(engine)
    auditor = Auditor(engine)
    policies = Policies(server.room_name, auditor)
    rehearsals = Rehearsals(launcher, auditor, server.room, server.state, Fits(config=config).snapshot())
    sessions = Sessions(_host(server, config, policies, auditor, launcher), server.snapshot_limits())
    watches = [
        asyncio.create_task(sessions.watch_revocations()),
        asyncio.create_task(sessions.watch_age()),
        asyncio.create_task(watch_expiry(auditor, server.cull_interval)),
        *_notices(config, auditor, server.room_name),
    ]
    places: list[Address] = []
    room = owner.RoomFacts(
        schema=_schema(server),
        tier=launcher.tier,
        policies=policies,
        rehearsals=rehearsals,
        rulebook=rulebook,
        terms=Airlock(config=config).snapshot(),
        invitation_days=server.invitation_days,
        address=lambda: places[0],
    )
    listening = _listen(server, sessions, auditor, launcher, room, certificate.context(*files) if files else None)
    address = Address(
        host=server.ip,
        port=listening[0][1],
        owner_port=listening[1][1],
        room=server.room_name,
        fingerprint=certificate.fingerprint(files[0]) if files else "",
    )
    places.append(address)
    try:
        await auditor.transact(lambda connection: _note_opening(connection, server, policies, _policy(config)))
        yield address
    finally:
        for http_server, _ in listening:
            http_server.stop()
        for watch in watches:
            watch.cancel()
        await rehearsals.close()
        await sessions.end_all(Ending.STOPPED)
        auditor.note(audit.RoomClosed(server.room_name))
        auditor.close()


def _notices(config: Config, auditor: Auditor, room: str) -> list[asyncio.Task[None]]:
    """The task that gives notice of requests, if anybody wants any."""
    notices = Notices(config=config)
    if not notices.are_wanted:
        return []
    try:
        sender = Sender(notices, by_apprise(notices), auditor, room)
    except NoticesError as wrong:
        raise ConfigurationError(str(wrong)) from None
    with audit.reading(auditor.engine) as connection:
        since = audit.last(connection)
    return [asyncio.create_task(watch(sender, notices, auditor, since))]


def _listen(
    server: Server,
    sessions: Sessions,
    auditor: Auditor,
    launcher: Launcher,
    room: owner.RoomFacts,
    tls: ssl.SSLContext | None,
) -> list[tuple[HTTPServer, int]]:
    def door(kind: auth.Kind) -> app.Door:
        failures = auth.Failures(server.login_failures, server.login_window)
        return app.Door(auditor, failures, auth.Rate(server.requests_per_minute), kind, server.messages_per_second)

    experts = app.make(door(auth.Kind.EXPERT), sessions, _room_info(server, launcher))
    owners = owner.make(door(auth.Kind.OWNER), sessions, room)
    listening = []
    for application, ip, port, context in (
        (experts, server.ip, server.port, tls),
        (owners, "127.0.0.1", server.owner_port, None),
    ):
        http_server = HTTPServer(application, ssl_options=context, max_body_size=BODY_LIMIT, max_header_size=BODY_LIMIT)
        sockets = bind_sockets(port, ip)
        http_server.add_sockets(sockets)
        listening.append((http_server, sockets[0].getsockname()[1]))
    return listening


def _host(server: Server, config: Config, policies: Policies, auditor: Auditor, launcher: Launcher) -> Host:
    rules = OutputPolicy(config=config).snapshot()
    fits = Fits(config=config).snapshot()
    jobs = Jobs(config=config).snapshot()
    rows = RowFunctions(config=config).snapshot()

    terms = Airlock(config=config).snapshot()

    room_for_a_vault = server.memory_of_a_vault

    def opening(session: str, expert: str) -> Open:
        return Open(
            session=session,
            expert=expert,
            room=server.room,
            state=server.state,
            policy=policies.current.written,
            policy_entry=policies.current.entry,
            fits=fits,
            terms=terms,
            memory=room_for_a_vault,
            turns=True,
            jobs=jobs,
            rows=rows,
        )

    return Host(
        room=server.room_name,
        setup=Setup(
            launcher=launcher,
            vault_command=tuple(server.vault_command),
            interpreter_startup=server.interpreter_startup,
            start_timeout=server.start_timeout,
            message_limit=rules.max_message_bytes,
            turns=Turns(server.heavy_at_once or os.cpu_count() or 1),
        ),
        rules=rules,
        auditor=auditor,
        signer=Signer.of(server.state),
        opening=opening,
        kernel_info=_kernel_info(server),
        journal_bytes=server.journal_bytes,
        journal_messages=server.journal_messages,
        unsettled=[],
    )


def _room_info(server: Server, launcher: Launcher) -> http.RoomInfo:
    return http.RoomInfo(
        room=server.room_name,
        protocol=http.VERSION,
        version=version("cleanroom-kernel"),
        tier=launcher.tier,
        kernel_info=_kernel_info(server),
        signing_key=Signer.of(server.state).public,
    )


def _kernel_info(server: Server) -> dict[str, Any]:
    banner = (
        f"Clean Room Kernel {version('cleanroom-kernel')}: room {server.room_name}, Python {sys.version.split()[0]}"
    )
    return jupyter.kernel_info(platform.python_version(), banner)


def _schema(server: Server) -> RoomSchema | None:
    """As the prepared room has it; None where there is none to read, which its vaults will say better."""
    try:
        return msgspec.json.decode((Path(server.room) / "room.json").read_bytes(), type=_Manifest).schema
    except (OSError, ValueError, RecursionError):
        return None


class _Manifest(Struct, frozen=True):
    schema: RoomSchema


def _policy(config: Config) -> dict[str, Any]:
    """The disclosure policy as written in the owner's file. Only the vault knows what its names mean."""
    return dict(config.Policy) if "Policy" in config else {}


def _note_opening(connection: Any, server: Server, policies: Policies, file: dict[str, Any]) -> None:
    policies.begin(connection, file)
    address = f"{server.ip}:{server.port}"
    audit.append(connection, audit.RoomOpened(server.room_name, version("cleanroom-kernel"), address))


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
