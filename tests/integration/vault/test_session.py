"""A session's vault as a process: what it answers, and that no interpreter can make it say more, stumble or end."""

import os
import random
import stat
import struct
import subprocess
import sys
import time

import msgspec
import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import Call, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.relations import Filter, Join, Select
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT
from cleanroom_kernel.protocol.messages import (
    Close,
    Denied,
    Disclose,
    Export,
    Foresee,
    Foreseen,
    Hello,
    Open,
    Opened,
    OpenFailed,
    Released,
    Welcome,
)
from cleanroom_kernel.protocol.release import Grid, Reason, Refusal, Release, Withheld
from tests.integration.vault.process import PATIENTS, TABLE, Vault, mean_age, prepared, size_by


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.fixture
def vault(place):
    with Vault(place) as vault:
        assert isinstance(vault.opened, Opened)
        yield vault


# -- what a session is ------------------------------------------------------------------------------------------------
def test_hello_is_answered_with_the_public_room_and_the_policy(vault):
    welcome = vault.ask(Hello(vault.next(), 1)).answer
    assert isinstance(welcome, Welcome)
    assert vault.opened.welcome == welcome  # the server is told the same
    assert [table.name for table in welcome.schema.tables] == ["stays"]
    assert welcome.units == {"stays": "10-99"}
    assert welcome.preset == "standard"
    settings = {setting.name: setting for setting in welcome.settings}
    assert settings["minimum_units"].value == 10
    assert all(setting.help for setting in welcome.settings)


def test_a_band_of_units_does_not_tell_how_few_there_are(place):
    with Vault(place, minimum_units=PATIENTS + 1) as vault:
        assert vault.ask(Hello(1, 1)).answer.units == {"stays": f"fewer than {PATIENTS + 1}"}


def test_another_version_is_refused(vault):
    assert vault.ask(Hello(vault.next(), 2)).answer.reason is Reason.INVALID


def test_a_release_reaches_the_server_before_the_interpreter_and_names_its_cell(vault):
    vault.cell("cell-7")
    reply = vault.disclose(size_by("sex"))
    assert isinstance(reply.answer, Release)
    assert isinstance(reply.answer.payload, Grid)
    notice = vault.notice()
    assert isinstance(notice, Released)
    assert notice.receipt == reply.answer.receipt
    assert notice.receipt.cell == "cell-7"
    assert notice.receipt.expert == "ada"


def test_a_cell_that_starts_is_heard_before_the_request_that_follows(vault):
    """The server speaks first, on another line, so the two may arrive at once."""
    cells = []
    for number in range(1, 30):
        vault.cell(f"cell-{number}")
        cells.append(vault.disclose(size_by("sex")).answer.receipt.cell)
    assert cells == [f"cell-{number}" for number in range(1, 30)]


def test_a_withheld_answer_tells_the_server_so(vault):
    few = Filter(TABLE, Call(Function.EQUAL, (Value("city"), Literal("Xanadu-7", DType.STRING))))
    vault.cell("c")
    question = a.Summary(few, (a.Column("age", a.Mean(Value("age"))),))
    reply = vault.disclose(question)
    assert isinstance(reply.answer, (Withheld, Release))
    notice = vault.notice()
    if isinstance(reply.answer, Withheld):
        assert notice == Denied("c", "withheld", "policy", digest(question))
    else:
        assert reply.answer.payload.suppressed == ((True,),)


def test_foreseeing_tells_rules_and_releases_nothing(vault, place):
    reply = vault.ask(Foresee(vault.next(), encode(mean_age())))
    assert isinstance(reply.answer, Foreseen)
    assert reply.answer.rules
    with audit.reading(audit.engine(place / "state")) as connection:
        assert list(audit.entries(connection)) == []


def test_a_structural_refusal_is_explained_told_to_the_server_and_audited(vault, place):
    vault.cell("c")
    hidden = a.Summary(TABLE, (a.Column("n", a.Size()),))
    body = encode(hidden).replace(b"Table", b"Tabel")
    reply = vault.ask(Disclose(vault.next(), body))
    assert isinstance(reply.answer, Refusal)
    assert reply.answer.reason is Reason.INVALID
    assert vault.notice() == Denied("c", "refusal", reply.answer.rule)
    with audit.reading(audit.engine(place / "state")) as connection:
        (entry,) = audit.entries(connection)
    assert entry.event == audit.Refused("s1", "ada", "c", "", "invalid", reply.answer.rule)


