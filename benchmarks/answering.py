"""The cloud of `benchmarks.asked`, and a reflector that answers at once: all that it may say was made octets before.

It knows RT-Constrain as GoBGP has it: whoever speaks it is told the routes with the targets of its memberships, once it
has said that these were all; whoever does not is told everything. So what a start takes behind it is the agent's own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.contract.speakers import LiveSession
from tests.world import REFLECTOR, World

from benchmarks.octets import ASN
from isthmus.bgp.attribute import PathAttributes, encapsulation_community, mobility_community, router_mac_community
from isthmus.bgp.events import Send
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.nlri import Nlri
from isthmus.bgp.nlri.ethernet import ESI_ZERO
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.session import Connected, SessionConfig, State
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.model.vpn import Encapsulation, RouteDistinguisher, RouteTarget

TARGETS, ROUTES_EACH = 1_000, 100
HOLD_S = 600
"""Nobody is asked to prove meanwhile that it lives."""
ADDRESS = "127.0.1.3"
MAC = Mac.parse("02:78:0a:00:00:01")


def target(number: int) -> RouteTarget:
    return RouteTarget.parse(f"{ASN}:{1000 + number}")


def said(number: int) -> list[tuple[PathAttributes, Nlri]]:
    """The routes with one target: of one hypervisor, an attribute set for each ten of them."""
    hop = IpAddress(bytes((10, 9, 0, 1 + number % 250)))
    rd = RouteDistinguisher.of(hop, 16 + number)
    found: list[tuple[PathAttributes, Nlri]] = []
    for route in range(ROUTES_EACH):
        communities = (
            target(number),
            encapsulation_community(Encapsulation.VXLAN),
            router_mac_community(MAC),
            mobility_community(1 + route // 10),
        )
        attributes = PathAttributes(next_hop=hop, local_pref=100, extended_communities=communities)
        where = Prefix.host(IpAddress(bytes((11, number >> 8, number & 255, route))))
        found.append((attributes, EvpnPrefix(rd, 0, where, ESI_ZERO, None, 1000 + number)))
    return found


class Prompt:
    """See the head of the file. One agent at a time."""

    def __init__(self, targets: int = TARGETS) -> None:
        self._octets = dict(_octets(targets))
        self._server = socket.create_server((ADDRESS, 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # ends the wait for the next one
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            agent = _Answered(connection, self.port)
            with agent:
                wanted = agent.wants()
                told = self._octets.values() if wanted is None else [self._octets.get(one, b"") for one in wanted]
                connection.sendall(b"".join(told))
                agent.stay()


class _Answered(LiveSession):
    """The session with an agent that has dialled."""

    def __init__(self, connection: socket.socket, port: int) -> None:
        config = SessionConfig(ASN, ASN, IpAddress.parse(ADDRESS), (EVPN, ROUTE_TARGET_CONSTRAIN), HOLD_S)
        super().__init__(config, ADDRESS, port, ADDRESS)
        self._connection: socket.socket | None = connection

    def _dial(self) -> None:
        """There is one connection, and none after it."""
        if self._connection is not None:
            self._socket, self._connection = self._connection, None
            self.session.handle(Connected(), time.monotonic())

    def wants(self) -> set[RouteTarget] | None:
        """Which targets it has asked for; None if it does not ask."""
        while self.session.state is not State.ESTABLISHED:
            self._go_on()
        assert self.session.agreed is not None
        if ROUTE_TARGET_CONSTRAIN not in self.session.agreed.families:
            return None
        while not any(update.end_of_rib == ROUTE_TARGET_CONSTRAIN for update in self.updates):
            self._go_on()
        memberships = [one for update in self.updates for one in update.memberships]
        return {RouteTarget(one.octets[4:]) for one in memberships}

    def _go_on(self) -> None:
        self.pump()
        assert not self.downs, self.downs

    def stay(self) -> None:
        """Until the agent goes."""
        self.session.send_end_of_rib(EVPN)
        while self._socket is not None:
            self.pump()


def _octets(targets: int) -> Iterator[tuple[RouteTarget, bytes]]:
    """What a session sends of each target."""
    world = World()
    world.switch_on()
    session = world.reflectors[REFLECTOR].session
    for number in range(targets):
        session.send_routes(said(number))
        yield target(number), b"".join(one.data for one in session.outputs() if isinstance(one, Send))
