"""A hypervisor: a real node, the shell's rhythm around it, its switch, its share of the cloud's database.

What the shell promises is kept (facts of one source in order, one timer, two milliseconds of gathering), what it does
not promise is random: how late each source is, and which of them speaks first after a start.

Rules: after every computation the node is asked again and must have nothing to say; what it told its peers must be in
the switch at that moment; an inbound flow must be one that some row it was told of asks for. `Broken` says what is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.fib.entries import CircuitName, InboundKey
from isthmus.flows.layout import Table
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.net import IpAddress
from isthmus.model.vpn import Claimant
from isthmus.node import effects, facts
from isthmus.node.config import Limits, NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.handed_on import decode, encode
from isthmus.node.memory import Memory, PeerMemory
from isthmus.node.order import GRACEFUL_S, LINGER_S, PATIENCE_S
from isthmus.rib.adj_out import RouteKey
from isthmus.vpn.imports import claimant_of
from isthmus.vpn.trust import EVERYTHING, Trust
from tests.sim.forwarding import vni_and_address
from tests.sim.handover import Held, Link
from tests.sim.prober import Prober, Underlay
from tests.sim.reference import Claim, History, Place, View, offers
from tests.sim.rows import Port, Row, Snapshot, Spelling, local_port, read
from tests.sim.switch import Switch
from tests.sim.time_line import TimeLine
from tests.sim.wire import Connection, End
from tests.sim.wiretap import Wiretap

DEBOUNCE_S = 0.002
"""As the agent's loop gathers facts."""
BUSY, BUSY_S = 0.1, 0.3
"""How often the loop has something else to do first, and how long at most: then batches grow."""
HOLD_S = 30
CLOUDS = {64512: "east", 64513: "west", 64514: "north"}


class Broken(Exception):
    """An invariant does not hold."""


class Exchange(Protocol):
    """Who connects hosts with reflectors."""

    def dial_from_host(self, host: Host, peer: IpAddress, run: Run) -> None: ...


