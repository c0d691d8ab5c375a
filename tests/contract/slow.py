"""A long way to a server: everything arrives, in order, and later."""

from __future__ import annotations

import asyncio
from pathlib import Path


class LongWay:
    """Listens on a unix socket of its own and relays to another."""

    def __init__(self, listen: Path, server: Path, delay_s: float) -> None:
        self.remote = f"unix:{listen}"
        self._listen, self._server, self._delay_s = listen, server, delay_s
        self._relays = set[asyncio.Task[None]]()

    async def run(self) -> None:
        """Until cancelled."""
        server = await asyncio.start_unix_server(self._relay, str(self._listen))
        try:
            async with server:
                await server.serve_forever()
        finally:
            for relay in self._relays:
                relay.cancel()
            await asyncio.gather(*self._relays, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        there, back = await asyncio.open_unix_connection(str(self._server))
        try:
            await asyncio.gather(self._one_way(reader, back), self._one_way(there, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            back.close()
            self._relays.discard(task)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while octets := await reader.read(65536):
            loop.call_later(self._delay_s, writer.write, octets)
        raise ConnectionError("one end has hung up, so the other is")
