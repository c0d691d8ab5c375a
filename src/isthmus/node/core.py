"""The node: facts and the time in, effects out.

    IntentRead ─► views, exports ─┐
    Received ─► session ─► rib ───┼─► tables ─► flows wanted ─► Switch ─► ReadFlows / ApplyFlows
    SwitchRead ───────────────────┘                                │ confirmed
                                                                   └─► announcements ─► peers ─► Send

The single owner of sessions, RIB, tables and the picture of the switch. Rules: `handle` only takes note, `effects`
computes; calling `effects` twice gives nothing the second time. order.py has the order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

from isthmus.bgp import events as bgp
from isthmus.bgp.family import EVPN
from isthmus.bgp.update import Update
from isthmus.fib.entries import Circuit, CircuitName, Forwarding, InboundKey
from isthmus.flows.render import Renderer
from isthmus.flows.types import FlowKey
from isthmus.model.intent import AttachmentIntent, BadIntent, UnknownSchema
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.port import LocalPort
from isthmus.node import facts
from isthmus.node.admission import Admission, admit
from isthmus.node.beacons import Beacons, came_by
from isthmus.node.config import NodeConfig, PeerConfig
from isthmus.node.draining import Draining
from isthmus.node.effects import Dial, Effect, Hangup, Send, SetCircuits, SetNeighbours
from isthmus.node.gateways import Gateways
from isthmus.node.memory import Memory, PeerMemory
from isthmus.node.order import (
    END_OF_RIB_WAIT_S,
    FOREVER_S,
    GRACEFUL_S,
    LOOK_WAIT_S,
    PATIENCE_S,
    SETTLE_S,
    SWEEP_WAIT_S,
)
from isthmus.node.peers import Peer
from isthmus.node.retention import Age, Retention
from isthmus.node.switch import LEARNT, Switch
from isthmus.node.tables import Tables
from isthmus.node.whole_states import WholeStates
from isthmus.rib.adj_in import AdjRibIn, Path, PathKey, Touched, merge
from isthmus.rib.adj_out import Announcement, RouteKey
from isthmus.vpn.exports import Export, announcement
from isthmus.vpn.views import views


class Node:
    """One hypervisor's PE; see the head of the file."""

    def __init__(self, config: NodeConfig, now: float, memory: Memory | None = None) -> None:
        """`memory`: what the last run left; of its sessions those whose connections are there."""
        self.config = config
        self.started = now
        self.speaker = config.speaker
        self.rib = AdjRibIn()
        self.beacons = Beacons()
        self.retention = Retention({p.address: p.long_lived_s for p in config.peers})
        self.peers = {p.address: self._begin(p, memory, now) for p in config.peers}
        self.tables = Tables(self.speaker, routes_max=config.limits.routes_per_view)
        self.switch = Switch(config.generation)
        self.intent: facts.IntentRead | None = None
        self.intent_state = "not read yet"
        self.circuits: dict[CircuitName, AttachmentIntent] = {}
        self.refused: dict[CircuitName, BadIntent] = {}
        self.admitted = Admission()
        self.ports: tuple[LocalPort, ...] = ()
        self.exports: tuple[Export, ...] = ()
        self._gateways = Gateways()
        self.ofports: facts.SwitchRead | None = None
        self.resolved: frozenset[IpAddress] = frozenset()
        self.answers = dict(memory.answers) if memory else {}
        """Of those that were asked; what is not here is not known."""
        self.tables.silent = self.silent
        self.draining = Draining()
        self.drained_at: float | None = None
        """An operator takes this node out of use: from then on nothing is announced."""
        self.drained = False
        self._base: set[FlowKey] = set()
        self._tunnels: tuple[frozenset[IpAddress], frozenset[IpAddress]] = (frozenset(), frozenset())
        """Endpoints that can be sent to, and all that are wanted, as the base has them."""
        self._offers: list[tuple[Export, FlowKey, RouteKey, Announcement]] = []
        self._ticked = now
        self._all_dirty = True
        self._base_dirty = False
        self._touched: Touched = {}
        self._waiting: dict[RouteKey, float] = {}
        """Routes whose flow is not confirmed, and since when."""
        self._inherited = frozenset(key for peer in self.peers.values() if peer.resumed for key in peer.told.told)
        self._whole = WholeStates()

    # From run to run

    def _begin(self, config: PeerConfig, memory: Memory | None, now: float) -> Peer:
        """Go on with the last run's session, or dial."""
        left = memory.peers.get(config.address) if memory else None
        if memory is None or left is None:
            return Peer.start(config, self.config, PeerMemory(), now)
        same = (memory.vtep, memory.router_id, memory.asn) == (
            self.config.vtep,
            self.config.router_id,
            self.config.asn,
        )
        begun = Peer.start(config, self.config, left if same else PeerMemory(), now)
        if left.session is None:
            return begun
        begun.reason = "the session of the last run was not gone on with: "
        if not same:
            begun.reason += "the configuration has changed"
            return begun
        if now - memory.at >= (config.hold_time_s or FOREVER_S):
            begun.reason += f"{now - memory.at:.0f} s lay between"
            return begun
        try:
            peer = Peer.resume(config, self.config, left, now)
        except ValueError as error:
            begun.reason += str(error)
            return begun
        assert peer.session.agreed is not None
        said_by = config.address, peer.session.agreed.peer_router_id
        received, held = (
            [Path(*said_by, nlri, a, now) for a, nlri in routes]
            for routes in (left.session.received, left.session.held)
        )
        self.rib.apply([*received, *held], ())
        self.rib.hold(held, now)
        self.beacons.resume(config.address, left.session.absences)
        return peer

    def remember(self, now: float) -> Memory:
        """For a run that begins anew: what every peer may still have of ours, and who answers probes."""
        return self._memory({address: peer.remember() for address, peer in self.peers.items()}, now)

    def suspend(self, now: float, peers: Collection[IpAddress]) -> Memory:
        """The end of this run, for one that goes on with the sessions of these peers. Nothing may be left to say, and
        nothing is said afterwards."""
        received: dict[IpAddress, list[Path]] = {}
        for path in self.rib:
            if path.held or not path.stale:  # what a session has not confirmed would look as if it had
                received.setdefault(path.peer, []).append(path)
        left = {address: peer.remember() for address, peer in self.peers.items()}
        for address in peers:
            peer = self.peers[address]
            if (session := peer.suspend(received.get(address, ()), self.beacons.of(address))) is not None:
                left[address] = PeerMemory(tuple(peer.told.told.values()), session)
        return self._memory(left, now)

    def _memory(self, peers: Mapping[IpAddress, PeerMemory], now: float) -> Memory:
        c = self.config
        return Memory(now, c.vtep, c.router_id, c.asn, dict(self.answers), peers)

    def farewell(self, why: str, now: float) -> list[Effect]:
        """The end for good: a last word to every peer. Forwarding stays as it is."""
        out: list[Effect] = []
        for peer in self.peers.values():
            peer.session.handle(bgp.Stop(why), now)
            for output in peer.session.outputs():
                if isinstance(output, bgp.Send):
                    out.append(Send(peer.address, output.data))
                elif isinstance(output, bgp.Hangup):
                    out.append(Hangup(peer.address))
        return out

    # Facts

    def handle(self, fact: facts.Fact, now: float) -> None:
        """Take note of one fact."""
        match fact:
            case facts.IntentRead():
                self._read_intent(fact, now)
            case facts.IntentLost(why):
                self.intent_state = why
            case facts.SwitchRead():
                self._all_dirty = self._all_dirty or fact != self.ofports
                self.ofports = fact
            case facts.FlowsRead(flows):
                before = self.sendable
                self.switch.read(flows)
                # What an earlier run was sending to is known only now: it counts although nobody has answered yet.
                self._all_dirty = self._all_dirty or self.sendable != before
            case facts.FlowsApplied(serial):
                self.switch.applied(serial)
            case facts.FlowsRefused(serial, why):
                self.switch.refuse(serial, why, now)
            case facts.SwitchLost(why):
                self.switch.lost(why)
            case facts.DrainWanted(wanted):
                if wanted != (self.drained_at is not None):
                    # Whoever has told nobody anything, as a fresh process of a drained node, need not leave gracefully.
                    self.drained = wanted and not any(map(self._has_told, self.peers.values()))
                    self.drained_at = now + GRACEFUL_S if wanted else None
                    self._all_dirty = True
            case facts.NeighboursRead(resolved):
                self._all_dirty = self._all_dirty or resolved != self.resolved
                self.resolved = resolved
            case facts.AnswersRead(answers):
                self._read_answers(answers)
            case facts.Connected(peer):
                if peer in self.peers:
                    self.peers[peer].session.preserved = self._preserved(self.peers[peer])
                self._session(peer, bgp.Connected(), now)
            case facts.ConnectFailed(peer, why):
                self._session(peer, bgp.ConnectFailed(why), now)
            case facts.Closed(peer, why):
                self._session(peer, bgp.Closed(why), now)
            case facts.Received(peer, data):
                self._session(peer, bgp.Received(data), now)
            case _:
                assert_never(fact)

    def _read_intent(self, fact: facts.IntentRead, now: float) -> None:
        self.intent_state = "in sync"
        if fact == self.intent:
            return
        self.intent = fact
        good = {name: i for name, i in fact.circuits.items() if isinstance(i, AttachmentIntent)}
        self.refused = {name: i for name, i in fact.circuits.items() if isinstance(i, BadIntent)}
        for name in self.refused:
            # A newer Isthmus wrote it, or it is nonsense: what stood stays, the rest is applied.
            if name in self.circuits:
                good[name] = self.circuits[name]
        self.circuits = dict(sorted(good.items()))
        self.ports = tuple(sorted(fact.ports, key=lambda port: port.name))
        self._gateways.read(fact.gateways, frozenset(port.network for port in self.ports), now)
        self._all_dirty = True

    def _has_told(self, peer: Peer) -> bool:
        """Whether this run has told the peer anything, in this session or one that has ended a moment ago."""
        return bool(peer.told.told) or (self.intent is not None and bool(peer.before))

    def _preserved(self, peer: Peer) -> bool:
        """Whether the switch itself says that it holds still what this peer was told in earlier sessions; of that, as
        soon as it is known, only what this node offers still: the rest is withdrawn by name before End-of-RIB, and
        one machine that has gone should not cost the routes of all others."""
        there = self.switch.installed
        if there is None:
            return False
        keys = {Renderer.inbound_key(InboundKey(a.nlri.label, a.nlri.prefix)) for a in peer.before.values()}
        if self._base:  # the cloud's intent has been computed
            keys &= {flow for _, flow, _, _ in self._offers}
        return bool(keys) and all(key in there and there[key].ours for key in keys)

    def _read_answers(self, answers: Mapping[IpAddress, facts.Answer]) -> None:
        """Of one who is not asked any more nothing is taken in: the answer was under way."""
        self.answers |= {endpoint: answer for endpoint, answer in answers.items() if endpoint in self._whole.probed}
        changed = self.silent ^ self.tables.silent
        if changed:
            self.tables.silent = self.silent
            self._base_dirty = True
            merge(self._touched, self.tables.concerned(changed))

    def _session(self, address: IpAddress, event: bgp.Input, now: float) -> None:
        peer = self.peers.get(address)
        if peer is not None:
            peer.session.handle(event, now)

    # Time

    def tick(self, now: float) -> None:
        """Let timers act that are due."""
        self._ticked = now
        for peer in self.peers.values():
            peer.session.tick(now)
            if peer.up_since is not None and not peer.in_sync and now >= peer.up_since + END_OF_RIB_WAIT_S:
                self._in_sync(peer, None)  # it has had its time
            if peer.settles_at is not None and now >= peer.settles_at:
                self._settled()
        self._all_dirty = self._all_dirty or self.draining.is_due(now)
        self._age(now)
        if over := self.beacons.over(now):
            merge(self._touched, self.rib.release(came_by(over)))
            self._ask_all_again()
        self.drained = self.drained or (self.drained_at is not None and now >= self.drained_at)

    def next_deadline(self) -> float | None:
        """When `tick` and `effects` should be called next if nothing else happens (seconds, the clock of `now`)."""
        deadlines = [d for peer in self.peers.values() for d in peer.deadlines()]
        deadlines += self.draining.deadlines()
        deadlines += self.retention.deadlines()
        deadlines += self.beacons.deadlines()
        deadlines += self._gateways.deadlines()
        deadlines += [since + PATIENCE_S for since in self._waiting.values()]
        if self.drained_at is not None:
            deadlines.append(self.drained_at)
        if (retry := self.switch.next_deadline()) is not None:
            deadlines.append(retry)
        if not self.switch.swept:
            deadlines.append(self.started + SWEEP_WAIT_S)
        if not all(peer.begun for peer in self.peers.values()):
            deadlines.append(self.started + LOOK_WAIT_S)
        # What was due at the last tick has had its chance: it waits for something else to happen, not for time.
        return min((d for d in deadlines if d > self._ticked), default=None)

    # Effects

    def effects(self, now: float) -> list[Effect]:
        """Compute what is dirty and say what is to be done, in the order of order.py."""
        out: list[Effect] = []
        for peer in self.peers.values():
            if not peer.begun and (self.switch.installed is not None or now >= self.started + LOOK_WAIT_S):
                peer.begin(now)
            out += self._drain_session(peer, now)
        if self.intent is None or self.ofports is None:
            # Nothing is known of what should be, so nothing is known to be wrong: only look.
            return out + self._leave(now) + self.switch.look(now)
        self._compute(self.ofports, now)
        plugged = self._circuits() | (self._unreadable() & self.ofports.circuits.keys())
        out += self._whole.changed(SetCircuits(plugged))
        # Losers too: when the winner falls silent the next one is ready.
        out += self._whole.changed(SetNeighbours(self.tables.endpoints))
        out += self.switch.effects(now, routes_in_sync=self._routes_in_sync(now), hold=self._unreadable())
        # Asked are those whose answers the switch would hand to us: without that flow everybody is silent.
        asked = frozenset(e for e in self.tables.endpoints if self.switch.has(Renderer.answer_key(e)))
        out += self._whole.probes({e: self.answers.get(e, facts.Answer.UNKNOWN) for e in asked}, self.ofports.tunnel)
        out += self._gateways.effects(self.ports, now)
        routes, kept = self._announceable(now)
        for peer in self.peers.values():
            peer.tell(routes, kept, complete=not self._waiting, now=now)
            out += self._drain_session(peer, now)
        return out

    def _leave(self, now: float) -> list[Effect]:
        """Being taken out of use does not wait for the cloud's intent: it concerns only what was told."""
        out: list[Effect] = []
        for peer in self.peers.values():
            if self.drained_at is not None:
                told = {} if self.drained else {key: route.leaving() for key, route in peer.told.told.items()}
                peer.tell(told, (), complete=self.drained, now=now)
            out += self._drain_session(peer, now)
        return out

    def _drain_session(self, peer: Peer, now: float) -> list[Effect]:
        out: list[Effect] = []
        for output in peer.session.outputs():
            match output:
                case bgp.Dial():
                    out.append(Dial(peer.address))
                case bgp.Hangup():
                    out.append(Hangup(peer.address))
                case bgp.Send(data):
                    out.append(Send(peer.address, data))
                case bgp.Up():
                    peer.came_up(now)
                case bgp.Down(reason, text, was_up):
                    peer.went_down(f"{reason.value}: {text}" if text else reason.value, now)
                    if was_up:  # an attempt that failed ends nothing that anybody has said
                        self._ended(peer, now)
                case bgp.Routes(update):
                    self._routes(peer, update, now)
                case bgp.RefreshRequested():
                    peer.told.forget()
                case _:
                    assert_never(output)
        return out

    def _ended(self, peer: Peer, now: float) -> None:
        merge(self._touched, self.rib.mark_stale(peer.address, now))
        self.retention.ended(peer.address, now)
        self.beacons.ended(peer.address)
        self._contradict()
        self._age(now)

    def _routes(self, peer: Peer, update: Update, now: float) -> None:
        agreed, attributes = peer.session.agreed, update.attributes
        if agreed is None:
            # The session has ended since, in the same batch: what it said, End-of-RIB too, is as good as unsaid.
            return
        if update.end_of_rib == EVPN:
            self._in_sync(peer, now)
        announced = []
        if attributes is not None:
            router_id = agreed.peer_router_id
            announced = [Path(peer.address, router_id, nlri, attributes, now) for nlri in update.announced]
        withdrawn = [(n.prefix, PathKey(peer.address, n.rd, n.ethernet_tag)) for n in update.withdrawn]
        self.beacons.listen(self.rib, announced, withdrawn, self.answers, now)
        self._take(peer, announced, withdrawn, now)

    def _take(
        self, peer: Peer, announced: Sequence[Path], withdrawn: Sequence[tuple[Prefix, PathKey]], now: float
    ) -> None:
        """Remember what a peer said, as far as it may have so much."""
        if peer.refused:
            for prefix, key in withdrawn:
                if self.rib.path(prefix, key) is None:
                    peer.refused.withdraw(prefix, key)
        held, gone = self.beacons.sift(self.rib, withdrawn)
        merge(self._touched, self.rib.hold(held, now))
        merge(self._touched, self.rib.apply((), gone))
        admitted, beyond = self.rib.admit(peer.address, announced, self.config.limits.routes_per_peer)
        merge(self._touched, self.rib.apply(admitted, ()))
        if peer.refused:
            for path in admitted:
                peer.refused.admit(path)
        for path in beyond:
            peer.refused.refuse(path)
        self._ask_again(peer)

    def _ask_again(self, peer: Peer) -> None:
        peer.ask_again(self.rib.count(peer.address), self.config.limits.routes_per_peer)

    def _ask_all_again(self) -> None:
        """There may be room again for what was refused."""
        for peer in self.peers.values():
            self._ask_again(peer)

    def _in_sync(self, peer: Peer, said_at: float | None) -> None:
        """`said_at`: when it said End-of-RIB. Those that return together may have said it before they knew anything."""
        alone = not any(other.has_settled for other in self.peers.values() if other is not peer)
        if alone and not peer.in_sync and self.retention and said_at is not None:
            peer.settles_at = said_at + SETTLE_S
        peer.in_sync = True
        if alone:
            self._contradict()
        else:
            self._settled()

    def _settled(self) -> None:
        """Time has passed, or one has known all the while: from here on what they do not say is not so."""
        for peer in self.peers.values():
            peer.settles_at = None
        self._contradict()

    def _contradict(self) -> None:
        """A session in sync has said all there is: what only ended sessions said is not so."""
        if any(peer.has_settled for peer in self.peers.values()):
            merge(self._touched, self.rib.sweep(self.peers))
            self.retention.contradicted()
            self._ask_all_again()

    def _age(self, now: float) -> None:
        """What ended sessions said gets older."""
        up = [peer.address for peer in self.peers.values() if peer.up_since is not None]
        for step in self.retention.due(now, up):
            older = self.rib.expire if step.age is Age.EXPIRED else self.rib.make_long_lived
            merge(self._touched, older(step.peer, step.since))

    def _routes_in_sync(self, now: float) -> bool:
        sync = [peer.in_sync for peer in self.peers.values()]
        return all(sync) or (any(sync) and now >= self.started + SWEEP_WAIT_S)

    def _compute(self, ofports: facts.SwitchRead, now: float) -> None:
        if not (self._all_dirty or self._base_dirty or self._touched):
            return
        renderer = Renderer(self.config.router_mac, ofports.tunnel, ofports.circuits)
        if self._all_dirty:
            self.admitted = admit(self.circuits, self.ports, self.config.limits)
            fresh = self.admitted.exports()
            self.draining.note(self.exports, fresh, ofports.circuits, now)
            self.exports = fresh
            self._offers = [self._offer(export) for export in fresh if export.why_not is None]
            changes = self.tables.rebuild(views(self.admitted.circuits, self.admitted.ports), fresh, self.rib, renderer)
        else:
            changes = self.tables.refresh(self._touched, self.rib, renderer)
        base_dirty = self._all_dirty or self._base_dirty
        self._all_dirty, self._base_dirty, self._touched = False, False, {}
        self.switch.want(changes.put, changes.gone)
        if self._routes_in_sync(now):  # before that, what an earlier run knew may concern what comes yet
            self.answers = {e: answer for e, answer in self.answers.items() if e in self.tables.endpoints}
            self.tables.silent = self.silent
        tunnels = (self.sendable, self.tables.endpoints)
        if not base_dirty and tunnels == self._tunnels:
            return
        self._tunnels = tunnels
        base = renderer.base(self._forwarding(ofports), *tunnels)
        self.switch.want(base, self._base - base.keys())
        self._base = set(base)

    def _offer(self, export: Export) -> tuple[Export, FlowKey, RouteKey, Announcement]:
        route = announcement(export, self.speaker, leaving=self.drained_at is not None)
        return export, Renderer.inbound_key(export.inbound), route.nlri.key(), route

    def _forwarding(self, ofports: facts.SwitchRead) -> Forwarding:
        inbound = self.draining.ways()
        for e in self.exports:
            if e.why_not is None and (e.circuit in ofports.circuits or e.inbound not in inbound):
                inbound[e.inbound] = e.circuit
        wanted = self._circuits()
        return Forwarding(
            circuits={n: Circuit(i.fallback, i.subnets) for n, i in self.circuits.items() if n in wanted},
            sources=self.tables.sources,
            inbound=inbound,
        )

    def _circuits(self) -> frozenset[CircuitName]:
        """Circuits to plug: those with a local address in some BGPVPN, and those still draining."""
        return frozenset({e.circuit for e in self.exports}).union(self.draining.ways().values())

    def _unreadable(self) -> frozenset[CircuitName]:
        """Circuits of which an earlier run knew more than this one can read: what stands for them stays."""
        return frozenset(
            name
            for name, error in self.refused.items()
            if isinstance(error, UnknownSchema) and name not in self.circuits
        )

    @property
    def sendable(self) -> frozenset[IpAddress]:
        """Endpoints whose next hop is known, and those an earlier run was sending to already; not the silent ones."""
        there = self.switch.installed or {}
        usable = self.tables.endpoints - self.silent
        return frozenset(e for e in usable if e in self.resolved or Renderer.endpoint_key(e) in there)

    @property
    def silent(self) -> frozenset[IpAddress]:
        """Endpoints that answered once and do not any more."""
        return frozenset(e for e, answer in self.answers.items() if answer is facts.Answer.SILENT)

    @property
    def intent_applied(self) -> bool:
        """Whether every flow that follows from the cloud's intent as it stands is confirmed by the switch. (A bundle is
        taken whole or not at all, so this is one question for all attachments.)"""
        if self.intent is None or self.ofports is None or self.switch.installed is None or self._all_dirty:
            return False
        return not any(key.table not in LEARNT for key in self.switch.missing())

    def forwards(self, export: Export) -> bool:
        """Whether the switch is known to deliver this address."""
        return self.switch.has(Renderer.inbound_key(export.inbound))

    def _announceable(self, now: float) -> tuple[dict[RouteKey, Announcement], set[RouteKey]]:
        """Routes whose inbound flow is confirmed, and those of which a peer that was told them keeps what it knows:
        their flow is being written, or their row cannot be read."""
        if self.drained:
            self._waiting = {}
            return {}, set()
        routes = {key: route for _, flow, key, route in self._offers if self.switch.has(flow)}
        self._waiting = {key: self._waiting.get(key, now) for _, _, key, _ in self._offers if key not in routes}
        kept = {key for key, since in self._waiting.items() if now < since + PATIENCE_S}
        # Once this run has offered a route itself, it is this run that says when it goes.
        self._inherited -= {key for _, _, key, _ in self._offers}
        if self._unreadable():
            kept |= self._inherited
        return routes, kept
