"""`cleanroom demo`: owner and expert on one machine, on a synthetic hospital or on the owner's own files.

Everything is kept in one directory: the tables, the room's state, and the expert's side with a Jupyter data directory
of its own, so that nothing of the user's Jupyter is changed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from typing import Any

import msgspec

from cleanroom_kernel import audit
from cleanroom_kernel.cli.expert import connect
from cleanroom_kernel.cli.owner import ADDRESS_FILE, database
from cleanroom_kernel.cli.settings import CommandError, Settings, load
from cleanroom_kernel.cli.tables import proposal_for
from cleanroom_kernel.demo import hospital
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.address import Address
from cleanroom_kernel.vault.proposal import Proposal, render, schema_json

NOTEBOOK = "readmission.ipynb"
_START_SECONDS = 180


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("demo", help="a whole clean room on this machine: owner, expert, notebook")
    parser.add_argument("--tables", nargs="+", type=Path, metavar="FILE", help="your own files instead of the hospital")
    parser.add_argument("--headless", action="store_true", help="execute the notebook, print its AUC and the ledger")
    parser.add_argument("--directory", type=Path, default=Path(".demo"), help="where to keep everything")
    parser.add_argument("--patients", type=int, default=20_000, help="size of the synthetic hospital")
    parser.add_argument("--no-lab", action="store_true", help="serve until stopped; JupyterLab runs elsewhere")
    parser.add_argument("--port", type=int, default=8888, help="JupyterLab's port")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    place = options.directory.resolve()
    place.mkdir(parents=True, exist_ok=True)
    settings = _write_room(place, options)
    with _serving(settings) as address:
        expert = _prepare_expert(place, settings, address, own_tables=bool(options.tables))
        if options.headless:
            from cleanroom_kernel.cli.headless import execute  # costs a second that no other command needs

            execute(expert)
            _print_ledger(settings)
        elif options.no_lab:
            _prepare_lab(place, expert, Path.cwd())
            _prepare_owner(settings, address)
            print(f"The room is open. Its expert's notebooks are in {expert}. Stop with Ctrl-C.", flush=True)
            _wait_to_be_stopped()
        else:
            _prepare_owner(settings, address)
            _open_lab(expert, options.port, _prepare_lab(place, expert, expert))
    return 0


def _write_room(place: Path, options: argparse.Namespace) -> Settings:
    """The owner's files: tables, schema and configuration."""
    data = place / "owner"
    data.mkdir(exist_ok=True)
    if options.tables:
        sources = _own_tables(data, options.tables)
    else:
        print(f"Making a synthetic hospital of {options.patients:,} patients …", flush=True)
        hospital.write(data, options.patients)
        sources = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
    configuration = f"""\
# The demonstration's room. `cleanroom serve --generate-config` lists every setting.
c = get_config()  # noqa: F821
c.Room.schema = "schema.json"
c.Room.sources = {sources!r}
c.Room.synthetic = {not options.tables}
c.Policy.preset = "standard"
c.Server.port = 0
c.Server.owner_port = 0
"""
    (data / "cleanroom_config.py").touch(mode=0o600)
    (data / "cleanroom_config.py").write_text(configuration)
    return load(str(data / "cleanroom_config.py"))


def _own_tables(data: Path, tables: list[Path]) -> dict[str, Any]:
    """Propose a schema for the user's files, unless an edited one from an earlier run is there."""
    proposal = proposal_for(tables, null_values=("?",), room="demo")
    schema = data / "schema.json"
    if not schema.exists():
        schema.write_bytes(schema_json(proposal))
    print(render(proposal))
    print(f"\nThe schema is in {schema}: edit it and run the demo again.", flush=True)
    return _sources(proposal, tables)


def _sources(proposal: Proposal, tables: list[Path]) -> dict[str, Any]:
    """Which of the files holds which table: a file's own name is among its table's aliases, a database's is not."""
    sources: dict[str, Any] = {}
    databases = [path for path in tables if path.suffix in (".db", ".sqlite", ".sqlite3", ".duckdb")]
    for table in proposal.schema.tables:
        file = next((path for path in tables if path.name in table.aliases), None)
        if file is not None:
            sources[table.name] = {"location": str(file.resolve()), "null_values": ["?"]}
        elif databases:
            name = table.aliases[0] if table.aliases else table.name
            sources[table.name] = {"location": str(databases[0].resolve()), "from_table": name}
    return sources


