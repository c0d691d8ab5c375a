"""A route reflector of plain values around real sessions: small, and by the book.

RFC 4456 between clients and other internal peers (ORIGINATOR_ID, CLUSTER_LIST, both checked), eBGP to the other cloud
with the next hop unchanged. One best path for each NLRI. Changes are told a moment later, several at once.

Rules: knows nothing of nodes but their addresses. End-of-RIB follows the first table; a *patient* reflector that has
just started tells its clients only after everybody's own End-of-RIB (RFC 4724 section 4.1), an impatient one at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from isthmus.bgp import events as bgp
from isthmus.bgp.attribute import PathAttributes
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.iana import CapabilityCode
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.session import Session, SessionConfig
from isthmus.bgp.update import Update
from isthmus.model.net import IpAddress
from isthmus.rib.adj_out import RouteKey
from tests.sim.time_line import TimeLine
from tests.sim.wire import Connection, End

HOLD_S = 30
PATIENCE_S = 120.0

Route = tuple[PathAttributes, EvpnPrefix]


class Kin(Enum):
    """What a peer is to a reflector; in the order in which their copies of a route are preferred (RFC 4271 section
    9.1.2.2 d: external before internal; a client's own is neither's copy)."""

    CLIENT = 0
    EXTERNAL = 1
    INTERNAL = 2


@dataclass(slots=True)
class Peer:
    """One peer and what was exchanged with it."""

    name: str
    address: IpAddress
    asn: int
    kin: Kin
    dials: bool = False
    """Whether this reflector opens the connection."""
    session: Session | None = None
    connection: Connection | None = None
    side: int = 1
    up: bool = False
    heard: dict[RouteKey, Route] = field(default_factory=dict)
    told: dict[RouteKey, Route] = field(default_factory=dict)
    stale: set[RouteKey] = field(default_factory=set)
    """What is kept for it while it restarts (RFC 4724 section 4.2)."""
    restart_s: int = 0
    """For how long it has asked for that."""
    again: bool = False
    """It asks for everything once more."""
    owes_end: bool = False
    said_end: bool = False
    armed: float = float("inf")

    @property
    def router_id(self) -> IpAddress:
        if self.kin is Kin.CLIENT:
            return self.address  # of what is kept for it, too
        assert self.session is not None and self.session.agreed is not None
        return self.session.agreed.peer_router_id


class Exchange(Protocol):
    """Who connects reflectors."""

    def dial_reflector(self, dialler: Reflector, peer: Peer) -> None: ...


class Reflector:
    """See the head of the file."""

    def __init__(
        self, name: str, address: IpAddress, asn: int, line: TimeLine, rng: random.Random, exchange: Exchange
    ) -> None:
        self.name, self.address, self.asn = name, address, asn
        self._line, self._rng, self._exchange = line, rng, exchange
        self.peers: dict[str, Peer] = {}
        self.up = True
        self.patient = True
        self.echoes = rng.random() < 0.5
        """Whether a client gets its own routes back, as some products do."""
        self.helps = rng.random() < 0.5
        """Whether it keeps the routes of a client that restarts."""
        self.deaf_to: set[RouteKey] = set()
        """Sabotage: routes that are never passed on."""
        self._patient_until = 0.0
        self._order: dict[RouteKey, None] = {}
        self._flushing = False
        self.life = 0

    def stay_down(self) -> None:
        """Whatever was to start it does not."""
        self.life += 1

    def add(self, peer: Peer) -> None:
        self.peers[peer.name] = peer

    def start(self) -> None:
        """A fresh process."""
        self.up, self.life = True, self.life + 1
        self._patient_until = self._line.now + (PATIENCE_S if self.patient else 0.0)
        life = self.life
        self._line.at(self._patient_until, lambda: self.touch(()) if life == self.life else None)
        self._line.note(f"{self.name} starts")
        for peer in self.peers.values():
            if peer.dials:
                peer.session = self._session(peer)
                self._pump(peer)

    def die(self, *, silently: bool) -> None:
        self.up, self.life = False, self.life + 1
        self._line.note(f"{self.name} dies{' silently' if silently else ''}")
        for peer in self.peers.values():
            if peer.connection is not None:
                if silently:
                    peer.connection.abandon(peer.side)
                else:
                    peer.connection.close(peer.side)
            peer.stale = set()
            self._forget(peer)
            peer.session = None
        self._order.clear()
        self._flushing = False

    # Connections

    def accept(self, name: str) -> tuple[End, Callable[[Connection, int], None]]:
        """A peer has connected; a connection that is still open to it gives way."""
        peer = self.peers[name]
        if peer.connection is not None:
            peer.connection.close(peer.side)
            self._forget(peer, may_keep=True)
        peer.session = self._session(peer)
        peer.session.outputs()
        return self.end(peer), lambda connection, side: self.connected(peer, connection, side)

    def end(self, peer: Peer) -> End:
        life = self.life

        def current() -> bool:
            return life == self.life and peer.connection is not None and peer.connection.ends[peer.side] is end

        end = End(
            lambda data: self._happens(peer, bgp.Received(data)) if current() else None,
            lambda why: self._closed(peer, why) if current() else None,
        )
        return end

    def connected(self, peer: Peer, connection: Connection, side: int) -> None:
        peer.connection, peer.side = connection, side
        self._happens(peer, bgp.Connected())

    def refused(self, peer: Peer, why: str) -> None:
        self._happens(peer, bgp.ConnectFailed(why))

    def _session(self, peer: Peer) -> Session:
        session = Session(SessionConfig(self.asn, peer.asn, self.address, (EVPN,), hold_time_s=HOLD_S), 0.5)
        session.handle(bgp.Start(), self._line.now)
        return session

    def _closed(self, peer: Peer, why: str) -> None:
        peer.connection = None
        self._happens(peer, bgp.Closed(why))

    def _happens(self, peer: Peer, event: bgp.Input) -> None:
        if peer.session is not None and self.up:
            peer.session.handle(event, self._line.now)
            self._pump(peer)

    def _pump(self, peer: Peer) -> None:
        """Carry out what the session wants."""
        session = peer.session
        while session is not None and session is peer.session and (outputs := session.outputs()):
            for output in outputs:
                self._carry_out(peer, output)
        if peer.session is not None:
            self._arm(peer, peer.session)

    def _carry_out(self, peer: Peer, output: bgp.Output) -> None:
        match output:
            case bgp.Dial():
                self._exchange.dial_reflector(self, peer)
            case bgp.Send(data):
                if peer.connection is not None:
                    peer.connection.send(peer.side, data)
            case bgp.Hangup():
                if peer.connection is not None:
                    peer.connection.close(peer.side)
                    peer.connection = None
            case bgp.Up():
                self._came_up(peer)
            case bgp.Down(reason, _, _):
                self._forget(peer, may_keep=reason is not bgp.DownReason.NOTIFICATION)
                if not peer.dials:
                    peer.session = None
            case bgp.Routes(update):
                self._hear(peer, update)
            case bgp.RefreshRequested():
                peer.again = True
                self.touch(self._known())

    def _arm(self, peer: Peer, session: Session) -> None:
        """One timer a session, set anew only when it must come earlier."""
        deadline = session.next_deadline()
        if deadline is None or deadline >= peer.armed:
            return
        peer.armed = deadline

        def ring() -> None:
            if peer.session is not session or peer.armed != deadline:
                return
            peer.armed = float("inf")
            session.tick(self._line.now)
            self._pump(peer)

        self._line.at(deadline, ring)

    # Routes

    def _came_up(self, peer: Peer) -> None:
        peer.up, peer.told, peer.owes_end, peer.said_end = True, {}, True, False
        self._line.note(f"{self.name}: {peer.name} is up")
        self._read_restart(peer)
        self.touch(self._known())

    def _read_restart(self, peer: Peer) -> None:
        """RFC 4724 section 3: flags and time, then family and flags for each family."""
        assert peer.session is not None and peer.session.agreed is not None
        peer.restart_s, preserved = 0, False
        for code, value in peer.session.agreed.peer_capabilities:
            if code == CapabilityCode.GRACEFUL_RESTART:
                families = {value[at : at + 3]: value[at + 3] for at in range(2, len(value) - 3, 4)}
                if EVPN.encode() in families:
                    peer.restart_s = int.from_bytes(value[:2], "big") & 0xFFF
                    preserved = bool(families[EVPN.encode()] & 0x80)
        if not preserved:
            self._drop_stale(peer)

    def _drop_stale(self, peer: Peer) -> None:
        gone, peer.stale = peer.stale, set()
        for key in gone:
            peer.heard.pop(key, None)
        if gone:
            self._line.note(f"{self.name}: keeps {len(gone)} routes of {peer.name} no longer")
            self.touch(sorted(gone, key=repr))

    def _forget(self, peer: Peer, *, may_keep: bool = False) -> None:
        """The session is over: nothing it said holds any more, unless it asked for patience."""
        if may_keep and self.helps and peer.kin is Kin.CLIENT and peer.restart_s and peer.up:
            self._keep(peer)
        if peer.up:
            self._line.note(f"{self.name}: {peer.name} is down")
        gone = sorted(key for key in peer.heard if key not in peer.stale)  # products walk their tables in order
        peer.heard = {key: route for key, route in peer.heard.items() if key in peer.stale}
        peer.connection, peer.up, peer.told = None, False, {}
        peer.owes_end = peer.said_end = False
        peer.armed = float("inf")
        if self.up:
            self.touch(gone)

    def _keep(self, peer: Peer) -> None:
        peer.stale = set(peer.heard)
        life, kept = self.life, peer.stale
        self._line.note(f"{self.name}: keeps {len(kept)} routes of {peer.name}")

        def over() -> None:
            if life == self.life and peer.stale is kept and not peer.up:
                self._drop_stale(peer)

        self._line.after(peer.restart_s, over)

    def _hear(self, peer: Peer, update: Update) -> None:
        if update.end_of_rib == EVPN:
            peer.said_end = True
            self._drop_stale(peer)
            self.touch(())
        peer.stale -= {route.key() for route in (*update.withdrawn, *update.announced)}
        for route in update.withdrawn:
            peer.heard.pop(route.key(), None)
        attributes = update.attributes
        for route in update.announced:
            assert attributes is not None
            if self._acceptable(peer, attributes):
                peer.heard[route.key()] = (attributes, route)
            else:
                peer.heard.pop(route.key(), None)
        self.touch([r.key() for r in (*update.withdrawn, *update.announced)])

    def _acceptable(self, peer: Peer, a: PathAttributes) -> bool:
        if peer.kin is Kin.EXTERNAL:
            return not any(self.asn in segment.numbers for segment in a.as_path)
        # RFC 4456 section 8: a route that has been here before.
        return self.address not in a.cluster_list and a.originator_id != self.address

    def _known(self) -> list[RouteKey]:
        return [key for peer in self.peers.values() for key in peer.heard]

    def touch(self, keys: list[RouteKey] | tuple[()]) -> None:
        """Something may have to be told about these."""
        self._order |= dict.fromkeys(keys)
        self._line.stir()
        if not self._flushing:
            self._flushing = True
            life = self.life
            self._line.after(self._rng.uniform(0.001, 0.1), lambda: self._flush(life))

    def _flush(self, life: int) -> None:
        if life != self.life:
            return
        self._flushing = False
        keys, self._order = list(self._order), {}
        best = {key: self._best(key) for key in keys}
        for peer in self.peers.values():
            if peer.up:
                self._tell(peer, best)
                self._pump(peer)

    def _tell(self, peer: Peer, best: dict[RouteKey, tuple[Peer, Route] | None]) -> None:
        assert peer.session is not None
        announce: list[Route] = []
        withdraw: list[EvpnPrefix] = []
        for key, found in best.items():
            route = self._for(peer, *found) if found is not None else None
            if key in self.deaf_to:
                route = None
            old = peer.told.get(key)
            if route is not None and (peer.again or route != old):
                peer.told[key] = route
                announce.append(route)
            elif route is None and old is not None:
                del peer.told[key]
                withdraw.append(old[1])
        peer.again = False
        if announce or withdraw:
            peer.session.send_routes(announce, withdraw)
        if peer.owes_end and (peer.kin is not Kin.CLIENT or self._has_all()):
            peer.owes_end = False
            peer.session.send_end_of_rib(EVPN)

    def _has_all(self) -> bool:
        return self._line.now >= self._patient_until or all(p.said_end for p in self.peers.values())

    def _best(self, key: RouteKey) -> tuple[Peer, Route] | None:
        holders = [p for p in self.peers.values() if key in p.heard]
        if not holders:
            return None
        best = min(holders, key=lambda p: (p.kin.value, p.heard[key][0].as_path_length, p.address))
        return best, best.heard[key]

    def _for(self, peer: Peer, source: Peer, route: Route) -> Route | None:
        """The route as this peer is to hear it; None if it is not."""
        attributes, nlri = route
        if peer is source:
            if not (self.echoes and peer.kin is Kin.CLIENT):
                return None
        elif source.kin is Kin.INTERNAL and peer.kin is Kin.INTERNAL:
            return None
        if peer.kin is Kin.EXTERNAL or source.kin is Kin.EXTERNAL:
            return attributes, nlri
        originator = attributes.originator_id or source.router_id
        return replace(
            attributes, originator_id=originator, cluster_list=(self.address, *attributes.cluster_list)
        ), nlri

    def ask_again(self, peer: Peer, family: Family) -> None:
        """RFC 2918: what was heard stays until it is told anew."""
        assert peer.session is not None
        peer.session.ask_refresh(family)
        self._pump(peer)

    def said(self, name: str) -> dict[RouteKey, Route]:
        """What a client has told."""
        peer = self.peers[name]
        return {key: route for key, route in peer.heard.items() if key not in peer.stale}
