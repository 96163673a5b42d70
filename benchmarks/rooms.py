"""A room in this process: interpreter and vault with a socket between them, as in the real one, and a fresh ledger."""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure.ledger import Ledger
from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.interpreter import connection, hooks_numpy, hooks_pandas, startup  # noqa: F401 - registers methods
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.protocol.channel import REQUEST_LIMIT, Channel
from cleanroom_kernel.protocol.messages import InterpreterRequest
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.engine import Engine
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.session import Session
from cleanroom_kernel.vault.tables import open_room

KEY = b"the same borders in each run 32b"


@contextlib.contextmanager
def opened(directory: Path, preset: str = "standard") -> Iterator[tuple[Room, sa.Engine]]:
    """The prepared room in `directory` and the database of its fresh ledger; the vault's session answers in a thread of
    this process.
    """
    with tempfile.TemporaryDirectory() as state:
        database, tables = audit.engine(state), open_room(directory)
        desk = Desk(
            room=tables.schema,
            engine=Engine(tables, Seeds(None), _no_models),
            learners=None,
            policy=Policy.from_settings({"preset": preset}).snapshot(),
            ledger=Ledger(database, KEY, tables.n_units),
            expert="ada",
            session="exploration",
        )
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=_answer, args=(desk, theirs), daemon=True)
        thread.start()
        link = Connection.over(ours)
        connection.use(link)
        room = Room(link)
        hooks_pandas.install(room)
        try:
            yield room, database
        finally:
            connection.use(None)
            ours.close()
            thread.join()


def _no_models(*_: Any) -> Any:
    raise AssertionError("no question here fits a model")


def _answer(desk: Desk, stream: socket.socket) -> None:
    session = Session(desk, lambda line: print(f"vault: {line}", file=sys.stderr), lambda _: None)
    channel = Channel(stream, InterpreterRequest, limit=REQUEST_LIMIT)
    with contextlib.suppress(OSError):
        for request in channel:
            channel.send(session.step(request, "")[0])
