"""Both roles in real browsers: the expert is withheld an answer and asks, the owner lets it out, it arrives."""

from __future__ import annotations

import importlib.util
import re

import pytest

from cleanroom_kernel.demo import hospital
from tests.acceptance.browser import CHROMIUM, PATIENT, browser, lab
from tests.acceptance.rooms import serving
from tests.acceptance.test_browser import AXE, LOAD, MEANS, SERIOUS, TABLES, THEMES, command, picture, run_all

pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]

FEW = 'few = encounters[(encounters.age > 90) & (encounters.department == "gastroenterology")]\nfew.los_days.mean()'
REASON = "Table 3 of the paper; the group is named in the protocol."
COMMENT = "Fine for <b>table 3</b>."


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 1500)
    with serving(base, TABLES) as served:
        yield served


@pytest.fixture(scope="module")
def labs(room, tmp_path_factory):
    """The expert's JupyterLab and the owner's, each with its own saved connection."""
    with (
        lab(tmp_path_factory.mktemp("expert-lab"), room.jupyter) as expert,
        lab(tmp_path_factory.mktemp("owner-lab"), tmp_path_factory.mktemp("owner-data")) as owner,
    ):
        yield expert, owner


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def pages(chromium):
    """Two browser contexts, which share no cookie and no storage."""
    contexts = [chromium.new_context(viewport={"width": 1400, "height": 900}) for _ in range(2)]
    opened = [context.new_page() for context in contexts]
    for page in opened:
        page.set_default_timeout(PATIENT)
    yield opened
    for context in contexts:
        context.close()


def owners_panel(page, lab) -> None:
    page.goto(lab.address())
    page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('cleanroom:show-owner')")
    command(page, "cleanroom:show-owner")


def tab(page, name: str):
    page.get_by_role("tab", name=re.compile(f"^{name}")).click()
    return page.get_by_role("tabpanel", name=re.compile(f"^{name}"))


def themed(page, theme: str) -> None:
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    page.wait_for_timeout(300)  # colours fade in


def accessible(page, *where: str) -> None:
    if not AXE.exists():
        return
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("include => axe.run({include})", [[one] for one in where])
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"] if one["impact"] in SERIOUS]
    assert serious == []
    assert len(found["passes"]) > 5


