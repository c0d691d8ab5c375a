"""Import views: which table a local address looks its destinations up in.

A view is a distinct set of import targets; ports with the same set share it, whatever router they are behind. Its
number is a function of the targets (`fib.view_id`), so a fresh process finds its own flows again. Where some come from
BGPVPNs of the project's own and some from BGPVPNs that others share with it, it is one set of each: in that view the
project's own come first, so nobody in a shared BGPVPN can draw what is for an address of a private one.

Rules: a pure function of intent and ports. An address whose associations import nothing has no view: its packets fall
back to the router.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.fib.entries import CircuitName, SourceKey, ViewId, view_id
from isthmus.model.intent import CIRCUIT_LANE, ROUTER_IPV4, ROUTER_IPV6, AttachmentIntent
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.port import LocalPort
from isthmus.model.vpn import RouteTarget, SiteOfOrigin
from isthmus.vpn.exports import served


class Imports(NamedTuple):
    """What is looked up in a view."""

    targets: frozenset[RouteTarget]
    own: frozenset[RouteTarget]
    """Those of the project's own BGPVPNs; all if it is either all or none."""

    def number(self, key: bytes = b"") -> ViewId:
        return view_id(self.targets, self.own if self.own != self.targets else (), key)


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
    """For each circuit the prefixes its router has itself: what all of them cover never reaches this view."""
    sites: frozenset[SiteOfOrigin] = frozenset()
    """The names of this cloud."""
    routers: frozenset[IpAddress] = frozenset()
    """Addresses of the routers in front of it: no route leads to them, whoever announces one."""
    _covers: tuple[tuple[Cover, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # One circuit that has nothing itself, and nothing is hidden from the view.
        hiding = self.hiding if all(self.hiding) else ()
        object.__setattr__(self, "_covers", tuple(tuple(Cover.of(s) for s in subnets) for subnets in hiding))

    def is_routers(self, prefix: Prefix) -> bool:
        """Whether a router in front of this view has this address."""
        return prefix.address in self.routers and prefix.is_host

    def hides(self, prefix: Prefix) -> bool:
        """Whether every router in front of this view has a prefix of its own over this one. Asked for each route, so
        the subnets are ready to be compared with."""
        if not self._covers:
            return False
        address, length = prefix
        octets, number = len(address), int.from_bytes(address, "big")
        for subnets in self._covers:
            for of_octets, shortest, shift, bits in subnets:
                if of_octets == octets and shortest <= length and number >> shift == bits:
                    break
            else:
                return False
        return True


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
    floating: frozenset[IpAddress] = frozenset()
    """Of these sources those that have a floating IP."""

    def without(self, numbers: Set[ViewId]) -> Doors:
        """Into the other views."""
        if not numbers:
            return self
        return Doors(
            {number: imports for number, imports in self.views.items() if number not in numbers},
            {source: number for source, number in self.sources.items() if number not in numbers},
            self.floating,
        )


def clashes(doors: Doors, holders: Mapping[ViewId, Imports]) -> frozenset[ViewId]:
    """The numbers of views here that are those of other sets of targets already: who has a number keeps it."""
    return frozenset(number for number, imports in doors.views.items() if holders.get(number, imports) != imports)


def views(circuits: Mapping[CircuitName, AttachmentIntent], ports: Iterable[LocalPort], key: bytes = b"") -> Views:
    """The views that these ports need."""
    by_network: dict[str, list[LocalPort]] = {}
    for port in ports:
        by_network.setdefault(port.network, []).append(port)
    doors: dict[CircuitName, Doors] = {}
    names: dict[ViewId, set[CircuitName]] = {}
    holders: dict[ViewId, Imports] = {}
    for circuit, intent in circuits.items():
        all_of_it = doors_of(circuit, intent, by_network, key)
        one = doors[circuit] = all_of_it.without(clashes(all_of_it, holders))
        holders |= one.views
        for number in one.views:
            names.setdefault(number, set()).add(circuit)
    return Views(
        {number: view(number, behind, doors, circuits) for number, behind in names.items()},
        {source: number for one in doors.values() for source, number in one.sources.items()},
    )


def doors_of(
    circuit: CircuitName, intent: AttachmentIntent, by_network: Mapping[str, Iterable[LocalPort]], key: bytes = b""
) -> Doors:
    """One circuit's; `by_network` may know more networks than are behind it."""
    found: dict[ViewId, Imports] = {}
    sources: dict[SourceKey, ViewId] = {}
    floating: set[IpAddress] = set()
    for network in intent.networks:
        imports = network_imports(intent, network)
        if not imports.targets or not by_network.get(network):
            continue
        number = imports.number(key)
        found[number] = imports
        own = intent.lane(network)
        # The circuit's too: by it packets come until OVN has what the row says, and no machine's afterwards.
        lanes = (None,) if own is None else (own, CIRCUIT_LANE)
        for port in by_network[network]:
            addresses = [a for a in (port.addresses if port.speaks else ()) if served(intent, a)]
            sources |= {SourceKey(circuit, a, lane): number for a in addresses for lane in lanes}
            floating.update(a for a in addresses if port.floating and a.version == 4)
    if len(found) == 1:
        # The router's own errors (packet too big, TTL exceeded) to somebody beyond the VPN carry its circuit
        # address. With several views the destination is ambiguous, and an error in the wrong VPN is a leak.
        lane = CIRCUIT_LANE if intent.lanes else None
        sources |= {SourceKey(circuit, router, lane): next(iter(found)) for router in (ROUTER_IPV4, ROUTER_IPV6)}
    return Doors(found, sources, frozenset(floating))


def view(
    number: ViewId,
    behind: Iterable[CircuitName],
    doors: Mapping[CircuitName, Doors],
    circuits: Mapping[CircuitName, AttachmentIntent],
) -> View:
    """The view that these circuits' ports look in."""
    names = frozenset(behind)
    imports = {doors[name].views[number] for name in names}  # one: those of others are not let in (`clashes`)
    hiding = tuple(sorted({own_prefixes(circuits[name]) for name in names}))
    sites = frozenset(circuits[name].site for name in names)
    routers = frozenset(address for name in names for address in circuits[name].addresses)
    return View(number, *imports.pop(), names, hiding, sites, routers)


def own_prefixes(intent: AttachmentIntent) -> tuple[Prefix, ...]:
    """Where the router goes by itself, and asks no VPN: its subnets and its own routes."""
    return tuple(sorted({*intent.subnets, *intent.routes}))


def network_imports(intent: AttachmentIntent, network: str) -> Imports:
    """What a port of this network imports: the union over the associations that cover it."""
    covering = [a for a in intent.associations if network in a.networks]
    targets = frozenset(t for a in covering for t in a.imports)
    own = frozenset(t for a in covering if not a.shared for t in a.imports)
    return Imports(targets, own or targets)
