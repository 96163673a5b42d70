"""Opening: a session's desk, from the server's first message."""

from __future__ import annotations

import socket
from typing import Any

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy, PolicyError
from cleanroom_kernel.protocol.messages import FitLimits, Open, WorkerWanted
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.lines import Lines
from cleanroom_kernel.vault.seeds import Seeds, room_key
from cleanroom_kernel.vault.tables import RoomError, open_room
from cleanroom_kernel.vault.unsettled import settle


class OpeningError(ValueError):
    """The room cannot be opened. Words for the owner."""


def open_desk(opening: Open, lines: Lines, supply: socket.socket) -> Desk:
    """`lines` and `supply` are for the session's fits: to hear of interrupts, and to get workers by."""
    try:
        policy = Policy.from_settings(opening.policy).snapshot()
        tables = open_room(opening.room)
    except (PolicyError, RoomError) as error:
        raise OpeningError(str(error)) from None
    key = room_key(opening.state)
    ledger = Ledger(audit.engine(opening.state), key, tables.n_units, tables.edition)
    settle(opening.unsettled, policy, ledger)
    seeds = Seeds(key if policy.keyed_seeds else None)
    learners = LateLearners(seeds, ledger.borders(policy), lines, supply, opening.fits)
    return Desk(
        room=tables.schema,
        engine=Engine(tables, learners.seeds, lambda predict, engine: learners.predict(predict, engine)),
        learners=learners,
        policy=policy,
        ledger=ledger,
        expert=opening.expert,
        session=opening.session,
        fits=opening.fits,
        terms=opening.terms,
    )


class LateLearners:
    """The session's `Learners`, made when they are first used: scikit-learn takes longer to load than all the rest."""

    def __init__(self, seeds: Seeds, borders: Borders, lines: Lines, supply: socket.socket, limits: FitLimits) -> None:
        self.seeds = seeds
        self._borders = borders
        self._lines, self._supply, self._limits = lines, supply, limits
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._lines.notify(WorkerWanted())  # it loads scikit-learn while we do
            from cleanroom_kernel.vault.fitting import Workers
            from cleanroom_kernel.vault.learners import Learners

            workers = Workers(self._lines, self._supply, self._limits)
            self._made = Learners(self.seeds, self._borders, workers)
        return getattr(self._made, name)
