"""Notices: word to owners, checkers and experts, by mail or webhook, that a request is new, decided or about to end.

Promise: a notice says the room, a request's number, and what has become of it: no code, no reason, no name of a table,
no number of the data. It is sent beside the work and never in its way: one that cannot be sent is in the audit log, and
the request is where it was. Addresses hold passwords and are in no log. Without addresses nothing is sent.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from traitlets import Dict, Float, List, Unicode
from traitlets.config import Configurable

from cleanroom_kernel import audit
from cleanroom_kernel.audit import Entry
from cleanroom_kernel.protocol.airlock import State
from cleanroom_kernel.requests.records import Request, listed, requests, written
from cleanroom_kernel.requests.states import Step
from cleanroom_kernel.server.auditing import AuditFailed, Auditor

_SECONDS = 60.0  # that one notice may take to be sent

log = logging.getLogger("cleanroom.server")


class Notices(Configurable):
    """Notices of requests, by mail or webhook. Off until there is an address."""

    checkers = List(
        Unicode(),
        help="""Where notices for the owner and the checkers go, as Apprise writes addresses:
        'mailtos://user:password@mail.example.org?to=owner@example.org', 'jsons://hooks.example.org/cleanroom'. A notice
        says the room, the number of a request and its state, and nothing else. Needs cleanroom-kernel[notices].""",
    ).tag(config=True)
    experts = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="""Where an expert's notices go: name -> address, written in the same way. Who is not named gets none.""",
    ).tag(config=True)
    remind_days = Float(
        1.0, min=0, help="So many days before a request or an approval ends, a notice says so once; 0: never."
    ).tag(config=True)
    interval = Float(15.0, min=0.05, help="Seconds between looks for something to give notice of.").tag(config=True)

    @property
    def are_wanted(self) -> bool:
        return bool(self.checkers or self.experts)


class NoticesError(ValueError):
    """The addresses cannot be used. Words for the owner, without the addresses."""


class Who(enum.Enum):
    CHECKERS = "checkers"
    EXPERT = "expert"


class News(enum.Enum):
    """What there is to say. The words are all that a notice may hold beside the room, a number and a state."""

    NEW = "is new and waits for a checker"
    CHANGED = "has changed"
    ENDING = "ends soon"


# Who hears of each step. A run that begins or is interrupted is news to nobody.
AUDIENCE: dict[Step, frozenset[Who]] = {
    Step.AGREE: frozenset({Who.CHECKERS}),
    Step.APPROVE: frozenset({Who.EXPERT}),
    Step.REJECT: frozenset({Who.EXPERT}),
    Step.RETURN: frozenset({Who.EXPERT}),
    Step.EXPIRE: frozenset({Who.CHECKERS, Who.EXPERT}),
    Step.WITHDRAW: frozenset({Who.CHECKERS}),
    Step.START: frozenset(),
    Step.STOP: frozenset(),
    Step.FINISH: frozenset({Who.EXPERT}),
    Step.FAIL: frozenset({Who.CHECKERS, Who.EXPERT}),
    Step.LOSE: frozenset({Who.CHECKERS, Who.EXPERT}),
}

# Who is reminded of what is about to end by itself.
REMINDED: dict[State, Who] = {State.ASKED: Who.CHECKERS, State.APPROVED: Who.EXPERT}


class Notice(Struct, frozen=True):
    """`expert` is whose request it is: it decides where the notice goes and is not in it."""

    news: News
    number: int
    state: str
    to: Who
    expert: str

    def words(self, room: str) -> tuple[str, str]:
        return f"Clean room {room}", f"Request {self.number} {self.news.value}: {self.state}."


_CAN_END = requests.c.state.in_([state.value for state in REMINDED])


# -- what there is to say ---------------------------------------------------------------------------------------------
def of_entries(entries: Iterable[Entry]) -> list[Notice]:
    found = []
    for entry in entries:
        event = entry.event
        if isinstance(event, audit.RequestMade):
            found.append(Notice(News.NEW, event.number, State.ASKED.value, Who.CHECKERS, event.expert))
        elif isinstance(event, audit.RequestStep):
            to = sorted(AUDIENCE[Step(event.step)], key=lambda who: who.value)
            found += [Notice(News.CHANGED, event.number, event.state, who, event.expert) for who in to]
    return found


