"""Our flows against a real switch: the text we render is the text it prints, and a packet meets the fate it should."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isthmus.fib.entries import (
    Circuit,
    CircuitName,
    Deliver,
    Forwarding,
    InboundKey,
    LabelKey,
    LabelledHop,
    NextHop,
    SourceKey,
    Spread,
    ViewId,
    endpoints_of,
)
from isthmus.flows.layout import ANSWER_MAC, GONE_ACTIONS, PROBE_MAC, PROBE_TYPE
from isthmus.flows.parse import parse_dump
from isthmus.flows.render import Renderer, add_line, delete_line
from isthmus.flows.spreading import choice
from isthmus.flows.types import FlowKey, cookie
from isthmus.model.intent import (
    CIRCUIT_LANE,
    CIRCUIT_MAC,
    NOBODYS_LANE,
    ROUTER_IPV4,
    ROUTER_IPV6,
    ROUTER_MAC,
    Fallback,
    Lane,
)
from isthmus.model.net import Mac, Prefix
from tests.build import ip, net
from tests.contract.switches import Switch, run

pytestmark = pytest.mark.contract

OURS, THEIRS = Mac.parse("02:78:ac:1e:01:01"), Mac.parse("02:78:ac:1e:02:01")
RED, BLUE, MUTE = CircuitName("isthmus-ac-red"), CircuitName("isthmus-ac-blue"), CircuitName("isthmus-ac-mute")
OUT = CircuitName("isthmus-ac-out")
VIEW, WIDE = ViewId(0xE7AE25118C30A0C0), ViewId(0x1)
TUNNEL, RED_PORT, BLUE_PORT, MUTE_PORT, OUT_PORT, GRE = 1, 2, 3, 4, 5, 6

FORWARDING = Forwarding(
    circuits={
        RED: Circuit(Fallback.ALL, (net("10.1.0.0/24"), net("2001:db8:1::/64"))),
        BLUE: Circuit(Fallback.PUBLIC, (net("10.2.0.0/24"),), outside=(net("172.24.4.0/24"), net("fd99::/64"))),
        MUTE: Circuit(Fallback.NONE, ()),
        OUT: Circuit(Fallback.ALL, (net("10.4.0.0/24"),), frozenset({ip("10.4.0.5")}), (6,), (net("10.77.0.0/24"),)),
    },
    sources={
        SourceKey(RED, ip("10.1.0.5")): VIEW,
        SourceKey(RED, ip("2001:db8:1::5")): VIEW,
        SourceKey(RED, ROUTER_IPV4): VIEW,
        SourceKey(RED, ROUTER_IPV6): VIEW,
        **{SourceKey(OUT, ip(a)): WIDE for a in ("10.4.0.5", "10.4.0.6", "2001:db8:4::5")},
        **{SourceKey(RED, ip(a)): WIDE for a in ("10.1.0.7", "2001:db8:1::7")},
        **{SourceKey(BLUE, ip(a), lane): VIEW for a in ("10.2.0.5", "2001:db8:2::5") for lane in (300, CIRCUIT_LANE)},
    },
    inbound={
        InboundKey(5001, net("10.1.0.5/32")): RED,
        InboundKey(5001, net("2001:db8:1::5/128")): RED,
        LabelKey(5001, net("10.1.0.5/32")): RED,
        LabelKey(70537, net("2001:db8:1::5/128")): RED,
    },
)
ROUTES = {
    net("10.9.0.7/32"): NextHop(ip("172.30.2.1"), THEIRS, 7001),
    net("10.9.0.0/16"): NextHop(ip("172.30.2.9"), THEIRS, 7001),
    net("10.2.0.5/32"): Deliver(BLUE),
    net("2001:db8:9::7/128"): NextHop(ip("172.30.2.1"), THEIRS, 7001),
    net("2001:db8::/32"): Deliver(BLUE),
    net("10.10.0.7/32"): LabelledHop(ip("172.30.2.1"), (7001,)),
    net("2001:db8:a::/48"): LabelledHop(ip("172.30.2.9"), (24, 7002)),
    net("10.10.0.0/16"): LabelledHop(ip("172.30.2.1"), (24, 25, 7001)),
    net("10.11.0.0/16"): Spread(tuple(NextHop(ip(f"172.30.2.{n}"), THEIRS, 7001) for n in range(1, 9))),
    net("2001:db8:b::/48"): Spread((LabelledHop(ip("172.30.2.1"), (24, 7001)), LabelledHop(ip("172.30.2.9"), (16,)))),
}
BY_DEFAULT = [
    net(p)
    for p in (
        *("0.0.0.0/0", "128.0.0.0/1", "203.0.0.0/8", "203.0.113.0/25", "203.0.113.9/32", "10.0.0.0/8", "10.77.0.8/32"),
        *("::/0", "2000::/3", "2001:db8:9::/48"),
        *("168.0.0.0/7", "169.254.0.0/15", "126.0.0.0/7", "224.0.0.0/3", "::/100", "fe00::/7", "fd00::/8"),
    )
]
"""Of another view."""


def wanted(sources: tuple[Prefix, ...] | None = None) -> dict[FlowKey, str]:
    renderer = Renderer(OURS, TUNNEL, {RED: RED_PORT, BLUE: BLUE_PORT, MUTE: MUTE_PORT, OUT: OUT_PORT}, sources, GRE)
    flows = renderer.base(FORWARDING, [ip("172.30.2.1")], asked=[ip("172.30.2.1"), ip("172.30.2.2")])
    lines = [(VIEW, prefix, target) for prefix, target in ROUTES.items()]
    lines += [(WIDE, prefix, NextHop(ip("172.30.2.1"), THEIRS, 7002)) for prefix in BY_DEFAULT]
    for view, prefix, target in lines:
        flow = renderer.route(view, prefix, target)
        assert flow is not None
        flows[flow[0]] = flow[1]
        if isinstance(target, Spread):
            flows |= renderer.members(target) | choice(endpoints_of(target))
    for gone in ("10.9.9.9/32", "10.8.0.0/16", "2001:db8:9::9/128"):
        flows[renderer.gone(VIEW, net(gone))] = GONE_ACTIONS
    return flows


NOBODYS_ADDRESSES = (
    *("169.254.169.254", "169.254.0.1", "169.254.128.9", "127.0.0.1", "0.0.0.1", "224.0.0.5", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255", "::1", "::ffff:10.9.0.7", "fe80::1", "febf::1", "ff02::5", "fd00:56:50:4e::9"),
)


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    tunnel = "type=vxlan options:remote_ip=flow options:key=flow"
    lines = [
        "add-br br-vpn",
        "set bridge br-vpn datapath_type=dummy fail_mode=secure protocols=OpenFlow15",
        f"add-port br-vpn tun -- set interface tun {tunnel} ofport_request={TUNNEL}",
        "add-port br-vpn gre -- set interface gre type=gre options:remote_ip=flow options:packet_type=legacy_l3"
        f" ofport_request={GRE}",
        f"add-port br-vpn red -- set interface red type=dummy ofport_request={RED_PORT}",
        f"add-port br-vpn blue -- set interface blue type=dummy ofport_request={BLUE_PORT}",
        f"add-port br-vpn out -- set interface out type=dummy ofport_request={OUT_PORT}",
        f"add-port br-vpn mute -- set interface mute type=dummy ofport_request={MUTE_PORT}",
    ]
    with Switch() as made:
        made.vsctl(*" -- ".join(lines).split())
        apply(made, "\n".join(add_line(key, cookie(7), actions) for key, actions in wanted().items()))
        yield made


def apply(switch: Switch, lines: str) -> None:
    target = f"unix:{switch.run_dir}/br-vpn.mgmt"
    run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", target, "-", stdin=lines)


def dump(switch: Switch) -> str:
    return switch.ofctl("dump-flows")


def fate(switch: Switch, packet: str) -> str:
    """What becomes of a packet, as the switch itself tells it."""
    return switch.appctl("ofproto/trace", "--names", "br-vpn", packet).rsplit("Datapath actions: ", 1)[1].strip()


def test_the_switch_prints_what_we_rendered(switch: Switch) -> None:
    found = parse_dump(dump(switch))
    assert {key: flow.actions for key, flow in found.items()} == wanted()
    assert {flow.generation for flow in found.values() if flow.ours} == {7}
    assert all(flow.ours for flow in found.values())


def test_deleting_by_the_rendered_key_deletes_exactly_that(switch: Switch) -> None:
    flows = wanted()
    for key, actions in flows.items():
        apply(switch, delete_line(key))
        assert set(parse_dump(dump(switch))) == set(flows) - {key}
        apply(switch, add_line(key, cookie(7), actions))


V4 = "dl_src=02:00:5e:00:00:01,dl_dst=02:00:5e:00:00:02,icmp,nw_ttl=63"
V6 = "dl_src=02:00:5e:00:00:01,dl_dst=02:00:5e:00:00:02,icmp6,nw_ttl=63"
LANE, ANOTHERS, NOBODYS = (f"dl_dst={Lane(n).mac}" for n in (300, 17, NOBODYS_LANE))
OWN = f"dl_dst={CIRCUIT_MAC}"
TO_TUNNEL = f"set(eth(src={OURS},dst={THEIRS})),tun"
TO_ROUTER = f"set(eth(src={CIRCUIT_MAC},dst={ROUTER_MAC}))"


@pytest.mark.parametrize(
    ("packet", "leads"),
    [
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.7", TO_TUNNEL),
        (
            f"in_port={RED_PORT},{V6},ipv6_src=2001:db8:1::5,ipv6_dst=2001:db8:9::7",
            TO_TUNNEL,
        ),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.8", "drop"),  # its endpoint does not answer
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.2.0.5", f"{TO_ROUTER},blue"),
        (f"in_port={RED_PORT},{V6},ipv6_src=2001:db8:1::5,ipv6_dst=2001:db8:7::1", f"{TO_ROUTER},blue"),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", f"{TO_ROUTER},red"),
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.8.0.5", "drop"),  # was known a moment ago
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.66,nw_dst=10.8.0.5", f"{TO_ROUTER},red"),  # not to this view
        (f"in_port={RED_PORT},{V4},nw_src=10.1.0.66,nw_dst=10.9.0.7", f"{TO_ROUTER},red"),  # has no view
        (f"in_port={RED_PORT},{V4},nw_src=169.254.128.1,nw_dst=10.1.0.5", "src=169.254.128.2"),
        # What the router itself says about a packet from the VPN: the router behind the far end has the same address.
        (f"in_port={RED_PORT},{V4},nw_src=169.254.128.1,nw_dst=10.9.0.7", "set(ipv4(src=169.254.128.2)),"),
        (f"in_port={RED_PORT},{V6},ipv6_src=fd00:56:50:4e::1,ipv6_dst=2001:db8:9::7", TO_TUNNEL),
        (f"in_port={RED_PORT},{V4},nw_src=169.254.128.1,nw_dst=8.8.8.8", "drop"),  # nobody in the VPN
        (f"in_port={RED_PORT},{V6},ipv6_src=fd00:56:50:4e::1,ipv6_dst=2001:db9::1", "drop"),
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=10.9.0.7", "drop"),  # private, fallback=public
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=172.24.4.9", f"{TO_ROUTER},blue"),  # the router has a route
        (f"in_port={BLUE_PORT},{V6},ipv6_src=fd00::1,ipv6_dst=fd99::9", f"{TO_ROUTER},blue"),
        (f"in_port={BLUE_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", f"{TO_ROUTER},blue"),
        (f"in_port={BLUE_PORT},{V6},ipv6_src=fd00::1,ipv6_dst=fd01::1", "drop"),
        # A floating IP wins over the VPN's default route, whole or in pieces; for whoever is outside over all prefixes.
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=8.8.8.8", f"{TO_ROUTER},out"),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=198.51.100.1", f"{TO_ROUTER},out"),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=203.0.113.1", f"{TO_ROUTER},out"),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=203.7.7.7", f"{TO_ROUTER},out"),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=203.0.113.9", TO_TUNNEL),  # the VPN's own machine
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=10.7.7.7", TO_TUNNEL),  # private: the VPN's
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=172.16.0.1", f"{TO_ROUTER},out"),  # but by default it is not
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=10.77.0.7", f"{TO_ROUTER},out"),  # the router's outside
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.5,nw_dst=10.77.0.8", TO_TUNNEL),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.6,nw_dst=203.0.113.1", TO_TUNNEL),  # it has none
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.6,nw_dst=10.77.0.7", TO_TUNNEL),
        (f"in_port={OUT_PORT},{V4},nw_src=10.4.0.6,nw_dst=8.8.8.8", TO_TUNNEL),
        # A router that keeps to its own default route, here for IPv6.
        (f"in_port={OUT_PORT},{V6},ipv6_src=2001:db8:4::5,ipv6_dst=2600::1", f"{TO_ROUTER},out"),
        (f"in_port={OUT_PORT},{V6},ipv6_src=2001:db8:4::5,ipv6_dst=2001:db8:9::1", TO_TUNNEL),
        # Who spoke: a machine of another network that bears 10.2.0.5 comes by another lane.
        (f"in_port={BLUE_PORT},{V4.replace(OWN, LANE)},nw_src=10.2.0.5,nw_dst=10.9.0.7", TO_TUNNEL),
        (f"in_port={BLUE_PORT},{V6.replace(OWN, LANE)},ipv6_src=2001:db8:2::5,ipv6_dst=2001:db8:9::7", TO_TUNNEL),
        (f"in_port={BLUE_PORT},{V4},nw_src=10.2.0.5,nw_dst=10.9.0.7", TO_TUNNEL),  # OVN has not followed the row yet
        (f"in_port={BLUE_PORT},{V4.replace(OWN, ANOTHERS)},nw_src=10.2.0.5,nw_dst=10.9.0.7", "drop"),
        (f"in_port={BLUE_PORT},{V4.replace(OWN, NOBODYS)},nw_src=10.2.0.5,nw_dst=10.9.0.7", "drop"),
        (f"in_port={BLUE_PORT},{V6.replace(OWN, ANOTHERS)},ipv6_src=2001:db8:2::5,ipv6_dst=2001:db8:9::7", "blue"),
        (f"in_port={MUTE_PORT},{V4},nw_src=10.1.0.5,nw_dst=8.8.8.8", "drop"),
        (f"in_port={RED_PORT},arp,arp_spa=10.1.0.5,arp_tpa=10.1.0.1,arp_op=1", "red"),
    ],
)
def test_a_packet_from_a_circuit_goes_where_it_should(switch: Switch, packet: str, leads: str) -> None:
    assert leads in fate(switch, packet)


@pytest.mark.parametrize("address", NOBODYS_ADDRESSES)
def test_nobodys_destination_never_enters_the_vpn_whatever_covers_it(switch: Switch, address: str) -> None:
    """The metadata service's among them: it goes where it would go without a VPN."""
    field, source, head = ("ipv6", "2001:db8:1::7", V6) if ":" in address else ("nw", "10.1.0.7", V4)
    packet = f"in_port={RED_PORT},{head},{field}_src={source},{field}_dst={address}"
    assert f"{TO_ROUTER},red" in fate(switch, packet)


