"""What an operator decides about one node, as the core needs it: read once, frozen, passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from isthmus.bgp.family import EVPN, Family
from isthmus.model.net import IpAddress, Mac
from isthmus.model.vpn import Encapsulation
from isthmus.rib.budget import Maxima
from isthmus.vpn.exports import PREFER, Speaker
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.trust import EVERYTHING, Trust

ROUTES_PER_VIEW_MAX = 20_000
"""A view's flows: 20,000 take about 20 MB in ovs-vswitchd and 0.6 s in one bundle; one tenant should not need more."""

ROUTES_PER_PEER_MAX = 500_000
"""What one reflector may make this node remember: about 400 MB with attributes of their own, 150 MB when shared."""

ROUTES_PER_TARGET_MAX = 100_000
"""Of one reflector and one route target: five views full, and a fifth of what the reflector may say."""

OCTETS_PER_PEER_MAX, OCTETS_PER_TARGET_MAX = 256 * 2**20, 64 * 2**20
"""Of attributes; a route of ours has about 90. What they take as octets is what they take of memory."""

NEXT_HOPS_PER_PEER_MAX, NEXT_HOPS_PER_TARGET_MAX = 20_000, 5_000
"""Hypervisors of all clouds, and those of one VPN. Each that is imported costs two flows and its share of probes."""

PATHS_PER_PREFIX_MAX, PATHS_PER_TARGET_MAX = 4_096, 64
"""Routes of one prefix: with the same address in so many VPNs, and announced so often in one."""

CIRCUITS_MAX = 1_000
"""Routers with workload on one hypervisor: each costs two patch ports; far more than hypervisors carry."""

PORTS_MAX = 4_000
"""Virtual machines' ports in VPNs on one hypervisor: each costs a flow for every address and VPN inbound, and one for
every address outbound; far more than hypervisors carry."""

LONG_LIVED_S = 7 * 24 * 3600
"""A week, after the two minutes of RFC 4724: a site whose reflectors are lost on a Friday night forwards to all it knew
until somebody has slept. What has gone meanwhile costs nothing (its hypervisor does not deliver it); what has moved is
lost, as it would be without the route."""


class Liveness(Enum):
    """What is made of an endpoint that answered probes and does not any more."""

    ON = "on"
    """Nothing is sent to it."""
    WARN = "warn"
    """It is shown, and used as ever."""
    OFF = "off"
    """Nobody is asked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken before the surplus, and nothing else, is refused with its reason."""

    routes_per_view: int = ROUTES_PER_VIEW_MAX
    routes_per_peer: int = ROUTES_PER_PEER_MAX
    circuits: int = CIRCUITS_MAX
    ports: int = PORTS_MAX
    routes_per_target: int = ROUTES_PER_TARGET_MAX
    octets_per_peer: int = OCTETS_PER_PEER_MAX
    octets_per_target: int = OCTETS_PER_TARGET_MAX
    next_hops_per_peer: int = NEXT_HOPS_PER_PEER_MAX
    next_hops_per_target: int = NEXT_HOPS_PER_TARGET_MAX
    paths_per_prefix: int = PATHS_PER_PREFIX_MAX
    paths_per_target: int = PATHS_PER_TARGET_MAX
    """Of one prefix too."""

    @property
    def of_peer_and_target(self) -> tuple[Maxima, Maxima]:
        return (
            Maxima(self.routes_per_peer, self.octets_per_peer, self.next_hops_per_peer, self.paths_per_prefix),
            Maxima(self.routes_per_target, self.octets_per_target, self.next_hops_per_target, self.paths_per_target),
        )


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """One reflector. Its AS equal to ours makes the session internal."""

    address: IpAddress
    asn: int
    hold_time_s: int
    jitter: float
    """In [0, 1): spreads reconnects of many hypervisors; chance is handed in so that a run can be repeated."""
    long_lived_s: int = LONG_LIVED_S
    """How much longer than RFC 4724 asks for routes outlive the session: its routes here, ours with it (RFC 9494)."""
    trust: Trust = EVERYTHING
    rt_constrain: bool = True
    """Whether it is asked for the targets that are used here only, if it knows how (RFC 4684)."""
    families: tuple[Family, ...] = (EVPN,)
    """What is spoken with it."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One hypervisor."""

    vtep: IpAddress
    router_id: IpAddress
    asn: int
    peers: tuple[PeerConfig, ...]
    generation: int
    """Which run of the agent this is; part of the cookie of what it writes."""
    limits: Limits = field(default_factory=Limits)
    liveness: Liveness = Liveness.ON
    clouds: Mapping[int, Trust] = field(default_factory=dict)
    """How far another cloud is trusted, by its AS, whichever peer passes its routes on."""
    view_key: bytes = b""
    """Of the numbers of views; nobody else knows it, and a restart does not change it (`fib.view_id`)."""

    prefer: tuple[Encapsulation, ...] = PREFER
    """Of two ways to one address in different encapsulations the first of these."""
    multipath: int = 1
    """How many PEs of other makers may share a prefix; 1: none does."""

    @property
    def trust(self) -> Mapping[IpAddress, Trust]:
        return {peer.address: peer.trust for peer in self.peers}

    @property
    def outside(self) -> Mapping[IpAddress, int]:
        """The peers of another AS, and which; a reflector of one's own may be among them."""
        return {peer.address: peer.asn for peer in self.peers if peer.asn != self.asn}

    @property
    def foreign(self) -> Mapping[IpAddress, int]:
        """The peers that are another cloud's, and the AS of each: nobody says of a reflector of his own, in whatever
        AS that is, which route targets it may pass on."""
        others = (peer for peer in self.peers if peer.asn != self.asn and peer.trust.accept_targets is not None)
        return {peer.address: peer.asn for peer in others}

    @property
    def router_mac(self) -> Mac:
        """Locally administered, unicast, and a function of the router-id: the same after every restart."""
        return Mac(b"\x02\x78" + self.router_id)

    @property
    def speaker(self) -> Speaker:
        return Speaker(
            self.router_id,
            self.vtep,
            self.router_mac,
            self.asn,
            internal=frozenset(p.address for p in self.peers if p.asn == self.asn),
            reflectors=frozenset(p.address for p in self.peers if not p.trust.names(p.address)),
            foreign=self.foreign,
            own_as={p.address: p.trust.allow_own_as for p in self.peers if p.trust.allow_own_as},
            families=tuple(family for family in FAMILIES if any(family in p.families for p in self.peers)),
            prefer=self.prefer,
            multipath=self.multipath,
        )
