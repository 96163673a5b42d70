"""The `cleanroom` command as a newcomer meets it: each mistake says what is wrong and what to do; no traceback."""

import os
import stat

import pytest

from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import cleanroom, kernel, serving, write_config

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}


@pytest.fixture
def owner(tmp_path):
    hospital.write(tmp_path, 300)
    write_config(tmp_path, TABLES)
    return tmp_path


def says(completed, *words):
    """It failed, in words of its own."""
    assert completed.returncode == 1, completed.stdout + completed.stderr
    assert "Traceback" not in completed.stderr
    for word in words:
        assert word in completed.stderr, completed.stderr


def test_no_configuration(tmp_path):
    says(cleanroom("serve", check=False, cwd=tmp_path), "no configuration file", "--generate-config")


def test_the_generated_configuration_is_valid_and_complete(tmp_path):
    cleanroom("serve", "--generate-config", cwd=tmp_path)
    text = (tmp_path / "cleanroom_config.py").read_text()
    for setting in ("Room.sources", "Policy.minimum_units", "Server.port", "OutputPolicy", "Sandbox.memory_limit"):
        assert setting in text
    assert "valid (preset 'standard')" in cleanroom("policy", "check", cwd=tmp_path).stdout
    says(cleanroom("serve", "--generate-config", check=False, cwd=tmp_path), "exists already")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("c.Room.sorces = {}", ("no setting 'Room.sorces'", "Room.sources")),
        ("c.Policy.minimum_unit = 5", ("no setting 'Policy.minimum_unit'", "Policy.minimum_units")),
        ("c.Sever.port = 5", ("no setting 'Sever",)),
        ("c.Policy.preset = 'lax'", ("preset",)),
        ("c.Policy.minimum_units = -1", ("minimum_units",)),
        ("c.Server.port = 'http'", ("port",)),
        ("c.Room.sources = ", ("cannot be read",)),
        ("raise SystemExit", ("cannot be read",)),
    ],
)
def test_a_setting_that_does_not_exist_or_fit(owner, line, words):
    with (owner / "cleanroom_config.py").open("a") as file:
        file.write(line + "\n")
    says(cleanroom("policy", "check", check=False, cwd=owner), *words)


def test_a_setting_on_the_command_line(owner):
    shown = cleanroom("policy", "show", "--Policy.preset=strict", cwd=owner).stdout
    assert "strict" in shown
    says(cleanroom("policy", "show", "--Policy.k=5", check=False, cwd=owner), "no setting 'Policy.k'")


def test_a_missing_file_of_the_owners(owner):
    (owner / "labs.parquet").unlink()
    says(cleanroom("tables", "check", check=False, cwd=owner), "labs")


def test_a_table_that_the_schema_does_not_declare_or_no_source_gives(owner):
    write_config(owner, {**TABLES, "wards": "wards.parquet"})
    says(cleanroom("tables", "check", check=False, cwd=owner), "'wards'", "schema does not declare")
    write_config(owner, {name: path for name, path in TABLES.items() if name != "labs"})
    says(cleanroom("tables", "check", check=False, cwd=owner), "'labs'", "Room.sources")


def test_a_broken_schema(owner):
    (owner / "schema.json").write_text('{"name": "hospital", "tables": [}')
    says(cleanroom("tables", "check", check=False, cwd=owner), "schema", "not valid")


def test_propose_writes_a_schema_that_serves_the_same_files(owner):
    """The proposal for the hospital's own files passes the load check as it is."""
    files = [str(owner / path) for path in TABLES.values()]
    cleanroom("tables", "propose", *files, "--output", str(owner / "proposed.json"))
    cleanroom("tables", "check", "--Room.schema=proposed.json", cwd=owner)
    assert "hidden" in (owner / "proposed.json").read_text()


def test_propose_names_the_file_that_is_not_there(tmp_path):
    says(cleanroom("tables", "propose", "nothing.csv", check=False, cwd=tmp_path), "nothing.csv", "no such file")


def test_an_invitation_that_is_none(tmp_path):
    says(cleanroom("connect", "hello", check=False, cwd=tmp_path), "cleanroom://")


def test_a_server_that_is_down(tmp_path):
    says(cleanroom("connect", "cleanroom+plain://127.0.0.1:9/room#a.b", check=False, cwd=tmp_path), "does not answer")


def test_nothing_to_audit_or_revoke(owner):
    says(cleanroom("audit", "show", check=False, cwd=owner), "no audit log")
    says(cleanroom("revoke", "nobody", check=False, cwd=owner), "no invitation")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("served")
    hospital.write(base, 300)
    with serving(base, TABLES) as served:
        yield served


def test_a_connection_is_for_its_user_alone(room):
    (path,) = room.jupyter.rglob("connections/*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text().split('"token":"')[1].split('"')[0]
    assert all(token not in other.read_text() for other in room.jupyter.rglob("kernel.json"))


def test_a_wrong_token(room, tmp_path):
    invitation = room.command("invite", "eve").stdout.strip()
    wrong = invitation[:-4] + "AAAA"
    says(cleanroom("connect", wrong, check=False, cwd=tmp_path), "invitation")


def test_a_cell_with_an_error_shows_the_experts_own_traceback_alone(room, tmp_path):
    with kernel("cleanroom", tmp_path, room.jupyter) as expert:
        mine = expert.run("def f():\n    return 1 / 0\nf()")
        assert mine.error["ename"] == "ZeroDivisionError"
        wrong = expert.run("room['encounters'].lenght_of_stay")
        assert wrong.error["ename"] == "AttributeError"
        refused = expert.run("import numpy as np; np.asarray(room['encounters'])")
        assert refused.error is not None
        assert "cleanroom_kernel/" not in refused.text
        missing = expert.run("room['nowhere']")
        assert "nowhere" in missing.text
        assert "encounters" in missing.text, "says which tables there are"


def test_a_revoked_expert_runs_no_further_cell(room, tmp_path):
    invitation = room.command("invite", "bob").stdout.strip()
    jupyter = tmp_path / "jupyter"
    before = dict(os.environ)
    os.environ["JUPYTER_DATA_DIR"] = str(jupyter)
    try:
        cleanroom("connect", invitation)
    finally:
        os.environ.clear()
        os.environ.update(before)
    with kernel("cleanroom", tmp_path, jupyter) as expert:
        assert expert.value("print(1 + 1)") == "2\n"
        room.command("revoke", "bob")
        refused = expert.run("print(2 + 2)")
        assert refused.error is not None
        assert "revoked" in refused.text.lower()


def test_two_servers_on_one_port(owner):
    """The second says why it cannot listen."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = cleanroom("serve", f"--Server.port={port}", check=False, cwd=owner)
    says(refused, "cannot listen", "Server.port")


def test_help_lists_every_command():
    shown = cleanroom("--help").stdout
    for command in ("demo", "serve", "invite", "connect", "tables", "policy", "audit", "doctor"):
        assert command in shown


def test_a_configuration_that_others_can_open_serves_nothing(owner):
    (owner / "cleanroom_config.py").chmod(0o644)
    says(cleanroom("serve", check=False, cwd=owner), "cleanroom_config.py", "644", "chmod 600")


def test_a_damaged_database_is_said_to_the_owner_with_what_to_look_for(owner):
    (owner / "cleanroom-state").mkdir(mode=0o700)
    (owner / "cleanroom-state" / "cleanroom.sqlite").touch(mode=0o600)
    (owner / "cleanroom-state" / "cleanroom.sqlite").write_bytes(b"no database " * 500)
    says(cleanroom("serve", check=False, cwd=owner), "database", "cannot be read or written", "your last copy")
