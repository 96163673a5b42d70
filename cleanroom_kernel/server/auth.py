"""Authentication: invitations, their tokens, and who may come in.

Promise: a token is shown once and stored as a hash; tokens of experts and of owners are different classes and never
stand in for each other; a revoked invitation admits nobody from the moment its transaction commits, nor does one whose
time has run out. Making and revoking one are in the audit log, in the same transaction.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct

from cleanroom_kernel import audit

metadata = sa.MetaData()

_invitations = sa.Table(
    "invitation",
    metadata,
    sa.Column("invitation", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("made", sa.String, nullable=False),
    sa.Column("revoked", sa.String),
    sa.Column("expires", sa.String),
)

_MOST_ADDRESSES = 10_000


class Kind(enum.Enum):
    EXPERT = "expert"
    OWNER = "owner"


class Identity(Struct, frozen=True):
    """Somebody who came in."""

    name: str
    invitation: str
    kind: Kind


class Invitation(Struct, frozen=True):
    """A new invitation. `token` is nowhere else: pass it on and forget it."""

    invitation: str
    name: str
    token: str


class Invited(Struct, frozen=True):
    """An invitation as the owner sees it in a list."""

    invitation: str
    name: str
    kind: str
    made: str
    revoked: str | None


def create(engine: sa.Engine) -> None:
    audit.create(engine, metadata)
    with engine.begin() as connection:  # a database of an earlier version
        if "expires" not in {column["name"] for column in sa.inspect(connection).get_columns("invitation")}:
            connection.exec_driver_sql("ALTER TABLE invitation ADD COLUMN expires VARCHAR")


def invite(
    connection: sa.Connection, name: str, kind: Kind = Kind.EXPERT, by: str = "", days: float = 0.0
) -> Invitation:
    """A new invitation, good for so many days; 0: until it is revoked."""
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    expires = _now(days) if days else None
    connection.execute(
        _invitations.insert().values(
            invitation=identity,
            name=name,
            kind=kind.value,
            digest=_digest(secret),
            made=_now(),
            revoked=None,
            expires=expires,
        )
    )
    made = audit.InvitationMade(expert=name, invitation=identity, role=kind.value, by=by, expires=expires or "")
    audit.append(connection, made)
    return Invitation(identity, name, f"{identity}.{secret}")


def revoke(connection: sa.Connection, name: str, kind: Kind | None = None, by: str = "") -> list[str]:
    """Revoke all live invitations of `name` (of one kind, if that is given), and say which they were."""
    live = sa.and_(_invitations.c.name == name, _invitations.c.revoked.is_(None))
    if kind is not None:
        live = sa.and_(live, _invitations.c.kind == kind.value)
    revoked = list(connection.scalars(sa.select(_invitations.c.invitation).where(live)))
    connection.execute(_invitations.update().where(live).values(revoked=_now()))
    for invitation in revoked:
        audit.append(connection, audit.InvitationRevoked(expert=name, invitation=invitation, by=by))
    return revoked


def check(connection: sa.Connection, token: str, kind: Kind) -> Identity | audit.Login:
    """Who holds `token`, or why it admits nobody."""
    if not token:
        return audit.Login.MISSING
    identity, _, secret = token.partition(".")
    row = connection.execute(
        sa.select(_invitations).where(_invitations.c.invitation == identity, _invitations.c.kind == kind.value)
    ).first()
    # An unknown identity takes as long as a wrong secret.
    known = hmac.compare_digest(row.digest if row else "0" * 64, _digest(secret))
    if row is None or not known:
        return audit.Login.UNKNOWN
    if row.revoked:
        return audit.Login.REVOKED
    if row.expires is not None and row.expires <= _now():
        return audit.Login.EXPIRED
    return Identity(row.name, row.invitation, kind)


def ended_among(connection: sa.Connection, invitations: set[str]) -> set[str]:
    """Those that were revoked or have expired."""
    over = sa.or_(_invitations.c.revoked.is_not(None), _invitations.c.expires <= _now())
    return set(
        connection.scalars(sa.select(_invitations.c.invitation).where(_invitations.c.invitation.in_(invitations), over))
    )


def has_ended(connection: sa.Connection, invitation: str) -> bool:
    return bool(ended_among(connection, {invitation}))


def invited(connection: sa.Connection) -> list[Invited]:
    columns = [_invitations.c[name] for name in Invited.__struct_fields__]
    return [Invited(*row) for row in connection.execute(sa.select(*columns).order_by(_invitations.c.made))]


def _digest(secret: str) -> str:
    """A fast hash will do: the secret has 256 random bits, so that no list of guesses leads to it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _now(days: float = 0.0) -> str:
    """Now, or in so many days."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")


class Failures:
    """Failed logins by address. Beyond the limit an address is not listened to until the window has passed."""

    def __init__(self, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._clock = most, window, clock
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def limited(self, address: str) -> bool:
        return len(self._recent(address)) >= self._most

    def count(self, address: str) -> None:
        self._times[address] = [*self._recent(address), self._clock()][-self._most :]
        self._times.move_to_end(address)
        if len(self._times) > _MOST_ADDRESSES:
            self._times.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        oldest = self._clock() - self._window
        return [moment for moment in self._times.get(address, []) if moment > oldest]


class Rate:
    """Requests by invitation: a minute's worth at once, and as many a minute from then on."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = float(per_minute), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and as of when

    def allows(self, invitation: str) -> bool:
        """Whether another request is served, which is counted then."""
        now = self._clock()
        left, since = self._left.get(invitation, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / 60)
        allowed = left >= 1
        self._left[invitation] = (left - allowed, now)
        self._left.move_to_end(invitation)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return allowed


def token_of(header: str | None) -> str:
    """The token of an `Authorization: token …` header; nothing else is looked at, a query string least of all."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "token" else ""