def test_a_withheld_answer_is_asked_for_approved_by_the_owner_and_arrives(room, labs, pages):
    (expert_lab, owner_lab), (expert, owner) = labs, pages

    # The owner connects by pasting a line.
    owners_panel(owner, owner_lab)
    line = room.command("invite", "olga", "--owner").stdout.strip()
    owner.get_by_label("The owner’s line").fill(line)
    picture(owner, "owner-connect")
    owner.get_by_role("button", name="Connect", exact=True).click()
    owner.get_by_role("tab", name="Live").wait_for()

    # The expert is withheld an answer, and asks from the card under the cell.
    expert.goto(expert_lab.address(expert_lab.notebook("ask.ipynb", LOAD, MEANS, FEW)))
    expert.locator(".crk-Status-button", has_text="released").wait_for()
    run_all(expert)
    badge = expert.locator(".crk-Badge-button", has_text="withheld 1")
    badge.click()
    picture(expert, "expert-withheld")
    expert.get_by_role("button", name="Ask the owner…").click()
    cell = expert.locator(".jp-Cell.jp-mod-active")
    cell.locator(".cm-content", has_text="room.request_release(").wait_for()
    expert.keyboard.type(REASON)
    expert.keyboard.press("Control+Enter")
    command(expert, "cleanroom:show-panel")
    panel = expert.get_by_role("region", name="Clean Room")
    request = panel.get_by_role("list", name=re.compile("^Requests")).locator("li").first
    request.locator(".crk-State", has_text="asked").wait_for()
    request.locator("summary").click()
    assert REASON in request.inner_text()
    panel.get_by_text("1 of 60 withheld answers in 30 days").wait_for()
    picture(expert, "expert-asked")

    # The owner sees who is there, the reason, the findings and the numbers, in every theme, and approves.
    live = tab(owner, "Live")
    live.get_by_role("rowheader", name=re.compile("^ada")).wait_for()
    live.locator(".crk-Stream li", has_text="mean of los_days by department").wait_for()
    assert re.search(r"\d+ MB|\d\.\d GB", live.get_by_role("row").filter(has_text="ada").inner_text())
    for theme in THEMES:
        themed(owner, theme)
        picture(owner, f"owner-live-{theme.replace(' ', '-').lower()}")
        accessible(owner, ".crk-Owner")
    themed(owner, THEMES[0])
    requests = tab(owner, "Requests")
    requests.get_by_role("list", name=re.compile("^Requests")).get_by_role("button").first.click()
    requests.get_by_text("minimum count: 1 of 1 number").wait_for()
    assert REASON in requests.inner_text()
    value = requests.locator(".crk-Preview tbody td").inner_text()
    assert float(value) > 0
    requests.get_by_label("Comment for ada").fill(COMMENT)
    for theme in THEMES:
        themed(owner, theme)
        picture(owner, f"owner-requests-{theme.replace(' ', '-').lower()}")
        accessible(owner, ".crk-Owner")
    themed(owner, THEMES[0])
    requests.get_by_role("button", name="Approve").click()
    owner.get_by_role("status").filter(has_text="is approved").wait_for()

    # The value arrives in the expert's notebook.
    request.locator(".crk-State", has_text="approved").wait_for()
    assert COMMENT in request.inner_text()
    picture(expert, "expert-approved")
    expert.keyboard.press("Escape")
    command(expert, "notebook:insert-cell-below")
    request.get_by_role("button", name="Insert its value").click()
    expert.locator(".jp-Cell .cm-content", has_text=".result()").wait_for()
    expert.keyboard.press("Control+Enter")
    expert.locator(".jp-OutputArea-executeResult", has_text=value).wait_for()

    # The ledger shows it, and its chain is whole.
    ledger = tab(owner, "Ledger")
    ledger.get_by_label("Find in the ledger").fill("ada airlock")
    row = ledger.locator("tbody tr", has_text="on request")
    row.wait_for()
    assert ledger.locator("tbody tr").count() == 1
    row.get_by_role("button", name=re.compile("^mean of los_days")).click()
    evidence = ledger.get_by_role("region", name=re.compile("^Release "))
    evidence.get_by_text("request.result()").or_(evidence.get_by_text(".result()")).first.wait_for()
    assert "airlock: withheld by the rules" in evidence.inner_text()
    ledger.get_by_role("button", name="Verify again").click()
    ledger.get_by_text("chain verified").wait_for()
    with owner.expect_download() as downloading:
        ledger.get_by_role("button", name="Export CSV").click()
    text = downloading.value.path().read_text()
    assert text.startswith("number,time,expert,title")
    assert "airlock: withheld by the rules" in text
    for theme in THEMES:
        themed(owner, theme)
        picture(owner, f"owner-ledger-{theme.replace(' ', '-').lower()}")
        accessible(owner, ".crk-Owner")
    themed(owner, THEMES[0])

    # A draft of the policy is rehearsed: the question would pass, and the table would show other numbers.
    policy = tab(owner, "Policy")
    policy.get_by_label("minimum_units", exact=True).fill("-1")
    policy.get_by_role("button", name="Rehearse").click()
    policy.get_by_text("A whole number of at least 0 is wanted.").wait_for()
    picture(owner, "owner-policy-wrong")
    policy.get_by_label("preset", exact=True).select_option("relaxed")
    policy.get_by_label("minimum_units", exact=True).fill("1")
    policy.get_by_label("count_base", exact=True).fill("50")
    policy.get_by_role("button", name="Rehearse").click()
    policy.get_by_role("status").filter(has_text="done").wait_for()
    rehearsed = policy.get_by_role("row").filter(has_text="newly passes")
    rehearsed.filter(has_text="mean of los_days").wait_for()
    assert "minimum count" in rehearsed.inner_text()
    for theme in THEMES:
        themed(owner, theme)
        picture(owner, f"owner-policy-{theme.replace(' ', '-').lower()}")
        accessible(owner, ".crk-Owner")
    themed(owner, THEMES[0])

    # Saved, it holds for the next answer of the notebook that is open.
    policy.get_by_role("button", name="Save…").click()
    owner.locator(".jp-Dialog").get_by_role("button", name="Save", exact=True).click()
    owner.get_by_role("status").filter(has_text="saved and in force").wait_for()
    policy.get_by_text("saved by olga").wait_for()
    expert.keyboard.press("Escape")
    command(expert, "notebook:insert-cell-below")
    expert.evaluate(
        "code => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(code)",
        'print({int(n) % 50 for n in encounters.groupby("sex").size()})',
    )
    command(expert, "notebook:run-cell")
    expert.locator(".jp-OutputArea-output", has_text="{0}").wait_for()


def test_the_owner_lets_people_in_and_out_from_the_panel(room, labs, pages):
    (_, owner_lab), (_, owner) = labs, pages
    owners_panel(owner, owner_lab)
    owner.locator(".crk-Owner").wait_for()
    if owner.get_by_label("The owner’s line").count():
        owner.get_by_label("The owner’s line").fill(room.command("invite", "olga", "--owner").stdout.strip())
        owner.get_by_role("button", name="Connect", exact=True).click()
    owner.get_by_role("tab", name="Live").focus()
    owner.keyboard.press("ArrowLeft")  # around to the last
    panel = owner.get_by_role("tabpanel", name="Room")
    panel.get_by_label("Invite an expert").fill("grace@example.org")
    owner.keyboard.press("Enter")
    invitation = panel.get_by_label(re.compile("^Send this one line"))
    invitation.wait_for()
    assert invitation.input_value().startswith("cleanroom")
    row = panel.locator("tr", has_text="grace@example.org")
    assert "may come in" in row.inner_text()
    for theme in THEMES:
        themed(owner, theme)
        picture(owner, f"owner-room-{theme.replace(' ', '-').lower()}")
        accessible(owner, ".crk-Owner")
    row.get_by_role("button", name="Revoke").click()
    owner.locator(".jp-Dialog").get_by_role("button", name="Revoke").click()
    panel.locator("tr", has_text="grace@example.org").filter(has_text="revoked").wait_for()
    assert "grace@example.org" in room.command("audit", "show").stdout
