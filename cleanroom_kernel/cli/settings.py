"""Settings: the owner's configuration file, from traitlets, with every trait's help as its manual.

Promise: a setting that no class knows, a file that is not there and a value of the wrong type are said by name before
anything starts.
"""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from traitlets import Bool, Dict, HasTraits, TraitError, Unicode
from traitlets.config import Config, Configurable
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from cleanroom_kernel.disclosure.policy import Policy, PolicyError, PolicySnapshot
from cleanroom_kernel.plan.schema import RoomSchema
from cleanroom_kernel.server.fits import Fits
from cleanroom_kernel.server.jobs import Jobs
from cleanroom_kernel.server.main import Server
from cleanroom_kernel.server.notices import Notices
from cleanroom_kernel.server.output import OutputPolicy
from cleanroom_kernel.server.reviewing import Airlock
from cleanroom_kernel.server.rowfunctions import RowFunctions
from cleanroom_kernel.server.sandbox.settings import Sandbox

DEFAULT_FILE = "cleanroom_config.py"


class CommandError(Exception):
    """What was wrong and what to do about it, in words for whoever typed the command."""


class Room(Configurable):
    """The owner's tables."""

    schema = Unicode(
        "schema.json", help="File of the declared schema; `cleanroom tables propose` writes a first one."
    ).tag(config=True)
    sources = Dict(
        help="Where each table's rows are: table name -> file, or -> {'location': file or database URL, 'from_table': "
        "name, 'query': SQL, 'null_values': [...]}. Paths are relative to the configuration file."
    ).tag(config=True)
    synthetic = Bool(
        False, help="Say that no row is about a real person. Only then can a room be opened without a sandbox."
    ).tag(config=True)
    state = Unicode(
        "cleanroom-state",
        help="Directory of the prepared tables, the ledger, the audit log and the vault's key. Keep and back it up: "
        "without the ledger the gate forgets what has left.",
    ).tag(config=True)


# Set by the command itself, or by tests alone; the template leaves them out.
_INTERNAL = {"Server.room", "Server.state", "Server.name", "Server.vault_command", "Server.interpreter_startup"}

CLASSES: tuple[type[HasTraits], ...] = (
    Room, Policy, Airlock, Notices, Server, Fits, Jobs, RowFunctions, OutputPolicy, Sandbox,
)  # fmt: skip


class Settings(msgspec.Struct, frozen=True):
    """A configuration file as read. `base` is its directory, from which relative paths count."""

    base: Path
    config: Any

    @property
    def room(self) -> Room:
        return Room(config=self.config)

    @property
    def state(self) -> Path:
        return self.base / self.room.state

    def policy(self) -> PolicySnapshot:
        try:
            return Policy.from_settings(self.policy_settings()).snapshot()
        except PolicyError as wrong:
            raise CommandError(f"The policy is not valid. {wrong}") from None

    def policy_settings(self) -> dict[str, Any]:
        return dict(self.config.get("Policy", {}))

    def schema(self) -> RoomSchema:
        return read_schema(self.base / self.room.schema)


def read_schema(path: Path) -> RoomSchema:
    try:
        return msgspec.json.decode(path.read_bytes(), type=RoomSchema)
    except FileNotFoundError:
        raise CommandError(
            f"There is no schema file {path}. Write one with `cleanroom tables propose FILE…`, or set Room.schema."
        ) from None
    except (ValueError, RecursionError) as wrong:  # not only DecodeError: text that is no UTF-8
        raise CommandError(f"The schema in {path} is not valid: {wrong}") from None


def load(path: str | None, overrides: Sequence[str] = ()) -> Settings:
    """Read the configuration file (`cleanroom_config.py` here if none is named) and `--Class.trait=value` overrides."""
    chosen = Path(path or DEFAULT_FILE).resolve()
    loader = JSONFileConfigLoader if chosen.suffix == ".json" else PyFileConfigLoader
    try:
        config = loader(chosen.name, path=str(chosen.parent)).load_config()
    except ConfigFileNotFound:
        raise CommandError(
            f"There is no configuration file {chosen}. Write one with `cleanroom serve --generate-config`."
        ) from None
    except (Exception, SystemExit) as wrong:  # noqa: BLE001 - the owner's code may raise what it likes
        raise CommandError(f"The configuration file {chosen} cannot be read: {wrong!r}") from None
    for override in overrides:
        _apply(config, override)
    _check(config, chosen)
    return Settings(chosen.parent, config)


def _apply(config: Config, override: str) -> None:
    name, equals, value = override.removeprefix("--").partition("=")
    section, dot, trait = name.partition(".")
    if not (equals and dot):
        raise CommandError(f"{override!r} is no setting. Write --Class.trait=value, as in --Server.port=8443.")
    known = {kind.__name__: kind for kind in CLASSES}.get(section)
    if known is None or trait not in known.class_traits():
        raise _unknown(f"{section}.{trait}")
    config[section][trait] = known.class_traits()[trait].from_string(value)


def _check(config: Config, path: Path) -> None:
    classes = {kind.__name__: kind for kind in CLASSES}
    for section, values in config.items():
        if section not in classes:
            raise _unknown(section)
        if not isinstance(values, dict):
            raise CommandError(f"{section} in {path} is a group of settings, not a value: write {section}.name.")
        for name in values:
            if name not in classes[section].class_traits():
                raise _unknown(f"{section}.{name}")
    for kind in CLASSES:
        if issubclass(kind, Configurable):
            _build(kind, config, path)


def _build(kind: type[Configurable], config: Config, path: Path) -> None:
    try:
        kind(config=config)
    except TraitError as wrong:
        raise CommandError(f"A setting in {path} has a value that it cannot have: {wrong}") from None


def _unknown(name: str) -> CommandError:
    names = [f"{kind.__name__}.{trait}" for kind in CLASSES for trait in own_traits(kind)]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " `cleanroom serve --generate-config` lists all settings."
    return CommandError(f"There is no setting {name!r}.{hint}")


def own_traits(kind: type[HasTraits]) -> list[str]:
    """Names of the settings of a class: its configurable traits, or all of a policy's."""
    traits = kind.class_traits(config=True) if issubclass(kind, Configurable) else kind.class_traits()
    return sorted(traits)


def template() -> str:
    """A configuration file in which every setting stands with its help and its default, commented out."""
    lines = [
        "# Clean Room: the owner's configuration. Every setting is listed with its default.",
        "# Uncomment what you want to change.",
        "",
        "c = get_config()  # noqa: F821",
    ]
    for kind in CLASSES:
        lines += ["", f"# {'-' * 100}", f"# {kind.__name__}: {(kind.__doc__ or '').strip().splitlines()[0]}", ""]
        for name in own_traits(kind):
            if f"{kind.__name__}.{name}" in _INTERNAL:
                continue
            trait = kind.class_traits()[name]
            lines += [f"## {line}" for line in _wrapped(str(trait.help))]
            lines += [f"# c.{kind.__name__}.{name} = {trait.default()!r}", ""]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 110) or [""]


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist yet."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists already; it was left as it is.") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
