"""TCP to the reflectors: bytes and connections, nothing of BGP.

Rules: we always dial, from the tunnel endpoint's address, so that a reflector knows us by it. What a peer sends is
handed on in pieces of at most 64 KiB, in order, as it comes: nothing of it waits here, so that a connection can be
handed to another process between two pieces. What is written stays in order; a peer that does not read is hung up on
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
from isthmus.shell.tcp_guard import NO_GUARD, Guard

CONNECT_S = 10.0
READ_BYTES_MAX = 64 * 1024

UNREAD_BYTES_MAX = 64 * 1024 * 1024
"""What one peer may leave unread: more than the UPDATEs of a million routes of ours, which a node never has."""

FLUSH_S = 5.0
"""How long a hang-up waits for the last bytes (a NOTIFICATION) to be taken."""

HAND_OVER_S = 2.0
"""How long a connection that is to be handed over may take to send what was written: whole messages go, or none."""

LOOK_S = 0.01

Wish = Dial | Hangup | Send
Heard = Connected | ConnectFailed | Closed | Received


class _Connection(asyncio.Protocol):
    """One attempt to talk to a peer; `hear` is cut off when it is hung up on."""

    def __init__(self, peer: IpAddress, local: IpAddress, guard: Guard, hear: Callable[[Heard], None]) -> None:
        loop = asyncio.get_running_loop()
        self.peer, self._local, self._guard, self._hear = peer, local, guard, hear
        self._transport: asyncio.Transport | None = None
        self._silent = False
        self._connecting: asyncio.Task[None] | None = None
        self._adopted = False
        self.ended: asyncio.Future[None] = loop.create_future()

    # How it comes about.

    def dial(self, port: int) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._dial(port), name=f"bgp {self.peer}")

    async def _dial(self, port: int) -> None:
        """Everything worth knowing is said, nothing raised."""
        loop = asyncio.get_running_loop()
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            plain.setblocking(False)
            plain.bind((str(self._local), 0))
            self._guard.put_on(plain, self.peer)
            async with asyncio.timeout(CONNECT_S):
                await loop.sock_connect(plain, (str(self.peer), port))
                await loop.create_connection(lambda: self, sock=plain)
            return
        except TimeoutError:
            # A peer that misses a signature, or finds a wrong one, does not answer at all (RFC 2385 section 4.1).
            signed = ", or the passwords differ" if self._guard.password else ""
            self._failed(f"no answer within {CONNECT_S:.0f} s{signed}")
        except OSError as error:
            self._failed(in_words(error, self._local))
        finally:
            if self._transport is None:  # nobody has it
                plain.close()

    def _failed(self, why: str) -> None:
        self._end()
        self.say(ConnectFailed(self.peer, why))

    async def adopt(self, connected: socket.socket) -> None:
        """Go on with a connection that another process had; one that cannot be protected has ended."""
        self._adopted = True
        try:
            self._guard.put_on(connected, self.peer)
        except OSError as error:
            connected.close()
            self._end()
            self.say(Closed(self.peer, in_words(error, self._local)))
            return
        await asyncio.get_running_loop().create_connection(lambda: self, sock=connected)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._silent:
            transport.abort()
        elif not self._adopted:
            self.say(Connected(self.peer))

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), READ_BYTES_MAX):
            self.say(Received(self.peer, data[at : at + READ_BYTES_MAX]))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._end()
        why = in_words(error, self._local) if isinstance(error, OSError) else "the peer closed the connection"
        self.say(Closed(self.peer, why))

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    # What is asked of it.

    def say(self, fact: Heard) -> None:
        if not self._silent:
            self._hear(fact)

    def send(self, data: bytes) -> None:
        if self._transport is None or self._silent:
            return
        self._transport.write(data)
        if (waiting := self.unsent) > UNREAD_BYTES_MAX:
            self.say(Closed(self.peer, f"the peer does not read: {waiting} bytes wait for it"))
            self._silent = True
            self._transport.abort()

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def hang_up(self) -> None:
        """Say nothing more; what was written is still sent."""
        self._silent = True
        if self._transport is None:
            if self._connecting is not None:
                self._connecting.cancel()
            self._end()
            return
        self._transport.close()
        asyncio.get_running_loop().call_later(FLUSH_S, self._transport.abort)

    def pause(self) -> None:
        """Read no more: what the peer sends waits in the kernel."""
        if self._transport is not None:
            self._transport.pause_reading()

    def release(self) -> socket.socket | None:
        """A descriptor of its own for whoever goes on; None if there is nothing whole to go on with. This process says
        and hears nothing more of it; its own descriptor ends without a word on the wire."""
        self._silent = True
        if self._transport is None or self._transport.is_closing() or self.unsent:
            return None
        plain: socket.socket = self._transport.get_extra_info("socket")
        return socket.socket(fileno=os.dup(plain.fileno()))


def in_words(error: OSError, local: IpAddress) -> str:
    """The system's own words; asyncio's repeat addresses that the reader knows."""
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{local} is not an address of this machine"
    return os.strerror(error.errno) if error.errno else str(error)


class BgpTcp:
    """All peers. `hear` is called in the loop's thread."""

    def __init__(
        self,
        local: IpAddress,
        ports: Mapping[IpAddress, int],
        hear: Callable[[Heard], None],
        guards: Mapping[IpAddress, Guard] | None = None,
    ) -> None:
        self._local, self._ports, self._hear, self._guards = local, ports, hear, guards or {}
        self._connections: dict[IpAddress, _Connection] = {}
        self._ends: set[asyncio.Future[None]] = set()

    def carry_out(self, wish: Wish) -> None:
        match wish:
            case Dial(peer):
                self._new(peer).dial(self._ports[peer])
            case Send(peer, data):
                if peer in self._connections:
                    self._connections[peer].send(data)
            case Hangup(peer):
                self._hang_up(peer)
            case _:
                assert_never(wish)

    async def adopt(self, peer: IpAddress, connected: socket.socket) -> None:
        """A connection of the last run; what has arrived since is heard from here on."""
        await self._new(peer).adopt(connected)

    async def hand_over(self) -> dict[IpAddress, socket.socket]:
        """After `pause` and the last `Send`: the connections from which everything written has gone. Those that need
        longer than their time are not among them."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + HAND_OVER_S
        # Looked at, not waited for: several buffers and one deadline, once in a process' life.
        while any(c.unsent for c in self._connections.values()) and clock() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        released = {peer: connection.release() for peer, connection in self._connections.items()}
        return {peer: plain for peer, plain in released.items() if plain is not None}

    def pause(self) -> None:
        """Hear no more of anybody."""
        for connection in self._connections.values():
            connection.pause()

    async def close(self) -> None:
        """Hang up on everybody and wait until the last bytes are taken or their time is over."""
        for peer in list(self._connections):
            self._hang_up(peer)
        if self._ends:
            await asyncio.wait(self._ends, timeout=FLUSH_S)

    def _new(self, peer: IpAddress) -> _Connection:
        self._hang_up(peer)
        connection = self._connections[peer] = _Connection(
            peer, self._local, self._guards.get(peer, NO_GUARD), self._hear
        )
        self._ends.add(connection.ended)
        connection.ended.add_done_callback(self._ends.discard)
        return connection

    def _hang_up(self, peer: IpAddress) -> None:
        connection = self._connections.pop(peer, None)
        if connection is not None:
            connection.hang_up()
