"""The airlock through real processes: an expert's notebook, the owner's commands, and both ports of the server."""

import json
import re
import urllib.error
import urllib.request

import pytest
from support.webhook import webhook

from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import Room, kernel, serving, until

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
ASK = """
encounters = room["encounters"]
few = encounters[(encounters.age > 90) & (encounters.department == "gastroenterology")]
request = room.request_release(lambda: few.los_days.mean(), "the oldest \\x1b[31mpatients\\x07")
print(request.number, request.state)
"""


@pytest.fixture(scope="module")
def hook():
    with webhook() as made:
        yield made


@pytest.fixture(scope="module")
def room(tmp_path_factory, hook):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 1500)
    with serving(base, TABLES, Notices={"checkers": [hook.address], "interval": 0.2}) as served:
        yield served


@pytest.fixture(scope="module")
def asked(room, tmp_path_factory):
    """The number of a request that its expert's session has outlived."""
    with kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter) as expert:
        said = expert.value(ASK)
        assert "asked" in said
        assert expert.run("request.result()").error["ename"] == "CleanRoomRefusal"
        return int(said.split()[0])


def address(room: Room) -> dict:
    return json.loads((room.base / "cleanroom-state" / "address.json").read_text())


def fetch(port: int, path: str, token: str, body: dict | None = None) -> tuple[int, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {token}"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def token_of(room: Room, name: str) -> str:
    return room.command("invite", name).stdout.strip().partition("#")[2]


def owner_token(room: Room, name: str) -> str:
    return room.command("invite", name, "--owner").stdout.strip().rpartition("#")[2]


def test_the_owner_sees_what_would_leave_as_text(room, asked):
    listed = room.command("requests", "list", "--state", "asked").stdout
    assert f"{asked}  asked" in listed
    shown = room.command("requests", "show", str(asked)).stdout
    for words in ("mean of los_days", "the oldest", "What would leave", "minimum count", "few = encounters["):
        assert words in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_the_owner_has_notice_of_it_by_webhook_and_of_nothing_in_it(asked, hook):
    until(lambda: hook.came, 30)
    said = json.loads(hook.came[0][1])
    assert (said["title"], said["message"]) == (
        "Clean room hospital",
        f"Request {asked} is new and waits for a checker: asked.",
    )
    assert not any(b"patients" in body or b"los_days" in body for _, body in hook.came)


def test_the_owners_port_says_the_same_and_no_experts_token_opens_it(room, asked):
    ports = address(room)
    status, seen = fetch(ports["owner_port"], f"/owner/api/requests/{asked}", owner_token(room, "olga"))
    assert status == 200
    assert seen["preview"]["type"] == "grid"
    expert = token_of(room, "eve")
    approve = {"decision": "approve", "comment": ""}
    assert fetch(ports["owner_port"], f"/owner/api/requests/{asked}", expert)[0] == 401
    assert fetch(ports["owner_port"], f"/owner/api/requests/{asked}", expert, approve)[0] == 401
    assert fetch(ports["port"], f"/owner/api/requests/{asked}", expert, approve)[0] == 404
    assert fetch(ports["port"], "/api/requests", expert) == (200, [])


def test_what_an_expert_hears_of_a_request_has_no_number_of_it(room, asked):
    ports = address(room)
    (mine,) = fetch(ports["port"], "/api/requests", token_of(room, "ada"))[1]
    preview = fetch(ports["owner_port"], f"/owner/api/requests/{asked}", owner_token(room, "olga"))[1]["preview"]
    assert mine["number"] == asked
    assert set(mine) == {
        "type", "number", "question", "title", "reason", "state", "comment", "asked", "decided", "expires", "agreed",
        "checkers", "cell", "job", "result",
    }  # fmt: skip
    assert preview["values"][0][0] not in mine.values()


def test_an_owner_of_the_experts_name_cannot_decide(room, asked):
    status, said = fetch(
        address(room)["owner_port"],
        f"/owner/api/requests/{asked}",
        owner_token(room, "ada"),
        {"decision": "approve", "comment": ""},
    )
    assert (status, "their own" in said["message"]) == (409, True)
    refused = room.command("requests", "approve", str(asked), "--as", "ada", check=False)
    assert refused.returncode == 1
    assert "their own" in refused.stderr


def test_bodies_that_are_no_decision_are_refused(room, asked):
    port, token = address(room)["owner_port"], owner_token(room, "olga")
    for body in ({}, {"decision": "release"}, {"decision": "approve", "person": "x"},
                 {"decision": "return", "comment": "x" * 2001}):  # fmt: skip
        assert fetch(port, f"/owner/api/requests/{asked}", token, body)[0] == 400
    assert fetch(port, "/owner/api/requests/999", token)[0] == 404
    assert fetch(port, "/owner/api/requests?state=nothing", token)[0] == 400


def test_an_approved_value_arrives_in_a_new_session_and_is_in_the_audit_log(room, asked, tmp_path):
    approved = room.command("requests", "approve", str(asked), "--as", "olga", "--comment", "go on")
    assert "Approved" in approved.stdout
    shown = room.command("requests", "show", str(asked)).stdout
    value = float(re.search(r"mean of los_days\n +(\S+)", shown).group(1).replace(",", ""))
    with kernel("cleanroom", tmp_path, room.jupyter) as expert:
        assert "go on" in expert.value("room.requests()")
        assert float(expert.value("print(room.requests()[0].result())")) == value
        assert expert.value(ASK).split()[1] == "approved"
        assert float(expert.value("print(request.result())")) == value
    ledger = fetch(address(room)["owner_port"], "/owner/api/ledger?verify=1", owner_token(room, "olga"))[1]
    assert [entry["rules"][0][:7] for entry in ledger["entries"]] == ["airlock", "airlock"]
    assert ledger["verification"]["broken_at"] is None
    since = ledger["entries"][0]["sequence"]
    later = fetch(address(room)["owner_port"], f"/owner/api/ledger?since={since}", owner_token(room, "olga"))[1]
    assert (later["entries"], later["verification"]) == (ledger["entries"][1:], None)
    log = room.command("audit", "show").stdout
    kinds = re.findall(r"Z  (request made|request step|released):", log)
    assert kinds == ["request made", "request step", "released", "released"]
    assert "the chain is whole" in room.command("audit", "verify").stdout
    again = room.command("requests", "reject", str(asked), check=False)
    assert "can no longer be changed" in again.stderr


JOB = """
%%job share reads=reads, result={"patients": "count", "long": "number"}, reason="S1"
# SEED
stays = inputs["encounters"].groupby("patient_id").los_days.max()
print(stays.index[0])
result = {"patients": len(stays), "long": float((stays > 7).mean())}
"""


def test_a_job_is_read_approved_and_run_beside_the_rows(room, tmp_path):
    with kernel("cleanroom", tmp_path, room.jupyter) as expert:
        expert.run('reads = {"encounters": ["patient_id", "los_days"]}')
        assert "asked" in expert.value(JOB.strip().replace("SEED", tmp_path.name))
        number = int(expert.value("print(share.number)"))
        assert expert.run("share.run()").error["ename"] == "CleanRoomRefusal"
        shown = room.command("requests", "show", str(number)).stdout
        for words in ("encounters: patient_id, los_days", "patients: one count", "long: one number", "stays > 7"):
            assert words in shown
        ports, owner = address(room), owner_token(room, "olga")
        seen = fetch(ports["owner_port"], f"/owner/api/requests/{number}", owner)[1]
        assert (seen["request"]["job"], "stays > 7" in seen["code"]) == ("share", True)
        body = {"decision": "approve", "comment": "fine"}
        assert fetch(ports["owner_port"], f"/owner/api/requests/{number}", owner, body)[1]["state"] == "approved"
        found = json.loads(expert.value("import json; print(json.dumps(share.run()))"))
        assert found["patients"] >= 1000
        assert 0 < found["long"] < 1
        assert expert.value("print(share.state)").strip() == "done"
    assert re.search(r"request step: .* step finish, state done", room.command("audit", "show").stdout)


def test_the_owners_port_tells_the_room_and_lets_people_in_and_out(room):
    ports, owner = address(room), owner_token(room, "olga")
    described = fetch(ports["owner_port"], "/owner/api/room", owner)[1]
    assert [table["name"] for table in described["schema"]["tables"]] == list(TABLES)
    assert (described["room"], described["terms"]["checkers"]) == ("hospital", 1)
    status, made = fetch(ports["owner_port"], "/owner/api/experts", owner, {"name": "grace@example.org"})
    assert status == 201
    token = made["invitation"].partition("#")[2]
    assert fetch(ports["port"], "/api/room", token)[0] == 200
    assert fetch(ports["port"], "/api/room", owner)[0] == 401
    for name in ("", " x", "a\x00b", "a\nb", "x" * 300):
        assert fetch(ports["owner_port"], "/owner/api/experts", owner, {"name": name})[0] == 400
    revoke = "/owner/api/experts/revoke"
    assert fetch(ports["owner_port"], revoke, owner, {"name": "nobody"})[0] == 404
    assert fetch(ports["owner_port"], revoke, owner, {"name": "olga"})[0] == 404  # an owner is revoked by command
    urllib.request.urlopen(  # 204 has no content to read
        urllib.request.Request(
            f"http://127.0.0.1:{ports['owner_port']}{revoke}",
            json.dumps({"name": "grace@example.org"}).encode(),
            {"Authorization": f"token {owner}"},
        )
    ).close()
    assert fetch(ports["port"], "/api/room", token)[0] == 403
    log = room.command("audit", "show").stdout
    assert "invitation made: expert grace@example.org" in log
    assert "by olga" in log
