"""Policies: which policy is in force, and the owner's panel for the next one.

The audit log's last change of the policy is the one in force; vaults read it there in the transaction of each answer.
The configuration file and the panel are two hands on one policy: the later word wins. A file that has not changed since
it was last read says nothing new when the server starts again.

Promise: a policy is in force from its entry in the audit log on, with who set it, or not at all.
"""

from __future__ import annotations

import http.client
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from tornado import web

from cleanroom_kernel import audit
from cleanroom_kernel.protocol.policy import PolicyForm, Rulebook, Settings, WrongSetting
from cleanroom_kernel.server.app import Handler
from cleanroom_kernel.server.auditing import Auditor
from cleanroom_kernel.server.rehearsing import Rehearsals

PRESET = "preset"


class InForce(Struct, frozen=True):
    """The policy in force: `settings` differ from the preset's; `by` is "" for the configuration file's."""

    preset: str
    settings: Settings
    by: str
    time: str
    entry: int

    @property
    def written(self) -> Settings:
        """As a configuration file has it, or a draft."""
        return {PRESET: self.preset, **self.settings}


class Stale(ValueError):
    """Another policy came into force while this one was written."""


class Policies:
    """`current` is the one in force, once `begin` has found it."""

    def __init__(self, room: str, auditor: Auditor) -> None:
        self._room, self._auditor = room, auditor
        self.current = InForce("standard", {}, "", "", 0)

    def begin(self, connection: sa.Connection, file: Settings) -> None:
        """At the server's start, with what the configuration file says."""
        changes = audit.policies(connection)
        of_file = next((entry for entry in reversed(changes) if not _change(entry).by), None)
        if of_file is None or not _is(_change(of_file), file):
            changes.append(self._enter(connection, file, by=""))
        self.current = _in_force(changes[-1])

    async def save(self, draft: Settings, entry: int, by: str) -> None:
        """Put a valid draft in force, in place of the policy of that entry. Raises `Stale`."""

        def write(connection: sa.Connection) -> audit.Entry:
            if audit.policies(connection)[-1].sequence != entry:
                raise Stale
            return self._enter(connection, draft, by)

        self.current = _in_force(await self._auditor.transact(write))

    def _enter(self, connection: sa.Connection, policy: Settings, by: str) -> audit.Entry:
        settings = {name: value for name, value in policy.items() if name != PRESET}
        return audit.append(connection, audit.PolicyChanged(self._room, _preset(policy), settings, by))


def _preset(policy: Settings) -> str:
    return str(policy.get(PRESET, "standard"))


def _is(change: audit.PolicyChanged, policy: Settings) -> bool:
    settings = {name: value for name, value in policy.items() if name != PRESET}
    return change.preset == _preset(policy) and change.settings == settings


def _change(entry: audit.Entry) -> audit.PolicyChanged:
    assert isinstance(entry.event, audit.PolicyChanged), "a change of the policy"
    return entry.event


def _in_force(entry: audit.Entry) -> InForce:
    change = _change(entry)
    return InForce(change.preset, change.settings, change.by, entry.time, entry.sequence)


# -- the owner's port -------------------------------------------------------------------------------------------------
class PolicyPage(Struct, frozen=True):
    """The policy in force, and the form to write another one."""

    form: PolicyForm
    current: InForce


class PolicyDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """What an owner wrote, in place of the policy of an `entry` of the audit log."""

    settings: Settings
    entry: int = 0


class NotValid(Struct, frozen=True):
    """What is wrong with a draft."""

    message: str
    wrong: tuple[WrongSetting, ...]


class PolicyHandler(Handler):
    @property
    def policies(self) -> Policies:
        return self.application.settings["policies"]

    @property
    def rehearsals(self) -> Rehearsals:
        return self.application.settings["rehearsals"]

    @property
    def rulebook(self) -> Rulebook:
        """A server that was started without one shows and changes no policy."""
        rulebook: Rulebook | None = self.application.settings["rulebook"]
        if rulebook is None:
            raise web.HTTPError(404)
        return rulebook

    def draft(self) -> PolicyDraft | None:
        """The valid draft that was sent; None, and the answer is given, for one that is not."""
        try:
            draft = msgspec.json.decode(self.request.body, type=PolicyDraft)
        except ValueError:  # not only DecodeError: text that is no UTF-8
            raise web.HTTPError(400) from None
        wrong = self.rulebook.wrong(draft.settings)
        if not wrong:
            return self._narrowed(draft)
        self.send(NotValid("The draft is not valid.", wrong), http.client.UNPROCESSABLE_ENTITY)
        return None

    def _narrowed(self, draft: PolicyDraft) -> PolicyDraft:
        """What differs from the preset."""
        preset = _preset(draft.settings)
        usual = self.rulebook.form.presets[preset]
        settings = {name: value for name, value in draft.settings.items() if value != usual[name]}
        return PolicyDraft({PRESET: preset, **settings}, draft.entry)

    def conflict(self, message: str) -> None:
        self.send(NotValid(message, ()), http.client.CONFLICT)


class OwnerPolicy(PolicyHandler):
    def get(self) -> None:
        self.send(PolicyPage(self.rulebook.form, self.policies.current))

    async def post(self) -> None:
        draft = self.draft()
        if draft is None:
            return
        try:
            await self.policies.save(draft.settings, draft.entry, self.identity.name)
        except Stale:
            self.conflict("Somebody has saved another policy meanwhile. Look at it first.")
        else:
            self.send(PolicyPage(self.rulebook.form, self.policies.current), http.client.CREATED)


class OwnerRehearsal(PolicyHandler):
    def get(self) -> None:
        since = self.get_query_argument("since", "0")
        if not since.isdecimal():
            raise web.HTTPError(400)
        last = self.rehearsals.last
        self.send(None if last is None else last.standing(int(since)))

    def post(self) -> None:
        draft = self.draft()
        if draft is None:
            return
        if self.rehearsals.is_running:
            self.conflict("A rehearsal is running already. Cancel it first.")
            return
        self.send(self.rehearsals.begin(draft.settings, self.identity.name).standing(), http.client.ACCEPTED)

    def delete(self) -> None:
        if not self.rehearsals.is_running:
            raise web.HTTPError(404)
        self.rehearsals.last.cancel()
        self.set_status(http.client.NO_CONTENT)


ROUTES: list[Any] = [(r"/owner/api/policy", OwnerPolicy), (r"/owner/api/rehearsal", OwnerRehearsal)]
