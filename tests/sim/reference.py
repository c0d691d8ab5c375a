"""The plain model: from rows and route targets, what every node must do. No incremental step, no flow, no BGP session.

It is written from the words of the design, not from the core, and shares no code with it: text, numbers, sets. What it
leaves out is time; simulation.py compares only what has come to rest, and says in a few words of its own what a node
still holds from before (`over`).
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from tests.sim.forwarding import BACK, BACK_AS_CIRCUIT, DROP, Fate
from tests.sim.rows import Association, Port, Row

ROUTER = {4: "169.254.128.1", 6: "fd00:56:50:4e::1"}
CIRCUIT_LANE, NOBODYS_LANE = 2, 3
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
PREFERENCE = 100
"""Of whoever says none, and of whatever came from another cloud."""


class Place(NamedTuple):
    """A hypervisor as others see it."""

    host: str
    cloud: str
    vtep: str
    router_mac: str
    routes_max: int
    """Of one view."""
    circuits_max: int
    ports_max: int
    """Of those that are in a VPN."""
    long_lived_s: int
    """How much longer than two minutes it believes a session that has ended."""


class Claim(NamedTuple):
    """Who is announced for an address at a hypervisor, and as what."""

    circuit: str
    sequence: int
    """0: second; else how often it has moved within its network, and once more."""


@dataclass(frozen=True, slots=True)
class History:
    """Who came first, at one hypervisor: no plain model knows, so it is told. Where it cannot be true (more than there
    is room for, or less, or somebody who is not there) the model does not believe it, and says what differs."""

    claims: Mapping[tuple[int, str], Claim] = field(default_factory=dict)
    """By VNI and address."""
    circuits: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    """Who has a place where places are limited."""
    lines: Mapping[View, Mapping[str, str]] = field(default_factory=dict)
    """The addresses that have one in each view, and the tag of the network whose it is."""


class View(NamedTuple):
    """A view is what it imports, and whose routes come first."""

    imports: frozenset[str]
    own: frozenset[str]


class Offer(NamedTuple):
    """An address that a hypervisor announces."""

    place: Place
    circuit: str
    port: str
    number: int
    vni: int
    address: str
    targets: frozenset[str]
    local_pref: int
    network: str
    heard_with: frozenset[str]
    """Routes with one of these targets lead to the same VPN."""
    sequence: int = 1
    router_id: str = ""
    """Of who announces it, if that is not the endpoint."""
    site: str = "its cloud's"
    """Only where two have one are their sequences compared."""
    hops: int = 0
    """How many clouds lie behind the one that it comes from, as it says."""


class Into(NamedTuple):
    """A line of a view that ends here."""

    circuit: str


class Across(NamedTuple):
    """A line of a view that ends elsewhere."""

    vtep: str
    vni: int
    router_mac: str


Line = Into | Across


@dataclass(frozen=True, slots=True)
class Standing:
    """The forwarding of one node."""

    circuits: Mapping[str, Row] = field(default_factory=dict)
    """Plugged ones."""
    sources: Mapping[tuple[str, str], View] = field(default_factory=dict)
    lanes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By which lane what comes from a source is its own; one that is missing: by any."""
    views: Mapping[View, Mapping[str, Line]] = field(default_factory=dict)
    inbound: Mapping[tuple[int, str], str] = field(default_factory=dict)
    endpoints: frozenset[str] = frozenset()
    """Everybody who offers something that a view could use."""


@lru_cache(maxsize=1 << 16)
def covers(subnet: str, address: str) -> bool:
    network, host = ipaddress.ip_network(subnet), ipaddress.ip_address(address)
    return network.version == host.version and host in network


def version(address: str) -> int:
    return 6 if ":" in address else 4


def covering(row: Row, network: str) -> list[Association]:
    return [a for a in row.associations if network in a.networks]


def served(place: Place, rows: Iterable[Row], ports: Iterable[Port], history: History) -> list[Row]:
    """As many attachments as a hypervisor may have, of those with something to do here: who came first."""
    networks = {p.network for p in ports}
    live = [row for row in rows if any(a.networks & networks for a in row.associations)]
    return sorted(live, key=lambda row: (row.circuit not in history.circuits, row.circuit))[: place.circuits_max]


def admitted(place: Place, rows: Iterable[Row], ports: Iterable[Port], history: History) -> list[Port]:
    """As many ports as a hypervisor may have in VPNs, who came first; `rows` are those that are served."""
    networks = {network for row in rows for a in row.associations for network in a.networks}
    members = [p for p in ports if p.network in networks]
    return sorted(members, key=lambda p: (p.name not in history.ports, p.name))[: place.ports_max]


