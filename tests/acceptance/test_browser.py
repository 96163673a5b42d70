"""The expert's JupyterLab in a real browser, on a real room: connect, explore, see what left and why."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

from cleanroom_kernel.demo import hospital
from tests.acceptance.browser import CHROMIUM, PATIENT, ROOT, browser, lab
from tests.acceptance.rooms import serving

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
SERIOUS = ("serious", "critical")
PICTURES = os.environ.get("CLEANROOM_PICTURES")  # a folder, to look at what the browser showed

LOAD = 'encounters = room["encounters"]'
MEANS = 'encounters.groupby("department").los_days.mean()'
FEW = 'encounters[(encounters.age > 100) & (encounters.department == "obstetrics")].los_days.mean()'
TABLE = 'encounters[encounters.age > 88].groupby("department").agg(n=("age", "size"), days=("los_days", "mean"))'
SERIES = 'encounters[encounters.age > 88].groupby("department").size()'
PLOT = """import seaborn as sns
axes = sns.countplot(data=encounters[encounters.age > 88], y="department")"""
FORGED = """
from IPython.display import display
receipt = {"number": 1, "title": "forged", "rules": [], "cells": 1, "suppressed": 0}
forged = {"cleanroom": {"receipts": [receipt], "denied": []}}
display({"text/plain": "released 1"}, raw=True, metadata=forged)
get_ipython().kernel.session.send(get_ipython().kernel.iopub_socket, "execute_reply", {"status": "ok"}, metadata=forged)
print(1)
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 1500)
    with serving(base, TABLES) as served:
        yield served


@pytest.fixture(scope="module")
def jupyter(room, tmp_path_factory):
    with lab(tmp_path_factory.mktemp("lab"), room.jupyter) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium):
    opened = chromium.new_page(viewport={"width": 1400, "height": 900})
    opened.set_default_timeout(PATIENT)
    yield opened
    opened.close()


@pytest.fixture
def notebook(jupyter, page, request):
    """`notebook(*cells)` opens one whose kernel has its session, and returns its page."""

    def opened(*cells: str):
        name = jupyter.notebook(f"{request.node.name.split('[')[0]}.ipynb", *cells)
        page.goto(jupyter.address(name))
        page.locator(".crk-Status-button", has_text="released").wait_for()
        return page

    yield opened
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")  # the room bounds their number


def command(page, name: str) -> None:
    page.evaluate("name => window.jupyterapp.commands.execute(name)", name)


def run_all(page) -> None:
    """Until the last cell, or one that fails, was answered."""
    command(page, "notebook:run-all-cells")


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def badges(page) -> list[str]:
    return [re.sub(r"^\W+", "", text) for text in page.locator(".crk-Badge-button").all_inner_texts()]


def test_a_pasted_invitation_opens_a_room_without_a_terminal(room, jupyter, page):
    token = room.command("invite", "grace").stdout.strip().partition("#")[2]
    invitation = room.command("invite", "hopper").stdout.strip()
    heard = []
    page.on("response", lambda response: heard.append(response))
    page.goto(jupyter.address())
    page.locator(".jp-LauncherCard", has_text="Connect to a Clean Room").click()
    page.get_by_label("Invitation").fill(invitation.partition("#")[0] + "#" + token[:-6] + "AAAAAA")
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("alert").filter(has_text="does not know this invitation").wait_for()
    picture(page, "connect")
    page.get_by_label("Invitation").fill(invitation)
    page.get_by_label("Name (optional)").fill("pasted")
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_text("Connected to the room").wait_for()
    page.locator(".jp-LauncherCard[data-category=Notebook]", has_text="Clean Room (hospital)").wait_for()
    texts = [one.text() for one in heard if "json" in one.headers.get("content-type", "")]
    assert any("pasted" in text for text in texts)
    assert not any(invitation.partition("#")[2] in text for text in texts)


def test_what_a_cell_asked_stands_under_it_and_in_the_panel(notebook):
    page = notebook(LOAD, MEANS, "1 + 1", FEW)
    run_all(page)
    page.locator(".crk-Badge-button").nth(1).wait_for()
    assert badges(page) == ["released 1", "withheld 1"]
    command(page, "cleanroom:show-panel")
    panel = page.get_by_role("region", name="Clean Room")
    assert page.locator(".crk-Status-button").inner_text() == "hospital · 1 released"
    page.locator(".crk-Badge-button").first.click()
    receipt = page.get_by_role("region", name=re.compile("Receipt "))
    assert "mean of los_days by department" in receipt.inner_text()
    picture(page, "notebook-light")
    release = panel.locator(".crk-Releases details", has_text="mean of los_days")
    release.locator("summary").first.click()
    release.get_by_role("button", name="Go to its cell").click()
    page.locator(".jp-Cell.jp-mod-active .jp-InputArea", has_text="groupby").wait_for()
    assert panel.locator(".crk-Releases > li").first.inner_text().startswith("withheld")


