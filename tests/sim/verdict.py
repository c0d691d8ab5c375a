"""Comparing what came to rest: every node's flows against the plain model, and against a fresh computation.

Rules: compares fates, not flows, so that another way to write the same forwarding passes; a difference names node,
source, destination, what was expected and what was seen, and the flows that did it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isthmus.fib.entries import CircuitName
from isthmus.flows.layout import ANSWER_MAC, Table
from isthmus.flows.types import FlowKey
from isthmus.model.intent import AttachmentIntent
from isthmus.model.reason import NotAccepted, NotImported
from isthmus.node import facts
from isthmus.node.core import Node
from isthmus.node.memory import Memory
from isthmus.node.report import status
from isthmus.vpn.beacons import whose
from tests.sim.forwarding import BACK, DROP, TO_AGENT, Fate, Forwarder
from tests.sim.host import Broken, Host
from tests.sim.liar import Liar
from tests.sim.lies import BEACON
from tests.sim.reference import NOBODYS_LANE, ROUTER, Offer, Standing, accepted, fate, version
from tests.sim.reflector import Reflector

ELSEWHERE = ("8.8.8.8", "10.77.0.1", "100.64.0.9", "192.168.7.7", "2001:4860::8", "fd77::1", "fe80::1", "169.254.128.2")
"""Destinations that no VPN of any history knows."""
STRANGE_ENDPOINT = "192.0.2.77"
"""From where no tunnel begins, where an operator has said from where they do."""
STRANGERS = ("10.66.0.6", "fd66::6")
"""Sources that nobody has: spoofed."""


class Difference(Exception):
    """What was seen is not what should be."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What packets are tried."""

    addresses: tuple[str, ...]
    vnis: tuple[int, ...]


def compare_forwarding(host: Host, expected: Standing, interest: Interest) -> int:
    """All pairs of interest; how many. Raises Difference."""
    seen = frozenset(host.switch.circuits)
    if seen != expected.circuits.keys():
        raise Difference(
            f"node {host.name}: circuits\n  expected {sorted(expected.circuits)}\n  seen     {sorted(seen)}"
        )
    forwarder = Forwarder(host.switch.flows, host.switch.circuits, host.switch.TUNNEL)
    _probes(host, expected, forwarder)
    return _outbound(host, expected, interest, forwarder) + _inbound(host, expected, interest, forwarder)


def _probes(host: Host, expected: Standing, forwarder: Forwarder) -> None:
    """A probe is sent back to whoever asks; an answer reaches the agent from those it asks, and from nobody else."""
    for vtep in ("172.30.1.1", "172.30.2.2", STRANGE_ENDPOINT):
        got, way = forwarder.probe(vtep)
        if vtep == STRANGE_ENDPOINT and host.guests:
            if got != DROP:
                raise _difference(host, f"a probe of {vtep}", "nowhere", DROP, got, way)
        elif got.what != "tunnel" or not got.where.startswith(f"to {vtep} vni 0 mac {ANSWER_MAC}"):
            raise _difference(host, f"a probe of {vtep}", "back", Fate("tunnel", f"to {vtep}"), got, way)
        wanted = TO_AGENT if vtep in expected.endpoints else DROP
        got, way = forwarder.answer(vtep)
        if got != wanted:
            raise _difference(host, f"an answer of {vtep}", "the agent", wanted, got, way)


UNRESOLVED = Fate("waits for the endpoint")
Pair = tuple[str, str, str]
"""A door (a circuit or a VNI), a source and a destination."""


def fates(host: Host, sources: Iterable[tuple[str, str]], interest: Interest) -> dict[Pair, Fate]:
    """What becomes of every pair of interest now; UNRESOLVED when only the endpoint's next hop is missing."""
    forwarder = Forwarder(host.switch.flows, host.switch.circuits, host.switch.TUNNEL)
    found: dict[Pair, Fate] = {}
    for circuit, source in sources:
        port = host.switch.circuits.get(circuit)
        for destination in interest.addresses if port is not None else ():
            if version(source) == version(destination):
                assert port is not None
                fate, way = forwarder.from_circuit(port, source, destination)
                unresolved = fate == DROP and way[-1].startswith(f"table {Table.TUNNEL.value}:")
                found[circuit, source, destination] = UNRESOLVED if unresolved else fate
    for vni in interest.vnis:
        for destination in interest.addresses:
            fate = forwarder.from_tunnel(vni, destination, host.place.router_mac)[0]
            found[f"tunnel with vni {vni}", "", destination] = fate
    return found