def row_serves(row: Row) -> Callable[[str], bool]:
    """Whether the router behind the row has an interface on the address' subnet: else it would route it onwards."""
    return lambda address: any(covers(subnet, address) for subnet in row.subnets)


def offers(place: Place, rows: Iterable[Row], ports: Iterable[Port], history: History) -> list[Offer]:
    """What this hypervisor announces. Of several that share VNI and address only one is: inbound must be exact."""
    rows = served(place, rows, ports := list(ports), history)
    ports = admitted(place, rows, ports, history)
    rivals: dict[tuple[int, str], list[Offer]] = {}
    for row in rows:
        for port in ports:
            if not port.up:
                continue
            by_vpn: dict[str, list[Association]] = {}
            for association in covering(row, port.network):
                by_vpn.setdefault(association.vpn, []).append(association)
            for same in by_vpn.values():
                targets = frozenset(t for a in same for t in a.exports)
                heard = targets.union(t for a in same for t in a.imports)
                if not targets:
                    continue
                prefer = max(PREFERENCE if a.local_pref is None else a.local_pref for a in same)
                for address in filter(row_serves(row), port.addresses):
                    first = same[0]
                    offer = Offer(
                        place,
                        row.circuit,
                        port.name,
                        first.number,
                        first.vni,
                        address,
                        targets,
                        prefer,
                        port.network,
                        heard,
                    )
                    rivals.setdefault((first.vni, address), []).append(offer)
    return [_claimed(found, history.claims.get(key)) for key, found in rivals.items()]


def _claimed(rivals: list[Offer], claim: Claim | None) -> Offer:
    chosen = min(rivals, key=lambda o: (claim is not None and o.circuit != claim.circuit, o.circuit, o.port))
    return chosen if claim is None else chosen._replace(sequence=claim.sequence)


def standing(
    place: Place,
    rows: Iterable[Row],
    ports: Iterable[Port],
    heard: Iterable[Offer],
    history: History,
    silent: frozenset[str] = frozenset(),
) -> Standing:
    """What this hypervisor does, knowing its cloud's rows, its own ports, what others are heard to offer, and which
    tunnel endpoints have fallen silent."""
    ports = list(ports)
    everybody, rows = ports, served(place, rows, ports, history)
    own = offers(place, rows, ports, history)
    ports = admitted(place, rows, ports, history)
    networks = {p.network for p in ports}
    sources: dict[tuple[str, str], View] = {}
    lanes: dict[tuple[str, str], int] = {}
    doors: dict[View, list[Row]] = {}
    for row in rows:
        seen = set()
        for network in row.networks & networks:
            imports = frozenset(t for a in covering(row, network) for t in a.imports)
            first = frozenset(t for a in covering(row, network) if not a.shared for t in a.imports)
            view = View(imports, first or imports)
            if imports:
                seen.add(view)
                addresses = [a for p in ports if p.network == network for a in p.addresses]
                sources |= {(row.circuit, a): view for a in addresses if row_serves(row)(a)}
                if row.lanes:
                    lanes |= {(row.circuit, a): dict(row.lanes)[network] for a in addresses}
        for view in seen:
            doors.setdefault(view, []).append(row)
        if len(seen) == 1:
            sources |= {(row.circuit, address): next(iter(seen)) for address in ROUTER.values()}
        if row.lanes:
            lanes |= {(row.circuit, address): CIRCUIT_LANE for address in ROUTER.values()}
    everything = [*own, *heard]
    usable = {view: _usable(view, behind, everything) for view, behind in doors.items()}
    views = {view: _view(place, view, rivals, history.lines.get(view, {}), silent) for view, rivals in usable.items()}
    led = [found for view, rivals in usable.items() for address, found in rivals.items() if address in views[view]]
    return Standing(
        circuits={r.circuit: r for r in rows if any(p.addresses and covering(r, p.network) for p in everybody)},
        sources=sources,
        lanes=lanes,
        views=views,
        inbound={(o.vni, o.address): o.circuit for o in own},
        endpoints=frozenset(o.place.vtep for found in led for o in found if o.place != place),
    )


def _usable(view: View, behind: list[Row], everything: list[Offer]) -> dict[str, list[Offer]]:
    """What a view imports, by address, but for what every router in front of it serves itself."""
    rivals: dict[str, list[Offer]] = {}
    for offer in everything:
        hidden = all(any(covers(s, offer.address) for s in row.subnets) for row in behind)
        if offer.targets & view.imports and not hidden:
            rivals.setdefault(offer.address, []).append(offer)
    return rivals


