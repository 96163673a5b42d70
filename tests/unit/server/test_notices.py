"""Notices of requests: who hears what, that nothing else is in them, and that one that fails stands in nobody's way."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from support.jobs import MEAN
from support.webhook import webhook
from traitlets.config import Config

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Decision
from cleanroom_kernel.protocol.airlock import State, Terms
from cleanroom_kernel.requests import jobs, records
from cleanroom_kernel.requests.records import Asking
from cleanroom_kernel.requests.states import JOB_TRANSITIONS, Step
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.notices import (
    AUDIENCE,
    REMINDED,
    News,
    Notice,
    Notices,
    NoticesError,
    Sender,
    Who,
    by_apprise,
    watch,
)

SECRET = "Xanadu"
ASKING = Asking("ada", "session", "cell", f"question {SECRET}", f"mean of {SECRET}", f"because of {SECRET}")


@pytest.fixture
def hook():
    with webhook() as made:
        yield made


@pytest.fixture
def database(tmp_path):
    made = audit.engine(tmp_path)
    airlock.create(made)
    yield made
    made.dispose()


def submit(database, days=14):
    with database.begin() as connection:
        return jobs.submit(connection, ASKING, MEAN, "edition", Terms(days=days))


def decide(database, number, decision=Decision.APPROVE, comment=""):
    with database.begin() as connection:
        return airlock.decide(connection, number, "olga", decision, comment)


def settings(**traits):
    return Notices(config=Config({"Notices": {"interval": 0.05, **traits}}))


def run(database, notices, send, meanwhile, until):
    """What `send` was given while `meanwhile` happened, when `until` says that it is enough."""

    async def scenario():
        auditor = Auditor(database)
        since = await auditor.look(audit.last)
        task = asyncio.create_task(watch(Sender(notices, send, auditor, "hospital"), notices, auditor, since))
        await asyncio.to_thread(meanwhile)
        async with asyncio.timeout(30):
            while not until():
                await asyncio.sleep(0.02)
        task.cancel()
        auditor.close()

    asyncio.run(scenario())


# -- tables -----------------------------------------------------------------------------------------------------------
def test_every_step_has_its_audience_and_every_state_that_waits_for_somebody_its_reminder():
    assert set(AUDIENCE) == set(Step)
    assert set(REMINDED) == {before for before, step in JOB_TRANSITIONS if step is Step.EXPIRE}


def test_a_notice_has_no_field_for_anything_else():
    assert set(Notice.__struct_fields__) == {"news", "number", "state", "to", "expert"}
    title, body = Notice(News.NEW, 7, "asked", Who.CHECKERS, SECRET).words("hospital")
    assert (title, body) == ("Clean room hospital", "Request 7 is new and waits for a checker: asked.")


def test_every_setting_has_a_help_text_and_without_addresses_nothing_is_sent():
    assert {name for name, trait in Notices.class_traits(config=True).items() if len(trait.help) < 25} == set()
    assert not Notices().are_wanted


# -- on the way -------------------------------------------------------------------------------------------------------
def test_a_new_request_and_a_decision_arrive_by_webhook_with_nothing_of_the_request(hook, database):
    address = hook.address
    notices = settings(checkers=[f"{address}/owner"], experts={"ada": f"{address}/ada", "eve": f"{address}/eve"})

    def work():
        number = submit(database)
        decide(database, number, Decision.RETURN, f"what is {SECRET}?")

    run(database, notices, by_apprise(notices), work, lambda: len(hook.came) >= 2)
    came = {path: json.loads(body) for path, body in hook.came}
    assert set(came) == {"/owner", "/ada"}
    assert came["/owner"]["message"] == "Request 1 is new and waits for a checker: asked."
    assert came["/ada"]["message"] == "Request 1 has changed: returned."
    assert came["/ada"]["title"] == "Clean room hospital"
    for _, body in hook.came:
        assert SECRET.encode() not in body
        assert b"patients" not in body


def test_a_notice_that_fails_is_in_the_audit_log_and_the_request_is_where_it_was(hook, database, caplog):
    hook.status = 500
    address = hook.address.replace("//", f"//user:{SECRET}@")
    notices = settings(checkers=[address])
    run(database, notices, by_apprise(notices), lambda: submit(database), lambda: failures(database))
    (failure,) = failures(database)
    assert failure == audit.NoticeFailed(number=1, news="new", to="checkers", why="it was not taken")
    assert SECRET not in caplog.text
    assert decide(database, 1).state is State.APPROVED


def failures(database):
    with audit.reading(database) as connection:
        return [entry.event for entry in audit.entries(connection) if isinstance(entry.event, audit.NoticeFailed)]


def test_one_address_that_fails_does_not_keep_the_others_from_hearing(database):
    given = []

    def send(address, title, body):
        if address == "bad":
            raise OSError(SECRET)
        given.append((address, body))
        return True

    notices = settings(checkers=["bad", "good"])
    run(database, notices, send, lambda: (submit(database), submit(database)), lambda: len(given) >= 2)
    assert [address for address, _ in given] == ["good", "good"]
    assert {failure.why for failure in failures(database)} == {"OSError"}


def test_what_is_about_to_end_is_said_once(database):
    given = []
    first, second = submit(database, days=1), submit(database, days=14)
    decide(database, second)
    notices = settings(checkers=["owner"], experts={"ada": "ada"}, remind_days=2.0)

    def send(address, title, body):
        given.append((address, body))
        return True

    def work():
        for _ in range(3):
            submit(database)  # more looks

    run(database, notices, send, work, lambda: len(given) >= 4)
    assert given.count(("owner", f"Request {first} ends soon: asked.")) == 1
    assert not [body for _, body in given if body.startswith(f"Request {second} ends")]  # that is in 14 days


def test_an_approval_that_is_about_to_end_is_said_to_its_expert(database):
    number = submit(database)
    decide(database, number)
    with audit.reading(database) as connection:
        known = records.listed(connection)
    soon = datetime.now(UTC) + timedelta(days=15)
    from cleanroom_kernel.server.notices import ending

    assert ending(known, soon) == [Notice(News.ENDING, number, "approved", Who.EXPERT, "ada")]
    assert ending(known, datetime.now(UTC)) == []


# -- settings ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("traits", [{"checkers": ["nothing://x"]}, {"experts": {"ada": f"::{SECRET}"}}])
def test_an_address_that_is_none_is_said_by_its_place_and_not_quoted(traits):
    with pytest.raises(NoticesError, match=r"Notices\.(checkers, address 1|experts, of 'ada')") as wrong:
        by_apprise(settings(**traits))
    assert SECRET not in str(wrong.value)


def test_without_the_package_the_owner_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(NoticesError, match=r"cleanroom-kernel\[notices\]"):
        by_apprise(settings(checkers=["json://x"]))
