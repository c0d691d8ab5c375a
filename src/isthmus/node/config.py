"""What an operator decides about one node, as the core needs it: read once, frozen, passed in."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.model.net import IpAddress, Mac
from isthmus.vpn.exports import Speaker
from isthmus.vpn.trust import EVERYTHING, Trust

ROUTES_PER_VIEW_MAX = 20_000
"""A view's flows: 20,000 take about 20 MB in ovs-vswitchd and 0.6 s in one bundle; one tenant should not need more."""

ROUTES_PER_PEER_MAX = 500_000
"""What one reflector may make this node remember: about 400 MB with attributes of their own, 150 MB when shared."""

CIRCUITS_MAX = 1_000
"""Routers with workload on one hypervisor: each costs two patch ports; far more than hypervisors carry."""

PORTS_MAX = 4_000
"""Virtual machines' ports in VPNs on one hypervisor: each costs a flow for every address and VPN inbound, and one for
every address outbound; far more than hypervisors carry."""

LONG_LIVED_S = 7 * 24 * 3600
"""A week, after the two minutes of RFC 4724: a site whose reflectors are lost on a Friday night forwards to all it knew
until somebody has slept. What has gone meanwhile costs nothing (its hypervisor does not deliver it); what has moved is
lost, as it would be without the route."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken before the surplus, and nothing else, is refused with its reason."""

    routes_per_view: int = ROUTES_PER_VIEW_MAX
    routes_per_peer: int = ROUTES_PER_PEER_MAX
    circuits: int = CIRCUITS_MAX
    ports: int = PORTS_MAX


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
            own_as={p.address: p.trust.allow_own_as for p in self.peers if p.trust.allow_own_as},
        )