def _view(
    place: Place, view: View, rivals: Mapping[str, list[Offer]], first: Mapping[str, str], silent: frozenset[str]
) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for address, found in rivals.items():
        best = min(found, key=lambda o: _rank(place, o, silent, found, view, first.get(address, "")))
        here = best.place == place
        lines[address] = Into(best.circuit) if here else Across(best.place.vtep, best.vni, best.place.router_mac)
    kept = sorted(lines, key=lambda a: (a not in first, isinstance(lines[a], Across), ipaddress.ip_address(a).packed))
    return {address: lines[address] for address in kept[: place.routes_max]}


def _rank(
    place: Place, o: Offer, silent: frozenset[str], rivals: list[Offer], view: View, first: str
) -> tuple[object, ...]:
    """Smaller wins. The project's own; who answers; who came first; whose the line is; who is here; preference (it
    stays in its cloud); who moved last; who is nearer; then by name."""

    owned = any(r.network and r.sequence for r in rivals)

    def before_moves(one: Offer) -> tuple[object, ...]:
        here = one.place == place
        prefer = one.local_pref if one.place.cloud == place.cloud else PREFERENCE
        own, later = bool(one.targets & view.own), bool(first and one.network) and name(place, one) != first
        second = (2 if one.sequence == 0 else 0) if one.network else int(owned)
        return (not own, not here and one.place.vtep in silent, second, later, not here, -prefer)

    moved_on = any(
        (r.place.cloud, r.site, r.vni, r.network) == (o.place.cloud, o.site, o.vni, o.network)
        and o.site
        and r.sequence > o.sequence
        and before_moves(r) == before_moves(o)
        for r in rivals
    )
    if o.place == place:
        return (*before_moves(o), moved_on, 0, "", o.number, o.port)
    near = o.place.cloud == place.cloud
    return (
        *(*before_moves(o), moved_on, 0 if near else 1 + o.hops),
        *(ipaddress.ip_address(o.router_id or o.place.vtep), o.number),
    )


def name(place: Place, o: Offer) -> str:
    """In whose name a route is, as it counts here: what another cloud says counts among its own words alone."""
    return tag(o.network) + ("" if o.place.cloud == place.cloud else f" of {o.place.cloud}")


def tag(network: str) -> str:
    """By which routes say in the name of which network they are."""
    return hashlib.blake2b(network.encode(), digest_size=6).hexdigest()


def over(before: Standing, now: Standing) -> Standing:
    """What a node does that may not yet sweep what an earlier run of it left."""
    views = {
        view: {**before.views.get(view, {}), **now.views.get(view, {})}
        for view in before.views.keys() | now.views.keys()
    }
    return replace(now, views=views, endpoints=before.endpoints | now.endpoints)


def fate(
    s: Standing,
    circuit: str,
    source: str,
    destination: str,
    *,
    lane: int = CIRCUIT_LANE,
    mute: frozenset[str] = frozenset(),
) -> Fate:
    """What becomes of a packet that the router behind `circuit` sends here; nothing is sent to `mute` endpoints. Where
    there are lanes, whoever comes by another network's lane is not whose address it bears."""
    row = s.circuits[circuit]
    if source == ROUTER[version(source)] and any(covers(subnet, destination) for subnet in row.subnets):
        return BACK_AS_CIRCUIT
    own = s.lanes.get((circuit, source), lane)
    view = s.sources.get((circuit, source)) if lane in (own, CIRCUIT_LANE) else None
    line = None if view is None else s.views.get(view, {}).get(destination)
    match line:
        case Into(target):
            # Back out of the door it came in by is no way.
            return DROP if target == circuit or target not in s.circuits else Fate("into circuit", target)
        case Across(vtep, vni, router_mac):
            return DROP if vtep in mute else Fate("tunnel", f"to {vtep} vni {vni} mac {router_mac}")
        case None:
            return DROP if source in ROUTER.values() else _fallback(row, destination)


def _fallback(row: Row, destination: str) -> Fate:
    if row.fallback == "none":
        return DROP
    if row.fallback == "public" and any(covers(p, destination) for p in PRIVATE):
        return DROP
    return BACK


def accepted(s: Standing, vni: int, destination: str) -> Fate:
    """What becomes of a packet from a tunnel."""
    circuit = s.inbound.get((vni, destination))
    return DROP if circuit is None else Fate("into circuit", circuit)
