"""Packets with labels through two real switches (ADR 12): what stands on the wire, what arrives, what does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from isthmus.cli.path_mtu import GRE_OVERHEAD, LABEL_OVERHEAD
from isthmus.fib.entries import (
    Circuit,
    CircuitName,
    Forwarding,
    Inbound,
    InboundKey,
    LabelKey,
    LabelledHop,
    NextHop,
    SourceKey,
    ViewId,
)
from isthmus.flows.layout import ANSWER_LABEL, ASK_LABEL, DROP, MISS, REFUSED, STRANGER, Table
from isthmus.flows.parse import parse_dump
from isthmus.flows.render import Renderer, add_line, delete_line
from isthmus.flows.types import FlowKey, cookie
from isthmus.model.intent import CIRCUIT_MAC, ROUTER_MAC, Fallback
from isthmus.model.net import IpAddress, Mac, Prefix
from isthmus.node.effects import SetProbes
from isthmus.node.facts import Answer, AnswersRead
from isthmus.shell.liveness import Prober
from tests.build import ip, net
from tests.contract.wire import (
    CIRCUIT,
    GRE,
    IPV4,
    IPV6,
    MPLS,
    VXLAN,
    Pe,
    ethernet,
    gre,
    ipv4,
    ipv6,
    label,
    udp,
)
from tests.eventually import eventually
from tests.shell.background import Background

pytestmark = pytest.mark.contract

RED, VIEW = CircuitName("isthmus-ac-red"), ViewId(0x1)
HERE, THERE, FOREIGN = ip("172.30.1.1"), ip("172.30.2.1"), ip("172.30.7.7")
MACS = {HERE: Mac.parse("02:aa:00:00:00:01"), THERE: Mac.parse("02:aa:00:00:00:02")}
ROUTERS = {HERE: Mac.parse("02:78:ac:1e:01:01"), THERE: Mac.parse("02:78:ac:1e:02:01")}
FOUR, SIX = 7004, 72540
"""The labels of the machine there, one an IP version."""
ASKER4, ASKER6, HOST4, HOST6 = ip("10.1.0.5"), ip("2001:db8:1::5"), ip("10.2.0.5"), ip("2001:db8:2::5")
VM = Mac.parse("02:00:00:00:00:09")
INBOUND: dict[Inbound, CircuitName] = {
    LabelKey(FOUR, Prefix.host(HOST4)): RED,
    LabelKey(SIX, Prefix.host(HOST6)): RED,
    # Of another BGPVPN: the VNI is the same number as the label.
    InboundKey(FOUR, net("10.2.0.6/32")): RED,
}
ROUTES = {
    Prefix.host(HOST4): LabelledHop(THERE, (FOUR,)),
    Prefix.host(HOST6): LabelledHop(THERE, (SIX,)),
    net("10.2.0.6/32"): LabelledHop(THERE, (FOUR,)),
    net("10.3.0.0/24"): LabelledHop(THERE, (24, FOUR)),
    net("10.4.0.0/24"): LabelledHop(THERE, (24, 1048575, FOUR)),
    net("2001:db8:4::/48"): LabelledHop(THERE, (24, 25, SIX)),
    net("10.5.0.5/32"): LabelledHop(FOREIGN, (FOUR,)),
    net("10.6.0.5/32"): NextHop(THERE, ROUTERS[THERE], FOUR),
}


class Wire(NamedTuple):
    here: Pe
    there: Pe

    def sends(self, packet: bytes) -> bytes:
        """What a machine's packet is on the wire."""
        before = len(self.here.sent("wire"))
        self.here.receive("red", ethernet(ROUTER_MAC, VM, IPV4 if packet[0] >> 4 == 4 else IPV6, packet))
        return self.here.next("wire", before)

    def from_here(self, payload: bytes, *, source: IpAddress = HERE) -> None:
        """Somebody sends this by GRE."""
        packet = ipv4(source, THERE, payload, protocol=47)
        self.there.receive("wire", ethernet(MACS[THERE], MACS[HERE], IPV4, packet))


