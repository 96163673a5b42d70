"""The audit log in the server's event loop: order, and what happens when it cannot be written."""

from __future__ import annotations

import asyncio

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.server.auditing import AuditFailed, Auditor


def test_entries_are_written_in_the_order_they_were_given(tmp_path):
    async def scenario():
        auditor = Auditor(audit.engine(tmp_path))
        for i in range(50):
            auditor.note(audit.RoomClosed(str(i)))
        await auditor.record(audit.RoomClosed("last"))
        written = await auditor.look(lambda c: [entry.event.room for entry in audit.entries(c)])
        auditor.close()
        return written

    assert asyncio.run(scenario()) == [*map(str, range(50)), "last"]


def test_closing_writes_what_was_given(tmp_path):
    auditor = Auditor(audit.engine(tmp_path))
    auditor.note(audit.RoomClosed("given"))
    auditor.close()
    engine = audit.engine(tmp_path)
    with audit.reading(engine) as connection:
        assert [entry.event.room for entry in audit.entries(connection)] == ["given"]
    engine.dispose()


def test_a_log_that_cannot_be_written_stops_everything_from_then_on(tmp_path):
    async def scenario():
        auditor = Auditor(audit.engine(tmp_path))
        with auditor.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE audit RENAME TO gone")
        with pytest.raises(AuditFailed):
            await auditor.record(audit.RoomClosed("x"))
        with auditor.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO audit")
        with pytest.raises(AuditFailed):
            await auditor.record(audit.RoomClosed("x"))
        auditor.close()

    asyncio.run(scenario())
