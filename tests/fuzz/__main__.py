"""Coverage-guided fuzzing of every decoder: `make fuzz`, for SECONDS in all.

Each target runs in a process of its own, from its corpus; what reaches new code is kept in the corpus, which is then
cut down to what is needed. A crash is left beside it, printed, and makes this fail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

_MOST_KEPT = 60  # entries of one corpus, the smallest ones
_MOST_BYTES = 2_000  # of one entry


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--only", nargs="*", default=[], help="names of targets")
    parser.add_argument("--child", nargs=3, help="target, corpus folder and seconds, for our own use")
    options = parser.parse_args()
    if options.child:
        name, folder, seconds = options.child
        _fuzz(name, folder, seconds)
    from tests.fuzz.targets import TARGETS

    names = options.only or list(TARGETS)
    failed = [name for name in names if not _run(name, max(options.seconds / len(names), 1))]
    print(f"{len(names)} targets, {len(failed)} with crashes: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _run(name: str, seconds: float) -> bool:
    """Whether a target stood the bytes of so many seconds."""
    from tests.fuzz.targets import corpus, keep

    with tempfile.TemporaryDirectory() as folder:
        for number, entry in enumerate(corpus(name)):
            (Path(folder) / f"kept-{number}").write_bytes(entry)
        command = [sys.executable, "-m", "tests.fuzz", "--child", name, folder, str(int(seconds))]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        found = sorted((path.read_bytes() for path in Path(folder).iterdir()), key=len)
        crashes = [path.read_bytes() for path in Path(folder).glob("crash-*")]
    keep(name, [entry for entry in found if len(entry) <= _MOST_BYTES][:_MOST_KEPT] + crashes)
    if done.returncode == 0:
        print(f"{name}: {_runs(done.stderr)}")
        return True
    print(f"{name}: FAILED\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return False


def _runs(log: str) -> str:
    """libFuzzer's own last word."""
    lines = [line for line in log.splitlines() if line.startswith(("Done", "stat::number_of_executed_units"))]
    return lines[-1] if lines else "done"


def _fuzz(name: str, folder: str, seconds: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["cleanroom_kernel"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    arguments = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=20", f"-artifact_prefix={folder}/", folder]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
