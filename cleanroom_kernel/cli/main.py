"""Entry point: one parser, one table of commands, and errors as two sentences instead of a traceback."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from cleanroom_kernel.cli import bringing, demo, doctor, expert, owner, policy, records, requests, tables, verifying
from cleanroom_kernel.cli.settings import CommandError

_SETTING = re.compile(r"--\w+\.\w+=")

_MODULES = (demo, owner, expert, bringing, tables, policy, requests, records, verifying, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 the command says why not, 2 the command line is wrong."""
    parser = _parser()
    options, settings = parser.parse_known_args(arguments)
    if settings and ("config" not in options or not all(_SETTING.match(setting) for setting in settings)):
        parser.error(f"unrecognized arguments: {' '.join(settings)}")
    options.settings = settings
    try:
        return options.run(options) or 0
    except CommandError as problem:
        print(f"cleanroom: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cleanroom", description="Machine learning on data you may never see: owner's and expert's commands."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _MODULES:
        module.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
