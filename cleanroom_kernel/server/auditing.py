"""Auditing: the audit log as the server's event loop uses it.

Promise: entries are written in the order they were given, by one thread, so that a slow disk stops no other session.
When the log cannot be written the room stops running cells: `record` raises, and goes on raising.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from cleanroom_kernel import audit

Result = TypeVar("Result")

log = logging.getLogger("cleanroom.server")


class AuditFailed(RuntimeError):
    """The audit log could not be written; the reason is in the owner's log."""


class Auditor:
    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._broken = False

    async def record(self, event: audit.AnyEvent) -> None:
        """Return when the entry is on disk."""
        await self.transact(lambda connection: audit.append(connection, event))

    async def transact(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run `work` in one writing transaction, in order with the log's other entries."""
        return await asyncio.wrap_future(self._submit(work))

    def note(self, event: audit.AnyEvent) -> None:
        """Write soon. For what has already happened and waits for nothing."""
        self._submit(lambda connection: audit.append(connection, event)).add_done_callback(_mention)

    async def look(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run `work` on a reading connection, in a thread of its own."""

        def read() -> Result:
            with audit.reading(self.engine) as connection:
                return work(connection)

        return await asyncio.to_thread(read)

    def close(self) -> None:
        """Write what was given, and let go of the database."""
        self._writer.shutdown()
        self.engine.dispose()

    def _submit(self, work: Callable[[sa.Connection], Result]) -> Future[Result]:
        return self._writer.submit(self._write, work)

    def _write(self, work: Callable[[sa.Connection], Result]) -> Result:
        if self._broken:
            raise AuditFailed("the audit log could not be written before")
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except sa.exc.SQLAlchemyError as error:
            self._broken = True
            log.critical("the audit log cannot be written, so no cell is run any more: %s", type(error).__name__)
            raise AuditFailed("the audit log cannot be written") from error


def _mention(done: Future[Any]) -> None:
    if done.exception() is not None:
        log.error("an audit entry was lost: %s", done.exception())