def test_two_sessions_share_one_ledger(place):
    with Vault(place) as one, Vault(place) as other:
        first, second = (vault.disclose(size_by("sex")).answer for vault in (one, other))
        assert first.payload == second.payload
        assert {first.receipt.number, second.receipt.number} == {1, 2}


def test_the_next_vault_of_a_killed_one_goes_on_with_its_ledger(place):
    with Vault(place) as vault:
        before = vault.disclose(size_by("sex")).answer
        vault.process.kill()
    with Vault(place) as vault:
        after = vault.disclose(size_by("sex")).answer
    assert before.payload == after.payload
    assert after.receipt.number == before.receipt.number + 1


# -- opening and ending -----------------------------------------------------------------------------------------------
def test_a_room_that_is_not_there_is_a_failed_opening(place):
    with Vault(place / "nowhere") as vault:
        assert vault.opened == OpenFailed("The room has not been prepared.")
        assert vault.process.wait(60) == 0


def test_a_policy_that_does_not_exist_is_a_failed_opening(place):
    with Vault(place, mercy=3) as vault:
        assert isinstance(vault.opened, OpenFailed)
        assert "mercy" in vault.opened.message


def test_a_state_that_cannot_be_used_is_a_failed_opening_without_detail(place):
    (place / "state").write_text("a file, where a directory should be")
    with Vault(place) as vault:
        assert isinstance(vault.opened, OpenFailed)
        assert "state" not in vault.opened.message


@pytest.mark.parametrize("first", [Close(), None], ids=["close", "hang up"])
def test_a_server_that_leaves_before_opening_ends_the_process(place, first):
    with Vault(place, opening=False) as vault:
        vault.tell(first) if first else vault.server.close()
        assert vault.process.wait(60) == 0


def test_close_ends_the_process(vault):
    assert vault.close() == (0, b"", b"")


@pytest.mark.parametrize("line", ["socket", "server"])
def test_the_end_of_either_line_ends_the_process(vault, line):
    getattr(vault, line).close()
    assert vault.process.wait(60) == 0


def test_close_is_heard_while_a_request_is_half_sent(vault):
    vault.raw(struct.pack(">I", 1000) + b"half", framed=False)
    assert vault.close()[0] == 0


def test_close_is_heard_while_nobody_takes_the_replies(vault):
    for _ in range(3_000):
        try:
            vault.socket.settimeout(0.2)
            vault.interpreter.send(Hello(vault.next(), 1))
        except TimeoutError:
            break
    else:
        pytest.fail("the line never filled up")
    assert vault.close()[0] == 0


def test_an_interrupt_does_not_end_the_process(vault):
    vault.process.send_signal(2)
    assert vault.greets()


# -- a hostile interpreter --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"hello",
        msgspec.msgpack.encode({"type": "shutdown", "number": 1}),
        msgspec.msgpack.encode({"type": "hello", "number": 0, "version": 1}),
        msgspec.msgpack.encode({"type": "hello", "number": 1, "version": 1, "extra": 1}),
        msgspec.msgpack.encode({"type": "disclose", "number": 1, "plan": "text"}),
        msgspec.msgpack.encode({"type": "export", "number": 1, "plan": b"", "name": "../../etc/passwd"}),
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ],
    ids=range(11),
)
def test_what_is_no_message_is_refused(vault, body):
    vault.raw(body)
    reply = vault.reply()
    assert (reply.number, reply.answer.reason) == (0, Reason.MALFORMED)
    assert vault.greets()


