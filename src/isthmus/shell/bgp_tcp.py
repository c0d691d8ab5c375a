"""TCP to the reflectors: bytes and connections, nothing of BGP.

Rules: we always dial, from the tunnel endpoint's address, so that a reflector knows us by it. What a peer sends is
handed on in pieces of at most 64 KiB, in order. What is written stays in order; a peer that does not read is hung up on
before our memory fills. A connection that the node has hung up on says nothing more.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import assert_never

from isthmus.model.net import IpAddress
from isthmus.node.effects import Dial, Hangup, Send
from isthmus.node.facts import Closed, Connected, ConnectFailed, Received

CONNECT_S = 10.0
READ_BYTES_MAX = 64 * 1024

UNREAD_BYTES_MAX = 64 * 1024 * 1024
"""What one peer may leave unread: more than the UPDATEs of a million routes of ours, which a node never has."""

FLUSH_S = 5.0
"""How long a hang-up waits for the last bytes (a NOTIFICATION) to be taken."""

Wish = Dial | Hangup | Send
Heard = Connected | ConnectFailed | Closed | Received


class _Connection:
    """One attempt to talk to a peer; `hear` is cut off when it is hung up on."""

    def __init__(self, peer: IpAddress, local: IpAddress, port: int, hear: Callable[[Heard], None]) -> None:
        self.peer, self._local, self._hear = peer, local, hear
        self._writer: asyncio.StreamWriter | None = None
        self._silent = False
        self.task = asyncio.get_running_loop().create_task(self._talk(port), name=f"bgp {peer}")

    def say(self, fact: Heard) -> None:
        if not self._silent:
            self._hear(fact)

    def send(self, data: bytes) -> None:
        if self._writer is None or self._silent:
            return
        self._writer.write(data)
        waiting = self._writer.transport.get_write_buffer_size()
        if waiting > UNREAD_BYTES_MAX:
            self.say(Closed(self.peer, f"the peer does not read: {waiting} bytes wait for it"))
            self._silent = True
            self._writer.transport.abort()

    def hang_up(self) -> None:
        """Say nothing more; what was written is still sent."""
        self._silent = True
        if self._writer is None:
            self.task.cancel()
            return
        self._writer.close()
        asyncio.get_running_loop().call_later(FLUSH_S, self._writer.transport.abort)

    async def _talk(self, port: int) -> None:
        """Connect and read until the end; everything worth knowing is said, nothing raised."""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, self._writer = await asyncio.open_connection(
                    str(self.peer), port, local_addr=(str(self._local), 0), limit=READ_BYTES_MAX
                )
        except TimeoutError:
            self.say(ConnectFailed(self.peer, f"no answer within {CONNECT_S:.0f} s"))
            return
        except OSError as error:
            self.say(ConnectFailed(self.peer, in_words(error, self._local)))
            return
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.say(Connected(self.peer))
        self.say(Closed(self.peer, await self._read(reader)))
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> str:
        try:
            while data := await reader.read(READ_BYTES_MAX):
                self.say(Received(self.peer, data))
            return "the peer closed the connection"
        except OSError as error:
            return in_words(error, self._local)


def in_words(error: OSError, local: IpAddress) -> str:
    """The system's own words; asyncio's repeat addresses that the reader knows."""
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{local} is not an address of this machine"
    return os.strerror(error.errno) if error.errno else str(error)


class BgpTcp:
    """All peers. `hear` is called in the loop's thread."""

    def __init__(self, local: IpAddress, ports: Mapping[IpAddress, int], hear: Callable[[Heard], None]) -> None:
        self._local, self._ports, self._hear = local, ports, hear
        self._connections: dict[IpAddress, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def carry_out(self, wish: Wish) -> None:
        match wish:
            case Dial(peer):
                self._dial(peer)
            case Send(peer, data):
                if peer in self._connections:
                    self._connections[peer].send(data)
            case Hangup(peer):
                self._hang_up(peer)
            case _:
                assert_never(wish)

    def _dial(self, peer: IpAddress) -> None:
        self._hang_up(peer)
        connection = self._connections[peer] = _Connection(peer, self._local, self._ports[peer], self._hear)
        self._tasks.add(connection.task)
        connection.task.add_done_callback(self._tasks.discard)

    def _hang_up(self, peer: IpAddress) -> None:
        connection = self._connections.pop(peer, None)
        if connection is not None:
            connection.hang_up()

    async def close(self) -> None:
        """Hang up on everybody and wait until the last bytes are taken or their time is over."""
        for peer in list(self._connections):
            self._hang_up(peer)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FLUSH_S)