def flows(me: IpAddress, other: IpAddress, sources: tuple[Prefix, ...] | None = None) -> dict[FlowKey, str]:
    renderer = Renderer(ROUTERS[me], VXLAN, {RED: CIRCUIT}, sources, GRE)
    askers = {} if me != HERE else {SourceKey(RED, a): VIEW for a in (ASKER4, ASKER6)}
    forwarding = Forwarding({RED: Circuit(Fallback.NONE, ())}, askers, INBOUND if me == THERE else {})
    found = renderer.base(forwarding, [other], asked=[other])
    for prefix, target in ROUTES.items() if me == HERE else ():
        flow = renderer.route(VIEW, prefix, target)
        assert flow is not None
        found[flow[0]] = flow[1]
    return found


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Pe(HERE, MACS[HERE]) as here, Pe(THERE, MACS[THERE]) as there:
        socket = f"{here.switch.run_dir}/wire.sock"
        here.build(f"options:pstream=punix:{socket}")
        there.build(f"options:stream=unix:{socket}")
        for me, other in ((here, there), (there, here)):
            me.meets(other)
            me.flows([add_line(key, cookie(7), actions) for key, actions in flows(me.vtep, other.vtep).items()])
        yield Wire(here, there)


def inside(frame: bytes) -> bytes:
    """What the GRE header of a frame has behind it, cut to the length that IP says."""
    packet = frame[14 : 14 + int.from_bytes(frame[16:18], "big")]
    assert (packet[9], packet[12:20], packet[20:24]) == (47, HERE + THERE, b"\0\0" + MPLS.to_bytes(2, "big"))
    return packet[24:]


P4 = ipv4(ASKER4, HOST4, udp(b"four"))
P6 = ipv6(ASKER6, HOST6, udp(b"six"))


@pytest.mark.parametrize(("packet", "number", "kind"), [(P4, FOUR, IPV4), (P6, SIX, IPV6)], ids=["IPv4", "IPv6"])
def test_a_packet_crosses_behind_its_label(wire: Wire, packet: bytes, number: int, kind: int) -> None:
    """RFC 4023: IP, GRE without a key, the label, the packet as it was; at the other end a frame for the router."""
    before = len(wire.there.sent("red"))
    frame = wire.sends(packet)
    assert inside(frame) == label(number, ttl=63) + packet
    assert len(frame) - 14 == len(packet) + GRE_OVERHEAD + LABEL_OVERHEAD, "28 octets, where VXLAN takes 50"
    assert wire.there.next("red", before) == ethernet(ROUTER_MAC, CIRCUIT_MAC, kind, packet)


@pytest.mark.parametrize(
    ("packet", "stack"),
    [
        (ipv4(ASKER4, ip("10.3.0.1"), udp()), (24, FOUR)),
        (ipv4(ASKER4, ip("10.4.0.1"), udp()), (24, 1048575, FOUR)),
        (ipv6(ASKER6, ip("2001:db8:4::1"), udp()), (24, 25, SIX)),
    ],
    ids=["two", "three", "three, IPv6"],
)
def test_further_labels_stand_before_it(wire: Wire, packet: bytes, stack: tuple[int, ...]) -> None:
    *outer, last = stack
    wanted = b"".join(label(number, bottom=False, ttl=63) for number in outer) + label(last, ttl=63)
    assert inside(wire.sends(packet)) == wanted + packet


@pytest.mark.parametrize(("dscp", "traffic_class"), [(0, 0), (46, 5), (40, 5), (10, 1), (63, 7)])
def test_the_class_of_a_packet_is_its_labels(wire: Wire, dscp: int, traffic_class: int) -> None:
    """The upper three bits of DSCP (RFC 2474's class selector), whatever ECN says; on every label."""
    packets = {
        (FOUR,): ipv4(ASKER4, HOST4, udp(), tos=dscp << 2 | 1),
        (SIX,): ipv6(ASKER6, HOST6, udp(), tos=dscp << 2 | 1),
        (24, FOUR): ipv4(ASKER4, ip("10.3.0.1"), udp(), tos=dscp << 2 | 1),
    }
    for (*outer, last), packet in packets.items():
        wanted = [label(one, bottom=False, traffic_class=traffic_class, ttl=63) for one in outer]
        wanted.append(label(last, traffic_class=traffic_class, ttl=63))
        assert inside(wire.sends(packet)) == b"".join(wanted) + packet