def test_a_frame_beyond_the_limit_is_refused_however_slowly_it_comes(vault):
    for pause in (0, 0.05):
        vault.raw(struct.pack(">I", REQUEST_LIMIT + 1), framed=False)
        for _ in range(4):
            time.sleep(pause)
            vault.raw(b"x" * (REQUEST_LIMIT // 4), framed=False)
        vault.raw(b"x", framed=False)
        reply = vault.reply()
        assert (reply.number, reply.answer.reason) == (0, Reason.OVERSIZED)
        assert vault.greets()


def test_a_plan_beyond_the_limit_is_refused(vault):
    vault.raw(msgspec.msgpack.encode({"type": "disclose", "number": 1, "plan": b"x" * (2 * 2**20 + 1)}))
    assert vault.interpreter.receive().answer.reason is Reason.MALFORMED
    assert vault.greets()


def test_a_number_that_was_used_is_refused(vault):
    first = vault.disclose(size_by("sex"))
    for number in (first.number, first.number - 1):
        replayed = vault.ask(Hello(max(number, 1), 1))
        assert replayed.answer.reason is Reason.REPLAYED
    assert vault.greets()


def chain(depth):
    """Codec bytes of a mean over `depth` filters, written by hand: our own codec would refuse to."""
    rows = [
        ["relations.Table", {"name": "stays"}, {}, {}],
        ["expressions.Value", {"name": "age"}, {}, {}],
        ["expressions.Literal", {"value": 0, "dtype": "integer"}, {}, {}],
        ["expressions.Call", {"function": "greater", "options": []}, {}, {"arguments": [1, 2]}],
    ]
    for level in range(depth):
        rows.append(["relations.Filter", {}, {"over": 0 if level == 0 else len(rows) - 1, "where": 3}, {}])
    last = len(rows) - 1
    rows.append(["aggregates.Mean", {}, {"of": 1}, {}])
    rows.append(["aggregates.Column", {"name": "age"}, {"statistic": last + 1}, {}])
    options = {"keep_null": False, "margins": False}
    rows.append(["aggregates.Summary", options, {"over": last}, {"columns": [last + 2], "by": []}])
    return msgspec.msgpack.encode(rows)


def test_a_plan_at_the_limit_of_depth_is_answered(vault):
    reply = vault.ask(Disclose(vault.next(), chain(1_500)))
    assert isinstance(reply.answer, Release)
    assert reply.answer.payload.values == vault.disclose(mean_age()).answer.payload.values


def test_a_plan_beyond_the_limit_of_depth_is_refused(vault):
    reply = vault.ask(Disclose(vault.next(), chain(5_000)))
    assert (reply.answer.reason, reply.answer.rule) == (Reason.OVERSIZED, "limits")
    assert vault.greets()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [["relations.Table", {"name": "stays"}, {}, {}]],
        [["relations.Table", {"name": "patients"}, {}, {}]],
        [["relations.Table", {"name": "stays", "schema": {}}, {}, {}]],
        [["relations.Filter", {}, {"over": 0, "where": 0}, {}]],
        [["os.System", {"command": "id"}, {}, {}]],
        [["expressions.Literal", {"value": 2**63, "dtype": "integer"}, {}, {}]],
        [["bases.Aggregate", {}, {}, {}]],
    ],
    ids=range(8),
)
def test_plans_that_are_none_are_refused(vault, rows):
    reply = vault.ask(Disclose(vault.next(), msgspec.msgpack.encode(rows)))
    assert reply.answer.reason is Reason.INVALID
    assert vault.greets()


