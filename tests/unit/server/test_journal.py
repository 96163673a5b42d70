"""The journal: numbers, bounds, what goes first, and who waits for whom."""

from __future__ import annotations

import asyncio

import pytest

from cleanroom_kernel.server.journal import Journal


def filled(count, most_bytes=10**6, most_entries=100, expendable=True):
    journal = Journal(most_bytes, most_entries)
    for i in range(1, count + 1):
        journal.append(b"%d" % i, expendable=expendable)
    return journal


def numbers(journal, after=0):
    return [entry.number for entry in journal.after(after)]


def test_frames_are_numbered_from_one_and_read_after_any_number():
    journal = filled(5)
    assert numbers(journal) == [1, 2, 3, 4, 5]
    assert [(entry.number, entry.data) for entry in journal.after(3)] == [(4, b"4"), (5, b"5")]
    assert numbers(journal, 5) == numbers(journal, 99) == []


def test_the_number_of_frames_is_bounded():
    assert numbers(filled(250)) == list(range(151, 251))


def test_the_bytes_are_bounded():
    journal = Journal(1000, 100)
    for _ in range(50):
        journal.append(b"x" * 100, expendable=True)
    assert numbers(journal) == list(range(41, 51))


def test_a_frame_larger_than_all_is_kept_while_it_is_the_newest():
    journal = Journal(10, 100)
    journal.append(b"x" * 50, expendable=True)
    assert numbers(journal) == [1]
    journal.append(b"y", expendable=True)
    assert numbers(journal) == [2]


def test_output_goes_before_replies():
    journal = Journal(10**6, 10)
    journal.append(b"reply", expendable=False)
    for _ in range(50):
        journal.append(b"output", expendable=True)
    assert numbers(journal) == [1, *range(43, 52)]


def test_replies_go_when_there_is_nothing_else():
    assert numbers(filled(250, expendable=False)) == list(range(151, 251))


def test_a_reader_is_woken_by_the_next_frame():
    async def scenario():
        journal = filled(2)
        waiting = asyncio.create_task(journal.changed(2))
        await asyncio.sleep(0)
        assert not waiting.done()
        journal.append(b"3", expendable=True)
        await asyncio.wait_for(waiting, 1)
        await asyncio.wait_for(journal.changed(1), 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("most_bytes", [10**6, 60])
def test_a_writer_waits_for_a_present_reader_that_is_far_behind_and_for_no_absent_one(most_bytes):
    async def scenario():
        journal = filled(90, most_bytes)
        await asyncio.wait_for(journal.relieved(), 1)
        reader = object()
        journal.place(reader, 0)
        waiting = asyncio.create_task(journal.relieved())
        await asyncio.sleep(0)
        assert not waiting.done()
        journal.place(reader, 88)
        await asyncio.wait_for(waiting, 1)
        journal.place(reader, 0)
        waiting = asyncio.create_task(journal.relieved())
        await asyncio.sleep(0)
        assert not waiting.done()
        journal.leave(reader)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())
