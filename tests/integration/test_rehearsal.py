"""Rehearsing and saving a policy through real processes: the owner's command, the owner's port, a running notebook."""

from __future__ import annotations

import http.client
import json

import pytest

from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import cleanroom, kernel, serving, until
from tests.integration.test_requests import TABLES, address, owner_token, token_of

LOAD = 'encounters = room["encounters"]'
BY_DEPARTMENT = 'encounters.groupby("department").size()'
FEW = 'encounters[(encounters.age > 90) & (encounters.department == "gastroenterology")].los_days.mean()'


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 1500)
    with serving(base, TABLES) as served:
        yield served


@pytest.fixture(scope="module")
def expert(room, tmp_path_factory):
    with kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter) as running:
        running.value(LOAD)
        running.value(BY_DEPARTMENT)
        assert running.run(FEW).error["ename"] == "CleanRoomWithheld"
        yield running


@pytest.fixture(scope="module")
def owner(room):
    token = owner_token(room, "olga")
    return lambda method, path, body=None: asked(room, token, method, path, body)


def asked(room, token, method, path, body=None):
    line = http.client.HTTPConnection("127.0.0.1", address(room)["owner_port"])
    line.request(method, f"/owner/api/{path}", json.dumps(body) if body else None, {"Authorization": f"token {token}"})
    answer = line.getresponse()
    content = answer.read()
    line.close()
    return answer.status, json.loads(content) if content else None


def finished(owner):
    until(lambda: owner("GET", "rehearsal")[1]["ending"] != "running", 120)
    return owner("GET", "rehearsal")[1]


def log(room):
    return room.command("audit", "show").stdout


def test_the_owners_command_says_what_a_draft_would_change_and_writes_it_down(room, expert):
    draft = room.base / "draft.py"
    draft.write_text(room.config.read_text() + "c.Policy.preset = 'relaxed'\nc.Policy.minimum_units = 1\n")
    said = cleanroom("policy", "rehearse", "--config", str(draft), "--as", "olga").stdout
    assert "passes    ada: mean of los_days" in said
    assert "then withheld: minimum count" in said
    assert "2 of 2 questions: 1 would newly pass" in said
    assert "policy rehearsed: by olga, preset relaxed" in log(room)
    assert "rehearsal ended: by olga, ending done, questions 2, judged 2, passes 1" in log(room)


def test_a_release_opens_the_code_of_the_cell_that_asked(room, expert, owner):
    (first, *_) = owner("GET", "ledger")[1]["entries"]
    status, found = owner("GET", f"ledger/{first['sequence']}")
    assert (status, found["left"], found["code"]) == (200, first, BY_DEPARTMENT)
    assert owner("GET", "ledger/1")[0] == 404  # that entry is no release
    assert owner("GET", "ledger/999999")[0] == 404


def test_nothing_of_a_rehearsal_reaches_the_ledger_or_the_expert(room, expert):
    before = len(expert.value("print(len(room.receipts))"))
    draft = room.base / "draft.py"
    draft.write_text(room.config.read_text() + "c.Policy.preset = 'permissive'\n")
    cleanroom("policy", "rehearse", "--config", str(draft))
    assert len(expert.value("print(len(room.receipts))")) == before
    assert expert.run(FEW).error["ename"] == "CleanRoomWithheld"


def test_a_draft_is_rehearsed_and_saved_on_the_owners_port_and_holds_at_once(room, expert, owner):
    page = owner("GET", "policy")[1]
    assert page["current"]["by"] == ""
    draft = {**page["form"]["presets"]["standard"], "count_base": 50}
    status, begun = owner("POST", "rehearsal", {"settings": draft})
    assert (status, begun["settings"]) == (202, {"preset": "standard", "count_base": 50})
    found = finished(owner)
    assert (found["ending"], found["by"], found["summary"]["changes"]) == ("done", "olga", 1)
    assert [row["change"] for row in found["rows"]] == ["changes", "same"]
    assert owner("GET", "rehearsal?since=1")[1]["rows"] == found["rows"][1:]
    status, saved = owner("POST", "policy", {"settings": draft, "entry": page["current"]["entry"]})
    assert (status, saved["current"]["by"], saved["current"]["settings"]) == (201, "olga", {"count_base": 50})
    numbers = expert.value(f"print(*{BY_DEPARTMENT}.dropna().astype(int))").split()
    assert all(int(number) % 50 == 0 for number in numbers)
    assert owner("GET", "room")[1]["settings"] == {"count_base": 50}
    assert "settings {'count_base': 50}, by olga" in log(room)
    stale = owner("POST", "policy", {"settings": {"preset": "relaxed"}, "entry": page["current"]["entry"]})
    assert (stale[0], "meanwhile" in stale[1]["message"]) == (409, True)


def test_what_is_no_valid_draft_is_said_field_by_field_and_changes_nothing(room, owner):
    wrong = {"settings": {"preset": "standard", "minimum_units": -1, "endpoints": 3}, "entry": 0}
    for path in ("policy", "rehearsal"):
        status, said = owner("POST", path, wrong)
        assert status == 422
        assert [one["name"] for one in said["wrong"]] == ["minimum_units", "endpoints"]
    for body in ({"settings": "strict"}, {"settings": {}, "by": "somebody else"}):
        assert owner("POST", "policy", body)[0] == 400


def test_a_rehearsal_can_be_cancelled_and_there_is_one_at_a_time(room, expert, owner):
    body = {"settings": {"preset": "strict"}}
    assert owner("POST", "rehearsal", body)[0] == 202
    assert owner("POST", "rehearsal", body)[0] == 409
    assert owner("DELETE", "rehearsal")[0] == 204
    assert finished(owner)["ending"] in ("cancelled", "done")  # it may have been quicker
    assert owner("DELETE", "rehearsal")[0] == 404


def test_no_experts_token_opens_any_of_it(room):
    token = token_of(room, "eve")
    for method, path in (("GET", "policy"), ("POST", "policy"), ("GET", "rehearsal"), ("POST", "rehearsal")):
        assert asked(room, token, method, path, {"settings": {}})[0] == 401