@pytest.mark.parametrize(("ttl", "on_the_label"), [(1, 2), (2, 2), (64, 64), (255, 255)])
def test_no_label_dies_at_the_far_end(wire: Wire, ttl: int, on_the_label: int) -> None:
    """Linux drops a label of TTL 1 without a word. The packet's own TTL is left alone."""
    for packet, number in (
        (ipv4(ASKER4, HOST4, udp(), ttl=ttl), FOUR),
        (ipv6(ASKER6, HOST6, udp(), ttl=ttl), SIX),
    ):
        before = len(wire.there.sent("red"))
        assert inside(wire.sends(packet)) == label(number, ttl=on_the_label) + packet
        wire.there.next("red", before)


def test_nothing_is_sent_to_an_endpoint_without_its_flow(wire: Wire) -> None:
    before = len(wire.here.sent("wire"))
    wire.here.receive("red", ethernet(ROUTER_MAC, VM, IPV4, ipv4(ASKER4, ip("10.5.0.5"), udp())))
    assert inside(wire.sends(P4)).endswith(P4)
    assert len(wire.here.sent("wire")) == before + 1
    eventually(lambda: _counts(wire.here, Table.PE, DROP))


def test_vxlan_goes_beside_it(wire: Wire) -> None:
    frame = wire.sends(ipv4(ASKER4, ip("10.6.0.5"), udp()))
    assert frame[14 + 9] == 17
    assert int.from_bytes(frame[14 + 20 + 8 + 4 : 14 + 20 + 8 + 7], "big") == FOUR, "the VNI"


IN_LABELS, IN_INBOUND = (Table.LABELS, DROP), (Table.INBOUND, MISS)
NOT_MPLS = (Table.CLASSIFY, REFUSED)


@pytest.mark.parametrize(
    ("payload", "counted"),
    [
        pytest.param(gre(MPLS, label(FOUR + 1) + P4), IN_LABELS, id="a label of nobody's"),
        pytest.param(gre(MPLS, label(0) + P4), IN_LABELS, id="explicit null"),
        pytest.param(gre(MPLS, label(FOUR, bottom=False) + label(FOUR) + P4), IN_LABELS, id="two labels"),
        pytest.param(gre(MPLS, label(24, bottom=False) + label(FOUR) + P4), IN_LABELS, id="ours behind another"),
        pytest.param(gre(MPLS, label(FOUR) + ipv4(ASKER4, ip("10.2.0.9"), udp())), IN_INBOUND, id="another address"),
        pytest.param(gre(MPLS, label(FOUR) + ipv4(ASKER4, ip("10.2.0.6"), udp())), IN_INBOUND, id="a VNI's address"),
        pytest.param(gre(MPLS, label(FOUR) + P6), IN_INBOUND, id="IPv6 behind IPv4's"),
        pytest.param(gre(MPLS, label(SIX) + P4), IN_INBOUND, id="IPv4 behind IPv6's"),
        pytest.param(gre(MPLS, label(FOUR) + b"\x45"), IN_INBOUND, id="cut short"),
        pytest.param(gre(IPV4, P4), NOT_MPLS, id="IPv4 without a label"),
        pytest.param(gre(IPV6, P6), NOT_MPLS, id="IPv6 without a label"),
        pytest.param(gre(0x8848, label(FOUR) + P4), NOT_MPLS, id="labels for many receivers"),
        pytest.param(gre(MPLS, label(FOUR) + P4, key=FOUR), None, id="a key"),
        pytest.param(gre(0x6558, ethernet(ROUTER_MAC, VM, IPV4, P4)), None, id="Ethernet"),
    ],
)
def test_what_nobody_announced_goes_nowhere(wire: Wire, payload: bytes, counted: tuple[int, int] | None) -> None:
    """Each is followed by a good one: that alone arrives. What the switch lets into br-vpn at all is counted."""
    before, sent = len(wire.there.sent("red")), len(wire.there.sent("wire"))
    was = _packets(wire.there, *counted) if counted is not None else 0
    wire.from_here(payload)
    wire.from_here(gre(MPLS, label(FOUR) + P4))
    assert wire.there.next("red", before) == ethernet(ROUTER_MAC, CIRCUIT_MAC, IPV4, P4)
    assert len(wire.there.sent("red")) == before + 1
    assert len(wire.there.sent("wire")) == sent, "and nobody is answered"
    if counted is not None:
        eventually(lambda: _counts(wire.there, *counted, beyond=was))


