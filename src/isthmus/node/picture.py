"""From what is asked, said and plugged to the flows that are wanted: the owner of tables, local routes and lingering.

    Asked ─► admitted ─► exports, doors ─► local routes ─┐
    Convergence ─► touched ──────────────────────────────┼─► tables ─► flows of views ─┐
    SwitchRead, Reach ─► circuits, endpoints ────────────┴─► flows of the base ────────┴─► Switch.want

Rules: what is dirty is computed, once, and nothing else (`dirty.py`). A fresh picture of the same facts, of the same
switch and with what was remembered wants the same flows, whatever the history was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from functools import partial

from isthmus.bgp.nlri import Destination
from isthmus.fib.entries import Circuit, CircuitName, Inbound, ViewId
from isthmus.flows.layout import Table
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.net import IpAddress
from isthmus.model.port import LocalPort
from isthmus.model.reason import NotAnnounced
from isthmus.node import inherited
from isthmus.node.admission import NOBODY, Admission, Served, admit
from isthmus.node.asked import Asked
from isthmus.node.base import Base
from isthmus.node.claims import Claims
from isthmus.node.config import NodeConfig
from isthmus.node.convergence import Convergence
from isthmus.node.departed import Departed, leaks
from isthmus.node.dirty import Dirty, Occasion
from isthmus.node.facts import SwitchRead
from isthmus.node.issued import Issued
from isthmus.node.lingering import Lingering
from isthmus.node.local_routes import Ear, LocalRoutes
from isthmus.node.reach import Reach
from isthmus.node.switch import Switch
from isthmus.node.tables import Changes, Tables
from isthmus.vpn.claims import Hearing
from isthmus.vpn.exports import Export, of_circuit
from isthmus.vpn.imports import heard_of
from isthmus.vpn.offers import delivered_by, untold
from isthmus.vpn.trust import sources
from isthmus.vpn.views import Doors, Imports, View, clashes, doors_of, view


class Picture:
    """See the head of the file."""

    def __init__(
        self,
        config: NodeConfig,
        asked: Asked,
        issued: Issued,
        claims: Claims,
        convergence: Convergence,
        served: Served = NOBODY,
    ) -> None:
        """`served`: by the last run, as far as it was remembered."""
        self._limits, self._asked, self._issued, self._convergence = config.limits, asked, issued, convergence
        self._view_key = config.view_key
        self._speaker, self._claims = config.speaker, claims
        self.dirty = Dirty()
        self.tables = Tables(config.speaker, routes_max=config.limits.routes_per_view)
        self.local = LocalRoutes(config.speaker, claims)
        self.admitted = Admission()
        self.lingering = Lingering()
        self.departed = Departed()
        self.doors: dict[CircuitName, Doors] = {}
        self.circuits: frozenset[CircuitName] = frozenset()
        """Those to plug: with a local address in some BGPVPN, and those still lingering."""
        self._served_before = served
        self._doors_before: Set[FlowKey] = frozenset()
        self._lines_before: Mapping[FlowKey, str] = {}
        """What the switch had when this run began, until somebody has looked at it."""
        self.version = 0
        """Another number whenever something was computed."""
        self.looks: Counter[Occasion] = Counter()
        """How often each occasion had something computed, since the start."""
        self._looking: dict[ViewId, set[CircuitName]] = {}
        """The circuits whose ports look in each view."""
        self._holders: dict[ViewId, Imports] = {}
        """What the number of each view is of; who comes later with another set waits."""
        self._waiting: dict[CircuitName, frozenset[ViewId]] = {}
        """Circuits that look nowhere because a number is another set's."""
        self._renderer = Renderer(config.router_mac, None, {}, sources(p.trust for p in config.peers))
        self._replugged: set[CircuitName] = set()
        self._base = Base()

    def plugged(self, before: SwitchRead | None, now: SwitchRead) -> None:
        """The switch's ports have other numbers."""
        was = before.circuits if before is not None else {}
        if before is None:
            plugged = self._served_before.circuits | now.circuits.keys()
            self._served_before = self._served_before._replace(circuits=plugged)
        changed = {name for name in was.keys() | now.circuits.keys() if was.get(name) != now.circuits.get(name)}
        self._renderer = Renderer(self._renderer.router_mac, now.tunnel, now.circuits, self._renderer.sources, now.gre)
        if before is None or (before.tunnel, before.gre) != (now.tunnel, now.gre):
            self.dirty.note_tunnel(Occasion.PLUGGED)
        self.dirty.note(changed, Occasion.PLUGGED)
        self._replugged |= changed
        self._convergence.touch(self.local.touched_by(changed))

    def inherit(self, flows: Mapping[FlowKey, Installed]) -> None:
        """What the switch has now an earlier run has written: whom that served goes on."""
        self._lines_before = {key: flows[key].actions for key in inherited.ours(flows, Table.VIEW)}
        self.dirty.note_base(Occasion.ADOPTED)
        if not self.admitted.circuits or self.admitted.ports_beyond:
            self._doors_before = inherited.ours(flows, Table.SOURCE)
            self.dirty.note(self.admitted.circuits.keys(), Occasion.ADOPTED)

    def sendable(self, reach: Reach, switch: Switch) -> frozenset[IpAddress]:
        """Endpoints whose next hop is known, and those an earlier run was sending to already; not the silent ones."""
        there = switch.installed or {}
        usable = self.tables.endpoints - reach.silent
        unknown = usable - reach.resolved
        return (usable & reach.resolved) | {e for e in unknown if Renderer.endpoint_key(e) in there}

    # Computing

    def compute(self, reach: Reach, switch: Switch, now: float) -> bool:
        """Bring what the switch shall hold to what is known. False when there was nothing to do."""
        knows = self._convergence.knows
        if not self.dirty and not self._convergence.is_touched and not self._claims.due(knows=knows, now=now):
            return False
        self.version += 1
        dirty, self.dirty = self.dirty, Dirty()
        self.looks.update(dirty.occasions() | ({Occasion.ROUTES} if self._convergence.is_touched else set()))
        changes = Changes()
        self.tables.silent, self.tables.now = reach.silent, now
        if switch.swept:  # who was not heard until now has left
            self.tables.inherited.clear()
        again = self._admit() | dirty.circuits.keys() if dirty.circuits else set()
        rib, renderer = self._convergence.rib, self._renderer
        if self._lines_before:
            self.tables.inherit(self._lines_before, rib, renderer, changes)
            self._lines_before = {}
        self._claim(again, now)
        views = self._doors(again)
        closed = [number for number, one in views.items() if one is None]
        self.tables.drop_views(closed, changes)
        self.tables.refresh(self._convergence.take_touched(), rib, renderer, changes)
        self.tables.replace_views((one for one in views.values() if one is not None), rib, renderer, changes)
        if dirty.tunnel is not None:
            self.tables.render_again(renderer, changes)
            self._base.always(renderer, changes)
        if dirty.base is not None:
            self._render_base(again, changes, tunnel_moved=dirty.tunnel is not None)
        sendable, wanted = self.sendable(reach, switch), self.tables.endpoints
        self._base.endpoints(sendable, wanted, renderer, changes, tunnel_moved=dirty.tunnel is not None)
        self._replugged = set()
        changes.put |= self.departed.note(sorted(self._leaking(changes.left, switch)), now)
        for key in self.departed.expire(now, closed):
            changes.drop(key)
        switch.want(changes.put, changes.gone)
        return True

    def _leaking(self, left: Collection[tuple[ViewId, Destination]], switch: Switch) -> Iterable[FlowKey]:
        """What would leave by a router now that no view leads there; what no view of the switch led to has not left (a
        fresh run of a full view thinks otherwise of whom there is room for until it has read whom it served)."""
        behind = {number: self._fallbacks(self.tables.views[number].circuits) for number in {one for one, _ in left}}
        for number, destination in left:
            if leaks(destination, behind[number]) and switch.may_hold(Renderer.route_key(number, destination)):
                yield self._renderer.gone(number, destination)

    def _fallbacks(self, names: Iterable[CircuitName]) -> set[Circuit]:
        """How these circuits treat what no view knows, each way once."""
        intents = (self._asked.circuits[name] for name in names if name in self._asked.circuits)
        return {Circuit(intent.fallback, (), outside=intent.outside) for intent in intents}

    def _claim(self, todo: Collection[CircuitName], now: float) -> None:
        """These circuits' exports, and what is claimed for each address of which something else is heard."""
        served = _by_network(self.admitted.ports) if todo else {}
        beyond = _by_network(self.admitted.ports_beyond.values()) if todo else {}
        for name in todo:
            intent = self.admitted.circuits.get(name)
            pairs = [(intent.attachment, a.bgpvpn) for a in intent.associations] if intent is not None else []
            self._issued.use(name, pairs)
        exports = {name: self._exports(name, served, beyond) for name in todo}
        ear = Ear(self._hear, self._convergence.knows, partial(self._convergence.knows_of, now=now), now)
        change = self.local.replace(exports, self._convergence.heard(), ear)
        ways_to = partial(delivered_by, speaker=self._speaker)
        self.lingering.note(change.before, self.local.delivered, ways_to, self._renderer.circuits, now)
        for destinations in change.touched.values():
            for destination in destinations:
                self.tables.put_exports(destination, self.local.at(destination))
        self._convergence.touch(change.touched)

    def _hear(self, export: Export) -> Hearing:
        return heard_of(export, self._convergence.rib.paths(export.prefix), self._speaker)

    def _admit(self) -> set[CircuitName]:
        """Whom the limits concern. Those that are served now and were not, or were."""
        asked, before = self._asked, self.admitted
        live = sorted(asked.behind(asked.networks))
        circuits, here = {n: asked.circuits[n] for n in live}, asked.ports.values()
        self.admitted = admit(circuits, here, self._limits, self._served())
        ports = (*before.ports_beyond.values(), *self.admitted.ports_beyond.values())
        moved = [p for p in ports if (p.name in before.ports_beyond) != (p.name in self.admitted.ports_beyond)]
        return asked.behind({p.network for p in moved}) | (before.beyond ^ self.admitted.beyond)

    def _served(self) -> Served:
        """Who is served already: by this run, or by one before of which something was read."""
        served = self.admitted.served if self.admitted.circuits else self._served_before
        if self._doors_before:
            ports, doors = self._asked.ports.values(), self._doors_before
            found = inherited.served(ports, doors, self._asked.behind, self._renderer)
            served, self._doors_before = served._replace(ports=found | self._served_before.ports), frozenset()
        return served

    def _exports(
        self, name: CircuitName, served: Mapping[str, list[LocalPort]], beyond: Mapping[str, list[LocalPort]]
    ) -> tuple[Export, ...]:
        """Every local address in every BGPVPN that covers it. One beyond the maximum has its reason and no say: it
        takes no address away from another."""
        intent = self.admitted.circuits.get(name)
        if intent is None:
            return ()
        surplus = of_circuit(name, intent, beyond, self._issued) if beyond else ()
        refused = (replace(export, why_not=NotAnnounced.TOO_MANY_PORTS) for export in surplus)
        return (*(self._speakable(export) for export in of_circuit(name, intent, served, self._issued)), *refused)

    def _speakable(self, export: Export) -> Export:
        """With the reason, if no family that is spoken here may tell it."""
        why_not = untold(export, self._speaker) if export.why_not is None else None
        return export if why_not is None else replace(export, why_not=why_not)

    def clashes(self, name: CircuitName) -> bool:
        """Whether a view of the circuit is not served, because its number is another's."""
        return name in self._waiting

    def _doors(self, todo: Collection[CircuitName]) -> dict[ViewId, View | None]:
        """These circuits' doors; the views that are others with them."""
        served = _by_network(self.admitted.ports) if todo else {}
        concerned: set[ViewId] = set()
        while todo:
            freed: set[ViewId] = set()
            for name in sorted(todo):
                before, now = self._open(name, served)
                concerned |= before | now
                freed |= before - self._looking.keys()
            todo = [name for name, numbers in self._waiting.items() if not freed.isdisjoint(numbers)]
        fresh: dict[ViewId, View | None] = {}
        for number in concerned:
            behind = self._looking.get(number)
            fresh[number] = view(number, behind, self.doors, self.admitted.circuits) if behind else None
        return fresh

    def _open(self, name: CircuitName, served: Mapping[str, list[LocalPort]]) -> tuple[set[ViewId], set[ViewId]]:
        """One circuit's doors anew; the views that it looked in and looks in."""
        before = set(self.doors.pop(name, Doors()).views)
        for number in before:
            self._looking[number].discard(name)
        intent = self.admitted.circuits.get(name)
        whole = Doors() if intent is None else doors_of(name, intent, served, self._view_key)
        held = {number: self._holders[number] for number in whole.views if self._looking.get(number)}
        self._waiting.pop(name, None)
        if taken := clashes(whole, held):
            self._waiting[name] = taken
        one = whole.without(taken)
        if one.views:
            self.doors[name] = one
        for number, imports in one.views.items():
            self._holders[number] = imports
            self._looking.setdefault(number, set()).add(name)
        for number in before:
            if not self._looking[number]:
                del self._looking[number], self._holders[number]
        return before, set(one.views)

    def _render_base(self, again: Collection[CircuitName], changes: Changes, *, tunnel_moved: bool) -> None:
        ways = self.lingering.ways()
        wanted = frozenset(self.local.circuits).union(ways.values())
        for name in (wanted ^ self.circuits).union(again):
            intent = self._asked.circuits.get(name) if name in wanted else None
            doors, circuit = self.doors.get(name, Doors()), None
            if intent is not None:
                ways_out = doors.floating, intent.own_defaults, intent.outside
                circuit = Circuit(intent.fallback, intent.subnets, *ways_out)
            self._base.circuit(name, circuit, doors.sources, self._renderer, changes)
        self.circuits = wanted
        plugged, inbound = self._renderer.circuits, dict[Inbound, CircuitName](ways.items())
        for key, export in self.local.delivered.items():
            if export.circuit in plugged or key not in inbound:
                inbound[key] = export.circuit
        self._base.inbound(inbound, self._replugged, self._renderer, changes, tunnel_moved=tunnel_moved)


def _by_network(ports: Iterable[LocalPort]) -> dict[str, list[LocalPort]]:
    found: dict[str, list[LocalPort]] = {}
    for port in ports:
        found.setdefault(port.network, []).append(port)
    return found