def ending(known: Iterable[Request], until: datetime) -> list[Notice]:
    """Of what ends by itself before `until`."""
    return [
        Notice(News.ENDING, request.number, request.state.value, REMINDED[request.state], request.expert)
        for request in known
        if request.state in REMINDED
        and (request.job or request.state is State.ASKED)
        and request.expires <= written(until)
    ]


# -- sending ----------------------------------------------------------------------------------------------------------
Send = Callable[[str, str, str], bool]  # address, title, words -> whether it was taken


def by_apprise(notices: Notices) -> Send:
    """Raises NoticesError for an address that Apprise does not know, and without Apprise."""
    try:
        import apprise  # an optional extra
    except ImportError:
        raise NoticesError("Notices need Apprise: install cleanroom-kernel[notices], or set no address.") from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would quote addresses
    named = [(f"Notices.checkers, address {place}", to) for place, to in enumerate(notices.checkers, 1)]
    named += [(f"Notices.experts, of {name!r}", to) for name, to in notices.experts.items()]
    for where, address in named:
        if apprise.Apprise.instantiate(address) is None:
            raise NoticesError(f"{where} is no address that Apprise knows.")

    def send(address: str, title: str, body: str) -> bool:
        one = apprise.Apprise()
        return bool(one.add(address) and one.notify(title=title, body=body))

    return send


class Sender:
    """Sends in threads, one notice at a time to each address; what fails is written down and forgotten."""

    def __init__(self, notices: Notices, send: Send, auditor: Auditor, room: str) -> None:
        self._notices, self._send, self._auditor, self._room = notices, send, auditor, room

    async def give(self, notice: Notice) -> None:
        await asyncio.gather(*(self._to(address, notice) for address in self._addresses(notice)))

    def _addresses(self, notice: Notice) -> list[str]:
        if notice.to is Who.CHECKERS:
            return list(self._notices.checkers)
        return [self._notices.experts[notice.expert]] if notice.expert in self._notices.experts else []

    async def _to(self, address: str, notice: Notice) -> None:
        sending = asyncio.to_thread(self._send, address, *notice.words(self._room))
        try:
            arrived = await asyncio.wait_for(sending, _SECONDS)
            why = "" if arrived else "it was not taken"
        except TimeoutError:
            why = "it took too long"
        except Exception as error:  # noqa: BLE001 - of a library, or of a network; its message may quote the address
            why = type(error).__name__
        if why:
            self._auditor.note(
                audit.NoticeFailed(number=notice.number, news=notice.news.name.lower(), to=notice.to.value, why=why)
            )


async def watch(sender: Sender, notices: Notices, auditor: Auditor, since: int) -> None:
    """Give notice of what happens after entry `since` of the audit log, and of what is about to end; whatever fails, go
    on.
    """
    last = since
    reminded: set[tuple[int, str]] = set()
    while True:
        try:
            entries, open_now = await auditor.look(_reader(last))
            last = entries[-1].sequence if entries else last
            news = of_entries(entries)
            if notices.remind_days:
                soon = ending(open_now, datetime.now(UTC) + timedelta(days=notices.remind_days))
                news += [notice for notice in soon if (notice.number, notice.state) not in reminded]
                reminded |= {(notice.number, notice.state) for notice in soon}
            for notice in news:
                await sender.give(notice)
        except (sa.exc.SQLAlchemyError, AuditFailed, RuntimeError) as error:
            log.error("notices could not be looked for: %s", type(error).__name__)
        await asyncio.sleep(notices.interval)


def _reader(last: int) -> Callable[[sa.Connection], tuple[list[Entry], list[Request]]]:
    def read(connection: sa.Connection) -> tuple[list[Entry], list[Request]]:
        return list(audit.entries(connection, last)), listed(connection, _CAN_END)

    return read
