"""Forwarding into flows, one function for each kind of entry; layout.py has the tables, labelled.py what has labels.

Rules: text comes out as the switch prints it back (see types.py, match.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from isthmus.fib.entries import (
    Circuit,
    CircuitName,
    Deliver,
    Forwarding,
    Hop,
    Inbound,
    InboundKey,
    LabelKey,
    LabelledHop,
    NextHop,
    SourceKey,
    Spread,
    Target,
    ViewId,
    endpoints_of,
)
from isthmus.flows import labelled, spreading
from isthmus.flows.layout import (
    ANSWER_BYTES,
    ANSWER_MAC,
    DEFAULT,
    DEFAULT_ROUTE,
    DROP,
    ENTRY,
    FLOATING_INSIDE,
    FLOATING_OUTSIDE,
    INWARD,
    MISS,
    OUTSIDE,
    OUTWARD,
    OWN_DEFAULT,
    OWN_ERROR,
    PRIVATE,
    PROBE_MAC,
    PROBE_TYPE,
    REFUSED,
    ROUTER_ERROR,
    STRANGER,
    Table,
)
from isthmus.flows.match import TURN_ROUND, Flow, begins, ends, match
from isthmus.flows.types import FlowKey
from isthmus.model.intent import (
    CIRCUIT_IPV4,
    CIRCUIT_IPV6,
    CIRCUIT_MAC,
    CIRCUITS_IPV6,
    PRIVATE_PREFIXES,
    ROUTER_IPV4,
    ROUTER_IPV6,
    ROUTER_MAC,
    Fallback,
    Lane,
)
from isthmus.model.net import RESERVED, IpAddress, Mac, Prefix

_VIEW = Table.VIEW.value
_NO_WAY = "drop"
"""Of a line whose port for labels is not there: without a flow its packets would leave by the router."""
WAYS_MAX = 8192
"""Next hops, and views, whose text is remembered."""

_REFLECT = f"{TURN_ROUND},set_field:{ANSWER_MAC}->eth_dst,IN_PORT"
_TO_ROUTER = f"set_field:{CIRCUIT_MAC}->eth_src,set_field:{ROUTER_MAC}->eth_dst"


def add_line(key: FlowKey, cookie: int, actions: str) -> str:
    """A line of `ovs-ofctl --bundle add-flows` that adds or replaces a flow."""
    what = f",{key.match}" if key.match else ""
    return f"add table={key.table},cookie={cookie:#x},priority={key.priority}{what},actions={actions}"


def delete_line(key: FlowKey) -> str:
    """A line that removes exactly this flow, whatever its cookie."""
    what = f",{key.match}" if key.match else ""
    return f"delete_strict table={key.table},priority={key.priority}{what}"


class Renderer:
    """Renders with the port numbers of one switch; an entry whose port has no number yet renders to nothing."""

    def __init__(
        self,
        router_mac: Mac,
        tunnel: int | None,
        circuits: Mapping[CircuitName, int],
        sources: tuple[Prefix, ...] | None = None,
        gre: int | None = None,
    ) -> None:
        self.router_mac = router_mac
        self.tunnel = tunnel
        self.gre = gre
        """By which labels go and come; without it nothing that has one renders to anything."""
        self.sources = sources
        """Whence packets may come by tunnels; None: from anywhere."""
        self.circuits = circuits
        self._heads: dict[ViewId, tuple[str, str]] = {}
        self._ways: dict[Hop | Spread, str] = {}
        """Text that the routes of a view and those of a next hop have in common: of a route only its address is its
        own, and there are very many routes."""

    def base(
        self, forwarding: Forwarding, endpoints: Iterable[IpAddress], asked: Iterable[IpAddress] = ()
    ) -> dict[FlowKey, str]:
        """Every flow but those of views; `endpoints` are the tunnel endpoints that can be sent to, `asked` those whose
        answers to probes are wanted. Piece by piece it is what the functions below give."""
        flows = self.always()
        for name, circuit in forwarding.circuits.items():
            flows |= self.circuit(name, circuit)
        for source, view in forwarding.sources.items():
            flows |= self.source(source, view, forwarding.circuits.get(source.circuit))
        for key, name in forwarding.inbound.items():
            flows |= self.inbound(key, name)
        for number, version in labels(forwarding.inbound).items():
            flows |= self.label(number, version)
        for endpoint in endpoints:
            flows |= self.endpoint(endpoint)
        for endpoint in asked:
            flows |= self.answer(endpoint)
        return flows

    def always(self) -> dict[FlowKey, str]:
        """What is there whatever is served."""
        return dict(self._always())

    def circuit(self, name: CircuitName, circuit: Circuit) -> dict[FlowKey, str]:
        """An attachment circuit's door and fallback."""
        return dict(self._circuit(name, circuit))

    def source(self, source: SourceKey, view: ViewId, circuit: Circuit | None) -> dict[FlowKey, str]:
        """Where packets from this address are looked up."""
        has_floating_ip = circuit is not None and source.address in circuit.floating
        return dict(self._source(source, view, has_floating_ip=has_floating_ip))

    def inbound(self, key: Inbound, name: CircuitName) -> dict[FlowKey, str]:
        """What is delivered of what comes from tunnels."""
        return dict(self._inbound(key, name))

    def endpoint(self, endpoint: IpAddress) -> dict[FlowKey, str]:
        """What is sent to a tunnel endpoint."""
        flows = {}
        if self.tunnel is not None:
            flows[self.endpoint_key(endpoint)] = f"set_field:{self.router_mac}->eth_src,output:{self.tunnel}"
        if self.gre is not None:
            flows[labelled.endpoint_key(endpoint)] = f"output:{self.gre}"
        return flows

    def label(self, number: int, version: int) -> dict[FlowKey, str]:
        """What a label of ours has behind it: packets of this IP version."""
        return {} if self.gre is None else dict([labelled.label(number, version)])

    def answer(self, endpoint: IpAddress) -> dict[FlowKey, str]:
        """What makes an endpoint's answers to probes heard."""
        return {} if self.tunnel is None else {self.answer_key(endpoint): f"CONTROLLER:{ANSWER_BYTES}"}

    def route(self, view: ViewId, prefix: Prefix, target: Target) -> Flow | None:
        """One line of a view, or None while the port it leaves by has no number."""
        actions = self._lead(target)
        return None if actions is None else (self._route_key(view, prefix), actions)

    def _lead(self, target: Target) -> str | None:
        match target:
            case NextHop():  # nearly all there are
                return None if self.tunnel is None else self._way(target)
            case Deliver(circuit):
                port = self.circuits.get(circuit)
                return None if port is None else f"{_TO_ROUTER},output:{port}"
            case LabelledHop():
                return _NO_WAY if self.gre is None else self._way(target)
            case Spread(hops):
                ways = [self._lead(hop) for hop in hops]
                return self._way(target) if _NO_WAY not in ways and None not in ways else _NO_WAY
            case _:
                assert_never(target)

    def _way(self, target: Hop | Spread) -> str:
        actions = self._ways.get(target)
        if actions is None:
            if len(self._ways) >= WAYS_MAX:
                self._ways.clear()
            actions = self._ways[target] = self._make_way(target)
        return actions

    def _make_way(self, target: Hop | Spread) -> str:
        match target:
            case NextHop():
                return _encapsulate(target)
            case LabelledHop():
                return labelled.encapsulate(target)
            case Spread(hops):
                # Only here it is known to be IP, and so to have a class.
                labels = f"{labelled.SAVE_CLASS}," if any(isinstance(hop, LabelledHop) for hop in hops) else ""
                return labels + spreading.choose(endpoints_of(target), map(_member, hops))
            case _:
                assert_never(target)

    def members(self, target: Spread) -> dict[FlowKey, str]:
        """What a line that several PEs share leads to: one flow for each."""
        return spreading.members([_member(hop) for hop in target.hops])

    @staticmethod
    def route_key(view: ViewId, prefix: Prefix) -> FlowKey:
        """The flow of a view's line for this prefix."""
        head = "ip" if len(prefix.address) == 4 else "ipv6"
        return _route_key(f"{head},metadata={view:#x}", prefix)

    def gone(self, view: ViewId, prefix: Prefix) -> FlowKey:
        """What keeps packets to where a view led a moment ago from leaving by the router."""
        return FlowKey(Table.GONE, ENTRY, self._route_key(view, prefix).match)

    def _route_key(self, view: ViewId, prefix: Prefix) -> FlowKey:
        heads = self._heads.get(view)
        if heads is None:
            if len(self._heads) >= WAYS_MAX:
                self._heads.clear()
            heads = self._heads[view] = (f"ip,metadata={view:#x}", f"ipv6,metadata={view:#x}")
        return _route_key(heads[len(prefix.address) != 4], prefix)

    def _always(self) -> Iterator[Flow]:
        yield FlowKey(Table.CLASSIFY, DROP, ""), "drop"
        yield from _nobodys()
        yield from _floating()
        yield FlowKey(Table.VIEW, MISS, ""), f"goto_table:{Table.GONE.value}"
        yield FlowKey(Table.GONE, DROP, ""), f"goto_table:{Table.FALLBACK.value}"
        yield FlowKey(Table.TUNNEL, DROP, ""), "drop"
        yield FlowKey(Table.INBOUND, DROP, ""), "drop"
        yield FlowKey(Table.ANSWER, DROP, ""), "drop"
        # By the source they have here. Given back they would leave by the router's gateway.
        for source in (CIRCUIT_IPV4, ROUTER_IPV4, ROUTER_IPV6):
            yield FlowKey(Table.FALLBACK, OWN_ERROR, match(Prefix.host(source), "", "src")), "drop"
        if self.gre is not None:
            yield from labelled.always(self.gre, self.sources)
        if self.tunnel is not None:
            ours = f"in_port={self.tunnel},dl_dst={self.router_mac}"
            yield FlowKey(Table.CLASSIFY, REFUSED, f"in_port={self.tunnel}"), "drop"
            if self.sources is not None:
                yield FlowKey(Table.CLASSIFY, STRANGER, ours), "drop"
            probe, answer = _probe(self.tunnel, PROBE_MAC), _probe(self.tunnel, ANSWER_MAC)
            for head in ("",) if self.sources is None else map(begins, self.sources):
                yield FlowKey(Table.CLASSIFY, ENTRY, head + ours), f"goto_table:{Table.INBOUND.value}"
                yield FlowKey(Table.CLASSIFY, ENTRY, head + probe), _REFLECT
                yield FlowKey(Table.CLASSIFY, ENTRY, head + answer), f"goto_table:{Table.ANSWER.value}"

    def _circuit(self, name: CircuitName, circuit: Circuit) -> Iterator[Flow]:
        port = self.circuits.get(name)
        if port is None:
            return
        door = f"in_port={port}"
        yield FlowKey(Table.CLASSIFY, ENTRY, door), f"goto_table:{Table.NOBODYS.value}"
        yield FlowKey(Table.SOURCE, MISS, door), f"goto_table:{Table.FALLBACK.value}"
        for subnet in circuit.subnets:
            yield self._router_error(door, subnet)
        yield from _own_ways_out(door, circuit)
        back = f"{_TO_ROUTER},IN_PORT"
        if circuit.fallback is Fallback.NONE:
            back = "drop"
        if circuit.fallback is Fallback.PUBLIC:
            for prefix in PRIVATE_PREFIXES:
                yield FlowKey(Table.FALLBACK, PRIVATE, match(prefix, door, "dst")), "drop"
            for prefix in circuit.outside:
                yield FlowKey(Table.FALLBACK, OUTSIDE, match(prefix, door, "dst")), back
        yield FlowKey(Table.FALLBACK, DEFAULT, door), back

    @staticmethod
    def _router_error(door: str, subnet: Prefix) -> Flow:
        """The router's own error about a packet that falls back comes here with the router's source, and the router
        would drop it as spoofed; with the circuit's address it passes, and traceroute is complete."""
        four = subnet.version == 4
        source, instead = (ROUTER_IPV4, CIRCUIT_IPV4) if four else (ROUTER_IPV6, CIRCUIT_IPV6)
        field = "ip_src" if four else "ipv6_src"
        whose = match(subnet, match(Prefix.host(source), door, "src"), "dst", bare=True)
        return FlowKey(Table.SOURCE, ROUTER_ERROR, whose), f"set_field:{instead}->{field},{_TO_ROUTER},IN_PORT"

    def _source(self, source: SourceKey, view: ViewId, *, has_floating_ip: bool) -> Iterator[Flow]:
        key = self.source_key(source)
        if key is not None:
            # Every router of ours has this address, and OVN drops what comes in with a router's own: an error that is
            # to arrive behind another one has the circuit's. IPv6 has no such guard, and keeps it.
            own = f"set_field:{CIRCUIT_IPV4}->ip_src," if source.address == ROUTER_IPV4 else ""
            into, then = f"{own}set_field:{view:#x}->metadata,", Table.VIEW
            if has_floating_ip:
                into, then = f"{into}{_mark(OUTWARD)},", Table.FLOATING
            yield key, f"{into}goto_table:{then.value}"

    def source_key(self, source: SourceKey) -> FlowKey | None:
        """The flow that leads packets from an address into its view; None while the circuit has no number."""
        port = self.circuits.get(source.circuit)
        if port is None:
            return None
        lane = "" if source.lane is None else f",dl_dst={Lane(source.lane).mac}"
        return FlowKey(Table.SOURCE, ENTRY, match(Prefix.host(source.address), f"in_port={port}{lane}", "src"))

    def _inbound(self, key: Inbound, name: CircuitName) -> Iterator[Flow]:
        port = self.circuits.get(name)
        if port is not None and (self.gre is not None or isinstance(key, InboundKey)):
            yield self.inbound_key(key), f"{_TO_ROUTER},output:{port}"

    @staticmethod
    def inbound_key(key: Inbound) -> FlowKey:
        """The flow without which an address must not be announced."""
        match key:
            case InboundKey(vni, prefix):
                return FlowKey(Table.INBOUND, ENTRY + prefix.length, match(prefix, f"tun_id={vni:#x}", "dst"))
            case LabelKey():
                return labelled.inbound_key(key)
            case _:
                assert_never(key)

    @staticmethod
    def endpoint_key(endpoint: IpAddress) -> FlowKey:
        """The flow without which nothing is sent to this endpoint."""
        return FlowKey(Table.TUNNEL, ENTRY, f"{ends(endpoint)}={endpoint}")

    @staticmethod
    def answer_key(endpoint: IpAddress) -> FlowKey:
        """The flow without which nothing is heard of an endpoint that answers."""
        field = "tun_src" if endpoint.version == 4 else "tun_ipv6_src"
        return FlowKey(Table.ANSWER, ENTRY, f"{field}={endpoint}")


