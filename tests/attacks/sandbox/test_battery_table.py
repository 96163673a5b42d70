"""The battery as a page: what is tried, and what stays open in which tier.

`WRITE_PAGES=1 python -m pytest tests/attacks/sandbox/test_battery_table.py` writes docs/generated/battery.md. That it
is true is what `test_escapes.py` tries on this machine.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from test_escapes import EXPECTED_OPEN, PEOPLE

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the battery is written for x86_64")

PAGE = Path(__file__).parents[3] / "docs" / "generated" / "battery.md"
INTRODUCTION = """# The battery against the sandbox

Written by tests/attacks/sandbox/test_battery_table.py from the battery itself. Each attack is tried as root, as root
with a Python that everybody can read, and as an ordinary user; outside of any sandbox, in every tier, and with single
layers removed. [sandbox.md](../sandbox.md) says what a tier is, and what the open ones mean.

"""


def page() -> str:
    import battery

    attacks = [check for check in battery.checks.checks if check.is_attack]
    groups = dict.fromkeys(check.group for check in attacks)
    lines = ["| Attacks on | tried | " + " | ".join(f"open in {tier}" for tier in EXPECTED_OPEN) + " |"]
    lines.append("|---|---|" + "---|" * len(EXPECTED_OPEN))
    for group in groups:
        tried = [f"{check.group}: {check.name}" for check in attacks if check.group == group]
        cells = [_open(tried, open_there) for open_there in EXPECTED_OPEN.values()]
        lines.append(f"| {group} | {len(tried)} | " + " | ".join(cells) + " |")
    total = [str(len(open_there)) for open_there in EXPECTED_OPEN.values()]
    lines.append(f"| **all**, as each of {len(PEOPLE)} users | {len(attacks)} | " + " | ".join(total) + " |")
    return INTRODUCTION + "\n".join(lines) + "\n"


def _open(tried: list[str], open_there: set[str]) -> str:
    return "; ".join(name.partition(": ")[2] for name in tried if name in open_there) or "none"


def test_the_page_of_the_battery_is_that_of_the_battery():
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it with WRITE_PAGES=1"


def test_what_may_stay_open_is_something_that_is_tried():
    import battery

    tried = {f"{check.group}: {check.name}" for check in battery.checks.checks if check.is_attack}
    assert set().union(*EXPECTED_OPEN.values()) <= tried