IN = f"in_port={TUNNEL},dl_src={THEIRS},tun_src=172.30.2.1,tun_dst=172.30.1.1"


@pytest.mark.parametrize(
    ("packet", "leads"),
    [
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.5", f"{TO_ROUTER},red"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ipv6,ipv6_dst=2001:db8:1::5", f"{TO_ROUTER},red"),
        (f"{IN},tun_id=5002,dl_dst={OURS},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.6", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},ip,nw_dst=8.8.8.8", "drop"),
        (f"{IN},tun_id=5001,dl_dst={THEIRS},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=5001,dl_dst={OURS},arp,arp_tpa=10.1.0.5", "drop"),
        (
            f"{IN},tun_id=0,dl_dst={PROBE_MAC},dl_type={PROBE_TYPE:#x}",
            f"set(eth(dst={ANSWER_MAC})),tun",
        ),
        (f"{IN},tun_id=0,dl_dst={PROBE_MAC},ip,nw_dst=10.1.0.5", "drop"),
        (f"{IN},tun_id=0,dl_dst={ANSWER_MAC},dl_type={PROBE_TYPE:#x}", "userspace(pid=0,controller(reason=1"),
        (f"{IN.replace('2.1', '2.3')},tun_id=0,dl_dst={ANSWER_MAC},dl_type={PROBE_TYPE:#x}", "drop"),
        (f"{IN},mpls,mpls_label=5001,mpls_bos=1", "drop"),  # labels do not come in VXLAN
        (f"{IN.replace('port=1', 'port=6')},tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.5", "drop"),  # nor VNIs in GRE
    ],
)
def test_from_a_tunnel_only_what_was_announced_comes_in(switch: Switch, packet: str, leads: str) -> None:
    assert leads in fate(switch, packet)


