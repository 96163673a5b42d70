"""Rounds of kill -9: a scripted session whose processes are killed in turn, at moments drawn from a seed.

`python -m tests.integration.killing --rounds 100 --seed 0` from the repository (`make kills`). After every round the
ledger and the audit log are whole and hold no entry twice, budgets have not gone back, nothing is left running that
should not be, and the expert has read one sentence about it and goes on with the answers that they had.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from cleanroom_kernel import audit
from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import COMMAND, Kernel, cleanroom, environment, kernel, until, write_config
from tests.integration import lives

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
VICTIMS = ("vault", "interpreter", "worker", "server", "proxy")

PROLOGUE = """
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
encounters = room["encounters"]
X, y = encounters[["age", "los_days"]], encounters["readmitted_30d"]
model = LogisticRegression(max_iter=300).fit(X, y)
"""
REFERENCE = "print('reference', encounters.los_days.mean(), roc_auc_score(y, model.predict_proba(X)[:, 1]))"
CELLS = (
    "1 + 1",
    "[encounters[encounters.age > age].los_days.mean() for age in range({number}, {number} + 30, 3)]",
    "encounters.groupby('department').los_days.mean() if {number} % 2 else encounters.age.quantile(.{number})",
    "roc_auc_score(y, LogisticRegression(C={fresh}, max_iter=300).fit(X, y).predict_proba(X)[:, 1])",
)
# What a cell may end with when a process is killed under it, beside an answer.
SAYINGS = {
    "VaultLost": "vault ended",
    "CleanRoomInterpreterDied": "interpreter ended",
    "CleanRoomSessionEnded": "session has ended",
    "CleanRoomOffline": "does not answer",
    "CleanRoomRefusal": "",  # the worker's fit ended; or a rule spoke
    "CleanRoomWithheld": "",
}


class Server:
    """`cleanroom serve`, which can be killed and found again at the same port."""

    def __init__(self, base: Path, **settings) -> None:
        self.base, self.jupyter = base, base / "jupyter"
        self.state = base / "cleanroom-state"
        hospital.write(base, 400)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.config = write_config(base, TABLES, Server={"port": port, **settings})
        self.start()
        invitation = cleanroom("invite", "ada", "--config", str(self.config)).stdout.strip()
        variables = {**os.environ, "JUPYTER_DATA_DIR": str(self.jupyter)}
        subprocess.run([*COMMAND, "connect", invitation], check=True, env=variables, capture_output=True)

    def start(self) -> None:
        address = self.state / "address.json"
        address.unlink(missing_ok=True)
        with (self.base / "server.log").open("ab") as log:
            command = [*COMMAND, "serve", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: address.exists() or self.process.poll() is not None, 120)
        assert self.process.poll() is None, (self.base / "server.log").read_text()

    def token(self) -> str:
        return cleanroom("invite", "bob", "--config", str(self.config)).stdout.strip().partition("#")[2]

    def kill(self) -> None:
        below = lives.below(self.process.pid)
        self.process.kill()
        self.process.wait()
        until(lambda: not any(lives.is_alive(pid) for pid in below), 30)  # nothing outlives its server

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Records:
    """Ledger and audit log, looked at after each round."""

    def __init__(self, state: Path) -> None:
        self._engine = audit.engine(state)
        self._chain: list[str] = []
        self._spent: dict[str, int] = {}

    def close(self) -> None:
        self._engine.dispose()

    def check(self) -> list[audit.AnyEvent]:
        """The events, whole, with all that were there before; each release once in ledger and log."""
        with audit.reading(self._engine) as connection:
            assert audit.verify(connection).intact
            entries = list(audit.entries(connection))
            released = list(connection.execute(sa.text("SELECT number FROM ledger_releases ORDER BY number")).scalars())
            spent = {
                name: connection.execute(sa.text(f"SELECT count(*) FROM ledger_{name}")).scalar_one()
                for name in ("answers", "denials", "charges", "releases")
            }
        chain = [entry.chain for entry in entries]
        assert chain[: len(self._chain)] == self._chain, "an entry was lost or changed"
        logged = [entry.event.number for entry in entries if isinstance(entry.event, audit.Released)]
        assert logged == released == list(range(1, len(released) + 1)), "ledger and audit log differ"
        assert all(spent[name] >= before for name, before in self._spent.items()), "a budget has gone back"
        self._chain, self._spent = chain, spent
        return [entry.event for entry in entries]


class Campaign:
    """One expert's session; `killed` and `said` count what happened."""

    def __init__(self, server: Server, notebook: Kernel, seed: int) -> None:
        self.server, self.notebook = server, notebook
        self.random = random.Random(seed)
        self.records = Records(server.state)
        self.killed, self.said = Counter[str](), Counter[str]()
        self.recovery: list[float] = []
        notebook.value(PROLOGUE)
        self.reference = printed(notebook.value(REFERENCE))

    def round(self, victim: str) -> None:
        number = self.random.randrange(20, 60)
        code = self.random.choice(CELLS[-1:] if victim == "worker" else CELLS).format(
            number=number, fresh=1 + len(self.recovery) / 1000
        )
        request = self.notebook.client.execute(code)
        time.sleep(self.random.expovariate(6))  # a moment of chance, not a wait for anything
        before = time.monotonic()
        self.kill(victim)
        self.said[self.outcome(request, victim)] += 1
        self.go_on()
        self.recovery.append(time.monotonic() - before)
        cells = Counter(event.cell for event in self.records.check() if isinstance(event, audit.CellExecuted))
        assert set(cells.values()) == {1}, "a cell was run twice"
        self.nothing_is_left_over()

    def kill(self, victim: str) -> None:
        if victim == "server":
            self.server.kill()
            self.server.start()
        elif victim == "proxy":
            os.kill(self.notebook.manager.provisioner.pid, signal.SIGKILL)
            self.notebook.manager.restart_kernel(now=True)
        else:
            until(lambda: lives.processes(self.server, victim), 30)
            os.kill(lives.processes(self.server, victim)[-1], signal.SIGKILL)
        self.killed[victim] += 1

    def outcome(self, request: str, victim: str) -> str:
        """How the cell ended that was running: with an answer, or with one sentence."""
        try:
            content = self.reply_to(request, 15 if victim == "proxy" else 60)
        except queue.Empty:
            # a proxy may die with one message in its hand
            assert victim == "proxy", f"a cell was never answered after a {victim} was killed"
            return "lost with its proxy"
        if content["status"] == "ok":
            return "answered"
        name = content.get("ename", content["status"])
        assert name in SAYINGS, content
        assert SAYINGS[name] in content["evalue"], content
        return name

    def reply_to(self, request: str, patience: float) -> dict:
        end = time.monotonic() + patience
        while True:
            message = self.notebook.client.get_shell_msg(timeout=max(end - time.monotonic(), 0.01))
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def go_on(self) -> None:
        """The next cells work; after a new interpreter the expert runs the first ones again, as they were told."""
        for _ in range(3):
            cell = self.notebook.run(REFERENCE)
            if cell.error is None:
                break
            if cell.error["ename"] not in ("NameError", *SAYINGS):
                raise AssertionError(cell.text)
            self.notebook.run(PROLOGUE)
        assert printed(cell.text) == self.reference, cell.text

    def nothing_is_left_over(self) -> None:
        for role in ("vault", "interpreter", "worker"):
            until(lambda role=role: len(lives.processes(self.server, role)) <= 1, 30)


