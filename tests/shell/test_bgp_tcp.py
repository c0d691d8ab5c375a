"""TCP to peers on loopback, against a plain listening socket."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.model.net import IpAddress
from isthmus.node.effects import Dial, Hangup, Send
from isthmus.node.facts import Closed, Connected, ConnectFailed, Received
from isthmus.shell import bgp_tcp
from isthmus.shell.bgp_tcp import BgpTcp
from isthmus.shell.tcp_guard import IP_MINTTL, NO_GUARD, Guard
from tests.eventually import eventually
from tests.shell.background import Background

PEER = IpAddress.parse("127.0.0.1")
LOCAL = IpAddress.parse("127.0.0.9")


class World:
    """A peer that listens, and what the part under test said."""

    def __init__(
        self, background: Background, listener: socket.socket, local: IpAddress = LOCAL, guard: Guard = NO_GUARD
    ) -> None:
        self.heard: list[Any] = []
        self.background = background
        self.listener = listener
        self.port = listener.getsockname()[1]
        self.tcp = BgpTcp(local, {PEER: self.port}, self.heard.append, {PEER: guard})

    def do(self, effect: Dial | Send | Hangup) -> None:
        self.background.do(self.tcp.carry_out, effect)

    def dial(self) -> socket.socket:
        """Dial and accept."""
        self.do(Dial(PEER))
        self.listener.settimeout(5)
        connection, self.seen = self.listener.accept()
        connection.settimeout(5)
        self.hears(Connected(PEER))
        return connection

    def hears(self, *facts: Any) -> None:
        def right() -> None:
            assert tuple(self.heard) == facts, self.heard

        eventually(right, every=0.01)
        self.heard.clear()


@pytest.fixture
def world() -> Iterator[World]:
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        world = World(background, listener)
        yield world
        background.call(world.tcp.close)


def test_we_dial_from_the_tunnel_endpoint(world: World) -> None:
    with world.dial():
        assert world.seen[0] == str(LOCAL)


def test_bytes_go_both_ways_in_order(world: World) -> None:
    with world.dial() as peer:
        for text in (b"one ", b"two ", b"three"):
            world.do(Send(PEER, text))
        got = b""
        while len(got) < 13:
            got += peer.recv(100)
        assert got == b"one two three"
        peer.sendall(b"answer")
        world.hears(Received(PEER, b"answer"))


def test_a_flood_comes_in_bounded_pieces(world: World) -> None:
    with world.dial() as peer:
        peer.sendall(bytes(300_000))

        def all_there() -> None:
            assert sum(len(f.data) for f in world.heard) == 300_000

        eventually(all_there)
        assert max(len(fact.data) for fact in world.heard) <= 64 * 1024


def test_a_peer_that_closes_is_told(world: World) -> None:
    world.dial().close()
    world.hears(Closed(PEER, "the peer closed the connection"))


def test_a_peer_that_resets_is_told_in_the_systems_words(world: World) -> None:
    peer = world.dial()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    world.hears(Closed(PEER, "Connection reset by peer"))


def test_nobody_listens(world: World) -> None:
    world.listener.close()
    world.do(Dial(PEER))
    world.hears(ConnectFailed(PEER, "Connection refused"))


def test_an_endpoint_that_is_not_ours_is_named() -> None:
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        world = World(background, listener, IpAddress.parse("192.0.2.77"))
        world.do(Dial(PEER))
        world.hears(ConnectFailed(PEER, "192.0.2.77 is not an address of this machine"))


def test_hanging_up_flushes_and_says_nothing_more(world: World) -> None:
    with world.dial() as peer:
        world.do(Send(PEER, b"last words"))
        world.do(Hangup(PEER))
        assert peer.recv(100) == b"last words"
        assert peer.recv(100) == b""
    with world.dial() as again:
        # What the first connection's end might have said would stand before this.
        again.sendall(b"new")
        world.hears(Received(PEER, b"new"))


def test_dialling_again_forgets_the_old_connection(world: World) -> None:
    with world.dial() as old, world.dial() as new:
        assert old.recv(100) == b""
        world.do(Send(PEER, b"to the new one"))
        assert new.recv(100) == b"to the new one"


def test_hanging_up_while_dialling_is_silent(world: World) -> None:
    def at_once() -> None:
        world.tcp.carry_out(Dial(PEER))
        world.tcp.carry_out(Hangup(PEER))

    world.background.do(at_once)
    with world.dial():
        pass


def test_a_peer_that_does_not_read_is_hung_up_on(world: World) -> None:
    with world.dial():
        for _ in range(70):
            world.do(Send(PEER, bytes(1024 * 1024)))

        def given_up() -> None:
            assert len(world.heard) == 1 and world.heard[0].why.startswith("the peer does not read: "), world.heard

        eventually(given_up)


def test_a_connection_handed_over_loses_no_byte_and_says_nothing_on_the_wire(world: World) -> None:
    with world.dial() as peer:
        world.do(Send(PEER, bytes(5_000_000)))
        world.background.do(world.tcp.pause)
        peer.sendall(b"said in between")
        got = bytearray()

        def read() -> None:
            while len(got) < 5_000_004:
                got.extend(peer.recv(65536))

        reader = threading.Thread(target=read)
        reader.start()
        handed = world.background.call(world.tcp.hand_over)
        assert list(handed) == [PEER]
        world.background.call(world.tcp.close)
        fresh = World(world.background, world.listener)

        async def adopt() -> None:
            await fresh.tcp.adopt(PEER, handed[PEER])

        world.background.call(adopt)
        fresh.hears(Received(PEER, b"said in between"))
        fresh.do(Send(PEER, b"next"))
        reader.join(5)
        assert got == bytes(5_000_000) + b"next"
        assert world.heard == []
        world.background.call(fresh.tcp.close)
        assert peer.recv(10) == b""


def test_what_cannot_be_sent_whole_is_not_handed_over(world: World) -> None:
    with world.dial():
        world.do(Send(PEER, bytes(20_000_000)))
        world.background.do(world.tcp.pause)
        assert world.background.call(world.tcp.hand_over) == {}


def test_a_connection_that_ended_is_not_handed_over(world: World) -> None:
    world.dial().close()
    world.hears(Closed(PEER, "the peer closed the connection"))
    assert world.background.call(world.tcp.hand_over) == {}


def test_a_session_with_a_password_is_signed_and_one_without_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forges segments, or dials in somebody's name, gets nowhere (RFC 2385); what the operator sees is words."""
    monkeypatch.setattr(bgp_tcp, "CONNECT_S", 0.3)
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        Guard("between us").put_on(listener, LOCAL)
        right = World(background, listener, guard=Guard("between us"))
        with right.dial() as peer:
            right.do(Send(PEER, b"signed"))
            assert peer.recv(10) == b"signed"
            background.call(right.tcp.close)
        for guard, why in (
            (NO_GUARD, "no answer within 0 s"),
            (Guard("other"), "no answer within 0 s, or the passwords differ"),
        ):
            wrong = World(background, listener, guard=guard)
            wrong.do(Dial(PEER))
            wrong.hears(ConnectFailed(PEER, why))