def test_where_tunnels_may_begin_is_said_nothing_comes_from_elsewhere(switch: Switch) -> None:
    """A frame from where no tunnel may begin gets nowhere, VNI and MAC right or not; a probe is not answered."""
    open_, strict = wanted(), wanted((net("172.30.2.0/30"), net("172.30.7.7/32")))
    try:
        apply(switch, "\n".join(delete_line(key) for key in open_))
        apply(switch, "\n".join(add_line(key, cookie(7), actions) for key, actions in strict.items()))
        assert {key: flow.actions for key, flow in parse_dump(dump(switch)).items()} == strict
        frame = f"tun_id=5001,dl_dst={OURS},ip,nw_dst=10.1.0.5"
        probe = f"tun_id=0,dl_dst={PROBE_MAC},dl_type={PROBE_TYPE:#x}"
        for source, leads in (("172.30.2.1", True), ("172.30.7.7", True), ("172.30.2.9", False), ("172.30.7.8", False)):
            begin = IN.replace("172.30.2.1", source)
            assert (fate(switch, f"{begin},{frame}") != "drop") is leads, source
            assert (fate(switch, f"{begin},{probe}") != "drop") is leads, source
        for key in strict:
            apply(switch, delete_line(key))
        assert parse_dump(dump(switch)) == {}
    finally:
        apply(switch, "\n".join(delete_line(key) for key in strict))
        apply(switch, "\n".join(add_line(key, cookie(7), actions) for key, actions in open_.items()))
