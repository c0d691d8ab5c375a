"""A peer of every hypervisor that lies: another cloud's PE, with every right that such a peer has by design.

It speaks BGP as anybody (it is a reflector that passes nothing on, with routes of its own invention), restarts when it
likes, says End-of-RIB in time, too early or never, offers graceful restart or does not, and sends octets that are no
UPDATE. Rules: what it has said and not taken back is `lies`, by the key of its route.
"""

from __future__ import annotations

import random
from enum import Enum

from isthmus.bgp import events as bgp
from isthmus.bgp.family import EVPN, ROUTE_TARGET_CONSTRAIN
from isthmus.bgp.frame import HEADER_BYTES, frame
from isthmus.bgp.iana import MessageType
from isthmus.bgp.message import encode_updates
from isthmus.bgp.session import Session, SessionConfig
from isthmus.bgp.update import Update
from isthmus.model.net import IpAddress
from isthmus.model.vpn import RouteDistinguisher, RouteTarget
from isthmus.rib.adj_out import RouteKey
from tests.sim.lies import Leave, Lie, Tongue
from tests.sim.reference import Offer
from tests.sim.reflector import HOLD_S, Exchange, Kin, Peer, Reflector, Route
from tests.sim.time_line import TimeLine

ASN = 64514


NONSENSE = Lie(
    "malformed",
    "10.99.9.9/32",
    targets=frozenset(["10.0.0.1:5000"]),
    next_hop="192.0.2.77",
    vni=4999,
    rd=RouteDistinguisher.of(IpAddress.parse("192.0.2.77"), 1),
)
"""Whatever two octets of it are changed, its target and next hop stay foreign."""


class Marker(Enum):
    """When it says End-of-RIB."""

    AFTER = "after all routes"
    BEFORE = "before any route"
    NEVER = "never"


class Liar(Reflector):
    """See the head of the file."""

    def __init__(
        self, address: IpAddress, line: TimeLine, rng: random.Random, exchange: Exchange, leave: Leave
    ) -> None:
        super().__init__("liar", address, ASN, line, rng, exchange)
        self.leave = leave
        self.tongue = Tongue(rng, leave, str(address))
        self.lies: dict[RouteKey, Lie] = {}
        self.marker = Marker.AFTER
        self.restarts_gracefully = False
        self.helps = False
        self.asked_for: set[str] = set()
        """Route targets that hypervisors have asked it for (RFC 4684)."""
        self._families = (EVPN, ROUTE_TARGET_CONSTRAIN) if rng.random() < 0.5 else (EVPN,)
        self._itself = Peer(self.name, address, ASN, Kin.EXTERNAL)

    def say(self, *lies: Lie) -> None:
        said = {lie.route[1].key(): lie for lie in lies}
        self.lies |= said
        self.touch(list(said))

    def take_back(self, keys: list[RouteKey]) -> None:
        for key in keys:
            del self.lies[key]
        self.touch(keys)

    def believed(self, asn: int) -> list[Offer]:
        """What a hypervisor of that cloud takes for a machine of another cloud, which it may be."""
        hosts = [lie for lie in self.lies.values() if lie.is_host and lie.why(asn, self.leave) is None]
        return [lie.offer(self.leave, str(self.address)) for lie in hosts]

    def restart(self, marker: Marker, *, gracefully: bool, silently: bool) -> None:
        """It goes and is back at once, as another."""
        self.die(silently=silently)
        self.marker, self.restarts_gracefully = marker, gracefully
        self.start()

    def babble(self, peer: Peer) -> None:
        """Octets that begin as a message does: an UPDATE of whose attributes something is wrong, or is no attribute."""
        assert peer.session is not None and peer.session.agreed is not None and peer.connection is not None
        (good,) = encode_updates([NONSENSE.route], (), peer.session.agreed)
        body = bytearray(good[HEADER_BYTES:])
        for _ in range(self._rng.choice((1, 1, 2))):
            body[self._rng.randrange(len(body))] = self._rng.choice((0, 1, 9, 64, 128, 255))
        if self._rng.random() < 0.3:
            del body[self._rng.randrange(4, len(body)) :]
        peer.connection.send(peer.side, frame(MessageType.UPDATE, bytes(body)))

    # What it does otherwise than a reflector

    def _session(self, peer: Peer) -> Session:
        restart_s = 120 if self.restarts_gracefully else 0
        config = SessionConfig(
            self.asn, peer.asn, self.address, self._families, hold_time_s=HOLD_S, restart_time_s=restart_s
        )
        session = Session(config, 0.5)
        session.handle(bgp.Start(), self._line.now)
        return session

    def _came_up(self, peer: Peer) -> None:
        super()._came_up(peer)
        if self.marker is Marker.BEFORE and peer.session is not None:
            peer.owes_end = False
            peer.session.send_end_of_rib(EVPN)

    def _hear(self, peer: Peer, update: Update) -> None:
        self.asked_for |= {str(RouteTarget(one.octets[4:])) for one in update.memberships}
        if update.family != EVPN:
            return
        peer.said_end |= update.end_of_rib == EVPN
        for route in (*update.withdrawn, *update.announced):
            peer.heard.pop(route.key(), None)
        for route in update.announced:
            assert update.attributes is not None
            peer.heard[route.key()] = (update.attributes, route)

    def _known(self) -> list[RouteKey]:
        return list(self.lies)

    def _best(self, key: RouteKey) -> tuple[Peer, Route] | None:
        return (self._itself, self.lies[key].route) if key in self.lies else None

    def _for(self, peer: Peer, source: Peer, route: Route) -> Route | None:
        return route

    def _tell(self, peer: Peer, best: dict[RouteKey, tuple[Peer, Route] | None]) -> None:
        owed, peer.owes_end = peer.owes_end, peer.owes_end and self.marker is not Marker.NEVER
        super()._tell(peer, best)
        peer.owes_end = owed and self.marker is Marker.NEVER
