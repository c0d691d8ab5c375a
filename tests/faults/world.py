"""Two clouds of two hypervisors each, with the real core, joined by reflectors that are sessions of our own code.

Everything a fault may break is a plain attribute: rows, ports of the switch, flows, links, what a reflector passes on.
After a change `settle` lets everybody come to rest, and `ask` is the operator's question: statuses go through the
agent's JSON and the command's reading, as they do on a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from isthmus.bgp import events as bgp
from isthmus.bgp.attribute import AsSegment, PathAttributes
from isthmus.bgp.family import EVPN
from isthmus.bgp.iana import AsSegmentType
from isthmus.bgp.message import Open, encode_open
from isthmus.bgp.nlri import NlriKey
from isthmus.bgp.nlri.evpn import EvpnPrefix
from isthmus.bgp.session import Session, SessionConfig
from isthmus.cli.known import Known, Told
from isthmus.cli.reading import read
from isthmus.cli.verdict import Verdict
from isthmus.cli.why import why
from isthmus.fib.entries import CircuitName
from isthmus.flows.types import FlowKey, Installed
from isthmus.model.intent import AttachmentIntent, BadIntent, from_external_ids, to_external_ids
from isthmus.model.net import IpAddress
from isthmus.model.port import LocalPort
from isthmus.node import effects, facts
from isthmus.node.config import Limits, NodeConfig, PeerConfig
from isthmus.node.core import Node
from isthmus.node.report import status
from isthmus.shell.bindings import Nonsense, Row, read_port
from isthmus.shell.face import AgentStatus, to_json
from isthmus.vpn.trust import Trust
from tests.build import ip

TUNNEL_PORT = 1
HOLD_S = 30

Route = tuple[EvpnPrefix, PathAttributes]
Rule = Callable[[Route], Route | None]
"""What a reflector does to a route that it passes on; None: it keeps it."""


class Cloud:
    """What Neutron and OVN say: one row an attachment, one row a port."""

    def __init__(self, name: str, asn: int) -> None:
        self.name, self.asn = name, asn
        self.attachments: dict[CircuitName, AttachmentIntent] = {}
        self.spoiled: dict[CircuitName, dict[str, str]] = {}
        """Keys of a row overwritten by hand."""
        self.ports: dict[str, Row] = {}
        """By the port's id; `chassis` is the hypervisor's name."""

    def circuits(self) -> dict[CircuitName, AttachmentIntent | BadIntent]:
        found: dict[CircuitName, AttachmentIntent | BadIntent] = {}
        for name, intent in self.attachments.items():
            try:
                found[name] = from_external_ids(to_external_ids(intent) | self.spoiled.get(name, {}))
            except BadIntent as bad:
                found[name] = bad
        return found

    def intent(self, host: str) -> facts.IntentRead:
        good, skipped = [], {}
        for row in self.ports.values():
            if row.chassis != host:
                continue
            read_ = read_port(row)
            if isinstance(read_, LocalPort):
                good.append(read_)
            elif isinstance(read_, Nonsense):
                skipped[row.logical_port] = read_.why
        return facts.IntentRead(self.circuits(), tuple(good), skipped)


class Reflector:
    """Reflects what its clients say to the others, and what the neighbour says to all (RFC 4456, eBGP between)."""

    def __init__(self, address: IpAddress, asn: int) -> None:
        self.address, self.asn = address, asn
        self.alive = True
        self.speaks_evpn = True
        self.says_end_of_rib = True
        self.rules: list[Rule] = []
        """Towards its own clients."""
        self.sessions: dict[IpAddress, Session] = {}
        self.routes: dict[IpAddress, dict[NlriKey, Route]] = {}
        """What each client said."""
        self.told: dict[IpAddress, dict[NlriKey, Route]] = {}
        self.asn_seen = asn
        """The AS it says it is in."""

    def accept(self, client: Host) -> None:
        """A connection from a client."""
        config = SessionConfig(self.asn_seen, client.cloud.asn, self.address, (EVPN,), hold_time_s=HOLD_S)
        self.sessions[client.address] = Session(config)
        self.routes[client.address], self.told[client.address] = {}, {}

    def lose(self, client: IpAddress) -> None:
        for table in (self.sessions, self.routes, self.told):
            table.pop(client, None)

    def from_clients(self, but: IpAddress | None = None) -> dict[NlriKey, Route]:
        found: dict[NlriKey, Route] = {}
        for client, routes in self.routes.items():
            if client != but:
                agreed = self.sessions[client].agreed
                if agreed is None:
                    continue
                origin = agreed.peer_router_id
                found |= {key: (nlri, replace(a, originator_id=origin)) for key, (nlri, a) in routes.items()}
        return found


def across(route: Route, asn: int) -> Route:
    """Out of an AS: its number in the path, nothing that is only for inside; the next hop stays the hypervisor."""
    nlri, a = route
    segment = AsSegment(AsSegmentType.AS_SEQUENCE, (asn, *(n for s in a.as_path for n in s.numbers)))
    return nlri, replace(a, as_path=(segment,), local_pref=100, originator_id=None)


class Host:
    """A hypervisor: the node, its switch and its wires."""

    def __init__(self, name: str, cloud: Cloud, at: IpAddress, reflectors: Iterable[IpAddress], now: float) -> None:
        self.name, self.cloud, self.address = name, cloud, at
        self.reflectors = tuple(reflectors)
        self.limits = Limits()
        self.others: Mapping[int, Trust] = {}
        """How far its operator trusts other clouds."""
        self.asn = cloud.asn
        self.router_id = at
        self.alive = True
        self.southbound = ""
        """Why the southbound database is away; empty when it is there."""
        self.obedient = True
        """Whether the switch takes bundles."""
        self.switch_on = True
        self.tunnel: int | None = TUNNEL_PORT
        self.resolves = True
        """Whether next hops of tunnels are found."""
        self.unpluggable: set[CircuitName] = set()
        self.flows: dict[FlowKey, Installed] = {}
        self.circuits: dict[CircuitName, int] = {}
        self.generation = 0
        self.begin(now)

    def begin(self, now: float) -> None:
        """A fresh process; flows and ports are what the last one left."""
        self.generation += 1
        peers = tuple(PeerConfig(address, self.asn, HOLD_S, 0.0) for address in self.reflectors)
        config = NodeConfig(
            self.address, self.router_id, self.asn, peers, self.generation, self.limits, clouds=self.others
        )
        self.node = Node(config, now)
        self.alive = True

    def observe(self, now: float) -> None:
        """What the shell tells whenever it looks: rows, ports, flows."""
        if not self.alive:
            return
        lost = facts.IntentLost(self.southbound)
        self.node.handle(lost if self.southbound else self.cloud.intent(self.name), now)
        self.node.handle(facts.SwitchRead(dict(self.circuits), self.tunnel), now)
        if not self.switch_on:
            self.node.handle(facts.SwitchLost("no OpenFlow at br-vpn.mgmt: No such file or directory"), now)
        self.look(now)

    def look(self, now: float) -> None:
        """Read the flows; a switch that is away does not answer."""
        if self.switch_on:
            self.node.handle(facts.FlowsRead(dict(self.flows)), now)

    def answer(self, now: float) -> bytes:
        """As the agent writes it, after a fresh look at the flows' counters."""
        self.look(now)
        return to_json(status(self.node, now), AgentStatus("0", self.name, now, []))


