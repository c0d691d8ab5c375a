"""The node: facts and the time in, effects out.

    IntentRead ─► Asked ──────────────────┐
    Received ─► session ─► Convergence ───┼─► Picture ─► Switch ─► ReadFlows / ApplyFlows
    SwitchRead, NeighboursRead, … ────────┘                │ confirmed
                                                           └─► Announcing ─► peers ─► Send

Composes the owners of state and hands facts to them; each is a file beside this one. Rules: `handle` only takes note,
`effects` computes; calling `effects` twice gives nothing the second time. order.py has the order.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from isthmus.bgp import events as bgp
from isthmus.flows.render import Renderer
from isthmus.model.net import IpAddress
from isthmus.node import facts, handover
from isthmus.node.admission import NOBODY
from isthmus.node.announcing import Announcing, DrainState
from isthmus.node.asked import Asked
from isthmus.node.beacons import is_shown
from isthmus.node.claims import Claims
from isthmus.node.config import Liveness, NodeConfig
from isthmus.node.convergence import Convergence
from isthmus.node.dirty import Occasion
from isthmus.node.effects import Dial, Effect, Hangup, Send, SetCircuits, SetNeighbours, SetProbes
from isthmus.node.gateways import Gateways
from isthmus.node.issued import Issued
from isthmus.node.memory import Memory
from isthmus.node.order import LOOK_BACK_WAIT_S, LOOK_WAIT_S, SWEEP_WAIT_S
from isthmus.node.peers import Peer
from isthmus.node.picture import Picture
from isthmus.node.probes import Probes
from isthmus.node.reach import Reach
from isthmus.node.switch import LEARNT, Switch
from isthmus.node.tables import Tables
from isthmus.node.whole_states import WholeStates
from isthmus.rib.adj_in import AdjRibIn
from isthmus.rib.budget import Budget
from isthmus.vpn.exports import Export
from isthmus.vpn.families import FAMILIES
from isthmus.vpn.offers import delivered_by
from isthmus.vpn.trust import Judge


class Node:
    """One hypervisor's PE; see the head of the file."""

    def __init__(self, config: NodeConfig, now: float, memory: Memory | None = None) -> None:
        """`memory`: what the last run left; of its sessions those whose connections are there."""
        self.config, self.speaker, self.started = config, config.speaker, now
        self.peers: dict[IpAddress, Peer] = {}
        long_lived = {p.address: p.long_lived_s for p in config.peers}
        budget = Budget(*config.limits.of_peer_and_target)
        judge = Judge(config.trust, config.clouds, config.outside)
        self.convergence = Convergence(self.peers, long_lived, budget, judge, config.foreign)
        self.peers |= handover.begin(config, self.convergence, memory, now)
        self.convergence.count_beacons()
        self.switch = Switch(config.generation)
        self.asked = Asked(memory.circuits if memory else None)
        self.issued = Issued(memory.numbers if memory else None)
        self.claims = Claims(memory.claims, at=memory.at, now=now) if memory else Claims()
        self.reach = Reach(memory.answers if memory else {}, config.liveness)
        served = memory.served if memory else NOBODY
        self.picture = Picture(config, self.asked, self.issued, self.claims, self.convergence, served)
        self.ofports: facts.SwitchRead | None = None
        self._told_before = handover.told_before(self.peers)
        self.announcing = Announcing(self._told_before)
        self._gateways = Gateways()
        self._ticked = now
        self._has_looked = False
        """Whether the switch was read, before this run wrote anything."""
        self._whole = WholeStates()
        self._probed = Probes()

    # From run to run

    def remember(self, now: float) -> Memory:
        """For a run that begins anew: what every peer may still have of ours, what was decided here once, and who
        answers probes."""
        c = self.config
        memory = Memory(
            now,
            c.vtep,
            c.router_id,
            c.asn,
            answers=self.reach.worth_remembering,
            numbers=dict(self.issued.numbers),
            claims=self.claims.all(now),
            served=self.picture.admitted.served,
            circuits=self.asked.worth_remembering,
        )
        return handover.remember(memory, self.peers, self.announcing.routes)

    def suspend(self, now: float, peers: Collection[IpAddress]) -> Memory:
        """The end of this run, for one that goes on with the sessions of these peers. Nothing may be left to say, and
        nothing is said afterwards."""
        return handover.suspend(self.remember(now), self.convergence, self.peers, peers)

    def sign_of_life(self, now: float) -> None:
        """A last one before this run is suspended: every peer waits its whole hold time for the next run."""
        for peer in self.peers.values():
            peer.session.keep_alive(now)

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
                self.asked.state = why
            case facts.SwitchRead():
                if fact != self.ofports:
                    self.picture.plugged(self.ofports, fact)
                self.ofports = fact
            case facts.FlowsRead(flows):
                before = self.sendable
                self.switch.read(flows)
                if not self._has_looked and self.switch.installed is not None:
                    self._has_looked = True
                    self.picture.inherit(flows)
                # What an earlier run was sending to is known only now: it counts although nobody has answered yet.
                if self.sendable != before:
                    self.picture.dirty.note_base(Occasion.ADOPTED)
                self.switch.want(self.picture.departed.adopt(flows, now))
            case facts.FlowsApplied(serial):
                self.switch.applied(serial)
            case facts.FlowsRefused(serial, why):
                self.switch.refuse(serial, why, now)
            case facts.SwitchLost(why):
                self.switch.lost(why)
            case facts.DrainWanted(wanted):
                self.announcing.want_drain(wanted, any(map(self._has_told, self.peers.values())), now)
            case facts.NeighboursRead(resolved, in_vain):
                if self.reach.neighbours(resolved, in_vain):
                    self.picture.dirty.note_base(Occasion.NEIGHBOURS)
            case facts.AnswersRead(answers):
                # Another maker's PE is not asked, and may be a better way like one that never answered.
                known = self._whole.probed | self.tables.leads.by_labels_alone
                self._use_others(self.reach.answered(answers, known, now))
            case facts.AnswersForgotten(endpoints):
                self._use_others(self.reach.forget_answers(endpoints, now))
                self._whole.ask_anew()
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
        if fact == self.asked.fact:
            self.asked.state = "in sync"
            return
        self.picture.dirty.note(self.asked.read(fact), Occasion.INTENT)
        self._gateways.read(fact.gateways, self.asked.networks, now)

    def _use_others(self, changed: frozenset[IpAddress]) -> None:
        """These tunnel endpoints are out of use, or back in."""
        if changed:
            self.picture.dirty.note_base(Occasion.ANSWERS)
            self.convergence.touch(self.tables.concerned(changed))

    def _has_told(self, peer: Peer) -> bool:
        """Whether this run has told the peer anything, in this session or one that has ended a moment ago."""
        said_before = any(one.before for one in peer.conversations.values())
        return peer.announced > 0 or (self.asked.fact is not None and said_before)

    def _preserved(self, peer: Peer) -> bool:
        """Whether the switch itself says that it holds still what this peer was told in earlier sessions; of that, as
        soon as it is known, only what this node offers still: the rest is withdrawn by name before End-of-RIB, and
        one machine that has gone should not cost the routes of all others."""
        there = self.switch.installed
        if there is None:
            return False
        before = [a for one in peer.conversations.values() for a in one.before.values()]
        proofs = {FAMILIES[a.nlri.family].proof(a) for a in before}
        if self.picture.version:  # the cloud's intent has been computed
            proofs &= self.picture.local.delivered.keys()
        keys = {Renderer.inbound_key(proof) for proof in proofs}
        return bool(keys) and all(key in there and there[key].ours for key in keys)

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
        self.convergence.tick(now)
        self.convergence.count_beacons()
        if self.picture.lingering.is_due(now) or self.picture.departed.is_due(now):
            self.picture.dirty.note_base(Occasion.DRAINED)
        self.announcing.tick(now)
        self._use_others(self.reach.tick(now))

    def next_deadline(self) -> float | None:
        """When `tick` and `effects` should be called next if nothing else happens (seconds, the clock of `now`)."""
        deadlines = [d for peer in self.peers.values() for d in peer.deadlines()]
        deadlines += self.picture.lingering.deadlines()
        deadlines += self.picture.departed.deadlines()
        deadlines += self.convergence.deadlines()
        deadlines += self.claims.deadlines()
        deadlines += self._gateways.deadlines()
        deadlines += self.reach.deadlines()
        deadlines += self.announcing.deadlines()
        if (retry := self.switch.next_deadline()) is not None:
            deadlines.append(retry)
        if not self.switch.swept:
            deadlines.append(self.started + SWEEP_WAIT_S)
        if not all(peer.begun for peer in self.peers.values()):
            deadlines.append(self.started + LOOK_WAIT_S)
        if self._told_before:
            deadlines.append(self.started + LOOK_BACK_WAIT_S)
        # What was due at the last tick has had its chance: it waits for something else to happen, not for time.
        return min((d for d in deadlines if d > self._ticked), default=None)

    # Effects

    def effects(self, now: float) -> list[Effect]:
        """Compute what is dirty and say what is to be done, in the order of order.py."""
        out: list[Effect] = []
        for peer in self.peers.values():
            if not peer.begun and (self.switch.installed is not None or now >= self.started + LOOK_WAIT_S):
                peer.begin(now)
            out += self._take_outputs(peer, now)
        self.convergence.count_beacons()
        if self.asked.fact is None or self.ofports is None:
            # Nothing is known of what should be, so nothing is known to be wrong: only look, and say what stands.
            return out + self._tell_before_intent(now) + self.switch.look(now)
        self._told_before = {}
        computed = self.picture.compute(self.reach, self.switch, now)
        if computed and self.routes_in_sync(now):  # before that, what an earlier run knew may concern what comes yet
            self.reach.forget(self.tables.endpoints, now)
        out += self._whole_states(self.ofports)
        out += self.switch.effects(now, routes_in_sync=self.routes_in_sync(now), unreadable=self.asked.unreadable)
        out += self._probes(self.ofports)
        out += self._gateways.effects(self.asked.ports.values(), now)
        for peer in self.peers.values():
            # What it may not say it is not asked for: which targets are used here is not everybody's to know.
            peer.memberships.tell(peer.session, peer.config.trust.accepted(self.tables.targets), now)
        return out + self._tell(now)

    def _whole_states(self, ofports: facts.SwitchRead) -> list[Effect]:
        plugged = self.picture.circuits | (self.asked.unreadable & ofports.circuits.keys())
        # Endpoints of losers too: when the winner falls silent the next one is ready.
        return [
            *self._whole.changed(SetCircuits(plugged)),
            *self._whole.changed(SetNeighbours(self.tables.endpoints)),
        ]

    def _probes(self, ofports: facts.SwitchRead) -> list[Effect]:
        """Behind a label only hypervisors are asked: what another maker's PE does with a label it never gave is
        nobody's to try."""
        versions = self.switch.version, self.tables.leads.version, self.convergence.beacons.version
        if not self._whole.looks_otherwise(*versions, ofports.tunnel, ofports.gre):
            return []
        labelled = self.tables.leads.by_labels_alone
        strange = frozenset(e for e in labelled if ofports.gre is None or not self._is_hypervisor(e))
        if self.config.liveness is not Liveness.OFF:
            self._probed.look(self.tables.endpoints - strange, self.switch)
        asked = self._probed.asked
        wish = SetProbes({}, ofports.tunnel, self.tables.leads.shares, ofports.gre, labelled & asked)
        return self._whole.probes(wish, asked, self.reach.answers, under_way=self._probed.under_way)

    def _is_hypervisor(self, endpoint: IpAddress) -> bool:
        """One whose beacon is shown, or which knew our probes."""
        knew = self.reach.answers.get(endpoint, facts.Answer.UNKNOWN) is not facts.Answer.UNKNOWN
        return knew or is_shown(self.rib, endpoint)

    def _tell(self, now: float) -> list[Effect]:
        self.announcing.look(self.picture.local, self.switch, now)
        return self._tell_peers(now)

    def _tell_peers(self, now: float) -> list[Effect]:
        out: list[Effect] = []
        announcing = self.announcing
        kept = announcing.kept(now, bool(self.asked.unreadable))
        for peer in self.peers.values():
            peer.tell(announcing.routes, kept, announcing.version, complete=announcing.complete, now=now)
            out += self._take_outputs(peer, now)
        return out

    def _tell_before_intent(self, now: float) -> list[Effect]:
        """What was told before and stands in the switch is told again until the intent says otherwise. Being taken out
        of use does not wait for it either: it concerns only what was told."""
        late = self._told_before and now >= self.started + LOOK_BACK_WAIT_S
        if late and self.announcing.use is DrainState.IN_USE and self.switch.installed is not None:
            self.announcing.look_back(self._told_before.values(), self.switch, now)
            return self._tell_peers(now)
        out: list[Effect] = []
        for peer in self.peers.values():
            if self.announcing.use is not DrainState.IN_USE:
                peer.leave(drained=self.announcing.use is DrainState.DRAINED, now=now)
            out += self._take_outputs(peer, now)
        return out

    def _take_outputs(self, peer: Peer, now: float) -> list[Effect]:
        out: list[Effect] = []
        for output in peer.session.outputs():
            match output:
                case bgp.Routes(update):  # nearly all there are
                    self.convergence.routes(peer, update, self.reach.answers, now)
                case bgp.Dial():
                    out.append(Dial(peer.address))
                case bgp.Hangup():
                    out.append(Hangup(peer.address))
                case bgp.Send(data):
                    out.append(Send(peer.address, data))
                case bgp.Up():
                    peer.came_up(now)
                    self.convergence.began(peer)
                case bgp.Down(reason, text, was_up):
                    peer.went_down(f"{reason.value}: {text}" if text else reason.value, now)
                    if was_up:  # an attempt that failed ends nothing that anybody has said
                        self.convergence.ended(peer, now)
                case bgp.RefreshRequested(family):
                    peer.asked_again(family)
                case _:
                    assert_never(output)
        return out

    # What others ask

    @property
    def tables(self) -> Tables:
        return self.picture.tables

    @property
    def rib(self) -> AdjRibIn:
        return self.convergence.rib

    def routes_in_sync(self, now: float) -> bool:
        """Whether what an earlier run learnt may be swept."""
        return self.convergence.in_sync(self.started, now)

    @property
    def sendable(self) -> frozenset[IpAddress]:
        """Tunnel endpoints that can be sent to."""
        return self.picture.sendable(self.reach, self.switch)

    @property
    def intent_applied(self) -> bool:
        """Whether every flow that follows from the cloud's intent as it stands is confirmed by the switch. (A bundle is
        taken whole or not at all, so this is one question for all attachments.)"""
        if self.asked.fact is None or self.ofports is None or self.switch.installed is None or self.picture.dirty:
            return False
        return not any(key.table not in LEARNT for key in self.switch.missing())

    def forwards(self, export: Export) -> bool:
        """Whether the switch is known to deliver this address, by whatever comes for it."""
        return any(self.switch.has(Renderer.inbound_key(key)) for key in delivered_by(export, self.speaker))