@contextlib.contextmanager
def _serving(settings: Settings) -> Iterator[Address]:
    """The owner's server as a process of its own, until the demonstration ends."""
    where = settings.state / ADDRESS_FILE
    where.unlink(missing_ok=True)
    log = settings.base / "server.log"
    command = [sys.executable, "-m", "cleanroom_kernel.cli.main", "serve"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--config", str(settings.base / "cleanroom_config.py")], stdout=output, stderr=output
        )
        try:
            yield _wait_for(where, server, log)
        finally:
            server.terminate()
            server.wait()


def _wait_for(where: Path, server: subprocess.Popen[bytes], log: Path) -> Address:
    for _ in range(_START_SECONDS * 10):
        if where.exists():
            return msgspec.json.decode(where.read_bytes(), type=Address)
        if server.poll() is not None:
            raise CommandError(f"The server did not start. Its log, {log}, says:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
    raise CommandError(f"The server did not start within {_START_SECONDS} s. See {log}.")


def _prepare_expert(place: Path, settings: Settings, address: Address, *, own_tables: bool) -> Path:
    """The expert's folder, with the notebook and a kernel that is connected by an invitation."""
    expert = place / "expert"
    expert.mkdir(exist_ok=True)
    os.environ["JUPYTER_DATA_DIR"] = str(place / "jupyter")
    with database(settings).begin() as connection:
        auth.revoke(connection, "demo-expert")
        invitation = auth.invite(connection, "demo-expert")
    connect(address.invitation(invitation.token))
    name = "first-look.ipynb" if own_tables else NOTEBOOK
    if not (expert / name).exists():
        shutil.copyfile(str(files("cleanroom_kernel.demo") / name), expert / name)
    return expert


def _prepare_owner(settings: Settings, address: Address) -> None:
    """The owner's panel of the same JupyterLab. In earnest the two roles sit at two machines."""
    from cleanroom_kernel.kernel import ownerlab  # loads Jupyter's server, as above

    with database(settings).begin() as connection:
        auth.revoke(connection, "demo-owner")
        invitation = auth.invite(connection, "demo-owner", auth.Kind.OWNER)
    ownerlab.save(ownerlab.parse(address.owner_invitation(invitation.token)))


def _prepare_lab(place: Path, expert: Path, root: Path) -> dict[str, str]:
    """`root` is the folder that JupyterLab shows."""
    from cleanroom_kernel.cli import demolab  # likewise

    notebook = next(path for path in sorted(expert.glob("*.ipynb")) if not path.stem.endswith("-executed"))
    return demolab.prepare(place / "lab", os.path.relpath(notebook, root))


def _wait_to_be_stopped() -> None:
    """Until Ctrl-C, or SIGTERM, which is taken for it so that the server is stopped too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        signal.pause()


def _print_ledger(settings: Settings) -> None:
    print("\nWhat was asked, and what left the room:")
    with audit.reading(audit.engine(settings.state)) as connection:
        for entry in audit.entries(connection):
            if isinstance(entry.event, (audit.Released, audit.Withheld, audit.Refused)):
                print(_line(entry.event))
        verified = audit.verify(connection)
    print(f"{verified.entries} entries in the audit log; its chain is {'whole' if verified.intact else 'BROKEN'}.")


def _line(event: audit.Released | audit.Withheld | audit.Refused) -> str:
    if isinstance(event, audit.Refused):
        return f"  refused   by the rule {event.rule!r}"
    title = shorten(event.title, 90, placeholder=" …")
    if isinstance(event, audit.Withheld):
        return f"  withheld  {title}"
    hidden = f", {event.suppressed} suppressed" if event.suppressed else ""
    return f"  released  {title} ({event.units} patients{hidden})"


def _open_lab(expert: Path, port: int, environment: dict[str, str]) -> None:
    print(f"Opening JupyterLab on {expert}. The expert's kernel is 'Clean Room'. Stop with Ctrl-C.", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--LabApp.news_url=None"]
    command += [f"--ServerApp.root_dir={expert}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    subprocess.run(command, check=False, env={**os.environ, **environment})