def labels(inbound: Iterable[Inbound]) -> dict[int, int]:
    """Of what is delivered the labels, each with the IP version behind it."""
    return {key.label: key.prefix.version for key in inbound if isinstance(key, LabelKey)}


def _nobodys() -> Iterator[Flow]:
    """What no machine of a VPN can have is in no VPN, whatever prefix covers it: not link-local addresses, the metadata
    service's among them, nor what every router has towards br-vpn."""
    for prefix in (*RESERVED, CIRCUITS_IPV6):
        yield FlowKey(Table.NOBODYS, ENTRY, match(prefix, "", "dst")), f"goto_table:{Table.FALLBACK.value}"
    yield FlowKey(Table.NOBODYS, DROP, ""), f"goto_table:{Table.SOURCE.value}"


def _floating() -> Iterator[Flow]:
    """Whom a machine means that has a floating IP: at a private destination it may be the VPN."""
    view = f"goto_table:{Table.VIEW.value}"
    yield FlowKey(Table.FLOATING, DROP, ""), view
    for prefix in (one for one in PRIVATE_PREFIXES if one.version == 4):
        yield FlowKey(Table.FLOATING, PRIVATE, match(prefix, "", "dst")), f"{_mark(INWARD)},{view}"


def _mark(number: int) -> str:
    return f"set_field:{number:#x}->reg0"


