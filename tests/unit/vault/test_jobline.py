"""The line to a job's process: what the server hands over late is of no use to a later run."""

from __future__ import annotations

import socket

import pytest
from support.jobs import KEY, MEAN

from cleanroom_kernel.protocol.channel import Channel, frame
from cleanroom_kernel.protocol.jobs import MOST_RESULT, JobLimits, Piece, Produced, Run, ToJob
from cleanroom_kernel.protocol.messages import JobOver, JobWanted, VaultNotice
from cleanroom_kernel.vault.jobline import End, JobEnded, JobRunner
from cleanroom_kernel.vault.lines import Lines

ORDER = Run(MEAN, JobLimits())
GIVEN = Produced({"n": 600, "age": 50.0}, {}, {})


class Server:
    """The other ends: of the lines that a vault has, and of the line of jobs."""

    def __init__(self, seconds: float) -> None:
        interpreter, self.interpreter = socket.socketpair()
        server, self.server = socket.socketpair()
        supply, self.supply = socket.socketpair()
        self.notices: Channel[VaultNotice] = Channel(self.server, VaultNotice, limit=MOST_RESULT)
        self.runner = JobRunner(Lines(interpreter, server), supply, JobLimits(seconds=seconds), KEY)

    def hand_over(self) -> Channel:
        """A new line, of which the job's end is returned."""
        theirs, ours = socket.socketpair()
        with theirs:
            socket.send_fds(self.supply, [b"w"], [theirs.fileno()])
        return Channel(ours, ToJob, limit=MOST_RESULT)

    def nothing(self) -> None:
        self.supply.send(b"w")

    def notice(self) -> VaultNotice:
        return self.notices.receive()


def test_a_run_gets_the_answer_of_its_own_process():
    server = Server(20.0)
    job = server.hand_over()
    job.send(GIVEN)
    assert server.runner.run((), ORDER) == GIVEN
    assert job.receive() == ORDER
    assert [server.notice(), server.notice()] == [JobWanted(), JobOver()]


def test_a_line_that_comes_too_late_is_not_the_next_runs():
    server = Server(0.05)
    with pytest.raises(JobEnded) as ended:
        server.runner.run((), ORDER)
    assert ended.value.end is End.TIME
    server.runner.limits = JobLimits(seconds=20.0)
    late, fresh = server.hand_over(), server.hand_over()
    late.send(Produced({"n": 1, "age": 1.0}, {}, {}))
    fresh.send(GIVEN)
    assert server.runner.run((), ORDER) == GIVEN


def test_where_no_process_could_be_started_the_run_ends_and_the_next_is_tried():
    server = Server(20.0)
    server.nothing()
    with pytest.raises(JobEnded) as ended:
        server.runner.run((), ORDER)
    assert ended.value.end is End.NO_PROCESS
    job = server.hand_over()
    job.send(GIVEN)
    assert server.runner.run((), ORDER) == GIVEN


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (frame(b"\xc1"), End.MALFORMED),
        (frame(b"\x80"), End.MALFORMED),
        (b"\x00\x00", End.DIED),
        (b"", End.DIED),
    ],
    ids=["unreadable", "of another kind", "half a length", "nothing"],
)
def test_a_process_that_says_something_else_or_dies_is_one_fixed_end(said, end):
    server = Server(20.0)
    job = server.hand_over()
    stream = job._stream
    stream.sendall(said)
    stream.shutdown(socket.SHUT_WR)
    with pytest.raises(JobEnded) as ended:
        server.runner.run((), ORDER)
    assert ended.value.end is end


def test_a_process_that_never_reads_does_not_hold_the_vault():
    server = Server(0.3)
    job = server.hand_over()
    with pytest.raises(JobEnded) as ended:
        server.runner.run([Piece("t", bytes(64 << 20))], ORDER)
    job.close()
    assert ended.value.end is End.TIME
