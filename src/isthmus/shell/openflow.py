"""The few messages of OpenFlow 1.5.1 that the agent speaks itself, and a connection that speaks them.

An idle connection is worth having: a restart of ovs-vswitchd leaves a secure bridge without a flow, every second
without flows is lost traffic, and the socket's end says so within a millisecond, which neither a poll nor the database
does.

Rules: HELLO, ECHO, SET_CONFIG, PACKET_OUT and PACKET_IN are known; everything else is read past. Flows are the
affair of `ovs-ofctl` (ofctl.py).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

from isthmus.flows.layout import ANSWER_BYTES
from isthmus.model.net import IpAddress

VERSION = 6
"""OpenFlow 1.5."""

OPEN_S = 5.0

_HEADER = struct.Struct("!BBHI")
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _SET_CONFIG, _PACKET_IN, _PACKET_OUT = 0, 2, 3, 9, 10, 13
_NO_BUFFER, _CONTROLLER_PORT = 0xFFFFFFFF, 0xFFFFFFFD
_IN_PORT, _TUN_ID, _TUN_IPV4_DST = (0x8000, 0), (0x8000, 38), (0x0001, 32)
"""Class and number of a field; 0x0001 is Nicira's."""
_OUTPUT, _SET_FIELD = 0, 25


def packet_out(frame: bytes, endpoint: IpAddress, tunnel: int) -> bytes:
    """A frame by the tunnel port to this endpoint, with VNI 0 (section 7.3.6)."""
    actions = _set_field(_field(_TUN_ID, bytes(8))) + _set_field(_field(_TUN_IPV4_DST, endpoint))
    actions += struct.pack("!HHIH6x", _OUTPUT, 16, tunnel, 0)
    came_by = _field(_IN_PORT, _CONTROLLER_PORT.to_bytes(4, "big"))
    match = _padded(struct.pack("!HH", 1, 4 + len(came_by)) + came_by)
    return _message(_PACKET_OUT, struct.pack("!IHH", _NO_BUFFER, len(actions), 0) + match + actions + frame)


def packet_in(body: bytes) -> bytes:
    """The frame (section 7.4.1): behind a fixed part of 16 octets, the match, whose length is its second field, and
    two octets of padding."""
    length = int.from_bytes(body[18:20], "big")
    return body[16 + (length + 7) // 8 * 8 + 2 :]


def _message(kind: int, body: bytes = b"", xid: int = 1) -> bytes:
    return _HEADER.pack(VERSION, kind, _HEADER.size + len(body), xid) + body


def _field(name: tuple[int, int], value: bytes) -> bytes:
    space, number = name
    return struct.pack("!HBB", space, number << 1, len(value)) + value


def _set_field(field: bytes) -> bytes:
    return _padded(struct.pack("!HH", _SET_FIELD, (4 + len(field) + 7) // 8 * 8) + field)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


class Line(asyncio.Protocol):
    """An open connection; `ended` says why it ended. Frames are handed to `hear` as they arrive, without a queue, so
    that who counts silence has heard everything there was to hear. Without `hear` none come."""

    def __init__(self, hear: Callable[[bytes], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self._hear = hear
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None
        self._greeted: asyncio.Future[int] = loop.create_future()
        self._echo: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()

    @classmethod
    async def open(cls, socket: Path, hear: Callable[[bytes], None] | None = None) -> Self:
        """Connect and exchange HELLO. Raises OSError, TimeoutError."""
        async with asyncio.timeout(OPEN_S):
            _, line = await asyncio.get_running_loop().create_unix_connection(lambda: cls(hear), str(socket))
            try:
                await asyncio.wait((line._greeted, line.ended), return_when=asyncio.FIRST_COMPLETED)
            except BaseException:
                line.close()
                raise
        if not line._greeted.done() or line._greeted.result() < VERSION:
            line.close()
            raise ConnectionError("closed while opening" if line.ended.done() else "does not speak OpenFlow 1.5")
        return line

    def write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def echo(self) -> asyncio.Future[None]:
        """Done when the switch has read all that was written before; one at a time."""
        self._echo = asyncio.get_running_loop().create_future()
        self.write(_message(_ECHO_REQUEST))
        return self._echo

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self.write(_message(_HELLO))
        if self._hear is not None:  # frames go only to a connection that has said how much of them it wants
            self.write(_message(_SET_CONFIG, struct.pack("!HH", 0, ANSWER_BYTES)))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.ended.done():
            said = getattr(error, "strerror", None) or error
            self.ended.set_result(
                f"Open vSwitch's OpenFlow connection: {said}" if said else "Open vSwitch closed its OpenFlow connection"
            )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while len(data) >= _HEADER.size:
            version, kind, length, xid = _HEADER.unpack_from(data)
            length = max(length, _HEADER.size)
            if len(data) < length:
                break
            self._handle(version, kind, xid, data[_HEADER.size : length])
            data = data[length:]
        self._rest = data

    def _handle(self, version: int, kind: int, xid: int, body: bytes) -> None:
        if kind == _HELLO and not self._greeted.done():
            self._greeted.set_result(version)
        elif kind == _ECHO_REQUEST:
            self.write(_message(_ECHO_REPLY, body, xid))
        elif kind == _ECHO_REPLY and not self._echo.done():
            self._echo.set_result(None)
        elif kind == _PACKET_IN and self._hear is not None:
            self._hear(packet_in(body))
