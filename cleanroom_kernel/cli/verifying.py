"""`cleanroom verify`: is this file one that a room released? `cleanroom key`: the owner's public key, to give away."""

from __future__ import annotations

import argparse
from pathlib import Path

from cleanroom_kernel.cli.owner import add_config
from cleanroom_kernel.cli.settings import CommandError, load
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.protocol.delivery import SUFFIX, Delivery, NotVerified, Signed, read, verify
from cleanroom_kernel.server.signing import Signer


def add(commands: argparse._SubParsersAction) -> None:
    checking = commands.add_parser("verify", help="check a released file against its receipt and the owner's key")
    checking.add_argument("file", metavar="FILE", type=Path)
    checking.add_argument(
        "--receipt", type=Path, help=f"the receipt, if it does not lie beside the file (FILE{SUFFIX})"
    )
    checking.add_argument(
        "--key", help="the owner's public key (`cleanroom key` shows it); default: those of your connections"
    )
    checking.add_argument("--report", action="store_true", help="print the release report, too")
    checking.set_defaults(run=run)
    showing = commands.add_parser("key", help="show the public key by which files of this room are verified")
    add_config(showing)
    showing.set_defaults(run=run_key)


def run(options: argparse.Namespace) -> int:
    receipt = options.receipt or options.file.with_name(options.file.name + SUFFIX)
    try:
        signed = read(_content(receipt, f"There is no receipt {receipt}. Name it with --receipt."))
        content = _content(options.file, f"There is no file {options.file}.")
        delivery = verify(signed, content, _trusted(signed) if options.key is None else options.key.strip().lower())
    except NotVerified as problem:
        raise CommandError(f"{options.file} is NOT verified. {problem}") from None
    print(_sentence(options.file, delivery))
    if options.report:
        print(f"\n{delivery.report}")
    return 0


def run_key(options: argparse.Namespace) -> int:
    print(Signer.of(load(options.config, options.settings).state).public)
    return 0


def _content(path: Path, missing: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise CommandError(missing) from None


def _trusted(signed: Signed) -> str:
    """The key of a room that this user is connected to, if it is the receipt's. A receipt alone is nobody's word."""
    known = {connection.signing_key: connection for connection in connections.saved() if connection.signing_key}
    if signed.key not in known:
        raise NotVerified(
            "Its receipt is of no room that you are connected to. Ask its owner for the public key (`cleanroom key`) "
            "and give it with --key."
        )
    return signed.key


def _sentence(path: Path, delivery: Delivery) -> str:
    return (
        f"{path} is verified: released by room {delivery.room!r} on {delivery.time} to {delivery.expert}, as "
        f"{delivery.name}, release {delivery.number} ({delivery.title}), policy {delivery.policy}, {delivery.units} "
        f"units. Audit hash {delivery.chain}."
    )
