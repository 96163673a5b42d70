"""The order of cells, and which reply answers which request."""

from __future__ import annotations

import asyncio

import pytest

from cleanroom_kernel.protocol.jupyter import Header
from cleanroom_kernel.server.requests import Book, Line, Request
from cleanroom_kernel.server.shapes import ExecuteRequest


def request(name, kind="execute_request", channel="shell", **options):
    made = Request(channel, Header(name, kind), [b"{}"] * 4)
    if kind == "execute_request":
        made.cell = ExecuteRequest(code=name, **options)
    return made


class Rig:
    """A line, with what it passed on and what it aborted by name."""

    def __init__(self):
        self.passed, self.aborted = [], []
        self.line = Line(self._pass_on, lambda request: self.aborted.append(request.header.msg_id))
        self.task = asyncio.create_task(self.line.run())

    async def _pass_on(self, request):
        self.passed.append(request.header.msg_id)

    async def put(self, *requests):
        for each in requests:
            assert self.line.put(each)
        await self.settle()

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def answer(self, request, failed=False):
        self.line.answered(request, failed=failed)
        await self.settle()


def scenario(test):
    def run():
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@scenario
async def test_a_cell_waits_for_the_answer_to_the_one_before():
    rig, a, b = Rig(), request("a"), request("b")
    await rig.put(a, b)
    assert rig.passed == ["a"]
    await rig.answer(a)
    assert rig.passed == ["a", "b"]


@scenario
async def test_other_requests_keep_their_place_among_cells():
    rig, a, b = Rig(), request("a"), request("b")
    await rig.put(
        request("1", "complete_request"), a, request("2", "inspect_request"), b, request("3", "complete_request")
    )
    assert rig.passed == ["1", "a", "2"]
    await rig.answer(a)
    assert rig.passed == ["1", "a", "2", "b", "3"]


@scenario
async def test_a_failing_cell_aborts_the_cells_that_wait_and_no_later_one():
    rig, a, b = Rig(), request("a"), request("b")
    await rig.put(a, b, request("c", "complete_request"), request("d"))
    await rig.answer(a, failed=True)
    await rig.put(later := request("later"))
    assert rig.aborted == ["b", "d"]
    assert rig.passed == ["a", "c", "later"]
    await rig.answer(later)


@pytest.mark.parametrize("options", [{"stop_on_error": False}, {"silent": True}])
def test_a_cell_can_fail_without_harm_to_others(options):
    async def run():
        rig, a = Rig(), request("a", **options)
        await rig.put(a, request("b"))
        await rig.answer(a, failed=True)
        assert (rig.passed, rig.aborted) == (["a", "b"], [])

    asyncio.run(run())


@scenario
async def test_an_answer_to_a_cell_that_is_not_running_frees_nothing():
    """Hostile code could answer a later cell ahead of time."""
    rig, a, b = Rig(), request("a"), request("b")
    await rig.put(a, b, request("c"))
    await rig.answer(b)
    assert rig.passed == ["a"]


@scenario
async def test_what_waits_is_bounded_in_number_and_bytes():
    rig = Rig()
    await rig.put(request("running"))
    large = request("large")
    large.parts = [b"x" * 2**24]
    accepted = [rig.line.put(large) for _ in range(6)]
    assert accepted == [True] * 3 + [False] * 3 or accepted == [True] * 4 + [False] * 2


def test_a_reply_answers_its_request_once_and_on_its_own_channel_only():
    book, asked = Book(), request("a")
    book.remember(asked)
    book.expect_reply(asked)
    assert book.answered(("a", "execute_request"), "complete_reply", "shell") is None
    assert book.answered(("a", "execute_request"), "execute_reply", "iopub") is None
    assert book.answered(("b", "execute_request"), "execute_reply", "shell") is None
    assert book.answered(("a", "execute_request"), "execute_reply", "shell") is asked
    assert book.answered(("a", "execute_request"), "execute_reply", "shell") is None


def test_one_identity_may_name_two_requests_of_different_kinds():
    """A manager and its client count in the same sequence."""
    book = Book()
    for kind, channel in (("execute_request", "shell"), ("create_subshell_request", "control")):
        book.remember(request("session_0", kind, channel))
        book.expect_reply(request("session_0", kind, channel))
    assert book.answered(("session_0", "create_subshell_request"), "create_subshell_reply", "control")
    assert [cell.header.msg_id for cell in book.running()] == ["session_0"]


def test_a_parent_is_the_request_as_the_server_saw_it():
    book = Book()
    book.remember(request("a"))
    assert b'"msg_id":"a"' in book.parent_of(("a", "execute_request"))
    assert book.parent_of(("a", "other")) is None


def test_old_parents_are_forgotten():
    book = Book()
    for i in range(10_001):
        book.remember(request(str(i)))
    assert book.parent_of(("0", "execute_request")) is None
    assert book.parent_of(("10000", "execute_request")) is not None


def test_abandoned_requests_are_open_no_more():
    book, asked = Book(), request("a")
    book.expect_reply(asked)
    assert book.abandon() == [asked]
    assert list(book.running()) == []
