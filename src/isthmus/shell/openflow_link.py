"""One idle OpenFlow connection to our bridge, held only to notice at once when the switch ends.

A restart of ovs-vswitchd leaves a secure bridge without a flow, and every second without flows is lost traffic. The
socket's end says so within a millisecond, which neither a poll nor the database does.

Says HELLO, answers ECHO, reads past everything else (OpenFlow 1.5.1 sections 7.1, 7.5.1 and 7.5.2).
"""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Self

VERSION = 6
"""OpenFlow 1.5."""

_HEADER = struct.Struct("!BBHI")
_HELLO, _ECHO_REQUEST, _ECHO_REPLY = 0, 2, 3

OPEN_S = 5.0


class Link:
    """An open connection. `open` raises OSError; `ended` returns why it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, socket: Path) -> Self:
        """Connect and exchange HELLO."""
        async with asyncio.timeout(OPEN_S):
            link = cls(*await asyncio.open_unix_connection(socket))
            try:
                link._writer.write(_HEADER.pack(VERSION, _HELLO, _HEADER.size, 1))
                kind, _, _ = await link._message()
            except asyncio.IncompleteReadError:
                link.close()
                raise ConnectionError("closed while opening") from None
            except BaseException:
                link.close()
                raise
        if kind != _HELLO:
            link.close()
            raise ConnectionError("does not speak OpenFlow 1.5")
        return link

    async def ended(self) -> str:
        """Until the switch closes it."""
        try:
            while True:
                kind, xid, body = await self._message()
                if kind == _ECHO_REQUEST:
                    head = _HEADER.pack(VERSION, _ECHO_REPLY, _HEADER.size + len(body), xid)
                    self._writer.write(head + body)
        except asyncio.IncompleteReadError:
            return "Open vSwitch closed its OpenFlow connection"
        except OSError as error:
            return f"Open vSwitch's OpenFlow connection: {error.strerror or error}"

    async def _message(self) -> tuple[int, int, bytes]:
        _, kind, length, xid = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
        return kind, xid, await self._reader.readexactly(max(0, length - _HEADER.size))

    def close(self) -> None:
        self._writer.close()