def test_a_connection_that_was_handed_over_is_signed_as_the_file_says_now() -> None:
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        Guard("old").put_on(listener, LOCAL)
        before = World(background, listener, guard=Guard("old"))
        with before.dial() as peer:
            handed = background.call(before.tcp.hand_over)
            background.call(before.tcp.close)
            after = World(background, listener, guard=Guard("new"))

            async def adopt() -> None:
                await after.tcp.adopt(PEER, handed[PEER])

            background.call(adopt)
            Guard("new").put_on(peer, LOCAL)
            after.do(Send(PEER, b"with the new one"))
            assert peer.recv(100) == b"with the new one"
            background.call(after.tcp.close)


def test_a_connection_that_cannot_be_protected_ends_and_the_process_does_not(world: World) -> None:
    with world.dial():
        handed = world.background.call(world.tcp.hand_over)
        after = World(world.background, world.listener, guard=Guard(hops=1000))  # no kernel takes that

        async def adopt() -> None:
            await after.tcp.adopt(PEER, handed[PEER])

        world.background.call(adopt)
        after.hears(Closed(PEER, "Invalid argument"))
        world.background.call(after.tcp.close)
        assert handed[PEER].fileno() == -1


def test_packets_from_farther_away_than_the_peer_are_not_taken() -> None:
    """RFC 5082: ours leave with 255, and what has come over more routers than the peer's is dropped by the kernel."""
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        listener.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)
        near = World(background, listener, guard=Guard(hops=1))
        with near.dial() as peer:
            near.do(Send(PEER, b"with 255"))
            assert peer.recv(10) == b"with 255"
            peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 254)
            peer.sendall(b"forged from one router away")
            peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            near.hears(Received(PEER, b"forged from one router away"))  # only once it is sent again, with 255
            assert retransmissions(peer) > 0
            background.call(near.tcp.close)


def test_a_connection_that_was_handed_over_may_come_from_farther_away_when_the_file_says_so_now() -> None:
    with Background() as background, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        near = World(background, listener, guard=Guard(hops=1))
        with near.dial() as peer:
            handed = background.call(near.tcp.hand_over)
            background.call(near.tcp.close)
            after = World(background, listener)

            async def adopt() -> None:
                await after.tcp.adopt(PEER, handed[PEER])

            background.call(adopt)
            peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 200)
            peer.sendall(b"from behind many routers")
            after.hears(Received(PEER, b"from behind many routers"))
            assert handed[PEER].getsockopt(socket.IPPROTO_IP, socket.IP_TTL) not in (200, 255), "the system's own"
            background.call(after.tcp.close)


def retransmissions(sock: socket.socket) -> int:
    """tcpi_total_retrans of tcp(7)'s TCP_INFO."""
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:104], sys.byteorder)
