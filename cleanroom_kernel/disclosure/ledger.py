"""Ledger: what left the room, over which units, and what was withheld. Read by the gate before the next release.

Promise: one IMMEDIATE transaction from the first look at what was released to the record of the new release and its
audit entry, so that two vaults of a room cannot each release a half of what neither would release whole. A question
that was answered is answered the same again, byte for byte, whoever of the room asks; one that was withheld is
withheld again.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from pyroaring import BitMap

from cleanroom_kernel import airlock, audit
from cleanroom_kernel.airlock import Frozen, Row
from cleanroom_kernel.disclosure.auditor import Limits
from cleanroom_kernel.disclosure.borders import Borders, mixed_noise_of, noise_of
from cleanroom_kernel.disclosure.candidate import Asker, Footprint, Review
from cleanroom_kernel.disclosure.comparisons import Claim, Comparisons, Draft, Judged
from cleanroom_kernel.disclosure.footprint import Sketcher
from cleanroom_kernel.disclosure.policy import PolicySnapshot, fingerprint
from cleanroom_kernel.disclosure.records import answers, charges, denials, metadata, numbers, questions, releases
from cleanroom_kernel.protocol.release import Payload, Receipt
from cleanroom_kernel.requests import jobs

WINDOW = 30 * 24 * 3600  # seconds over which denials are counted
FAILED = " failed"  # stands behind a question whose computation failed on the data
MOST_PLAN = 2**16  # bytes of a compressed plan that is kept for rehearsals

_PAYLOADS: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)


class Facts(Struct, frozen=True):
    """What a receipt says besides who asked, when and where."""

    question: str
    output_class: str
    title: str
    rules: tuple[str, ...]
    units: str
    cells: int
    suppressed: int
    precision: str
    policy: str


_FACTS = msgspec.msgpack.Decoder(Facts)


class PolicyMoved(BaseException):
    """The owner has put another policy in force: what was gathered under the last one is not judged by it any more.
    No failure, which others might handle.
    """

    def __init__(self, entry: int, settings: dict[str, bool | int | float | str]) -> None:
        super().__init__(entry)
        self.entry, self.settings = entry, settings


class Answered(Struct, frozen=True):
    """A question that was answered before."""

    answer: int
    facts: Facts
    payload: Payload


class Released(Struct, frozen=True):
    """Numbers of one measure that might be released, or are about to be."""

    measure: str
    linear: bool
    claims: list[Claim]


class Asked(Struct, frozen=True):
    """A question on its way to the gate: who asks, its identity, its plan, and the file's name where it is for one."""

    asker: Asker
    question: str
    plan: bytes
    file: str | None = None


