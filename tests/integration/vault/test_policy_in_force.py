"""A running vault answers under the policy that is in force at the moment of the answer, and no other."""

from __future__ import annotations

import pytest
from process import Vault, prepared, size_by

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.messages import Hello, Open
from cleanroom_kernel.protocol.release import Release, Withheld


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("room"))


def put_in_force(place, preset, settings):
    engine = audit.engine(place / "state")
    with engine.begin() as connection:
        entry = audit.append(connection, audit.PolicyChanged("small", preset, settings, "olga"))
    engine.dispose()
    return entry.sequence


def test_a_policy_that_is_saved_holds_for_the_next_answer_and_is_described(place):
    entry = put_in_force(place, "standard", {})
    with Vault(place, opening=False) as vault:
        vault.tell(Open("s1", "ada", str(place / "room"), str(place / "state"), {"preset": "standard"}, entry))
        vault.notices.receive()
        assert isinstance(vault.disclose(size_by("sex")).answer, Release)
        put_in_force(place, "standard", {"minimum_units": 100_000})
        assert isinstance(vault.disclose(size_by("sex")).answer, Withheld)
        settings = {one.name: one.value for one in vault.ask(Hello(vault.next(), 1)).answer.settings}
        assert settings["minimum_units"] == 100_000
        put_in_force(place, "standard", {"count_base": 50})
        settings = {one.name: one.value for one in vault.ask(Hello(vault.next(), 1)).answer.settings}
        assert settings["count_base"] == 50
        ((number,),) = vault.disclose(size_by()).answer.payload.values
        assert number % 50 == 0
        code, _, log = vault.close()
    assert (code, log) == (0, b"")


def test_a_policy_that_cannot_be_read_lets_nothing_out(place):
    entry = put_in_force(place, "standard", {})
    with Vault(place, opening=False) as vault:
        vault.tell(Open("s1", "ada", str(place / "room"), str(place / "state"), {"preset": "standard"}, entry))
        vault.notices.receive()
        put_in_force(place, "standard", {"minimum_unit": 1})
        assert not isinstance(vault.disclose(size_by()).answer, Release)
        put_in_force(place, "standard", {})
        assert isinstance(vault.disclose(size_by()).answer, Release)
