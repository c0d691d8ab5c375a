"""What a peer, or another cloud behind it, may say, and what a peer is told: the operator's word.

Nobody is believed further than this. Route targets decide into which VPN a route
comes, so they are what another cloud must not choose freely; the next hop decides where packets go.

Rules: pure. What is not restricted is None. A target that a peer may not say does not count: the route is one of its
other targets, and none at all if nothing is left. Beacons are everybody's, of tunnel endpoints that may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from isthmus.bgp.heard import Heard, ases
from isthmus.bgp.nlri import Destination
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.reason import NotAccepted
from isthmus.model.vpn import BEACON_TARGET, RouteTarget
from isthmus.vpn.beacons import shown

Targets = frozenset[RouteTarget]


class TargetRange(NamedTuple):
    """Route targets of one administrator, from the first to the last. Octets compare as the numbers do."""

    first: RouteTarget
    last: RouteTarget

    @classmethod
    def parse(cls, text: str) -> TargetRange:
        """`64512:5`, `64512:100-199` or `64512:*`; raises ValueError with a sentence."""
        administrator, _, numbers = text.rpartition(":")
        if numbers == "*":
            first = RouteTarget.parse(f"{administrator}:0")
            width = 4 if first[0] == 0 else 2
            return cls(first, RouteTarget(first[:-width] + b"\xff" * width))
        low, dash, high = numbers.partition("-")
        first = RouteTarget.parse(f"{administrator}:{low}")
        last = RouteTarget.parse(f"{administrator}:{high}") if dash else first
        if last < first:
            raise ValueError(f"'{text}' is no range of route targets: it ends before it begins")
        return cls(first, last)

    def has(self, target: RouteTarget) -> bool:
        return self.first <= target <= self.last


Ranges = tuple[TargetRange, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """In one peer, or in another cloud."""

    accept_targets: Ranges | None = None
    """What it may say."""
    announce_targets: Ranges | None = None
    """What it is told."""
    accept_prefixes: tuple[Prefix, ...] | None = None
    """Where the routes that it says may lead to."""
    tunnel_endpoints: tuple[Prefix, ...] | None = None
    """Where the tunnels of its routes may end, and whence packets may come by them."""
    allow_own_as: int = 0
    """How often our own AS may be in a path that it says (two clouds of one AS)."""

    def accepted(self, targets: Targets) -> Targets:
        """Of a route's targets those that count; the same object if all do."""
        return _among(targets, self.accept_targets)

    def told(self, targets: Targets) -> Targets:
        """Of our targets those that it hears of."""
        return _among(targets, self.announce_targets)

    def may_end_at(self, endpoint: IpAddress) -> bool:
        host = Prefix.host(endpoint)
        return self.tunnel_endpoints is None or any(prefix.covers(host) for prefix in self.tunnel_endpoints)

    def may_lead_to(self, destination: Destination) -> bool:
        return self.accept_prefixes is None or any(prefix.covers(destination) for prefix in self.accept_prefixes)

    def names(self, endpoint: IpAddress) -> bool:
        """Whether the operator has written this very address down."""
        return self.tunnel_endpoints is not None and Prefix.host(endpoint) in self.tunnel_endpoints


EVERYTHING = Trust()


class Judge:
    """What counts of what a peer says: as far as the peer is trusted, and every cloud that the route has come through.

    A hypervisor hears of all clouds from its own reflectors, so it is the path that says whose a route is: who is
    outside puts its AS there, and whoever is at the border sees to it (RFC 4271 section 6.3): a reflector, or this
    hypervisor itself, for which what a peer says is its AS's, whatever the path says.
    """

    def __init__(
        self, peers: Mapping[IpAddress, Trust], clouds: Mapping[int, Trust], outside: Mapping[IpAddress, int]
    ) -> None:
        """`outside`: the peers of another AS than ours, and which that is."""
        self._peers = {peer: trust for peer, trust in peers.items() if trust != EVERYTHING}
        self._clouds = clouds
        self._own = {peer: frozenset({asn}) for peer, asn in outside.items()}
        self.trusts_all = not self._clouds and not self._peers
        """Everything counts, whoever says it."""

    def look(
        self, peer: IpAddress, heard: Heard, destinations: Sequence[Destination]
    ) -> tuple[Heard, Sequence[NotAccepted | None]]:
        """A set of attributes as it counts, and for each destination why a route there is not taken; empty: all are."""
        trusts = [] if self.trusts_all else [*self._of(peer, heard)]
        if not trusts:
            return heard, ()
        targets = heard.route_targets
        for trust in trusts:
            if heard.next_hop is not None and not trust.may_end_at(heard.next_hop):
                return heard, [NotAccepted.FOREIGN_NEXT_HOP] * len(destinations)
            targets = trust.accepted(targets)
        if heard.route_targets and not targets:
            return heard, [NotAccepted.FOREIGN_TARGET] * len(destinations)
        kept = heard if targets is heard.route_targets else replace(heard, route_targets=targets)
        is_foreign = _foreign_to_beacons if targets == _BEACON else _foreign
        return kept, [is_foreign(destination, trusts) for destination in destinations]

    def _of(self, peer: IpAddress, heard: Heard) -> Iterator[Trust]:
        if peer in self._peers:
            yield self._peers[peer]
        if self._clouds:
            through = ases(heard.common) | self._own.get(peer, frozenset())
            yield from (self._clouds[asn] for asn in sorted(through) if asn in self._clouds)


_BEACON = frozenset({BEACON_TARGET})


def _foreign(destination: Destination, trusts: Iterable[Trust]) -> NotAccepted | None:
    return None if all(trust.may_lead_to(destination) for trust in trusts) else NotAccepted.FOREIGN_PREFIX


def _foreign_to_beacons(destination: Destination, trusts: Iterable[Trust]) -> NotAccepted | None:
    """A beacon leads to where tunnels end; with its target and nothing else nobody passes what is none."""
    where = shown(destination)
    shows = where is not None and all(trust.may_end_at(where) for trust in trusts)
    return None if shows else NotAccepted.FOREIGN_PREFIX


def _among(targets: Targets, ranges: Ranges | None) -> Targets:
    if ranges is None:
        return targets
    found = frozenset(t for t in targets if t == BEACON_TARGET or any(one.has(t) for one in ranges))
    return targets if len(found) == len(targets) else found


def sources(trusts: Iterable[Trust]) -> tuple[Prefix, ...] | None:
    """Whence packets may come by tunnels: from wherever some peer's routes may lead. None: from anywhere."""
    found: set[Prefix] = set()
    for trust in trusts:
        if trust.tunnel_endpoints is None:
            return None
        found |= set(trust.tunnel_endpoints)
    return tuple(sorted(p for p in found if not any(other != p and other.covers(p) for other in found)))