class Ledger:
    """The ledger of one room, as one vault sees it. `edition` names the state of the data: units of two editions are
    not comparable, and an answer of one is none of the other. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        database: sa.Engine,
        key: bytes,
        n_units: int,
        edition: str = "",
        clock: Callable[[], float] = lambda: time.time(),
    ) -> None:
        audit.create(database, metadata)
        airlock.create(database)
        self._database = database
        self._key = key
        self._edition = edition
        self.sketcher = Sketcher(key, n_units)
        self._comparisons = Comparisons(key, n_units, edition, self.sketcher)
        self._clock = clock
        self._asked: Asked | None = None
        self._policy_looked_for: int | None = None
        self._check_tables: Callable[[], None] = lambda: None
        self.n_units = n_units
        self.review: Review | None = None  # a question whose candidate goes to the owner instead of to the gate

    def borders(self, policy: PolicySnapshot, *, mixed: bool = False) -> Borders:
        return Borders.of(self._key, policy, mixed=mixed)

    def noise(self, statistic: str, footprint: Footprint) -> float:
        """A standard normal number for a number of a free measure."""
        return noise_of(self._key, statistic, footprint)

    def mixed_noise(self, statistic: str, units: BitMap, counts: bytes = b"") -> float:
        """The same for a number over rows or groups that several columns chose at once."""
        return mixed_noise_of(self._key, statistic, units, counts)

    @contextmanager
    def reviewing(self, question: str) -> Iterator[Review]:
        """While it lasts, the candidate of this question is caught, and not judged."""
        self.review = Review(question)
        try:
            yield self.review
        finally:
            self.review = None

    def watch_policy(self, entry: int) -> None:
        """From now on every look at the ledger is one under the policy of this entry of the audit log, or raises
        `PolicyMoved`.
        """
        self._policy_looked_for = entry

    def watch_tables(self, check: Callable[[], None]) -> None:
        """From now on every look at the ledger begins with `check`, which raises where the tables have changed: before
        anything is computed, and again before what was computed is released.
        """
        self._check_tables = check

    def look_for_policy(self) -> None:
        """Raises `PolicyMoved` where another policy is in force than the one that is gone by here."""
        with audit.reading(self._database) as connection:
            self._check_policy(connection)

    def _check_policy(self, connection: sa.Connection) -> None:
        if self._policy_looked_for is None:
            return
        changes = audit.policies(connection, self._policy_looked_for)
        if changes:
            change = changes[-1].event
            assert isinstance(change, audit.PolicyChanged), "a change of the policy"
            raise PolicyMoved(changes[-1].sequence, {"preset": change.preset, **change.settings})
        self._policy_looked_for = audit.last(connection)  # what is before it need not be looked at again

    @contextmanager
    def keeping(self, asked: Asked) -> Iterator[None]:
        """While it lasts, this question is being answered: its plan is kept with the first look at the ledger."""
        self._asked = asked
        try:
            yield
        finally:
            self._asked = None

    @contextmanager
    def book(self) -> Iterator[Book]:
        """The ledger, open for one decision. What was written is lost together if the decision fails."""
        with self._database.begin() as connection:
            self._check_policy(connection)
            self._check_tables()
            book = Book(connection, self._comparisons, self._edition, int(self._clock()))
            if self._asked is not None:
                book.keep(self._asked)
            yield book
        self._asked = None
        book.adopt()


class Book:
    """One transaction on the ledger."""

    def __init__(self, connection: sa.Connection, comparisons: Comparisons, edition: str, now: int) -> None:
        self._connection = connection
        self._now = now
        self._comparisons = comparisons
        self._edition = edition
        self._draft = Draft()

    @property
    def connection(self) -> sa.Connection:
        return self._connection

    # -- what was answered before -------------------------------------------------------------------------------------
    def answered(self, question: str, policy: PolicySnapshot) -> Answered | None:
        found = self._connection.execute(
            sa.select(answers.c.id, answers.c.facts, answers.c.payload).where(
                answers.c.key == self._key(question, policy)
            )
        ).first()
        return (
            None if found is None else Answered(found.id, _FACTS.decode(found.facts), _PAYLOADS.decode(found.payload))
        )

    def was_withheld(self, question: str, policy: PolicySnapshot) -> bool:
        found = sa.select(denials.c.id).where(denials.c.key == self._key(question, policy)).limit(1)
        return self._connection.execute(found).first() is not None

    def denials_of(self, expert: str) -> int:
        """Answers withheld from an expert in the last 30 days."""
        return self._number(sa.func.count(denials.c.id), *self._recent(denials, expert))

    def suppressed_for(self, expert: str) -> int:
        """Cells suppressed in answers to an expert in the last 30 days."""
        total = sa.func.coalesce(sa.func.sum(answers.c.suppressed), 0)
        return self._number(total, *self._recent(answers, expert), answers.c.suppressed > sa.literal_column("0"))

    def charged(self, column: str) -> int:
        """Numbers of free measures that were released about a unit, as far as they are charged to a column."""
        total = sa.func.coalesce(sa.func.sum(charges.c.numbers), 0)
        return self._number(total, charges.c.column == self._here(column))

    def charges(self) -> dict[str, int]:
        """Numbers of free measures, by the column that they are charged to."""
        start = self._here("")
        rows = self._connection.execute(
            sa.select(charges.c.column, sa.func.sum(charges.c.numbers))
            .where(charges.c.column.startswith(start, autoescape=True))
            .group_by(charges.c.column)
        )
        return {column.removeprefix(start): int(count) for column, count in rows}

    def approved(self, number: int, expert: str) -> Answered:
        """An answer that the owner approved. Raises AirlockError where there is none."""
        answer, payload = airlock.approved(self._connection, number, expert)
        facts = self._connection.execute(sa.select(answers.c.facts).where(answers.c.id == answer)).scalar_one()
        return Answered(answer, _FACTS.decode(facts), _PAYLOADS.decode(payload))

    def of_job(self, number: int, expert: str) -> Answered:
        """What a job gave that left by rule. Raises AirlockError where there is none."""
        answer = jobs.answer_of(self._connection, number, expert)
        row = self._connection.execute(sa.select(answers).where(answers.c.id == answer)).one()
        return Answered(answer, _FACTS.decode(row.facts), _PAYLOADS.decode(row.payload))

    # -- what a new number would add to it ----------------------------------------------------------------------------
    def equations(self, measure: str) -> int:
        """Independent numbers of a measure that were released."""
        return self._comparisons.equations(self._connection, self._draft, measure)

    def read(self, measures: Iterable[str]) -> None:
        """Look up in one go what was released of all measures that a decision is about."""
        self._comparisons.read(self._connection, self._draft, measures)

    def judge(self, new: Released, limits: Limits, *, pairs: bool, combinations: bool) -> Judged:
        """Which claims may be released beside what was, and beside those that this book judged before."""
        return self._comparisons.judge(
            self._connection,
            self._draft,
            new.measure,
            new.claims,
            limits,
            pairs=pairs,
            combinations=combinations and new.linear,
        )

    # -- records ------------------------------------------------------------------------------------------------------
    def keep(self, one: Asked) -> None:
        """Write down what is asked, once for each expert."""
        plan = zlib.compress(one.plan)
        self._connection.execute(
            questions.insert()
            .prefix_with("OR IGNORE")
            .values(
                entry=audit.last(self._connection),
                question=one.question,
                expert=one.asker.expert,
                session=one.asker.session,
                cell=one.asker.cell,
                time=self._now,
                file=one.file,
                plan=plan if len(plan) <= MOST_PLAN else None,
            )
        )

    def record(
        self,
        asker: Asker,
        facts: Facts,
        payload: Payload,
        policy: PolicySnapshot,
        released: list[Released],
        charged: Mapping[str, int] | None = None,
    ) -> int:
        """Write an answer down; its number is for `release`. `charged`: numbers of free measures, by column."""
        answer: int = self._connection.execute(
            answers.insert()
            .values(
                key=self._key(facts.question, policy),
                expert=asker.expert,
                time=self._now,
                facts=msgspec.msgpack.encode(facts),
                payload=msgspec.msgpack.encode(payload),
                suppressed=facts.suppressed,
            )
            .returning(answers.c.id)
        ).scalar_one()
        self._comparisons.write(self._connection, self._draft, answer, _as_rows(released))
        for column, count in (charged or {}).items():
            self._connection.execute(charges.insert().values(answer=answer, column=self._here(column), numbers=count))
        return answer

    def freeze(
        self,
        asker: Asker,
        facts: Facts,
        payload: Payload | None,
        released: list[Released],
        charged: Mapping[str, int],
    ) -> Frozen:
        """An answer as it would be written down and leave, for the owner to decide about. The same question asked
        again is not answered with it: its key is nobody's question.
        """
        body = b"" if payload is None else msgspec.msgpack.encode(payload)
        answer = {
            "key": secrets.token_bytes(20),
            "expert": asker.expert,
            "facts": msgspec.msgpack.encode(facts),
            "payload": body,
            "suppressed": facts.suppressed,
        }
        rows = [Row(str(numbers.name), row) for row in self._comparisons.rows(self._connection, _as_rows(released))]
        rows += [
            Row(str(charges.name), {"column": self._here(column), "numbers": count})
            for column, count in charged.items()
        ]
        return Frozen(
            payload=body,
            answer=Row(str(answers.name), answer),
            numbers=tuple(rows),
            output_class=facts.output_class,
            units=facts.units,
            cells=facts.cells,
            precision=facts.precision,
        )

    def release(self, asker: Asker, facts: Facts, answer: int) -> Receipt:
        """Write down that an answer leaves, in ledger and audit log. The receipt is the proof."""
        last = self._connection.execute(sa.select(sa.func.max(releases.c.number))).scalar()
        number = (last or 0) + 1
        entry = audit.append(
            self._connection,
            audit.Released(
                session=asker.session,
                expert=asker.expert,
                cell=asker.cell,
                number=number,
                **msgspec.structs.asdict(facts),
            ),
        )
        self._connection.execute(
            releases.insert().values(
                number=number,
                answer=answer,
                expert=asker.expert,
                session=asker.session,
                cell=asker.cell,
                time=entry.time,
            )
        )
        return Receipt(
            number=number,
            expert=asker.expert,
            session=asker.session,
            cell=asker.cell,
            time=f"{entry.time[:19]}Z",
            chain=entry.chain,
            **msgspec.structs.asdict(facts),
        )

    def withhold(self, asker: Asker, question: str, title: str, rules: tuple[str, ...], policy: PolicySnapshot) -> None:
        """Write down that an answer was withheld. Asked again, it costs nothing."""
        if not self.was_withheld(question, policy):
            self._connection.execute(
                denials.insert().values(key=self._key(question, policy), expert=asker.expert, time=self._now)
            )
        audit.append(
            self._connection,
            audit.Withheld(
                session=asker.session, expert=asker.expert, cell=asker.cell, question=question, title=title, rules=rules
            ),
        )

    def refuse(self, asker: Asker, question: str, reason: str, rule: str) -> None:
        audit.append(
            self._connection,
            audit.Refused(
                session=asker.session, expert=asker.expert, cell=asker.cell, question=question, reason=reason, rule=rule
            ),
        )

    def adopt(self) -> None:
        """The transaction is through: what was judged is what was released."""
        self._comparisons.adopt(self._draft)

    def _number(self, column: sa.ColumnElement[int], *where: sa.ColumnElement[bool]) -> int:
        return int(self._connection.execute(sa.select(column).where(*where)).scalar_one())

    def _here(self, column: str) -> str:
        return f"{self._edition}/{column}"

    def _key(self, question: str, policy: PolicySnapshot) -> bytes:
        parts = (question, fingerprint(policy), self._edition)
        return blake2b(msgspec.msgpack.encode(parts), digest_size=20).digest()

    def _recent(self, table: sa.Table, expert: str) -> tuple[sa.ColumnElement[bool], ...]:
        return table.c.expert == expert, table.c.time > self._now - WINDOW


def _as_rows(released: list[Released]) -> list[tuple[str, bool, list[Claim]]]:
    return [(one.measure, one.linear, one.claims) for one in released]
