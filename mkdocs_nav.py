"""The site's order, completed: decision records by their numbers, and pages that are named nowhere in mkdocs.yml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    docs = Path(config["docs_dir"])
    named = set(pages_of(config["nav"]))
    decisions = sorted(str(path.relative_to(docs)) for path in (docs / "decisions").glob("*.md"))
    others = sorted({str(path.relative_to(docs)) for path in docs.rglob("*.md")} - named - set(decisions))
    config["nav"] += [*([{"More": others}] if others else []), {"Decisions": decisions}]
    return config


def pages_of(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages_of(part)
