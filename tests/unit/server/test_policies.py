"""Which policy is in force: the configuration file and the owner's panel are two hands on one policy."""

from __future__ import annotations

import asyncio

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.policies import Policies, Stale

FILE = {"preset": "strict", "count_base": 20}


class Started:
    """A server's view of its policy, after starts with a file and saves from the panel."""

    def __init__(self, state) -> None:
        self.auditor = Auditor(audit.engine(state))
        self.policies = Policies("ward", self.auditor)

    def start(self, file):
        self.policies = Policies("ward", self.auditor)
        with self.auditor.engine.begin() as connection:
            self.policies.begin(connection, file)
        return self.policies.current

    def save(self, draft, entry=None):
        entry = self.policies.current.entry if entry is None else entry
        asyncio.run(self.policies.save(draft, entry, "olga"))
        return self.policies.current

    def log(self):
        with audit.reading(self.auditor.engine) as connection:
            return [(one.event.preset, one.event.settings, one.event.by) for one in audit.policies(connection)]


@pytest.fixture
def started(tmp_path):
    made = Started(tmp_path)
    yield made
    made.auditor.close()


def test_the_file_is_in_force_until_an_owner_saves_another(started):
    assert started.start(FILE).written == FILE
    saved = started.save({"preset": "standard", "minimum_units": 12})
    assert (saved.written, saved.by) == ({"preset": "standard", "minimum_units": 12}, "olga")
    assert started.log() == [("strict", {"count_base": 20}, ""), ("standard", {"minimum_units": 12}, "olga")]


def test_what_was_saved_stays_in_force_when_the_server_starts_with_the_same_file(started):
    started.start(FILE)
    saved = started.save({"preset": "relaxed"})
    assert started.start(FILE) == saved
    assert len(started.log()) == 2


def test_a_file_that_was_changed_since_is_the_later_word(started):
    started.start(FILE)
    started.save({"preset": "relaxed"})
    assert started.start({"preset": "strict"}).written == {"preset": "strict"}
    assert started.start(FILE).written == FILE
    assert [by for _, _, by in started.log()] == ["", "olga", "", ""]


def test_nobody_overwrites_a_policy_that_they_have_not_seen(started):
    seen = started.start(FILE).entry
    started.save({"preset": "relaxed"})
    with pytest.raises(Stale):
        started.save({"preset": "permissive"}, entry=seen)
    assert started.policies.current.preset == "relaxed"
    assert len(started.log()) == 2