def printed(text: str) -> str:
    """What the reference cell printed, without what was said while it waited."""
    return text.rpartition("reference")[2].strip()


def campaign(rounds: int, seed: int, folder: Path) -> Campaign:
    """So many rounds; raises AssertionError at the first that does not hold."""
    (folder / "expert").mkdir()
    server = Server(folder)
    try:
        with (
            environment(JUPYTER_DATA_DIR=str(server.jupyter)),
            kernel("cleanroom", folder / "expert", server.jupyter) as notebook,
        ):
            made = Campaign(server, notebook, seed)
            for number in range(rounds):
                victim = VICTIMS[number % len(VICTIMS)]
                try:
                    made.round(victim)
                except BaseException:
                    print(f"round {number} (seed {seed}): {victim} was killed", file=sys.stderr)
                    print((folder / "server.log").read_text()[-4000:], file=sys.stderr)
                    raise
            made.records.close()
            return made
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        made = campaign(options.rounds, options.seed, Path(folder))
        took = time.monotonic() - started
    recovery = sorted(made.recovery)
    print(f"{options.rounds} rounds in {took:.0f} s, seed {options.seed}; the audit log is whole, budgets never fell")
    print("killed:", ", ".join(f"{count} {name}" for name, count in made.killed.most_common()))
    print("cells ended:", ", ".join(f"{count} {name}" for name, count in made.said.most_common()))
    print(
        f"from the kill to the same answers: median {recovery[len(recovery) // 2]:.1f} s, longest {recovery[-1]:.1f} s"
    )


if __name__ == "__main__":
    main()
