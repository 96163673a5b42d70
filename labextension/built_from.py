"""Note from which sources cleanroom_kernel/labextension was built, so that a stale build is seen without Node.

python labextension/built_from.py [--check]
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOTE = HERE.parent / "cleanroom_kernel" / "labextension" / "built-from.txt"


def sources() -> list[Path]:
    """What goes into the build; tests do not."""
    found = [path for folder in ("src", "style") for path in (HERE / folder).rglob("*") if path.is_file()]
    found = [path for path in found if "__tests__" not in path.parts]
    return sorted([*found, HERE / "package.json", HERE / "tsconfig.json", HERE / "yarn.lock"])


def digest() -> str:
    of_all = hashlib.sha256()
    for path in sources():
        of_all.update(f"{path.relative_to(HERE).as_posix()}\n".encode() + path.read_bytes())
    return of_all.hexdigest()


def main(arguments: list[str]) -> int | str:
    if "--check" not in arguments:
        NOTE.write_text(f"{digest()}\n")
        return 0
    current = NOTE.exists() and NOTE.read_text().strip() == digest()
    return 0 if current else "The built extension is not of these sources: run `make lab`."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
