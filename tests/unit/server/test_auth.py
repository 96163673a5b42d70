"""Invitations and tokens."""

from __future__ import annotations

import sqlite3

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.auth import Failures, Kind, Rate


@pytest.fixture
def engine(tmp_path):
    made = audit.engine(tmp_path / "state")
    auth.create(made)
    yield made
    made.dispose()


def transact(engine, work):
    with engine.begin() as connection:
        return work(connection)


def check(engine, token, kind=Kind.EXPERT):
    return transact(engine, lambda c: auth.check(c, token, kind))


def test_an_invited_expert_comes_in_with_their_token(engine):
    invitation = transact(engine, lambda c: auth.invite(c, "ada"))
    assert check(engine, invitation.token) == auth.Identity("ada", invitation.invitation, Kind.EXPERT)


def test_the_token_is_stored_nowhere(engine, tmp_path):
    invitation = transact(engine, lambda c: auth.invite(c, "ada"))
    secret = invitation.token.partition(".")[2].encode()
    assert len(secret) >= 43
    transact(engine, lambda c: c.exec_driver_sql("SELECT 1"))
    for path in (tmp_path / "state").iterdir():
        assert secret not in path.read_bytes()


@pytest.mark.parametrize("spoil", [lambda t: "", lambda t: t + "x", lambda t: t[:-1], lambda t: t.partition(".")[0]])
def test_any_other_token_is_refused(engine, spoil):
    token = transact(engine, lambda c: auth.invite(c, "ada")).token
    assert check(engine, spoil(token)) in (audit.Login.MISSING, audit.Login.UNKNOWN)


def test_the_secret_of_one_invitation_does_not_open_another(engine):
    a, b = (transact(engine, lambda c: auth.invite(c, "ada")) for _ in range(2))
    mixed = f"{a.invitation}.{b.token.partition('.')[2]}"
    assert check(engine, mixed) is audit.Login.UNKNOWN


@pytest.mark.parametrize("kind", Kind)
def test_a_token_is_good_for_its_own_kind_only(engine, kind):
    token = transact(engine, lambda c: auth.invite(c, "ada", kind)).token
    other = Kind.OWNER if kind is Kind.EXPERT else Kind.EXPERT
    assert check(engine, token, kind).kind is kind
    assert check(engine, token, other) is audit.Login.UNKNOWN


def test_revoking_takes_all_invitations_of_a_name_and_no_others(engine):
    first, second = (transact(engine, lambda c: auth.invite(c, "ada")) for _ in range(2))
    other = transact(engine, lambda c: auth.invite(c, "bob"))
    assert set(transact(engine, lambda c: auth.revoke(c, "ada"))) == {first.invitation, second.invitation}
    assert check(engine, first.token) is check(engine, second.token) is audit.Login.REVOKED
    assert isinstance(check(engine, other.token), auth.Identity)
    assert transact(engine, lambda c: auth.revoke(c, "ada")) == []
    everybody = {first.invitation, second.invitation, other.invitation}
    assert transact(engine, lambda c: auth.ended_among(c, everybody)) == everybody - {other.invitation}
    assert transact(engine, lambda c: auth.has_ended(c, first.invitation))
    assert not transact(engine, lambda c: auth.has_ended(c, other.invitation))


def test_an_invitation_is_good_for_its_days_and_no_longer(engine, monkeypatch):
    short, long = (transact(engine, lambda c, days=days: auth.invite(c, "ada", days=days)) for days in (1.0, 0.0))
    assert isinstance(check(engine, short.token), auth.Identity)
    assert not transact(engine, lambda c: auth.has_ended(c, short.invitation))
    today = auth._now
    monkeypatch.setattr(auth, "_now", lambda days=0.0: today(days + 1.001))
    assert check(engine, short.token) is audit.Login.EXPIRED
    assert check(engine, f"{short.invitation}.guess") is audit.Login.UNKNOWN
    assert isinstance(check(engine, long.token), auth.Identity)
    assert transact(engine, lambda c: auth.ended_among(c, {short.invitation, long.invitation})) == {short.invitation}


def test_a_database_of_an_earlier_version_is_taken_on(engine):
    token = transact(engine, lambda c: auth.invite(c, "ada")).token
    transact(engine, lambda c: c.exec_driver_sql("ALTER TABLE invitation DROP COLUMN expires"))
    auth.create(engine)
    assert isinstance(check(engine, token), auth.Identity)


def test_only_who_holds_a_revoked_token_learns_that_it_was_revoked(engine):
    invitation = transact(engine, lambda c: auth.invite(c, "ada"))
    transact(engine, lambda c: auth.revoke(c, "ada"))
    assert check(engine, f"{invitation.invitation}.guess") is audit.Login.UNKNOWN


def test_inviting_and_revoking_are_in_the_audit_log(engine):
    invitation = transact(engine, lambda c: auth.invite(c, "ada"))
    transact(engine, lambda c: auth.revoke(c, "ada"))
    events = transact(engine, lambda c: [entry.event for entry in audit.entries(c)])
    assert events == [
        audit.InvitationMade("ada", invitation.invitation, "expert"),
        audit.InvitationRevoked("ada", invitation.invitation),
    ]


def test_the_owners_list_shows_no_digest(engine):
    transact(engine, lambda c: auth.invite(c, "ada"))
    (listed,) = transact(engine, auth.invited)
    assert (listed.name, listed.kind, listed.revoked) == ("ada", "expert", None)
    assert "digest" not in listed.__struct_fields__


def test_a_database_without_invitations_refuses(engine, tmp_path):
    assert check(engine, "0123456789abcdef.secret") is audit.Login.UNKNOWN
    raw = sqlite3.connect(tmp_path / "state" / audit.DATABASE)
    assert raw.execute("SELECT count(*) FROM invitation").fetchone() == (0,)
    raw.close()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("token abc", "abc"),
        ("Token  abc ", "abc"),
        ("Bearer abc", ""),
        ("abc", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_only_a_token_header_is_read(header, token):
    assert auth.token_of(header) == token


def test_an_address_is_silenced_after_too_many_failures_until_they_are_old():
    now = [0.0]
    failures = Failures(3, 60, clock=lambda: now[0])
    for moment in (0, 10, 20):
        now[0] = moment
        assert not failures.limited("a")
        failures.count("a")
    assert failures.limited("a")
    assert not failures.limited("b")
    now[0] = 59
    assert failures.limited("a")
    now[0] = 61
    assert not failures.limited("a")


def test_requests_come_at_the_owners_rate():
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    assert [rate.allows("a") for _ in range(61)] == [True] * 60 + [False]
    assert rate.allows("b")
    now[0] = 2.0
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    now[0] = 1000.0
    assert sum(rate.allows("a") for _ in range(100)) == 60


def test_addresses_without_end_cost_no_memory_without_end():
    failures = Failures(3, 60)
    for i in range(10_050):
        failures.count(str(i))
    assert len(failures._times) == 10_000
