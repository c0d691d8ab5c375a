"""Import views: which table a local address looks its destinations up in.

A view is a distinct set of import targets; ports with the same set share it, whatever router they are behind. Its
number is a function of the targets (`fib.view_id`), so a fresh process finds its own flows again. Where some come from
BGPVPNs of the project's own and some from BGPVPNs that others share with it, it is one set of each: in that view the
project's own come first, so nobody in a shared BGPVPN can draw what is for an address of a private one.

Rules: a pure function of intent and ports. An address whose associations import nothing has no view: its packets fall
back to the router.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.fib.entries import CircuitName, SourceKey, ViewId, view_id
from isthmus.model.intent import ROUTER_IPV4, ROUTER_IPV6, AttachmentIntent
from isthmus.model.net import Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import RouteTarget
from isthmus.vpn.exports import served


class Imports(NamedTuple):
    """What is looked up in a view."""

    targets: frozenset[RouteTarget]
    own: frozenset[RouteTarget]
    """Those of the project's own BGPVPNs; all if it is either all or none."""

    @property
    def number(self) -> ViewId:
        return view_id(self.targets, self.own if self.own != self.targets else ())


class Cover(NamedTuple):
    """A subnet as numbers: what lies in it has these bits in front."""

    octets: int
    length: int
    shift: int
    bits: int

    @classmethod
    def of(cls, subnet: Prefix) -> Cover:
        shift = len(subnet.address) * 8 - subnet.length
        return cls(len(subnet.address), subnet.length, shift, int.from_bytes(subnet.address, "big") >> shift)


@dataclass(frozen=True, slots=True)
class View:
    """One import view of this node."""

    id: ViewId
    imports: frozenset[RouteTarget]
    own: frozenset[RouteTarget]
    """Whose routes come before those of the other targets."""
    circuits: frozenset[CircuitName]
    hiding: tuple[tuple[Prefix, ...], ...]
    """For each circuit the subnets its router serves itself: what all of them cover never reaches this view."""
    _covers: tuple[tuple[Cover, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_covers", tuple(tuple(Cover.of(s) for s in subnets) for subnets in self.hiding))

    def hides(self, prefix: Prefix) -> bool:
        """Whether every router in front of this view has a subnet of its own over the prefix. Asked for each route, so
        the subnets are ready to be compared with."""
        address, length = prefix
        octets, number = len(address), int.from_bytes(address, "big")
        for subnets in self._covers:
            for cover in subnets:
                if cover.octets == octets and cover.length <= length and number >> cover.shift == cover.bits:
                    break
            else:
                return False
        return bool(self._covers)


@dataclass(frozen=True, slots=True)
class Views:
    """All views of a node and who looks where."""

    views: Mapping[ViewId, View]
    sources: Mapping[SourceKey, ViewId]


@dataclass(frozen=True, slots=True)
class Doors:
    """What one circuit contributes to the views."""

    views: Mapping[ViewId, Imports] = field(default_factory=dict)
    """Those that its ports look in, and what they import."""
    sources: Mapping[SourceKey, ViewId] = field(default_factory=dict)


def views(circuits: Mapping[CircuitName, AttachmentIntent], ports: Iterable[LocalPort]) -> Views:
    """The views that these ports need."""
    by_network: dict[str, list[LocalPort]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    doors = {circuit: doors_of(circuit, intent, by_network) for circuit, intent in circuits.items()}
    names: dict[ViewId, set[CircuitName]] = {}
    for circuit, one in doors.items():
        for number in one.views:
            names.setdefault(number, set()).add(circuit)
    return Views(
        {number: view(number, behind, doors, circuits) for number, behind in names.items()},
        {source: number for one in doors.values() for source, number in one.sources.items()},
    )


def doors_of(circuit: CircuitName, intent: AttachmentIntent, by_network: Mapping[str, Iterable[LocalPort]]) -> Doors:
    """One circuit's; `by_network` may know more networks than are behind it."""
    found: dict[ViewId, Imports] = {}
    sources: dict[SourceKey, ViewId] = {}
    for network in intent.networks:
        imports = network_imports(intent, network)
        if not imports.targets or not by_network.get(network):
            continue
        number = imports.number
        found[number] = imports
        for port in by_network[network]:
            sources |= {SourceKey(circuit, a): number for a in port.addresses if served(intent, a)}
    if len(found) == 1:
        # The router's own errors (packet too big, TTL exceeded) to somebody beyond the VPN carry its circuit
        # address. With several views the destination is ambiguous, and an error in the wrong VPN is a leak.
        sources |= {SourceKey(circuit, router): next(iter(found)) for router in (ROUTER_IPV4, ROUTER_IPV6)}
    return Doors(found, sources)


def view(
    number: ViewId,
    behind: Iterable[CircuitName],
    doors: Mapping[CircuitName, Doors],
    circuits: Mapping[CircuitName, AttachmentIntent],
) -> View:
    """The view that these circuits' ports look in."""
    names = frozenset(behind)
    imports = {doors[name].views[number] for name in names}
    assert len(imports) == 1, "two sets of targets share a 64-bit number"
    return View(number, *imports.pop(), names, tuple(sorted({circuits[name].subnets for name in names})))


def network_imports(intent: AttachmentIntent, network: str) -> Imports:
    """What a port of this network imports: the union over the associations that cover it."""
    covering = [a for a in intent.associations if network in a.networks]
    targets = frozenset(t for a in covering for t in a.imports)
    own = frozenset(t for a in covering if not a.shared for t in a.imports)
    return Imports(targets, own or targets)
