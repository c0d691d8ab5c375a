"""Import views: which table a local address looks its destinations up in.

A view is a distinct set of import targets; ports with the same set share it, whatever router they are behind. Its
number is a function of the targets (`fib.view_id`), so a fresh process finds its own flows again.

Rules: a pure function of intent and ports. An address whose associations import nothing has no view: its packets fall
back to the router.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isthmus.fib.entries import CircuitName, SourceKey, ViewId, view_id
from isthmus.model.intent import ROUTER_IPV4, ROUTER_IPV6, AttachmentIntent
from isthmus.model.net import Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import RouteTarget
from isthmus.vpn.exports import served


@dataclass(frozen=True, slots=True)
class View:
    """One import view of this node."""

    id: ViewId
    imports: frozenset[RouteTarget]
    circuits: frozenset[CircuitName]
    hiding: tuple[tuple[Prefix, ...], ...]
    """For each circuit the subnets its router serves itself: what all of them cover never reaches this view."""

    def hides(self, prefix: Prefix) -> bool:
        """Whether every router in front of this view has a subnet of its own over the prefix."""
        return bool(self.hiding) and all(any(s.covers(prefix) for s in subnets) for subnets in self.hiding)


@dataclass(frozen=True, slots=True)
class Views:
    """All views of a node and who looks where."""

    views: Mapping[ViewId, View]
    sources: Mapping[SourceKey, ViewId]


def views(circuits: Mapping[CircuitName, AttachmentIntent], ports: Iterable[LocalPort]) -> Views:
    """The views that these ports need."""
    by_network: dict[str, list[LocalPort]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    imports: dict[ViewId, frozenset[RouteTarget]] = {}
    doors: dict[ViewId, set[CircuitName]] = {}
    sources: dict[SourceKey, ViewId] = {}
    for circuit, intent in circuits.items():
        seen = set()
        for network in intent.networks:
            targets = network_imports(intent, network)
            if not targets or network not in by_network:
                continue
            view = view_id(targets)
            assert imports.setdefault(view, targets) == targets, "two sets of targets share a 64-bit number"
            doors.setdefault(view, set()).add(circuit)
            seen.add(view)
            for port in by_network[network]:
                sources |= {SourceKey(circuit, a): view for a in port.addresses if served(intent, a)}
        if len(seen) == 1:
            # The router's own errors (packet too big, TTL exceeded) to somebody beyond the VPN carry its circuit
            # address. With several views the destination is ambiguous, and an error in the wrong VPN is a leak.
            sources |= {SourceKey(circuit, router): next(iter(seen)) for router in (ROUTER_IPV4, ROUTER_IPV6)}
    return Views({view: _view(view, imports[view], doors[view], circuits) for view in imports}, sources)


def network_imports(intent: AttachmentIntent, network: str) -> frozenset[RouteTarget]:
    """What a port of this network imports: the union over the associations that cover it."""
    return frozenset(t for a in intent.associations if network in a.networks for t in a.imports)


def _view(
    view: ViewId,
    imports: frozenset[RouteTarget],
    doors: Iterable[CircuitName],
    circuits: Mapping[CircuitName, AttachmentIntent],
) -> View:
    names = frozenset(doors)
    return View(view, imports, names, tuple(sorted({circuits[name].subnets for name in names})))