def test_a_click_on_a_column_of_the_panel_puts_it_into_the_notebook(notebook):
    page = notebook("1")
    command(page, "cleanroom:show-panel")
    panel = page.get_by_role("region", name="Clean Room")
    panel.get_by_label("Find a column").fill("creatinine at")
    table = panel.locator(".crk-Table", has_text="encounters")
    assert "1,000-9,999 patients" in table.locator("summary").inner_text()
    assert "0.2 to 18 mg/dL" in table.inner_text()
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Control+A")
    table.get_by_role("button", name='Insert room["encounters"]["creatinine"]').click()
    page.locator(".jp-Cell .cm-content", has_text='room["encounters"]["creatinine"]').wait_for()


def test_a_saved_badge_says_that_it_is_from_the_file(notebook):
    page = notebook(LOAD, "encounters.age.mean()")
    run_all(page)
    page.locator(".crk-Badge-button").wait_for()
    command(page, "docmanager:save")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    page.reload()
    page.locator(".crk-Badge-button", has_text="released 1 (saved)").wait_for()
    command(page, "notebook:clear-all-cell-outputs")
    page.locator(".crk-Badge-button").wait_for(state="hidden")


def test_what_is_not_shown_is_hatched_with_the_rules_on_hover_in_tables_and_plots(notebook):
    page = notebook(LOAD, TABLE, SERIES, PLOT)
    run_all(page)
    page.locator(".crk-Badge-button").nth(2).wait_for()
    for cell in (1, 2):
        hidden = page.locator(".jp-Cell").nth(cell).locator(".crk-Suppressed").first
        assert "repeating-linear-gradient" in hidden.evaluate("node => getComputedStyle(node).backgroundImage")
        assert "C1" in hidden.get_attribute("title")
        assert hidden.get_by_role("img", name=re.compile("not shown")).inner_text() == "<10"
    page.locator(".jp-Cell").nth(3).locator("img").wait_for()
    page.locator(".jp-Cell").nth(3).scroll_into_view_if_needed()
    page.add_script_tag(path=str(AXE))
    for theme in THEMES:
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        page.wait_for_timeout(300)  # colours fade in
        picture(page, f"hatched-{theme.replace(' ', '-').lower()}")
        found = page.evaluate("() => axe.run({include: [['.crk-Suppressed']]})")
        assert [one["id"] for one in found["violations"] if one["impact"] in SERIOUS] == []


def test_nothing_that_a_cell_shows_makes_a_badge(notebook):
    page = notebook(FORGED, LOAD + "\nencounters.age.max()")
    run_all(page)
    page.locator(".jp-OutputArea-output", has_text="released 1").wait_for()
    assert badges(page) in ([], ["refused 1"])  # of the second cell, which asks for one patient's value
    assert page.locator(".jp-Cell").first.locator(".crk-Badge-button").count() == 0


def test_nothing_moves_when_the_answer_comes(notebook):
    page = notebook(f"{LOAD}\nimport time; time.sleep(1.5); age = encounters.age.mean()", "1")
    below = page.locator(".jp-Cell").nth(1)
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Control+Enter")
    page.locator(".jp-InputPrompt", has_text="[*]").wait_for()
    page.locator(".crk-Badge").wait_for(state="attached")
    before = below.bounding_box()
    page.locator(".crk-Badge-button").wait_for()
    assert below.bounding_box() == before


def test_the_keyboard_is_enough(notebook):
    page = notebook(LOAD + "\nencounters.age.mean()")
    run_all(page)
    page.locator(".crk-Badge-button").wait_for()
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("receipt of the active")
    page.keyboard.press("Enter")
    receipt = page.get_by_role("region", name=re.compile("Receipt "))
    receipt.wait_for()
    page.locator(".crk-Badge-button").focus()
    page.keyboard.press("Enter")
    receipt.wait_for(state="hidden")


def test_a_restarted_kernel_has_a_new_session_and_an_empty_list(notebook):
    page = notebook(LOAD + "\nencounters.age.mean()")
    run_all(page)
    page.locator(".crk-Status-button", has_text="1 released").wait_for()
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()",
    )
    page.locator(".crk-Status-button", has_text="0 released").wait_for()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make lab")
def test_what_is_shown_is_accessible_in_every_theme(notebook):
    page = notebook(LOAD, MEANS, FEW)
    run_all(page)
    command(page, "cleanroom:show-panel")
    page.locator(".crk-Releases summary").last.click()
    page.locator(".crk-Badge-button").first.click()
    page.add_script_tag(path=str(AXE))
    for theme in THEMES:
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        page.wait_for_timeout(300)  # colours fade in
        picture(page, f"theme-{theme.replace(' ', '-').lower()}")
        found = page.evaluate("() => axe.run({include: [['.crk-Panel'], ['.crk-Badge'], ['.crk-Status']]})")
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"] if one["impact"] in SERIOUS]
        assert (theme, serious) == (theme, [])
        assert len(found["passes"]) > 5
