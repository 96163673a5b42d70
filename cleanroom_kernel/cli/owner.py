"""Owner's commands: serve a room, invite experts and revoke invitations."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import msgspec
import sqlalchemy as sa
from traitlets import TraitError

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.cli.preparing import prepare
from cleanroom_kernel.cli.settings import DEFAULT_FILE, CommandError, Settings, load, template, write_new
from cleanroom_kernel.disclosure.policy import RULEBOOK
from cleanroom_kernel.server import auth, certificate
from cleanroom_kernel.server.address import Address
from cleanroom_kernel.server.files import NotPrivate, check_private
from cleanroom_kernel.server.main import ConfigurationError, Server, serve
from cleanroom_kernel.server.sandbox.provider import SandboxLauncher
from cleanroom_kernel.server.sandbox.report import SandboxRefusedError
from cleanroom_kernel.server.sandbox.settings import Sandbox

ADDRESS_FILE = "address.json"


def add(commands: argparse._SubParsersAction) -> None:
    serving = commands.add_parser("serve", help="check and prepare the tables, then serve the room to its experts")
    add_config(serving)
    serving.add_argument("--generate-config", action="store_true", help=f"write {DEFAULT_FILE} with every setting")
    serving.set_defaults(run=run_serve)

    inviting = commands.add_parser("invite", help="invite an expert: prints the one connection string to send them")
    inviting.add_argument("expert", help="a name for the audit log, such as an e-mail address")
    inviting.add_argument("--host", help="the name under which the expert reaches this machine")
    inviting.add_argument("--owner", action="store_true", help="a line for the owner's panel instead")
    inviting.add_argument("--days", type=float, help="for so long it is good (Server.invitation_days); 0: for ever")
    add_config(inviting)
    inviting.set_defaults(run=run_invite)

    revoking = commands.add_parser("revoke", help="end an expert's invitations and running sessions at once")
    revoking.add_argument("expert")
    add_config(revoking)
    revoking.set_defaults(run=run_revoke)


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that every command with a configuration file has; `--Class.trait=value` overrides come beside it."""
    parser.add_argument("--config", metavar="FILE", help=f"configuration file (default: {DEFAULT_FILE} here)")
    parser.epilog = "Any setting of the file can be given as --Class.trait=value, such as --Server.port=9000."


def run_serve(options: argparse.Namespace) -> int:
    if options.generate_config:
        path = Path(options.config or DEFAULT_FILE)
        write_new(path, template())
        print(f"Wrote {path}. Name your tables in it (c.Room.sources), then: cleanroom serve --config {path}")
        return 0
    settings = load(options.config, options.settings)
    try:
        check_private([Path(options.config or DEFAULT_FILE)])
    except NotPrivate as problem:
        raise CommandError(str(problem)) from None
    return serve_room(settings)


def serve_room(settings: Settings) -> int:
    """Prepare the room and serve it until interrupted."""
    settings.policy()
    print(prepare(settings), flush=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)

    launcher = confinement(settings)
    print(f"Expert's code is confined at tier {launcher.tier}: {'; '.join(launcher.layers) or 'nothing'}.", flush=True)

    def ready(address: Address) -> None:
        _write_address(settings.state, address)
        print(f"The room {address.room!r} is open on {address.host}:{address.port}.", flush=True)
        print("Invite an expert with: cleanroom invite NAME. Stop with Ctrl-C.", flush=True)

    try:
        asyncio.run(serve(server_config(settings), ready=ready, launcher=launcher, rulebook=RULEBOOK))
    except OSError as problem:
        raise CommandError(
            f"The server cannot listen: {problem.strerror or problem}. Is another one running? Set Server.port."
        ) from None
    except (ConfigurationError, NotPrivate, certificate.NoCertificate) as problem:
        raise CommandError(str(problem)) from None
    except sa.exc.SQLAlchemyError as problem:
        raise CommandError(
            f"The room's database in {settings.state} cannot be read or written ({type(problem).__name__}). Look for a "
            "full or read-only disk; if the file is damaged, put your last copy of the directory back."
        ) from None
    return 0


def confinement(settings: Settings) -> SandboxLauncher:
    """The sandbox that this machine can give, tried out now."""
    try:
        config = Sandbox(config=settings.config).snapshot(protected=(settings.base, settings.state))
        return SandboxLauncher.establish(
            config, tables=[settings.state / "room"], state=settings.state, real_data=not settings.room.synthetic
        )
    except (SandboxRefusedError, TraitError) as refused:
        raise CommandError(str(refused)) from None


def server_config(settings: Settings):
    """The server's part of the configuration, with the places that the room's part decides."""
    config = settings.config.copy()
    config.Server.room = str(settings.state / "room")
    config.Server.state = str(settings.state)
    config.Server.name = settings.schema().name
    return config


def run_invite(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    kind = auth.Kind.OWNER if options.owner else auth.Kind.EXPERT
    with database(settings).begin() as connection:
        invitation = auth.invite(connection, options.expert, kind, days=_days(options, settings))
    if options.owner:
        print(_address(settings).owner_invitation(invitation.token))
        print("\nFor the owner's panel in JupyterLab, on this machine. It is shown once.", file=sys.stderr)
        return 0
    print(_address(settings).invitation(invitation.token, options.host))
    print(
        f"\nSend this one line to {options.expert} over a channel that you trust; it is shown once. They run:\n"
        "  cleanroom connect 'THE LINE'",
        file=sys.stderr,
    )
    return 0


def _days(options: argparse.Namespace, settings: Settings) -> float:
    if options.days is not None:
        return float(options.days)
    return float(Server(config=server_config(settings)).invitation_days)


def run_revoke(options: argparse.Namespace) -> int:
    settings = load(options.config, options.settings)
    with database(settings).begin() as connection:
        revoked = auth.revoke(connection, options.expert)
    if not revoked:
        raise CommandError(f"{options.expert!r} has no invitation that could be revoked.")
    print(f"Revoked {len(revoked)} invitation(s) of {options.expert}; running sessions end now.")
    return 0


def database(settings: Settings) -> sa.Engine:
    engine = audit.engine(settings.state)
    auth.create(engine)
    airlock.create(engine)
    return engine


def _address(settings: Settings) -> Address:
    """Where the room is, or will be, open: as the running server wrote it down, else as configured."""
    path = settings.state / ADDRESS_FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Address)
    server = Server(config=server_config(settings))
    files = server.tls_files()
    fingerprint = certificate.fingerprint(files[0]) if files else ""
    return Address(server.ip, server.port, server.owner_port, server.room_name, fingerprint)


def _write_address(state: Path, address: Address) -> None:
    (state / ADDRESS_FILE).write_bytes(msgspec.json.encode(address))
