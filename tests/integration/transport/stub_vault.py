"""A vault with no rows: it opens any room, and does what the plan bytes say, so that the transport can be tested."""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import socket

from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, REQUEST_LIMIT, Channel, ChannelClosed
from cleanroom_kernel.protocol.messages import (
    VERSION,
    CellStarted,
    Close,
    Delivered,
    Denied,
    Disclose,
    Export,
    Hello,
    InterpreterRequest,
    Open,
    Opened,
    OpenFailed,
    Released,
    Reply,
    ServerMessage,
    Welcome,
)
from cleanroom_kernel.protocol.release import Array, Artifact, Receipt, Release, Withheld

COLUMNS = (Column("patient", DType.INTEGER, role=Role.UNIT), Column("age", DType.INTEGER, lower=0, upper=120))
SCHEMA = RoomSchema("ward", (TableSchema("patients", COLUMNS),))
WELCOME = Welcome(VERSION, SCHEMA, "standard", (), {"patients": "100-999"})


class StubVault:
    def __init__(self, interpreter: int, server: int) -> None:
        self.interpreter = Channel(socket.socket(fileno=interpreter), InterpreterRequest, limit=REQUEST_LIMIT)
        self.server = Channel(socket.socket(fileno=server), ServerMessage, limit=ANSWER_LIMIT)
        self.cell, self.number, self.opening = "", 0, None

    def run(self) -> None:
        try:
            while True:
                ready, _, _ = select.select([self.server, self.interpreter], [], [])
                if self.server in ready:  # first: it may say which cell is running
                    self.obey(self.server.receive())
                elif not self.answer(self.interpreter.receive()):
                    return
        except ChannelClosed:
            return

    def obey(self, message) -> None:
        match message:
            case Open():
                self.opening = message
                refused = "refuse to open" in message.policy
                self.server.send(OpenFailed("the tables are not there") if refused else Opened(1, WELCOME))
            case CellStarted(cell):
                self.cell = cell
            case Close():
                raise ChannelClosed

    def answer(self, request) -> bool:
        match request:
            case Hello(number):
                self.interpreter.send(Reply(number, WELCOME))
            case Disclose(number, b"release"):
                receipt = self.receipt()
                self.server.send(Released(receipt))
                self.interpreter.send(Reply(number, Release(receipt, Array((1,), (1.0,)))))
            case Disclose(number, b"withhold"):
                self.server.send(Denied(self.cell, "withheld", "policy"))
                self.interpreter.send(Reply(number, Withheld("withheld", "ask for less")))
            case Disclose(number, b"pid"):
                self.interpreter.send(Reply(number, Release(self.receipt(), Array((1,), (os.getpid(),)))))
            case Disclose(_, b"die"):
                os._exit(7)
            case Export(number, plan, name):
                receipt = self.receipt()
                digest = hashlib.sha256(plan).hexdigest()
                artifact = Artifact(name, digest, plan, ("sklearn.linear_model.LogisticRegression",), "# Report")
                self.server.send(Released(receipt))
                self.server.send(Delivered(receipt, artifact))
                self.interpreter.send(Reply(number, Release(receipt, artifact)))
        return True

    def receipt(self) -> Receipt:
        self.number += 1
        return Receipt(
            number=self.number,
            question="q" * 8,
            output_class="linear",
            title="mean of age",
            rules=("minimum count",),
            units="100-999",
            cells=1,
            suppressed=0,
            precision="rounded to 0.1",
            policy="standard",
            expert=self.opening.expert,
            session=self.opening.session,
            cell=self.cell,
            time="2026-01-01T00:00:00Z",
            chain="0" * 64,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--interpreter-fd", type=int)
    parser.add_argument("--server-fd", type=int)
    parser.add_argument("--supply-fd", type=int)
    parser.add_argument("--jobs-fd", type=int)
    parser.add_argument("--rows-fd", type=int)
    arguments = parser.parse_args()
    StubVault(arguments.interpreter_fd, arguments.server_fd).run()