def test_random_bytes_and_mutated_plans_never_end_the_process(vault):
    """A seeded storm of nonsense; every complete frame gets its reply."""
    rng = random.Random(7)
    plans = [encode(size_by("sex")), encode(mean_age()), chain(5)]
    for _ in range(400):
        body = bytearray(rng.choice(plans))
        for _ in range(rng.randint(1, 6)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        if rng.random() < 0.2:
            vault.raw(bytes(body[: rng.randrange(len(body))]))
        else:
            vault.interpreter.send(Disclose(vault.next(), bytes(body)))
        vault.reply()
        vault.drop_notices()
    assert vault.greets()


def test_columns_called_like_the_vaults_own_are_only_columns(vault):
    """Nor do names that Polars reads as patterns reach the columns that say whose row it is."""
    for name in ("__unit", "__row", "f:age", "*", "^__unit$", "^.*$", "^f:.*$"):
        made = Select(TABLE, (Named(name, Value("age")),))
        reply = vault.disclose(a.Summary(made, (a.Column("m", a.Mean(Value(name))),)))
        if isinstance(reply.answer, Release):
            assert reply.answer.payload.values == vault.disclose(mean_age()).answer.payload.values
        else:
            assert isinstance(reply.answer, Refusal)
    assert vault.greets()


def test_a_regular_expression_that_cannot_be_read_is_refused_before_any_row(vault):
    where = Call(Function.CONTAINS, (Value("sex"),), ("(?=f)", True, True))
    reply = vault.disclose(a.Summary(Filter(TABLE, where), (a.Column("n", a.Size()),)))
    assert (reply.answer.reason, reply.answer.rule) == (Reason.INVALID, "patterns")


def test_a_join_that_would_fill_the_memory_fails_without_a_word(vault):
    rows = TABLE
    for level in range(12):
        renamed = Select(TABLE, (Named("patient", Value("patient")), Named(f"x{level}", Value("age"))))
        rows = Join(rows, renamed, ("patient",), ("patient",))
    for _ in range(3):
        rows = Join(rows, rows, ("patient",), ("patient",))
    reply = vault.disclose(a.Summary(rows, (a.Column("n", a.Size()),)))
    assert reply.answer == Refusal(
        Reason.FAILED, "failed", "This could not be computed.",
        "Try a simpler way; the owner's log says where.",
    )  # fmt: skip
    assert vault.greets()
    status, output, log = vault.close()
    assert (status, output) == (0, b"")
    assert log.startswith(b"vault: TooManyRows at vault/")


def test_an_export_of_what_is_no_fit_is_refused(vault):
    assert vault.ask(Export(vault.next(), encode(mean_age()), "m.skops")).answer.reason is Reason.INVALID


def test_nothing_of_the_rows_is_in_output_or_log(vault):
    hostile = Filter(TABLE, Call(Function.CONTAINS, (Value("city"),), ("Xanadu", True, True)))
    vault.disclose(a.Summary(hostile, (a.Column("n", a.Size()),), (Named("city", Value("city")),)))
    vault.disclose(a.Summary(hostile, (a.Column("n", a.Size()),), (Named("sex", Value("sex")),), margins=True))
    status, output, log = vault.close()
    assert (status, output) == (0, b"")
    assert b"Xanadu" not in log


# -- the process itself -----------------------------------------------------------------------------------------------
def test_the_files_of_a_session_are_its_users_alone(vault, place):
    vault.disclose(size_by("sex"))
    state = place / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def test_the_memory_of_a_vault_is_closed_to_its_own_user(vault):
    """A process that is not dumpable belongs to root in /proc, whoever runs it."""
    program = "import os, sys; os.setuid(65534); open(sys.argv[1], 'rb').read(1)"
    if os.getuid() == 0:
        read = subprocess.run(
            [sys.executable, "-I", "-c", program, f"/proc/{vault.process.pid}/environ"], capture_output=True
        )
    else:
        read = subprocess.run(["cat", f"/proc/{vault.process.pid}/environ"], capture_output=True)
    assert read.returncode != 0


def test_preparing_reads_a_job_and_writes_a_report(place):
    job = {
        "schema": msgspec.to_builtins(TABLE.schema) | {"name": "stays"},
        "sources": [{"table": "stays", "location": str(place / "stays.csv")}],
        "directory": str(place / "again"),
    }
    job["schema"] = {"name": "small", "tables": [job["schema"]]}
    done = run_prepare(msgspec.json.encode(job))
    report = msgspec.json.decode(done.stdout)
    assert (report["problems"], report["units"]) == ([], PATIENTS)
    assert (place / "again" / "room.json").exists()


def test_a_job_that_is_none_ends_with_a_word_on_where(place):
    done = run_prepare(b'{"schema": "Xanadu"}')
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"vault: ValidationError")
    assert b"Xanadu" not in done.stderr


def run_prepare(job):
    return subprocess.run(
        [sys.executable, "-m", "cleanroom_kernel.vault", "prepare"], input=job, capture_output=True, timeout=60
    )


def test_opening_twice_ends_the_session(vault, place):
    vault.tell(Open("s2", "eve", str(place / "room"), str(place / "state"), {}))
    assert vault.process.wait(60) == 0