def _outbound(host: Host, expected: Standing, interest: Interest, forwarder: Forwarder) -> int:
    tried = _by_other_lanes(host, expected, interest, forwarder)
    mute = host.silent.union(host.mute)
    for circuit, port in host.switch.circuits.items():
        behind = [a for c, a in expected.sources if c == circuit]
        for source in dict.fromkeys((*behind, *ROUTER.values(), *STRANGERS)):
            for destination in (*interest.addresses, *ELSEWHERE):
                if version(source) != version(destination):
                    continue
                tried += 1
                wanted = fate(expected, circuit, source, destination, mute=mute)
                got, way = forwarder.from_circuit(port, source, destination)
                if got != wanted and not _was_known(wanted, got, way):
                    raise _difference(host, f"from {source} by {circuit}", destination, wanted, got, way)
    return tried


def _by_other_lanes(host: Host, expected: Standing, interest: Interest, forwarder: Forwarder) -> int:
    """Whoever bears an address of the router's networks, by the lane of each of these and by nobody's."""
    tried, mute = 0, host.silent.union(host.mute)
    for (circuit, source), own in expected.lanes.items():
        port = host.switch.circuits.get(circuit)
        lanes = dict(expected.circuits[circuit].lanes) if port is not None else {}
        for lane in {own, *lanes.values(), NOBODYS_LANE} if port is not None else ():
            for destination in interest.addresses:
                if version(source) != version(destination):
                    continue
                tried += 1
                wanted = fate(expected, circuit, source, destination, lane=lane, mute=mute)
                got, way = forwarder.from_circuit(port or 0, source, destination, lane)
                if got != wanted and not _was_known(wanted, got, way):
                    raise _difference(host, f"from {source} by lane {lane} of {circuit}", destination, wanted, got, way)
    return tried


def _was_known(wanted: Fate, got: Fate, way: Sequence[str]) -> bool:
    """What a view led to a moment ago does not leave by the router."""
    return wanted == BACK and got == DROP and way[-1].startswith(f"table {Table.GONE.value}:")


def _inbound(host: Host, expected: Standing, interest: Interest, forwarder: Forwarder) -> int:
    for vni in interest.vnis:
        for destination in interest.addresses:
            wanted = accepted(expected, vni, destination)
            got, way = forwarder.from_tunnel(vni, destination, host.place.router_mac)
            if got != wanted:
                raise _difference(host, f"by tunnel with vni {vni}", destination, wanted, got, way)
            if wanted != DROP and host.guests:
                got, way = forwarder.from_tunnel(vni, destination, host.place.router_mac, STRANGE_ENDPOINT)
                if got != DROP:
                    raise _difference(host, f"by a stranger's tunnel with vni {vni}", destination, DROP, got, way)
        got, way = forwarder.from_tunnel(vni, interest.addresses[0], "02:ff:00:00:00:01")
        if got.what != "drop":
            raise _difference(host, "by tunnel for another MAC", interest.addresses[0], Fate("drop"), got, way)
    return len(interest.vnis) * (len(interest.addresses) + 1)


def _difference(host: Host, source: str, destination: str, wanted: Fate, got: Fate, way: Iterable[str]) -> Difference:
    lines = [
        f"node        {host.name}",
        f"source      {source}",
        f"destination {destination}",
        f"expected    {wanted}",
        f"seen        {got}",
        *(f"            {step}" for step in way),
    ]
    return Difference("\n".join(lines))


Said = frozenset[tuple[int, int, str, frozenset[str]]]


def compare_announced(host: Host, reflector: Reflector, offers: Iterable[Offer]) -> None:
    """What a reflector was told is what should be offered: number, VNI, address, targets."""
    said = reflector.said(host.name).values()
    if not any(whose(nlri, attributes) for attributes, nlri in said):
        raise Difference(f"node {host.name}: it shows {reflector.name} no beacon")
    wanted: Said = frozenset((o.number, o.vni, o.address, o.targets) for o in offers)
    got: Said = frozenset(
        (int.from_bytes(n.rd[6:], "big"), n.label, str(n.prefix.address), frozenset(str(t) for t in a.route_targets))
        for a, n in said
        if whose(n, a) is None
    )
    if wanted != got:
        raise Difference(
            f"node {host.name}: announced to {reflector.name}\n"
            f"  missing {sorted((n, v, a) for n, v, a, _ in wanted - got)}\n"
            f"  surplus {sorted((n, v, a) for n, v, a, _ in got - wanted)}"
        )


