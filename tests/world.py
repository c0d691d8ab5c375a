"""A world of plain values around one node: a switch that is a map, reflectors that are sessions of our own core.

Nothing here decides: effects are carried out as a shell would, in order, and what they did is told back as facts.
`log` keeps the order in which effects were carried out, because order is part of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from isthmus.bgp import events as bgp
from isthmus.bgp.family import EVPN, Family
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.session import Session, SessionConfig
from isthmus.bgp.update import Update
from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import AttachmentIntent, BadIntent
from isthmus.model.net import IpAddress, Prefix
from isthmus.model.port import Gateway, LocalPort
from isthmus.node import effects, facts
from isthmus.node.config import LONG_LIVED_S, Limits, Liveness, NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.handed_on import decode, encode
from isthmus.node.memory import Memory
from isthmus.rib.path import Path
from isthmus.vpn.beacons import whose
from isthmus.vpn.trust import EVERYTHING, Trust
from tests.build import ip

ASN = 64512
REFLECTOR = ip("172.30.1.250")
SECOND = ip("172.30.1.251")
TUNNEL_PORT = 1


class Reflector:
    """The far end of a session, and what it was told."""

    def __init__(self, address: IpAddress, families: tuple[Family, ...] = (EVPN,), asn: int = ASN) -> None:
        self.session = Session(SessionConfig(asn, ASN, address, families, hold_time_s=30))
        self.families = families
        self.routes: dict[Prefix, EvpnPrefix] = {}
        self.history: list[Update] = []
        self.beacons: list[int] = []
        """After how much of its history it was shown the node's beacon, each time."""
        self.end_of_rib = False
        self.answers: Iterable[Path] = ()
        """What it says when it is asked for everything again."""

    def take(self, update: Update) -> None:
        if update.attributes is not None and any(whose(route, update.attributes) for route in update.announced):
            self.beacons.append(len(self.history))
            return
        self.history.append(update)
        self.end_of_rib = self.end_of_rib or update.end_of_rib is not None
        for route in update.withdrawn:
            self.routes.pop(route.prefix, None)
        for route in update.announced:
            self.routes[route.prefix] = route


