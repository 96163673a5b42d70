"""Expert's command: `cleanroom bring` prints a cell that brings a file of a model into the notebook.

The code of a notebook runs on the owner's machine and reads no file of the expert's, so the file travels as text. The
owner's audit log keeps it with the cell's code, and may look at it.
"""

from __future__ import annotations

import argparse
import base64
import textwrap
import zipfile
from pathlib import Path

from cleanroom_kernel.cli.settings import CommandError

MOST_BYTES = 2 * 2**20  # of the file: a cell's code is kept in the audit log


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("bring", help="print a cell that brings a model (a file of skops) into the room")
    parser.add_argument("file", type=Path, help="written by skops.io.dump")
    parser.add_argument("--as", dest="name", default="brought", metavar="NAME", help="what the model is called there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    print(cell(options.file, options.name))
    return 0


def cell(path: Path, name: str) -> str:
    if not name.isidentifier():
        raise CommandError(f"{name!r} is no name of a variable.")
    try:
        content = path.read_bytes()
    except OSError:
        raise CommandError(f"There is no file {path} that could be read.") from None
    if not zipfile.is_zipfile(path):
        raise CommandError(f"{path} is no file of skops. Write one with skops.io.dump(model, 'model.skops').")
    if len(content) > MOST_BYTES:
        raise CommandError(f"{path} has more than {MOST_BYTES >> 20} MB. Bring a smaller model.")
    lines = textwrap.wrap(base64.b64encode(content).decode(), 120)
    return "\n".join(["import base64", f'{name} = room.bring(base64.b64decode("""', *lines, '"""))'])