def compare_refused(host: Host, liar: Liar) -> None:
    """What a lying peer has said and nobody uses is counted by its reason, and shown by name with it."""
    if foreign := liar.asked_for - {*liar.leave.targets, BEACON}:
        raise Difference(f"the liar is asked for {sorted(foreign)}, which is none of its business")
    told = status(host.node, host.now)
    (peer,) = (p for p in told.peers if p.address == str(liar.address))
    whys = {lie.route[1].key(): lie.why(host.asn, liar.leave) for lie in liar.lies.values()}
    wanted = Counter(why.value for why in whys.values() if isinstance(why, NotAccepted))
    if peer.not_taken != wanted or peer.received != len(whys) - wanted.total():
        raise Difference(
            f"node {host.name}: of {len(whys)} lies it has {peer.received} and refuses {peer.not_taken}, not {wanted}"
        )
    shown: dict[tuple[str, str], set[str]] = {}
    for one in told.routes:
        if one.peer == str(liar.address):
            shown.setdefault((one.route_distinguisher, one.prefix), set()).add("" if one.installed else one.why)
    for key, why in whys.items():
        said = shown.get((str(key.rd), str(key.prefix)), set())
        unimported = said == {NotImported.NO_IMPORT_TARGET.value} and not isinstance(why, NotAccepted)
        if not said or (why is not None and said != {why.value} and not unimported):
            raise Difference(f"node {host.name}: shows {key} as {said}, not as {why}")


def compare_recomputed(host: Host, now: float) -> None:
    """A fresh node that is told the present facts wants the same flows: incremental equals recompute."""
    node = host.node
    assert node.ofports is not None
    issued = Memory(
        now,
        node.config.vtep,
        node.config.router_id,
        node.config.asn,
        answers=node.reach.worth_remembering,
        numbers=node.issued.numbers,
        claims=node.claims.all(now),
        served=node.picture.admitted.served,
    )
    fresh = Node(node.config, now, issued)
    circuits: dict[CircuitName, AttachmentIntent] = dict(node.asked.circuits)
    fresh.rib.apply(list(node.rib), ())
    fresh.handle(facts.FlowsRead(dict(host.switch.flows)), now)
    fresh.handle(facts.IntentRead(dict(circuits), node.asked.ports.values()), now)
    fresh.handle(node.ofports, now)
    fresh.handle(facts.NeighboursRead(node.reach.resolved), now)
    fresh.effects(now)
    _same(host, "a fresh computation wants other flows", fresh.switch.wanted, node.switch.wanted)
    if fresh.tables.endpoints != node.tables.endpoints:
        raise Difference(
            f"node {host.name}: endpoints\n  fresh {fresh.tables.endpoints}\n  kept  {node.tables.endpoints}"
        )


def compare_installed(host: Host) -> None:
    """Nothing of ours in the switch but what is wanted."""
    there = {key: flow.actions for key, flow in host.switch.flows.items() if flow.ours}
    _same(host, "the switch holds other flows than are wanted", there, host.node.switch.wanted)


def _same(host: Host, what: str, expected: dict[FlowKey, str], seen: dict[FlowKey, str]) -> None:
    if expected != seen:
        keys = sorted(k for k in expected.keys() | seen.keys() if expected.get(k) != seen.get(k))
        lines = [f"  {k}\n    expected {expected.get(k)}\n    seen     {seen.get(k)}" for k in keys[:5]]
        raise Difference("\n".join([f"node {host.name}: {what} ({len(keys)} differ)", *lines]))


def compare_story(host: Host, now: float, expected: Standing) -> None:
    """What an operator is shown agrees: attachments, and no route both best and unexplained."""
    told = status(host.node, now)
    shown = {a.circuit for a in told.attachments if a.ofport is not None}
    if shown != expected.circuits.keys():
        raise Difference(f"node {host.name}: shown as plugged {sorted(shown)}, expected {sorted(expected.circuits)}")
    odd = [r for r in told.routes if not r.why and not r.installed]
    if odd:
        raise Broken(f"{host.name}: a route that is neither installed nor explained: {odd[0]}")
