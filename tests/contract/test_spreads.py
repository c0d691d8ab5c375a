"""Packets to a prefix that several PEs share, on a real switch: who gets which, and what a PE that goes changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from isthmus.fib.entries import (
    Circuit,
    CircuitName,
    Forwarding,
    Hop,
    LabelledHop,
    NextHop,
    SourceKey,
    Spread,
    ViewId,
    endpoints_of,
    spread,
)
from isthmus.flows.render import Renderer, add_line, delete_line
from isthmus.flows.spreading import choice
from isthmus.flows.types import FlowKey, cookie
from isthmus.model.intent import ROUTER_MAC, Fallback
from isthmus.model.net import IpAddress, Mac
from tests.build import ip, net
from tests.contract.wire import CIRCUIT, GRE, IPV4, IPV6, VXLAN, Pe, ethernet, ipv4, ipv6, label, udp
from tests.eventually import eventually

pytestmark = pytest.mark.contract

RED, VIEW, LABEL = CircuitName("isthmus-ac-red"), ViewId(0x1), 7004
HERE, MAC, VM = ip("172.30.1.1"), Mac.parse("02:aa:00:00:00:01"), Mac.parse("02:00:00:00:00:09")
ROUTER = Mac.parse("02:78:ac:1e:01:01")
PES = [ip(f"172.30.2.{n}") for n in range(1, 5)]
SOURCES4, SOURCES6 = [ip(f"10.1.0.{n}") for n in range(1, 9)], [ip(f"2001:db8:1::{n}") for n in range(1, 9)]
PREFIX4, PREFIX6 = net("10.2.0.0/16"), net("2001:db8:2::/48")
LABELLED: dict[IpAddress, Hop] = {pe: LabelledHop(pe, (24, LABEL)) for pe in PES}
BY_VXLAN: dict[IpAddress, Hop] = {pe: NextHop(pe, Mac(b"\x02\x78" + pe), LABEL) for pe in PES}
Pair = tuple[IpAddress, IpAddress]
PAIRS4: list[Pair] = [(source, ip(f"10.2.{n}.7")) for source in SOURCES4 for n in range(8)]
PAIRS6: list[Pair] = [(source, ip(f"2001:db8:2:{n}::7")) for source in SOURCES6 for n in range(8)]


@pytest.fixture(scope="module")
def pe() -> Iterator[Pe]:
    with Pe(HERE, MAC) as made:
        made.build("")
        made.switch.appctl("ovs/route/add", "172.30.0.0/16", "br-phy")
        for number, address in enumerate(PES):
            made.switch.appctl("tnl/neigh/set", "br-phy", str(address), f"02:bb:00:00:00:{number:02x}")
        yield made


def shared(by: Mapping[IpAddress, Hop], pes: Sequence[IpAddress]) -> dict[FlowKey, str]:
    renderer = Renderer(ROUTER, VXLAN, {RED: CIRCUIT}, None, GRE)
    sources = {SourceKey(RED, address): VIEW for address in (*SOURCES4, *SOURCES6)}
    found = renderer.base(Forwarding({RED: Circuit(Fallback.NONE, ())}, sources, {}), PES)
    target = spread(by[one] for one in pes)
    for prefix in (PREFIX4, PREFIX6):
        flow = renderer.route(VIEW, prefix, target)
        assert flow is not None
        found[flow[0]] = flow[1]
    if isinstance(target, Spread):
        found |= renderer.members(target) | choice(endpoints_of(target))
    return found


def serve(pe: Pe, flows: Mapping[FlowKey, str], before: Mapping[FlowKey, str]) -> None:
    pe.flows([delete_line(key) for key in before.keys() - flows.keys()])
    pe.flows([add_line(key, cookie(7), actions) for key, actions in flows.items()])
    pe.switch.appctl("revalidator/wait")


def taken_by(pe: Pe, pairs: Sequence[Pair], port: int = 0) -> dict[Pair, IpAddress]:
    """Where the packets of each pair go, sent and seen on the wire."""
    before, found = len(pe.sent("wire")), dict[Pair, IpAddress]()

    def all_seen() -> None:
        frames = [_frame(number, pair, port) for number, pair in enumerate(pairs) if pair not in found]
        for at in range(0, len(frames), 16):
            pe.switch.appctl("netdev-dummy/receive", "red", *(frame.hex() for frame in frames[at : at + 16]))
        for frame in pe.sent("wire")[before:]:
            (number,) = (n for n in range(len(pairs)) if f"{port} {n}.".encode() in frame)
            assert found.setdefault(pairs[number], IpAddress(frame[30:34])) == frame[30:34]
        assert len(found) == len(pairs)

    eventually(all_seen, every=0.05)
    return found


def _frame(number: int, pair: Pair, port: int) -> bytes:
    source, to = pair
    payload = udp(f"{port} {number}.".encode())
    payload = payload[:2] + (4711 + port).to_bytes(2, "big") + payload[4:]
    if source.version == 4:
        return ethernet(ROUTER_MAC, VM, IPV4, ipv4(source, to, payload))
    return ethernet(ROUTER_MAC, VM, IPV6, ipv6(source, to, payload))


@pytest.mark.parametrize("by", [LABELLED, BY_VXLAN], ids=["MPLS", "VXLAN"])
@pytest.mark.parametrize("pairs", [PAIRS4, PAIRS6], ids=["IPv4", "IPv6"])
def test_each_has_a_share_and_a_pair_keeps_its_pe(pe: Pe, by: dict[IpAddress, Hop], pairs: list[Pair]) -> None:
    """Whatever its ports; one that goes leaves its own pairs to others and takes no other's along; one that comes back
    has what it had."""
    four, three = shared(by, PES), {gone: shared(by, [one for one in PES if one != gone]) for gone in PES[:2]}
    serve(pe, four, {})
    before = taken_by(pe, pairs)
    shares = Counter(before.values())
    assert set(shares) == set(PES) and min(shares.values()) >= len(pairs) / 16, shares
    assert taken_by(pe, pairs, port=1) == before
    for gone, flows in three.items():
        serve(pe, flows, four)
        after = taken_by(pe, pairs, port=2)
        assert [pair for pair, one in before.items() if one not in (gone, after[pair])] == []
        assert len({after[pair] for pair, one in before.items() if one == gone}) > 1, "several take over"
        serve(pe, four, flows)
        assert taken_by(pe, pairs, port=3) == before


def test_another_label_moves_nobody(pe: Pe) -> None:
    first, second = shared(LABELLED, PES), shared({one: LabelledHop(one, (LABEL + 1,)) for one in PES}, PES)
    serve(pe, first, {})
    before = taken_by(pe, PAIRS4)
    serve(pe, second, first)
    assert taken_by(pe, PAIRS4, port=1) == before


def test_two_share_about_evenly(pe: Pe) -> None:
    serve(pe, shared(LABELLED, PES[:2]), {})
    shares = Counter(taken_by(pe, PAIRS4).values())
    assert set(shares) == set(PES[:2]) and min(shares.values()) >= len(PAIRS4) / 4, shares


def test_what_is_shared_has_the_class_of_its_packets(pe: Pe) -> None:
    serve(pe, shared(LABELLED, PES), {})
    for source, to in PAIRS4[:4]:
        before = len(pe.sent("wire"))
        pe.receive("red", ethernet(ROUTER_MAC, VM, IPV4, ipv4(source, to, udp(), tos=46 << 2)))
        stack = pe.next("wire", before)[38:46]
        assert stack == label(24, bottom=False, traffic_class=5, ttl=63) + label(LABEL, traffic_class=5, ttl=63)
