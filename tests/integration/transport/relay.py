"""A TCP relay in a thread, between a proxy kernel and its server, that can fail like a network."""

from __future__ import annotations

import asyncio
import threading


class Relay:
    def __init__(self, target: int) -> None:
        self.target, self.mode = target, "up"
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        """Reset all connections and accept no new one."""
        self.mode = "down"
        asyncio.run_coroutine_threadsafe(self._abort(), self._loop).result()

    def swallow(self) -> None:
        """Half-open: both ends believe that the line is up, and nothing arrives."""
        self.mode = "swallow"

    def restore(self) -> None:
        self.mode = "up"

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def _abort(self) -> None:
        for pair in list(self._connections):
            for writer in pair:
                writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode != "up":
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there_writer)
        self._connections.add(pair)
        await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        self._connections.discard(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.mode != "swallow":
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
