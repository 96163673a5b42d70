"""The owner's panel beside a ledger of five thousand releases: only a page of it is drawn, and all of it is searched.

How long the page works for an interaction, and how long it takes until the next picture, in milliseconds, is written to
`timings.json` beside the pictures, where they are kept (CLEANROOM_PICTURES).
"""

from __future__ import annotations

import importlib.util
import json
import re
import statistics
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.demo import hospital
from tests.acceptance.browser import CHROMIUM, PATIENT, browser, lab
from tests.acceptance.rooms import serving
from tests.acceptance.test_browser import PICTURES, TABLES, picture
from tests.acceptance.test_browser_roles import owners_panel, tab

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

RELEASES = 5_000
PAGE = 50  # as in ownerledger.tsx
TIMED = """
async ([selector, event, value]) => {
  const node = document.querySelector(selector);
  const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(node), 'value')?.set;
  const began = performance.now();
  if (set && event !== 'click') { set.call(node, value); }
  node.dispatchEvent(event === 'click' ? new MouseEvent('click', {bubbles: true}) : new Event(event, {bubbles: true}));
  await new Promise(done => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  }));
  return performance.now() - began;
}
"""
"""From an event until the picture after it has been drawn, in milliseconds."""


def release(number: int) -> audit.Released:
    expert = ("ada", "bob", "cleo")[number % 3]
    table = ("encounters", "patients", "labs")[number % 3]
    rules = ("C1: At least 10 patients stand behind every number.", f"C{number % 13 + 1}: another rule")
    return audit.Released(
        "0" * 32, expert, f"cell-{number}", number, f"{number:040x}", "linear", f"mean of los_days {number} — {table}",
        rules, "100-999", 3, number % 2, "at most 4 digits", "standard",
    )  # fmt: skip


class Clock(datetime):
    """Releases of three months, more of them towards the end."""

    told = 0

    @classmethod
    def now(cls, tz=None):
        cls.told += 1
        return datetime(2026, 1, 1, tzinfo=tz) + timedelta(days=90 * (cls.told / (RELEASES + 10)) ** 0.5)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 300)
    with serving(base, TABLES) as room:
        engine = audit.engine(base / "cleanroom-state")
        with pytest.MonkeyPatch.context() as patch, engine.begin() as connection:
            patch.setattr(audit, "datetime", Clock)
            for number in range(1, RELEASES + 1):
                audit.append(connection, release(number))
        engine.dispose()
        with lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("data")) as jupyter, browser() as chromium:
            page = chromium.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENT)
            owners_panel(page, jupyter)
            page.get_by_label("The owner’s line").fill(room.command("invite", "olga", "--owner").stdout.strip())
            page.get_by_role("button", name="Connect", exact=True).click()
            ledger = tab(page, "Ledger")
            ledger.get_by_role("status").filter(has_text=f"{RELEASES:,} of {RELEASES:,}").wait_for()
            yield page, ledger


def rows(ledger) -> int:
    return ledger.locator("tbody tr:not(.crk-Evidence)").count()


def test_a_page_is_drawn_and_everything_is_found(panel):
    page, ledger = panel
    assert rows(ledger) == PAGE
    ledger.get_by_label("Find in the ledger").fill("4321")
    ledger.get_by_role("status").filter(has_text=f"1 of {RELEASES:,}").wait_for()
    ledger.get_by_label("Find in the ledger").fill("")
    ledger.get_by_label("Table").select_option("labs")
    ledger.get_by_role("status").filter(has_text=re.compile(r"^1,66\d of")).wait_for()
    assert rows(ledger) == PAGE
    ledger.get_by_label("Table").select_option("")
    bars = ledger.get_by_role("img", name=re.compile("^Releases from"))
    bars.wait_for()
    assert 80 <= bars.locator("g").count() <= 91  # one for each day
    ledger.get_by_role("button", name=re.compile("^mean of los_days 5000")).click()
    ledger.get_by_role("region", name="Release 5000").get_by_text("No cell of a notebook").wait_for()
    picture(page, "owner-ledger-large")


def test_what_interactions_cost_is_measured(panel):
    page, ledger = panel
    interactions = {
        "find": [(".crk-Search", "input", text) for text in ("a", "ad", "ada", "ada 4", "")],
        "rule": [("[aria-label=Rule]", "change", rule) for rule in ("C5", "C7", "C13", "C2", "")],
        "open a section": [(f"#crk-owner-tab-{name}", "click", "") for name in ("Live", "Ledger") * 3],
    }
    work = page.context.new_cdp_session(page)
    work.send("Performance.enable", {"timeDomain": "threadTicks"})  # what the page's thread worked, not what it waited

    def worked() -> float:
        metrics = {one["name"]: one["value"] for one in work.send("Performance.getMetrics")["metrics"]}
        return 1000 * metrics["TaskDuration"]

    found: dict[str, dict[str, float]] = {}
    for name, steps in interactions.items():
        costs, waits = [], []
        for step in steps:
            before = worked()
            waits.append(page.evaluate(TIMED, list(step)))
            costs.append(worked() - before)
        found[name] = {"worked": round(statistics.median(costs), 1), "waited": round(statistics.median(waits), 1)}
    assert rows(ledger) == PAGE  # whatever was asked for, no more was drawn
    print(json.dumps(found))
    if PICTURES:
        (Path(PICTURES) / "timings.json").write_text(json.dumps(found))