@dataclass
class World:
    """Everything, and the one clock."""

    clouds: dict[str, Cloud]
    hosts: dict[str, Host]
    reflectors: dict[IpAddress, Reflector]
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.joined = True
        """Whether the clouds' reflectors talk to each other."""
        self.unwired: set[tuple[IpAddress, IpAddress]] = set()
        """(hypervisor, reflector): no way between them."""

    # What an operator does

    def ask(self, source: str, destination: str, *only: str) -> Verdict:
        return why(self.known(*only), source, destination)

    def known(self, *only: str) -> Known:
        """What the agents say: all of them, or only those."""
        told, silent = [], {}
        for name, host in self.hosts.items():
            if only and name not in only:
                continue
            if not host.alive:
                silent[name] = "nobody listens at its socket"
                continue
            said, agent = read(host.answer(self.now))
            told.append(Told(agent.host, said, elsewhere=True))
        return Known(told, silent)

    # Time

    def wait(self, seconds: float) -> None:
        """Time passes, timer by timer."""
        until = self.now + seconds
        while self.now < until:
            deadlines = [h.node.next_deadline() for h in self.hosts.values() if h.alive]
            deadlines += [s.next_deadline() for r in self.reflectors.values() for s in r.sessions.values()]
            self.now = min([until, *(max(d, self.now) for d in deadlines if d is not None)])
            for host in self.hosts.values():
                if host.alive:
                    host.node.tick(self.now)
            for reflector in self.reflectors.values():
                for session in reflector.sessions.values():
                    session.tick(self.now)
            self.settle()

    def news(self) -> None:
        """Rows and ports changed: everybody hears of it."""
        for host in self.hosts.values():
            host.observe(self.now)
        self.settle()

    def settle(self) -> None:
        """Until nobody has anything left to do."""
        for _ in range(1000):
            busy = [self._act(host) for host in self.hosts.values() if host.alive]
            busy += [self._reflect(reflector) for reflector in self.reflectors.values() if reflector.alive]
            if not any(busy):
                return
        raise AssertionError("the world never comes to rest")

    # Hypervisors

    def _act(self, host: Host) -> bool:
        done = host.node.effects(self.now)
        for effect in done:
            self._carry_out(host, effect)
        return bool(done)

    def _carry_out(self, host: Host, effect: effects.Effect) -> None:
        match effect:
            case effects.Dial(peer):
                self._dial(host, peer)
            case effects.Send(peer, data):
                session = self.reflectors[peer].sessions.get(host.address)
                if session is not None and self._wired(host, peer):
                    session.handle(bgp.Received(data), self.now)
            case effects.Hangup(peer):
                self.reflectors[peer].lose(host.address)
            case effects.ReadFlows():
                host.look(self.now)
            case effects.ApplyFlows():
                self._apply(host, effect)
            case effects.SetCircuits(names):
                names = names - host.unpluggable
                free = iter(n for n in range(10, 1000) if n not in host.circuits.values())
                host.circuits = {n: host.circuits.get(n) or next(free) for n in sorted(names)}
                host.node.handle(facts.SwitchRead(dict(host.circuits), host.tunnel), self.now)
            case effects.SetNeighbours(vteps):
                host.node.handle(facts.NeighboursRead(vteps if host.resolves else frozenset()), self.now)

    def _wired(self, host: Host, peer: IpAddress) -> bool:
        return self.reflectors[peer].alive and (host.address, peer) not in self.unwired

    def _dial(self, host: Host, peer: IpAddress) -> None:
        if not self._wired(host, peer):
            host.node.handle(facts.ConnectFailed(peer, "Connection refused"), self.now)
            return
        reflector = self.reflectors[peer]
        if not reflector.speaks_evpn:
            host.node.handle(facts.Connected(peer), self.now)
            host.node.handle(facts.Received(peer, encode_open(Open(reflector.asn, HOLD_S, peer, ()))), self.now)
            return
        reflector.accept(host)
        session = reflector.sessions[host.address]
        session.handle(bgp.Start(), self.now)
        session.handle(bgp.Connected(), self.now)
        host.node.handle(facts.Connected(peer), self.now)

    def _apply(self, host: Host, bundle: effects.ApplyFlows) -> None:
        if not host.switch_on:
            return
        if not host.obedient:
            host.node.handle(facts.FlowsRefused(bundle.serial, "OFPT_ERROR: OFPFMFC_TABLE_FULL"), self.now)
            return
        for key in bundle.delete:
            host.flows.pop(key, None)
        host.flows |= {key: Installed(bundle.cookie, actions) for key, actions in bundle.put.items()}
        host.node.handle(facts.FlowsApplied(bundle.serial), self.now)

    # Reflectors

    def _reflect(self, reflector: Reflector) -> bool:
        busy = False
        for client in list(reflector.sessions):
            host = next(h for h in self.hosts.values() if h.address == client)
            for output in reflector.sessions[client].outputs():
                busy = True
                self._hear(reflector, host, output)
                if client not in reflector.sessions:
                    break
        return busy or self._pass_on(reflector)

    def _hear(self, reflector: Reflector, host: Host, output: bgp.Output) -> None:
        match output:
            case bgp.Send(data) if host.alive and self._wired(host, reflector.address):
                host.node.handle(facts.Received(reflector.address, data), self.now)
            case bgp.Routes(update):
                table = reflector.routes[host.address]
                for gone in update.withdrawn:
                    table.pop(gone.key() if isinstance(gone, EvpnPrefix) else gone, None)
                if update.attributes is not None:
                    table |= {n.key(): (n, update.attributes) for n in update.announced}
            case bgp.Hangup():
                reflector.lose(host.address)
                if host.alive and self._wired(host, reflector.address):
                    host.node.handle(facts.Closed(reflector.address, "closed by the peer"), self.now)
            case _:
                pass

    def _pass_on(self, reflector: Reflector) -> bool:
        busy = False
        for client, session in reflector.sessions.items():
            if session.agreed is None or session.state != "Established" or EVPN not in session.agreed.families:
                continue
            first = client in reflector.told and not reflector.told[client] and session.counters.sent[2] == 0
            wanted = self._routes_for(reflector, client)
            told = reflector.told[client]
            put = [(a, n) for key, (n, a) in wanted.items() if told.get(key) != (n, a)]
            gone = [n for key, (n, _) in told.items() if key not in wanted]
            if put or gone:
                session.send_routes(put, gone)
            if first and reflector.says_end_of_rib:
                session.send_end_of_rib(EVPN)
            reflector.told[client] = wanted
            busy = busy or bool(put or gone)
        return busy

    def _routes_for(self, reflector: Reflector, client: IpAddress) -> dict[NlriKey, Route]:
        wanted = reflector.from_clients(but=client)
        for other in self.reflectors.values():
            if other is reflector or not other.alive:
                continue
            if other.asn == reflector.asn:
                wanted |= other.from_clients(but=client)
            elif self.joined:
                wanted |= {key: across(route, other.asn) for key, route in other.from_clients().items()}
        for rule in reflector.rules:
            wanted = {key: ruled for key, route in wanted.items() if (ruled := rule(route)) is not None}
        return wanted


def world(*, reflectors_each: int = 1) -> World:
    """Two empty clouds, everybody up."""
    clouds = {"a": Cloud("a", 64512), "b": Cloud("b", 64513)}
    reflectors, hosts, now = {}, {}, 1000.0
    for number, cloud in enumerate(clouds.values(), start=1):
        addresses = [ip(f"172.30.{number}.{5 + n}") for n in range(reflectors_each)]
        reflectors |= {address: Reflector(address, cloud.asn) for address in addresses}
        for n in (1, 2):
            name = f"{cloud.name}-h{n}"
            hosts[name] = Host(name, cloud, ip(f"172.30.{number}.{10 + n}"), addresses, now)
    return World(clouds, hosts, reflectors, now)