def test_a_key_of_0_is_none(wire: Wire) -> None:
    """Open vSwitch does not tell the two apart, and nor need we: exact is what comes behind it."""
    before = len(wire.there.sent("red"))
    wire.from_here(gre(MPLS, label(FOUR) + P4, key=0))
    assert wire.there.next("red", before) == ethernet(ROUTER_MAC, CIRCUIT_MAC, IPV4, P4)


def test_a_hypervisor_is_asked_behind_a_label(wire: Wire, background: Background) -> None:
    """By GRE there and back, answered by the switch alone; its silence is known, and VXLAN is not asked instead."""
    heard: list[AnswersRead] = []

    async def make() -> Prober:
        return Prober(Path(wire.here.switch.run_dir) / "br-vpn.mgmt", heard.append)

    def says(answer: Answer) -> None:
        assert heard and heard[-1].answers == {THERE: answer}, heard

    before = len(wire.here.sent("wire"))
    prober: Any = background.call(make)
    background.start(prober.run())
    background.do(prober.ask, SetProbes({THERE: Answer.UNKNOWN}, VXLAN, gre=GRE, labelled=frozenset({THERE})))
    eventually(lambda: says(Answer.ANSWERS), every=0.01)
    asked = wire.here.sent("wire")[before:]
    assert {inside(frame)[:4] for frame in asked} == {label(ASK_LABEL)}
    for frame in wire.there.sent("wire"):
        assert frame[38:42] == label(ANSWER_LABEL)
    (reflects,) = (key for key in flows(THERE, HERE) if str(ASK_LABEL) in key.match)
    wire.there.flows([delete_line(reflects)])
    eventually(lambda: says(Answer.SILENT), every=0.01)
    wire.there.flows([add_line(reflects, cookie(7), flows(THERE, HERE)[reflects])])
    eventually(lambda: says(Answer.ANSWERS), every=0.01)
    background.do(prober.ask, SetProbes({}, None))


def test_where_tunnels_may_begin_is_said_labels_come_from_nowhere_else(wire: Wire) -> None:
    open_, strict = flows(THERE, HERE), flows(THERE, HERE, (net("172.30.1.0/30"), net("172.30.9.9/32")))
    try:
        wire.there.flows([delete_line(key) for key in open_.keys() - strict.keys()])
        wire.there.flows([add_line(key, cookie(7), actions) for key, actions in strict.items()])
        before = len(wire.there.sent("red"))
        good = gre(MPLS, label(FOUR) + P4)
        wire.from_here(good, source=FOREIGN)
        wire.from_here(gre(IPV4, P4), source=HERE)
        for source in (HERE, ip("172.30.9.9")):
            wire.from_here(good, source=source)
        wire.there.next("red", before + 1)
        assert len(wire.there.sent("red")) == before + 2
        eventually(lambda: _counts(wire.there, Table.CLASSIFY, STRANGER))
    finally:
        wire.there.flows([delete_line(key) for key in strict.keys() - open_.keys()])
        wire.there.flows([add_line(key, cookie(7), actions) for key, actions in open_.items()])


def _packets(pe: Pe, table: int, priority: int) -> int:
    found = parse_dump(pe.switch.ofctl("dump-flows"))
    return sum(flow.packets for key, flow in found.items() if (key.table, key.priority) == (table, priority))


def _counts(pe: Pe, table: int, priority: int, *, beyond: int = 0) -> None:
    assert _packets(pe, table, priority) > beyond, pe.switch.ofctl("dump-flows")