class Run:
    """One life of the agent."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.prober: Prober | None = None
        self.links: dict[IpAddress, Link] = {}
        self.dialling: set[IpAddress] = set()
        self.soon = False
        self.timer = float("inf")
        self.ended: dict[IpAddress, float] = {}
        """When connections ended."""
        self.told_off: dict[FlowKey, float] = {}
        """Inbound flows whose routes were withdrawn: when."""
        self.inherited: set[RouteKey] = set()
        """What an earlier run told on connections that this one goes on with, and this one has not told."""
        self.covered: dict[tuple[IpAddress, FlowKey], float | None] = {}
        """Announced routes whose flow was there once, and since when it is missing."""


class Host:
    """See the head of the file."""

    def __init__(
        self,
        place: Place,
        asn: int,
        reflectors: tuple[IpAddress, ...],
        line: TimeLine,
        rng: random.Random,
        exchange: Exchange,
        underlay: Underlay,
        guests: tuple[PeerConfig, ...] = (),
        limits: Limits | None = None,
        trust: Trust = EVERYTHING,
    ) -> None:
        self.place, self.asn, self.reflectors = place, asn, reflectors
        self.guests, self._limits, self._trust = guests, limits or Limits(), trust
        self._line, self._rng, self._exchange, self._underlay = line, rng, exchange, underlay
        self.switch = Switch(line, rng, f"{place.host} switch", self._before_bundle, underlay.changed)
        underlay.ends[place.vtep] = self
        underlay.wake.append(self._wake_prober)
        self.run: Run | None = None
        self.generation = 0
        self.rows: dict[str, Row] = {}
        """The last readable row of each circuit that this run of the agent was told, and that is still there."""
        self.ports: tuple[Port, ...] = ()
        self._remembered: dict[str, Row] = {}
        """What the rows meant of which the memory speaks."""
        self._left: dict[str, Row] = {}
        """The same, as this run was left them."""
        self.version = 0
        self.unread: frozenset[str] = frozenset()
        """Circuits whose row this run cannot read."""
        self.southbound = True
        self.asked: set[tuple[int, str]] = set()
        """(VNI, address) that some snapshot since the last rest asked this host to deliver."""
        self.mute: set[str] = set()
        """Endpoints that never answer this host."""
        self.drained = False
        """An operator took it out of use."""
        self.leaves_at = 0.0
        self.busy_until = 0.0
        """Its machine has something else to do: facts pile up."""
        self.memory: bytes | None = None
        """The file that an agent leaves."""
        self._held: dict[IpAddress, Held] = {}
        self._newest: Snapshot | None = None
        self._bus = 0.0
        self._resolved: set[str] = set()
        self._wanted_neighbours: frozenset[str] = frozenset()
        self._plugging: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return self.place.host

    @property
    def vtep(self) -> str:
        return self.place.vtep

    @property
    def now(self) -> float:
        return self._line.now

    @property
    def node(self) -> Node:
        assert self.run is not None
        return self.run.node

    # The agent's life

    def start(self) -> None:
        """A fresh process: what it hears first is a matter of luck. What the last run left is there: a memory, if the
        disk was willing, and connections, if that run was exchanged."""
        self.generation += 1
        peers = tuple(
            PeerConfig(a, self.asn, HOLD_S, self._rng.random() * 0.99, self.place.long_lived_s, self._trust)
            for a in self.reflectors
        )
        vtep = IpAddress.parse(self.place.vtep)
        place = self.place
        limits = replace(
            self._limits, routes_per_view=place.routes_max, circuits=place.circuits_max, ports=place.ports_max
        )
        config = NodeConfig(vtep, vtep, self.asn, (*peers, *self.guests), self.generation, limits)
        memory = decode(self.memory) if self.memory is not None else None
        if memory is not None:
            peers_left = {a: p if a in self._held else PeerMemory(p.told) for a, p in memory.peers.items()}
            memory = replace(memory, peers=peers_left)
        run = self.run = Run(Node(config, self._line.now, memory))
        run.prober = Prober(self._line, self._underlay, self, lambda fact: self.tell(run, fact))
        self._line.note(f"{self.name}: agent starts, run {self.generation}")
        self.rows, self.ports, self.version, self.unread = {}, (), 0, frozenset()
        self._left = {} if memory is None else dict(self._remembered)
        self._resolved, self._wanted_neighbours, self._plugging = set(), frozenset(), None
        if self.drained:
            self.leaves_at = self._line.now + GRACEFUL_S
        self.tell(run, facts.DrainWanted(self.drained))
        self._adopt(run)
        self.switch.attach(lambda fact: self.tell(run, fact))
        self._later(run, self._some_time(), self._say_ports)
        if self._newest is not None and self.southbound:
            newest = self._newest
            self._later(run, self._some_time(), lambda: self._say_rows(newest))
        self._schedule(run)

    def write_memory(self) -> None:
        """As an agent does each second."""
        if self.run is not None:
            self._remember(self.node.remember(self._line.now))

    def _remember(self, memory: Memory) -> None:
        self.memory = encode(memory)
        self._remembered = {c: r for c, r in self.rows.items() if c in memory.circuits}

    def stop(self, *, farewell: bool = False) -> None:
        """Like kill -9: connections are closed by the kernel, forwarding stays. Or for good, with a last word."""
        run, self.run = self.run, None
        if run is None:
            return
        self._line.note(f"{self.name}: agent {'says farewell' if farewell else 'dies'}")
        for effect in run.node.farewell("for good", self._line.now) if farewell else ():
            if isinstance(effect, effects.Send) and effect.peer in run.links:
                run.links[effect.peer].connection.send(0, effect.data)
        for link in run.links.values():
            link.connection.close(0)
        self._end(run)

    def exchange(self) -> None:
        """The agent ends for another process that goes on with its sessions."""
        run = self.run
        assert run is not None
        self._drain(run)
        self.run = None
        self._line.note(f"{self.name}: agent is exchanged")
        memory = run.node.suspend(self._line.now, run.links)
        self._remember(memory)
        for peer, link in run.links.items():
            if memory.peers[peer].session is None:
                link.connection.close(0)
            else:
                self._held[peer] = held = Held(link)
                held.keep()
        self._end(run)

    def _end(self, run: Run) -> None:
        if run.prober is not None:
            run.prober.stop()
        self.switch.detach()

    def _adopt(self, run: Run) -> None:
        """Go on with the connections that were kept."""
        held, self._held = self._held, {}
        for peer, one in held.items():
            if not run.node.peers[peer].resumed:
                one.link.connection.close(0)
                continue
            run.links[peer] = one.link
            run.inherited |= one.link.tap.announced.keys()
            for route in one.link.tap.announced.values():
                there = (key := inbound_flow(route)) in self.switch.flows
                run.covered[peer, key] = None if there else self._line.now
            self._bind(run, peer, one.link.connection.ends[0])
            for data in one.waiting:
                self.tell(run, facts.Received(peer, data))
            if one.ended is not None:
                one.link.connection.ends[0].closed(one.ended)

    def _some_time(self) -> float:
        return self._rng.choice((0.001, 0.02, 0.3, 1.5)) * self._rng.uniform(0.5, 1.5)

    def _later(self, run: Run, seconds: float, do: Callable[[], None]) -> None:
        self._line.after(seconds, lambda: do() if run is self.run else None)

    # The loop

    def tell(self, run: Run, fact: facts.Fact) -> None:
        if run is self.run:
            run.node.handle(fact, self._line.now)
            self._schedule(run)

    def _schedule(self, run: Run) -> None:
        if not run.soon:
            run.soon = True
            wait = DEBOUNCE_S if self._rng.random() > BUSY else self._rng.uniform(0, BUSY_S)
            wait = max(wait, self.busy_until - self._line.now)
            self._later(run, wait, lambda: self._drain(run) if run.soon else None)

    def _drain(self, run: Run) -> None:
        run.soon = False
        now = self._line.now
        wanted = run.node.effects(now)
        again = run.node.effects(now)
        if again:
            raise Broken(f"{self.name}: asked twice, the node wants more: {again}")
        for effect in wanted:
            self._carry_out(run, effect)
        self.check()
        deadline = run.node.next_deadline()
        if deadline is not None and deadline < run.timer:
            run.timer = deadline
            self._line.at(deadline, lambda: self._ring(run, deadline))

    def _ring(self, run: Run, deadline: float) -> None:
        if run is self.run and run.timer == deadline:
            run.timer = float("inf")
            run.node.tick(self._line.now)
            self._drain(run)

    # Carrying out

    def _carry_out(self, run: Run, effect: effects.Effect) -> None:
        match effect:
            case effects.Dial(peer):
                run.dialling.add(peer)
                self._exchange.dial_from_host(self, peer, run)
            case effects.Send(peer, data):
                self._send(run, peer, data)
            case effects.Hangup(peer):
                run.dialling.discard(peer)
                if (link := run.links.pop(peer, None)) is not None:
                    link.connection.close(0)
                    run.ended[peer] = self._line.now
            case effects.ReadFlows() | effects.ApplyFlows():
                self._line.stir()
                self.switch.ask(effect)
            case effects.SetCircuits(names):
                self._line.stir()
                self._plugging = frozenset(str(n) for n in names)
                self._later(run, self._rng.expovariate(20), self._plug)
            case effects.SetProbes(endpoints, _):
                if run.prober is not None:
                    run.prober.ask(endpoints)
            case effects.SetNeighbours(vteps):
                self._set_neighbours(run, frozenset(str(v) for v in vteps))

    def _send(self, run: Run, peer: IpAddress, data: bytes) -> None:
        link = run.links.get(peer)
        if link is None:
            return
        agreed = run.node.peers[peer].session.agreed
        if agreed is not None and len(data) > 19:
            self._line.stir()
            before = set(link.tap.announced)
            gone = link.tap.hear(data, agreed)
            if run.node.asked.fact is not None and run.node.ofports is not None:
                run.inherited -= link.tap.repeated  # else it repeats, leaving, what it cannot know to be its own
            for route in gone:
                if route.key() in run.inherited:
                    continue  # whoever left in between gets no drain: the flow's circuit is not known any more
                run.told_off[inbound_flow(route)] = self._line.now
            if gone or before != set(link.tap.announced):
                self._line.note(f"{self.name} -> {peer}: +{len(link.tap.announced.keys() - before)} -{len(gone)}")
        link.connection.send(0, data)

    def _plug(self) -> None:
        run = self.run
        if self._plugging is not None and run is not None:
            self.switch.plug(self._plugging)
            self._plugging = None
            self._later(run, self._rng.expovariate(50), self._say_ports)

    def _say_ports(self) -> None:
        if self.run is not None:
            self._line.stir()
            circuits = {CircuitName(n): p for n, p in self.switch.circuits.items()}
            self.tell(self.run, facts.SwitchRead(circuits, self.switch.TUNNEL))

    def _set_neighbours(self, run: Run, vteps: frozenset[str]) -> None:
        self._wanted_neighbours = vteps
        forgotten = self._resolved - vteps
        self._resolved &= vteps
        if forgotten:
            self._later(run, 0.05, lambda: self._say_neighbours(run))
        for vtep in sorted(vteps - self._resolved - self.mute):
            self._later(run, self._rng.choice((0.01, 0.1, 2.0)), partial(self._resolve, run, vtep))

    def _resolve(self, run: Run, vtep: str) -> None:
        if vtep in self._wanted_neighbours and vtep not in self._resolved and vtep not in self.mute:
            self._resolved.add(vtep)
            self._say_neighbours(run)

    def _say_neighbours(self, run: Run) -> None:
        self._line.stir()
        self.tell(run, facts.NeighboursRead(frozenset(IpAddress.parse(v) for v in self._resolved)))

    def answers_again(self, vtep: str) -> None:
        self.mute.discard(vtep)
        self._underlay.changed()
        if self.run is not None:
            self._set_neighbours(self.run, self._wanted_neighbours)

    def _wake_prober(self) -> None:
        if self.run is not None and self.run.prober is not None:
            self.run.prober.wake()

    @property
    def silent(self) -> frozenset[str]:
        """Endpoints that the agent was told to have fallen silent, and still asks, but for those it need not believe:
        those it has kept since most fell silent at once, while no more answer than do not."""
        if self.run is None or self.run.prober is None:
            return frozenset()
        told = list(self.run.prober.watch.answers.items())
        silent = frozenset(str(e) for e, a in told if a is facts.Answer.SILENT)
        answering = sum(a is facts.Answer.ANSWERS for _, a in told)
        doubted = frozenset(map(str, self.node.reach.doubted)) & silent
        if doubted and answering >= len(silent):
            raise Broken(f"{self.name}: most answer, and {sorted(doubted)} are kept though they are silent")
        return silent - doubted

    # Out of use

    def drain(self, wanted: bool) -> None:
        self.drained = wanted
        if self.run is not None:
            self.leaves_at = self._line.now + GRACEFUL_S
            self.tell(self.run, facts.DrainWanted(wanted))

    # The cloud's database

    def publish(self, snapshot: Snapshot) -> None:
        """It has changed; this host hears of it in its own time, perhaps together with the next change."""
        self._newest = snapshot
        delay = self._rng.expovariate(20) if self._rng.random() < 0.9 else self._rng.uniform(0.5, 3.0)
        self._bus = max(self._bus, self._line.now + delay)
        self._line.at(self._bus, lambda: self._arrives(snapshot))

    def _arrives(self, snapshot: Snapshot) -> None:
        newest = self._newest
        if newest is not None and newest is not snapshot and self._rng.random() < 0.3:
            return  # the next one says it all
        self._say_rows(snapshot)
        if self.run is not None and self._rng.random() < 0.1:
            self._later(self.run, self._rng.uniform(0, 0.3), lambda: self._say_rows(snapshot))

    def _say_rows(self, snapshot: Snapshot) -> None:
        if self.run is None or not self.southbound or snapshot.version < self.version:
            return
        self._line.stir()
        self.version = snapshot.version
        good = {c: r for c, r in snapshot.rows.items() if r.spelling is Spelling.GOOD}
        self.unread = frozenset(snapshot.rows.keys() - good.keys())
        self.rows = good | {c: r for c, r in (self._left | self.rows).items() if c in self.unread}
        here = snapshot.ports.get(self.name, ())
        self.ports = tuple(here)
        every = self.place._replace(circuits_max=len(self.rows), ports_max=len(here))
        self.asked |= {(o.vni, o.address) for o in offers(every, self.rows.values(), self.ports, History())}
        circuits = {CircuitName(c): read(r) for c, r in snapshot.rows.items()}
        ports = [local_port(p) for p in here]
        self._rng.shuffle(ports)
        self.tell(self.run, facts.IntentRead(circuits, tuple(ports)))

    @property
    def history(self) -> History:
        """What this run's agent says of who came first."""
        if self.run is None:
            return History()
        picture, tables = self.run.node.picture, self.run.node.tables
        claims = self.run.node.claims.live
        return History(
            {(k.vni, str(k.prefix.address)): Claim(c.circuit, c.sequence) for k, c in claims.items()},
            frozenset(picture.admitted.served.circuits),
            frozenset(picture.admitted.served.ports),
            {
                View(frozenset(map(str, view.imports)), frozenset(map(str, view.own))): {
                    str(d.address): _name(claimant_of(entry.best, tables.speaker))
                    for d, entry in tables.entries[number].items()
                    if d not in tables.surplus(number)
                }
                for number, view in tables.views.items()
            },
        )

    def lose_southbound(self) -> None:
        self.southbound = False
        if self.run is not None:
            self.tell(self.run, facts.IntentLost("no server of the southbound database answers"))

    def find_southbound(self) -> None:
        self.southbound = True
        if self.run is not None and self._newest is not None:
            newest = self._newest
            self._later(self.run, self._some_time(), lambda: self._say_rows(newest))

    @property
    def up_to_date(self) -> bool:
        """Whether the agent runs, knows the newest rows, and has its ports as it wants them."""
        known = self._newest is None or self.version == self._newest.version
        return self.run is not None and self.southbound and known and self._plugging is None

    # Connections

    def end(self, run: Run, peer: IpAddress) -> End:
        end = End(lambda data: None, lambda why: None)
        self._bind(run, peer, end)
        return end

    def _bind(self, run: Run, peer: IpAddress, end: End) -> None:
        """What arrives at this end is heard by this run."""

        def current() -> bool:
            return run is self.run and (link := run.links.get(peer)) is not None and link.connection.ends[0] is end

        def received(data: bytes) -> None:
            if current():
                if len(data) > 19:
                    self._line.stir()
                self.tell(run, facts.Received(peer, data))

        def closed(why: str) -> None:
            if current():
                del run.links[peer]
                run.ended[peer] = self._line.now
                self._line.note(f"{self.name}: connection to {peer}: {why}")
                self._line.stir()
                self.tell(run, facts.Closed(peer, why))

        end.received, end.closed = received, closed

    def connected(self, run: Run, peer: IpAddress, connection: Connection) -> None:
        run.dialling.discard(peer)
        run.links[peer] = Link(connection, Wiretap())
        self._line.stir()
        self.tell(run, facts.Connected(peer))

    def refused(self, run: Run, peer: IpAddress) -> None:
        self.tell(run, facts.ConnectFailed(peer, "connection refused"))

    # Invariants

    def check(self) -> None:
        """At every step: nothing is announced whose inbound flow is not there. What was announced when it was there may
        stay so for a while when the switch has lost it."""
        run = self.run
        if run is None:
            return
        covered: dict[tuple[IpAddress, FlowKey], float | None] = {}
        for peer, link in run.links.items():
            for route in link.tap.announced.values():
                there = (key := inbound_flow(route)) in self.switch.flows
                if not there and (peer, key) not in run.covered and self.switch.trusted:
                    raise Broken(f"{self.name}: {route.prefix} is announced to {peer}, but the switch has no {key}")
                since = None if there else run.covered.get((peer, key)) or self._line.now
                if not self.switch.trusted:
                    since = since and self._line.now  # the agent's patience begins when it hears of it
                covered[peer, key] = since
                if since is not None and self._line.now > since + PATIENCE_S + 2 * DEBOUNCE_S:
                    raise Broken(f"{self.name}: {route.prefix} stays announced to {peer} without {key}")
        run.covered = covered

    def _before_bundle(self, bundle: effects.ApplyFlows) -> None:
        for key in bundle.put:
            if key.table == Table.INBOUND and key.match and vni_and_address(key.match) not in self.asked:
                raise Broken(f"{self.name}: an inbound flow nobody asked for: {key}")
        for key in bundle.delete:
            since = self.run.told_off.get(key) if self.run is not None else None
            if since is not None and self._line.now < since + LINGER_S - 1e-6:
                raise Broken(f"{self.name}: {key} goes {self._line.now - since:.3f} s after it was withdrawn")


def _name(claimant: Claimant | None) -> str:
    """As the model writes it: six octets, and the AS if it is another."""
    if claimant is None:
        return ""
    by = int.from_bytes(claimant[6:], "big")
    return claimant[:6].hex() + (f" of {CLOUDS[by]}" if by else "")


def inbound_flow(route: EvpnPrefix) -> FlowKey:
    """The flow without which this route must not be announced."""
    return Renderer.inbound_key(InboundKey(route.label, route.prefix))