def _own_ways_out(door: str, circuit: Circuit) -> Iterator[Flow]:
    """Where a router's packets go by themselves though a view knows a way. Who has a floating IP may be answering
    somebody outside: only where the VPN has the very address it is meant; inside, by what is longer than a default
    route."""
    back = f"goto_table:{Table.GONE.value}"
    if circuit.floating:
        yield FlowKey(_VIEW, FLOATING_OUTSIDE, f"ip,reg0={OUTWARD:#x},{door}"), back
        yield FlowKey(_VIEW, FLOATING_INSIDE, f"ip,reg0={INWARD:#x},{door}"), back
        for prefix in circuit.outside:
            if prefix.version == 4 and not prefix.is_default_route:
                yield FlowKey(Table.FLOATING, OUTSIDE, match(prefix, door, "dst")), f"goto_table:{_VIEW}"
    for version in circuit.own_defaults:
        yield FlowKey(_VIEW, OWN_DEFAULT, f"{'ip' if version == 4 else 'ipv6'},{door}"), back


def _route_key(head: str, prefix: Prefix) -> FlowKey:
    address, length = prefix
    field = "nw_dst" if len(address) == 4 else "ipv6_dst"
    if length == len(address) * 8:  # nearly all there are
        return FlowKey(_VIEW, ENTRY + length, f"{head},{field}={address}")
    priority = DEFAULT_ROUTE + length if prefix.is_default_route else ENTRY + length - 1
    return FlowKey(_VIEW, priority, f"{head},{field}={address}/{length}" if length else head)


def _probe(tunnel: int, mac: Mac) -> str:
    return f"in_port={tunnel},dl_dst={mac},dl_type={PROBE_TYPE:#x}"


def _member(hop: Hop) -> str:
    return _encapsulate(hop) if isinstance(hop, NextHop) else labelled.push(hop)


def _encapsulate(hop: NextHop) -> str:
    return (
        f"set_field:{hop.router_mac}->eth_dst,set_field:{hop.vni:#x}->tun_id,set_field:{hop.vtep}->{ends(hop.vtep)},"
        f"goto_table:{Table.TUNNEL.value}"
    )
