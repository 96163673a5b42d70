"""Opening: a session's desk, from the server's first message."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.ledger import Ledger, PolicyMoved
from cleanroom_kernel.disclosure.policy import Policy, PolicyError, PolicySnapshot
from cleanroom_kernel.protocol.messages import Open, WorkerWanted
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.jobline import JobRunner
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.memory import limit
from cleanroom_kernel.vault.rowcalls import NO_ROW_FUNCTIONS, RowFunctions
from cleanroom_kernel.vault.rowlines import RowLines
from cleanroom_kernel.vault.seeds import Seeds, room_key
from cleanroom_kernel.vault.tables import RoomError, open_room
from cleanroom_kernel.vault.unsettled import settle


class OpeningError(ValueError):
    """The room cannot be opened. Words for the owner."""


def open_desk(
    opening: Open,
    lines: Lines,
    supply: socket.socket,
    jobs: socket.socket | None = None,
    rows: socket.socket | None = None,
) -> Desk:
    """`lines` and `supply` are for the session's fits: to hear of interrupts, and to get workers by; `jobs` is where
    processes for jobs come from, and `rows` those for row functions, if any are run.
    """
    limit(opening.memory)
    try:
        policy = Policy.from_settings(opening.policy).snapshot()
        tables = open_room(opening.room)
    except (PolicyError, RoomError) as error:
        raise OpeningError(str(error)) from None
    key = room_key(opening.state)
    ledger = Ledger(audit.engine(opening.state), key, tables.n_units, tables.edition)
    settle(opening.unsettled, policy, ledger)
    ledger.watch_tables(tables.check)
    if opening.policy_entry is not None:
        ledger.watch_policy(opening.policy_entry)

    row_lines = None if rows is None else RowLines(lines, rows, opening.rows)

    def furnished(policy: PolicySnapshot) -> tuple[Engine, LateLearners]:
        seeds = Seeds(key if policy.keyed_seeds else None)
        learners = LateLearners(seeds, lambda: _learners(seeds, ledger.borders(policy), lines, supply, opening))
        caller = NO_ROW_FUNCTIONS if row_lines is None else RowFunctions(seeds, row_lines, opening.rows)
        engine = Engine(tables, seeds, lambda predict, engine: learners.predict(predict, engine), caller=caller)
        return engine, learners

    engine, learners = furnished(policy)
    return Desk(
        room=tables.schema,
        engine=engine,
        learners=learners,
        policy=policy,
        ledger=ledger,
        expert=opening.expert,
        session=opening.session,
        fits=opening.fits,
        terms=opening.terms,
        runner=None if jobs is None else JobRunner(lines, jobs, opening.jobs, key),
        furnished=furnished,
    )


def adopt(moved: PolicyMoved, desk: Desk) -> None:
    """From now on the desk answers under the policy that the owner has put in force."""
    policy = Policy.from_settings(moved.settings).snapshot()
    assert desk.furnished is not None, "a desk whose ledger looks for policies"
    desk.engine, desk.learners = desk.furnished(policy)
    desk.policy = policy
    desk.ledger.watch_policy(moved.entry)


class LateLearners:
    """A session's `Learners`, made when they are first used: scikit-learn takes longer to load than all the rest."""

    def __init__(self, seeds: Seeds, make: Callable[[], Any]) -> None:
        self.seeds = seeds
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)


def _learners(seeds: Seeds, borders: Borders, lines: Lines, supply: socket.socket, opening: Open) -> Any:
    lines.notify(WorkerWanted())  # it loads scikit-learn while we do
    from cleanroom_kernel.vault.fitting import Workers
    from cleanroom_kernel.vault.learners import Learners

    return Learners(seeds, borders, Workers(lines, supply, opening.fits, turns=opening.turns))