class World:
    """One node and everything it can see."""

    def __init__(
        self,
        *,
        peers: Iterable[IpAddress] = (REFLECTOR,),
        generation: int = 1,
        now: float = 1000.0,
        limits: Limits | None = None,
        memory: Memory | None = None,
        long_lived_s: int = LONG_LIVED_S,
        host: int = 1,
        liveness: Liveness = Liveness.ON,
        trust: Trust = EVERYTHING,
        trusts: Mapping[IpAddress, Trust] | None = None,
        clouds: Mapping[int, Trust] | None = None,
        view_key: bytes = b"",
        families: tuple[Family, ...] = (EVPN,),
        asns: Mapping[IpAddress, int] | None = None,
        multipath: int = 1,
    ) -> None:
        """`families`: of the node and of its peers."""
        self.now, self.host, self.asns = now, host, asns or {}
        self.trust, self.trusts, self.clouds = trust, trusts or {}, clouds or {}
        vtep = ip(f"172.30.1.{host}")
        configs = tuple(
            PeerConfig(
                *(address, self.asns.get(address, ASN), 30, 0.0, long_lived_s),
                trust=self.trusts.get(address, trust),
                families=families,
            )
            for address in peers
        )
        how = liveness, self.clouds, view_key
        config = NodeConfig(vtep, vtep, ASN, configs, generation, limits or Limits(), *how, multipath=multipath)
        self.node = Node(config, now, memory)
        self.families = families
        self.reflectors = {address: self._far_end(address) for address in peers}
        self.reachable = set(self.reflectors)
        self.flows: dict[FlowKey, Installed] = {}
        self.circuits: dict[CircuitName, int] = {}
        self.gre: int | None = None
        """The port for labels."""
        self.resolved: frozenset[IpAddress] = frozenset()
        self.probed: dict[IpAddress, facts.Answer] = {}
        self.log: list[effects.Effect] = []
        self.frozen = False
        """Whether circuits stay as they are plugged, whatever is asked."""
        self.obedient = True
        """Whether the switch takes bundles."""
        self.readable = True
        """Whether it answers at all."""
        self.next_port = 10

    def _far_end(self, address: IpAddress) -> Reflector:
        return Reflector(address, self.families, self.asns.get(address, ASN))

    # From run to run

    def handed_over(
        self,
        seconds: float = 1.0,
        change: Callable[[Memory], Memory] | None = None,
        view_key: bytes | None = None,
    ) -> World:
        """The agent is exchanged: the fresh one goes on with the sessions of the last. What reflectors say meanwhile
        waits for it. `change` is what happens to the memory on its way."""
        self.settle()
        left = decode(encode(self.node.suspend(self.now, self.reflectors)))
        return self._after(seconds, change(left) if change else left, self.reflectors, view_key)

    def crashed(self, seconds: float = 1.0, change: Callable[[Memory], Memory] | None = None) -> World:
        """The agent dies; its connections end, and the fresh one knows what it remembered."""
        left = decode(encode(self.node.remember(self.now)))
        for reflector in self.reflectors.values():
            reflector.session.handle(bgp.Closed("connection reset by peer"), self.now)
        fresh = {a: Reflector(a, one.families, self.asns.get(a, ASN)) for a, one in self.reflectors.items()}
        return self._after(seconds, change(left) if change else left, fresh)

    def _after(
        self, seconds: float, left: Memory, reflectors: dict[IpAddress, Reflector], view_key: bytes | None = None
    ) -> World:
        config = self.node.config
        fresh = World(
            peers=reflectors,
            generation=config.generation + 1,
            now=self.now + seconds,
            limits=config.limits,
            memory=left,
            host=self.host,
            trust=self.trust,
            trusts=self.trusts,
            clouds=self.clouds,
            view_key=config.view_key if view_key is None else view_key,
            families=self.families,
            asns=self.asns,
            multipath=config.multipath,
        )
        fresh.gre = self.gre
        for address, peer in fresh.node.peers.items():
            if peer.resumed:
                fresh.reflectors[address] = reflectors[address]
        fresh.flows, fresh.circuits, fresh.next_port = dict(self.flows), dict(self.circuits), self.next_port
        return fresh

    # What happens in the world

    def intent(
        self,
        circuits: dict[CircuitName, AttachmentIntent | BadIntent],
        ports: Iterable[LocalPort] = (),
        gateways: Iterable[Gateway] = (),
    ) -> None:
        self.tell(facts.IntentRead(circuits, tuple(ports), gateways=tuple(gateways)))

    def tell(self, *told: facts.Fact) -> None:
        for fact in told:
            self.node.handle(fact, self.now)
        self.settle()

    def switch_on(self) -> None:
        self.tell(facts.SwitchRead(dict(self.circuits), TUNNEL_PORT, self.gre), facts.FlowsRead(dict(self.flows)))

    def says(self, *paths: Path, withdraw: Iterable[EvpnPrefix] = (), by: IpAddress = REFLECTOR) -> None:
        """The reflector passes these routes on."""
        self.reflectors[by].session.send_routes([(p.attributes, p.nlri) for p in paths], withdraw)
        self.settle()

    def without_graceful_restart(self, by: IpAddress = REFLECTOR) -> None:
        """As if the reflector's OPEN had not offered it."""
        session = self.node.peers[by].session
        assert session.agreed is not None
        session.agreed = replace(session.agreed, peer_sends_end_of_rib=False)

    def end_of_rib(self, by: IpAddress = REFLECTOR) -> None:
        self.reflectors[by].session.send_end_of_rib(EVPN)
        self.settle()

    def cut(self, address: IpAddress = REFLECTOR) -> None:
        """The reflector dies and its address does not answer."""
        self.reachable.discard(address)
        self.tell(facts.Closed(address, "connection reset by peer"))

    def restore(self, address: IpAddress = REFLECTOR) -> None:
        self.reachable.add(address)
        self.reflectors[address] = self._far_end(address)
        for _ in range(300):
            if self.node.peers[address].up_since is not None:
                return
            self.wait(1.0)
        raise AssertionError("the node never tried again")

    def wait(self, seconds: float) -> None:
        """Time passes, timer by timer."""
        until = self.now + seconds
        while True:
            ends = [r.session for r in self.reflectors.values()]
            due = [d for d in (self.node.next_deadline(), *(s.next_deadline() for s in ends)) if d is not None]
            step = min([until, *(max(d, self.now) for d in due)])
            assert step > self.now or step == until, f"a timer at {step} asks again and again"
            self.now = step
            for session in ends:
                session.tick(self.now)
            self.node.tick(self.now)
            self.settle()
            if self.now >= until:
                return

    def probe(self, endpoint: IpAddress, answer: facts.Answer) -> None:
        """The endpoint answers, or does not any more."""
        assert endpoint in self.probed, f"{endpoint} is not asked"
        self.probed[endpoint] = answer
        self.tell(facts.AnswersRead(dict(self.probed)))

    # Carrying out

    def settle(self) -> None:
        """Until nobody has anything left to do."""
        for _ in range(1000):
            done = self.node.effects(self.now)
            self.log += done
            for effect in done:
                self._carry_out(effect)
            if not done and not self._far_ends():
                return
        raise AssertionError("the node never comes to rest")

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Dial(peer):
                self._dial(peer)
            case effects.Send(peer, data):
                if peer in self.reachable:
                    self.reflectors[peer].session.handle(bgp.Received(data), self.now)
            case effects.Hangup(peer):
                self.reflectors[peer].session.handle(bgp.Closed("hung up"), self.now)
            case effects.ReadFlows() if not self.readable:
                pass
            case effects.ReadFlows():
                self.node.handle(facts.FlowsRead(dict(self.flows)), self.now)
            case effects.ApplyFlows():
                self._apply(effect)
            case effects.SetCircuits(names):
                self._plug(names)
            case effects.SetProbes(endpoints, tunnel):
                assert tunnel == TUNNEL_PORT or not endpoints
                self.probed = dict(endpoints)
            case effects.SetNeighbours(vteps):
                self.resolved = vteps
                self.node.handle(facts.NeighboursRead(vteps), self.now)

    def _dial(self, peer: IpAddress) -> None:
        if peer not in self.reachable:
            self.node.handle(facts.ConnectFailed(peer, "connection refused"), self.now)
            return
        far = self.reflectors[peer].session
        far.handle(bgp.Start(), self.now)
        far.handle(bgp.Connected(), self.now)
        self.node.handle(facts.Connected(peer), self.now)

    def _apply(self, bundle: effects.ApplyFlows) -> None:
        if not self.obedient:
            self.node.handle(facts.FlowsRefused(bundle.serial, "the switch says no"), self.now)
            return
        for key in bundle.delete:
            self.flows.pop(key, None)
        self.flows |= {key: Installed(bundle.cookie, actions) for key, actions in bundle.put.items()}
        self.node.handle(facts.FlowsApplied(bundle.serial), self.now)

    def _plug(self, names: frozenset[CircuitName]) -> None:
        if self.frozen:
            return
        self.circuits = {name: port for name, port in self.circuits.items() if name in names}
        for name in sorted(names - self.circuits.keys()):
            self.circuits[name] = self.next_port
            self.next_port += 1
        self.node.handle(facts.SwitchRead(dict(self.circuits), TUNNEL_PORT, self.gre), self.now)

    def _far_ends(self) -> bool:
        """Let the reflectors answer; whether anything happened."""
        busy = False
        for address, far in self.reflectors.items():
            for output in far.session.outputs():
                busy = True
                if isinstance(output, bgp.Send) and address in self.reachable:
                    self.node.handle(facts.Received(address, output.data), self.now)
                elif isinstance(output, bgp.Routes):
                    far.take(output.update)
                elif isinstance(output, bgp.RefreshRequested):
                    far.session.send_routes([(p.attributes, p.nlri) for p in far.answers])
                elif isinstance(output, bgp.Hangup) and address in self.reachable:
                    self.node.handle(facts.Closed(address, "closed by the peer"), self.now)
        return busy
