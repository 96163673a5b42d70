"""Round trip of `1+1`: a plain ipykernel and the clean room on loopback, cell by cell in turn, in one run.

    python benchmarks/roundtrip.py [--samples 200] [--tls]

Prints both medians, their difference and their ratio, from execute_request to execute_reply and on to idle, and how
long each kernel takes from nothing to its first result. Both kernels feel the same load of the machine at the same
time; the absolute numbers are this machine's, the ratio is what to compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "transport"))

from harness import RunningServer, kernel, run  # noqa: E402 - found only now


def round_trip(client) -> tuple[float, float]:
    begin = time.perf_counter()
    cell = client.execute("1+1")
    while client.get_shell_msg(timeout=30)["parent_header"].get("msg_id") != cell:
        pass
    replied = time.perf_counter() - begin
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") == cell and message["content"].get("execution_state") == "idle":
            return replied * 1e3, (time.perf_counter() - begin) * 1e3


def first_result(name: str) -> float:
    begin = time.perf_counter()
    with kernel(name) as (_, client):
        run(client, "1+1")
        return time.perf_counter() - begin


def compare(samples: int, name: str) -> None:
    starts = {which: statistics.median(first_result(which) for _ in range(3)) for which in ("python3", name)}
    times: dict[str, list[tuple[float, float]]] = {"python3": [], name: []}
    with ExitStack() as stack:
        clients = {which: stack.enter_context(kernel(which))[1] for which in times}
        for client in clients.values():
            for _ in range(20):
                round_trip(client)
        for _ in range(samples):
            for which, client in clients.items():
                times[which].append(round_trip(client))
    for i, what in enumerate(("reply", "reply and idle")):
        plain, clean = (sorted(pair[i] for pair in times[which]) for which in ("python3", name))
        a, b = statistics.median(plain), statistics.median(clean)
        p95 = int(0.95 * samples)
        print(
            f"{what:15} plain {a:6.2f} ms (p95 {plain[p95]:6.2f})   clean room {b:6.2f} ms (p95 {clean[p95]:6.2f})   "
            f"difference {b - a:5.2f} ms   ratio {b / a:4.2f}"
        )
    print(f"first result    plain {starts['python3']:6.2f} s    clean room {starts[name]:6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--tls", action="store_true", help="TLS on the line, as between two machines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for name in ("DATA", "RUNTIME"):
            os.environ[f"JUPYTER_{name}_DIR"] = os.path.join(directory, name)
            os.mkdir(os.environ[f"JUPYTER_{name}_DIR"])
        server = RunningServer(Path(directory) / "state", tls="always" if arguments.tls else "auto")
        try:
            compare(arguments.samples, server.install(server.invite()))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
