"""Watch: the vault's own computations can be interrupted, and tell how long they have been at it."""

import threading

import polars as pl
import pytest

from cleanroom_kernel.vault import watch
from cleanroom_kernel.vault.quietly import TaskEnded

TABLE = pl.LazyFrame({"x": [1, 2, 3]})


class Lines:
    """The server interrupts after so many looks, if at all; what is told is kept."""

    def __init__(self, looks=None):
        self.left, self.interrupted, self.told = looks, False, []

    def listen(self, seconds):
        threading.Event().wait(seconds)
        if self.left is not None:
            self.left -= 1
            self.interrupted = self.left < 0

    def tell(self, progress):
        self.told.append(progress)


def held(table):
    """A query that goes on until it is let go."""
    go = threading.Event()

    def wait(frame):
        go.wait(30)
        return frame

    return table.map_batches(wait), go


def test_a_query_gives_what_it_gives_without_a_watch():
    assert watch.Watch(Lines()).collect(TABLE.select(pl.col("x").sum())).item() == 6


def test_an_error_of_polars_is_polars_error():
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        watch.Watch(Lines()).collect(TABLE.select("y"))


def test_an_interrupt_ends_the_wait_for_a_query():
    """Polars aborts the process when a query that goes on is forgotten, so it is kept until it has ended."""
    query, go = held(TABLE)
    lines = Lines(looks=3)
    watching = watch.Watch(lines)
    with pytest.raises(TaskEnded):
        watching.collect(query)
    watching.begin()
    go.set()
    lines.left = lines.interrupted = None
    assert watching.collect(TABLE).height == 3


def test_between_two_steps_an_interrupt_is_seen():
    seen = watch.Watch(Lines(looks=2))
    seen.look()
    seen.look()
    with pytest.raises(TaskEnded):
        seen.look()


def test_what_is_told_is_time_alone(monkeypatch):
    lines, now = Lines(), [0.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    watching = watch.Watch(lines)
    for now[0] in (0.5, 0.9, 1.2, 1.4, 2.5):
        watching.look()
    assert [(word.seconds, word.what, word.total) for word in lines.told] == [(1, "", 0), (2, "", 0)]
    watching.begin()
    now[0] = 3.0
    watching.look()
    assert len(lines.told) == 2


def test_without_a_session_nothing_listens():
    watch.use(None)
    watch.look()
    assert watch.collect(TABLE).height == 3
