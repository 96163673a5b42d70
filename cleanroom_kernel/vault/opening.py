"""Opening: a session's desk, from the server's first message."""

from __future__ import annotations

from typing import Any

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.borders import Borders
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy, PolicyError
from cleanroom_kernel.protocol.messages import Open
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds, room_key
from cleanroom_kernel.vault.tables import RoomError, open_room


class OpeningError(ValueError):
    """The room cannot be opened. Words for the owner."""


def open_desk(opening: Open) -> Desk:
    try:
        policy = Policy.from_settings(opening.policy).snapshot()
        tables = open_room(opening.room)
    except (PolicyError, RoomError) as error:
        raise OpeningError(str(error)) from None
    key = room_key(opening.state)
    ledger = Ledger(audit.engine(opening.state), key, tables.n_units, tables.edition)
    learners = LateLearners(Seeds(key if policy.keyed_seeds else None), ledger.borders(policy))
    return Desk(
        room=tables.schema,
        engine=Engine(tables, learners.seeds, lambda predict, engine: learners.predict(predict, engine)),
        learners=learners,
        policy=policy,
        ledger=ledger,
        expert=opening.expert,
        session=opening.session,
    )


class LateLearners:
    """The session's `Learners`, made when they are first used: scikit-learn takes longer to load than all the rest."""

    def __init__(self, seeds: Seeds, borders: Borders) -> None:
        self.seeds = seeds
        self._borders = borders
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            from cleanroom_kernel.vault.learners import Learners

            self._made = Learners(self.seeds, self._borders)
        return getattr(self._made, name)
