"""What one peer may say and what it is told: the operator's word, peer by peer.

A reflector, and behind it another cloud, is believed no further than this. Route targets decide into which VPN a route
comes, so they are what another cloud must not choose freely; the next hop decides where packets go.

Rules: pure. What is not restricted is None. A target that a peer may not say does not count: the route is one of its
other targets, and none at all if nothing is left. Beacons are everybody's, whatever their target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from isthmus.bgp.heard import Heard
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.reason import NotAccepted
from isthmus.model.vpn import BEACON_TARGET, RouteTarget

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
    """In one peer."""

    accept_targets: Ranges | None = None
    """What it may say."""
    announce_targets: Ranges | None = None
    """What it is told."""
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

    def names(self, endpoint: IpAddress) -> bool:
        """Whether the operator has written this very address down."""
        return self.tunnel_endpoints is not None and Prefix.host(endpoint) in self.tunnel_endpoints


EVERYTHING = Trust()


def judged(trust: Trust, heard: Heard) -> tuple[Heard, NotAccepted | None]:
    """A set of attributes as it counts from this peer, and why routes with it are not taken."""
    if trust is EVERYTHING:
        return heard, None
    if heard.next_hop is not None and not trust.may_end_at(heard.next_hop):
        return heard, NotAccepted.FOREIGN_NEXT_HOP
    accepted = trust.accepted(heard.route_targets)
    if accepted is heard.route_targets:
        return heard, None
    return (replace(heard, route_targets=accepted), None) if accepted else (heard, NotAccepted.FOREIGN_TARGET)


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
