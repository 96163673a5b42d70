"""A room under load for a while: idle sessions, busy sessions, and how a light cell fares among them.

`python -m tests.integration.soak --idle 50 --busy 20 --minutes 20` from the repository (`make soak`). It fails when a
cell is not answered as it should be, when the records are not whole, or when something is left running at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.integration import lives
from tests.integration.killing import Records, Server
from tests.integration.transport.harness import Expert, ask, cell

START = "from sklearn.linear_model import LogisticRegression; encounters = room['encounters']; len(encounters)"
WORK = (
    "encounters[encounters.age > {0}].los_days.mean()",
    "encounters.groupby('department').los_days.mean()",
    "encounters[encounters.age < {0}].groupby('sex').age.mean()",
    "m = LogisticRegression(C={0}, max_iter=200).fit(encounters[['age', 'los_days']], encounters['readmitted_30d'])",
    "sum(range({0}000))",
)
_ANSWERS = {"ok", "CleanRoomWithheld", "CleanRoomRefusal"}
_PAUSE_SECONDS = 1.0  # of a busy session between two cells, as of somebody who reads the answer
_PROBE_SECONDS = 1.0


class Load:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.expert = Expert(server, server.token())
        self.ended = Counter[str]()
        self.light: list[float] = []
        self.until = 0.0

    async def session(self) -> object:
        socket = await self.expert.open()
        await self.run(socket, START)
        return socket

    async def run(self, socket: object, code: str) -> None:
        heard = await ask(socket, "execute_request", cell(code))
        (reply,) = (message.content for message in heard if message.kind == "execute_reply")
        how = reply["status"] if reply["status"] == "ok" else reply["ename"]
        assert how in _ANSWERS, reply
        self.ended[how] += 1

    async def busy(self, socket: object, number: int) -> None:
        for turn in itertools.count(number):
            if time.monotonic() > self.until:
                return
            await self.run(socket, WORK[turn % len(WORK)].format(20 + turn % 60))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def probe(self, socket: object) -> None:
        """How long a cell takes that needs nothing."""
        while time.monotonic() < self.until:
            before = time.monotonic()
            await self.run(socket, "1 + 1")
            self.light.append(time.monotonic() - before)
            await asyncio.sleep(_PROBE_SECONDS)

    async def go(self, idle: int, busy: int, minutes: float) -> None:
        idlers = [await self.session() for _ in range(idle)]
        workers = [await self.session() for _ in range(busy)]
        probe = await self.session()
        self.until = time.monotonic() + 60 * minutes
        work = [self.busy(socket, number) for number, socket in enumerate(workers)]
        await asyncio.gather(self.probe(probe), *work)
        for socket in idlers:  # they have slept all the time, and are still there
            await self.run(socket, "encounters.age.mean()")
        for socket in (*idlers, *workers, probe):
            await self.expert.fetch("DELETE", f"/api/kernels/{socket.session}")


def resident(pid: int) -> int:
    """Bytes in memory, those that are shared counted in part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def soak(idle: int, busy: int, minutes: float, folder: Path) -> list[str]:
    """The figures, in words."""
    sessions = idle + busy + 1
    limits = {"max_sessions": sessions, "max_sessions_per_expert": sessions, "requests_per_minute": 100_000}
    server = Server(folder, **limits)
    try:
        load = Load(server)
        before = resident(server.process.pid)
        asyncio.run(load.go(idle, busy, minutes))
        after = resident(server.process.pid)
        left = [role for role in ("vault", "worker", "interpreter") if lives.processes(server, role)]
        assert not left, f"sessions have ended, and there is still a {left}"
        records = Records(server.state)
        records.check()
        records.close()
    finally:
        server.stop()
    light = sorted(load.light)
    return [
        f"{idle} idle and {busy} busy sessions for {minutes:g} minutes; the audit log is whole, no process was left",
        "cells: " + ", ".join(f"{count} {name}" for name, count in load.ended.most_common()),
        f"1+1 meanwhile: median {light[len(light) // 2] * 1000:.0f} ms, 95 % below {_at(light, 0.95) * 1000:.0f} ms",
        f"the server's own memory: {before / 2**20:.0f} MB before, {after / 2**20:.0f} MB after",
    ]


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=50)
    parser.add_argument("--busy", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(soak(options.idle, options.busy, options.minutes, Path(folder))))


if __name__ == "__main__":
    main()
