"""What is asked for, and what may be told of the rows that came, while conditions are on their way. Pure.

Asking goes in stages: the ports bound here tell which networks' circuits to ask for, these tell which BGPVPNs and
router ports. On a busy hypervisor some stage is always under way, so nothing waits for all of them to end:

* a network is *ready* when the server has acknowledged the clauses of the network and of all its circuits. Of a ready
  network everything is told as the rows have it.
* else what was told of it stays told, and what is new is held back until it is ready.
* before anything was told there is nothing to stay: the first snapshot waits until every network is ready that had a
  port here at the first look, and not for those that come later.

So nothing is ever told emptier because an answer is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from isthmus.fib.entries import CircuitName
from isthmus.model.intent import AttachmentIntent, BadIntent, BgpvpnIntent, ReadAttachment, resolve
from isthmus.model.port import Gateway
from isthmus.model.reason import NotAnnounced
from isthmus.node.facts import IntentRead, LocalPort
from isthmus.shell.bindings import Nonsense, Staying, Where, stay
from isthmus.shell.clauses import (
    FORM_1,
    Clause,
    arriving_at,
    bound_to,
    mark,
    named,
    of_bgpvpn,
    of_network,
    router_ports_of,
)
from isthmus.shell.rows import CircuitRow, Rows

Known = tuple[ReadAttachment, tuple[BgpvpnIntent | BadIntent | None, ...], AttachmentIntent]
"""A circuit's row, its BGPVPNs' rows, and the intent that they make."""


class Snapshots:
    """What was told, and who is here. Outlives a connection."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.skipped: dict[str, str] = {}
        """Ports bound here whose rows make no sense, and why."""
        self._held: dict[str, Staying] = {}
        self._told: IntentRead | None = None
        self._networks: dict[CircuitName, frozenset[str]] = {}
        """Of the circuits that were told."""
        self._firsts: frozenset[str] | None = None
        """The ports of the first look."""
        self._readable: dict[CircuitName, ReadAttachment] = {}
        """As last readable: a row that turns to nonsense does not take its router away."""
        self._known: dict[CircuitName, Known] = {}

    def conditions(self, own: str) -> list[Clause]:
        """The rows to be sent to us. `own`: the uuid of our chassis; empty if nobody knows it yet."""
        leaving = sorted(name for name, held in self._held.items() if held.until is not None)
        networks = sorted(self._here())
        served = [self._readable[c] for c in self.rows.behind(networks) if c in self._readable]
        return [
            FORM_1,
            *([bound_to(own), arriving_at(own)] if own else ()),
            *map(named, leaving),
            *map(of_network, networks),
            *map(of_bgpvpn, sorted({bgpvpn for a in served for bgpvpn in a.bgpvpns})),
            *map(router_ports_of, sorted({a.attachment for a in served})),
        ]

    def look(self, own: str, covered: frozenset[str], plugged: frozenset[str] | None, now: float) -> None:
        """Who is here now; the rows have been brought up to date. `covered`: the clauses (`mark`) that the server has
        acknowledged, the one for `own` among them."""
        circuits = self.rows.circuits
        self._readable = {name: a for name, a in self._readable.items() if name in circuits}
        self._readable |= {c: row.read for c, row in circuits.items() if isinstance(row.read, ReadAttachment)}
        seen, ports = self.rows.places(own), self.rows.ports
        bound = {name: ports[name] for name, place in seen.items() if place in _HERE and name in ports}
        here = {name: _told_of(port, seen[name]) for name, port in bound.items() if isinstance(port, LocalPort)}
        self.skipped = {name: port.why for name, port in bound.items() if isinstance(port, Nonsense)}
        told = self._ports_told()
        before = {name: held for name, held in self._held.items() if name in told}  # the others: nobody will miss them
        asked = frozenset(name for name in before if mark(named(name)) in covered)
        self._held = stay(before, here, seen, plugged, now, asked)

    def deadline(self, now: float) -> float | None:
        """When somebody is given up if nothing happens."""
        untils = (held.until for held in self._held.values() if held.until is not None)
        return min((until for until in untils if until > now), default=None)

    def tell(self, covered: frozenset[str]) -> IntentRead | None:
        """The snapshot; None if there is none yet."""
        here = self._here()
        behind = self.rows.behind(here)
        ready = {c: self._is_ready(c, covered) for c in behind}
        late = frozenset(
            network
            for network in here
            if mark(of_network(network)) not in covered or not all(ready[c] for c in self.rows.behind((network,)))
        )
        if self._told is None and self._is_early(late):
            return None
        circuits: dict[CircuitName, AttachmentIntent | BadIntent] = {}
        told = self._told.circuits if self._told else {}
        for name in sorted(behind | told.keys()):
            row = self.rows.circuits.get(name) if name in behind else None
            if row is not None and ready[name]:
                circuits[name] = self._intent(name, row)
                self._networks[name] = row.networks
            elif name in told and (row is not None or self._networks[name] & late):
                circuits[name] = told[name]
        self._networks = {name: self._networks[name] for name in circuits}
        self._known = {name: known for name, known in self._known.items() if name in circuits}
        self._told = IntentRead(circuits, self._ports(late), self.skipped, self._gateways(late))
        return self._told

    def _here(self) -> frozenset[str]:
        """The networks that have a port here."""
        return frozenset(held.port.network for held in self._held.values())

    def _is_early(self, late: frozenset[str]) -> bool:
        """Whether the first snapshot would lack something that there was at the first look."""
        if self._firsts is None:
            self._firsts = frozenset(self._held)
        return any(self._held[name].port.network in late for name in self._firsts & self._held.keys())

    def _is_ready(self, name: CircuitName, covered: frozenset[str]) -> bool:
        """Whether all the rows that this circuit needs would be here if they existed."""
        read = self.rows.circuits[name].read
        if isinstance(read, BadIntent):
            return True
        needed = (*map(of_bgpvpn, read.bgpvpns), router_ports_of(read.attachment))
        return all(mark(clause) in covered for clause in needed)

    def _intent(self, name: CircuitName, row: CircuitRow) -> AttachmentIntent | BadIntent:
        """The same object as long as it says the same."""
        if isinstance(row.read, BadIntent):
            return row.read
        vpns = {bgpvpn: self.rows.vpns[bgpvpn] for bgpvpn in row.read.bgpvpns if bgpvpn in self.rows.vpns}
        rows = tuple(vpns.get(bgpvpn) for bgpvpn in sorted(row.read.bgpvpns))
        known = self._known.get(name)
        if known is not None and known[0] is row.read and all(map(_is, known[1], rows)):
            return known[2]
        intent = resolve(row.read, vpns)
        if known is not None and known[2] == intent:
            intent = known[2]
        self._known[name] = (row.read, rows, intent)
        return intent

    def _ports_told(self) -> Mapping[str, LocalPort]:
        return {port.name: port for port in self._told.ports} if self._told else {}

    def _ports(self, late: frozenset[str]) -> tuple[LocalPort, ...]:
        """A port whose network is not ready is told as before, or not yet."""
        told, ports = self._ports_told(), list[LocalPort]()
        for name in sorted(self._held):
            port, before = self._held[name].port, told.get(name)
            if port.network not in late or (before is not None and before.network == port.network):
                ports.append(port)
            elif before is not None:
                ports.append(before)
        return tuple(ports)

    def _gateways(self, late: frozenset[str]) -> tuple[Gateway, ...]:
        found = {(g.network, g.mac): g for g in self.rows.gateways.values() if g.network not in late}
        kept = {(g.network, g.mac): g for g in (self._told.gateways if self._told else ()) if g.network in late}
        return tuple(g for _, g in sorted((found | kept).items()))


_HERE = (Where.HERE, Where.ARRIVING)


def _told_of(port: LocalPort, place: Where) -> LocalPort:
    return replace(port, why_not=port.why_not or NotAnnounced.ARRIVING) if place is Where.ARRIVING else port


def _is(one: object, other: object) -> bool:
    return one is other
